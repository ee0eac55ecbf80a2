/* intake.h: reads the files that a walk found: content hash, metadata, and whether it is a picture that can be used.
 *
 * A file is read once, in portions, straight into the memory that it shares with a picture process (picture/worker.h), while its SHA-256 is taken on
 * the way. Several picture processes work while the next file is read, so a card is taken in at the speed of its reader. Results come in the
 * order in which the files were given. Nothing is kept of a file after its result: memory does not grow with the card. */
#ifndef NJ_INGEST_INTAKE_H
#define NJ_INGEST_INTAKE_H

#include "pipeline/ingest/burst.h"
#include "pipeline/ingest/walk.h"
#include "pipeline/picture/examine.h"
#include "pipeline/picture/metadata.h"

#include "base/status.h"

enum nj_intake_verdict {
    NJ_INTAKE_READY,    /* a picture; `reason` may say what is odd about it */
    NJ_INTAKE_REJECTED, /* should be a picture and cannot be used */
    NJ_INTAKE_IGNORED,  /* not a picture */
    NJ_INTAKE_CHANGING  /* changed while it was read: look again later */
};

struct nj_intake_file {
    /* as the walk gave it */
    const char *path;
    size_t      path_size;
    int64_t     bytes, mtime_ns;
    uint64_t    inode;
    int64_t     user; /* the caller's own */
    /* what was found */
    enum nj_intake_verdict verdict;
    char                   reason[NJ_EXAMINE_TEXT + 64];
    bool                   unread;     /* the card would not give its bytes: worth another try */
    bool                   unfinished; /* not a whole picture, which it may become if it is still being written */
    char                   hash[65];   /* SHA-256 in hex; "" if it was not read to its end */
    struct nj_metadata     metadata;
    int64_t                taken_at; /* from EXIF or maker note, else from the name, else the time of the file */
    enum nj_time_source    source;
    char                   camera[NJ_CAMERA_TEXT];
};

/* The file as grouping sees it; path and camera are borrowed from *file. The time of the file is no time of the picture: copying changes it. */
struct nj_frame nj_intake_frame(const struct nj_intake_file *file);

typedef nj_status nj_on_intake(void *user, const struct nj_intake_file *file, struct nj_error *error);

struct nj_intake;

/* `processes`: picture processes at most, 0 = one per core, at most 4; each starts when it is first needed. */
nj_status nj_intake_open(unsigned processes, nj_on_intake *callback, void *user, struct nj_intake **out, struct nj_error *error);
void      nj_intake_close(struct nj_intake *intake);

/* Reads the entry. The callback may be called for files given earlier; its failure, or that of a picture process that cannot be started, is
 * returned and ends the intake. What is wrong with the file itself is a verdict, not a failure. */
nj_status nj_intake_give(struct nj_intake *intake, const struct nj_walk_entry *entry, int64_t user, struct nj_error *error);

/* Waits for all that is still being read. */
nj_status nj_intake_flush(struct nj_intake *intake, struct nj_error *error);

#endif
