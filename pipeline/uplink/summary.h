/* summary.h: one event in as few bytes as its link allows.
 *
 * Two forms of the same facts. JSON, for links that carry batches (a directory, MQTT):
 *   {"id":"NJ0123456789","t":"2015-05-01T06:40:15","b":0,"p":2,"d":[["zebra","3",5,1,3]]}
 *   b blank 0/1, p priority 0 none 1 medium 2 high, d detections: label, count bin, behaviours as bits (standing 1, resting 2, moving 4, eating 8,
 *   interacting 16), young 0/1, confidence 0 unknown 1 low 2 medium 3 high
 * Packed, for radio: 11 bytes with up to two detections (the worst LoRaWAN rate), 13 with three. From the most significant bit:
 *   version 3 (=1) · serial number 13 · minutes since 2010-01-01 of the camera's clock 24, all ones if unknown · blank 1 · cut 1 (more was seen) ·
 *   priority 2 · detections 2 · each: species 6, bin 4, behaviours 5, young 1, confidence 2
 * The time is kept to the minute, the id is left out: the serial number and the station name the event to who has the database.
 *
 * Labels are numbered by a table that the caller passes: this room knows no animals. */
#ifndef NJ_UPLINK_SUMMARY_H
#define NJ_UPLINK_SUMMARY_H

#include "base/json.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

#define NJ_SUMMARY_DETECTIONS 4
#define NJ_SUMMARY_MAX_BYTES  13
#define NJ_SUMMARY_NO_TIME    INT64_MIN

struct nj_summary_detection {
    char     label[64], bin[8]; /* bin "" if not known */
    unsigned behaviors;         /* bits as above */
    bool     young;
    unsigned confidence; /* 0..3 as above */
};

struct nj_summary {
    char                        id[16]; /* "" after unpacking */
    unsigned                    serial; /* 0..8191; of the packed form */
    int64_t                     time;   /* seconds since 1970 of the camera's clock; NJ_SUMMARY_NO_TIME */
    bool                        blank, cut;
    unsigned                    priority; /* 0..2 as above */
    struct nj_summary_detection detections[NJ_SUMMARY_DETECTIONS];
    unsigned                    detection_count;
};

/* The labels that a packed record can name, at most 63; index 63 stands for any other. */
struct nj_summary_labels {
    const char *const *label;
    unsigned           count;
};

void      nj_summary_to_json(const struct nj_summary *summary, struct nj_text *out);
nj_status nj_summary_from_json(const json_t *json, struct nj_summary *out, struct nj_error *error);

/* Writes at most `room` bytes (11 or more) and returns how many; detections that do not fit are left out and `cut` is set in the bytes. */
size_t nj_summary_pack(const struct nj_summary *summary, const struct nj_summary_labels *labels, uint8_t *out, size_t room);

/* Reads one packed record. Fails on a length or version that is none. */
nj_status nj_summary_unpack(const uint8_t *bytes, size_t size, const struct nj_summary_labels *labels, struct nj_summary *out,
                            struct nj_error *error);

#endif
