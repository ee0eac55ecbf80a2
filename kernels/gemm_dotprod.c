/* Integer products by SDOT: four weights times four activations into one int32. 16-bit activations are two int8 planes, 256 h + l, so each
 * costs two SDOT; nibbles 0..15 are int8 as they are.
 *
 * The words of activations are taken as whole registers: four steps of n tokens are n registers, and word (step, token) is a lane of one of them. */
#include "kernels/forms_neon.h"
#include "kernels/gemm.h"
#include "kernels/loop_dotprod.h"

#define INLINE static inline __attribute__((always_inline))

/* sum += dot(w, lane `lane` of words): the lane must be a constant, so this is a macro. */
#define DOT(sum, w, words, lane) vdotq_laneq_s32(sum, w, vreinterpretq_s8_u8(words), lane)

/* The same with a lane that is constant only after unrolling. */
INLINE int32x4_t dot(int32x4_t sum, int8x16_t w, uint8x16_t words, int lane)
{
    switch (lane) {
    case 0:
        return DOT(sum, w, words, 0);
    case 1:
        return DOT(sum, w, words, 1);
    case 2:
        return DOT(sum, w, words, 2);
    default:
        return DOT(sum, w, words, 3);
    }
}

FULL_LOOP(full_loop_16, 64, 16)
FULL_LOOP(full_loop_32, 64, 32)

/* ---- 16-bit activations, opened weights: eight rows (half a panel) x n tokens of one group ---- */
INLINE void group16_8xn(const int n, const int8_t *w, const uint8_t *high, uint32_t group, const int32_t *start, const float *w_scale,
                        const float *a_scale, bool fresh, float *sums)
{
    const uint8_t *low = high + (size_t)group * (size_t)n;
    int32x4_t      h[4][2], l[4][2];
    NJ_UNROLL
    for (int t = 0; t < n; t++) {
        h[t][0] = h[t][1] = vdupq_n_s32(0);
        l[t][0] = l[t][1] = vdupq_n_s32(start[t]);
    }
    for (uint32_t c = 0; c < group; c += 16, w += 256, high += 16 * n, low += 16 * n) {
        NJ_UNROLL
        for (int step = 0; step < 4; step++) {
            int8x16_t w0 = vld1q_s8(w + 64 * step), w1 = vld1q_s8(w + 64 * step + 16);
            NJ_UNROLL
            for (int t = 0; t < n; t++) {
                int        at = step * n + t;
                uint8x16_t xh = vld1q_u8(high + 16 * (at / 4)), xl = vld1q_u8(low + 16 * (at / 4));
                h[t][0] = dot(h[t][0], w0, xh, at % 4);
                h[t][1] = dot(h[t][1], w1, xh, at % 4);
                l[t][0] = dot(l[t][0], w0, xl, at % 4);
                l[t][1] = dot(l[t][1], w1, xl, at % 4);
            }
        }
    }
    NJ_UNROLL
    for (int t = 0; t < n; t++)
        nj_flush_neon(vaddq_s32(vshlq_n_s32(h[t][0], 8), l[t][0]), vaddq_s32(vshlq_n_s32(h[t][1], 8), l[t][1]), w_scale, a_scale[t], fresh,
                      sums + 32 * t);
}

/* The same for a full tile of four. */
__attribute__((noinline)) static void group16_8x4(const int8_t *w, const uint8_t *high, uint32_t group, const int32_t *start,
                                                  const float *w_scale, const float *a_scale, bool fresh, float *sums)
{
    int32x4_t total[16];
    full_loop_16(w, high, high + (size_t)group * 4, group / 16, total);
    NJ_UNROLL
    for (int t = 0; t < 4; t++) {
        int32x4_t from = vdupq_n_s32(start[t]);
        nj_flush_neon(vaddq_s32(vshlq_n_s32(total[2 * t], 8), vaddq_s32(total[8 + 2 * t], from)),
                      vaddq_s32(vshlq_n_s32(total[2 * t + 1], 8), vaddq_s32(total[9 + 2 * t], from)), w_scale, a_scale[t], fresh,
                      sums + 32 * t);
    }
}

INLINE void tile16_8xn(const int n, const struct nj_tile *tile)
{
    for (uint32_t g = 0; g < tile->groups; g++)
        for (uint32_t p = 0; p < tile->panels; p++)
            for (uint32_t half = 0; half < 2; half++) {
                const int8_t  *w     = (const int8_t *)tile->opened + p * NJ_OPENED_BYTES + g * tile->group * 16 + 32 * half;
                const uint8_t *words = tile->words + (size_t)g * tile->group * (size_t)n * 2;
                const int32_t *start = tile->start + g * tile->tokens;
                const float *w_scale = tile->w_scale + (p * tile->groups + g) * 16 + 8 * half, *a_scale = tile->a_scale + g * tile->tokens;
                if (n == 4)
                    group16_8x4(w, words, tile->group, start, w_scale, a_scale, tile->fresh && g == 0, tile->sums + p * 16 + 8 * half);
                else
                    group16_8xn(n, w, words, tile->group, start, w_scale, a_scale, tile->fresh && g == 0, tile->sums + p * 16 + 8 * half);
            }
}

static void tile16_8x4(const struct nj_tile *tile)
{
    switch (tile->width) {
    case 1:
        tile16_8xn(1, tile);
        break;
    case 2:
        tile16_8xn(2, tile);
        break;
    case 3:
        tile16_8xn(3, tile);
        break;
    default:
        tile16_8xn(4, tile);
    }
}

/* ---- direct: packed weights, one to four tokens; quads of rows at a time: four for one or two tokens, two for more ---- */
#define AHEAD 1024

INLINE void load_scales(const struct nj_direct *job, uint32_t stream, uint32_t g, float *out)
{
    size_t at = job->channel ? 0 : (size_t)g * 16;
    for (uint32_t r = 0; r < 16; r++)
        out[r] = nj_scale_value(job->scales[stream], job->scale_format, at + r);
}

INLINE void direct16_group(const int n, const int quads, const struct nj_direct *job, uint32_t stream, uint32_t g, int first)
{
    const struct nj_act *a    = job->act;
    const uint8_t       *w    = job->blocks[stream] + (size_t)g * a->group * 8 + 16 * first;
    const uint8_t       *high = a->values + (size_t)g * a->group * (size_t)n * 2, *low = high + (size_t)a->group * (size_t)n;
    int32x4_t            h[4][4], l[4][4];
    float                scales[16];
    load_scales(job, stream, g, scales);
    NJ_UNROLL
    for (int t = 0; t < n; t++) {
        NJ_UNROLL
        for (int i = 0; i < quads; i++) {
            h[t][i] = vdupq_n_s32(0);
            l[t][i] = vdupq_n_s32(a->start[g * a->tokens + (uint32_t)t]);
        }
    }
    for (uint32_t c = 0; c < a->group; c += 16, w += 128, high += 16 * n, low += 16 * n) {
        uint8x16_t xh[4], xl[4];
        NJ_UNROLL
        for (int i = 0; i < n; i++) {
            xh[i] = vld1q_u8(high + 16 * i);
            xl[i] = vld1q_u8(low + 16 * i);
        }
        if (first == 0) {
            __builtin_prefetch(w + AHEAD);
            __builtin_prefetch(w + AHEAD + 64);
        }
        NJ_UNROLL
        for (int block = 0; block < 2; block++) {
            NJ_UNROLL
            for (int i = 0; i < quads; i++) {
                uint8x16_t v  = vld1q_u8(w + 64 * block + 16 * i);
                int8x16_t  w0 = vreinterpretq_s8_u8(vandq_u8(v, vdupq_n_u8(15))), w1 = vreinterpretq_s8_u8(vshrq_n_u8(v, 4));
                NJ_UNROLL
                for (int t = 0; t < n; t++) {
                    int at0 = 2 * block * n + t, at1 = at0 + n;
                    h[t][i] = dot(h[t][i], w0, xh[at0 / 4], at0 % 4);
                    l[t][i] = dot(l[t][i], w0, xl[at0 / 4], at0 % 4);
                    h[t][i] = dot(h[t][i], w1, xh[at1 / 4], at1 % 4);
                    l[t][i] = dot(l[t][i], w1, xl[at1 / 4], at1 % 4);
                }
            }
        }
    }
    NJ_UNROLL
    for (int t = 0; t < n; t++) {
        NJ_UNROLL
        for (int i = 0; i < quads; i += 2)
            nj_flush_neon(vaddq_s32(vshlq_n_s32(h[t][i], 8), l[t][i]), vaddq_s32(vshlq_n_s32(h[t][i + 1], 8), l[t][i + 1]),
                          scales + 4 * (first + i), a->scale[g * a->tokens + (uint32_t)t], g == 0,
                          job->sums + ((size_t)stream * (size_t)n + (size_t)t) * 16 + 4 * (first + i));
    }
}

INLINE void direct16_n(const int n, const int quads, const struct nj_direct *job)
{
    for (uint32_t g = 0; g < job->act->padded / job->act->group; g++)
        for (uint32_t s = 0; s < job->streams; s++) {
            NJ_UNROLL
            for (int first = 0; first < 4; first += quads)
                direct16_group(n, quads, job, s, g, first);
        }
}

void nj_direct16_dotprod(const struct nj_direct *job)
{
    switch (job->act->tokens) {
    case 1:
        direct16_n(1, 4, job);
        break;
    case 2:
        direct16_n(2, 4, job);
        break;
    case 3:
        direct16_n(3, 2, job);
        break;
    default:
        direct16_n(4, 2, job);
    }
}

static const struct nj_gemm_form form16 = {nj_open_bytes_neon, tile16_8x4, nj_direct16_dotprod, nj_store_neon, nj_store_gelu_up_neon, 4};

void nj_w4a16_gemm_8x4_dotprod(const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                               void *scratch)
{
    nj_gemm_run(&form16, w, a, first, panels, out, stride, scratch);
}

void nj_w4a16_gelu_up_8x4_dotprod(const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a, uint32_t first, uint32_t panels,
                                  float *out, size_t stride, void *scratch)
{
    nj_gemm_run_gelu_up(&form16, gate, up, a, first, panels, out, stride, scratch);
}

/* ---- 8-bit activations ---- */
INLINE void group8_8xn(const int n, const int8_t *w, const uint8_t *words, uint32_t group, const int32_t *start, const float *w_scale,
                       const float *a_scale, bool fresh, float *sums)
{
    int32x4_t sum[8][2];
    NJ_UNROLL
    for (int t = 0; t < n; t++)
        sum[t][0] = sum[t][1] = vdupq_n_s32(start[t]);
    for (uint32_t c = 0; c < group; c += 16, w += 256, words += 16 * n) {
        NJ_UNROLL
        for (int step = 0; step < 4; step++) {
            int8x16_t w0 = vld1q_s8(w + 64 * step), w1 = vld1q_s8(w + 64 * step + 16);
            NJ_UNROLL
            for (int t = 0; t < n; t++) {
                int        at = step * n + t;
                uint8x16_t x  = vld1q_u8(words + 16 * (at / 4));
                sum[t][0]     = dot(sum[t][0], w0, x, at % 4);
                sum[t][1]     = dot(sum[t][1], w1, x, at % 4);
            }
        }
    }
    NJ_UNROLL
    for (int t = 0; t < n; t++)
        nj_flush_neon(sum[t][0], sum[t][1], w_scale, a_scale[t], fresh, sums + 32 * t);
}

/* The same for a full tile of eight. */
__attribute__((noinline)) static void group8_8x8(const int8_t *w, const uint8_t *words, uint32_t group, const int32_t *start,
                                                 const float *w_scale, const float *a_scale, bool fresh, float *sums)
{
    int32x4_t total[16];
    full_loop_32(w, words, words + 16, group / 16, total);
    NJ_UNROLL
    for (int t = 0; t < 8; t++) {
        int32x4_t from = vdupq_n_s32(start[t]);
        nj_flush_neon(vaddq_s32(total[2 * t], from), vaddq_s32(total[2 * t + 1], from), w_scale, a_scale[t], fresh, sums + 32 * t);
    }
}

INLINE void tile8_8xn(const int n, const struct nj_tile *tile)
{
    for (uint32_t g = 0; g < tile->groups; g++)
        for (uint32_t p = 0; p < tile->panels; p++)
            for (uint32_t half = 0; half < 2; half++) {
                const int8_t  *w     = (const int8_t *)tile->opened + p * NJ_OPENED_BYTES + g * tile->group * 16 + 32 * half;
                const uint8_t *words = tile->words + (size_t)g * tile->group * (size_t)n;
                const int32_t *start = tile->start + g * tile->tokens;
                const float *w_scale = tile->w_scale + (p * tile->groups + g) * 16 + 8 * half, *a_scale = tile->a_scale + g * tile->tokens;
                if (n == 8)
                    group8_8x8(w, words, tile->group, start, w_scale, a_scale, tile->fresh && g == 0, tile->sums + p * 16 + 8 * half);
                else
                    group8_8xn(n, w, words, tile->group, start, w_scale, a_scale, tile->fresh && g == 0, tile->sums + p * 16 + 8 * half);
            }
}

static void tile8_8x8(const struct nj_tile *tile)
{
    switch (tile->width) {
    case 1:
        tile8_8xn(1, tile);
        break;
    case 2:
        tile8_8xn(2, tile);
        break;
    case 3:
        tile8_8xn(3, tile);
        break;
    case 4:
        tile8_8xn(4, tile);
        break;
    case 5:
        tile8_8xn(5, tile);
        break;
    case 6:
        tile8_8xn(6, tile);
        break;
    case 7:
        tile8_8xn(7, tile);
        break;
    default:
        tile8_8xn(8, tile);
    }
}

INLINE void direct8_group(const int n, const int quads, const struct nj_direct *job, uint32_t stream, uint32_t g, int first)
{
    const struct nj_act *a     = job->act;
    const uint8_t       *w     = job->blocks[stream] + (size_t)g * a->group * 8 + 16 * first;
    const uint8_t       *words = a->values + (size_t)g * a->group * (size_t)n;
    int32x4_t            sum[4][4];
    float                scales[16];
    load_scales(job, stream, g, scales);
    NJ_UNROLL
    for (int t = 0; t < n; t++) {
        NJ_UNROLL
        for (int i = 0; i < quads; i++)
            sum[t][i] = vdupq_n_s32(a->start[g * a->tokens + (uint32_t)t]);
    }
    for (uint32_t c = 0; c < a->group; c += 16, w += 128, words += 16 * n) {
        uint8x16_t x[4];
        NJ_UNROLL
        for (int i = 0; i < n; i++)
            x[i] = vld1q_u8(words + 16 * i);
        if (first == 0) {
            __builtin_prefetch(w + AHEAD);
            __builtin_prefetch(w + AHEAD + 64);
        }
        NJ_UNROLL
        for (int block = 0; block < 2; block++) {
            NJ_UNROLL
            for (int i = 0; i < quads; i++) {
                uint8x16_t v  = vld1q_u8(w + 64 * block + 16 * i);
                int8x16_t  w0 = vreinterpretq_s8_u8(vandq_u8(v, vdupq_n_u8(15))), w1 = vreinterpretq_s8_u8(vshrq_n_u8(v, 4));
                NJ_UNROLL
                for (int t = 0; t < n; t++) {
                    int at0 = 2 * block * n + t, at1 = at0 + n;
                    sum[t][i] = dot(sum[t][i], w0, x[at0 / 4], at0 % 4);
                    sum[t][i] = dot(sum[t][i], w1, x[at1 / 4], at1 % 4);
                }
            }
        }
    }
    NJ_UNROLL
    for (int t = 0; t < n; t++) {
        NJ_UNROLL
        for (int i = 0; i < quads; i += 2)
            nj_flush_neon(sum[t][i], sum[t][i + 1], scales + 4 * (first + i), a->scale[g * a->tokens + (uint32_t)t], g == 0,
                          job->sums + ((size_t)stream * (size_t)n + (size_t)t) * 16 + 4 * (first + i));
    }
}

INLINE void direct8_n(const int n, const int quads, const struct nj_direct *job)
{
    for (uint32_t g = 0; g < job->act->padded / job->act->group; g++)
        for (uint32_t s = 0; s < job->streams; s++) {
            NJ_UNROLL
            for (int first = 0; first < 4; first += quads)
                direct8_group(n, quads, job, s, g, first);
        }
}

void nj_direct8_dotprod(const struct nj_direct *job)
{
    switch (job->act->tokens) {
    case 1:
        direct8_n(1, 4, job);
        break;
    case 2:
        direct8_n(2, 4, job);
        break;
    case 3:
        direct8_n(3, 2, job);
        break;
    default:
        direct8_n(4, 2, job);
    }
}

static const struct nj_gemm_form form8 = {nj_open_bytes_neon, tile8_8x8, nj_direct8_dotprod, nj_store_neon, nj_store_gelu_up_neon, 4};

void nj_w4a8_gemm_8x8_dotprod(const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                              void *scratch)
{
    nj_gemm_run(&form8, w, a, first, panels, out, stride, scratch);
}

void nj_w4a8_gelu_up_8x8_dotprod(const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a, uint32_t first, uint32_t panels,
                                 float *out, size_t stride, void *scratch)
{
    nj_gemm_run_gelu_up(&form8, gate, up, a, first, panels, out, stride, scratch);
}

/* ---- plain matrices in 7 bits: SDOT takes 1..127 as it takes 0..15 ---- */
static void open_plain_bytes(const struct nj_plain *w, const struct nj_act *a, uint32_t panel, uint32_t chunk, void *opened, float *scales)
{
    for (uint32_t g = 0; g < nj_act_chunk_cols(a, chunk) / a->group; g++)
        for (uint32_t r = 0; r < 16; r++) {
            int16_t q[128];
            int8_t *to         = (int8_t *)opened + g * a->group * 16 + r * 4;
            scales[g * 16 + r] = nj_open_group_neon(w, panel * 16 + r, chunk * NJ_ACT_CHUNK + g * a->group, a->group, NJ_PLAIN_LIMIT_7, q);
            for (uint32_t c = 0; c < a->group; c += 8, to += 128) {
                int32x2_t bytes = vreinterpret_s32_s8(vadd_s8(vmovn_s16(vld1q_s16(q + c)), vdup_n_s8(64)));
                vst1_lane_s32((int32_t *)(void *)to, bytes, 0);
                vst1_lane_s32((int32_t *)(void *)(to + 64), bytes, 1);
            }
        }
}

void nj_w7a8_gemm_8x8_dotprod(const struct nj_plain *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                              void *scratch)
{
    nj_gemm_run_plain(&form8, open_plain_bytes, w, a, first, panels, out, stride, scratch);
}
