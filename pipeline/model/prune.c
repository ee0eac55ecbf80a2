#include "pipeline/model/prune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_LIMIT (64u << 20)

void nj_keep_free(struct nj_keep *keep)
{
    for (size_t i = 0; i < NJ_MAX_LAYERS; i++)
        free(keep->index[i]);
    *keep = (struct nj_keep){0};
}

static nj_status read_layer(const char *path, uint32_t layer, const json_t *list, uint32_t width, struct nj_keep *out,
                            struct nj_error *error)
{
    size_t count = json_array_size(list);
    if (count == 0 || count > width)
        return nj_fail(error, "%s: layer %u keeps %zu of %u channels", path, layer, count, width);
    out->index[layer] = malloc(count * sizeof **out->index);
    if (!out->index[layer])
        return nj_fail(error, "%s: no memory", path);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(list, i);
        json_int_t    last = i ? (json_int_t)out->index[layer][i - 1] : -1, index = json_is_integer(value) ? json_integer_value(value) : -1;
        if (index <= last || index >= (json_int_t)width)
            return nj_fail(error, "%s: layer %u: channels must ascend and lie below %u", path, layer, width);
        out->index[layer][i] = (uint32_t)index;
    }
    out->count[layer] = (uint32_t)count;
    return NJ_OK;
}

nj_status nj_keep_read(const char *path, const struct nj_text_config *text, struct nj_keep *out, struct nj_error *error)
{
    json_t *root;
    *out             = (struct nj_keep){0};
    nj_status status = nj_json_read(path, KEEP_LIMIT, &root, error);
    if (status != NJ_OK)
        return status;
    const json_t *list = json_is_array(root) ? root : json_object_get(root, "keep");
    if (json_array_size(list) != text->layers)
        status = nj_fail(error, "%s: lists %zu layers, the model has %u", path, json_array_size(list), text->layers);
    for (uint32_t i = 0; i < text->layers && status == NJ_OK; i++)
        status = read_layer(path, i, json_array_get(list, i), text->intermediate_size[i], out, error);
    json_decref(root);
    if (status != NJ_OK)
        nj_keep_free(out);
    return status;
}

/* ---- Saliency ---- */

struct survey {
    const struct nj_plan *plan;
    const float *const   *activation;
    double              **saliency; /* [layers][width] */
    bool                  failed;
};

static struct nj_plan_module *part(const struct nj_plan *plan, uint32_t layer, const char *name)
{
    char full[NJ_MODULE_NAME];
    snprintf(full, sizeof full, "layers.%u.mlp.%s", layer, name);
    return nj_plan_find(plan, full);
}

/* out[i] = |row i|, or with `columns` the squared lengths of columns. */
static void lengths(const struct nj_plan_module *module, bool columns, float *scratch, double *out)
{
    float *row = scratch + module->rows.matrix->cols;
    for (uint32_t i = 0; i < module->rows.rows; i++) {
        double sum = 0;
        nj_rows_read(&module->rows, i, scratch, row);
        for (uint32_t k = 0; k < module->rows.cols; k++)
            if (columns)
                out[k] += (double)row[k] * row[k];
            else
                sum += (double)row[k] * row[k];
        if (!columns)
            out[i] = sqrt(sum);
    }
}

static void survey_layer(void *arg, size_t index, unsigned thread)
{
    struct survey               *survey = arg;
    uint32_t                     layer  = (uint32_t)index;
    const struct nj_plan_module *gate = part(survey->plan, layer, "gate_proj"), *up = part(survey->plan, layer, "up_proj"),
                                *down = part(survey->plan, layer, "down_proj");
    uint32_t width                    = gate->rows.rows;
    float   *scratch                  = malloc(nj_plan_scratch(survey->plan) * sizeof *scratch);
    double  *a = calloc(width, sizeof *a), *b = calloc(width, sizeof *b), *c = calloc(width, sizeof *c);
    (void)thread;
    if (!scratch || !a || !b || !c)
        survey->failed = true;
    else {
        lengths(down, true, scratch, c);
        if (!survey->activation) {
            lengths(gate, false, scratch, a);
            lengths(up, false, scratch, b);
        }
        for (uint32_t i = 0; i < width; i++)
            survey->saliency[layer][i] = sqrt(c[i]) * (survey->activation ? survey->activation[layer][i] : a[i] * b[i]);
    }
    free(scratch);
    free(a);
    free(b);
    free(c);
}

struct ranked {
    double   saliency;
    uint32_t index;
};

static int by_saliency(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->saliency != b->saliency)
        return a->saliency > b->saliency ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

static int by_index(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static nj_status take_best(const double *saliency, uint32_t width, uint32_t count, uint32_t **out, struct nj_error *error)
{
    struct ranked *order = malloc(width * sizeof *order);
    *out                 = malloc(count * sizeof **out);
    if (!order || !*out) {
        free(order);
        return nj_fail(error, "no memory to rank %u channels", width);
    }
    for (uint32_t i = 0; i < width; i++)
        order[i] = (struct ranked){saliency[i], i};
    qsort(order, width, sizeof *order, by_saliency);
    for (uint32_t i = 0; i < count; i++)
        (*out)[i] = order[i].index;
    qsort(*out, count, sizeof **out, by_index);
    free(order);
    return NJ_OK;
}

nj_status nj_keep_choose(const struct nj_plan *plan, double fraction, uint32_t group, const float *const *activation, struct nj_pool *pool,
                         struct nj_keep *out, struct nj_error *error)
{
    const struct nj_text_config *text                    = &plan->weights->config.text;
    double                      *saliency[NJ_MAX_LAYERS] = {NULL};
    struct survey                survey                  = {plan, activation, saliency, false};
    nj_status                    status                  = NJ_OK;
    *out                                                 = (struct nj_keep){0};
    for (uint32_t i = 0; i < text->layers; i++)
        survey.failed |= !(saliency[i] = calloc(text->intermediate_size[i], sizeof **saliency));
    if (!survey.failed)
        nj_pool_run(pool, text->layers, survey_layer, &survey);
    if (survey.failed)
        status = nj_fail(error, "no memory to weigh the channels of %u layers", text->layers);
    for (uint32_t i = 0; i < text->layers && status == NJ_OK; i++) {
        uint32_t width = text->intermediate_size[i], unit = group && group <= width ? group : 1;
        double   units = floor((double)width * (1 - fraction) / unit + 0.5);
        uint32_t count = (uint32_t)(units < 1 ? 1 : units) * unit;
        out->count[i]  = count < width ? count : width;
        status         = take_best(saliency[i], width, out->count[i], &out->index[i], error);
    }
    for (uint32_t i = 0; i < text->layers; i++)
        free(saliency[i]);
    if (status != NJ_OK)
        nj_keep_free(out);
    return status;
}

/* ---- Applying it ---- */

nj_status nj_keep_apply(const struct nj_keep *keep, struct nj_plan *plan, struct nj_error *error)
{
    static const char *const names[] = {"gate_proj", "up_proj", "down_proj"};
    for (uint32_t layer = 0; layer < plan->weights->config.text.layers; layer++)
        for (size_t i = 0; i < 3; i++) {
            struct nj_rows *rows = &part(plan, layer, names[i])->rows;
            if (rows->matrix->format > NJ_BF16)
                return nj_fail(error, "layers.%u.mlp.%s: is quantised already; prune the bf16 model, then quantise it", layer, names[i]);
            if (i < 2) {
                rows->keep_rows = keep->index[layer];
                rows->rows      = keep->count[layer];
            } else {
                rows->keep_cols = keep->index[layer];
                rows->cols      = keep->count[layer];
            }
        }
    return NJ_OK;
}
