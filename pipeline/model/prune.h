/* prune.h: which MLP channels of each layer stay: rows of gate and up, columns of down.
 *
 * Channel j adds down[:, j] * gelu(gate[j] x) * up[j] x to the residual stream. Its saliency is an estimate of the size of that term:
 * |down[:, j]| times the root mean square of the activation over a calibration set, or, without one, times |gate[j]| |up[j]|. Widths are
 * multiples of the quantisation group, so that groups stay whole. */
#ifndef NJ_MODEL_PRUNE_H
#define NJ_MODEL_PRUNE_H

#include "base/pool.h"
#include "pipeline/model/plan.h"

struct nj_keep {                    /* zero-initialise; nj_keep_free */
    uint32_t *index[NJ_MAX_LAYERS]; /* ascending */
    uint32_t  count[NJ_MAX_LAYERS];
};

void nj_keep_free(struct nj_keep *keep);

/* A JSON file: a list (or {"keep": list}) with the channels that stay of each layer. */
nj_status nj_keep_read(const char *path, const struct nj_text_config *text, struct nj_keep *out, struct nj_error *error);

/* The most salient channels: width * (1 - fraction) of each layer, to the nearest multiple of `group` and at least one.
 *   activation  NULL, or for each layer the root mean square of each channel's activation */
nj_status nj_keep_choose(const struct nj_plan *plan, double fraction, uint32_t group, const float *const *activation, struct nj_pool *pool,
                         struct nj_keep *out, struct nj_error *error);

/* Applies it to a plan; the lists are borrowed. Before nj_plan_settle. */
nj_status nj_keep_apply(const struct nj_keep *keep, struct nj_plan *plan, struct nj_error *error);

#endif
