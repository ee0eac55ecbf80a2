/* simd_avx512.h: inside kernels/ only: vectors of sixteen floats, in the words that the forms written once for all widths use (simd.h). */
#ifndef NJ_KERNELS_SIMD_AVX512_H
#define NJ_KERNELS_SIMD_AVX512_H

#include "kernels/forms.h"

/* The test for processors without AVX-512 has put the intrinsics of a library (SIMDe) before this, compiled for AVX2; see tests/kernels/test_avx512.sh. */
#ifndef NJ_EMULATE_AVX512
#include <immintrin.h>
#endif

#define NJ_LANES 16
#define NJ_ISA   avx512

typedef __m512 nj_v;
typedef __m512 nj_s; /* one number, ready to be multiplied with a vector */

static inline nj_v nj_v_set(float x)
{
    return _mm512_set1_ps(x);
}

static inline nj_v nj_v_load(const float *x)
{
    return _mm512_loadu_ps(x);
}

static inline void nj_v_store(float *x, nj_v v)
{
    _mm512_storeu_ps(x, v);
}

/* Lanes [0, count) set. */
static inline __mmask16 nj_v_first(size_t count)
{
    return (__mmask16)(count >= 16 ? 0xffff : (1u << count) - 1);
}

/* The first `left` numbers, with zeros behind. */
static inline nj_v nj_v_load_part(const float *x, size_t left)
{
    return _mm512_maskz_loadu_ps(nj_v_first(left), x);
}

static inline void nj_v_store_part(float *x, size_t left, nj_v v)
{
    _mm512_mask_storeu_ps(x, nj_v_first(left), v);
}

/* a in the first `left` lanes, b behind. */
static inline nj_v nj_v_part(nj_v a, nj_v b, size_t left)
{
    return _mm512_mask_blend_ps(nj_v_first(left), b, a);
}

static inline nj_v nj_v_load_number(const void *x, enum nj_number format, size_t at)
{
    if (format == NJ_NUMBER_F32)
        return _mm512_loadu_ps((const float *)x + at);
    __m256i bits = _mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)x + at));
    if (format == NJ_NUMBER_F16)
        return _mm512_cvtph_ps(bits);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

static inline void nj_v_store_f16(uint16_t *x, nj_v v)
{
    _mm256_storeu_si256((__m256i *)(void *)x, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static inline nj_v nj_v_add(nj_v a, nj_v b)
{
    return _mm512_add_ps(a, b);
}

static inline nj_v nj_v_sub(nj_v a, nj_v b)
{
    return _mm512_sub_ps(a, b);
}

static inline nj_v nj_v_mul(nj_v a, nj_v b)
{
    return _mm512_mul_ps(a, b);
}

static inline nj_v nj_v_div(nj_v a, nj_v b)
{
    return _mm512_div_ps(a, b);
}

static inline nj_v nj_v_min(nj_v a, nj_v b)
{
    return _mm512_min_ps(a, b);
}

static inline nj_v nj_v_max(nj_v a, nj_v b)
{
    return _mm512_max_ps(a, b);
}

/* a * b + c, rounded once */
static inline nj_v nj_v_fma(nj_v a, nj_v b, nj_v c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline nj_s nj_s_load(const float *x)
{
    return _mm512_set1_ps(*x);
}

static inline nj_v nj_v_fma_s(nj_v a, nj_s b, nj_v c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline nj_v nj_v_round(nj_v v)
{
    return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* v * 2^n for whole n that keep the result normal */
static inline nj_v nj_v_scale(nj_v v, nj_v n)
{
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(v), _mm512_slli_epi32(_mm512_cvtps_epi32(n), 23)));
}

/* x < limit ? a : b, by lanes */
static inline nj_v nj_v_if_less(nj_v x, nj_v limit, nj_v a, nj_v b)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, limit, _CMP_LT_OQ), b, a);
}

static inline nj_v nj_v_abs(nj_v v)
{
    return _mm512_abs_ps(v);
}

static inline float nj_v_sum(nj_v v)
{
    return _mm512_reduce_add_ps(v);
}

static inline float nj_v_most(nj_v v)
{
    return _mm512_reduce_max_ps(v);
}

static inline float nj_v_lane(nj_v v)
{
    return _mm_cvtss_f32(_mm512_castps512_ps128(v));
}

/* ---- integers ---- */
typedef __m512i nj_i; /* of 32 bits */

static inline nj_i nj_i_zero(void)
{
    return _mm512_setzero_si512();
}

static inline nj_i nj_i_add(nj_i a, nj_i b)
{
    return _mm512_add_epi32(a, b);
}

static inline nj_v nj_i_to_v(nj_i x)
{
    return _mm512_cvtepi32_ps(x);
}

/* To nearest. */
static inline nj_i nj_v_to_i(nj_v x)
{
    return _mm512_cvtps_epi32(x);
}

/* v * 2^n for the n in the last bits of t, whatever stands above them */
static inline nj_v nj_v_shift(nj_v v, nj_v t)
{
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(v), _mm512_slli_epi32(_mm512_castps_si512(t), 23)));
}

/* 2 * NJ_LANES numbers of 16 bits, saturated. */
static inline void nj_i_store_i16(int16_t *x, nj_i a, nj_i b)
{
    _mm256_storeu_si256((__m256i *)(void *)x, _mm512_cvtsepi32_epi16(a));
    _mm256_storeu_si256((__m256i *)(void *)(x + 16), _mm512_cvtsepi32_epi16(b));
}

static inline void nj_v_prefetch(const void *at)
{
    _mm_prefetch((const char *)at, _MM_HINT_T0);
}

#endif
