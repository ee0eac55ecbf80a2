#include "kernels/forms_avx512.h"
#include "kernels/simd_avx512.h"

#include "kernels/simd.h"

#define NJ_ROWS   4
#define NJ_TOKENS 6
#include "kernels/rows_simd.h"

NJ_ROWS_FORM(f32_rows_4x6, NJ_NUMBER_F32)
NJ_ROWS_FORM(f16_rows_4x6, NJ_NUMBER_F16)
NJ_ROWS_FORM(bf16_rows_4x6, NJ_NUMBER_BF16)

/* int8 rows x int16 activations: 32 columns a step. */
NJ_INLINE void i8_block(const int r_n, const struct nj_i8_rows *w, const size_t *row, const struct nj_act *a, uint32_t token, float *out,
                        size_t out_r)
{
    const size_t   groups = w->cols / w->group;
    const int16_t *x      = (const int16_t *)(const void *)a->values + (size_t)token * a->padded;
    nj_v           total[4];
    NJ_UNROLL
    for (int r = 0; r < r_n; r++)
        total[r] = nj_v_set(0);
    for (uint32_t g = 0; g < a->cols / a->group; g++) {
        __m512i sum[4];
        NJ_UNROLL
        for (int r = 0; r < r_n; r++)
            sum[r] = _mm512_setzero_si512();
        for (uint32_t c = g * a->group; c < (g + 1) * a->group; c += 32) {
            __m512i v = _mm512_loadu_si512(x + c);
            NJ_UNROLL
            for (int r = 0; r < r_n; r++) {
                const int8_t *at   = w->data + row[r] * w->cols + c;
                __m512i       wide = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)at));
                _mm_prefetch((const char *)at + NJ_ROWS_AHEAD, _MM_HINT_T0);
                sum[r] = _mm512_add_epi32(sum[r], _mm512_madd_epi16(wide, v));
            }
        }
        float a_scale = a->scale[(size_t)g * a->tokens + token];
        NJ_UNROLL
        for (int r = 0; r < r_n; r++) {
            float scale = nj_number_value(w->scales, w->scale_format, row[r] * groups + (w->group == w->cols ? 0 : g)) * a_scale;
            total[r]    = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[r]), _mm512_set1_ps(scale), total[r]);
        }
    }
    NJ_UNROLL
    for (int r = 0; r < r_n; r++)
        out[(size_t)r * out_r] = nj_v_sum(total[r]);
}

void nj_w8a16_rows_4x1_avx512(const struct nj_i8_rows *w, const int32_t *index, size_t first, size_t count, const struct nj_act *a,
                              float *out, size_t out_stride)
{
    const size_t apart = index ? 1 : count / 4;
    size_t       r     = 0;
    for (size_t i = 0; i < count / 4; i++, r += apart == 1 ? 4 : 1) {
        size_t row[4];
        for (size_t j = 0; j < 4; j++)
            row[j] = index ? (size_t)index[r + j] : first + r + j * apart;
        for (uint32_t t = 0; t < a->tokens; t++)
            i8_block(4, w, row, a, t, out + t * out_stride + r, apart);
    }
    for (r = count / 4 * 4; r < count; r++) {
        size_t row = index ? (size_t)index[r] : first + r;
        for (uint32_t t = 0; t < a->tokens; t++)
            i8_block(1, w, &row, a, t, out + t * out_stride + r, 1);
    }
}
