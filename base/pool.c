#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define SPINS 2000 /* some microseconds: the gap between two steps of one layer */

struct nj_pool {
    unsigned        threads;
    pthread_t      *workers; /* [threads - 1] */
    pthread_mutex_t lock;
    pthread_cond_t  start, finished;
    atomic_uint     round; /* counts loops; a change wakes the workers */
    atomic_uint     busy;  /* workers that have not finished this round */
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

static void *worker_main(void *argument)
{
    struct worker   me   = *(struct worker *)argument;
    struct nj_pool *pool = me.pool;
    unsigned        seen = 0;
    free(argument);
    for (;;) {
        for (int i = 0; i < SPINS && atomic_load_explicit(&pool->round, memory_order_acquire) == seen; i++)
            relax();
        pthread_mutex_lock(&pool->lock);
        while (atomic_load(&pool->round) == seen && !pool->closing)
            pthread_cond_wait(&pool->start, &pool->lock);
        bool closing = pool->closing;
        seen         = atomic_load(&pool->round);
        pthread_mutex_unlock(&pool->lock);
        if (closing)
            return NULL;
        work(pool, me.thread);
        if (atomic_fetch_sub(&pool->busy, 1) == 1) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->finished);
            pthread_mutex_unlock(&pool->lock);
        }
    }
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
    pthread_mutex_lock(&pool->lock);
    pool->count = count;
    pool->body  = body;
    pool->arg   = arg;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->busy, pool->threads - 1);
    atomic_fetch_add(&pool->round, 1);
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
    work(pool, 0);
    for (int i = 0; i < SPINS && atomic_load_explicit(&pool->busy, memory_order_acquire) != 0; i++)
        relax();
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->busy) != 0)
        pthread_cond_wait(&pool->finished, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
