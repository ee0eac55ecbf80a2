/* metadata.h: what a camera wrote into a JPEG about itself: when, which camera, which picture of which trigger.
 *
 * Reads the size from the frame header, EXIF through libexif, and the maker notes in which Reconyx cameras say "picture k of n of event e". Other
 * trap cameras (Bushnell, ScoutGuard, Cuddeback, Moultrie, Browning) say nothing about their triggers: their EXIF is read, their maker notes are
 * left alone. Everything is kept as read; what is absent, blank or impossible stays unset. Nothing here fails and nothing is invented.
 *
 * The bytes are hostile: this runs in the picture process (worker.h). The result is plain data, so that it can cross over shared memory. */
#ifndef NJ_PICTURE_METADATA_H
#define NJ_PICTURE_METADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NJ_TIME_UNKNOWN  INT64_MIN
#define NJ_CELSIUS_UNSET INT16_MIN

enum nj_time_source { NJ_TIME_NONE, NJ_TIME_EXIF, NJ_TIME_MAKERNOTE, NJ_TIME_NAME, NJ_TIME_MTIME };

enum nj_trigger { NJ_TRIGGER_UNKNOWN, NJ_TRIGGER_MOTION, NJ_TRIGGER_TIMELAPSE };

struct nj_metadata {
    uint32_t            width, height; /* pixels as stored, before orientation; 0, 0 if there is no frame header */
    int64_t             taken_at;      /* seconds since 1970 on the camera's own clock; NJ_TIME_UNKNOWN */
    enum nj_time_source source;        /* EXIF, MAKERNOTE or NONE here; the others are known only to those who see the file */
    enum nj_trigger     trigger;
    bool                sequenced;   /* the camera numbers the pictures of a trigger: k, n and event are its own words */
    uint16_t            k, n;        /* picture k of n of this trigger, from 1; 0, 0 for time-lapse */
    uint32_t            event;       /* the camera's number of the trigger */
    int16_t             celsius;     /* inside the camera; NJ_CELSIUS_UNSET */
    uint16_t            orientation; /* EXIF 1..8; 0 if not said */
    bool                has_position;
    double              latitude, longitude; /* degrees, as read: cameras without a receiver write 0, 0 */

    /* UTF-8, zero-terminated, without blanks around it; other bytes as \xHH. "" if not said. */
    char make[64], model[64], software[64], serial[64], label[64];
    char comment[128]; /* UserComment, where it is text (Cuddeback) */
};

/* Reads all that `jpeg` says. Cut or corrupt input gives what comes before the damage. */
void nj_metadata_read(const uint8_t *jpeg, size_t size, struct nj_metadata *out);

/* Makes every member lawful (strings ended and printable, numbers in range) when *metadata comes from a process that is not trusted. */
void nj_metadata_distrust(struct nj_metadata *metadata);

/* What tells cameras apart: the serial number, else make and model, else "". */
#define NJ_CAMERA_TEXT 136
void nj_metadata_camera(const struct nj_metadata *metadata, char out[NJ_CAMERA_TEXT]);

/* "exif", "makernote", "name", "mtime"; NULL for NJ_TIME_NONE. "motion", "timelapse", "unknown". */
const char *nj_time_source_name(enum nj_time_source source);
const char *nj_trigger_name(enum nj_trigger trigger);

/* ---- for the readers of this module ---- */

/* Fills what a Reconyx maker note says; false if `note` is none. Offsets and formats: exiftool's tables for HyperFire (id 0xf101), UltraFire
 * ("RECONYXUF") and HyperFire 2 ("RECONYXH2"), checked against files of those cameras. */
bool nj_metadata_reconyx(const uint8_t *note, size_t size, struct nj_metadata *out, int64_t *taken_at);

/* Seconds since 1970 of a date on the calendar; NJ_TIME_UNKNOWN if it is none (month 13, 30 February, all zeros, years before 1900). */
int64_t nj_metadata_time(unsigned year, unsigned month, unsigned day, unsigned hour, unsigned minute, unsigned second);

/* Text of a camera: stops at the first zero byte, trims blanks, keeps UTF-8, writes every other byte as \xHH. */
void nj_metadata_text(char *out, size_t out_size, const uint8_t *bytes, size_t size);

#endif
