#include "pipeline/picture/examine.h"

#include "pipeline/picture/picture.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#define MAX_SCANS         200
#define MAX_SCAN_PIXELS   4e9          /* pixels times scans: about a minute of work on a station */
#define COEFFICIENT_LIMIT (512L << 20) /* bytes that a progressive picture may hold while its scans come in */

struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr         errors;
    struct jpeg_progress_mgr      progress;
    jmp_buf                       refused;
    JSAMPLE                      *row;
    struct nj_examination        *out;
};

static _Noreturn void refuse(struct reader *reader, const char *words)
{
    snprintf(reader->out->words, sizeof reader->out->words, "%s", words);
    reader->out->usable = false;
    longjmp(reader->refused, 1);
}

static _Noreturn void on_error(j_common_ptr jpeg)
{
    struct reader *reader = jpeg->client_data;
    char           words[JMSG_LENGTH_MAX + 32];
    int            code = reader->errors.msg_code;
    if (code == JERR_OUT_OF_MEMORY || code == JERR_NO_BACKING_STORE)
        refuse(reader, "needs more memory than one picture may take");
    if (code == JERR_NO_SOI)
        refuse(reader, "not a JPEG picture");
    if (code == JERR_EMPTY_IMAGE || code == JERR_NO_IMAGE || code == JERR_INPUT_EMPTY)
        refuse(reader, "no picture in it");
    if (code == JERR_IMAGE_TOO_BIG)
        refuse(reader, "too large: more than 65500 pixels on a side");
    memcpy(words, "broken: ", 8);
    reader->errors.format_message(jpeg, words + 8);
    refuse(reader, words);
}

/* Messages that mean lost picture data; all others, such as bytes between segments, do not. */
static bool harmful(int code)
{
    switch (code) {
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_BOGUS_PROGRESSION:
        return true;
    default:
        return false;
    }
}

static void on_message(j_common_ptr jpeg, int level)
{
    struct reader *reader = jpeg->client_data;
    char           message[JMSG_LENGTH_MAX], words[JMSG_LENGTH_MAX + 32];
    if (level >= 0)
        return;
    if (reader->errors.msg_code == JWRN_JPEG_EOF)
        refuse(reader, "cut off: the file ends before the picture does (card pulled out, or power lost, while the camera was writing?)");
    reader->errors.format_message(jpeg, message);
    snprintf(words, sizeof words, "damaged: %s", message);
    if (harmful(reader->errors.msg_code))
        refuse(reader, words);
    if (!reader->out->words[0])
        snprintf(reader->out->words, sizeof reader->out->words, "complete, but odd: %.*s", NJ_EXAMINE_TEXT - 20, message);
}

/* A few bytes can ask for many passes over many pixels: stop before that costs a night's energy. */
static void on_progress(j_common_ptr jpeg)
{
    struct reader *reader = jpeg->client_data;
    int            scans  = reader->jpeg.input_scan_number;
    double         pixels = (double)reader->jpeg.image_width * reader->jpeg.image_height;
    if (scans > MAX_SCANS || (scans > 1 && scans * pixels > MAX_SCAN_PIXELS))
        refuse(reader, "made to be slow: more passes over the picture than any camera writes");
}

static void prepare(struct reader *reader, const uint8_t *bytes, size_t size)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    jpeg_mem_src(jpeg, bytes, (unsigned long)size);
    jpeg_read_header(jpeg, TRUE);
    if ((uint64_t)jpeg->image_width * jpeg->image_height > NJ_PICTURE_MAX_PIXELS)
        refuse(reader, "too large: more than 200 million pixels");
    if (jpeg->jpeg_color_space == JCS_UNKNOWN)
        refuse(reader, "neither grey nor a colour picture");
    JDIMENSION side   = jpeg->image_width > jpeg->image_height ? jpeg->image_width : jpeg->image_height;
    jpeg->scale_denom = 1;
    while (jpeg->scale_denom < 8 && side / jpeg->scale_denom >= 2 * NJ_SMALL_SIDE)
        jpeg->scale_denom *= 2;
    jpeg->dct_method          = JDCT_ISLOW;
    jpeg->do_fancy_upsampling = FALSE;
    jpeg_start_decompress(jpeg);
}

/* One line of the decoder's colours as brightness (weights of BT.601). CMYK as Adobe writes it: inverted. */
static void brightness(const struct jpeg_decompress_struct *jpeg, const JSAMPLE *row, uint8_t *out)
{
    for (JDIMENSION x = 0; x < jpeg->output_width; x++, row += jpeg->output_components) {
        if (jpeg->output_components == 3)
            out[x] = (uint8_t)((77 * row[0] + 150 * row[1] + 29 * row[2] + 128) >> 8);
        else if (jpeg->output_components == 4)
            out[x] = (uint8_t)((77 * row[0] + 150 * row[1] + 29 * row[2] + 128) / 256 * row[3] / 255);
        else
            out[x] = row[0];
    }
}

static void read_lines(struct reader *reader, uint8_t *luma)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    bool                           fits = luma && (uint64_t)jpeg->output_width * jpeg->output_height <= NJ_SMALL_MAX_PIXELS;
    reader->row                         = malloc((size_t)jpeg->output_width * (size_t)jpeg->output_components);
    if (!reader->row)
        refuse(reader, "needs more memory than one picture may take");
    while (jpeg->output_scanline < jpeg->output_height) {
        JDIMENSION y = jpeg->output_scanline;
        if (jpeg_read_scanlines(jpeg, &reader->row, 1) == 1 && fits)
            brightness(jpeg, reader->row, luma + (size_t)y * jpeg->output_width);
    }
    jpeg_finish_decompress(jpeg);
    reader->out->small_width  = fits ? jpeg->output_width : 0;
    reader->out->small_height = fits ? jpeg->output_height : 0;
}

/* The jump back from a refusal ends here; all that must survive it is in *reader. */
static void attempt(struct reader *reader, const uint8_t *bytes, size_t size, uint8_t *luma)
{
    if (setjmp(reader->refused))
        return;
    jpeg_create_decompress(&reader->jpeg);
    reader->jpeg.mem->max_memory_to_use = COEFFICIENT_LIMIT;
    reader->progress.progress_monitor   = on_progress;
    reader->jpeg.progress               = &reader->progress;
    prepare(reader, bytes, size);
    read_lines(reader, luma);
    reader->out->usable = true;
}

void nj_examine(const uint8_t *bytes, size_t size, uint8_t *luma, struct nj_examination *out)
{
    struct reader reader = {.out = out};
    *out                 = (struct nj_examination){0};
    if (size == 0) {
        snprintf(out->words, sizeof out->words, "empty: the file has no bytes");
        return;
    }
    reader.jpeg.err            = jpeg_std_error(&reader.errors);
    reader.errors.error_exit   = on_error;
    reader.errors.emit_message = on_message;
    reader.jpeg.client_data    = &reader;
    attempt(&reader, bytes, size, luma);
    free(reader.row);
    jpeg_destroy_decompress(&reader.jpeg);
}
