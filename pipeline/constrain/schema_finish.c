/* What can only be said when all values are known: what can be satisfied at all and at what cost, which keys may come where, the values of arrays with
 * uniqueItems. */
#include "pipeline/constrain/schema.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST_SHORTEST (1u << 24) /* bytes of the shortest document; more is nonsense or hostile */

static uint32_t add(uint32_t a, uint32_t b)
{
    return a >= NJ_ENDLESS || b >= NJ_ENDLESS - a ? NJ_ENDLESS : a + b;
}

static uint32_t lexeme_cost(const struct nj_grammar *g, const struct nj_lexeme *l)
{
    if (l->kind == NJ_LEX_TRIE)
        return g->tries.data[l->at].bytes;
    const struct nj_dfa *dfa = &g->dfas.data[l->at];
    return add(g->dfa_states.data[dfa->info + dfa->start].bytes, l->min);
}

/* --- values from their alternatives --- */

static int by_entry_value(const void *left, const void *right)
{
    const struct nj_trie_entry *a = left, *b = right;
    return a->value < b->value ? -1 : a->value > b->value;
}

/* One trie for all literals of a value. */
static nj_status gather_literals(struct nj_compiler *c, struct nj_value *value, struct nj_span forms)
{
    struct nj_grammar *g     = c->g;
    uint32_t           count = 0, root;
    for (uint32_t f = forms.at; f < forms.at + forms.count; f++)
        count += c->forms.data[f].literals.count;
    if (count == 0)
        return NJ_OK;
    struct nj_trie_entry *entries = malloc(count * sizeof *entries);
    if (!entries || !NJ_ROOM(g->lexemes, 1) || !NJ_ROOM(g->numbers, 1) || !NJ_ROOM(g->literals, count)) {
        free(entries);
        return nj_no_memory(c);
    }
    count = 0;
    for (uint32_t f = forms.at; f < forms.at + forms.count; f++) {
        const struct nj_span s = c->forms.data[f].literals;
        for (uint32_t i = s.at; i < s.at + s.count; i++, count++) {
            const struct nj_literal *l = &c->form_literals.data[i];
            entries[count]             = (struct nj_trie_entry){(const char *)g->bytes.data + l->text, l->size, i};
        }
    }
    nj_status status = nj_trie_build(c, entries, &count, false, &root);
    if (status == NJ_OK) {
        g->numbers.data[g->numbers.count++] = g->lexemes.count;
        g->lexemes.data[g->lexemes.count++] = (struct nj_lexeme){.kind = NJ_LEX_TRIE, .at = root, .max = NJ_UNLIMITED};
        value->lexemes.count++;
        qsort(entries, count, sizeof *entries, by_entry_value);
        value->literals.at = g->literals.count;
        for (uint32_t i = 0; i < count; i++)
            g->literals.data[g->literals.count++] = c->form_literals.data[entries[i].value];
        value->literals.count = g->literals.count - value->literals.at;
    }
    free(entries);
    return status;
}

static nj_status gather_lexemes(struct nj_compiler *c, struct nj_value *value, struct nj_span forms)
{
    struct nj_grammar *g = c->g;
    for (uint32_t f = forms.at; f < forms.at + forms.count; f++) {
        const struct nj_span s = c->forms.data[f].lexemes;
        if (!NJ_ROOM(g->numbers, s.count))
            return nj_no_memory(c);
        for (uint32_t i = s.at; i < s.at + s.count; i++) {
            uint32_t lexeme = c->form_lexemes.data[i];
            bool     known  = false;
            for (uint32_t k = value->lexemes.at; k < value->lexemes.at + value->lexemes.count; k++)
                known |= g->numbers.data[k] == lexeme;
            if (known)
                continue;
            g->numbers.data[g->numbers.count++] = lexeme;
            value->lexemes.count++;
        }
        nj_status status = nj_spend(c, s.count * (1 + value->lexemes.count / 8));
        if (status != NJ_OK)
            return status;
    }
    return NJ_OK;
}

/* The objects and arrays of a value were made one after the other. */
static void gather_composites(struct nj_compiler *c, struct nj_value *value, struct nj_span forms)
{
    for (uint32_t f = forms.at + forms.count; f-- > forms.at;) {
        const struct nj_form *form = &c->forms.data[f];
        if (form->object != NJ_NONE)
            value->objects = (struct nj_span){form->object, value->objects.count + 1};
        if (form->array != NJ_NONE)
            value->arrays = (struct nj_span){form->array, value->arrays.count + 1};
    }
}

static nj_status gather(struct nj_compiler *c)
{
    struct nj_grammar *g      = c->g;
    nj_status          status = NJ_OK;
    if (!NJ_ROOM(c->value_forms, g->values.count))
        return nj_no_memory(c);
    for (uint32_t v = 0, f = 0; v < g->values.count && status == NJ_OK; v++) {
        struct nj_value *value = &g->values.data[v];
        struct nj_span   forms = {f, 0};
        for (; f < c->forms.count && c->forms.data[f].value == v; f++)
            forms.count++;
        c->value_forms.data[c->value_forms.count++] = forms;
        *value                                      = (struct nj_value){.lexemes.at = g->numbers.count, .shortest = NJ_ENDLESS};
        status                                      = gather_literals(c, value, forms);
        if (status == NJ_OK)
            status = gather_lexemes(c, value, forms);
        gather_composites(c, value, forms);
        if (value->lexemes.count > 1 || value->objects.count || value->arrays.count)
            value->literals.count = 0; /* not literals only */
    }
    return status;
}

/* --- uniqueItems --- */

static bool is_string(const struct nj_grammar *g, const struct nj_lexeme *l)
{
    const struct nj_dfa *dfa = &g->dfas.data[l->at];
    return nj_dfa_next(g, dfa, dfa->start, '"') != 0;
}

struct listing { /* the integers that an automaton accepts */
    struct nj_compiler *c;
    uint32_t            dfa, count;
    char                text[NJ_MAX_UNIQUE][32];
};

/* Appends the accepted texts that begin with text[0..length); false: too many, too long, or not integers. */
static bool list_numbers(struct listing *l, uint32_t state, char *text, unsigned length)
{
    const struct nj_grammar *g   = l->c->g;
    const struct nj_dfa     *dfa = &g->dfas.data[l->dfa];
    text[length]                 = 0;
    if ((g->dfa_states.data[dfa->info + state].flags & NJ_DFA_ACCEPT) && strcmp(text, "-0") != 0) {
        if (l->count == NJ_MAX_UNIQUE)
            return false;
        memcpy(l->text[l->count++], text, length + 1u);
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        uint32_t next = nj_dfa_next(g, dfa, state, (uint8_t)byte);
        if (!next)
            continue;
        text[length] = (char)byte;
        if (length + 2 >= sizeof l->text[0] || byte == '.' || !list_numbers(l, next, text, length + 1))
            return false;
    }
    return true;
}

/* The items as a trie with one bit each; *possible stays false if they are not few constants. */
static nj_status unique_values(struct nj_compiler *c, struct nj_array *array, bool *possible)
{
    struct nj_grammar     *g     = c->g;
    const struct nj_value *items = &g->values.data[array->items];
    struct listing         list  = {.c = c};
    struct nj_trie_entry   entries[NJ_MAX_UNIQUE * 2];
    uint32_t               count = 0;
    char                   text[32];
    *possible = array->prefix.count == 0 && items->objects.count == 0 && items->arrays.count == 0;
    for (uint32_t i = items->lexemes.at; i < items->lexemes.at + items->lexemes.count && *possible; i++) {
        const struct nj_lexeme *l = &g->lexemes.data[g->numbers.data[i]];
        if (l->kind == NJ_LEX_TRIE)
            continue;
        list.dfa  = l->at;
        *possible = !is_string(g, l) && list_numbers(&list, g->dfas.data[l->at].start, text, 0);
    }
    struct nj_span forms = c->value_forms.data[array->items];
    for (uint32_t f = forms.at; f < forms.at + forms.count && *possible; f++) {
        struct nj_span s = c->forms.data[f].literals;
        for (uint32_t i = s.at; i < s.at + s.count && *possible; i++) {
            struct nj_literal l    = c->form_literals.data[i];
            char             *copy = nj_compiler_memory(c, l.size + 1);
            if (!copy)
                return nj_no_memory(c);
            memcpy(copy, g->bytes.data + l.text, l.size);
            *possible      = count < NJ_MAX_UNIQUE;
            entries[count] = (struct nj_trie_entry){copy, l.size, count};
            count += *possible;
        }
    }
    for (uint32_t i = 0; i < list.count; i++, count++)
        entries[count] = (struct nj_trie_entry){list.text[i], (uint32_t)strlen(list.text[i]), count};
    if (!*possible)
        return NJ_OK;
    uint32_t  root;
    nj_status status = nj_trie_build(c, entries, &count, false, &root); /* drops what is there twice */
    *possible        = count <= NJ_MAX_UNIQUE;
    if (status != NJ_OK || !*possible)
        return status;
    if (!NJ_ROOM(g->literals, count))
        return nj_no_memory(c);
    array->unique_values = (struct nj_span){g->literals.count, count};
    qsort(entries, count, sizeof *entries, by_entry_value);
    for (uint32_t i = 0; i < count && status == NJ_OK; i++) {
        entries[i].value = i;
        status           = nj_pool(c, entries[i].text, entries[i].size, &g->literals.data[g->literals.count++]);
    }
    if (status == NJ_OK)
        status = nj_trie_build(c, entries, &count, true, &array->unique);
    array->max = array->max > count ? count : array->max;
    return status;
}

static nj_status finish_unique(struct nj_compiler *c)
{
    nj_status status = NJ_OK;
    for (uint32_t i = 0; i < c->array_checks.count && status == NJ_OK; i++) {
        const struct nj_array_check *check = &c->array_checks.data[i];
        bool                         possible;
        status = unique_values(c, &c->g->arrays.data[check->array], &possible);
        if (status == NJ_OK && !possible)
            status =
                nj_refuse(c, check->place, "\"uniqueItems\" is supported where the items are at most %d constants only", NJ_MAX_UNIQUE);
    }
    return status;
}

/* --- costs --- */

static uint32_t object_cost(const struct nj_grammar *g, const struct nj_object *o)
{
    uint32_t cost = o->required ? 1 + o->required : 2; /* braces and commas */
    for (uint32_t i = o->properties.at; i < o->properties.at + o->properties.count; i++)
        if (g->properties.data[i].required)
            cost = add(cost, add(g->properties.data[i].spelled + 3, g->values.data[g->properties.data[i].value].shortest));
    return cost;
}

uint32_t nj_item_cost(const struct nj_grammar *g, const struct nj_array *a, uint32_t at)
{
    uint32_t value = at < a->prefix.count ? g->numbers.data[a->prefix.at + at] : a->items;
    return value == NJ_NONE ? NJ_ENDLESS : g->values.data[value].shortest;
}

static int by_cost(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static uint32_t unique_cost(const struct nj_grammar *g, const struct nj_array *a, uint64_t seen, uint32_t count, bool pessimistic)
{
    uint32_t costs[NJ_MAX_UNIQUE], n = 0, sum = 0;
    for (uint32_t i = 0; i < a->unique_values.count; i++)
        if (!(seen >> i & 1))
            costs[n++] = g->literals.data[a->unique_values.at + i].size;
    if (count > n)
        return NJ_ENDLESS;
    qsort(costs, n, sizeof *costs, by_cost);
    for (uint32_t i = 0; i < count; i++)
        sum = add(sum, costs[pessimistic ? n - 1 - i : i]);
    return sum;
}

uint32_t nj_items_cost(const struct nj_grammar *g, const struct nj_array *a, uint32_t from, uint64_t seen, bool pessimistic)
{
    uint32_t cost = 0;
    if (from >= a->min)
        return 0;
    if (a->unique)
        return add(unique_cost(g, a, seen, a->min - from, pessimistic), a->min - from);
    for (; from < a->prefix.count && from < a->min; from++)
        cost = add(cost, add(nj_item_cost(g, a, from), 1));
    uint64_t each = (uint64_t)nj_item_cost(g, a, NJ_NONE) + 1, rest = from < a->min ? a->min - from : 0;
    return rest == 0 ? cost : each * rest >= NJ_ENDLESS ? NJ_ENDLESS : add(cost, (uint32_t)(each * rest));
}

static uint32_t array_cost(const struct nj_grammar *g, const struct nj_array *a)
{
    if (a->min > a->max)
        return NJ_ENDLESS;
    uint32_t items = nj_items_cost(g, a, 0, 0, false);
    return items >= NJ_ENDLESS ? NJ_ENDLESS : items ? add(items, 1) : 2;
}

static bool improve(uint32_t *cost, uint32_t found)
{
    bool better = found < *cost;
    *cost       = better ? found : *cost;
    return better;
}

/* Costs only sink; a value that recursion keeps from ever ending stays at NJ_ENDLESS. */
static nj_status find_costs(struct nj_compiler *c)
{
    struct nj_grammar *g      = c->g;
    nj_status          status = NJ_OK;
    for (uint32_t i = 0; i < g->objects.count; i++)
        g->objects.data[i].shortest = NJ_ENDLESS;
    for (uint32_t i = 0; i < g->arrays.count; i++)
        g->arrays.data[i].shortest = NJ_ENDLESS;
    for (bool again = true; again && status == NJ_OK;) {
        again = false;
        for (uint32_t v = g->values.count; v-- > 0;) {
            struct nj_value *value = &g->values.data[v];
            for (uint32_t i = 0; i < value->lexemes.count; i++)
                again |= improve(&value->shortest, lexeme_cost(g, &g->lexemes.data[g->numbers.data[value->lexemes.at + i]]));
            for (uint32_t i = value->objects.at; i < value->objects.at + value->objects.count; i++) {
                improve(&g->objects.data[i].shortest, object_cost(g, &g->objects.data[i]));
                again |= improve(&value->shortest, g->objects.data[i].shortest);
            }
            for (uint32_t i = value->arrays.at; i < value->arrays.at + value->arrays.count; i++) {
                improve(&g->arrays.data[i].shortest, array_cost(g, &g->arrays.data[i]));
                again |= improve(&value->shortest, g->arrays.data[i].shortest);
            }
        }
        status = nj_spend(c, (uint64_t)g->values.count + g->properties.count + g->arrays.count + g->lexemes.count);
    }
    return status;
}

static bool endless(const struct nj_grammar *g, uint32_t value)
{
    return g->values.data[value].shortest >= NJ_ENDLESS;
}

/* What no document can contain is never begun. */
static void prune(struct nj_grammar *g)
{
    for (uint32_t i = 0; i < g->properties.count; i++)
        if (g->properties.data[i].value != NJ_NONE && endless(g, g->properties.data[i].value))
            g->properties.data[i].usable = 0;
    for (uint32_t i = 0; i < g->objects.count; i++)
        if (endless(g, g->objects.data[i].extra))
            g->objects.data[i].extra = NJ_NONE;
    for (uint32_t i = 0; i < g->arrays.count; i++) {
        struct nj_array *a = &g->arrays.data[i];
        for (uint32_t k = 0; k < a->prefix.count; k++)
            if (endless(g, g->numbers.data[a->prefix.at + k]) && k < a->max)
                a->max = k;
        if (endless(g, a->items)) {
            a->items = NJ_NONE;
            a->max   = a->max > a->prefix.count ? a->prefix.count : a->max;
        }
    }
}

/* --- objects --- */

static nj_status check_property_limits(struct nj_compiler *c)
{
    struct nj_grammar *g = c->g;
    for (uint32_t i = 0; i < c->object_checks.count; i++) {
        const struct nj_object_check *check = &c->object_checks.data[i];
        struct nj_object             *o     = &g->objects.data[check->object];
        uint64_t                      most  = 0;
        for (uint32_t k = o->properties.at; k < o->properties.at + o->properties.count; k++)
            most += g->properties.data[k].usable;
        if (o->shortest >= NJ_ENDLESS)
            continue;
        if (check->min > o->required)
            return nj_refuse(c, check->place, "\"minProperties\" is supported up to the number of required properties only");
        if (o->extra != NJ_NONE ? check->max != NJ_UNLIMITED : check->max < most)
            return nj_refuse(c, check->place, "\"maxProperties\" is supported from the number of properties of a closed object on only");
    }
    return NJ_OK;
}

static nj_status build_keys(struct nj_compiler *c, struct nj_object *o)
{
    struct nj_grammar    *g       = c->g;
    struct nj_trie_entry *entries = malloc(((size_t)o->properties.count + 1) * sizeof *entries);
    struct nj_text        texts   = {0};
    uint32_t              count   = 0;
    size_t                at      = 0;
    nj_status             status  = NJ_OK;
    for (uint32_t i = 0; entries && i < o->properties.count; i++) {
        const struct nj_property *p = &g->properties.data[o->properties.at + i];
        if (p->usable) {
            nj_spell_string(&texts, (const char *)g->bytes.data + p->name, p->size);
            nj_text_add(&texts, "\"");
        }
    }
    if (!entries || texts.failed) {
        status = nj_no_memory(c);
        goto cleanup;
    }
    for (uint32_t i = 0; i < o->properties.count; i++) {
        const struct nj_property *p = &g->properties.data[o->properties.at + i];
        if (!p->usable)
            continue;
        entries[count++] = (struct nj_trie_entry){texts.data + at, p->spelled + 1, i};
        at += p->spelled + 1;
    }
    status = nj_trie_build(c, entries, &count, true, &o->trie);
cleanup:
    free(entries);
    nj_text_free(&texts);
    return status;
}

static nj_status finish_objects(struct nj_compiler *c)
{
    struct nj_grammar *g      = c->g;
    nj_status          status = NJ_OK;
    for (uint32_t i = 0; i < g->objects.count && status == NJ_OK; i++) {
        struct nj_object *o = &g->objects.data[i];
        if (o->shortest >= NJ_ENDLESS)
            continue;
        struct nj_property *p = g->properties.data + o->properties.at, *end = p + o->properties.count;
        end->finish = 1;
        for (struct nj_property *at = end; at-- > p;) {
            at->next_required = at->required ? (uint32_t)(at - p) : at[1].next_required;
            at->finish        = at->required ? add(at[1].finish, add(at->spelled + 4, g->values.data[at->value].shortest)) : at[1].finish;
        }
        status = build_keys(c, o);
    }
    return status;
}

nj_status nj_finish(struct nj_compiler *c)
{
    struct nj_grammar *g      = c->g;
    nj_status          status = gather(c);
    if (status == NJ_OK)
        status = finish_unique(c);
    if (status == NJ_OK)
        status = find_costs(c);
    if (status != NJ_OK)
        return status;
    if (endless(g, g->root))
        return nj_refuse(c, NULL, "no document satisfies this schema");
    if (g->values.data[g->root].shortest > LONGEST_SHORTEST)
        return nj_refuse(c, NULL, "the shortest document has %u bytes, more than %u", g->values.data[g->root].shortest, LONGEST_SHORTEST);
    prune(g);
    status = check_property_limits(c);
    return status == NJ_OK ? finish_objects(c) : status;
}
