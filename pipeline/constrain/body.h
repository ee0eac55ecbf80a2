/* body.h: the part of a mask that only depends on where an automaton stands, for states that meet a large part of the vocabulary (the inside of strings).
 *
 * From such a state a token either stays inside the value, or closes it after some characters and goes on behind it (then what surrounds the value decides),
 * or is impossible. A body keeps the first as one bit a token and the second, a few hundred, as a list. Built in one walk over the vocabulary. */
#ifndef NJ_CONSTRAIN_BODY_H
#define NJ_CONSTRAIN_BODY_H

#include "pipeline/constrain/tables.h"
#include "pipeline/constrain/vocabulary_tree.h"

struct nj_exit {
    int32_t        id;
    uint16_t       closed; /* bytes of the token up to the end of the value */
    uint16_t       chars;  /* characters before it */
    uint16_t       rest;   /* bytes behind it */
    uint16_t       shared; /* bytes of the rest that it shares with the exit before */
    const uint8_t *tail;   /* [rest] borrowed from the tokenizer */
};

struct nj_body {
    uint32_t  dfa, state;
    uint64_t *inside; /* [NJ_MASK_WORDS] */
    uint32_t  inside_count;
    uint8_t
        *need; /* [vocabulary size, rounded up to 64] characters that a token takes and leaves needed; NJ_NOT_INSIDE; NULL: not counted */
    uint8_t         most;  /* the largest need of a token inside */
    struct nj_exit *exits; /* sorted by tail */
    uint32_t        exit_count;
};
#define NJ_NOT_INSIDE 127
#define NJ_MOST_NEED  126 /* and more */

struct nj_bodies;
void nj_bodies_close(struct nj_bodies *bodies);

/* The body of a state, built if it is not there yet. counted: with `need`. Valid until the next call; NULL: no memory. */
const struct nj_body *nj_body_of(struct nj_grammar *g, const struct nj_vocabulary *vocabulary, uint32_t dfa, uint32_t state, bool counted);

/* Builds those that masks are sure to need, so that none waits for them. */
void nj_bodies_prepare(struct nj_grammar *g, const struct nj_vocabulary *vocabulary);

/* One body by itself; nj_body_free takes what is in it. false: no memory. */
bool nj_body_build(struct nj_body *out, const struct nj_grammar *g, const struct nj_vocabulary *vocabulary, uint32_t dfa, uint32_t state,
                   bool counted);
void nj_body_free(struct nj_body *body);

#endif
