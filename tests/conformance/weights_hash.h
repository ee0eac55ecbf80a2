/* weights_hash.h: SHA-256 over every value of an open checkpoint as fp32, in one fixed order, so that two forms of one model can be compared with
 * each other and with the hashes that scripts/weights-hashes.py makes with numpy. */
#ifndef NJ_TESTS_WEIGHTS_HASH_H
#define NJ_TESTS_WEIGHTS_HASH_H

#include "pipeline/model/weights.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>

#define HASH_TEXT 65

static void hash_matrix(struct sha256_ctx *hash, const struct nj_matrix *matrix)
{
    float *row = malloc((size_t)matrix->cols * sizeof *row);
    for (uint32_t i = 0; row && i < matrix->rows; i++) {
        nj_matrix_row(matrix, i, row);
        sha256_update(hash, (size_t)matrix->cols * sizeof *row, (const uint8_t *)row);
    }
    free(row);
}

static void hash_floats(struct sha256_ctx *hash, const float *values, size_t count)
{
    sha256_update(hash, count * sizeof *values, (const uint8_t *)values);
}

static void hash_end(struct sha256_ctx *hash, char text[HASH_TEXT])
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(hash, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

__attribute__((unused)) static void hash_text(const struct nj_weights *weights, char text[HASH_TEXT])
{
    const struct nj_text_config *config = &weights->config.text;
    struct sha256_ctx            hash;
    sha256_init(&hash);
    hash_matrix(&hash, &weights->embedding);
    hash_matrix(&hash, &weights->ple_embedding);
    hash_matrix(&hash, &weights->ple_projection);
    hash_matrix(&hash, &weights->head);
    hash_floats(&hash, weights->ple_norm, config->ple_size);
    hash_floats(&hash, weights->final_norm, config->hidden_size);
    for (uint32_t i = 0; i < config->layers; i++) {
        const struct nj_text_layer *layer      = &weights->layers[i];
        const struct nj_matrix     *matrices[] = {
                &layer->q, &layer->k, &layer->v, &layer->o, &layer->gate, &layer->up, &layer->down, &layer->ple_gate, &layer->ple_projection};
        const float *norms[]  = {layer->input_norm, layer->post_attention_norm, layer->pre_mlp_norm, layer->post_mlp_norm,
                                 layer->post_ple_norm};
        size_t       head_dim = config->full_attention[i] ? config->global_head_dim : config->head_dim;
        for (size_t k = 0; k < sizeof matrices / sizeof *matrices; k++)
            hash_matrix(&hash, matrices[k]);
        for (size_t k = 0; k < sizeof norms / sizeof *norms; k++)
            hash_floats(&hash, norms[k], config->hidden_size);
        hash_floats(&hash, layer->q_norm, head_dim);
        if (layer->k_norm)
            hash_floats(&hash, layer->k_norm, head_dim);
        hash_floats(&hash, &layer->scalar, 1);
    }
    hash_end(&hash, text);
}

/* "-" for a checkpoint without a vision tower. */
__attribute__((unused)) static void hash_vision(const struct nj_weights *weights, char text[HASH_TEXT])
{
    const struct nj_vision_config *config = &weights->config.vision;
    struct sha256_ctx              hash;
    if (config->layers == 0) {
        snprintf(text, HASH_TEXT, "-");
        return;
    }
    sha256_init(&hash);
    hash_matrix(&hash, &weights->patch_projection);
    hash_matrix(&hash, &weights->position_x);
    hash_matrix(&hash, &weights->position_y);
    hash_matrix(&hash, &weights->feature_projection);
    for (uint32_t i = 0; i < config->layers; i++) {
        const struct nj_vision_layer *layer     = &weights->vision[i];
        const struct nj_clipped      *clipped[] = {&layer->q, &layer->k, &layer->v, &layer->o, &layer->gate, &layer->up, &layer->down};
        const float                  *norms[] = {layer->input_norm, layer->post_attention_norm, layer->pre_mlp_norm, layer->post_mlp_norm};
        for (size_t k = 0; k < sizeof clipped / sizeof *clipped; k++) {
            hash_matrix(&hash, &clipped[k]->weight);
            hash_floats(&hash, &clipped[k]->input_min, 1);
            hash_floats(&hash, &clipped[k]->input_max, 1);
            hash_floats(&hash, &clipped[k]->output_min, 1);
            hash_floats(&hash, &clipped[k]->output_max, 1);
        }
        for (size_t k = 0; k < sizeof norms / sizeof *norms; k++)
            hash_floats(&hash, norms[k], config->hidden_size);
        hash_floats(&hash, layer->q_norm, config->head_dim);
        hash_floats(&hash, layer->k_norm, config->head_dim);
    }
    hash_end(&hash, text);
}

/* What scripts/weights-hashes.py printed for the reference checkpoints. */
__attribute__((unused)) static const struct {
    const char *name, *text, *vision;
} reference_hashes[] = {
    {"tiny-it", "4db7224e64f0fe84c8ab89a7d6aa765e63015a62a0ccc85cf5765f500a7fc814",
     "ddc59f5bf46d3ce2019f2cf352c063098c06124136e7f8bbc4bb1bacffa397ac"},
    {"tiny-pruned", "25f4e6beb20f857a3b44e7dc8b67b798694964dd4a2d6846f2c11928b4233b2d",
     "ddc59f5bf46d3ce2019f2cf352c063098c06124136e7f8bbc4bb1bacffa397ac"},
    {"tiny-text", "2e7a231744cc6949a3b74c2a5ae6bbf5c0baea31c1201366b730b92003ef6082", "-"},
    {"tiny-w4a16-g128", "759678a481e50ed1782c728b5e725eb08a5a9f3f6ac07c4f42dad5ea3ba2521c",
     "ddc59f5bf46d3ce2019f2cf352c063098c06124136e7f8bbc4bb1bacffa397ac"},
    {"tiny-w4a16-g32", "bbcb2f3c6b915ff8fad20b09664a05a5c1ecf717df9210f507131bf3423a8c74",
     "ddc59f5bf46d3ce2019f2cf352c063098c06124136e7f8bbc4bb1bacffa397ac"},
    {"tiny-w4a16-channel", "e78f0e8b2f9079230bc64280a4ba9508eb00606d407aee8fd29bfe2fbb6a8572", "-"},
};

#endif
