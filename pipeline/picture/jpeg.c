/* jpeg.c: libjpeg-turbo behind our limits and our sentences.
 *
 * The library reports errors through a callback that must not return; it jumps back here. Everything that must survive the jump lives in one struct. */
#include "pipeline/picture/picture_internal.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#define COEFFICIENT_LIMIT (512L << 20) /* bytes that a progressive picture may hold while its scans come in */
#define START_OF_SCAN     0xda
#define MAX_SCANS         200 /* more than any camera or optimiser writes */
#define MAX_SCAN_PIXELS   4e9 /* pixels times scans: about a minute of work on a station */

struct decoder {
    struct jpeg_decompress_struct   jpeg;
    struct jpeg_error_mgr           errors;
    struct jpeg_source_mgr          source;
    struct jpeg_progress_mgr        progress;
    jmp_buf                         failed;
    const struct nj_picture_source *input;
    struct nj_picture              *out;
    uint8_t                        *line; /* one CMYK row */
    struct nj_error                *error;
    bool                            damaged;
    bool                            ended, ended_at_once; /* before the first row of blocks was complete */
};

static void on_error(j_common_ptr jpeg)
{
    struct decoder *d = jpeg->client_data;
    char            text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    nj_fail(d->error, "%s: no picture: %s", d->input->name, text);
    longjmp(d->failed, 1);
}

static void give_up(struct decoder *d)
{
    longjmp(d->failed, 1);
}

/* Warnings (level -1) that mean lost pixels; others, such as bytes between segments, do not. */
static void on_message(j_common_ptr jpeg, int level)
{
    struct decoder *d = jpeg->client_data;
    if (level >= 0)
        return;
    jpeg->err->num_warnings++;
    switch (jpeg->err->msg_code) {
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_BOGUS_PROGRESSION:
        d->damaged = true;
        break;
    default:
        break;
    }
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

/* A few bytes ask for many passes over many pixels: stop before that costs a night's energy. */
static void on_progress(j_common_ptr jpeg)
{
    struct decoder *d     = jpeg->client_data;
    int             scans = d->jpeg.input_scan_number;
    if (scans <= MAX_SCANS && (scans < 2 || (double)scans * d->jpeg.image_width * d->jpeg.image_height <= MAX_SCAN_PIXELS))
        return;
    nj_fail(d->error, "%s: no picture: more than %d scans over %u x %u pixels: the file was made to be slow", d->input->name, scans - 1,
            d->jpeg.image_width, d->jpeg.image_height);
    give_up(d);
}

static void source_nothing(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

/* All bytes are there from the start: being asked for more means that the file ends early. */
static boolean source_end(j_decompress_ptr jpeg)
{
    static const JOCTET end_of_image[] = {0xff, JPEG_EOI};
    struct decoder     *d              = jpeg->client_data;
    if (!d->input->partial_ok) {
        nj_fail(d->error, "%s: no picture: the file ends early, after %zu bytes (card pulled out while the camera was writing?)",
                d->input->name, d->input->size);
        give_up(d);
    }
    if (!d->ended)
        d->ended_at_once = jpeg->input_scan_number <= 1 && jpeg->input_iMCU_row == 0 && jpeg->total_iMCU_rows > 1;
    d->ended                   = true;
    jpeg->src->next_input_byte = end_of_image;
    jpeg->src->bytes_in_buffer = sizeof end_of_image;
    return TRUE;
}

static void source_skip(j_decompress_ptr jpeg, long count)
{
    if (count <= 0)
        return;
    if ((size_t)count > jpeg->src->bytes_in_buffer) {
        source_end(jpeg);
        return;
    }
    jpeg->src->next_input_byte += count;
    jpeg->src->bytes_in_buffer -= (size_t)count;
}

static void set_up(struct decoder *d)
{
    d->jpeg.err              = jpeg_std_error(&d->errors);
    d->jpeg.client_data      = d;
    d->errors.error_exit     = on_error;
    d->errors.emit_message   = on_message;
    d->errors.output_message = on_output;
    jpeg_create_decompress(&d->jpeg);
    d->jpeg.client_data            = d;
    d->jpeg.mem->max_memory_to_use = COEFFICIENT_LIMIT;
    d->progress.progress_monitor   = on_progress;
    d->jpeg.progress               = &d->progress;
    d->source                      = (struct jpeg_source_mgr){
                             .next_input_byte   = d->input->bytes,
                             .bytes_in_buffer   = d->input->size,
                             .init_source       = source_nothing,
                             .fill_input_buffer = source_end,
                             .skip_input_data   = source_skip,
                             .resync_to_restart = jpeg_resync_to_restart,
                             .term_source       = source_nothing,
    };
    d->jpeg.src = &d->source;
}

/* Walks the segments in front of the first scan to the first EXIF block. The library could keep them for us, but in a list that it walks anew for
 * each one: a file of a hundred thousand would take minutes. */
static unsigned read_orientation(const uint8_t *bytes, size_t size)
{
    size_t at = 2;
    while (size - at >= 4 && bytes[at] == 0xff && bytes[at + 1] != START_OF_SCAN) {
        if (bytes[at + 1] == 0xff) { /* fill byte */
            at++;
            continue;
        }
        size_t length = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (length < 2 || length > size - at - 2)
            return 1;
        if (bytes[at + 1] == JPEG_APP0 + 1 && length > 8 && memcmp(bytes + at + 4, "Exif\0\0", 6) == 0)
            return nj_exif_orientation(bytes + at + 10, length - 8);
        at += 2 + length;
    }
    return 1;
}

static bool choose_colours(struct decoder *d)
{
    switch (d->jpeg.num_components) {
    case 1: /* the library replicates grey */
    case 3:
        d->jpeg.out_color_space = JCS_RGB;
        break;
    case 4:
        d->jpeg.out_color_space = JCS_CMYK;
        break;
    default:
        nj_fail(d->error, "%s: no picture: %d colour components", d->input->name, d->jpeg.num_components);
        return false;
    }
    d->jpeg.dct_method          = JDCT_ISLOW;
    d->jpeg.do_fancy_upsampling = TRUE;
    return true;
}

/* Adobe stores CMYK inverted. R = K' - (255 - C') K' / 255 with the stored C', K', rounded as Pillow rounds. */
static void cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb, size_t pixels)
{
    for (; pixels > 0; pixels--, cmyk += 4, rgb += 3) {
        unsigned key = cmyk[3];
        for (size_t c = 0; c < 3; c++) {
            unsigned product = (255u - cmyk[c]) * key + 128;
            unsigned darker  = ((product >> 8) + product) >> 8;
            rgb[c]           = (uint8_t)(key > darker ? key - darker : 0);
        }
    }
}

static nj_status read_lines(struct decoder *d)
{
    size_t stride = (size_t)d->out->width * 3;
    if (d->jpeg.out_color_space == JCS_CMYK) {
        d->line = malloc((size_t)d->out->width * 4);
        if (!d->line)
            return nj_fail(d->error, "%s: no memory for a line of %u pixels", d->input->name, d->out->width);
    }
    while (d->jpeg.output_scanline < d->jpeg.output_height) {
        uint8_t *row  = d->out->rgb + stride * d->jpeg.output_scanline;
        JSAMPROW into = d->line ? d->line : row;
        if (jpeg_read_scanlines(&d->jpeg, &into, 1) == 1 && d->line)
            cmyk_to_rgb(d->line, row, d->out->width);
    }
    return NJ_OK;
}

/* 1/2, 1/4 or 1/8 cost a fraction of the inverse DCT, and most of the memory is never asked for. */
static void choose_scale(struct decoder *d)
{
    uint32_t side     = d->jpeg.image_width > d->jpeg.image_height ? d->jpeg.image_width : d->jpeg.image_height;
    d->jpeg.scale_num = d->jpeg.scale_denom = 1;
    while (d->input->small_side && d->jpeg.scale_denom < 8 && side / (d->jpeg.scale_denom * 2) >= d->input->small_side)
        d->jpeg.scale_denom *= 2;
    jpeg_calc_output_dimensions(&d->jpeg);
}

static nj_status decode(struct decoder *d, unsigned *orientation)
{
    jpeg_read_header(&d->jpeg, TRUE);
    *orientation = read_orientation(d->input->bytes, d->input->size);
    if (!choose_colours(d))
        return NJ_ERROR;
    nj_status status = nj_picture_check_size(d->input->name, d->jpeg.image_width, d->jpeg.image_height, d->error);
    if (status != NJ_OK)
        return status;
    choose_scale(d);
    status = nj_picture_allocate(d->input->name, d->jpeg.output_width, d->jpeg.output_height, d->out, d->error);
    if (status != NJ_OK)
        return status;
    jpeg_start_decompress(&d->jpeg);
    status = read_lines(d);
    if (status != NJ_OK)
        return status;
    jpeg_finish_decompress(&d->jpeg); /* in a whole file this finds the end-of-image marker */
    if (d->ended_at_once)
        return nj_fail(d->error, "%s: no picture: the file ends after %zu bytes, before its first line", d->input->name, d->input->size);
    d->out->partial = d->ended || d->damaged;
    return NJ_OK;
}

/* Nothing that is read after a jump is a local variable of the function that it returns to. */
static nj_status decode_or_jump(struct decoder *d, unsigned *orientation)
{
    if (setjmp(d->failed) != 0)
        return NJ_ERROR;
    set_up(d);
    return decode(d, orientation);
}

nj_status nj_jpeg_decode(const struct nj_picture_source *source, struct nj_picture *out, unsigned *orientation, struct nj_error *error)
{
    struct nj_error unheard;
    struct decoder  d = {.input = source, .out = out, .error = error ? error : &unheard};
    *out              = (struct nj_picture){0};
    nj_status status  = decode_or_jump(&d, orientation);
    jpeg_destroy_decompress(&d.jpeg);
    free(d.line);
    if (status != NJ_OK)
        nj_picture_free(out);
    return status;
}
