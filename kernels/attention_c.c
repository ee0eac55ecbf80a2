#include "kernels/forms.h"
#include "kernels/forms_c.h"
#include "kernels/patches.h"

#include <math.h>

static void put(void *numbers, enum nj_number format, size_t at, float value)
{
    if (format == NJ_NUMBER_F32)
        ((float *)numbers)[at] = value;
    else
        ((uint16_t *)numbers)[at] = format == NJ_NUMBER_F16 ? nj_f16_round(value) : nj_bf16_round(value);
}

static size_t key_at(const struct nj_kv *kv, size_t slot, size_t d)
{
    return (slot / 16 * kv->head_dim + d) * 16 + slot % 16;
}

static size_t value_at(const struct nj_kv *kv, size_t slot, size_t d)
{
    return ((slot / 16 * (kv->head_dim / 16) + d / 16) * 16 + slot % 16) * 16 + d % 16;
}

void nj_kv_write_c(const struct nj_kv *kv, uint32_t position, const float *key, const float *value)
{
    size_t slot = position % kv->slots, dim = kv->head_dim;
    for (size_t d = 0; d < dim; d++) {
        put(kv->keys, kv->format, key_at(kv, slot, d), key[d]);
        put(kv->values, kv->format, value_at(kv, slot, d), value[d]);
    }
}

/* The softmax of what was seen so far: the largest score, the sum of exp(score - largest), and in out the sum of exp(score - largest) v. */
struct running {
    float largest, sum;
};

static void see(struct running *state, const struct nj_kv *kv, size_t slot, const float *q, float *out)
{
    size_t dim   = kv->head_dim;
    double score = 0;
    for (size_t d = 0; d < dim; d++)
        score += (double)q[d] * (double)nj_number_value(kv->keys, kv->format, key_at(kv, slot, d));
    if ((float)score > state->largest) {
        float shrink = expf(state->largest - (float)score);
        state->sum *= shrink;
        for (size_t d = 0; d < dim; d++)
            out[d] *= shrink;
        state->largest = (float)score;
    }
    float weight = expf((float)score - state->largest);
    state->sum += weight;
    for (size_t d = 0; d < dim; d++)
        out[d] += weight * nj_number_value(kv->values, kv->format, value_at(kv, slot, d));
}

void nj_attention_c(const struct nj_attention *job, uint32_t first, uint32_t rows, void *scratch)
{
    size_t dim = (job->kv ? job->kv : job->extra)->head_dim;
    (void)scratch;
    for (uint32_t row = first; row < first + rows; row++) {
        uint32_t       token = row / job->group_heads, head = row % job->group_heads;
        const float   *q     = job->q + token * job->q_stride + head * dim;
        float         *out   = job->out + token * job->out_stride + head * dim;
        struct nj_span span  = nj_visible(job, token);
        struct running state = {-INFINITY, 0};
        for (size_t d = 0; d < dim; d++)
            out[d] = 0;
        for (uint32_t p = span.from; p < span.to; p++)
            see(&state, job->kv, p % job->kv->slots, q, out);
        for (uint32_t s = 0; job->extra && s < job->extra_count; s++)
            if (job->allow[(size_t)token * job->extra_count + s])
                see(&state, job->extra, s, q, out);
        for (size_t d = 0; d < dim && state.sum > 0; d++)
            out[d] /= state.sum;
    }
}

void nj_patches_open_c(const struct nj_patches *job, uint32_t head, uint32_t first, uint32_t blocks)
{
    nj_patches_open_f32(job, head, first, blocks, nj_kv_write_c);
}

void nj_patches_attend_c(const struct nj_patches *job, uint32_t head, uint32_t first, uint32_t rows, void *scratch)
{
    nj_patches_attend_f32(job, head, first, rows, scratch, nj_attention_c);
}
