/* scan.h: from cards that are there to rows in the database: the truth that inotify only hints at.
 *
 * A scan lists every file of every card, reads those that are new or changed, writes a row with outcome and reason for each, and groups what is ready
 * into bursts. It keeps nothing in memory between scans: what is unfinished stands in the database, and any scan may be the last.
 *
 *   file     unchanged (size, time, and inode where the file system keeps it): not read again
 *            not a whole picture and changed lately: `seen`, for a later scan; once gap + settle have passed: rejected
 *            the same content as a ready file of this card: ignored, with the name of that file
 *   burst    ready when k = n, when it is full, when it stands alone, or when gap + settle have passed since its newest file came; until then open.
 *            While a folder holds a file that is still being written, its bursts stay open: the file may belong to one
 *
 * Originals are only read. Writes are committed in batches, about one a second. */
#ifndef NJ_INGEST_SCAN_H
#define NJ_INGEST_SCAN_H

#include "base/clock.h"
#include "base/status.h"
#include "db/db.h"
#include "pipeline/ingest/burst.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct nj_scan_options {
    const char                  *cards; /* glob of folders, each one card */
    struct nj_burst_rules        rules;
    double                       settle_seconds;
    bool                         patient; /* also wait gap + settle from the moment a file was first seen: for who will scan again anyway */
    const struct nj_clock       *clock;   /* NULL: nj_clock_system() */
    const volatile sig_atomic_t *stop;    /* set: finish the file at hand, commit, return NJ_STOPPED. May be NULL */
    void (*alive)(void *arg);             /* called once a file: for who watches over this process. May be NULL */
    void *alive_arg;
};

struct nj_scan_result {
    int64_t cards, failed_cards;               /* found; stopped being readable on the way (named in the log) */
    int64_t files, read;                       /* entries listed; files that were opened */
    int64_t ready, rejected, ignored, pending; /* verdicts of this scan */
    int64_t bursts_ready, bursts_open;
    int64_t wait_ms; /* 0, or: scan again after this time, then what is pending or open now will have settled */
};

/* One scan of all cards. Whoever scans holds the "ingest" lock of `database` (its path) meanwhile; NJ_STOPPED if somebody else does. */
nj_status nj_scan(struct nj_db *db, const char *database, const struct nj_scan_options *options, struct nj_scan_result *result,
                  struct nj_error *error);

/* Scans, and waits and scans again until nothing is pending or open, or new files have kept coming for four times gap + settle. */
nj_status nj_scan_settled(struct nj_db *db, const char *database, const struct nj_scan_options *options, struct nj_scan_result *result,
                          struct nj_error *error);

#endif
