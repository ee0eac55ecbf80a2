/* machine.h: the pushdown machine behind constraint.h.
 *
 * A way is one reading of the bytes so far: what is being written (`top`) and, as a linked list of frames, the objects and arrays
 * around it. A document under anyOf may be readable in several ways: a state is a set of ways, and a byte is allowed if any of them takes it.
 * Frames never change once written, so ways share them. */
#ifndef NJ_CONSTRAIN_MACHINE_H
#define NJ_CONSTRAIN_MACHINE_H

#include "pipeline/constrain/tables.h"

#define NJ_MOST_WAYS 2048u /* alternatives that stay open through a recursion double with each level */

enum nj_item_kind { NJ_AT_END, NJ_AT_VALUE, NJ_AT_TRIE, NJ_AT_DFA, NJ_AT_OBJECT, NJ_AT_KEY, NJ_AT_FURTHER_KEY, NJ_AT_ARRAY };

enum nj_item_phase {
    NJ_PLAIN,
    NJ_UNIQUE, /* VALUE, TRIE: an item of an array with uniqueItems; `spec` is the array */
    NJ_FIRST,  /* OBJECT, ARRAY: behind the opening bracket */
    NJ_NEXT,   /* behind a value */
    NJ_COMMA,  /* OBJECT: behind a comma */
    NJ_COLON   /* OBJECT: behind a key; `memory` is the property */
};

struct nj_item {
    uint8_t  kind, phase;
    uint8_t  spaces; /* bytes of white space since the last other byte */
    uint8_t  escape; /* FURTHER_KEY: 1 behind a backslash, 2 to 5 inside \uXXXX */
    uint32_t spec;   /* value, lexeme, object or array */
    uint32_t at;     /* TRIE, KEY: node; DFA, FURTHER_KEY: state; OBJECT: the next property that may come; ARRAY: items so far */
    uint32_t count;  /* DFA: characters so far; KEY: the next property that may come; any order: required properties so far */
    uint32_t list;   /* OBJECT and keys: keys that were used, head of a list in nj_machine.keys, or NJ_NONE */
    uint32_t point;  /* FURTHER_KEY: hexadecimal digits so far; KEY, TRIE: bytes so far */
    uint64_t memory; /* ARRAY: unique values that are there; FURTHER_KEY: hash; OBJECT: property (NJ_NONE: a further key) */
};

struct nj_way {
    struct nj_item top;
    uint32_t       parent; /* frame, or NJ_NONE */
    uint32_t       unused;
};

struct nj_frame { /* what goes on when the value above is complete */
    struct nj_item item;
    uint32_t       parent;
    uint32_t       closing; /* bytes from then to the end of the document */
};

struct nj_used_key {
    uint64_t hash;
    uint32_t next, unused;
};

struct nj_ways {
    struct nj_way *data;
    uint32_t       count, capacity;
};

struct nj_machine {
    const struct nj_grammar *g;
    NJ_TABLE(struct nj_frame) frames;
    NJ_TABLE(struct nj_used_key) keys;
    bool failed;  /* memory is gone; what the machine says is no longer meaningful */
    bool dropped; /* there were more than NJ_MOST_WAYS ways; what is left is right, but something else may be right, too */
};

/* The ways that follow `way` after `byte`, appended to `out` behind `from`; those that are there already are not added again. */
void nj_machine_step(struct nj_machine *m, const struct nj_way *way, uint8_t byte, struct nj_ways *out, uint32_t from);

struct nj_way nj_machine_start(const struct nj_grammar *g);

/* Whether the document may end here. */
bool nj_machine_may_end(const struct nj_machine *m, const struct nj_way *way);

/* Bytes of a shortest way to the end of the document. */
uint32_t nj_machine_cost(const struct nj_machine *m, const struct nj_way *way);

/* The same for what goes on under a value, before it is known which value that is: never too low. */
uint32_t nj_machine_frame_cost(const struct nj_machine *m, const struct nj_item *item, uint32_t parent);

/* Sets the bits of all bytes that might follow; bytes that cannot may be among them. */
void nj_machine_candidates(const struct nj_machine *m, const struct nj_way *way, uint64_t bits[4]);

/* The way behind a string that this one is in, as if its closing quote had been read. */
void nj_machine_close(struct nj_machine *m, const struct nj_way *way, struct nj_ways *out, uint32_t from);

bool nj_ways_add(struct nj_ways *ways, const struct nj_way *way);

#endif
