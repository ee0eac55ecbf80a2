#include "pipeline/model/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VALUES    65536
#define MAX_ALIGNMENT (1u << 20)

struct reader {
    const char    *name;
    const uint8_t *data;
    uint64_t       size, at;
    bool           failed; /* read past the end; everything read since is zero */
};

static const uint8_t *take(struct reader *reader, uint64_t size)
{
    if (reader->failed || size > reader->size - reader->at) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *bytes = reader->data + reader->at;
    reader->at += size;
    return bytes;
}

static uint64_t take_number(struct reader *reader, size_t size)
{
    uint64_t       value = 0;
    const uint8_t *bytes = take(reader, size);
    if (bytes)
        memcpy(&value, bytes, size);
    return value;
}

/* Bytes of a number or boolean; 0 for strings, arrays and types that do not exist. */
static uint32_t number_bytes(uint32_t type)
{
    static const uint8_t bytes[] = {
        [NJ_GGUF_U8] = 1,  [NJ_GGUF_I8] = 1,   [NJ_GGUF_U16] = 2, [NJ_GGUF_I16] = 2, [NJ_GGUF_U32] = 4, [NJ_GGUF_I32] = 4,
        [NJ_GGUF_F32] = 4, [NJ_GGUF_BOOL] = 1, [NJ_GGUF_U64] = 8, [NJ_GGUF_I64] = 8, [NJ_GGUF_F64] = 8};
    return type < sizeof bytes ? bytes[type] : 0;
}

static bool skip_elements(struct reader *reader, uint32_t type, uint64_t count)
{
    uint32_t each = number_bytes(type);
    if (each)
        return count <= UINT64_MAX / each && take(reader, count * each);
    if (type != NJ_GGUF_STRING)
        return false;
    for (uint64_t i = 0; i < count && !reader->failed; i++) /* each takes at least its length: the loop cannot outrun the file */
        take(reader, take_number(reader, 8));
    return !reader->failed;
}

static nj_status read_value(struct reader *reader, struct nj_gguf_value *out, struct nj_error *error)
{
    uint64_t length = take_number(reader, 8);
    out->key        = (const char *)take(reader, length);
    out->key_length = (uint32_t)length;
    uint32_t type   = (uint32_t)take_number(reader, 4);
    out->count      = 1;
    if (reader->failed || length > UINT32_MAX)
        return nj_fail(error, "%s: the metadata leave the file: it is cut short or damaged; fetch it again", reader->name);
    if (type == NJ_GGUF_ARRAY) {
        out->array = true;
        type       = (uint32_t)take_number(reader, 4);
        out->count = take_number(reader, 8);
    }
    out->type = (enum nj_gguf_type)type;
    out->data = reader->data + reader->at;
    if (!skip_elements(reader, type, out->count))
        return nj_fail(error, "%s: metadata %.*s: a value that leaves the file or has no known type; fetch the file again", reader->name,
                       length < 100 ? (int)length : 100, out->key);
    return NJ_OK;
}

/* ---- Tensors ---- */

static const struct {
    const char   *name;
    enum nj_dtype dtype;
    uint16_t      values, bytes; /* of a block; 0: not computed with here */
} types[] = {
    [0] = {"F32", NJ_DTYPE_F32, 1, 4},        [1] = {"F16", NJ_DTYPE_F16, 1, 2},        [2] = {"Q4_0", NJ_DTYPE_Q4_0, 32, 18},
    [3] = {"Q4_1", NJ_DTYPE_OTHER, 0, 0},     [6] = {"Q5_0", NJ_DTYPE_OTHER, 0, 0},     [7] = {"Q5_1", NJ_DTYPE_OTHER, 0, 0},
    [8] = {"Q8_0", NJ_DTYPE_Q8_0, 32, 34},    [9] = {"Q8_1", NJ_DTYPE_OTHER, 0, 0},     [10] = {"Q2_K", NJ_DTYPE_OTHER, 0, 0},
    [11] = {"Q3_K", NJ_DTYPE_OTHER, 0, 0},    [12] = {"Q4_K", NJ_DTYPE_Q4_K, 256, 144}, [13] = {"Q5_K", NJ_DTYPE_Q5_K, 256, 176},
    [14] = {"Q6_K", NJ_DTYPE_Q6_K, 256, 210}, [15] = {"Q8_K", NJ_DTYPE_OTHER, 0, 0},    [16] = {"IQ2_XXS", NJ_DTYPE_OTHER, 0, 0},
    [17] = {"IQ2_XS", NJ_DTYPE_OTHER, 0, 0},  [18] = {"IQ3_XXS", NJ_DTYPE_OTHER, 0, 0}, [19] = {"IQ1_S", NJ_DTYPE_OTHER, 0, 0},
    [20] = {"IQ4_NL", NJ_DTYPE_OTHER, 0, 0},  [21] = {"IQ3_S", NJ_DTYPE_OTHER, 0, 0},   [22] = {"IQ2_S", NJ_DTYPE_OTHER, 0, 0},
    [23] = {"IQ4_XS", NJ_DTYPE_OTHER, 0, 0},  [24] = {"I8", NJ_DTYPE_I8, 1, 1},         [25] = {"I16", NJ_DTYPE_I16, 1, 2},
    [26] = {"I32", NJ_DTYPE_I32, 1, 4},       [27] = {"I64", NJ_DTYPE_I64, 1, 8},       [28] = {"F64", NJ_DTYPE_F64, 1, 8},
    [29] = {"IQ1_M", NJ_DTYPE_OTHER, 0, 0},   [30] = {"BF16", NJ_DTYPE_BF16, 1, 2},     [34] = {"TQ1_0", NJ_DTYPE_OTHER, 0, 0},
    [35] = {"TQ2_0", NJ_DTYPE_OTHER, 0, 0},   [39] = {"MXFP4", NJ_DTYPE_OTHER, 0, 0},
};

/* Names inside a decoder layer and inside a layer of the tower; longer names before those they begin with do not matter: whole parts are compared. */
static const struct {
    const char *gguf, *canonical;
} text_layer[] =
    {
        {"attn_norm", "input_layernorm"},
        {"attn_q", "self_attn.q_proj"},
        {"attn_k", "self_attn.k_proj"},
        {"attn_v", "self_attn.v_proj"},
        {"attn_qkv", "self_attn.qkv_proj"},
        {"attn_output", "self_attn.o_proj"},
        {"attn_q_norm", "self_attn.q_norm"},
        {"attn_k_norm", "self_attn.k_norm"},
        {"post_attention_norm", "post_attention_layernorm"},
        {"ffn_norm", "pre_feedforward_layernorm"},
        {"ffn_gate", "mlp.gate_proj"},
        {"ffn_up", "mlp.up_proj"},
        {"ffn_down", "mlp.down_proj"},
        {"post_ffw_norm", "post_feedforward_layernorm"},
        {"inp_gate", "per_layer_input_gate"},
        {"proj", "per_layer_projection"},
        {"post_norm", "post_per_layer_input_norm"},
},
  vision_layer[] =
      {
          {"ln1", "input_layernorm"},
          {"ln2", "pre_feedforward_layernorm"},
          {"attn_post_norm", "post_attention_layernorm"},
          {"ffn_post_norm", "post_feedforward_layernorm"},
          {"attn_q", "self_attn.q_proj"},
          {"attn_k", "self_attn.k_proj"},
          {"attn_v", "self_attn.v_proj"},
          {"attn_out", "self_attn.o_proj"},
          {"attn_q_norm", "self_attn.q_norm"},
          {"attn_k_norm", "self_attn.k_norm"},
          {"ffn_gate", "mlp.gate_proj"},
          {"ffn_up", "mlp.up_proj"},
          {"ffn_down", "mlp.down_proj"},
},
  single[] = {
      {"token_embd.weight", "embed_tokens.weight"},
      {"per_layer_token_embd.weight", "embed_tokens_per_layer.weight"},
      {"per_layer_model_proj.weight", "per_layer_model_projection.weight"},
      {"per_layer_proj_norm.weight", "per_layer_projection_norm.weight"},
      {"output_norm.weight", "norm.weight"},
      {"output.weight", "lm_head.weight"},
      {"v.position_embd.weight", "vision_tower.patch_embedder.position_embedding_table"},
      {"v.std_bias", "vision_tower.std_bias"},
      {"v.std_scale", "vision_tower.std_scale"},
      {"v.std_bias.weight", "vision_tower.std_bias"},
      {"v.std_scale.weight", "vision_tower.std_scale"},
      {"mm.input_projection.weight", "embed_vision.embedding_projection.weight"},
};

#define FIND(table, text, length)                                                                                                          \
    for (size_t i_ = 0; i_ < sizeof(table) / sizeof *(table); i_++)                                                                        \
        if (strlen((table)[i_].gguf) == (length) && !memcmp((table)[i_].gguf, (text), (length)))                                           \
            return (table)[i_].canonical;

static const char *find_text_part(const char *text, size_t length)
{
    FIND(text_layer, text, length)
    return NULL;
}

static const char *find_vision_part(const char *text, size_t length)
{
    FIND(vision_layer, text, length)
    return NULL;
}

static const char *find_single(const char *text, size_t length)
{
    FIND(single, text, length)
    return NULL;
}

/* Writes the canonical name; names that we do not know keep their own. */
static void rename_tensor(const char *name, char out[NJ_MAX_NAME])
{
    const char *whole = find_single(name, strlen(name)), *rest = name, *prefix = "", *part;
    bool        vision = !strncmp(name, "v.blk.", 6);
    char       *end    = NULL;
    snprintf(out, NJ_MAX_NAME, "%s", whole ? whole : name);
    if (whole || (!vision && strncmp(name, "blk.", 4)))
        return;
    rest += vision ? 6 : 4;
    unsigned long layer = strtoul(rest, &end, 10);
    if (end == rest || *end != '.' || layer > 9999)
        return;
    rest          = end + 1;
    size_t length = strcspn(rest, ".");
    prefix        = vision ? "vision_tower.encoder." : "";
    part          = vision ? find_vision_part(rest, length) : find_text_part(rest, length);
    if (part)
        snprintf(out, NJ_MAX_NAME, "%slayers.%lu.%s%s", prefix, layer, part, rest + length);
    else if (!vision && !strcmp(rest, "layer_output_scale.weight"))
        snprintf(out, NJ_MAX_NAME, "layers.%lu.layer_scalar", layer);
}

static nj_status read_info(struct reader *reader, struct nj_tensor *out, char name[NJ_MAX_NAME], uint64_t *offset, struct nj_error *error)
{
    uint64_t       length = take_number(reader, 8);
    const uint8_t *text   = take(reader, length);
    uint32_t       rank   = (uint32_t)take_number(reader, 4);
    if (reader->failed || length >= NJ_MAX_NAME)
        return nj_fail(error, "%s: a tensor name leaves the file or is too long: it is damaged; fetch it again", reader->name);
    memcpy(name, text, length);
    name[length] = 0;
    if (rank > NJ_MAX_RANK)
        return nj_fail(error, "%s: %s: %u axes; at most %d are possible", reader->name, name, rank, NJ_MAX_RANK);
    uint64_t count = 1;
    for (uint32_t i = 0; i < rank; i++) {
        uint64_t size            = take_number(reader, 8);
        out->shape[rank - 1 - i] = size; /* stored innermost first */
        if (size && count > UINT64_MAX / 8 / size)
            return nj_fail(error, "%s: %s: impossible size in its shape", reader->name, name);
        count *= size;
    }
    uint32_t type = (uint32_t)take_number(reader, 4);
    *offset       = take_number(reader, 8);
    out->rank     = rank;
    if (reader->failed)
        return nj_fail(error, "%s: the list of tensors leaves the file: it is cut short; fetch it again", reader->name);
    bool known     = type < sizeof types / sizeof *types && types[type].name;
    out->type_name = known ? types[type].name : "a type of its own";
    out->dtype     = known ? types[type].dtype : NJ_DTYPE_OTHER;
    out->size      = 0;
    if (out->dtype == NJ_DTYPE_OTHER)
        return NJ_OK;
    uint64_t inner = rank ? out->shape[rank - 1] : 1;
    if (inner % types[type].values)
        return nj_fail(error, "%s: %s: rows of %llu do not fit blocks of %s", reader->name, name, (unsigned long long)inner,
                       out->type_name);
    out->size = count / types[type].values * types[type].bytes; /* at most 8 bytes a value: no overflow, see above */
    return NJ_OK;
}

static nj_status read_tensors(struct reader *reader, uint64_t count, uint64_t alignment, struct nj_tensors *tensors, struct nj_error *error)
{
    size_t before = tensors->count;
    for (uint64_t i = 0; i < count; i++) {
        char             name[NJ_MAX_NAME], canonical[NJ_MAX_NAME];
        uint64_t         offset = 0;
        struct nj_tensor tensor = {.name = canonical, .file_name = name};
        NJ_TRY(read_info(reader, &tensor, name, &offset, error));
        rename_tensor(name, canonical);
        tensor.data      = (const uint8_t *)(uintptr_t)offset; /* becomes an address below, when the start of the data is known */
        nj_status status = nj_tensors_add(tensors, &tensor, error);
        if (status != NJ_OK) {
            nj_error_prefix(error, "%s", reader->name);
            return status;
        }
    }
    uint64_t start = (reader->at + alignment - 1) / alignment * alignment;
    for (size_t i = before; i < tensors->count; i++) {
        struct nj_tensor *tensor = &tensors->list[i];
        uint64_t          offset = (uintptr_t)tensor->data;
        if (start > reader->size || offset % alignment || offset > reader->size - start || tensor->size > reader->size - start - offset)
            return nj_fail(error, "%s: %s: lies outside of the file: it is cut short or damaged; fetch it again", reader->name,
                           tensor->file_name);
        tensor->data = reader->data + start + offset;
    }
    return nj_tensors_check_overlap(reader->name, tensors, before, error);
}

bool nj_gguf_is(const struct nj_map *map)
{
    return map->size >= 4 && !memcmp(map->data, "GGUF", 4);
}

static nj_status read_all(struct reader *reader, struct nj_gguf *out, struct nj_tensors *tensors, struct nj_error *error)
{
    double   alignment = 32;
    uint32_t version   = (uint32_t)take_number(reader, 4);
    uint64_t count = take_number(reader, 8), values = take_number(reader, 8);
    if (version != 3)
        return nj_fail(error, "%s: GGUF version %u; this program reads version 3", reader->name, version);
    if (reader->failed || values > MAX_VALUES || count > NJ_MAX_COUNT || values > reader->size / 12)
        return nj_fail(error, "%s: %llu keys and %llu tensors are impossible: the file is damaged", reader->name,
                       (unsigned long long)values, (unsigned long long)count);
    out->values = calloc(values + 1, sizeof *out->values);
    if (!out->values)
        return nj_fail(error, "%s: no memory for its metadata", reader->name);
    for (; out->value_count < values; out->value_count++)
        NJ_TRY(read_value(reader, &out->values[out->value_count], error));
    const struct nj_gguf_value *value = nj_gguf_find(out, "general.alignment");
    if (value && (!nj_gguf_number(value, 0, &alignment) || !(alignment >= 1 && alignment <= MAX_ALIGNMENT)))
        return nj_fail(error, "%s: general.alignment is impossible: the file is damaged", reader->name);
    return read_tensors(reader, count, (uint64_t)alignment, tensors, error);
}

nj_status nj_gguf_open(const char *name, const struct nj_map *map, struct nj_gguf *out, struct nj_tensors *tensors, struct nj_error *error)
{
    struct reader reader = {.name = name, .data = map->data, .size = map->size, .at = 4};
    *out                 = (struct nj_gguf){.name = name};
    if (!nj_gguf_is(map))
        return nj_fail(error, "%s: not a GGUF file", name);
    nj_status status = read_all(&reader, out, tensors, error);
    if (status != NJ_OK)
        nj_gguf_close(out);
    return status;
}

void nj_gguf_close(struct nj_gguf *gguf)
{
    free(gguf->values);
    gguf->values      = NULL;
    gguf->value_count = 0;
}

const struct nj_gguf_value *nj_gguf_find(const struct nj_gguf *gguf, const char *key)
{
    size_t length = strlen(key);
    for (size_t i = 0; i < gguf->value_count; i++)
        if (gguf->values[i].key_length == length && !memcmp(gguf->values[i].key, key, length))
            return &gguf->values[i];
    return NULL;
}

bool nj_gguf_number(const struct nj_gguf_value *value, uint64_t index, double *out)
{
    uint32_t size = value ? number_bytes((uint32_t)value->type) : 0;
    uint64_t bits = 0;
    float    narrow;
    if (!size || index >= value->count)
        return false;
    memcpy(&bits, value->data + index * size, size);
    switch (value->type) {
    case NJ_GGUF_F32:
        memcpy(&narrow, &bits, sizeof narrow);
        *out = narrow;
        return true;
    case NJ_GGUF_F64:
        memcpy(out, &bits, sizeof *out);
        return true;
    case NJ_GGUF_I8:
        *out = (int8_t)bits;
        return true;
    case NJ_GGUF_I16:
        *out = (int16_t)bits;
        return true;
    case NJ_GGUF_I32:
        *out = (int32_t)bits;
        return true;
    case NJ_GGUF_I64:
        *out = (double)(int64_t)bits;
        return true;
    default:
        *out = (double)bits;
        return true;
    }
}

bool nj_gguf_next_string(const struct nj_gguf_value *value, const uint8_t **cursor, uint64_t *index, const char **text, uint64_t *length)
{
    if (!value || value->type != NJ_GGUF_STRING)
        return false;
    if (!*cursor) {
        *cursor = value->data;
        *index  = 0;
    }
    if (*index >= value->count)
        return false;
    memcpy(length, *cursor, 8); /* checked when the file was read */
    *text = (const char *)*cursor + 8;
    *cursor += 8 + *length;
    ++*index;
    return true;
}

struct nj_string_view nj_gguf_string(const struct nj_gguf_value *value)
{
    const uint8_t *cursor = NULL;
    const char    *text;
    uint64_t       index = 0, length;
    if (!nj_gguf_next_string(value, &cursor, &index, &text, &length))
        return (struct nj_string_view){"", 0};
    return (struct nj_string_view){text, length};
}
