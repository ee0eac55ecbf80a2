#include "kernels/forms_neon.h"
#include "kernels/simd_neon.h"

#include "kernels/simd.h"

#include <string.h>

/* Two words of bytes, `pitch` apart. */
NJ_INLINE void put_bytes(uint8_t *words, size_t pitch, int8x8_t bytes)
{
    uint32x2_t pair = vreinterpret_u32_s8(bytes);
    uint32_t   w0 = vget_lane_u32(pair, 0), w1 = vget_lane_u32(pair, 1);
    memcpy(words, &w0, 4);
    memcpy(words + pitch, &w1, 4);
}

/* One group of one token. words: its first word; the next step's is `pitch` bytes on; plane: distance of the second plane.  x: [group] */
NJ_INLINE void quantize_group(enum nj_act_order order, int32_t most, const float *x, uint32_t group, uint8_t *words, size_t pitch,
                              size_t plane, float *scale, int32_t offset, int32_t *start)
{
    const float limit = (float)most;
    float32x4_t sizes = vdupq_n_f32(0);
    for (uint32_t i = 0; i < group; i += 4)
        sizes = vmaxq_f32(sizes, vabsq_f32(vld1q_f32(x + i)));
    float     largest = vmaxvq_f32(sizes);
    bool      zero    = !(largest >= 0x1p-96f);
    float     inverse = zero ? 0 : limit / largest;
    int32x4_t sum     = vdupq_n_s32(0);
    *scale            = zero ? 0 : largest / limit;
    for (uint32_t i = 0; i < group; i += 8) {
        int32x4_t q0 = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i), inverse)),
                  q1 = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + 4), inverse));
        int16x8_t q  = vcombine_s16(vqmovn_s32(q0), vqmovn_s32(q1));
        sum          = vaddq_s32(sum, vaddq_s32(q0, q1));
        if (order == NJ_ORDER_ROWS) {
            vst1q_s16((int16_t *)(void *)(words + 2 * i), q);
        } else if (order == NJ_ORDER_ROW_PLANES) {
            vst1_s8((int8_t *)words + i, vrshrn_n_s16(q, 8));
            vst1_s8((int8_t *)words + plane + i, vmovn_s16(q));
        } else if (order == NJ_ORDER_BYTES) {
            put_bytes(words, pitch, vmovn_s16(q));
            words += 2 * pitch;
        } else if (order == NJ_ORDER_PLANES) {
            put_bytes(words, pitch, vrshrn_n_s16(q, 8));
            put_bytes(words + plane, pitch, vmovn_s16(q));
            words += 2 * pitch;
        } else if (order == NJ_ORDER_PLANES_128) {
            int8x8_t high = vrshrn_n_s16(q, 7);
            put_bytes(words, pitch, high);
            put_bytes(words + plane, pitch, vmovn_s16(vsubq_s16(q, vshll_n_s8(high, 7))));
            words += 2 * pitch;
        } else {
            put_bytes(words, pitch, vreinterpret_s8_s16(vget_low_s16(vuzp1q_s16(q, q))));
            put_bytes(words + 2 * pitch, pitch, vreinterpret_s8_s16(vget_low_s16(vuzp2q_s16(q, q))));
            words += 4 * pitch;
        }
    }
    if (order != NJ_ORDER_ROWS && order != NJ_ORDER_ROW_PLANES)
        *start = -offset * vaddvq_s32(sum);
}

/* The part of x that a group covers; a copy with zeros behind where the columns end inside the group. */
NJ_INLINE const float *group_of(const struct nj_act *act, const float *x, uint32_t first, float *copy)
{
    if (first + act->group <= act->cols)
        return x + first;
    uint32_t real = first < act->cols ? act->cols - first : 0;
    memset(copy + real, 0, (act->group - real) * sizeof *copy);
    memcpy(copy, x + first, real * sizeof *copy);
    return copy;
}

NJ_INLINE void quantize_tiles(enum nj_act_order order, int32_t most, const float *x, size_t stride, const struct nj_act *act,
                              uint32_t first_tile, uint32_t tiles)
{
    float copy[128];
    for (uint32_t tile = first_tile; tile < first_tile + tiles; tile++) {
        uint32_t width = nj_act_tile_width(act, tile);
        for (uint32_t t = 0; t < width; t++) {
            size_t token = (size_t)tile * act->tile + t;
            for (uint32_t first = 0, g = 0; first < act->padded; first += act->group, g++) {
                size_t   in_chunk = (size_t)(first % NJ_ACT_CHUNK) * width * nj_act_width(order), plane = (size_t)act->group * width;
                uint8_t *words;
                if (order == NJ_ORDER_ROWS) {
                    words = act->values + (token * act->padded + first) * 2;
                } else if (order == NJ_ORDER_ROW_PLANES) {
                    words = act->values + token * act->padded * 2 + first;
                    plane = act->padded;
                } else {
                    words = nj_act_words(act, first / NJ_ACT_CHUNK, tile) + in_chunk + 4 * (size_t)t;
                }
                quantize_group(order, most, group_of(act, x + token * stride, first, copy), act->group, words, 4 * (size_t)width, plane,
                               &act->scale[g * act->tokens + token], act->offset, &act->start[g * act->tokens + token]);
            }
        }
    }
}

#define QUANTIZE(name, order, limit)                                                                                                       \
    void name(const float *x, size_t stride, const struct nj_act *act, uint32_t first_tile, uint32_t tiles)                                \
    {                                                                                                                                      \
        quantize_tiles(order, limit, x, stride, act, first_tile, tiles);                                                                   \
    }

QUANTIZE(nj_a16_quantize_neon, NJ_ORDER_PAIRS, NJ_ACT_LIMIT_16)
QUANTIZE(nj_a14_quantize_neon, NJ_ORDER_PAIRS, NJ_ACT_LIMIT_14)
QUANTIZE(nj_a8_quantize_neon, NJ_ORDER_BYTES, NJ_ACT_LIMIT_8)
QUANTIZE(nj_a16_rows_quantize_neon, NJ_ORDER_ROWS, NJ_ACT_LIMIT_16)
QUANTIZE(nj_a16_planes_quantize_neon, NJ_ORDER_PLANES, NJ_ACT_LIMIT_16)
QUANTIZE(nj_a14_planes_quantize_neon, NJ_ORDER_PLANES_128, NJ_ACT_LIMIT_14)
QUANTIZE(nj_a16_row_planes_quantize_neon, NJ_ORDER_ROW_PLANES, NJ_ACT_LIMIT_16)
