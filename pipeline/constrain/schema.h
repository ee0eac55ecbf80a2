/* schema.h: the compiler from JSON Schema to tables, between its files.
 *
 * schema_read.c    what a schema says: keywords, $ref, and the alternatives that allOf, anyOf and oneOf make together
 * schema_shape.c   one alternative as plain limits for each type
 * schema_scalars.c limits of strings and numbers to automata, constants to literals
 * schema_lower.c   limits to objects and arrays, and alternatives as a whole
 * schema_finish.c  what can be satisfied at all, costs, keys, uniqueItems
 * schema_overlap.c proof that the alternatives of a oneOf exclude each other
 *
 * A value of the grammar is a conjunction of schemas ("parts"): all of them hold. Conjunctions are numbered as they are met and lowered in that order, so
 * recursion through $ref ends at a number that is already there. */
#ifndef NJ_CONSTRAIN_SCHEMA_H
#define NJ_CONSTRAIN_SCHEMA_H

#include "base/text.h"
#include "pipeline/constrain/chars.h"
#include "pipeline/constrain/dfa.h"

#define NJ_SCHEMA_VALUES       50000u
#define NJ_SCHEMA_PARTS        4096u    /* of one conjunction */
#define NJ_SCHEMA_ALTERNATIVES 1024u    /* of one value */
#define NJ_SCHEMA_DEPTH        256u     /* allOf, anyOf, oneOf and $ref inside each other */
#define NJ_SCHEMA_WORK         3000000u /* steps of the whole compilation: well below a second */

/* Where in the schema something stands; printed as a JSON pointer only when a sentence needs it. */
struct nj_place {
    const struct nj_place *up;
    const char            *token; /* NULL: index */
    size_t                 index;
};

struct nj_part {
    const json_t          *schema;
    const struct nj_place *place;
};

struct nj_parts {
    struct nj_part *data;
    uint32_t        count, capacity;
};

/* One branch that was taken of a oneOf. */
struct nj_branch {
    const json_t          *holder;
    const struct nj_place *place;
    uint32_t               index;
};

enum {
    NJ_TYPE_NULL     = 1,
    NJ_TYPE_BOOLEAN  = 2,
    NJ_TYPE_INTEGER  = 4,
    NJ_TYPE_FRACTION = 8,
    NJ_TYPE_STRING   = 16,
    NJ_TYPE_ARRAY    = 32,
    NJ_TYPE_OBJECT   = 64
};
#define NJ_TYPE_NUMBER (NJ_TYPE_INTEGER | NJ_TYPE_FRACTION)
#define NJ_TYPE_ANY    127u

/* What the parts of one alternative say together. */
struct nj_shape {
    unsigned               types;
    struct nj_number_rules number;
    uint64_t               min_length, max_length, min_items, max_items, min_properties, max_properties;
    const struct nj_place *unique, *property_limit; /* where uniqueItems, minProperties or maxProperties stands */
    const char            *patterns[16];
    const struct nj_place *pattern_place[16];
    uint32_t               pattern_count;
    bool                   listed; /* enum or const is among the parts */
    json_t                *values; /* what all of them share; owned */
};

/* An alternative as it was lowered; kept until overlaps have been ruled out. */
struct nj_form {
    uint32_t       value;
    struct nj_span literals;      /* compiler literals */
    struct nj_span lexemes;       /* compiler lexeme numbers */
    uint32_t       object, array; /* or NJ_NONE */
    struct nj_span branches;
};

struct nj_conjunction {
    struct nj_parts parts;
    uint64_t        hash;
};

struct nj_block;

struct nj_compiler {
    const char        *name;
    const json_t      *root;
    struct nj_grammar *g;
    struct nj_error   *error;
    bool               old_draft; /* draft-07 or before: $ref hides its neighbours; arrays may stand in items */
    bool               array_items;
    unsigned           draft; /* 4, 6, 7, 2019, 2020; 0: the schema does not say */

    struct nj_block *blocks;                      /* everything that lives as long as the compilation */
    NJ_TABLE(struct nj_conjunction) conjunctions; /* one a value of the grammar */
    uint32_t *conjunction_slots, slot_count;
    NJ_TABLE(struct nj_form) forms;            /* by value, ascending */
    NJ_TABLE(struct nj_span) value_forms;      /* one a value; filled by nj_finish */
    NJ_TABLE(struct nj_literal) form_literals; /* texts of g->bytes */
    NJ_TABLE(uint32_t) form_lexemes;           /* of g->lexemes */
    NJ_TABLE(struct nj_branch) branches;
    NJ_TABLE(json_t *) synthetic; /* schemas that the compiler made up; owned */
    struct nj_memo *memos;        /* automata that were built already */
    NJ_TABLE(struct nj_array_check) array_checks;
    NJ_TABLE(struct nj_object_check) object_checks;
    uint32_t work;
};

/* An array with uniqueItems, and an object with limits on its number of properties, to be looked at when all values are known. */
struct nj_array_check {
    uint32_t               array;
    const struct nj_place *place;
};
struct nj_object_check {
    uint32_t               object;
    uint64_t               min, max;
    const struct nj_place *place;
};

void                  *nj_compiler_memory(struct nj_compiler *c, size_t size); /* zeroed; NULL: none left */
const struct nj_place *nj_place_key(struct nj_compiler *c, const struct nj_place *up, const char *token);
const struct nj_place *nj_place_index(struct nj_compiler *c, const struct nj_place *up, size_t index);

/* "NAME: #/pointer: sentence" */
nj_status nj_refuse(struct nj_compiler *c, const struct nj_place *place, const char *format, ...) __attribute__((format(printf, 3, 4)));
nj_status nj_no_memory(struct nj_compiler *c);

/* Counts work, so that no schema takes long. */
nj_status nj_spend(struct nj_compiler *c, uint64_t steps);

bool nj_parts_add(struct nj_compiler *c, struct nj_parts *parts, const json_t *schema, const struct nj_place *place);

/* The number of a conjunction's value. Order counts (it is the order of properties); a part that is there twice is kept once. */
nj_status nj_value_of(struct nj_compiler *c, const struct nj_parts *parts, uint32_t *value);

/* Calls `lower` for each alternative of a conjunction. */
typedef nj_status nj_lower_form(struct nj_compiler *c, uint32_t value, const struct nj_parts *parts, const struct nj_branch *branches,
                                uint32_t branch_count);
nj_status         nj_expand(struct nj_compiler *c, uint32_t value, nj_lower_form *lower);

/* $schema, and what is only allowed at the top. */
nj_status nj_read_root(struct nj_compiler *c);

nj_status nj_shape_of(struct nj_compiler *c, const struct nj_parts *parts, bool without_values, struct nj_shape *out);
bool      nj_same_value(const json_t *a, const json_t *b); /* as JSON Schema compares: 1 is 1.0 */
bool      nj_json_decimal(const json_t *number, struct nj_decimal *out);

/* The lexeme of a shape's strings or numbers; NJ_NONE if there are none. */
nj_status nj_string_lexeme(struct nj_compiler *c, const struct nj_shape *shape, uint32_t *lexeme);
nj_status nj_number_lexeme(struct nj_compiler *c, const struct nj_shape *shape, uint32_t *lexeme);
/* Adds a scalar to the literals of a form; all of the shape's listed values that fit its limits and are scalars. */
nj_status nj_add_literal(struct nj_compiler *c, struct nj_form *form, const json_t *value);
nj_status nj_lower_literals(struct nj_compiler *c, const struct nj_shape *shape, struct nj_form *form);
uint64_t  nj_text_hash(const char *text); /* as keys are hashed while they are read */

nj_lower_form nj_lower;
nj_status     nj_finish(struct nj_compiler *c);
nj_status     nj_rule_out_overlaps(struct nj_compiler *c);

struct nj_trie_entry {
    const char *text;
    uint32_t    size, value;
};
/* A trie over `entries`, which are sorted in place; of equal texts that with the lowest value stays, and *count becomes what is left. lists: each node knows
 * which values end below it. *root is 0 for none. */
nj_status nj_trie_build(struct nj_compiler *c, struct nj_trie_entry *entries, uint32_t *count, bool lists, uint32_t *root);

/* Appends the spelling of a string (without quotes), of a scalar; appends bytes to the pool. */
void      nj_spell_string(struct nj_text *out, const char *string, size_t size);
bool      nj_spell_scalar(struct nj_text *out, const json_t *value);
nj_status nj_pool(struct nj_compiler *c, const char *text, size_t size, struct nj_literal *out);

#endif
