#include "kernels/forms_avx2.h"
#include "kernels/simd_avx2.h"

#include "kernels/simd.h"

#define NJ_ROWS   4
#define NJ_TOKENS 3
#include "kernels/rows_simd.h"

NJ_ROWS_FORM(f32_rows_4x3, NJ_NUMBER_F32)
NJ_ROWS_FORM(f16_rows_4x3, NJ_NUMBER_F16)
NJ_ROWS_FORM(bf16_rows_4x3, NJ_NUMBER_BF16)

/* ---- int8 rows x 16-bit activations: each vector of weights is widened once for up to three tokens ---- */

/* One vector of widened weights and one of activations, from memory. Left to themselves, compilers keep more of these in registers than there are. */
#define PRODUCT(sum, wide, act)                                                                                                            \
    do {                                                                                                                                   \
        __m256i product_;                                                                                                                  \
        __asm__("vpmaddwd %[a], %[w], %[t]\n\tvpaddd %[t], %[s], %[s]"                                                                     \
                : [s] "+x"(sum), [t] "=&x"(product_)                                                                                       \
                : [w] "x"(wide), [a] "m"(act));                                                                                            \
    } while (0)

/* One group. */
NJ_INLINE void i8_group(const int r_n, const int t_n, const int8_t *const *row, const int16_t *const *x, size_t from, size_t to, bool ahead,
                        __m256i sum[4][3])
{
    NJ_UNROLL
    for (int r = 0; r < r_n; r++) {
        NJ_UNROLL
        for (int t = 0; t < t_n; t++)
            sum[r][t] = _mm256_setzero_si256();
    }
    for (size_t c = from; c < to; c += 32) {
        NJ_UNROLL
        for (int r = 0; r < r_n; r++) {
            if (ahead)
                _mm_prefetch((const char *)row[r] + c + NJ_ROWS_AHEAD, _MM_HINT_T0);
            NJ_UNROLL
            for (size_t half = 0; half < 32; half += 16) {
                __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(row[r] + c + half)));
                NJ_UNROLL
                for (int t = 0; t < t_n; t++)
                    PRODUCT(sum[r][t], wide, *(const __m256i_u *)(const void *)(x[t] + c + half));
            }
        }
    }
}

NJ_INLINE void i8_block(const int r_n, const int t_n, const struct nj_i8_rows *w, const size_t *row, const struct nj_act *a, uint32_t token,
                        float *out, size_t out_stride, size_t out_r)
{
    const size_t   groups = w->cols / w->group;
    const int8_t  *at[4];
    const int16_t *x[3];
    nj_v           total[4][3];
    NJ_UNROLL
    for (int t = 0; t < t_n; t++)
        x[t] = (const int16_t *)(const void *)a->values + ((size_t)token + (size_t)t) * a->padded;
    NJ_UNROLL
    for (int r = 0; r < r_n; r++) {
        at[r] = w->data + row[r] * w->cols;
        NJ_UNROLL
        for (int t = 0; t < t_n; t++)
            total[r][t] = nj_v_set(0);
    }
    for (uint32_t g = 0; g < a->cols / a->group; g++) {
        __m256i sum[4][3];
        if (token == 0) /* fetched once for all tokens */
            i8_group(r_n, t_n, at, x, (size_t)g * a->group, ((size_t)g + 1) * a->group, true, sum);
        else
            i8_group(r_n, t_n, at, x, (size_t)g * a->group, ((size_t)g + 1) * a->group, false, sum);
        const float *a_scale = a->scale + (size_t)g * a->tokens + token;
        NJ_UNROLL
        for (int r = 0; r < r_n; r++) {
            float scale = nj_number_value(w->scales, w->scale_format, row[r] * groups + (w->group == w->cols ? 0 : g));
            NJ_UNROLL
            for (int t = 0; t < t_n; t++)
                total[r][t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r][t]), _mm256_set1_ps(scale * a_scale[t]), total[r][t]);
        }
    }
    NJ_UNROLL
    for (int r = 0; r < r_n; r++) {
        NJ_UNROLL
        for (int t = 0; t < t_n; t++)
            out[(size_t)t * out_stride + (size_t)r * out_r] = nj_v_sum(total[r][t]);
    }
}

/* All tokens: threes, but two and two rather than three and one. */
NJ_INLINE void i8_tokens(const int r_n, const struct nj_i8_rows *w, const size_t *row, const struct nj_act *a, float *out,
                         size_t out_stride, size_t out_r)
{
    for (uint32_t t = 0; t < a->tokens;) {
        uint32_t left = a->tokens - t;
        if (left == 1) {
            i8_block(r_n, 1, w, row, a, t, out + t * out_stride, out_stride, out_r);
            t += 1;
        } else if (left == 2 || left == 4) {
            i8_block(r_n, 2, w, row, a, t, out + t * out_stride, out_stride, out_r);
            t += 2;
        } else {
            i8_block(r_n, 3, w, row, a, t, out + t * out_stride, out_stride, out_r);
            t += 3;
        }
    }
}

void nj_w8a16_rows_4x3_avx2(const struct nj_i8_rows *w, const int32_t *index, size_t first, size_t count, const struct nj_act *a,
                            float *out, size_t out_stride)
{
    const size_t apart = index ? 1 : count / 4;
    size_t       r     = 0;
    for (size_t i = 0; i < count / 4; i++, r += apart == 1 ? 4 : 1) {
        size_t row[4];
        for (size_t j = 0; j < 4; j++)
            row[j] = index ? (size_t)index[r + j] : first + r + j * apart;
        i8_tokens(4, w, row, a, out + r, out_stride, apart);
    }
    for (r = count / 4 * 4; r < count; r++) {
        size_t row = index ? (size_t)index[r] : first + r;
        i8_tokens(1, w, &row, a, out + r, out_stride, 1);
    }
}
