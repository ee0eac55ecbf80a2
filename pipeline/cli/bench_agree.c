/* bench_agree.c: how far the fast engines agree with the exact one: the same random prompts through all three on the same weights. */
#include "pipeline/cli/bench.h"
#include "pipeline/model/sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POSITIONS 4u  /* of each prompt that are compared: its last ones */
#define TOGETHER  16u /* prompts that share a pass: the exact engine opens its weights once for all of them */

struct engine {
    struct nj_engine   *engine;
    struct nj_sequence *sequences[TOGETHER];
    float              *logits; /* [TOGETHER][POSITIONS][vocabulary] */
};

struct tally {
    uint64_t same, positions;
    double   square, kl; /* sums: of squared differences of logits, of divergences */
    double  *rms;        /* of the logits, a position each: one that parts from the others is not lost in the mean */
};

static nj_status open_engine(const struct nj_bench *bench, enum nj_arithmetic arithmetic, uint32_t capacity, struct engine *out,
                             struct nj_error *error)
{
    struct nj_engine_options options = {.arithmetic = arithmetic, .pool = bench->pool};
    nj_status                status  = nj_engine_open(bench->weights, &options, &out->engine, error);
    for (size_t i = 0; status == NJ_OK && i < TOGETHER; i++)
        status = nj_sequence_open(out->engine, capacity, &out->sequences[i], error);
    out->logits = calloc((size_t)TOGETHER * POSITIONS * bench->weights->config.text.vocab_size, sizeof *out->logits);
    return status == NJ_OK && !out->logits ? nj_fail(error, "no memory for logits") : status;
}

static void close_engine(struct engine *engine)
{
    for (size_t i = 0; i < TOGETHER; i++)
        nj_sequence_close(engine->sequences[i]);
    nj_engine_close(engine->engine);
    free(engine->logits);
}

/* ids: [prompts][count] */
static nj_status run(struct engine *engine, const int32_t *ids, uint32_t prompts, uint32_t count, struct nj_error *error)
{
    const size_t   vocab = nj_engine_weights(engine->engine)->config.text.vocab_size;
    struct nj_step heads[TOGETHER], tails[TOGETHER];
    for (uint32_t i = 0; i < prompts; i++) {
        const int32_t *tail = ids + (size_t)i * count + count - POSITIONS;
        nj_sequence_reset(engine->sequences[i]);
        heads[i] = (struct nj_step){.sequence = engine->sequences[i], .ids = ids + (size_t)i * count, .count = count - POSITIONS};
        tails[i] = (struct nj_step){.sequence = engine->sequences[i],
                                    .ids      = tail,
                                    .count    = POSITIONS,
                                    .want     = NJ_WANT_ALL,
                                    .logits   = engine->logits + i * POSITIONS * vocab};
    }
    nj_status status = nj_engine_step(engine->engine, heads, prompts, error);
    return status == NJ_OK ? nj_engine_step(engine->engine, tails, prompts, error) : status;
}

static size_t best_of(const float *logits, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        best = logits[i] > logits[best] ? i : best;
    return best;
}

static double log_sum(const float *logits, size_t count)
{
    double high = logits[best_of(logits, count)], sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += exp((double)logits[i] - high);
    return high + log(sum);
}

static void compare(const float *exact, const float *fast, size_t vocab, struct tally *tally)
{
    double of_exact = log_sum(exact, vocab), of_fast = log_sum(fast, vocab), square = 0;
    for (size_t i = 0; i < vocab; i++) {
        double gap = (double)exact[i] - fast[i], log_p = exact[i] - of_exact;
        square += gap * gap;
        tally->kl += exp(log_p) * (log_p - (fast[i] - of_fast));
    }
    tally->square += square / (double)vocab;
    tally->rms[tally->positions] = sqrt(square / (double)vocab);
    tally->same += best_of(exact, vocab) == best_of(fast, vocab);
    tally->positions++;
}

static void print(const struct nj_bench *bench, const char *name, const struct tally *tally, uint32_t prompts)
{
    size_t count  = tally->positions;
    double n      = (double)count;
    double median = nj_bench_median(tally->rms, count), most = tally->rms[count - 1 - count / 100], worst = tally->rms[count - 1];
    if (bench->json)
        printf("{\"name\": \"agreement, %s\", \"prompts\": %u, \"positions\": %zu, \"same_token\": %.4f, \"rms\": %.5f, "
               "\"rms_median\": %.3g, \"rms_99\": %.3g, \"rms_worst\": %.3g, \"divergence\": %.3g}\n",
               name, prompts, count, (double)tally->same / n, sqrt(tally->square / n), median, most, worst, tally->kl / n);
    else
        printf(
            "agreement with exact, %-8s %6.2f %% same token; rms of logits: median %.2g, 99 of 100 within %.2g, worst %.2g, over all %.2g; "
            "divergence %.2g (%u prompts, %zu positions)\n",
            name, 100 * (double)tally->same / n, median, most, worst, sqrt(tally->square / n), tally->kl / n, prompts, count);
    fflush(stdout);
}

nj_status nj_bench_agreement(struct nj_bench *bench, uint32_t prompts, uint32_t tokens, struct nj_error *error)
{
    static const struct {
        enum nj_arithmetic arithmetic;
        const char        *name;
    } kinds[]                          = {{NJ_EXACT, "exact"}, {NJ_FAST, "16-bit"}, {NJ_POWER_SAVER, "8-bit"}};
    const struct nj_config *config     = &bench->weights->config;
    struct engine           engines[3] = {{0}};
    struct tally            tallies[3] = {{0}};
    struct nj_random        random;
    nj_status status = tokens > POSITIONS ? NJ_OK : nj_fail(error, "prompts of %u tokens: more than %u are needed", tokens, POSITIONS);
    int32_t  *ids    = calloc((size_t)tokens * TOGETHER, sizeof *ids);
    if (!ids)
        status = nj_fail(error, "no memory for a prompt");
    nj_random_seed(&random, 2);
    for (size_t k = 0; k < 3; k++)
        if (!(tallies[k].rms = calloc((size_t)prompts * POSITIONS, sizeof(double))))
            status = nj_fail(error, "no memory to compare %u prompts", prompts);
    for (size_t k = 0; status == NJ_OK && k < 3; k++)
        status = open_engine(bench, kinds[k].arithmetic, tokens, &engines[k], error);
    for (uint32_t done = 0, now; status == NJ_OK && done < prompts; done += now) {
        now = prompts - done < TOGETHER ? prompts - done : TOGETHER;
        for (uint32_t i = 0; i < now * tokens; i++)
            do
                ids[i] = (int32_t)(nj_random_unit(&random) * config->text.vocab_size);
            while (ids[i] == config->image_id);
        for (size_t k = 0; status == NJ_OK && k < 3; k++)
            status = run(&engines[k], ids, now, tokens, error);
        for (size_t k = 1; status == NJ_OK && k < 3; k++)
            for (size_t at = 0; at < (size_t)now * POSITIONS; at++)
                compare(engines[0].logits + at * config->text.vocab_size, engines[k].logits + at * config->text.vocab_size,
                        config->text.vocab_size, &tallies[k]);
    }
    for (size_t k = 1; status == NJ_OK && k < 3; k++)
        print(bench, kinds[k].name, &tallies[k], prompts);
    for (size_t k = 0; k < 3; k++) {
        free(tallies[k].rms);
        close_engine(&engines[k]);
    }
    free(ids);
    return status;
}
