#include "kernels/products_avx2.h"
#include "kernels/simd_avx2.h"

#include "kernels/simd.h"

#define NJ_ROWS  3
#define NJ_STEPS 4 /* in one round of the loop */

NJ_INLINE void sum_pairs(uint32_t steps, const int16_t *low, const int16_t *high, const int16_t *x, size_t stride, nj_i sum[][4])
{
    const __m256i *w0 = (const __m256i *)(const void *)low, *w1 = (const __m256i *)(const void *)high;
    NJ_UNROLL
    for (int r = 0; r < NJ_ROWS; r++)
        sum[r][0] = sum[r][1] = sum[r][2] = sum[r][3] = _mm256_setzero_si256();
    for (uint32_t step = 0; step < steps; step += NJ_STEPS, w0 += 2 * NJ_STEPS, w1 += 2 * NJ_STEPS, x += 2 * NJ_STEPS) {
        NJ_UNROLL
        for (int i = 0; i < NJ_STEPS; i++) {
            __m256i first = _mm256_load_si256(w0 + 2 * i);
            NJ_UNROLL
            for (int r = 0; r < NJ_ROWS; r++) {
                __m256i pair = _mm256_castps_si256(_mm256_broadcast_ss((const float *)(const void *)(x + (size_t)r * stride + 2 * i)));
                PRODUCTS_OF_FOUR(sum[r], first, w0[2 * i + 1], w1[2 * i], w1[2 * i + 1], pair);
            }
        }
    }
}

#include "kernels/patches_simd.h"
