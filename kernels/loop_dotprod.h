/* loop_dotprod.h: inside kernels/ only: the SDOT loop that all full tiles run through. */
#ifndef NJ_KERNELS_LOOP_DOTPROD_H
#define NJ_KERNELS_LOOP_DOTPROD_H

#include "kernels/forms_neon.h"

/* The inner loop of full tiles, by hand: compilers either spill or load too early. Sixteen sums, from zero; each step of four columns takes two quads of rows and two
 * registers of activation words, and loads those of the next step in between, one at a time, without write-back, as small cores like it.
 *
 *     sums[2 t + i]     += w quad i . x0 lane t
 *     sums[8 + 2 t + i] += w quad i . x1 lane t
 *
 * w: two quads of 16 bytes side by side, the next step's w_step bytes on; x0, x1: 16 bytes each, the next step's x_step bytes on; rounds of four steps. */
#define SDOT4(t, w0, w1, x0, x1, a, b, c, d)                                                                                               \
    "sdot v" #a ".4s, " w0 ".16b, " x0 ".4b[" #t "]\n\tsdot v" #b ".4s, " w1 ".16b, " x0 ".4b[" #t "]\n\t"                                 \
    "sdot v" #c ".4s, " w0 ".16b, " x1 ".4b[" #t "]\n\tsdot v" #d ".4s, " w1 ".16b, " x1 ".4b[" #t "]\n\t"
#define STEP(w0, w1, x0, x1, load0, load1, load2, load3)                                                                                   \
    SDOT4(0, w0, w1, x0, x1, 16, 17, 24, 25)                                                                                               \
    load0 SDOT4(1, w0, w1, x0, x1, 18, 19, 26, 27) load1 SDOT4(2, w0, w1, x0, x1, 20, 21, 28, 29)                                          \
        load2 load3                                      SDOT4(3, w0, w1, x0, x1, 22, 23, 30, 31)
#define EVEN(next, w_step, x_step)                                                                                                         \
    STEP("v0", "v1", "v2", "v3", "ldr q4, [%[w], #" #next "*" #w_step "]\n\t", "ldr q5, [%[w], #" #next "*" #w_step "+16]\n\t",            \
         "ldr q6, [%[x0], #" #next "*" #x_step "]\n\t", "ldr q7, [%[x1], #" #next "*" #x_step "]\n\t")
#define ODD(next, w_step, x_step)                                                                                                          \
    STEP("v4", "v5", "v6", "v7", "ldr q0, [%[w], #" #next "*" #w_step "]\n\t", "ldr q1, [%[w], #" #next "*" #w_step "+16]\n\t",            \
         "ldr q2, [%[x0], #" #next "*" #x_step "]\n\t", "ldr q3, [%[x1], #" #next "*" #x_step "]\n\t")
#define LAST STEP("v4", "v5", "v6", "v7", "", "", "", "")
/* Explicit registers, so that the sums need no memory between the loop and what follows it. */
#define SUMS(a, b, c, d)  register int32x4_t sum##a __asm__("v" #a), sum##b __asm__("v" #b), sum##c __asm__("v" #c), sum##d __asm__("v" #d)
#define ZEROS(a, b, c, d) "movi v" #a ".4s, #0\n\tmovi v" #b ".4s, #0\n\tmovi v" #c ".4s, #0\n\tmovi v" #d ".4s, #0\n\t"
#define OUTS(a, b, c, d)  "=w"(sum##a), "=w"(sum##b), "=w"(sum##c), "=w"(sum##d)
#define FULL_LOOP(name, w_step, x_step)                                                                                                    \
    static inline __attribute__((always_inline)) void name(const int8_t *w, const uint8_t *x0, const uint8_t *x1, uint64_t rounds,         \
                                                           int32x4_t sums[16])                                                             \
    {                                                                                                                                      \
        SUMS(16, 17, 18, 19);                                                                                                              \
        SUMS(20, 21, 22, 23);                                                                                                              \
        SUMS(24, 25, 26, 27);                                                                                                              \
        SUMS(28, 29, 30, 31);                                                                                                              \
        __asm__ volatile(ZEROS(16, 17, 18, 19) ZEROS(20, 21, 22, 23) ZEROS(24, 25, 26, 27)                                                 \
                             ZEROS(28, 29, 30, 31) "1:\n\t"                                                                                \
                                                   "ldr q0, [%[w]]\n\tldr q1, [%[w], #16]\n\tldr q2, [%[x0]]\n\tldr q3, [%[x1]]\n\t" EVEN( \
                                                       1, w_step, x_step) ODD(2, w_step, x_step) EVEN(3, w_step, x_step) LAST              \
                         "add %[w], %[w], #4*" #w_step "\n\tadd %[x0], %[x0], #4*" #x_step "\n\tadd %[x1], %[x1], #4*" #x_step             \
                         "\n\tsubs %[n], %[n], #1\n\tb.ne 1b"                                                                              \
                         : [w] "+r"(w), [x0] "+r"(x0), [x1] "+r"(x1), [n] "+r"(rounds), OUTS(16, 17, 18, 19), OUTS(20, 21, 22, 23),        \
                           OUTS(24, 25, 26, 27), OUTS(28, 29, 30, 31)                                                                      \
                         :                                                                                                                 \
                         : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "cc", "memory");                                                \
        const int32x4_t all[16] = {sum16, sum17, sum18, sum19, sum20, sum21, sum22, sum23,                                                 \
                                   sum24, sum25, sum26, sum27, sum28, sum29, sum30, sum31};                                                \
        NJ_UNROLL                                                                                                                          \
        for (int i = 0; i < 16; i++)                                                                                                       \
            sums[i] = all[i];                                                                                                              \
    }

#endif
