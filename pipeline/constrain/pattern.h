/* pattern.h: the syntax tree of a regular expression as JSON Schema means it (ECMA-262, Unicode), between its parser (pattern.c) and the automaton built
 * from it (pattern_automaton.c).
 *
 * Understood: literals, ., classes, \d \D \w \W \s \S, \t \n \v \f \r \0 \cX \xHH \uHHHH \u{H…}, groups (captured, not captured, named), |, ^ and $ anywhere,
 * * + ? {n} {n,} {n,m} and their lazy forms. Refused by name: look-around, back references, \b \B, \p{…}, flags. \d and \w are ASCII; `.` is all but \n;
 * characters on which engines disagree whether they are white space (U+001C-001F, U+0085, U+180E, U+FEFF) match neither \s nor \S, so that what is
 * generated is valid for all of them. literally: \s as ECMA-262 has it, for judging what others wrote. */
#ifndef NJ_CONSTRAIN_PATTERN_H
#define NJ_CONSTRAIN_PATTERN_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define NJ_PATTERN_BYTES 16384u
#define NJ_PATTERN_NODES 65536u
#define NJ_PATTERN_DEPTH 100u
#define NJ_PATTERN_TIMES 10000u /* the largest number in {n,m} */

struct nj_point_range {
    uint32_t first, last;
};

enum nj_pattern_kind {
    NJ_PATTERN_EMPTY,
    NJ_PATTERN_SET,
    NJ_PATTERN_BEGIN,
    NJ_PATTERN_END,
    NJ_PATTERN_THEN,
    NJ_PATTERN_OR,
    NJ_PATTERN_TIMES_OF
};

struct nj_pattern_node {
    enum nj_pattern_kind kind;
    uint32_t             left, right;    /* THEN, OR: both; TIMES_OF: left */
    uint32_t             least, most;    /* TIMES_OF; most UINT32_MAX: no limit */
    uint32_t             set, set_count; /* SET: ranges[set .. set + set_count - 1], sorted, disjoint */
};

struct nj_pattern {
    struct nj_pattern_node *nodes;
    uint32_t                node_count, root;
    struct nj_point_range  *ranges;
    uint32_t                range_count, range_capacity;
};

/* A pattern that is nothing but ^X{n,m}$ becomes ^X*$, and n and m are left to be counted beside it; false: it is another, or has no upper limit. */
bool nj_pattern_take_lengths(struct nj_pattern *pattern, uint32_t *least, uint32_t *most);

nj_status nj_pattern_parse(const char *text, size_t size, bool literally, struct nj_pattern *out, struct nj_error *error);
void      nj_pattern_free(struct nj_pattern *pattern);

#endif
