/* peak_x86.h: inside kernels/ only: what the register-only loops of x86 are made of. V is the prefix of the vector registers, "ymm" or "zmm". All keep to the
 * first sixteen, which every compiler lets an asm statement name. */
#ifndef NJ_KERNELS_PEAK_X86_H
#define NJ_KERNELS_PEAK_X86_H

#define CLOBBERED                                                                                                                          \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/* A multiply into one of six registers, and the sum of the multiply four before it: both kinds find free ports. */
#define STEP(V, multiply, add, acc, now, before)                                                                                           \
    multiply " %%" V "15, %%" V "14, %%" V #now "\n\t" add " %%" V #before ", %%" V #acc ", %%" V #acc "\n\t"
#define STEPS_24(V, multiply, add)                                                                                                         \
    STEP(V, multiply, add, 0, 8, 10)                                                                                                       \
    STEP(V, multiply, add, 1, 9, 11)                                                                                                       \
    STEP(V, multiply, add, 2, 10, 12)                                                                                                      \
    STEP(V, multiply, add, 3, 11, 13)                                                                                                      \
    STEP(V, multiply, add, 4, 12, 8)                                                                                                       \
    STEP(V, multiply, add, 5, 13, 9)                                                                                                       \
    STEP(V, multiply, add, 6, 8, 10)                                                                                                       \
    STEP(V, multiply, add, 7, 9, 11)                                                                                                       \
    STEP(V, multiply, add, 0, 10, 12)                                                                                                      \
    STEP(V, multiply, add, 1, 11, 13)                                                                                                      \
    STEP(V, multiply, add, 2, 12, 8)                                                                                                       \
    STEP(V, multiply, add, 3, 13, 9)                                                                                                       \
    STEP(V, multiply, add, 4, 8, 10)                                                                                                       \
    STEP(V, multiply, add, 5, 9, 11)                                                                                                       \
    STEP(V, multiply, add, 6, 10, 12)                                                                                                      \
    STEP(V, multiply, add, 7, 11, 13)                                                                                                      \
    STEP(V, multiply, add, 0, 12, 8)                                                                                                       \
    STEP(V, multiply, add, 1, 13, 9)                                                                                                       \
    STEP(V, multiply, add, 2, 8, 10)                                                                                                       \
    STEP(V, multiply, add, 3, 9, 11)                                                                                                       \
    STEP(V, multiply, add, 4, 10, 12)                                                                                                      \
    STEP(V, multiply, add, 5, 11, 13)                                                                                                      \
    STEP(V, multiply, add, 6, 12, 8)                                                                                                       \
    STEP(V, multiply, add, 7, 13, 9)

/* One instruction that multiplies and adds: twelve sums hide its latency. */
#define DOT(V, instruction, acc) instruction " %%" V "15, %%" V "14, %%" V #acc "\n\t"
#define DOTS_12(V, instruction)                                                                                                            \
    DOT(V, instruction, 0)                                                                                                                 \
    DOT(V, instruction, 1)                                                                                                                 \
    DOT(V, instruction, 2)                                                                                                                 \
    DOT(V, instruction, 3)                                                                                                                 \
    DOT(V, instruction, 4)                                                                                                                 \
    DOT(V, instruction, 5)                                                                                                                 \
    DOT(V, instruction, 6)                                                                                                                 \
    DOT(V, instruction, 7)                                                                                                                 \
    DOT(V, instruction, 8)                                                                                                                 \
    DOT(V, instruction, 9)                                                                                                                 \
    DOT(V, instruction, 10)                                                                                                                \
    DOT(V, instruction, 11)

/* Runs `body` `rounds` times. All registers start at zero: no denormal number slows the loop. */
#define LOOP(rounds, body)                                                                                                                 \
    do {                                                                                                                                   \
        uint64_t left_ = (rounds);                                                                                                         \
        __asm__ volatile("vzeroall\n\t"                                                                                                    \
                         "1:\n\t" body "dec %0\n\tjnz 1b"                                                                                  \
                         : "+r"(left_)::CLOBBERED, "cc");                                                                                  \
    } while (0)

#endif
