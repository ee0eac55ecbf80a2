/* walk.h: lists the files of a card without ever leaving it.
 *
 * Folders are opened one below the other by descriptor, symbolic links are never followed, other file systems never entered, access times left
 * alone where the owner may do so. Every entry is told exactly once, in a fixed order: the files of a folder, shorter names first, then its
 * subfolders. Memory: the names of one folder for each level. */
#ifndef NJ_INGEST_WALK_H
#define NJ_INGEST_WALK_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define NJ_WALK_DEPTH        32      /* folders below which files are no longer taken for pictures */
#define NJ_WALK_MAX_DEPTH    256     /* folders below which nothing is listed */
#define NJ_WALK_FOLDER_FILES 200000  /* entries of one folder */
#define NJ_WALK_FILES        1000000 /* entries of one card */

/* One entry. Valid during the callback. */
struct nj_walk_entry {
    const char *path; /* relative to the card, bytes as found, zero-terminated */
    size_t      path_size;
    const char *name;   /* its last component */
    int         folder; /* descriptor of its folder: openat(folder, name, …) */
    int64_t     bytes, mtime_ns;
    uint64_t    device, inode;
    const char *ignored; /* why it cannot be a picture (a link, a video, …); NULL: it may be one */
};

/* Any status but NJ_OK ends the walk and is returned. */
typedef nj_status nj_on_entry(void *user, const struct nj_walk_entry *entry, struct nj_error *error);

/* Walks the folder `directory`. NJ_NOT_FOUND if it is not there (any more); NJ_ERROR if it stops being readable on the way (card pulled out) or
 * holds more than the limits above. */
nj_status nj_walk(const char *directory, nj_on_entry *callback, void *user, struct nj_error *error);

/* The same walk for the folders alone, the card's own first: `path` is relative to it ("" or "DCIM/100RECNX/"). Valid during the callback. */
typedef nj_status nj_on_folder(void *user, const char *path, struct nj_error *error);
nj_status         nj_walk_folders(const char *directory, nj_on_folder *callback, void *user, struct nj_error *error);

/* Opens the entry for reading: the file that was listed and no other, never a link, never waiting for a FIFO, its access time untouched where
 * that is allowed. A descriptor, or -1 with errno (ESTALE: it is another file now). */
int nj_walk_open(const struct nj_walk_entry *entry);

#endif
