/* vocabulary_tree.h: the layout behind vocabulary.h, for the code that walks it.
 *
 * Node i is one byte of one or more tokens; nodes stand in depth-first order, children sorted by byte, so that the subtree of i is i .. skip[i] - 1 and
 * a walk that refuses a byte goes on at skip[i]. Tokens stand in the same order: those that end at node i are order[first[i]] .. order[first[i + 1]] - 1,
 * those of its whole subtree order[first[i]] .. order[first[skip[i]]] - 1. */
#ifndef NJ_CONSTRAIN_VOCABULARY_TREE_H
#define NJ_CONSTRAIN_VOCABULARY_TREE_H

#include "pipeline/constrain/vocabulary.h"

struct nj_body;

#define NJ_TOKEN_BYTES 255 /* longer tokens are left out */

struct nj_vocabulary {
    const struct nj_tokenizer *tokenizer;
    uint32_t                   size;      /* ids of the tokenizer */
    uint32_t                   nodes;     /* without the root */
    uint32_t                   tokens;    /* in the tree */
    uint32_t                   max_bytes; /* of one token */
    int32_t                    quote; /* the added token <|"|>, which calls of tools are written with: one byte, NJ_CALL_QUOTE; -1: none */
    uint8_t                   *byte;  /* [nodes] */
    uint8_t                   *depth; /* [nodes] 1 for the first byte of a token */
    uint32_t                  *skip;  /* [nodes] */
    uint32_t                  *first; /* [nodes + 1] */
    int32_t                   *order; /* [tokens] */
    struct nj_body            *free_string; /* the inside of a string without limits, which every grammar has (body.h) */
};

#endif
