#include "pipeline/model/config.h"

#include <stdlib.h>
#include <string.h>

/* Limits that no model of this family comes near; beyond them a file is damaged or hostile. */
#define MAX_SIZE  (1 << 20)
#define MAX_VOCAB (1 << 24)

static const json_t *child(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

/* A whole number in [low, high]. `fallback` < 0: the key must be there. */
static nj_status read_size(const json_t *object, const char *key, json_int_t low, json_int_t high, json_int_t fallback, uint32_t *out,
                           struct nj_error *error)
{
    const json_t *value = child(object, key);
    if (!value && fallback >= 0) {
        *out = (uint32_t)fallback;
        return NJ_OK;
    }
    if (!value)
        return nj_fail(error, "%s: missing", key);
    if (!json_is_integer(value) || json_integer_value(value) < low || json_integer_value(value) > high)
        return nj_fail(error, "%s: not a whole number from %lld to %lld", key, (long long)low, (long long)high);
    *out = (uint32_t)json_integer_value(value);
    return NJ_OK;
}

static nj_status read_number(const json_t *object, const char *key, double low, double high, double fallback, double *out,
                             struct nj_error *error)
{
    const json_t *value = child(object, key);
    *out                = value ? json_number_value(value) : fallback;
    if ((value && !json_is_number(value)) || !(*out >= low && *out <= high))
        return nj_fail(error, "%s: not a number from %g to %g", key, low, high);
    return NJ_OK;
}

static nj_status read_float(const json_t *object, const char *key, double low, double high, double fallback, float *out,
                            struct nj_error *error)
{
    double    value;
    nj_status status = read_number(object, key, low, high, fallback, &value, error);
    *out             = (float)value;
    return status;
}

static nj_status read_id(const json_t *object, const char *key, const char *older, int32_t *out, struct nj_error *error)
{
    const json_t *value = child(object, key);
    if (!value && older)
        value = child(object, older);
    *out = -1;
    if (!value)
        return NJ_OK;
    if (!json_is_integer(value) || json_integer_value(value) < -1 || json_integer_value(value) >= MAX_VOCAB)
        return nj_fail(error, "%s: not a token id", key);
    *out = (int32_t)json_integer_value(value);
    return NJ_OK;
}

/* What larger or other members of the family do and we do not. */
static nj_status refuse_unsupported(const json_t *text, const struct nj_text_config *out, struct nj_error *error)
{
    static const char *const must_be_false[] = {"attention_k_eq_v", "enable_moe_block", "attention_bias"};
    for (size_t i = 0; i < sizeof must_be_false / sizeof *must_be_false; i++)
        if (json_is_true(json_object_get(text, must_be_false[i])))
            return nj_fail(error, "%s: true is not supported (only the E2B and E4B kind is)", must_be_false[i]);
    if (child(text, "use_bidirectional_attention"))
        return nj_fail(error, "use_bidirectional_attention: only null is supported (the E2B and E4B kind)");
    const char *activation = json_string_value(child(text, "hidden_activation"));
    if (activation && strcmp(activation, "gelu_pytorch_tanh"))
        return nj_fail(error, "hidden_activation: %.60s is not supported, only gelu_pytorch_tanh", activation);
    uint32_t global;
    NJ_TRY(read_size(text, "num_global_key_value_heads", 1, MAX_SIZE, out->kv_heads, &global, error));
    if (global != out->kv_heads)
        return nj_fail(error, "num_global_key_value_heads: %u is not supported beside num_key_value_heads: %u", global, out->kv_heads);
    return NJ_OK;
}

static nj_status read_layer_types(const json_t *text, struct nj_text_config *out, struct nj_error *error)
{
    const json_t *types = child(text, "layer_types");
    if (json_array_size(types) != out->layers)
        return nj_fail(error, "layer_types: %zu entries for %u layers", json_array_size(types), out->layers);
    for (uint32_t i = 0; i < out->layers; i++) {
        const char *type = json_string_value(json_array_get(types, i));
        if (!type || (strcmp(type, "full_attention") && strcmp(type, "sliding_attention")))
            return nj_fail(error, "layer_types[%u]: neither sliding_attention nor full_attention", i);
        out->full_attention[i] = *type == 'f';
    }
    return NJ_OK;
}

/* MLP widths: one number, or a list. A doubled width in sharing layers (E2B) is a flag of its own. */
static nj_status read_widths(const json_t *text, struct nj_text_config *out, struct nj_error *error)
{
    const json_t *width = child(text, "intermediate_size");
    if (json_is_array(width)) {
        if (json_array_size(width) != out->layers)
            return nj_fail(error, "intermediate_size: %zu entries for %u layers", json_array_size(width), out->layers);
        for (uint32_t i = 0; i < out->layers; i++) {
            const json_t *one = json_array_get(width, i);
            if (!json_is_integer(one) || json_integer_value(one) < 1 || json_integer_value(one) > MAX_SIZE)
                return nj_fail(error, "intermediate_size[%u]: not a width", i);
            out->intermediate_size[i] = (uint32_t)json_integer_value(one);
        }
        return NJ_OK;
    }
    uint32_t common;
    bool     wide = json_is_true(json_object_get(text, "use_double_wide_mlp"));
    NJ_TRY(read_size(text, "intermediate_size", 1, MAX_SIZE, -1, &common, error));
    for (uint32_t i = 0; i < out->layers; i++)
        out->intermediate_size[i] = wide && i >= out->layers - out->shared_kv_layers ? 2 * common : common;
    return NJ_OK;
}

/* The newer spelling: {"5": {"head_dim": 512}, ...}. Overrides that change nothing are let pass. */
static nj_status read_overrides(const json_t *text, struct nj_text_config *out, uint32_t head_dim[NJ_MAX_LAYERS], struct nj_error *error)
{
    const json_t *map = child(text, "per_layer_config");
    const char   *key, *name;
    json_t       *one, *value;
    if (map && !json_is_object(map))
        return nj_fail(error, "per_layer_config: not a map from layer to settings");
    json_object_foreach((json_t *)(uintptr_t)map, key, one)
    {
        size_t digits = strspn(key, "0123456789");
        long   layer  = digits > 0 && digits < 5 && !key[digits] ? strtol(key, NULL, 10) : -1;
        if (layer < 0 || layer >= (long)out->layers || !json_is_object(one))
            return nj_fail(error, "per_layer_config.%.20s: no such layer", key);
        json_object_foreach(one, name, value)
        {
            if (!strcmp(name, "head_dim"))
                NJ_TRY(read_size(one, name, 2, MAX_SIZE, -1, &head_dim[layer], error));
            else if (!strcmp(name, "intermediate_size"))
                NJ_TRY(read_size(one, name, 1, MAX_SIZE, -1, &out->intermediate_size[layer], error));
            else if (!json_equal(value, json_object_get(text, name)))
                return nj_fail(error, "per_layer_config.%.20s.%.60s: setting this for one layer is not supported", key, name);
        }
    }
    return NJ_OK;
}

static nj_status read_head_dims(const json_t *text, struct nj_text_config *out, struct nj_error *error)
{
    uint32_t head_dim[NJ_MAX_LAYERS];
    bool     sliding_seen = false, full_seen = false;
    NJ_TRY(read_size(text, "head_dim", 2, MAX_SIZE, 256, &out->head_dim, error));
    NJ_TRY(read_size(text, "global_head_dim", 2, MAX_SIZE, 512, &out->global_head_dim, error));
    for (uint32_t i = 0; i < out->layers; i++)
        head_dim[i] = out->full_attention[i] ? out->global_head_dim : out->head_dim;
    NJ_TRY(read_overrides(text, out, head_dim, error));
    for (uint32_t i = 0; i < out->layers; i++) {
        uint32_t *kind = out->full_attention[i] ? &out->global_head_dim : &out->head_dim;
        bool     *seen = out->full_attention[i] ? &full_seen : &sliding_seen;
        if (*seen && *kind != head_dim[i])
            return nj_fail(error, "per_layer_config.%u.head_dim: %u, another layer of its type has %u", i, head_dim[i], *kind);
        *kind = head_dim[i];
        *seen = true;
    }
    return NJ_OK;
}

static nj_status read_rope(const json_t *text, struct nj_text_config *out, struct nj_error *error)
{
    const json_t *rope = child(text, "rope_parameters"), *sliding = child(rope, "sliding_attention"), *full = child(rope, "full_attention");
    const char   *type = json_string_value(child(sliding, "rope_type"));
    if (type && strcmp(type, "default"))
        return nj_fail(error, "rope_parameters.sliding_attention.rope_type: %.40s is not supported, only default", type);
    type = json_string_value(child(full, "rope_type"));
    if (type && strcmp(type, "proportional"))
        return nj_fail(error, "rope_parameters.full_attention.rope_type: %.40s is not supported, only proportional", type);
    NJ_TRY(read_number(sliding, "rope_theta", 1, 1e12, 1e4, &out->rope_theta_sliding, error));
    NJ_TRY(read_number(full, "rope_theta", 1, 1e12, 1e6, &out->rope_theta_full, error));
    return read_number(full, "partial_rotary_factor", 0, 1, 0.25, &out->partial_rotary_factor, error);
}

static nj_status read_text(const json_t *text, const json_t *top, struct nj_text_config *out, struct nj_error *error)
{
    NJ_TRY(read_size(text, "num_hidden_layers", 1, NJ_MAX_LAYERS, -1, &out->layers, error));
    NJ_TRY(read_size(text, "vocab_size", 1, MAX_VOCAB, -1, &out->vocab_size, error));
    NJ_TRY(read_size(text, "hidden_size", 1, MAX_SIZE, -1, &out->hidden_size, error));
    NJ_TRY(read_size(text, "num_attention_heads", 1, 1024, -1, &out->heads, error));
    NJ_TRY(read_size(text, "num_key_value_heads", 1, 1024, -1, &out->kv_heads, error));
    NJ_TRY(read_size(text, "sliding_window", 1, 1 << 24, 512, &out->sliding_window, error));
    NJ_TRY(read_size(text, "num_kv_shared_layers", 0, NJ_MAX_LAYERS, 0, &out->shared_kv_layers, error));
    NJ_TRY(read_size(text, "hidden_size_per_layer_input", 1, MAX_SIZE, -1, &out->ple_size, error));
    if (out->shared_kv_layers >= out->layers)
        return nj_fail(error, "num_kv_shared_layers: %u of %u layers would leave none with keys", out->shared_kv_layers, out->layers);
    NJ_TRY(read_layer_types(text, out, error));
    NJ_TRY(read_widths(text, out, error));
    NJ_TRY(read_head_dims(text, out, error));
    NJ_TRY(read_rope(text, out, error));
    NJ_TRY(read_float(text, "rms_norm_eps", 0, 1, 1e-6, &out->rms_norm_eps, error));
    NJ_TRY(read_float(text, "final_logit_softcapping", 0, 1e6, 0, &out->softcap, error));
    const json_t *tied   = child(text, "tie_word_embeddings");
    tied                 = tied ? tied : child(top, "tie_word_embeddings");
    out->tied_embeddings = !json_is_false(tied);
    return refuse_unsupported(text, out, error);
}

static nj_status read_vision(const json_t *vision, struct nj_vision_config *out, struct nj_error *error)
{
    NJ_TRY(read_size(vision, "num_hidden_layers", 1, NJ_MAX_LAYERS, -1, &out->layers, error));
    NJ_TRY(read_size(vision, "hidden_size", 1, MAX_SIZE, -1, &out->hidden_size, error));
    NJ_TRY(read_size(vision, "intermediate_size", 1, MAX_SIZE, -1, &out->intermediate_size, error));
    NJ_TRY(read_size(vision, "num_attention_heads", 1, 1024, -1, &out->heads, error));
    NJ_TRY(read_size(vision, "head_dim", 4, MAX_SIZE, out->hidden_size / out->heads, &out->head_dim, error));
    NJ_TRY(read_size(vision, "patch_size", 1, 256, 16, &out->patch_size, error));
    NJ_TRY(read_size(vision, "pooling_kernel_size", 1, 64, 3, &out->pooling_kernel, error));
    NJ_TRY(read_size(vision, "position_embedding_size", 1, MAX_SIZE, 10240, &out->positions, error));
    NJ_TRY(read_number(child(vision, "rope_parameters"), "rope_theta", 1, 1e12, 100, &out->rope_theta, error));
    NJ_TRY(read_float(vision, "rms_norm_eps", 0, 1, 1e-6, &out->rms_norm_eps, error));
    out->standardize = json_is_true(json_object_get(vision, "standardize"));
    uint32_t kv_heads;
    NJ_TRY(read_size(vision, "num_key_value_heads", 1, 1024, out->heads, &kv_heads, error));
    if (kv_heads != out->heads)
        return nj_fail(error, "num_key_value_heads: %u for %u heads is not supported in the vision tower", kv_heads, out->heads);
    const char *activation = json_string_value(child(vision, "hidden_activation"));
    if (activation && strcmp(activation, "gelu_pytorch_tanh"))
        return nj_fail(error, "hidden_activation: %.60s is not supported, only gelu_pytorch_tanh", activation);
    return NJ_OK;
}

static nj_status add_eos(struct nj_config *out, json_int_t id, struct nj_error *error)
{
    if (id < 0 || id >= MAX_VOCAB)
        return nj_fail(error, "eos_token_id: %lld is no token id", (long long)id);
    for (uint32_t i = 0; i < out->eos_count; i++)
        if (out->eos_ids[i] == id)
            return NJ_OK;
    if (out->eos_count == NJ_MAX_EOS)
        return nj_fail(error, "eos_token_id: more than %d different ids", NJ_MAX_EOS);
    out->eos_ids[out->eos_count++] = (int32_t)id;
    return NJ_OK;
}

static nj_status add_eos_of(struct nj_config *out, const json_t *object, struct nj_error *error)
{
    const json_t *ids = child(object, "eos_token_id");
    if (json_is_integer(ids))
        return add_eos(out, json_integer_value(ids), error);
    for (size_t i = 0; i < json_array_size(ids); i++)
        if (!json_is_integer(json_array_get(ids, i)))
            return nj_fail(error, "eos_token_id[%zu]: not a token id", i);
        else
            NJ_TRY(add_eos(out, json_integer_value(json_array_get(ids, i)), error));
    return NJ_OK;
}

/* Some published copies of config.json name only two of the three (spec 1.4), so the published vocabulary brings its own. */
static nj_status read_eos(const json_t *top, const json_t *text, const json_t *generation, struct nj_config *out, struct nj_error *error)
{
    static const int32_t published[] = {1, 106, 50};
    NJ_TRY(add_eos_of(out, generation, error));
    NJ_TRY(add_eos_of(out, top, error));
    NJ_TRY(add_eos_of(out, text, error));
    if (out->eos_count == 0)
        NJ_TRY(add_eos(out, 1, error));
    for (size_t i = 0; i < 3 && out->text.vocab_size == 262144; i++)
        NJ_TRY(add_eos(out, published[i], error));
    return NJ_OK;
}

static nj_status read_ids(const json_t *top, const json_t *text, struct nj_config *out, struct nj_error *error)
{
    NJ_TRY(read_id(text, "bos_token_id", NULL, &out->bos_id, error));
    if (out->bos_id < 0)
        NJ_TRY(read_id(top, "bos_token_id", NULL, &out->bos_id, error));
    NJ_TRY(read_id(text, "pad_token_id", NULL, &out->pad_id, error));
    NJ_TRY(read_id(top, "image_token_id", "image_token_index", &out->image_id, error));
    NJ_TRY(read_id(top, "boi_token_id", "boi_token_index", &out->boi_id, error));
    NJ_TRY(read_id(top, "eoi_token_id", "eoi_token_index", &out->eoi_id, error));
    NJ_TRY(read_id(top, "audio_token_id", "audio_token_index", &out->audio_id, error));
    return read_id(top, "video_token_id", "video_token_index", &out->video_id, error);
}

nj_status nj_config_parse(const json_t *config, const json_t *generation, struct nj_config *out, struct nj_error *error)
{
    *out               = (struct nj_config){0};
    const json_t *text = child(config, "text_config"), *vision = child(config, "vision_config");
    const char   *type = json_string_value(child(config, "model_type"));
    if (!json_is_object(config))
        return nj_fail(error, "not a JSON object");
    if (!type || (strcmp(type, "gemma4") && strcmp(type, "gemma4_text")))
        return nj_fail(error, "model_type: %.60s; this program reads gemma4 and gemma4_text", type ? type : "missing");
    nj_status status = read_text(text ? text : config, config, &out->text, error);
    if (status != NJ_OK && text)
        nj_error_prefix(error, "text_config");
    if (status == NJ_OK && vision && (status = read_vision(vision, &out->vision, error)) != NJ_OK)
        nj_error_prefix(error, "vision_config");
    if (status != NJ_OK)
        return status;
    NJ_TRY(read_ids(config, text ? text : config, out, error));
    NJ_TRY(read_eos(config, text ? text : config, generation, out, error));
    NJ_TRY(read_size(config, "vision_soft_tokens_per_image", 1, 65536, NJ_GEMMA_SOFT_TOKENS, &out->default_soft_tokens, error));
    return nj_config_finish(out, error);
}

/* A sharing layer reads the last layer of its own type that has keys (spec 2.7). */
static nj_status find_sources(struct nj_text_config *text, struct nj_error *error)
{
    uint32_t own = text->layers - text->shared_kv_layers;
    for (uint32_t i = 0; i < text->layers; i++) {
        uint32_t source = i;
        if (i >= own) {
            for (source = own; source > 0 && text->full_attention[source - 1] != text->full_attention[i]; source--)
                ;
            if (source == 0)
                return nj_fail(error, "layer_types: layer %u shares keys, but no layer before %u is of its type", i, own);
            source--;
        }
        text->kv_source[i] = (uint8_t)source;
    }
    return NJ_OK;
}

nj_status nj_config_finish(struct nj_config *config, struct nj_error *error)
{
    struct nj_text_config   *text   = &config->text;
    struct nj_vision_config *vision = &config->vision;
    if (text->heads % text->kv_heads)
        return nj_fail(error, "%u attention heads cannot share %u key/value heads evenly", text->heads, text->kv_heads);
    if (text->head_dim % 2 || text->global_head_dim % 2)
        return nj_fail(error, "head_dim: %u and %u, both must be even for rotary positions", text->head_dim, text->global_head_dim);
    if ((uint64_t)text->heads * text->head_dim > MAX_SIZE || (uint64_t)text->heads * text->global_head_dim > MAX_SIZE ||
        (uint64_t)text->layers * text->ple_size > MAX_SIZE)
        return nj_fail(error, "the product of two sizes is impossibly large: the config is damaged");
    if (vision->layers && vision->head_dim % 4)
        return nj_fail(error, "vision head_dim: %u, must be a multiple of 4 for rotary positions in two dimensions", vision->head_dim);
    if (vision->layers && (uint64_t)vision->heads * vision->head_dim != vision->hidden_size)
        return nj_fail(error, "vision: %u heads of %u are not the hidden size %u", vision->heads, vision->head_dim, vision->hidden_size);
    const int32_t ids[] = {config->bos_id, config->pad_id, config->image_id, config->boi_id, config->eoi_id};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i] >= (int32_t)text->vocab_size)
            return nj_fail(error, "token id %d lies outside of the vocabulary of %u", ids[i], text->vocab_size);
    return find_sources(text, error);
}
