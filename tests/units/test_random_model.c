/* Models made out of nothing: the same twice, and the same again after packing. */
#include "pipeline/model/checkpoint.h"
#include "pipeline/model/convert.h"
#include "pipeline/model/random_model.h"
#include "pipeline/model/tokenizer.h"
#include "tests/conformance/weights_hash.h"
#include "tests/tap.h"

#include <unistd.h>

static bool middle_row_lives(const struct nj_matrix *head)
{
    size_t size = nj_format_row_bytes(head->format, head->cols), any = 0;
    for (size_t i = 0; i < size; i++)
        any += ((const uint8_t *)head->data)[head->rows / 2 * size + i] != 0;
    return any > size / 2;
}

static void check_packing(const char *hash, const struct nj_plan_options *plan, bool equal)
{
    char                            file[]  = "/tmp/nightjar-random-XXXXXX", again[HASH_TEXT];
    const struct nj_convert_options options = {.random = true, .plan = *plan, .seed = 7};
    struct nj_convert_report        report;
    struct nj_error                 error = {0};
    struct nj_weights              *weights;
    close(mkstemp(file));
    if (CHECK(nj_convert("tiny", file, &options, &report, &error) == NJ_OK, "tiny is packed %s", error.text) &&
        CHECK(nj_weights_open(file, NULL, &weights, &error) == NJ_OK, "and opens %s", error.text)) {
        hash_text(weights, again);
        CHECK(!strcmp(hash, again) == equal, "%s", equal ? "with the same weights" : "with other weights, being quantised");
        CHECK(plan->head != NJ_HEAD_INT8 || weights->head.format == NJ_I8_ROWS, "and the head that was asked for");
        /* The head of such a model is its embedding, which is written before it: what was written must not be given back. */
        CHECK(plan->head != NJ_HEAD_INT8 || middle_row_lives(&weights->head), "whose middle is not empty");
        CHECK(!plan->quantize || weights->layers[0].down.format == NJ_W4_PANELS, "and the matrices that were asked for");
        CHECK(weights->config.vision.layers == 2 && weights->config.image_id == 19, "and a vision tower");
        nj_weights_close(weights);
    }
    unlink(file);
}

static void check_tokenizer(const struct nj_weights *weights)
{
    static const char    text[] = "<|turn>user\nthe species is \xc3\xa9land 10:30\n<turn|>";
    struct nj_tokenizer *tokenizer;
    struct nj_error      error = {0};
    struct nj_ids        ids   = {0};
    char                 back[256];
    size_t               length = 0;
    if (!CHECK(nj_weights_tokenizer(weights, &tokenizer, &error) == NJ_OK, "it has a tokenizer %s", error.text))
        return;
    CHECK(nj_tokenizer_size(tokenizer) == weights->config.text.vocab_size, "of the size of its vocabulary");
    CHECK(nj_tokenizer_encode(tokenizer, text, strlen(text), true, &ids, &error) == NJ_OK && ids.count > 0 && ids.data[0] == 15,
          "a text has ids");
    for (size_t i = 0; i < ids.count; i++) {
        struct nj_string_view bytes = nj_tokenizer_bytes(tokenizer, ids.data[i]);
        memcpy(back + length, bytes.data, bytes.size);
        length += bytes.size;
    }
    CHECK(length == strlen(text) && !memcmp(back, text, length), "that give it back");
    free(ids.data);
    nj_tokenizer_close(tokenizer);
}

static nj_status draw_set(void *arg, const struct nj_weights *weights, struct nj_pool *pool, struct nj_calibration_set *out,
                          struct nj_error *error)
{
    (void)arg;
    (void)pool;
    (void)error;
    out->list = calloc(6, sizeof *out->list);
    for (out->count = 0; out->count < 6; out->count++) {
        struct nj_calibration_sequence *text = &out->list[out->count];
        text->count                          = 70;
        text->scored                         = out->count == 0 ? 40 : 0;
        text->ids                            = calloc(text->count, sizeof *text->ids);
        for (size_t i = 0; i < text->count; i++)
            text->ids[i] = (int32_t)(24 + (i * i * 7 + out->count * 31) % (weights->config.text.vocab_size - 24));
    }
    return NJ_OK;
}

/* Prune, recover, quantise by what the matrices read, measure: one call, one file, nothing left beside it. */
static void check_calibration(void)
{
    char                            folder[] = "/tmp/nightjar-calibrated-XXXXXX", file[128], beside[160];
    const struct nj_convert_options options  = {
         .random = true, .seed = 7, .prune = 0.3, .plan = {.quantize = true, .group = 32}, .calibration = draw_set};
    struct nj_convert_report report;
    struct nj_error          error = {0};
    struct nj_weights       *weights;
    if (!mkdtemp(folder))
        return;
    snprintf(file, sizeof file, "%s/model.nj", folder);
    if (CHECK(nj_convert("tiny", file, &options, &report, &error) == NJ_OK, "calibrated %s", error.text)) {
        CHECK(report.removed == 6 * 32 && report.recovered > 0 && report.recovered < 1, "pruned, and %.0f %% recovered",
              100 * report.recovered);
        CHECK(report.calibrated == report.rounded && report.calibrated == 49, "all %zu matrices", report.calibrated);
        CHECK(report.output_error < 0.9 * report.nearest, "outputs change by %.3f, rounded to nearest by %.3f", report.output_error,
              report.nearest);
        CHECK(report.positions == 5 * 69 + 29 && report.agreement > 0 && report.agreement <= 1, "measured at %zu positions",
              report.positions);
        if (nj_weights_open(file, NULL, &weights, &error) == NJ_OK) {
            const char *lineage = json_string_value(json_object_get(weights->checkpoint->metadata, "lineage"));
            CHECK(lineage && strstr(lineage, "\"quality\"") && strstr(lineage, "\"recovery\"") && strstr(lineage, "GPTQ"),
                  "the file says so");
            CHECK(weights->config.text.intermediate_size[3] == 64, "and is narrower");
            nj_weights_close(weights);
        }
    }
    for (int i = 1; i < 4; i++) {
        snprintf(beside, sizeof beside, i < 3 ? "%s.step-%d" : "%s.step-last", file, i);
        CHECK(access(beside, F_OK) != 0, "%s is gone", beside);
    }
    unlink(file);
    rmdir(folder);
}

int main(void)
{
    struct nj_error    error = {0};
    struct nj_weights *weights;
    char               hash[HASH_TEXT], again[HASH_TEXT];
    if (!CHECK(nj_random_open("tiny", 7, &weights, &error) == NJ_OK, "tiny is made %s", error.text))
        return tap_done();
    hash_text(weights, hash);
    check_tokenizer(weights);
    nj_weights_close(weights);
    if (nj_random_open("tiny", 7, &weights, &error) == NJ_OK) {
        hash_text(weights, again);
        CHECK(!strcmp(hash, again), "the same seed gives the same weights");
        nj_weights_close(weights);
    }
    if (nj_random_open("tiny", 8, &weights, &error) == NJ_OK) {
        hash_text(weights, again);
        CHECK(strcmp(hash, again), "another seed gives others");
        nj_weights_close(weights);
    }
    CHECK(nj_random_open("huge", 0, &weights, &error) == NJ_ERROR && !weights && strstr(error.text, "huge"), "an unknown kind is refused");
    check_packing(hash, &(struct nj_plan_options){0}, true);
    check_packing(hash, &(struct nj_plan_options){.quantize = true, .group = 32, .head = NJ_HEAD_INT8}, false);
    check_calibration();
    return tap_done();
}
