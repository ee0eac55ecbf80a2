/* recover.h: after channels have been removed, the columns of down that stay take over what those that went can be foretold from them.
 *
 * Least squares in blocks of 128 (moments.h): with K kept and R removed channels of a block, the output changes least over the calibration set if
 * W[:, K] grows by W[:, R] H[R][K] H[K][K]^-1. No gradient, no training. */
#ifndef NJ_MODEL_RECOVER_H
#define NJ_MODEL_RECOVER_H

#include "pipeline/model/moments.h"

struct nj_recovery;

/*   keep  [count] the channels that stay, ascending
 *   lost  if not NULL: |output of the removed channels|^2 over |output|^2 is estimated by unit weights; [0] before, [1] after recovery */
nj_status nj_recovery_open(const struct nj_moments *moments, const uint32_t *keep, uint32_t count, struct nj_recovery **out, double lost[2],
                           struct nj_error *error);
void      nj_recovery_close(struct nj_recovery *recovery);

/* Changes the kept entries of one row of down, in place.  row: [cols], before anything is taken out */
void nj_recovery_apply(const struct nj_recovery *recovery, float *row);

#endif
