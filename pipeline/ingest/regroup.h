/* regroup.h: brings the bursts of one card in the database up to date with its ready files.
 *
 * Frames that are in no burst, or in one that is still open, are grouped afresh (burst.h); what has left `open` is never touched. */
#ifndef NJ_INGEST_REGROUP_H
#define NJ_INGEST_REGROUP_H

#include "base/status.h"
#include "db/db.h"
#include "pipeline/ingest/burst.h"

#include <stdbool.h>
#include <stdint.h>

/* A file that is not whole, or cannot be read, so long after it was first seen does not keep the bursts of its folder open any more. */
#define NJ_UNFINISHED_MS 600000

struct nj_regroup {
    int64_t               card;
    struct nj_burst_rules rules;
    int64_t               now_ms;    /* station's clock */
    int64_t               window_ms; /* gap + settle: how long after its newest frame a burst may still grow */
    bool                  patient;   /* count that from when a frame was first seen, too, not only from the time of its file */
    /* out */
    int64_t ready, open; /* bursts written */
    int64_t wait_ms;     /* until the open ones will have settled; 0 if none waits for time */
};

nj_status nj_regroup(struct nj_db *db, struct nj_regroup *regroup, struct nj_error *error);

/* Milliseconds for which something that happened at `then_ms` must still be taken to go on; 0: it is over. A time in the future was written by a
 * clock that is not ours: it is over. */
int64_t nj_still_going(int64_t then_ms, int64_t now_ms, int64_t window_ms);

#endif
