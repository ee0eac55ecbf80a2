#include "pipeline/model/random_model.h"
#include "pipeline/model/checkpoint.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORDS_BYTES  ((size_t)32 << 20) /* random int4 words that the matrices of the large kind are cut from */
#define VALUES_BYTES ((size_t)64 << 20) /* random bf16 values, likewise */
#define GROUP        128

struct maker {
    struct nj_checkpoint *checkpoint;
    uint64_t              state;
    bool                  large;
    const uint8_t        *words, *values; /* large kind: [WORDS_BYTES], [VALUES_BYTES] */
    uint16_t             *scales;         /* large kind: enough for the largest matrix */
    int                   values_file;
    bool                  failed;
};

static uint64_t next(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z          = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z          = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* About normal, mean 0, deviation 1: the sum of four uniform numbers of 16 bits. */
static float normal(uint64_t *state)
{
    uint64_t bits = next(state);
    int32_t  sum  = (int32_t)((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48)) - 2 * 65535;
    return (float)sum * (1.7320508f / 65535);
}

static void *allocate(struct maker *maker, size_t size)
{
    void *memory = maker->failed ? NULL : nj_checkpoint_alloc(maker->checkpoint, size);
    maker->failed |= !memory;
    return memory;
}

/* ---- Matrices ---- */

static struct nj_matrix plain(struct maker *maker, uint32_t rows, uint32_t cols)
{
    struct nj_matrix matrix = {.format = NJ_BF16, .rows = rows, .cols = cols};
    size_t           count  = (size_t)rows * cols;
    if (maker->large) {
        matrix.data = maker->values + next(&maker->state) % ((VALUES_BYTES - 2 * count) / 64 + 1) * 64;
        return matrix;
    }
    uint16_t *data = allocate(maker, 2 * count);
    float     size = 1 / sqrtf((float)cols);
    for (size_t i = 0; data && i < count; i++)
        data[i] = nj_float_to_bf16(size * normal(&maker->state));
    matrix.data = data;
    return matrix;
}

static struct nj_matrix linear(struct maker *maker, uint32_t rows, uint32_t cols)
{
    if (!maker->large)
        return plain(maker, rows, cols);
    size_t bytes = (size_t)rows * cols / 2;
    return (struct nj_matrix){.format       = NJ_W4_ROWS,
                              .rows         = rows,
                              .cols         = cols,
                              .group        = GROUP,
                              .scale_format = NJ_BF16,
                              .data         = maker->words + next(&maker->state) % ((WORDS_BYTES - bytes) / 64 + 1) * 64,
                              .scales       = maker->scales};
}

static const float *vector(struct maker *maker, uint32_t count)
{
    float *values = allocate(maker, count * sizeof *values);
    for (uint32_t i = 0; values && i < count; i++)
        values[i] = nj_bf16_to_float(nj_float_to_bf16(1 + 0.1f * normal(&maker->state)));
    return values;
}

/* A table larger than the random values: the same pages again and again, so that it costs address space only. */
static void *repeated(struct maker *maker, size_t size)
{
    size_t   whole = (size + VALUES_BYTES - 1) / VALUES_BYTES * VALUES_BYTES;
    uint8_t *base  = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    for (size_t at = 0; at < whole; at += VALUES_BYTES)
        if (mmap(base + at, VALUES_BYTES, PROT_READ, MAP_SHARED | MAP_FIXED, maker->values_file, 0) == MAP_FAILED) {
            munmap(base, whole);
            return NULL;
        }
    maker->checkpoint->maps[maker->checkpoint->map_count++] = (struct nj_map){base, whole};
    return base;
}

static struct nj_matrix table(struct maker *maker, uint32_t rows, uint32_t cols, bool empty)
{
    if (!maker->large)
        return plain(maker, rows, cols);
    size_t size = (size_t)rows * cols * 2;
    void  *data;
    if (empty) {
        data = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        data = data == MAP_FAILED ? NULL : data;
        if (data)
            maker->checkpoint->maps[maker->checkpoint->map_count++] = (struct nj_map){data, size};
    } else
        data = repeated(maker, size);
    maker->failed |= !data;
    return (struct nj_matrix){.format = NJ_BF16, .rows = rows, .cols = cols, .data = data};
}

/* ---- The two kinds ---- */

static json_t *layer_types(uint32_t layers, uint32_t period)
{
    json_t *types = json_array();
    for (uint32_t i = 0; i < layers; i++)
        json_array_append_new(types, json_string((i + 1) % period ? "sliding_attention" : "full_attention"));
    return types;
}

static json_t *text_config(bool large)
{
    json_t *rope = json_pack("{s:{s:s, s:f}, s:{s:s, s:f, s:f}}", "sliding_attention", "rope_type", "default", "rope_theta", 1e4,
                             "full_attention", "rope_type", "proportional", "rope_theta", 1e6, "partial_rotary_factor", 0.25);
    return json_pack(
        "{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:f, s:f, s:b, s:i, s:i, s:i, s:s, s:i, s:s, s:b}",
        "model_type", "gemma4_text", "vocab_size", large ? 262144 : 768, "hidden_size", large ? 2560 : 64, "intermediate_size",
        large ? 10240 : 96, "num_hidden_layers", large ? 42 : 6, "num_attention_heads", large ? 8 : 4, "num_key_value_heads", 2, "head_dim",
        large ? 256 : 16, "global_head_dim", large ? 512 : 32, "sliding_window", large ? 512 : 64, "num_kv_shared_layers", large ? 18 : 3,
        "hidden_size_per_layer_input", large ? 256 : 32, "layer_types", layer_types(large ? 42 : 6, large ? 6 : 3), "rope_parameters", rope,
        "rms_norm_eps", 1e-6, "final_logit_softcapping", 30.0, "tie_word_embeddings", 1, "bos_token_id", 2, "eos_token_id", 1,
        "pad_token_id", 0, "hidden_activation", "gelu_pytorch_tanh", "vocab_size_per_layer_input", large ? 262144 : 768, "dtype",
        "bfloat16", "use_double_wide_mlp", 0);
}

static json_t *vision_config(bool large)
{
    return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:b, s:b, s:s, s:{s:s, s:f}}", "model_type", "gemma4_vision",
                     "hidden_size", large ? 768 : 48, "intermediate_size", large ? 3072 : 96, "num_hidden_layers", large ? 16 : 2,
                     "num_attention_heads", large ? 12 : 3, "num_key_value_heads", large ? 12 : 3, "head_dim", large ? 64 : 16,
                     "patch_size", 16, "pooling_kernel_size", 3, "position_embedding_size", large ? 10240 : 256, "rms_norm_eps", 1e-6,
                     "standardize", 0, "use_clipped_linears", 1, "hidden_activation", "gelu_pytorch_tanh", "rope_parameters", "rope_type",
                     "default", "rope_theta", 100.0);
}

static json_t *whole_config(bool large)
{
    const char *const keys[] = {"image_token_id", "<|image|>",      "boi_token_id", "<|image>",       "eoi_token_id",
                                "<image|>",       "audio_token_id", "<|audio|>",    "video_token_id", "<|video|>",
                                "boa_token_id",   "<|audio>",       "eoa_token_id", "<audio|>"};
    json_t *config = json_pack("{s:[s], s:s, s:s, s:b, s:i, s:n, s:o, s:o, s:[i, i, i]}", "architectures", "Gemma4ForConditionalGeneration",
                               "model_type", "gemma4", "dtype", "bfloat16", "tie_word_embeddings", 1, "vision_soft_tokens_per_image", 280,
                               "audio_config", "text_config", text_config(large), "vision_config", vision_config(large), "eos_token_id", 1,
                               nj_random_added_id(large, "<turn|>"), nj_random_added_id(large, "<|tool_response>"));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i += 2)
        json_object_set_new(config, keys[i], json_integer(nj_random_added_id(large, keys[i + 1])));
    return config;
}

/* ---- Filling the struct ---- */

static void fill_text(struct maker *maker, struct nj_weights *weights)
{
    const struct nj_text_config *text   = &weights->config.text;
    uint32_t                     hidden = text->hidden_size, ple = text->ple_size * text->layers;
    weights->embedding      = table(maker, text->vocab_size, hidden, false);
    weights->ple_embedding  = table(maker, text->vocab_size, ple, true);
    weights->ple_projection = linear(maker, ple, hidden);
    weights->ple_norm       = vector(maker, text->ple_size);
    weights->final_norm     = vector(maker, hidden);
    weights->head           = weights->embedding;
    for (uint32_t i = 0; i < text->layers; i++) {
        struct nj_text_layer *layer = &weights->layers[i];
        uint32_t              head = text->full_attention[i] ? text->global_head_dim : text->head_dim, wide = text->intermediate_size[i];
        bool                  own  = text->kv_source[i] == i;
        layer->input_norm          = vector(maker, hidden);
        layer->post_attention_norm = vector(maker, hidden);
        layer->pre_mlp_norm        = vector(maker, hidden);
        layer->post_mlp_norm       = vector(maker, hidden);
        layer->post_ple_norm       = vector(maker, hidden);
        layer->q_norm              = vector(maker, head);
        layer->k_norm              = own ? vector(maker, head) : NULL;
        layer->q                   = linear(maker, text->heads * head, hidden);
        if (own) {
            layer->k = linear(maker, text->kv_heads * head, hidden);
            layer->v = linear(maker, text->kv_heads * head, hidden);
        }
        layer->o              = linear(maker, hidden, text->heads * head);
        layer->gate           = linear(maker, wide, hidden);
        layer->up             = linear(maker, wide, hidden);
        layer->down           = linear(maker, hidden, wide);
        layer->ple_gate       = linear(maker, text->ple_size, hidden);
        layer->ple_projection = linear(maker, hidden, text->ple_size);
        layer->scalar         = nj_bf16_to_float(nj_float_to_bf16(0.6f + 0.05f * (float)(next(&maker->state) % 8)));
    }
}

static struct nj_clipped clipped(struct maker *maker, uint32_t rows, uint32_t cols)
{
    return (struct nj_clipped){plain(maker, rows, cols), -8, 8, -12, 12};
}

static void fill_vision(struct maker *maker, struct nj_weights *weights)
{
    const struct nj_vision_config *vision = &weights->config.vision;
    uint32_t                       hidden = vision->hidden_size, wide = vision->intermediate_size;
    weights->patch_projection   = plain(maker, hidden, vision->patch_size * vision->patch_size * 3);
    weights->feature_projection = plain(maker, weights->config.text.hidden_size, hidden);
    struct nj_matrix both       = plain(maker, 2 * vision->positions, hidden); /* the two tables lie one behind the other */
    both.rows                   = vision->positions;
    weights->position_x = weights->position_y = both;
    weights->position_y.data                  = (const uint16_t *)both.data + (size_t)both.rows * hidden;
    for (uint32_t i = 0; i < vision->layers; i++) {
        struct nj_vision_layer *layer = &weights->vision[i];
        layer->input_norm             = vector(maker, hidden);
        layer->post_attention_norm    = vector(maker, hidden);
        layer->pre_mlp_norm           = vector(maker, hidden);
        layer->post_mlp_norm          = vector(maker, hidden);
        layer->q_norm                 = vector(maker, vision->head_dim);
        layer->k_norm                 = vector(maker, vision->head_dim);
        layer->q                      = clipped(maker, hidden, hidden);
        layer->k                      = clipped(maker, hidden, hidden);
        layer->v                      = clipped(maker, hidden, hidden);
        layer->o                      = clipped(maker, hidden, hidden);
        layer->gate                   = clipped(maker, wide, hidden);
        layer->up                     = clipped(maker, wide, hidden);
        layer->down                   = clipped(maker, hidden, wide);
    }
}

static nj_status make_sources(struct maker *maker, const struct nj_config *config, struct nj_error *error)
{
    size_t    most  = (size_t)config->text.intermediate_size[0] * config->text.hidden_size / GROUP;
    uint64_t *words = allocate(maker, WORDS_BYTES);
    maker->scales = allocate(maker, 2 * most + (size_t)config->text.layers * config->text.ple_size * config->text.hidden_size / GROUP * 2);
    maker->values_file = memfd_create("nightjar-random", MFD_CLOEXEC);
    if (maker->failed || maker->values_file < 0 || ftruncate(maker->values_file, (off_t)VALUES_BYTES) != 0)
        return nj_fail(error, "no memory for random weights");
    uint16_t *values = mmap(NULL, VALUES_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, maker->values_file, 0);
    if (values == MAP_FAILED)
        return nj_fail_errno(error, errno, "no memory for random weights");
    maker->checkpoint->maps[maker->checkpoint->map_count++] = (struct nj_map){(const uint8_t *)values, VALUES_BYTES};
    for (size_t i = 0; i < WORDS_BYTES / 8; i++)
        words[i] = next(&maker->state);
    for (size_t i = 0; i < VALUES_BYTES / 2; i++)
        values[i] = nj_float_to_bf16(0.02f * normal(&maker->state));
    for (size_t i = 0; i < most + (size_t)config->text.layers * config->text.ple_size * config->text.hidden_size / GROUP; i++)
        maker->scales[i] = nj_float_to_bf16(0.004f * (1 + 0.25f * normal(&maker->state)));
    maker->words  = (const uint8_t *)words;
    maker->values = (const uint8_t *)values;
    return NJ_OK;
}

static nj_status fill(struct maker *maker, struct nj_weights *weights, struct nj_error *error)
{
    struct nj_checkpoint *checkpoint = maker->checkpoint;
    checkpoint->kind                 = NJ_KIND_RANDOM;
    checkpoint->config               = whole_config(maker->large);
    checkpoint->maps                 = calloc(4, sizeof *checkpoint->maps);
    snprintf(checkpoint->path, sizeof checkpoint->path, "random weights, %s", maker->large ? "e4b" : "tiny");
    if (!checkpoint->config || !checkpoint->maps)
        return nj_fail(error, "no memory for a random model");
    NJ_TRY(nj_config_parse(checkpoint->config, NULL, &weights->config, error));
    if (maker->large)
        NJ_TRY(make_sources(maker, &weights->config, error));
    fill_text(maker, weights);
    fill_vision(maker, weights);
    return maker->failed ? nj_fail(error, "no memory for random weights") : NJ_OK;
}

nj_status nj_random_open(const char *kind, uint64_t seed, struct nj_weights **out, struct nj_error *error)
{
    bool large = !strcmp(kind, "e4b");
    *out       = NULL;
    if (!large && strcmp(kind, "tiny"))
        return nj_fail(error, "%s: no such random model; there are tiny and e4b", kind);
    struct nj_weights *weights = calloc(1, sizeof *weights);
    if (!weights || !(weights->checkpoint = calloc(1, sizeof *weights->checkpoint))) {
        free(weights);
        return nj_fail(error, "no memory for a random model");
    }
    struct maker maker  = {.checkpoint = weights->checkpoint, .state = seed, .large = large, .values_file = -1};
    nj_status    status = fill(&maker, weights, error);
    if (maker.values_file >= 0)
        close(maker.values_file);
    if (status == NJ_OK)
        *out = weights;
    else
        nj_weights_close(weights);
    return status;
}
