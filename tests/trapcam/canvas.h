/* canvas.h: the drawing surface of the trap-camera simulator: linear-ish RGB floats, a label a pixel, and soft-edged shapes.
 *
 * Coordinates are pixels, y down. Shapes are given by signed distance, so their edges are antialiased at any size. A shape asks `paint` for the
 * colour of each pixel it covers. Everything is deterministic: randomness comes only from hashes of the seeds that callers pass. */
#ifndef NJ_TRAPCAM_CANVAS_H
#define NJ_TRAPCAM_CANVAS_H

#include <stdint.h>

struct colour {
    float r, g, b; /* 0..1 */
};

struct canvas { /* canvas_open allocates, canvas_close frees */
    int            width, height;
    struct colour *pixel;        /* [height][width] */
    uint8_t       *label;        /* [height][width]: 0 background, else the label of the shape that is seen there */
    struct colour *still;        /* [height][width]: kept from frame to frame by whoever draws the background (scene.c), for `still_of` */
    uint64_t       still_of;     /* 0: nobody's yet */
    uint32_t       covered[256]; /* by label: pixels that it was painted on, also where something nearer hides it now */
};

int  canvas_open(struct canvas *canvas, int width, int height); /* 0: no memory */
void canvas_close(struct canvas *canvas);

/* Where a pixel lies on a shape: `along` 0..1 from one end to the other, `across` -1..1 from edge to edge (positive is the upper side). */
struct spot {
    float x, y, along, across;
};
typedef struct colour paint_function(const void *arg, const struct spot *spot);

/* A bone: two circles of radius ra and rb and everything between. Covered pixels get `label` (0 leaves labels alone). */
void draw_bone(struct canvas *canvas, float ax, float ay, float ra, float bx, float by, float rb, int label, paint_function *paint,
               const void *arg);

/* An ellipse with half axes rx, ry, turned by `angle` radians. */
void draw_ellipse(struct canvas *canvas, float cx, float cy, float rx, float ry, float angle, int label, paint_function *paint,
                  const void *arg);

struct colour paint_plain(const void *colour, const struct spot *spot); /* arg: const struct colour * */

struct colour mix(struct colour a, struct colour b, float share); /* share of b */
struct colour scale(struct colour a, float factor);

/* Hash noise. Same arguments, same value, on every machine. */
uint32_t hash(uint32_t a, uint32_t b, uint32_t c);
float    unit(uint32_t a, uint32_t b, uint32_t c);       /* 0..1 */
float    smooth_noise(float x, float y, uint32_t seed);  /* -1..1, one feature a unit */
float    fractal_noise(float x, float y, uint32_t seed); /* three octaves of it */

/* A stream of random numbers. */
struct stream {
    uint32_t seed, count;
};
float next_unit(struct stream *stream);
float next_between(struct stream *stream, float low, float high);
int   next_below(struct stream *stream, int bound); /* 0 .. bound - 1 */
float next_normal(struct stream *stream);

#endif
