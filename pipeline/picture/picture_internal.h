/* picture_internal.h: what the files of this room share. */
#ifndef NJ_PICTURE_PICTURE_INTERNAL_H
#define NJ_PICTURE_PICTURE_INTERNAL_H

#include "pipeline/picture/picture.h"

#include <stddef.h>

struct nj_picture_source {
    const char    *name; /* for sentences */
    const uint8_t *bytes;
    size_t         size;
    bool           partial_ok;
    uint32_t       small_side; /* 0: whole; else the decoder may scale a JPEG down while the long side stays at or above this */
};

/* Both decode as stored, before orientation, which they report (1 when the file says nothing valid). On failure *out is empty. */
nj_status nj_jpeg_decode(const struct nj_picture_source *source, struct nj_picture *out, unsigned *orientation, struct nj_error *error);
nj_status nj_png_decode(const struct nj_picture_source *source, struct nj_picture *out, unsigned *orientation, struct nj_error *error);

/* Refuses sizes beyond the limits of picture.h. */
nj_status nj_picture_check_size(const char *name, uint32_t width, uint32_t height, struct nj_error *error);

/* The same, then allocates rgb. */
nj_status nj_picture_allocate(const char *name, uint32_t width, uint32_t height, struct nj_picture *out, struct nj_error *error);

/* Orientation (tag 0x0112) in the first directory of a TIFF block, as EXIF holds one; 1 when it is absent, damaged or not 1..8. */
unsigned nj_exif_orientation(const uint8_t *tiff, size_t size);

#endif
