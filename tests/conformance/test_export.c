/* The way back out: what convert writes as compressed-tensors is, tensor by tensor and byte by byte, what llm-compressor wrote. */
#include "base/file.h"
#include "pipeline/model/convert.h"
#include "pipeline/model/safetensors.h"
#include "tests/conformance/golden.h"

#include <unistd.h>

static char scratch[] = "/tmp/nightjar-export-XXXXXX";

struct folder {
    struct nj_map    *maps;
    size_t            count;
    struct nj_tensors tensors;
};

static bool open_folder(const char *path, struct folder *out)
{
    struct nj_error error = {0};
    *out                  = (struct folder){0};
    nj_status status      = nj_safetensors_open_folder(path, &out->maps, &out->count, &out->tensors, &error);
    if (status == NJ_OK)
        status = nj_tensors_index(&out->tensors, &error);
    return CHECK(status == NJ_OK, "%s opens %s", path, error.text);
}

static void close_folder(struct folder *folder)
{
    for (size_t i = 0; i < folder->count; i++)
        nj_map_close(&folder->maps[i]);
    free(folder->maps);
    nj_tensors_free(&folder->tensors);
}

static bool same_tensor(const struct nj_tensor *a, const struct nj_tensor *b)
{
    return a && b && !strcmp(a->file_name, b->file_name) && a->dtype == b->dtype && a->rank == b->rank &&
           !memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) && a->size == b->size && !memcmp(a->data, b->data, a->size);
}

static void compare(const char *ours, const char *theirs, const char *what)
{
    struct folder a, b;
    size_t        wrong = 0;
    if (open_folder(ours, &a) && open_folder(theirs, &b)) {
        for (size_t i = 0; i < b.tensors.count; i++)
            if (!same_tensor(nj_tensors_find(&a.tensors, "%s", b.tensors.list[i].name), &b.tensors.list[i])) {
                wrong++;
                printf("# %s\n", b.tensors.list[i].file_name);
            }
        CHECK(a.tensors.count == b.tensors.count && wrong == 0, "%s: %zu tensors, %zu of %zu differ", what, a.tensors.count, wrong,
              b.tensors.count);
        close_folder(&b);
    }
    close_folder(&a);
}

static void run(const char *source, const char *target, const struct nj_convert_options *options)
{
    struct nj_convert_report report;
    struct nj_error          error = {0};
    CHECK(nj_convert(source, target, options, &report, &error) == NJ_OK, "%s is written %s", target, error.text);
}

static void remove_all(const char *path)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    if (system(command) != 0)
        printf("# %s was left behind\n", path);
}

int main(void)
{
    static const struct {
        const char *source, *result;
        uint32_t    group;
    } quantised[] = {{"tiny-pruned", "tiny-w4a16-g128", 128}, {"tiny-it", "tiny-w4a16-g32", 32}, {"tiny-text", "tiny-w4a16-channel", 0}};
    char packed[128], folder[128], source[256], result[256];
    if (!tap_shared() || !mkdtemp(scratch)) {
        SKIP("no reference checkpoints here");
        return tap_done();
    }
    snprintf(packed, sizeof packed, "%s/model.nj", scratch);
    snprintf(folder, sizeof folder, "%s/folder", scratch);
    for (size_t i = 0; i < sizeof quantised / sizeof *quantised; i++) {
        snprintf(source, sizeof source, "checkpoints/%s", quantised[i].source);
        snprintf(result, sizeof result, "checkpoints/%s", quantised[i].result);
        run(golden_path(source), folder,
            &(struct nj_convert_options){.to_folder = true, .plan = {.quantize = true, .group = quantised[i].group}});
        compare(folder, golden_path(result), "quantised here");
        remove_all(folder);
        run(golden_path(result), packed, &(struct nj_convert_options){0});
        run(packed, folder, &(struct nj_convert_options){.to_folder = true});
        compare(folder, golden_path(result), "in and out again");
        run(folder, packed, &(struct nj_convert_options){0});
        remove_all(folder);
    }
    run(golden_path("checkpoints/tiny-pruned"), packed, &(struct nj_convert_options){0});
    run(packed, folder, &(struct nj_convert_options){.to_folder = true});
    compare(folder, golden_path("checkpoints/tiny-pruned"), "bf16 in and out again, from shards");
    struct nj_convert_report report;
    struct nj_error          error = {0};
    CHECK(nj_convert(packed, folder, &(struct nj_convert_options){.to_folder = true}, &report, &error) == NJ_ERROR &&
              strstr(error.text, "folder"),
          "a folder with something in it is left alone: %s", error.text);
    remove_all(scratch);
    return tap_done();
}
