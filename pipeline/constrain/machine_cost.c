/* How far the end is, and which bytes are worth trying. */
#include "pipeline/constrain/machine_keys.h"

static uint32_t closing_of(const struct nj_machine *m, uint32_t parent)
{
    return parent == NJ_NONE ? 0 : m->frames.data[parent].closing;
}

struct cheapest {
    uint32_t cost, begun; /* bytes of the key that are there */
};

static uint32_t sum(uint32_t a, uint32_t b)
{
    return a >= NJ_ENDLESS || b >= NJ_ENDLESS - a ? NJ_ENDLESS : a + b;
}

/* From behind a key's closing quote to the end of the object. */
static uint32_t property_cost(const struct nj_machine *m, const struct nj_object *o, uint32_t property)
{
    uint32_t value = property == NJ_NONE ? o->extra : nj_property_at(m->g, o, property)->value;
    uint32_t next  = property == NJ_NONE ? o->properties.count : property + 1;
    return sum(1, sum(m->g->values.data[value].shortest, nj_property_at(m->g, o, next)->finish));
}

static bool cheaper_key(const struct nj_machine *m, const struct nj_object *o, uint32_t property, void *arg)
{
    struct cheapest *best = arg;
    uint32_t         cost = sum(nj_property_at(m->g, o, property)->spelled - best->begun + 1, property_cost(m, o, property));
    best->cost            = cost < best->cost ? cost : best->cost;
    return false;
}

static uint32_t object_cost(const struct nj_machine *m, const struct nj_item *item)
{
    const struct nj_object   *o = &m->g->objects.data[item->spec];
    const struct nj_property *p = nj_property_at(m->g, o, item->at);
    if (item->phase == NJ_COLON)
        return property_cost(m, o, (uint32_t)item->memory);
    if (item->phase != NJ_COMMA)
        return p->finish - (item->phase == NJ_FIRST && p->next_required != NJ_NONE);
    struct cheapest best = {.cost = NJ_ENDLESS};
    nj_keys_visit(m, o, o->trie, item->at, item->list, cheaper_key, &best);
    if (nj_object_may_have_further(m, o, item)) {
        uint32_t further = sum(1 + nj_key_is_taken(m, o, item->list, NJ_KEY_HASH_START), property_cost(m, o, NJ_NONE));
        best.cost        = further < best.cost ? further : best.cost;
    }
    return sum(best.cost, 1);
}

static uint32_t key_cost(const struct nj_machine *m, const struct nj_item *key)
{
    const struct nj_object *o = &m->g->objects.data[key->spec];
    if (key->kind == NJ_AT_KEY) {
        struct cheapest best = {.cost = NJ_ENDLESS, .begun = key->point};
        nj_keys_visit(m, o, key->at, m->g->any_order ? 0 : key->count, key->list, cheaper_key, &best);
        return best.cost;
    }
    const struct nj_dfa       *dfa   = &m->g->dfas.data[NJ_FREE_STRING];
    const struct nj_dfa_state *state = &m->g->dfa_states.data[dfa->info + key->at];
    bool                       taken = (state->flags & NJ_DFA_BOUNDARY) && nj_key_is_taken(m, o, key->list, key->memory);
    return sum(state->bytes + taken, property_cost(m, o, NJ_NONE));
}

/* The shortest literal that is still missing, of those below a node of the trie. */
static uint32_t unique_cost(const struct nj_machine *m, const struct nj_item *item, uint32_t node, uint32_t begun, uint32_t parent)
{
    const struct nj_array     *a    = &m->g->arrays.data[item->spec];
    const struct nj_trie_node *n    = &m->g->tries.data[node];
    uint64_t                   seen = m->frames.data[parent].item.memory;
    uint32_t                   best = NJ_ENDLESS;
    for (uint32_t i = 0; i < n->list_count; i++) {
        uint32_t value = m->g->numbers.data[n->list + i];
        uint32_t size  = m->g->literals.data[a->unique_values.at + value].size - begun;
        if (!(seen >> value & 1))
            best = size < best ? size : best;
    }
    return best;
}

static uint32_t dfa_cost(const struct nj_machine *m, const struct nj_item *item)
{
    const struct nj_lexeme *l    = &m->g->lexemes.data[item->spec];
    uint32_t                cost = m->g->dfa_states.data[m->g->dfas.data[l->at].info + item->at].bytes;
    return sum(cost, l->min > item->count ? l->min - item->count : 0);
}

static uint32_t array_cost(const struct nj_machine *m, const struct nj_item *item, bool pessimistic)
{
    uint32_t items = nj_items_cost(m->g, &m->g->arrays.data[item->spec], item->at, item->memory, pessimistic);
    return item->phase == NJ_FIRST && items ? items : sum(items, 1);
}

static uint32_t item_cost(const struct nj_machine *m, const struct nj_way *way)
{
    const struct nj_item *item = &way->top;
    switch ((enum nj_item_kind)item->kind) {
    case NJ_AT_VALUE:
        if (item->phase == NJ_UNIQUE)
            return unique_cost(m, item, m->g->arrays.data[item->spec].unique, 0, way->parent);
        return m->g->values.data[item->spec].shortest;
    case NJ_AT_TRIE:
        if (item->phase == NJ_UNIQUE)
            return unique_cost(m, item, item->at, item->point, way->parent);
        return m->g->tries.data[item->at].bytes;
    case NJ_AT_DFA:
        return dfa_cost(m, item);
    case NJ_AT_OBJECT:
        return object_cost(m, item);
    case NJ_AT_KEY:
    case NJ_AT_FURTHER_KEY:
        return key_cost(m, item);
    case NJ_AT_ARRAY:
        return array_cost(m, item, false);
    case NJ_AT_END:
        break;
    }
    return 0;
}

uint32_t nj_machine_cost(const struct nj_machine *m, const struct nj_way *way)
{
    return sum(item_cost(m, way), closing_of(m, way->parent));
}

uint32_t nj_machine_frame_cost(const struct nj_machine *m, const struct nj_item *item, uint32_t parent)
{
    struct nj_way way = {.top = *item, .parent = parent};
    if (item->kind == NJ_AT_ARRAY) /* which unique value comes first is not known yet */
        return sum(array_cost(m, item, true), closing_of(m, parent));
    return nj_machine_cost(m, &way);
}

/* --- which bytes are worth trying --- */

static void set_bit(uint64_t bits[4], unsigned byte)
{
    bits[byte / 64] |= UINT64_C(1) << byte % 64;
}

static void dfa_candidates(const struct nj_grammar *g, uint32_t dfa_number, uint32_t state, uint64_t bits[4])
{
    const struct nj_dfa *dfa = &g->dfas.data[dfa_number];
    for (unsigned byte = 0; byte < 256; byte++)
        if (nj_dfa_next(g, dfa, state, (uint8_t)byte))
            set_bit(bits, byte);
}

static void trie_candidates(const struct nj_grammar *g, uint32_t node, uint64_t bits[4])
{
    for (uint32_t child = g->tries.data[node].child; child; child = g->tries.data[child].sibling)
        set_bit(bits, g->tries.data[child].byte);
}

static void value_candidates(const struct nj_grammar *g, const struct nj_item *item, uint64_t bits[4])
{
    if (item->phase == NJ_UNIQUE) {
        trie_candidates(g, g->arrays.data[item->spec].unique, bits);
        return;
    }
    const struct nj_value *value = &g->values.data[item->spec];
    for (uint32_t i = value->lexemes.at; i < value->lexemes.at + value->lexemes.count; i++) {
        const struct nj_lexeme *l = &g->lexemes.data[g->numbers.data[i]];
        if (l->kind == NJ_LEX_TRIE)
            trie_candidates(g, l->at, bits);
        else
            dfa_candidates(g, l->at, g->dfas.data[l->at].start, bits);
    }
    set_bit(bits, '{');
    set_bit(bits, '[');
}

void nj_machine_candidates(const struct nj_machine *m, const struct nj_way *way, uint64_t bits[4])
{
    const struct nj_grammar *g           = m->g;
    const struct nj_item    *item        = &way->top;
    static const char        structure[] = "\"{}[],: \n\r\t";
    for (const char *at = structure; *at && item->kind != NJ_AT_END; at++)
        set_bit(bits, (uint8_t)*at);
    if (item->kind == NJ_AT_VALUE)
        value_candidates(g, item, bits);
    else if (item->kind == NJ_AT_TRIE || item->kind == NJ_AT_KEY) {
        if (item->at)
            trie_candidates(g, item->at, bits);
    } else if (item->kind == NJ_AT_DFA)
        dfa_candidates(g, g->lexemes.data[item->spec].at, item->at, bits);
    else if (item->kind == NJ_AT_FURTHER_KEY)
        dfa_candidates(g, NJ_FREE_STRING, item->at, bits);
    else if (item->kind == NJ_AT_ARRAY && item->phase == NJ_FIRST) {
        const struct nj_array *a = &g->arrays.data[item->spec];
        if (a->unique)
            trie_candidates(g, a->unique, bits);
        else if (nj_array_may_have_item(g, a, item))
            value_candidates(g, &(struct nj_item){.spec = nj_array_item(g, a, 0)}, bits);
    }
}
