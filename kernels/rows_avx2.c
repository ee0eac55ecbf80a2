/* Row-major matrices on AVX2: four rows at a time, up to three tokens, vectors along the columns. */
#include "kernels/forms_avx2.h"
#include "kernels/math_avx2.h"

#define INLINE static inline __attribute__((always_inline))
#define AHEAD  2048

INLINE size_t width(enum nj_number format)
{
    return format == NJ_NUMBER_F32 ? 4 : 2;
}

INLINE __m256 load8(enum nj_number format, const uint8_t *w)
{
    if (format == NJ_NUMBER_F32)
        return _mm256_loadu_ps((const float *)(const void *)w);
    __m128i bits = _mm_loadu_si128((const __m128i *)(const void *)w);
    if (format == NJ_NUMBER_F16)
        return _mm256_cvtph_ps(bits);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

/* out[t][r] for `r_n` rows and `t_n` tokens; out_r: distance of the results of neighbouring rows. */
INLINE void block(enum nj_number format, const int r_n, const int t_n, const uint8_t *const *w, size_t cols, const float *x,
                  size_t x_stride, float *out, size_t out_stride, size_t out_r)
{
    __m256 sum[4][3];
    size_t c = 0;
#pragma GCC unroll 4
    for (int r = 0; r < r_n; r++)
#pragma GCC unroll 3
        for (int t = 0; t < t_n; t++)
            sum[r][t] = _mm256_setzero_ps();
    for (; c + 8 <= cols; c += 8) {
        __m256 v[3];
#pragma GCC unroll 3
        for (int t = 0; t < t_n; t++)
            v[t] = _mm256_loadu_ps(x + (size_t)t * x_stride + c);
#pragma GCC unroll 4
        for (int r = 0; r < r_n; r++) {
            __m256 row = load8(format, w[r] + c * width(format));
            if (t_n == 1)
                _mm_prefetch((const char *)w[r] + c * width(format) + AHEAD, _MM_HINT_T0);
#pragma GCC unroll 3
            for (int t = 0; t < t_n; t++)
                sum[r][t] = _mm256_fmadd_ps(row, v[t], sum[r][t]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < r_n; r++)
#pragma GCC unroll 3
        for (int t = 0; t < t_n; t++) {
            float total = nj_sum_avx2(sum[r][t]);
            for (size_t i = c; i < cols; i++)
                total += nj_number_value(w[r], format, i) * x[(size_t)t * x_stride + i];
            out[(size_t)t * out_stride + (size_t)r * out_r] = total;
        }
}

INLINE void tokens_of(enum nj_number format, const int r_n, const uint8_t *const *w, size_t cols, const float *x, size_t x_stride,
                      size_t tokens, float *out, size_t out_stride, size_t out_r)
{
    size_t t = 0;
    for (; t + 3 <= tokens; t += 3)
        block(format, r_n, 3, w, cols, x + t * x_stride, x_stride, out + t * out_stride, out_stride, out_r);
    if (tokens - t == 2)
        block(format, r_n, 2, w, cols, x + t * x_stride, x_stride, out + t * out_stride, out_stride, out_r);
    else if (tokens - t == 1)
        block(format, r_n, 1, w, cols, x + t * x_stride, x_stride, out + t * out_stride, out_stride, out_r);
}

/* Tokens in blocks that stay in the second-level cache while all rows pass by. One token, all rows: four distant quarters side by side. */
INLINE void rows(enum nj_number format, const void *w, const int32_t *index, size_t count, size_t cols, const float *x, size_t x_stride,
                 size_t tokens, float *out, size_t out_stride)
{
    const uint8_t *data      = w;
    const size_t   row_bytes = cols * width(format), apart = !index && tokens == 1 ? count / 4 : 1;
    const size_t   in_block = cols ? 20480 / cols * 3 + 3 : tokens;
    for (size_t first = 0; first < tokens; first += in_block) {
        size_t       n = tokens - first < in_block ? tokens - first : in_block, r = 0;
        const float *these = x + first * x_stride;
        float       *to    = out + first * out_stride;
        for (size_t fours = count / 4; fours > 0; fours--, r += apart == 1 ? 4 : 1) {
            const uint8_t *four[4];
            for (size_t i = 0; i < 4; i++)
                four[i] = data + (index ? (size_t)index[r + i] : r + i * apart) * row_bytes;
            tokens_of(format, 4, four, cols, these, x_stride, n, to + r, out_stride, apart);
        }
        for (r = count / 4 * 4; r < count; r++) {
            const uint8_t *one = data + (index ? (size_t)index[r] : r) * row_bytes;
            tokens_of(format, 1, &one, cols, these, x_stride, n, to + r, out_stride, 1);
        }
    }
}

void nj_f32_rows_4x3_avx2(const void *w, const int32_t *index, size_t count, size_t cols, const float *x, size_t x_stride, size_t tokens,
                          float *out, size_t out_stride)
{
    rows(NJ_NUMBER_F32, w, index, count, cols, x, x_stride, tokens, out, out_stride);
}

void nj_f16_rows_4x3_avx2(const void *w, const int32_t *index, size_t count, size_t cols, const float *x, size_t x_stride, size_t tokens,
                          float *out, size_t out_stride)
{
    rows(NJ_NUMBER_F16, w, index, count, cols, x, x_stride, tokens, out, out_stride);
}

void nj_bf16_rows_4x3_avx2(const void *w, const int32_t *index, size_t count, size_t cols, const float *x, size_t x_stride, size_t tokens,
                           float *out, size_t out_stride)
{
    rows(NJ_NUMBER_BF16, w, index, count, cols, x, x_stride, tokens, out, out_stride);
}

/* ---- int8 rows x 16-bit activations ---- */
INLINE void i8_block(const int r_n, const struct nj_i8_rows *w, const size_t *row, const struct nj_act *a, uint32_t token, float *out,
                     size_t out_r)
{
    const size_t   groups = w->cols / w->group;
    const int16_t *x      = (const int16_t *)(const void *)a->values + (size_t)token * a->padded;
    __m256         total[4];
#pragma GCC unroll 4
    for (int r = 0; r < r_n; r++)
        total[r] = _mm256_setzero_ps();
    for (uint32_t g = 0; g < a->cols / a->group; g++) {
        __m256i sum[4];
#pragma GCC unroll 4
        for (int r = 0; r < r_n; r++)
            sum[r] = _mm256_setzero_si256();
        for (uint32_t c = g * a->group; c < (g + 1) * a->group; c += 32) {
            __m256i x0 = _mm256_loadu_si256((const __m256i *)(const void *)(x + c));
            __m256i x1 = _mm256_loadu_si256((const __m256i *)(const void *)(x + c + 16));
#pragma GCC unroll 4
            for (int r = 0; r < r_n; r++) {
                const int8_t *at = w->data + row[r] * w->cols + c;
                __m256i       w0 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)at));
                __m256i       w1 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(at + 16)));
                _mm_prefetch((const char *)at + AHEAD, _MM_HINT_T0);
                sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(w0, x0));
                sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(w1, x1));
            }
        }
        float a_scale = a->scale[(size_t)g * a->tokens + token];
#pragma GCC unroll 4
        for (int r = 0; r < r_n; r++) {
            float scale = nj_number_value(w->scales, w->scale_format, row[r] * groups + (w->group == w->cols ? 0 : g)) * a_scale;
            total[r]    = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r]), _mm256_set1_ps(scale), total[r]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < r_n; r++)
        out[(size_t)r * out_r] = nj_sum_avx2(total[r]);
}

void nj_w8a16_rows_4x1_avx2(const struct nj_i8_rows *w, const int32_t *index, size_t first, size_t count, const struct nj_act *a,
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
