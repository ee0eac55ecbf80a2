/* patches.h: inside kernels/ only: where keys and values of a picture lie (kernels.h, "Attention of pictures").
 *
 * fp32: each head is a struct nj_kv over all its tokens. Integers: each head is blocks of NJ_PATCH_BLOCK tokens, one behind the other, padded with zeros:
 *
 *     keys         [block / 16][head_dim / 2][16 tokens] pairs of dimensions, int16
 *     key scale    [block] fp32
 *     values       [padded dim / 16][block / 2][16 dimensions] pairs of tokens, int16
 *     value scale  [padded dim] fp32
 *
 * A key is scaled so that its length is below 46340 = sqrt(2^31): then, by Cauchy and Schwarz, its product with a query of the same kind fits int32,
 * whatever its sums do on the way. A value has at most NJ_VALUE_LIMIT, a weight NJ_WEIGHT_LIMIT: 96 * 8191 * 2730 < 2^31. */
#ifndef NJ_KERNELS_PATCHES_H
#define NJ_KERNELS_PATCHES_H

#include "kernels/forms.h"

#define NJ_PATCH_QUERIES 192u /* rows that go through all keys together */
#define NJ_LENGTH_LIMIT  46300.0f
#define NJ_WEIGHT_LIMIT  8191
#define NJ_VALUE_LIMIT   2730

static inline uint32_t nj_patch_blocks(uint32_t tokens)
{
    return (tokens + NJ_PATCH_BLOCK - 1) / NJ_PATCH_BLOCK;
}

/* Dimensions of a value: whole panels of 32. */
static inline uint32_t nj_patch_padded(uint32_t head_dim)
{
    return (head_dim + 31) / 32 * 32;
}

struct nj_patch_block {
    int16_t *keys, *values;
    float   *key_scale, *value_scale;
};

static inline size_t nj_patch_block_bytes(uint32_t head_dim)
{
    size_t padded = nj_patch_padded(head_dim);
    return NJ_PATCH_BLOCK * (head_dim + padded) * sizeof(int16_t) + (NJ_PATCH_BLOCK + padded) * sizeof(float);
}

static inline struct nj_patch_block nj_patch_block(const struct nj_patches *job, uint32_t head, uint32_t block)
{
    const size_t padded = nj_patch_padded(job->head_dim);
    int16_t     *keys   = (int16_t *)(void *)((uint8_t *)job->memory +
                                        ((size_t)head * nj_patch_blocks(job->tokens) + block) * nj_patch_block_bytes(job->head_dim));
    int16_t     *values = keys + NJ_PATCH_BLOCK * (size_t)job->head_dim;
    float       *scales = (float *)(void *)(values + NJ_PATCH_BLOCK * padded);
    return (struct nj_patch_block){keys, values, scales, scales + NJ_PATCH_BLOCK};
}

/* ---- fp32: the general attention does the work ---- */
static inline struct nj_kv nj_patches_kv(const struct nj_patches *job, uint32_t head)
{
    uint32_t slots = nj_patch_blocks(job->tokens) * NJ_PATCH_BLOCK;
    size_t   bytes = nj_kv_bytes(slots, job->head_dim, NJ_NUMBER_F32);
    uint8_t *keys  = (uint8_t *)job->memory + head * 2 * bytes;
    return (struct nj_kv){keys, keys + bytes, NJ_NUMBER_F32, slots, job->head_dim};
}

static inline void nj_patches_open_f32(const struct nj_patches *job, uint32_t head, uint32_t first, uint32_t blocks, nj_kv_write_fn *write)
{
    const struct nj_kv kv   = nj_patches_kv(job, head);
    const size_t       zero = head * (size_t)job->head_dim, row = job->stride;
    uint32_t           from = first * NJ_PATCH_BLOCK, to = (first + blocks) * NJ_PATCH_BLOCK;
    for (uint32_t t = from; t < to && t < job->tokens; t++)
        write(&kv, t, job->k + t * row + zero, job->v + t * row + zero);
    for (size_t t = job->tokens > from ? job->tokens : from; t < to; t++) /* padding */
        for (size_t d = 0; d < kv.head_dim; d++) {
            ((float *)kv.keys)[(t / 16 * kv.head_dim + d) * 16 + t % 16]                           = 0;
            ((float *)kv.values)[t / 16 * kv.head_dim * 16 + (d / 16 * 16 + t % 16) * 16 + d % 16] = 0;
        }
}

static inline void nj_patches_attend_f32(const struct nj_patches *job, uint32_t head, uint32_t first, uint32_t rows, void *scratch,
                                         nj_attention_fn *attention)
{
    const struct nj_kv        kv  = nj_patches_kv(job, head);
    const struct nj_attention all = {.q           = job->q + head * (size_t)job->head_dim,
                                     .out         = job->out + head * (size_t)job->head_dim,
                                     .q_stride    = job->stride,
                                     .out_stride  = job->stride,
                                     .tokens      = job->tokens,
                                     .group_heads = 1,
                                     .kv          = &kv,
                                     .end         = job->tokens,
                                     .everything  = true};
    attention(&all, first, rows, scratch);
}

#endif
