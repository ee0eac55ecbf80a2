/* station.h: one run of the station: take in what the cards hold, then read what waits, in the order in which it is worth it.
 *
 * The lock "run" is held meanwhile; what an earlier run left half-done is put back first. Each event is one transaction, so a cut at any moment loses
 * at most the burst at hand, and that one waits again. */
#ifndef NJ_SCHEDULE_STATION_H
#define NJ_SCHEDULE_STATION_H

#include "base/conf.h"
#include "base/status.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct nj_station_options {
    bool                         once;  /* end when nothing is left to do; else go on until stopped */
    bool                         force; /* ignore the power budget, never the battery floor */
    int64_t                      limit; /* bursts to read, at most; 0: all */
    const volatile sig_atomic_t *stop;  /* set by a signal: end in good order. May be NULL */
};

struct nj_station_result {
    int64_t files, bursts;          /* new files with a verdict, bursts that became ready */
    int64_t done, failed, deferred; /* bursts read, failed, put off */
    int64_t waiting;                /* bursts that still wait */
    double  seconds;                /* of reading */
};

/* NJ_STOPPED: ended early in good order (signal, another run holds the lock, the budget is spent). */
nj_status nj_station_run(const struct nj_conf *conf, const struct nj_station_options *options, struct nj_station_result *result,
                         struct nj_error *error);

#endif
