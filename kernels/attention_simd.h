/* attention_simd.h: attention for vectors of any width (simd.h): NJ_ROWS rows against blocks of keys with a running maximum. The including file defines
 * NJ_ROWS and NJ_SIXTEENS, how many blocks of 16 slots are scored at once (6 and 1 where there are 16 registers of eight).
 *
 * Scores are kept in powers of two: log2 e goes into the query. */
#include <math.h>

#define NJ_KEYS 192 /* one block: its scores and the results of all rows stay in the first-level cache */
#define NJ_WIDE (16 / NJ_LANES)

struct block {
    float *q;                /* [head_dim][rows] */
    float *scores;           /* [rows][NJ_KEYS] */
    float *out;              /* [head_dim / 16][rows][16], not yet divided by `sum` */
    float  largest[NJ_ROWS]; /* running maximum, -infinity before the first key */
    float  sum[NJ_ROWS];
    float  shrink[NJ_ROWS]; /* what the results so far are multiplied with when the maximum grows */
};

/* scores[row][0 .. 16 * sixteens) of neighbouring blocks of 16 slots */
NJ_INLINE void score(const int n, const int sixteens, enum nj_number format, const struct nj_kv *kv, const size_t *slots, const float *q,
                     float *scores)
{
    nj_v sum[NJ_ROWS][NJ_SIXTEENS * NJ_WIDE];
    NJ_UNROLL
    for (int r = 0; r < n; r++) {
        NJ_UNROLL
        for (int i = 0; i < sixteens * NJ_WIDE; i++)
            sum[r][i] = nj_v_set(0);
    }
    for (uint32_t d = 0; d < kv->head_dim; d++, q += n) {
        nj_v key[NJ_SIXTEENS * NJ_WIDE];
        NJ_UNROLL
        for (int i = 0; i < sixteens * NJ_WIDE; i++)
            key[i] =
                nj_v_load_number(kv->keys, format, slots[i / NJ_WIDE] * kv->head_dim + (size_t)d * 16 + (size_t)(i % NJ_WIDE) * NJ_LANES);
        NJ_UNROLL
        for (int r = 0; r < n; r++) {
            nj_s x = nj_s_load(q + r);
            NJ_UNROLL
            for (int i = 0; i < sixteens * NJ_WIDE; i++)
                sum[r][i] = nj_v_fma_s(key[i], x, sum[r][i]);
        }
    }
    NJ_UNROLL
    for (int r = 0; r < n; r++) {
        NJ_UNROLL
        for (int i = 0; i < sixteens * NJ_WIDE; i++)
            nj_v_store(scores + r * NJ_KEYS + i * NJ_LANES, sum[r][i]);
    }
}

NJ_INLINE void score_all(const int n, enum nj_number format, const struct nj_kv *kv, const size_t *slots, uint32_t sixteens,
                         const struct block *b)
{
    uint32_t i = 0;
    for (; i + NJ_SIXTEENS <= sixteens; i += NJ_SIXTEENS)
        score(n, NJ_SIXTEENS, format, kv, slots + i, b->q, b->scores + i * 16);
    for (; i < sixteens; i++)
        score(n, 1, format, kv, slots + i, b->q, b->scores + i * 16);
}

/* out[row][16 dimensions] = out * shrink + sum over the block of score * value, for `parts` parts of 16 dimensions */
NJ_INLINE void values(const int n, const int parts, enum nj_number format, const struct nj_kv *kv, const size_t *slots, uint32_t sixteens,
                      uint32_t part, const struct block *b)
{
    float *out = b->out + (size_t)part * 16 * (size_t)n;
    nj_v   sum[NJ_ROWS][NJ_SIXTEENS * NJ_WIDE];
    NJ_UNROLL
    for (int r = 0; r < n; r++) {
        NJ_UNROLL
        for (int i = 0; i < parts * NJ_WIDE; i++)
            sum[r][i] = nj_v_mul(nj_v_load(out + (i / NJ_WIDE * n + r) * 16 + i % NJ_WIDE * NJ_LANES), nj_v_set(b->shrink[r]));
    }
    for (uint32_t sixteen = 0; sixteen < sixteens; sixteen++) {
        size_t       at = slots[sixteen] * kv->head_dim + (size_t)part * 256;
        const float *p  = b->scores + sixteen * 16;
        for (int s = 0; s < 16; s++, at += 16, p++) {
            nj_v value[NJ_SIXTEENS * NJ_WIDE];
            NJ_UNROLL
            for (int i = 0; i < parts * NJ_WIDE; i++)
                value[i] = nj_v_load_number(kv->values, format, at + (size_t)(i / NJ_WIDE) * 256 + (size_t)(i % NJ_WIDE) * NJ_LANES);
            NJ_UNROLL
            for (int r = 0; r < n; r++) {
                nj_s x = nj_s_load(p + r * NJ_KEYS);
                NJ_UNROLL
                for (int i = 0; i < parts * NJ_WIDE; i++)
                    sum[r][i] = nj_v_fma_s(value[i], x, sum[r][i]);
            }
        }
    }
    NJ_UNROLL
    for (int r = 0; r < n; r++) {
        NJ_UNROLL
        for (int i = 0; i < parts * NJ_WIDE; i++)
            nj_v_store(out + (i / NJ_WIDE * n + r) * 16 + i % NJ_WIDE * NJ_LANES, sum[r][i]);
    }
}

/* Scores of one row become powers of two; the row's maximum and sum move on. */
static void soften(struct block *b, int row, uint32_t count)
{
    float *p    = b->scores + (size_t)row * NJ_KEYS;
    nj_v   most = nj_v_load(p), sum = nj_v_set(0);
    for (uint32_t i = NJ_LANES; i < count; i += NJ_LANES)
        most = nj_v_max(most, nj_v_load(p + i));
    float largest = fmaxf(b->largest[row], nj_v_most(most));
    if (largest == -INFINITY) { /* nothing seen yet */
        for (uint32_t i = 0; i < count; i += NJ_LANES)
            nj_v_store(p + i, nj_v_set(0));
        b->shrink[row] = 1;
        return;
    }
    for (uint32_t i = 0; i < count; i += NJ_LANES) {
        nj_v e = nj_v_exp2_or_zero(nj_v_sub(nj_v_load(p + i), nj_v_set(largest)));
        nj_v_store(p + i, e);
        sum = nj_v_add(sum, e);
    }
    b->shrink[row]  = exp2f(b->largest[row] - largest);
    b->sum[row]     = b->sum[row] * b->shrink[row] + nj_v_sum(sum);
    b->largest[row] = largest;
}

static void hide(float *p, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        p[i] = -INFINITY;
}

/* One block of keys: scores are in place and what a row does not see is -infinity. */
NJ_INLINE void take(const int n, enum nj_number format, const struct nj_kv *kv, const size_t *slots, uint32_t sixteens, struct block *b)
{
    uint32_t part = 0;
    for (int r = 0; r < n; r++)
        soften(b, r, sixteens * 16);
    for (; part + NJ_SIXTEENS <= kv->head_dim / 16; part += NJ_SIXTEENS)
        values(n, NJ_SIXTEENS, format, kv, slots, sixteens, part, b);
    for (; part < kv->head_dim / 16; part++)
        values(n, 1, format, kv, slots, sixteens, part, b);
}

NJ_INLINE void see_positions(const int n, enum nj_number format, const struct nj_attention *job, const struct nj_span *spans,
                             struct block *b)
{
    const struct nj_kv *kv   = job->kv;
    uint32_t            from = UINT32_MAX, to = 0;
    for (int r = 0; r < n; r++)
        if (spans[r].from < spans[r].to) {
            from = spans[r].from < from ? spans[r].from : from;
            to   = spans[r].to > to ? spans[r].to : to;
        }
    for (uint32_t begin = from / 16 * 16; begin < to; begin += NJ_KEYS) {
        size_t   slots[NJ_KEYS / 16];
        uint32_t end = to - begin < NJ_KEYS ? to : begin + NJ_KEYS, sixteens = (end - begin + 15) / 16;
        for (uint32_t i = 0; i < sixteens; i++)
            slots[i] = (begin + i * 16) % kv->slots;
        score_all(n, format, kv, slots, sixteens, b);
        for (int r = 0; r < n; r++) {
            float *p = b->scores + (size_t)r * NJ_KEYS;
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

NJ_INLINE void see_extra(const int n, enum nj_number format, const struct nj_attention *job, const uint32_t *tokens, struct block *b)
{
    for (uint32_t begin = 0; begin < job->extra_count; begin += NJ_KEYS) {
        size_t   slots[NJ_KEYS / 16];
        uint32_t count = job->extra_count - begin < NJ_KEYS ? job->extra_count - begin : NJ_KEYS, sixteens = (count + 15) / 16;
        for (uint32_t i = 0; i < sixteens; i++)
            slots[i] = begin + i * 16;
        score_all(n, format, job->extra, slots, sixteens, b);
        for (int r = 0; r < n; r++) {
            const uint8_t *allow = job->allow + (size_t)tokens[r] * job->extra_count + begin;
            float         *p     = b->scores + (size_t)r * NJ_KEYS;
            for (uint32_t i = 0; i < count; i++)
                p[i] = allow[i] ? p[i] : -INFINITY;
            hide(p, count, sixteens * 16);
        }
        take(n, format, job->extra, slots, sixteens, b);
    }
}

/* Rows [first, first + n). */
NJ_INLINE void attend(const int n, const struct nj_attention *job, uint32_t first, float *scratch)
{
    const uint32_t dim = (job->kv ? job->kv : job->extra)->head_dim;
    struct block b = {.out = scratch, .scores = scratch + (size_t)dim * NJ_ROWS, .q = scratch + (size_t)dim * NJ_ROWS + NJ_ROWS * NJ_KEYS};
    struct nj_span spans[NJ_ROWS];
    uint32_t       tokens[NJ_ROWS];
    for (int r = 0; r < n; r++) {
        tokens[r]      = (first + (uint32_t)r) / job->group_heads;
        spans[r]       = job->kv ? nj_visible(job, tokens[r]) : (struct nj_span){0, 0};
        b.largest[r]   = -INFINITY;
        const float *q = job->q + tokens[r] * job->q_stride + (size_t)((first + (uint32_t)r) % job->group_heads) * dim;
        for (uint32_t d = 0; d < dim; d++)
            b.q[d * (uint32_t)n + (uint32_t)r] = q[d] * NJ_LOG2_E;
    }
    for (size_t i = 0; i < (size_t)dim * (size_t)n; i += NJ_LANES)
        nj_v_store(b.out + i, nj_v_set(0));
    if (job->kv && job->kv->format == NJ_NUMBER_F32)
        see_positions(n, NJ_NUMBER_F32, job, spans, &b);
    else if (job->kv)
        see_positions(n, NJ_NUMBER_F16, job, spans, &b);
    if (job->extra && job->extra->format == NJ_NUMBER_F32)
        see_extra(n, NJ_NUMBER_F32, job, tokens, &b);
    else if (job->extra)
        see_extra(n, NJ_NUMBER_F16, job, tokens, &b);
    for (int r = 0; r < n; r++) {
        nj_v   share = nj_v_set(b.sum[r] > 0 ? 1 / b.sum[r] : 0);
        float *out   = job->out + tokens[r] * job->out_stride + (size_t)((first + (uint32_t)r) % job->group_heads) * dim;
        for (uint32_t d = 0; d < dim; d += NJ_LANES)
            nj_v_store(out + d, nj_v_mul(nj_v_load(b.out + (d / 16 * (uint32_t)n + (uint32_t)r) * 16 + d % 16), share));
    }
}

/* Rounds through fp16 in whole vectors; the scattered stores of a key are what is left. */
nj_kv_write_fn NJ_FORM(kv_write);
void           NJ_FORM(kv_write)(const struct nj_kv *kv, uint32_t position, const float *key, const float *value)
{
    const size_t slot = position % kv->slots, dim = kv->head_dim;
    const size_t keys = slot / 16 * dim * 16 + slot % 16, to = slot / 16 * dim * 16 + slot % 16 * 16;
    for (size_t d = 0; d < dim; d += NJ_LANES) {
        nj_v v = nj_v_load(value + d);
        if (kv->format == NJ_NUMBER_F32) {
            nj_v_store((float *)kv->values + to + d / 16 * 256 + d % 16, v);
            for (size_t i = 0; i < NJ_LANES; i++)
                ((float *)kv->keys)[keys + (d + i) * 16] = key[d + i];
        } else {
            uint16_t halves[NJ_LANES];
            nj_v_store_f16((uint16_t *)kv->values + to + d / 16 * 256 + d % 16, v);
            nj_v_store_f16(halves, nj_v_load(key + d));
            for (size_t i = 0; i < NJ_LANES; i++)
                ((uint16_t *)kv->keys)[keys + (d + i) * 16] = halves[i];
        }
    }
}
