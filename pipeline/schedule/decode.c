#include "pipeline/schedule/decode.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "pipeline/picture/worker.h"
#include "pipeline/schedule/frame_file.h"
#include "pipeline/sentinel/prompt_head.h"
#include "pipeline/sentinel/reader.h"
#include "pipeline/sentinel/species.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PARKED_LIMIT ((size_t)1 << 30)

struct nj_decoder {
    const struct nj_conf *conf;
    struct nj_pool       *pool;
    struct nj_weights    *weights;
    struct nj_tokenizer  *tokenizer;
    struct nj_vocabulary *vocabulary;
    struct nj_engine     *engine;
    struct nj_reader     *reader;
    struct nj_weights    *action_weights; /* the same model with the adapter for actions; NULL: there is none */
    struct nj_engine     *actor;
    struct nj_worker     *worker;
    char                  model[2 * NJ_CONF_TEXT + 32];
    char                  parked[NJ_CONF_TEXT + 256]; /* folder of what stops leave, beside the database */
    char                  heads[NJ_CONF_TEXT + 256];  /* of prompts */
};

/* The model is mapped, so opening it a second time costs little more than the adapter. */
static nj_status open_actor(struct nj_decoder *decoder, const char *path, const struct nj_engine_options *engine, struct nj_error *error)
{
    const char                     *adapter = decoder->conf->model.action_adapter;
    const struct nj_weights_options weights = {.adapter = adapter};
    nj_status                       status  = nj_weights_open(path, &weights, &decoder->action_weights, error);
    if (status == NJ_OK)
        status = nj_engine_open(decoder->action_weights, engine, &decoder->actor, error);
    return status == NJ_OK ? nj_reader_add_actions(decoder->reader, decoder->actor, adapter, error) : status;
}

nj_status nj_decoder_open(const struct nj_conf *conf, const struct nj_decoder_options *options, struct nj_decoder **out,
                          struct nj_error *error)
{
    *out                       = NULL;
    struct nj_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder)
        return nj_fail(error, "no memory for a decoder");
    decoder->conf = conf;
    char        path[NJ_CONF_TEXT + 256];
    const char *slash = strrchr(conf->model.path, '/');
    snprintf(decoder->model, sizeof decoder->model - sizeof " (calibrated)", "%s%s%s%s", slash && slash[1] ? slash + 1 : conf->model.path,
             conf->model.adapter[0] ? " + " : "", conf->model.adapter, conf->model.power_saver && !options->exact ? " (8-bit)" : "");
    struct nj_weights_options weights = {.adapter = conf->model.adapter[0] ? conf->model.adapter : NULL};
    struct nj_engine_options  engine  = {.arithmetic  = options->exact ? NJ_EXACT : nj_station_arithmetic(conf->model.power_saver),
                                         .should_stop = options->should_stop,
                                         .stop_arg    = options->stop_arg};
    nj_status                 status  = NJ_OK;
    if (!nj_conf_place(path, sizeof path, conf->model.path))
        status = nj_fail(error, "%s: the path is too long", conf->model.path);
    if (status == NJ_OK && (!nj_conf_place(decoder->parked, sizeof decoder->parked - sizeof ".parked", conf->database.path) ||
                            !nj_prompt_head_folder(conf, decoder->heads, sizeof decoder->heads)))
        status = nj_fail(error, "%s: the path is too long", conf->database.path);
    strcat(decoder->parked, ".parked");
    /* The picture process first: it is forked while this process is still small and has one thread. */
    if (status == NJ_OK)
        status = nj_worker_open(NULL, &decoder->worker, error);
    if (status == NJ_OK)
        status = nj_weights_open(path, &weights, &decoder->weights, error);
    if (status == NJ_OK)
        status = nj_weights_tokenizer(decoder->weights, &decoder->tokenizer, error);
    if (status == NJ_OK)
        status = nj_vocabulary_open(decoder->tokenizer, &decoder->vocabulary, error);
    if (status == NJ_OK)
        status = nj_pool_open(options->threads ? options->threads : (unsigned)conf->model.threads, &decoder->pool, error);
    engine.pool = decoder->pool;
    if (status == NJ_OK)
        status = nj_engine_open(decoder->weights, &engine, &decoder->engine, error);
    if (status == NJ_OK)
        status = nj_reader_open(decoder->engine, decoder->tokenizer, decoder->vocabulary, conf, path, &decoder->reader, error);
    if (status == NJ_OK)
        nj_reader_keep_heads(decoder->reader, decoder->heads);
    if (status == NJ_OK && conf->model.action_adapter[0])
        status = open_actor(decoder, path, &engine, error);
    if (status == NJ_OK && nj_reader_calibrated(decoder->reader))
        strcat(decoder->model, " (calibrated)");
    if (status != NJ_OK) {
        nj_decoder_close(decoder);
        return status;
    }
    *out = decoder;
    return NJ_OK;
}

void nj_decoder_close(struct nj_decoder *decoder)
{
    if (!decoder)
        return;
    nj_reader_close(decoder->reader);
    nj_engine_close(decoder->actor);
    nj_engine_close(decoder->engine);
    nj_pool_close(decoder->pool);
    nj_vocabulary_close(decoder->vocabulary);
    nj_tokenizer_close(decoder->tokenizer);
    nj_weights_close(decoder->action_weights);
    nj_weights_close(decoder->weights);
    nj_worker_close(decoder->worker);
    free(decoder);
}

const char *nj_decoder_model(const struct nj_decoder *decoder)
{
    return decoder->model;
}

/* A burst with its pictures in memory, and what came of it. */
struct loaded {
    const struct nj_db_waiting *burst;
    struct nj_picture           frames[NJ_READER_MAX_FRAMES];
    unsigned                    count;
    char                        local_datetime[NJ_TIME_TEXT];
    uint8_t                    *parked; /* what an earlier stop left, or NULL */
    size_t                      parked_size;
    nj_status                   outcome;
    struct nj_error             why; /* of a failure */
};

/* Bursts that are read together. */
struct batch {
    struct nj_decoder    *decoder;
    struct nj_db         *db;
    struct nj_decoded    *out;
    uint32_t              soft_tokens;
    double                watts, seconds; /* seconds: each burst's share */
    size_t                count;
    struct loaded         loaded[NJ_DECODER_TOGETHER];
    struct nj_burst_input inputs[NJ_DECODER_TOGETHER];
    struct nj_reading     readings[NJ_DECODER_TOGETHER];
};

static void unload(struct loaded *loaded)
{
    for (unsigned i = 0; i < loaded->count; i++)
        nj_picture_free(&loaded->frames[i]);
    free(loaded->parked);
}

static bool parked_path(const struct nj_decoder *decoder, int64_t event, char *out, size_t size)
{
    return snprintf(out, size, "%s/%" PRId64, decoder->parked, event) < (int)size;
}

/* Nothing of a burst that is done or has failed stays parked. */
static void unpark(const struct nj_decoder *decoder, int64_t event)
{
    char path[sizeof decoder->parked + 32];
    if (parked_path(decoder, event, path, sizeof path))
        unlink(path);
}

static void load_parked(const struct nj_db_waiting *burst, struct loaded *out)
{
    struct nj_error why = {{0}};
    if (burst->parked && nj_file_read(burst->parked, PARKED_LIMIT, &out->parked, &out->parked_size, &why) != NJ_OK)
        nj_log(NJ_LOG_WARNING, "event %s is read from the beginning: %s", burst->event_id, why.text);
}

static nj_status load_frames(struct nj_decoder *decoder, const struct nj_db_waiting *burst, struct loaded *out, struct nj_error *error)
{
    *out = (struct loaded){.burst = burst};
    if (burst->frame_count < 1 || burst->frame_count > NJ_READER_MAX_FRAMES)
        return nj_fail(error, "%zu frames: 1 to %d can be read together", burst->frame_count, NJ_READER_MAX_FRAMES);
    if (burst->started_at != NJ_DB_NO_TIME)
        nj_time_local(burst->started_at, out->local_datetime);
    for (size_t i = 0; i < burst->frame_count; i++) {
        size_t    size   = 0;
        nj_status status = nj_frame_file_load(decoder->worker, burst, &burst->frame[i], &size, error);
        if (status == NJ_OK)
            status = nj_worker_pixels(decoder->worker, burst->frame[i].path, size, false, &out->frames[i], error);
        if (status != NJ_OK)
            return status;
        out->count++;
    }
    load_parked(burst, out);
    return NJ_OK;
}

static int known(enum nj_answer answer)
{
    return answer == NJ_YES ? 1 : answer == NJ_NO ? 0 : NJ_DB_UNKNOWN;
}

static size_t add_reasons(struct nj_db_reason *out, uint32_t set, enum nj_db_reason_kind kind)
{
    size_t count = 0;
    for (int i = 0; i < NJ_REASONS; i++)
        if (set >> i & 1)
            out[count++] = (struct nj_db_reason){.kind  = kind,
                                                 .code  = nj_reason_words[i].code,
                                                 .words = kind == NJ_DB_MODEL ? nj_reason_by_model(i) : nj_reason_words[i].english};
    return count;
}

static double energy_wh(const struct batch *batch)
{
    return isnan(batch->watts) ? 0 : batch->watts * batch->seconds / 3600;
}

/* From what the reader says to what the store keeps; strings stay where they are. */
static nj_status store(const struct batch *batch, size_t index, struct nj_error *error)
{
    const struct nj_decoder *decoder = batch->decoder;
    const struct nj_reading *reading = &batch->readings[index];
    struct nj_db_detection   detections[NJ_MAX_DETECTIONS];
    struct nj_db_reason      reasons[3 * NJ_REASONS + NJ_MAX_REASONS];
    const struct nj_event   *event = &reading->event;
    for (unsigned i = 0; i < event->detection_count; i++) {
        const struct nj_detection *d = &event->detections[i];
        double                     p = reading->species_calibrated[i];
        detections[i]                = (struct nj_db_detection){
                           .species               = d->species >= 0 ? nj_species[d->species].label : "unknown",
                           .display_name          = d->species >= 0 ? nj_species[d->species].display : d->species_text,
                           .count_bin             = d->bin >= 0 ? nj_count_bins[d->bin].name : NULL,
                           .count_min             = d->count_min ? d->count_min : NJ_DB_UNKNOWN,
                           .count_max             = d->count_max ? d->count_max : NJ_DB_UNKNOWN,
                           .standing              = known(d->behavior[NJ_STANDING]),
                           .resting               = known(d->behavior[NJ_RESTING]),
                           .moving                = known(d->behavior[NJ_MOVING]),
                           .eating                = known(d->behavior[NJ_EATING]),
                           .interacting           = known(d->behavior[NJ_INTERACTING]),
                           .young_present         = known(d->young),
                           .confidence            = d->confidence ? nj_confidence_names[d->confidence] : NULL,
                           .probability           = isnan(p) ? -1 : p,
                           .runner_up_probability = isnan(p) ? -1 : reading->runner_up_probability[i],
                           .runner_up             = reading->runner_up[i][0] ? reading->runner_up[i] : NULL,
        };
    }
    size_t reason_count = add_reasons(reasons, reading->rule_reasons, NJ_DB_RULE);
    reason_count += add_reasons(reasons + reason_count, reading->probability_reasons, NJ_DB_PROBABILITY);
    reason_count += add_reasons(reasons + reason_count, reading->model_reasons, NJ_DB_MODEL);
    for (unsigned i = 0; i < event->reason_count; i++) {
        int known = nj_reason_index(event->reasons[i]);
        if (known < 0)
            reasons[reason_count++] = (struct nj_db_reason){.kind = NJ_DB_MODEL, .code = event->reasons[i], .words = event->reasons[i]};
        else if (!(reading->model_reasons >> known & 1))
            reason_count += add_reasons(reasons + reason_count, 1u << known, NJ_DB_MODEL);
    }
    struct nj_db_choice *choices = calloc(reading->choice_count + 1, sizeof *choices);
    if (!choices)
        return nj_fail(error, "no memory for %zu choices", reading->choice_count);
    for (size_t i = 0; i < reading->choice_count; i++)
        choices[i] = (struct nj_db_choice){.at                    = reading->choices[i].path,
                                           .value                 = reading->choices[i].value,
                                           .runner_up             = reading->choices[i].runner_up,
                                           .probability           = reading->choices[i].probability,
                                           .runner_up_probability = reading->choices[i].runner_up_probability};
    struct nj_db_answer answer = {.blank                 = known(event->blank),
                                  .people                = reading->model_reasons >> NJ_REASON_PEOPLE & 1 ? 1 : NJ_DB_UNKNOWN,
                                  .review_needed         = reading->review_needed,
                                  .priority              = nj_priority_names[reading->priority],
                                  .json                  = decoder->conf->database.keep_json ? reading->json : NULL,
                                  .model                 = decoder->model,
                                  .behaviour             = reading->action[0] ? reading->action : NULL,
                                  .behaviour_probability = reading->action[0] ? reading->action_probability : NAN,
                                  .soft_tokens           = reading->soft_tokens,
                                  .seconds               = batch->seconds,
                                  .energy_wh             = energy_wh(batch),
                                  .detections            = detections,
                                  .detection_count       = event->detection_count,
                                  .reasons               = reasons,
                                  .reason_count          = reason_count,
                                  .choices               = choices,
                                  .choice_count          = decoder->conf->sentinel.store_probabilities ? reading->choice_count : 0};
    nj_status           status = nj_db_finish(batch->db, batch->loaded[index].burst->event, &answer, error);
    free(choices);
    return status;
}

/* Marks the bursts as running and loads them; what cannot be loaded gets its outcome at once. */
static nj_status prepare(struct batch *batch, const struct nj_db_waiting *bursts, size_t count, struct nj_error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct loaded *loaded = &batch->loaded[batch->count];
        nj_status      status = nj_db_burst_start(batch->db, bursts[i].event, error);
        if (status == NJ_NOT_FOUND)
            continue;
        if (status != NJ_OK)
            return status;
        status = load_frames(batch->decoder, &bursts[i], loaded, &loaded->why);
        if (status == NJ_OK) {
            batch->count++;
            continue;
        }
        unload(loaded);
        nj_log(NJ_LOG_WARNING, "event %s: %s", bursts[i].event_id, loaded->why.text);
        /* A card that is away may come back; a picture that cannot be read will not read itself. */
        if (status == NJ_NOT_FOUND) {
            batch->out->deferred++;
            status = nj_db_burst_defer(batch->db, bursts[i].event, loaded->why.text, error);
        } else {
            batch->out->failed++;
            status = nj_db_burst_fail(batch->db, bursts[i].event, loaded->why.text, 0, 0, error);
            unpark(batch->decoder, bursts[i].event);
        }
        if (status != NJ_OK)
            return status;
    }
    return NJ_OK;
}

static struct nj_burst_input input_of(const struct batch *batch, const struct loaded *loaded)
{
    const struct nj_db_waiting *burst = loaded->burst;
    bool                        known = burst->started_at != NJ_DB_NO_TIME;
    return (struct nj_burst_input){.record      = {.event_id       = burst->event_id,
                                                   .site_id        = batch->decoder->conf->station.site,
                                                   .local_datetime = loaded->local_datetime,
                                                   .hour           = known ? (int)(((burst->started_at % 86400) + 86400) % 86400 / 3600) : -1,
                                                   .frame_count    = loaded->count},
                                   .frames      = loaded->frames,
                                   .soft_tokens = batch->soft_tokens,
                                   .parked      = loaded->parked,
                                   .parked_size = loaded->parked_size};
}

/* Asks the model about all bursts together; if that fails, one by one, so that a burst that cannot be read takes no other with it. */
static void read_batch(struct batch *batch)
{
    struct nj_reader *reader = batch->decoder->reader;
    struct nj_error   why    = {{0}};
    for (size_t i = 0; i < batch->count; i++)
        batch->inputs[i] = input_of(batch, &batch->loaded[i]);
    if (batch->count > 1)
        nj_log(NJ_LOG_INFO, "%zu bursts are read together", batch->count);
    nj_status status = nj_reader_read(reader, batch->inputs, batch->count, batch->readings, &why);
    if (status == NJ_ERROR && batch->count > 1)
        nj_log(NJ_LOG_WARNING, "%s; the %zu bursts are read one by one", why.text, batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        struct loaded *loaded = &batch->loaded[i];
        if (status != NJ_ERROR || batch->count == 1) {
            loaded->outcome = status;
            loaded->why     = why;
        } else { /* once stopped, the engine stops the others, too */
            loaded->outcome = nj_reader_read(reader, &batch->inputs[i], 1, &batch->readings[i], &loaded->why);
        }
    }
}

/* Keeps what a stop left in a file of its own and gives its path, or NULL: then this burst begins anew. */
static const char *park(const struct batch *batch, size_t index, char *path, size_t size)
{
    const struct nj_reading *reading = &batch->readings[index];
    struct nj_error          why     = {{0}};
    nj_status                status  = NJ_OK;
    if (!reading->parked || !parked_path(batch->decoder, batch->loaded[index].burst->event, path, size))
        return NULL;
    status = nj_make_folders(batch->decoder->parked, &why);
    if (status == NJ_OK)
        status = nj_file_write_atomic(path, reading->parked, reading->parked_size, &why);
    if (status != NJ_OK)
        nj_log(NJ_LOG_WARNING, "event %s cannot be parked and will be read from the beginning: %s", batch->loaded[index].burst->event_id,
               why.text);
    return status == NJ_OK ? path : NULL;
}

/* Writes down what came of one burst. */
static nj_status keep(struct batch *batch, size_t index, struct nj_error *error)
{
    const struct loaded *loaded = &batch->loaded[index];
    char                 path[sizeof batch->decoder->parked + 32];
    nj_status            status;
    switch (loaded->outcome) {
    case NJ_OK:
        status = store(batch, index, error);
        batch->out->done += status == NJ_OK;
        break;
    case NJ_STOPPED:
        return nj_db_burst_again(batch->db, loaded->burst->event, park(batch, index, path, sizeof path), batch->seconds, energy_wh(batch),
                                 error);
    default:
        nj_log(NJ_LOG_WARNING, "event %s: %s", loaded->burst->event_id, loaded->why.text);
        status = nj_db_burst_fail(batch->db, loaded->burst->event, loaded->why.text, batch->seconds, energy_wh(batch), error);
        batch->out->failed += status == NJ_OK;
        break;
    }
    if (status == NJ_OK)
        unpark(batch->decoder, loaded->burst->event);
    return status;
}

nj_status nj_decoder_read(struct nj_decoder *decoder, struct nj_db *db, const struct nj_db_waiting *bursts, size_t count,
                          uint32_t soft_tokens, double watts, struct nj_decoded *out, struct nj_error *error)
{
    const struct nj_clock *clock   = nj_clock_system();
    int64_t                began   = clock->monotonic_ms(clock->self);
    size_t                 stopped = 0;
    *out                           = (struct nj_decoded){0};
    if (count == 0 || count > NJ_DECODER_TOGETHER)
        return nj_fail(error, "%zu bursts: 1 to %d can be read together", count, NJ_DECODER_TOGETHER);
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return nj_fail(error, "no memory for %zu bursts", count);
    *batch               = (struct batch){.decoder = decoder, .db = db, .out = out, .soft_tokens = soft_tokens, .watts = watts};
    nj_status status     = prepare(batch, bursts, count, error);
    out->picture_seconds = (double)(clock->monotonic_ms(clock->self) - began) / 1000;
    if (status == NJ_OK && batch->count)
        read_batch(batch);
    out->seconds   = (double)(clock->monotonic_ms(clock->self) - began) / 1000;
    batch->seconds = out->seconds / (double)(batch->count ? batch->count : 1);
    for (size_t i = 0; i < batch->count; i++) {
        if (status != NJ_OK) /* a store that fails: what was not written down waits again */
            batch->loaded[i].outcome = NJ_STOPPED;
        stopped += batch->loaded[i].outcome == NJ_STOPPED;
        out->vision_seconds += batch->readings[i].vision_seconds;
        nj_status kept = keep(batch, i, error);
        if (kept != NJ_OK)
            status = kept;
        nj_reading_free(&batch->readings[i]);
        unload(&batch->loaded[i]);
    }
    free(batch);
    return status == NJ_OK && stopped ? nj_fail_as(NJ_STOPPED, error, "stopped while reading; %zu bursts are parked or wait again", stopped)
                                      : status;
}
