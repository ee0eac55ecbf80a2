/* machine_keys.h: the rules for keys and items that stepping and costs share (machine.c, machine_cost.c). */
#ifndef NJ_CONSTRAIN_MACHINE_KEYS_H
#define NJ_CONSTRAIN_MACHINE_KEYS_H

#include "pipeline/constrain/machine.h"

static inline const struct nj_property *nj_property_at(const struct nj_grammar *g, const struct nj_object *o, uint32_t at)
{
    return &g->properties.data[o->properties.at + at];
}

/* A key that is declared, or was there before, cannot be a further key. */
bool nj_key_is_taken(const struct nj_machine *m, const struct nj_object *o, uint32_t list, uint64_t hash);

/* Calls for each declared key that ends below `node` of the object's trie and may come when `next` is the next property, until a call returns true. */
typedef bool   nj_key_visitor(const struct nj_machine *m, const struct nj_object *o, uint32_t property, void *arg);
bool           nj_keys_visit(const struct nj_machine *m, const struct nj_object *o, uint32_t node, uint32_t next, uint32_t used,
                             nj_key_visitor *visit, void *arg);
nj_key_visitor nj_any_key; /* true at once: is there one? */

bool nj_object_may_close(const struct nj_machine *m, const struct nj_object *o, const struct nj_item *item);
bool nj_object_may_have_further(const struct nj_machine *m, const struct nj_object *o, const struct nj_item *item);
bool nj_object_may_have_key(const struct nj_machine *m, const struct nj_object *o, const struct nj_item *item);

/* The value of item `at`, or NJ_NONE. */
uint32_t nj_array_item(const struct nj_grammar *g, const struct nj_array *a, uint32_t at);
bool     nj_array_may_have_item(const struct nj_grammar *g, const struct nj_array *a, const struct nj_item *item);

#endif
