/* scene.h: one camera site and what happens in front of it.
 *
 * A site (sky, hills, ground, grass, trees, rocks, the camera's height and lens dirt) follows from its seed alone; an event (hour, light, animals)
 * from its own seed. Rendering the same event and frame twice gives the same pixels. */
#ifndef NJ_TRAPCAM_SCENE_H
#define NJ_TRAPCAM_SCENE_H

#include "tests/trapcam/animal.h"

#define MAX_ANIMALS 24

struct event {
    uint32_t      site_seed, seed;
    int           hour, minute, second; /* local time of the first frame */
    int           frames;               /* 1..3 */
    float         frame_gap;            /* seconds between frames */
    float         wind;                 /* 0..1 */
    int           infrared;
    int           animal_count;         /* 0: blank */
    struct animal animals[MAX_ANIMALS]; /* as in the first frame; farthest first */
    int           interacting;
    int           young; /* how many of them */
};

#define PAIRS 0.13f /* share of the events with animals where a second species has come along */

/* What a plausible event of this site looks like. `hour` -1: any hour. pairs: PAIRS, or another share. */
void event_make(struct event *event, uint32_t site_seed, uint32_t seed, int hour, float pairs);

/* Draws frame `frame` (0-based). The canvas sets the size; shapes scale with it. Labels are 1 + the animal's index, and HEAD_LABEL on its head. */
void event_draw(const struct event *event, int frame, struct canvas *canvas);

#endif
