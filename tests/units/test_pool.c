/* The pool: each index of a loop runs once, and the loop has ended when nj_pool_run returns; with loops that follow at once, and after pauses long enough for
 * all threads to sleep, with bodies of very different length, and with more threads than processors. */
#include "base/pool.h"
#include "tests/tap.h"

#include <stdatomic.h>
#include <time.h>

#define INDEXES 200u

struct counts {
    atomic_uint runs[INDEXES];
    atomic_uint bad_thread;
    unsigned    threads, slow; /* this index takes longer than anybody spins */
};

static void pause_for(long nanoseconds)
{
    struct timespec time = {0, nanoseconds};
    nanosleep(&time, NULL);
}

static void count(void *arg, size_t index, unsigned thread)
{
    struct counts *counts = arg;
    if (index == counts->slow)
        pause_for(200000);
    atomic_fetch_add(&counts->runs[index], 1);
    if (thread >= counts->threads)
        atomic_fetch_add(&counts->bad_thread, 1);
}

/* `loops` loops of different lengths; returns how many indexes ran another number of times than once, or by no thread of the pool. */
static unsigned run_loops(struct nj_pool *pool, unsigned loops, unsigned slow_every, long pause)
{
    unsigned bad = 0;
    for (unsigned loop = 0; loop < loops; loop++) {
        struct counts counts = {.threads = nj_pool_threads(pool), .slow = INDEXES};
        unsigned      length = loop * 7 % INDEXES;
        if (slow_every && loop % slow_every == 0 && length)
            counts.slow = loop % 2 ? 0 : length - 1;
        nj_pool_run(pool, length, count, &counts);
        for (unsigned i = 0; i < INDEXES; i++)
            bad += atomic_load(&counts.runs[i]) != (i < length);
        bad += atomic_load(&counts.bad_thread);
        if (pause)
            pause_for(pause);
    }
    return bad;
}

int main(void)
{
    static const unsigned sizes[] = {1, 2, 3, 7};
    struct nj_error       error;
    CHECK(run_loops(NULL, 100, 0, 0) == 0, "without a pool: every index runs once, here");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct nj_pool *pool = NULL;
        if (!CHECK(nj_pool_open(sizes[i], &pool, &error) == NJ_OK && nj_pool_threads(pool) == sizes[i], "a pool of %u", sizes[i]))
            continue;
        CHECK(run_loops(pool, 3000, 0, 0) == 0, "%u threads: loops that follow at once", sizes[i]);
        CHECK(run_loops(pool, 200, 3, 0) == 0, "%u threads: a body that makes the others sleep", sizes[i]);
        CHECK(run_loops(pool, 100, 0, 300000) == 0, "%u threads: pauses in which all sleep", sizes[i]);
        CHECK(run_loops(pool, 500, 0, 40000) == 0, "%u threads: pauses as long as threads spin", sizes[i]);
        nj_pool_close(pool);
    }
    return tap_done();
}
