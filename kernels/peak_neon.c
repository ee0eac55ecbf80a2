/* The most that plain NEON gives: loops on registers, and four streams of loads. */
#include "kernels/forms_neon.h"

#define CLOBBERED    "v0", "v1", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31"
#define EACH(of)     of(16) of(17) of(18) of(19) of(20) of(21) of(22) of(23) of(24) of(25) of(26) of(27) of(28) of(29) of(30) of(31)
#define SMLAL16(acc) "smlal v" #acc ".4s, v0.4h, v1.h[0]\n\t"
#define SMLAL8(acc)  "smlal v" #acc ".8h, v0.8b, v1.8b\n\t"
#define FMLA(acc)    "fmla v" #acc ".4s, v0.4s, v1.s[0]\n\t"

uint64_t nj_peak_int16_neon(uint64_t count)
{
    uint64_t rounds = count / (16 * 4) + 1, left = rounds;
    __asm__ volatile("movi v1.4s, #0\n1:\n\t" EACH(SMLAL16) "subs %0, %0, #1\n\tb.ne 1b" : "+r"(left)::CLOBBERED, "cc");
    return rounds * 16 * 4;
}

uint64_t nj_peak_int8_neon(uint64_t count)
{
    uint64_t rounds = count / (16 * 8) + 1, left = rounds;
    __asm__ volatile("movi v1.4s, #0\n1:\n\t" EACH(SMLAL8) "subs %0, %0, #1\n\tb.ne 1b" : "+r"(left)::CLOBBERED, "cc");
    return rounds * 16 * 8;
}

uint64_t nj_peak_f32_neon(uint64_t count)
{
    uint64_t rounds = count / (16 * 4) + 1, left = rounds;
    __asm__ volatile("movi v18.4s, #0\n\tmovi v1.4s, #0\n1:\n\t" EACH(FMLA) "subs %0, %0, #1\n\tb.ne 1b" : "+r"(left)::CLOBBERED, "cc");
    return rounds * 16 * 4;
}

uint64_t nj_read_memory_neon(const void *memory, size_t bytes)
{
    const size_t   quarter = bytes / 4;
    const uint8_t *at      = memory;
    uint64x2_t     sum[4];
    for (int s = 0; s < 4; s++)
        sum[s] = vdupq_n_u64(0);
    for (size_t i = 0; i < quarter; i += 64) {
        NJ_UNROLL
        for (size_t s = 0; s < 4; s++) {
            const uint8_t *line = at + s * quarter + i;
            __builtin_prefetch(line + 1024);
            NJ_UNROLL
            for (size_t j = 0; j < 64; j += 16)
                sum[s] = vaddq_u64(sum[s], vreinterpretq_u64_u8(vld1q_u8(line + j)));
        }
    }
    return vaddvq_u64(vaddq_u64(vaddq_u64(sum[0], sum[1]), vaddq_u64(sum[2], sum[3])));
}
