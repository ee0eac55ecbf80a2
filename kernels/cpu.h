/* cpu.h: which instruction sets this processor has, and which of them may be used. */
#ifndef NJ_KERNELS_CPU_H
#define NJ_KERNELS_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nj_cpu_feature {
    NJ_CPU_AVX2       = 1 << 0, /* with FMA, F16C and BMI2 */
    NJ_CPU_AVX512     = 1 << 1, /* F, BW, VL and DQ */
    NJ_CPU_AVX512VNNI = 1 << 2,
    NJ_CPU_NEON       = 1 << 3,
    NJ_CPU_DOTPROD    = 1 << 4, /* with fp16 arithmetic */
    NJ_CPU_I8MM       = 1 << 5
};

/* What the processor and the operating system offer. */
uint32_t nj_cpu_detect(void);

/* Applies a list as people write it in NJ_CPU: features by name (avx2, avx512, avx512vnni, neon, dotprod, i8mm), separated by commas. `-name` takes one
 * away; a list without `-` names the only ones to keep; `c` keeps none (plain C). What a feature needs goes with it: -avx2 takes avx512 along.
 * NULL or "" changes nothing. False for a name that does not exist; *features is then as before. */
bool nj_cpu_mask(const char *list, uint32_t *features);

/* The names in `features`, separated by commas, "c" for none, into out[size]. */
void nj_cpu_names(uint32_t features, char *out, size_t size);

#endif
