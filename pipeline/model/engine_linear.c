#include "pipeline/model/engine_internal.h"

#include <string.h>

/* Rows of W that one thread takes at a time where a row is widened before use. */
#define ROW_BLOCK      64u
#define LOW_RANK_BLOCK 256u
#define GEMM_PANELS    4u  /* of 16 rows: what one thread takes at a time when there are many tokens */
#define PLAIN_TOKENS   48u /* from so many on it pays to make integers of plain weights on the way */
/* With few tokens: bytes of weights that a thread takes at a time: many pieces, so that a slow core does not hold up the others, but none so short that its
 * streams are not in flow. Threads take pieces as they come; sums are those of one row and do not depend on who makes them. */
#define PIECE_BYTES  ((size_t)320 << 10)
#define PIECE_PANELS 4u                  /* at least, and a multiple of it: the kernel walks so many at once */
#define ROWS_BYTES   ((size_t)640 << 10) /* likewise, of rows that are read as they lie (the head); ROW_BLOCK rows at least */

void nj_input_set(struct nj_input *input, const float *x, uint32_t n, uint32_t cols)
{
    *input = (struct nj_input){.x = x, .n = n, .cols = cols};
}

struct quantise {
    struct nj_input *input;
    nj_quantize_fn  *quantize;
};

static void quantise_tile(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct quantise *job = arg;
    job->quantize(job->input->x, job->input->cols, &job->input->act, (uint32_t)index, 1);
}

/* `which` = 16, 14, 8, 7 or 0 (row order) as in nj_kernels_act; `group` is that of the weights. */
static bool is_quantised(const struct nj_input *input, int which, uint32_t group)
{
    return input->act.tokens && input->which == which && input->act.group == nj_act_group(input->cols, group);
}

static void quantise(struct nj_engine *engine, struct nj_input *input, int which, uint32_t group)
{
    const struct nj_kernels *k   = &engine->kernels;
    struct quantise          job = {input, which == 16   ? k->a16_quantize
                                           : which == 14 ? k->a14_quantize
                                           : which != 0  ? k->a8_quantize
                                                         : k->a16_rows_quantize};
    if (is_quantised(input, which, group))
        return;
    input->which = which;
    nj_kernels_act(k, which, input->n, input->cols, nj_act_group(input->cols, group), engine->act_memory, &input->act);
    nj_pool_run(engine->pool, nj_act_tiles(&input->act), quantise_tile, &job);
}

/* One product, cut into chunks of rows (of panels for int4). */
struct work {
    struct nj_product       product;
    const struct nj_linear *up; /* fused gate: the other half */
    uint32_t                chunk, chunks;
    int                     which;  /* how the input is quantised for it; -1: not at all */
    uint32_t                group;  /* of the weights, if it is */
    bool                    panels; /* computed by panels of 16 rows */
};

#define MAX_WORKS 4

struct job {
    struct nj_engine *engine;
    struct nj_input  *input;
    struct work       works[MAX_WORKS];
    size_t            count;
};

/* Panels of a few tokens: whole fours of them, about PIECE_BYTES. */
static uint32_t piece_of(const struct work *work)
{
    size_t   four  = PIECE_PANELS * nj_w4_panel_bytes(work->product.linear->cols) * (work->up ? 2 : 1);
    uint32_t fours = four < PIECE_BYTES ? (uint32_t)(PIECE_BYTES / four) : 1;
    return fours * PIECE_PANELS;
}

/* Rows that are one piece. */
static uint32_t block_of(const struct nj_linear *linear)
{
    static const size_t widths[] = {[NJ_LINEAR_I8] = 1, [NJ_LINEAR_F32] = 4, [NJ_LINEAR_F16] = 2, [NJ_LINEAR_BF16] = 2};
    if (linear->kind < NJ_LINEAR_I8)
        return ROW_BLOCK;
    size_t rows = ROWS_BYTES / (linear->cols * widths[linear->kind]);
    return rows < ROW_BLOCK ? ROW_BLOCK : (uint32_t)rows;
}

static void cut(const struct job *job, struct work *work)
{
    uint32_t total = work->panels ? nj_w4_panels(work->product.rows) : work->product.rows;
    bool     few   = work->panels && work->which != 14 && work->which != 7 && job->input->n <= job->engine->kernels.direct_tokens;
    uint32_t piece = few ? piece_of(work) : work->panels ? GEMM_PANELS : block_of(work->product.linear);
    uint32_t even  = (total + job->engine->threads - 1) / job->engine->threads;
    work->chunk    = job->engine->threads == 1 ? (few ? total : piece) : even < piece ? even : piece;
    work->chunks   = (total + work->chunk - 1) / work->chunk;
}

static void stored_rows(const struct job *job, const struct nj_product *product, uint32_t first, uint32_t count, unsigned thread)
{
    const struct nj_linear *linear = product->linear;
    float                  *row    = job->engine->scratch.thread_row + thread * job->engine->scratch.thread_row_stride;
    for (uint32_t j = first; j < first + count; j++) {
        nj_matrix_row(linear->matrix, product->index ? (uint32_t)product->index[j] : j, row);
        for (uint32_t i = 0; i < job->input->n; i++)
            product->out[i * product->stride + j] = nj_dot(row, job->input->x + (size_t)i * linear->cols, linear->cols);
    }
}

static void plain_rows(const struct job *job, const struct nj_product *product, uint32_t first, uint32_t count)
{
    const struct nj_kernels *k       = &job->engine->kernels;
    const struct nj_linear  *linear  = product->linear;
    bool                     wide    = linear->kind == NJ_LINEAR_F32;
    nj_rows_fn              *rows    = wide ? k->f32_rows : linear->kind == NJ_LINEAR_F16 ? k->f16_rows : k->bf16_rows;
    const uint8_t           *weights = linear->plain;
    if (!product->index)
        weights += (size_t)first * linear->cols * (wide ? 4 : 2);
    rows(weights, product->index ? product->index + first : NULL, count, linear->cols, job->input->x, linear->cols, job->input->n,
         product->out + first, product->stride);
}

static void panels(const struct job *job, const struct work *work, uint32_t first, uint32_t count, unsigned thread)
{
    const struct nj_kernels *k       = &job->engine->kernels;
    const struct nj_product *product = &work->product;
    const struct nj_act     *act     = &job->input->act;
    void                    *scratch = job->engine->scratch.thread_kernel + thread * job->engine->scratch.thread_kernel_stride;
    bool                     narrow  = work->which == 8;
    if (work->which == 14 || work->which == 7) {
        static const enum nj_number numbers[] = {
            [NJ_LINEAR_F32] = NJ_NUMBER_F32, [NJ_LINEAR_F16] = NJ_NUMBER_F16, [NJ_LINEAR_BF16] = NJ_NUMBER_BF16};
        struct nj_plain plain = {product->linear->plain, numbers[product->linear->kind], product->linear->rows, product->linear->cols};
        (work->which == 14 ? k->w12a14_gemm : k->w7a8_gemm)(&plain, act, first, count, product->out, product->stride, scratch);
    } else if (work->up) {
        (narrow ? k->w4a8_gelu_up : k->w4a16_gelu_up)(&product->linear->w4, &work->up->w4, act, first, count, product->out, product->stride,
                                                      scratch);
    } else {
        (narrow ? k->w4a8_gemm : k->w4a16_gemm)(&product->linear->w4, act, first, count, product->out, product->stride, scratch);
    }
}

static void run_chunk(void *arg, size_t index, unsigned thread)
{
    const struct job  *job  = arg;
    const struct work *work = job->works;
    while (index >= work->chunks)
        index -= work++->chunks;
    const struct nj_product *product = &work->product;
    uint32_t                 first = (uint32_t)index * work->chunk, total = work->panels ? nj_w4_panels(product->rows) : product->rows;
    uint32_t                 count = total - first < work->chunk ? total - first : work->chunk;
    if (work->panels)
        panels(job, work, first, count, thread);
    else if (product->linear->kind == NJ_LINEAR_I8)
        job->engine->kernels.w8a16_rows(&product->linear->i8, product->index ? product->index + first : NULL, first, count,
                                        &job->input->act, product->out + first, product->stride);
    else if (product->linear->kind == NJ_LINEAR_STORED || product->linear->kind == NJ_LINEAR_W4)
        stored_rows(job, product, first, count, thread);
    else
        plain_rows(job, product, first, count);
}

struct low_rank {
    struct nj_engine         *engine;
    const struct nj_low_rank *added;
    const struct nj_product  *product;
    const float              *x; /* tokens of this portion */
    size_t                    cols, token, tokens;
};

/* One row of A x, for all tokens of the portion. */
static void low_rank_in(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct low_rank *job = arg;
    job->engine->kernels.f32_rows(job->added->a + index * job->cols, NULL, 1, job->cols, job->x, job->cols, job->tokens,
                                  job->engine->low_rank + index, job->engine->max_rank);
}

/* y += scale * B (A x), some rows of it. */
static void low_rank_out(void *arg, size_t index, unsigned thread)
{
    const struct low_rank   *job     = arg;
    const struct nj_product *product = job->product;
    size_t                   first = index * LOW_RANK_BLOCK, rank = job->added->rank;
    size_t                   count = product->rows - first < LOW_RANK_BLOCK ? product->rows - first : LOW_RANK_BLOCK;
    float                   *sum   = job->engine->scratch.thread_row + thread * job->engine->scratch.thread_row_stride;
    for (size_t t = 0; t < job->tokens; t++) {
        job->engine->kernels.f32_rows(product->index ? job->added->b : job->added->b + first * rank,
                                      product->index ? product->index + first : NULL, count, rank,
                                      job->engine->low_rank + t * job->engine->max_rank, rank, 1, sum, 0);
        nj_add_scaled(product->out + (job->token + t) * product->stride + first, sum, job->added->scale, count);
    }
}

static void add_low_rank(struct nj_engine *engine, const struct nj_input *input, const struct nj_product *product)
{
    struct low_rank job = {.engine = engine, .added = product->linear->matrix->low_rank, .product = product, .cols = input->cols};
    for (; job.token < input->n; job.token += job.tokens) {
        job.x      = input->x + job.token * job.cols;
        job.tokens = input->n - job.token < engine->low_rank_tokens ? input->n - job.token : engine->low_rank_tokens;
        nj_pool_run(engine->pool, job.added->rank, low_rank_in, &job);
        nj_pool_run(engine->pool, (product->rows + LOW_RANK_BLOCK - 1) / LOW_RANK_BLOCK, low_rank_out, &job);
    }
}

/* Makes the input as this work reads it. False if that would take it away from the works before. */
static bool take_input(struct job *job, const struct work *work, bool taken)
{
    if (work->which < 0)
        return true;
    if (taken && !is_quantised(job->input, work->which, work->group))
        return false;
    quantise(job->engine, job->input, work->which, work->group);
    return true;
}

/* All works from `first` that can share one quantised input, in one loop of the pool; returns the first that cannot. */
static size_t run_some(struct job *job, size_t first)
{
    struct job some   = {.engine = job->engine, .input = job->input};
    size_t     chunks = 0;
    for (size_t i = first; i < job->count && take_input(job, &job->works[i], some.count > 0); i++) {
        cut(job, &job->works[i]);
        chunks += job->works[i].chunks;
        some.works[some.count++] = job->works[i];
    }
    nj_pool_run(job->engine->pool, chunks, run_chunk, &some);
    for (size_t i = 0; i < some.count; i++)
        if (some.works[i].product.linear->matrix->low_rank)
            add_low_rank(job->engine, job->input, &some.works[i].product);
    return first + some.count;
}

/* Decides how a product is computed. */
static void add_work(struct job *job, const struct nj_product *product, const struct nj_linear *up)
{
    const struct nj_linear *linear = product->linear;
    struct work            *work   = &job->works[job->count++];
    bool                    plain  = linear->kind >= NJ_LINEAR_F32;
    *work                          = (struct work){.product = *product, .up = up, .which = -1};
    if (work->product.stride == 0)
        work->product.stride = linear->rows;
    if (work->product.rows == 0)
        work->product.rows = linear->rows;
    if (linear->kind == NJ_LINEAR_I8) {
        work->which = 0;
        work->group = linear->i8.group;
    } else if (linear->kind == NJ_LINEAR_W4 && !product->index) {
        work->panels = true;
        work->which  = job->engine->arithmetic == NJ_POWER_SAVER ? 8 : 16;
        work->group  = linear->w4.group;
    } else if (plain && job->input->patches && !nj_is_exact(job->engine) && job->input->n >= PLAIN_TOKENS &&
               linear->cols % NJ_W4_COLS_MULTIPLE == 0) {
        work->panels = true;
        work->which  = job->engine->arithmetic == NJ_POWER_SAVER && job->input->coarse && job->engine->kernels.narrow_plain ? 7 : 14;
        work->group  = linear->cols;
    }
}

static void tell(const struct nj_engine *engine, const struct nj_input *input, const struct nj_linear *linear)
{
    if (engine->observe)
        engine->observe(engine->observe_arg, linear->matrix, input->x, input->n);
}

void nj_linear(struct nj_engine *engine, struct nj_input *input, const struct nj_product *products, size_t count)
{
    tell(engine, input, products->linear);
    /* The memory for a quantised input holds pass_rows tokens; a picture has more patches. */
    for (uint32_t token = 0; token < input->n; token += engine->pass_rows) {
        struct nj_input part = *input, *used = input->n > engine->pass_rows ? &part : input;
        struct job      job = {.engine = engine, .input = used};
        if (used == &part)
            nj_input_set(&part, input->x + (size_t)token * input->cols,
                         input->n - token < engine->pass_rows ? input->n - token : engine->pass_rows, input->cols);
        used->patches = input->patches;
        used->coarse  = input->coarse;
        for (size_t i = 0; i < count && i < MAX_WORKS; i++) {
            add_work(&job, &products[i], NULL);
            job.works[i].product.out += token * job.works[i].product.stride;
        }
        for (size_t done = 0; done < job.count;)
            done = run_some(&job, done);
    }
}

void nj_linear_gate(struct nj_engine *engine, struct nj_input *input, const struct nj_linear *gate, const struct nj_linear *up, float *out)
{
    struct job        job     = {.engine = engine, .input = input};
    struct nj_product product = {.linear = gate, .out = out};
    tell(engine, input, gate);
    add_work(&job, &product, up);
    run_some(&job, 0);
}
