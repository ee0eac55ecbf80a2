#include <string.h>

#include "kernels/forms_avx512.h"
#include "kernels/gemm.h"
#include "kernels/simd_avx512.h"

#include "kernels/simd.h"

#define NJ_VNNI 1
#include "kernels/gemm_avx512.h"

#undef NJ_ISA
#define NJ_ISA  avx512vnni
#define NJ_ROWS 12

NJ_INLINE void sum_pairs(uint32_t steps, const int16_t *low, const int16_t *high, const int16_t *x, size_t stride, nj_i sum[][2])
{
    NJ_UNROLL
    for (int r = 0; r < NJ_ROWS; r++)
        sum[r][0] = sum[r][1] = _mm512_setzero_si512();
    for (uint32_t step = 0; step < steps; step++, low += 32, high += 32, x += 2) {
        __m512i w0 = _mm512_load_si512(low), w1 = _mm512_load_si512(high);
        NJ_UNROLL
        for (int r = 0; r < NJ_ROWS; r++) {
            int32_t pair;
            memcpy(&pair, x + (size_t)r * stride, sizeof pair);
            products(16, &sum[r][0], &sum[r][1], w0, w1, _mm512_set1_epi32(pair));
        }
    }
}

#include "kernels/patches_simd.h"
