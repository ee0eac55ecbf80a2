#include "pipeline/model/engine_internal.h"

#include <math.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PASS_ROWS 384u

bool nj_engine_stopped(const struct nj_engine *engine)
{
    return engine->should_stop && engine->should_stop(engine->stop_arg);
}

const struct nj_weights *nj_engine_weights(const struct nj_engine *engine)
{
    return engine->weights;
}

uint32_t nj_engine_pass_rows(const struct nj_engine *engine)
{
    return engine->pass_rows;
}

static void measure(struct nj_engine *engine)
{
    const struct nj_weights     *weights = engine->weights;
    const struct nj_text_config *config  = &weights->config.text;
    uint32_t                     ignored = 0;
    engine->max_head_dim                 = config->head_dim > config->global_head_dim ? config->head_dim : config->global_head_dim;
    engine->max_intermediate             = config->ple_size;
    nj_linear_needs(&weights->ple_embedding, &ignored, &engine->max_cols);
    nj_linear_needs(&weights->ple_projection, &engine->max_rank, &engine->max_cols);
    nj_linear_needs(&weights->head, &engine->max_rank, &engine->max_cols);
    nj_linear_needs(&weights->feature_projection, &engine->max_rank, &engine->max_cols);
    nj_linear_needs(&weights->patch_projection, &engine->max_rank, &engine->max_cols);
    for (uint32_t l = 0; l < config->layers; l++) {
        const struct nj_text_layer *layer = &weights->layers[l];
        const struct nj_matrix     *all[] = {
                &layer->q, &layer->k, &layer->v, &layer->o, &layer->gate, &layer->up, &layer->down, &layer->ple_gate, &layer->ple_projection};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            nj_linear_needs(all[i], &engine->max_rank, &engine->max_cols);
        if (layer->gate.rows > engine->max_intermediate)
            engine->max_intermediate = layer->gate.rows;
    }
    for (uint32_t l = 0; l < weights->config.vision.layers; l++) {
        const struct nj_vision_layer *layer = &weights->vision[l];
        const struct nj_clipped      *all[] = {&layer->q, &layer->k, &layer->v, &layer->o, &layer->gate, &layer->up, &layer->down};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            nj_linear_needs(&all[i]->weight, &engine->max_rank, &engine->max_cols);
    }
    engine->first_shared = config->layers - config->shared_kv_layers;
}

/* One block of memory for all scratch lists. */
static nj_status make_scratch(struct nj_engine *engine, struct nj_error *error)
{
    const struct nj_text_config *config  = &engine->weights->config.text;
    struct nj_scratch           *scratch = &engine->scratch;
    size_t                       rows    = engine->pass_rows;
    size_t                       hidden  = nj_size_mul(rows, config->hidden_size);
    size_t                       heads   = nj_size_mul(nj_size_mul(rows, config->heads), engine->max_head_dim);
    size_t                       kv      = nj_size_mul(nj_size_mul(rows, config->kv_heads), engine->max_head_dim);
    size_t                       mlp     = nj_size_mul(rows, engine->max_intermediate);
    size_t                       angles  = nj_size_mul(rows, engine->max_head_dim); /* two kinds of layers, half a head each */
    scratch->thread_row_stride           = engine->max_cols;
    struct {
        float **place;
        size_t  floats;
    } lists[] = {
        {&scratch->x, hidden},
        {&scratch->normed, hidden},
        {&scratch->out, hidden},
        {&scratch->q, heads},
        {&scratch->attended, heads},
        {&scratch->k, kv},
        {&scratch->v, kv},
        {&scratch->gate, mlp},
        {&scratch->up, mlp},
        {&scratch->ple, nj_size_mul(nj_size_mul(rows, config->layers), config->ple_size)},
        {&scratch->cosine, angles},
        {&scratch->sine, angles},
        {&scratch->low_rank, nj_size_mul(engine->threads, engine->max_rank)},
        {&scratch->thread_row, nj_size_mul(engine->threads, engine->max_cols)},
        {&engine->inverse_frequency[0], engine->max_head_dim},
        {&engine->inverse_frequency[1], engine->max_head_dim},
    };
    size_t total = 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        size_t padded = lists[i].floats + (16 - lists[i].floats % 16) % 16; /* every list starts on a cache line of its own */
        if (padded < lists[i].floats || padded > SIZE_MAX / sizeof(float) - total)
            return nj_fail(error, "the model's sizes are beyond this machine");
        lists[i].floats = padded;
        total += padded;
    }
    engine->arena     = aligned_alloc(64, total * sizeof(float));
    scratch->logits   = calloc(rows, sizeof *scratch->logits);
    engine->pass.rows = calloc(rows, sizeof *engine->pass.rows);
    if (!engine->arena || !scratch->logits || !engine->pass.rows)
        return nj_fail(error, "no memory: the engine needs %zu MiB for %zu positions at a time", total * sizeof(float) >> 20, rows);
    total = 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        *lists[i].place = engine->arena + total;
        total += lists[i].floats;
    }
    return NJ_OK;
}

/* Sliding layers rotate every pair; full ones only a part, with the whole head in the exponent. */
static void make_frequencies(struct nj_engine *engine)
{
    const struct nj_text_config *config   = &engine->weights->config.text;
    uint32_t                     size[2]  = {config->head_dim, config->global_head_dim};
    double                       theta[2] = {config->rope_theta_sliding, config->rope_theta_full};
    engine->rotated_pairs[0]              = size[0] / 2;
    engine->rotated_pairs[1]              = (uint32_t)(config->partial_rotary_factor * size[1] / 2);
    for (int full = 0; full <= 1; full++)
        for (uint32_t i = 0; i < engine->rotated_pairs[full]; i++)
            engine->inverse_frequency[full][i] = (float)pow(theta[full], -2.0 * i / size[full]);
}

static void hash_matrix(struct sha256_ctx *hash, const struct nj_matrix *matrix, float *row)
{
    uint32_t shape[] = {(uint32_t)matrix->format, matrix->rows, matrix->cols, matrix->low_rank ? matrix->low_rank->rank : 0};
    sha256_update(hash, sizeof shape, (const uint8_t *)shape);
    if (matrix->rows == 0)
        return;
    nj_matrix_row(matrix, matrix->rows / 2, row);
    sha256_update(hash, matrix->cols * sizeof *row, (const uint8_t *)row);
    if (matrix->low_rank)
        sha256_update(hash, (size_t)matrix->low_rank->rank * matrix->cols * sizeof(float), (const uint8_t *)matrix->low_rank->a);
}

/* A sample of every matrix that keys and values depend on, and all adapters. */
static void make_identity(struct nj_engine *engine)
{
    const struct nj_weights     *weights = engine->weights;
    const struct nj_text_config *config  = &weights->config.text;
    float                       *row     = engine->scratch.thread_row;
    struct sha256_ctx            hash;
    sha256_init(&hash);
    hash_matrix(&hash, &weights->embedding, row);
    hash_matrix(&hash, &weights->ple_projection, row);
    sha256_update(&hash, config->hidden_size * sizeof(float), (const uint8_t *)weights->final_norm);
    for (uint32_t l = 0; l < config->layers; l++) {
        const struct nj_text_layer *layer = &weights->layers[l];
        const struct nj_matrix     *all[] = {&layer->q, &layer->k, &layer->v, &layer->o, &layer->gate, &layer->up, &layer->down};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            hash_matrix(&hash, all[i], row);
        sha256_update(&hash, config->hidden_size * sizeof(float), (const uint8_t *)layer->input_norm);
        sha256_update(&hash, sizeof layer->scalar, (const uint8_t *)&layer->scalar);
    }
    sha256_digest(&hash, sizeof engine->identity, engine->identity);
}

nj_status nj_engine_open(const struct nj_weights *weights, const struct nj_engine_options *options, struct nj_engine **out,
                         struct nj_error *error)
{
    *out                     = NULL;
    struct nj_engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return nj_fail(error, "no memory for an engine");
    engine->weights     = weights;
    engine->arithmetic  = options->arithmetic;
    engine->pool        = options->pool;
    engine->threads     = nj_pool_threads(options->pool);
    engine->pass_rows   = options->pass_rows ? options->pass_rows : DEFAULT_PASS_ROWS;
    engine->should_stop = options->should_stop;
    engine->stop_arg    = options->stop_arg;
    measure(engine);
    nj_status status = make_scratch(engine, error);
    if (status != NJ_OK) {
        nj_engine_close(engine);
        return status;
    }
    make_frequencies(engine);
    make_identity(engine);
    *out = engine;
    return NJ_OK;
}

void nj_engine_close(struct nj_engine *engine)
{
    if (!engine)
        return;
    free(engine->arena);
    free(engine->scratch.logits);
    free(engine->scratch.thread_scores);
    free(engine->scratch.thread_slots);
    free(engine->pass.rows);
    free(engine);
}

static nj_status check_ids(const struct nj_engine *engine, const int32_t *ids, size_t count, const float *features, struct nj_error *error)
{
    const struct nj_config *config = &engine->weights->config;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= config->text.vocab_size)
            return nj_fail(error, "id %d at place %zu: the vocabulary ends at %u", ids[i], i, config->text.vocab_size - 1);
        if (ids[i] == config->image_id && !features)
            return nj_fail(error, "place %zu is an image position, but there is no picture for it", i);
    }
    return NJ_OK;
}

static nj_status check_rows(const struct nj_engine *engine, const int32_t *rows, size_t count, struct nj_error *error)
{
    if (rows && (count == 0 || count > engine->weights->head.rows))
        return nj_fail(error, "%zu candidate ids: 1 to %u can be asked for", count, engine->weights->head.rows);
    for (size_t i = 0; rows && i < count; i++)
        if (rows[i] < 0 || (uint32_t)rows[i] >= engine->weights->head.rows)
            return nj_fail(error, "candidate id %d: the vocabulary ends at %u", rows[i], engine->weights->head.rows - 1);
    return NJ_OK;
}

static nj_status check_step(const struct nj_engine *engine, const struct nj_step *step, struct nj_error *error)
{
    const struct nj_sequence *sequence = step->sequence;
    if (sequence->engine != engine || sequence->in_step)
        return nj_fail(error, "a sequence of another engine, or twice in one step");
    if (step->count == 0 || step->count > sequence->capacity - sequence->length)
        return nj_fail(error, "%zu ids for a sequence with %u of %u positions used", step->count, sequence->length, sequence->capacity);
    if (step->want != NJ_WANT_NOTHING && !step->logits)
        return nj_fail(error, "logits are wanted, but there is no place for them");
    nj_status status = check_ids(engine, step->ids, step->count, step->features, error);
    return status == NJ_OK ? check_rows(engine, step->rows, step->row_count, error) : status;
}

/* A step that will overwrite what the ring of a sliding layer held before it cannot be undone without a copy. */
static bool needs_backup(const struct nj_engine *engine, const struct nj_step *step)
{
    return step->sequence->length > 0 && step->count > engine->pass_rows && step->sequence->sliding_floats > 0;
}

static nj_status begin_steps(struct nj_engine *engine, struct nj_step *steps, size_t count, struct nj_error *error)
{
    nj_status status = NJ_OK;
    for (size_t i = 0; status == NJ_OK && i < count; i++) {
        struct nj_sequence *sequence = steps[i].sequence;
        status                       = check_step(engine, &steps[i], error);
        if (status != NJ_OK)
            break;
        sequence->in_step       = true;
        sequence->length_before = sequence->length;
        sequence->backup_valid  = false;
        if (needs_backup(engine, &steps[i]))
            status = nj_sequence_backup(sequence, error);
    }
    return status;
}

static void end_steps(struct nj_engine *engine, struct nj_step *steps, size_t count, nj_status status)
{
    for (size_t i = 0; i < count; i++) {
        if (steps[i].sequence->engine != engine || !steps[i].sequence->in_step)
            continue;
        if (status != NJ_OK)
            nj_sequence_restore(steps[i].sequence);
        steps[i].sequence->in_step = false;
    }
}

/* How far the cutting of the steps into passes has come. */
struct progress {
    size_t step, id, images;
};

static void fill_segment(struct nj_engine *engine, const struct nj_step *step, size_t take, struct progress *at)
{
    const struct nj_config *config  = &engine->weights->config;
    struct nj_pass         *pass    = &engine->pass;
    struct nj_segment      *segment = &pass->segments[pass->segment_count];
    size_t                  width   = step->rows ? step->row_count : config->text.vocab_size;
    *segment                        = (struct nj_segment){.sequence = step->sequence, .base = step->sequence->length, .rows = step->rows};
    segment->row_count              = (uint32_t)step->row_count;
    for (size_t i = 0; i < take; i++, at->id++) {
        struct nj_row *row = &pass->rows[pass->row_count++];
        *row               = (struct nj_row){.segment = pass->segment_count, .id = step->ids[at->id]};
        row->slot          = segment->base + (uint32_t)i;
        row->position      = row->slot;
        if (row->id == config->image_id)
            row->feature = step->features + at->images++ * config->text.hidden_size;
        if (step->want == NJ_WANT_ALL)
            row->logits = step->logits + at->id * width;
        else if (step->want == NJ_WANT_LAST && at->id + 1 == step->count)
            row->logits = step->logits;
    }
    pass->segment_count++;
}

/* Takes the next rows off the steps. */
static void fill_pass(struct nj_engine *engine, const struct nj_step *steps, size_t count, struct progress *at)
{
    struct nj_pass *pass = &engine->pass;
    pass->segment_count = pass->row_count = 0;
    while (at->step < count && pass->row_count < engine->pass_rows && pass->segment_count < NJ_MAX_SEGMENTS) {
        const struct nj_step *step = &steps[at->step];
        size_t                left = step->count - at->id, room = engine->pass_rows - pass->row_count;
        fill_segment(engine, step, left < room ? left : room, at);
        if (at->id == step->count)
            *at = (struct progress){at->step + 1, 0, 0};
    }
}

nj_status nj_engine_step(struct nj_engine *engine, struct nj_step *steps, size_t count, struct nj_error *error)
{
    struct progress at     = {0, 0, 0};
    nj_status       status = begin_steps(engine, steps, count, error);
    while (status == NJ_OK && at.step < count) {
        fill_pass(engine, steps, count, &at);
        status = nj_text_pass(engine, error);
        for (uint32_t i = 0; status == NJ_OK && i < engine->pass.row_count; i++) {
            struct nj_row *row = &engine->pass.rows[i];

            engine->pass.segments[row->segment].sequence->length = row->slot + 1;
        }
    }
    end_steps(engine, steps, count, status);
    return status;
}

nj_status nj_engine_score_tree(struct nj_engine *engine, struct nj_sequence *sequence, const int32_t *ids, const int32_t *parent,
                               size_t count, const int32_t *rows, size_t row_count, float *logits, struct nj_error *error)
{
    struct nj_pass *pass  = &engine->pass;
    size_t          width = rows ? row_count : engine->weights->config.text.vocab_size;
    if (count == 0 || count > engine->pass_rows || count > sequence->capacity - sequence->length)
        return nj_fail(error, "a tree of %zu nodes: at most %u go together, and the sequence has room for %u", count, engine->pass_rows,
                       sequence->capacity - sequence->length);
    nj_status status = check_ids(engine, ids, count, NULL, error);
    if (status == NJ_OK)
        status = check_rows(engine, rows, row_count, error);
    if (status != NJ_OK)
        return status;
    pass->segment_count = 1;
    pass->row_count     = (uint32_t)count;
    pass->segments[0]   = (struct nj_segment){sequence, sequence->length, parent, rows, (uint32_t)row_count};
    for (size_t i = 0; i < count; i++) {
        if (parent[i] < -1 || parent[i] >= (int32_t)i)
            return nj_fail(error, "node %zu of the tree continues node %d, which does not come before it", i, parent[i]);
        pass->rows[i]          = (struct nj_row){.id = ids[i], .slot = sequence->length + (uint32_t)i, .logits = logits + i * width};
        pass->rows[i].position = parent[i] < 0 ? sequence->length : pass->rows[parent[i]].position + 1;
    }
    return nj_text_pass(engine, error);
}

nj_status nj_engine_trace(struct nj_engine *engine, const int32_t *ids, size_t count, const float *features, float *hidden, float *ple,
                          struct nj_error *error)
{
    struct nj_sequence *sequence = NULL;
    if (count == 0 || count > UINT32_MAX)
        return nj_fail(error, "%zu ids cannot be traced", count);
    nj_status status = nj_sequence_open(engine, (uint32_t)count, &sequence, error);
    if (status != NJ_OK)
        return status;
    engine->pass.hidden     = hidden;
    engine->pass.ple        = ple;
    engine->pass.trace_rows = (uint32_t)count;
    struct nj_step step     = {.sequence = sequence, .ids = ids, .count = count, .features = features};
    status                  = nj_engine_step(engine, &step, 1, error);
    engine->pass.hidden = engine->pass.ple = NULL;
    nj_sequence_close(sequence);
    return status;
}
