#include "pipeline/model/packed_write.h"
#include "pipeline/model/carry.h"
#include "pipeline/model/packed.h"
#include "pipeline/model/safetensors_write.h"
#include "pipeline/model/tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BATCH_BYTES (8u << 20) /* one portion of output */
#define MAX_PARTS   3

/* What becomes one tensor (or one tensor and its scales): one module, or several that the engine walks together. */
struct unit {
    struct nj_plan_module *part[MAX_PARTS];
    size_t                 parts;
    bool                   alternating; /* panel by panel; otherwise one part after the other */
    bool                   panels;
    char                   name[NJ_MAX_NAME], scales[NJ_MAX_NAME]; /* tensor names; no scales: "" */
};

struct work {
    struct nj_plan                *plan;
    const struct nj_write_options *options;
    struct nj_writer              *writer;
    struct unit                   *units;
    size_t                         unit_count;
    struct nj_carried_list         files;
    uint8_t                       *compressed[16];
    size_t                         compressed_size[16];
    uint8_t                       *tokenizer;
    size_t                         tokenizer_size;
    json_t                        *metadata, *matrices;
    unsigned                       threads;
    size_t                         scratch; /* floats a thread */
    float                         *scratch_memory;
    int8_t                        *q_memory;     /* [threads][16][most columns] */
    float                         *scale_memory; /* [threads][16][most columns] */
    double                        *error;        /* [threads][MAX_PARTS][2] */
    uint8_t                       *batch;        /* rows or panels of one portion */
    uint8_t                       *unit_scales;  /* scales of one unit */
};

static bool multimodal(const struct nj_plan *plan)
{
    return plan->weights->config.vision.layers > 0;
}

static enum nj_scale_format panel_scale_format(const struct nj_plan_module *entry)
{
    return entry->scale_format == NJ_BF16 ? NJ_SCALE_BF16 : NJ_SCALE_F32;
}

static bool as_panels(const struct nj_plan_module *entry)
{
    return entry->format == NJ_W4_ROWS && nj_w4_group_ok(entry->rows.cols, entry->group);
}

static bool alike(const struct nj_plan_module *a, const struct nj_plan_module *b)
{
    return as_panels(a) && as_panels(b) && a->rows.cols == b->rows.cols && a->group == b->group &&
           panel_scale_format(a) == panel_scale_format(b);
}

static void name_unit(const struct work *work, struct unit *unit, const char *module)
{
    char        canonical[NJ_MAX_NAME];
    const char *data = "weight", *scales = NULL;
    if (unit->panels) {
        data   = "weight_panels";
        scales = "weight_panel_scales";
    } else if (unit->part[0]->format == NJ_I8_ROWS || unit->part[0]->format == NJ_W4_ROWS) {
        data   = "weight_rows";
        scales = "weight_row_scales";
    } else if (unit->part[0]->format > NJ_BF16)
        data = "weight_blocks";
    snprintf(canonical, sizeof canonical, "%s.%s", module, data);
    nj_published_name(canonical, multimodal(work->plan), unit->name);
    if (scales) {
        snprintf(canonical, sizeof canonical, "%s.%s", module, scales);
        nj_published_name(canonical, multimodal(work->plan), unit->scales);
    }
}

static bool named(const struct nj_plan_module *entry, const char *end)
{
    size_t length = strlen(entry->module->name), tail = strlen(end);
    return length >= tail && !strcmp(entry->module->name + length - tail, end);
}

/* Modules come in the order of modules.h: q, k, v and gate, up stand side by side. */
static void make_units(struct work *work)
{
    struct nj_plan *plan = work->plan;
    for (size_t i = 0; i < plan->count;) {
        struct nj_plan_module *first = &plan->list[i];
        struct unit           *unit  = &work->units[work->unit_count++];
        char                   module[NJ_MODULE_NAME + 16];
        *unit = (struct unit){.part = {first}, .parts = 1, .panels = as_panels(first)};
        snprintf(module, sizeof module, "%s", first->module->name);
        bool text = first->module->kind == NJ_MODULE_LINEAR;
        if (text && named(first, "self_attn.q_proj") && i + 2 < plan->count && named(first + 1, "self_attn.k_proj") &&
            alike(first, first + 1) && alike(first, first + 2) && first->rows.rows % 16 == 0 && first[1].rows.rows % 16 == 0) {
            unit->part[1] = first + 1;
            unit->part[2] = first + 2;
            unit->parts   = 3;
            snprintf(module, sizeof module, "layers.%d.self_attn.qkv_proj", first->module->layer);
        } else if (text && named(first, "mlp.gate_proj") && alike(first, first + 1)) {
            unit->part[1]     = first + 1;
            unit->parts       = 2;
            unit->alternating = true;
            snprintf(module, sizeof module, "layers.%d.mlp.gate_up_proj", first->module->layer);
        }
        name_unit(work, unit, module);
        i += unit->parts;
    }
}

static nj_status declare_unit(struct work *work, const struct unit *unit, struct nj_error *error)
{
    const struct nj_plan_module *entry = unit->part[0];
    uint32_t                     cols = entry->rows.cols, groups = entry->group ? cols / entry->group : 0;
    uint64_t                     shape[3] = {entry->rows.rows, cols, 0};
    if (unit->panels) {
        bool     wide   = panel_scale_format(entry) == NJ_SCALE_F32;
        uint64_t panels = 0;
        for (size_t i = 0; i < unit->parts; i++)
            panels += nj_w4_panels(unit->part[i]->rows.rows);
        const uint64_t blocks[3] = {panels, nj_w4_padded_cols(cols) / 8, 64}, scales[3] = {panels, groups, 16};
        NJ_TRY(nj_writer_declare(work->writer, unit->name, "U8", 1, 3, blocks, true, error));
        return nj_writer_declare(work->writer, unit->scales, wide ? "F32" : "BF16", wide ? 4 : 2, 3, scales, true, error);
    }
    if (entry->format <= NJ_BF16)
        return nj_writer_declare(work->writer, unit->name, nj_format_name(entry->format), (uint32_t)nj_format_row_bytes(entry->format, 1),
                                 2, shape, true, error);
    shape[1] = nj_format_row_bytes(entry->format, cols);
    NJ_TRY(nj_writer_declare(work->writer, unit->name, entry->format == NJ_I8_ROWS ? "I8" : "U8", 1, 2, shape, true, error));
    shape[1] = groups;
    if (groups)
        return nj_writer_declare(work->writer, unit->scales, nj_format_name(entry->scale_format),
                                 (uint32_t)nj_format_row_bytes(entry->scale_format, 1), 2, shape, true, error);
    return NJ_OK;
}

static void describe_unit(struct work *work, const struct unit *unit)
{
    uint64_t first = 0;
    for (size_t i = 0; i < unit->parts; i++) {
        const struct nj_plan_module *entry  = unit->part[i];
        struct nj_matrix             matrix = {.format       = unit->panels ? NJ_W4_PANELS : entry->format,
                                               .rows         = entry->rows.rows,
                                               .cols         = entry->rows.cols,
                                               .group        = entry->group,
                                               .scale_format = entry->scale_format,
                                               .panel_step   = unit->alternating ? 2 : 1};
        if (unit->panels)
            matrix.scale_format = panel_scale_format(entry) == NJ_SCALE_F32 ? NJ_F32 : NJ_BF16;
        json_object_set_new(work->matrices, entry->module->name,
                            nj_packed_entry(&matrix, unit->name, *unit->scales ? unit->scales : NULL, first));
        first += unit->alternating ? 1 : nj_w4_panels(entry->rows.rows);
    }
}

/* ---- One portion: a run of panels or rows of a unit, filled by all threads. ---- */

struct portion {
    struct work       *work;
    const struct unit *unit;
    uint64_t           first; /* panel or row of the tensor */
    uint64_t           panel_bytes, scale_bytes;
};

static void fill_panel(void *arg, size_t index, unsigned thread)
{
    const struct portion *portion = arg;
    struct work          *work    = portion->work;
    const struct unit    *unit    = portion->unit;
    uint64_t              panel = portion->first + index, part = 0;
    if (unit->alternating) {
        part  = panel % 2;
        panel = panel / 2;
    } else
        while (panel >= nj_w4_panels(unit->part[part]->rows.rows))
            panel -= nj_w4_panels(unit->part[part++]->rows.rows);
    const struct nj_plan_module *entry = unit->part[part];
    uint32_t                     cols = entry->rows.cols, row = (uint32_t)panel * 16, groups = cols / entry->group;
    uint32_t                     count   = entry->rows.rows - row < 16 ? entry->rows.rows - row : 16;
    float                       *scratch = work->scratch_memory + thread * work->scratch;
    int8_t                      *q       = work->q_memory + thread * 8 * work->scratch;
    float                       *scales  = work->scale_memory + thread * 8 * work->scratch;
    double                      *changed = work->error + (thread * MAX_PARTS + part) * 2;
    for (uint32_t i = 0; i < count; i++)
        nj_plan_row_integers(entry, row + i, scratch, q + (size_t)i * cols, scales + (size_t)i * groups, changed);
    nj_w4_pack_panel(q, scales, count, cols, entry->group, panel_scale_format(entry), work->batch + index * portion->panel_bytes,
                     work->unit_scales + (portion->first + index) * portion->scale_bytes);
}

static void fill_row(void *arg, size_t index, unsigned thread)
{
    const struct portion        *portion = arg;
    struct work                 *work    = portion->work;
    const struct nj_plan_module *entry   = portion->unit->part[0];
    uint32_t                     row     = (uint32_t)(portion->first + index);
    float                       *scratch = work->scratch_memory + thread * work->scratch;
    uint8_t                     *out     = work->batch + index * portion->panel_bytes;
    if (!entry->group) {
        nj_plan_row_bytes(entry, row, scratch, out);
        return;
    }
    int8_t  *q      = work->q_memory + thread * 8 * work->scratch;
    float   *scales = work->scale_memory + thread * 8 * work->scratch;
    uint32_t cols = entry->rows.cols, groups = cols / entry->group;
    nj_plan_row_integers(entry, row, scratch, q, scales, work->error + thread * MAX_PARTS * 2);
    nj_narrow(entry->scale_format, scales, groups, work->unit_scales + row * portion->scale_bytes);
    if (entry->format == NJ_I8_ROWS) {
        memcpy(out, q, cols);
        return;
    }
    memset(out, 0, nj_format_row_bytes(NJ_W4_ROWS, cols));
    for (uint32_t i = 0; i < cols; i++)
        out[i / 2] |= (uint8_t)((q[i] + 8) << 4 * (i % 2));
}

/* Pages of the source that have been read need not stay in memory. */
static void release(const struct nj_matrix *matrix)
{
    uint64_t  row   = nj_format_row_bytes(matrix->format, matrix->cols);
    uint64_t  size  = matrix->format == NJ_W4_PANELS ? nj_w4_panels(matrix->rows) * nj_w4_panel_bytes(matrix->cols) * matrix->panel_step
                                                     : matrix->rows * row;
    uintptr_t begin = ((uintptr_t)matrix->data + 4095) / 4096 * 4096, end = ((uintptr_t)matrix->data + size) / 4096 * 4096;
    if (end > begin)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

static nj_status report(const struct work *work, struct nj_error *error)
{
    const struct nj_write_options *options = work->options;
    if (options->progress && options->progress(options->progress_arg, nj_writer_done(work->writer), nj_writer_total(work->writer)))
        return nj_fail_as(NJ_STOPPED, error, "stopped; nothing was left behind");
    return NJ_OK;
}

static void note_errors(const struct work *work, const struct unit *unit)
{
    for (size_t part = 0; part < unit->parts; part++) {
        double sum[2] = {0, 0};
        for (unsigned thread = 0; thread < work->threads; thread++)
            for (int i = 0; i < 2; i++)
                sum[i] += work->error[(thread * MAX_PARTS + part) * 2 + (size_t)i];
        unit->part[part]->error = sum[1] > 0 ? sqrt(sum[0] / sum[1]) : 0;
    }
    memset(work->error, 0, work->threads * MAX_PARTS * 2 * sizeof *work->error);
}

/* An empty table (a model made to measure speed) takes no space on disk. */
static bool is_zero(const uint8_t *bytes, uint64_t size)
{
    return bytes[0] == 0 && !memcmp(bytes, bytes + 1, size - 1);
}

static nj_status write_unit(struct work *work, const struct unit *unit, struct nj_error *error)
{
    const struct nj_plan_module *entry   = unit->part[0];
    struct portion               portion = {.work = work, .unit = unit};
    uint64_t                     count   = entry->rows.rows;
    uint32_t                     groups  = entry->group ? entry->rows.cols / entry->group : 0;
    nj_status                    status  = NJ_OK;
    if (unit->panels) {
        count = 0;
        for (size_t i = 0; i < unit->parts; i++)
            count += nj_w4_panels(unit->part[i]->rows.rows);
        portion.panel_bytes = nj_w4_panel_bytes(entry->rows.cols);
        portion.scale_bytes = nj_w4_panel_scale_bytes(entry->rows.cols, entry->group, panel_scale_format(entry));
    } else {
        portion.panel_bytes = nj_format_row_bytes(entry->format, entry->rows.cols);
        portion.scale_bytes = groups * nj_format_row_bytes(entry->scale_format, 1);
    }
    uint64_t step     = BATCH_BYTES / portion.panel_bytes + 1;
    work->batch       = malloc(step * portion.panel_bytes);
    work->unit_scales = malloc(count * portion.scale_bytes + 1);
    if (!work->batch || !work->unit_scales)
        status = nj_fail(error, "%s: no memory to pack it", unit->name);
    for (uint64_t at = 0; at < count && status == NJ_OK; at += step) {
        uint64_t size = count - at < step ? count - at : step;
        portion.first = at;
        nj_pool_run(work->options->pool, size, unit->panels ? fill_panel : fill_row, &portion);
        status = entry->module->kind == NJ_MODULE_TABLE && is_zero(work->batch, size * portion.panel_bytes)
                     ? nj_writer_hole(work->writer, size * portion.panel_bytes, error)
                     : nj_writer_write(work->writer, work->batch, size * portion.panel_bytes, error);
        if (status == NJ_OK)
            status = report(work, error);
        if (entry->module->kind == NJ_MODULE_TABLE || entry->module->kind == NJ_MODULE_HEAD)
            release(entry->rows.matrix);
    }
    if (status == NJ_OK && groups)
        status = nj_writer_write(work->writer, work->unit_scales, count * portion.scale_bytes, error);
    for (size_t i = 0; i < unit->parts; i++)
        release(unit->part[i]->rows.matrix);
    note_errors(work, unit);
    free(work->batch);
    free(work->unit_scales);
    work->batch = work->unit_scales = NULL;
    return status;
}

/* ---- The file as a whole ---- */

static nj_status allocate(struct work *work, struct nj_error *error)
{
    work->threads        = work->options->pool ? nj_pool_threads(work->options->pool) : 1;
    work->scratch        = nj_plan_scratch(work->plan);
    work->units          = calloc(work->plan->count, sizeof *work->units);
    work->scratch_memory = malloc(work->threads * work->scratch * sizeof(float));
    work->q_memory       = malloc(work->threads * 8 * work->scratch);
    work->scale_memory   = malloc(work->threads * 8 * work->scratch * sizeof(float));
    work->error          = calloc(work->threads * MAX_PARTS * 2, sizeof(double));
    work->metadata       = json_object();
    work->matrices       = json_object();
    if (!work->units || !work->scratch_memory || !work->q_memory || !work->scale_memory || !work->error)
        return nj_fail(error, "no memory to convert with %u threads", work->threads);
    return NJ_OK;
}

static nj_status read_companions(struct work *work, struct nj_error *error)
{
    struct nj_tokenizer *tokenizer = NULL;
    NJ_TRY(nj_carried_read(work->plan->weights, &work->files, error));
    for (size_t i = 0; i < work->files.count; i++)
        NJ_TRY(nj_carried_compress(&work->files.file[i], &work->compressed[i], &work->compressed_size[i], error));
    NJ_TRY(nj_weights_tokenizer(work->plan->weights, &tokenizer, error));
    static const char *const markers[] = {"<bos>",        "<|turn>",          "<turn|>",          "<|image>", "<|image|>", "<image|>",
                                          "<|channel>",   "<channel|>",       "<|think|>",        "<|tool>",  "<tool|>",   "<|tool_call>",
                                          "<tool_call|>", "<|tool_response>", "<tool_response|>", "<|\"|>"};
    json_t                  *chat      = json_object();
    for (size_t i = 0; i < sizeof markers / sizeof *markers; i++)
        if (nj_tokenizer_added(tokenizer, markers[i]) >= 0)
            json_object_set_new(chat, markers[i], json_integer(nj_tokenizer_added(tokenizer, markers[i])));
    char *text = json_dumps(chat, JSON_COMPACT);
    json_object_set_new(work->metadata, "chat", json_string(text ? text : "{}"));
    free(text);
    json_decref(chat);
    nj_status status = nj_tokenizer_pack(tokenizer, &work->tokenizer, &work->tokenizer_size, error);
    nj_tokenizer_close(tokenizer);
    return status;
}

static void set_json(json_t *metadata, const char *key, const json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(16)) : NULL;
    if (text)
        json_object_set_new(metadata, key, json_string(text));
    free(text);
}

static nj_status declare_all(struct work *work, struct nj_error *error)
{
    const struct nj_plan   *plan   = work->plan;
    const struct nj_matrix *table  = &plan->weights->position_x;
    struct nj_writer       *writer = work->writer;
    char                    name[NJ_MAX_NAME];
    for (size_t i = 0; i < plan->modules.vector_count; i++) {
        const struct nj_vector *vector = &plan->modules.vectors[i];
        const uint64_t          size   = vector->count;
        if (vector->bound && isinf(*vector->values))
            continue;
        nj_published_name(vector->name, multimodal(plan), name);
        NJ_TRY(nj_writer_declare(writer, name, "F32", 4, 1, &size, false, error));
    }
    for (size_t i = 0; i < work->unit_count; i++) {
        NJ_TRY(declare_unit(work, &work->units[i], error));
        describe_unit(work, &work->units[i]);
    }
    if (table->data) {
        const uint64_t shape[3] = {2, table->rows, table->cols};
        NJ_TRY(nj_writer_declare(writer, "model.vision_tower.patch_embedder.position_embedding_table", nj_format_name(table->format),
                                 (uint32_t)nj_format_row_bytes(table->format, 1), 3, shape, true, error));
    }
    NJ_TRY(nj_writer_declare(writer, NJ_PACKED_TOKENIZER, "U8", 1, 1, (uint64_t[]){work->tokenizer_size}, true, error));
    for (size_t i = 0; i < work->files.count; i++) {
        snprintf(name, sizeof name, "file.%s", work->files.file[i].name);
        NJ_TRY(nj_writer_declare(writer, name, "U8", 1, 1, (uint64_t[]){work->compressed_size[i]}, false, error));
    }
    return NJ_OK;
}

static nj_status write_all(struct work *work, struct nj_error *error)
{
    const struct nj_plan   *plan   = work->plan;
    const struct nj_matrix *table  = &plan->weights->position_x;
    struct nj_writer       *writer = work->writer;
    for (size_t i = 0; i < plan->modules.vector_count; i++) {
        const struct nj_vector *vector = &plan->modules.vectors[i];
        if (!vector->bound || !isinf(*vector->values))
            NJ_TRY(nj_writer_write(writer, vector->values, vector->count * sizeof(float), error));
    }
    for (size_t i = 0; i < work->unit_count; i++)
        NJ_TRY(write_unit(work, &work->units[i], error));
    if (table->data)
        NJ_TRY(nj_writer_write(writer, table->data, 2 * table->rows * nj_format_row_bytes(table->format, table->cols), error));
    NJ_TRY(nj_writer_write(writer, work->tokenizer, work->tokenizer_size, error));
    for (size_t i = 0; i < work->files.count; i++)
        NJ_TRY(nj_writer_write(writer, work->compressed[i], work->compressed_size[i], error));
    return report(work, error);
}

static nj_status write_file(struct work *work, const char *path, struct nj_error *error)
{
    const struct nj_checkpoint    *checkpoint = work->plan->weights->checkpoint;
    const struct nj_writer_options options    = {
           .checksums = true, .alignment = NJ_PACKED_ALIGNMENT, .reserve = 16384, .sparse = checkpoint->kind == NJ_KIND_RANDOM};
    NJ_TRY(allocate(work, error));
    json_object_set_new(work->metadata, "format", json_string("nightjar"));
    json_object_set_new(work->metadata, "version", json_string(NJ_PACKED_VERSION));
    NJ_TRY(read_companions(work, error));
    make_units(work);
    NJ_TRY(nj_writer_open(path, &options, &work->writer, error));
    NJ_TRY(declare_all(work, error));
    json_t *config = nj_plan_config(work->plan);
    set_json(work->metadata, "config", config);
    json_decref(config);
    set_json(work->metadata, "generation_config", checkpoint->generation);
    set_json(work->metadata, "matrices", work->matrices);
    NJ_TRY(nj_writer_begin(work->writer, work->metadata, error));
    NJ_TRY(write_all(work, error));
    char *lineage = work->options->lineage(work->options->lineage_arg, work->plan);
    nj_writer_metadata(work->writer, "lineage", lineage ? lineage : "{}");
    free(lineage);
    return nj_writer_commit(work->writer, error);
}

nj_status nj_packed_write(struct nj_plan *plan, const struct nj_write_options *options, const char *path, struct nj_error *error)
{
    struct work work   = {.plan = plan, .options = options};
    nj_status   status = write_file(&work, path, error);
    nj_writer_close(work.writer);
    for (size_t i = 0; i < sizeof work.compressed / sizeof *work.compressed; i++)
        free(work.compressed[i]);
    nj_carried_free(&work.files);
    free(work.tokenizer);
    free(work.units);
    free(work.scratch_memory);
    free(work.q_memory);
    free(work.scale_memory);
    free(work.error);
    json_decref(work.metadata);
    json_decref(work.matrices);
    return status;
}
