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

static inline float nj_f16_value(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, rest = (uint32_t)(bits & 0x7fff) << 13;
    if (rest >= 0x7c00u << 13)
        return nj_float_of_bits(sign | 0x7f800000 | rest);
    /* the multiplication moves the exponent by 112 and makes denormals right */
    return nj_float_of_bits(sign | nj_bits_of_float(nj_float_of_bits(rest) * 0x1p112f));
}

/* Nearest, ties to even; what is too large becomes infinity. */
static inline uint16_t nj_f16_round(float value)
{
    uint32_t bits = nj_bits_of_float(value), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
    if (rest > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (rest >= 0x477ff000) /* 65520 and more */
        return (uint16_t)(sign | 0x7c00);
    if (rest < 0x38800000) { /* below 2^-14: adding 0.5 leaves the denormal in the low bits, rounded */
        uint32_t moved = nj_bits_of_float(nj_float_of_bits(rest) + 0.5f);
        return (uint16_t)(sign | (moved - 0x3f000000));
    }
    rest += 0xfff + (rest >> 13 & 1);
    return (uint16_t)(sign | (rest - (112u << 23)) >> 13);
}

#endif
