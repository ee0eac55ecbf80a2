#include "pipeline/model/engine_internal.h"

/* Scores are not scaled (q and k are normed), keys are visible when they are not ahead and, in sliding layers, less than a window behind.
 * Keys are taken in order of position, so the sums are the same however a prompt was cut into passes. */

struct attention {
    struct nj_engine *engine;
    uint32_t          layer;
    const float      *q;
    float            *attended;
    uint32_t          query_heads; /* per KV head */
};

/* First visible position of a row. */
static uint32_t visible_from(const struct nj_text_config *config, uint32_t layer, uint32_t position)
{
    if (config->full_attention[layer] || position < config->sliding_window)
        return 0;
    return position - config->sliding_window + 1;
}

/* Puts what row sees of its own segment behind scores[count] as slots and returns the new count; oldest first. */
static size_t own_segment_slots(const struct nj_segment *segment, const struct nj_row *row, uint32_t from, uint32_t *slots, size_t count)
{
    size_t   first    = count;
    int32_t  node     = (int32_t)(row->slot - segment->base);
    uint32_t position = row->position;
    for (; node >= 0 && position + 1 > from; position--) {
        slots[count++] = segment->base + (uint32_t)node;
        node           = segment->parent ? segment->parent[node] : node - 1;
    }
    for (size_t i = first, j = count; i + 1 < j; i++) {
        j--;
        uint32_t slot = slots[i];
        slots[i]      = slots[j];
        slots[j]      = slot;
    }
    return count;
}

static void attend_row(void *arg, size_t index, unsigned thread)
{
    const struct attention      *job      = arg;
    struct nj_engine            *engine   = job->engine;
    const struct nj_text_config *config   = &engine->weights->config.text;
    const struct nj_row         *row      = &engine->pass.rows[index];
    const struct nj_segment     *segment  = &engine->pass.segments[row->segment];
    const struct nj_cache       *kv       = &segment->sequence->kv[config->kv_source[job->layer]];
    uint32_t                     head_dim = kv->head_dim;
    float                       *scores   = engine->scratch.thread_scores + thread * engine->scratch.positions;
    uint32_t                    *slots    = engine->scratch.thread_slots + thread * engine->scratch.positions;
    uint32_t                     from     = visible_from(config, job->layer, row->position);
    size_t                       count    = 0;
    for (uint32_t slot = from; slot < segment->base; slot++)
        slots[count++] = slot;
    count = own_segment_slots(segment, row, from, slots, count);
    for (size_t i = 0; i < count; i++)
        slots[i] %= kv->slots;
    for (uint32_t head = 0; head < config->heads; head++) {
        size_t       stream = (size_t)(head / job->query_heads) * kv->slots * head_dim;
        const float *q      = job->q + (index * config->heads + head) * head_dim;
        float       *out    = job->attended + (index * config->heads + head) * head_dim;
        for (size_t i = 0; i < count; i++)
            scores[i] = nj_dot(q, kv->keys + stream + (size_t)slots[i] * head_dim, head_dim);
        nj_softmax(scores, count);
        for (uint32_t d = 0; d < head_dim; d++)
            out[d] = 0;
        for (size_t i = 0; i < count; i++)
            nj_add_scaled(out, kv->values + stream + (size_t)slots[i] * head_dim, scores[i], head_dim);
    }
}

void nj_attend(struct nj_engine *engine, uint32_t layer, const float *q, float *attended)
{
    const struct nj_text_config *config = &engine->weights->config.text;
    struct attention             job    = {engine, layer, q, attended, config->heads / config->kv_heads};
    nj_pool_run(engine->pool, engine->pass.row_count, attend_row, &job);
}
