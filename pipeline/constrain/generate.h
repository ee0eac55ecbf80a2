/* generate.h: documents out of the engine: greedy or sampled, under constraint or free, one or several sequences at a time.
 *
 * What the schema forces is not asked of the model: it goes through in its canonical tokenization, in one batch with the next question. Where the schema
 * allows a few constants (enum, boolean, bin) each is scored whole, on rows of the head that can matter, and its probability is recorded:
 * at each branch of the tokens of the alternatives the model's softmax over the branches, multiplied along the alternative. The probabilities of a
 * choice sum to 1. Token limits close the document validly: the model goes on choosing as long as what it chooses can still be closed in time. */
#ifndef NJ_CONSTRAIN_GENERATE_H
#define NJ_CONSTRAIN_GENERATE_H

#include "pipeline/constrain/constraint.h"
#include "pipeline/model/engine.h"
#include "pipeline/model/sampler.h"

enum nj_generation_stop {
    NJ_STOP_EOS,    /* the model ended it */
    NJ_STOP_LENGTH, /* the limit: free text is cut, a document is closed */
    NJ_STOP_SCHEMA  /* the document is complete */
};
const char *nj_generation_stop_name(enum nj_generation_stop stop); /* "eos", "length", "schema" */

/* Positions beyond prompt and limit that a sequence must have room for: the branches of a choice are scored there. */
#define NJ_GENERATE_ROOM 64

/* One decision between constants, in order of the document. */
struct nj_choice {
    char  *path;  /* JSON pointer of the value */
    char  *value; /* its JSON text */
    double probability;
    char  *runner_up; /* JSON text of the most probable other alternative */
    double runner_up_probability;
};

struct nj_generation {
    /* in */
    struct nj_sequence *sequence; /* with room for prompt_count + limit + NJ_GENERATE_ROOM more positions */
    const int32_t      *prompt;   /* appended first */
    size_t              prompt_count;
    const float        *features; /* of the prompt's image positions, or NULL */
    struct nj_grammar  *grammar;  /* NULL: free text */
    size_t              limit;    /* tokens, at most; a grammar whose shortest document needs more fails with a sentence */
    struct nj_sampling  sampling; /* temperature 0: greedy */
    struct nj_random   *random;   /* NULL with temperature 0 */
    const int32_t      *stop_ids; /* NULL: those of the model's config */
    size_t              stop_count;
    /* NULL, or the document that is to be written, under a grammar only. The model is asked exactly as it would be, but what it answers decides nothing: each
     * choice is the one told, each other token the longest that goes on as told. For measuring with answers of a real length, and for scoring a known
     * answer: the probabilities of its choices are those that the model gives them. A document that the grammar or the limit forbids is an error. */
    const char *told;
    /* Called with each piece of text as soon as it is sure, whole UTF-8 sequences only; NULL: not wanted. */
    void (*on_text)(void *arg, const char *bytes, size_t count);
    void *arg;

    /* in and out: 0 and empty at first. What a stop leaves here and in the sequence is where the next call goes on. */
    size_t        fed; /* how many of prompt and ids the sequence has seen */
    struct nj_ids ids; /* without the id that stopped it */

    /* out; release with nj_generation_free */
    int32_t                 stop_id; /* the id that stopped it, or -1 */
    struct nj_text          text;
    enum nj_generation_stop stop;
    struct nj_choice       *choices;
    size_t                  choice_count;
    size_t                  passes;         /* times that the engine was asked */
    size_t                  free_tokens;    /* of ids, that were asked for one by one */
    size_t                  choice_tokens;  /* and that told choices apart; all others were forced */
    double                  prompt_seconds; /* that all of the prompt but its end took alone */
};

/* All together, a token or a choice of each per pass over the weights. vocabulary may be NULL if no generation has a grammar. Fails as a whole.
 * NJ_STOPPED: the engine was asked to stop; called again with the same generations it goes on, with the same tokens as if nothing had happened (greedy
 * ones; a sampled one must get the state of its random numbers back). Ids and choices may come from elsewhere: the text is made anew. A generation that
 * could not be kept has its sequence reset: it, and what was in the sequence before it, begins anew. */
nj_status nj_generate(struct nj_engine *engine, const struct nj_tokenizer *tokenizer, const struct nj_vocabulary *vocabulary,
                      struct nj_generation *generations, size_t count, struct nj_error *error);
void      nj_generation_free(struct nj_generation *generation);

#endif
