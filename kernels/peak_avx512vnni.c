/* The most that 512-bit vectors give with VNNI. */
#include "kernels/forms_avx512.h"
#include "kernels/peak_x86.h"

uint64_t nj_peak_int16_avx512vnni(uint64_t count)
{
    uint64_t rounds = count / (12 * 32) + 1;
    LOOP(rounds, DOTS_12("zmm", "vpdpwssd"));
    return rounds * 12 * 32;
}

uint64_t nj_peak_int8_avx512vnni(uint64_t count)
{
    uint64_t rounds = count / (12 * 64) + 1;
    LOOP(rounds, DOTS_12("zmm", "vpdpbusd"));
    return rounds * 12 * 64;
}
