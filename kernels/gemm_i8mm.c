/* int4 weights x 16-bit and 8-bit activations by SMMLA. 16-bit activations are two int8 planes, 256 h + l. One to four tokens go the way of SDOT
 * (gemm_dotprod.c): there memory rules, not arithmetic.
 *
 * Opened weights: [8 columns][pair of rows][2 rows][8 columns]. */
#include "kernels/loop_i8mm.h"

static void open_chunk(const uint8_t *blocks, uint32_t cols, void *opened)
{
    uint8_t *out = opened;
    for (uint32_t j = 0; j < cols / 8; j++, blocks += 64, out += 128) {
        NJ_UNROLL
        for (int i = 0; i < 4; i++) {
            uint8x16_t v     = vld1q_u8(blocks + 16 * i);
            uint32x4_t first = vreinterpretq_u32_u8(vandq_u8(v, vdupq_n_u8(15))), last = vreinterpretq_u32_u8(vshrq_n_u8(v, 4));
            vst1q_u8(out + 32 * i, vreinterpretq_u8_u32(vzip1q_u32(first, last)));
            vst1q_u8(out + 32 * i + 16, vreinterpretq_u8_u32(vzip2q_u32(first, last)));
        }
    }
}

NJ_INLINE void flush(int32x4_t sum0, int32x4_t sum1, int32_t start, const float *w_scale, float a_scale, bool fresh, float *sums)
{
    nj_flush_neon(vaddq_s32(sum0, vdupq_n_s32(start)), vaddq_s32(sum1, vdupq_n_s32(start)), w_scale, a_scale, fresh, sums);
}

/* What one group adds to eight rows of n tokens: n <= 4 in two planes, or n <= 8 in one. */
NJ_INLINE void group_8xn(const uint32_t planes, const int8_t *w, const int8_t *x, uint32_t group, const int32_t *start,
                         const float *w_scale, const float *a_scale, uint32_t n, bool fresh, float *sums)
{
    const uint32_t pairs = OPERANDS / planes;
    int32x4_t      sum[OPERANDS][4];
    nj_products_i8mm(128, w, x, group / 8, sum);
    NJ_UNROLL
    for (uint32_t o = 0; o < pairs; o++) {
        if (planes == 2) {
            NJ_UNROLL
            for (uint32_t i = 0; i < 4; i++)
                sum[o][i] = vaddq_s32(vshlq_n_s32(sum[o][i], 8), sum[2 + o][i]);
        }
        const uint32_t even = 2 * o, odd = 2 * o + 1;
        if (even < n)
            flush(vuzp1q_s32(sum[o][0], sum[o][1]), vuzp1q_s32(sum[o][2], sum[o][3]), start[even], w_scale, a_scale[even], fresh,
                  sums + 32 * even);
        if (odd < n)
            flush(vuzp2q_s32(sum[o][0], sum[o][1]), vuzp2q_s32(sum[o][2], sum[o][3]), start[odd], w_scale, a_scale[odd], fresh,
                  sums + 32 * odd);
    }
}

__attribute__((noinline)) static void group16_8x4(const int8_t *w, const int8_t *x, uint32_t group, const int32_t *start,
                                                  const float *w_scale, const float *a_scale, uint32_t n, bool fresh, float *sums)
{
    group_8xn(2, w, x, group, start, w_scale, a_scale, n, fresh, sums);
}

__attribute__((noinline)) static void group8_8x8(const int8_t *w, const int8_t *x, uint32_t group, const int32_t *start,
                                                 const float *w_scale, const float *a_scale, uint32_t n, bool fresh, float *sums)
{
    group_8xn(1, w, x, group, start, w_scale, a_scale, n, fresh, sums);
}

NJ_INLINE void tile_8xn(const uint32_t planes, const struct nj_tile *tile)
{
    _Alignas(16) int8_t x[NJ_PAIRED_BYTES];
    for (uint32_t g = 0; g < tile->groups; g++) {
        nj_pair_group(planes, tile, g, x);
        for (uint32_t p = 0; p < tile->panels; p++)
            for (uint32_t half = 0; half < 2; half++)
                (planes == 2 ? group16_8x4 : group8_8x8)(
                    (const int8_t *)tile->opened + p * NJ_OPENED_BYTES + (size_t)g * tile->group * 16 + 64 * half, x, tile->group,
                    tile->start + g * tile->tokens, tile->w_scale + (p * tile->groups + g) * 16 + 8 * half,
                    tile->a_scale + g * tile->tokens, tile->width, tile->fresh && g == 0, tile->sums + p * 16 + 8 * half);
    }
}

static void tile16_8x4(const struct nj_tile *tile)
{
    tile_8xn(2, tile);
}

static void tile8_8x8(const struct nj_tile *tile)
{
    tile_8xn(1, tile);
}

static const struct nj_gemm_form form16 = {open_chunk, tile16_8x4, nj_direct16_dotprod, nj_store_neon, nj_store_gelu_up_neon, 4};
static const struct nj_gemm_form form8  = {open_chunk, tile8_8x8, nj_direct8_dotprod, nj_store_neon, nj_store_gelu_up_neon, 4};

void nj_w4a16_gemm_8x4_i8mm(const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                            void *scratch)
{
    nj_gemm_run(&form16, w, a, first, panels, out, stride, scratch);
}

void nj_w4a16_gelu_up_8x4_i8mm(const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a, uint32_t first, uint32_t panels,
                               float *out, size_t stride, void *scratch)
{
    nj_gemm_run_gelu_up(&form16, gate, up, a, first, panels, out, stride, scratch);
}

void nj_w4a8_gemm_8x8_i8mm(const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                           void *scratch)
{
    nj_gemm_run(&form8, w, a, first, panels, out, stride, scratch);
}

void nj_w4a8_gelu_up_8x8_i8mm(const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a, uint32_t first, uint32_t panels,
                              float *out, size_t stride, void *scratch)
{
    nj_gemm_run_gelu_up(&form8, gate, up, a, first, panels, out, stride, scratch);
}

/* ---- plain matrices in 7 bits: SMMLA takes 1..127 as it takes 0..15 ---- */
static void open_plain_bytes(const struct nj_plain *w, const struct nj_act *a, uint32_t panel, uint32_t chunk, void *opened, float *scales)
{
    for (uint32_t g = 0; g < nj_act_chunk_cols(a, chunk) / a->group; g++)
        for (uint32_t r = 0; r < 16; r++) {
            int16_t q[128];
            int8_t *to         = (int8_t *)opened + g * a->group * 16 + r * 8;
            scales[g * 16 + r] = nj_open_group_neon(w, panel * 16 + r, chunk * NJ_ACT_CHUNK + g * a->group, a->group, NJ_PLAIN_LIMIT_7, q);
            for (uint32_t c = 0; c < a->group; c += 8, to += 128)
                vst1_s8(to, vadd_s8(vmovn_s16(vld1q_s16(q + c)), vdup_n_s8(64)));
        }
}

void nj_w7a8_gemm_8x8_i8mm(const struct nj_plain *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                           void *scratch)
{
    nj_gemm_run_plain(&form8, open_plain_bytes, w, a, first, panels, out, stride, scratch);
}
