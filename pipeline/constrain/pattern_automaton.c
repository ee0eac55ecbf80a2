/* From the syntax tree of a pattern to a deterministic automaton: Thompson's construction, then sets of states.
 *
 * Searching is a loop over any character before the pattern; behind it nothing matters any more, so a set that holds the match becomes the state that accepts
 * everything. ^ is passed only before the first character, $ only when asking whether the text may end. */
#include "pipeline/constrain/chars.h"
#include "pipeline/constrain/pattern.h"

#include <stdlib.h>
#include <string.h>

#define MAX_NODES 131072u   /* of the nondeterministic automaton */
#define MAX_WORK  12000000u /* steps of the whole construction: a fraction of a second */
#define ANY_SET   UINT32_MAX

enum kind { SPLIT, SET, BEGIN, END, MATCH };

struct state {
    enum kind kind;
    uint32_t  a, b;
    uint32_t  set; /* SET: pattern node, or ANY_SET */
};

struct machine {
    const struct nj_pattern *pattern;
    struct state            *states;
    uint32_t                 count, capacity;
    struct nj_error         *error;
    bool                     failed;

    uint32_t *low, classes; /* cuts of the alphabet */
    uint32_t *set_row;      /* [pattern nodes] row of `member` */
    uint8_t  *member;       /* [sets][classes] */

    uint32_t *seen, stamp; /* [states] */
    uint32_t *todo;        /* [2 * states + 2] */
    uint32_t  work;

    uint32_t        *cores; /* pooled: sorted states of each deterministic state */
    uint32_t         core_count, core_capacity;
    uint32_t        *core_at; /* [NJ_CHARS_STATES + 1] */
    uint32_t        *slot;    /* hash of cores to states */
    struct nj_chars *out;
    uint32_t         universal;
};

static uint32_t fail(struct machine *m, const char *why)
{
    if (!m->failed)
        nj_fail(m->error, "the pattern %s", why);
    m->failed = true;
    return 0;
}

static uint32_t add(struct machine *m, enum kind kind, uint32_t a, uint32_t b, uint32_t set)
{
    if (m->failed)
        return 0;
    if (m->count == m->capacity) {
        uint32_t      capacity = m->capacity ? m->capacity * 2 : 256;
        struct state *larger   = m->count < MAX_NODES ? realloc(m->states, capacity * sizeof *larger) : NULL;
        if (!larger)
            return fail(m, "is too large: its repetitions multiply to more than 131072 parts");
        m->states   = larger;
        m->capacity = capacity;
    }
    m->states[m->count] = (struct state){kind, a, b, set};
    return m->count++;
}

/* The entry of a machine for `node` that goes on at `next`. */
static uint32_t emit(struct machine *m, uint32_t node, uint32_t next);

static uint32_t emit_times(struct machine *m, const struct nj_pattern_node *n, uint32_t next)
{
    uint32_t least = n->least;
    if (n->most == UINT32_MAX) {
        uint32_t loop = add(m, SPLIT, 0, next, 0);
        uint32_t body = emit(m, n->left, loop);
        if (!m->failed)
            m->states[loop].a = body;
        next = least ? body : loop;
        least -= least ? 1 : 0;
    } else {
        uint32_t end = next;
        for (uint32_t i = n->least; i < n->most && !m->failed; i++)
            next = add(m, SPLIT, emit(m, n->left, next), end, 0);
    }
    for (uint32_t i = 0; i < least && !m->failed; i++)
        next = emit(m, n->left, next);
    return next;
}

static uint32_t emit(struct machine *m, uint32_t node, uint32_t next)
{
    const struct nj_pattern_node *n = &m->pattern->nodes[node];
    /* Sequences and alternatives lean to the left and may be long: loops, not recursion. */
    while (n->kind == NJ_PATTERN_THEN && !m->failed) {
        next = emit(m, n->right, next);
        node = n->left;
        n    = &m->pattern->nodes[node];
    }
    uint32_t others = UINT32_MAX;
    for (; n->kind == NJ_PATTERN_OR && !m->failed; n = &m->pattern->nodes[node = n->left]) {
        uint32_t right = emit(m, n->right, next);
        others         = others == UINT32_MAX ? right : add(m, SPLIT, right, others, 0);
    }
    if (others != UINT32_MAX)
        return add(m, SPLIT, emit(m, node, next), others, 0);
    switch (n->kind) {
    case NJ_PATTERN_SET:
        return add(m, SET, next, 0, node);
    case NJ_PATTERN_BEGIN:
        return add(m, BEGIN, next, 0, 0);
    case NJ_PATTERN_END:
        return add(m, END, next, 0, 0);
    case NJ_PATTERN_TIMES_OF:
        return emit_times(m, n, next);
    default:
        return next;
    }
}

/* --- the alphabet --- */

static int by_value(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static void cut_alphabet(struct machine *m)
{
    const struct nj_pattern *pattern = m->pattern;
    uint32_t                 count = 0, sets = 0, kept = 0;
    m->low     = malloc(((size_t)pattern->range_count * 2 + 4) * sizeof *m->low);
    m->set_row = calloc((size_t)pattern->node_count + 1, sizeof *m->set_row);
    if (!m->low || !m->set_row) {
        fail(m, "needs more memory than there is");
        return;
    }
    m->low[count++] = 0;
    m->low[count++] = 0xD800;
    m->low[count++] = 0xE000;
    for (uint32_t i = 0; i < pattern->range_count; i++) {
        m->low[count++] = pattern->ranges[i].first;
        if (pattern->ranges[i].last < NJ_LAST_POINT)
            m->low[count++] = pattern->ranges[i].last + 1;
    }
    qsort(m->low, count, sizeof *m->low, by_value);
    for (uint32_t i = 0; i < count; i++)
        if (!kept || m->low[kept - 1] != m->low[i])
            m->low[kept++] = m->low[i];
    m->low[kept] = NJ_LAST_POINT + 1;
    m->classes   = kept;
    for (uint32_t i = 0; i < pattern->node_count; i++)
        if (pattern->nodes[i].kind == NJ_PATTERN_SET)
            m->set_row[i] = sets++;
    m->member = (uint64_t)sets * kept <= (uint64_t)1 << 25 ? calloc((size_t)sets * kept + 1, 1) : NULL;
    if (!m->member) {
        fail(m, "has too many different classes");
        return;
    }
    for (uint32_t i = 0; i < pattern->node_count; i++) {
        const struct nj_pattern_node *n = &pattern->nodes[i];
        if (n->kind != NJ_PATTERN_SET)
            continue;
        for (uint32_t r = n->set, k = 0; r < n->set + n->set_count; r++) {
            while (m->low[k] < pattern->ranges[r].first)
                k++;
            for (; k < kept && m->low[k] <= pattern->ranges[r].last; k++)
                m->member[(size_t)m->set_row[i] * kept + k] = 1;
        }
    }
}

static bool surrogates(const struct machine *m, uint32_t class)
{
    return m->low[class] >= 0xD800 && m->low[class] < 0xE000;
}

/* --- sets of states --- */

static void begin_set(struct machine *m)
{
    m->stamp++;
}

/* Adds `from` and what it reaches without a character to the set in m->cores behind core_count + *size; true if the match is among it. */
static bool close_over(struct machine *m, uint32_t from, bool at_start, bool at_end, uint32_t *core, uint32_t *size)
{
    uint32_t depth   = 0;
    bool     match   = false;
    m->todo[depth++] = from;
    while (depth) {
        uint32_t            at = m->todo[--depth];
        const struct state *s  = &m->states[at];
        if (m->seen[at] == m->stamp)
            continue;
        m->seen[at] = m->stamp;
        m->work++;
        switch (s->kind) {
        case SPLIT:
            m->todo[depth++] = s->a;
            m->todo[depth++] = s->b;
            break;
        case BEGIN:
            if (at_start)
                m->todo[depth++] = s->a;
            break;
        case END:
            if (at_end)
                m->todo[depth++] = s->a;
            else if (core)
                core[(*size)++] = at;
            break;
        case SET:
            if (core)
                core[(*size)++] = at;
            break;
        case MATCH:
            match = true;
        }
    }
    return match;
}

static bool may_end(struct machine *m, const uint32_t *core, uint32_t size, bool at_start)
{
    bool match = false;
    begin_set(m);
    for (uint32_t i = 0; i < size; i++)
        if (m->states[core[i]].kind == END)
            match |= close_over(m, core[i], at_start, true, NULL, NULL);
    return match;
}

static uint32_t new_state(struct machine *m, uint32_t size)
{
    if (m->out->states == NJ_CHARS_STATES)
        return fail(m, "needs more than 8192 states; simplify it");
    m->core_count += size;
    m->core_at[++m->out->states] = m->core_count;
    return m->out->states - 1;
}

/* The state for the set that lies behind core_count; sorts it. */
static uint32_t intern(struct machine *m, uint32_t size)
{
    uint32_t *core = m->cores + m->core_count;
    uint32_t  hash = size;
    m->work += size * 2;
    qsort(core, size, sizeof *core, by_value);
    for (uint32_t i = 0; i < size; i++)
        hash = (hash ^ core[i]) * 0x01000193u;
    uint32_t slots = NJ_CHARS_STATES * 2, at = (hash ^ hash >> 15) & (slots - 1);
    for (; m->slot[at]; at = (at + 1) & (slots - 1)) {
        uint32_t s = m->slot[at], from = m->core_at[s];
        if (m->core_at[s + 1] - from == size && !memcmp(m->cores + from, core, size * sizeof *core))
            return s;
    }
    uint32_t s = new_state(m, size);
    if (m->failed)
        return 0;
    m->slot[at]       = s;
    m->out->accept[s] = may_end(m, core, size, false);
    return s;
}

static bool core_room(struct machine *m)
{
    if (m->core_capacity - m->core_count > m->count)
        return true;
    uint32_t  capacity = m->core_capacity * 2 + m->count + 1024;
    uint32_t *larger   = capacity < (1u << 27) ? realloc(m->cores, capacity * sizeof *larger) : NULL;
    if (!larger) {
        fail(m, "needs too much memory; simplify it");
        return false;
    }
    m->cores         = larger;
    m->core_capacity = capacity;
    return true;
}

static uint32_t step(struct machine *m, uint32_t from, uint32_t class)
{
    uint32_t size  = 0;
    bool     match = false;
    if (!core_room(m))
        return 0;
    begin_set(m);
    for (uint32_t i = m->core_at[from]; i < m->core_at[from + 1]; i++) {
        const struct state *s = &m->states[m->cores[i]];
        m->work++;
        if (s->kind != SET || (s->set != ANY_SET && !m->member[(size_t)m->set_row[s->set] * m->classes + class]))
            continue;
        match |= close_over(m, s->a, false, false, m->cores + m->core_count, &size);
    }
    if (m->work > MAX_WORK)
        return fail(m, "takes too long to compile; simplify it");
    return match ? m->universal : size ? intern(m, size) : 0;
}

static bool allocate(struct machine *m)
{
    struct nj_chars *out = m->out;
    m->seen              = calloc(m->count, sizeof *m->seen);
    m->todo              = malloc(((size_t)m->count * 2 + 2) * sizeof *m->todo);
    m->core_at           = calloc(NJ_CHARS_STATES + 2, sizeof *m->core_at);
    m->slot              = calloc((size_t)NJ_CHARS_STATES * 2, sizeof *m->slot);
    out->low             = malloc(((size_t)m->classes + 1) * sizeof *out->low);
    out->next            = m->classes <= 2048 ? calloc((size_t)(NJ_CHARS_STATES + 1) * m->classes, sizeof *out->next) : NULL;
    out->accept          = calloc(NJ_CHARS_STATES + 1, 1);
    if (m->seen && m->todo && m->core_at && m->slot && out->low && out->next && out->accept)
        return true;
    fail(m, "needs too much memory; simplify it");
    return false;
}

/* State 0 dead, 1 universal, 2 the start. */
static void determinise(struct machine *m, uint32_t entry)
{
    struct nj_chars *out  = m->out;
    uint32_t         size = 0;
    if (m->failed || !allocate(m) || !core_room(m))
        return;
    memcpy(out->low, m->low, ((size_t)m->classes + 1) * sizeof *out->low);
    out->classes   = m->classes;
    out->states    = 2;
    m->universal   = 1;
    out->accept[1] = 1;
    begin_set(m);
    bool match = close_over(m, entry, true, false, m->cores, &size);
    out->start = match ? m->universal : new_state(m, size);
    if (!match)
        out->accept[out->start] = may_end(m, m->cores, size, true);
    for (uint32_t s = 1; s < out->states && !m->failed; s++)
        for (uint32_t k = 0; k < m->classes && !m->failed; k++)
            if (!surrogates(m, k)) {
                uint32_t to                   = s == m->universal ? s : step(m, s, k);
                out->next[s * m->classes + k] = to;
            }
}

nj_status nj_chars_from_pattern(const char *text, size_t size, bool literally, struct nj_chars *out, struct nj_lengths *lengths,
                                uint32_t *work, struct nj_error *error)
{
    struct nj_pattern pattern;
    uint32_t          least, most;
    struct nj_chars   any  = {0};
    struct nj_chars   wide = {0};
    *out                   = (struct nj_chars){0};
    nj_status status       = nj_pattern_parse(text, size, literally, &pattern, error);
    if (status != NJ_OK)
        return status;
    if (nj_pattern_take_lengths(&pattern, &least, &most)) {
        lengths->min = least > lengths->min ? least : lengths->min;
        lengths->max = most < lengths->max ? most : lengths->max;
    }
    struct machine m     = {.pattern = &pattern, .out = &wide, .error = error};
    uint32_t       match = add(&m, MATCH, 0, 0, 0);
    uint32_t       loop  = add(&m, SPLIT, 0, 0, 0);
    uint32_t       skip  = add(&m, SET, loop, 0, ANY_SET);
    uint32_t       inner = emit(&m, pattern.root, match);
    if (!m.failed) {
        m.states[loop].a = inner;
        m.states[loop].b = skip;
        cut_alphabet(&m);
    }
    determinise(&m, loop);
    *work += m.work;
    status = m.failed ? NJ_ERROR : nj_chars_any(&any, error);
    if (status == NJ_OK)
        status = nj_chars_intersect(&wide, &any, out, error); /* trims, and leaves just the memory that is needed */
    nj_chars_free(&any);
    nj_chars_free(&wide);
    nj_pattern_free(&pattern);
    free(m.states);
    free(m.low);
    free(m.set_row);
    free(m.member);
    free(m.seen);
    free(m.todo);
    free(m.cores);
    free(m.core_at);
    free(m.slot);
    return status;
}
