/* Looking ahead: what must come, what may be chosen, and how to end. */
#include "pipeline/constrain/constraint_state.h"
#include "pipeline/constrain/machine_keys.h"

#include <stdlib.h>
#include <string.h>

#define MOST_FORCED ((size_t)1 << 16)

/* --- choices between constants --- */

struct constants {
    struct nj_span literals;
    uint64_t       seen;      /* unique values that are there already */
    bool           may_close; /* or the array may end instead */
};

/* The constants that come next; false: the reading is not at the start of a value, or not all are constants. */
static bool constants_of(const struct nj_constraint *c, const struct nj_way *way, struct constants *out)
{
    const struct nj_item *item = &way->top;
    *out                       = (struct constants){.may_close = item->kind == NJ_AT_ARRAY};
    if (item->kind == NJ_AT_ARRAY && item->phase == NJ_FIRST) {
        const struct nj_array *a = &c->g->arrays.data[item->spec];
        if (!nj_array_may_have_item(c->g, a, item))
            return false;
        out->literals = a->unique ? a->unique_values : c->g->values.data[nj_array_item(c->g, a, 0)].literals;
    } else if (item->kind == NJ_AT_VALUE && item->phase == NJ_UNIQUE) {
        out->literals = c->g->arrays.data[item->spec].unique_values;
        out->seen     = c->machine.frames.data[way->parent].item.memory;
    } else if (item->kind == NJ_AT_VALUE)
        out->literals = c->g->values.data[item->spec].literals;
    return out->literals.count > 0;
}

static bool add_text(struct nj_constraint *c, struct nj_string_view text, bool may_be_there)
{
    for (uint32_t i = 0; i < c->texts.count && may_be_there; i++)
        if (c->texts.data[i].size == text.size && !memcmp(c->texts.data[i].data, text.data, text.size))
            return true;
    if (!NJ_ROOM(c->texts, 1))
        return false;
    c->texts.data[c->texts.count++] = text;
    return true;
}

static size_t choice_of(struct nj_constraint *c, const struct nj_way *ways, uint32_t count)
{
    struct constants k;
    c->texts.count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!constants_of(c, &ways[i], &k))
            return 0;
    for (uint32_t i = 0; i < count; i++) {
        constants_of(c, &ways[i], &k);
        for (uint32_t n = 0; n < k.literals.count; n++) {
            struct nj_literal     literal = c->g->literals.data[k.literals.at + n];
            struct nj_string_view text    = {(const char *)c->g->bytes.data + literal.text, literal.size};
            if (k.seen && (k.seen >> n & 1))
                continue;
            if (!add_text(c, text, count > 1)) /* the constants of one value differ */
                return 0;
        }
        if (k.may_close && !add_text(c, (struct nj_string_view){"]", 1}, true))
            return 0;
    }
    return c->texts.count > 1 ? c->texts.count : 0;
}

size_t nj_constraint_choice(struct nj_constraint *c, const struct nj_string_view **texts)
{
    size_t count = choice_of(c, c->now.data, c->now.count);
    if (texts)
        *texts = c->texts.data;
    return count;
}

/* --- forced bytes --- */

/* Tries bytes on scratch[at .. at + count - 1]: how many lead on (2: two or more), and the last of them in *byte; what it leads to stays in scratch. */
static unsigned ways_on(struct nj_constraint *c, uint32_t at, uint32_t count, uint8_t *byte)
{
    uint64_t bits[4] = {0};
    unsigned ways    = 0;
    uint32_t end     = c->scratch.count;
    for (uint32_t i = at; i < at + count; i++)
        nj_machine_candidates(&c->machine, &c->scratch.data[i], bits);
    for (unsigned b = 0; b < 256 && ways < 2; b++) {
        if (!(bits[b / 64] >> b % 64 & 1))
            continue;
        uint32_t before = c->scratch.count;
        nj_ways_step(&c->machine, &c->scratch, at, count, (uint8_t)b);
        if (c->scratch.count == before)
            continue;
        ways++;
        *byte = (uint8_t)b;
    }
    if (ways != 1)
        c->scratch.count = end;
    return ways;
}

static bool begin_looking(struct nj_constraint *c)
{
    c->scratch.count = 0;
    if (!NJ_ROOM(c->scratch, c->now.count))
        return false;
    memcpy(c->scratch.data, c->now.data, c->now.count * sizeof *c->now.data);
    c->scratch.count = c->now.count;
    return true;
}

static bool any_may_end(const struct nj_constraint *c)
{
    for (uint32_t i = 0; i < c->scratch.count; i++)
        if (nj_machine_may_end(&c->machine, &c->scratch.data[i]))
            return true;
    return false;
}

nj_status nj_constraint_forced_up_to(struct nj_constraint *c, struct nj_text *text, size_t most, struct nj_error *error)
{
    struct nj_mark mark = nj_constraint_mark(c);
    size_t         from = text->length;
    if (!begin_looking(c))
        return nj_constraint_no_memory(c, error);
    while (text->length - from < most && !c->machine.failed && !any_may_end(c)) {
        uint32_t count = c->scratch.count;
        uint8_t  byte;
        if (choice_of(c, c->scratch.data, count) || ways_on(c, 0, count, &byte) != 1)
            break;
        nj_text_add_bytes(text, &byte, 1);
        memmove(c->scratch.data, c->scratch.data + count, (c->scratch.count - count) * sizeof *c->scratch.data);
        c->scratch.count -= count;
    }
    bool failed = c->machine.failed || text->failed;
    nj_constraint_back(c, mark);
    return failed ? nj_constraint_no_memory(c, error) : NJ_OK;
}

nj_status nj_constraint_forced(struct nj_constraint *c, struct nj_text *text, struct nj_error *error)
{
    return nj_constraint_forced_up_to(c, text, MOST_FORCED, error);
}

/* --- where --- */

static void add_frame(const struct nj_constraint *c, struct nj_text *path, uint32_t frame)
{
    const struct nj_item *item = &c->machine.frames.data[frame].item;
    if (item->kind == NJ_AT_ARRAY) {
        nj_text_addf(path, "/%u", item->at - 1);
        return;
    }
    nj_text_add(path, "/");
    if (item->memory == NJ_NONE) {
        nj_text_add(path, "*"); /* the name of a further key is not kept */
        return;
    }
    const struct nj_property *p = &c->g->properties.data[c->g->objects.data[item->spec].properties.at + item->memory];
    for (uint32_t i = 0; i < p->size; i++) {
        uint8_t byte = c->g->bytes.data[p->name + i];
        if (byte == '~' || byte == '/')
            nj_text_add(path, byte == '~' ? "~0" : "~1");
        else
            nj_text_add_bytes(path, &byte, 1);
    }
}

void nj_constraint_path(const struct nj_constraint *c, struct nj_text *path)
{
    uint32_t depth = 0, frame = c->now.data[0].parent;
    for (uint32_t at = frame; at != NJ_NONE; at = c->machine.frames.data[at].parent)
        depth++;
    uint32_t *way = malloc(((size_t)depth + 1) * sizeof *way);
    if (!way) {
        path->failed = true;
        return;
    }
    for (uint32_t i = depth; i-- > 0; frame = c->machine.frames.data[frame].parent)
        way[i] = frame;
    for (uint32_t i = 0; i < depth; i++)
        add_frame(c, path, way[i]);
    free(way);
}

/* --- closing --- */

static uint32_t least_cost(const struct nj_constraint *c, const struct nj_way *ways, uint32_t count, uint32_t *which)
{
    uint32_t least = NJ_ENDLESS;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t cost = nj_machine_may_end(&c->machine, &ways[i]) ? 0 : nj_machine_cost(&c->machine, &ways[i]);
        if (cost < least) {
            least = cost;
            if (which)
                *which = i;
        }
    }
    return least;
}

size_t nj_constraint_closing_bytes(const struct nj_constraint *c)
{
    return least_cost(c, c->now.data, c->now.count, NULL);
}

/* The byte after which the way scratch[0] is nearest to its end; what it leads to replaces it. */
static bool step_closer(struct nj_constraint *c, struct nj_text *text)
{
    uint64_t bits[4] = {0};
    uint32_t best = NJ_ENDLESS, best_at = 0, best_count = 0;
    uint8_t  byte = 0;
    nj_machine_candidates(&c->machine, &c->scratch.data[0], bits);
    for (unsigned b = 0; b < 256; b++) {
        if (!(bits[b / 64] >> b % 64 & 1))
            continue;
        uint32_t from = c->scratch.count, which = 0;
        nj_ways_step(&c->machine, &c->scratch, 0, 1, (uint8_t)b);
        uint32_t cost = least_cost(c, c->scratch.data + from, c->scratch.count - from, &which);
        if (cost < best) {
            best       = cost;
            best_at    = from + which;
            best_count = 1;
            byte       = (uint8_t)b;
        }
    }
    if (best_count) {
        c->scratch.data[0] = c->scratch.data[best_at];
        nj_text_add_bytes(text, &byte, 1);
    }
    c->scratch.count = 1;
    return best_count;
}

nj_status nj_constraint_closing(struct nj_constraint *c, struct nj_text *text, struct nj_error *error)
{
    struct nj_mark mark  = nj_constraint_mark(c);
    uint32_t       which = 0;
    size_t         most = (size_t)least_cost(c, c->now.data, c->now.count, &which) * 2 + 64, from = text->length;
    nj_status      status = NJ_OK;
    if (!begin_looking(c))
        return nj_constraint_no_memory(c, error);
    c->scratch.data[0] = c->scratch.data[which];
    c->scratch.count   = 1;
    while (!nj_machine_may_end(&c->machine, &c->scratch.data[0]) && !c->machine.failed && status == NJ_OK)
        if (text->length - from > most || !step_closer(c, text))
            status = nj_fail(error, "the document cannot be closed from here");
    bool failed = c->machine.failed || text->failed;
    nj_constraint_back(c, mark);
    return failed ? nj_constraint_no_memory(c, error) : status;
}
