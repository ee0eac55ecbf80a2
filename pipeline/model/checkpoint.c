#include "pipeline/model/checkpoint.h"
#include "pipeline/model/lora.h"
#include "pipeline/model/packed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *nj_checkpoint_alloc(struct nj_checkpoint *checkpoint, size_t size)
{
    if (checkpoint->owned_count == checkpoint->owned_capacity) {
        size_t capacity = checkpoint->owned_capacity ? 2 * checkpoint->owned_capacity : 256;
        void **larger   = realloc(checkpoint->owned, capacity * sizeof *larger);
        if (!larger)
            return NULL;
        checkpoint->owned          = larger;
        checkpoint->owned_capacity = capacity;
    }
    void *memory = size < SIZE_MAX - 64 ? aligned_alloc(64, (size + 63) / 64 * 64 + (size == 0) * 64) : NULL;
    if (memory) {
        memset(memory, 0, size);
        checkpoint->owned[checkpoint->owned_count++] = memory;
    }
    return memory;
}

void nj_checkpoint_close(struct nj_checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    nj_lora_close(checkpoint->adapter);
    for (size_t i = 0; i < checkpoint->owned_count; i++)
        free(checkpoint->owned[i]);
    free(checkpoint->owned);
    for (size_t i = 0; i < checkpoint->map_count; i++)
        nj_map_close(&checkpoint->maps[i]);
    free(checkpoint->maps);
    nj_tensors_free(&checkpoint->tensors);
    json_decref(checkpoint->config);
    json_decref(checkpoint->generation);
    json_decref(checkpoint->metadata);
    json_decref(checkpoint->matrices);
    free(checkpoint);
}

static bool is_mapped(const struct nj_checkpoint *checkpoint, const uint8_t *data, uint64_t size)
{
    for (size_t i = 0; i < checkpoint->map_count; i++) {
        const struct nj_map *map = &checkpoint->maps[i];
        if (map->data && data >= map->data && size <= map->size && (uint64_t)(data - map->data) <= map->size - size)
            return true;
    }
    return false;
}

void nj_checkpoint_release(const struct nj_checkpoint *checkpoint, const struct nj_matrix *matrix)
{
    uint64_t  size  = matrix->format == NJ_W4_PANELS ? nj_w4_panels(matrix->rows) * nj_w4_panel_bytes(matrix->cols) * matrix->panel_step
                                                     : matrix->rows * nj_format_row_bytes(matrix->format, matrix->cols);
    uintptr_t begin = ((uintptr_t)matrix->data + 4095) / 4096 * 4096, end = ((uintptr_t)matrix->data + size) / 4096 * 4096;
    if (end > begin && is_mapped(checkpoint, matrix->data, size))
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

bool nj_dtype_format(enum nj_dtype dtype, enum nj_format *format)
{
    static const struct {
        enum nj_dtype  dtype;
        enum nj_format format;
    } table[] = {
        {NJ_DTYPE_F32, NJ_F32},   {NJ_DTYPE_F16, NJ_F16},   {NJ_DTYPE_BF16, NJ_BF16}, {NJ_DTYPE_Q8_0, NJ_Q8_0},
        {NJ_DTYPE_Q4_0, NJ_Q4_0}, {NJ_DTYPE_Q4_K, NJ_Q4_K}, {NJ_DTYPE_Q5_K, NJ_Q5_K}, {NJ_DTYPE_Q6_K, NJ_Q6_K},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].dtype == dtype) {
            *format = table[i].format;
            return true;
        }
    return false;
}

/* Kernels read whole words: data that an unpadded header pushed off its alignment is copied. `unit` is 1, 2 or 4 bytes. */
static nj_status aligned(struct nj_checkpoint *checkpoint, const struct nj_tensor *tensor, size_t unit, const void **out,
                         struct nj_error *error)
{
    *out = tensor->data;
    if ((uintptr_t)tensor->data % unit == 0)
        return NJ_OK;
    void *copy = nj_checkpoint_alloc(checkpoint, tensor->size);
    if (!copy)
        return nj_fail(error, "%s: %s: no memory to align its %llu bytes", checkpoint->path, tensor->file_name,
                       (unsigned long long)tensor->size);
    memcpy(copy, tensor->data, tensor->size);
    *out = copy;
    return NJ_OK;
}

static nj_status plain_matrix(struct nj_checkpoint *checkpoint, const struct nj_tensor *tensor, struct nj_matrix *out,
                              struct nj_error *error)
{
    if (!nj_dtype_format(tensor->dtype, &out->format))
        return nj_fail(error, "%s: %s: weights of type %s are not supported", checkpoint->path, tensor->file_name, tensor->type_name);
    if (tensor->rank != 2 || tensor->shape[0] > UINT32_MAX || tensor->shape[1] > UINT32_MAX)
        return nj_fail(error, "%s: %s: has %u axes, a matrix has two", checkpoint->path, tensor->file_name, tensor->rank);
    out->rows   = (uint32_t)tensor->shape[0];
    out->cols   = (uint32_t)tensor->shape[1];
    size_t unit = out->format == NJ_F32 ? 4 : out->format == NJ_F16 || out->format == NJ_BF16 ? 2 : 1;
    return aligned(checkpoint, tensor, unit, &out->data, error);
}

/* The inner width of a packed matrix: weight_shape where it is given, else what the words hold. */
static nj_status packed_cols(struct nj_checkpoint *checkpoint, const struct nj_tensor *packed, const struct nj_tensor *shape,
                             uint64_t *cols, struct nj_error *error)
{
    uint64_t size[2] = {packed->shape[0], packed->shape[1] * 8};
    if (shape && (shape->dtype == NJ_DTYPE_I64 || shape->dtype == NJ_DTYPE_I32) && shape->rank == 1 && shape->shape[0] == 2)
        for (size_t i = 0; i < 2; i++) {
            int64_t wide   = 0;
            int32_t narrow = 0;
            memcpy(&wide, shape->data + 8 * i * (shape->dtype == NJ_DTYPE_I64), shape->dtype == NJ_DTYPE_I64 ? 8 : 0);
            memcpy(&narrow, shape->data + 4 * i * (shape->dtype == NJ_DTYPE_I32), shape->dtype == NJ_DTYPE_I32 ? 4 : 0);
            size[i] = (uint64_t)(wide + narrow);
        }
    else if (shape)
        return nj_fail(error, "%s: %s: not two whole numbers", checkpoint->path, shape->file_name);
    if (size[0] == packed->shape[0] && size[1] <= UINT32_MAX && (size[1] + 3) / 4 == packed->shape[1] && size[1] > 4)
        return nj_fail(error, "%s: %s: 8-bit pack-quantized weights are not supported, only 4-bit", checkpoint->path, packed->file_name);
    if (size[0] != packed->shape[0] || size[1] > UINT32_MAX || (size[1] + 7) / 8 != packed->shape[1] || size[1] == 0)
        return nj_fail(error, "%s: %s: [%llu, %llu] words do not hold a %lld x %lld matrix of 4 bits", checkpoint->path, packed->file_name,
                       (unsigned long long)packed->shape[0], (unsigned long long)packed->shape[1], (long long)size[0], (long long)size[1]);
    *cols = size[1];
    return NJ_OK;
}

static nj_status w4_matrix(struct nj_checkpoint *checkpoint, const char *name, const struct nj_tensor *packed, struct nj_matrix *out,
                           struct nj_error *error)
{
    const struct nj_tensor *scale = nj_tensors_find(&checkpoint->tensors, "%s.weight_scale", name);
    const struct nj_tensor *shape = nj_tensors_find(&checkpoint->tensors, "%s.weight_shape", name);
    const char             *path  = checkpoint->path;
    uint64_t                cols  = 0;
    if (nj_tensors_find(&checkpoint->tensors, "%s.weight_zero_point", name))
        return nj_fail(error, "%s: %s: zero points (asymmetric quantization) are not supported; quantize symmetrically", path, name);
    if (nj_tensors_find(&checkpoint->tensors, "%s.weight_g_idx", name))
        return nj_fail(error, "%s: %s: activation ordering (weight_g_idx) is not supported; quantize with actorder null or static", path,
                       name);
    if (packed->dtype != NJ_DTYPE_I32 || packed->rank != 2 || packed->shape[0] > UINT32_MAX || packed->shape[1] > UINT32_MAX / 8)
        return nj_fail(error, "%s: %s: not a matrix of 32-bit words", path, packed->file_name);
    if (!scale)
        return nj_fail(error, "%s: %s: its weight_scale is missing", path, packed->file_name);
    NJ_TRY(packed_cols(checkpoint, packed, shape, &cols, error));
    if (!nj_dtype_format(scale->dtype, &out->scale_format) || out->scale_format > NJ_BF16)
        return nj_fail(error, "%s: %s: scales of type %s are not supported", path, scale->file_name, scale->type_name);
    uint64_t groups = scale->rank == 2 ? scale->shape[1] : 1;
    if (scale->rank < 1 || scale->rank > 2 || scale->shape[0] != packed->shape[0] || groups == 0 || cols % groups)
        return nj_fail(error, "%s: %s: %llu groups do not divide %llu inputs", path, scale->file_name, (unsigned long long)groups,
                       (unsigned long long)cols);
    out->format = NJ_W4_ROWS;
    out->rows   = (uint32_t)packed->shape[0];
    out->cols   = (uint32_t)cols;
    out->group  = (uint32_t)(cols / groups);
    NJ_TRY(aligned(checkpoint, packed, 4, &out->data, error));
    return aligned(checkpoint, scale, out->scale_format == NJ_F32 ? 4 : 2, &out->scales, error);
}

nj_status nj_checkpoint_matrix(struct nj_checkpoint *checkpoint, const char *name, struct nj_matrix *out, struct nj_error *error)
{
    if (checkpoint->kind == NJ_KIND_PACKED)
        return nj_packed_matrix(checkpoint, name, out, error);
    const struct nj_tensor *plain  = nj_tensors_find(&checkpoint->tensors, "%s.weight", name);
    const struct nj_tensor *packed = nj_tensors_find(&checkpoint->tensors, "%s.weight_packed", name);
    *out                           = (struct nj_matrix){0};
    if (plain && packed)
        return nj_fail(error, "%s: %s and %s: which of the two counts?", checkpoint->path, plain->file_name, packed->file_name);
    if (plain)
        return plain_matrix(checkpoint, plain, out, error);
    if (packed)
        return w4_matrix(checkpoint, name, packed, out, error);
    return NJ_NOT_FOUND;
}

nj_status nj_checkpoint_vector(struct nj_checkpoint *checkpoint, const char *name, uint64_t count, const float **out,
                               struct nj_error *error)
{
    const struct nj_tensor *tensor = nj_tensors_find(&checkpoint->tensors, "%s", name);
    enum nj_format          format;
    uint64_t                have = 1;
    if (!tensor)
        return NJ_NOT_FOUND;
    if (!nj_dtype_format(tensor->dtype, &format) || format > NJ_BF16)
        return nj_fail(error, "%s: %s: type %s is not supported here", checkpoint->path, tensor->file_name, tensor->type_name);
    for (uint32_t i = 0; i < tensor->rank; i++)
        have *= tensor->shape[i]; /* cannot overflow: it fits the file */
    if (have != count)
        return nj_fail(error, "%s: %s: %llu values in the file, %llu expected from its config: one of the two was edited", checkpoint->path,
                       tensor->file_name, (unsigned long long)have, (unsigned long long)count);
    if (format == NJ_F32 && (uintptr_t)tensor->data % sizeof(float) == 0) {
        *out = (const float *)(const void *)tensor->data;
        return NJ_OK;
    }
    float *copy = nj_checkpoint_alloc(checkpoint, count * sizeof *copy);
    if (!copy)
        return nj_fail(error, "%s: no memory for %s", checkpoint->path, tensor->file_name);
    nj_widen(format, tensor->data, count, copy);
    *out = copy;
    return NJ_OK;
}

static nj_status check_group(const char *key, const json_t *group, const char *top_format, struct nj_error *error)
{
    const json_t *weights = json_object_get(group, "weights");
    const char   *format = json_string_value(json_object_get(group, "format")), *type = json_string_value(json_object_get(weights, "type"));
    const json_t *bits = json_object_get(weights, "num_bits"), *input = json_object_get(group, "input_activations"),
                 *output = json_object_get(group, "output_activations"), *order = json_object_get(weights, "actorder");
    const char *strategy = json_string_value(json_object_get(weights, "strategy")), *ordering = json_string_value(order);
    format = format ? format : top_format;
    if (!format || strcmp(format, "pack-quantized"))
        return nj_fail(error, "quantization_config: %.40s: format %.60s is not supported, only pack-quantized", key,
                       format ? format : "missing");
    if ((type && strcmp(type, "int")) || (bits && json_integer_value(bits) != 4))
        return nj_fail(error, "quantization_config: %.40s: %lld-bit %.20s is not supported, only 4-bit int", key,
                       (long long)json_integer_value(bits), type ? type : "");
    if (json_is_false(json_object_get(weights, "symmetric")))
        return nj_fail(error, "quantization_config: %.40s: symmetric false (zero points) is not supported", key);
    if (strategy && strcmp(strategy, "group") && strcmp(strategy, "channel"))
        return nj_fail(error, "quantization_config: %.40s: strategy %.40s is not supported, only group and channel", key, strategy);
    if (json_is_true(order) || (ordering && (!strcmp(ordering, "group") || !strcmp(ordering, "dynamic"))))
        return nj_fail(error,
                       "quantization_config: %.40s: activation ordering (actorder %.40s) is not supported, only null, weight and static",
                       key, ordering ? ordering : "true");
    if (json_is_object(input) || json_is_object(output))
        return nj_fail(error, "quantization_config: %.40s: quantized activations are not supported, only W4A16", key);
    return NJ_OK;
}

nj_status nj_quantization_check(const json_t *config, struct nj_error *error)
{
    const json_t *quantization = json_object_get(config, "quantization_config"), *groups;
    if (!quantization)
        quantization = json_object_get(json_object_get(config, "text_config"), "quantization_config");
    if (!quantization || json_is_null(quantization))
        return NJ_OK;
    const char *method = json_string_value(json_object_get(quantization, "quant_method"));
    const char *format = json_string_value(json_object_get(quantization, "format"));
    if (!method || strcmp(method, "compressed-tensors"))
        return nj_fail(error, "quantization_config: quant_method %.60s is not supported, only compressed-tensors W4A16",
                       method ? method : "missing");
    static const char *const must_be_empty[] = {"kv_cache_scheme", "transform_config"};
    for (size_t i = 0; i < sizeof must_be_empty / sizeof *must_be_empty; i++)
        if (json_object_size(json_object_get(quantization, must_be_empty[i])) > 0)
            return nj_fail(error, "quantization_config: %s is not supported", must_be_empty[i]);
    const char *sparsity = json_string_value(json_object_get(json_object_get(quantization, "sparsity_config"), "format"));
    if (sparsity && strcmp(sparsity, "dense"))
        return nj_fail(error, "quantization_config: sparsity_config: format %.60s is not supported", sparsity);
    const char *key;
    json_t     *group;
    groups = json_object_get(quantization, "config_groups");
    json_object_foreach((json_t *)(uintptr_t)groups, key, group) NJ_TRY(check_group(key, group, format, error));
    return NJ_OK;
}
