#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define SPIN_NANOSECONDS 50000 /* the gap between two steps of one layer; to be woken from sleep costs as much */
#define SPINS_A_LOOK     32    /* at the clock */

/* Loops follow each other some three hundred times a token, so a loop whose threads are all awake takes no lock and makes no system call. Whoever has spun
 * long enough says so in `asleep` or `waiting` under the lock, looks once more and sleeps; the other side first changes what is waited for, then
 * looks whether somebody sleeps. Both are sequentially consistent, so at least one of them sees the other. */
struct nj_pool {
    unsigned        threads;
    pthread_t      *workers; /* [threads - 1] */
    pthread_mutex_t lock;
    pthread_cond_t  start, finished;
    atomic_uint     round; /* counts loops; a change starts the workers */
    atomic_uint     busy;  /* workers that have not finished this round */
    atomic_uint     asleep;
    atomic_bool     waiting; /* the caller sleeps */
    atomic_size_t   next;
    size_t          count;
    nj_pool_body   *body;
    void           *arg;
    bool            closing;
};

struct worker {
    struct nj_pool *pool;
    unsigned        thread;
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void work(struct nj_pool *pool, unsigned thread)
{
    for (;;) {
        size_t index = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (index >= pool->count)
            return;
        pool->body(pool->arg, index, thread);
    }
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Waits a while for *value to become `wanted`, or, with `other`, anything else. */
static bool spin(const atomic_uint *value, unsigned wanted, bool other)
{
    int64_t end = 0;
    for (;;) {
        for (int i = 0; i < SPINS_A_LOOK; i++) {
            if ((atomic_load_explicit(value, memory_order_acquire) == wanted) != other)
                return true;
            relax();
        }
        int64_t time = now();
        end          = end ? end : time + SPIN_NANOSECONDS;
        if (time > end)
            return false;
    }
}

/* Sleeps until there is another round than `seen`, or none will come: false. */
static bool sleep_for_round(struct nj_pool *pool, unsigned seen)
{
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->asleep, 1);
    while (atomic_load(&pool->round) == seen && !pool->closing)
        pthread_cond_wait(&pool->start, &pool->lock);
    atomic_fetch_sub(&pool->asleep, 1);
    bool closing = pool->closing;
    pthread_mutex_unlock(&pool->lock);
    return !closing;
}

static void *worker_main(void *argument)
{
    struct worker   me   = *(struct worker *)argument;
    struct nj_pool *pool = me.pool;
    free(argument);
    for (unsigned seen = 0; spin(&pool->round, seen, true) || sleep_for_round(pool, seen); seen++) {
        work(pool, me.thread);
        if (atomic_fetch_sub(&pool->busy, 1) == 1 && atomic_load(&pool->waiting)) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->finished);
            pthread_mutex_unlock(&pool->lock);
        }
    }
    return NULL;
}

nj_status nj_pool_open(unsigned threads, struct nj_pool **out, struct nj_error *error)
{
    *out = NULL;
    if (threads == 0) {
        cpu_set_t usable;
        threads = sched_getaffinity(0, sizeof usable, &usable) == 0 ? (unsigned)CPU_COUNT(&usable) : 1;
    }
    struct nj_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return nj_fail(error, "no memory for a pool of %u threads", threads);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->start, NULL);
    pthread_cond_init(&pool->finished, NULL);
    pool->threads = 1;
    pool->workers = calloc(threads, sizeof *pool->workers);
    while (pool->workers && pool->threads < threads) {
        struct worker *worker = malloc(sizeof *worker);
        if (!worker)
            break;
        *worker = (struct worker){pool, pool->threads};
        if (pthread_create(&pool->workers[pool->threads - 1], NULL, worker_main, worker) != 0) {
            free(worker);
            break;
        }
        pool->threads++;
    }
    if (pool->threads < threads) {
        nj_status status = nj_fail(error, "cannot start %u threads: the system gave %u", threads, pool->threads);
        nj_pool_close(pool);
        return status;
    }
    *out = pool;
    return NJ_OK;
}

void nj_pool_close(struct nj_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i + 1 < pool->threads; i++)
        pthread_join(pool->workers[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->start);
    pthread_cond_destroy(&pool->finished);
    free(pool->workers);
    free(pool);
}

unsigned nj_pool_threads(const struct nj_pool *pool)
{
    return pool ? pool->threads : 1;
}

void nj_pool_run(struct nj_pool *pool, size_t count, nj_pool_body *body, void *arg)
{
    if (!pool || pool->threads == 1 || count <= 1) {
        for (size_t i = 0; i < count; i++)
            body(arg, i, 0);
        return;
    }
    pool->count = count;
    pool->body  = body;
    pool->arg   = arg;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->busy, pool->threads - 1);
    atomic_fetch_add(&pool->round, 1);
    if (atomic_load(&pool->asleep)) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->start);
        pthread_mutex_unlock(&pool->lock);
    }
    work(pool, 0);
    if (spin(&pool->busy, 0, false))
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->waiting, true);
    while (atomic_load(&pool->busy) != 0)
        pthread_cond_wait(&pool->finished, &pool->lock);
    atomic_store(&pool->waiting, false);
    pthread_mutex_unlock(&pool->lock);
}
