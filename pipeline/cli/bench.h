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
#define NJ_BENCH_PATH    256

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

/* What came of one run. */
struct nj_sample {
    double rate;     /* units a second */
    double share;    /* of its limit, measured on both sides of it; 0 without one */
    double joules;   /* by the processor's own counter, or NAN */
    double peak_mib; /* nj_bench_peak_memory */
};
nj_status nj_bench_once(struct nj_bench *bench, const struct nj_measurement *measurement, struct nj_sample *out, struct nj_error *error);

/* Runs it `repeats` times beside its limit and prints one line. */
nj_status nj_bench_run(struct nj_bench *bench, const struct nj_measurement *measurement, struct nj_error *error);

/* Whether `only` keeps it. */
bool nj_bench_wants(const struct nj_bench *bench, const struct nj_measurement *measurement);

/* Largest memory of this process since the last run of a measurement began (where the system can tell; else so far), without what the reader reads, in MiB. The
 * pages of the model that were touched are in it. */
double nj_bench_peak_memory(const struct nj_bench *bench);

/* Joules that the processor has used, by its own counter (RAPL); NAN where there is none. */
double nj_bench_joules(void);

/* Sorts. */
double nj_bench_median(double *values, size_t count);

/* Another program on the same work. Borrowed strings, all put into a shell command. */
struct nj_peer {
    const char *program; /* with model NULL a command that does all its work at once; else what takes the arguments of bench_program.c */
    const char *model, *mmproj;
};

/* bench_work.c: prefill, decode, vision; or, in turn with a peer, these, answers and events. */
nj_status nj_bench_model(struct nj_bench *bench, struct nj_error *error);
nj_status nj_bench_beside(struct nj_bench *bench, const struct nj_peer *peer, struct nj_error *error);

/* bench_event.c: answers under the schema of an event; events, alone and four together. */
struct nj_bench_event;
nj_status                    nj_bench_answers(struct nj_bench *bench, struct nj_error *error);
nj_status                    nj_bench_event_open(struct nj_bench *bench, struct nj_bench_event **out, struct nj_error *error);
const struct nj_measurement *nj_bench_answer(struct nj_bench_event *event, uint32_t batch);
const struct nj_measurement *nj_bench_events(struct nj_bench_event *event, uint32_t batch);
void                         nj_bench_event_close(struct nj_bench_event *event);
/* The same event for another program, in `folder`: schema.json, prompt.txt, 0.jpg, 1.jpg, 2.jpg. *tokens: how long its answer is to be. */
nj_status nj_bench_event_write(const struct nj_bench_event *event, const char *folder, uint32_t *tokens, struct nj_error *error);

/* bench_agree.c: the fast engines beside the exact one on random prompts of `tokens` ids. */
nj_status nj_bench_agreement(struct nj_bench *bench, uint32_t prompts, uint32_t tokens, struct nj_error *error);

/* bench_program.c: what makes a program do each part of our work, and the files that it needs for that. */
enum nj_peer_part { NJ_PEER_PREFILL, NJ_PEER_DECODE, NJ_PEER_ANSWER, NJ_PEER_VISION, NJ_PEER_EVENT };
struct nj_peer_program;
nj_status nj_peer_program_open(const struct nj_bench *bench, const struct nj_peer *peer, const struct nj_bench_event *event,
                               struct nj_peer_program **out, struct nj_error *error);
/* The shell command; it belongs to the program and holds until the next. NULL: memory is gone. */
const char *nj_peer_program_command(struct nj_peer_program *program, enum nj_peer_part part);
void        nj_peer_program_close(struct nj_peer_program *program); /* removes its files */

/* bench_peer.c: `command` in turn with ours, as often as bench->repeats says; what its JSON object names is compared. Does nothing where `only` keeps nothing. */
struct nj_peer_work {
    const char                  *key; /* "prefill_tps", "decode_tps", "vision_s", "decode_s", "event_s" */
    const struct nj_measurement *ours;
};
nj_status nj_bench_peer(struct nj_bench *bench, const char *command, const struct nj_peer_work *work, size_t count, struct nj_error *error);

#endif
