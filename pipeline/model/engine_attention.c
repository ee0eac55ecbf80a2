#include "pipeline/model/engine_internal.h"

#include <string.h>

/* Scores are not scaled (q and k are normed), keys are visible when they are not ahead and, in sliding layers, less than a window behind. */

#define CHUNK_ROWS 64u /* of token x head that one thread takes in the fast form */

struct attention {
    struct nj_engine *engine;
    uint32_t          layer;
    const float      *q;
    float            *attended;
    uint32_t          query_heads; /* per KV head */
    uint32_t          chunks;      /* fast: chunks of the longest span and one KV head */
    struct {
        uint32_t first, count; /* rows of one segment */
    } spans[NJ_MAX_SEGMENTS];
};

/* First visible position of a row. */
static uint32_t visible_from(const struct nj_text_config *config, uint32_t layer, uint32_t position)
{
    if (config->full_attention[layer] || position < config->sliding_window)
        return 0;
    return position - config->sliding_window + 1;
}

/* ---- Exact: row by row, keys in order of position, so that the sums are the same however a prompt was cut into passes. ---- */

/* Puts what row sees of its own segment behind slots[count] and returns the new count; oldest first. */
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

static void exact_row(void *arg, size_t index, unsigned thread)
{
    const struct attention      *job      = arg;
    struct nj_engine            *engine   = job->engine;
    const struct nj_text_config *config   = &engine->weights->config.text;
    const struct nj_row         *row      = &engine->pass.rows[index];
    const struct nj_segment     *segment  = &engine->pass.segments[row->segment];
    const struct nj_cache       *kv       = &segment->sequence->kv[config->kv_source[job->layer]];
    const float                 *keys     = (const float *)(const void *)kv->keys;
    const float                 *values   = (const float *)(const void *)kv->values;
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
            scores[i] = nj_dot(q, keys + stream + (size_t)slots[i] * head_dim, head_dim);
        nj_softmax(scores, count);
        memset(out, 0, head_dim * sizeof *out);
        for (size_t i = 0; i < count; i++)
            nj_add_scaled(out, values + stream + (size_t)slots[i] * head_dim, scores[i], head_dim);
    }
}

/* ---- Fast: the kernel takes the queries of one KV head together. ---- */

static struct nj_kv kernel_view(const struct nj_cache *cache, uint32_t head)
{
    size_t stream = nj_kv_bytes(cache->slots, cache->head_dim, NJ_NUMBER_F16);
    return (struct nj_kv){cache->keys + head * stream, cache->values + head * stream, NJ_NUMBER_F16, cache->slots, cache->head_dim};
}

/* The same for one tree of a pass. */
static struct nj_kv tree_view(const struct nj_cache *trees, const struct nj_segment *segment, uint32_t head)
{
    struct nj_kv kv    = kernel_view(trees, head);
    size_t       first = nj_kv_bytes(segment->tree_first, kv.head_dim, NJ_NUMBER_F16);
    kv.keys            = (uint8_t *)kv.keys + first;
    kv.values          = (uint8_t *)kv.values + first;
    kv.slots -= segment->tree_first;
    return kv;
}

static void fast_chunk(void *arg, size_t index, unsigned thread)
{
    const struct attention      *job     = arg;
    struct nj_engine            *engine  = job->engine;
    const struct nj_text_config *config  = &engine->weights->config.text;
    size_t                       of_span = (size_t)config->kv_heads * job->chunks;
    uint32_t                     first = job->spans[index / of_span].first, count = job->spans[index / of_span].count;
    uint32_t                     head  = (uint32_t)(index % of_span) / job->chunks;
    uint32_t                     chunk = (uint32_t)(index % job->chunks) * CHUNK_ROWS, rows = count * job->query_heads;
    const struct nj_row         *row     = &engine->pass.rows[first];
    const struct nj_segment     *segment = &engine->pass.segments[row->segment];
    uint32_t                     source  = config->kv_source[job->layer];
    const struct nj_cache       *cache   = &segment->sequence->kv[source];
    struct nj_kv                 kv      = kernel_view(cache, head), tree;
    size_t                       offset  = ((size_t)first * config->heads + (size_t)head * job->query_heads) * kv.head_dim;
    struct nj_attention          one     = {.q = job->q + offset, .out = job->attended + offset, .kv = &kv};
    if (chunk >= rows)
        return;
    one.q_stride = one.out_stride = (size_t)config->heads * kv.head_dim;
    one.tokens                    = count;
    one.group_heads               = job->query_heads;
    one.positions                 = engine->scratch.positions_of + first;
    one.window                    = config->full_attention[job->layer] ? 0 : config->sliding_window;
    one.begin                     = visible_from(config, job->layer, row->position);
    one.end                       = segment->parent ? segment->base : row[count - 1].position + 1;
    if (segment->parent) {
        tree            = tree_view(&engine->tree[source], segment, head);
        one.extra       = &tree;
        one.extra_count = count;
        one.allow       = segment->allow;
    }
    engine->kernels.attention(&one, chunk, rows - chunk < CHUNK_ROWS ? rows - chunk : CHUNK_ROWS,
                              engine->scratch.thread_kernel + thread * engine->scratch.thread_kernel_stride);
}

static uint32_t find_spans(struct attention *job)
{
    const struct nj_pass *pass  = &job->engine->pass;
    uint32_t              count = 0;
    for (uint32_t i = 0; i < pass->row_count; i++) {
        if (i == 0 || pass->rows[i].segment != pass->rows[i - 1].segment)
            job->spans[count++].first = i;
        job->spans[count - 1].count          = i + 1 - job->spans[count - 1].first;
        job->engine->scratch.positions_of[i] = pass->rows[i].position;
    }
    return count;
}

void nj_attend(struct nj_engine *engine, uint32_t layer, const float *q, float *attended)
{
    const struct nj_text_config *config = &engine->weights->config.text;
    struct attention             job    = {engine, layer, q, attended, config->heads / config->kv_heads, 0, {{0, 0}}};
    if (nj_is_exact(engine)) {
        nj_pool_run(engine->pool, engine->pass.row_count, exact_row, &job);
        return;
    }
    uint32_t spans = find_spans(&job), longest = 0;
    for (uint32_t i = 0; i < spans; i++)
        longest = job.spans[i].count > longest ? job.spans[i].count : longest;
    job.chunks = (longest * job.query_heads + CHUNK_ROWS - 1) / CHUNK_ROWS;
    nj_pool_run(engine->pool, (size_t)spans * config->kv_heads * job.chunks, fast_chunk, &job);
}

void nj_cache_write(struct nj_engine *engine, uint32_t layer, const struct nj_row *row, uint32_t head, const float *key, const float *value)
{
    const struct nj_segment *segment = &engine->pass.segments[row->segment];
    const struct nj_cache   *cache   = &segment->sequence->kv[layer];
    if (nj_is_exact(engine)) {
        size_t at = ((size_t)head * cache->slots + row->slot % cache->slots) * cache->head_dim * sizeof(float);
        memcpy(cache->keys + at, key, cache->head_dim * sizeof(float));
        memcpy(cache->values + at, value, cache->head_dim * sizeof(float));
        return;
    }
    struct nj_kv kv = segment->parent ? tree_view(&engine->tree[layer], segment, head) : kernel_view(cache, head);
    engine->kernels.kv_write(&kv, segment->parent ? row->slot - segment->base : row->slot, key, value);
}

nj_status nj_tree_open(struct nj_engine *engine, struct nj_error *error)
{
    const struct nj_text_config *config = &engine->weights->config.text;
    size_t                       used   = 0;
    if (nj_is_exact(engine) || engine->tree_arena)
        return NJ_OK;
    for (int pass = 0; pass <= 1; pass++) {
        used = 0;
        for (uint32_t layer = 0; layer < engine->first_shared; layer++) {
            struct nj_cache *cache = &engine->tree[layer];
            cache->slots           = NJ_TREE_NODES;
            cache->head_dim        = config->full_attention[layer] ? config->global_head_dim : config->head_dim;
            size_t bytes           = nj_size_mul(config->kv_heads, nj_kv_bytes(cache->slots, cache->head_dim, NJ_NUMBER_F16));
            if (bytes > PTRDIFF_MAX / 2 - used)
                return nj_fail(error, "the model's sizes are beyond this machine");
            if (pass == 1) {
                cache->keys   = engine->tree_arena + used;
                cache->values = cache->keys + bytes;
            }
            used += 2 * bytes;
        }
        if (pass == 0) {
            engine->tree_allow = nj_engine_alloc(engine, NJ_TREE_NODES * NJ_TREE_NODES);
            engine->tree_arena = engine->tree_allow ? nj_engine_alloc(engine, used) : NULL;
            if (!engine->tree_arena)
                return nj_fail(error, "no memory for the keys and values of a tree of %u nodes", NJ_TREE_NODES);
        }
    }
    return NJ_OK;
}
