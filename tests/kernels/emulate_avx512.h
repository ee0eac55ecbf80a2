/* emulate_avx512.h: the AVX-512 intrinsics that kernels/ uses, for processors that have AVX2 only: most from SIMDe (libsimde-dev), the rest here. Only the
 * build of tests/kernels/test_avx512.sh includes this. */
#ifndef NJ_TESTS_KERNELS_EMULATE_AVX512_H
#define NJ_TESTS_KERNELS_EMULATE_AVX512_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>

/* SIMDe 0.7.4 gives this name to the masked form. */
#undef _mm512_madd_epi16
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)

/* ---- two halves of 256 bits ---- */
#define LOW_PS(v)          simde_mm512_castps512_ps256(v)
#define HIGH_PS(v)         _mm256_castsi256_ps(simde_mm512_extracti64x4_epi64(simde_mm512_castps_si512(v), 1))
#define JOIN_PS(low, high) simde_mm512_insertf32x8(simde_mm512_castps256_ps512(low), high, 1)
#define LOW(v)             simde_mm512_castsi512_si256(v)
#define HIGH(v)            simde_mm512_extracti64x4_epi64(v, 1)
#define JOIN(low, high)    simde_mm512_inserti64x4(simde_mm512_castsi256_si512(low), high, 1)

static inline __m512 emulated_cvtph_ps(__m256i halves)
{
    __m256 low = _mm256_cvtph_ps(_mm256_castsi256_si128(halves)), high = _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1));
    return JOIN_PS(low, high);
}
#define _mm512_cvtph_ps emulated_cvtph_ps

static inline __m256i emulated_cvtps_ph(__m512 v)
{
    __m128i low = _mm256_cvtps_ph(LOW_PS(v), _MM_FROUND_TO_NEAREST_INT), high = _mm256_cvtps_ph(HIGH_PS(v), _MM_FROUND_TO_NEAREST_INT);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}
#define _mm512_cvtps_ph(v, rounding) emulated_cvtps_ph(v) /* to nearest: no other is asked for */

static inline __m512i emulated_cvtepu16_epi32(__m256i x)
{
    __m256i low = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(x)), high = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(x, 1));
    return JOIN(low, high);
}
#define _mm512_cvtepu16_epi32 emulated_cvtepu16_epi32

static inline __m512i emulated_cvtps_epi32(__m512 v)
{
    __m256i low = _mm256_cvtps_epi32(LOW_PS(v)), high = _mm256_cvtps_epi32(HIGH_PS(v));
    return JOIN(low, high);
}
#define _mm512_cvtps_epi32 emulated_cvtps_epi32

static inline __m512 emulated_cvtepi32_ps(__m512i v)
{
    __m256 low = _mm256_cvtepi32_ps(LOW(v)), high = _mm256_cvtepi32_ps(HIGH(v));
    return JOIN_PS(low, high);
}
#define _mm512_cvtepi32_ps emulated_cvtepi32_ps

/* ---- by lanes ---- */
/* Lanes that are not set are not touched, as on the processor: the tests put a guard page there. */
static inline __m512 emulated_maskz_loadu_ps(unsigned mask, const float *from)
{
    float lanes[16];
    for (unsigned i = 0; i < 16; i++)
        lanes[i] = mask >> i & 1 ? from[i] : 0;
    return simde_mm512_loadu_ps(lanes);
}
#define _mm512_maskz_loadu_ps emulated_maskz_loadu_ps

static inline void emulated_mask_storeu_ps(float *to, unsigned mask, __m512 v)
{
    float lanes[16];
    simde_mm512_storeu_ps(lanes, v);
    for (unsigned i = 0; i < 16; i++)
        if (mask >> i & 1)
            to[i] = lanes[i];
}
#define _mm512_mask_storeu_ps emulated_mask_storeu_ps

static inline float emulated_reduce_add_ps(__m512 v)
{
    float lanes[16];
    simde_mm512_storeu_ps(lanes, v);
    for (unsigned width = 8; width > 0; width /= 2)
        for (unsigned i = 0; i < width; i++)
            lanes[i] += lanes[i + width];
    return lanes[0];
}
#define _mm512_reduce_add_ps emulated_reduce_add_ps

static inline float emulated_reduce_max_ps(__m512 v)
{
    float lanes[16];
    simde_mm512_storeu_ps(lanes, v);
    for (unsigned i = 1; i < 16; i++)
        lanes[0] = lanes[i] > lanes[0] ? lanes[i] : lanes[0];
    return lanes[0];
}
#define _mm512_reduce_max_ps emulated_reduce_max_ps

#undef LOW_PS
#undef HIGH_PS
#undef JOIN_PS
#undef LOW
#undef HIGH
#undef JOIN

#endif
