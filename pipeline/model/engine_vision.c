#include "pipeline/model/engine_internal.h"

#include <math.h>
#include <string.h>

#define QUERY_CHUNK 192u /* patches that one thread takes of one head */

/* The memory of one picture; it goes back when the picture is done. */
struct tower {
    struct nj_engine               *engine;
    const struct nj_vision_layer   *layer;
    const struct nj_vision_linears *linears;
    const uint8_t                  *rgb;
    uint32_t                        width;            /* of the picture, in pixels */
    uint32_t                        across, count;    /* patches in a row, in all */
    uint32_t                        cells;            /* soft tokens */
    float                          *x, *normed, *out; /* [count][hidden] */
    float                          *q, *k, *v;        /* [count][hidden] */
    uint32_t                        block;            /* patches that go through the MLP together */
    float                          *gate, *up;        /* [block][intermediate] */
    float                          *clamped;          /* [count][hidden], of a vector whose readers clamp it differently */
    float                          *cosine, *sine;    /* [longest side in patches][head_dim / 4] */
    float                          *scores;           /* exact: [threads][count] */
    float                          *cache;            /* fast: keys and values, as kernels.h says */
    const float                    *norm;
    const struct nj_clipped        *made_by;  /* whose output the next loop reads: it clamps it first */
    const struct nj_clipped        *made_for; /* whose input the next loop makes: it clamps it last; NULL: several that differ */
};

static const struct nj_vision_config *config_of(const struct tower *tower)
{
    return &tower->engine->weights->config.vision;
}

static void each_patch(struct tower *tower, nj_pool_body *body)
{
    nj_pool_run(tower->engine->pool, tower->count, body, tower);
}

/* Pixels of one patch, channels innermost, as 2 (value - 0.5); they lie in `clamped` until the projection has read them. */
static void patch_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    struct tower *tower = arg;
    uint32_t      side  = config_of(tower)->patch_size;
    uint32_t      line  = side * 3;
    size_t        row = index / tower->across * side, column = index % tower->across * side;
    float        *out = tower->clamped + index * side * line;
    for (uint32_t y = 0; y < side; y++) {
        const uint8_t *in = tower->rgb + ((row + y) * tower->width + column) * 3;
        for (uint32_t i = 0; i < line; i++)
            out[y * line + i] = 2.0f * ((float)in[i] / 255.0f - 0.5f);
    }
}

/* x += position tables of column and row */
static void position_row(void *arg, size_t index, unsigned thread)
{
    struct tower            *tower   = arg;
    const struct nj_weights *weights = tower->engine->weights;
    uint32_t                 hidden  = config_of(tower)->hidden_size;
    float                   *table   = tower->engine->scratch.thread_row + thread * tower->engine->scratch.thread_row_stride;
    float                   *x       = tower->x + index * hidden;
    nj_matrix_row(&weights->position_x, (uint32_t)index % tower->across, table);
    for (uint32_t i = 0; i < hidden; i++)
        x[i] += table[i];
    nj_matrix_row(&weights->position_y, (uint32_t)index / tower->across, table);
    for (uint32_t i = 0; i < hidden; i++)
        x[i] += table[i];
}

static void clamp(const struct tower *tower, float *x, size_t count, float low, float high)
{
    tower->engine->kernels.clamp(x, count, low, high, x);
}

static void clamp_input(const struct tower *tower, const struct nj_clipped *clip, float *x, size_t count)
{
    clamp(tower, x, count, clip->input_min, clip->input_max);
}

static void clamp_output(const struct tower *tower, const struct nj_clipped *clip, float *x, size_t count)
{
    clamp(tower, x, count, clip->output_min, clip->output_max);
}

static void norm_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    struct tower                  *tower  = arg;
    const struct nj_vision_config *config = config_of(tower);
    size_t                         at     = index * config->hidden_size;
    tower->engine->kernels.rms_norm(tower->x + at, tower->norm, config->hidden_size, config->rms_norm_eps, tower->normed + at);
    if (tower->made_for)
        clamp_input(tower, tower->made_for, tower->normed + at, config->hidden_size);
}

static void add_normed_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    struct tower                  *tower  = arg;
    const struct nj_vision_config *config = config_of(tower);
    size_t                         at     = index * config->hidden_size;
    clamp_output(tower, tower->made_by, tower->out + at, config->hidden_size);
    tower->engine->kernels.rms_norm(tower->out + at, tower->norm, config->hidden_size, config->rms_norm_eps, tower->out + at);
    tower->engine->kernels.add_scale(tower->x + at, tower->out + at, config->hidden_size, 1.0f, tower->x + at);
}

static void multiply(struct tower *tower, const struct nj_linear *linear, const float *x, uint32_t n, float *y)
{
    struct nj_input   input;
    struct nj_product product = {.linear = linear, .out = y};
    nj_input_set(&input, x, n, linear->cols);
    input.patches = true;
    nj_linear(tower->engine, &input, &product, 1);
}

/* One of several products that read the same vector: y = clamp(W clamp(x)). An adapter acts between the clamps. */
struct clipped {
    const struct nj_clipped *clip;
    const struct nj_linear  *linear;
    float                   *out;
};

/* Whose bounds all of them have for their input (in checkpoints seen so far they do); NULL: they differ. */
static const struct nj_clipped *common_input(const struct clipped *list, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (list[i].clip->input_min != list->clip->input_min || list[i].clip->input_max != list->clip->input_max)
            return NULL;
    return list->clip;
}

struct copy_clamped {
    const struct tower      *tower;
    const struct nj_clipped *clip;
    const float             *x;
};

static void copy_clamped_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct copy_clamped *job = arg;
    const size_t               at  = index * job->clip->weight.cols;
    job->tower->engine->kernels.clamp(job->x + at, job->clip->weight.cols, job->clip->input_min, job->clip->input_max,
                                      job->tower->clamped + at);
}

/* `count` of them, at most 3, on n patches. x has been clamped where it was made if they have common_input, and y will be where it is read. */
static void clipped_linears(struct tower *tower, const struct clipped *list, size_t count, const float *x, uint32_t n)
{
    const bool common = common_input(list, count) != NULL;
    for (size_t first = 0, taken = common ? count : 1; first < count; first += taken) {
        struct copy_clamped copy = {tower, list[first].clip, x};
        struct nj_product   products[3];
        struct nj_input     input;
        for (size_t i = 0; i < taken; i++)
            products[i] = (struct nj_product){.linear = list[first + i].linear, .out = list[first + i].out};
        if (!common)
            nj_pool_run(tower->engine->pool, n, copy_clamped_row, &copy);
        nj_input_set(&input, common ? x : tower->clamped, n, list->clip->weight.cols);
        input.patches = input.coarse = true;
        nj_linear(tower->engine, &input, products, taken);
    }
}

/* First half of a head turns by the column, second half by the row. */
static void rotate_patch(const struct tower *tower, size_t index, float *head)
{
    uint32_t half = config_of(tower)->head_dim / 2, pairs = half / 2;
    size_t   column = index % tower->across * pairs, row = index / tower->across * pairs;
    tower->engine->kernels.rope(head, tower->cosine + column, tower->sine + column, pairs, pairs);
    tower->engine->kernels.rope(head + half, tower->cosine + row, tower->sine + row, pairs, pairs);
}

static void heads_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    struct tower                  *tower  = arg;
    const struct nj_vision_config *config = config_of(tower);
    nj_rms_norm_fn                *norm   = tower->engine->kernels.rms_norm;
    const size_t                   row    = index * config->hidden_size;
    clamp_output(tower, &tower->layer->q, tower->q + row, config->hidden_size);
    clamp_output(tower, &tower->layer->k, tower->k + row, config->hidden_size);
    clamp_output(tower, &tower->layer->v, tower->v + row, config->hidden_size);
    for (uint32_t head = 0; head < config->heads; head++) {
        size_t at = row + (size_t)head * config->head_dim;
        norm(tower->q + at, tower->layer->q_norm, config->head_dim, config->rms_norm_eps, tower->q + at);
        norm(tower->k + at, tower->layer->k_norm, config->head_dim, config->rms_norm_eps, tower->k + at);
        norm(tower->v + at, NULL, config->head_dim, config->rms_norm_eps, tower->v + at);
        rotate_patch(tower, index, tower->q + at);
        rotate_patch(tower, index, tower->k + at);
    }
}

/* Every patch sees every patch of its picture. */
static void attend_row(void *arg, size_t index, unsigned thread)
{
    struct tower                  *tower  = arg;
    const struct nj_vision_config *config = config_of(tower);
    float                         *scores = tower->scores + (size_t)thread * tower->count;
    for (uint32_t head = 0; head < config->heads; head++) {
        size_t at  = (size_t)head * config->head_dim;
        float *out = tower->normed + index * config->hidden_size + at;
        for (uint32_t i = 0; i < tower->count; i++)
            scores[i] =
                nj_dot(tower->q + index * config->hidden_size + at, tower->k + (size_t)i * config->hidden_size + at, config->head_dim);
        nj_softmax(scores, tower->count);
        memset(out, 0, config->head_dim * sizeof *out);
        for (uint32_t i = 0; i < tower->count; i++)
            nj_add_scaled(out, tower->v + (size_t)i * config->hidden_size + at, scores[i], config->head_dim);
        clamp_input(tower, &tower->layer->o, out, config->head_dim);
    }
}

/* The fast form: keys and values of each head as the kernel reads them, then blocks of queries. */
static struct nj_patches kernel_view(const struct tower *tower)
{
    const struct nj_vision_config *config = config_of(tower);
    return (struct nj_patches){tower->q,     tower->k,      tower->v,         tower->normed, config->hidden_size,
                               tower->count, config->heads, config->head_dim, tower->cache};
}

static uint32_t pieces(uint32_t count, uint32_t size)
{
    return (count + size - 1) / size;
}

static void cache_block(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    struct tower     *tower = arg;
    struct nj_patches job   = kernel_view(tower);
    tower->engine->kernels.patches_open(&job, (uint32_t)index % job.heads, (uint32_t)index / job.heads, 1);
}

static void attend_chunk(void *arg, size_t index, unsigned thread)
{
    struct tower      *tower   = arg;
    struct nj_scratch *scratch = &tower->engine->scratch;
    struct nj_patches  job     = kernel_view(tower);
    uint32_t           chunks = pieces(tower->count, QUERY_CHUNK), first = (uint32_t)(index % chunks) * QUERY_CHUNK;
    uint32_t           count = tower->count - first < QUERY_CHUNK ? tower->count - first : QUERY_CHUNK, head = (uint32_t)(index / chunks);
    tower->engine->kernels.patches_attend(&job, head, first, count, scratch->thread_kernel + thread * scratch->thread_kernel_stride);
    for (size_t row = first; row < first + count; row++)
        clamp_input(tower, &tower->layer->o, job.out + row * job.stride + (size_t)head * job.head_dim, job.head_dim);
}

static void attend(struct tower *tower)
{
    size_t heads = config_of(tower)->heads;
    if (nj_is_exact(tower->engine)) {
        each_patch(tower, attend_row);
        return;
    }
    nj_pool_run(tower->engine->pool, heads * pieces(tower->count, NJ_PATCH_BLOCK), cache_block, tower);
    nj_pool_run(tower->engine->pool, heads * pieces(tower->count, QUERY_CHUNK), attend_chunk, tower);
}

static void gate_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    struct tower *tower = arg;
    uint32_t      width = config_of(tower)->intermediate_size;
    float        *gate = tower->gate + index * width, *up = tower->up + index * width;
    clamp_output(tower, &tower->layer->gate, gate, width);
    clamp_output(tower, &tower->layer->up, up, width);
    tower->engine->kernels.gelu_mul(gate, up, width, gate);
    clamp_input(tower, &tower->layer->down, gate, width);
}

/* A block of patches at a time: what lies between its products is the largest that a picture needs. */
static void mlp_block(struct tower *tower, const struct clipped gate_up[2], uint32_t first)
{
    uint32_t             n      = tower->count - first < tower->block ? tower->count - first : tower->block;
    size_t               at     = (size_t)first * config_of(tower)->hidden_size;
    const struct clipped down[] = {{&tower->layer->down, &tower->linears->down, tower->out + at}};
    clipped_linears(tower, gate_up, 2, tower->normed + at, n);
    nj_pool_run(tower->engine->pool, n, gate_row, tower);
    clipped_linears(tower, down, 1, tower->gate, n);
}

static void encoder_layer(struct tower *tower)
{
    const struct nj_vision_layer   *layer   = tower->layer;
    const struct nj_vision_linears *linears = tower->linears;
    const struct clipped            qkv[]   = {
                     {&layer->q, &linears->q, tower->q}, {&layer->k, &linears->k, tower->k}, {&layer->v, &linears->v, tower->v}};
    const struct clipped o[]       = {{&layer->o, &linears->o, tower->out}};
    const struct clipped gate_up[] = {{&layer->gate, &linears->gate, tower->gate}, {&layer->up, &linears->up, tower->up}};
    tower->norm                    = layer->input_norm;
    tower->made_for                = common_input(qkv, 3);
    each_patch(tower, norm_row);
    clipped_linears(tower, qkv, 3, tower->normed, tower->count);
    each_patch(tower, heads_row);
    attend(tower);
    clipped_linears(tower, o, 1, tower->normed, tower->count);
    tower->norm    = layer->post_attention_norm;
    tower->made_by = &layer->o;
    each_patch(tower, add_normed_row);
    tower->norm     = layer->pre_mlp_norm;
    tower->made_for = common_input(gate_up, 2);
    each_patch(tower, norm_row);
    for (uint32_t first = 0; first < tower->count; first += tower->block)
        mlp_block(tower, gate_up, first);
    tower->norm    = layer->post_mlp_norm;
    tower->made_by = &layer->down;
    each_patch(tower, add_normed_row);
}

/* normed[cell] = RMS(mean of the cell's patches * sqrt(hidden)), the input of the last projection. */
static void pool_cell(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    struct tower                  *tower   = arg;
    const struct nj_weights       *weights = tower->engine->weights;
    const struct nj_vision_config *config  = config_of(tower);
    uint32_t                       kernel = config->pooling_kernel, hidden = config->hidden_size;
    size_t                         across = tower->across / kernel;
    size_t                         row = index / across * kernel, column = index % across * kernel;
    float                         *out   = tower->normed + index * hidden;
    float                          scale = sqrtf((float)hidden);
    for (uint32_t i = 0; i < hidden; i++) {
        float sum = 0;
        for (uint32_t y = 0; y < kernel; y++)
            for (uint32_t x = 0; x < kernel; x++)
                sum += tower->x[((row + y) * tower->across + column + x) * hidden + i];
        out[i] = sum / (float)(kernel * kernel) * scale;
        if (config->standardize)
            out[i] = (out[i] - weights->std_bias[i]) * weights->std_scale[i];
    }
    tower->engine->kernels.rms_norm(out, NULL, hidden, config->rms_norm_eps, out);
}

static void make_angles(struct tower *tower, uint32_t longest)
{
    const struct nj_vision_config *config = config_of(tower);
    uint32_t                       pairs  = config->head_dim / 4;
    for (uint32_t i = 0; i < pairs; i++) {
        float frequency = (float)pow(config->rope_theta, -2.0 * i / (config->head_dim / 2));
        for (uint32_t at = 0; at < longest; at++) {
            tower->cosine[(size_t)at * pairs + i] = (float)cos((double)((float)at * frequency));
            tower->sine[(size_t)at * pairs + i]   = (float)sin((double)((float)at * frequency));
        }
    }
}

static nj_status make_room(struct tower *tower, uint32_t longest, float **memory, struct nj_error *error)
{
    const struct nj_vision_config *config  = config_of(tower);
    size_t                         hidden  = nj_size_mul(tower->count, config->hidden_size);
    size_t                         mlp     = nj_size_mul(tower->block, config->intermediate_size);
    size_t                         pixels  = nj_size_mul(tower->count, (size_t)config->patch_size * config->patch_size * 3);
    size_t                         angles  = nj_size_mul(longest, config->head_dim / 4);
    bool                           exact   = nj_is_exact(tower->engine);
    size_t                         cache   = exact ? 0 : nj_patches_bytes(tower->count, config->heads, config->head_dim) / sizeof(float);
    size_t                         scores  = exact ? nj_size_mul(tower->engine->threads, tower->count) : 0;
    struct nj_list                 lists[] = {{&tower->x, hidden},      {&tower->normed, hidden}, {&tower->out, hidden},
                                              {&tower->q, hidden},      {&tower->k, hidden},      {&tower->v, hidden},
                                              {&tower->gate, mlp},      {&tower->up, mlp},        {&tower->clamped, hidden > pixels ? hidden : pixels},
                                              {&tower->cosine, angles}, {&tower->sine, angles},   {&tower->scores, scores},
                                              {&tower->cache, cache}};
    *memory                                = nj_carve(lists, sizeof lists / sizeof *lists);
    if (!*memory)
        return nj_fail(error, "no memory for a picture of %u patches", tower->count);
    return NJ_OK;
}

static nj_status check_picture(const struct nj_vision_config *config, uint32_t width, uint32_t height, struct nj_error *error)
{
    if (config->layers == 0)
        return nj_fail(error, "this model has no vision tower: pictures need the multimodal checkpoint (or, with GGUF, its mmproj file)");
    uint32_t side = config->patch_size * config->pooling_kernel;
    if (width == 0 || height == 0 || width % side != 0 || height % side != 0)
        return nj_fail(error, "a picture of %u x %u: both sides must be multiples of %u", width, height, side);
    uint32_t longest = (width > height ? width : height) / config->patch_size;
    if (longest > config->positions)
        return nj_fail(error, "a picture of %u x %u: the model has positions for %u patches a side", width, height, config->positions);
    return NJ_OK;
}

nj_status nj_engine_vision(struct nj_engine *engine, const uint8_t *rgb, uint32_t width, uint32_t height, float *features,
                           struct nj_error *error)
{
    const struct nj_weights       *weights = engine->weights;
    const struct nj_vision_config *config  = &weights->config.vision;
    struct tower                   tower   = {.engine = engine, .rgb = rgb, .width = width};
    float                         *memory  = NULL;
    nj_status                      status  = check_picture(config, width, height, error);
    if (status != NJ_OK)
        return status;
    uint32_t down    = height / config->patch_size;
    tower.across     = width / config->patch_size;
    tower.count      = tower.across * down;
    tower.block      = tower.count < engine->pass_rows ? tower.count : engine->pass_rows;
    tower.cells      = tower.count / (config->pooling_kernel * config->pooling_kernel);
    uint32_t longest = tower.across > down ? tower.across : down;
    status           = make_room(&tower, longest, &memory, error);
    if (status != NJ_OK)
        return status;
    make_angles(&tower, longest);
    each_patch(&tower, patch_row);
    multiply(&tower, &engine->patch_projection, tower.clamped, tower.count, tower.x);
    each_patch(&tower, position_row);
    for (uint32_t layer = 0; status == NJ_OK && layer < config->layers; layer++) {
        tower.layer   = &weights->vision[layer];
        tower.linears = &engine->vision[layer];
        encoder_layer(&tower);
        nj_weights_release_vision(weights, layer);
        if (nj_engine_stopped(engine))
            status = nj_fail_as(NJ_STOPPED, error, "stopped after layer %u of %u of the vision tower", layer + 1, config->layers);
    }
    if (status == NJ_OK) {
        nj_pool_run(engine->pool, tower.cells, pool_cell, &tower);
        multiply(&tower, &engine->feature_projection, tower.normed, tower.cells, features);
    }
    nj_pages_free(memory);
    return status;
}
