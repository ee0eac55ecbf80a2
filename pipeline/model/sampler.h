/* sampler.h: from logits to one id, as the reference warpers compute it: temperature, then top-k, then top-p (spec 2.9; golden "sampling" cases).
 *
 * Deterministic: the same seed and logits give the same ids on every machine; no function of the C library is involved whose last bit may
 * differ. Greedy (temperature 0) takes the lowest id among equals. A logit that is no number counts as minus infinity. */
#ifndef NJ_MODEL_SAMPLER_H
#define NJ_MODEL_SAMPLER_H

#include "base/status.h"

#include <stdint.h>

struct nj_sampling {
    double   temperature; /* 0: greedy */
    uint32_t top_k;       /* 0: all; more when several entries equal the last one */
    double   top_p;       /* 1: all; at least one entry remains */
};

struct nj_random { /* xoshiro256**, seeded by splitmix64 */
    uint64_t state[4];
};
void     nj_random_seed(struct nj_random *random, uint64_t seed);
uint64_t nj_random_next(struct nj_random *random);
double   nj_random_unit(struct nj_random *random); /* [0, 1) */

/* Turns `logits` into the probabilities that remain after the warpers, in place.  logits: [count], count > 0; order: scratch [count] */
void nj_sampling_probabilities(const struct nj_sampling *sampling, float *logits, uint32_t count, uint32_t *order);

/* Index of the chosen entry. `logits` is overwritten. */
uint32_t nj_sample(const struct nj_sampling *sampling, struct nj_random *random, float *logits, uint32_t count, uint32_t *order);

#endif
