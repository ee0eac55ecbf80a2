#include "pipeline/model/engine_internal.h"

#include <math.h>
#include <string.h>

/* Fewer rows than this are not worth sharing out: the norm of a row takes two microseconds, to begin and end a loop of awake threads one. */
#define FEW_ROWS      3u
#define SOFTCAP_PIECE 32768u

/* Runs body(job, row index) for every row of the pass. */
static void each_row(struct nj_engine *engine, nj_pool_body *body, void *job)
{
    nj_pool_run(engine->pass.row_count < FEW_ROWS ? NULL : engine->pool, engine->pass.row_count, body, job);
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

struct ple_job {
    struct nj_engine *engine;
    uint32_t          layers; /* the first so many are wanted */
};

/* ple = (norm(context / sqrt(hidden)) + table row * sqrt(ple)) / sqrt(2); placeholders look up row 0. The context product is already in scratch.ple. */
static void ple_row(void *arg, size_t index, unsigned thread)
{
    const struct ple_job        *job           = arg;
    struct nj_engine            *engine        = job->engine;
    const struct nj_config      *config        = &engine->weights->config;
    const struct nj_text_config *text          = &config->text;
    int32_t                      id            = engine->pass.rows[index].id;
    uint32_t                     size          = text->ple_size;
    float                       *table         = engine->scratch.thread_row + thread * engine->scratch.thread_row_stride;
    float                        context_scale = 1.0f / sqrtf((float)text->hidden_size), table_scale = sqrtf((float)size);
    if (id == config->image_id || id == config->audio_id || id == config->video_id)
        id = 0;
    nj_matrix_row(&engine->weights->ple_embedding, (uint32_t)id, table);
    for (uint32_t layer = 0; layer < job->layers; layer++) {
        float *ple = engine->scratch.ple + (index * text->layers + layer) * size;
        for (uint32_t i = 0; i < size; i++)
            ple[i] *= context_scale;
        engine->kernels.rms_norm(ple, engine->weights->ple_norm, size, text->rms_norm_eps, ple);
        for (uint32_t i = 0; i < size; i++)
            ple[i] = (ple[i] + table[(size_t)layer * size + i] * table_scale) * 0.70710678118654752f;
    }
}

/* Per-layer inputs of all rows; of the layers that they will reach. */
static void make_ple(struct nj_engine *engine)
{
    const struct nj_text_config *config = &engine->weights->config.text;
    struct nj_pass              *pass   = &engine->pass;
    struct ple_job               job    = {engine, engine->first_shared};
    struct nj_input              input;
    for (uint32_t i = 0; i < pass->row_count; i++)
        if (!pass->skip || pass->rows[i].logits)
            job.layers = config->layers;
    struct nj_product product = {.linear = &engine->ple_projection, .out = engine->scratch.ple, .rows = job.layers * config->ple_size};
    nj_input_set(&input, engine->scratch.x, pass->row_count, config->hidden_size);
    nj_linear(engine, &input, &product, 1);
    each_row(engine, ple_row, &job);
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
    struct nj_engine             *engine;
    const struct nj_text_config  *config;
    const struct nj_text_layer   *weights;
    const struct nj_text_linears *linears;
    uint32_t                      layer;
    const float                  *norm;
};

/* normed = RMS(x; norm) */
static void norm_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct layer_job  *job     = arg;
    const struct nj_scratch *scratch = &job->engine->scratch;
    size_t                   hidden = job->config->hidden_size, at = index * hidden;
    job->engine->kernels.rms_norm(scratch->x + at, job->norm, hidden, job->config->rms_norm_eps, scratch->normed + at);
}

/* x += RMS(out; norm) */
static void add_normed_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct layer_job *job    = arg;
    size_t                  hidden = job->config->hidden_size;
    float                  *out = job->engine->scratch.out + index * hidden, *x = job->engine->scratch.x + index * hidden;
    job->engine->kernels.rms_norm(out, job->norm, hidden, job->config->rms_norm_eps, out);
    job->engine->kernels.add_scale(x, out, hidden, 1.0f, x);
}

/* The last block of a layer: x = (x + RMS(out; norm)) * scalar */
static void end_layer_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct layer_job *job    = arg;
    size_t                  hidden = job->config->hidden_size;
    float                  *out = job->engine->scratch.out + index * hidden, *x = job->engine->scratch.x + index * hidden;
    job->engine->kernels.rms_norm(out, job->norm, hidden, job->config->rms_norm_eps, out);
    job->engine->kernels.add_scale(x, out, hidden, job->weights->scalar, x);
}

/* Norm, then rotation. */
static void turn_heads(const struct layer_job *job, size_t index, const float *norm, float *heads, uint32_t count, uint32_t size)
{
    const struct nj_engine *engine = job->engine;
    int                     full   = job->config->full_attention[job->layer];
    size_t                  at     = ((size_t)full * engine->pass_rows + index) * (engine->max_head_dim / 2);
    for (uint32_t head = 0; head < count; head++) {
        float *values = heads + (size_t)head * size;
        engine->kernels.rms_norm(values, norm, size, job->config->rms_norm_eps, values);
        engine->kernels.rope(values, engine->scratch.cosine + at, engine->scratch.sine + at, size / 2, engine->rotated_pairs[full]);
    }
}

static uint32_t head_size(const struct layer_job *job)
{
    return job->config->full_attention[job->layer] ? job->config->global_head_dim : job->config->head_dim;
}

static void query_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct layer_job *job  = arg;
    uint32_t                size = head_size(job);
    turn_heads(job, index, job->weights->q_norm, job->engine->scratch.q + index * job->config->heads * size, job->config->heads, size);
}

/* Keys as queries; values have a norm without weights and no rotation. Both go into the cache. */
static void key_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct layer_job *job    = arg;
    struct nj_engine       *engine = job->engine;
    uint32_t                size   = head_size(job);
    float                  *keys   = engine->scratch.k + index * job->config->kv_heads * size;
    float                  *values = engine->scratch.v + index * job->config->kv_heads * size;
    turn_heads(job, index, job->weights->k_norm, keys, job->config->kv_heads, size);
    for (uint32_t head = 0; head < job->config->kv_heads; head++) {
        float *value = values + (size_t)head * size;
        engine->kernels.rms_norm(value, NULL, size, job->config->rms_norm_eps, value);
        nj_cache_write(engine, job->layer, &engine->pass.rows[index], head, keys + (size_t)head * size, value);
    }
}

/* Keeps what later layers read of the rows whose logits are wanted, and forgets the others. */
static void drop_rows(struct nj_engine *engine)
{
    const struct nj_text_config *config  = &engine->weights->config.text;
    struct nj_scratch           *scratch = &engine->scratch;
    struct nj_pass              *pass    = &engine->pass;
    size_t                       hidden = config->hidden_size, ple = (size_t)config->layers * config->ple_size;
    size_t                       angles = engine->max_head_dim / 2, full = (size_t)engine->pass_rows * angles;
    uint32_t                     kept = 0;
    for (uint32_t i = 0; i < pass->row_count; i++) {
        if (!pass->rows[i].logits)
            continue;
        if (kept != i) {
            pass->rows[kept] = pass->rows[i];
            memcpy(scratch->x + kept * hidden, scratch->x + i * hidden, hidden * sizeof(float));
            memcpy(scratch->normed + kept * hidden, scratch->normed + i * hidden, hidden * sizeof(float));
            memcpy(scratch->ple + kept * ple, scratch->ple + i * ple, ple * sizeof(float));
            for (size_t part = 0; part <= full; part += full) {
                memcpy(scratch->cosine + part + kept * angles, scratch->cosine + part + i * angles, angles * sizeof(float));
                memcpy(scratch->sine + part + kept * angles, scratch->sine + part + i * angles, angles * sizeof(float));
            }
        }
        kept++;
    }
    pass->row_count = kept;
}

/* Queries, keys and values. In the last layer that writes keys and values, rows that nothing depends on end here. */
static void project(struct layer_job *job)
{
    struct nj_engine  *engine  = job->engine;
    struct nj_scratch *scratch = &engine->scratch;
    bool               own = job->layer < engine->first_shared, last = engine->pass.skip && job->layer + 1 == engine->first_shared;
    struct nj_input    input;
    struct nj_product  products[] = {{.linear = &job->linears->k, .out = scratch->k},
                                     {.linear = &job->linears->v, .out = scratch->v},
                                     {.linear = &job->linears->q, .out = scratch->q}};
    job->norm                     = job->weights->input_norm;
    each_row(engine, norm_row, job);
    nj_input_set(&input, scratch->normed, engine->pass.row_count, job->config->hidden_size);
    nj_linear(engine, &input, own ? products : products + 2, !own ? 1 : last ? 2 : 3);
    if (own)
        each_row(engine, key_row, job);
    if (last) {
        drop_rows(engine);
        nj_input_set(&input, scratch->normed, engine->pass.row_count, job->config->hidden_size);
        nj_linear(engine, &input, products + 2, 1);
    }
    each_row(engine, query_row, job);
}

static void multiply(struct nj_engine *engine, const struct nj_linear *linear, const float *x, float *out)
{
    struct nj_input   input;
    struct nj_product product = {.linear = linear, .out = out};
    nj_input_set(&input, x, engine->pass.row_count, linear->cols);
    nj_linear(engine, &input, &product, 1);
}

static void attention_block(struct layer_job *job)
{
    struct nj_engine  *engine  = job->engine;
    struct nj_scratch *scratch = &engine->scratch;
    project(job);
    if (engine->pass.row_count == 0)
        return;
    nj_attend(engine, job->layer, scratch->q, scratch->attended);
    multiply(engine, &job->linears->o, scratch->attended, scratch->out);
    job->norm = job->weights->post_attention_norm;
    each_row(engine, add_normed_row, job);
}

/* gate = gelu(gate) * up, a row each */
static void gate_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct layer_job *job   = arg;
    size_t                  width = job->linears->gate.rows;
    float                  *gate  = job->engine->scratch.gate + index * width;
    job->engine->kernels.gelu_mul(gate, job->engine->scratch.up + index * width, width, gate);
}

static void mlp_block(struct layer_job *job)
{
    struct nj_engine  *engine  = job->engine;
    struct nj_scratch *scratch = &engine->scratch;
    struct nj_input    input;
    job->norm = job->weights->pre_mlp_norm;
    each_row(engine, norm_row, job);
    nj_input_set(&input, scratch->normed, engine->pass.row_count, job->config->hidden_size);
    if (job->linears->fused_gate) {
        nj_linear_gate(engine, &input, &job->linears->gate, &job->linears->up, scratch->gate);
    } else {
        struct nj_product products[] = {{.linear = &job->linears->gate, .out = scratch->gate},
                                        {.linear = &job->linears->up, .out = scratch->up}};
        nj_linear(engine, &input, products, 2);
        each_row(engine, gate_row, job);
    }
    multiply(engine, &job->linears->down, scratch->gate, scratch->out);
    job->norm = job->weights->post_mlp_norm;
    each_row(engine, add_normed_row, job);
}

static void ple_gate_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct layer_job *job  = arg;
    size_t                  size = job->config->ple_size;
    float                  *gate = job->engine->scratch.gate + index * size;
    job->engine->kernels.gelu_mul(gate, job->engine->scratch.ple + (index * job->config->layers + job->layer) * size, size, gate);
}

/* The per-layer input: its gate reads the residual stream without a norm. */
static void ple_block(struct layer_job *job)
{
    struct nj_engine  *engine  = job->engine;
    struct nj_scratch *scratch = &engine->scratch;
    multiply(engine, &job->linears->ple_gate, scratch->x, scratch->gate);
    each_row(engine, ple_gate_row, job);
    multiply(engine, &job->linears->ple_projection, scratch->gate, scratch->out);
    job->norm = job->weights->post_ple_norm;
    each_row(engine, end_layer_row, job);
}

static void trace_hidden(const struct nj_engine *engine, uint32_t place, const float *x)
{
    const struct nj_pass *pass   = &engine->pass;
    size_t                hidden = engine->weights->config.text.hidden_size;
    if (pass->hidden)
        memcpy(pass->hidden + ((size_t)place * pass->trace_rows + pass->rows[0].slot) * hidden, x,
               pass->row_count * hidden * sizeof(float));
}

static void trace_ple(const struct nj_engine *engine)
{
    const struct nj_pass *pass  = &engine->pass;
    size_t                width = (size_t)engine->weights->config.text.layers * engine->weights->config.text.ple_size;
    if (pass->ple)
        memcpy(pass->ple + pass->rows[0].slot * width, engine->scratch.ple, pass->row_count * width * sizeof(float));
}

struct cap_job {
    struct nj_engine    *engine;
    const struct nj_row *rows;
    const float         *gathered; /* where the logits are now, a row after the other; NULL: in their places */
    size_t               width, pieces;
};

/* One piece of the logits of one row: to its place, softcap applied. */
static void cap_piece(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct cap_job *job = arg;
    size_t                row = index / job->pieces, at = index % job->pieces * SOFTCAP_PIECE;
    size_t                size = job->width - at < SOFTCAP_PIECE ? job->width - at : SOFTCAP_PIECE;
    float                *to = job->rows[row].logits + at, cap = job->engine->weights->config.text.softcap;
    const float          *from = job->gathered ? job->gathered + row * job->width + at : to;
    if (cap > 0)
        job->engine->kernels.softcap(from, size, cap, to);
    else if (from != to)
        memcpy(to, from, size * sizeof *to);
}

/* Rows [first, first + count) of `normed`, which want the same ids, times the head. Their places may lie anywhere: what is not in one piece is gathered
 * in scratch memory first, so that the weights are read once. */
static void multiply_head(struct nj_engine *engine, uint32_t first, uint32_t count)
{
    const struct nj_text_config *config  = &engine->weights->config.text;
    const struct nj_row         *rows    = &engine->pass.rows[first];
    const struct nj_segment     *segment = &engine->pass.segments[rows->segment];
    size_t                       width   = segment->rows ? segment->row_count : config->vocab_size;
    bool                         gather  = rows[count - 1].segment != rows->segment;
    struct nj_product            product = {.linear = &engine->head, .stride = width, .rows = (uint32_t)width, .index = segment->rows};
    struct cap_job               cap     = {engine, rows, gather ? engine->scratch.logits : NULL, width, 0};
    struct nj_input              input;
    product.out = gather ? engine->scratch.logits : rows->logits;
    cap.pieces  = (width + SOFTCAP_PIECE - 1) / SOFTCAP_PIECE;
    nj_input_set(&input, engine->scratch.normed + (size_t)first * config->hidden_size, count, config->hidden_size);
    nj_linear(engine, &input, &product, 1);
    nj_pool_run(engine->pool, count * cap.pieces, cap_piece, &cap);
}

/* How many rows from `first` on can go through the head together: those of one segment, or some that want the whole vocabulary. */
static uint32_t head_run(const struct nj_engine *engine, uint32_t first)
{
    const struct nj_pass *pass = &engine->pass;
    uint32_t              same = first, whole = first;
    while (same < pass->row_count && pass->rows[same].logits && pass->rows[same].segment == pass->rows[first].segment)
        same++;
    while (whole < pass->row_count && whole - first < engine->kernels.direct_tokens && pass->rows[whole].logits &&
           !pass->segments[pass->rows[whole].segment].rows)
        whole++;
    return (same > whole ? same : whole) - first;
}

static void head_block(struct nj_engine *engine)
{
    for (uint32_t first = 0; first < engine->pass.row_count;) {
        uint32_t count = head_run(engine, first);
        if (count > 0)
            multiply_head(engine, first, count);
        first += count ? count : 1;
    }
}

nj_status nj_text_pass(struct nj_engine *engine, struct nj_error *error)
{
    const struct nj_weights *weights = engine->weights;
    struct nj_scratch       *scratch = &engine->scratch;
    struct layer_job         job     = {.engine = engine, .config = &weights->config.text};
    each_row(engine, embed_row, engine);
    trace_hidden(engine, 0, scratch->x);
    make_ple(engine);
    each_row(engine, rope_row, engine);
    trace_ple(engine);
    for (uint32_t layer = 0; layer < weights->config.text.layers && engine->pass.row_count > 0; layer++) {
        if (nj_engine_stopped(engine))
            return nj_fail_as(NJ_STOPPED, error, "stopped before layer %u of %u", layer, weights->config.text.layers);
        job.layer   = layer;
        job.weights = &weights->layers[layer];
        job.linears = &engine->text[layer];
        attention_block(&job);
        if (engine->pass.row_count == 0)
            break;
        mlp_block(&job);
        ple_block(&job);
        trace_hidden(engine, layer + 1, scratch->x);
    }
    job.norm = weights->final_norm;
    each_row(engine, norm_row, &job);
    if (engine->pass.row_count > 0)
        trace_hidden(engine, weights->config.text.layers + 1, scratch->normed);
    head_block(engine);
    return NJ_OK;
}
