#include "kernels/forms_neon.h"
#include "kernels/simd_neon.h"

#include "kernels/simd.h"

#define NJ_ROWS   4
#define NJ_TOKENS 4
#include "kernels/rows_simd.h"

NJ_ROWS_FORM(f32_rows_4x4, NJ_NUMBER_F32)
NJ_ROWS_FORM(f16_rows_4x4, NJ_NUMBER_F16)
NJ_ROWS_FORM(bf16_rows_4x4, NJ_NUMBER_BF16)

/* int8 rows x int16 activations, one row and token at a time, for processors without SDOT. */
static float i8_row(const struct nj_i8_rows *w, size_t row, const struct nj_act *a, uint32_t token)
{
    const int8_t  *data  = w->data + row * w->cols;
    const int16_t *x     = (const int16_t *)(const void *)a->values + (size_t)token * a->padded;
    float32x4_t    total = vdupq_n_f32(0);
    for (uint32_t g = 0; g < a->cols / a->group; g++) {
        int32x4_t sum0 = vdupq_n_s32(0), sum1 = sum0;
        for (uint32_t c = g * a->group; c < (g + 1) * a->group; c += 16) {
            int8x16_t v  = vld1q_s8(data + c);
            int16x8_t w0 = vmovl_s8(vget_low_s8(v)), w1 = vmovl_high_s8(v), x0 = vld1q_s16(x + c), x1 = vld1q_s16(x + c + 8);
            sum0 = vmlal_s16(sum0, vget_low_s16(w0), vget_low_s16(x0));
            sum1 = vmlal_high_s16(sum1, w0, x0);
            sum0 = vmlal_s16(sum0, vget_low_s16(w1), vget_low_s16(x1));
            sum1 = vmlal_high_s16(sum1, w1, x1);
        }
        size_t at    = row * (w->cols / w->group) + (w->group == w->cols ? 0 : g);
        float  scale = nj_number_value(w->scales, w->scale_format, at) * a->scale[(size_t)g * a->tokens + token];
        total        = vfmaq_n_f32(total, vcvtq_f32_s32(vaddq_s32(sum0, sum1)), scale);
    }
    return vaddvq_f32(total);
}

void nj_w8a16_rows_1x1_neon(const struct nj_i8_rows *w, const int32_t *index, size_t first, size_t count, const struct nj_act *a,
                            float *out, size_t out_stride)
{
    for (size_t r = 0; r < count; r++)
        for (uint32_t t = 0; t < a->tokens; t++)
            out[t * out_stride + r] = i8_row(w, index ? (size_t)index[r] : first + r, a, t);
}
