/* The set of tokens that may come next: one walk over the tree of tokens that stops at every byte the machine refuses. Inside strings almost nothing is
 * refused; there the tokens that stay inside are known beforehand (body.h) and only those that leave are tried. */
#include "pipeline/constrain/body.h"
#include "pipeline/constrain/constraint_state.h"

#include <stdlib.h>
#include <string.h>

static void set_bit(uint64_t *bits, int32_t id)
{
    bits[(uint32_t)id / 64] |= UINT64_C(1) << (uint32_t)id % 64;
}

/* Walks the tree from the configurations scratch[0 .. count - 1]. The sets of one path stand behind each other in scratch. */
static void walk(struct nj_constraint *c, uint32_t count, uint64_t *bits)
{
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
        nj_configs_step(&c->machine, &c->scratch, begin[depth - 1], end[depth - 1] - begin[depth - 1], v->byte[node]);
        if (c->scratch.count == end[depth - 1]) {
            node = v->skip[node];
            continue;
        }
        begin[depth] = end[depth - 1];
        end[depth]   = c->scratch.count;
        marks[depth] = nj_constraint_mark(c);
        for (uint32_t i = v->first[node]; i < v->first[node + 1]; i++)
            set_bit(bits, v->order[i]);
        node++;
    }
}

/* --- strings --- */

/* Whether a configuration stands inside a string where many tokens may come; *dfa, *state say where. */
static bool in_body(const struct nj_grammar *g, const struct nj_config *config, uint32_t *dfa, uint32_t *state)
{
    const struct nj_item *item = &config->top;
    if (item->kind != NJ_AT_DFA && item->kind != NJ_AT_FURTHER_KEY)
        return false;
    *dfa                            = item->kind == NJ_AT_DFA ? g->lexemes.data[item->spec].at : NJ_FREE_STRING;
    *state                          = item->at;
    const struct nj_dfa       *d    = &g->dfas.data[*dfa];
    const struct nj_dfa_state *info = &g->dfa_states.data[d->info + *state];
    if ((info->flags & (NJ_DFA_MANY | NJ_DFA_BOUNDARY)) != (NJ_DFA_MANY | NJ_DFA_BOUNDARY))
        return false;
    if (info->flags & NJ_DFA_ANYTHING) { /* all free strings share one body */
        const struct nj_dfa *free_string = &g->dfas.data[NJ_FREE_STRING];
        *dfa                             = NJ_FREE_STRING;
        *state                           = nj_dfa_next(g, free_string, free_string->start, '"');
    }
    return true;
}

static void allow_inside(const struct nj_body *body, uint32_t room, uint32_t size, uint64_t *bits)
{
    size_t words = NJ_MASK_WORDS(size);
    if (room >= body->most) {
        for (size_t i = 0; i < words; i++)
            bits[i] |= body->inside[i];
        return;
    }
    for (size_t word = 0; word < words; word++) {
        uint64_t some = body->inside[word];
        if (!some)
            continue;
        uint64_t fits = 0;
        for (unsigned bit = 0; bit < 64 && word * 64 + bit < size; bit++)
            fits |= (uint64_t)(body->need[word * 64 + bit] <= room) << bit;
        bits[word] |= some & fits;
    }
}

/* Steps `config` through bytes in scratch, behind what is there; true if something is left. Leaves scratch as it was. */
static bool survives(struct nj_constraint *c, const struct nj_config *config, const uint8_t *bytes, size_t count, size_t *reached)
{
    struct nj_mark mark  = nj_constraint_mark(c);
    uint32_t       floor = c->scratch.count, from = floor;
    if (!nj_configs_add(&c->scratch, config)) {
        c->machine.failed = true;
        return false;
    }
    for (*reached = 0; *reached < count; ++*reached) {
        uint32_t end = c->scratch.count;
        nj_configs_step(&c->machine, &c->scratch, from, end - from, bytes[*reached]);
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
static void allow_exits(struct nj_constraint *c, const struct nj_config *config, const struct nj_body *body, uint64_t *bits)
{
    const struct nj_item   *item    = &config->top;
    const struct nj_lexeme *lexeme  = &c->g->lexemes.data[item->spec];
    bool                    counted = item->kind == NJ_AT_DFA;
    uint32_t                floor   = c->scratch.count;
    struct nj_mark          mark    = nj_constraint_mark(c);
    size_t                  reached = SIZE_MAX, ignored;
    bool                    alive   = false;
    nj_machine_close(&c->machine, config, &c->scratch, floor);
    if (c->machine.failed || c->scratch.count == floor)
        return;
    const struct nj_config behind = c->scratch.data[floor];
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
                set_bit(bits, exit->id);
        } else if (survives(c, config, exit->tail - exit->closed, (size_t)exit->closed + exit->rest, &ignored))
            set_bit(bits, exit->id); /* a key that is not taken */
    }
    nj_constraint_back(c, mark);
    c->scratch.count = floor;
}

nj_status nj_constraint_mask(struct nj_constraint *c, uint64_t *bits, uint32_t *count, struct nj_error *error)
{
    const struct nj_vocabulary *v     = c->vocabulary;
    struct nj_mark              mark  = nj_constraint_mark(c);
    size_t                      words = NJ_MASK_WORDS(v->size);
    uint32_t                    dfa, state;
    memset(bits, 0, words * sizeof *bits);
    c->scratch.count = 0;
    for (uint32_t i = 0; i < c->now.count; i++) {
        const struct nj_config *config = &c->now.data[i];
        if (!in_body(c->g, config, &dfa, &state)) {
            if (!nj_configs_add(&c->scratch, config))
                return nj_constraint_no_memory(c, error);
            continue;
        }
        const struct nj_body *body = nj_body_of(c->g, v, dfa, state);
        if (!body)
            return nj_constraint_no_memory(c, error);
        uint32_t room = UINT32_MAX;
        if (config->top.kind == NJ_AT_DFA) {
            uint32_t max = c->g->lexemes.data[config->top.spec].max;
            room         = max == NJ_UNLIMITED ? max : max - config->top.count;
        }
        allow_inside(body, room, v->size, bits);
        allow_exits(c, config, body, bits);
    }
    if (c->scratch.count)
        walk(c, c->scratch.count, bits);
    *count = 0;
    for (size_t i = 0; i < words; i++)
        for (uint64_t word = bits[i]; word; word &= word - 1)
            ++*count;
    bool failed = c->machine.failed;
    nj_constraint_back(c, mark);
    return failed ? nj_constraint_no_memory(c, error) : NJ_OK;
}
