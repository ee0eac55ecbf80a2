/* name.h: what a file's name alone says: its number, its time, and whether it can be a picture at all.
 *
 * Names are bytes as found. Nothing here opens a file. */
#ifndef NJ_INGEST_NAME_H
#define NJ_INGEST_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The number that a camera gave the picture: the last run of digits in the name, without extension, without a copy's " (2)", and without a date
 * (of "20210630_123456_007.jpg" it is 7). Counts as a number: 100 comes after 99. */
struct nj_name_number {
    bool     known;
    uint64_t value;
    unsigned digits; /* as written, with leading zeros */
};
struct nj_name_number nj_name_number(const char *name, size_t size);

/* Date and time written in the name ("IMG_20210630_123456.jpg", "2021-06-30 12-34-56.jpg"), in seconds since 1970; NJ_TIME_UNKNOWN
 * (metadata.h) if it holds none. A date without a time of day is none. */
int64_t nj_name_time(const char *name, size_t size);

/* NULL if a file of this path may be a picture, else the reason why it is ignored ("video: only pictures are read"). `path` is relative to the
 * card: what lies in a trash folder or was put together by a disk check is no picture of a camera. */
const char *nj_name_ignored(const char *path, size_t size);

/* Where the last component begins: size of "DCIM/100RECNX/" in "DCIM/100RECNX/IMG_0001.JPG", 0 if there is no folder. */
size_t nj_name_folder(const char *path, size_t size);

#endif
