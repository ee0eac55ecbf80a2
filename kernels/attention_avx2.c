/* Attention on AVX2: six rows against blocks of keys with a running maximum. Scores are kept in powers of two: log2 e goes into the query. */
#include "kernels/forms_avx2.h"
#include "kernels/math_avx2.h"

#include <math.h>

#define INLINE static inline __attribute__((always_inline))
#define ROWS   6
#define KEYS   192 /* one block: its scores and the results of six rows stay in the first-level cache */

struct block {
    float *q;             /* [head_dim][rows] */
    float *scores;        /* [rows][KEYS] */
    float *out;           /* [head_dim / 16][rows][16], not yet divided by `sum` */
    float  largest[ROWS]; /* running maximum, -infinity before the first key */
    float  sum[ROWS];
    float  shrink[ROWS]; /* what the results so far are multiplied with when the maximum grows */
};

INLINE __m256 load8(enum nj_number format, const void *numbers, size_t at)
{
    return format == NJ_NUMBER_F32 ? _mm256_load_ps((const float *)numbers + at)
                                   : _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)((const uint16_t *)numbers + at)));
}

/* scores[row][0..15] of one block of 16 slots */
INLINE void score16(const int n, enum nj_number format, const struct nj_kv *kv, size_t slot, const float *q, float *scores)
{
    size_t at = slot * kv->head_dim;
    __m256 sum[ROWS][2];
#pragma GCC unroll 6
    for (int r = 0; r < n; r++)
        sum[r][0] = sum[r][1] = _mm256_setzero_ps();
    for (uint32_t d = 0; d < kv->head_dim; d++, at += 16, q += n) {
        __m256 k0 = load8(format, kv->keys, at), k1 = load8(format, kv->keys, at + 8);
#pragma GCC unroll 6
        for (int r = 0; r < n; r++) {
            __m256 x  = _mm256_broadcast_ss(q + r);
            sum[r][0] = _mm256_fmadd_ps(k0, x, sum[r][0]);
            sum[r][1] = _mm256_fmadd_ps(k1, x, sum[r][1]);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < n; r++) {
        _mm256_store_ps(scores + r * KEYS, sum[r][0]);
        _mm256_store_ps(scores + r * KEYS + 8, sum[r][1]);
    }
}

/* out[row][16 dimensions] = out * shrink + sum over the block of score * value, for one part of 16 dimensions */
INLINE void values16(const int n, enum nj_number format, const struct nj_kv *kv, const size_t *slots, uint32_t sixteens, uint32_t part,
                     const struct block *b)
{
    float *out = b->out + (size_t)part * 16 * (size_t)n;
    __m256 sum[ROWS][2];
#pragma GCC unroll 6
    for (int r = 0; r < n; r++) {
        __m256 shrink = _mm256_broadcast_ss(&b->shrink[r]);
        sum[r][0]     = _mm256_mul_ps(_mm256_load_ps(out + 16 * r), shrink);
        sum[r][1]     = _mm256_mul_ps(_mm256_load_ps(out + 16 * r + 8), shrink);
    }
    for (uint32_t i = 0; i < sixteens; i++) {
        size_t       at = slots[i] * kv->head_dim + (size_t)part * 256;
        const float *p  = b->scores + i * 16;
        for (int s = 0; s < 16; s++, at += 16, p++) {
            __m256 v0 = load8(format, kv->values, at), v1 = load8(format, kv->values, at + 8);
#pragma GCC unroll 6
            for (int r = 0; r < n; r++) {
                __m256 x  = _mm256_broadcast_ss(p + r * KEYS);
                sum[r][0] = _mm256_fmadd_ps(v0, x, sum[r][0]);
                sum[r][1] = _mm256_fmadd_ps(v1, x, sum[r][1]);
            }
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < n; r++) {
        _mm256_store_ps(out + 16 * r, sum[r][0]);
        _mm256_store_ps(out + 16 * r + 8, sum[r][1]);
    }
}

/* Scores of one row become powers of two; the row's maximum and sum move on. */
INLINE void soften(struct block *b, int row, uint32_t count)
{
    float *p    = b->scores + (size_t)row * KEYS;
    __m256 most = _mm256_load_ps(p), sum = _mm256_setzero_ps();
    for (uint32_t i = 8; i < count; i += 8)
        most = _mm256_max_ps(most, _mm256_load_ps(p + i));
    float largest = fmaxf(b->largest[row], nj_max_avx2(most));
    if (largest == -INFINITY) { /* nothing seen yet */
        for (uint32_t i = 0; i < count; i += 8)
            _mm256_store_ps(p + i, _mm256_setzero_ps());
        b->shrink[row] = 1;
        return;
    }
    for (uint32_t i = 0; i < count; i += 8) {
        __m256 e = nj_exp2_small8(_mm256_sub_ps(_mm256_load_ps(p + i), _mm256_set1_ps(largest)));
        _mm256_store_ps(p + i, e);
        sum = _mm256_add_ps(sum, e);
    }
    b->shrink[row]  = exp2f(b->largest[row] - largest);
    b->sum[row]     = b->sum[row] * b->shrink[row] + nj_sum_avx2(sum);
    b->largest[row] = largest;
}

INLINE void hide(float *p, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        p[i] = -INFINITY;
}

/* One block of keys: scores are in place and what a row does not see is -infinity. */
INLINE void take(const int n, enum nj_number format, const struct nj_kv *kv, const size_t *slots, uint32_t sixteens, struct block *b)
{
    for (int r = 0; r < n; r++)
        soften(b, r, sixteens * 16);
    for (uint32_t part = 0; part < kv->head_dim / 16; part++)
        values16(n, format, kv, slots, sixteens, part, b);
}

INLINE void see_positions(const int n, enum nj_number format, const struct nj_attention *job, const struct nj_span *spans, struct block *b)
{
    const struct nj_kv *kv   = job->kv;
    uint32_t            from = UINT32_MAX, to = 0;
    for (int r = 0; r < n; r++)
        if (spans[r].from < spans[r].to) {
            from = spans[r].from < from ? spans[r].from : from;
            to   = spans[r].to > to ? spans[r].to : to;
        }
    for (uint32_t begin = from / 16 * 16; begin < to; begin += KEYS) {
        size_t   slots[KEYS / 16];
        uint32_t end = to - begin < KEYS ? to : begin + KEYS, sixteens = (end - begin + 15) / 16;
        for (uint32_t i = 0; i < sixteens; i++) {
            slots[i] = (begin + i * 16) % kv->slots;
            score16(n, format, kv, slots[i], b->q, b->scores + i * 16);
        }
        for (int r = 0; r < n; r++) {
            float *p = b->scores + (size_t)r * KEYS;
            if (spans[r].from >= end || spans[r].to <= begin || spans[r].from >= spans[r].to) {
                hide(p, 0, sixteens * 16);
                continue;
            }
            if (spans[r].from > begin)
                hide(p, 0, spans[r].from - begin);
            if (spans[r].to < begin + sixteens * 16)
                hide(p, spans[r].to - begin, sixteens * 16);
        }
        take(n, format, kv, slots, sixteens, b);
    }
}

INLINE void see_extra(const int n, enum nj_number format, const struct nj_attention *job, const uint32_t *tokens, struct block *b)
{
    for (uint32_t begin = 0; begin < job->extra_count; begin += KEYS) {
        size_t   slots[KEYS / 16];
        uint32_t count = job->extra_count - begin < KEYS ? job->extra_count - begin : KEYS, sixteens = (count + 15) / 16;
        for (uint32_t i = 0; i < sixteens; i++) {
            slots[i] = begin + i * 16;
            score16(n, format, job->extra, slots[i], b->q, b->scores + i * 16);
        }
        for (int r = 0; r < n; r++) {
            const uint8_t *allow = job->allow + (size_t)tokens[r] * job->extra_count + begin;
            float         *p     = b->scores + (size_t)r * KEYS;
            for (uint32_t i = 0; i < count; i++)
                p[i] = allow[i] ? p[i] : -INFINITY;
            hide(p, count, sixteens * 16);
        }
        take(n, format, job->extra, slots, sixteens, b);
    }
}

INLINE void attend(const int n, const struct nj_attention *job, uint32_t first, float *scratch)
{
    const uint32_t dim = (job->kv ? job->kv : job->extra)->head_dim;
    struct block   b   = {.out = scratch, .scores = scratch + (size_t)dim * ROWS, .q = scratch + (size_t)dim * ROWS + ROWS * KEYS};
    struct nj_span spans[ROWS];
    uint32_t       tokens[ROWS];
    for (int r = 0; r < n; r++) {
        tokens[r]      = (first + (uint32_t)r) / job->group_heads;
        spans[r]       = job->kv ? nj_visible(job, tokens[r]) : (struct nj_span){0, 0};
        b.largest[r]   = -INFINITY;
        const float *q = job->q + tokens[r] * job->q_stride + (size_t)((first + (uint32_t)r) % job->group_heads) * dim;
        for (uint32_t d = 0; d < dim; d++)
            b.q[d * (uint32_t)n + (uint32_t)r] = q[d] * NJ_LOG2_E;
    }
    for (size_t i = 0; i < (size_t)dim * (size_t)n; i += 8)
        _mm256_store_ps(b.out + i, _mm256_setzero_ps());
    if (job->kv && job->kv->format == NJ_NUMBER_F32)
        see_positions(n, NJ_NUMBER_F32, job, spans, &b);
    else if (job->kv)
        see_positions(n, NJ_NUMBER_F16, job, spans, &b);
    if (job->extra && job->extra->format == NJ_NUMBER_F32)
        see_extra(n, NJ_NUMBER_F32, job, tokens, &b);
    else if (job->extra)
        see_extra(n, NJ_NUMBER_F16, job, tokens, &b);
    for (int r = 0; r < n; r++) {
        __m256 share = _mm256_set1_ps(b.sum[r] > 0 ? 1 / b.sum[r] : 0);
        float *out   = job->out + tokens[r] * job->out_stride + (size_t)((first + (uint32_t)r) % job->group_heads) * dim;
        for (uint32_t d = 0; d < dim; d += 8)
            _mm256_storeu_ps(out + d, _mm256_mul_ps(_mm256_load_ps(b.out + (d / 16 * (uint32_t)n + (uint32_t)r) * 16 + d % 16), share));
    }
}

void nj_attention_6x192_avx2(const struct nj_attention *job, uint32_t first, uint32_t rows, void *scratch)
{
    for (; rows >= ROWS; rows -= ROWS, first += ROWS)
        attend(6, job, first, scratch);
    switch (rows) {
    case 1:
        attend(1, job, first, scratch);
        break;
    case 2:
        attend(2, job, first, scratch);
        break;
    case 3:
        attend(3, job, first, scratch);
        break;
    case 4:
        attend(4, job, first, scratch);
        break;
    case 5:
        attend(5, job, first, scratch);
        break;
    default:
        break;
    }
}

/* Rounds through fp16 in vectors of eight; the scattered stores of a key are what is left. */
void nj_kv_write_avx2(const struct nj_kv *kv, uint32_t position, const float *key, const float *value)
{
    const size_t slot = position % kv->slots, dim = kv->head_dim;
    const size_t keys = slot / 16 * dim * 16 + slot % 16, values = slot / 16 * dim * 16 + slot % 16 * 16;
    for (size_t d = 0; d < dim; d += 8) {
        size_t to = values + d / 16 * 256 + d % 16;
        __m256 k = _mm256_loadu_ps(key + d), v = _mm256_loadu_ps(value + d);
        if (kv->format == NJ_NUMBER_F32) {
            _mm256_store_ps((float *)kv->values + to, v);
            for (size_t i = 0; i < 8; i++)
                ((float *)kv->keys)[keys + (d + i) * 16] = key[d + i];
        } else {
            uint16_t halves[8];
            _mm_store_si128((__m128i *)(void *)((uint16_t *)kv->values + to), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
            _mm_storeu_si128((__m128i *)(void *)halves, _mm256_cvtps_ph(k, _MM_FROUND_TO_NEAREST_INT));
            for (size_t i = 0; i < 8; i++)
                ((uint16_t *)kv->keys)[keys + (d + i) * 16] = halves[i];
        }
    }
}
