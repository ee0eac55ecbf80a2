#include "pipeline/picture/metadata.h"

#include "base/clock.h"
#include "base/text.h"

#include <libexif/exif-data.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *nj_time_source_name(enum nj_time_source source)
{
    static const char *const names[] = {NULL, "exif", "makernote", "name", "mtime"};
    return names[source];
}

const char *nj_trigger_name(enum nj_trigger trigger)
{
    static const char *const names[] = {"unknown", "motion", "timelapse"};
    return names[trigger];
}

int64_t nj_metadata_time(unsigned year, unsigned month, unsigned day, unsigned hour, unsigned minute, unsigned second)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool                       leap   = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (year < 1900 || year > 9999 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59)
        return NJ_TIME_UNKNOWN;
    if (day < 1 || day > days[month - 1] + (unsigned)(leap && month == 2))
        return NJ_TIME_UNKNOWN;
    return nj_days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
}

void nj_metadata_text(char *out, size_t out_size, const uint8_t *bytes, size_t size)
{
    static const char hex[]  = "0123456789abcdef";
    const uint8_t    *end    = size ? memchr(bytes, 0, size) : NULL;
    size_t            length = 0;
    size                     = end ? (size_t)(end - bytes) : size;
    while (size && (*bytes <= ' '))
        bytes++, size--;
    while (size && bytes[size - 1] <= ' ')
        size--;
    for (size_t i = 0; i < size;) {
        size_t count = bytes[i] < ' ' || bytes[i] == 0x7f ? 0 : nj_utf8_length(bytes + i, size - i, NULL);
        if (length + (count ? count : 4) >= out_size)
            break;
        if (count)
            memcpy(out + length, bytes + i, count);
        else
            memcpy(out + length, (char[]){'\\', 'x', hex[bytes[i] >> 4], hex[bytes[i] & 15]}, 4);
        length += count ? count : 4;
        i += count ? count : 1;
    }
    while (length && out[length - 1] == ' ') /* a blank in the middle may have come to stand at the end */
        length--;
    out[length] = 0;
}

void nj_metadata_camera(const struct nj_metadata *metadata, char out[NJ_CAMERA_TEXT])
{
    const struct nj_metadata *m = metadata;
    if (m->serial[0])
        snprintf(out, NJ_CAMERA_TEXT, "%s", m->serial);
    else
        snprintf(out, NJ_CAMERA_TEXT, "%s%s%s", m->make, m->make[0] && m->model[0] ? " " : "", m->model);
}

static void distrust_text(char *text, size_t size)
{
    char copy[128];
    memcpy(copy, text, size);
    nj_metadata_text(text, size, (const uint8_t *)copy, size);
}

void nj_metadata_distrust(struct nj_metadata *m)
{
    distrust_text(m->make, sizeof m->make);
    distrust_text(m->model, sizeof m->model);
    distrust_text(m->software, sizeof m->software);
    distrust_text(m->serial, sizeof m->serial);
    distrust_text(m->label, sizeof m->label);
    distrust_text(m->comment, sizeof m->comment);
    bool dated = m->taken_at >= nj_metadata_time(1900, 1, 1, 0, 0, 0) && m->taken_at <= nj_metadata_time(9999, 12, 31, 23, 59, 59);
    if (!dated || (m->source != NJ_TIME_EXIF && m->source != NJ_TIME_MAKERNOTE)) {
        m->taken_at = NJ_TIME_UNKNOWN;
        m->source   = NJ_TIME_NONE;
    }
    if (m->trigger != NJ_TRIGGER_MOTION && m->trigger != NJ_TRIGGER_TIMELAPSE)
        m->trigger = NJ_TRIGGER_UNKNOWN;
    if (m->k > m->n)
        m->k = m->n = 0;
    if (m->orientation > 8)
        m->orientation = 0;
    if (!(fabs(m->latitude) <= 90 && fabs(m->longitude) <= 180))
        m->has_position = false;
}

/* ---- EXIF ---- */

/* The bytes of one entry as libexif kept them; NULL if it is absent. */
static const ExifEntry *entry(ExifData *exif, ExifIfd ifd, unsigned tag)
{
    ExifEntry *found = exif_content_get_entry(exif->ifd[ifd], (ExifTag)tag);
    return found && found->data && found->size ? found : NULL;
}

static void text(ExifData *exif, ExifIfd ifd, unsigned tag, char *out, size_t out_size)
{
    const ExifEntry *found = entry(exif, ifd, tag);
    if (found && found->format == EXIF_FORMAT_ASCII)
        nj_metadata_text(out, out_size, found->data, found->size);
}

/* "YYYY:MM:DD HH:MM:SS"; the separators differ between makers and are not looked at, digits must be where they belong. */
static int64_t date(ExifData *exif, ExifIfd ifd, unsigned tag)
{
    static const unsigned char start[] = {0, 5, 8, 11, 14, 17};
    const ExifEntry           *found   = entry(exif, ifd, tag);
    unsigned                   part[6];
    if (!found || found->size < 19)
        return NJ_TIME_UNKNOWN;
    for (size_t i = 0; i < 6; i++) {
        size_t digits = i == 0 ? 4 : 2;
        part[i]       = 0;
        for (size_t j = start[i]; j < start[i] + digits; j++) {
            if (found->data[j] < '0' || found->data[j] > '9')
                return NJ_TIME_UNKNOWN;
            part[i] = part[i] * 10 + (found->data[j] - '0');
        }
    }
    return nj_metadata_time(part[0], part[1], part[2], part[3], part[4], part[5]);
}

static double degrees(ExifData *exif, unsigned tag, unsigned reference, char negative)
{
    const ExifEntry *found = entry(exif, EXIF_IFD_GPS, tag), *side = entry(exif, EXIF_IFD_GPS, reference);
    double           value = 0, unit = 1;
    if (!found || found->format != EXIF_FORMAT_RATIONAL || found->size < 24)
        return NAN;
    for (unsigned i = 0; i < 3; i++, unit *= 60) {
        ExifRational part = exif_get_rational(found->data + 8 * i, exif_data_get_byte_order(exif));
        if (!part.denominator && part.numerator)
            return NAN;
        value += part.denominator ? part.numerator / (double)part.denominator / unit : 0;
    }
    return side && side->data[0] == negative ? -value : value;
}

static void position(ExifData *exif, struct nj_metadata *out)
{
    out->latitude     = degrees(exif, EXIF_TAG_GPS_LATITUDE, EXIF_TAG_GPS_LATITUDE_REF, 'S');
    out->longitude    = degrees(exif, EXIF_TAG_GPS_LONGITUDE, EXIF_TAG_GPS_LONGITUDE_REF, 'W');
    out->has_position = fabs(out->latitude) <= 90 && fabs(out->longitude) <= 180;
}

/* UserComment begins with eight bytes that name its character code; many cameras put binary data of their own there instead. */
static void comment(ExifData *exif, struct nj_metadata *out)
{
    const ExifEntry *found = entry(exif, EXIF_IFD_EXIF, EXIF_TAG_USER_COMMENT);
    if (found && found->size > 8 && !memcmp(found->data, "ASCII\0\0", 8))
        nj_metadata_text(out->comment, sizeof out->comment, found->data + 8, found->size - 8);
}

static void take_time(struct nj_metadata *out, int64_t taken_at, enum nj_time_source source)
{
    if (out->source != NJ_TIME_NONE || taken_at == NJ_TIME_UNKNOWN)
        return;
    out->taken_at = taken_at;
    out->source   = source;
}

static void read_exif(const uint8_t *block, size_t size, struct nj_metadata *out)
{
    ExifData *exif = exif_data_new();
    if (!exif)
        return;
    /* libexif would add and mend entries so that the block obeys the standard; we want what the camera wrote. */
    exif_data_unset_option(exif, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
    exif_data_set_option(exif, EXIF_DATA_OPTION_DONT_CHANGE_MAKER_NOTE);
    exif_data_load_data(exif, block, (unsigned)size);
    text(exif, EXIF_IFD_0, EXIF_TAG_MAKE, out->make, sizeof out->make);
    text(exif, EXIF_IFD_0, EXIF_TAG_MODEL, out->model, sizeof out->model);
    text(exif, EXIF_IFD_0, EXIF_TAG_SOFTWARE, out->software, sizeof out->software);
    const ExifEntry *turn = entry(exif, EXIF_IFD_0, EXIF_TAG_ORIENTATION);
    if (turn && turn->format == EXIF_FORMAT_SHORT && turn->size >= 2)
        out->orientation = exif_get_short(turn->data, exif_data_get_byte_order(exif));
    if (out->orientation > 8)
        out->orientation = 0;
    comment(exif, out);
    position(exif, out);
    /* The EXIF dates are the camera's public word; its own note comes next, and the "last changed" date only where both are silent. */
    take_time(out, date(exif, EXIF_IFD_EXIF, EXIF_TAG_DATE_TIME_ORIGINAL), NJ_TIME_EXIF);
    take_time(out, date(exif, EXIF_IFD_EXIF, EXIF_TAG_DATE_TIME_DIGITIZED), NJ_TIME_EXIF);
    int64_t          noted = NJ_TIME_UNKNOWN;
    const ExifEntry *note  = entry(exif, EXIF_IFD_EXIF, EXIF_TAG_MAKER_NOTE);
    if (note && nj_metadata_reconyx(note->data, note->size, out, &noted))
        take_time(out, noted, NJ_TIME_MAKERNOTE);
    take_time(out, date(exif, EXIF_IFD_0, EXIF_TAG_DATE_TIME), NJ_TIME_EXIF);
    exif_data_unref(exif);
}

/* ---- JPEG segments ---- */

static bool is_frame_header(uint8_t marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

/* Walks the segments up to the first scan. Bytes between segments are skipped, as libjpeg does. */
void nj_metadata_read(const uint8_t *jpeg, size_t size, struct nj_metadata *out)
{
    bool exif_seen = false;
    *out           = (struct nj_metadata){.taken_at = NJ_TIME_UNKNOWN, .celsius = NJ_CELSIUS_UNSET};
    if (size < 4 || jpeg[0] != 0xff || jpeg[1] != 0xd8)
        return;
    for (size_t at = 2; at + 4 <= size;) {
        uint8_t marker = jpeg[at + 1];
        if (jpeg[at] != 0xff || marker == 0xff || marker == 0) {
            at++;
            continue;
        }
        if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
            at += 2;
            continue;
        }
        if (marker == 0xd9 || marker == 0xda)
            return;
        size_t         length = (size_t)jpeg[at + 2] << 8 | jpeg[at + 3];
        const uint8_t *body   = jpeg + at + 4;
        if (length < 2)
            return;
        bool whole = length <= size - at - 2;
        length     = whole ? length - 2 : size - at - 4;
        if (is_frame_header(marker) && length >= 5 && !out->width) {
            out->height = (uint32_t)body[1] << 8 | body[2];
            out->width  = (uint32_t)body[3] << 8 | body[4];
        } else if (marker == 0xe1 && !exif_seen && length > 6 && !memcmp(body, "Exif\0", 6)) {
            exif_seen = true;
            read_exif(body, length, out);
        }
        if (!whole)
            return;
        at += 4 + length;
    }
}
