#include "pipeline/model/engine_internal.h"

#include <stdlib.h>

void *nj_engine_alloc(struct nj_engine *engine, size_t size)
{
    uint8_t *memory;
    if (engine->owned_count == engine->owned_capacity) {
        size_t capacity = engine->owned_capacity ? 2 * engine->owned_capacity : 64;
        void **grown    = realloc(engine->owned, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        engine->owned          = grown;
        engine->owned_capacity = capacity;
    }
    if (size > PTRDIFF_MAX - 64 || !(memory = calloc(1, size + 64))) /* zeros that cost nothing before they are used */
        return NULL;
    engine->owned[engine->owned_count++] = memory;
    return memory + (64 - (uintptr_t)memory % 64) % 64;
}

static nj_status no_memory(const struct nj_matrix *matrix, struct nj_error *error)
{
    return nj_fail(error, "no memory to pack a matrix of %u x %u; a packed file (nightjar convert) is used as it lies", matrix->rows,
                   matrix->cols);
}

/* What int4 panels may be made from without changing a value, and the group that the panels get. */
static uint32_t panel_group(const struct nj_matrix *matrix)
{
    if (matrix->format == NJ_Q4_0)
        return nj_w4_group_ok(matrix->cols, 32) ? 32 : 0;
    if (matrix->format != NJ_W4_ROWS && matrix->format != NJ_W4_PANELS)
        return 0;
    if (nj_w4_group_ok(matrix->cols, matrix->group))
        return matrix->group;
    return matrix->group % 128 == 0 && nj_w4_group_ok(matrix->cols, 128) ? 128 : 0;
}

static bool is_aligned(const void *pointer, size_t to)
{
    return (uintptr_t)pointer % to == 0;
}

/* A view of panels that a packed file holds. */
static bool view_panels(const struct nj_matrix *matrix, struct nj_linear *out)
{
    if (matrix->format != NJ_W4_PANELS)
        return false;
    struct nj_w4 view = nj_matrix_w4(matrix);
    if (!nj_w4_group_ok(view.cols, view.group) || !is_aligned(view.blocks, 64) || !is_aligned(view.scales, 32))
        return false;
    out->kind = NJ_LINEAR_W4;
    out->w4   = view;
    return true;
}

struct packing {
    const struct nj_matrix *matrix;
    struct nj_w4           *out;
    uint8_t                *blocks; /* the same memory as out->blocks, to write */
    uint8_t                *scales;
    int8_t                 *q;      /* [threads][16][cols] */
    float                  *values; /* [threads][16][cols], used for scales and rows */
};

/* Integers and scales of one row, group of the panels by group. */
static void row_parts(const struct packing *job, uint32_t row, int8_t *q, float *scales)
{
    const struct nj_matrix *matrix = job->matrix;
    uint32_t                group = job->out->group, groups = nj_w4_groups(matrix->cols, group);
    if (matrix->format == NJ_Q4_0) {
        const uint8_t *block = (const uint8_t *)matrix->data + row * nj_format_row_bytes(NJ_Q4_0, matrix->cols);
        for (uint32_t g = 0; g < groups; g++, block += 18) {
            scales[g] = nj_f16_to_float((uint16_t)(block[0] | block[1] << 8));
            for (uint32_t i = 0; i < 16; i++) {
                q[32 * g + i]      = (int8_t)((block[2 + i] & 15) - 8);
                q[32 * g + 16 + i] = (int8_t)((block[2 + i] >> 4) - 8);
            }
        }
        return;
    }
    nj_matrix_row_q4(matrix, row, q);
    for (uint32_t g = 0; g < groups; g++)
        scales[g] = nj_matrix_scale(matrix, row, (uint32_t)((uint64_t)g * group / matrix->group));
}

static void pack_panel(void *arg, size_t panel, unsigned thread)
{
    const struct packing   *job    = arg;
    const struct nj_matrix *matrix = job->matrix;
    uint32_t                cols = matrix->cols, groups = nj_w4_groups(cols, job->out->group);
    uint32_t                first  = (uint32_t)panel * NJ_W4_ROWS_PER_PANEL;
    uint32_t                count  = matrix->rows - first < NJ_W4_ROWS_PER_PANEL ? matrix->rows - first : NJ_W4_ROWS_PER_PANEL;
    int8_t                 *q      = job->q + (size_t)thread * NJ_W4_ROWS_PER_PANEL * cols;
    float                  *scales = job->values + (size_t)thread * NJ_W4_ROWS_PER_PANEL * cols;
    for (uint32_t r = 0; r < count; r++)
        row_parts(job, first + r, q + (size_t)r * cols, scales + (size_t)r * groups);
    size_t to = panel * job->out->panel_step;
    nj_w4_pack_panel(q, scales, count, cols, job->out->group, job->out->scale_format, job->blocks + to * nj_w4_panel_bytes(cols),
                     job->scales + to * nj_w4_panel_scale_bytes(cols, job->out->group, job->out->scale_format));
}

/* Packs `matrix` into memory that starts at `blocks` and `scales`, every panel_step-th panel. */
static nj_status pack(struct nj_engine *engine, const struct nj_matrix *matrix, uint32_t panel_step, uint8_t *blocks, uint8_t *scales,
                      enum nj_scale_format format, struct nj_linear *out, struct nj_error *error)
{
    size_t         panel  = (size_t)engine->threads * NJ_W4_ROWS_PER_PANEL * matrix->cols;
    struct packing job    = {matrix, &out->w4, blocks, scales, malloc(panel), malloc(panel * sizeof(float))};
    nj_status      status = job.q && job.values ? NJ_OK : no_memory(matrix, error);
    out->kind             = NJ_LINEAR_W4;
    out->w4               = (struct nj_w4){.blocks = blocks, .scales = scales, .rows = matrix->rows, .cols = matrix->cols};
    out->w4.group         = panel_group(matrix);
    out->w4.scale_format  = format;
    out->w4.panel_step    = panel_step;
    if (status == NJ_OK)
        nj_pool_run(engine->pool, nj_w4_panels(matrix->rows), pack_panel, &job);
    free(job.q);
    free(job.values);
    return status;
}

static enum nj_scale_format panel_scales(const struct nj_matrix *matrix)
{
    return matrix->format != NJ_Q4_0 && matrix->scale_format == NJ_BF16 ? NJ_SCALE_BF16 : NJ_SCALE_F32;
}

static nj_status make_panels(struct nj_engine *engine, const struct nj_matrix *matrix, struct nj_linear *out, struct nj_error *error)
{
    enum nj_scale_format format = panel_scales(matrix);
    size_t               panels = nj_w4_panels(matrix->rows);
    uint8_t             *blocks = nj_engine_alloc(engine, panels * nj_w4_panel_bytes(matrix->cols));
    uint8_t             *scales = nj_engine_alloc(engine, panels * nj_w4_panel_scale_bytes(matrix->cols, panel_group(matrix), format));
    if (!blocks || !scales)
        return no_memory(matrix, error);
    return pack(engine, matrix, 1, blocks, scales, format, out, error);
}

struct widening {
    const struct nj_matrix *matrix;
    uint16_t               *f16; /* one of these two */
    int8_t                 *q8;
    uint16_t               *scales;
    float                  *rows; /* [threads][cols] */
};

static void narrow_row(void *arg, size_t index, unsigned thread)
{
    const struct widening *job  = arg;
    uint32_t               cols = job->matrix->cols;
    float                 *row  = job->rows + (size_t)thread * cols;
    nj_matrix_row(job->matrix, (uint32_t)index, row);
    for (uint32_t i = 0; i < cols; i++)
        job->f16[index * cols + i] = nj_float_to_f16(row[i]);
}

/* fp16 rows of what has no integer form here (K-quants): 11 bits of each weight, two bytes. */
static nj_status make_f16(struct nj_engine *engine, const struct nj_matrix *matrix, struct nj_linear *out, struct nj_error *error)
{
    struct widening job = {.matrix = matrix};
    job.f16             = nj_engine_alloc(engine, nj_size_mul(nj_size_mul(matrix->rows, matrix->cols), sizeof *job.f16));
    job.rows            = malloc(nj_size_mul(nj_size_mul(engine->threads, matrix->cols), sizeof *job.rows));
    if (job.f16 && job.rows)
        nj_pool_run(engine->pool, matrix->rows, narrow_row, &job);
    free(job.rows);
    out->kind  = NJ_LINEAR_F16;
    out->plain = job.f16;
    return job.f16 && job.rows ? NJ_OK : no_memory(matrix, error);
}

static void q8_row(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    const struct widening *job    = arg;
    uint32_t               blocks = job->matrix->cols / 32;
    const uint8_t         *in     = (const uint8_t *)job->matrix->data + index * nj_format_row_bytes(NJ_Q8_0, job->matrix->cols);
    for (uint32_t b = 0; b < blocks; b++, in += 34) {
        job->scales[index * blocks + b] = (uint16_t)(in[0] | in[1] << 8);
        for (uint32_t i = 0; i < 32; i++) /* -128 is not written by quantisers and has no place in the kernels' range */
            job->q8[index * job->matrix->cols + 32 * b + i] = (int8_t)in[2 + i] == -128 ? -127 : (int8_t)in[2 + i];
    }
}

static nj_status make_i8(struct nj_engine *engine, const struct nj_matrix *matrix, struct nj_linear *out, struct nj_error *error)
{
    size_t          values = nj_size_mul(matrix->rows, matrix->cols);
    struct widening job    = {.matrix = matrix};
    job.q8                 = nj_engine_alloc(engine, values);
    job.scales             = nj_engine_alloc(engine, values / 32 * sizeof *job.scales);
    if (!job.q8 || !job.scales)
        return no_memory(matrix, error);
    nj_pool_run(engine->pool, matrix->rows, q8_row, &job);
    out->kind = NJ_LINEAR_I8;
    out->i8   = (struct nj_i8_rows){job.q8, job.scales, NJ_NUMBER_F16, matrix->rows, matrix->cols, 32};
    return NJ_OK;
}

static bool view_i8(const struct nj_matrix *matrix, struct nj_linear *out)
{
    static const enum nj_number numbers[] = {[NJ_F32] = NJ_NUMBER_F32, [NJ_F16] = NJ_NUMBER_F16, [NJ_BF16] = NJ_NUMBER_BF16};
    if (matrix->format != NJ_I8_ROWS || matrix->cols % 32 != 0 || matrix->scale_format > NJ_BF16 ||
        !nj_w4_group_ok(matrix->cols, matrix->group))
        return false;
    out->kind = NJ_LINEAR_I8;
    out->i8   = (struct nj_i8_rows){matrix->data, matrix->scales, numbers[matrix->scale_format], matrix->rows, matrix->cols, matrix->group};
    return true;
}

static nj_status prepare(struct nj_engine *engine, const struct nj_matrix *matrix, struct nj_linear *out, struct nj_error *error)
{
    *out =
        (struct nj_linear){.kind = NJ_LINEAR_STORED, .rows = matrix->rows, .cols = matrix->cols, .matrix = matrix, .plain = matrix->data};
    if (matrix->rows == 0)
        out->kind = NJ_LINEAR_ABSENT;
    if (matrix->rows == 0 || nj_is_exact(engine))
        return NJ_OK;
    switch (matrix->format) {
    case NJ_F32:
        out->kind = NJ_LINEAR_F32;
        return NJ_OK;
    case NJ_F16:
        out->kind = NJ_LINEAR_F16;
        return NJ_OK;
    case NJ_BF16:
        out->kind = NJ_LINEAR_BF16;
        return NJ_OK;
    case NJ_Q8_0:
        return make_i8(engine, matrix, out, error);
    case NJ_I8_ROWS:
        if (view_i8(matrix, out))
            return NJ_OK;
        break;
    default:
        if (view_panels(matrix, out))
            return NJ_OK;
        if (panel_group(matrix))
            return make_panels(engine, matrix, out, error);
    }
    return make_f16(engine, matrix, out, error);
}

/* gate and up: packed with alternating panels, if they are not so already, so that one product gives gelu(gate) * up. */
static nj_status prepare_gate(struct nj_engine *engine, const struct nj_text_layer *layer, struct nj_text_linears *out,
                              struct nj_error *error)
{
    const struct nj_matrix *gate = &layer->gate, *up = &layer->up;
    uint32_t                group = panel_group(gate);
    bool                    alike = group && group == panel_group(up) && panel_scales(gate) == panel_scales(up) && gate->rows == up->rows;
    if (nj_is_exact(engine) || !alike || gate->format == NJ_W4_PANELS || up->format == NJ_W4_PANELS) {
        nj_status status = prepare(engine, gate, &out->gate, error);
        if (status == NJ_OK)
            status = prepare(engine, up, &out->up, error);
        out->fused_gate = status == NJ_OK && out->gate.kind == NJ_LINEAR_W4 && out->up.kind == NJ_LINEAR_W4 &&
                          out->gate.w4.panel_step == 2 && out->up.w4.blocks == out->gate.w4.blocks + nj_w4_panel_bytes(gate->cols) &&
                          !gate->low_rank && !up->low_rank;
        return status;
    }
    enum nj_scale_format format = panel_scales(gate);
    size_t               block = nj_w4_panel_bytes(gate->cols), scale = nj_w4_panel_scale_bytes(gate->cols, group, format);
    size_t               panels = 2 * (size_t)nj_w4_panels(gate->rows);
    uint8_t             *blocks = nj_engine_alloc(engine, panels * block), *scales = nj_engine_alloc(engine, panels * scale);
    if (!blocks || !scales)
        return no_memory(gate, error);
    out->gate        = (struct nj_linear){.rows = gate->rows, .cols = gate->cols, .matrix = gate};
    out->up          = (struct nj_linear){.rows = up->rows, .cols = up->cols, .matrix = up};
    nj_status status = pack(engine, gate, 2, blocks, scales, format, &out->gate, error);
    if (status == NJ_OK)
        status = pack(engine, up, 2, blocks + block, scales + scale, format, &out->up, error);
    out->fused_gate = !gate->low_rank && !up->low_rank;
    return status;
}

static nj_status prepare_text_layer(struct nj_engine *engine, uint32_t index, struct nj_error *error)
{
    const struct nj_text_layer *layer = &engine->weights->layers[index];
    struct nj_text_linears     *out   = &engine->text[index];
    struct {
        const struct nj_matrix *matrix;
        struct nj_linear       *out;
    } all[]          = {{&layer->q, &out->q},
                        {&layer->k, &out->k},
                        {&layer->v, &out->v},
                        {&layer->o, &out->o},
                        {&layer->down, &out->down},
                        {&layer->ple_gate, &out->ple_gate},
                        {&layer->ple_projection, &out->ple_projection}};
    nj_status status = prepare_gate(engine, layer, out, error);
    for (size_t i = 0; status == NJ_OK && i < sizeof all / sizeof *all; i++)
        status = prepare(engine, all[i].matrix, all[i].out, error);
    return status;
}

static nj_status prepare_vision_layer(struct nj_engine *engine, uint32_t index, struct nj_error *error)
{
    const struct nj_vision_layer *layer = &engine->weights->vision[index];
    struct nj_vision_linears     *out   = &engine->vision[index];
    struct {
        const struct nj_clipped *clip;
        struct nj_linear        *out;
    } all[]          = {{&layer->q, &out->q},       {&layer->k, &out->k},   {&layer->v, &out->v},      {&layer->o, &out->o},
                        {&layer->gate, &out->gate}, {&layer->up, &out->up}, {&layer->down, &out->down}};
    nj_status status = NJ_OK;
    for (size_t i = 0; status == NJ_OK && i < sizeof all / sizeof *all; i++)
        status = prepare(engine, &all[i].clip->weight, all[i].out, error);
    return status;
}

nj_status nj_prepare_weights(struct nj_engine *engine, struct nj_error *error)
{
    const struct nj_weights *weights = engine->weights;
    nj_status                status  = prepare(engine, &weights->ple_projection, &engine->ple_projection, error);
    if (status == NJ_OK)
        status = prepare(engine, &weights->head, &engine->head, error);
    for (uint32_t l = 0; status == NJ_OK && l < weights->config.text.layers; l++)
        status = prepare_text_layer(engine, l, error);
    for (uint32_t l = 0; status == NJ_OK && l < weights->config.vision.layers; l++)
        status = prepare_vision_layer(engine, l, error);
    if (status == NJ_OK && weights->config.vision.layers)
        status = prepare(engine, &weights->patch_projection, &engine->patch_projection, error);
    if (status == NJ_OK && weights->config.vision.layers)
        status = prepare(engine, &weights->feature_projection, &engine->feature_projection, error);
    return status;
}
