/* png.c: libpng behind our limits and our sentences. Colours come out as the reference processor (Pillow, then its RGB conversion) makes them. */
#include "pipeline/picture/picture_internal.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#define CHUNK_LIMIT       (8u << 20) /* bytes of one ancillary chunk after decompression */
#define CHUNK_COUNT_LIMIT 1000
#define GREY              128 /* of what is missing in a partial picture */

struct decoder {
    png_structp                     png;
    png_infop                       info;
    const struct nj_picture_source *input;
    size_t                          at;
    struct nj_picture              *out;
    struct nj_error                *error;
    bool                            grey16, has_white;
    uint8_t                         white[3]; /* a transparent colour, which becomes white */
    uint32_t                        lines;    /* complete so far, in this pass */
    bool                            complete; /* all lines of all passes: what is wrong behind them does not matter */
};

static void on_error(png_structp png, png_const_charp text)
{
    struct decoder *d = png_get_error_ptr(png);
    nj_fail(d->error, "%s: no picture: %s", d->input->name, text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_read(png_structp png, png_bytep into, size_t count)
{
    struct decoder *d = png_get_io_ptr(png);
    if (count > d->input->size - d->at)
        png_error(png, "the file ends early (card pulled out while it was written?)");
    memcpy(into, d->input->bytes + d->at, count);
    d->at += count;
}

/* The colour whose pixels the reference paints white. It compares eight-bit values with the numbers in the chunk as they stand, so that a
 * two- or four-bit grey meets them only by chance and sixteen-bit grey only when both are black. A palette counts when exactly one entry is transparent and all others are opaque. */
static void read_transparency(struct decoder *d, int colour, int depth)
{
    png_bytep     alphas;
    png_color_16p value;
    int           count;
    if (!png_get_valid(d->png, d->info, PNG_INFO_tRNS) || !png_get_tRNS(d->png, d->info, &alphas, &count, &value))
        return;
    if (colour == PNG_COLOR_TYPE_GRAY) {
        bool saturates = depth == 1 ? value->gray > 0 : value->gray > 255;
        memset(d->white, depth == 16 ? 0 : saturates ? 255 : value->gray, 3);
        d->has_white = depth < 16 || (value->gray & 255) == 0;
    } else if (colour == PNG_COLOR_TYPE_RGB) {
        const png_uint_16 parts[3] = {value->red, value->green, value->blue};
        for (size_t c = 0; c < 3; c++)
            d->white[c] = (uint8_t)parts[c];
        d->has_white = true;
    } else if (colour == PNG_COLOR_TYPE_PALETTE) {
        png_colorp palette;
        int        entries, clear = 0, half = 0, which = 0;
        for (int i = 0; i < count; i++) {
            clear += alphas[i] == 0;
            half += alphas[i] != 0 && alphas[i] != 255;
            which = alphas[i] == 0 ? i : which;
        }
        if (clear != 1 || half != 0 || !png_get_PLTE(d->png, d->info, &palette, &entries) || which >= entries)
            return;
        d->white[0]  = palette[which].red;
        d->white[1]  = palette[which].green;
        d->white[2]  = palette[which].blue;
        d->has_white = true;
    }
}

static void set_transforms(struct decoder *d, int colour, int depth)
{
    d->grey16 = colour == PNG_COLOR_TYPE_GRAY && depth == 16;
    if (colour == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(d->png);
    if (colour == PNG_COLOR_TYPE_GRAY && depth < 8)
        png_set_expand_gray_1_2_4_to_8(d->png);
    if (depth == 16 && !d->grey16)
        png_set_strip_16(d->png);
    if (!(colour & PNG_COLOR_MASK_COLOR) && !d->grey16)
        png_set_gray_to_rgb(d->png);
    png_set_strip_alpha(d->png);
}

static void read_lines(struct decoder *d)
{
    size_t stride = (size_t)d->out->width * 3;
    int    passes = png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    if (png_get_rowbytes(d->png, d->info) > stride)
        png_error(d->png, "rows are longer than its header says");
    for (int pass = 0; pass < passes; pass++)
        for (d->lines = 0; d->lines < d->out->height; d->lines++)
            png_read_row(d->png, d->out->rgb + stride * d->lines, NULL);
}

static unsigned read_orientation(const struct decoder *d)
{
    png_bytep   exif;
    png_uint_32 size;
    return png_get_eXIf_1(d->png, d->info, &size, &exif) ? nj_exif_orientation(exif, size) : 1;
}

/* Sixteen-bit grey is cut off at 255, as in the reference: such a row lies in the front of its line, two big-endian bytes a pixel. */
static void widen_grey16(uint8_t *line, size_t width)
{
    for (size_t x = width; x-- > 0;)
        memset(line + 3 * x, line[2 * x] ? 255 : line[2 * x + 1], 3);
}

static void finish_colours(struct decoder *d)
{
    for (uint32_t y = 0; y < d->out->height; y++) {
        uint8_t *line = d->out->rgb + (size_t)d->out->width * 3 * y;
        if (d->grey16)
            widen_grey16(line, d->out->width);
        if (d->has_white)
            for (uint32_t x = 0; x < d->out->width; x++)
                if (memcmp(line + 3 * x, d->white, 3) == 0)
                    memset(line + 3 * x, 255, 3);
    }
}

static bool open_decoder(struct decoder *d)
{
    d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, d, on_error, on_warning);
    if (d->png)
        d->info = png_create_info_struct(d->png);
    if (!d->info) {
        nj_fail(d->error, "%s: no memory to decode it", d->input->name);
        return false;
    }
    return true;
}

static nj_status decode(struct decoder *d, unsigned *orientation)
{
    if (setjmp(png_jmpbuf(d->png)))
        return d->complete ? NJ_OK : NJ_ERROR;
    png_set_read_fn(d->png, d, on_read);
    png_set_user_limits(d->png, NJ_PICTURE_MAX_SIDE, NJ_PICTURE_MAX_SIDE);
    png_set_chunk_malloc_max(d->png, CHUNK_LIMIT);
    png_set_chunk_cache_max(d->png, CHUNK_COUNT_LIMIT);
    png_read_info(d->png, d->info);
    int       colour = png_get_color_type(d->png, d->info), depth = png_get_bit_depth(d->png, d->info);
    nj_status status =
        nj_picture_allocate(d->input->name, png_get_image_width(d->png, d->info), png_get_image_height(d->png, d->info), d->out, d->error);
    if (status != NJ_OK)
        return status;
    memset(d->out->rgb, GREY, (size_t)d->out->width * d->out->height * 3);
    read_transparency(d, colour, depth);
    set_transforms(d, colour, depth);
    *orientation = read_orientation(d);
    read_lines(d);
    d->complete = true;
    png_read_end(d->png, d->info);
    *orientation = read_orientation(d);
    return NJ_OK;
}

nj_status nj_png_decode(const struct nj_picture_source *source, struct nj_picture *out, unsigned *orientation, struct nj_error *error)
{
    struct nj_error unheard;
    struct decoder  d      = {.input = source, .out = out, .error = error ? error : &unheard};
    nj_status       status = NJ_ERROR;
    *out                   = (struct nj_picture){0};
    if (open_decoder(&d))
        status = decode(&d, orientation);
    if (status != NJ_OK && source->partial_ok && d.lines > 0) {
        status       = NJ_OK;
        out->partial = true;
    }
    if (status == NJ_OK) {
        d.error->text[0] = 0;
        finish_colours(&d);
    } else {
        nj_picture_free(out);
    }
    png_destroy_read_struct(&d.png, &d.info, NULL);
    return status;
}
