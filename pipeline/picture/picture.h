/* picture.h: bytes of a picture file into upright RGB pixels, the size that the model wants, or a sentence.
 *
 * Everything here treats its input as hostile: dimension and pixel limits come before any allocation. JPEG through libjpeg-turbo (islow DCT, smooth
 * upsampling), PNG through libpng. Colour rules of the reference processor: grey is replicated, palette and 1-bit become RGB, alpha is dropped, a
 * PNG with a transparent colour (tRNS) gets those pixels white, Adobe CMYK is converted simply. EXIF orientation 1..8 is applied, others ignored. */
#ifndef NJ_PICTURE_PICTURE_H
#define NJ_PICTURE_PICTURE_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define NJ_PICTURE_MAX_SIDE   65535u
#define NJ_PICTURE_MAX_PIXELS (200u * 1000u * 1000u)

struct nj_picture { /* owns rgb; zero-initialise, nj_picture_free */
    uint8_t *rgb;   /* [height][width][3] */
    uint32_t width, height;
    bool     partial; /* the file ends early or has corrupt data; what could be read is there, the rest is grey */
};

void nj_picture_free(struct nj_picture *picture);

/* Decodes in this process. `name` appears in sentences. `partial_ok`: accept a picture that breaks off (partial is set); otherwise it is refused. */
nj_status nj_picture_decode(const char *name, const uint8_t *bytes, size_t size, bool partial_ok, struct nj_picture *out,
                            struct nj_error *error);

/* The same for people's eyes: a picture that breaks off will do, and a JPEG is scaled down by 2, 4 or 8 as it is decoded, as long as its long side
 * stays at or above `side`. Many times faster for the large pictures of cameras. */
nj_status nj_picture_decode_small(const char *name, const uint8_t *bytes, size_t size, uint32_t side, struct nj_picture *out,
                                  struct nj_error *error);

/* Target size for a budget of soft tokens (spec 4.2). Fails for budgets other than 70, 140, 280, 560, 1120. */
nj_status nj_picture_target(uint32_t width, uint32_t height, uint32_t soft_tokens, uint32_t *target_width, uint32_t *target_height,
                            struct nj_error *error);

/* Pillow's bicubic (a = -0.5, antialiased, fixed point, horizontal first): bit-exact. `out` is a new picture of exactly that size. */
nj_status nj_picture_resize(const struct nj_picture *picture, uint32_t width, uint32_t height, struct nj_picture *out,
                            struct nj_error *error);

#endif
