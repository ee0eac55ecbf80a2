/* worker.h: the picture process. All parsing of JPEG and EXIF that comes from a card happens in a child that can do nothing else.
 *
 * The child is forked at the first request and again after it died. It shares two stretches of memory with its parent (file in, pixels out) and
 * one socket; sandbox.h takes everything else away: no files, no network, limited memory; the parent limits its time. If it crashes, hangs
 * or reaches for what is forbidden, that is the outcome of the file at hand, with a reason, and the next file gets a fresh child. What it answers is not
 * trusted either.
 *
 * Where the kernel gives no seccomp filter (qemu-user, some old kernels) the worker says so once in the log and goes on with limits alone.
 *
 * One worker serves one caller at a time. Open it before threads are started where possible; forking later is safe with glibc. */
#ifndef NJ_PICTURE_WORKER_H
#define NJ_PICTURE_WORKER_H

#include "pipeline/picture/examine.h"
#include "pipeline/picture/metadata.h"
#include "pipeline/picture/picture.h"

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct nj_worker;

struct nj_worker_limits {  /* 0: the default */
    size_t   file_bytes;   /* largest picture file (64 MiB) */
    size_t   memory_bytes; /* that the child may ask for (1 GiB) */
    unsigned cpu_seconds;  /* for one picture (60) */
    unsigned wall_ms;      /* for one picture (180,000): it hangs */
    bool     quiet;        /* another worker has already said that there is no filter */
};

/* Forks the child. `limits` may be NULL. The caller owns *out. */
nj_status nj_worker_open(const struct nj_worker_limits *limits, struct nj_worker **out, struct nj_error *error);
void      nj_worker_close(struct nj_worker *worker);

/* Where the caller puts the bytes of a file: nj_worker_file_limit bytes, shared with the child. Do not write while a request runs. */
uint8_t *nj_worker_input(struct nj_worker *worker);
size_t   nj_worker_file_limit(const struct nj_worker *worker);

/* Metadata, verdict and small luma picture of the first `size` bytes of the input. A dead child is a verdict, too.
 *   *luma      [small_height][small_width], valid until the next request; NULL if there is none. `luma` may be NULL
 * Fails only when no child can be started. */
nj_status nj_worker_examine(struct nj_worker *worker, size_t size, struct nj_metadata *metadata, struct nj_examination *out,
                            const uint8_t **luma, struct nj_error *error);

/* The same in two steps, so that the caller can read the next file into another worker meanwhile. */
nj_status nj_worker_examine_begin(struct nj_worker *worker, size_t size, struct nj_error *error);
void      nj_worker_examine_end(struct nj_worker *worker, struct nj_metadata *metadata, struct nj_examination *out, const uint8_t **luma);

/* nj_picture_decode in the child, of the first `size` bytes of the input. `name` only appears in sentences. */
nj_status nj_worker_pixels(struct nj_worker *worker, const char *name, size_t size, bool partial_ok, struct nj_picture *out,
                           struct nj_error *error);

/* nj_picture_decode_small in the child. */
nj_status nj_worker_small(struct nj_worker *worker, const char *name, size_t size, uint32_t side, struct nj_picture *out,
                          struct nj_error *error);

/* Whether the filter is in place, and the child's process id; 0 while there is none. For `doctor` and for tests. */
bool  nj_worker_protected(const struct nj_worker *worker);
pid_t nj_worker_pid(const struct nj_worker *worker);

#endif
