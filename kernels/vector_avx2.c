#include "kernels/forms_avx2.h"
#include "kernels/math_avx2.h"

#include <math.h>

#define INLINE static inline __attribute__((always_inline))

/* Eight floats, or the last few with zeros behind. */
INLINE __m256 load(const float *x, size_t left)
{
    return left >= 8 ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, nj_mask_avx2(left));
}

INLINE void store(float *out, size_t left, __m256 v)
{
    if (left >= 8)
        _mm256_storeu_ps(out, v);
    else
        _mm256_maskstore_ps(out, nj_mask_avx2(left), v);
}

void nj_rms_norm_avx2(const float *x, const float *weight, size_t n, float eps, float *out)
{
    __m256 sum0 = _mm256_setzero_ps(), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256 v0 = _mm256_loadu_ps(x + i), v1 = _mm256_loadu_ps(x + i + 8), v2 = _mm256_loadu_ps(x + i + 16),
               v3 = _mm256_loadu_ps(x + i + 24);
        sum0      = _mm256_fmadd_ps(v0, v0, sum0);
        sum1      = _mm256_fmadd_ps(v1, v1, sum1);
        sum2      = _mm256_fmadd_ps(v2, v2, sum2);
        sum3      = _mm256_fmadd_ps(v3, v3, sum3);
    }
    for (; i < n; i += 8) {
        __m256 v = load(x + i, n - i);
        sum0     = _mm256_fmadd_ps(v, v, sum0);
    }
    float  sum    = nj_sum_avx2(_mm256_add_ps(_mm256_add_ps(sum0, sum1), _mm256_add_ps(sum2, sum3)));
    __m256 factor = _mm256_set1_ps(1 / sqrtf(sum / (float)n + eps));
    for (i = 0; i < n; i += 8) {
        __m256 v = _mm256_mul_ps(load(x + i, n - i), factor);
        store(out + i, n - i, weight ? _mm256_mul_ps(v, load(weight + i, n - i)) : v);
    }
}

void nj_rope_avx2(float *x, const float *cosine, const float *sine, size_t half, size_t count)
{
    for (size_t i = 0; i < count; i += 8) {
        __m256 a = load(x + i, count - i), b = load(x + half + i, count - i), c = load(cosine + i, count - i),
               s = load(sine + i, count - i);
        store(x + i, count - i, _mm256_sub_ps(_mm256_mul_ps(a, c), _mm256_mul_ps(b, s)));
        store(x + half + i, count - i, _mm256_add_ps(_mm256_mul_ps(b, c), _mm256_mul_ps(a, s)));
    }
}

void nj_gelu_avx2(const float *x, size_t n, float *out)
{
    for (size_t i = 0; i < n; i += 8)
        store(out + i, n - i, nj_gelu8(load(x + i, n - i)));
}

void nj_gelu_mul_avx2(const float *gate, const float *up, size_t n, float *out)
{
    for (size_t i = 0; i < n; i += 8)
        store(out + i, n - i, _mm256_mul_ps(nj_gelu8(load(gate + i, n - i)), load(up + i, n - i)));
}

void nj_add_scale_avx2(const float *x, const float *y, size_t n, float scale, float *out)
{
    for (size_t i = 0; i < n; i += 8)
        store(out + i, n - i, _mm256_mul_ps(_mm256_add_ps(load(x + i, n - i), load(y + i, n - i)), _mm256_set1_ps(scale)));
}

void nj_clamp_avx2(const float *x, size_t n, float low, float high, float *out)
{
    for (size_t i = 0; i < n; i += 8)
        store(out + i, n - i, _mm256_min_ps(_mm256_max_ps(load(x + i, n - i), _mm256_set1_ps(low)), _mm256_set1_ps(high)));
}

/* tanh u = 1 - 2 / (exp(2u) + 1); for small u, where this cancels, the odd polynomial of the series. */
void nj_softcap_avx2(const float *x, size_t n, float cap, float *out)
{
    const __m256 one = _mm256_set1_ps(1), two = _mm256_set1_ps(2), sign = _mm256_set1_ps(-0.0f), caps = _mm256_set1_ps(cap);
    for (size_t i = 0; i < n; i += 8) {
        __m256 u     = _mm256_div_ps(load(x + i, n - i), caps);
        __m256 e     = nj_exp2_8(_mm256_mul_ps(u, _mm256_set1_ps(2 * NJ_LOG2_E)));
        __m256 large = _mm256_sub_ps(one, _mm256_div_ps(two, _mm256_add_ps(e, one)));
        __m256 s     = _mm256_mul_ps(u, u);
        __m256 small = _mm256_fmadd_ps(s, _mm256_set1_ps(2.0f / 15), _mm256_set1_ps(-1.0f / 3));
        small        = _mm256_fmadd_ps(_mm256_mul_ps(small, s), u, u);
        __m256 which = _mm256_cmp_ps(_mm256_andnot_ps(sign, u), _mm256_set1_ps(0.0625f), _CMP_LT_OQ);
        store(out + i, n - i, _mm256_mul_ps(_mm256_blendv_ps(large, small, which), caps));
    }
}

float nj_softmax_avx2(const float *x, size_t n, float *out)
{
    __m256 most = _mm256_set1_ps(x[0]), sum = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        most = _mm256_max_ps(most, _mm256_loadu_ps(x + i));
    if (i < n)
        most = _mm256_max_ps(most, _mm256_blendv_ps(most, load(x + i, n - i), _mm256_castsi256_ps(nj_mask_avx2(n - i))));
    most = _mm256_set1_ps(nj_max_avx2(most));
    for (i = 0; i < n; i += 8) {
        __m256 e = nj_exp8(_mm256_sub_ps(load(x + i, n - i), most));
        store(out + i, n - i, e);
        if (n - i < 8)
            e = _mm256_and_ps(e, _mm256_castsi256_ps(nj_mask_avx2(n - i)));
        sum = _mm256_add_ps(sum, e);
    }
    return nj_sum_avx2(sum);
}
