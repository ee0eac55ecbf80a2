/* Characters to bytes: raw UTF-8 for what may stand as it is, the escapes of grammar.h for the rest, or all of it raw where no JSON is written. Each state
 * between characters keeps its number; the states inside a character are shared by all that lead to the same place. */
#include "pipeline/constrain/dfa.h"

#include <stdlib.h>
#include <string.h>

struct speller {
    const struct nj_chars *chars;
    struct nj_dfa_builder  out;
    uint32_t              *between; /* [chars->states] state of the bytes, 0: not reached yet */
    uint32_t              *todo, todo_count;
    uint32_t (*tails)[7]; /* per target: shared states inside a character: 1, 2, 3 bytes to come, then behind E0, ED, F0, F4 */
    uint32_t accepted;
    bool     raw; /* no JSON: no quotes, no escapes */
};

static uint32_t between(struct speller *s, uint32_t state)
{
    if (state == 0)
        return 0;
    if (!s->between[state]) {
        uint32_t flags = NJ_DFA_BOUNDARY;
        if (s->raw)
            flags |= s->chars->accept[state] ? NJ_DFA_ACCEPT : 0;
        else
            flags |= nj_chars_is_any(s->chars, state) ? NJ_DFA_ANYTHING : 0;
        s->between[state]        = nj_dfa_state(&s->out, flags);
        s->todo[s->todo_count++] = state;
    }
    return s->between[state];
}

static uint32_t after(const struct speller *s, uint32_t state, uint32_t point)
{
    return s->chars->next[state * s->chars->classes + nj_chars_class(s->chars, point)];
}

/* Whether first..last all lead to one state (also 0), which goes to *to. */
static bool uniform(const struct speller *s, uint32_t state, uint32_t first, uint32_t last, uint32_t *to)
{
    uint32_t class = nj_chars_class(s->chars, first), end = nj_chars_class(s->chars, last);
    *to = s->chars->next[state * s->chars->classes + class];
    while (class < end)
        if (s->chars->next[state * s->chars->classes + ++class] != *to)
            return false;
    return true;
}

/* The state inside a character after which the points first..last remain, `left` bytes to come (each carries six bits), from the state `from`. */
static uint32_t inside(struct speller *s, uint32_t from, uint32_t first, uint32_t last, unsigned left)
{
    uint32_t to, *shared = NULL;
    uint32_t step = 1u << (6 * (left - 1));
    unsigned low = 0x80 + (first / step & 63), high = 0x80 + (last / step & 63);
    if (uniform(s, from, first, last, &to)) {
        if (to == 0)
            return 0;
        static const unsigned kinds[][2] = {{0x80, 0xBF}, {0xA0, 0xBF}, {0x80, 0x9F}, {0x90, 0xBF}, {0x80, 0x8F}};
        unsigned              kind       = 0;
        while (kinds[kind][0] != low || kinds[kind][1] != high)
            kind++;
        /* A full range is told by its bytes to come, a clipped one only occurs once, as the second byte of E0, ED, F0 or F4. */
        shared = &s->tails[to][kind == 0 ? left - 1 : kind + 2];
        if (*shared)
            return *shared;
    }
    uint32_t state = nj_dfa_state(&s->out, 0);
    if (shared)
        *shared = state;
    for (unsigned byte = low; byte <= high; byte++) {
        uint32_t base = first - first % (step * 64) + (byte - 0x80) * step;
        uint32_t next = left == 1 ? between(s, after(s, from, base)) : inside(s, from, base, base + step - 1, left - 1);
        nj_dfa_edge(&s->out, state, byte, byte, next);
    }
    return state;
}

static void spell_raw(struct speller *s, uint32_t state, uint32_t at)
{
    for (unsigned byte = s->raw ? 0 : 0x20; byte < 0x7F; byte++)
        if (s->raw || (byte != '"' && byte != '\\'))
            nj_dfa_edge(&s->out, at, byte, byte, between(s, after(s, state, byte)));
    for (unsigned lead = 0xC2; lead <= 0xF4; lead++) {
        unsigned left  = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
        uint32_t first = (lead & (left == 1 ? 0x1Fu : left == 2 ? 0x0Fu : 0x07u)) << (6 * left);
        uint32_t last  = first + (1u << (6 * left)) - 1;
        if (lead == 0xE0)
            first = 0x800;
        if (lead == 0xED)
            last = 0xD7FF;
        if (lead == 0xF0)
            first = 0x10000;
        if (lead == 0xF4)
            last = NJ_LAST_POINT;
        nj_dfa_edge(&s->out, at, lead, lead, inside(s, state, first, last, left));
    }
}

static void spell_escapes(struct speller *s, uint32_t state, uint32_t at)
{
    static const char     letters[] = "\"\\bfnrt", points[] = "\"\\\b\f\n\r\t";
    uint32_t              backslash = nj_dfa_state(&s->out, 0), u = nj_dfa_state(&s->out, 0), u0 = nj_dfa_state(&s->out, 0);
    uint32_t              u00           = nj_dfa_state(&s->out, 0), high[3];
    static const unsigned high_digit[3] = {'0', '1', '7'}, base[3] = {0, 16, 0x70};
    nj_dfa_edge(&s->out, at, '\\', '\\', backslash);
    nj_dfa_edge(&s->out, backslash, 'u', 'u', u);
    nj_dfa_edge(&s->out, u, '0', '0', u0);
    nj_dfa_edge(&s->out, u0, '0', '0', u00);
    for (unsigned i = 0; i < 7; i++)
        nj_dfa_edge(&s->out, backslash, (uint8_t)letters[i], (uint8_t)letters[i], between(s, after(s, state, (uint8_t)points[i])));
    for (unsigned h = 0; h < 3; h++) {
        high[h] = nj_dfa_state(&s->out, 0);
        nj_dfa_edge(&s->out, u00, high_digit[h], high_digit[h], high[h]);
        for (unsigned digit = h == 2 ? 15 : 0; digit < 16; digit++) {
            uint32_t next = between(s, after(s, state, base[h] + digit));
            unsigned low  = digit < 10 ? '0' + digit : 'a' + digit - 10;
            nj_dfa_edge(&s->out, high[h], low, low, next);
            if (digit >= 10)
                nj_dfa_edge(&s->out, high[h], low - 32, low - 32, next);
        }
    }
}

static nj_status spell_all(struct speller *s, struct nj_grammar *g, uint32_t *dfa, struct nj_error *error)
{
    const struct nj_chars *chars = s->chars;
    nj_status              status;
    uint32_t               start;
    if (chars->start == 0)
        return NJ_NOT_FOUND;
    s->between = calloc(chars->states, sizeof *s->between);
    s->todo    = calloc(chars->states, sizeof *s->todo);
    s->tails   = calloc(chars->states, sizeof *s->tails);
    if (!s->between || !s->todo || !s->tails) {
        status = nj_fail(error, "no memory for a string automaton of %u states", chars->states);
        goto cleanup;
    }
    if (s->raw)
        start = between(s, chars->start);
    else {
        start       = nj_dfa_state(&s->out, 0);
        s->accepted = nj_dfa_state(&s->out, NJ_DFA_ACCEPT);
        nj_dfa_edge(&s->out, start, '"', '"', between(s, chars->start));
    }
    for (uint32_t i = 0; i < s->todo_count && !s->out.failed; i++) {
        uint32_t state = s->todo[i], at = s->between[state];
        spell_raw(s, state, at);
        if (s->raw)
            continue;
        if (chars->accept[state])
            nj_dfa_edge(&s->out, at, '"', '"', s->accepted);
        spell_escapes(s, state, at);
    }
    status = nj_dfa_finish(&s->out, start, g, dfa, error);
cleanup:
    free(s->between);
    free(s->todo);
    free(s->tails);
    return status;
}

nj_status nj_dfa_string(const struct nj_chars *chars, struct nj_grammar *g, uint32_t *dfa, struct nj_error *error)
{
    struct speller s = {.chars = chars};
    return spell_all(&s, g, dfa, error);
}

nj_status nj_dfa_text(const struct nj_chars *chars, struct nj_grammar *g, uint32_t *dfa, struct nj_error *error)
{
    struct speller s = {.chars = chars, .raw = true};
    return spell_all(&s, g, dfa, error);
}

nj_status nj_dfa_add_free_string(struct nj_grammar *g, struct nj_error *error)
{
    struct nj_chars any = {0};
    uint32_t        dfa;
    nj_status       status = nj_chars_any(&any, error);
    if (status == NJ_OK)
        status = nj_dfa_string(&any, g, &dfa, error);
    nj_chars_free(&any);
    if (status == NJ_OK && !NJ_ROOM(g->lexemes, 1))
        status = nj_fail(error, "no memory for a grammar");
    if (status == NJ_OK)
        g->lexemes.data[g->lexemes.count++] = (struct nj_lexeme){.kind = NJ_LEX_DFA, .at = dfa, .max = NJ_UNLIMITED};
    return status;
}
