/* Proof that the alternatives of a oneOf exclude each other: then, and only then, it means the same as anyOf.
 *
 * Two alternatives are apart if no value is in both: scalars by comparing their automata (canonical spelling makes equal values equal texts; a number's plain
 * spelling is in every automaton that allows it), objects by a property that one of them requires and the other forbids or gives other values, arrays by
 * their lengths or an item that both must have. What cannot be proved in a few steps counts as overlapping. */
#include "pipeline/constrain/schema.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH 8

static bool values_apart(struct nj_compiler *c, uint32_t a, uint32_t b, unsigned depth);

static const char *text_of(const struct nj_compiler *c, uint32_t at)
{
    return (const char *)c->g->bytes.data + at;
}

static bool literals_apart(struct nj_compiler *c, struct nj_span a, struct nj_span b)
{
    if (nj_spend(c, (uint64_t)a.count * b.count / 16) != NJ_OK)
        return false;
    for (uint32_t i = a.at; i < a.at + a.count; i++)
        for (uint32_t k = b.at; k < b.at + b.count; k++) {
            const struct nj_literal *x = &c->form_literals.data[i], *y = &c->form_literals.data[k];
            if (x->size == y->size && !memcmp(text_of(c, x->text), text_of(c, y->text), x->size))
                return false;
        }
    return true;
}

static bool begins_with(const struct nj_grammar *g, const struct nj_lexeme *l, char byte)
{
    const struct nj_dfa *dfa = &g->dfas.data[l->at];
    return nj_dfa_next(g, dfa, dfa->start, (uint8_t)byte) != 0;
}

static bool literal_apart(struct nj_compiler *c, struct nj_literal literal, const struct nj_lexeme *l)
{
    const char *text   = text_of(c, literal.text);
    bool        string = begins_with(c->g, l, '"');
    if ((text[0] == '"') != string)
        return true;
    if (!string &&
        memchr(text, 'e',
               literal.size)) /* bounded numbers have no exponents, so this spelling proves nothing; true, false are no numbers */
        return text[0] == 't' || text[0] == 'f';
    return nj_spend(c, literal.size) == NJ_OK && !nj_dfa_accepts(c->g, l->at, text, literal.size);
}

static uint32_t least_length(const struct nj_grammar *g, const struct nj_lexeme *l)
{
    const struct nj_dfa *dfa  = &g->dfas.data[l->at];
    uint32_t             need = g->dfa_states.data[dfa->info + dfa->start].chars;
    return l->min > need ? l->min : need;
}

/* Whether no text is accepted by both, whatever their counted lengths. */
static bool automata_apart(struct nj_compiler *c, const struct nj_dfa *a, const struct nj_dfa *b)
{
    const struct nj_grammar *g     = c->g;
    uint64_t                 pairs = (uint64_t)a->states * b->states;
    uint8_t                 *seen  = pairs <= 4000000 ? calloc((size_t)pairs, 1) : NULL;
    uint32_t                *todo  = seen ? malloc((size_t)pairs * sizeof *todo) : NULL;
    uint32_t                 count = 0;
    bool                     apart = todo != NULL;
    if (apart) {
        todo[count++]                         = a->start * b->states + b->start;
        seen[a->start * b->states + b->start] = 1;
    }
    while (count && apart) {
        uint32_t pair = todo[--count], x = pair / b->states, y = pair % b->states;
        apart =
            nj_spend(c, 64) == NJ_OK && !(g->dfa_states.data[a->info + x].flags & g->dfa_states.data[b->info + y].flags & NJ_DFA_ACCEPT);
        for (unsigned byte = 0; byte < 256; byte++) {
            uint32_t to_x = nj_dfa_next(g, a, x, (uint8_t)byte), to_y = nj_dfa_next(g, b, y, (uint8_t)byte);
            if (!to_x || !to_y || seen[to_x * b->states + to_y])
                continue;
            seen[to_x * b->states + to_y] = 1;
            todo[count++]                 = to_x * b->states + to_y;
        }
    }
    free(seen);
    free(todo);
    return apart;
}

static bool lexemes_apart(struct nj_compiler *c, const struct nj_form *a, const struct nj_form *b)
{
    const struct nj_grammar *g = c->g;
    for (uint32_t i = a->lexemes.at; i < a->lexemes.at + a->lexemes.count; i++)
        for (uint32_t k = b->lexemes.at; k < b->lexemes.at + b->lexemes.count; k++) {
            const struct nj_lexeme *x = &g->lexemes.data[c->form_lexemes.data[i]], *y = &g->lexemes.data[c->form_lexemes.data[k]];
            if (least_length(g, x) > y->max || least_length(g, y) > x->max)
                continue;
            if (!automata_apart(c, &g->dfas.data[x->at], &g->dfas.data[y->at]))
                return false;
        }
    return true;
}

static bool scalars_apart(struct nj_compiler *c, const struct nj_form *a, const struct nj_form *b)
{
    for (int turn = 0; turn < 2; turn++) {
        const struct nj_form *x = turn ? b : a, *y = turn ? a : b;
        for (uint32_t i = x->literals.at; i < x->literals.at + x->literals.count; i++)
            for (uint32_t k = y->lexemes.at; k < y->lexemes.at + y->lexemes.count; k++)
                if (!literal_apart(c, c->form_literals.data[i], &c->g->lexemes.data[c->form_lexemes.data[k]]))
                    return false;
    }
    return literals_apart(c, a->literals, b->literals) && lexemes_apart(c, a, b);
}

static const struct nj_property *find_property(const struct nj_grammar *g, const struct nj_object *o, const struct nj_property *like)
{
    for (uint32_t i = o->properties.at; i < o->properties.at + o->properties.count; i++) {
        const struct nj_property *p = &g->properties.data[i];
        if (p->hash == like->hash && p->size == like->size && !memcmp(g->bytes.data + p->name, g->bytes.data + like->name, p->size))
            return p;
    }
    return NULL;
}

static bool objects_apart(struct nj_compiler *c, const struct nj_object *a, const struct nj_object *b, unsigned depth)
{
    const struct nj_grammar *g = c->g;
    for (int turn = 0; turn < 2; turn++) {
        const struct nj_object *x = turn ? b : a, *y = turn ? a : b;
        for (uint32_t i = x->properties.at; i < x->properties.at + x->properties.count; i++) {
            const struct nj_property *p = &g->properties.data[i];
            if (!p->required)
                continue;
            const struct nj_property *other = find_property(g, y, p);
            if (other ? !other->usable : y->extra == NJ_NONE)
                return true;
            if (nj_spend(c, 4 + y->properties.count / 8) == NJ_OK && values_apart(c, p->value, other ? other->value : y->extra, depth))
                return true;
        }
    }
    return false;
}

static bool arrays_apart(struct nj_compiler *c, const struct nj_array *a, const struct nj_array *b, unsigned depth)
{
    if (a->min > b->max || b->min > a->max)
        return true;
    uint32_t shared = a->min > b->min ? a->min : b->min; /* items that a value in both would have */
    uint32_t listed = a->prefix.count > b->prefix.count ? a->prefix.count : b->prefix.count;
    for (uint32_t i = 0; i < shared && i <= listed; i++) {
        uint32_t x = i < a->prefix.count ? c->g->numbers.data[a->prefix.at + i] : a->items;
        uint32_t y = i < b->prefix.count ? c->g->numbers.data[b->prefix.at + i] : b->items;
        if (x == NJ_NONE || y == NJ_NONE || values_apart(c, x, y, depth))
            return true;
    }
    return false;
}

static bool forms_apart(struct nj_compiler *c, const struct nj_form *a, const struct nj_form *b, unsigned depth)
{
    const struct nj_grammar *g = c->g;
    if (nj_spend(c, 8) != NJ_OK || !scalars_apart(c, a, b))
        return false;
    if (a->object != NJ_NONE && b->object != NJ_NONE) {
        const struct nj_object *x = &g->objects.data[a->object], *y = &g->objects.data[b->object];
        if (x->shortest < NJ_ENDLESS && y->shortest < NJ_ENDLESS && !objects_apart(c, x, y, depth))
            return false;
    }
    if (a->array != NJ_NONE && b->array != NJ_NONE) {
        const struct nj_array *x = &g->arrays.data[a->array], *y = &g->arrays.data[b->array];
        if (x->shortest < NJ_ENDLESS && y->shortest < NJ_ENDLESS && !arrays_apart(c, x, y, depth))
            return false;
    }
    return true;
}

static bool values_apart(struct nj_compiler *c, uint32_t a, uint32_t b, unsigned depth)
{
    struct nj_span x = c->value_forms.data[a], y = c->value_forms.data[b];
    if (depth == 0 || a == b)
        return false;
    for (uint32_t i = x.at; i < x.at + x.count; i++)
        for (uint32_t k = y.at; k < y.at + y.count; k++)
            if (!forms_apart(c, &c->forms.data[i], &c->forms.data[k], depth - 1))
                return false;
    return true;
}

/* The first oneOf of which the two took different branches. */
static const struct nj_branch *divided(const struct nj_compiler *c, const struct nj_form *a, const struct nj_form *b,
                                       const struct nj_branch **other)
{
    for (uint32_t i = a->branches.at; i < a->branches.at + a->branches.count; i++)
        for (uint32_t k = b->branches.at; k < b->branches.at + b->branches.count; k++) {
            const struct nj_branch *x = &c->branches.data[i], *y = &c->branches.data[k];
            *other = y;
            if (x->holder == y->holder && x->index != y->index)
                return x;
        }
    return NULL;
}

nj_status nj_rule_out_overlaps(struct nj_compiler *c)
{
    for (uint32_t v = 0; v < c->value_forms.count; v++) {
        struct nj_span forms = c->value_forms.data[v];
        for (uint32_t i = forms.at; i < forms.at + forms.count; i++) {
            if (c->forms.data[i].branches.count == 0)
                continue;
            for (uint32_t k = i + 1; k < forms.at + forms.count; k++) {
                const struct nj_form   *a = &c->forms.data[i], *b = &c->forms.data[k];
                const struct nj_branch *other, *branch            = divided(c, a, b, &other);
                nj_status               status = nj_spend(c, 1);
                if (status != NJ_OK)
                    return status;
                if (branch && !forms_apart(c, a, b, DEPTH))
                    return nj_refuse(c, branch->place, "alternatives %u and %u cannot be shown to exclude each other", branch->index,
                                     other->index);
            }
        }
    }
    return NJ_OK;
}
