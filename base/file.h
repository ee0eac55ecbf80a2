/* file.h: the few things that every room does with files, each done once and safely.
 *
 * Paths are bytes as found. Nothing follows a symbolic link unless it says so. Sizes are checked before memory is asked for. */
#ifndef NJ_BASE_FILE_H
#define NJ_BASE_FILE_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* A file mapped read-only. `data` is NULL when size is 0. Owned by whoever called nj_map_open. */
struct nj_map {
    const uint8_t *data;
    size_t         size;
};

nj_status nj_map_open(const char *path, struct nj_map *out, struct nj_error *error);
void      nj_map_close(struct nj_map *map);

/* Reads a whole regular file of at most `limit` bytes. `*data` is malloc'd with a zero byte behind it; the caller frees it. */
nj_status nj_file_read(const char *path, size_t limit, uint8_t **data, size_t *size, struct nj_error *error);

/* Replaces `path` as one step: writes beside it, fsync, rename, fsync of the folder. After a cut either the old or the new file is there. */
nj_status nj_file_write_atomic(const char *path, const void *data, size_t size, struct nj_error *error);

/* An atomic write in portions. Between open and commit the bytes go to `temporary`, a name beside `path`. Without commit, _abort removes it.
 * Where `path` is a device or a pipe (/dev/stdout, /dev/null) there is no such name: bytes go straight to it. */
struct nj_atomic_file {
    int  fd;
    char path[4096];
    char temporary[4160]; /* "" for a stream */
};

nj_status nj_atomic_open(const char *path, struct nj_atomic_file *out, struct nj_error *error);
nj_status nj_atomic_write(struct nj_atomic_file *file, const void *data, size_t size, struct nj_error *error);
nj_status nj_atomic_commit(struct nj_atomic_file *file, struct nj_error *error);
void      nj_atomic_abort(struct nj_atomic_file *file);

/* Makes the entry of `path` in its folder survive a power cut. */
nj_status nj_sync_folder_of(const char *path, struct nj_error *error);

/* Renames what is finished and synced, a file or a folder, to `path`, and syncs the folder around it. A file that cannot be renamed is removed. */
nj_status nj_put_in_place(const char *from, const char *path, struct nj_error *error);

/* Makes `path` and the folders above it, mode 0755. */
nj_status nj_make_folders(const char *path, struct nj_error *error);

/* Joins `folder` and `name` with one slash into out[size]; false if it does not fit. */
bool nj_path_join(char *out, size_t size, const char *folder, const char *name);

/* Writes `path` as seen from NIGHTJAR_SYSROOT (the root of a test or of a simulator; "" on a station) into out[size].
 * sysfs, /dev, /run and the default paths of the settings go through this; paths that a user gave on the command line do not. */
bool nj_sysroot_path(char *out, size_t size, const char *path);

#endif
