/* simd_avx2.h: inside kernels/ only: vectors of eight floats, in the words that the forms written once for all widths use (simd.h). */
#ifndef NJ_KERNELS_SIMD_AVX2_H
#define NJ_KERNELS_SIMD_AVX2_H

#include "kernels/forms.h"

#include <immintrin.h>

#define NJ_LANES 8
#define NJ_ISA   avx2

typedef __m256 nj_v;
typedef __m256 nj_s; /* one number, ready to be multiplied with a vector */

static inline nj_v nj_v_set(float x)
{
    return _mm256_set1_ps(x);
}

static inline nj_v nj_v_load(const float *x)
{
    return _mm256_loadu_ps(x);
}

static inline void nj_v_store(float *x, nj_v v)
{
    _mm256_storeu_ps(x, v);
}

/* Lanes [0, count) set. */
static inline __m256i nj_v_first(size_t count)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* The first `left` numbers, with zeros behind. */
static inline nj_v nj_v_load_part(const float *x, size_t left)
{
    return _mm256_maskload_ps(x, nj_v_first(left));
}

static inline void nj_v_store_part(float *x, size_t left, nj_v v)
{
    _mm256_maskstore_ps(x, nj_v_first(left), v);
}

/* a in the first `left` lanes, b behind. */
static inline nj_v nj_v_part(nj_v a, nj_v b, size_t left)
{
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(nj_v_first(left)));
}

static inline nj_v nj_v_load_number(const void *x, enum nj_number format, size_t at)
{
    if (format == NJ_NUMBER_F32)
        return _mm256_loadu_ps((const float *)x + at);
    __m128i bits = _mm_loadu_si128((const __m128i *)(const void *)((const uint16_t *)x + at));
    if (format == NJ_NUMBER_F16)
        return _mm256_cvtph_ps(bits);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

static inline void nj_v_store_f16(uint16_t *x, nj_v v)
{
    _mm_storeu_si128((__m128i *)(void *)x, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static inline nj_v nj_v_add(nj_v a, nj_v b)
{
    return _mm256_add_ps(a, b);
}

static inline nj_v nj_v_sub(nj_v a, nj_v b)
{
    return _mm256_sub_ps(a, b);
}

static inline nj_v nj_v_mul(nj_v a, nj_v b)
{
    return _mm256_mul_ps(a, b);
}

static inline nj_v nj_v_div(nj_v a, nj_v b)
{
    return _mm256_div_ps(a, b);
}

static inline nj_v nj_v_min(nj_v a, nj_v b)
{
    return _mm256_min_ps(a, b);
}

static inline nj_v nj_v_max(nj_v a, nj_v b)
{
    return _mm256_max_ps(a, b);
}

/* a * b + c, rounded once */
static inline nj_v nj_v_fma(nj_v a, nj_v b, nj_v c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline nj_s nj_s_load(const float *x)
{
    return _mm256_broadcast_ss(x);
}

static inline nj_v nj_v_fma_s(nj_v a, nj_s b, nj_v c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline nj_v nj_v_round(nj_v v)
{
    return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* v * 2^n for whole n that keep the result normal */
static inline nj_v nj_v_scale(nj_v v, nj_v n)
{
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(v), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23)));
}

/* x < limit ? a : b, by lanes */
static inline nj_v nj_v_if_less(nj_v x, nj_v limit, nj_v a, nj_v b)
{
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, limit, _CMP_LT_OQ));
}

static inline nj_v nj_v_abs(nj_v v)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}

static inline float nj_v_sum(nj_v v)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half        = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

static inline float nj_v_most(nj_v v)
{
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half        = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

static inline float nj_v_lane(nj_v v)
{
    return _mm256_cvtss_f32(v);
}

/* ---- integers ---- */
typedef __m256i nj_i; /* of 32 bits */

static inline nj_i nj_i_zero(void)
{
    return _mm256_setzero_si256();
}

static inline nj_i nj_i_add(nj_i a, nj_i b)
{
    return _mm256_add_epi32(a, b);
}

static inline nj_v nj_i_to_v(nj_i x)
{
    return _mm256_cvtepi32_ps(x);
}

/* To nearest. */
static inline nj_i nj_v_to_i(nj_v x)
{
    return _mm256_cvtps_epi32(x);
}

/* v * 2^n for the n in the last bits of t, whatever stands above them */
static inline nj_v nj_v_shift(nj_v v, nj_v t)
{
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(v), _mm256_slli_epi32(_mm256_castps_si256(t), 23)));
}

/* 2 * NJ_LANES numbers of 16 bits, saturated. */
static inline void nj_i_store_i16(int16_t *x, nj_i a, nj_i b)
{
    _mm256_storeu_si256((__m256i *)(void *)x, _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8));
}

static inline void nj_v_prefetch(const void *at)
{
    _mm_prefetch((const char *)at, _MM_HINT_T0);
}

#endif
