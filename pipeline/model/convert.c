#include "pipeline/model/convert.h"
#include "pipeline/model/export.h"
#include "pipeline/model/lineage.h"
#include "pipeline/model/packed.h"
#include "pipeline/model/prune.h"
#include "pipeline/model/random_model.h"
#include "pipeline/model/scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* ---- What was done to it ---- */

static void count_modules(const struct nj_plan *plan, struct nj_convert_report *report)
{
    double   error = 0, nearest = 0;
    uint32_t widths[NJ_MAX_LAYERS];
    report->uneven  = nj_plan_widths(plan, widths);
    report->modules = report->int4 = report->int8 = report->kept = report->rounded = report->calibrated = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct nj_plan_module *entry = &plan->list[i];
        report->modules++;
        report->int4 += entry->format == NJ_W4_ROWS;
        report->int8 += entry->format == NJ_I8_ROWS;
        report->rounded += entry->rounded;
        report->kept += !entry->rounded && nj_rows_unchanged(&entry->rows);
        report->calibrated += entry->moments != NULL;
        error += entry->moments ? 0 : entry->error;
        report->output_error += entry->moments ? entry->error : 0;
        nearest += entry->moments ? entry->nearest : 0;
    }
    size_t plain         = report->rounded - report->calibrated;
    report->error        = plain ? error / (double)plain : 0;
    report->output_error = report->calibrated ? report->output_error / (double)report->calibrated : 0;
    report->nearest      = report->calibrated ? nearest / (double)report->calibrated : 0;
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
                            json_pack("{s:s, s:s, s:s, s:s, s:I, s:f}", "method",
                                      conversion->report->calibrated ? "calibrated (GPTQ in blocks of 128)" : "round to nearest", "linears",
                                      options->quantize ? "w4a16" : "kept", "group", options->quantize ? group : "", "head",
                                      heads[options->head], "modules", (json_int_t)conversion->report->rounded, "relative_error",
                                      conversion->report->calibrated ? conversion->report->output_error : conversion->report->error));
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

/* Root mean square of each channel's activation: the diagonal of the moments of what down reads. */
static float *activation_of(const struct nj_moments *moments)
{
    float *out = moments ? malloc(moments->cols * sizeof *out) : NULL;
    for (uint32_t i = 0; out && i < moments->cols; i++) {
        double sum = nj_moment_block(moments, i / NJ_MOMENT_BLOCK)[i % NJ_MOMENT_BLOCK * (NJ_MOMENT_BLOCK + 1)];
        out[i]     = (float)sqrt(sum / (moments->tokens > 0 ? moments->tokens : 1));
    }
    return out;
}

static const struct nj_moments *moments_of_down(const struct nj_plan *plan, const struct nj_moment_set *moments, uint32_t layer)
{
    char name[NJ_MODULE_NAME];
    snprintf(name, sizeof name, "layers.%u.mlp.down_proj", layer);
    const struct nj_plan_module *down = nj_plan_find(plan, name);
    return down && moments ? nj_moments_find(moments, down->rows.matrix) : NULL;
}

static nj_status choose_channels(struct conversion *conversion, const struct nj_plan *plan, const struct nj_moment_set *moments,
                                 struct nj_keep *keep, struct nj_error *error)
{
    const struct nj_convert_options *options = conversion->options;
    uint32_t                         unit    = options->plan.quantize && options->plan.group ? options->plan.group : 128, layers;
    float                           *activation[NJ_MAX_LAYERS] = {NULL};
    nj_status                        status                    = NJ_OK;
    layers                                                     = plan->weights->config.text.layers;
    if (options->keep)
        return nj_keep_read(options->keep, &plan->weights->config.text, keep, error);
    for (uint32_t i = 0; moments && i < layers && status == NJ_OK; i++)
        if (!(activation[i] = activation_of(moments_of_down(plan, moments, i))))
            status = nj_fail(error, "no memory to weigh the channels of layer %u", i);
    if (status == NJ_OK)
        status = nj_keep_choose(plan, options->prune, unit, moments ? (const float *const *)activation : NULL, options->pool, keep, error);
    for (uint32_t i = 0; i < layers; i++)
        free(activation[i]);
    return status;
}

/* What the channels that stay can take over of those that go. */
static nj_status recover(struct conversion *conversion, struct nj_plan *plan, const struct nj_moment_set *moments,
                         const struct nj_keep *keep, struct nj_recovery **recoveries, struct nj_error *error)
{
    double lost[2] = {0, 0};
    for (uint32_t i = 0; i < plan->weights->config.text.layers; i++) {
        char   name[NJ_MODULE_NAME];
        double layer[2];
        snprintf(name, sizeof name, "layers.%u.mlp.down_proj", i);
        NJ_TRY(nj_recovery_open(moments_of_down(plan, moments, i), keep->index[i], keep->count[i], &recoveries[i], layer, error));
        nj_plan_find(plan, name)->rows.recovery = recoveries[i];
        lost[0] += layer[0];
        lost[1] += layer[1];
    }
    conversion->report->recovered = lost[0] > 0 ? 1 - lost[1] / lost[0] : 0;
    return NJ_OK;
}

static nj_status prune(struct conversion *conversion, struct nj_plan *plan, const struct nj_moment_set *moments, struct nj_keep *keep,
                       struct nj_recovery **recoveries, struct nj_error *error)
{
    const struct nj_text_config *text = &plan->weights->config.text;
    NJ_TRY(choose_channels(conversion, plan, moments, keep, error));
    json_t *kept = json_array();
    for (uint32_t i = 0; i < text->layers; i++) {
        conversion->report->channels += text->intermediate_size[i];
        conversion->report->removed += text->intermediate_size[i] - keep->count[i];
        json_array_append_new(kept, json_pack("[I, I]", (json_int_t)text->intermediate_size[i], (json_int_t)keep->count[i]));
    }
    json_t *record = json_pack("{s:s, s:o}", "saliency",
                               conversion->options->keep ? "a list of channels"
                               : moments                 ? "activation and weight magnitude"
                                                         : "weight magnitude",
                               "widths", kept);
    json_object_set_new(conversion->lineage, "pruning", record);
    if (moments) {
        NJ_TRY(recover(conversion, plan, moments, keep, recoveries, error));
        json_object_set_new(record, "recovery", json_string("least squares in blocks of 128"));
        json_object_set_new(record, "recovered", json_real(conversion->report->recovered));
    }
    return nj_keep_apply(keep, plan, error);
}

void nj_convert_report_free(struct nj_convert_report *report)
{
    for (size_t i = 0; i < report->adapter_count; i++)
        nj_lora_match_free(&report->adapters[i].match);
    report->adapter_count = 0;
    json_decref(report->decisions);
    report->decisions = NULL;
}

/* ---- Steps ---- */

enum { MERGE = 1, PRUNE = 2, QUANTISE = 4, ALL = 7 };

/* One file out of open weights, with the parts of the job that `what` names. */
static nj_status write_step(struct conversion *conversion, struct nj_weights *weights, unsigned what, const struct nj_moment_set *moments,
                            const char *target, bool to_folder, struct nj_error *error)
{
    const struct nj_convert_options *options = conversion->options;
    const struct nj_write_options    writing = {
           .pool = options->pool, .progress = on_write, .progress_arg = conversion, .lineage = finish_lineage, .lineage_arg = conversion};
    struct nj_plan_options planning                  = what & QUANTISE ? options->plan : (struct nj_plan_options){0};
    struct nj_plan         plan                      = {0};
    struct nj_keep         keep                      = {0};
    struct nj_lora        *loras[NJ_MAX_ADAPTERS]    = {NULL};
    struct nj_recovery    *recoveries[NJ_MAX_LAYERS] = {NULL};
    planning.exact_merge                             = !to_folder && what == ALL;
    planning.published                               = to_folder;
    nj_status status                                 = nj_plan_open(weights, &planning, &plan, error);
    if (status == NJ_OK && what & MERGE)
        status = merge_adapters(conversion, &plan, loras, error);
    if (status == NJ_OK && what & PRUNE && (options->prune > 0 || options->keep))
        status = prune(conversion, &plan, moments, &keep, recoveries, error);
    plan.moments = moments;
    if (status == NJ_OK)
        status = nj_plan_settle(&plan, error);
    if (status == NJ_OK)
        status = to_folder ? nj_export_write(&plan, &writing, target, &conversion->report->bytes, error)
                           : nj_packed_write(&plan, &writing, target, error);
    nj_plan_close(&plan);
    nj_keep_free(&keep);
    for (size_t i = 0; i < NJ_MAX_LAYERS; i++)
        nj_recovery_close(recoveries[i]);
    for (size_t i = 0; i < NJ_MAX_ADAPTERS; i++)
        nj_lora_close(loras[i]);
    return status;
}

/* ---- With a calibration set: merge, read, prune, read again, quantise, and read once more to see what it cost. ---- */

struct chain {
    struct conversion        *conversion;
    const struct nj_scratch  *scratch;
    const char               *target;  /* in the scratch folder */
    struct nj_weights        *weights; /* the model as it stands */
    struct nj_calibration_set set;
    struct nj_moment_set      moments;
    struct nj_measure         before, after;
};

static bool on_read(void *arg, uint64_t done, uint64_t total)
{
    return tell(arg, "calibrating", done, total);
}

/* A step's file loses its name as soon as it is open: it is gone when the next step is. */
static nj_status next_file(struct chain *chain, unsigned what, struct nj_error *error)
{
    char file[NJ_SCRATCH_PATH];
    nj_scratch_name(chain->scratch, "step", file);
    NJ_TRY(write_step(chain->conversion, chain->weights, what, what & PRUNE ? &chain->moments : NULL, file, false, error));
    nj_moments_close(&chain->moments);
    nj_weights_close(chain->weights);
    chain->weights   = NULL;
    nj_status status = nj_weights_open(file, NULL, &chain->weights, error);
    unlink(file);
    return status;
}

static nj_status read_set(struct chain *chain, struct nj_measure *measure, struct nj_error *error)
{
    nj_measure_free(measure);
    NJ_TRY(nj_moments_open(chain->weights, chain->conversion->options->pool, &chain->moments, error));
    return nj_calibrate(chain->weights, chain->conversion->options->pool, &chain->set, &chain->moments, measure, on_read, chain->conversion,
                        error);
}

/* What was measured, into the file that is there already. */
static nj_status add_quality(struct chain *chain, struct nj_error *error)
{
    struct conversion        *conversion = chain->conversion;
    struct nj_convert_report *report     = conversion->report;
    char                      path[NJ_SCRATCH_PATH + 32];
    report->positions         = chain->before.positions;
    report->perplexity_before = exp(chain->before.loss);
    report->perplexity_after  = exp(chain->after.loss);
    report->agreement         = nj_measure_agreement(&chain->before, &chain->after);
    json_object_set_new(conversion->lineage, "quality",
                        json_pack("{s:I, s:f, s:f, s:f}", "positions", (json_int_t)report->positions, "perplexity_before",
                                  report->perplexity_before, "perplexity_after", report->perplexity_after, "agreement", report->agreement));
    if (report->decisions)
        json_object_set(json_object_get(conversion->lineage, "quality"), "decisions", report->decisions);
    char *text = json_dumps(conversion->lineage, JSON_COMPACT | JSON_REAL_PRECISION(6));
    if (!text)
        return nj_fail(error, "no memory for the lineage");
    snprintf(path, sizeof path, "%s/nightjar_lineage.json", chain->target);
    nj_status status = conversion->options->to_folder ? nj_file_write_atomic(path, text, strlen(text), error)
                                                      : nj_packed_amend(chain->target, "lineage", text, error);
    free(text);
    return status;
}

static nj_status finish_chain(struct chain *chain, struct nj_error *error)
{
    const struct nj_convert_options *options = chain->conversion->options;
    NJ_TRY(write_step(chain->conversion, chain->weights, QUANTISE, &chain->moments, chain->target, options->to_folder, error));
    nj_moments_close(&chain->moments);
    nj_weights_close(chain->weights);
    chain->weights = NULL;
    NJ_TRY(nj_weights_open(chain->target, NULL, &chain->weights, error));
    NJ_TRY(nj_calibrate(chain->weights, options->pool, &chain->set, NULL, &chain->after, on_read, chain->conversion, error));
    if (options->decide)
        NJ_TRY(options->decide(options->calibration_arg, chain->weights, options->pool, &chain->set, &chain->conversion->report->decisions,
                               error));
    return add_quality(chain, error);
}

static nj_status run_chain(struct chain *chain, struct nj_error *error)
{
    const struct nj_convert_options *options = chain->conversion->options;
    if (options->adapter_count)
        NJ_TRY(next_file(chain, MERGE, error));
    NJ_TRY(options->calibration(options->calibration_arg, chain->weights, options->pool, &chain->set, error));
    NJ_TRY(read_set(chain, &chain->before, error));
    if (options->prune > 0 || options->keep) {
        NJ_TRY(next_file(chain, PRUNE, error));
        NJ_TRY(read_set(chain, &chain->after, error));
        nj_measure_free(&chain->after);
    }
    return finish_chain(chain, error);
}

static nj_status convert_calibrated(struct conversion *conversion, struct nj_weights **weights, const struct nj_scratch *scratch,
                                    const char *target, struct nj_error *error)
{
    struct chain chain  = {.conversion = conversion, .scratch = scratch, .target = target, .weights = *weights};
    nj_status    status = run_chain(&chain, error);
    *weights            = chain.weights;
    nj_moments_close(&chain.moments);
    nj_measure_free(&chain.before);
    nj_measure_free(&chain.after);
    nj_calibration_free(&chain.set);
    return status;
}

static bool on_hash(void *arg, uint64_t done, uint64_t total)
{
    return tell(arg, "reading", done, total);
}

/* In the scratch folder, and out of it when all is well. */
static nj_status convert_beside(struct conversion *conversion, struct nj_weights **weights, const struct nj_scratch *scratch,
                                struct nj_error *error)
{
    static const char                name[]  = "model";
    const struct nj_convert_options *options = conversion->options;
    char                             target[NJ_SCRATCH_PATH];
    nj_scratch_name(scratch, name, target);
    NJ_TRY(options->calibration ? convert_calibrated(conversion, weights, scratch, target, error)
                                : write_step(conversion, *weights, ALL, NULL, target, options->to_folder, error));
    if (!options->to_folder) {
        tell(conversion, "checking", 0, 1);
        NJ_TRY(check_written(target, conversion->report, error));
    }
    return nj_scratch_keep(scratch, name, error);
}

nj_status nj_convert(const char *source, const char *target, const struct nj_convert_options *options, struct nj_convert_report *report,
                     struct nj_error *error)
{
    struct conversion               conversion = {.source = source, .options = options, .report = report};
    const struct nj_weights_options opening    = {.mmproj = options->mmproj};
    struct nj_weights              *weights    = NULL;
    struct nj_scratch               scratch    = {0};
    *report                                    = (struct nj_convert_report){0};
    nj_status status =
        options->random ? nj_random_open(source, options->seed, &weights, error) : nj_weights_open(source, &opening, &weights, error);
    if (status == NJ_OK)
        status = nj_scratch_open(target, options->to_folder, &scratch, error);
    if (status == NJ_OK)
        conversion.lineage = nj_lineage_open(source, weights->checkpoint, on_hash, &conversion, &status, error);
    if (status == NJ_OK)
        status = convert_beside(&conversion, &weights, &scratch, error);
    nj_scratch_close(&scratch);
    nj_weights_close(weights);
    json_decref(conversion.lineage);
    return status;
}
