/* int8 rows x 16-bit activations by SDOT on two planes: four rows and one token at a time. */
#include "kernels/forms_neon.h"

#define INLINE static inline __attribute__((always_inline))
#define AHEAD  1024

INLINE void block(const int r_n, const struct nj_i8_rows *w, const size_t *row, const struct nj_act *a, uint32_t token, float *out,
                  size_t out_r)
{
    const size_t  groups = w->cols / w->group;
    const int8_t *high = (const int8_t *)a->values + (size_t)token * a->padded * 2, *low = high + a->padded;
    float32x4_t   total[4];
    NJ_UNROLL
    for (int r = 0; r < r_n; r++)
        total[r] = vdupq_n_f32(0);
    for (uint32_t g = 0; g < a->cols / a->group; g++) {
        int32x4_t h[4], l[4];
        NJ_UNROLL
        for (int r = 0; r < r_n; r++)
            h[r] = l[r] = vdupq_n_s32(0);
        for (uint32_t c = g * a->group; c < (g + 1) * a->group; c += 32) {
            int8x16_t xh0 = vld1q_s8(high + c), xl0 = vld1q_s8(low + c), xh1 = vld1q_s8(high + c + 16), xl1 = vld1q_s8(low + c + 16);
            NJ_UNROLL
            for (int r = 0; r < r_n; r++) {
                const int8_t *at = w->data + row[r] * w->cols + c;
                int8x16_t     v0 = vld1q_s8(at), v1 = vld1q_s8(at + 16);
                __builtin_prefetch(at + AHEAD);
                h[r] = vdotq_s32(vdotq_s32(h[r], v0, xh0), v1, xh1);
                l[r] = vdotq_s32(vdotq_s32(l[r], v0, xl0), v1, xl1);
            }
        }
        float a_scale = a->scale[(size_t)g * a->tokens + token];
        NJ_UNROLL
        for (int r = 0; r < r_n; r++) {
            float scale = nj_number_value(w->scales, w->scale_format, row[r] * groups + (w->group == w->cols ? 0 : g)) * a_scale;
            total[r]    = vfmaq_n_f32(total[r], vcvtq_f32_s32(vaddq_s32(vshlq_n_s32(h[r], 8), l[r])), scale);
        }
    }
    NJ_UNROLL
    for (int r = 0; r < r_n; r++)
        out[(size_t)r * out_r] = vaddvq_f32(total[r]);
}

void nj_w8a16_rows_4x1_dotprod(const struct nj_i8_rows *w, const int32_t *index, size_t first, size_t count, const struct nj_act *a,
                               float *out, size_t out_stride)
{
    const size_t apart = index ? 1 : count / 4;
    size_t       r     = 0;
    for (size_t i = 0; i < count / 4; i++, r += apart == 1 ? 4 : 1) {
        size_t row[4];
        for (size_t j = 0; j < 4; j++)
            row[j] = index ? (size_t)index[r + j] : first + r + j * apart;
        for (uint32_t t = 0; t < a->tokens; t++)
            block(4, w, row, a, t, out + t * out_stride + r, apart);
    }
    for (r = count / 4 * 4; r < count; r++) {
        size_t row = index ? (size_t)index[r] : first + r;
        for (uint32_t t = 0; t < a->tokens; t++)
            block(1, w, &row, a, t, out + t * out_stride + r, 1);
    }
}
