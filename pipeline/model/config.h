/* config.h: the sizes of one Gemma 4 checkpoint, read from its config.json (or GGUF metadata) and checked against its tensors.
 *
 * Nothing here is wired to E4B: every size comes from the file. Source: docs/model.md, "configuration" (the names are those of config.json). */
#ifndef NJ_MODEL_CONFIG_H
#define NJ_MODEL_CONFIG_H

#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define NJ_MAX_LAYERS        128
#define NJ_MAX_EOS           8
#define NJ_GEMMA_SOFT_TOKENS 280 /* that a picture gets where nothing else is said */

struct nj_text_config {
    uint32_t vocab_size, hidden_size, layers;
    uint32_t heads, kv_heads;                  /* the same in every layer; query head h reads KV head h / (heads / kv_heads) */
    uint32_t head_dim, global_head_dim;        /* sliding layers, full layers */
    uint32_t sliding_window;                   /* keys visible to a query of a sliding layer, itself included */
    uint32_t shared_kv_layers;                 /* the last so many layers have no K and V of their own */
    uint32_t ple_size;                         /* width of a layer's per-layer input */
    uint32_t intermediate_size[NJ_MAX_LAYERS]; /* MLP width of each layer, from the tensors */
    bool     full_attention[NJ_MAX_LAYERS];
    uint8_t  kv_source[NJ_MAX_LAYERS]; /* the layer whose K and V this layer reads; itself if it has its own */
    double   rope_theta_sliding, rope_theta_full, partial_rotary_factor;
    float    rms_norm_eps, softcap; /* softcap 0: none */
    bool     tied_embeddings;
};

struct nj_vision_config {
    uint32_t hidden_size, intermediate_size, layers, heads, head_dim;
    uint32_t patch_size, pooling_kernel, positions; /* 16, 3, rows of each position table */
    double   rope_theta;
    float    rms_norm_eps;
    bool     standardize;
};

struct nj_config {
    struct nj_text_config   text;
    struct nj_vision_config vision;                                                       /* layers == 0: no vision tower */
    int32_t                 bos_id, pad_id, image_id, boi_id, eoi_id, audio_id, video_id; /* -1 where the model has none */
    int32_t  eos_ids[NJ_MAX_EOS]; /* generation stops at any of them; spec: always 1 (eos), <turn|>, <|tool_response> where they exist */
    uint32_t eos_count;
    uint32_t default_soft_tokens;
    bool empty_thought; /* prompts without thinking end in an empty thought channel (chat.h): the checkpoint's own chat template does so */
};

/* Parses config.json (either spelling: global_head_dim, or per_layer_config of newer files) and, if not NULL, generation_config.json.
 * Sizes that only tensors tell (intermediate_size) are filled with the config's value; weights.c corrects and checks them. */
nj_status nj_config_parse(const json_t *config, const json_t *generation, struct nj_config *out, struct nj_error *error);

/* Fills kv_source from full_attention and shared_kv_layers (spec 2.7) and checks that every size is possible. */
nj_status nj_config_finish(struct nj_config *config, struct nj_error *error);

#endif
