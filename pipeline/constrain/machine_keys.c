/* What may come next in an object or array, as far as it does not depend on bytes. */
#include "pipeline/constrain/machine_keys.h"

static bool is_used(const struct nj_machine *m, uint32_t list, uint64_t hash)
{
    for (; list != NJ_NONE; list = m->keys.data[list].next)
        if (m->keys.data[list].hash == hash)
            return true;
    return false;
}

/* A key that is declared, or was there before, cannot be a further key. */
bool nj_key_is_taken(const struct nj_machine *m, const struct nj_object *o, uint32_t list, uint64_t hash)
{
    for (uint32_t i = 0; i < o->properties.count; i++)
        if (nj_property_at(m->g, o, i)->hash == hash)
            return true;
    return is_used(m, list, hash);
}

bool nj_keys_visit(const struct nj_machine *m, const struct nj_object *o, uint32_t node, uint32_t next, uint32_t used,
                   nj_key_visitor *visit, void *arg)
{
    if (node == 0)
        return false;
    const struct nj_trie_node *n    = &m->g->tries.data[node];
    const uint32_t            *list = m->g->numbers.data + n->list;
    if (m->g->any_order) {
        for (uint32_t i = 0; i < n->list_count; i++)
            if (!is_used(m, used, nj_property_at(m->g, o, list[i])->hash) && visit(m, o, list[i], arg))
                return true;
        return false;
    }
    uint32_t last = nj_property_at(m->g, o, next)->next_required, from = 0, to = n->list_count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (list[middle] < next)
            from = middle + 1;
        else
            to = middle;
    }
    for (; from < n->list_count && list[from] <= last; from++) /* NJ_NONE: no required one is left, all may come */
        if (visit(m, o, list[from], arg))
            return true;
    return false;
}

bool nj_any_key(const struct nj_machine *m, const struct nj_object *o, uint32_t property, void *arg)
{
    (void)m, (void)o, (void)property, (void)arg;
    return true;
}

bool nj_object_may_close(const struct nj_machine *m, const struct nj_object *o, const struct nj_item *item)
{
    return m->g->any_order ? item->count == o->required : nj_property_at(m->g, o, item->at)->next_required == NJ_NONE;
}

bool nj_object_may_have_further(const struct nj_machine *m, const struct nj_object *o, const struct nj_item *item)
{
    return o->extra != NJ_NONE && (m->g->any_order || nj_object_may_close(m, o, item));
}

bool nj_object_may_have_key(const struct nj_machine *m, const struct nj_object *o, const struct nj_item *item)
{
    return nj_object_may_have_further(m, o, item) || nj_keys_visit(m, o, o->trie, item->at, item->list, nj_any_key, NULL);
}

uint32_t nj_array_item(const struct nj_grammar *g, const struct nj_array *a, uint32_t at)
{
    return at < a->prefix.count ? g->numbers.data[a->prefix.at + at] : a->items;
}

bool nj_array_may_have_item(const struct nj_grammar *g, const struct nj_array *a, const struct nj_item *item)
{
    return item->at < a->max && nj_array_item(g, a, item->at) != NJ_NONE;
}
