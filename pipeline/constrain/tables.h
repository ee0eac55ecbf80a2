/* tables.h: a compiled grammar as flat arrays of plain numbers, so that it can lie in a file as it lies in memory.
 *
 * A value is a union of alternatives; an alternative is a set of scalars (literals as a trie, strings and numbers as automata over bytes), or one
 * object form, or one array form. Objects and arrays refer to values by index, so recursion is a loop in the tables and a stack in the constraint.
 * Costs (`shortest`, `finish`, `bytes`) are bytes of a shortest way to the end; NJ_ENDLESS marks what no document can contain. */
#ifndef NJ_CONSTRAIN_TABLES_H
#define NJ_CONSTRAIN_TABLES_H

#include "pipeline/constrain/grammar.h"

#include <stdint.h>

#define NJ_NONE       UINT32_MAX
#define NJ_ENDLESS    (UINT32_MAX / 4)
#define NJ_UNLIMITED  UINT32_MAX
#define NJ_MAX_UNIQUE 64 /* values of an array with uniqueItems: one bit each */

/* A trie over the spellings of literals or keys. Node 0 of the grammar's tries is unused. */
struct nj_trie_node {
    uint32_t child, sibling;   /* 0: none */
    uint32_t value;            /* literal or property that ends here, or NJ_NONE */
    uint32_t list, list_count; /* numbers[]: those that end in this subtree, ascending; only for keys and unique values */
    uint32_t bytes;            /* to the nearest end below */
    uint32_t byte;             /* the one that led here */
};

enum {
    NJ_DFA_ACCEPT   = 1, /* the value may end here */
    NJ_DFA_FINAL    = 2, /* and nothing else is possible */
    NJ_DFA_BOUNDARY = 4, /* inside a string, between two characters */
    NJ_DFA_ANYTHING = 8, /* and any characters may follow: the state of a free string */
    NJ_DFA_MANY     = 16 /* inside a text, and so many bytes are possible that its mask is worth keeping (body.h) */
};

struct nj_dfa_state {
    uint32_t bytes; /* to the end, on a way with the fewest characters */
    uint16_t chars; /* characters still needed before the closing quote; saturates */
    uint16_t flags;
};

/* State 0 is dead. */
struct nj_dfa {
    uint32_t states, classes, start;
    uint32_t table; /* transitions[table + state * classes + class] */
    uint32_t class; /* bytes[class + byte] */
    uint32_t info;  /* dfa_states[info + state] */
};

enum nj_lexeme_kind { NJ_LEX_TRIE, NJ_LEX_DFA };

struct nj_lexeme {
    uint32_t kind;
    uint32_t at;       /* trie root or dfa */
    uint32_t min, max; /* code points, of a string that counts them; 0 and NJ_UNLIMITED otherwise */
};

struct nj_span {
    uint32_t at, count;
};

struct nj_value {
    struct nj_span lexemes; /* numbers[]: lexemes */
    struct nj_span objects, arrays;
    struct nj_span literals; /* all of its values, if they are literals only; else empty */
    uint32_t       shortest;
};

/* A text in the pool. */
struct nj_literal {
    uint32_t text, size;
};

struct nj_property {
    uint64_t hash;       /* of the decoded name */
    uint32_t name, size; /* decoded */
    uint32_t spelled;    /* bytes between the quotes */
    uint32_t value;
    uint32_t next_required; /* the first required property from this one on, or NJ_NONE */
    uint32_t finish;        /* bytes to finish the object when this is the next property that may come and another one stands before it */
    uint16_t required, usable;
};

struct nj_object {
    struct nj_span properties; /* followed by one sentinel that only has `finish` and `next_required` */
    uint32_t       trie;       /* of the keys with their closing quotes; 0 if there is none */
    uint32_t       extra;      /* value of further keys, or NJ_NONE */
    uint32_t       required;   /* how many are */
    uint32_t       shortest;
};

struct nj_array {
    struct nj_span prefix; /* numbers[]: values of the first items */
    uint32_t       items;  /* value of the others, or NJ_NONE */
    uint32_t       min, max;
    uint32_t       unique;        /* trie of the values that may appear once each, or 0 */
    struct nj_span unique_values; /* literals */
    uint32_t       shortest;
};

/* `count` elements; the arrays of a grammar that was read from the cache point into one block. */
#define NJ_TABLE(type)                                                                                                                     \
    struct {                                                                                                                               \
        type    *data;                                                                                                                     \
        uint32_t count, capacity;                                                                                                          \
    }

struct nj_body;

struct nj_grammar {
    uint32_t form, any_order, root;
    NJ_TABLE(struct nj_value) values;
    NJ_TABLE(struct nj_lexeme) lexemes;
    NJ_TABLE(struct nj_object) objects;
    NJ_TABLE(struct nj_property) properties;
    NJ_TABLE(struct nj_array) arrays;
    NJ_TABLE(struct nj_trie_node) tries;
    NJ_TABLE(struct nj_literal) literals;
    NJ_TABLE(struct nj_dfa) dfas;
    NJ_TABLE(struct nj_dfa_state) dfa_states;
    NJ_TABLE(uint16_t) transitions;
    NJ_TABLE(uint32_t) numbers;
    NJ_TABLE(uint8_t) bytes;

    void             *block;  /* the cache file's bytes, if the tables lie in it */
    struct nj_bodies *bodies; /* masks kept for states with many tokens (body.h); not part of the grammar */
};

/* Dfa 0 of every grammar is the free string, opening quote included; lexeme 0 is it. */
#define NJ_FREE_STRING 0

static inline uint32_t nj_dfa_next(const struct nj_grammar *g, const struct nj_dfa *dfa, uint32_t state, uint8_t byte)
{
    return g->transitions.data[dfa->table + state * dfa->classes + g->bytes.data[dfa->class + byte]];
}

/* Makes room for `more` elements behind the `count` that are there; false: no memory, or a table of more than 256 MiB. `data` points to the pointer. */
bool nj_table_room(void *data, uint32_t count, uint32_t *capacity, uint64_t more, size_t size);
#define NJ_ROOM(table, more) nj_table_room(&(table).data, (table).count, &(table).capacity, (more), sizeof *(table).data)

/* Bytes of the shortest value of item `at` (NJ_NONE: behind the prefix); of the items that are still needed from `from` on, a comma each, when `seen` are
 * the unique values that are there; pessimistic: unique values are taken longest first. */
uint32_t nj_item_cost(const struct nj_grammar *g, const struct nj_array *array, uint32_t at);
uint32_t nj_items_cost(const struct nj_grammar *g, const struct nj_array *array, uint32_t from, uint64_t seen, bool pessimistic);

uint64_t nj_key_hash(uint64_t hash, uint8_t byte);
#define NJ_KEY_HASH_START UINT64_C(0xcbf29ce484222325)

#endif
