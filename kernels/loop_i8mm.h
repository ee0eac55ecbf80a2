/* loop_i8mm.h: inside kernels/ only: what the forms with SMMLA share. It multiplies two rows with two tokens over eight columns.
 *
 * The activations of one group are brought into that shape once and meet all rows of the tile: [8 columns][4 operands][2 tokens][8 columns]; the operands are
 * the pairs of tokens 01 23 45 67, or for planes h01 h23 l01 l23. */
#ifndef NJ_KERNELS_LOOP_I8MM_H
#define NJ_KERNELS_LOOP_I8MM_H

#include "kernels/forms_neon.h"
#include "kernels/gemm.h"

#define NJ_INLINE static inline __attribute__((always_inline))

enum { OPERANDS = 4 };

/* The words [step][n tokens] of one group as pairs of tokens; tokens past n become zeros. Pair i of step pair j goes to out + (j * OPERANDS + i) * 16. */
static inline void nj_pair_tokens(const uint8_t *words, uint32_t group, uint32_t n, uint32_t pairs, uint8_t *out)
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

/* x: [128 / 8 * OPERANDS * 16], the group g of the tile */
NJ_INLINE void nj_pair_group(const uint32_t planes, const struct nj_tile *tile, uint32_t g, uint8_t *x)
{
    const uint32_t pairs = OPERANDS / planes, plane_bytes = tile->group * tile->width;
    for (uint32_t plane = 0; plane < planes; plane++)
        nj_pair_tokens(tile->words + ((size_t)g * planes + plane) * plane_bytes, tile->group, tile->width, pairs, x + plane * pairs * 16);
}

/* Over `rounds` times eight columns, of four pairs of rows: sums[operand][first or last two pairs][even, odd token][4 rows]. The pairs lie side by side, 16 bytes each;
 * the next eight columns are w_step bytes on. */
NJ_INLINE void nj_products_i8mm(const size_t w_step, const int8_t *w, const int8_t *x, uint32_t rounds, int32_t sums[OPERANDS][2][2][4])
{
    int32x4_t sum[OPERANDS][4];
    NJ_UNROLL
    for (int o = 0; o < OPERANDS; o++) {
        NJ_UNROLL
        for (int i = 0; i < 4; i++)
            sum[o][i] = vdupq_n_s32(0);
    }
    for (uint32_t j = 0; j < rounds; j++, w += w_step, x += 16 * OPERANDS) {
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

#endif
