#include "pipeline/model/quantize.h"
#include "pipeline/model/rows.h"

#include <math.h>

/* What a zero scale becomes: the spacing of the type at 1, so that dividing by it is harmless. */
static float epsilon_of(enum nj_format type)
{
    return type == NJ_BF16 ? 0x1p-7f : type == NJ_F16 ? 0x1p-10f : 0x1p-23f;
}

/* Whole numbers in [low, high]; what is no number becomes the lowest. */
static void to_integers(const float *weights, uint32_t count, float scale, enum nj_format type, float low, float high, int8_t *q)
{
    enum { BLOCK = 128 };
    float quotient[BLOCK];
    for (uint32_t from = 0; from < count; from += BLOCK) {
        uint32_t size = count - from < BLOCK ? count - from : BLOCK;
        for (uint32_t i = 0; i < size; i++)
            quotient[i] = weights[from + i] / scale;
        nj_round_to(type, quotient, size);
        for (uint32_t i = 0; i < size; i++)
            q[from + i] = (int8_t)rintf(!(quotient[i] >= low) ? low : quotient[i] > high ? high : quotient[i]);
    }
}

void nj_quantize_w4(const float *weights, uint32_t cols, uint32_t group, enum nj_format scale_type, enum nj_format quotient_type, int8_t *q,
                    float *scales)
{
    for (uint32_t from = 0; from < cols; from += group) {
        float low = 0, high = 0;
        for (uint32_t i = from; i < from + group; i++) {
            low  = weights[i] < low ? weights[i] : low;
            high = weights[i] > high ? weights[i] : high;
        }
        float scale = (-low > high ? -low : high) / 7.5f;
        nj_round_to(scale_type, &scale, 1);
        scale                = scale == 0 ? epsilon_of(scale_type) : scale;
        scales[from / group] = scale;
        to_integers(weights + from, group, scale, quotient_type, -8, 7, q + from);
    }
}

void nj_quantize_w8(const float *weights, uint32_t cols, uint32_t group, int8_t *q, float *scales)
{
    for (uint32_t from = 0; from < cols; from += group) {
        float largest = 0;
        for (uint32_t i = from; i < from + group; i++)
            largest = fabsf(weights[i]) > largest ? fabsf(weights[i]) : largest;
        float scale = largest / 127;
        nj_round_to(NJ_BF16, &scale, 1);
        scale                = scale == 0 ? epsilon_of(NJ_BF16) : scale;
        scales[from / group] = scale;
        to_integers(weights + from, group, scale, NJ_F32, -127, 127, q + from);
    }
}
