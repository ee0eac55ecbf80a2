/* int4 weights x 16-bit and 8-bit activations by SMMLA: two rows times two tokens over eight columns in one instruction. 16-bit activations are two int8
 * planes, 256 h + l. One to four tokens go the way of SDOT (gemm_dotprod.c): there memory rules, not arithmetic.
 *
 * Opened weights: [8 columns][pair of rows][2 rows][8 columns]. The activations of one group are brought into the same shape once and meet all rows of both
 * panels: [8 columns][4 operands][2 tokens][8 columns]; the operands are the pairs of tokens 01 23 45 67, or for planes h01 h23 l01 l23. */
#include "kernels/forms_neon.h"
#include "kernels/gemm.h"

#define INLINE static inline __attribute__((always_inline))

enum { OPERANDS = 4 };

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

/* The words [step][n tokens] of one group as pairs of tokens; tokens past n become zeros. Pair i of step pair j goes to out + (j * OPERANDS + i) * 16. */
static void pair_tokens(const uint8_t *words, uint32_t group, uint32_t n, uint32_t pairs, uint8_t *out)
{
    for (uint32_t j = 0; j < group / 8; j++, words += 8 * n, out += 16 * OPERANDS)
        for (uint32_t i = 0; i < pairs; i++) {
            const uint32_t *first = (const uint32_t *)(const void *)words + 2 * i, *last = first + n;
            uint32x2_t      zero = vdup_n_u32(0), x0, x1;
            if (2 * i + 1 < n) {
                x0 = vld1_u32(first);
                x1 = vld1_u32(last);
            } else {
                x0 = 2 * i < n ? vld1_lane_u32(first, zero, 0) : zero;
                x1 = 2 * i < n ? vld1_lane_u32(last, zero, 0) : zero;
            }
            vst1q_u8(out + 16 * i, vreinterpretq_u8_u32(vcombine_u32(vzip1_u32(x0, x1), vzip2_u32(x0, x1))));
        }
}

/* sums[operand][quad of rows][even, odd token][4 rows] of eight rows over `rounds` times eight columns. */
__attribute__((noinline)) static void products_8x4(const int8_t *w, const int8_t *x, uint32_t rounds, int32_t sums[OPERANDS][2][2][4])
{
    int32x4_t sum[OPERANDS][4];
    NJ_UNROLL
    for (int o = 0; o < OPERANDS; o++) {
        NJ_UNROLL
        for (int i = 0; i < 4; i++)
            sum[o][i] = vdupq_n_s32(0);
    }
    for (uint32_t j = 0; j < rounds; j++, w += 128, x += 16 * OPERANDS) {
        int8x16_t rows[4];
        NJ_UNROLL
        for (int i = 0; i < 4; i++)
            rows[i] = vld1q_s8(w + 16 * i);
        NJ_UNROLL
        for (int o = 0; o < OPERANDS; o++) {
            int8x16_t tokens = vld1q_s8(x + 16 * o);
            NJ_UNROLL
            for (int i = 0; i < 4; i++)
                sum[o][i] = vmmlaq_s32(sum[o][i], rows[i], tokens);
        }
    }
    NJ_UNROLL
    for (int o = 0; o < OPERANDS; o++) {
        NJ_UNROLL
        for (int quad = 0; quad < 2; quad++) {
            vst1q_s32(sums[o][quad][0], vuzp1q_s32(sum[o][2 * quad], sum[o][2 * quad + 1]));
            vst1q_s32(sums[o][quad][1], vuzp2q_s32(sum[o][2 * quad], sum[o][2 * quad + 1]));
        }
    }
}

/* One tile: n <= 4 tokens in two planes, or n <= 8 in one. */
INLINE void tile_8xn(const uint32_t planes, const struct nj_tile *tile)
{
    _Alignas(16) uint8_t x[128 / 8 * OPERANDS * 16];
    const uint32_t       n = tile->width, pairs = OPERANDS / planes;
    for (uint32_t g = 0; g < tile->groups; g++) {
        const uint8_t *words = tile->words + (size_t)g * tile->group * n * planes;
        for (uint32_t plane = 0; plane < planes; plane++)
            pair_tokens(words + (size_t)plane * tile->group * n, tile->group, n, pairs, x + plane * pairs * 16);
        for (uint32_t p = 0; p < tile->panels; p++)
            for (uint32_t half = 0; half < 2; half++) {
                const uint8_t *w = tile->opened + p * NJ_OPENED_BYTES + (size_t)g * tile->group * 16 + 64 * half;
                int32_t        sums[OPERANDS][2][2][4];
                products_8x4((const int8_t *)w, (const int8_t *)x, tile->group / 8, sums);
                for (uint32_t t = 0; t < n; t++) {
                    int32x4_t start = vdupq_n_s32(tile->start[g * tile->tokens + t]), sum[2];
                    for (int quad = 0; quad < 2; quad++) {
                        int32x4_t low = vaddq_s32(vld1q_s32(sums[(planes - 1) * pairs + t / 2][quad][t % 2]), start);
                        sum[quad]     = planes == 1 ? low : vaddq_s32(vshlq_n_s32(vld1q_s32(sums[t / 2][quad][t % 2]), 8), low);
                    }
                    nj_flush_neon(sum[0], sum[1], tile->w_scale + (p * tile->groups + g) * 16 + 8 * half,
                                  tile->a_scale[g * tile->tokens + t], tile->fresh && g == 0, tile->sums + (2 * t + p) * 16 + 8 * half);
                }
            }
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
