/* The most that AVX2 gives: loops on registers, in the order of instructions that was found fastest, and four streams of loads. */
#include "kernels/forms_avx2.h"
#include "kernels/peak_x86.h"

#include <immintrin.h>

uint64_t nj_peak_int16_avx2(uint64_t count)
{
    uint64_t rounds = count / (24 * 16) + 1;
    LOOP(rounds, STEPS_24("ymm", "vpmaddwd", "vpaddd"));
    return rounds * 24 * 16;
}

/* 24 of 27 multiplies are products; the other three widen what eight of them summed. */
uint64_t nj_peak_int8_avx2(uint64_t count)
{
    uint64_t rounds = count / (24 * 32) + 1;
    LOOP(rounds, STEPS_24("ymm", "vpmaddubsw", "vpaddw") STEP("ymm", "vpmaddwd", "vpaddd", 0, 8, 10)
                     STEP("ymm", "vpmaddwd", "vpaddd", 1, 9, 11) STEP("ymm", "vpmaddwd", "vpaddd", 2, 10, 12));
    return rounds * 24 * 32;
}

uint64_t nj_peak_f32_avx2(uint64_t count)
{
    uint64_t rounds = count / (12 * 8) + 1;
    LOOP(rounds, DOTS_12("ymm", "vfmadd231ps"));
    return rounds * 12 * 8;
}

uint64_t nj_read_memory_avx2(const void *memory, size_t bytes)
{
    const size_t   quarter = bytes / 4;
    const uint8_t *at      = memory;
    __m256i        sum[4];
    for (int s = 0; s < 4; s++)
        sum[s] = _mm256_setzero_si256();
    for (size_t i = 0; i < quarter; i += 64) {
        NJ_UNROLL
        for (size_t s = 0; s < 4; s++) {
            const uint8_t *line = at + s * quarter + i;
            _mm_prefetch((const char *)line + 4096, _MM_HINT_T0);
            sum[s] = _mm256_add_epi64(sum[s], _mm256_load_si256((const __m256i *)(const void *)line));
            sum[s] = _mm256_add_epi64(sum[s], _mm256_load_si256((const __m256i *)(const void *)line + 1));
        }
    }
    sum[0] = _mm256_add_epi64(_mm256_add_epi64(sum[0], sum[1]), _mm256_add_epi64(sum[2], sum[3]));
    uint64_t parts[4];
    _mm256_storeu_si256((__m256i *)(void *)parts, sum[0]);
    return parts[0] + parts[1] + parts[2] + parts[3];
}
