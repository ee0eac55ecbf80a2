#include "pipeline/constrain/pattern.h"
#include "base/text.h"
#include "pipeline/constrain/chars.h"

#include <stdlib.h>
#include <string.h>

/* A set under construction. `all` holds every point that some engine would take for a member: complements are taken of it, so that
 * what engines disagree on is outside of both a set and its complement. */
struct set {
    struct nj_point_range sure[512], all[512];
    uint32_t              sure_count, all_count;
};

struct parser {
    const uint8_t     *text;
    size_t             size, at;
    uint32_t           depth;
    struct nj_pattern *pattern;
    struct nj_error   *error;
    bool               failed;
    bool               literally;
    struct set         set, negated;
};

static uint32_t parse_alternatives(struct parser *p);

static uint32_t refuse(struct parser *p, const char *what)
{
    if (!p->failed)
        nj_fail(p->error, "the pattern has %s at byte %zu", what, p->at);
    p->failed = true;
    return 0;
}

static uint32_t node(struct parser *p, struct nj_pattern_node what)
{
    if (p->pattern->node_count == NJ_PATTERN_NODES)
        return refuse(p, "too many parts");
    p->pattern->nodes[p->pattern->node_count] = what;
    return p->pattern->node_count++;
}

/* The code point at p->at without taking it; UINT32_MAX at the end. */
static uint32_t peek(const struct parser *p)
{
    uint32_t point;
    if (p->at >= p->size || !nj_utf8_length(p->text + p->at, p->size - p->at, &point))
        return UINT32_MAX;
    return point;
}

static uint32_t take(struct parser *p)
{
    uint32_t point  = 0;
    size_t   length = nj_utf8_length(p->text + p->at, p->size - p->at, &point);
    if (!length)
        return refuse(p, "an unexpected end");
    p->at += length;
    return point;
}

static bool taken(struct parser *p, char byte)
{
    if (p->at >= p->size || p->text[p->at] != (uint8_t)byte)
        return false;
    p->at++;
    return true;
}

/* --- sets of code points --- */

static int by_first(const void *left, const void *right)
{
    const struct nj_point_range *a = left, *b = right;
    return a->first < b->first ? -1 : a->first > b->first;
}

static uint32_t normalise(struct nj_point_range *ranges, uint32_t count)
{
    uint32_t kept = 0;
    qsort(ranges, count, sizeof *ranges, by_first);
    for (uint32_t i = 0; i < count; i++)
        if (kept && ranges[i].first <= ranges[kept - 1].last + 1)
            ranges[kept - 1].last = ranges[i].last > ranges[kept - 1].last ? ranges[i].last : ranges[kept - 1].last;
        else
            ranges[kept++] = ranges[i];
    return kept;
}

static uint32_t complement(const struct nj_point_range *ranges, uint32_t count, struct nj_point_range *out)
{
    uint32_t kept = 0, from = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (ranges[i].first > from)
            out[kept++] = (struct nj_point_range){from, ranges[i].first - 1};
        from = ranges[i].last + 1;
    }
    if (from <= NJ_LAST_POINT)
        out[kept++] = (struct nj_point_range){from, NJ_LAST_POINT};
    return kept;
}

static void add_range(struct parser *p, struct set *set, uint32_t first, uint32_t last, bool sure)
{
    if (set->all_count + 8 > 256) {
        set->sure_count = normalise(set->sure, set->sure_count);
        set->all_count  = normalise(set->all, set->all_count);
        if (set->all_count + 8 > 256) {
            refuse(p, "a class of more than 240 ranges");
            return;
        }
    }
    set->all[set->all_count++] = (struct nj_point_range){first, last};
    if (sure)
        set->sure[set->sure_count++] = (struct nj_point_range){first, last};
}

static void negate(struct set *set, struct set *out)
{
    set->sure_count = normalise(set->sure, set->sure_count);
    set->all_count  = normalise(set->all, set->all_count);
    out->sure_count = complement(set->all, set->all_count, out->sure);
    out->all_count  = complement(set->sure, set->sure_count, out->all);
}

/* \d \w \s and their complements, which are upper case. */
static void add_escape_class(struct parser *p, struct set *set, char letter)
{
    static const struct nj_point_range space[] = {{9, 13},          {32, 32},         {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
                                                  {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
    static const struct nj_point_range maybe[] = {{0x1C, 0x1F}, {0x85, 0x85}, {0x180E, 0x180E}, {0xFEFF, 0xFEFF}};
    struct set                        *base    = &p->negated;
    base->sure_count = base->all_count = 0;
    switch (letter | 32) {
    case 'w':
        add_range(p, base, 'A', 'Z', true);
        add_range(p, base, '_', '_', true);
        add_range(p, base, 'a', 'z', true);
        /* fall through */
    case 'd':
        add_range(p, base, '0', '9', true);
        break;
    default:
        for (size_t i = 0; i < sizeof space / sizeof *space; i++)
            add_range(p, base, space[i].first, space[i].last, true);
        for (size_t i = 0; i < sizeof maybe / sizeof *maybe; i++)
            if (!p->literally)
                add_range(p, base, maybe[i].first, maybe[i].last, false);
        if (p->literally)
            add_range(p, base, 0xFEFF, 0xFEFF, true);
    }
    base->sure_count = normalise(base->sure, base->sure_count);
    base->all_count  = normalise(base->all, base->all_count);
    struct nj_point_range sure[32], all[32];
    const bool            upper      = !(letter & 32);
    uint32_t              sure_count = upper ? complement(base->all, base->all_count, sure) : base->sure_count;
    uint32_t              all_count  = upper ? complement(base->sure, base->sure_count, all) : base->all_count;
    for (uint32_t i = 0; i < sure_count; i++)
        set->sure[set->sure_count++] = upper ? sure[i] : base->sure[i];
    for (uint32_t i = 0; i < all_count; i++)
        set->all[set->all_count++] = upper ? all[i] : base->all[i];
    set->sure_count = normalise(set->sure, set->sure_count);
    set->all_count  = normalise(set->all, set->all_count);
    if (set->all_count > 240 || set->sure_count > 240)
        refuse(p, "a class of more than 240 ranges");
}

static uint32_t set_node(struct parser *p, struct set *set)
{
    struct nj_pattern *pattern = p->pattern;
    uint32_t           count = set->sure_count = normalise(set->sure, set->sure_count);
    if (p->failed)
        return 0;
    if (pattern->range_count + count > pattern->range_capacity) {
        uint32_t               capacity = (pattern->range_count + count) * 2 + 64;
        struct nj_point_range *larger   = realloc(pattern->ranges, capacity * sizeof *larger);
        if (!larger)
            return refuse(p, "more classes than there is memory for");
        pattern->ranges         = larger;
        pattern->range_capacity = capacity;
    }
    memcpy(pattern->ranges + pattern->range_count, set->sure, count * sizeof *set->sure);
    pattern->range_count += count;
    return node(p, (struct nj_pattern_node){.kind = NJ_PATTERN_SET, .set = pattern->range_count - count, .set_count = count});
}

static uint32_t single(struct parser *p, uint32_t first, uint32_t last)
{
    p->set.sure_count = p->set.all_count = 0;
    add_range(p, &p->set, first, last, true);
    return set_node(p, &p->set);
}

/* --- escapes --- */

static uint32_t hexadecimal(struct parser *p, unsigned digits)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < digits; i++) {
        uint8_t byte = p->at < p->size ? p->text[p->at] : 0;
        if (byte >= '0' && byte <= '9')
            value = value * 16 + (byte - '0');
        else if ((byte | 32) >= 'a' && (byte | 32) <= 'f')
            value = value * 16 + ((byte | 32u) - 'a' + 10);
        else
            return refuse(p, "a \\x or \\u without its hexadecimal digits");
        p->at++;
    }
    return value;
}

static uint32_t unicode_escape(struct parser *p)
{
    if (taken(p, '{')) {
        uint32_t value = 0;
        while (!p->failed && !taken(p, '}')) {
            value = value * 16 + hexadecimal(p, 1);
            if (value > NJ_LAST_POINT)
                return refuse(p, "a code point above U+10FFFF");
        }
        return value;
    }
    uint32_t value = hexadecimal(p, 4);
    if (value >= 0xD800 && value < 0xDC00 && p->at + 1 < p->size && p->text[p->at] == '\\' && p->text[p->at + 1] == 'u') {
        p->at += 2;
        uint32_t low = hexadecimal(p, 4);
        if (low >= 0xDC00 && low < 0xE000)
            return 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
        value = low;
    }
    return value >= 0xD800 && value < 0xE000 && !p->failed ? refuse(p, "half a surrogate pair") : value;
}

/* The point of an escape behind its backslash; a class escape leaves its letter in *letter instead. */
static uint32_t escape(struct parser *p, char *letter)
{
    uint32_t point = take(p);
    *letter        = 0;
    switch (point) {
    case 'd':
    case 'D':
    case 'w':
    case 'W':
    case 's':
    case 'S':
        *letter = (char)point;
        return 0;
    case 't':
        return 9;
    case 'n':
        return 10;
    case 'v':
        return 11;
    case 'f':
        return 12;
    case 'r':
        return 13;
    case 'x':
        return hexadecimal(p, 2);
    case 'u':
        return unicode_escape(p);
    case 'c':
        point = take(p);
        return (point | 32) >= 'a' && (point | 32) <= 'z' ? point & 31 : refuse(p, "a \\c without its letter");
    case '0':
        if (p->at >= p->size || p->text[p->at] < '0' || p->text[p->at] > '9')
            return 0;
        return refuse(p, "an octal escape, which is not supported,");
    case 'b':
    case 'B':
        return refuse(p, "a word boundary (\\b, \\B), which is not supported,");
    case 'p':
    case 'P':
        return refuse(p, "a Unicode property (\\p), which is not supported,");
    default:
        if (point >= '1' && point <= '9')
            return refuse(p, "a back reference, which is not supported,");
        if (point == 'k')
            return refuse(p, "a back reference (\\k), which is not supported,");
        if (point >= 0x80 || (point >= 'a' && point <= 'z') || (point >= 'A' && point <= 'Z') || point == '_')
            return refuse(p, "an unknown escape");
        return point;
    }
}

/* One member of a class: a point, or UINT32_MAX after a class escape, whose points are in the set already. */
static uint32_t class_member(struct parser *p, struct set *set)
{
    if (!taken(p, '\\'))
        return take(p);
    if (taken(p, 'b'))
        return 8;
    char     letter;
    uint32_t point = escape(p, &letter);
    if (!letter)
        return point;
    add_escape_class(p, set, letter);
    return UINT32_MAX;
}

static uint32_t parse_class(struct parser *p)
{
    struct set *set     = &p->set;
    bool        without = taken(p, '^');
    set->sure_count = set->all_count = 0;
    if (peek(p) == ']')
        return refuse(p, "an empty class");
    while (!p->failed && !taken(p, ']')) {
        uint32_t first = class_member(p, set), last = first;
        if (p->failed)
            break;
        if (p->at + 1 < p->size && p->text[p->at] == '-' && p->text[p->at + 1] != ']') {
            p->at++;
            last = class_member(p, set);
            if (first == UINT32_MAX || last == UINT32_MAX)
                return refuse(p, "a class range that ends in a class");
        }
        if (first == UINT32_MAX)
            continue;
        if (last < first)
            return refuse(p, "a class range in the wrong order");
        add_range(p, set, first, last, true);
    }
    if (!without || p->failed)
        return set_node(p, set);
    negate(set, &p->negated);
    return set_node(p, &p->negated);
}

/* --- the grammar of patterns --- */

static uint32_t parse_group(struct parser *p)
{
    if (taken(p, '?')) {
        if (taken(p, '<')) {
            uint32_t first = peek(p);
            if (first == '=' || first == '!')
                return refuse(p, "a look-behind, which is not supported,");
            while (!p->failed && !taken(p, '>'))
                take(p);
        } else if (peek(p) == '=' || peek(p) == '!')
            return refuse(p, "a look-ahead, which is not supported,");
        else if (!taken(p, ':'))
            return refuse(p, "flags or an unknown kind of group, which is not supported,");
    }
    uint32_t inner = parse_alternatives(p);
    if (!p->failed && !taken(p, ')'))
        return refuse(p, "a group that is not closed");
    return inner;
}

static uint32_t parse_atom(struct parser *p)
{
    if (taken(p, '('))
        return parse_group(p);
    if (taken(p, '['))
        return parse_class(p);
    if (taken(p, '^'))
        return node(p, (struct nj_pattern_node){.kind = NJ_PATTERN_BEGIN});
    if (taken(p, '$'))
        return node(p, (struct nj_pattern_node){.kind = NJ_PATTERN_END});
    if (taken(p, '.')) {
        p->set.sure_count = p->set.all_count = 0;
        add_range(p, &p->set, 0, 9, true);
        add_range(p, &p->set, 11, NJ_LAST_POINT, true);
        return set_node(p, &p->set);
    }
    if (taken(p, '\\')) {
        char     letter;
        uint32_t point = escape(p, &letter);
        if (!letter)
            return single(p, point, point);
        p->set.sure_count = p->set.all_count = 0;
        add_escape_class(p, &p->set, letter);
        return set_node(p, &p->set);
    }
    uint32_t point = peek(p);
    if (point == '*' || point == '+' || point == '?' || point == '{')
        return refuse(p, "a repetition of nothing");
    take(p);
    return single(p, point, point);
}

static uint32_t number(struct parser *p)
{
    uint32_t value = 0;
    size_t   from  = p->at;
    while (p->at < p->size && p->text[p->at] >= '0' && p->text[p->at] <= '9' && value <= NJ_PATTERN_TIMES)
        value = value * 10 + (p->text[p->at++] - '0');
    if (from == p->at)
        return refuse(p, "a { that is no repetition");
    return value > NJ_PATTERN_TIMES ? refuse(p, "a repetition of more than 10000 times") : value;
}

static uint32_t parse_piece(struct parser *p)
{
    uint32_t inner = parse_atom(p), least = 1, most = 1;
    if (p->failed)
        return 0;
    if (taken(p, '*'))
        least = 0, most = UINT32_MAX;
    else if (taken(p, '+'))
        most = UINT32_MAX;
    else if (taken(p, '?'))
        least = 0;
    else if (taken(p, '{')) {
        least = most = number(p);
        if (taken(p, ','))
            most = peek(p) == '}' ? UINT32_MAX : number(p);
        if (!p->failed && !taken(p, '}'))
            return refuse(p, "a { that is no repetition");
        if (most < least)
            return refuse(p, "a repetition with its numbers in the wrong order");
    } else
        return inner;
    taken(p, '?');
    uint32_t next = peek(p);
    if (next == '*' || next == '+' || next == '?' || next == '{')
        return refuse(p, "a repetition of a repetition");
    return node(p, (struct nj_pattern_node){.kind = NJ_PATTERN_TIMES_OF, .left = inner, .least = least, .most = most});
}

static uint32_t parse_sequence(struct parser *p)
{
    uint32_t all = node(p, (struct nj_pattern_node){.kind = NJ_PATTERN_EMPTY});
    while (!p->failed && p->at < p->size && p->text[p->at] != '|' && p->text[p->at] != ')') {
        uint32_t piece = parse_piece(p);
        all            = node(p, (struct nj_pattern_node){.kind = NJ_PATTERN_THEN, .left = all, .right = piece});
    }
    return all;
}

static uint32_t parse_alternatives(struct parser *p)
{
    if (++p->depth > NJ_PATTERN_DEPTH)
        return refuse(p, "groups too deep inside each other");
    uint32_t all = parse_sequence(p);
    while (!p->failed && taken(p, '|')) {
        uint32_t other = parse_sequence(p);
        all            = node(p, (struct nj_pattern_node){.kind = NJ_PATTERN_OR, .left = all, .right = other});
    }
    p->depth--;
    return all;
}

nj_status nj_pattern_parse(const char *text, size_t size, bool literally, struct nj_pattern *out, struct nj_error *error)
{
    *out = (struct nj_pattern){0};
    if (size > NJ_PATTERN_BYTES)
        return nj_fail(error, "the pattern is longer than %u bytes", NJ_PATTERN_BYTES);
    struct parser *p = calloc(1, sizeof *p);
    out->nodes       = malloc(NJ_PATTERN_NODES * sizeof *out->nodes);
    nj_status status = NJ_OK;
    if (!p || !out->nodes) {
        status = nj_fail(error, "no memory for the pattern");
        goto cleanup;
    }
    p->text      = (const uint8_t *)text;
    p->size      = size;
    p->pattern   = out;
    p->literally = literally;
    p->error     = error;
    out->root    = parse_alternatives(p);
    if (!p->failed && p->at < size)
        refuse(p, "a ) without its (");
    if (p->failed)
        status = NJ_ERROR;
cleanup:
    free(p);
    if (status != NJ_OK)
        nj_pattern_free(out);
    return status;
}

/* The node itself, without groups around it. */
static struct nj_pattern_node *inner_node(const struct nj_pattern *p, uint32_t at)
{
    while (p->nodes[at].kind == NJ_PATTERN_THEN && p->nodes[p->nodes[at].left].kind == NJ_PATTERN_EMPTY)
        at = p->nodes[at].right;
    return &p->nodes[at];
}

bool nj_pattern_take_lengths(struct nj_pattern *p, uint32_t *least, uint32_t *most)
{
    const struct nj_pattern_node *whole = inner_node(p, p->root);
    if (whole->kind != NJ_PATTERN_THEN || p->nodes[whole->right].kind != NJ_PATTERN_END)
        return false;
    const struct nj_pattern_node *front = inner_node(p, whole->left);
    if (front->kind != NJ_PATTERN_THEN || inner_node(p, front->left)->kind != NJ_PATTERN_BEGIN)
        return false;
    struct nj_pattern_node *times = inner_node(p, front->right);
    if (times->kind != NJ_PATTERN_TIMES_OF || times->most == UINT32_MAX || inner_node(p, times->left)->kind != NJ_PATTERN_SET)
        return false;
    *least       = times->least;
    *most        = times->most;
    times->least = 0;
    times->most  = UINT32_MAX;
    return true;
}

void nj_pattern_free(struct nj_pattern *pattern)
{
    free(pattern->nodes);
    free(pattern->ranges);
    *pattern = (struct nj_pattern){0};
}
