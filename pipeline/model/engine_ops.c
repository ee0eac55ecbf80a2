#include "pipeline/model/engine_internal.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>

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

static void f32_rows(const void *w, const int32_t *index, size_t count, size_t cols, const float *x, size_t x_stride, size_t tokens,
                     float *out, size_t out_stride)
{
    const float *rows = w;
    for (size_t t = 0; t < tokens; t++)
        for (size_t r = 0; r < count; r++)
            out[t * out_stride + r] = nj_dot(rows + (index ? (size_t)index[r] : r) * cols, x + t * x_stride, cols);
}

/* gelu_tanh; the erf form is another function, and visible in the logits. */
static float gelu(float value)
{
    float inner = 0.7978845608028654f * (value + 0.044715f * value * value * value);
    return 0.5f * value * (1.0f + tanhf(inner));
}

static void gelu_mul(const float *gate, const float *up, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = gelu(gate[i]) * up[i];
}

static void rms_norm(const float *x, const float *weight, size_t n, float eps, float *out)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (double)x[i] * x[i];
    float factor = (float)(1.0 / sqrt(squares / (double)n + eps));
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] * factor * (weight ? weight[i] : 1.0f);
}

static void rope(float *x, const float *cosine, const float *sine, size_t half, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float a = x[i], b = x[i + half];
        x[i]        = a * cosine[i] - b * sine[i];
        x[i + half] = b * cosine[i] + a * sine[i];
    }
}

static void add_scale(const float *x, const float *y, size_t n, float scale, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (x[i] + y[i]) * scale;
}

static void clamp(const float *x, size_t n, float low, float high, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] < low ? low : x[i] > high ? high : x[i];
}

static void softcap(const float *x, size_t n, float cap, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = cap * tanhf(x[i] / cap);
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

void nj_exact_operations(struct nj_kernels *table)
{
    table->f32_rows  = f32_rows;
    table->gelu_mul  = gelu_mul;
    table->rms_norm  = rms_norm;
    table->rope      = rope;
    table->add_scale = add_scale;
    table->clamp     = clamp;
    table->softcap   = softcap;
}

size_t nj_size_mul(size_t a, size_t b)
{
    return b != 0 && a > SIZE_MAX / b ? SIZE_MAX : a * b;
}

#define HEADER 64 /* in front of what nj_pages gives: its size */

void *nj_pages(size_t size)
{
    if (size > PTRDIFF_MAX - HEADER)
        return NULL;
    uint8_t *memory = mmap(NULL, size + HEADER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    memcpy(memory, &size, sizeof size);
    return memory + HEADER;
}

void nj_pages_free(void *memory)
{
    size_t size;
    if (!memory)
        return;
    memcpy(&size, (uint8_t *)memory - HEADER, sizeof size);
    munmap((uint8_t *)memory - HEADER, size + HEADER);
}

float *nj_carve(struct nj_list *lists, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        size_t padded = lists[i].floats + (16 - lists[i].floats % 16) % 16;
        if (padded < lists[i].floats || padded > PTRDIFF_MAX / sizeof(float) - total)
            return NULL;
        lists[i].floats = padded;
        total += padded;
    }
    float *memory = nj_pages(total * sizeof(float));
    for (size_t i = 0, used = 0; memory && i < count; used += lists[i++].floats)
        *lists[i].place = memory + used;
    return memory;
}
