#include "pipeline/constrain/body.h"
#include "pipeline/constrain/constraint.h"

#include <stdlib.h>
#include <string.h>

#define PREPARED 80  /* a few milliseconds each at most; as many as two ids of a call have characters */
#define BODIES   128 /* at 32 KB each, 290 KB where characters are counted */

struct nj_bodies {
    const struct nj_vocabulary *vocabulary;
    struct nj_body              body[BODIES];
    uint32_t                    count, oldest;
};

void nj_body_free(struct nj_body *body)
{
    free(body->inside);
    free(body->need);
    free(body->exits);
    *body = (struct nj_body){0};
}

void nj_bodies_close(struct nj_bodies *bodies)
{
    if (!bodies)
        return;
    for (uint32_t i = 0; i < bodies->count; i++)
        nj_body_free(&bodies->body[i]);
    free(bodies);
}

static int by_tail(const void *left, const void *right)
{
    const struct nj_exit *a = left, *b = right;
    uint16_t              shared = a->rest < b->rest ? a->rest : b->rest;
    int                   order  = memcmp(a->tail, b->tail, shared);
    if (order)
        return order;
    if (a->rest != b->rest)
        return a->rest < b->rest ? -1 : 1;
    return a->id < b->id ? -1 : 1;
}

static void find_shared(struct nj_body *body)
{
    if (body->exit_count)
        qsort(body->exits, body->exit_count, sizeof *body->exits, by_tail);
    for (uint32_t i = 1; i < body->exit_count; i++) {
        const struct nj_exit *before = &body->exits[i - 1];
        struct nj_exit       *exit   = &body->exits[i];
        while (exit->shared < exit->rest && exit->shared < before->rest && exit->tail[exit->shared] == before->tail[exit->shared])
            exit->shared++;
    }
}

/* All tokens of a subtree leave the value at the same byte. */
static bool add_exits(struct nj_body *body, uint32_t *capacity, const struct nj_vocabulary *v, uint32_t node, unsigned chars)
{
    uint32_t from = v->first[node], to = v->first[v->skip[node]];
    if (!nj_table_room(&body->exits, body->exit_count, capacity, to - from, sizeof *body->exits))
        return false;
    for (uint32_t i = from; i < to; i++) {
        struct nj_string_view bytes     = nj_tokenizer_bytes(v->tokenizer, v->order[i]);
        body->exits[body->exit_count++] = (struct nj_exit){.id     = v->order[i],
                                                           .closed = v->depth[node],
                                                           .chars  = (uint16_t)chars,
                                                           .rest   = (uint16_t)(bytes.size - v->depth[node]),
                                                           .tail   = (const uint8_t *)bytes.data + v->depth[node]};
    }
    return true;
}

static void add_inside(struct nj_body *body, const struct nj_vocabulary *v, uint32_t node, unsigned need)
{
    for (uint32_t i = v->first[node]; i < v->first[node + 1]; i++) {
        uint32_t id = (uint32_t)v->order[i];
        body->inside[id / 64] |= UINT64_C(1) << id % 64;
        body->inside_count++;
        if (body->need)
            body->need[id] = (uint8_t)need;
    }
}

/* One walk over the vocabulary; what a refused byte begins is skipped. */
static bool walk(struct nj_body *body, const struct nj_grammar *g, const struct nj_vocabulary *v)
{
    const struct nj_dfa       *dfa  = &g->dfas.data[body->dfa];
    const struct nj_dfa_state *info = g->dfa_states.data + dfa->info;
    uint16_t                   states[NJ_TOKEN_BYTES + 1], chars[NJ_TOKEN_BYTES + 1];
    uint32_t                   capacity = 0;
    states[0]                           = (uint16_t)body->state;
    chars[0]                            = 0;
    for (uint32_t node = 0; node < v->nodes;) {
        const unsigned depth = v->depth[node], from = states[depth - 1];
        const uint32_t to = nj_dfa_next(g, dfa, from, v->byte[node]);
        if (to == 0) {
            node = v->skip[node];
            continue;
        }
        if (info[to].flags & NJ_DFA_FINAL) {
            if (!add_exits(body, &capacity, v, node, chars[depth - 1]))
                return false;
            node = v->skip[node];
            continue;
        }
        states[depth] = (uint16_t)to;
        chars[depth]  = (uint16_t)(chars[depth - 1] + ((info[from].flags & NJ_DFA_BOUNDARY) != 0));
        if (v->first[node] != v->first[node + 1]) {
            unsigned need = chars[depth] + (unsigned)info[to].chars;
            need          = need > NJ_MOST_NEED ? NJ_MOST_NEED : need;
            body->most    = need > body->most ? (uint8_t)need : body->most;
            add_inside(body, v, node, need);
        }
        node++;
    }
    find_shared(body);
    return true;
}

bool nj_body_build(struct nj_body *body, const struct nj_grammar *g, const struct nj_vocabulary *v, uint32_t dfa, uint32_t state,
                   bool counted)
{
    size_t room  = NJ_MASK_WORDS(v->size) * 64 + 64;
    *body        = (struct nj_body){.dfa = dfa, .state = state};
    body->inside = calloc(room / 64, sizeof *body->inside);
    body->need   = counted ? malloc(room) : NULL;
    if (body->need)
        memset(body->need, NJ_NOT_INSIDE, room);
    bool built = body->inside && (!counted || body->need) && walk(body, g, v);
    if (!built)
        nj_body_free(body);
    return built;
}

const struct nj_body *nj_body_of(struct nj_grammar *g, const struct nj_vocabulary *v, uint32_t dfa, uint32_t state, bool counted)
{
    struct nj_bodies *b = g->bodies;
    if (b && b->vocabulary != v) {
        nj_bodies_close(b);
        b = g->bodies = NULL;
    }
    if (!b) {
        b = g->bodies = calloc(1, sizeof *b);
        if (!b)
            return NULL;
        b->vocabulary = v;
    }
    for (uint32_t i = 0; i < b->count; i++)
        if (b->body[i].dfa == dfa && b->body[i].state == state && (b->body[i].need || !counted))
            return &b->body[i];
    struct nj_body fresh;
    if (!nj_body_build(&fresh, g, v, dfa, state, counted))
        return NULL;
    struct nj_body *body = &b->body[b->count < BODIES ? b->count++ : b->oldest++ % BODIES];
    nj_body_free(body);
    *body = fresh;
    return body;
}

void nj_bodies_prepare(struct nj_grammar *g, const struct nj_vocabulary *v)
{
    uint32_t prepared = 0;
    if (g->bodies && g->bodies->vocabulary == v)
        return;
    for (uint32_t i = 0; i < g->lexemes.count; i++) {
        const struct nj_lexeme *l = &g->lexemes.data[i];
        if (l->kind != NJ_LEX_DFA)
            continue;
        const struct nj_dfa *dfa = &g->dfas.data[l->at];
        for (uint32_t s = 1; s < dfa->states && prepared < PREPARED; s++) {
            unsigned flags = g->dfa_states.data[dfa->info + s].flags;
            if (!(flags & NJ_DFA_MANY) || (flags & NJ_DFA_ANYTHING))
                continue;
            nj_body_of(g, v, l->at, s, l->max != NJ_UNLIMITED); /* without memory it is missed later, when it is needed */
            prepared++;
        }
    }
}
