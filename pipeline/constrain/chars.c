#include "pipeline/constrain/chars.h"

#include <stdlib.h>
#include <string.h>

void nj_chars_free(struct nj_chars *a)
{
    free(a->low);
    free(a->next);
    free(a->accept);
    *a = (struct nj_chars){0};
}

static nj_status allocate(struct nj_chars *a, uint32_t states, uint32_t classes, struct nj_error *error)
{
    *a = (struct nj_chars){.states = states, .classes = classes};
    if ((uint64_t)states * classes <= (uint64_t)1 << 26) {
        a->low    = calloc((size_t)classes + 1, sizeof *a->low);
        a->next   = calloc((size_t)states * classes, sizeof *a->next);
        a->accept = calloc(states, 1);
    }
    if (a->low && a->next && a->accept)
        return NJ_OK;
    nj_chars_free(a);
    return nj_fail(error, "the pattern and lengths need too large an automaton (%u states); simplify them", states);
}

nj_status nj_chars_any(struct nj_chars *out, struct nj_error *error)
{
    /* Surrogates are no characters: no text holds them. */
    static const uint32_t low[]  = {0, 0xD800, 0xE000, NJ_LAST_POINT + 1};
    nj_status             status = allocate(out, 2, 3, error);
    if (status != NJ_OK)
        return status;
    memcpy(out->low, low, sizeof low);
    out->next[3]   = 1;
    out->next[5]   = 1;
    out->accept[1] = 1;
    out->start     = 1;
    return NJ_OK;
}

uint32_t nj_chars_class(const struct nj_chars *a, uint32_t point)
{
    uint32_t from = 0, to = a->classes;
    while (to - from > 1) {
        uint32_t middle = from + (to - from) / 2;
        if (a->low[middle] <= point)
            from = middle;
        else
            to = middle;
    }
    return from;
}

bool nj_chars_is_any(const struct nj_chars *a, uint32_t state)
{
    if (state == 0 || !a->accept[state])
        return false;
    for (uint32_t k = 0; k < a->classes; k++)
        if (a->next[state * a->classes + k] != state && !(a->low[k] >= 0xD800 && a->low[k + 1] <= 0xE000))
            return false;
    return true;
}

/* Leads every way that never accepts to state 0. States keep their numbers. */
static nj_status trim(struct nj_chars *a, struct nj_error *error)
{
    uint8_t *alive = calloc(a->states, 1);
    if (!alive)
        return nj_fail(error, "no memory for an automaton of %u states", a->states);
    memcpy(alive, a->accept, a->states);
    alive[0] = 0;
    for (bool again = true; again;) {
        again = false;
        for (uint32_t s = a->states; s-- > 1;)
            for (uint32_t k = 0; k < a->classes && !alive[s]; k++)
                if (alive[a->next[s * a->classes + k]])
                    alive[s] = 1, again = true;
    }
    for (size_t i = 0; i < (size_t)a->states * a->classes; i++)
        if (!alive[a->next[i]])
            a->next[i] = 0;
    if (!alive[a->start])
        a->start = 0;
    free(alive);
    return NJ_OK;
}

/* Products number their states through a hash table over pairs. */
struct pairs {
    uint32_t (*pair)[2]; /* [count] */
    uint32_t  count, limit;
    uint32_t *slot; /* [slots] state or 0 */
    uint32_t  slots;
};

static bool pairs_open(struct pairs *p, uint32_t limit)
{
    *p = (struct pairs){.limit = limit, .slots = 1024, .count = 1};
    while (p->slots < limit * 2)
        p->slots *= 2;
    p->pair = calloc((size_t)limit + 1, sizeof *p->pair);
    p->slot = calloc(p->slots, sizeof *p->slot);
    return p->pair && p->slot;
}

static void pairs_close(struct pairs *p)
{
    free(p->pair);
    free(p->slot);
}

/* The number of a pair; 0 for a dead one; NJ limit reached: p->limit. */
static uint32_t pair_state(struct pairs *p, uint32_t a, uint32_t b)
{
    uint32_t at = (a * 0x9E3779B1u ^ b * 0x85EBCA77u) & (p->slots - 1);
    for (; p->slot[at]; at = (at + 1) & (p->slots - 1))
        if (p->pair[p->slot[at]][0] == a && p->pair[p->slot[at]][1] == b)
            return p->slot[at];
    if (p->count >= p->limit)
        return p->limit;
    p->pair[p->count][0] = a;
    p->pair[p->count][1] = b;
    return p->slot[at]   = p->count++;
}

/* The classes of the product are the common refinement. */
static uint32_t merge_low(const struct nj_chars *a, const struct nj_chars *b, uint32_t *low)
{
    uint32_t count = 0, i = 0, j = 0;
    while (i < a->classes || j < b->classes) {
        uint32_t x = a->low[i], y = b->low[j], least = x < y ? x : y;
        low[count++] = least;
        i += x == least;
        j += y == least;
    }
    low[count] = NJ_LAST_POINT + 1;
    return count;
}

nj_status nj_chars_intersect(const struct nj_chars *a, const struct nj_chars *b, struct nj_chars *out, struct nj_error *error)
{
    struct pairs    pairs   = {0};
    struct nj_chars wide    = {0};
    uint32_t       *low     = malloc(((size_t)a->classes + b->classes + 1) * sizeof *low);
    uint64_t        most    = (uint64_t)a->states * b->states + 2;
    uint32_t        limit   = most < NJ_CHARS_STATES ? (uint32_t)most : NJ_CHARS_STATES;
    uint32_t        classes = low ? merge_low(a, b, low) : 0;
    nj_status       status  = NJ_OK;
    *out                    = (struct nj_chars){0};
    if (!low || !pairs_open(&pairs, limit)) {
        status = nj_fail(error, "no memory for an automaton of %u states", limit);
        goto cleanup;
    }
    status = allocate(&wide, limit + 1, classes, error);
    if (status != NJ_OK)
        goto cleanup;
    memcpy(wide.low, low, ((size_t)classes + 1) * sizeof *low);
    wide.start = a->start && b->start ? pair_state(&pairs, a->start, b->start) : 0;
    for (uint32_t s = 1; s < pairs.count; s++) {
        uint32_t x = pairs.pair[s][0], y = pairs.pair[s][1];
        wide.accept[s] = a->accept[x] && b->accept[y];
        for (uint32_t k = 0; k < classes; k++) {
            uint32_t to_x = a->next[x * a->classes + nj_chars_class(a, low[k])];
            uint32_t to_y = b->next[y * b->classes + nj_chars_class(b, low[k])];
            uint32_t to   = to_x && to_y ? pair_state(&pairs, to_x, to_y) : 0;
            if (to == limit) {
                status = nj_fail(error, "the patterns together need more than %u states; simplify them", limit);
                goto cleanup;
            }
            wide.next[s * classes + k] = to;
        }
    }
    wide.states = pairs.count;
    status      = trim(&wide, error);
    if (status == NJ_OK) {
        *out = wide;
        wide = (struct nj_chars){0};
    }
cleanup:
    free(low);
    pairs_close(&pairs);
    nj_chars_free(&wide);
    return status;
}

/* State (s, n) is (s - 1) * counts + n + 1; without an upper limit the count stops at min. */
nj_status nj_chars_limit(const struct nj_chars *a, uint32_t min, uint32_t max, struct nj_chars *out, struct nj_error *error)
{
    bool     endless = max == UINT32_MAX;
    uint64_t counts  = (uint64_t)(endless ? min : max) + 1;
    uint64_t states  = counts * (a->states - 1) + 1;
    *out             = (struct nj_chars){0};
    if (states > NJ_CHARS_STATES)
        return nj_fail(error, "a pattern with these lengths needs %llu states, more than %u; drop one of them", (unsigned long long)states,
                       NJ_CHARS_STATES);
    nj_status status = allocate(out, (uint32_t)states, a->classes, error);
    if (status != NJ_OK)
        return status;
    memcpy(out->low, a->low, ((size_t)a->classes + 1) * sizeof *a->low);
    for (uint32_t s = 1; s < a->states; s++)
        for (uint32_t n = 0; n < counts; n++) {
            uint32_t from     = (uint32_t)((s - 1) * counts + n + 1);
            uint32_t more     = n + 1 < counts ? n + 1 : n;
            out->accept[from] = a->accept[s] && n >= min;
            if (!endless && n == max)
                continue;
            for (uint32_t k = 0; k < a->classes; k++) {
                uint32_t to                      = a->next[s * a->classes + k];
                out->next[from * a->classes + k] = to ? (uint32_t)((to - 1) * counts + more + 1) : 0;
            }
        }
    out->start = a->start ? (uint32_t)((a->start - 1) * counts + 1) : 0;
    status     = trim(out, error);
    if (status != NJ_OK)
        nj_chars_free(out);
    return status;
}

/* Distances (in characters) to acceptance; dead states keep UINT32_MAX. */
static void distances(const struct nj_chars *a, uint32_t *distance)
{
    for (uint32_t s = 0; s < a->states; s++)
        distance[s] = s && a->accept[s] ? 0 : UINT32_MAX;
    for (bool again = true; again;) {
        again = false;
        for (uint32_t s = a->states; s-- > 1;)
            for (uint32_t k = 0; k < a->classes; k++) {
                uint32_t to = a->next[s * a->classes + k];
                if (to && distance[to] != UINT32_MAX && distance[to] + 1 < distance[s])
                    distance[s] = distance[to] + 1, again = true;
            }
    }
}

/* `steady` states can read a character and be as far from the end as before, again and again; so can they be left after any number of them. A state
 * with a steady (or so reached) successor on its shortest way accepts every length from its shortest, too. */
bool nj_chars_open_ended(const struct nj_chars *a)
{
    uint32_t *distance = malloc(a->states * sizeof *distance);
    uint8_t  *steady   = malloc(a->states);
    bool      all      = distance && steady;
    if (!all)
        goto cleanup;
    distances(a, distance);
    for (uint32_t s = 0; s < a->states; s++)
        steady[s] = s != 0 && distance[s] != UINT32_MAX;
    for (bool again = true; again;) {
        again = false;
        for (uint32_t s = 1; s < a->states; s++) {
            bool stays = false;
            for (uint32_t k = 0; k < a->classes && !stays; k++) {
                uint32_t to = a->next[s * a->classes + k];
                stays       = to && steady[to] && distance[to] == distance[s];
            }
            if (steady[s] && !stays)
                steady[s] = 0, again = true;
        }
    }
    for (bool again = true; again;) {
        again = false;
        for (uint32_t s = 1; s < a->states; s++)
            for (uint32_t k = 0; k < a->classes && !steady[s] && distance[s] != UINT32_MAX; k++) {
                uint32_t to = a->next[s * a->classes + k];
                if (to && steady[to] && distance[to] + 1 == distance[s])
                    steady[s] = 1, again = true;
            }
    }
    for (uint32_t s = 1; s < a->states; s++)
        all = all && (steady[s] || distance[s] == UINT32_MAX);
cleanup:
    free(distance);
    free(steady);
    return all;
}

/* All states that are reached accept, and stop at the same characters. */
bool nj_chars_is_repetition(const struct nj_chars *a)
{
    uint8_t  *reached = calloc(a->states, 1);
    uint32_t *todo    = malloc(a->states * sizeof *todo);
    uint32_t  count   = 0;
    bool      same = reached && todo && a->start, narrow = false;
    if (same) {
        reached[a->start] = 1;
        todo[count++]     = a->start;
    }
    while (same && count) {
        uint32_t s = todo[--count];
        same       = a->accept[s];
        for (uint32_t k = 0; k < a->classes && same; k++) {
            uint32_t to = a->next[s * a->classes + k];
            same        = (to != 0) == (a->next[a->start * a->classes + k] != 0);
            if (to && !reached[to]) {
                reached[to]   = 1;
                todo[count++] = to;
            }
        }
    }
    for (uint32_t point = ' '; point < 0x7F && same; point++)
        narrow |= point != '"' && point != '\\' && a->next[a->start * a->classes + nj_chars_class(a, point)];
    free(reached);
    free(todo);
    return same && narrow;
}
