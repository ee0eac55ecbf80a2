/* The most that 512-bit vectors give without VNNI. */
#include "kernels/forms_avx512.h"
#include "kernels/peak_x86.h"

uint64_t nj_peak_int16_avx512(uint64_t count)
{
    uint64_t rounds = count / (24 * 32) + 1;
    LOOP(rounds, STEPS_24("zmm", "vpmaddwd", "vpaddd"));
    return rounds * 24 * 32;
}

/* 24 of 27 multiplies are products; the other three widen what eight of them summed. */
uint64_t nj_peak_int8_avx512(uint64_t count)
{
    uint64_t rounds = count / (24 * 64) + 1;
    LOOP(rounds, STEPS_24("zmm", "vpmaddubsw", "vpaddw") STEP("zmm", "vpmaddwd", "vpaddd", 0, 8, 10)
                     STEP("zmm", "vpmaddwd", "vpaddd", 1, 9, 11) STEP("zmm", "vpmaddwd", "vpaddd", 2, 10, 12));
    return rounds * 24 * 64;
}

uint64_t nj_peak_f32_avx512(uint64_t count)
{
    uint64_t rounds = count / (12 * 16) + 1;
    LOOP(rounds, DOTS_12("zmm", "vfmadd231ps"));
    return rounds * 12 * 16;
}
