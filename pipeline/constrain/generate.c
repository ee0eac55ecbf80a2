#include "pipeline/constrain/generate.h"
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

/* One pass over the weights for all that are not done. */
static nj_status ask(struct nj_engine *engine, struct nj_run *runs, size_t count, struct nj_step *steps, size_t *asked,
                     struct nj_error *error)
{
    *asked = 0;
    for (size_t i = 0; i < count; i++) {
        struct nj_run *run = &runs[i];
        if (run->state == NJ_RUN_DONE)
            continue;
        steps[(*asked)++] = (struct nj_step){.sequence  = run->g->sequence,
                                             .ids       = run->feed.data + run->fed,
                                             .count     = run->feed.count - run->fed,
                                             .features  = run->fed == 0 ? run->g->features : NULL,
                                             .want      = NJ_WANT_LAST,
                                             .rows      = run->row_count ? run->rows : NULL,
                                             .row_count = run->row_count,
                                             .logits    = run->logits};
        run->g->passes++;
    }
    nj_status status = *asked ? nj_engine_step(engine, steps, *asked, error) : NJ_OK;
    for (size_t i = 0; i < count && status == NJ_OK; i++)
        if (runs[i].state != NJ_RUN_DONE)
            runs[i].fed = runs[i].feed.count;
    return status;
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
                status = nj_run_prepare(&runs[i], error);
        if (status == NJ_OK)
            status = ask(engine, runs, count, steps, &asked, error);
        for (size_t i = 0; i < count && status == NJ_OK; i++)
            if (runs[i].state != NJ_RUN_DONE)
                status = nj_run_answer(&runs[i], error);
    }
    for (size_t i = 0; i < opened; i++) {
        generations[i].unfed = runs[i].feed.count - runs[i].fed;
        nj_run_close(&runs[i]);
    }
    free(runs);
    free(steps);
    return status;
}
