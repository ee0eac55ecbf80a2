/* card.h: pictures as a trap camera writes them: JPEG with EXIF and a HyperFire maker note (sequence k of n, event number, trigger). */
#ifndef NJ_TRAPCAM_CARD_H
#define NJ_TRAPCAM_CARD_H

#include "tests/trapcam/canvas.h"

#include <stddef.h>
#include <stdint.h>

struct shot {
    int64_t     taken_at; /* seconds since 1970, local camera clock */
    int         k, n;     /* of this trigger; 0, 0 for a time-lapse picture */
    uint32_t    event;
    int         celsius, infrared;
    const char *serial, *label;
};

/* Encodes the canvas with the banner burned in. *bytes is malloc'd. 0: no memory. */
int card_encode(struct canvas *canvas, const struct shot *shot, int quality, uint8_t **bytes, size_t *size);

#endif
