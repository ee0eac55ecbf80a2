#include "pipeline/constrain/generate.h"
#include "base/clock.h"
#include "pipeline/constrain/generate_run.h"

#include <stdlib.h>
#include <string.h>

const char *nj_generation_stop_name(enum nj_generation_stop stop)
{
    return stop == NJ_STOP_EOS ? "eos" : stop == NJ_STOP_LENGTH ? "length" : "schema";
}

void nj_generation_free(struct nj_generation *g)
{
    for (size_t i = 0; i < g->choice_count; i++) {
        free(g->choices[i].path);
        free(g->choices[i].value);
        free(g->choices[i].runner_up);
    }
    free(g->choices);
    free(g->ids.data);
    nj_text_free(&g->text);
    g->ids          = (struct nj_ids){0};
    g->choices      = NULL;
    g->choice_count = 0;
}

/* The features of the image positions from `fed` on. */
static const float *features_left(const struct nj_run *run)
{
    const struct nj_config *config = &nj_engine_weights(run->engine)->config;
    const float            *at     = run->g->features;
    for (size_t i = 0; at && i < run->fed; i++)
        at += run->feed.data[i] == config->image_id ? config->text.hidden_size : 0;
    return at;
}

static struct nj_step step_of(const struct nj_run *run)
{
    return (struct nj_step){.sequence = run->g->sequence,
                            .ids      = run->feed.data + run->fed,
                            .count    = run->feed.count - run->fed,
                            .features = features_left(run)};
}

/* What the run asks. */
static struct nj_step question(const struct nj_run *run)
{
    const struct nj_choice_pass *pass = &run->pass;
    struct nj_step               step = step_of(run);
    if (run->state == NJ_RUN_TREE)
        return (struct nj_step){.sequence  = run->g->sequence,
                                .ids       = pass->ids,
                                .parent    = pass->parent,
                                .count     = pass->count,
                                .want      = NJ_WANT_ALL,
                                .rows      = pass->rows.data,
                                .row_count = pass->rows.count,
                                .logits    = pass->logits};
    step.want      = NJ_WANT_LAST;
    step.rows      = run->row_count ? run->rows : NULL;
    step.row_count = run->row_count;
    step.logits    = run->logits;
    return step;
}

/* A long prompt goes in pass by pass, all but its last pass: a stop then loses one pass, and no step is too long to be undone. One pass ends where the
 * forced ids begin: there a stop goes back to, and the passes after it are then cut as they would have been. */
static nj_status feed_prompt(struct nj_run *run, struct nj_error *error)
{
    const size_t           most = nj_engine_pass_rows(run->engine), before = run->g->prompt_count + run->ids_before;
    const struct nj_clock *clock  = nj_clock_system();
    int64_t                began  = clock->monotonic_ms(clock->self);
    nj_status              status = NJ_OK;
    while (status == NJ_OK && run->feed.count - run->fed > most && run->fed < before) {
        struct nj_step step = step_of(run);
        step.count          = before - run->fed < most ? before - run->fed : most;
        status              = nj_engine_step(run->engine, &step, 1, error);
        run->fed += status == NJ_OK ? step.count : 0;
        run->fed_before = run->fed;
    }
    run->g->prompt_seconds += (double)(clock->monotonic_ms(clock->self) - began) / 1000;
    return status;
}

/* One pass over the weights for all that are not done. */
static nj_status ask(struct nj_engine *engine, struct nj_run *runs, size_t count, struct nj_step *steps, size_t *asked,
                     struct nj_error *error)
{
    nj_status status = NJ_OK;
    *asked           = 0;
    for (size_t i = 0; i < count && status == NJ_OK; i++)
        if (runs[i].state != NJ_RUN_DONE)
            status = feed_prompt(&runs[i], error);
    for (size_t i = 0; i < count && status == NJ_OK; i++) {
        if (runs[i].state == NJ_RUN_DONE)
            continue;
        steps[(*asked)++] = question(&runs[i]);
        runs[i].g->passes++;
    }
    if (status == NJ_OK && *asked)
        status = nj_engine_step(engine, steps, *asked, error);
    for (size_t i = 0; i < count && status == NJ_OK; i++)
        if (runs[i].state != NJ_RUN_DONE)
            runs[i].fed = runs[i].feed.count;
    return status;
}

static void settle(struct nj_run *run)
{
    run->ids_before = run->g->ids.count;
    run->fed_before = run->fed;
}

static nj_status prepare(struct nj_run *run, struct nj_error *error)
{
    nj_status status = nj_run_prepare(run, error);
    if (run->state == NJ_RUN_DONE)
        settle(run);
    return status;
}

static nj_status use_answer(struct nj_run *run, struct nj_error *error)
{
    nj_status status = nj_run_answer(run, error);
    if (status == NJ_OK && run->feed.count > run->fed) /* otherwise the answer was that it ends, and is asked for again */
        settle(run);
    return status;
}

/* Leaves a run as it was before the question whose answer a stop kept it from using was prepared: forced ids belong to the question, since a choice can
 * be weighed only where its value begins. What the sequence cannot go back to begins anew. */
static void park(struct nj_run *run)
{
    struct nj_generation *g      = run->g;
    size_t                before = g->prompt_count + run->ids_before;
    size_t                target = run->fed_before < before ? run->fed_before : before;
    uint32_t              length = nj_sequence_length(g->sequence);
    g->ids.count                 = run->ids_before;
    if (nj_sequence_rewind(g->sequence, length - (uint32_t)(run->fed - target), NULL) != NJ_OK) {
        nj_sequence_reset(g->sequence);
        nj_generation_free(g);
        target = 0;
    }
    run->fed = target;
}

nj_status nj_generate(struct nj_engine *engine, const struct nj_tokenizer *tokenizer, const struct nj_vocabulary *vocabulary,
                      struct nj_generation *generations, size_t count, struct nj_error *error)
{
    struct nj_run  *runs   = calloc(count + 1, sizeof *runs);
    struct nj_step *steps  = calloc(count + 1, sizeof *steps);
    nj_status       status = runs && steps ? NJ_OK : nj_fail(error, "no memory for %zu answers", count);
    size_t          opened = 0, asked = 1;
    for (; opened < count && status == NJ_OK; opened++) {
        if (generations[opened].prompt_count == 0)
            status = nj_fail(error, "a prompt without tokens");
        else
            status = nj_run_open(&runs[opened], &generations[opened], engine, tokenizer, vocabulary, error);
    }
    while (status == NJ_OK && asked) {
        for (size_t i = 0; i < count && status == NJ_OK; i++)
            if (runs[i].state != NJ_RUN_DONE)
                status = prepare(&runs[i], error);
        if (status == NJ_OK)
            status = ask(engine, runs, count, steps, &asked, error);
        for (size_t i = 0; i < count && status == NJ_OK; i++)
            if (runs[i].state != NJ_RUN_DONE)
                status = use_answer(&runs[i], error);
    }
    for (size_t i = 0; i < opened; i++) {
        if (status == NJ_STOPPED)
            park(&runs[i]);
        generations[i].fed = runs[i].fed;
        nj_run_close(&runs[i]);
    }
    free(runs);
    free(steps);
    return status;
}
