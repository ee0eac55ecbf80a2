/* pool.h: a small fixed set of threads that share out the iterations of one loop at a time.
 *
 * The calling thread works too: a pool of 1 starts no thread. Workers sleep on a futex between loops; while loops follow closely they spin for
 * some microseconds (at most 50) first, and take no lock. Which thread runs which index is not promised: bodies write to disjoint places. */
#ifndef NJ_BASE_POOL_H
#define NJ_BASE_POOL_H

#include "base/status.h"

struct nj_pool;

/* `threads`: 0 = one per usable core. The caller owns *out. */
nj_status nj_pool_open(unsigned threads, struct nj_pool **out, struct nj_error *error);
void      nj_pool_close(struct nj_pool *pool);
unsigned  nj_pool_threads(const struct nj_pool *pool);

/* Runs body(arg, index, thread) for each index in [0, count) and returns when all are done. `thread` is in [0, threads).
 * A NULL pool runs them here, in order. Not reentrant: a body must not call it on the same pool. */
typedef void nj_pool_body(void *arg, size_t index, unsigned thread);
void         nj_pool_run(struct nj_pool *pool, size_t count, nj_pool_body *body, void *arg);

#endif
