/* The packed file holds what its source holds, and quantising gives the integers and scales of the reference library. */
#include "pipeline/model/convert.h"
#include "pipeline/model/packed.h"
#include "pipeline/model/tokenizer.h"
#include "tests/conformance/weights_hash.h"
#include "tests/tap.h"

#include <sys/stat.h>
#include <unistd.h>

static char scratch[] = "/tmp/nightjar-packed-XXXXXX";

static bool convert(const char *shared, const char *name, const struct nj_plan_options *plan, const char *keep, unsigned threads,
                    char target[4096])
{
    char                      source[4096];
    struct nj_error           error = {0};
    struct nj_convert_report  report;
    struct nj_convert_options options = {.plan = *plan, .keep = keep};
    snprintf(source, sizeof source, "%s/reference/checkpoints/%s", shared, name);
    snprintf(target, 4096, "%s/%s.nj", scratch, name);
    nj_status status = nj_pool_open(threads, &options.pool, &error);
    if (status == NJ_OK)
        status = nj_convert(source, target, &options, &report, &error);
    nj_pool_close(options.pool);
    return CHECK(status == NJ_OK, "%s is converted%s%s", name, error.text[0] ? ": " : "", error.text);
}

static void check_values(const char *file, const char *name, const char *what)
{
    struct nj_weights *weights;
    struct nj_error    error = {0};
    char               hash[HASH_TEXT];
    if (!CHECK(nj_weights_open(file, NULL, &weights, &error) == NJ_OK, "%s opens %s", file, error.text))
        return;
    for (size_t i = 0; i < sizeof reference_hashes / sizeof *reference_hashes; i++) {
        if (strcmp(reference_hashes[i].name, name))
            continue;
        hash_text(weights, hash);
        CHECK(!strcmp(hash, reference_hashes[i].text), "%s: text weights are those of %s", what, name);
        hash_vision(weights, hash);
        CHECK(!strcmp(hash, reference_hashes[i].vision), "%s: vision weights are those of %s", what, name);
    }
    nj_weights_close(weights);
}

static void check_tokenizer(const char *file)
{
    struct nj_weights   *weights;
    struct nj_tokenizer *tokenizer;
    struct nj_error      error = {0};
    if (nj_weights_open(file, NULL, &weights, &error) != NJ_OK)
        return;
    if (CHECK(nj_weights_tokenizer(weights, &tokenizer, &error) == NJ_OK, "a tokenizer comes out of the packed file %s", error.text)) {
        CHECK(nj_tokenizer_added(tokenizer, "<turn|>") == 25, "and knows <turn|>");
        nj_tokenizer_close(tokenizer);
    }
    nj_weights_close(weights);
}

static void check_layout(const char *file)
{
    struct nj_weights *weights;
    struct nj_error    error = {0};
    if (nj_weights_open(file, NULL, &weights, &error) != NJ_OK)
        return;
    const struct nj_text_layer *layer = &weights->layers[0];
    size_t                      panel = nj_w4_panel_bytes(layer->gate.cols);
    CHECK(layer->gate.format == NJ_W4_PANELS && layer->gate.panel_step == 2 && layer->up.panel_step == 2, "gate and up are a pair");
    CHECK((const char *)layer->up.data == (const char *)layer->gate.data + panel, "up lies one panel behind gate");
    CHECK((const char *)layer->k.data == (const char *)layer->q.data + nj_w4_panels(layer->q.rows) * panel, "k follows q");
    CHECK((uintptr_t)layer->q.data % 4096 == 0 && (uintptr_t)layer->down.data % 4096 == 0, "matrices start on pages");
    nj_weights_close(weights);
}

/* One byte of one matrix differs: opening does not look, verifying does. */
static void check_damage(const char *file)
{
    struct nj_weights *weights;
    struct nj_error    error  = {0};
    FILE              *stream = fopen(file, "r+b");
    if (nj_weights_open(file, NULL, &weights, &error) != NJ_OK || !stream)
        return;
    long place = (long)((const uint8_t *)weights->layers[2].down.data - weights->checkpoint->maps[0].data) + 5;
    CHECK(nj_packed_verify(weights, &error) == NJ_OK, "a whole file passes its checksums");
    fseek(stream, place, SEEK_SET);
    int byte = fgetc(stream);
    fseek(stream, place, SEEK_SET);
    fputc(byte ^ 1, stream);
    fclose(stream);
    CHECK(nj_packed_verify(weights, &error) == NJ_ERROR && strstr(error.text, "layers.2.mlp.down_proj"), "a damaged one is named: %s",
          error.text);
    nj_weights_close(weights);
}

int main(void)
{
    static const struct nj_plan_options plain = {0};
    static const struct {
        const char *source, *result;
        uint32_t    group;
    } quantised[] = {{"tiny-pruned", "tiny-w4a16-g128", 128}, {"tiny-it", "tiny-w4a16-g32", 32}, {"tiny-text", "tiny-w4a16-channel", 0}};
    const char *shared = tap_shared();
    char        file[4096];
    if (!shared || !mkdtemp(scratch)) {
        SKIP("no reference checkpoints here");
        return tap_done();
    }
    for (size_t i = 0; i < sizeof reference_hashes / sizeof *reference_hashes; i++)
        if (convert(shared, reference_hashes[i].name, &plain, NULL, 1 + (unsigned)i % 3, file)) {
            check_values(file, reference_hashes[i].name, "packed");
            check_tokenizer(file);
            if (!strcmp(reference_hashes[i].name, "tiny-w4a16-g128")) {
                check_layout(file);
                check_damage(file);
            }
            unlink(file);
        }
    for (size_t i = 0; i < sizeof quantised / sizeof *quantised; i++) {
        const struct nj_plan_options plan = {.quantize = true, .group = quantised[i].group};
        if (convert(shared, quantised[i].source, &plan, NULL, 2, file))
            check_values(file, quantised[i].result, "quantised here");
        unlink(file);
    }
    char keep[4096];
    snprintf(keep, sizeof keep, "%s/reference/golden/prune-keep.json", shared);
    if (convert(shared, "tiny-it", &plain, keep, 2, file))
        check_values(file, "tiny-pruned", "pruned here");
    if (convert(shared, "tiny-it", &(struct nj_plan_options){.quantize = true, .group = 128}, keep, 2, file))
        check_values(file, "tiny-w4a16-g128", "pruned and quantised here");
    unlink(file);
    rmdir(scratch);
    return tap_done();
}
