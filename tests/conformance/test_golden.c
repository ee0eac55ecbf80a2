/* The engine against every value of the reference set that it can compute: logits, greedy ids, layers, vision features. Exact arithmetic meets the
 * stated tolerances; each prompt also goes through with two threads and in passes of seven rows, and short ones through the packed file: all must give
 * the same bits. Fast arithmetic stays within FAST_RMS of the logits and gives the same greedy ids. */
#include "tests/conformance/golden.h"

#include "pipeline/model/convert.h"
#include "pipeline/model/image.h"

#include <unistd.h>

/* Root mean square of the differences of logits that have a standard deviation of 4; the bf16 arithmetic of the reference itself is at 0.12. */
#define FAST_RMS           0.02
#define POWER_SAVER_RMS    0.6
#define FAST_VISION        3e-3 /* of the root mean square of the features */
#define POWER_SAVER_VISION 6e-2

struct setup {
    unsigned           threads;
    uint32_t           pass_rows;
    const char        *packed; /* instead of the case's own checkpoint */
    enum nj_arithmetic arithmetic;
};

/* Under an emulator: fewer cases, and one thread, since emulated threads wait for each other very slowly. */
static bool is_brief(void)
{
    return getenv("NJ_RUNNER") != NULL;
}

struct model {
    struct nj_weights *weights;
    struct nj_pool    *pool;
    struct nj_engine  *engine;
};

static void open_model(const json_t *test, struct setup setup, struct model *model)
{
    struct nj_error          error   = {""};
    struct nj_engine_options options = {.arithmetic = setup.arithmetic, .pass_rows = setup.pass_rows};
    golden_must(setup.packed ? nj_weights_open(setup.packed, NULL, &model->weights, &error) : golden_weights(test, &model->weights, &error),
                &error);
    golden_must(nj_pool_open(is_brief() ? 1 : setup.threads, &model->pool, &error), &error);
    options.pool = model->pool;
    golden_must(nj_engine_open(model->weights, &options, &model->engine, &error), &error);
}

static void close_model(struct model *model)
{
    nj_engine_close(model->engine);
    nj_pool_close(model->pool);
    nj_weights_close(model->weights);
}

/* Features of all pictures of a case, one after the other; NULL when it has none. */
static float *features_of(const json_t *test, struct model *model)
{
    struct nj_error error  = {""};
    const json_t   *inputs = json_object_get(test, "inputs"), *images = json_object_get(inputs, "images");
    size_t          hidden = model->weights->config.text.hidden_size, used = 0;
    float          *all = NULL;
    for (size_t i = 0; i < json_array_size(images); i++) {
        struct nj_image image = {0};
        uint32_t        soft  = (uint32_t)json_integer_value(json_object_get(inputs, "soft_tokens"));
        const char     *path  = golden_path(json_string_value(json_array_get(images, i)));
        golden_must(nj_image_from_file(model->engine, path, soft, false, &image, &error), &error);
        all = realloc(all, (used + image.count * hidden) * sizeof *all);
        memcpy(all + used, image.features, image.count * hidden * sizeof *all);
        used += image.count * hidden;
        nj_image_free(&image);
    }
    return all;
}

static float *prompt_logits(const json_t *test, struct setup setup, const int32_t *ids, size_t count, size_t *vocab)
{
    struct nj_error     error = {""};
    struct model        model;
    struct nj_sequence *sequence;
    open_model(test, setup, &model);
    *vocab                  = model.weights->config.text.vocab_size;
    float         *features = features_of(test, &model);
    float         *logits   = calloc(count * *vocab, sizeof *logits);
    struct nj_step step     = {.ids = ids, .count = count, .features = features, .want = NJ_WANT_ALL, .logits = logits};
    golden_must(nj_sequence_open(model.engine, (uint32_t)count, &sequence, &error), &error);
    step.sequence = sequence;
    golden_must(nj_engine_step(model.engine, &step, 1, &error), &error);
    nj_sequence_close(sequence);
    free(features);
    close_model(&model);
    return logits;
}

/* The packed file made from the checkpoint of a case holds the same values. */
static void check_packed(const json_t *test, const int32_t *ids, size_t count, const float *logits)
{
    struct nj_error           error  = {""};
    struct nj_convert_report  report = {0};
    struct nj_convert_options none   = {0};
    char                      path[] = "/tmp/nj-golden-XXXXXX";
    const char               *source = golden_model(test, &none.mmproj);
    int                       file   = mkstemp(path);
    size_t                    vocab;
    golden_must(file < 0 ? nj_fail(&error, "%s: cannot be made", path) : NJ_OK, &error);
    close(file);
    golden_must(nj_convert(source, path, &none, &report, &error), &error);
    float *packed = prompt_logits(test, (struct setup){.threads = 1, .packed = path}, ids, count, &vocab);
    CHECK(!memcmp(logits, packed, count * vocab * sizeof *logits), "%s: the same bits from the packed file", golden_text(test, "name"));
    free(packed);
    unlink(path);
}

/* The same prompt in fast arithmetic: two threads and whole passes, and cut into small ones. */
static void check_fast(const json_t *test, const int32_t *ids, size_t count, const struct nj_npy *golden)
{
    static const struct {
        const char  *name;
        struct setup setup;
        double       rms;
    } modes[] = {{"fast", {.threads = 2, .arithmetic = NJ_FAST}, FAST_RMS},
                 {"fast, passes of 13", {.threads = 1, .pass_rows = 13, .arithmetic = NJ_FAST}, FAST_RMS},
                 {"power saver", {.threads = 2, .arithmetic = NJ_POWER_SAVER}, POWER_SAVER_RMS}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        size_t            vocab, rows = golden->shape[0];
        float            *logits = prompt_logits(test, modes[i].setup, ids, count, &vocab);
        struct golden_gap gap    = golden_compare(logits + (count - rows) * vocab, golden->data, rows, vocab, modes[i].rms);
        CHECK(gap.rms <= modes[i].rms && gap.agree == gap.clear, "%s, %s: rms %.1e of %.0e, %zu of %zu clear rows agree",
              golden_text(test, "name"), modes[i].name, gap.rms, modes[i].rms, gap.agree, gap.clear);
        free(logits);
    }
}

static void check_logits(const json_t *test)
{
    static const struct setup setups[] = {{.threads = 2, .pass_rows = 7}, {.threads = 2}};
    const char               *name     = golden_text(test, "name");
    double                    atol     = json_number_value(json_object_get(json_object_get(test, "tolerance"), "atol"));
    struct nj_npy             golden   = golden_array(test, "logits");
    int32_t                  *ids;
    size_t                    vocab, count = golden_ids(golden_text(json_object_get(test, "inputs"), "ids"), &ids);
    float                    *logits = prompt_logits(test, (struct setup){.threads = 1}, ids, count, &vocab);
    size_t                    rows   = golden.shape[0];
    bool                      fits   = golden.rank == 2 && golden.shape[1] == vocab && rows <= count;
    if (CHECK(fits, "%s: the shapes fit", name)) {
        struct golden_gap gap = golden_compare(logits + (count - rows) * vocab, golden.data, rows, vocab, atol);
        CHECK(gap.largest <= atol && gap.agree == gap.clear, "%s: %zu rows, largest difference %.1e of %.0e", name, rows, gap.largest,
              atol);
    }
    for (size_t i = 0; i < sizeof setups / sizeof *setups; i++) {
        float *again = prompt_logits(test, setups[i], ids, count, &vocab);
        CHECK(!memcmp(logits, again, count * vocab * sizeof *logits), "%s: the same bits with %u threads, passes of %u", name,
              setups[i].threads, setups[i].pass_rows);
        free(again);
    }
    if (!*golden_text(test, "adapter") && !strstr(name, "long") && !strstr(name, "-images"))
        check_packed(test, ids, count, logits);
    if (fits)
        check_fast(test, ids, count, &golden);
    free(logits);
    free(ids);
    nj_npy_free(&golden);
}

static void check_generate(const json_t *test, enum nj_arithmetic arithmetic)
{
    struct nj_error     error = {""};
    struct model        model;
    struct nj_sequence *sequence;
    int32_t            *ids, *golden, id;
    size_t              count  = golden_ids(golden_text(json_object_get(test, "inputs"), "ids"), &ids);
    size_t              wanted = golden_ids(golden_text(json_object_get(test, "outputs"), "ids"), &golden), same = 0;
    open_model(test, (struct setup){.threads = 2, .arithmetic = arithmetic}, &model);
    size_t         vocab    = model.weights->config.text.vocab_size;
    float         *features = features_of(test, &model), *logits = calloc(vocab, sizeof *logits);
    struct nj_step step = {.ids = ids, .count = count, .features = features, .want = NJ_WANT_LAST, .logits = logits};
    golden_must(nj_sequence_open(model.engine, (uint32_t)(count + wanted), &sequence, &error), &error);
    step.sequence = sequence;
    for (; same < wanted; same++) {
        golden_must(nj_engine_step(model.engine, &step, 1, &error), &error);
        id = 0;
        for (size_t i = 1; i < vocab; i++)
            if (logits[i] > logits[id])
                id = (int32_t)i;
        if (id != golden[same])
            break;
        step.ids   = &golden[same];
        step.count = 1;
    }
    CHECK(same == wanted, "%s%s: %zu of %zu greedy ids", golden_text(test, "name"), arithmetic == NJ_FAST ? ", fast" : "", same, wanted);
    nj_sequence_close(sequence);
    free(features);
    free(logits);
    free(ids);
    free(golden);
    close_model(&model);
}

static void check_trace(const json_t *test, const char *key)
{
    struct nj_error error  = {""};
    struct nj_npy   golden = golden_array(test, key);
    double          atol   = json_number_value(json_object_get(json_object_get(test, "tolerance"), "atol"));
    int32_t        *ids;
    struct model    model;
    size_t          count = golden_ids(golden_text(json_object_get(test, "inputs"), "ids"), &ids);
    float          *ours  = calloc(golden.count, sizeof *ours);
    open_model(test, (struct setup){.threads = 1, .pass_rows = 4}, &model);
    bool is_ple = !strcmp(key, "ple");
    golden_must(nj_engine_trace(model.engine, ids, count, NULL, is_ple ? NULL : ours, is_ple ? ours : NULL, &error), &error);
    struct golden_gap gap = golden_compare(ours, golden.data, 1, golden.count, atol);
    CHECK(gap.largest <= atol, "%s: largest difference %.1e of %.0e", golden_text(test, "name"), gap.largest, atol);
    free(ours);
    free(ids);
    nj_npy_free(&golden);
    close_model(&model);
}

/* The tower alone: on the golden pixels of the same picture, where the reference has them, it must come much closer. */
static void check_pixels(const json_t *test, struct model *model, const struct nj_npy *golden)
{
    const double    atol  = 2e-4;
    struct nj_error error = {""};
    struct nj_npy   pixels;
    char            name[256];
    snprintf(name, sizeof name, "golden/pixels-%s.npy", golden_text(test, "name") + strlen("vision-"));
    if (nj_npy_read(golden_path(name), GOLDEN_LIMIT, &pixels, &error) != NJ_OK)
        return;
    float *features = calloc(golden->count, sizeof *features);
    golden_must(nj_engine_vision(model->engine, pixels.data, (uint32_t)pixels.shape[1], (uint32_t)pixels.shape[0], features, &error),
                &error);
    struct golden_gap gap = golden_compare(features, golden->data, 1, golden->count, atol);
    CHECK(gap.largest <= atol, "%s from its pixels: largest difference %.1e of %.0e", golden_text(test, "name"), gap.largest, atol);
    free(features);
    nj_npy_free(&pixels);
}

static void check_vision(const json_t *test)
{
    struct nj_npy golden = golden_array(test, "features");
    double        atol   = json_number_value(json_object_get(json_object_get(test, "tolerance"), "atol"));
    struct model  model;
    open_model(test, (struct setup){.threads = 2}, &model);
    check_pixels(test, &model, &golden);
    float            *features = features_of(test, &model);
    struct golden_gap gap      = golden_compare(features, golden.data, 1, golden.count, atol);
    CHECK(gap.largest <= atol, "%s: largest difference %.1e of %.0e", golden_text(test, "name"), gap.largest, atol);
    free(features);
    /* Products of one vector that clamp it differently, if only by its last bit. */
    for (uint32_t layer = 0; layer < model.weights->config.vision.layers; layer++) {
        struct nj_vision_layer *bounds = &model.weights->vision[layer];
        bounds->k.input_max            = nextafterf(bounds->k.input_max, 0);
        bounds->up.input_min           = nextafterf(bounds->up.input_min, 0);
    }
    features = features_of(test, &model);
    gap      = golden_compare(features, golden.data, 1, golden.count, atol);
    CHECK(gap.largest <= atol, "%s, bounds that differ: largest difference %.1e of %.0e", golden_text(test, "name"), gap.largest, atol);
    free(features);
    nj_npy_free(&golden);
    close_model(&model);
}

/* The tower in the faster arithmetics, by the root mean square of what its features are off. */
static void check_vision_within(const json_t *test, enum nj_arithmetic arithmetic, const char *name, double bound)
{
    struct nj_npy golden = golden_array(test, "features");
    struct model  model;
    double        off = 0, size = 0;
    open_model(test, (struct setup){.threads = 2, .arithmetic = arithmetic}, &model);
    float *features = features_of(test, &model);
    for (size_t i = 0; i < golden.count; i++) {
        double want = ((const float *)golden.data)[i], gap = (double)features[i] - want;
        off += gap * gap;
        size += want * want;
    }
    CHECK(sqrt(off / size) <= bound, "%s, %s: features %.1e off of %.0e", golden_text(test, "name"), name, sqrt(off / size), bound);
    free(features);
    nj_npy_free(&golden);
    close_model(&model);
}

static bool is_chosen(const char *name)
{
    static const char *const chosen[] = {"tiny-it-short",
                                         "tiny-it-gen-text-2",
                                         "layers",
                                         "layers-ple",
                                         "vision-wide-70",
                                         "tiny-w4a16-g128-short",
                                         "tiny-w4a16-g32-short",
                                         "tiny-w4a16-channel-long",
                                         "tiny-lora-vlm-short",
                                         "gguf-tiny-pruned-k-short",
                                         "tiny-w4a16-g128-gen"};
    for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++)
        if (!strcmp(name, chosen[i]))
            return true;
    return false;
}

int main(void)
{
    if (!tap_shared()) {
        SKIP("no reference files here");
        return tap_done();
    }
    json_t     *cases = golden_cases(), *test;
    const char *only  = getenv("NJ_GOLDEN"); /* part of a name: just those cases */
    size_t      i;
    json_array_foreach(cases, i, test)
    {
        const char *kind = golden_text(test, "kind"), *name = golden_text(test, "name");
        if ((only && !strstr(name, only)) || (is_brief() && !is_chosen(name)))
            continue;
        if (!strcmp(kind, "logits"))
            check_logits(test);
        else if (!strcmp(kind, "generate"))
            check_generate(test, NJ_EXACT), check_generate(test, NJ_FAST);
        else if (!strcmp(kind, "hidden") || !strcmp(kind, "ple"))
            check_trace(test, kind);
        else if (!strcmp(kind, "vision")) {
            check_vision(test);
            check_vision_within(test, NJ_FAST, "fast", FAST_VISION);
            check_vision_within(test, NJ_POWER_SAVER, "power saver", POWER_SAVER_VISION);
        }
    }
    json_decref(cases);
    return tap_done();
}
