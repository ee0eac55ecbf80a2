/* calibration.h: from what the model says of its own sureness to how often it was right.
 *
 * A table is fitted on labelled events (`nightjar eval --calibrate`): the share of right answers as a function of the stated probability that never falls
 * (isotonic regression, pool adjacent violators: Ayer et al. 1955), straight lines between its steps. It belongs to one model and lies beside it as
 * MODEL.calibration.json. Shares stay inside [1/(n+2), (n+1)/(n+2)]: n events cannot show that something never happens. Plain data, copy freely. */
#ifndef NJ_SENTINEL_CALIBRATION_H
#define NJ_SENTINEL_CALIBRATION_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

#define NJ_CALIBRATION_POINTS 64

struct nj_calibration {
    size_t events; /* that it was fitted on; 0: no table */
    size_t count;
    double stated[NJ_CALIBRATION_POINTS], share[NJ_CALIBRATION_POINTS]; /* both rising */
};

/* One species that the model named. */
struct nj_outcome {
    double stated; /* probability, 0..1 */
    bool   right;
};

/* Sorts `outcomes`. Fails for fewer than 2 of them, or lack of memory. */
nj_status nj_calibration_fit(struct nj_outcome *outcomes, size_t count, struct nj_calibration *out, struct nj_error *error);

/* Without a table: the stated probability itself. */
double nj_calibration_apply(const struct nj_calibration *table, double stated);

/* Expected calibration error in ten bins of equal width; NAN for none. table NULL: of the stated probabilities. */
double nj_calibration_error(const struct nj_calibration *table, const struct nj_outcome *outcomes, size_t count);

/* The same when each fifth is judged by a table fitted on the other four. Shuffles nothing: outcome i belongs to fifth i % 5, so it must be called
 * before the outcomes are sorted. */
nj_status nj_calibration_cross_error(const struct nj_outcome *outcomes, size_t count, double *out, struct nj_error *error);

/* Writes FILE (small JSON), or reads it: *out without a table where there is no file. Refuses a table that falls or leaves 0..1. */
nj_status nj_calibration_write(const char *path, const struct nj_calibration *table, struct nj_error *error);
nj_status nj_calibration_read(const char *path, struct nj_calibration *out, struct nj_error *error);

#endif
