/* calibrate.h: a model reads a calibration set: moments of the inputs of its matrices, and how well it foretells what comes next.
 *
 * The set is a list of token sequences, pictures included, made by whoever knows what the model is for (the command line: bursts of a card, or a text). */
#ifndef NJ_MODEL_CALIBRATE_H
#define NJ_MODEL_CALIBRATE_H

#include "pipeline/model/engine.h"
#include "pipeline/model/moments.h"

struct nj_calibration_sequence { /* owned */
    int32_t *ids;
    size_t   count;
    float   *features; /* [image positions][hidden], or NULL */
    size_t   scored;   /* positions from here on count in the measures: the answer, not the question */
};

struct nj_calibration_set { /* zero-initialise; nj_calibration_free */
    struct nj_calibration_sequence *list;
    size_t                          count;
};
void nj_calibration_free(struct nj_calibration_set *set);

/* What a model makes of the scored positions. Zero-initialise; nj_measure_free. */
struct nj_measure {
    size_t   positions;
    double   loss; /* mean of -log p(next token): perplexity is exp(loss) */
    int32_t *best; /* [positions] the likeliest token */
};
void nj_measure_free(struct nj_measure *measure);

/* Share of positions at which two models choose the same token; 1 where there are none. */
double nj_measure_agreement(const struct nj_measure *a, const struct nj_measure *b);

/* Reads the whole set with `weights` in fast arithmetic. `moments` may be NULL. `progress` (may be NULL): true asks to stop. */
nj_status nj_calibrate(const struct nj_weights *weights, struct nj_pool *pool, const struct nj_calibration_set *set,
                       struct nj_moment_set *moments, struct nj_measure                 *measure,
                       bool (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct nj_error *error);

#endif
