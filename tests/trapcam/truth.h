/* truth.h: what can be claimed of a drawn event by somebody who sees only its pictures.
 *
 * A species is there if it covers SEEN_SHARE of the picture in some frame. An animal counts if in some frame it covers as much and a good part of
 * what it would cover is not hidden by nearer ones; of a species that is there at least the best visible animal counts. */
#ifndef NJ_TRAPCAM_TRUTH_H
#define NJ_TRAPCAM_TRUTH_H

#include "base/text.h"
#include "pipeline/sentinel/event.h"
#include "tests/trapcam/scene.h"

#include <stdint.h>

struct seen {                      /* zeroed, then truth_look for each frame */
    double largest[SPECIES_COUNT]; /* share of the picture, in the frame where it is largest */
    double best[MAX_ANIMALS];      /* the same of each animal */
    int    counts[MAX_ANIMALS];
};

void truth_look(struct seen *seen, const struct event *event, const struct canvas *canvas);

/* As an event record of the station; confidence and review are left unsaid. */
void truth_event(const struct event *event, const struct seen *seen, struct nj_event *out);

/* Writes {"event":…,"detections":[…],"blank":… without the closing brace. */
void truth_add(struct nj_text *out, const struct nj_event *claims, const struct event *event, const struct nj_event_record *record,
               uint32_t number);

/* How many animals of each species count in this frame alone. */
void truth_frame(const struct event *event, const struct canvas *canvas, uint8_t counts[SPECIES_COUNT]);

/* What one frame shows in each soft token, [TRUTH_PLANES][rows][columns]:
 *   0  0, or 1 + the species that covers most of it, if that is enough
 *   1  how many animals have their head there (their middle, if no head is to be seen), of those that count in this frame alone
 *   2  of the animal that covers most of it, if that is enough: 1 + posture, YOUNG_FLAG beside it */
enum { TRUTH_PLANES = 3, YOUNG_FLAG = 8 };
void truth_cells(const struct event *event, const struct canvas *canvas, uint32_t columns, uint32_t rows, uint8_t *planes);

#endif
