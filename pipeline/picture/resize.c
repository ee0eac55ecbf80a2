/* resize.c: bicubic resampling, bit for bit as Pillow does it (spec 4.3; Pillow's src/libImaging/Resample.c describes the same arithmetic).
 *
 * One axis at a time, horizontal first, 8 bits in between. Weights are 22-bit fixed point, so products and sums are exact integers. */
#include "pipeline/picture/picture_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PRECISION 22
#define HALF      (1 << (PRECISION - 1))
#define SUPPORT   2.0 /* of the kernel, in source pixels when enlarging */
#define LANES     16

/* For each output position the first source position and the weights from there. */
struct taps {
    uint32_t *first, *count; /* [size] */
    int32_t  *weights;       /* [size][stride] */
    size_t    stride;
};

static double bicubic(double x)
{
    const double a = -0.5;
    x              = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static void taps_free(struct taps *taps)
{
    free(taps->first);
    free(taps->count);
    free(taps->weights);
}

static bool taps_open(struct taps *taps, uint32_t in, uint32_t out)
{
    const double scale = (double)in / out, filter_scale = scale < 1.0 ? 1.0 : scale, support = SUPPORT * filter_scale;
    const double inverse = 1.0 / filter_scale;
    double      *exact;
    taps->stride  = (size_t)ceil(support) * 2 + 1;
    taps->first   = malloc(out * sizeof *taps->first);
    taps->count   = malloc(out * sizeof *taps->count);
    taps->weights = calloc(out * taps->stride, sizeof *taps->weights); /* at most 65535 * 5 or 48 * 5463 entries, far from overflow */
    exact         = malloc(taps->stride * sizeof *exact);
    if (!taps->first || !taps->count || !taps->weights || !exact) {
        free(exact);
        return false;
    }
    for (uint32_t o = 0; o < out; o++) {
        double center = (o + 0.5) * scale, sum = 0.0;
        double begin = center - support + 0.5, end = center + support + 0.5;
        taps->first[o] = begin < 0 ? 0 : (uint32_t)begin;
        taps->count[o] = (end > in ? in : (uint32_t)end) - taps->first[o];
        for (uint32_t x = 0; x < taps->count[o]; x++)
            sum += exact[x] = bicubic((x + taps->first[o] - center + 0.5) * inverse);
        for (uint32_t x = 0; x < taps->count[o]; x++) {
            double weight                       = (sum != 0.0 ? exact[x] / sum : exact[x]) * (1 << PRECISION);
            taps->weights[o * taps->stride + x] = (int32_t)(weight < 0 ? weight - 0.5 : weight + 0.5);
        }
    }
    free(exact);
    return true;
}

static uint8_t to_pixel(int32_t sum)
{
    sum >>= PRECISION;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* One output position of LANES neighbours at once: a loop of fixed length, which compilers turn into vector instructions. */
static void blend(const uint8_t *from, size_t step, const int32_t *weights, uint32_t count, uint8_t *to)
{
    int32_t sum[LANES];
    for (size_t i = 0; i < LANES; i++)
        sum[i] = HALF;
    for (uint32_t x = 0; x < count; x++, from += step)
        for (size_t i = 0; i < LANES; i++)
            sum[i] += from[i] * weights[x];
    for (size_t i = 0; i < LANES; i++)
        to[i] = to_pixel(sum[i]);
}

/* Along rows the lanes are LANES rows: a tile holds them turned, so that the same bytes of all rows lie together. */
static bool resize_rows(const struct nj_picture *in, struct nj_picture *out, const struct taps *taps)
{
    size_t   stride = (size_t)in->width * 3, out_stride = (size_t)out->width * 3;
    uint8_t *tile = malloc(stride * LANES), blended[3][LANES];
    if (!tile)
        return false;
    for (uint32_t y = 0; y < in->height; y += LANES) {
        uint32_t rows = in->height - y < LANES ? in->height - y : LANES; /* the last tile repeats the last row */
        for (size_t begin = 0; begin < stride; begin += 64)              /* a cache line of each row at a time */
            for (uint32_t r = 0; r < LANES; r++) {
                const uint8_t *row = in->rgb + (y + (r < rows ? r : rows - 1)) * stride;
                for (size_t i = begin; i < begin + 64 && i < stride; i++)
                    tile[i * LANES + r] = row[i];
            }
        for (uint32_t o = 0; o < out->width; o++) {
            const uint8_t *from = tile + (size_t)taps->first[o] * 3 * LANES;
            for (size_t c = 0; c < 3; c++)
                blend(from + c * LANES, (size_t)3 * LANES, taps->weights + o * taps->stride, taps->count[o], blended[c]);
            for (uint32_t r = 0; r < rows; r++)
                for (size_t c = 0; c < 3; c++)
                    out->rgb[(y + r) * out_stride + (size_t)o * 3 + c] = blended[c][r];
        }
    }
    free(tile);
    return true;
}

/* Down columns the lanes are neighbours in the row. The last ones begin earlier, over bytes that are already there. */
static void resize_columns(const struct nj_picture *in, struct nj_picture *out, const struct taps *taps)
{
    size_t stride = (size_t)in->width * 3;
    for (uint32_t o = 0; o < out->height; o++) {
        const uint8_t *from    = in->rgb + stride * taps->first[o];
        const int32_t *weights = taps->weights + o * taps->stride;
        uint8_t       *to      = out->rgb + stride * o;
        for (size_t i = 0; i + LANES <= stride; i += LANES)
            blend(from + i, stride, weights, taps->count[o], to + i);
        if (stride % LANES && stride > LANES)
            blend(from + stride - LANES, stride, weights, taps->count[o], to + stride - LANES);
        for (size_t i = 0; stride < LANES && i < stride; i++) {
            int32_t sum = HALF;
            for (uint32_t y = 0; y < taps->count[o]; y++)
                sum += from[y * stride + i] * weights[y];
            to[i] = to_pixel(sum);
        }
    }
}

nj_status nj_picture_resize(const struct nj_picture *picture, uint32_t width, uint32_t height, struct nj_picture *out,
                            struct nj_error *error)
{
    struct nj_picture between = {0};
    struct taps       rows = {0}, columns = {0};
    nj_status         status = NJ_OK;
    *out                     = (struct nj_picture){0};
    if (width != picture->width) {
        status = nj_picture_allocate("resized picture", width, picture->height, &between, error);
        if (status == NJ_OK && (!taps_open(&rows, picture->width, width) || !resize_rows(picture, &between, &rows)))
            status = nj_fail(error, "resized picture: no memory for %u columns", width);
        if (status != NJ_OK)
            goto cleanup;
    }
    const struct nj_picture *source = between.rgb ? &between : picture;
    status                          = nj_picture_allocate("resized picture", width, height, out, error);
    if (status != NJ_OK)
        goto cleanup;
    if (height == source->height)
        memcpy(out->rgb, source->rgb, (size_t)width * height * 3);
    else if (taps_open(&columns, source->height, height))
        resize_columns(source, out, &columns);
    else
        status = nj_fail(error, "resized picture: no memory for %u rows", height);
    out->partial = picture->partial;
cleanup:
    taps_free(&rows);
    taps_free(&columns);
    nj_picture_free(&between);
    if (status != NJ_OK)
        nj_picture_free(out);
    return status;
}
