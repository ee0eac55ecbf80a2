/* The most that AVX2 gives: loops on registers, in the order of instructions that was found fastest, and four streams of loads. */
#include "kernels/forms_avx2.h"

#include <immintrin.h>

#define CLOBBERED                                                                                                                          \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/* A multiply into one of six registers, and the sum of the multiply four before it: both kinds find free ports. */
#define STEP(multiply, add, acc, now, before)                                                                                              \
    multiply " %%ymm15, %%ymm14, %%ymm" #now "\n\t" add " %%ymm" #before ", %%ymm" #acc ", %%ymm" #acc "\n\t"
#define STEPS_24(multiply, add)                                                                                                            \
    STEP(multiply, add, 0, 8, 10)                                                                                                          \
    STEP(multiply, add, 1, 9, 11)                                                                                                          \
    STEP(multiply, add, 2, 10, 12)                                                                                                         \
    STEP(multiply, add, 3, 11, 13)                                                                                                         \
    STEP(multiply, add, 4, 12, 8)                                                                                                          \
    STEP(multiply, add, 5, 13, 9)                                                                                                          \
    STEP(multiply, add, 6, 8, 10)                                                                                                          \
    STEP(multiply, add, 7, 9, 11)                                                                                                          \
    STEP(multiply, add, 0, 10, 12)                                                                                                         \
    STEP(multiply, add, 1, 11, 13)                                                                                                         \
    STEP(multiply, add, 2, 12, 8)                                                                                                          \
    STEP(multiply, add, 3, 13, 9)                                                                                                          \
    STEP(multiply, add, 4, 8, 10)                                                                                                          \
    STEP(multiply, add, 5, 9, 11)                                                                                                          \
    STEP(multiply, add, 6, 10, 12)                                                                                                         \
    STEP(multiply, add, 7, 11, 13)                                                                                                         \
    STEP(multiply, add, 0, 12, 8)                                                                                                          \
    STEP(multiply, add, 1, 13, 9)                                                                                                          \
    STEP(multiply, add, 2, 8, 10)                                                                                                          \
    STEP(multiply, add, 3, 9, 11)                                                                                                          \
    STEP(multiply, add, 4, 10, 12)                                                                                                         \
    STEP(multiply, add, 5, 11, 13)                                                                                                         \
    STEP(multiply, add, 6, 12, 8)                                                                                                          \
    STEP(multiply, add, 7, 13, 9)

uint64_t nj_peak_int16_avx2(uint64_t count)
{
    uint64_t rounds = count / (24 * 16) + 1, left = rounds;
    __asm__ volatile("1:\n\t" STEPS_24("vpmaddwd", "vpaddd") "dec %0\n\tjnz 1b" : "+r"(left)::CLOBBERED, "cc");
    return rounds * 24 * 16;
}

/* 24 of 27 multiplies are products; the other three widen what eight of them summed. */
uint64_t nj_peak_int8_avx2(uint64_t count)
{
    uint64_t rounds = count / (24 * 32) + 1, left = rounds;
    __asm__ volatile("1:\n\t" STEPS_24("vpmaddubsw", "vpaddw") STEP("vpmaddwd", "vpaddd", 0, 8, 10) STEP("vpmaddwd", "vpaddd", 1, 9, 11)
                         STEP("vpmaddwd", "vpaddd", 2, 10, 12) "dec %0\n\tjnz 1b"
                     : "+r"(left)::CLOBBERED, "cc");
    return rounds * 24 * 32;
}

#define FMA(acc) "vfmadd231ps %%ymm15, %%ymm14, %%ymm" #acc "\n\t"

uint64_t nj_peak_f32_avx2(uint64_t count)
{
    uint64_t rounds = count / (12 * 8) + 1, left = rounds;
    __asm__ volatile("vpxor %%ymm14, %%ymm14, %%ymm14\n\tvpxor %%ymm15, %%ymm15, %%ymm15\n\t"
                     "1:\n\t" FMA(0) FMA(1) FMA(2) FMA(3) FMA(4) FMA(5) FMA(6) FMA(7) FMA(8) FMA(9) FMA(10) FMA(11) "dec %0\n\tjnz 1b"
                     : "+r"(left)::CLOBBERED, "cc");
    return rounds * 12 * 8;
}

uint64_t nj_read_memory_avx2(const void *memory, size_t bytes)
{
    const size_t   quarter = bytes / 4;
    const uint8_t *at      = memory;
    __m256i        sum[4];
    for (int s = 0; s < 4; s++)
        sum[s] = _mm256_setzero_si256();
    for (size_t i = 0; i < quarter; i += 64)
#pragma GCC unroll 4
        for (size_t s = 0; s < 4; s++) {
            const uint8_t *line = at + s * quarter + i;
            _mm_prefetch((const char *)line + 4096, _MM_HINT_T0);
            sum[s] = _mm256_add_epi64(sum[s], _mm256_load_si256((const __m256i *)(const void *)line));
            sum[s] = _mm256_add_epi64(sum[s], _mm256_load_si256((const __m256i *)(const void *)line + 1));
        }
    sum[0] = _mm256_add_epi64(_mm256_add_epi64(sum[0], sum[1]), _mm256_add_epi64(sum[2], sum[3]));
    uint64_t parts[4];
    _mm256_storeu_si256((__m256i *)(void *)parts, sum[0]);
    return parts[0] + parts[1] + parts[2] + parts[3];
}
