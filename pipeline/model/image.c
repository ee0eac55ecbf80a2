#include "pipeline/model/image.h"
#include "base/file.h"

#include <stdlib.h>

#define FILE_LIMIT ((size_t)256 << 20)

void nj_image_free(struct nj_image *image)
{
    free(image->features);
    *image = (struct nj_image){0};
}

nj_status nj_image_count(const struct nj_config *config, uint32_t width, uint32_t height, uint32_t soft_tokens, uint32_t *count,
                         struct nj_error *error)
{
    uint32_t  target_width = 0, target_height = 0;
    uint32_t  side   = config->vision.patch_size * config->vision.pooling_kernel;
    nj_status status = nj_picture_target(width, height, soft_tokens, &target_width, &target_height, error);
    if (status != NJ_OK)
        return status;
    if (side == 0 || target_width % side != 0 || target_height % side != 0)
        return nj_fail(error, "the model's vision tower takes other picture sizes than %u x %u", target_width, target_height);
    *count = (target_width / side) * (target_height / side);
    return NJ_OK;
}

nj_status nj_image_from_picture(struct nj_engine *engine, const char *name, const struct nj_picture *picture, uint32_t soft_tokens,
                                struct nj_image *out, struct nj_error *error)
{
    const struct nj_config *config  = &nj_engine_weights(engine)->config;
    struct nj_picture       resized = {0};
    *out                            = (struct nj_image){.partial = picture->partial};
    if (config->vision.layers == 0)
        return nj_fail(error, "%s: this model has no vision tower (with GGUF, give its mmproj file)", name);
    nj_status status = nj_image_count(config, picture->width, picture->height, soft_tokens, &out->count, error);
    if (status == NJ_OK)
        status = nj_picture_target(picture->width, picture->height, soft_tokens, &out->width, &out->height, error);
    if (status == NJ_OK)
        status = nj_picture_resize(picture, out->width, out->height, &resized, error);
    if (status != NJ_OK)
        goto cleanup;
    out->features = malloc((size_t)out->count * config->text.hidden_size * sizeof(float));
    if (out->features)
        status = nj_engine_vision(engine, resized.rgb, out->width, out->height, out->features, error);
    else
        status = nj_fail(error, "no memory for the features of %u positions", out->count);
cleanup:
    nj_picture_free(&resized);
    if (status != NJ_OK) {
        nj_image_free(out);
        nj_error_prefix(error, "%s", name);
    }
    return status;
}

nj_status nj_image_from_file(struct nj_engine *engine, const char *path, uint32_t soft_tokens, bool partial_ok, struct nj_image *out,
                             struct nj_error *error)
{
    struct nj_picture picture = {0};
    uint8_t          *bytes   = NULL;
    size_t            size    = 0;
    *out                      = (struct nj_image){0};
    nj_status status          = nj_file_read(path, FILE_LIMIT, &bytes, &size, error);
    if (status == NJ_OK)
        status = nj_picture_decode(path, bytes, size, partial_ok, &picture, error);
    free(bytes);
    if (status == NJ_OK)
        status = nj_image_from_picture(engine, path, &picture, soft_tokens, out, error);
    nj_picture_free(&picture);
    return status;
}
