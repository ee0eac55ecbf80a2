/* thought.h: a thought before an answer (spec of the chat template: <|channel>thought … <channel|>), with a budget of its own.
 *
 * The thought is begun for the model, and ended for it where it does not end it in time: what is asked for is an answer. Its tokens stay in the
 * sequence, as the model expects, and nowhere else. */
#ifndef NJ_CONSTRAIN_THOUGHT_H
#define NJ_CONSTRAIN_THOUGHT_H

#include "pipeline/constrain/generate.h"

struct nj_thinker {
    struct nj_generation
        *answer; /* ready to be generated but for the thought; its prompt becomes what the sequence has not seen yet, its features NULL */
    struct nj_ids    *prompt; /* the list behind answer->prompt; rewritten */
    struct nj_random *random;
    void (*on_text)(void *arg, const char *bytes, size_t count); /* hears the thought as in nj_generation; NULL: nobody does */
    void *arg;
};

/* All together. The sequences need room for limit + 8 more positions; the prompts must have been rendered with thinking on. Thoughts are always sampled:
 * greedy ones go in circles. sampling NULL: as the model's makers advise. */
nj_status nj_think(struct nj_engine *engine, const struct nj_tokenizer *tokenizer, const struct nj_sampling *sampling, size_t limit,
                   struct nj_thinker *thinkers, size_t count, struct nj_error *error);

#endif
