#include "pipeline/model/calibrate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 32u /* positions whose logits over the whole vocabulary are held at once */

void nj_calibration_free(struct nj_calibration_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        free(set->list[i].ids);
        free(set->list[i].features);
    }
    free(set->list);
    *set = (struct nj_calibration_set){0};
}

void nj_measure_free(struct nj_measure *measure)
{
    free(measure->best);
    *measure = (struct nj_measure){0};
}

double nj_measure_agreement(const struct nj_measure *a, const struct nj_measure *b)
{
    size_t same = 0, count = a->positions < b->positions ? a->positions : b->positions;
    for (size_t i = 0; i < count; i++)
        same += a->best[i] == b->best[i];
    return count ? (double)same / (double)count : 1;
}

/* Adds one position. `logits` [vocab] */
static void score(struct nj_measure *measure, const float *logits, uint32_t vocab, int32_t next)
{
    double sum  = 0;
    size_t best = 0;
    for (uint32_t i = 1; i < vocab; i++)
        best = logits[i] > logits[best] ? i : best;
    for (uint32_t i = 0; i < vocab; i++)
        sum += exp((double)logits[i] - logits[best]);
    measure->best[measure->positions++] = (int32_t)best;
    measure->loss += log(sum) + logits[best] - logits[next];
}

struct reading {
    struct nj_engine  *engine;
    struct nj_measure *measure;
    float             *logits; /* [CHUNK][vocab] */
    uint32_t           vocab, hidden;
    int32_t            image_id;
};

static nj_status read_sequence(const struct reading *reading, const struct nj_calibration_sequence *text, struct nj_error *error)
{
    static const int32_t one_row[] = {0};
    struct nj_sequence  *sequence;
    const float         *features = text->features;
    nj_status            status   = nj_sequence_open(reading->engine, (uint32_t)text->count, &sequence, error);
    if (status != NJ_OK)
        return status;
    for (size_t at = 0; at < text->count && status == NJ_OK; at += CHUNK) {
        size_t         count = text->count - at < CHUNK ? text->count - at : CHUNK;
        bool           plain = at + count <= text->scored; /* only read: every position goes through all layers, none is scored */
        struct nj_step step  = {.sequence  = sequence,
                                .ids       = text->ids + at,
                                .count     = count,
                                .features  = features,
                                .want      = NJ_WANT_ALL,
                                .rows      = plain ? one_row : NULL,
                                .row_count = plain,
                                .logits    = reading->logits};
        status               = nj_engine_step(reading->engine, &step, 1, error);
        for (size_t i = 0; i < count && status == NJ_OK; i++) {
            if (features && text->ids[at + i] == reading->image_id)
                features += reading->hidden;
            if (at + i >= text->scored && at + i + 1 < text->count)
                score(reading->measure, reading->logits + i * reading->vocab, reading->vocab, text->ids[at + i + 1]);
        }
    }
    nj_sequence_close(sequence);
    return status;
}

nj_status nj_calibrate(const struct nj_weights *weights, struct nj_pool *pool, const struct nj_calibration_set *set,
                       struct nj_moment_set *moments, struct nj_measure                 *measure,
                       bool (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct nj_error *error)
{
    const struct nj_engine_options options = {
        .arithmetic = NJ_FAST, .pool = pool, .observe = moments ? nj_moments_observe : NULL, .observe_arg = moments};
    const struct nj_text_config *text    = &weights->config.text;
    struct reading               reading = {
                      .measure = measure, .vocab = text->vocab_size, .hidden = text->hidden_size, .image_id = weights->config.image_id};
    uint64_t total = 0, done = 0;
    *measure = (struct nj_measure){0};
    for (size_t i = 0; i < set->count; i++)
        total += set->list[i].count;
    measure->best    = malloc((total + 1) * sizeof *measure->best);
    reading.logits   = malloc((size_t)CHUNK * text->vocab_size * sizeof *reading.logits);
    nj_status status = measure->best && reading.logits ? NJ_OK : nj_fail(error, "no memory to calibrate");
    if (status == NJ_OK)
        status = nj_engine_open(weights, &options, &reading.engine, error);
    for (size_t i = 0; i < set->count && status == NJ_OK; i++) {
        status = read_sequence(&reading, &set->list[i], error);
        done += set->list[i].count;
        if (status == NJ_OK && progress && progress(arg, done, total))
            status = nj_fail_as(NJ_STOPPED, error, "stopped; nothing was left behind");
    }
    nj_engine_close(reading.engine);
    free(reading.logits);
    if (measure->positions)
        measure->loss /= (double)measure->positions;
    return status;
}
