#include "pipeline/model/packed_write.h"
#include "pipeline/model/carry.h"
#include "pipeline/model/packed.h"
#include "pipeline/model/safetensors_write.h"
#include "pipeline/model/tokenizer.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What becomes one tensor (or one tensor and its scales): one module, or several that the engine walks together. */
struct unit {
    struct nj_plan_module *part[NJ_WORK_PARTS];
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
    struct nj_row_work             rows;
    uint8_t                       *batch;  /* rows or panels of one portion */
    uint8_t                       *scales; /* of one unit */
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

/* ---- One portion: a run of panels of a unit, filled by all threads. ---- */

struct portion {
    struct work       *work;
    const struct unit *unit;
    uint64_t           first; /* panel of the tensor */
    uint64_t           panel_bytes, scale_bytes;
};

static void fill_panel(void *arg, size_t index, unsigned thread)
{
    const struct portion     *portion = arg;
    const struct nj_row_work *rows    = &portion->work->rows;
    const struct unit        *unit    = portion->unit;
    uint64_t                  panel = portion->first + index, part = 0;
    if (unit->alternating) {
        part  = panel % 2;
        panel = panel / 2;
    } else
        while (panel >= nj_w4_panels(unit->part[part]->rows.rows))
            panel -= nj_w4_panels(unit->part[part++]->rows.rows);
    const struct nj_plan_module *entry = unit->part[part];
    uint32_t                     cols = entry->rows.cols, row = (uint32_t)panel * 16, groups = cols / entry->group;
    uint32_t                     count  = entry->rows.rows - row < 16 ? entry->rows.rows - row : 16;
    int8_t                      *q      = nj_row_work_integers(rows, thread);
    float                       *scales = nj_row_work_scales(rows, thread);
    for (uint32_t i = 0; i < count; i++)
        nj_plan_row_integers(entry, row + i, nj_row_work_scratch(rows, thread), q + (size_t)i * cols, scales + (size_t)i * groups,
                             nj_row_work_error(rows, thread, part));
    nj_w4_pack_panel(q, scales, count, cols, entry->group, panel_scale_format(entry), portion->work->batch + index * portion->panel_bytes,
                     portion->work->scales + (portion->first + index) * portion->scale_bytes);
}

static nj_status report(const struct work *work, struct nj_error *error)
{
    return nj_row_work_report(&work->rows, nj_writer_done(work->writer), nj_writer_total(work->writer), error);
}

/* An empty table (a model made to measure speed) takes no space on disk. */
static bool is_zero(const uint8_t *bytes, uint64_t size)
{
    return bytes[0] == 0 && !memcmp(bytes, bytes + 1, size - 1);
}

static nj_status write_portions(struct work *work, const struct unit *unit, uint64_t count, struct portion *portion, struct nj_error *error)
{
    const struct nj_plan_module *entry = unit->part[0];
    uint64_t                     step  = NJ_WORK_PORTION / portion->panel_bytes + 1;
    work->batch                        = malloc(step * portion->panel_bytes);
    work->scales                       = malloc(count * portion->scale_bytes + 1);
    if (!work->batch || !work->scales)
        return nj_fail(error, "%s: no memory to pack it", unit->name);
    for (uint64_t at = 0; at < count; at += step) {
        uint64_t size = count - at < step ? count - at : step, bytes = size * portion->panel_bytes;
        portion->first = at;
        if (unit->panels)
            nj_pool_run(work->options->pool, size, fill_panel, portion);
        else
            nj_row_work_rows(&work->rows, entry, (uint32_t)at, (uint32_t)size, work->batch, work->scales);
        if (entry->module->kind == NJ_MODULE_TABLE && is_zero(work->batch, bytes))
            NJ_TRY(nj_writer_hole(work->writer, bytes, error));
        else
            NJ_TRY(nj_writer_write(work->writer, work->batch, bytes, error));
        NJ_TRY(report(work, error));
        if (entry->module->kind == NJ_MODULE_TABLE || entry->module->kind == NJ_MODULE_HEAD)
            nj_checkpoint_release(work->rows.source, entry->rows.matrix);
    }
    return portion->scale_bytes ? nj_writer_write(work->writer, work->scales, count * portion->scale_bytes, error) : NJ_OK;
}

static nj_status write_unit(struct work *work, const struct unit *unit, struct nj_error *error)
{
    const struct nj_plan_module *entry   = unit->part[0];
    struct portion               portion = {.work = work, .unit = unit};
    uint64_t                     count   = entry->rows.rows;
    if (unit->panels) {
        count = 0;
        for (size_t i = 0; i < unit->parts; i++)
            count += nj_w4_panels(unit->part[i]->rows.rows);
        portion.panel_bytes = nj_w4_panel_bytes(entry->rows.cols);
        portion.scale_bytes = nj_w4_panel_scale_bytes(entry->rows.cols, entry->group, panel_scale_format(entry));
    } else {
        portion.panel_bytes = nj_stored_row_bytes(entry);
        portion.scale_bytes = nj_stored_scale_bytes(entry);
    }
    nj_status status = nj_row_work_begin(&work->rows, unit->part, unit->parts, error);
    if (status == NJ_OK)
        status = write_portions(work, unit, count, &portion, error);
    nj_row_work_end(&work->rows, unit->part, unit->parts);
    free(work->batch);
    free(work->scales);
    work->batch = work->scales = NULL;
    return status;
}

/* ---- The file as a whole ---- */

static nj_status allocate(struct work *work, struct nj_error *error)
{
    work->units    = calloc(work->plan->count, sizeof *work->units);
    work->metadata = json_object();
    work->matrices = json_object();
    if (!work->units)
        return nj_fail(error, "no memory to convert %zu modules", work->plan->count);
    return nj_row_work_open(&work->rows, work->plan, work->options, error);
}

static nj_status read_companions(struct work *work, struct nj_error *error)
{
    struct nj_tokenizer *tokenizer = NULL;
    NJ_TRY(nj_carried_read(work->plan->weights, work->plan->chat_template, &work->files, error));
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
    if (work->plan->weights->config.empty_thought)
        json_object_set_new(work->metadata, "empty_thought", json_string("yes"));
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
    nj_row_work_close(&work.rows);
    json_decref(work.metadata);
    json_decref(work.matrices);
    return status;
}

nj_status nj_packed_amend(const char *path, const char *key, const char *value, struct nj_error *error)
{
    int       fd     = open(path, O_RDWR | O_CLOEXEC);
    uint64_t  size   = 0;
    char     *header = NULL, *text = NULL;
    json_t   *root   = NULL;
    nj_status status = NJ_OK;
    if (fd < 0)
        return nj_fail_errno(error, errno, "%s: cannot be opened", path);
    if (pread(fd, &size, sizeof size, 0) != sizeof size || size > (16u << 20) || !(header = malloc(size)) ||
        pread(fd, header, size, 8) != (ssize_t)size || nj_json_parse(path, header, size, &root, NULL) != NJ_OK) {
        status = nj_fail(error, "%s: its header cannot be read again", path);
        goto cleanup;
    }
    json_object_set_new(json_object_get(root, "__metadata__"), key, json_string(value));
    text = json_dumps(root, JSON_COMPACT);
    if (!text || strlen(text) > size) {
        status = nj_fail(error, "%s: no room in its header for %s", path, key);
        goto cleanup;
    }
    memset(header, ' ', size);
    memcpy(header, text, strlen(text));
    if (pwrite(fd, header, size, 8) != (ssize_t)size || fsync(fd) != 0)
        status = nj_fail_errno(error, errno, "%s: cannot be written", path);
cleanup:
    close(fd);
    free(header);
    free(text);
    json_decref(root);
    return status;
}
