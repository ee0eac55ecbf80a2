#include "tests/trapcam/card.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

/* 3 x 5 dots a character, rows from above, 3 bits each: enough for a banner. */
static uint16_t glyph(char c)
{
    static const char     known[] = "0123456789:-/ MTCF";
    static const uint16_t dots[]  = {075557, 026227, 071747, 071717, 055711, 074717, 074757, 071111, 075757,
                                     075717, 002020, 000700, 011244, 000000, 057755, 072222, 074447, 074744};
    const char           *at      = strchr(known, c);
    return at && *at ? dots[at - known] : 0;
}

static void burn_in(struct canvas *canvas, const struct shot *shot)
{
    int  bar = canvas->height / 26, dot = bar / 8 > 0 ? bar / 8 : 1, pen = dot * 4;
    char text[96], time[NJ_TIME_TEXT];
    nj_time_local(shot->taken_at, time);
    time[10] = ' ';
    snprintf(text, sizeof text, "%s  %d/%d  %dC", time, shot->k, shot->n, shot->celsius);
    for (int y = canvas->height - bar; y < canvas->height; y++)
        for (int x = 0; x < canvas->width; x++) {
            canvas->pixel[(size_t)y * (size_t)canvas->width + (size_t)x] = (struct colour){0.02f, 0.02f, 0.02f};
            canvas->label[(size_t)y * (size_t)canvas->width + (size_t)x] = 0;
        }
    for (const char *c = text; *c; c++, pen += 4 * dot)
        for (int y = 0; y < 5 * dot && y + dot < bar; y++)
            for (int x = 0; x < 3 * dot && pen + x < canvas->width; x++)
                if (glyph(*c) >> (14 - (y / dot * 3 + x / dot)) & 1)
                    canvas->pixel[(size_t)(canvas->height - bar + dot + y) * (size_t)canvas->width + (size_t)(pen + x)] =
                        (struct colour){0.95f, 0.95f, 0.95f};
}

struct bytes {
    uint8_t data[2048];
    size_t  size;
};

static void put16(struct bytes *out, unsigned value)
{
    out->data[out->size++] = (uint8_t)value;
    out->data[out->size++] = (uint8_t)(value >> 8);
}

static void put32(struct bytes *out, uint32_t value)
{
    put16(out, value & 0xFFFF);
    put16(out, value >> 16);
}

/* Reconyx HyperFire maker note: 16-bit little-endian fields (layout as exiftool documents it: Reconyx HyperFire tags). */
static void maker_note(struct bytes *out, const struct shot *shot)
{
    int64_t  days = shot->taken_at / 86400, rest = shot->taken_at % 86400, year;
    unsigned month, day;
    nj_date_from_days(days, &year, &month, &day);
    static const unsigned firmware[] = {0xF101, 3, 2, 1, 0x2012, 0x0117};
    for (size_t i = 0; i < 6; i++)
        put16(out, firmware[i]);
    put16(out, shot->n ? 'M' : 'T');
    put16(out, (unsigned)shot->k);
    put16(out, (unsigned)shot->n);
    put16(out, shot->event >> 16);
    put16(out, shot->event & 0xFFFF);
    const unsigned time[] = {(unsigned)(rest % 60), (unsigned)(rest / 60 % 60), (unsigned)(rest / 3600), month, day,
                             (unsigned)year,        (unsigned)((days + 4) % 7)};
    for (size_t i = 0; i < 7; i++)
        put16(out, time[i]);
    put16(out, (unsigned)(days % 8));
    put16(out, (unsigned)(shot->celsius * 9 / 5 + 32));
    put16(out, (unsigned)shot->celsius);
    for (size_t i = 0, end = strlen(shot->serial); i < 15; i++)
        put16(out, i < end ? (unsigned char)shot->serial[i] : 0);
    const unsigned picture[] = {128, 0, 32, 0, (unsigned)shot->infrared, 100, 8300 - shot->event % 500};
    for (size_t i = 0; i < 7; i++)
        put16(out, picture[i]);
    memset(out->data + out->size, 0, 22);
    memcpy(out->data + out->size, shot->label, strnlen(shot->label, 21));
    out->size += 22;
}

static void entry(struct bytes *out, unsigned tag, unsigned type, uint32_t count, uint32_t value)
{
    put16(out, tag);
    put16(out, type);
    put32(out, count);
    put32(out, value);
}

static void exif(struct bytes *out, const struct shot *shot)
{
    enum {
        ASCII     = 2,
        SHORT     = 3,
        LONG      = 4,
        UNDEFINED = 7,
        IFD0      = 8,
        STRINGS   = IFD0 + 2 + 4 * 12 + 4,
        EXIF_IFD  = STRINGS + 8 + 12 + 20,
        HEAP      = EXIF_IFD + 2 + 3 * 12 + 4
    };
    static struct bytes note;
    char                date[NJ_TIME_TEXT];
    note.size = 0;
    maker_note(&note, shot);
    nj_time_local(shot->taken_at, date); /* YYYY-MM-DDTHH:MM:SS to YYYY:MM:DD HH:MM:SS */
    date[4] = date[7] = ':';
    date[10]          = ' ';
    memcpy(out->data, "Exif\0\0II*\0\10\0\0\0", 14);
    out->size = 14;
    put16(out, 4);
    entry(out, 0x010F, ASCII, 8, STRINGS);
    entry(out, 0x0110, ASCII, 12, STRINGS + 8);
    entry(out, 0x0132, ASCII, 20, STRINGS + 20);
    entry(out, 0x8769, LONG, 1, EXIF_IFD);
    put32(out, 0);
    memcpy(out->data + out->size, "RECONYX\0HC500 HYPER\0", 20);
    memcpy(out->data + out->size + 20, date, 20);
    out->size += 40;
    put16(out, 3);
    entry(out, 0x9003, ASCII, 20, HEAP);
    entry(out, 0x9004, ASCII, 20, HEAP);
    entry(out, 0x927C, UNDEFINED, (uint32_t)note.size, HEAP + 20);
    put32(out, 0);
    memcpy(out->data + out->size, date, 20);
    memcpy(out->data + out->size + 20, note.data, note.size);
    out->size += 20 + note.size;
}

static JSAMPLE level(float value)
{
    return value <= 0 ? 0 : value >= 1 ? 255 : (JSAMPLE)(value * 255 + 0.5f);
}

int card_encode(struct canvas *canvas, const struct shot *shot, int quality, uint8_t **bytes, size_t *size)
{
    static struct bytes         app1;
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr       errors;
    unsigned long               length = 0;
    unsigned char              *out    = NULL;
    JSAMPLE                    *row    = malloc((size_t)canvas->width * 3);
    if (!row)
        return 0;
    burn_in(canvas, shot);
    exif(&app1, shot);
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &out, &length);
    jpeg.image_width      = (JDIMENSION)canvas->width;
    jpeg.image_height     = (JDIMENSION)canvas->height;
    jpeg.input_components = 3;
    jpeg.in_color_space   = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality, TRUE);
    jpeg.comp_info[0].v_samp_factor = 1; /* 4:2:2, as nearly all trap cameras write */
    jpeg.write_JFIF_header          = FALSE;
    jpeg_start_compress(&jpeg, TRUE);
    jpeg_write_marker(&jpeg, JPEG_APP0 + 1, app1.data, (unsigned)app1.size);
    while (jpeg.next_scanline < jpeg.image_height) {
        const struct colour *pixel = canvas->pixel + (size_t)jpeg.next_scanline * (size_t)canvas->width;
        for (int x = 0; x < canvas->width; x++) {
            row[3 * x]     = level(pixel[x].r);
            row[3 * x + 1] = level(pixel[x].g);
            row[3 * x + 2] = level(pixel[x].b);
        }
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    free(row);
    *bytes = out;
    *size  = length;
    return 1;
}
