/* calibration.h: what a model that is being quantised is shown: pictures of a card with the question a station asks, or a text.
 *
 * Of a card, up to twelve groups of up to three neighbouring pictures are taken, evenly over the whole card; the model's own greedy answer is appended,
 * and it is on the answer that quality is measured. Of a text, up to 64 pieces of 256 tokens are taken; all of it counts. */
#ifndef NJ_CLI_CALIBRATION_H
#define NJ_CLI_CALIBRATION_H

#include "pipeline/model/calibrate.h"

/* nj_convert_options.calibration; `path` is a folder or a text file. */
nj_status nj_cli_calibration(void *path, const struct nj_weights *weights, struct nj_pool *pool, struct nj_calibration_set *out,
                             struct nj_error *error);

#endif
