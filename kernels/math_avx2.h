/* math_avx2.h: inside kernels/ only: exp, gelu and sums over eight lanes. */
#ifndef NJ_KERNELS_MATH_AVX2_H
#define NJ_KERNELS_MATH_AVX2_H

#include <immintrin.h>
#include <stddef.h>

/* Lanes [0, count) set. */
static inline __m256i nj_mask_avx2(size_t count)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* 2^f for |f| <= 1/2 (degree 6, relative error below 2^-23), times 2^n. */
static inline __m256 nj_exp2_parts8(__m256 n, __m256 f)
{
    __m256 sum = _mm256_set1_ps(1.5353362e-4f);
    sum        = _mm256_fmadd_ps(sum, f, _mm256_set1_ps(1.3398875e-3f));
    sum        = _mm256_fmadd_ps(sum, f, _mm256_set1_ps(9.6184369e-3f));
    sum        = _mm256_fmadd_ps(sum, f, _mm256_set1_ps(5.5503324e-2f));
    sum        = _mm256_fmadd_ps(sum, f, _mm256_set1_ps(2.4022648e-1f));
    sum        = _mm256_fmadd_ps(sum, f, _mm256_set1_ps(6.9314718e-1f));
    sum        = _mm256_fmadd_ps(sum, f, _mm256_set1_ps(1.0f));
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(sum), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23)));
}

#define NJ_NEAREST (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)

/* 2^x, x held to [-126, 127]. */
static inline __m256 nj_exp2_8(__m256 x)
{
    x        = _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(-126.0f)), _mm256_set1_ps(127.0f));
    __m256 n = _mm256_round_ps(x, NJ_NEAREST);
    return nj_exp2_parts8(n, _mm256_sub_ps(x, n));
}

/* 2^x for x <= 0; 0 below -126, -infinity included. */
static inline __m256 nj_exp2_small8(__m256 x)
{
    __m256 seen = _mm256_cmp_ps(x, _mm256_set1_ps(-126.0f), _CMP_GE_OQ);
    __m256 n    = _mm256_round_ps(x, NJ_NEAREST);
    return _mm256_and_ps(nj_exp2_parts8(n, _mm256_sub_ps(x, n)), seen);
}

#define NJ_LOG2_E 1.44269504f

/* e^x for x <= 0; below -87 it stays at e^-87. The product with log2 e carries its rounding error along (fmsub), which matters for large |x|. */
static inline __m256 nj_exp8(__m256 x)
{
    const __m256 log2e = _mm256_set1_ps(NJ_LOG2_E), rest = _mm256_set1_ps(1.92596299e-8f);
    x        = _mm256_max_ps(x, _mm256_set1_ps(-87.0f));
    __m256 n = _mm256_round_ps(_mm256_mul_ps(x, log2e), NJ_NEAREST);
    return nj_exp2_parts8(n, _mm256_fmadd_ps(x, rest, _mm256_fmsub_ps(x, log2e, n)));
}

/* gelu_tanh(x) = x / (1 + exp(-2 u)), u = sqrt(2/pi) (x + 0.044715 x^3) */
static inline __m256 nj_gelu8(__m256 x)
{
    const __m256 linear = _mm256_set1_ps(-2 * 0.79788456f * NJ_LOG2_E), cubic = _mm256_set1_ps(-2 * 0.79788456f * 0.044715f * NJ_LOG2_E);
    __m256       u = _mm256_mul_ps(x, _mm256_fmadd_ps(_mm256_mul_ps(x, x), cubic, linear));
    return _mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1.0f), nj_exp2_8(u)));
}

static inline float nj_sum_avx2(__m256 v)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half        = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

static inline float nj_max_avx2(__m256 v)
{
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half        = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

#endif
