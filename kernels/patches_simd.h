/* patches_simd.h: attention of pictures in integers, for vectors of any width (simd.h). The including file defines NJ_ROWS, how many queries meet 32 keys
 * (or 32 dimensions) in registers, and
 *
 *     sum_pairs(steps, low, high, x, stride, sum):  for each of NJ_ROWS rows, sum[row][32 lanes] = sum over steps of
 *         (x[row * stride + 2 step], x[... + 1]) . (pair of lane in low[step][16] or, from lane 16 on, in high[step][16])
 *
 * Scores are kept in powers of two: log2 e goes into the factor of the query. */
#include "kernels/patches.h"

#include <math.h>
#include <string.h>

#define NJ_WIDE (32 / NJ_LANES)

struct rows {
    int16_t *q;             /* [rows][head_dim] */
    float   *factor;        /* [rows] score = integer * key scale * factor */
    float   *out;           /* [rows][padded dim], not yet divided by `sum` */
    float   *largest, *sum; /* [rows] of scores; of weights */
    float   *scores;        /* [NJ_ROWS][NJ_PATCH_BLOCK] */
    int16_t *weights;       /* likewise */
    uint32_t dim, padded;
};

/* out = x * factor to nearest, whole panels of 16 */
NJ_INLINE void to_i16(const float *x, uint32_t n, float factor, int16_t *out)
{
    nj_v   f = nj_v_set(factor);
    size_t i = 0;
    for (; i + 2 * NJ_LANES <= n; i += 2 * NJ_LANES)
        nj_i_store_i16(out + i, nj_v_to_i(nj_v_mul(nj_v_load(x + i), f)), nj_v_to_i(nj_v_mul(nj_v_load(x + i + NJ_LANES), f)));
    if (i < n) { /* one vector of sixteen */
        int16_t last[2 * NJ_LANES];
        nj_i_store_i16(last, nj_v_to_i(nj_v_mul(nj_v_load(x + i), f)), nj_i_zero());
        memcpy(out + i, last, NJ_LANES * sizeof *out);
    }
}

/* x in 16 bits, by its length; returns the scale. A vector that is as good as zero becomes zeros. */
NJ_INLINE float quantize_length(const float *x, uint32_t dim, int16_t *out)
{
    nj_v square = nj_v_set(0), most = nj_v_set(0);
    for (uint32_t d = 0; d < dim; d += NJ_LANES) {
        nj_v v = nj_v_load(x + d);
        square = nj_v_fma(v, v, square);
        most   = nj_v_max(most, nj_v_abs(v));
    }
    const float length = sqrtf(nj_v_sum(square)), largest = nj_v_most(most);
    const bool  zero  = !(length >= 1e-15f);
    const float scale = zero ? 0 : fmaxf(length / NJ_LENGTH_LIMIT, largest / 32767);
    to_i16(x, dim, zero ? 0 : 1 / scale, out);
    return scale;
}

static void open_keys(const struct nj_patches *job, size_t first, uint32_t count, size_t place, const struct nj_patch_block *block)
{
    const uint32_t dim = job->head_dim;
    int16_t        key[512];
    for (uint32_t t = 0; t < NJ_PATCH_BLOCK; t++) {
        int16_t *out = block->keys + (size_t)t / 16 * dim * 16 + t % 16 * 2;
        if (t < count)
            block->key_scale[t] = quantize_length(job->k + (first + t) * job->stride + place, dim, key);
        else if (t == count)
            memset(key, 0, sizeof key);
        if (t >= count)
            block->key_scale[t] = 0;
        for (uint32_t d = 0; d < dim; d += 2, out += 32)
            memcpy(out, key + d, 2 * sizeof *out);
    }
}

static void open_values(const struct nj_patches *job, size_t first, uint32_t count, size_t place, const struct nj_patch_block *block)
{
    const uint32_t padded = nj_patch_padded(job->head_dim);
    for (uint32_t d = 0; d < padded; d += 16) {
        const bool   real = d < job->head_dim;
        const float *v    = job->v + first * job->stride + place + d;
        int16_t     *out  = block->values + (size_t)d * NJ_PATCH_BLOCK, pair[2][16];
        nj_v         most[16 / NJ_LANES];
        float        inverse[16];
        for (int i = 0; i < 16 / NJ_LANES; i++)
            most[i] = nj_v_set(0);
        for (uint32_t t = 0; real && t < count; t++)
            for (int i = 0; i < 16 / NJ_LANES; i++)
                most[i] = nj_v_max(most[i], nj_v_abs(nj_v_load(v + t * job->stride + i * NJ_LANES)));
        for (int i = 0; i < 16 / NJ_LANES; i++)
            nj_v_store(block->value_scale + d + i * NJ_LANES, nj_v_mul(most[i], nj_v_set(1.0f / NJ_VALUE_LIMIT)));
        for (int i = 0; i < 16; i++)
            inverse[i] = block->value_scale[d + (uint32_t)i] >= 0x1p-96f ? 1 / block->value_scale[d + (uint32_t)i] : 0;
        for (uint32_t t = 0; t < NJ_PATCH_BLOCK; t += 2)
            for (int half = 0; half < 2; half++) {
                float product[16] = {0};
                for (int i = 0; real && t + (uint32_t)half < count && i < 16; i++)
                    product[i] = v[(t + (uint32_t)half) * job->stride + (size_t)i] * inverse[i];
                to_i16(product, 16, 1, pair[half]);
                for (int i = 0; i < 16; i++)
                    out[(t / 2 * 16 + (uint32_t)i) * 2 + (uint32_t)half] = pair[half][i];
            }
    }
}

nj_patches_open_fn NJ_FORM(patches_open);
void               NJ_FORM(patches_open)(const struct nj_patches *job, uint32_t head, uint32_t first, uint32_t blocks)
{
    for (uint32_t b = first; b < first + blocks; b++) {
        const struct nj_patch_block block = nj_patch_block(job, head, b);
        const uint32_t from = b * NJ_PATCH_BLOCK, left = job->tokens - from, count = left < NJ_PATCH_BLOCK ? left : NJ_PATCH_BLOCK;
        open_keys(job, from, count, (size_t)head * job->head_dim, &block);
        open_values(job, from, count, (size_t)head * job->head_dim, &block);
    }
}

/* scores = integer * key scale, for `keys` keys (a multiple of 32), and nothing from `count` on. */
NJ_INLINE void score(const struct nj_patch_block *block, const struct rows *rows, uint32_t row, uint32_t count, uint32_t keys)
{
    for (uint32_t key = 0; key < keys; key += 32) {
        nj_i           sum[NJ_ROWS][NJ_WIDE];
        const int16_t *low = block->keys + (size_t)key * rows->dim;
        sum_pairs(rows->dim / 2, low, low + 16 * (size_t)rows->dim, rows->q + (size_t)row * rows->dim, rows->dim, sum);
        NJ_UNROLL
        for (int i = 0; i < NJ_WIDE; i++) {
            nj_v scale = nj_v_load(block->key_scale + key + i * NJ_LANES);
            NJ_UNROLL
            for (int r = 0; r < NJ_ROWS; r++)
                nj_v_store(rows->scores + (size_t)r * NJ_PATCH_BLOCK + key + i * NJ_LANES, nj_v_mul(nj_i_to_v(sum[r][i]), scale));
        }
    }
    for (int r = 0; r < NJ_ROWS && count < keys; r++)
        for (uint32_t key = count; key < keys; key++)
            rows->scores[(size_t)r * NJ_PATCH_BLOCK + key] = -1e30f;
}

/* 2^x for -2 <= x <= 13, relative error below 2^-18; what is smaller rounds to zero anyway. Adding 3 * 2^22 leaves the whole part of x in the last bits. */
NJ_INLINE nj_v exp2_of_weight(nj_v x)
{
    x      = nj_v_max(x, nj_v_set(-2));
    nj_v t = nj_v_add(x, nj_v_set(0x1.8p23f)), f = nj_v_sub(x, nj_v_sub(t, nj_v_set(0x1.8p23f)));
    nj_v sum = nj_v_fma(nj_v_set(9.5701019e-3f), f, nj_v_set(5.5917860e-2f));
    sum      = nj_v_fma(sum, f, nj_v_set(2.4024745e-1f));
    sum      = nj_v_fma(sum, f, nj_v_set(6.9312181e-1f));
    sum      = nj_v_fma(sum, f, nj_v_set(9.9999926e-1f));
    return nj_v_shift(sum, t);
}

/* Scores of one row become integer weights, 8191 for the largest; its maximum and sum move on. What the results so far, and those of this block, are to be
 * multiplied with: one of the two is 1. */
NJ_INLINE void weigh(const struct rows *rows, uint32_t row, int r, uint32_t keys, float *shrink, float *weight)
{
    const float *scores  = rows->scores + (size_t)r * NJ_PATCH_BLOCK;
    int16_t     *weights = rows->weights + (size_t)r * NJ_PATCH_BLOCK;
    const nj_v   factor  = nj_v_set(rows->factor[row]);
    nj_v         most[2] = {nj_v_load(scores), nj_v_load(scores + NJ_LANES)};
    nj_i         sum[2]  = {nj_i_zero(), nj_i_zero()};
    for (uint32_t i = 0; i < keys; i += 32) {
        NJ_UNROLL
        for (int j = 0; j < NJ_WIDE; j++)
            most[j % 2] = nj_v_max(most[j % 2], nj_v_load(scores + i + j * NJ_LANES));
    }
    const float top  = nj_v_most(nj_v_max(most[0], most[1])) * rows->factor[row];
    const nj_v  move = nj_v_set(12.999824f - top); /* log2 8191 */
    for (uint32_t i = 0; i < keys; i += 32) {
        nj_i w[NJ_WIDE];
        NJ_UNROLL
        for (int j = 0; j < NJ_WIDE; j++) {
            w[j]       = nj_v_to_i(exp2_of_weight(nj_v_fma(nj_v_load(scores + i + j * NJ_LANES), factor, move)));
            sum[j % 2] = nj_i_add(sum[j % 2], w[j]);
        }
        NJ_UNROLL
        for (int j = 0; j < NJ_WIDE; j += 2)
            nj_i_store_i16(weights + i + j * NJ_LANES, w[j], w[j + 1]);
    }
    const float older = rows->largest[row], change = nj_v_lane(nj_v_exp2_or_zero(nj_v_set(-fabsf(top - older))));
    *shrink            = top > older ? change : 1;
    *weight            = top > older ? 1 : change;
    rows->largest[row] = top > older ? top : older;
    rows->sum[row]     = rows->sum[row] * *shrink + nj_v_sum(nj_i_to_v(nj_i_add(sum[0], sum[1]))) * *weight;
}

/* out = out * shrink + weight * (sum of integer weight * value) * value scale */
NJ_INLINE void add_values(const struct nj_patch_block *block, const struct rows *rows, uint32_t row, uint32_t keys, const float *shrink,
                          const float *weight)
{
    for (uint32_t d = 0; d < rows->padded; d += 32) {
        nj_i           sum[NJ_ROWS][NJ_WIDE];
        const int16_t *low = block->values + (size_t)d * NJ_PATCH_BLOCK;
        sum_pairs(keys / 2, low, low + 16 * NJ_PATCH_BLOCK, rows->weights, NJ_PATCH_BLOCK, sum);
        NJ_UNROLL
        for (int i = 0; i < NJ_WIDE; i++) {
            nj_v scale = nj_v_load(block->value_scale + d + i * NJ_LANES);
            NJ_UNROLL
            for (int r = 0; r < NJ_ROWS; r++) {
                float *out = rows->out + (size_t)(row + (uint32_t)r) * rows->padded + d + i * NJ_LANES;
                nj_v   old = nj_v_mul(nj_v_load(out), nj_v_set(shrink[r]));
                nj_v_store(out, nj_v_fma(nj_i_to_v(sum[r][i]), nj_v_mul(scale, nj_v_set(weight[r])), old));
            }
        }
    }
}

static void meet(const struct nj_patch_block *block, const struct rows *rows, uint32_t row, uint32_t count)
{
    const uint32_t keys = (count + 31) / 32 * 32;
    float          shrink[NJ_ROWS], weight[NJ_ROWS];
    score(block, rows, row, count, keys);
    for (int r = 0; r < NJ_ROWS; r++)
        weigh(rows, row + (uint32_t)r, r, keys, &shrink[r], &weight[r]);
    add_values(block, rows, row, keys, shrink, weight);
}

/* At most NJ_PATCH_QUERIES rows. */
static void attend(const struct nj_patches *job, uint32_t head, uint32_t first, uint32_t count, struct rows *rows)
{
    const size_t   place = (size_t)head * job->head_dim;
    const uint32_t whole = (count + NJ_ROWS - 1) / NJ_ROWS * NJ_ROWS; /* rows behind the last are zeros, and forgotten */
    memset(rows->q + (size_t)count * rows->dim, 0, (whole - count) * (size_t)rows->dim * sizeof *rows->q);
    memset(rows->out, 0, (size_t)whole * rows->padded * sizeof *rows->out);
    for (uint32_t r = 0; r < whole; r++) {
        float scale =
            r < count ? quantize_length(job->q + (first + r) * job->stride + place, rows->dim, rows->q + (size_t)r * rows->dim) : 0;
        rows->factor[r]  = scale > 0 ? scale * NJ_LOG2_E : 1; /* of zeros: any, but what hides keys must stay far below */
        rows->largest[r] = -INFINITY;
        rows->sum[r]     = 0;
    }
    for (uint32_t b = 0; b < nj_patch_blocks(job->tokens); b++) {
        const struct nj_patch_block block = nj_patch_block(job, head, b);
        const uint32_t              left  = job->tokens - b * NJ_PATCH_BLOCK;
        for (uint32_t r = 0; r < whole; r += NJ_ROWS)
            meet(&block, rows, r, left < NJ_PATCH_BLOCK ? left : NJ_PATCH_BLOCK);
    }
    for (uint32_t r = 0; r < count; r++)
        for (uint32_t d = 0; d < rows->dim; d += NJ_LANES)
            nj_v_store(job->out + (first + r) * job->stride + place + d,
                       nj_v_mul(nj_v_load(rows->out + (size_t)r * rows->padded + d), nj_v_set(1 / rows->sum[r])));
}

nj_patches_attend_fn NJ_FORM(patches_attend);
void                 NJ_FORM(patches_attend)(const struct nj_patches *job, uint32_t head, uint32_t first, uint32_t count, void *scratch)
{
    const size_t dim = job->head_dim, padded = nj_patch_padded(job->head_dim);
    struct rows  rows = {.dim = job->head_dim, .padded = nj_patch_padded(job->head_dim), .out = scratch};
    rows.scores       = rows.out + NJ_PATCH_QUERIES * padded;
    rows.factor       = rows.scores + NJ_ROWS * NJ_PATCH_BLOCK;
    rows.largest      = rows.factor + NJ_PATCH_QUERIES;
    rows.sum          = rows.largest + NJ_PATCH_QUERIES;
    rows.q            = (int16_t *)(void *)(rows.sum + NJ_PATCH_QUERIES);
    rows.weights      = rows.q + NJ_PATCH_QUERIES * dim;
    for (uint32_t done = 0; done < count; done += NJ_PATCH_QUERIES)
        attend(job, head, first + done, count - done < NJ_PATCH_QUERIES ? count - done : NJ_PATCH_QUERIES, &rows);
}
