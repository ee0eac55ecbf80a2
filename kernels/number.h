/* number.h: bf16, fp16 and bit patterns of fp32, in portable C, as the kernels mean them. */
#ifndef NJ_KERNELS_NUMBER_H
#define NJ_KERNELS_NUMBER_H

#include <stdint.h>
#include <string.h>

static inline float nj_float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t nj_bits_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float nj_bf16_value(uint16_t bits)
{
    return nj_float_of_bits((uint32_t)bits << 16);
}

/* Nearest, ties to even; a NaN stays one. */
static inline uint16_t nj_bf16_round(float value)
{
    uint32_t bits = nj_bits_of_float(value);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif
