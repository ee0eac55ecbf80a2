#include "pipeline/constrain/dfa.h"

#include <stdlib.h>
#include <string.h>

#define MANY_BYTES 16 /* a state with so many ways out meets a large part of the vocabulary */

bool nj_table_room(void *data, uint32_t count, uint32_t *capacity, uint64_t more, size_t size)
{
    uint64_t need = count + more;
    if (need <= *capacity)
        return true;
    uint64_t larger = (uint64_t)*capacity * 2 > need ? (uint64_t)*capacity * 2 : need + 16;
    if (larger > UINT32_MAX / 2 || larger * size > (uint64_t)256 << 20)
        return false;
    void *old;
    memcpy(&old, data, sizeof old);
    void *fresh = realloc(old, (size_t)larger * size);
    if (!fresh)
        return false;
    memcpy(data, &fresh, sizeof fresh);
    *capacity = (uint32_t)larger;
    return true;
}

uint32_t nj_dfa_state(struct nj_dfa_builder *b, uint32_t flags)
{
    if (b->failed)
        return 0;
    if (b->count + 1 >= b->capacity) {
        uint32_t capacity = b->capacity ? b->capacity * 2 : 64;
        void    *next = NULL, *marks = NULL;
        if (b->count < NJ_DFA_STATES) {
            next     = realloc(b->next, capacity * sizeof *b->next);
            b->next  = next ? next : b->next;
            marks    = realloc(b->flags, capacity * sizeof *b->flags);
            b->flags = marks ? marks : b->flags;
        }
        if (!next || !marks) {
            b->failed = true;
            return 0;
        }
        b->capacity = capacity;
    }
    if (b->count == 0) {
        memset(b->next[0], 0, sizeof b->next[0]);
        b->flags[0] = 0;
        b->count    = 1;
    }
    memset(b->next[b->count], 0, sizeof b->next[0]);
    b->flags[b->count] = (uint16_t)flags;
    return b->count++;
}

void nj_dfa_edge(struct nj_dfa_builder *b, uint32_t from, unsigned first, unsigned last, uint32_t to)
{
    if (b->failed)
        return;
    for (unsigned byte = first; byte <= last; byte++)
        b->next[from][byte] = (uint16_t)to;
}

/* Fewest characters first, then fewest bytes: whoever follows it never runs into an upper limit on characters. */
static void measure(const struct nj_dfa_builder *b, uint64_t *cost)
{
    for (uint32_t s = 0; s < b->count; s++)
        cost[s] = s && (b->flags[s] & NJ_DFA_ACCEPT) ? 0 : UINT64_MAX;
    for (bool again = true; again;) {
        again = false;
        for (uint32_t s = b->count; s-- > 1;) {
            uint64_t least = cost[s];
            for (unsigned byte = 0; byte < 256; byte++) {
                uint32_t to = b->next[s][byte];
                if (!to || cost[to] == UINT64_MAX)
                    continue;
                bool     character = (b->flags[s] & NJ_DFA_BOUNDARY) && byte != '"';
                uint64_t through   = cost[to] + 1 + ((uint64_t)character << 32);
                least              = through < least ? through : least;
            }
            if (least < cost[s])
                cost[s] = least, again = true;
        }
    }
}

/* Bytes that act alike in every state share a class. */
static unsigned find_classes(const struct nj_dfa_builder *b, uint8_t class[256])
{
    unsigned count = 1;
    memset(class, 0, 256);
    for (uint32_t s = 1; s < b->count && count < 256; s++) {
        uint32_t seen[256][2]; /* a class so far and where it leads; index: the new class */
        unsigned fresh = 0;
        uint8_t  split[256];
        for (unsigned byte = 0; byte < 256; byte++) {
            unsigned at = 0;
            while (at < fresh && (seen[at][0] != class[byte] || seen[at][1] != b->next[s][byte]))
                at++;
            if (at == fresh) {
                seen[fresh][0]   = class[byte];
                seen[fresh++][1] = b->next[s][byte];
            }
            split[byte] = (uint8_t)at;
        }
        if (fresh > count) {
            memcpy(class, split, 256);
            count = fresh;
        }
    }
    return count;
}

static void describe(const struct nj_dfa_builder *b, uint32_t s, uint64_t cost, struct nj_dfa_state *out)
{
    uint64_t chars = cost >> 32;
    unsigned ways  = 0;
    for (unsigned byte = 0; byte < 256; byte++)
        ways += b->next[s][byte] != 0;
    out->bytes = cost == UINT64_MAX ? NJ_ENDLESS : (uint32_t)cost;
    out->chars = chars > UINT16_MAX ? UINT16_MAX : (uint16_t)chars;
    out->flags = b->flags[s];
    if ((out->flags & NJ_DFA_ACCEPT) && ways == 0)
        out->flags |= NJ_DFA_FINAL;
    if (ways >= MANY_BYTES && (out->flags & NJ_DFA_BOUNDARY))
        out->flags |= NJ_DFA_MANY;
}

static nj_status append(const struct nj_dfa_builder *b, uint32_t start, const uint64_t *cost, struct nj_grammar *g, uint32_t *dfa,
                        struct nj_error *error)
{
    uint8_t class[256];
    unsigned classes = find_classes(b, class);
    if (!NJ_ROOM(g->dfas, 1) || !NJ_ROOM(g->bytes, 256) || !NJ_ROOM(g->dfa_states, b->count) ||
        !NJ_ROOM(g->transitions, (uint64_t)b->count * classes))
        return nj_fail(error, "the automata of this schema are too large; simplify its patterns and limits");
    *dfa               = g->dfas.count++;
    g->dfas.data[*dfa] = (struct nj_dfa){.states  = b->count,
                                         .classes = classes,
                                         .start   = start,
                                         .table   = g->transitions.count,
                                         .class   = g->bytes.count,
                                         .info    = g->dfa_states.count};
    memcpy(g->bytes.data + g->bytes.count, class, 256);
    uint16_t *table = g->transitions.data + g->transitions.count;
    for (uint32_t s = 0; s < b->count; s++) {
        describe(b, s, cost[s], &g->dfa_states.data[g->dfa_states.count + s]);
        for (unsigned byte = 0; byte < 256; byte++)
            table[(size_t)s * classes + class[byte]] = b->next[s][byte];
    }
    g->bytes.count += 256;
    g->dfa_states.count += b->count;
    g->transitions.count += b->count * classes;
    return NJ_OK;
}

nj_status nj_dfa_finish(struct nj_dfa_builder *b, uint32_t start, struct nj_grammar *g, uint32_t *dfa, struct nj_error *error)
{
    nj_status status = NJ_OK;
    uint64_t *cost   = b->failed ? NULL : malloc(((size_t)b->count + 1) * sizeof *cost);
    if (!cost) {
        status = nj_fail(error, "needs an automaton of more than %u states; use shorter limits or a simpler pattern", NJ_DFA_STATES);
        goto cleanup;
    }
    measure(b, cost);
    for (uint32_t s = 0; s < b->count; s++)
        for (unsigned byte = 0; byte < 256; byte++)
            if (cost[b->next[s][byte]] == UINT64_MAX)
                b->next[s][byte] = 0;
    status = start == 0 || cost[start] == UINT64_MAX ? NJ_NOT_FOUND : append(b, start, cost, g, dfa, error);
cleanup:
    free(cost);
    free(b->next);
    free(b->flags);
    *b = (struct nj_dfa_builder){0};
    return status;
}

nj_status nj_dfa_is_all(struct nj_grammar *g, uint32_t dfa, struct nj_error *error)
{
    if (!NJ_ROOM(g->lexemes, 1) || !NJ_ROOM(g->numbers, 1) || !NJ_ROOM(g->values, 1))
        return nj_fail(error, "no memory for a grammar");
    const struct nj_dfa *automaton      = &g->dfas.data[dfa];
    g->numbers.data[g->numbers.count]   = g->lexemes.count;
    g->lexemes.data[g->lexemes.count++] = (struct nj_lexeme){.kind = NJ_LEX_DFA, .at = dfa, .max = NJ_UNLIMITED};
    g->root                             = g->values.count;
    g->values.data[g->values.count++] =
        (struct nj_value){.lexemes = {g->numbers.count++, 1}, .shortest = g->dfa_states.data[automaton->info + automaton->start].bytes};
    return NJ_OK;
}

bool nj_dfa_accepts(const struct nj_grammar *g, uint32_t dfa, const char *text, size_t size)
{
    const struct nj_dfa *d = &g->dfas.data[dfa];
    uint32_t             s = d->start;
    for (size_t i = 0; i < size && s; i++)
        s = nj_dfa_next(g, d, s, (uint8_t)text[i]);
    return s && (g->dfa_states.data[d->info + s].flags & NJ_DFA_ACCEPT);
}
