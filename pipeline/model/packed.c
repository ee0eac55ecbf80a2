#include "pipeline/model/packed.h"
#include "pipeline/model/safetensors.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* How `matrices` spells the formats that a packed file can hold. */
static const struct {
    const char    *name;
    enum nj_format format;
} spellings[] = {
    {"f32", NJ_F32},   {"f16", NJ_F16},   {"bf16", NJ_BF16}, {"w4_rows", NJ_W4_ROWS}, {"w4_panels", NJ_W4_PANELS}, {"i8_rows", NJ_I8_ROWS},
    {"q8_0", NJ_Q8_0}, {"q4_0", NJ_Q4_0}, {"q4_k", NJ_Q4_K}, {"q5_k", NJ_Q5_K},       {"q6_k", NJ_Q6_K},
};

static const char *spell(enum nj_format format)
{
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        if (spellings[i].format == format)
            return spellings[i].name;
    return "";
}

static bool read_format(const json_t *entry, const char *key, enum nj_format *out)
{
    const char *name = json_string_value(json_object_get(entry, key));
    for (size_t i = 0; name && i < sizeof spellings / sizeof *spellings; i++)
        if (!strcmp(spellings[i].name, name)) {
            *out = spellings[i].format;
            return true;
        }
    return false;
}

json_t *nj_packed_entry(const struct nj_matrix *matrix, const char *tensor, const char *scales, uint64_t first)
{
    json_t *entry = json_pack("{s:s, s:s, s:I, s:I}", "tensor", tensor, "format", spell(matrix->format), "rows", (json_int_t)matrix->rows,
                              "cols", (json_int_t)matrix->cols);
    if (!scales)
        return entry;
    json_object_set_new(entry, "scales", json_string(scales));
    json_object_set_new(entry, "scale_format", json_string(spell(matrix->scale_format)));
    json_object_set_new(entry, "group", json_integer(matrix->group));
    if (matrix->format == NJ_W4_PANELS) {
        json_object_set_new(entry, "first_panel", json_integer((json_int_t)first));
        json_object_set_new(entry, "panel_step", json_integer(matrix->panel_step));
    }
    return entry;
}

static nj_status parse_metadata(struct nj_checkpoint *checkpoint, const char *key, json_t **out, struct nj_error *error)
{
    const json_t *text = json_object_get(checkpoint->metadata, key);
    char          name[sizeof checkpoint->path + 64];
    *out = NULL;
    if (!json_is_string(text))
        return nj_fail(error, "%s: no %s in its metadata: the file is damaged; convert the model again", checkpoint->path, key);
    snprintf(name, sizeof name, "%s: metadata %s", checkpoint->path, key);
    return nj_json_parse(name, json_string_value(text), json_string_length(text), out, error);
}

nj_status nj_packed_open(struct nj_checkpoint *checkpoint, struct nj_error *error)
{
    NJ_TRY(nj_safetensors_read(checkpoint->path, &checkpoint->maps[0], &checkpoint->tensors, &checkpoint->metadata, error));
    const char *format  = json_string_value(json_object_get(checkpoint->metadata, "format"));
    const char *version = json_string_value(json_object_get(checkpoint->metadata, "version"));
    if (!format || strcmp(format, "nightjar"))
        return NJ_NOT_FOUND;
    if (!version || strcmp(version, NJ_PACKED_VERSION))
        return nj_fail(error, "%s: packed file version %.20s, this program reads version " NJ_PACKED_VERSION "; convert the model again",
                       checkpoint->path, version ? version : "unknown");
    NJ_TRY(nj_tensors_index(&checkpoint->tensors, error));
    NJ_TRY(parse_metadata(checkpoint, "config", &checkpoint->config, error));
    if (json_object_get(checkpoint->metadata, "generation_config"))
        NJ_TRY(parse_metadata(checkpoint, "generation_config", &checkpoint->generation, error));
    NJ_TRY(parse_metadata(checkpoint, "matrices", &checkpoint->matrices, error));
    checkpoint->kind = NJ_KIND_PACKED;
    return NJ_OK;
}

static bool read_count(const json_t *entry, const char *key, uint64_t low, uint64_t high, uint64_t *out)
{
    const json_t *value = json_object_get(entry, key);
    *out                = json_is_integer(value) && json_integer_value(value) >= 0 ? (uint64_t)json_integer_value(value) : UINT64_MAX;
    return *out >= low && *out <= high;
}

static const struct nj_tensor *tensor_of(struct nj_checkpoint *checkpoint, const json_t *entry, const char *key)
{
    const char *name = json_string_value(json_object_get(entry, key));
    char        canonical[NJ_MAX_NAME];
    if (!name || strlen(name) >= NJ_MAX_NAME)
        return NULL;
    nj_canonical_name(name, canonical);
    return nj_tensors_find(&checkpoint->tensors, "%s", canonical);
}

/* Sizes are below 2^32 each, so products of rows or panels with row or panel bytes stay below 2^64. */
static bool panels_fit(const json_t *entry, struct nj_matrix *out, const struct nj_tensor *data, const struct nj_tensor *scales)
{
    uint64_t first, step;
    if (!read_count(entry, "first_panel", 0, UINT32_MAX, &first) || !read_count(entry, "panel_step", 1, 2, &step))
        return false;
    if (!nj_w4_group_ok(out->cols, out->group) || (out->scale_format != NJ_BF16 && out->scale_format != NJ_F32))
        return false;
    uint64_t panel_bytes = nj_w4_panel_bytes(out->cols);
    uint64_t scale_bytes = nj_w4_panel_scale_bytes(out->cols, out->group, out->scale_format == NJ_F32 ? NJ_SCALE_F32 : NJ_SCALE_BF16);
    uint64_t last        = first + (uint64_t)(nj_w4_panels(out->rows) - 1) * step + 1; /* panels from the start of the tensor */
    if (last > data->size / panel_bytes || last > scales->size / scale_bytes)
        return false;
    out->data       = data->data + first * panel_bytes;
    out->scales     = scales->data + first * scale_bytes;
    out->panel_step = (uint32_t)step;
    return (uintptr_t)out->data % 64 == 0 && (uintptr_t)out->scales % 32 == 0; /* an odd number of bf16 groups makes odd multiples of 32 */
}

static bool rows_fit(struct nj_matrix *out, const struct nj_tensor *data, const struct nj_tensor *scales)
{
    uint64_t row_bytes = nj_format_row_bytes(out->format, out->cols), scale_bytes = out->scale_format == NJ_F32 ? 4 : 2;
    out->data   = data->data;
    out->scales = scales ? scales->data : NULL;
    if (row_bytes == 0 || data->size / row_bytes < out->rows || (uintptr_t)data->data % 4)
        return false;
    if (!scales)
        return out->format != NJ_I8_ROWS && out->format != NJ_W4_ROWS;
    return out->group > 0 && out->cols % out->group == 0 && scales->size / (out->cols / out->group * scale_bytes) >= out->rows &&
           (uintptr_t)scales->data % 4 == 0;
}

nj_status nj_packed_matrix(struct nj_checkpoint *checkpoint, const char *name, struct nj_matrix *out, struct nj_error *error)
{
    const json_t           *entry  = json_object_get(checkpoint->matrices, name);
    const struct nj_tensor *data   = tensor_of(checkpoint, entry, "tensor");
    const struct nj_tensor *scales = tensor_of(checkpoint, entry, "scales");
    uint64_t                rows, cols, group = 0;
    *out = (struct nj_matrix){0};
    if (!entry)
        return NJ_NOT_FOUND;
    bool fits = data && read_format(entry, "format", &out->format) && read_count(entry, "rows", 1, UINT32_MAX, &rows) &&
                read_count(entry, "cols", 1, UINT32_MAX, &cols);
    if (fits && json_object_get(entry, "scales"))
        fits = scales && read_count(entry, "group", 1, UINT32_MAX, &group) && read_format(entry, "scale_format", &out->scale_format) &&
               out->scale_format <= NJ_BF16;
    if (fits) {
        out->rows  = (uint32_t)rows;
        out->cols  = (uint32_t)cols;
        out->group = (uint32_t)group;
        fits       = out->format == NJ_W4_PANELS ? scales && panels_fit(entry, out, data, scales) : rows_fit(out, data, scales);
    }
    if (!fits)
        return nj_fail(error, "%s: %s: its tensors do not hold what the metadata say: the file is damaged; convert the model again",
                       checkpoint->path, name);
    return NJ_OK;
}

static void digest_text(const struct nj_tensor *tensor, char text[2 * SHA256_DIGEST_SIZE + 1])
{
    struct sha256_ctx hash;
    uint8_t           digest[SHA256_DIGEST_SIZE];
    sha256_init(&hash);
    for (uint64_t at = 0, step = 8u << 20; at < tensor->size; at += step) {
        uint64_t size = tensor->size - at < step ? tensor->size - at : step;
        sha256_update(&hash, size, tensor->data + at);
        uintptr_t page = ((uintptr_t)tensor->data + at + 4095) / 4096 * 4096, end = ((uintptr_t)tensor->data + at + size) / 4096 * 4096;
        if (end > page)
            madvise((void *)page, end - page, MADV_DONTNEED); /* a file of many gigabytes need not stay resident */
    }
    sha256_digest(&hash, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

nj_status nj_packed_verify(const struct nj_weights *weights, struct nj_error *error)
{
    const struct nj_checkpoint *checkpoint = weights->checkpoint;
    if (checkpoint->kind != NJ_KIND_PACKED)
        return NJ_OK;
    for (size_t i = 0; i < checkpoint->tensors.count; i++) {
        const struct nj_tensor *tensor = &checkpoint->tensors.list[i];
        char                    key[NJ_MAX_NAME + 8], found[2 * SHA256_DIGEST_SIZE + 1];
        snprintf(key, sizeof key, "sha256:%s", tensor->file_name);
        const char *wanted = json_string_value(json_object_get(checkpoint->metadata, key));
        if (!wanted || *wanted == '-')
            continue;
        digest_text(tensor, found);
        if (strcmp(found, wanted))
            return nj_fail(error, "%s: %s: its checksum is wrong: the file is damaged (a failing card?); copy or convert it again",
                           checkpoint->path, tensor->file_name);
    }
    return NJ_OK;
}
