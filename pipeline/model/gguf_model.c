/* gguf_model.c: from GGUF metadata to a config in the spelling of config.json, and the few tensors whose layout differs. */
#include "pipeline/model/chat.h"
#include "pipeline/model/gguf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool string_is(const struct nj_gguf_value *value, const char *text)
{
    struct nj_string_view found = nj_gguf_string(value);
    return found.size == strlen(text) && !memcmp(found.data, text, found.size);
}

static const struct nj_gguf_value *find(const struct nj_gguf *gguf, const char *prefix, const char *key)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", prefix, key);
    return nj_gguf_find(gguf, name);
}

/* A number that is there must be one; what is not there is left to the checks of config.c, which name the key. */
static nj_status read_number(const struct nj_gguf *gguf, const char *prefix, const char *key, uint64_t index, bool whole, double *out,
                             bool *found, struct nj_error *error)
{
    const struct nj_gguf_value *value = find(gguf, prefix, key);
    *found                            = value != NULL;
    if (value && (!nj_gguf_number(value, index, out) || !isfinite(*out) || (whole && (fabs(*out) > 1e15 || *out != floor(*out)))))
        return nj_fail(error, "metadata %s.%s: not a %s", prefix, key, whole ? "whole number" : "number");
    return NJ_OK;
}

static nj_status set_whole(json_t *object, const char *key, const struct nj_gguf *gguf, const char *prefix, const char *gguf_key,
                           struct nj_error *error)
{
    double number;
    bool   found;
    NJ_TRY(read_number(gguf, prefix, gguf_key, 0, true, &number, &found, error));
    if (found)
        json_object_set_new(object, key, json_integer((json_int_t)number));
    return NJ_OK;
}

static nj_status set_real(json_t *object, const char *key, const struct nj_gguf *gguf, const char *prefix, const char *gguf_key,
                          struct nj_error *error)
{
    double number;
    bool   found;
    char   text[32];
    NJ_TRY(read_number(gguf, prefix, gguf_key, 0, false, &number, &found, error));
    if (!found)
        return NJ_OK;
    snprintf(text, sizeof text, "%.7g", number); /* stored as fp32: 1e-06, not 9.99999997e-07 */
    json_object_set_new(object, key, json_real(strtod(text, NULL)));
    return NJ_OK;
}

/* Keys that config.json may leave out, being what everybody assumes, and that a GGUF always has. */
static nj_status check_complete(const struct nj_gguf *gguf, struct nj_error *error)
{
    static const char *const needed[] = {"attention.sliding_window", "attention.layer_norm_rms_epsilon", "rope.freq_base"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!find(gguf, "gemma4", needed[i]))
            return nj_fail(error, "metadata gemma4.%s: missing", needed[i]);
    return NJ_OK;
}

/* One number for all layers, or a list of one for each. */
static nj_status set_widths(json_t *text, const struct nj_gguf *gguf, struct nj_error *error)
{
    const struct nj_gguf_value *value = nj_gguf_find(gguf, "gemma4.feed_forward_length");
    if (!value || !value->array)
        return set_whole(text, "intermediate_size", gguf, "gemma4", "feed_forward_length", error);
    json_t *list = json_array();
    json_object_set_new(text, "intermediate_size", list);
    for (uint64_t i = 0; i < value->count && i <= NJ_MAX_LAYERS; i++) {
        double number;
        bool   found;
        NJ_TRY(read_number(gguf, "gemma4", "feed_forward_length", i, true, &number, &found, error));
        json_array_append_new(list, json_integer((json_int_t)number));
    }
    return NJ_OK;
}

static nj_status set_kv_heads(json_t *text, const struct nj_gguf *gguf, struct nj_error *error)
{
    const struct nj_gguf_value *value = nj_gguf_find(gguf, "gemma4.attention.head_count_kv");
    double                      first, number;
    for (uint64_t i = 0; value && i < value->count; i++)
        if (!nj_gguf_number(value, i, &number) || !nj_gguf_number(value, 0, &first) || number != first)
            return nj_fail(error, "gemma4.attention.head_count_kv: different numbers in different layers are not supported");
    return set_whole(text, "num_key_value_heads", gguf, "gemma4", "attention.head_count_kv", error);
}

static nj_status set_layer_types(json_t *text, const struct nj_gguf *gguf, struct nj_error *error)
{
    const struct nj_gguf_value *pattern = nj_gguf_find(gguf, "gemma4.attention.sliding_window_pattern");
    double                      sliding;
    json_t                     *types = json_array();
    json_object_set_new(text, "layer_types", types);
    if (!pattern || !pattern->array || pattern->count > NJ_MAX_LAYERS)
        return nj_fail(error, "gemma4.attention.sliding_window_pattern: not a list of at most %d", NJ_MAX_LAYERS);
    for (uint64_t i = 0; i < pattern->count; i++) {
        if (!nj_gguf_number(pattern, i, &sliding))
            return nj_fail(error, "gemma4.attention.sliding_window_pattern: not a list of yes and no");
        json_array_append_new(types, json_string(sliding != 0 ? "sliding_attention" : "full_attention"));
    }
    return NJ_OK;
}

/* The file says how much of a full layer's head turns by divisors: 1 where a pair turns, 1e30 where it does not. */
static nj_status rotary_factor(const struct nj_tensors *tensors, double *out, struct nj_error *error)
{
    const struct nj_tensor *freqs = nj_tensors_find(tensors, "rope_freqs.weight");
    uint64_t                ones = 0, count = freqs ? freqs->size / sizeof(float) : 0;
    *out = 0.25;
    if (!freqs)
        return NJ_OK;
    if (freqs->dtype != NJ_DTYPE_F32 || count == 0)
        return nj_fail(error, "rope_freqs.weight: not a list of fp32 numbers");
    for (uint64_t i = 0; i < count; i++) {
        float divisor;
        memcpy(&divisor, freqs->data + i * sizeof divisor, sizeof divisor);
        if (divisor == 1 && i == ones)
            ones++;
        else if (!(divisor >= 1e20f))
            return nj_fail(error, "rope_freqs.weight: divisor %g of pair %llu is not supported (1 for the first pairs, 1e30 for the rest)",
                           (double)divisor, (unsigned long long)i);
    }
    *out = (double)ones / (double)count;
    return NJ_OK;
}

/* Ids of the tokens that the config names, from the spellings in the vocabulary. */
static nj_status set_token_ids(json_t *config, json_t *text, const struct nj_gguf *gguf, struct nj_error *error)
{
    static const struct {
        const char *spelling, *key;
    } named[]                           = {{"<|image|>", "image_token_id"}, {"<|image>", "boi_token_id"},    {"<image|>", "eoi_token_id"},
                                           {"<|audio|>", "audio_token_id"}, {"<|video|>", "video_token_id"}, {"<|audio>", "boa_token_id"},
                                           {"<audio|>", "eoa_token_id"}};
    static const char *const    stops[] = {"<eos>", "<turn|>", "<|tool_response>"};
    const struct nj_gguf_value *tokens  = nj_gguf_find(gguf, "tokenizer.ggml.tokens");
    json_t                     *eos     = json_array();
    const uint8_t              *cursor  = NULL;
    const char                 *found;
    uint64_t                    index = 0, length;
    while (nj_gguf_next_string(tokens, &cursor, &index, &found, &length)) {
        for (size_t i = 0; i < sizeof named / sizeof *named; i++)
            if (length == strlen(named[i].spelling) && !memcmp(found, named[i].spelling, length))
                json_object_set_new(config, named[i].key, json_integer((json_int_t)index - 1));
        for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
            if (length == strlen(stops[i]) && !memcmp(found, stops[i], length))
                json_array_append_new(eos, json_integer((json_int_t)index - 1));
    }
    json_object_set_new(config, "eos_token_id", eos);
    NJ_TRY(set_whole(text, "bos_token_id", gguf, "tokenizer.ggml", "bos_token_id", error));
    return set_whole(text, "pad_token_id", gguf, "tokenizer.ggml", "padding_token_id", error);
}

static nj_status text_config(const struct nj_gguf *gguf, const struct nj_tensors *tensors, json_t *text, struct nj_error *error)
{
    static const struct {
        const char *key, *gguf;
    } whole[]                         = {{"num_hidden_layers", "block_count"},
                                         {"hidden_size", "embedding_length"},
                                         {"num_attention_heads", "attention.head_count"},
                                         {"global_head_dim", "attention.key_length"},
                                         {"head_dim", "attention.key_length_swa"},
                                         {"sliding_window", "attention.sliding_window"},
                                         {"num_kv_shared_layers", "attention.shared_kv_layers"},
                                         {"hidden_size_per_layer_input", "embedding_length_per_layer_input"},
                                         {"max_position_embeddings", "context_length"}};
    const struct nj_tensor *embedding = nj_tensors_find(tensors, "embed_tokens.weight"),
                           *per_layer = nj_tensors_find(tensors, "embed_tokens_per_layer.weight");
    json_t *sliding = json_pack("{s:s}", "rope_type", "default"), *full = json_pack("{s:s}", "rope_type", "proportional");
    double  factor;
    NJ_TRY(check_complete(gguf, error));
    json_object_set_new(text, "rope_parameters", json_pack("{s:o, s:o}", "sliding_attention", sliding, "full_attention", full));
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        NJ_TRY(set_whole(text, whole[i].key, gguf, "gemma4", whole[i].gguf, error));
    json_object_set_new(text, "model_type", json_string("gemma4_text"));
    json_object_set_new(text, "hidden_activation", json_string("gelu_pytorch_tanh"));
    if (embedding && embedding->rank == 2)
        json_object_set_new(text, "vocab_size", json_integer((json_int_t)embedding->shape[0]));
    if (per_layer && per_layer->rank == 2)
        json_object_set_new(text, "vocab_size_per_layer_input", json_integer((json_int_t)per_layer->shape[0]));
    json_object_set_new(text, "use_double_wide_mlp", json_false());
    json_object_set_new(text, "tie_word_embeddings", json_boolean(!nj_tensors_find(tensors, "lm_head.weight")));
    json_object_set_new(text, "final_logit_softcapping", json_real(30)); /* as llama.cpp has it, where nothing else is said */
    NJ_TRY(set_real(text, "rms_norm_eps", gguf, "gemma4", "attention.layer_norm_rms_epsilon", error));
    NJ_TRY(set_real(text, "final_logit_softcapping", gguf, "gemma4", "final_logit_softcapping", error));
    NJ_TRY(set_real(full, "rope_theta", gguf, "gemma4", "rope.freq_base", error));
    NJ_TRY(set_real(sliding, "rope_theta", gguf, "gemma4", "rope.freq_base_swa", error));
    NJ_TRY(rotary_factor(tensors, &factor, error));
    json_object_set_new(full, "partial_rotary_factor", json_real(factor));
    NJ_TRY(set_widths(text, gguf, error));
    NJ_TRY(set_kv_heads(text, gguf, error));
    return set_layer_types(text, gguf, error);
}

static nj_status vision_config(const struct nj_gguf *gguf, const struct nj_tensors *tensors, json_t *config, struct nj_error *error)
{
    static const struct {
        const char *key, *gguf;
    } whole[]                     = {{"hidden_size", "embedding_length"},  {"intermediate_size", "feed_forward_length"},
                                     {"num_hidden_layers", "block_count"}, {"num_attention_heads", "attention.head_count"},
                                     {"patch_size", "patch_size"},         {"pooling_kernel_size", "projector.scale_factor"}};
    const struct nj_tensor *table = nj_tensors_find(tensors, "vision_tower.patch_embedder.position_embedding_table");
    json_t *vision = json_pack("{s:s, s:s, s:b, s:{s:s, s:f}}", "model_type", "gemma4_vision", "hidden_activation", "gelu_pytorch_tanh",
                               "use_clipped_linears", 1, "rope_parameters", "rope_type", "default", "rope_theta", 100.0);
    json_object_set_new(config, "vision_config", vision);
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        NJ_TRY(set_whole(vision, whole[i].key, gguf, "clip.vision", whole[i].gguf, error));
    json_int_t heads = json_integer_value(json_object_get(vision, "num_attention_heads"));
    json_object_set(vision, "num_key_value_heads", json_object_get(vision, "num_attention_heads"));
    if (heads > 0)
        json_object_set_new(vision, "head_dim", json_integer(json_integer_value(json_object_get(vision, "hidden_size")) / heads));
    NJ_TRY(set_real(vision, "rms_norm_eps", gguf, "clip.vision", "attention.layer_norm_epsilon", error));
    if (table && table->rank == 3)
        json_object_set_new(vision, "position_embedding_size", json_integer((json_int_t)table->shape[1]));
    json_object_set_new(vision, "standardize", json_boolean(nj_tensors_find(tensors, "vision_tower.std_bias") != NULL));
    return NJ_OK;
}

/* ---- Tensors whose layout differs ---- */

/* A view of some rows of a tensor under another name. */
static nj_status add_rows(struct nj_checkpoint *checkpoint, const struct nj_tensor *from, const char *name, uint64_t first, uint64_t rows,
                          struct nj_error *error)
{
    char             copy[NJ_MAX_NAME];
    uint64_t         row_bytes = from->size / from->shape[0];
    struct nj_tensor part      = *from;
    snprintf(copy, sizeof copy, "%s", name);
    part.name     = copy;
    part.shape[0] = rows;
    part.data     = from->data + first * row_bytes;
    part.size     = rows * row_bytes;
    return nj_tensors_add(&checkpoint->tensors, &part, error);
}

/* Rows q, k, v in order; how many of each follows from the heads. */
static nj_status split_fused(struct nj_checkpoint *checkpoint, const struct nj_text_config *text, struct nj_error *error)
{
    size_t count = checkpoint->tensors.count;
    for (uint32_t layer = 0; layer < text->layers; layer++) {
        char     name[NJ_MAX_NAME];
        uint64_t head = text->full_attention[layer] ? text->global_head_dim : text->head_dim, q = text->heads * head,
                 kv = text->kv_heads * head;
        size_t at   = 0;
        snprintf(name, sizeof name, "layers.%u.self_attn.qkv_proj.weight", layer);
        while (at < count && strcmp(checkpoint->tensors.list[at].name, name))
            at++;
        if (at == count)
            continue;
        struct nj_tensor fused = checkpoint->tensors.list[at]; /* the list may move while parts are added */
        if (fused.rank != 2 || fused.shape[0] != q + 2 * kv)
            return nj_fail(error, "%s: %s: not %llu rows of queries, keys and values", checkpoint->path, fused.file_name,
                           (unsigned long long)(q + 2 * kv));
        snprintf(name, sizeof name, "layers.%u.self_attn.q_proj.weight", layer);
        NJ_TRY(add_rows(checkpoint, &fused, name, 0, q, error));
        snprintf(name, sizeof name, "layers.%u.self_attn.k_proj.weight", layer);
        NJ_TRY(add_rows(checkpoint, &fused, name, q, kv, error));
        snprintf(name, sizeof name, "layers.%u.self_attn.v_proj.weight", layer);
        NJ_TRY(add_rows(checkpoint, &fused, name, q + kv, kv, error));
    }
    return nj_tensors_index(&checkpoint->tensors, error);
}

/* [hidden][channel][y][x] becomes [hidden][(y * patch + x) * 3 + channel]. */
static nj_status turn_patches(struct nj_checkpoint *checkpoint, struct nj_error *error)
{
    static char             name[] = "vision_tower.patch_embedder.input_proj.weight";
    const struct nj_tensor *found  = nj_tensors_find(&checkpoint->tensors, "v.patch_embd.weight");
    uint64_t                each   = found ? nj_dtype_bytes(found->dtype) : 0;
    if (!found)
        return NJ_OK;
    if (found->rank != 4 || found->shape[1] != 3 || found->shape[2] != found->shape[3] || each == 0 || found->size == 0)
        return nj_fail(error, "%s: %s: not a plain [hidden, 3, patch, patch] tensor", checkpoint->path, found->file_name);
    struct nj_tensor turned = *found;
    uint64_t         patch = found->shape[2], inner = 3 * patch * patch;
    uint8_t         *data = nj_checkpoint_alloc(checkpoint, found->size);
    if (!data)
        return nj_fail(error, "%s: no memory for %s", checkpoint->path, found->file_name);
    for (uint64_t row = 0; row < found->shape[0]; row++)
        for (uint64_t channel = 0; channel < 3; channel++)
            for (uint64_t place = 0; place < patch * patch; place++)
                memcpy(data + (row * inner + place * 3 + channel) * each,
                       found->data + (row * inner + channel * patch * patch + place) * each, each);
    turned.name     = name;
    turned.data     = data;
    turned.rank     = 2;
    turned.shape[1] = inner;
    NJ_TRY(nj_tensors_add(&checkpoint->tensors, &turned, error));
    return nj_tensors_index(&checkpoint->tensors, error);
}

/* ---- Opening ---- */

static nj_status check_kind(const struct nj_gguf *gguf, const struct nj_tensors *tensors, struct nj_error *error)
{
    if (string_is(nj_gguf_find(gguf, "general.architecture"), "clip"))
        return nj_fail(error, "%s: this is the vision companion; give the GGUF with the text model, and this one with --mmproj",
                       gguf->name);
    if (!string_is(nj_gguf_find(gguf, "general.architecture"), "gemma4"))
        return nj_fail(error, "%s: general.architecture is not gemma4; this program reads Gemma 4 E2B and E4B", gguf->name);
    if (nj_gguf_find(gguf, "gemma4.vision.block_count") || nj_tensors_find(tensors, "v.patch_embd.weight"))
        return nj_fail(
            error,
            "%s: this is Ollama's own layout, text and vision in one file, which is not supported; convert the same model from its "
            "Hugging Face folder, or fetch a GGUF made by llama.cpp with its mmproj file",
            gguf->name);
    return NJ_OK;
}

static nj_status open_companion(struct nj_checkpoint *checkpoint, const char *path, json_t *config, struct nj_error *error)
{
    struct nj_gguf gguf;
    NJ_TRY(nj_map_open(path, &checkpoint->maps[1], error));
    checkpoint->map_count = 2;
    NJ_TRY(nj_gguf_open(path, &checkpoint->maps[1], &gguf, &checkpoint->tensors, error));
    nj_status status = NJ_OK;
    if (!string_is(nj_gguf_find(&gguf, "general.architecture"), "clip"))
        status = nj_fail(error, "%s: not a vision companion (general.architecture is not clip)", path);
    else if (!string_is(nj_gguf_find(&gguf, "clip.vision.projector_type"), "gemma4v") &&
             !string_is(nj_gguf_find(&gguf, "clip.projector_type"), "gemma4v"))
        status = nj_fail(error, "%s: its projector is not gemma4v: it belongs to another model", path);
    else
        status = nj_tensors_index(&checkpoint->tensors, error);
    if (status == NJ_OK)
        status = turn_patches(checkpoint, error);
    if (status == NJ_OK && (status = vision_config(&gguf, &checkpoint->tensors, config, error)) != NJ_OK)
        nj_error_prefix(error, "%s", path);
    nj_gguf_close(&gguf);
    return status;
}

/* Templates are not run, only asked for the one thing in which they differ (weights.c); a packed file says it in the same place. */
static nj_status note_template(struct nj_checkpoint *checkpoint, const struct nj_gguf *gguf, struct nj_error *error)
{
    struct nj_string_view text = nj_gguf_string(nj_gguf_find(gguf, "tokenizer.chat_template"));
    if (!nj_chat_template_has_empty_thought(text.data, text.size))
        return NJ_OK;
    checkpoint->metadata = json_pack("{s:s}", "empty_thought", "yes");
    return checkpoint->metadata ? NJ_OK : nj_fail(error, "%s: no memory to open it", checkpoint->path);
}

static nj_status open_text(struct nj_checkpoint *checkpoint, json_t *config, json_t *text, struct nj_error *error)
{
    struct nj_gguf gguf;
    NJ_TRY(nj_gguf_open(checkpoint->path, &checkpoint->maps[0], &gguf, &checkpoint->tensors, error));
    nj_status status = nj_tensors_index(&checkpoint->tensors, error);
    if (status == NJ_OK)
        status = check_kind(&gguf, &checkpoint->tensors, error);
    if (status == NJ_OK && ((status = text_config(&gguf, &checkpoint->tensors, text, error)) != NJ_OK ||
                            (status = set_token_ids(config, text, &gguf, error)) != NJ_OK))
        nj_error_prefix(error, "%s", checkpoint->path);
    if (status == NJ_OK)
        status = note_template(checkpoint, &gguf, error);
    nj_gguf_close(&gguf);
    return status;
}

nj_status nj_gguf_open_model(struct nj_checkpoint *checkpoint, const char *mmproj, struct nj_error *error)
{
    json_t          *text = json_object();
    struct nj_config parsed;
    checkpoint->kind   = NJ_KIND_GGUF;
    checkpoint->config = json_pack("{s:[s], s:s, s:s, s:n, s:o}", "architectures", "Gemma4ForConditionalGeneration", "model_type", "gemma4",
                                   "dtype", "bfloat16", "audio_config", "text_config", text);
    if (!checkpoint->config)
        return nj_fail(error, "%s: no memory to open it", checkpoint->path);
    NJ_TRY(open_text(checkpoint, checkpoint->config, text, error));
    if (mmproj)
        NJ_TRY(open_companion(checkpoint, mmproj, checkpoint->config, error));
    nj_status status = nj_config_parse(checkpoint->config, NULL, &parsed, error);
    if (status != NJ_OK) {
        nj_error_prefix(error, "%s: metadata, as config", checkpoint->path);
        return status;
    }
    return split_fused(checkpoint, &parsed.text, error);
}
