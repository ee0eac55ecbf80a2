#include "pipeline/model/engine_internal.h"

#include <math.h>

/* Four sums side by side: the compilers keep them in one register. */
struct lanes {
    float at[4];
};

static inline struct lanes multiply_add(struct lanes sum, const float *a, const float *b)
{
    for (int i = 0; i < 4; i++)
        sum.at[i] += a[i] * b[i];
    return sum;
}

static inline struct lanes add(struct lanes a, struct lanes b)
{
    for (int i = 0; i < 4; i++)
        a.at[i] += b.at[i];
    return a;
}

float nj_dot(const float *a, const float *b, size_t count)
{
    struct lanes s0 = {{0}}, s1 = s0, s2 = s0, s3 = s0;
    size_t       i = 0;
    for (; i + 16 <= count; i += 16) {
        s0 = multiply_add(s0, a + i, b + i);
        s1 = multiply_add(s1, a + i + 4, b + i + 4);
        s2 = multiply_add(s2, a + i + 8, b + i + 8);
        s3 = multiply_add(s3, a + i + 12, b + i + 12);
    }
    s0        = add(add(s0, s1), add(s2, s3));
    float sum = s0.at[0] + s0.at[1] + (s0.at[2] + s0.at[3]);
    for (; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

void nj_add_scaled(float *restrict out, const float *restrict x, float factor, size_t count)
{
    size_t i = 0;
    for (; i + 16 <= count; i += 16)
        for (int j = 0; j < 16; j++)
            out[i + j] += factor * x[i + j];
    for (; i < count; i++)
        out[i] += factor * x[i];
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
