#include "pipeline/constrain/machine_keys.h"

#include <stdlib.h>
#include <string.h>

#define MOST_SPACES 64

uint64_t nj_key_hash(uint64_t hash, uint8_t byte)
{
    return (hash ^ byte) * UINT64_C(0x100000001b3);
}

bool nj_ways_add(struct nj_ways *ways, const struct nj_way *way)
{
    if (!NJ_ROOM(*ways, 1))
        return false;
    ways->data[ways->count++] = *way;
    return true;
}

static bool same_way(const struct nj_way *a, const struct nj_way *b)
{
    const struct nj_item *x = &a->top, *y = &b->top;
    return a->parent == b->parent && x->kind == y->kind && x->phase == y->phase && x->spaces == y->spaces && x->escape == y->escape &&
           x->spec == y->spec && x->at == y->at && x->count == y->count && x->list == y->list && x->point == y->point &&
           x->memory == y->memory;
}

struct stepping {
    struct nj_machine *m;
    struct nj_ways    *out;
    uint32_t           from;
    uint8_t            byte;
};

static void emit(const struct stepping *s, const struct nj_item *top, uint32_t parent)
{
    struct nj_way way = {.top = *top, .parent = parent};
    for (uint32_t i = s->from; i < s->out->count; i++)
        if (same_way(&s->out->data[i], &way))
            return;
    if (s->out->count - s->from >= NJ_MOST_WAYS) {
        s->m->dropped = true;
        return;
    }
    if (!nj_ways_add(s->out, &way))
        s->m->failed = true;
}

/* Puts `item`, as it is to go on, under a value. */
static uint32_t push(struct nj_machine *m, const struct nj_item *item, uint32_t parent)
{
    if (!NJ_ROOM(m->frames, 1)) {
        m->failed = true;
        return NJ_NONE;
    }
    struct nj_frame *frame = &m->frames.data[m->frames.count];
    *frame                 = (struct nj_frame){.item = *item, .parent = parent};
    frame->closing         = nj_machine_frame_cost(m, item, parent);
    return m->frames.count++;
}

/* A value is complete: back to what is around it. `value` is the unique value that it was, if that matters. */
static struct nj_way pop(const struct nj_machine *m, uint32_t parent, bool unique, uint32_t value)
{
    struct nj_way way = {.top = {.kind = NJ_AT_END}, .parent = NJ_NONE};
    if (parent == NJ_NONE)
        return way;
    way.top    = m->frames.data[parent].item;
    way.parent = m->frames.data[parent].parent;
    if (unique)
        way.top.memory |= UINT64_C(1) << value;
    return way;
}

static void emit_popped(const struct stepping *s, uint32_t parent, bool unique, uint32_t value)
{
    struct nj_way way = pop(s->m, parent, unique, value);
    emit(s, &way.top, way.parent);
}

static uint32_t use(struct nj_machine *m, uint32_t list, uint64_t hash)
{
    if (!NJ_ROOM(m->keys, 1)) {
        m->failed = true;
        return list;
    }
    m->keys.data[m->keys.count] = (struct nj_used_key){.hash = hash, .next = list};
    return m->keys.count++;
}

/* --- one byte --- */

static bool space(const struct stepping *s, const struct nj_way *way)
{
    if (s->m->g->form != NJ_JSON_SPACED || way->top.spaces >= MOST_SPACES ||
        (s->byte != ' ' && s->byte != '\n' && s->byte != '\r' && s->byte != '\t'))
        return false;
    struct nj_item top = way->top;
    top.spaces++;
    emit(s, &top, way->parent);
    return true;
}

static uint32_t trie_child(const struct nj_grammar *g, uint32_t node, uint8_t byte)
{
    uint32_t child = g->tries.data[node].child;
    while (child && g->tries.data[child].byte != byte)
        child = g->tries.data[child].sibling;
    return child;
}

/* Whether a value that is still missing ends below this node. */
static bool unseen(const struct nj_grammar *g, uint32_t node, uint64_t seen)
{
    const struct nj_trie_node *n = &g->tries.data[node];
    for (uint32_t i = 0; i < n->list_count; i++)
        if (!(seen >> g->numbers.data[n->list + i] & 1))
            return true;
    return false;
}

static void step_trie(const struct stepping *s, const struct nj_item *item, uint32_t parent)
{
    const struct nj_grammar *g      = s->m->g;
    bool                     unique = item->phase == NJ_UNIQUE;
    uint64_t                 seen   = unique ? s->m->frames.data[parent].item.memory : 0;
    uint32_t                 child  = trie_child(g, item->at, s->byte);
    if (!child || (unique && !unseen(g, child, seen)))
        return;
    const struct nj_trie_node *node = &g->tries.data[child];
    if (node->child == 0) {
        emit_popped(s, parent, unique, node->value);
        return;
    }
    struct nj_item top = *item;
    top.kind           = NJ_AT_TRIE;
    top.at             = child;
    top.point++;
    emit(s, &top, parent);
}

static void step_dfa(const struct stepping *s, const struct nj_item *item, uint32_t parent)
{
    const struct nj_grammar   *g    = s->m->g;
    const struct nj_lexeme    *l    = &g->lexemes.data[item->spec];
    const struct nj_dfa       *dfa  = &g->dfas.data[l->at];
    uint32_t                   next = nj_dfa_next(g, dfa, item->at, s->byte);
    const struct nj_dfa_state *from = &g->dfa_states.data[dfa->info + item->at], *to = &g->dfa_states.data[dfa->info + next];
    if (!next)
        return;
    struct nj_item top = *item;
    top.kind           = NJ_AT_DFA;
    top.at             = next;
    if (from->flags & NJ_DFA_BOUNDARY) {
        if (s->byte != '"') {
            top.count += top.count != NJ_UNLIMITED;
            if ((uint64_t)top.count + to->chars > l->max)
                return;
        } else if (top.count < l->min)
            return;
    }
    if (to->flags & NJ_DFA_FINAL)
        emit_popped(s, parent, false, 0);
    else
        emit(s, &top, parent);
}

/* The next item begins: what is to go on behind it is put aside. */
static struct nj_way begin_item(struct nj_machine *m, const struct nj_way *way)
{
    const struct nj_array *a    = &m->g->arrays.data[way->top.spec];
    struct nj_item         item = way->top, value = {.kind = NJ_AT_VALUE};
    value.phase = a->unique ? NJ_UNIQUE : NJ_PLAIN;
    value.spec  = a->unique ? way->top.spec : nj_array_item(m->g, a, item.at);
    item.phase  = NJ_NEXT;
    item.spaces = 0;
    item.at++;
    return (struct nj_way){.top = value, .parent = push(m, &item, way->parent)};
}

static void begin_array(const struct stepping *s, uint32_t array, uint32_t parent)
{
    struct nj_way way = {.top = {.kind = NJ_AT_ARRAY, .phase = NJ_FIRST, .spec = array}, .parent = parent};
    if (s->m->g->arrays.data[array].min > 0) /* no way around a first item */
        way = begin_item(s->m, &way);
    emit(s, &way.top, way.parent);
}

static void step_value(const struct stepping *s, const struct nj_way *way)
{
    const struct nj_grammar *g    = s->m->g;
    const struct nj_item    *item = &way->top;
    if (item->phase == NJ_UNIQUE) {
        struct nj_item trie = {.phase = NJ_UNIQUE, .spec = item->spec, .at = g->arrays.data[item->spec].unique};
        step_trie(s, &trie, way->parent);
        return;
    }
    const struct nj_value *value = &g->values.data[item->spec];
    for (uint32_t i = value->lexemes.at; i < value->lexemes.at + value->lexemes.count; i++) {
        const struct nj_lexeme *l   = &g->lexemes.data[g->numbers.data[i]];
        struct nj_item          top = {.spec = g->numbers.data[i]};
        if (l->kind == NJ_LEX_TRIE) {
            top.at = l->at;
            step_trie(s, &top, way->parent);
        } else {
            top.at = g->dfas.data[l->at].start;
            step_dfa(s, &top, way->parent);
        }
    }
    for (uint32_t i = value->objects.at; i < value->objects.at + value->objects.count && s->byte == '{'; i++)
        if (g->objects.data[i].shortest < NJ_ENDLESS)
            emit(s, &(struct nj_item){.kind = NJ_AT_OBJECT, .phase = NJ_FIRST, .spec = i, .list = NJ_NONE}, way->parent);
    for (uint32_t i = value->arrays.at; i < value->arrays.at + value->arrays.count && s->byte == '['; i++)
        if (g->arrays.data[i].shortest < NJ_ENDLESS)
            begin_array(s, i, way->parent);
}

static void begin_key(const struct stepping *s, const struct nj_way *way, const struct nj_object *o)
{
    const struct nj_item *item = &way->top;
    struct nj_item        key  = {.kind = NJ_AT_KEY, .spec = item->spec, .at = o->trie, .list = item->list};
    key.count                  = s->m->g->any_order ? item->count : item->at;
    if (nj_keys_visit(s->m, o, o->trie, item->at, item->list, nj_any_key, NULL))
        emit(s, &key, way->parent);
    if (!nj_object_may_have_further(s->m, o, item))
        return;
    const struct nj_dfa *dfa = &s->m->g->dfas.data[NJ_FREE_STRING];
    key.kind                 = NJ_AT_FURTHER_KEY;
    key.at                   = nj_dfa_next(s->m->g, dfa, dfa->start, '"');
    key.memory               = NJ_KEY_HASH_START;
    emit(s, &key, way->parent);
}

static void step_object(const struct stepping *s, const struct nj_way *way)
{
    const struct nj_grammar *g    = s->m->g;
    const struct nj_object  *o    = &g->objects.data[way->top.spec];
    struct nj_item           item = way->top;
    item.spaces                   = 0;
    if (space(s, way))
        return;
    if (item.phase == NJ_COLON) {
        if (s->byte != ':')
            return;
        uint32_t value = item.memory == NJ_NONE ? o->extra : nj_property_at(g, o, (uint32_t)item.memory)->value;
        item.phase     = NJ_NEXT;
        uint32_t frame = push(s->m, &item, way->parent);
        emit(s, &(struct nj_item){.kind = NJ_AT_VALUE, .spec = value}, frame);
    } else if (s->byte == '}' && item.phase != NJ_COMMA) {
        if (nj_object_may_close(s->m, o, &item))
            emit_popped(s, way->parent, false, 0);
    } else if (s->byte == ',' && item.phase == NJ_NEXT) {
        item.phase = NJ_COMMA;
        if (nj_object_may_have_key(s->m, o, &item))
            emit(s, &item, way->parent);
    } else if (s->byte == '"' && item.phase != NJ_NEXT)
        begin_key(s, way, o);
}

/* The trie of keys holds their closing quotes, so a key ends where a branch does. */
static void step_key(const struct stepping *s, const struct nj_way *way)
{
    const struct nj_grammar *g     = s->m->g;
    const struct nj_item    *key   = &way->top;
    const struct nj_object  *o     = &g->objects.data[key->spec];
    uint32_t                 child = trie_child(g, key->at, s->byte);
    if (!child || !nj_keys_visit(s->m, o, child, g->any_order ? 0 : key->count, key->list, nj_any_key, NULL))
        return;
    if (g->tries.data[child].child) {
        struct nj_item top = *key;
        top.at             = child;
        top.point++;
        emit(s, &top, way->parent);
        return;
    }
    uint32_t                  property = g->tries.data[child].value;
    const struct nj_property *p        = nj_property_at(g, o, property);
    struct nj_item            item = {.kind = NJ_AT_OBJECT, .phase = NJ_COLON, .spec = key->spec, .list = key->list, .memory = property};
    item.at                        = property + 1;
    if (g->any_order) {
        item.at    = 0;
        item.count = key->count + p->required;
        item.list  = use(s->m, key->list, p->hash);
    }
    emit(s, &item, way->parent);
}

/* Follows the characters of a key, unescaped, into its hash. The free string's automaton has checked that the byte may come. */
static void hash_key_byte(struct nj_item *key, uint8_t byte)
{
    static const char letters[] = "bfnrt", points[] = "\b\f\n\r\t";
    if (key->escape == 0) {
        if (byte == '\\')
            key->escape = 1;
        else
            key->memory = nj_key_hash(key->memory, byte);
        return;
    }
    if (key->escape == 1) {
        const char *letter = strchr(letters, byte);
        key->escape        = byte == 'u' ? 2 : 0;
        key->point         = 0;
        if (byte != 'u')
            key->memory = nj_key_hash(key->memory, letter ? (uint8_t)points[letter - letters] : byte);
        return;
    }
    key->point = key->point * 16 + (byte <= '9' ? byte - (uint32_t)'0' : (byte | 32u) - 'a' + 10);
    if (key->escape++ == 5) {
        key->memory = nj_key_hash(key->memory, (uint8_t)key->point);
        key->escape = 0;
        key->point  = 0;
    }
}

static void step_further_key(const struct stepping *s, const struct nj_way *way)
{
    const struct nj_grammar *g    = s->m->g;
    const struct nj_object  *o    = &g->objects.data[way->top.spec];
    const struct nj_dfa     *dfa  = &g->dfas.data[NJ_FREE_STRING];
    struct nj_item           key  = way->top;
    uint32_t                 next = nj_dfa_next(g, dfa, key.at, s->byte);
    if (!next)
        return;
    if (g->dfa_states.data[dfa->info + next].flags & NJ_DFA_FINAL) {
        if (nj_key_is_taken(s->m, o, key.list, key.memory))
            return;
        struct nj_item item = {.kind   = NJ_AT_OBJECT,
                               .phase  = NJ_COLON,
                               .spec   = key.spec,
                               .at     = g->any_order ? 0 : o->properties.count,
                               .count  = g->any_order ? key.count : 0,
                               .memory = NJ_NONE,
                               .list   = use(s->m, key.list, key.memory)};
        emit(s, &item, way->parent);
        return;
    }
    hash_key_byte(&key, s->byte);
    key.at = next;
    emit(s, &key, way->parent);
}

static void step_array(const struct stepping *s, const struct nj_way *way)
{
    const struct nj_array *a = &s->m->g->arrays.data[way->top.spec];
    if (space(s, way))
        return;
    if (s->byte == ']') {
        if (way->top.at >= a->min)
            emit_popped(s, way->parent, false, 0);
        return;
    }
    if (!nj_array_may_have_item(s->m->g, a, &way->top) || s->m->failed)
        return;
    if (way->top.phase == NJ_FIRST) {
        struct nj_way item = begin_item(s->m, way);
        if (!s->m->failed)
            nj_machine_step(s->m, &item, s->byte, s->out, s->from);
    } else if (s->byte == ',') {
        struct nj_way item = begin_item(s->m, way);
        emit(s, &item.top, item.parent);
    }
}

/* A number or literal has no end of its own: what follows belongs to what is around it. */
static void step_behind(const struct stepping *s, const struct nj_way *way)
{
    const struct nj_grammar *g    = s->m->g;
    const struct nj_item    *item = &way->top;
    bool                     ends, unique = item->kind == NJ_AT_TRIE && item->phase == NJ_UNIQUE;
    uint32_t                 value = 0;
    if (item->kind == NJ_AT_DFA) {
        const struct nj_dfa *dfa = &g->dfas.data[g->lexemes.data[item->spec].at];
        ends                     = g->dfa_states.data[dfa->info + item->at].flags & NJ_DFA_ACCEPT;
    } else {
        value = g->tries.data[item->at].value;
        ends  = value != NJ_NONE && !(unique && (s->m->frames.data[way->parent].item.memory >> value & 1));
    }
    if (!ends || way->parent == NJ_NONE)
        return;
    struct nj_way around = pop(s->m, way->parent, unique, value);
    nj_machine_step(s->m, &around, s->byte, s->out, s->from);
}

void nj_machine_step(struct nj_machine *m, const struct nj_way *given, uint8_t byte, struct nj_ways *out, uint32_t from)
{
    const struct nj_way   way = *given; /* it may lie in `out`, which moves when it grows */
    const struct stepping s   = {m, out, from, byte};
    switch ((enum nj_item_kind)way.top.kind) {
    case NJ_AT_END:
        break;
    case NJ_AT_VALUE:
        if (way.parent == NJ_NONE || !space(&s, &way))
            step_value(&s, &way);
        break;
    case NJ_AT_TRIE:
        step_trie(&s, &way.top, way.parent);
        step_behind(&s, &way);
        break;
    case NJ_AT_DFA:
        step_dfa(&s, &way.top, way.parent);
        step_behind(&s, &way);
        break;
    case NJ_AT_OBJECT:
        step_object(&s, &way);
        break;
    case NJ_AT_KEY:
        step_key(&s, &way);
        break;
    case NJ_AT_FURTHER_KEY:
        step_further_key(&s, &way);
        break;
    case NJ_AT_ARRAY:
        step_array(&s, &way);
    }
}

struct nj_way nj_machine_start(const struct nj_grammar *g)
{
    return (struct nj_way){.top = {.kind = NJ_AT_VALUE, .spec = g->root}, .parent = NJ_NONE};
}

bool nj_machine_may_end(const struct nj_machine *m, const struct nj_way *way)
{
    const struct nj_item *item = &way->top;
    if (item->kind == NJ_AT_END)
        return true;
    if (way->parent != NJ_NONE)
        return false;
    if (item->kind == NJ_AT_VALUE) /* no JSON is empty, but prose may be (prose.h) */
        return m->g->values.data[item->spec].shortest == 0;
    if (item->kind == NJ_AT_TRIE)
        return m->g->tries.data[item->at].value != NJ_NONE;
    if (item->kind != NJ_AT_DFA)
        return false;
    const struct nj_dfa *dfa = &m->g->dfas.data[m->g->lexemes.data[item->spec].at];
    return m->g->dfa_states.data[dfa->info + item->at].flags & NJ_DFA_ACCEPT;
}

void nj_machine_close(struct nj_machine *m, const struct nj_way *way, struct nj_ways *out, uint32_t from)
{
    const struct stepping s = {m, out, from, '"'};
    if (way->top.kind == NJ_AT_FURTHER_KEY) {
        struct nj_item item = {.kind = NJ_AT_OBJECT, .phase = NJ_COLON, .spec = way->top.spec, .memory = NJ_NONE, .list = NJ_NONE};
        emit(&s, &item, way->parent);
    } else
        emit_popped(&s, way->parent, false, 0);
}
