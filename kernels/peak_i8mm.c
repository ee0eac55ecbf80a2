/* The most that SMMLA gives. A 16-bit activation takes two. */
#include "kernels/forms_neon.h"

#define CLOBBERED                                                                                                                          \
    "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19"
#define SMMLA(acc) "smmla v" #acc ".4s, v18.16b, v19.16b\n\t"

uint64_t nj_peak_int8_i8mm(uint64_t count)
{
    uint64_t rounds = count / (16 * 32) + 1, left = rounds;
    __asm__ volatile("1:\n\t" SMMLA(0) SMMLA(1) SMMLA(2) SMMLA(3) SMMLA(4) SMMLA(5) SMMLA(6) SMMLA(7) SMMLA(8) SMMLA(9) SMMLA(10) SMMLA(11)
                         SMMLA(12) SMMLA(13) SMMLA(14) SMMLA(15) "subs %0, %0, #1\n\tb.ne 1b"
                     : "+r"(left)::CLOBBERED, "cc");
    return rounds * 16 * 32;
}

uint64_t nj_peak_int16_i8mm(uint64_t count)
{
    return nj_peak_int8_i8mm(count * 2) / 2;
}
