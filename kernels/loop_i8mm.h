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

#define NJ_PAIRED_BYTES (128 / 8 * OPERANDS * 16)

/* The words [step][n tokens] of one plane of a group as pairs of tokens; tokens past n become zeros. */
NJ_INLINE void nj_pair_tokens(const uint32_t *words, uint32_t group, uint32_t n, const uint32_t pairs, int8_t *out)
{
    uint32_t few[2][2 * OPERANDS] = {{0}};
    for (uint32_t j = 0; j < group / 8; j++, words += 2 * n, out += 16 * OPERANDS) {
        const uint32_t *first = words, *last = words + n;
        if (n < 2 * pairs) {
            for (uint32_t t = 0; t < n; t++) {
                few[0][t] = first[t];
                few[1][t] = last[t];
            }
            first = few[0];
            last  = few[1];
        }
        NJ_UNROLL
        for (uint32_t i = 0; i < pairs; i += 2) {
            uint32x4_t x0 = vld1q_u32(first + 2 * i), x1 = vld1q_u32(last + 2 * i);
            vst1q_s8(out + 16 * i, vreinterpretq_s8_u32(vzip1q_u32(x0, x1)));
            vst1q_s8(out + 16 * i + 16, vreinterpretq_s8_u32(vzip2q_u32(x0, x1)));
        }
    }
}

/* x: [NJ_PAIRED_BYTES], the group g of the tile */
NJ_INLINE void nj_pair_group(const uint32_t planes, const struct nj_tile *tile, uint32_t g, int8_t *x)
{
    const uint32_t  pairs = OPERANDS / planes, plane_words = tile->group / 4 * tile->width;
    const uint32_t *words = (const uint32_t *)(const void *)tile->words + (size_t)g * planes * plane_words;
    for (uint32_t plane = 0; plane < planes; plane++)
        nj_pair_tokens(words + (size_t)plane * plane_words, tile->group, tile->width, pairs, x + plane * pairs * 16);
}

/* Over `rounds` times eight columns, of four pairs of rows: sum[operand][pair of rows], each of them first row x even, odd token, second row x even, odd token. The
 * pairs lie side by side, 16 bytes each; the next eight columns are w_step bytes on. */
NJ_INLINE void nj_products_i8mm(const size_t w_step, const int8_t *w, const int8_t *x, uint32_t rounds, int32x4_t sum[OPERANDS][4])
{
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
}

#endif
