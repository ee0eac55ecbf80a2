/* loop_dotprod.h: inside kernels/ only: the SDOT loop that all full tiles run through. */
#ifndef NJ_KERNELS_LOOP_DOTPROD_H
#define NJ_KERNELS_LOOP_DOTPROD_H

#include <stdint.h>

/* The inner loop of full tiles, by hand: compilers either spill or load too early. Sixteen sums; each step of four columns takes two quads of rows and two
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
#define FULL_LOOP(name, w_step, x_step)                                                                                                    \
    static inline void name(const int8_t *w, const uint8_t *x0, const uint8_t *x1, uint64_t rounds, int32_t *sums)                         \
    {                                                                                                                                      \
        __asm__ volatile("ld1 {v16.4s-v19.4s}, [%[s]], #64\n\tld1 {v20.4s-v23.4s}, [%[s]], #64\n\t"                                        \
                         "ld1 {v24.4s-v27.4s}, [%[s]], #64\n\tld1 {v28.4s-v31.4s}, [%[s]]\n\tsub %[s], %[s], #192\n"                       \
                         "1:\n\tldr q0, [%[w]]\n\tldr q1, [%[w], #16]\n\tldr q2, [%[x0]]\n\tldr q3, [%[x1]]\n\t" EVEN(1, w_step, x_step)   \
                             ODD(2, w_step, x_step) EVEN(3, w_step, x_step) LAST                                                           \
                         "add %[w], %[w], #4*" #w_step "\n\tadd %[x0], %[x0], #4*" #x_step "\n\tadd %[x1], %[x1], #4*" #x_step             \
                         "\n\tsubs %[n], %[n], #1\n\tb.ne 1b\n\t"                                                                          \
                         "st1 {v16.4s-v19.4s}, [%[s]], #64\n\tst1 {v20.4s-v23.4s}, [%[s]], #64\n\t"                                        \
                         "st1 {v24.4s-v27.4s}, [%[s]], #64\n\tst1 {v28.4s-v31.4s}, [%[s]]"                                                 \
                         : [w] "+r"(w), [x0] "+r"(x0), [x1] "+r"(x1), [n] "+r"(rounds), [s] "+r"(sums)                                     \
                         :                                                                                                                 \
                         : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24",  \
                           "v25", "v26", "v27", "v28", "v29", "v30", "v31", "cc", "memory");                                               \
    }

#endif
