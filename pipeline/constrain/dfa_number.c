/* Numbers as decimal text. A bound is compared while the digits are read: as long as all digits are equal, the place in the bound is remembered; the number of
 * digits before the point decides when it differs. Each sign has its own two comparisons of magnitudes. */
#include "pipeline/constrain/dfa.h"

#include <stdlib.h>
#include <string.h>

enum { LESS, EQUAL, GREATER };
enum phase { START, SIGN, ZERO, WHOLE, POINT, FRACTION };

struct comparison {
    uint16_t place; /* digits read of this part, at most one more than the bound has */
    uint8_t  order;
};

struct reading {
    uint8_t           phase, negative;
    uint16_t          remainder; /* of the digits so far, by rules->multiple */
    struct comparison least, most;
};

struct limits { /* of the magnitude, for one sign */
    bool                     possible;
    const struct nj_decimal *least, *most; /* NULL: none */
};

struct builder {
    const struct nj_number_rules *rules;
    struct limits                 positive, negative;
    struct nj_dfa_builder         out;
    struct reading               *readings; /* [out.count] */
    uint32_t                     *slot, slots;
};

static bool is_zero(const struct nj_decimal *d)
{
    return d->whole + d->fraction == 0;
}

static void find_limits(struct builder *b)
{
    const struct nj_decimal *low = &b->rules->low, *high = &b->rules->high;
    b->positive.possible = !high->given || !high->negative;
    b->positive.least    = low->given && !low->negative && (!is_zero(low) || low->exclusive) ? low : NULL;
    b->positive.most     = high->given ? high : NULL;
    b->negative.possible = !low->given || low->negative;
    b->negative.least    = high->given && (high->negative || (is_zero(high) && high->exclusive)) ? high : NULL;
    b->negative.most     = low->given ? low : NULL;
}

static struct comparison read_whole(struct comparison c, const struct nj_decimal *bound, unsigned digit)
{
    if (!bound || c.place > bound->whole)
        return c;
    if (c.place < bound->whole && c.order == EQUAL && digit != bound->digits[c.place])
        c.order = digit < bound->digits[c.place] ? LESS : GREATER;
    c.place++;
    return c;
}

static struct comparison end_whole(struct comparison c, const struct nj_decimal *bound)
{
    if (bound && c.place != bound->whole)
        c.order = c.place < bound->whole ? LESS : GREATER;
    c.place = 0;
    return c;
}

static struct comparison read_fraction(struct comparison c, const struct nj_decimal *bound, unsigned digit)
{
    if (!bound || c.order != EQUAL)
        return (struct comparison){0, c.order};
    unsigned theirs = c.place < bound->fraction ? bound->digits[bound->whole + c.place] : 0;
    if (digit != theirs)
        return (struct comparison){0, digit < theirs ? LESS : GREATER};
    c.place += c.place < bound->fraction;
    return c;
}

static bool holds(struct comparison c, const struct nj_decimal *bound, bool fraction, int wanted)
{
    if (!bound)
        return true;
    if (!fraction)
        c = end_whole(c, bound);
    if (c.order == EQUAL && c.place < bound->fraction)
        c.order = LESS;
    return c.order == wanted || (c.order == EQUAL && !bound->exclusive);
}

static bool accepts(const struct builder *b, const struct reading *r)
{
    const struct limits *limits   = r->negative ? &b->negative : &b->positive;
    bool                 fraction = r->phase == FRACTION;
    return (r->phase == ZERO || r->phase == WHOLE || fraction) && r->remainder == 0 && holds(r->least, limits->least, fraction, GREATER) &&
           holds(r->most, limits->most, fraction, LESS);
}

/* Reads one byte; false: not a number any more. Bounds are only checked at the end: what can no longer end is cut afterwards. */
static bool read_byte(const struct builder *b, struct reading *r, unsigned byte)
{
    const struct limits *limits = r->negative ? &b->negative : &b->positive;
    unsigned             digit  = byte - '0';
    if (byte == '-' && r->phase == START && b->negative.possible) {
        r->negative = 1;
        r->phase    = SIGN;
        return true;
    }
    if (byte == '.' && (r->phase == ZERO || r->phase == WHOLE) && !b->rules->integer) {
        r->least = end_whole(r->least, limits->least);
        r->most  = end_whole(r->most, limits->most);
        r->phase = POINT;
        return true;
    }
    if (digit > 9 || r->phase == ZERO || (r->phase == START && !b->positive.possible))
        return false;
    if (r->phase == POINT || r->phase == FRACTION) {
        r->least = read_fraction(r->least, limits->least, digit);
        r->most  = read_fraction(r->most, limits->most, digit);
        r->phase = FRACTION;
        return true;
    }
    r->phase = r->phase != WHOLE && digit == 0 ? ZERO : WHOLE;
    if (r->phase == WHOLE) {
        r->least = read_whole(r->least, limits->least, digit);
        r->most  = read_whole(r->most, limits->most, digit);
    }
    if (b->rules->multiple)
        r->remainder = (uint16_t)((r->remainder * 10 + digit) % b->rules->multiple);
    return true;
}

static bool same(const struct reading *a, const struct reading *b)
{
    return a->phase == b->phase && a->negative == b->negative && a->remainder == b->remainder && a->least.place == b->least.place &&
           a->least.order == b->least.order && a->most.place == b->most.place && a->most.order == b->most.order;
}

static uint32_t state_of(struct builder *b, const struct reading *r)
{
    uint32_t hash = (r->phase * 2u + r->negative) * 0x9E3779B1u;
    hash          = (hash ^ r->remainder) * 0x85EBCA77u;
    hash          = (hash ^ r->least.place * 4u ^ r->least.order) * 0xC2B2AE3Du;
    hash          = (hash ^ r->most.place * 4u ^ r->most.order) * 0x27D4EB2Fu;
    uint32_t at   = (hash ^ hash >> 16) & (b->slots - 1);
    for (; b->slot[at]; at = (at + 1) & (b->slots - 1))
        if (same(&b->readings[b->slot[at]], r))
            return b->slot[at];
    uint32_t s = nj_dfa_state(&b->out, accepts(b, r) ? NJ_DFA_ACCEPT : 0);
    if (s == 0 || s >= NJ_DFA_STATES) {
        b->out.failed = true;
        return 0;
    }
    b->slot[at]    = s;
    b->readings[s] = *r;
    return s;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
static uint32_t free_number(struct nj_dfa_builder *out)
{
    uint32_t start = nj_dfa_state(out, 0), sign = nj_dfa_state(out, 0), zero = nj_dfa_state(out, NJ_DFA_ACCEPT);
    uint32_t whole = nj_dfa_state(out, NJ_DFA_ACCEPT), point = nj_dfa_state(out, 0), fraction = nj_dfa_state(out, NJ_DFA_ACCEPT);
    uint32_t e = nj_dfa_state(out, 0), e_sign = nj_dfa_state(out, 0), e_digits = nj_dfa_state(out, NJ_DFA_ACCEPT);
    nj_dfa_edge(out, start, '-', '-', sign);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t from = i ? sign : start, head = i ? whole : zero, tail = i ? e : e_sign;
        nj_dfa_edge(out, from, '0', '0', zero);
        nj_dfa_edge(out, from, '1', '9', whole);
        nj_dfa_edge(out, head, '.', '.', point);
        nj_dfa_edge(out, tail, '0', '9', e_digits);
    }
    nj_dfa_edge(out, whole, '0', '9', whole);
    nj_dfa_edge(out, point, '0', '9', fraction);
    nj_dfa_edge(out, fraction, '0', '9', fraction);
    const uint32_t mantissa[] = {zero, whole, fraction};
    for (unsigned i = 0; i < 3; i++) {
        nj_dfa_edge(out, mantissa[i], 'e', 'e', e);
        nj_dfa_edge(out, mantissa[i], 'E', 'E', e);
    }
    nj_dfa_edge(out, e, '+', '+', e_sign);
    nj_dfa_edge(out, e, '-', '-', e_sign);
    nj_dfa_edge(out, e_digits, '0', '9', e_digits);
    return start;
}

nj_status nj_dfa_number(const struct nj_number_rules *rules, struct nj_grammar *g, uint32_t *dfa, struct nj_error *error)
{
    struct builder b = {.rules = rules, .slots = 1u << 17};
    if (!rules->integer && !rules->low.given && !rules->high.given) {
        uint32_t start = free_number(&b.out);
        return nj_dfa_finish(&b.out, start, g, dfa, error);
    }
    b.readings = malloc((NJ_DFA_STATES + 1) * sizeof *b.readings);
    b.slot     = calloc(b.slots, sizeof *b.slot);
    nj_status status;
    if (!b.readings || !b.slot) {
        status = nj_fail(error, "no memory for a number automaton");
        goto cleanup;
    }
    find_limits(&b);
    struct reading first = {.phase = START, .least.order = EQUAL, .most.order = EQUAL};
    uint32_t       start = state_of(&b, &first);
    for (uint32_t s = start; s && s < b.out.count && !b.out.failed; s++)
        for (unsigned byte = '-'; byte <= '9'; byte++) {
            struct reading next = b.readings[s];
            if (read_byte(&b, &next, byte)) {
                uint32_t to = state_of(&b, &next);
                nj_dfa_edge(&b.out, s, byte, byte, to);
            }
        }
    status = nj_dfa_finish(&b.out, start, g, dfa, error);
cleanup:
    free(b.readings);
    free(b.slot);
    return status;
}
