/* The set of tokens that may come next: one walk over the tree of tokens that stops at every byte the machine refuses. Inside strings almost nothing is
 * refused; there the tokens that stay inside are known beforehand (body.h) and only those that leave are tried. */
#include "pipeline/constrain/body.h"
#include "pipeline/constrain/constraint_state.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

struct mask {
    struct nj_constraint *c;
    uint64_t             *bits;
    uint32_t              count;
    bool                  filled; /* a body has been laid into it */
};

static void allow(struct mask *mask, int32_t id)
{
    uint64_t *word = &mask->bits[(uint32_t)id / 64], bit = UINT64_C(1) << (uint32_t)id % 64;
    mask->count += (*word & bit) == 0;
    *word |= bit;
}

static uint32_t count_bits(uint64_t x)
{
    x -= x >> 1 & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    return (uint32_t)(x * UINT64_C(0x0101010101010101) >> 56);
}

/* A single reading inside a string or number, the most common case, without the machine: true if `byte` was judged, and then scratch[end] is the next
 * way if there is one. */
static bool step_alone(struct nj_constraint *c, uint32_t at, uint8_t byte)
{
    const struct nj_grammar *g   = c->g;
    struct nj_way            way = c->scratch.data[at];
    if (way.top.kind != NJ_AT_DFA)
        return false;
    const struct nj_lexeme    *lexeme  = &g->lexemes.data[way.top.spec];
    const struct nj_dfa       *dfa     = &g->dfas.data[lexeme->at];
    const struct nj_dfa_state *info    = g->dfa_states.data + dfa->info;
    bool                       counted = (info[way.top.at].flags & NJ_DFA_BOUNDARY) && (lexeme->min || lexeme->max != NJ_UNLIMITED);
    if (counted || (info[way.top.at].flags & NJ_DFA_ACCEPT))
        return false;
    way.top.at = nj_dfa_next(g, dfa, way.top.at, byte);
    if (way.top.at == 0)
        return true;
    if (info[way.top.at].flags & NJ_DFA_FINAL)
        return false;
    if (!nj_ways_add(&c->scratch, &way))
        c->machine.failed = true;
    return true;
}

/* Walks the tree from the ways scratch[0 .. count - 1]. The sets of one path stand behind each other in scratch. */
static void walk(struct mask *mask, uint32_t count)
{
    struct nj_constraint       *c = mask->c;
    const struct nj_vocabulary *v = c->vocabulary;
    uint32_t                    begin[NJ_TOKEN_BYTES + 2], end[NJ_TOKEN_BYTES + 2];
    struct nj_mark              marks[NJ_TOKEN_BYTES + 2];
    begin[0] = 0;
    end[0]   = count;
    marks[0] = nj_constraint_mark(c);
    for (uint32_t node = 0; node < v->nodes && !c->machine.failed;) {
        unsigned depth          = v->depth[node];
        c->scratch.count        = end[depth - 1];
        c->machine.frames.count = marks[depth - 1].frames;
        c->machine.keys.count   = marks[depth - 1].keys;
        if (end[depth - 1] - begin[depth - 1] != 1 || !step_alone(c, begin[depth - 1], v->byte[node]))
            nj_ways_step(&c->machine, &c->scratch, begin[depth - 1], end[depth - 1] - begin[depth - 1], v->byte[node]);
        if (c->scratch.count == end[depth - 1]) {
            node = v->skip[node];
            continue;
        }
        begin[depth] = end[depth - 1];
        end[depth]   = c->scratch.count;
        marks[depth] = nj_constraint_mark(c);
        for (uint32_t i = v->first[node]; i < v->first[node + 1]; i++)
            allow(mask, v->order[i]);
        node++;
    }
}

/* --- strings --- */

/* The body of a way inside a string where many tokens may come; NULL: it is at no such place, or memory is gone (machine.failed). */
static const struct nj_body *body_of(struct nj_constraint *c, const struct nj_way *way)
{
    const struct nj_item *item = &way->top;
    if (item->kind != NJ_AT_DFA && item->kind != NJ_AT_FURTHER_KEY)
        return NULL;
    const struct nj_lexeme    *lexeme = item->kind == NJ_AT_DFA ? &c->g->lexemes.data[item->spec] : NULL;
    const uint32_t             dfa    = lexeme ? lexeme->at : NJ_FREE_STRING;
    const struct nj_dfa_state *info   = &c->g->dfa_states.data[c->g->dfas.data[dfa].info + item->at];
    if (!(info->flags & NJ_DFA_MANY))
        return NULL;
    if (info->flags & NJ_DFA_ANYTHING)
        return c->vocabulary->free_string;
    const struct nj_body *body = nj_body_of(c->g, c->vocabulary, dfa, item->at, lexeme && lexeme->max != NJ_UNLIMITED);
    c->machine.failed |= body == NULL;
    return body;
}

/* One bit for each of 64 tokens that need at most `room` characters: a subtraction in eight bytes at a time leaves the answer in their highest bits. */
static uint64_t fitting(const uint8_t *need, uint32_t room)
{
    const uint64_t high = UINT64_C(0x8080808080808080), rooms = UINT64_C(0x0101010101010101) * (room | 0x80);
    uint64_t       fits = 0;
    for (unsigned group = 0; group < 8; group++) {
        uint64_t eight;
        memcpy(&eight, need + group * 8, sizeof eight);
        fits |= (((rooms - le64toh(eight)) & high) >> 7) * UINT64_C(0x0102040810204080) >> 56 << group * 8;
    }
    return fits;
}

/* Tokens that stay inside the string and leave room for what it still needs. */
static void allow_inside(struct mask *mask, const struct nj_body *body, uint32_t room)
{
    size_t words = NJ_MASK_WORDS(mask->c->vocabulary->size);
    if (room >= body->most && !mask->filled) {
        memcpy(mask->bits, body->inside, words * sizeof *mask->bits);
        mask->count  = body->inside_count;
        mask->filled = true;
        return;
    }
    for (size_t word = 0; word < words; word++)
        mask->bits[word] |= room >= body->most ? body->inside[word] : body->inside[word] & fitting(body->need + word * 64, room);
    mask->count = 0;
    for (size_t word = 0; word < words; word++)
        mask->count += count_bits(mask->bits[word]);
    mask->filled = true;
}

/* Steps `way` through bytes in scratch, behind what is there; true if something is left. Leaves scratch as it was. */
static bool survives(struct nj_constraint *c, const struct nj_way *way, const uint8_t *bytes, size_t count, size_t *reached)
{
    struct nj_mark mark  = nj_constraint_mark(c);
    uint32_t       floor = c->scratch.count, from = floor;
    if (!nj_ways_add(&c->scratch, way)) {
        c->machine.failed = true;
        return false;
    }
    for (*reached = 0; *reached < count; ++*reached) {
        uint32_t end = c->scratch.count;
        nj_ways_step(&c->machine, &c->scratch, from, end - from, bytes[*reached]);
        if (c->scratch.count == end)
            break;
        from = end;
    }
    c->scratch.count        = floor;
    c->machine.frames.count = mark.frames;
    c->machine.keys.count   = mark.keys;
    return *reached == count;
}

/* Tokens that close the string and go on behind it. They are sorted by what comes behind it: a tail that shares the bytes at which the one before it failed
 * fails, too. */
static void allow_exits(struct mask *mask, const struct nj_way *way, const struct nj_body *body)
{
    struct nj_constraint   *c       = mask->c;
    const struct nj_item   *item    = &way->top;
    const struct nj_lexeme *lexeme  = &c->g->lexemes.data[item->spec];
    bool                    counted = item->kind == NJ_AT_DFA;
    uint32_t                floor   = c->scratch.count;
    struct nj_mark          mark    = nj_constraint_mark(c);
    size_t                  reached = SIZE_MAX, ignored;
    bool                    alive   = false;
    nj_machine_close(&c->machine, way, &c->scratch, floor);
    if (c->machine.failed || c->scratch.count == floor)
        return;
    const struct nj_way behind = c->scratch.data[floor];
    for (uint32_t i = 0; i < body->exit_count && !c->machine.failed; i++) {
        const struct nj_exit *exit = &body->exits[i];
        if (i == 0 || exit->shared < exit->rest || exit->rest != body->exits[i - 1].rest) {
            if (i > 0 && !alive && exit->shared > reached)
                continue;
            alive = survives(c, &behind, exit->tail, exit->rest, &reached);
        }
        if (!alive)
            continue;
        if (counted) {
            uint64_t chars = (uint64_t)item->count + exit->chars;
            if (chars >= lexeme->min && chars <= lexeme->max)
                allow(mask, exit->id);
        } else if (survives(c, way, exit->tail - exit->closed, (size_t)exit->closed + exit->rest, &ignored))
            allow(mask, exit->id); /* a key that is not taken */
    }
    nj_constraint_back(c, mark);
    c->scratch.count = floor;
}

nj_status nj_constraint_mask(struct nj_constraint *c, uint64_t *bits, uint32_t *count, struct nj_error *error)
{
    struct nj_mark mark = nj_constraint_mark(c);
    struct mask    mask = {.c = c, .bits = bits};
    memset(bits, 0, NJ_MASK_WORDS(c->vocabulary->size) * sizeof *bits);
    c->scratch.count = 0;
    for (uint32_t i = 0; i < c->now.count && !c->machine.failed; i++) {
        const struct nj_way  *way  = &c->now.data[i];
        const struct nj_body *body = body_of(c, way);
        if (body) {
            uint32_t max  = way->top.kind == NJ_AT_DFA ? c->g->lexemes.data[way->top.spec].max : NJ_UNLIMITED;
            uint32_t room = max == NJ_UNLIMITED || max - way->top.count > NJ_MOST_NEED ? NJ_MOST_NEED : max - way->top.count;
            allow_inside(&mask, body, room);
            allow_exits(&mask, way, body);
        } else if (!c->machine.failed && !nj_ways_add(&c->scratch, way))
            c->machine.failed = true;
    }
    if (c->scratch.count && !c->machine.failed)
        walk(&mask, c->scratch.count);
    bool failed = c->machine.failed;
    nj_constraint_back(c, mark);
    *count = mask.count;
    return failed ? nj_constraint_no_memory(c, error) : NJ_OK;
}
