#include "pipeline/model/plan.h"
#include "pipeline/model/checkpoint.h"
#include "pipeline/model/quantize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_int4(enum nj_format format)
{
    return format == NJ_W4_ROWS || format == NJ_W4_PANELS;
}

nj_status nj_plan_open(struct nj_weights *weights, const struct nj_plan_options *options, struct nj_plan *out, struct nj_error *error)
{
    *out = (struct nj_plan){.weights = weights, .options = *options};
    NJ_TRY(nj_modules_list(weights, &out->modules, error));
    out->list = calloc(out->modules.count + 1, sizeof *out->list);
    if (!out->list) {
        nj_plan_close(out);
        return nj_fail(error, "no memory to plan %zu modules", out->modules.count);
    }
    for (size_t i = 0; i < out->modules.count; i++)
        out->list[i] = (struct nj_plan_module){.module = &out->modules.list[i], .rows = nj_rows_of(out->modules.list[i].matrix)};
    out->count  = out->modules.count;
    out->untied = nj_modules_find(&out->modules, "lm_head") != NULL;
    return NJ_OK;
}

void nj_plan_close(struct nj_plan *plan)
{
    nj_modules_free(&plan->modules);
    free(plan->list);
    *plan = (struct nj_plan){0};
}

struct nj_plan_module *nj_plan_find(const struct nj_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->count; i++)
        if (!strcmp(plan->list[i].module->name, name))
            return &plan->list[i];
    return NULL;
}

/* The list has room for one more entry. */
nj_status nj_plan_set_head(struct nj_plan *plan, const struct nj_matrix *matrix, struct nj_error *error)
{
    struct nj_plan_module  *entry = nj_plan_find(plan, "lm_head");
    const struct nj_matrix *old   = &plan->weights->head;
    if (matrix->rows != old->rows || matrix->cols != old->cols)
        return nj_fail(error, "lm_head: %u x %u, the model's is %u x %u", matrix->rows, matrix->cols, old->rows, old->cols);
    if (!entry) {
        struct nj_module *larger = realloc(plan->modules.list, (plan->modules.count + 1) * sizeof *larger);
        if (!larger)
            return nj_fail(error, "no memory to plan the output head");
        plan->modules.list = larger;
        larger[plan->modules.count++] =
            (struct nj_module){.name = "lm_head", .kind = NJ_MODULE_HEAD, .layer = -1, .matrix = &plan->weights->head};
        for (size_t i = 0; i < plan->count; i++)
            plan->list[i].module = &larger[i];
        entry         = &plan->list[plan->count++];
        entry->module = &larger[plan->count - 1];
        plan->untied  = true;
    }
    entry->rows = nj_rows_of(matrix);
    return NJ_OK;
}

static void keep(struct nj_plan_module *entry)
{
    const struct nj_matrix *matrix = entry->rows.matrix;
    entry->format                  = matrix->format == NJ_W4_PANELS ? NJ_W4_ROWS : matrix->format;
    entry->group                   = matrix->group;
    entry->scale_format            = matrix->scale_format;
    if (matrix->format == NJ_Q4_0) { /* the same integers, scales in their own type */
        entry->format       = NJ_W4_ROWS;
        entry->group        = 32;
        entry->scale_format = NJ_F16;
    }
}

/* The published layout knows plain weights, and int4 for what is multiplied: not for tables. */
static void make_plain(struct nj_plan_module *entry)
{
    if (entry->format <= NJ_BF16 || (entry->format == NJ_W4_ROWS && entry->module->kind != NJ_MODULE_TABLE))
        return;
    entry->format = NJ_BF16;
    entry->group  = 0;
}

static void quantize_to(struct nj_plan_module *entry, uint32_t group)
{
    bool plain          = entry->rows.matrix->format <= NJ_BF16;
    entry->format       = NJ_W4_ROWS;
    entry->group        = group ? group : entry->rows.cols;
    entry->scale_format = plain ? entry->rows.storage : NJ_BF16;
    entry->rounded      = true;
}

static nj_status settle_linear(const struct nj_plan *plan, struct nj_plan_module *entry, struct nj_error *error)
{
    enum nj_format source    = entry->rows.matrix->format;
    bool           unchanged = nj_rows_unchanged(&entry->rows), integers = is_int4(source) || source == NJ_Q4_0;
    uint32_t       group = plan->options.group;
    bool           fits  = nj_w4_group_ok(entry->rows.cols, group ? group : entry->rows.cols);
    keep(entry);
    if (plan->options.quantize && fits && entry->module->kind == NJ_MODULE_LINEAR && !(integers && unchanged)) {
        quantize_to(entry, group);
        if (plan->moments && unchanged)
            entry->moments = nj_moments_find(plan->moments, entry->rows.matrix);
    } else if (!unchanged && source > NJ_BF16 && (is_int4(source) || plan->options.quantize))
        return nj_fail(error,
                       "%s: its weights are already int4; merging or pruning needs --quantize w4a16 as well, or keep the adapter apart "
                       "(model.adapter)",
                       entry->module->name);
    else if (!unchanged && source > NJ_BF16)
        entry->format = NJ_BF16;
    if (entry->rows.adapter_count && plan->options.exact_merge && !plan->options.quantize)
        entry->format = entry->rows.storage = NJ_F32;
    return NJ_OK;
}

/* The largest group of the kernels that divides a row; the whole row if none does. */
static uint32_t head_group(uint32_t cols)
{
    return cols % 128 == 0 ? 128 : cols % 64 == 0 ? 64 : cols % 32 == 0 ? 32 : cols;
}

static void settle_head(const struct nj_plan *plan, struct nj_plan_module *entry)
{
    enum nj_format source = entry->rows.matrix->format;
    bool           same   = nj_rows_unchanged(&entry->rows);
    keep(entry);
    if (plan->options.head == NJ_HEAD_INT4 && !(is_int4(source) && same))
        quantize_to(entry, head_group(entry->rows.cols));
    else if (plan->options.head == NJ_HEAD_INT8 && !(source == NJ_I8_ROWS && same)) {
        entry->format       = NJ_I8_ROWS;
        entry->group        = head_group(entry->rows.cols);
        entry->scale_format = NJ_BF16;
        entry->rounded      = true;
    } else if (plan->options.head == NJ_HEAD_BF16 || !same)
        entry->format = NJ_BF16;
}

nj_status nj_plan_settle(struct nj_plan *plan, struct nj_error *error)
{
    if (!plan->untied && (plan->options.head == NJ_HEAD_INT8 || plan->options.head == NJ_HEAD_INT4))
        NJ_TRY(nj_plan_set_head(plan, &plan->weights->embedding, error));
    for (size_t i = 0; i < plan->count; i++) {
        struct nj_plan_module *entry = &plan->list[i];
        if (entry->module->kind == NJ_MODULE_HEAD)
            settle_head(plan, entry);
        else
            NJ_TRY(settle_linear(plan, entry, error));
        if (plan->options.published)
            make_plain(entry);
    }
    return NJ_OK;
}

/* Every sharing layer twice as wide as the others, which have one width: the flag of E2B. */
static bool is_double_wide(const struct nj_text_config *text, const uint32_t *widths)
{
    bool is = text->shared_kv_layers > 0;
    for (uint32_t i = 0; i < text->layers; i++)
        is &= widths[i] == (i < text->layers - text->shared_kv_layers ? 1 : 2) * widths[0];
    return is;
}

/* One number, and per_layer_config where layers differ. */
static void set_widths(json_t *config, const struct nj_text_config *text, const uint32_t *widths)
{
    json_t *inner = json_object_get(config, "text_config"), *map;
    bool    wide  = is_double_wide(text, widths);
    inner         = inner ? inner : config;
    json_object_set_new(inner, "intermediate_size", json_integer(widths[0]));
    if (wide || json_object_get(inner, "use_double_wide_mlp"))
        json_object_set_new(inner, "use_double_wide_mlp", json_boolean(wide));
    map = json_object_get(inner, "per_layer_config");
    for (uint32_t i = 0; i < text->layers; i++) {
        char    key[16];
        json_t *layer = NULL;
        snprintf(key, sizeof key, "%u", i);
        if (json_is_object(map))
            layer = json_object_get(map, key);
        json_object_del(layer, "intermediate_size");
        if (wide || widths[i] == widths[0])
            continue;
        if (!json_is_object(map)) {
            map = json_object();
            json_object_set_new(inner, "per_layer_config", map);
        }
        if (!layer) {
            layer = json_object();
            json_object_set_new(map, key, layer);
        }
        json_object_set_new(layer, "intermediate_size", json_integer(widths[i]));
    }
}

bool nj_plan_widths(const struct nj_plan *plan, uint32_t widths[NJ_MAX_LAYERS])
{
    const struct nj_text_config *text = &plan->weights->config.text;
    bool                         same = true;
    for (uint32_t i = 0; i < text->layers; i++) {
        char name[NJ_MODULE_NAME];
        snprintf(name, sizeof name, "layers.%u.mlp.gate_proj", i);
        widths[i] = nj_plan_find(plan, name)->rows.rows;
        same &= widths[i] == widths[0];
    }
    return !same && !is_double_wide(text, widths);
}

json_t *nj_plan_config(const struct nj_plan *plan)
{
    const struct nj_text_config *text = &plan->weights->config.text;
    json_t          *config = json_deep_copy(plan->weights->checkpoint->config), *inner = json_object_get(config, "text_config");
    struct nj_config before;
    uint32_t         widths[NJ_MAX_LAYERS];
    bool             differ = nj_config_parse(config, NULL, &before, NULL) != NJ_OK ||
                  json_is_array(json_object_get(inner ? inner : config, "intermediate_size")); /* as GGUF has it, and nobody else */
    nj_plan_widths(plan, widths);
    for (uint32_t i = 0; i < text->layers; i++)
        differ |= widths[i] != before.text.intermediate_size[i];
    if (differ)
        set_widths(config, text, widths);
    json_object_del(config, "quantization_config");
    json_object_set_new(inner ? inner : config, "tie_word_embeddings", json_boolean(!plan->untied));
    if (inner)
        json_object_set_new(config, "tie_word_embeddings", json_boolean(!plan->untied));
    return config;
}

size_t nj_plan_scratch(const struct nj_plan *plan)
{
    size_t most = 0;
    for (size_t i = 0; i < plan->count; i++)
        most = plan->list[i].rows.matrix->cols > most ? plan->list[i].rows.matrix->cols : most;
    return 2 * most;
}

/* Q4_0 is int4 with groups of 32 and half-precision scales: 18 bytes a group, low nibbles first. */
static void q4_0_integers(const struct nj_matrix *matrix, uint32_t row, int8_t *q, float *scales)
{
    const uint8_t *block = (const uint8_t *)matrix->data + row * nj_format_row_bytes(NJ_Q4_0, matrix->cols);
    for (uint32_t i = 0; i < matrix->cols; i += 32, block += 18) {
        nj_widen(NJ_F16, block, 1, &scales[i / 32]);
        for (uint32_t k = 0; k < 16; k++) {
            q[i + k]      = (int8_t)((block[2 + k] & 15) - 8);
            q[i + k + 16] = (int8_t)((block[2 + k] >> 4) - 8);
        }
    }
}

static void kept_integers(const struct nj_matrix *matrix, uint32_t row, int8_t *q, float *scales)
{
    if (matrix->format == NJ_Q4_0) {
        q4_0_integers(matrix, row, q, scales);
        return;
    }
    if (matrix->format == NJ_I8_ROWS)
        memcpy(q, (const int8_t *)matrix->data + (uint64_t)row * matrix->cols, matrix->cols);
    else
        nj_matrix_row_q4(matrix, row, q);
    for (uint32_t g = 0; g < matrix->cols / matrix->group; g++)
        scales[g] = nj_matrix_scale(matrix, row, g);
}

void nj_plan_row_integers(const struct nj_plan_module *module, uint32_t row, float *scratch, int8_t *q, float *scales, double error[3])
{
    const struct nj_rows *rows = &module->rows;
    if (!module->rounded) {
        kept_integers(rows->matrix, row, q, scales);
        return;
    }
    float *values = scratch + rows->matrix->cols;
    nj_rows_read(rows, row, scratch, values);
    if (module->format == NJ_I8_ROWS)
        nj_quantize_w8(values, rows->cols, module->group, q, scales);
    else
        nj_quantize_w4(values, rows->cols, module->group, module->scale_format, rows->matrix->format <= NJ_BF16 ? rows->storage : NJ_F32, q,
                       scales);
    if (module->gptq) {
        double nearest[2] = {0, 0};
        bool   sampled    = row % 16 == 0;
        if (sampled)
            nj_gptq_error(module->gptq, values, rows->cols, module->group, q, scales, nearest);
        nj_gptq_row(module->gptq, values, rows->cols, module->group, module->scale_format, q, scales);
        if (sampled)
            nj_gptq_error(module->gptq, values, rows->cols, module->group, q, scales, error);
        error[2] += nearest[0];
        return;
    }
    for (uint32_t i = 0; i < rows->cols; i++) {
        double change = (double)q[i] * scales[i / module->group] - values[i];
        error[0] += change * change;
        error[1] += (double)values[i] * values[i];
    }
}

void nj_plan_row_bytes(const struct nj_plan_module *module, uint32_t row, float *scratch, void *out)
{
    const struct nj_rows *rows = &module->rows;
    if (module->format == rows->matrix->format && nj_rows_unchanged(rows)) {
        uint64_t size = nj_format_row_bytes(module->format, rows->cols);
        memcpy(out, (const uint8_t *)rows->matrix->data + row * size, size);
        return;
    }
    float *values = scratch + rows->matrix->cols;
    nj_rows_read(rows, row, scratch, values);
    nj_narrow(module->format, values, rows->cols, out);
}
