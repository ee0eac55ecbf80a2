#include "kernels/forms.h"
#include "kernels/forms_c.h"

#include <math.h>

void nj_rms_norm_c(const float *x, const float *weight, size_t n, float eps, float *out)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    float factor = (float)(1 / sqrt(sum / (double)n + (double)eps));
    for (size_t i = 0; i < n; i++)
        out[i] = weight ? x[i] * factor * weight[i] : x[i] * factor;
}

void nj_rope_c(float *x, const float *cosine, const float *sine, size_t half, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float a = x[i], b = x[i + half];
        x[i]        = a * cosine[i] - b * sine[i];
        x[i + half] = b * cosine[i] + a * sine[i];
    }
}

/* x / (1 + exp(-2u)) is 0.5 x (1 + tanh u) without the cancellation at negative x. */
static float gelu(float x)
{
    double u = 0.7978845608028654 * ((double)x + 0.044715 * (double)x * (double)x * (double)x);
    return (float)((double)x / (1 + exp(-2 * u)));
}

void nj_gelu_c(const float *x, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = gelu(x[i]);
}

void nj_gelu_mul_c(const float *gate, const float *up, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = gelu(gate[i]) * up[i];
}

void nj_add_scale_c(const float *x, const float *y, size_t n, float scale, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (x[i] + y[i]) * scale;
}

void nj_clamp_c(const float *x, size_t n, float low, float high, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = fminf(fmaxf(x[i], low), high);
}

void nj_softcap_c(const float *x, size_t n, float cap, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = cap * tanhf(x[i] / cap);
}

float nj_softmax_c(const float *x, size_t n, float *out)
{
    float  largest = x[0];
    double sum     = 0;
    for (size_t i = 1; i < n; i++)
        largest = fmaxf(largest, x[i]);
    for (size_t i = 0; i < n; i++) {
        out[i] = expf(x[i] - largest);
        sum += (double)out[i];
    }
    return (float)sum;
}
