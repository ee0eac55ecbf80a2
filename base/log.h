/* log.h: what a person reads on stderr while the station works.
 *
 * Data goes to stdout, everything else through here. Under systemd lines carry the journal's <N> priorities; on a terminal they are plain. */
#ifndef NJ_BASE_LOG_H
#define NJ_BASE_LOG_H

#include <stdint.h>

enum nj_log_level { NJ_LOG_ERROR, NJ_LOG_WARNING, NJ_LOG_INFO, NJ_LOG_DEBUG };

/* Lines above `level` are dropped. The default is NJ_LOG_INFO; -q is NJ_LOG_WARNING, -v NJ_LOG_DEBUG. */
void nj_log_level_set(enum nj_log_level level);
void nj_log(enum nj_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A progress bar on a terminal (done, total, rate, time left), one line a minute elsewhere. Zero-initialise, call _at as often as you like,
 * _end once. A total of 0 is one that is not known. `unit` is plural ("events", "tensors"). Borrowed strings must outlive it. */
struct nj_progress {
    const char *what, *unit;
    uint64_t    total;
    int64_t     started_ms, shown_ms;
};

void nj_progress_begin(struct nj_progress *progress, const char *what, const char *unit, uint64_t total);
void nj_progress_at(struct nj_progress *progress, uint64_t done);
void nj_progress_end(struct nj_progress *progress, uint64_t done);

#endif
