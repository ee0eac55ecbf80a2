#include "pipeline/picture/metadata.h"

#include <string.h>

/* A field that reaches past the end of the note reads as 0: cut notes give what is there. */
struct note {
    const uint8_t *bytes;
    size_t         size;
};

static unsigned u8(struct note note, size_t at)
{
    return at < note.size ? note.bytes[at] : 0;
}

static unsigned u16(struct note note, size_t at)
{
    return u8(note, at) | u8(note, at + 1) << 8;
}

static const uint8_t *field(struct note note, size_t at, size_t *size)
{
    *size = at >= note.size ? 0 : *size < note.size - at ? *size : note.size - at;
    return note.bytes + (*size ? at : 0);
}

static void ascii(char *out, size_t out_size, struct note note, size_t at, size_t size)
{
    const uint8_t *bytes = field(note, at, &size);
    nj_metadata_text(out, out_size, bytes, size);
}

/* Serial numbers are letters and digits in UTF-16; a unit beyond Latin is no part of one and shows as its two bytes. */
static void utf16(char *out, size_t out_size, struct note note, size_t at, size_t units)
{
    uint8_t narrow[32];
    size_t  count = 0;
    for (size_t i = 0; i < units && count + 2 <= sizeof narrow; i++) {
        unsigned unit = u16(note, at + 2 * i);
        if (!unit)
            break;
        if (unit > 0xff)
            narrow[count++] = (uint8_t)(unit >> 8);
        narrow[count++] = (uint8_t)unit;
    }
    nj_metadata_text(out, out_size, narrow, count);
}

/* An external sensor triggers as motion does; "point and shoot" and "code not entered" are the handler's doing. */
static enum nj_trigger trigger(unsigned mode)
{
    return mode == 'M' || mode == 'E' ? NJ_TRIGGER_MOTION : mode == 'T' ? NJ_TRIGGER_TIMELAPSE : NJ_TRIGGER_UNKNOWN;
}

static void sequence(struct nj_metadata *out, unsigned mode, unsigned k, unsigned n, uint32_t event)
{
    out->trigger   = trigger(mode);
    out->event     = event;
    out->sequenced = out->trigger == NJ_TRIGGER_TIMELAPSE || (k >= 1 && k <= n);
    if (out->sequenced && k <= n) {
        out->k = (uint16_t)k;
        out->n = (uint16_t)n;
    }
    /* "0 of 0" is how every Reconyx marks a time-lapse picture, also where the mode says nothing. */
    if (mode == 0 && k == 0 && n == 0 && event)
        out->trigger = NJ_TRIGGER_TIMELAPSE, out->sequenced = true;
}

static int64_t time16(struct note note, size_t at)
{
    unsigned part[6]; /* second, minute, hour, month, day, year */
    for (size_t i = 0; i < 6; i++)
        part[i] = u16(note, at + 2 * i);
    /* Some firmware wrote the date big-endian into a note that is little-endian. */
    if ((part[0] & 0xff00) && !(part[0] & 0xff))
        for (size_t i = 0; i < 6; i++)
            part[i] = part[i] >> 8 | (part[i] & 0xff) << 8;
    return nj_metadata_time(part[5], part[3], part[4], part[2], part[1], part[0]);
}

static int16_t celsius(struct note note, size_t at)
{
    return at + 2 <= note.size ? (int16_t)u16(note, at) : NJ_CELSIUS_UNSET;
}

static int64_t hyperfire(struct note note, struct nj_metadata *out)
{
    sequence(out, u8(note, 0x0c), u16(note, 0x0e), u16(note, 0x10), (uint32_t)u16(note, 0x12) << 16 | u16(note, 0x14));
    out->celsius = celsius(note, 0x28);
    utf16(out->serial, sizeof out->serial, note, 0x2a, 15);
    ascii(out->label, sizeof out->label, note, 0x56, 22);
    return time16(note, 0x16);
}

static int64_t hyperfire2(struct note note, struct nj_metadata *out)
{
    sequence(out, u8(note, 0x34), u16(note, 0x36), u16(note, 0x38), (uint32_t)u16(note, 0x3a) << 16 | u16(note, 0x3c));
    out->celsius = celsius(note, 0x50);
    ascii(out->label, sizeof out->label, note, 0x68, 22);
    utf16(out->serial, sizeof out->serial, note, 0x7e, 15);
    return time16(note, 0x3e); /* month before day, as in the first HyperFire */
}

static int64_t ultrafire(struct note note, struct nj_metadata *out)
{
    sequence(out, u8(note, 0x34), u8(note, 0x35), u8(note, 0x36), (uint32_t)u16(note, 0x39) << 16 | u16(note, 0x37));
    out->celsius = celsius(note, 0x46);
    ascii(out->serial, sizeof out->serial, note, 0x4b, 15);
    ascii(out->label, sizeof out->label, note, 0x5a, 21);
    /* day before month: the other way round than in the HyperFires */
    return nj_metadata_time(u16(note, 0x40), u8(note, 0x3f), u8(note, 0x3e), u8(note, 0x3d), u8(note, 0x3c), u8(note, 0x3b));
}

bool nj_metadata_reconyx(const uint8_t *bytes, size_t size, struct nj_metadata *out, int64_t *taken_at)
{
    struct note note = {bytes, size};
    /* 0xf101 alone could begin anybody's note: the firmware's major number (2, 3) or the make must agree. */
    unsigned firmware = u16(note, 2);
    if (size >= 0x2a && u16(note, 0) == 0xf101 && (firmware == 2 || firmware == 3 || !strcmp(out->make, "RECONYX")))
        *taken_at = hyperfire(note, out);
    else if (size >= 0x52 && !memcmp(bytes, "RECONYXH2", 10))
        *taken_at = hyperfire2(note, out);
    else if (size >= 0x48 && !memcmp(bytes, "RECONYXUF", 10))
        *taken_at = ultrafire(note, out);
    else
        return false;
    return true;
}
