/* The most that SDOT gives. A 16-bit activation takes two. */
#include "kernels/forms_neon.h"

#define CLOBBERED                                                                                                                          \
    "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19"
#define SDOT(acc) "sdot v" #acc ".4s, v18.16b, v19.4b[0]\n\t"

uint64_t nj_peak_int8_dotprod(uint64_t count)
{
    uint64_t rounds = count / (16 * 16) + 1, left = rounds;
    __asm__ volatile("1:\n\t" SDOT(0) SDOT(1) SDOT(2) SDOT(3) SDOT(4) SDOT(5) SDOT(6) SDOT(7) SDOT(8) SDOT(9) SDOT(10) SDOT(11) SDOT(12)
                         SDOT(13) SDOT(14) SDOT(15) "subs %0, %0, #1\n\tb.ne 1b"
                     : "+r"(left)::CLOBBERED, "cc");
    return rounds * 16 * 16;
}

uint64_t nj_peak_int16_dotprod(uint64_t count)
{
    return nj_peak_int8_dotprod(count * 2) / 2;
}
