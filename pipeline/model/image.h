/* image.h: the way of one picture from its file to the features that stand for it in a prompt: decode, target size, resize, vision tower.
 *
 * `soft_tokens` is the budget of spec 4.2 (70, 140, 280, 560, 1120); how many positions a picture takes depends on its shape and is never more.
 * nj_image_count tells that from the size alone, so that a prompt can be laid out before any picture went through the tower. */
#ifndef NJ_MODEL_IMAGE_H
#define NJ_MODEL_IMAGE_H

#include "pipeline/model/engine.h"
#include "pipeline/picture/picture.h"

struct nj_image {           /* owns features; zero-initialise, nj_image_free */
    float   *features;      /* [count][text hidden] */
    uint32_t count;         /* positions that the picture takes */
    uint32_t width, height; /* in pixels, as the tower saw it */
    bool     partial;       /* the file broke off; the missing part is grey */
};

void nj_image_free(struct nj_image *image);

/* Positions of an upright picture of width x height pixels. */
nj_status nj_image_count(const struct nj_config *config, uint32_t width, uint32_t height, uint32_t soft_tokens, uint32_t *count,
                         struct nj_error *error);

/* From a decoded, upright picture. `name` appears in sentences. */
nj_status nj_image_from_picture(struct nj_engine *engine, const char *name, const struct nj_picture *picture, uint32_t soft_tokens,
                                struct nj_image *out, struct nj_error *error);

/* From a file; decodes in this process. partial_ok: a picture that breaks off is taken as far as it goes. */
nj_status nj_image_from_file(struct nj_engine *engine, const char *path, uint32_t soft_tokens, bool partial_ok, struct nj_image *out,
                             struct nj_error *error);

#endif
