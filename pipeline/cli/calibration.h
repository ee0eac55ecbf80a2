/* calibration.h: what a model that is being quantised is shown: bursts of a card with the question a station asks, or a text.
 *
 * A card is grouped as a station groups it; up to twelve bursts are taken, evenly over the whole card. The model answers each under the schema of
 * the event; the answer is appended, and it is on the answer that quality is measured. What the model decided (blank, species, bin, …) is remembered,
 * and asked again of the finished model. Of a text, up to 64 pieces of 256 tokens are taken; all of it counts, and nothing is decided. */
#ifndef NJ_CLI_CALIBRATION_H
#define NJ_CLI_CALIBRATION_H

#include "pipeline/constrain/generate.h"
#include "pipeline/model/calibrate.h"

#define NJ_CALIBRATION_BURSTS 12

struct nj_cli_calibrated { /* one sequence of the set */
    struct nj_grammar *grammar;
    struct nj_choice  *choices;
    size_t             choice_count;
};

struct nj_cli_calibration {        /* zero but for `path`; nj_cli_calibration_free */
    const char              *path; /* a folder or a text file */
    struct nj_cli_calibrated burst[NJ_CALIBRATION_BURSTS];
    size_t                   count;
};
void nj_cli_calibration_free(struct nj_cli_calibration *calibration);

/* nj_convert_options.calibration and .decide; `calibration` is a struct nj_cli_calibration. */
nj_status nj_cli_calibrate(void *calibration, const struct nj_weights *weights, struct nj_pool *pool, struct nj_calibration_set *out,
                           struct nj_error *error);
nj_status nj_cli_decide(void *calibration, const struct nj_weights *weights, struct nj_pool *pool, const struct nj_calibration_set *set,
                        json_t **out, struct nj_error *error);

#endif
