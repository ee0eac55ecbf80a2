/* bench_work.c: the stages of reading an event, one by one, on the open model. Ids and pixels are noise from a fixed seed: speed does not depend on
 * them. */
#include "base/log.h"
#include "pipeline/cli/bench.h"
#include "pipeline/model/sampler.h"
#include "pipeline/picture/picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROMPT      512u
#define DECODE_RUN  16u /* tokens of each sequence in one run */
#define MOST_BATCH  8u
#define MOST_ROWS   8u
#define LABEL_BYTES 64

struct work {
    struct nj_bench    *bench;
    struct nj_sequence *sequences[MOST_BATCH];
    int32_t            *ids; /* [PROMPT + DECODE_RUN] */
    float              *logits;
    uint32_t            batch;
    char                name[LABEL_BYTES], picture_name[LABEL_BYTES];
    uint8_t            *rgb;
    uint32_t            width, height;
    float              *features;
};

static double matrix_values(const struct nj_matrix *matrix)
{
    return (double)matrix->rows * matrix->cols;
}

/* Bytes that one pass over a matrix reads. */
static double matrix_bytes(const struct nj_matrix *matrix)
{
    double values = matrix_values(matrix), scale = matrix->scale_format == NJ_F32 ? 4 : 2;
    switch (matrix->format) {
    case NJ_W4_ROWS:
    case NJ_W4_PANELS:
        return values / 2 + values / matrix->group * scale;
    case NJ_I8_ROWS:
        return values + values / matrix->group * scale;
    default:
        return (double)nj_format_row_bytes(matrix->format, matrix->cols) * matrix->rows;
    }
}

/* What an adapter that is kept apart adds to that. */
static double adapter_bytes(const struct nj_matrix *matrix)
{
    return matrix->low_rank ? (double)sizeof(float) * matrix->low_rank->rank * ((double)matrix->rows + matrix->cols) : 0;
}

struct cost {
    double prefill_values; /* weights that a prompt token without wanted logits meets */
    double decode_bytes;   /* of all weights without the head, adapter included */
    double adapter_bytes;
};

static struct cost text_cost(const struct nj_weights *weights)
{
    const struct nj_text_config *config = &weights->config.text;
    uint32_t                     own    = config->layers - config->shared_kv_layers;
    struct cost                  cost   = {.decode_bytes = matrix_bytes(&weights->ple_projection)};
    cost.prefill_values                 = (double)own * config->ple_size * config->hidden_size;
    for (uint32_t l = 0; l < config->layers; l++) {
        const struct nj_text_layer *layer = &weights->layers[l];
        const struct nj_matrix     *all[] = {
                &layer->k, &layer->v, &layer->q, &layer->o, &layer->gate, &layer->up, &layer->down, &layer->ple_gate, &layer->ple_projection};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            if (all[i]->rows == 0)
                continue;
            cost.decode_bytes += matrix_bytes(all[i]) + adapter_bytes(all[i]);
            cost.adapter_bytes += adapter_bytes(all[i]);
            if (l + 1 < own || (l + 1 == own && i < 2))
                cost.prefill_values += matrix_values(all[i]);
        }
    }
    return cost;
}

static double picture_operations(const struct nj_config *config, double patches, double cells)
{
    const struct nj_vision_config *v     = &config->vision;
    double                         layer = 4.0 * v->hidden_size * v->hidden_size + 3.0 * v->hidden_size * v->intermediate_size;
    return 2 * (patches * (v->layers * layer + 3.0 * v->patch_size * v->patch_size * v->hidden_size) +
                v->layers * 2 * patches * patches * v->hidden_size + cells * v->hidden_size * config->text.hidden_size);
}

static nj_status prefill(void *arg, double *seconds, struct nj_error *error)
{
    struct work   *work = arg;
    struct nj_step step = {.sequence = work->sequences[0], .ids = work->ids, .count = PROMPT};
    nj_sequence_reset(work->sequences[0]);
    double    before = nj_bench_now(work->bench);
    nj_status status = nj_engine_step(work->bench->engine, &step, 1, error);
    *seconds         = nj_bench_now(work->bench) - before;
    return status;
}

/* Every sequence of the batch behind the same prompt. */
static nj_status fill_sequences(struct work *work, struct nj_error *error)
{
    struct nj_sequence *first = work->sequences[0];
    double              ignored;
    nj_status           status = NJ_OK;
    if (nj_sequence_length(first) < PROMPT || nj_sequence_rewind(first, PROMPT, NULL) != NJ_OK)
        status = prefill(work, &ignored, error);
    for (uint32_t i = 1; status == NJ_OK && i < work->batch; i++)
        status = nj_sequence_copy(work->sequences[i], first, error);
    return status;
}

static nj_status decode(void *arg, double *seconds, struct nj_error *error)
{
    struct work *work   = arg;
    size_t       vocab  = work->bench->weights->config.text.vocab_size;
    nj_status    status = fill_sequences(work, error);
    double       before = nj_bench_now(work->bench);
    for (uint32_t token = 0; status == NJ_OK && token < DECODE_RUN; token++) {
        struct nj_step steps[MOST_BATCH];
        for (uint32_t i = 0; i < work->batch; i++)
            steps[i] = (struct nj_step){.sequence = work->sequences[i],
                                        .ids      = work->ids + PROMPT + token,
                                        .count    = 1,
                                        .want     = NJ_WANT_LAST,
                                        .logits   = work->logits + i * vocab};
        status = nj_engine_step(work->bench->engine, steps, work->batch, error);
    }
    *seconds = nj_bench_now(work->bench) - before;
    return status;
}

static nj_status picture(void *arg, double *seconds, struct nj_error *error)
{
    struct work *work   = arg;
    double       before = nj_bench_now(work->bench);
    nj_status    status = nj_engine_vision(work->bench->engine, work->rgb, work->width, work->height, work->features, error);
    *seconds            = nj_bench_now(work->bench) - before;
    return status;
}

static struct nj_measurement prompt_of(struct work *work)
{
    enum nj_limit limit = work->bench->power_saver ? NJ_LIMIT_INT8 : NJ_LIMIT_INT16;
    double        least = 2 * text_cost(work->bench->weights).prefill_values * PROMPT;
    return (struct nj_measurement){"prefill, 512 tokens", "tokens/s", PROMPT, limit, least, prefill, work};
}

/* `batch` tokens at a time from now on. */
static struct nj_measurement token_of(struct work *work, uint32_t batch)
{
    const struct nj_weights *weights = work->bench->weights;
    double                   least   = (text_cost(weights).decode_bytes + matrix_bytes(&weights->head)) * DECODE_RUN;
    work->batch                      = batch;
    snprintf(work->name, sizeof work->name, "decode, whole head, batch %u", batch);
    return (struct nj_measurement){work->name, "tokens/s", (double)batch * DECODE_RUN, NJ_LIMIT_READ, least, decode, work};
}

/* A picture at this budget from now on. */
static nj_status picture_of(struct work *work, uint32_t budget, struct nj_measurement *out, struct nj_error *error)
{
    const struct nj_config *config  = &work->bench->weights->config;
    nj_status               status  = nj_picture_target(1920, 1080, budget, &work->width, &work->height, error);
    double                  patches = (double)work->width * work->height / (config->vision.patch_size * config->vision.patch_size);
    double least = picture_operations(config, patches, patches / (config->vision.pooling_kernel * config->vision.pooling_kernel));
    snprintf(work->picture_name, sizeof work->picture_name, "vision, 16:9 at %u", budget);
    *out = (struct nj_measurement){work->picture_name, "pictures/s", 1, NJ_LIMIT_INT16, least, picture, work};
    return status;
}

static nj_status measure_text(struct nj_bench *bench, struct work *work, struct nj_error *error)
{
    static const uint32_t batches[] = {1, 4, 8};
    struct cost           cost      = text_cost(bench->weights);
    struct nj_measurement m         = prompt_of(work);
    nj_status             status    = nj_bench_run(bench, &m, error);
    if (cost.adapter_bytes > 0)
        nj_log(NJ_LOG_INFO, "the adapter that is kept apart adds %.0f MB to the %.0f MB that each answered token reads",
               cost.adapter_bytes / 1e6, (cost.decode_bytes - cost.adapter_bytes + matrix_bytes(&bench->weights->head)) / 1e6);
    for (size_t i = 0; status == NJ_OK && i < sizeof batches / sizeof *batches; i++) {
        m      = token_of(work, batches[i]);
        status = nj_bench_run(bench, &m, error);
    }
    return status;
}

static nj_status measure_pictures(struct nj_bench *bench, struct work *work, struct nj_error *error)
{
    static const uint32_t budgets[] = {70, 140, 280};
    nj_status             status    = NJ_OK;
    for (size_t i = 0; bench->weights->config.vision.layers && status == NJ_OK && i < sizeof budgets / sizeof *budgets; i++) {
        struct nj_measurement tower;
        status = picture_of(work, budgets[i], &tower, error);
        if (status == NJ_OK)
            status = nj_bench_run(bench, &tower, error);
    }
    return status;
}

static nj_status make_work(struct work *work, struct nj_error *error)
{
    const struct nj_config *config = &work->bench->weights->config;
    struct nj_random        random;
    nj_status               status = NJ_OK;
    size_t                  pixels = (size_t)1200 * 1200 * 3; /* more than any of the pictures below */
    nj_random_seed(&random, 1);
    work->ids      = calloc(PROMPT + DECODE_RUN, sizeof *work->ids);
    work->logits   = calloc((size_t)MOST_BATCH * config->text.vocab_size, sizeof *work->logits);
    work->rgb      = malloc(pixels);
    work->features = calloc((size_t)280 * config->text.hidden_size, sizeof *work->features);
    if (!work->ids || !work->logits || !work->rgb || !work->features)
        return nj_fail(error, "no memory for the measurements");
    for (uint32_t i = 0; i < PROMPT + DECODE_RUN; i++)
        do
            work->ids[i] = (int32_t)(nj_random_unit(&random) * config->text.vocab_size);
        while (work->ids[i] == config->image_id);
    for (size_t i = 0; i < pixels; i++)
        work->rgb[i] = (uint8_t)(nj_random_unit(&random) * 256);
    for (uint32_t i = 0; status == NJ_OK && i < MOST_BATCH; i++)
        status = nj_sequence_open(work->bench->engine, PROMPT + DECODE_RUN, &work->sequences[i], error);
    return status;
}

static void close_work(struct work *work)
{
    for (uint32_t i = 0; i < MOST_BATCH; i++)
        nj_sequence_close(work->sequences[i]);
    free(work->ids);
    free(work->logits);
    free(work->rgb);
    free(work->features);
}

nj_status nj_bench_model(struct nj_bench *bench, struct nj_error *error)
{
    struct work work   = {.bench = bench};
    nj_status   status = make_work(&work, error);
    if (status == NJ_OK)
        status = measure_text(bench, &work, error);
    if (status == NJ_OK)
        status = measure_pictures(bench, &work, error);
    close_work(&work);
    return status;
}

/* --- in turn with a peer --- */

/* Weights that nobody has touched yet come from disk: that is not what is compared. */
static nj_status touch(struct work *work, bool pictures, struct nj_error *error)
{
    struct nj_step step = {.sequence = work->sequences[0], .ids = work->ids, .count = 1, .want = NJ_WANT_LAST, .logits = work->logits};
    double         ignored;
    nj_status      status = nj_engine_step(work->bench->engine, &step, 1, error);
    nj_sequence_reset(work->sequences[0]);
    return status == NJ_OK && pictures ? picture(work, &ignored, error) : status;
}

/* What is compared, and the part of a program's work that it is compared with. */
struct row {
    enum nj_peer_part   part;
    struct nj_peer_work work;
};

/* A command that does all at once. */
static nj_status beside_command(struct nj_bench *bench, const char *command, const struct row *rows, size_t count, struct nj_error *error)
{
    struct nj_peer_work all[MOST_ROWS];
    for (size_t i = 0; i < count; i++) {
        all[i] = rows[i].work;
        if (rows[i].part == NJ_PEER_ANSWER)
            all[i].key = "decode_s"; /* of its event; decode_tps is that without a schema */
    }
    return nj_bench_peer(bench, command, all, count, error);
}

/* A program, asked for one part after the other. */
static nj_status beside_program(struct nj_bench *bench, const struct nj_peer *peer, const struct nj_bench_event *event,
                                const struct row *rows, size_t count, struct nj_error *error)
{
    struct nj_peer_program *program = NULL;
    nj_status               status  = nj_peer_program_open(bench, peer, event, &program, error);
    for (enum nj_peer_part part = NJ_PEER_PREFILL; status == NJ_OK && part <= NJ_PEER_EVENT; part++) {
        struct nj_peer_work same[MOST_ROWS];
        size_t              found = 0;
        if (part >= NJ_PEER_VISION && !peer->mmproj)
            break;
        for (size_t i = 0; i < count; i++)
            if (rows[i].part == part)
                same[found++] = rows[i].work;
        const char *command = nj_peer_program_command(program, part);
        status = command ? nj_bench_peer(bench, command, same, found, error) : nj_fail(error, "no memory for a peer's command");
    }
    nj_peer_program_close(program);
    return status;
}

nj_status nj_bench_beside(struct nj_bench *bench, const struct nj_peer *peer, struct nj_error *error)
{
    struct work            work   = {.bench = bench};
    struct nj_bench_event *event  = NULL;
    bool                   vision = bench->weights->config.vision.layers > 0;
    struct nj_measurement  prompt = prompt_of(&work), token = token_of(&work, 1), tower;
    struct row             rows[MOST_ROWS] = {{NJ_PEER_PREFILL, {"prefill_tps", &prompt}}, {NJ_PEER_DECODE, {"decode_tps", &token}}};
    size_t                 count           = 2;
    nj_status              status          = make_work(&work, error);
    if (status == NJ_OK)
        status = nj_bench_event_open(bench, &event, error);
    if (status == NJ_OK && vision)
        status = picture_of(&work, 280, &tower, error);
    if (status == NJ_OK) {
        rows[count++] = (struct row){NJ_PEER_ANSWER, {"decode_tps", nj_bench_answer(event, 1)}};
        rows[count++] = (struct row){NJ_PEER_ANSWER, {"decode_tps", nj_bench_answer(event, 4)}};
    }
    if (status == NJ_OK && vision) {
        rows[count++] = (struct row){NJ_PEER_VISION, {"vision_s", &tower}};
        rows[count++] = (struct row){NJ_PEER_EVENT, {"event_s", nj_bench_events(event, 1)}};
        rows[count++] = (struct row){NJ_PEER_EVENT, {"event_s", nj_bench_events(event, 4)}};
    }
    if (status == NJ_OK)
        status = touch(&work, vision, error);
    if (status == NJ_OK)
        status =
            peer->model ? beside_program(bench, peer, event, rows, count, error) : beside_command(bench, peer->program, rows, count, error);
    nj_bench_event_close(event);
    close_work(&work);
    return status;
}
