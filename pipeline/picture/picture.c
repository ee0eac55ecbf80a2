/* picture.c: which decoder, how large, which way up. */
#include "pipeline/picture/picture_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PATCH_SIZE      16 /* pixels a side */
#define POOLING         3  /* patches a side that become one soft token */
#define SOFT_TOKEN_SIDE (PATCH_SIZE * POOLING)
#define ORIENTATION_TAG 0x0112
#define MAX_IFD_ENTRIES 512
#define TIFF_BYTE       1
#define TIFF_SHORT      3
#define TIFF_LONG       4

void nj_picture_free(struct nj_picture *picture)
{
    free(picture->rgb);
    *picture = (struct nj_picture){0};
}

nj_status nj_picture_check_size(const char *name, uint32_t width, uint32_t height, struct nj_error *error)
{
    if (width == 0 || height == 0)
        return nj_fail(error, "%s: no picture: its size is %u x %u", name, width, height);
    if (width > NJ_PICTURE_MAX_SIDE || height > NJ_PICTURE_MAX_SIDE || (uint64_t)width * height > NJ_PICTURE_MAX_PIXELS)
        return nj_fail(error, "%s: %u x %u pixels: at most %u a side and %u million together are read; make it smaller", name, width,
                       height, NJ_PICTURE_MAX_SIDE, NJ_PICTURE_MAX_PIXELS / 1000000);
    return NJ_OK;
}

nj_status nj_picture_allocate(const char *name, uint32_t width, uint32_t height, struct nj_picture *out, struct nj_error *error)
{
    *out             = (struct nj_picture){0};
    nj_status status = nj_picture_check_size(name, width, height, error);
    if (status != NJ_OK)
        return status;
    out->rgb = malloc((size_t)width * height * 3);
    if (!out->rgb)
        return nj_fail(error, "%s: no memory for %u x %u pixels", name, width, height);
    out->width  = width;
    out->height = height;
    return NJ_OK;
}

static uint32_t tiff_number(const uint8_t *bytes, unsigned length, bool big_endian)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < length; i++)
        value |= (uint32_t)bytes[i] << 8 * (big_endian ? length - 1 - i : i);
    return value;
}

unsigned nj_exif_orientation(const uint8_t *tiff, size_t size)
{
    if (size < 8 || (memcmp(tiff, "II*\0", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0))
        return 1;
    bool   big_endian = tiff[0] == 'M';
    size_t at         = tiff_number(tiff + 4, 4, big_endian);
    if (at > size - 2)
        return 1;
    unsigned count = tiff_number(tiff + at, 2, big_endian);
    at += 2;
    for (unsigned i = 0; i < count && i < MAX_IFD_ENTRIES && size - at >= 12; i++, at += 12) {
        if (tiff_number(tiff + at, 2, big_endian) != ORIENTATION_TAG)
            continue;
        unsigned type   = tiff_number(tiff + at + 2, 2, big_endian);
        unsigned length = type == TIFF_BYTE ? 1 : type == TIFF_SHORT ? 2 : type == TIFF_LONG ? 4 : 0;
        uint32_t value  = tiff_number(tiff + at + 8, length, big_endian);
        return tiff_number(tiff + at + 4, 4, big_endian) == 1 && value >= 1 && value <= 8 ? value : 1;
    }
    return 1;
}

/* EXIF orientation o says where the stored first row and column belong; as steps over the stored picture, output pixel (x, y) reads
 * start + x * step_x + y * step_y. */
static nj_status turn_upright(const char *name, struct nj_picture *picture, unsigned orientation, struct nj_error *error)
{
    if (orientation == 1)
        return NJ_OK;
    const ptrdiff_t   w = picture->width, h = picture->height, last_x = w - 1, last_y = (h - 1) * w;
    bool              swapped = orientation >= 5;
    struct nj_picture upright;
    const struct {
        ptrdiff_t start, step_x, step_y;
    } walks[9] = {
        [2] = {last_x, -1, w},           /* mirrored */
        [3] = {last_y + last_x, -1, -w}, /* upside down */
        [4] = {last_y, 1, -w},           /* mirrored upside down */
        [5] = {0, w, 1},                 /* transposed */
        [6] = {last_y, -w, 1},           /* turn right */
        [7] = {last_y + last_x, -w, -1}, /* transposed the other way */
        [8] = {last_x, w, -1},           /* turn left */
    };
    nj_status status =
        nj_picture_allocate(name, swapped ? picture->height : picture->width, swapped ? picture->width : picture->height, &upright, error);
    if (status != NJ_OK)
        return status;
    uint8_t *out = upright.rgb;
    for (ptrdiff_t y = 0; y < (ptrdiff_t)upright.height; y++) {
        const uint8_t *in = picture->rgb + 3 * (walks[orientation].start + y * walks[orientation].step_y);
        for (ptrdiff_t x = 0; x < (ptrdiff_t)upright.width; x++, out += 3)
            memcpy(out, in + 3 * x * walks[orientation].step_x, 3);
    }
    upright.partial = picture->partial;
    nj_picture_free(picture);
    *picture = upright;
    return NJ_OK;
}

static nj_status decode(const struct nj_picture_source *source, struct nj_picture *out, struct nj_error *error)
{
    const char    *name        = source->name;
    const uint8_t *bytes       = source->bytes;
    size_t         size        = source->size;
    unsigned       orientation = 1;
    nj_status      status;
    *out = (struct nj_picture){0};
    if (size == 0)
        return nj_fail(error, "%s: no picture: the file is empty", name);
    if (size >= 2 && memcmp(bytes, "\xff\xd8", 2) == 0) /* bytes before the next marker are skipped, as djpeg does */
        status = nj_jpeg_decode(source, out, &orientation, error);
    else if (size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
        status = nj_png_decode(source, out, &orientation, error);
    else
        return nj_fail(error, "%s: no picture: neither JPEG nor PNG", name);
    if (status == NJ_OK)
        status = turn_upright(name, out, orientation, error);
    if (status != NJ_OK)
        nj_picture_free(out);
    return status;
}

nj_status nj_picture_decode(const char *name, const uint8_t *bytes, size_t size, bool partial_ok, struct nj_picture *out,
                            struct nj_error *error)
{
    return decode(&(struct nj_picture_source){.name = name, .bytes = bytes, .size = size, .partial_ok = partial_ok}, out, error);
}

nj_status nj_picture_decode_small(const char *name, const uint8_t *bytes, size_t size, uint32_t side, struct nj_picture *out,
                                  struct nj_error *error)
{
    return decode(&(struct nj_picture_source){.name = name, .bytes = bytes, .size = size, .partial_ok = true, .small_side = side}, out,
                  error);
}

nj_status nj_picture_target(uint32_t width, uint32_t height, uint32_t soft_tokens, uint32_t *target_width, uint32_t *target_height,
                            struct nj_error *error)
{
    if (soft_tokens != 70 && soft_tokens != 140 && soft_tokens != 280 && soft_tokens != 560 && soft_tokens != 1120)
        return nj_fail(error, "%u soft tokens a picture: 70, 140, 280, 560 and 1120 are possible", soft_tokens);
    if (width == 0 || height == 0)
        return nj_fail(error, "a picture of %u x %u pixels has no size for the model", width, height);
    const double   side = SOFT_TOKEN_SIDE, max_pixels = (double)soft_tokens * SOFT_TOKEN_SIDE * SOFT_TOKEN_SIDE;
    const uint32_t max_side = soft_tokens * SOFT_TOKEN_SIDE;
    double         factor   = sqrt(max_pixels / ((double)width * height));
    double         w = floor(factor * width / side) * side, h = floor(factor * height / side) * side;
    if (w == 0 && h == 0)
        return nj_fail(error, "a picture of %u x %u pixels is too small for %u soft tokens", width, height, soft_tokens);
    if (h == 0) { /* the reference floors the ratio of the sides, not its product with the side of a soft token */
        h = side;
        w = fmin((double)(width / height) * side, max_side);
    } else if (w == 0) {
        w = side;
        h = fmin((double)(height / width) * side, max_side);
    }
    if (w * h > max_pixels)
        return nj_fail(error, "a picture of %u x %u pixels does not fit %u soft tokens", width, height, soft_tokens);
    *target_width  = (uint32_t)w;
    *target_height = (uint32_t)h;
    return NJ_OK;
}
