/* animal.h: twelve species of the savanna, drawn from the side as bones with coats.
 *
 * An animal is built in metres (x forward, y up, feet at 0) and projected by the scene. What it does is told by its pose alone. */
#ifndef NJ_TRAPCAM_ANIMAL_H
#define NJ_TRAPCAM_ANIMAL_H

#include "tests/trapcam/canvas.h"

enum species {
    ELEPHANT,
    GIRAFFE,
    ZEBRA,
    WILDEBEEST,
    LION_MALE,
    LION_FEMALE,
    HYENA,
    WARTHOG,
    OSTRICH,
    GUINEA_FOWL,
    IMPALA,
    BUFFALO,
    SPECIES_COUNT
};

enum posture { STANDING, RESTING, MOVING, EATING };

struct species_facts {
    const char *label;  /* as in the training labels */
    float       height; /* shoulder (birds: back), metres */
    int         herd;   /* seen in groups up to so many */
    int         rests_in_view;
};
extern const struct species_facts species_facts[SPECIES_COUNT];

struct animal {
    enum species species;
    enum posture posture;
    float        x, distance; /* metres to the right of the camera's axis, metres away */
    int          facing;      /* +1 right, -1 left */
    float        turn;        /* foreshortening of its length, 0.4..1 */
    float        size;        /* 1 adult, less for the young */
    float        phase;       /* of the gait, radians */
    uint32_t     seed;        /* its coat and its small differences */
};

/* Where its feet are on the canvas and how many pixels a metre has there. */
struct placement {
    float x, y, pixels_per_metre;
    float light; /* 0..1.3: sun, dusk or how far the flash reaches */
    int   infrared;
};

/* Covered pixels get `label`, those of the head HEAD_LABEL beside it. */
#define HEAD_LABEL 0x40
void draw_animal(struct canvas *canvas, const struct animal *animal, const struct placement *placement, int label);

#endif
