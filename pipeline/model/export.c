#include "pipeline/model/export.h"
#include "pipeline/model/carry.h"
#include "pipeline/model/checkpoint.h"
#include "pipeline/model/safetensors_write.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SHARD_BYTES 5000000000u /* what other tools cut at, too */
#define MAX_SHARDS  1000

/* One module, or one vector, or the position table: what must not be torn apart by the end of a shard. */
struct item {
    struct nj_plan_module  *module; /* NULL for the others */
    const struct nj_vector *vector;
    uint64_t                bytes;
    uint32_t                shard;
};

struct work {
    struct nj_plan                *plan;
    const struct nj_write_options *options;
    struct nj_row_work             rows;
    struct item                   *items;
    size_t                         count;
    uint32_t                       shards;
    char                           folder[4096 + 128];
    enum nj_format                 type; /* of the config: vectors and scales go back into it where that changes nothing */
    uint64_t                       total, done;
    json_t                        *weight_map;
};

static bool multimodal(const struct work *work)
{
    return work->plan->weights->config.vision.layers > 0;
}

static enum nj_format config_type(const json_t *config)
{
    const json_t *text = json_object_get(config, "text_config");
    const char   *type = json_string_value(json_object_get(text ? text : config, "dtype"));
    type               = type ? type : json_string_value(json_object_get(text ? text : config, "torch_dtype"));
    type               = type ? type : json_string_value(json_object_get(config, "dtype"));
    return type && !strcmp(type, "float16") ? NJ_F16 : type && !strcmp(type, "float32") ? NJ_F32 : NJ_BF16;
}

static bool survives(enum nj_format type, float value)
{
    float rounded = value;
    nj_round_to(type, &rounded, 1);
    return !memcmp(&rounded, &value, sizeof value);
}

static enum nj_format vector_type(const struct work *work, const struct nj_vector *vector)
{
    for (uint32_t i = 0; i < vector->count; i++)
        if (!survives(work->type, vector->values[i]))
            return NJ_F32;
    return work->type;
}

/* fp32 scales may come from an fp16 source, whose panels have no room for that type. */
static void narrow_scales(const struct work *work, struct nj_plan_module *module)
{
    const struct nj_matrix *matrix = module->rows.matrix;
    if (module->format != NJ_W4_ROWS || module->rounded || module->scale_format != NJ_F32 || matrix->format == NJ_Q4_0)
        return;
    for (uint32_t row = 0; row < matrix->rows; row++)
        for (uint32_t g = 0; g < matrix->cols / matrix->group; g++)
            if (!survives(work->type, nj_matrix_scale(matrix, row, g)))
                return;
    module->scale_format = work->type;
}

static uint32_t type_bytes(enum nj_format type)
{
    return (uint32_t)nj_format_row_bytes(type, 1);
}

static void list_items(struct work *work)
{
    const struct nj_plan   *plan  = work->plan;
    const struct nj_matrix *table = &plan->weights->position_x;
    for (size_t i = 0; i < plan->count; i++) {
        struct nj_plan_module *module = &plan->list[i];
        narrow_scales(work, module);
        work->items[work->count++] = (struct item){
            .module = module, .bytes = module->rows.rows * (nj_stored_row_bytes(module) + nj_stored_scale_bytes(module)) + 16};
    }
    for (size_t i = 0; i < plan->modules.vector_count; i++)
        if (!plan->modules.vectors[i].bound || !isinf(*plan->modules.vectors[i].values))
            work->items[work->count++] =
                (struct item){.vector = &plan->modules.vectors[i], .bytes = plan->modules.vectors[i].count * sizeof(float)};
    if (table->data)
        work->items[work->count++] = (struct item){.bytes = 2 * table->rows * nj_format_row_bytes(table->format, table->cols)};
    uint64_t filled = 0;
    work->shards    = 1;
    for (size_t i = 0; i < work->count; i++) {
        if (filled && filled + work->items[i].bytes > SHARD_BYTES) {
            work->shards++;
            filled = 0;
        }
        filled += work->items[i].bytes;
        work->total += work->items[i].bytes;
        work->items[i].shard = work->shards - 1;
    }
}

static nj_status declare(struct work *work, struct nj_writer *writer, const char *file, const char *canonical, const char *dtype,
                         uint32_t each, uint32_t rank, const uint64_t *shape, struct nj_error *error)
{
    char name[NJ_MAX_NAME];
    nj_published_name(canonical, multimodal(work), name);
    json_object_set_new(work->weight_map, name, json_string(file));
    return nj_writer_declare(writer, name, dtype, each, rank, shape, false, error);
}

static nj_status declare_module(struct work *work, struct nj_writer *writer, const char *file, const struct nj_plan_module *module,
                                struct nj_error *error)
{
    char     name[NJ_MAX_NAME];
    uint64_t shape[2] = {module->rows.rows, module->rows.cols};
    if (module->format <= NJ_BF16) {
        snprintf(name, sizeof name, "%s.weight", module->module->name);
        return declare(work, writer, file, name, nj_format_name(module->format), type_bytes(module->format), 2, shape, error);
    }
    if (module->format != NJ_W4_ROWS)
        return nj_fail(error, "%s: %s cannot be written in this layout", module->module->name, nj_format_name(module->format));
    shape[1] = nj_stored_row_bytes(module) / 4;
    snprintf(name, sizeof name, "%s.weight_packed", module->module->name);
    NJ_TRY(declare(work, writer, file, name, "I32", 4, 2, shape, error));
    shape[1] = module->rows.cols / module->group;
    snprintf(name, sizeof name, "%s.weight_scale", module->module->name);
    NJ_TRY(declare(work, writer, file, name, nj_format_name(module->scale_format), type_bytes(module->scale_format), 2, shape, error));
    snprintf(name, sizeof name, "%s.weight_shape", module->module->name);
    return declare(work, writer, file, name, "I64", 8, 1, (uint64_t[]){2}, error);
}

static nj_status declare_item(struct work *work, struct nj_writer *writer, const char *file, const struct item *item,
                              struct nj_error *error)
{
    const struct nj_matrix *table = &work->plan->weights->position_x;
    if (item->module)
        return declare_module(work, writer, file, item->module, error);
    if (item->vector) {
        enum nj_format type = vector_type(work, item->vector);
        return declare(work, writer, file, item->vector->name, nj_format_name(type), type_bytes(type), !item->vector->bound,
                       (uint64_t[]){item->vector->count}, error);
    }
    return declare(work, writer, file, "vision_tower.patch_embedder.position_embedding_table", nj_format_name(table->format),
                   type_bytes(table->format), 3, (uint64_t[]){2, table->rows, table->cols}, error);
}

static nj_status write_module(struct work *work, struct nj_writer *writer, struct nj_plan_module *module, struct nj_error *error)
{
    uint64_t  row_bytes = nj_stored_row_bytes(module), step = NJ_WORK_PORTION / row_bytes + 1;
    uint64_t  scale_bytes = nj_stored_scale_bytes(module) * module->rows.rows;
    uint8_t  *rows = malloc(step * row_bytes), *scales = malloc(scale_bytes + 1);
    nj_status status = rows && scales ? NJ_OK : nj_fail(error, "%s: no memory to write it", module->module->name);
    if (status == NJ_OK)
        status = nj_row_work_begin(&work->rows, &module, 1, error);
    for (uint32_t at = 0; at < module->rows.rows && status == NJ_OK; at += (uint32_t)step) {
        uint32_t count = module->rows.rows - at < step ? module->rows.rows - at : (uint32_t)step;
        nj_row_work_rows(&work->rows, module, at, count, rows, scales);
        status = nj_writer_write(writer, rows, count * row_bytes, error);
        if (status == NJ_OK)
            status = nj_row_work_report(&work->rows, work->done + at * row_bytes, work->total, error);
        if (module->module->kind == NJ_MODULE_TABLE || module->module->kind == NJ_MODULE_HEAD)
            nj_checkpoint_release(work->rows.source, module->rows.matrix);
    }
    const int64_t shape[2] = {module->rows.rows, module->rows.cols};
    if (status == NJ_OK && module->format == NJ_W4_ROWS)
        status = nj_writer_write(writer, scales, scale_bytes, error);
    if (status == NJ_OK && module->format == NJ_W4_ROWS)
        status = nj_writer_write(writer, shape, sizeof shape, error);
    nj_row_work_end(&work->rows, &module, 1);
    free(rows);
    free(scales);
    return status;
}

static nj_status write_item(struct work *work, struct nj_writer *writer, const struct item *item, struct nj_error *error)
{
    const struct nj_matrix *table = &work->plan->weights->position_x;
    nj_status               status;
    if (item->module)
        status = write_module(work, writer, item->module, error);
    else if (item->vector) {
        enum nj_format type  = vector_type(work, item->vector);
        uint8_t       *bytes = malloc(item->bytes + 1);
        if (!bytes)
            return nj_fail(error, "%s: no memory to write it", item->vector->name);
        nj_narrow(type, item->vector->values, item->vector->count, bytes);
        status = nj_writer_write(writer, bytes, item->vector->count * (uint64_t)type_bytes(type), error);
        free(bytes);
    } else
        status = nj_writer_write(writer, table->data, item->bytes, error);
    work->done += item->bytes;
    return status;
}

static nj_status write_shard(struct work *work, uint32_t shard, struct nj_error *error)
{
    static const struct nj_writer_options plain = {0};
    struct nj_writer                     *writer;
    char                                  file[64], path[sizeof work->folder + sizeof file];
    json_t                               *metadata = json_pack("{s:s}", "format", "pt");
    if (work->shards == 1)
        snprintf(file, sizeof file, "model.safetensors");
    else
        snprintf(file, sizeof file, "model-%05u-of-%05u.safetensors", shard + 1, work->shards);
    snprintf(path, sizeof path, "%s/%s", work->folder, file);
    nj_status status = nj_writer_open(path, &plain, &writer, error);
    for (size_t i = 0; i < work->count && status == NJ_OK; i++)
        if (work->items[i].shard == shard)
            status = declare_item(work, writer, file, &work->items[i], error);
    if (status == NJ_OK)
        status = nj_writer_begin(writer, metadata, error);
    for (size_t i = 0; i < work->count && status == NJ_OK; i++)
        if (work->items[i].shard == shard)
            status = write_item(work, writer, &work->items[i], error);
    if (status == NJ_OK)
        status = nj_writer_commit(writer, error);
    nj_writer_close(writer);
    json_decref(metadata);
    return status;
}

static nj_status write_json(const struct work *work, const char *name, const json_t *value, struct nj_error *error)
{
    char  path[sizeof work->folder + 64];
    char *text = value ? json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(16)) : NULL;
    if (!text)
        return nj_fail(error, "%s: no memory to write it", name);
    snprintf(path, sizeof path, "%s/%s", work->folder, name);
    nj_status status = nj_file_write_atomic(path, text, strlen(text), error);
    free(text);
    return status;
}

static nj_status write_companions(const struct work *work, struct nj_error *error)
{
    const struct nj_plan       *plan       = work->plan;
    const struct nj_checkpoint *checkpoint = plan->weights->checkpoint;
    json_t                     *config     = nj_export_config(plan);
    struct nj_carried_list      files      = {0};
    nj_status                   status     = write_json(work, "config.json", config, error);
    json_decref(config);
    if (status == NJ_OK && checkpoint->generation)
        status = write_json(work, "generation_config.json", checkpoint->generation, error);
    if (status == NJ_OK)
        status = nj_carried_read(plan->weights, plan->chat_template, &files, error);
    for (size_t i = 0; i < files.count && status == NJ_OK; i++) {
        char path[sizeof work->folder + sizeof files.file[i].name + 2];
        snprintf(path, sizeof path, "%s/%s", work->folder, files.file[i].name);
        status = nj_file_write_atomic(path, files.file[i].data, files.file[i].size, error);
    }
    nj_carried_free(&files);
    if (status == NJ_OK && work->shards > 1) {
        json_t *index = json_pack("{s:{s:I}, s:O}", "metadata", "total_size", (json_int_t)work->total, "weight_map", work->weight_map);
        status        = write_json(work, "model.safetensors.index.json", index, error);
        json_decref(index);
    }
    return status;
}

static nj_status write_all(struct work *work, struct nj_error *error)
{
    const struct nj_plan *plan = work->plan;
    work->type                 = config_type(plan->weights->checkpoint->config);
    work->weight_map           = json_object();
    work->items                = calloc(plan->count + plan->modules.vector_count + 1, sizeof *work->items);
    if (!work->items)
        return nj_fail(error, "no memory to write %zu modules", plan->count);
    NJ_TRY(nj_row_work_open(&work->rows, plan, work->options, error));
    list_items(work);
    for (uint32_t shard = 0; shard < work->shards; shard++)
        NJ_TRY(write_shard(work, shard, error));
    if (work->options->lineage) {
        char   *text    = work->options->lineage(work->options->lineage_arg, plan);
        json_t *lineage = text ? json_loads(text, 0, NULL) : NULL;
        free(text);
        nj_status status = lineage ? write_json(work, "nightjar_lineage.json", lineage, error) : NJ_OK;
        json_decref(lineage);
        if (status != NJ_OK)
            return status;
    }
    return write_companions(work, error);
}

nj_status nj_export_write(struct nj_plan *plan, const struct nj_write_options *options, const char *folder, uint64_t *bytes,
                          struct nj_error *error)
{
    struct work work = {.plan = plan, .options = options};
    *bytes           = 0;
    if ((size_t)snprintf(work.folder, sizeof work.folder, "%s", folder) >= sizeof work.folder)
        return nj_fail(error, "%.100s...: the path is too long", folder);
    if (mkdir(folder, 0777) != 0)
        return nj_fail_errno(error, errno, "%s: cannot be made", folder);
    nj_status status = write_all(&work, error);
    if (status == NJ_OK)
        *bytes = work.total;
    nj_row_work_close(&work.rows);
    free(work.items);
    json_decref(work.weight_map);
    return status;
}
