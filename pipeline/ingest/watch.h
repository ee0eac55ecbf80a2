/* watch.h: follows the cards. inotify says when to look, the scan (scan.h) says what is there.
 *
 * Woken by a file that was closed or moved in, by a folder that appears, by an unmount, by a lost event, and by bursts that should have settled;
 * besides that once in 30 s, to see whether another card has been mounted (which no event tells), and once an hour for a scan that trusts nothing.
 * One watch a process: libinotifytools keeps its state to itself. */
#ifndef NJ_INGEST_WATCH_H
#define NJ_INGEST_WATCH_H

#include "pipeline/ingest/scan.h"

/* Runs until *options->stop is set, then returns NJ_STOPPED. The signal that sets it must interrupt system calls, and again every second until
 * the watch has ended (alarm): one that comes between two calls is not lost then. */
nj_status nj_watch(struct nj_db *db, const char *database, const struct nj_scan_options *options, struct nj_error *error);

#endif
