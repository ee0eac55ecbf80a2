#include "pipeline/model/gptq.h"
#include "pipeline/model/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK NJ_MOMENT_BLOCK

static uint32_t block_size(uint32_t cols, uint32_t block)
{
    uint32_t left = cols - block * BLOCK;
    return left < BLOCK ? left : BLOCK;
}

struct place {
    double   moment;
    uint16_t index;
};

static int by_moment(const void *a, const void *b)
{
    const struct place *left = a, *right = b;
    if (left->moment != right->moment)
        return left->moment > right->moment ? -1 : 1;
    return left->index < right->index ? -1 : 1;
}

/* The upper triangle U of H^-1 = U^T U, with H damped by a hundredth of its mean diagonal so that inputs that never stir do no harm. */
static void factor_block(const float *h, uint32_t n, uint16_t *order, float *out, double *a, double *work)
{
    struct place places[BLOCK];
    double       mean = 0;
    for (uint32_t i = 0; i < n; i++) {
        places[i] = (struct place){h[i * BLOCK + i], (uint16_t)i};
        mean += h[i * BLOCK + i] / n;
    }
    qsort(places, n, sizeof *places, by_moment);
    mean = mean > 0 && isfinite(mean) ? mean : 1;
    for (uint32_t i = 0; i < n; i++) {
        order[i] = places[i].index;
        for (uint32_t j = 0; j < n; j++)
            a[i * n + j] = h[places[i].index * BLOCK + places[j].index] + (i == j ? 0.01 * mean : 0);
    }
    bool fine = nj_invert(a, n, work);
    fine      = fine && nj_cholesky(a, n);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++)
            out[i * BLOCK + j] = fine ? (float)a[j * n + i] : (float)(i == j);
}

nj_status nj_gptq_open(const struct nj_moments *moments, struct nj_gptq *out, struct nj_error *error)
{
    uint32_t blocks = nj_moment_blocks(moments->cols);
    double  *a = malloc(BLOCK * BLOCK * sizeof *a), *work = malloc(BLOCK * BLOCK * sizeof *work);
    *out             = (struct nj_gptq){.moments = moments, .cols = moments->cols};
    out->order       = calloc((size_t)blocks * BLOCK, sizeof *out->order);
    out->factor      = calloc((size_t)blocks * BLOCK * BLOCK, sizeof *out->factor);
    nj_status status = a && work && out->order && out->factor ? NJ_OK : nj_fail(error, "no memory to quantise with calibration");
    for (uint32_t b = 0; b < blocks && status == NJ_OK; b++)
        factor_block(nj_moment_block(moments, b), block_size(moments->cols, b), out->order + (size_t)b * BLOCK,
                     out->factor + (size_t)b * BLOCK * BLOCK, a, work);
    free(a);
    free(work);
    if (status != NJ_OK)
        nj_gptq_close(out);
    return status;
}

void nj_gptq_close(struct nj_gptq *gptq)
{
    free(gptq->order);
    free(gptq->factor);
    *gptq = (struct nj_gptq){0};
}

static float to_nearest(float weight, float scale)
{
    float q = rintf(weight / scale);
    return !(q >= -8) ? -8 : q > 7 ? 7 : q;
}

static float moment_of(const struct nj_gptq *gptq, uint32_t col)
{
    const float *block = nj_moment_block(gptq->moments, col / BLOCK);
    return block[col % BLOCK * (BLOCK + 1)];
}

/* The scale of one group with the least weighted error among a dozen. */
static float best_scale(const struct nj_gptq *gptq, const float *weights, uint32_t from, uint32_t group, enum nj_format type)
{
    static const float stretch[] = {1.0f, 1.07f, 1.03f, 0.97f, 0.94f, 0.91f, 0.88f, 0.85f, 0.82f, 0.78f, 0.74f, 0.7f, 0.65f};
    float              largest = 0, best = 0;
    double             least = INFINITY;
    for (uint32_t i = from; i < from + group; i++)
        largest = fabsf(weights[i]) > largest ? fabsf(weights[i]) : largest;
    for (size_t k = 0; k < sizeof stretch / sizeof *stretch; k++) {
        float  scale = largest / 7.5f * stretch[k];
        double error = 0;
        nj_round_to(type, &scale, 1);
        if (scale == 0)
            continue;
        for (uint32_t i = from; i < from + group; i++) {
            float change = to_nearest(weights[i], scale) * scale - weights[i];
            error += (double)(change * change) * ((double)moment_of(gptq, i) + 1e-12);
        }
        if (error < least) {
            least = error;
            best  = scale;
        }
    }
    return best > 0 ? best : 0x1p-7f; /* a group of zeros */
}

void nj_gptq_row(const struct nj_gptq *gptq, const float *weights, uint32_t cols, uint32_t group, enum nj_format scale_type, int8_t *q,
                 float *scales)
{
    for (uint32_t from = 0; from < cols; from += group)
        scales[from / group] = best_scale(gptq, weights, from, group, scale_type);
    for (uint32_t b = 0; b < nj_moment_blocks(cols); b++) {
        const uint16_t *order  = gptq->order + (size_t)b * BLOCK;
        const float    *factor = gptq->factor + (size_t)b * BLOCK * BLOCK;
        uint32_t        n      = block_size(cols, b);
        float           left[BLOCK];
        for (uint32_t i = 0; i < n; i++)
            left[i] = weights[b * BLOCK + order[i]];
        for (uint32_t i = 0; i < n; i++) {
            uint32_t     col   = b * BLOCK + order[i];
            float        scale = scales[col / group], value = to_nearest(left[i], scale);
            const float *row  = factor + (size_t)i * BLOCK;
            float        cost = (left[i] - value * scale) / row[i];
            q[col]            = (int8_t)value;
            for (uint32_t j = i + 1; j < n; j++)
                left[j] -= cost * row[j];
        }
    }
}

void nj_gptq_error(const struct nj_gptq *gptq, const float *weights, uint32_t cols, uint32_t group, const int8_t *q, const float *scales,
                   double error[2])
{
    for (uint32_t b = 0; b < nj_moment_blocks(cols); b++) {
        const float *h = nj_moment_block(gptq->moments, b);
        uint32_t     n = block_size(cols, b);
        float        change[BLOCK];
        for (uint32_t i = 0; i < n; i++) {
            uint32_t col = b * BLOCK + i;
            change[i]    = (float)q[col] * scales[col / group] - weights[col];
        }
        for (uint32_t i = 0; i < n; i++) {
            float cost = 0, whole = 0;
            for (uint32_t j = 0; j < n; j++) {
                cost += h[i * BLOCK + j] * change[j];
                whole += h[i * BLOCK + j] * weights[b * BLOCK + j];
            }
            error[0] += (double)change[i] * cost;
            error[1] += (double)weights[b * BLOCK + i] * whole;
        }
    }
}
