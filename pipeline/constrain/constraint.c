#include "pipeline/constrain/body.h"
#include "pipeline/constrain/constraint_state.h"

#include <stdlib.h>
#include <string.h>

#define SWEEP_FRAMES 4096 /* below this, dead frames are not worth looking for */

nj_status nj_constraint_open(struct nj_grammar *grammar, const struct nj_vocabulary *vocabulary, struct nj_constraint **out,
                             struct nj_error *error)
{
    struct nj_constraint *c = calloc(1, sizeof *c);
    *out                    = NULL;
    if (!c)
        return nj_fail(error, "no memory for a constraint");
    c->g          = grammar;
    c->vocabulary = vocabulary;
    c->machine.g  = grammar;
    if (!NJ_ROOM(c->now, 4)) {
        nj_constraint_close(c);
        return nj_fail(error, "no memory for a constraint");
    }
    if (vocabulary)
        nj_bodies_prepare(grammar, vocabulary);
    nj_constraint_reset(c);
    *out = c;
    return NJ_OK;
}

void nj_constraint_close(struct nj_constraint *c)
{
    if (!c)
        return;
    free(c->machine.frames.data);
    free(c->machine.keys.data);
    free(c->now.data);
    free(c->scratch.data);
    free(c->texts.data);
    free(c);
}

void nj_constraint_reset(struct nj_constraint *c)
{
    c->machine.frames.count = 0;
    c->machine.keys.count   = 0;
    c->machine.failed       = false;
    c->machine.dropped      = false;
    c->now.count            = 1;
    c->now.data[0]          = nj_machine_start(c->g);
}

nj_status nj_constraint_copy(struct nj_constraint *to, const struct nj_constraint *from, struct nj_error *error)
{
    const struct nj_machine *m = &from->machine;
    to->machine.frames.count = to->machine.keys.count = to->now.count = 0;
    if (!NJ_ROOM(to->machine.frames, m->frames.count + UINT64_C(1)) || !NJ_ROOM(to->machine.keys, m->keys.count + UINT64_C(1)) ||
        !NJ_ROOM(to->now, from->now.count))
        return nj_constraint_no_memory(to, error);
    if (m->frames.count)
        memcpy(to->machine.frames.data, m->frames.data, m->frames.count * sizeof *m->frames.data);
    if (m->keys.count)
        memcpy(to->machine.keys.data, m->keys.data, m->keys.count * sizeof *m->keys.data);
    memcpy(to->now.data, from->now.data, from->now.count * sizeof *from->now.data);
    to->machine.frames.count = m->frames.count;
    to->machine.keys.count   = m->keys.count;
    to->machine.failed       = m->failed;
    to->machine.dropped      = m->dropped;
    to->now.count            = from->now.count;
    return NJ_OK;
}

struct nj_mark nj_constraint_mark(const struct nj_constraint *c)
{
    return (struct nj_mark){c->machine.frames.count, c->machine.keys.count};
}

void nj_constraint_back(struct nj_constraint *c, struct nj_mark mark)
{
    c->machine.frames.count = mark.frames;
    c->machine.keys.count   = mark.keys;
    c->scratch.count        = 0;
}

nj_status nj_constraint_no_memory(struct nj_constraint *c, struct nj_error *error)
{
    nj_constraint_reset(c);
    return nj_fail(error, "no memory to follow the document; it is nested too deep");
}

void nj_ways_step(struct nj_machine *machine, struct nj_ways *out, uint32_t at, uint32_t count, uint8_t byte)
{
    uint32_t from = out->count;
    for (uint32_t i = at; i < at + count && !machine->failed; i++)
        nj_machine_step(machine, &out->data[i], byte, out, from);
}

/* --- taking bytes --- */

/* Drops the frames that nothing refers to any more. A frame is younger than the one below it, so one pass from the young to the old finds all that live, and
 * one from the old to the young renumbers them. */
static bool sweep(struct nj_constraint *c)
{
    struct nj_machine *m     = &c->machine;
    uint32_t          *moved = calloc((size_t)m->frames.count + 1, sizeof *moved);
    uint32_t           kept  = 0;
    if (!moved)
        return false;
    for (uint32_t i = 0; i < c->now.count; i++)
        if (c->now.data[i].parent != NJ_NONE)
            moved[c->now.data[i].parent] = 1;
    for (uint32_t i = m->frames.count; i-- > 0;)
        if (moved[i] && m->frames.data[i].parent != NJ_NONE)
            moved[m->frames.data[i].parent] = 1;
    for (uint32_t i = 0; i < m->frames.count; i++) {
        if (!moved[i])
            continue;
        struct nj_frame frame = m->frames.data[i];
        if (frame.parent != NJ_NONE)
            frame.parent = moved[frame.parent];
        moved[i]               = kept;
        m->frames.data[kept++] = frame;
    }
    for (uint32_t i = 0; i < c->now.count; i++)
        if (c->now.data[i].parent != NJ_NONE)
            c->now.data[i].parent = moved[c->now.data[i].parent];
    m->frames.count = kept;
    free(moved);
    return true;
}

/* The set in scratch[at ..] becomes the state. */
static nj_status settle(struct nj_constraint *c, uint32_t at, struct nj_error *error)
{
    uint32_t count = c->scratch.count - at;
    if (c->now.capacity < count) {
        c->now.count = 0;
        if (!NJ_ROOM(c->now, count))
            return nj_constraint_no_memory(c, error);
    }
    memcpy(c->now.data, c->scratch.data + at, count * sizeof *c->now.data);
    c->now.count     = count;
    c->scratch.count = 0;
    if (c->machine.frames.count >= SWEEP_FRAMES && c->machine.frames.count * UINT64_C(2) >= c->machine.frames.capacity && !sweep(c))
        return nj_constraint_no_memory(c, error);
    return NJ_OK;
}

/* Steps the state through bytes in `scratch`, two generations at a time. *at is where the last generation begins. */
static size_t follow(struct nj_constraint *c, const uint8_t *bytes, size_t count, uint32_t *at)
{
    size_t taken     = 0;
    c->scratch.count = 0;
    if (!NJ_ROOM(c->scratch, c->now.count)) {
        c->machine.failed = true;
        return 0;
    }
    memcpy(c->scratch.data, c->now.data, c->now.count * sizeof *c->now.data);
    c->scratch.count = c->now.count;
    *at              = 0;
    for (; taken < count; taken++) {
        uint32_t from = c->scratch.count, size = from - *at;
        nj_ways_step(&c->machine, &c->scratch, *at, size, bytes[taken]);
        if (c->machine.failed || c->scratch.count == from)
            break;
        memmove(c->scratch.data, c->scratch.data + from, (c->scratch.count - from) * sizeof *c->scratch.data);
        c->scratch.count -= from;
        *at = 0;
    }
    return taken;
}

nj_status nj_constraint_advance_bytes(struct nj_constraint *c, const void *bytes, size_t count, size_t *taken, struct nj_error *error)
{
    uint32_t at;
    *taken = follow(c, bytes, count, &at);
    return c->machine.failed ? nj_constraint_no_memory(c, error) : settle(c, at, error);
}

nj_status nj_constraint_advance(struct nj_constraint *c, int32_t id, struct nj_error *error)
{
    const struct nj_tokenizer *tokenizer = c->vocabulary ? c->vocabulary->tokenizer : NULL;
    if (!tokenizer || id < 0 || (uint32_t)id >= c->vocabulary->size || (id != c->vocabulary->quote && nj_tokenizer_is_added(tokenizer, id)))
        return nj_fail_as(NJ_NOT_FOUND, error, "token %d cannot stand in a document", (int)id);
    struct nj_string_view bytes = nj_vocabulary_bytes(c->vocabulary, id);
    struct nj_mark        mark  = nj_constraint_mark(c);
    uint32_t              at;
    if (bytes.size == 0 || bytes.size > NJ_TOKEN_BYTES)
        return nj_fail_as(NJ_NOT_FOUND, error, "token %d cannot stand in a document", (int)id);
    size_t taken = follow(c, (const uint8_t *)bytes.data, bytes.size, &at);
    if (c->machine.failed)
        return nj_constraint_no_memory(c, error);
    if (taken == bytes.size)
        return settle(c, at, error);
    nj_constraint_back(c, mark);
    return nj_fail_as(NJ_NOT_FOUND, error, "token %d is not allowed here: the schema forbids its byte %zu", (int)id, taken);
}

bool nj_constraint_may_stop(const struct nj_constraint *c)
{
    for (uint32_t i = 0; i < c->now.count; i++)
        if (nj_machine_may_end(&c->machine, &c->now.data[i]))
            return true;
    return false;
}

bool nj_constraint_finished(const struct nj_constraint *c)
{
    for (uint32_t i = 0; i < c->now.count; i++)
        if (c->now.data[i].top.kind != NJ_AT_END)
            return false;
    return true;
}

bool nj_constraint_is_partial(const struct nj_constraint *c)
{
    return c->machine.dropped;
}
