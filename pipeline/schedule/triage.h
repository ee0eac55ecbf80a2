/* triage.h: a cheap first guess of how likely something is in a burst, from its own pictures, without the model. It orders work and discards nothing.
 *
 * Two looks, each on brightness scaled down to 128 pixels, minus its own neighbourhood (8 pixels), so that exposure and cloud shadows drop out:
 *   motion       between the frames of a burst, aligned to each other. A difference counts by how far it stands above the noise of this pair (median: infrared
 *                pictures are noisy) and above the texture at its place (grass in the wind differs along its edges, by as much as they are steep)
 *   background   against what this camera usually sees by day, or by infrared: a running mean with a running deviation for each pixel. That finds the animal
 *                that stands still, and forgives the branch that always moves. From the fourth burst of a camera on
 * What is looked for is one compact place that differs much more than the picture as a whole: wind and flicker are everywhere, an animal is somewhere.
 * The strip at the bottom and at the top, where cameras print the time, is left out. Night counts for a little: sun and wind fire cameras by day.
 *
 * Pure arithmetic; how well it sorts is measured by `nightjar probe triage` (docs/scheduling.md). */
#ifndef NJ_SCHEDULE_TRIAGE_H
#define NJ_SCHEDULE_TRIAGE_H

#include "base/status.h"
#include "pipeline/picture/picture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NJ_TRIAGE_SIDE   128
#define NJ_TRIAGE_FRAMES 4

/* One frame from afar. */
struct nj_view {
    uint16_t width, height;
    bool     infrared;                               /* no colour in it */
    float    light[NJ_TRIAGE_SIDE * NJ_TRIAGE_SIDE]; /* [height][width], 0 to 255 */
};

/* What a camera usually sees; kept between runs as it stands (nj_background_fits checks what comes back). */
struct nj_background {
    uint32_t version, seen; /* bursts that went into it */
    uint16_t width, height;
    int16_t  mean[NJ_TRIAGE_SIDE * NJ_TRIAGE_SIDE];      /* in 1/256 of the picture's own contrast */
    uint16_t deviation[NJ_TRIAGE_SIDE * NJ_TRIAGE_SIDE]; /* the same */
};

struct nj_triage {
    double interest;           /* 0 to 1 */
    double motion, background; /* how far the best place stands out; NAN where that look was not possible */
    char   words[120];         /* "something moved; unlike what this camera usually sees" */
};

/* Any picture as a view; the strips with the time are cut off. */
void nj_view_make(const struct nj_picture *picture, struct nj_view *out);

/* Judges a burst of `count` views of one camera. background: may be NULL; when it fits it learns from this burst, too. Fails only without memory. */
nj_status nj_triage_burst(const struct nj_view *views, size_t count, struct nj_background *background, struct nj_triage *out,
                          struct nj_error *error);

bool nj_background_fits(const struct nj_background *background);

#endif
