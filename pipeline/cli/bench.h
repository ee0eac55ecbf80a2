/* bench.h: what the engine does in a second, beside what this processor does at most in the same second.
 *
 * Machines are shared, and change their clock: every measurement is a pair, the limit right before the work, repeated in turn; what is printed is
 * the median of the work, the median of the ratios, and how far the ratios spread. Inside pipeline/cli only. */
#ifndef NJ_CLI_BENCH_H
#define NJ_CLI_BENCH_H

#include "kernels/kernels.h"
#include "pipeline/cli/cli.h"
#include "pipeline/model/engine.h"

#define NJ_BENCH_REPEATS 64

enum nj_limit { NJ_LIMIT_NONE, NJ_LIMIT_INT16, NJ_LIMIT_INT8, NJ_LIMIT_F32, NJ_LIMIT_READ };

struct nj_bench {
    struct nj_engine        *engine;
    const struct nj_weights *weights;
    struct nj_pool          *pool;
    const struct nj_conf    *conf; /* [sentinel] prompt decides what events are asked */
    struct nj_kernels        kernels;
    void                    *memory; /* what the reader reads */
    size_t                   memory_bytes;
    uint32_t                 repeats;
    bool                     json;
    bool                     power_saver;
    bool                     cpu_time;  /* for a machine that others use, too */
    const char              *only;      /* part of a measurement's name, or NULL */
    const char              *tokenizer; /* file whose words the events' prompts are made of, or NULL: those of the model */
};

/* One measurement. `work` does it once and leaves the seconds that count in *seconds. */
struct nj_measurement {
    const char   *name, *unit;
    double        amount; /* of the unit that one run does: tokens, pictures, bytes ... per second comes out. `work` may set it */
    enum nj_limit limit;
    double        limit_amount; /* operations (two a multiply-add) or bytes that one run needs at least */
    nj_status (*work)(void *arg, double *seconds, struct nj_error *error);
    void *arg;
};

/* Seconds: of the clock, or with cpu_time of the processor that all threads used, shared out among them. */
double nj_bench_now(const struct nj_bench *bench);

/* Borrows both. */
nj_status nj_bench_open(struct nj_engine *engine, struct nj_pool *pool, struct nj_bench *out, struct nj_error *error);
void      nj_bench_close(struct nj_bench *bench);

/* Operations or bytes per second of all threads of the pool together, measured now. */
double      nj_bench_limit(struct nj_bench *bench, enum nj_limit limit);
const char *nj_limit_name(enum nj_limit limit);

/* Runs it `repeats` times beside its limit and prints one line. */
nj_status nj_bench_run(struct nj_bench *bench, const struct nj_measurement *measurement, struct nj_error *error);

/* Largest memory of this process since the last measurement began (where the system can tell; else so far), without what the reader reads, in MiB. The
 * pages of the model that were touched are in it. */
double nj_bench_peak_memory(const struct nj_bench *bench);

/* Joules that the processor has used, by its own counter (RAPL); NAN where there is none. */
double nj_bench_joules(void);

/* Sorts. */
double nj_bench_median(double *values, size_t count);

/* bench_work.c: prefill, decode, vision, and then, in turn with the peer if there is a command, what it prints. */
nj_status nj_bench_model(struct nj_bench *bench, const char *peer, struct nj_error *error);

/* bench_event.c: answers under the schema of an event; events, alone and four together. */
struct nj_bench_event;
nj_status                    nj_bench_answers(struct nj_bench *bench, struct nj_error *error);
nj_status                    nj_bench_event_open(struct nj_bench *bench, struct nj_bench_event **out, struct nj_error *error);
const struct nj_measurement *nj_bench_answer(struct nj_bench_event *event, uint32_t batch);
const struct nj_measurement *nj_bench_events(struct nj_bench_event *event, uint32_t batch);
void                         nj_bench_event_close(struct nj_bench_event *event);

/* bench_agree.c: the fast engines beside the exact one on random prompts of `tokens` ids. */
nj_status nj_bench_agreement(struct nj_bench *bench, uint32_t prompts, uint32_t tokens, struct nj_error *error);

/* bench_peer.c: `command` in turn with ours, as often as bench->repeats says; what its JSON object names is compared. */
struct nj_peer_work {
    const char                  *key; /* "prefill_tps", "decode_tps", "vision_s", "decode_s", "event_s" */
    const struct nj_measurement *ours;
};
nj_status nj_bench_peer(struct nj_bench *bench, const char *command, const struct nj_peer_work *work, size_t count, struct nj_error *error);

#endif
