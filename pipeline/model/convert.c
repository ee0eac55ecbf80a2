#include "pipeline/model/convert.h"
#include "pipeline/model/export.h"
#include "pipeline/model/packed.h"
#include "pipeline/model/prune.h"
#include "pipeline/model/random_model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct conversion {
    const char                      *source;
    const struct nj_convert_options *options;
    json_t                          *lineage;
    struct nj_convert_report        *report;
    const char                      *phase;
};

static bool tell(const struct conversion *conversion, const char *phase, uint64_t done, uint64_t total)
{
    return conversion->options->progress && conversion->options->progress(conversion->options->progress_arg, phase, done, total);
}

static bool on_write(void *arg, uint64_t done, uint64_t total)
{
    return tell(arg, "writing", done, total);
}

/* ---- Where the model comes from ---- */

static nj_status hash_file(const struct conversion *conversion, const char *path, json_t **out, uint64_t *done, uint64_t total,
                           struct nj_error *error)
{
    enum { PORTION = 4 << 20 };
    struct sha256_ctx hash;
    uint8_t           digest[SHA256_DIGEST_SIZE], *buffer = malloc(PORTION);
    char              text[2 * SHA256_DIGEST_SIZE + 1];
    uint64_t          size   = 0;
    nj_status         status = NJ_OK;
    int               fd     = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || !buffer) {
        status = nj_fail_errno(error, fd < 0 ? errno : ENOMEM, "%s: cannot be read", path);
        goto cleanup;
    }
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    sha256_init(&hash);
    for (ssize_t got; (got = read(fd, buffer, PORTION)) != 0;) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            status = nj_fail_errno(error, errno, "%s: cannot be read", path);
            goto cleanup;
        }
        sha256_update(&hash, (size_t)got, buffer);
        size += (uint64_t)got;
        *done += (uint64_t)got;
        if (tell(conversion, "reading", *done, total)) {
            status = nj_fail_as(NJ_STOPPED, error, "stopped; nothing was left behind");
            goto cleanup;
        }
    }
    sha256_digest(&hash, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    const char *slash = strrchr(path, '/');
    *out              = json_pack("{s:s, s:I, s:s}", "name", slash ? slash + 1 : path, "bytes", (json_int_t)size, "sha256", text);
cleanup:
    if (fd >= 0)
        close(fd);
    free(buffer);
    return status;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The safetensors files of a folder by name, or the one file that `source` is. */
static nj_status list_sources(const char *source, bool random, char ***out, size_t *count, struct nj_error *error)
{
    struct stat info;
    char      **list = NULL, path[4096];
    *out             = NULL;
    *count           = 0;
    if (random)
        return NJ_OK;
    bool folder    = stat(source, &info) == 0 && S_ISDIR(info.st_mode);
    DIR *directory = folder ? opendir(source) : NULL;
    if (folder && !directory)
        return nj_fail_errno(error, errno, "%s: the folder cannot be read", source);
    nj_status status = NJ_OK;
    for (struct dirent *entry = NULL; status == NJ_OK && (!folder || (entry = readdir(directory)));) {
        size_t length = folder ? strlen(entry->d_name) : 0;
        if (folder && (length < 12 || strcmp(entry->d_name + length - 12, ".safetensors")))
            continue;
        char **larger = realloc(list, (*count + 1) * sizeof *list);
        list          = larger ? larger : list;
        bool fits     = folder ? nj_path_join(path, sizeof path, source, entry->d_name)
                               : (size_t)snprintf(path, sizeof path, "%s", source) < sizeof path;
        if (!larger || !fits || !(list[*count] = strdup(path)))
            status = nj_fail(error, "%s: cannot list its files", source);
        else
            ++*count;
        if (!folder)
            break;
    }
    if (directory)
        closedir(directory);
    if (*count)
        qsort(list, *count, sizeof *list, by_text);
    *out = list;
    return status;
}

static nj_status describe_source(struct conversion *conversion, const struct nj_weights *weights, struct nj_error *error)
{
    char    **list;
    size_t    count;
    uint64_t  total = 0, done = 0;
    json_t   *files = json_array(), *entry = NULL;
    nj_status status = list_sources(conversion->source, conversion->options->random, &list, &count, error);
    for (size_t i = 0; i < count; i++) {
        struct stat info;
        total += stat(list[i], &info) == 0 ? (uint64_t)info.st_size : 0;
    }
    for (size_t i = 0; i < count && status == NJ_OK; i++)
        if ((status = hash_file(conversion, list[i], &entry, &done, total, error)) == NJ_OK)
            json_array_append_new(files, entry);
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
    static const char *const kinds[] = {[NJ_KIND_FOLDER] = "safetensors",
                                        [NJ_KIND_PACKED] = "nightjar",
                                        [NJ_KIND_GGUF]   = "gguf",
                                        [NJ_KIND_RANDOM] = "random weights, never trained"};
    size_t                   length  = strlen(conversion->source);
    while (length > 1 && conversion->source[length - 1] == '/')
        length--;
    size_t start = length;
    while (start > 0 && conversion->source[start - 1] != '/')
        start--;
    json_t       *source = json_pack("{s:s%, s:s, s:o}", "name", conversion->source + start, length - start, "form",
                                     kinds[weights->checkpoint->kind], "files", files);
    const json_t *before = json_object_get(weights->checkpoint->metadata, "lineage");
    if (json_is_string(before))
        json_object_set_new(source, "lineage", json_loads(json_string_value(before), 0, NULL));
    json_object_set_new(conversion->lineage, "program", json_string("nightjar " NJ_VERSION));
    json_object_set_new(conversion->lineage, "source", source);
    return status;
}

/* ---- What was done to it ---- */

static void count_modules(const struct nj_plan *plan, struct nj_convert_report *report)
{
    double error = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct nj_plan_module *entry = &plan->list[i];
        report->modules++;
        report->int4 += entry->format == NJ_W4_ROWS;
        report->int8 += entry->format == NJ_I8_ROWS;
        report->rounded += entry->rounded;
        report->kept += !entry->rounded && nj_rows_unchanged(&entry->rows);
        error += entry->error;
    }
    report->error = report->rounded ? error / (double)report->rounded : 0;
}

static char *finish_lineage(void *arg, const struct nj_plan *plan)
{
    struct conversion *conversion = arg;
    count_modules(plan, conversion->report);
    if (conversion->report->rounded) {
        const struct nj_plan_options *options = &plan->options;
        static const char *const      heads[] = {"kept", "bf16", "int8", "int4"};
        char                          group[16];
        snprintf(group, sizeof group, options->group ? "%u" : "channel", options->group);
        json_object_set_new(conversion->lineage, "quantization",
                            json_pack("{s:s, s:s, s:s, s:s, s:I, s:f}", "method", "round to nearest", "linears",
                                      options->quantize ? "w4a16" : "kept", "group", options->quantize ? group : "", "head",
                                      heads[options->head], "modules", (json_int_t)conversion->report->rounded, "relative_error",
                                      conversion->report->error));
    }
    return json_dumps(conversion->lineage, JSON_COMPACT);
}

/* The finished file is opened as a station would open it, and every checksum compared. */
static nj_status check_written(const char *path, struct nj_convert_report *report, struct nj_error *error)
{
    struct nj_weights *weights = NULL;
    nj_status          status  = nj_weights_open(path, NULL, &weights, error);
    if (status == NJ_OK)
        status = nj_packed_verify(weights, error);
    if (status == NJ_OK)
        report->bytes = weights->checkpoint->maps[0].size;
    nj_weights_close(weights);
    return status;
}

/* ---- Adapters ---- */

static nj_status merge_adapter(struct conversion *conversion, struct nj_plan *plan, struct nj_lora *lora, struct nj_error *error)
{
    struct nj_convert_report  *report = conversion->report;
    struct nj_convert_adapter *entry  = &report->adapters[report->adapter_count];
    entry->path                       = conversion->options->adapters[report->adapter_count++];
    NJ_TRY(nj_lora_match(lora, &plan->modules, false, &entry->match, error));
    if (!conversion->options->partial)
        NJ_TRY(nj_lora_must_fit(lora, &entry->match, error));
    for (size_t i = 0; i < lora->count; i++) {
        struct nj_plan_module *module = lora->list[i].used ? nj_plan_find(plan, lora->list[i].name) : NULL;
        if (module)
            module->rows.adapters[module->rows.adapter_count++] = &lora->list[i].low_rank;
    }
    if (lora->empty_thought >= 0) {
        plan->weights->config.empty_thought = lora->empty_thought;
        snprintf(plan->chat_template, sizeof plan->chat_template, "%s/chat_template.jinja", lora->path);
    }
    if (lora->head.rows)
        NJ_TRY(nj_plan_set_head(plan, &lora->head, error));
    json_t *list = json_object_get(conversion->lineage, "adapters");
    if (!list) {
        list = json_array();
        json_object_set_new(conversion->lineage, "adapters", list);
    }
    const char *slash = strrchr(lora->path, '/');
    json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:b}", "name", slash && slash[1] ? slash + 1 : lora->path,
                                          "sha256", lora->sha256, "expected", (json_int_t)entry->match.expected, "merged",
                                          (json_int_t)entry->match.merged, "missing", (json_int_t)entry->match.missing, "unexpected",
                                          (json_int_t)entry->match.unexpected, "lm_head", lora->head.rows > 0));
    return NJ_OK;
}

static nj_status merge_adapters(struct conversion *conversion, struct nj_plan *plan, struct nj_lora **loras, struct nj_error *error)
{
    const struct nj_convert_options *options = conversion->options;
    if (options->adapter_count > NJ_MAX_ADAPTERS)
        return nj_fail(error, "%zu adapters; at most %d can be merged at once", options->adapter_count, NJ_MAX_ADAPTERS);
    for (size_t i = 0; i < options->adapter_count; i++) {
        NJ_TRY(nj_lora_open(options->adapters[i], &loras[i], error));
        NJ_TRY(merge_adapter(conversion, plan, loras[i], error));
    }
    return NJ_OK;
}

/* ---- Pruning ---- */

static nj_status prune(struct conversion *conversion, struct nj_plan *plan, struct nj_keep *keep, struct nj_error *error)
{
    const struct nj_convert_options *options = conversion->options;
    const struct nj_text_config     *text    = &plan->weights->config.text;
    uint32_t                         unit    = options->plan.quantize && options->plan.group ? options->plan.group : 128;
    if (options->keep)
        NJ_TRY(nj_keep_read(options->keep, text, keep, error));
    else
        NJ_TRY(nj_keep_choose(plan, options->prune, unit, NULL, options->pool, keep, error));
    json_t *kept = json_array();
    for (uint32_t i = 0; i < text->layers; i++) {
        conversion->report->channels += text->intermediate_size[i];
        conversion->report->removed += text->intermediate_size[i] - keep->count[i];
        json_array_append_new(kept, json_pack("[I, I]", (json_int_t)text->intermediate_size[i], (json_int_t)keep->count[i]));
    }
    json_object_set_new(conversion->lineage, "pruning",
                        json_pack("{s:s, s:o}", "saliency", options->keep ? "a list of channels" : "weight magnitude", "widths", kept));
    return nj_keep_apply(keep, plan, error);
}

void nj_convert_report_free(struct nj_convert_report *report)
{
    for (size_t i = 0; i < report->adapter_count; i++)
        nj_lora_match_free(&report->adapters[i].match);
    report->adapter_count = 0;
}

nj_status nj_convert(const char *source, const char *target, const struct nj_convert_options *options, struct nj_convert_report *report,
                     struct nj_error *error)
{
    struct conversion               conversion = {.source = source, .options = options, .report = report, .lineage = json_object()};
    const struct nj_weights_options opening    = {.mmproj = options->mmproj};
    const struct nj_write_options   writing    = {
             .pool = options->pool, .progress = on_write, .progress_arg = &conversion, .lineage = finish_lineage, .lineage_arg = &conversion};
    struct nj_weights     *weights                = NULL;
    struct nj_plan         plan                   = {0};
    struct nj_plan_options planning               = options->plan;
    struct nj_keep         keep                   = {0};
    struct nj_lora        *loras[NJ_MAX_ADAPTERS] = {NULL};
    planning.exact_merge                          = !options->to_folder;
    planning.published                            = options->to_folder;
    *report                                       = (struct nj_convert_report){0};
    nj_status status =
        options->random ? nj_random_open(source, options->seed, &weights, error) : nj_weights_open(source, &opening, &weights, error);
    if (status == NJ_OK)
        status = describe_source(&conversion, weights, error);
    if (status == NJ_OK)
        status = nj_plan_open(weights, &planning, &plan, error);
    if (status == NJ_OK)
        status = merge_adapters(&conversion, &plan, loras, error);
    if (status == NJ_OK && (options->prune > 0 || options->keep))
        status = prune(&conversion, &plan, &keep, error);
    if (status == NJ_OK)
        status = nj_plan_settle(&plan, error);
    if (status == NJ_OK)
        status = options->to_folder ? nj_export_write(&plan, &writing, target, &report->bytes, error)
                                    : nj_packed_write(&plan, &writing, target, error);
    if (status == NJ_OK && !options->to_folder) {
        tell(&conversion, "checking", 0, 1);
        status = check_written(target, report, error);
    }
    nj_plan_close(&plan);
    nj_keep_free(&keep);
    for (size_t i = 0; i < NJ_MAX_ADAPTERS; i++)
        nj_lora_close(loras[i]);
    nj_weights_close(weights);
    json_decref(conversion.lineage);
    return status;
}
