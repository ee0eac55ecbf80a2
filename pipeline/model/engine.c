#include "base/log.h"
#include "pipeline/model/engine_internal.h"

#include <math.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXACT_PASS_ROWS 128u
#define FAST_PASS_ROWS  384u /* two blocks of the GEMM; more would only cost memory */

bool nj_engine_stopped(const struct nj_engine *engine)
{
    return engine->should_stop && engine->should_stop(engine->stop_arg);
}

const struct nj_weights *nj_engine_weights(const struct nj_engine *engine)
{
    return engine->weights;
}

const uint8_t *nj_engine_identity(const struct nj_engine *engine)
{
    return engine->identity;
}

uint32_t nj_engine_pass_rows(const struct nj_engine *engine)
{
    return engine->pass_rows;
}

static void measure_matrix(struct nj_engine *engine, const struct nj_matrix *matrix)
{
    if (matrix->cols > engine->max_cols)
        engine->max_cols = matrix->cols;
    if (matrix->low_rank && matrix->low_rank->rank > engine->max_rank)
        engine->max_rank = matrix->low_rank->rank;
}

static void measure(struct nj_engine *engine)
{
    const struct nj_weights     *weights = engine->weights;
    const struct nj_text_config *config  = &weights->config.text;
    const struct nj_matrix      *once[]  = {&weights->ple_embedding, &weights->ple_projection, &weights->head, &weights->feature_projection,
                                            &weights->patch_projection};
    engine->max_head_dim                 = config->head_dim > config->global_head_dim ? config->head_dim : config->global_head_dim;
    engine->max_intermediate             = config->ple_size;
    engine->first_shared                 = config->layers - config->shared_kv_layers;
    for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        measure_matrix(engine, once[i]);
    for (uint32_t l = 0; l < config->layers; l++) {
        const struct nj_text_layer *layer = &weights->layers[l];
        const struct nj_matrix     *all[] = {
                &layer->q, &layer->k, &layer->v, &layer->o, &layer->gate, &layer->up, &layer->down, &layer->ple_gate, &layer->ple_projection};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            measure_matrix(engine, all[i]);
        if (layer->gate.rows > engine->max_intermediate)
            engine->max_intermediate = layer->gate.rows;
    }
    for (uint32_t l = 0; l < weights->config.vision.layers; l++) {
        const struct nj_vision_layer *layer = &weights->vision[l];
        const struct nj_clipped      *all[] = {&layer->q, &layer->k, &layer->v, &layer->o, &layer->gate, &layer->up, &layer->down};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            measure_matrix(engine, &all[i]->weight);
    }
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
    struct nj_list lists[]               = {
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
                      {&engine->low_rank, nj_size_mul(rows, engine->max_rank)},
                      {&scratch->thread_row, nj_size_mul(engine->threads, engine->max_cols)}, /* the first that is no list of rows */
                      {&scratch->logits, nj_size_mul(engine->kernels.direct_tokens, config->vocab_size)},
                      {&engine->inverse_frequency[0], engine->max_head_dim},
                      {&engine->inverse_frequency[1], engine->max_head_dim},
    };
    engine->arena     = nj_carve(lists, sizeof lists / sizeof *lists);
    engine->pass.rows = calloc(rows, sizeof *engine->pass.rows);
    if (!engine->arena || !engine->pass.rows)
        return nj_fail(error, "no memory for an engine that takes %zu positions at a time", rows);
    engine->row_bytes       = (size_t)((uint8_t *)scratch->thread_row - (uint8_t *)engine->arena);
    engine->low_rank_tokens = engine->pass_rows;
    return NJ_OK;
}

static nj_status check_heads(const struct nj_config *config, struct nj_error *error)
{
    uint32_t sizes[] = {config->text.head_dim, config->text.global_head_dim, config->vision.layers ? config->vision.head_dim : 16};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] > 512 || sizes[i] % 16 != 0)
            return nj_fail(error, "heads of %u values: fast arithmetic takes multiples of 16 up to 512; --exact takes any size", sizes[i]);
    return NJ_OK;
}

/* What only the kernels need: a quantised input, and memory of their own for each thread. */
static nj_status make_fast_scratch(struct nj_engine *engine, struct nj_error *error)
{
    struct nj_scratch *scratch = &engine->scratch;
    static const int   kinds[] = {0, 7, 8, 14, 16};
    size_t             gemm = nj_gemm_scratch_bytes(engine->pass_rows), attention = nj_attention_scratch_bytes(engine->max_head_dim);
    size_t             patches = nj_patches_scratch_bytes(engine->weights->config.vision.head_dim);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) { /* groups of 32 have the most scales */
        size_t bytes      = nj_kernels_act_bytes(&engine->kernels, kinds[i], engine->pass_rows, nj_w4_padded_cols(engine->max_cols), 32);
        engine->act_bytes = bytes > engine->act_bytes ? bytes : engine->act_bytes;
    }
    attention                     = attention > patches ? attention : patches;
    scratch->thread_kernel_stride = (gemm > attention ? gemm : attention) + 64;
    scratch->thread_kernel_stride -= scratch->thread_kernel_stride % 64;
    engine->act_memory     = nj_engine_alloc(engine, engine->act_bytes);
    scratch->thread_kernel = nj_engine_alloc(engine, nj_size_mul(engine->threads, scratch->thread_kernel_stride));
    scratch->positions_of  = nj_engine_alloc(engine, nj_size_mul(engine->pass_rows, sizeof *scratch->positions_of));
    if (!engine->act_memory || !scratch->thread_kernel || !scratch->positions_of)
        return nj_fail(error, "no memory: the kernels need %zu MiB for %u positions at a time", engine->act_bytes >> 20, engine->pass_rows);
    return NJ_OK;
}

static nj_status choose_kernels(struct nj_engine *engine, struct nj_error *error)
{
    const char *list     = getenv("NJ_CPU");
    uint32_t    features = nj_cpu_detect();
    if (!nj_cpu_mask(list, &features))
        return nj_fail(error, "NJ_CPU=%s: no such instruction set; avx2, avx512, avx512vnni, neon, dotprod, i8mm and c exist", list);
    nj_kernels_init(&engine->kernels, features);
    if (engine->kernels.differs)
        nj_log(NJ_LOG_WARNING,
               "%s gives other results than plain C on this processor: its instruction set is not used, and reading is slower",
               engine->kernels.differs);
    if (nj_is_exact(engine))
        nj_exact_operations(&engine->kernels);
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
    if (!matrix->low_rank)
        return;
    const struct nj_low_rank *added = matrix->low_rank;
    sha256_update(hash, (size_t)added->rank * matrix->cols * sizeof(float), (const uint8_t *)added->a);
    sha256_update(hash, added->rank * sizeof(float), (const uint8_t *)(added->b + (size_t)(matrix->rows / 2) * added->rank));
    sha256_update(hash, sizeof added->scale, (const uint8_t *)&added->scale);
}

/* The forms of the kernels in use: each sums in an order of its own. */
static void hash_forms(struct sha256_ctx *hash, const struct nj_kernels *kernels)
{
#define HASH_FORM(type, name) sha256_update(hash, strlen(kernels->names.name) + 1, (const uint8_t *)kernels->names.name);
    NJ_KERNEL_LIST(HASH_FORM)
#undef HASH_FORM
}

/* A sample of every matrix that keys and values depend on, all adapters, and how it is computed. */
static void make_identity(struct nj_engine *engine)
{
    const struct nj_weights     *weights = engine->weights;
    const struct nj_text_config *config  = &weights->config.text;
    float                       *row     = engine->scratch.thread_row;
    struct sha256_ctx            hash;
    uint32_t                     how[] = {(uint32_t)engine->arithmetic, engine->pass_rows};
    sha256_init(&hash);
    sha256_update(&hash, sizeof how, (const uint8_t *)how);
    hash_forms(&hash, &engine->kernels);
    hash_matrix(&hash, &weights->embedding, row);
    hash_matrix(&hash, &weights->ple_embedding, row);
    hash_matrix(&hash, &weights->ple_projection, row);
    sha256_update(&hash, config->hidden_size * sizeof(float), (const uint8_t *)weights->final_norm);
    for (uint32_t l = 0; l < config->layers; l++) {
        const struct nj_text_layer *layer = &weights->layers[l];
        const struct nj_matrix     *all[] = {
                &layer->q, &layer->k, &layer->v, &layer->o, &layer->gate, &layer->up, &layer->down, &layer->ple_gate, &layer->ple_projection};
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
    engine->pass_rows   = options->pass_rows ? options->pass_rows : nj_is_exact(engine) ? EXACT_PASS_ROWS : FAST_PASS_ROWS;
    engine->should_stop = options->should_stop;
    engine->stop_arg    = options->stop_arg;
    engine->observe     = options->observe;
    engine->observe_arg = options->observe_arg;
    measure(engine);
    nj_status status = choose_kernels(engine, error);
    if (status == NJ_OK)
        status = make_scratch(engine, error);
    if (status == NJ_OK && !nj_is_exact(engine))
        status = check_heads(&weights->config, error);
    if (status == NJ_OK && !nj_is_exact(engine))
        status = make_fast_scratch(engine, error);
    if (status == NJ_OK)
        status = nj_prepare_weights(engine, error);
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
    for (size_t i = 0; i < engine->owned_count; i++)
        free(engine->owned[i]);
    free(engine->owned);
    nj_pages_free(engine->arena);
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

uint32_t nj_engine_tree_nodes(const struct nj_engine *engine)
{
    return engine->pass_rows < NJ_TREE_NODES ? engine->pass_rows : NJ_TREE_NODES;
}

/* A tree is scored in one pass, and where a node stands is known before it. */
static nj_status check_tree(const struct nj_engine *engine, const struct nj_step *step, struct nj_error *error)
{
    if (step->want != NJ_WANT_ALL || step->count > nj_engine_tree_nodes(engine))
        return nj_fail(error, "a tree of %zu ids: at most %u go together, and all are scored", step->count, nj_engine_tree_nodes(engine));
    for (size_t i = 0; i < step->count; i++)
        if (step->parent[i] < -1 || step->parent[i] >= (int32_t)i)
            return nj_fail(error, "id %zu of the tree continues id %d, which does not come before it", i, step->parent[i]);
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
    nj_status status = step->parent ? check_tree(engine, step, error) : NJ_OK;
    if (status == NJ_OK)
        status = check_ids(engine, step->ids, step->count, step->features, error);
    return status == NJ_OK ? check_rows(engine, step->rows, step->row_count, error) : status;
}

/* A step that will overwrite what the ring of a sliding layer held before it cannot be undone without a copy. */
static bool needs_backup(const struct nj_engine *engine, const struct nj_step *step)
{
    return step->sequence->length > 0 && step->count > engine->pass_rows && step->sequence->sliding_bytes > 0;
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
        sequence->reach_before  = sequence->reach;
        sequence->backup_valid  = false;
        if (steps[i].parent)
            status = nj_tree_open(engine, error);
        else if (needs_backup(engine, &steps[i]))
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

/* allow[t][s]: node t stands on s, itself included. */
static void allow_ancestors(uint8_t *allow, const int32_t *parent, size_t count)
{
    memset(allow, 0, count * count);
    for (size_t t = 0; t < count; t++)
        for (int32_t s = (int32_t)t; s >= 0; s = parent[s])
            allow[t * count + (size_t)s] = 1;
}

static void fill_segment(struct nj_engine *engine, const struct nj_step *step, size_t take, struct progress *at)
{
    const struct nj_config *config  = &engine->weights->config;
    struct nj_pass         *pass    = &engine->pass;
    struct nj_segment      *segment = &pass->segments[pass->segment_count];
    size_t                  width = step->rows ? step->row_count : config->text.vocab_size, first = pass->row_count;
    *segment           = (struct nj_segment){.sequence = step->sequence, .base = step->sequence->length, .count = (uint32_t)take};
    segment->parent    = step->parent;
    segment->rows      = step->rows;
    segment->row_count = (uint32_t)step->row_count;
    if (!step->parent || nj_is_exact(engine)) /* the exact engine has no caches of its own for a tree */
        nj_sequence_reach(step->sequence, segment->base + segment->count);
    for (size_t i = 0; i < take; i++, at->id++) {
        struct nj_row *row = &pass->rows[pass->row_count++];
        *row               = (struct nj_row){.segment = pass->segment_count, .id = step->ids[at->id]};
        row->slot          = segment->base + (uint32_t)i;
        row->position      = !step->parent         ? row->slot
                             : step->parent[i] < 0 ? segment->base
                                                   : pass->rows[first + (size_t)step->parent[i]].position + 1;
        if (row->id == config->image_id)
            row->feature = step->features + at->images++ * config->text.hidden_size;
        if (step->want == NJ_WANT_ALL)
            row->logits = step->logits + at->id * width;
        else if (step->want == NJ_WANT_LAST && at->id + 1 == step->count)
            row->logits = step->logits;
    }
    if (step->parent && engine->tree_allow) {
        segment->tree_first = pass->tree_used;
        segment->allow      = engine->tree_allow + pass->allow_used;
        pass->tree_used += ((uint32_t)take + NJ_TREE_BLOCK - 1) / NJ_TREE_BLOCK * NJ_TREE_BLOCK;
        pass->allow_used += take * take;
        allow_ancestors(segment->allow, step->parent, take);
    }
    pass->segment_count++;
}

/* A tree goes through in one piece. */
static bool tree_fits(const struct nj_engine *engine, const struct nj_step *step)
{
    const struct nj_pass *pass = &engine->pass;
    return step->count <= engine->pass_rows - pass->row_count && step->count <= NJ_TREE_NODES - pass->tree_used;
}

/* Takes the next rows off the steps. */
static void fill_pass(struct nj_engine *engine, const struct nj_step *steps, size_t count, struct progress *at)
{
    struct nj_pass *pass = &engine->pass;
    pass->segment_count = pass->row_count = pass->tree_used = 0;
    pass->allow_used                                        = 0;
    while (at->step < count && pass->row_count < engine->pass_rows && pass->segment_count < NJ_MAX_SEGMENTS) {
        const struct nj_step *step = &steps[at->step];
        size_t                left = step->count - at->id, room = engine->pass_rows - pass->row_count;
        if (step->parent && !tree_fits(engine, step))
            break;
        fill_segment(engine, step, left < room ? left : room, at);
        if (at->id == step->count)
            *at = (struct progress){at->step + 1, 0, 0};
    }
}

static void give_back(void *memory, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = ((uintptr_t)memory + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)memory + size) / page * page;
    if (end > begin)
        madvise((void *)begin, end - begin, MADV_DONTNEED); /* reads as zeros from now on */
}

/* A prompt leaves some 60 MiB of scratch memory behind that its answer, a row or a few at a time, does not need; it does not need the head itself. To touch
 * either again costs some milliseconds a prompt. */
static void give_back_unused(struct nj_engine *engine)
{
    const struct nj_pass *pass = &engine->pass;
    bool                  wide = pass->row_count > engine->pass_rows / 2;
    if (engine->wide && pass->row_count <= engine->kernels.direct_tokens) {
        give_back(engine->arena, engine->row_bytes);
        if (engine->act_memory)
            give_back(engine->act_memory, engine->act_bytes);
        engine->wide = false;
    } else if (wide && !engine->wide) {
        nj_weights_release_head(engine->weights);
        engine->wide = true;
    }
}

nj_status nj_engine_step(struct nj_engine *engine, struct nj_step *steps, size_t count, struct nj_error *error)
{
    struct progress at     = {0, 0, 0};
    nj_status       status = begin_steps(engine, steps, count, error);
    while (status == NJ_OK && at.step < count) {
        fill_pass(engine, steps, count, &at);
        give_back_unused(engine);
        engine->pass.skip = !nj_is_exact(engine) && !engine->pass.hidden;
        status            = nj_text_pass(engine, error);
        if (engine->wide)
            nj_weights_release_tables(engine->weights);
        for (uint32_t i = 0; status == NJ_OK && i < engine->pass.segment_count; i++)
            engine->pass.segments[i].sequence->length += engine->pass.segments[i].parent ? 0 : engine->pass.segments[i].count;
    }
    end_steps(engine, steps, count, status);
    return status;
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
