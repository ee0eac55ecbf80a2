/* triage_queue.h: gives each waiting burst its first score of interest (triage.h). Pictures are decoded small in a picture process; what each camera
 * usually sees is kept in the store, by day and by infrared apart. */
#ifndef NJ_SCHEDULE_TRIAGE_QUEUE_H
#define NJ_SCHEDULE_TRIAGE_QUEUE_H

#include "db/db.h"
#include "pipeline/picture/worker.h"
#include "pipeline/schedule/triage.h"

#include <signal.h>

#define NJ_TRIAGE_DECODED 256 /* the long side of pictures is decoded to at least that */

struct nj_triage_options {
    const volatile sig_atomic_t *stop; /* may be NULL */
    void (*alive)(void *arg);          /* called once a burst; may be NULL */
    void *alive_arg;
};

/* Looks at all that wait without a score, oldest first; *looked counts them. A burst whose card is away is left for later; one that cannot be looked at gets
 * an even score and the reason. NJ_STOPPED: by a signal; what was scored is kept. */
nj_status nj_triage_waiting(struct nj_db *db, const struct nj_triage_options *options, size_t *looked, struct nj_error *error);

#endif
