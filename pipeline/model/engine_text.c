#include "pipeline/model/engine_internal.h"

#include <math.h>
#include <string.h>

/* Runs body(engine, row index) for every row of the pass. */
static void each_row(struct nj_engine *engine, nj_pool_body *body, void *arg)
{
    nj_pool_run(engine->pool, engine->pass.row_count, body, arg);
}

/* Input embedding: scaled by sqrt(hidden); picture features replace it, unscaled. */
static void embed_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    struct nj_engine        *engine  = arg;
    const struct nj_weights *weights = engine->weights;
    const struct nj_row     *row     = &engine->pass.rows[index];
    uint32_t                 hidden  = weights->config.text.hidden_size;
    float                   *x       = engine->scratch.x + index * hidden;
    if (row->feature) {
        memcpy(x, row->feature, hidden * sizeof *x);
        return;
    }
    nj_matrix_row(&weights->embedding, (uint32_t)row->id, x);
    float scale = sqrtf((float)hidden);
    for (uint32_t i = 0; i < hidden; i++)
        x[i] *= scale;
}

/* ple = (norm(context) + table row) / sqrt(2); placeholders look up row 0. The context product is already in scratch.ple. */
static void ple_row(void *arg, size_t index, unsigned thread)
{
    struct nj_engine            *engine  = arg;
    const struct nj_weights     *weights = engine->weights;
    const struct nj_config      *config  = &weights->config;
    const struct nj_text_config *text    = &config->text;
    int32_t                      id      = engine->pass.rows[index].id;
    uint32_t                     size    = text->ple_size;
    float                       *table   = engine->scratch.thread_row + thread * engine->scratch.thread_row_stride;
    if (id == config->image_id || id == config->audio_id || id == config->video_id)
        id = 0;
    nj_matrix_row(&weights->ple_embedding, (uint32_t)id, table);
    float context_scale = 1.0f / sqrtf((float)text->hidden_size);
    float table_scale   = sqrtf((float)size);
    for (uint32_t layer = 0; layer < text->layers; layer++) {
        float *ple = engine->scratch.ple + (index * text->layers + layer) * size;
        for (uint32_t i = 0; i < size; i++)
            ple[i] *= context_scale;
        nj_rms_norm(ple, weights->ple_norm, size, text->rms_norm_eps, ple);
        for (uint32_t i = 0; i < size; i++)
            ple[i] = (ple[i] + table[(size_t)layer * size + i] * table_scale) * 0.70710678118654752f;
    }
}

/* Angles are position * inverse frequency in fp32, as in the reference. */
static void rope_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    struct nj_engine *engine = arg;
    uint32_t          stride = engine->max_head_dim / 2;
    for (int full = 0; full <= 1; full++) {
        size_t at = ((size_t)full * engine->pass_rows + index) * stride;
        for (uint32_t i = 0; i < engine->rotated_pairs[full]; i++) {
            double angle                   = (float)engine->pass.rows[index].position * engine->inverse_frequency[full][i];
            engine->scratch.cosine[at + i] = (float)cos(angle);
            engine->scratch.sine[at + i]   = (float)sin(angle);
        }
    }
}

struct layer_job {
    struct nj_engine           *engine;
    const struct nj_text_layer *weights;
    uint32_t                    layer;
    const float                *norm;
};

/* normed = RMS(x; norm) */
static void norm_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct layer_job      *job    = arg;
    const struct nj_text_config *config = &job->engine->weights->config.text;
    size_t                       at     = index * config->hidden_size;
    nj_rms_norm(job->engine->scratch.x + at, job->norm, config->hidden_size, config->rms_norm_eps, job->engine->scratch.normed + at);
}

/* x += RMS(out; norm) */
static void add_normed_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct layer_job      *job    = arg;
    const struct nj_text_config *config = &job->engine->weights->config.text;
    size_t                       at     = index * config->hidden_size;
    float                       *out    = job->engine->scratch.out + at;
    float                       *x      = job->engine->scratch.x + at;
    nj_rms_norm(out, job->norm, config->hidden_size, config->rms_norm_eps, out);
    for (uint32_t i = 0; i < config->hidden_size; i++)
        x[i] += out[i];
}

static void rotate_heads(const struct layer_job *job, size_t index, const float *norm, float *heads, uint32_t count, uint32_t size)
{
    const struct nj_engine *engine = job->engine;
    int                     full   = engine->weights->config.text.full_attention[job->layer];
    size_t                  at     = ((size_t)full * engine->pass_rows + index) * (engine->max_head_dim / 2);
    for (uint32_t head = 0; head < count; head++) {
        float *values = heads + (size_t)head * size;
        nj_rms_norm(values, norm, size, engine->weights->config.text.rms_norm_eps, values);
        nj_rotate(values, size, engine->rotated_pairs[full], engine->scratch.cosine + at, engine->scratch.sine + at);
    }
}

/* Norm, then rotation, of the queries; of the keys too, which go into the cache with the weightlessly normed values. */
static void heads_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct layer_job      *job     = arg;
    struct nj_engine            *engine  = job->engine;
    const struct nj_text_config *config  = &engine->weights->config.text;
    const struct nj_row         *row     = &engine->pass.rows[index];
    struct nj_cache             *kv      = &engine->pass.segments[row->segment].sequence->kv[config->kv_source[job->layer]];
    uint32_t                     size    = kv->head_dim;
    float                       *queries = engine->scratch.q + index * config->heads * size;
    rotate_heads(job, index, job->weights->q_norm, queries, config->heads, size);
    if (job->layer >= engine->first_shared)
        return;
    float *keys   = engine->scratch.k + index * config->kv_heads * size;
    float *values = engine->scratch.v + index * config->kv_heads * size;
    rotate_heads(job, index, job->weights->k_norm, keys, config->kv_heads, size);
    for (uint32_t head = 0; head < config->kv_heads; head++) {
        size_t to = ((size_t)head * kv->slots + row->slot % kv->slots) * size;
        memcpy(kv->keys + to, keys + (size_t)head * size, size * sizeof(float));
        nj_rms_norm(values + (size_t)head * size, NULL, size, config->rms_norm_eps, kv->values + to);
    }
}

static void attention_block(struct layer_job *job)
{
    struct nj_engine           *engine  = job->engine;
    const struct nj_text_layer *weights = job->weights;
    struct nj_scratch          *scratch = &engine->scratch;
    uint32_t                    n       = engine->pass.row_count;
    job->norm                           = weights->input_norm;
    each_row(engine, norm_row, job);
    nj_linear(engine, &weights->q, scratch->normed, n, scratch->q);
    if (job->layer < engine->first_shared) {
        nj_linear(engine, &weights->k, scratch->normed, n, scratch->k);
        nj_linear(engine, &weights->v, scratch->normed, n, scratch->v);
    }
    each_row(engine, heads_row, job);
    nj_attend(engine, job->layer, scratch->q, scratch->attended);
    nj_linear(engine, &weights->o, scratch->attended, n, scratch->out);
    job->norm = weights->post_attention_norm;
    each_row(engine, add_normed_row, job);
}

/* gate = gelu(gate) * up, a row each */
static void gate_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct layer_job *job   = arg;
    uint32_t                width = job->weights->gate.rows;
    float                  *gate  = job->engine->scratch.gate + index * width;
    const float            *up    = job->engine->scratch.up + index * width;
    for (uint32_t i = 0; i < width; i++)
        gate[i] = nj_gelu(gate[i]) * up[i];
}

static void mlp_block(struct layer_job *job)
{
    struct nj_engine           *engine  = job->engine;
    const struct nj_text_layer *weights = job->weights;
    struct nj_scratch          *scratch = &engine->scratch;
    uint32_t                    n       = engine->pass.row_count;
    job->norm                           = weights->pre_mlp_norm;
    each_row(engine, norm_row, job);
    nj_linear(engine, &weights->gate, scratch->normed, n, scratch->gate);
    nj_linear(engine, &weights->up, scratch->normed, n, scratch->up);
    each_row(engine, gate_row, job);
    nj_linear(engine, &weights->down, scratch->gate, n, scratch->out);
    job->norm = weights->post_mlp_norm;
    each_row(engine, add_normed_row, job);
}

static void ple_gate_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct layer_job      *job    = arg;
    const struct nj_text_config *config = &job->engine->weights->config.text;
    float                       *gate   = job->engine->scratch.gate + index * config->ple_size;
    const float                 *ple    = job->engine->scratch.ple + (index * config->layers + job->layer) * config->ple_size;
    for (uint32_t i = 0; i < config->ple_size; i++)
        gate[i] = nj_gelu(gate[i]) * ple[i];
}

static void scale_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct layer_job *job    = arg;
    uint32_t                hidden = job->engine->weights->config.text.hidden_size;
    float                  *x      = job->engine->scratch.x + index * hidden;
    for (uint32_t i = 0; i < hidden; i++)
        x[i] *= job->weights->scalar;
}

/* The per-layer input: its gate reads the residual stream without a norm. */
static void ple_block(struct layer_job *job)
{
    struct nj_engine           *engine  = job->engine;
    const struct nj_text_layer *weights = job->weights;
    struct nj_scratch          *scratch = &engine->scratch;
    uint32_t                    n       = engine->pass.row_count;
    nj_linear(engine, &weights->ple_gate, scratch->x, n, scratch->gate);
    each_row(engine, ple_gate_row, job);
    nj_linear(engine, &weights->ple_projection, scratch->gate, n, scratch->out);
    job->norm = weights->post_ple_norm;
    each_row(engine, add_normed_row, job);
    each_row(engine, scale_row, job);
}

static void trace_hidden(const struct nj_engine *engine, uint32_t place, const float *x)
{
    const struct nj_pass *pass   = &engine->pass;
    uint32_t              hidden = engine->weights->config.text.hidden_size;
    if (pass->hidden)
        memcpy(pass->hidden + ((size_t)place * pass->trace_rows + pass->rows[0].slot) * hidden, x,
               (size_t)pass->row_count * hidden * sizeof(float));
}

static void trace_ple(const struct nj_engine *engine)
{
    const struct nj_pass *pass  = &engine->pass;
    size_t                width = (size_t)engine->weights->config.text.layers * engine->weights->config.text.ple_size;
    if (pass->ple)
        memcpy(pass->ple + pass->rows[0].slot * width, engine->scratch.ple, pass->row_count * width * sizeof(float));
}

/* Logits of the rows that want them: neighbours of one segment together, since they want the same ids. */
static void head_block(struct nj_engine *engine)
{
    const struct nj_text_config *config = &engine->weights->config.text;
    struct nj_pass              *pass   = &engine->pass;
    const float                 *normed = engine->scratch.normed;
    for (uint32_t row = 0; row < pass->row_count;) {
        uint32_t segment = pass->rows[row].segment, count = 0, first = row;
        while (first < pass->row_count && pass->rows[first].segment == segment && !pass->rows[first].logits)
            first++;
        while (first + count < pass->row_count && pass->rows[first + count].segment == segment && pass->rows[first + count].logits) {
            engine->scratch.logits[count] = pass->rows[first + count].logits;
            count++;
        }
        row = first + count;
        if (count == 0)
            continue;
        const struct nj_segment *owner = &pass->segments[segment];
        uint32_t                 width = owner->rows ? owner->row_count : config->vocab_size;
        nj_linear_rows(engine, &engine->weights->head, owner->rows, owner->row_count, normed + (size_t)first * config->hidden_size, count,
                       engine->scratch.logits);
        for (uint32_t i = 0; i < count && config->softcap > 0; i++)
            for (uint32_t j = 0; j < width; j++)
                engine->scratch.logits[i][j] = config->softcap * tanhf(engine->scratch.logits[i][j] / config->softcap);
    }
}

nj_status nj_text_pass(struct nj_engine *engine, struct nj_error *error)
{
    const struct nj_weights *weights = engine->weights;
    struct nj_scratch       *scratch = &engine->scratch;
    struct layer_job         job     = {.engine = engine};
    each_row(engine, embed_row, engine);
    trace_hidden(engine, 0, scratch->x);
    nj_linear(engine, &weights->ple_projection, scratch->x, engine->pass.row_count, scratch->ple);
    each_row(engine, ple_row, engine);
    each_row(engine, rope_row, engine);
    trace_ple(engine);
    for (uint32_t layer = 0; layer < weights->config.text.layers; layer++) {
        if (nj_engine_stopped(engine))
            return nj_fail_as(NJ_STOPPED, error, "stopped before layer %u of %u", layer, weights->config.text.layers);
        job.layer   = layer;
        job.weights = &weights->layers[layer];
        attention_block(&job);
        mlp_block(&job);
        ple_block(&job);
        trace_hidden(engine, layer + 1, scratch->x);
    }
    job.norm = weights->final_norm;
    each_row(engine, norm_row, &job);
    trace_hidden(engine, weights->config.text.layers + 1, scratch->normed);
    head_block(engine);
    return NJ_OK;
}
