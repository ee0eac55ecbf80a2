/* generate_run.h: one generation on its way, between the files of generate.h: generate.c asks the engine, generate_run.c decides what to ask and what to do
 * with the answer, generate_choice.c scores choices between constants. */
#ifndef NJ_CONSTRAIN_GENERATE_RUN_H
#define NJ_CONSTRAIN_GENERATE_RUN_H

#include "pipeline/constrain/generate.h"
#include "pipeline/constrain/tables.h"

#define NJ_CHOICE_ALTERNATIVES 512 /* a choice between more is written token by token */

enum nj_run_state {
    NJ_RUN_TOKEN,
    NJ_RUN_CHOICE, /* the place where the alternatives of a choice part is asked about */
    NJ_RUN_TREE,   /* places below it are */
    NJ_RUN_DONE
};

/* A place in the tokens of the alternatives. Node 0 is where the sequence ends. */
struct nj_choice_node {
    int32_t  token, parent;
    uint32_t branches;    /* ways on: children, and 1 if an alternative ends here while others go on */
    uint32_t alternative; /* that ends here, or NJ_NONE */
    bool     scored;
    double   log_probability;
};

struct nj_alternative {
    char    *text; /* JSON */
    size_t   size;
    uint32_t node;  /* its last */
    int32_t  token; /* after it, where that alone tells that it ends: the likeliest; else -1 */
    double   log_probability;
};

struct nj_choice_tree {
    char *path;
    NJ_TABLE(struct nj_alternative) alternatives;
    NJ_TABLE(struct nj_choice_node) nodes;
    NJ_TABLE(int32_t) end_tokens; /* tokens that end the alternative of a node where others go on */
    NJ_TABLE(uint32_t) end_nodes; /* the node of each of them */
    uint32_t root;                /* the node that the sequence ends at */
    uint32_t told;                /* the alternative that is told, or NJ_NONE */
    size_t   told_end;            /* bytes of the answer in front of a token that tells that it ends */
};

/* The nodes of a choice that go through one pass over the weights: those to score, and those on the way to them. */
struct nj_choice_pass {
    int32_t  ids[NJ_GENERATE_ROOM], parent[NJ_GENERATE_ROOM];
    uint32_t node[NJ_GENERATE_ROOM];
    bool     scored[NJ_GENERATE_ROOM];
    size_t   first_row[NJ_GENERATE_ROOM];
    size_t   count;
    NJ_TABLE(int32_t) rows;
    float *logits; /* [count][rows.count] */
};

struct nj_run {
    struct nj_generation       *g;
    struct nj_engine           *engine;
    const struct nj_tokenizer  *tokenizer;
    const struct nj_vocabulary *vocabulary;
    struct nj_constraint       *now, *look; /* NULL without a grammar */
    enum nj_run_state           state;
    struct nj_ids               feed; /* prompt and ids; those from `fed` on are not in the sequence yet */
    size_t                      fed;
    /* Where a stop goes back to: the ids before the question at hand was prepared, and what was fed before it was asked. */
    size_t                ids_before, fed_before;
    size_t                shown; /* bytes of the text that were handed to on_text */
    struct nj_choice_tree tree;
    struct nj_choice_pass pass;
    uint64_t             *bits;      /* of the last mask */
    int32_t              *rows;      /* ids whose logits are asked for */
    size_t                row_count; /* 0: all */
    float                *logits;    /* [vocabulary of the model] */
    uint32_t             *order;     /* the same */
};

nj_status nj_run_open(struct nj_run *run, struct nj_generation *generation, struct nj_engine *engine, const struct nj_tokenizer *tokenizer,
                      const struct nj_vocabulary *vocabulary, struct nj_error *error);
void      nj_run_close(struct nj_run *run);

/* Commits what is forced and says what to ask next: rows, or that it is done. */
nj_status nj_run_prepare(struct nj_run *run, struct nj_error *error);
/* Uses the logits that were asked for. */
nj_status nj_run_answer(struct nj_run *run, struct nj_error *error);

/* Takes one id into the answer. */
nj_status nj_run_commit(struct nj_run *run, int32_t id, struct nj_error *error);

/* Fails: what is told cannot be said at that byte. */
nj_status nj_run_misfit(const struct nj_run *run, size_t at, struct nj_error *error);

/* Whether the document can still be closed in time from `look` after `spent` more tokens. */
nj_status nj_run_fits(struct nj_run *run, struct nj_constraint *look, size_t spent, bool *fits, struct nj_error *error);
nj_status nj_run_close_document(struct nj_run *run, struct nj_error *error);

/* Begins the choice that follows the forced text `forced`; *begun stays false if there is none worth scoring whole. `look` stands behind `forced`. */
nj_status nj_choice_begin(struct nj_run *run, const struct nj_text *forced, bool *begun, struct nj_error *error);
/* The rows of the next question. */
void nj_choice_rows(struct nj_run *run);
/* Uses what was asked about the choice: asks on below, or takes an alternative. */
nj_status nj_choice_answer(struct nj_run *run, struct nj_error *error);
void      nj_choice_clear(struct nj_choice_tree *tree);

#endif
