/* uplink.h: what leaves the station: summaries of events into the outbox, and out of it by priority, within the bytes of the day.
 *
 * Review first, animals next, blanks last, the newest of each first. An item stays in the outbox until the far side has it; a failed try waits five
 * minutes, then twice as long each time, at most six hours. Events that may show people never enter it unless uplink.send_people says so. */
#ifndef NJ_UPLINK_UPLINK_H
#define NJ_UPLINK_UPLINK_H

#include "base/conf.h"
#include "db/db.h"
#include "pipeline/uplink/summary.h"

struct nj_uplink_result {
    int64_t collected;   /* events that entered the outbox */
    int64_t sent, bytes; /* items that the far side has now, bytes on the way */
    int64_t waiting;     /* items that are due and did not leave */
    int64_t bytes_left_today;
};

/* dry_run: collects, packs and counts, sends nothing and marks nothing sent. NJ_NOT_FOUND: uplink.transport is none, and it was no dry run. NJ_STOPPED: the bytes of the day are
 * used up, or the link failed (the sentence says which); the rest waits. */
nj_status nj_uplink_run(struct nj_db *db, const struct nj_conf *conf, const struct nj_summary_labels *labels, bool dry_run,
                        struct nj_uplink_result *result, struct nj_error *error);

/* The receiving side: any message of a station, or lines "NJ hex" of a radio, as one JSON object a line. */
nj_status nj_uplink_decode(const char *name, const uint8_t *bytes, size_t size, const struct nj_conf *conf,
                           const struct nj_summary_labels *labels, struct nj_text *out, struct nj_error *error);

#endif
