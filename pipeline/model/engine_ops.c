#include "pipeline/model/engine_internal.h"

#include <math.h>

#define LANES 32

float nj_dot(const float *a, const float *b, size_t count)
{
    float  sum[LANES] = {0};
    size_t i          = 0;
    for (; i + LANES <= count; i += LANES)
        for (int lane = 0; lane < LANES; lane++)
            sum[lane] += a[i + lane] * b[i + lane];
    for (; i < count; i++)
        sum[i % LANES] += a[i] * b[i];
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int lane = 0; lane < half; lane++)
            sum[lane] += sum[lane + half];
    return sum[0];
}

/* 0.5 v (1 + tanh(sqrt(2 / pi) (v + 0.044715 v^3))); the erf form is another function, and visible in the logits. */
float nj_gelu(float value)
{
    float inner = 0.7978845608028654f * (value + 0.044715f * value * value * value);
    return 0.5f * value * (1.0f + tanhf(inner));
}

void nj_rms_norm(const float *x, const float *weight, uint32_t count, float epsilon, float *out)
{
    double squares = 0;
    for (uint32_t i = 0; i < count; i++)
        squares += (double)x[i] * x[i];
    float factor = (float)(1.0 / sqrt(squares / count + epsilon));
    for (uint32_t i = 0; i < count; i++)
        out[i] = x[i] * factor * (weight ? weight[i] : 1.0f);
}

void nj_softmax(float *scores, size_t count)
{
    float largest = scores[0];
    for (size_t i = 1; i < count; i++)
        if (scores[i] > largest)
            largest = scores[i];
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        scores[i] = expf(scores[i] - largest);
        sum += scores[i];
    }
    float factor = (float)(1.0 / sum);
    for (size_t i = 0; i < count; i++)
        scores[i] *= factor;
}

void nj_rotate(float *head, uint32_t size, uint32_t pairs, const float *cosine, const float *sine)
{
    float *other = head + size / 2;
    for (uint32_t i = 0; i < pairs; i++) {
        float a = head[i], b = other[i];
        head[i]  = a * cosine[i] - b * sine[i];
        other[i] = b * cosine[i] + a * sine[i];
    }
}

size_t nj_size_mul(size_t a, size_t b)
{
    return b != 0 && a > SIZE_MAX / b ? SIZE_MAX : a * b;
}
