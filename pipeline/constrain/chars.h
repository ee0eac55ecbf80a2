/* chars.h: automata over code points: what a pattern and the lengths of a string allow, before anything is spelled in bytes.
 *
 * Deterministic and trimmed: state 0 is dead, from every other state an accepted text can be reached. The alphabet is cut into classes of code points
 * that behave alike in every state. The language may be empty (start == 0). */
#ifndef NJ_CONSTRAIN_CHARS_H
#define NJ_CONSTRAIN_CHARS_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define NJ_LAST_POINT   0x10FFFFu
#define NJ_CHARS_STATES 8192u /* more is refused */

struct nj_chars {
    uint32_t  states, classes, start;
    uint32_t *low;    /* [classes + 1] class k is low[k] .. low[k + 1] - 1; low[classes] = NJ_LAST_POINT + 1 */
    uint32_t *next;   /* [states][classes] */
    uint8_t  *accept; /* [states] */
};

/* Every text. */
nj_status nj_chars_any(struct nj_chars *out, struct nj_error *error);

struct nj_lengths { /* of a string, in code points */
    uint64_t min, max;
};

/* The texts in which a pattern (ECMA-262, searched for: unanchored unless ^ or $ say otherwise) is found. Sentences say what is wrong at which byte.
 * literally: pattern.h. What a pattern only says of the length ([a-z]{2,40}, anchored) is not in the automaton: it narrows *lengths.
 * *work grows by the steps that it took, each some ten nanoseconds; a pattern that takes a good part of a second is refused. */
nj_status nj_chars_from_pattern(const char *pattern, size_t size, bool literally, struct nj_chars *out, struct nj_lengths *lengths,
                                uint32_t *work, struct nj_error *error);

nj_status nj_chars_intersect(const struct nj_chars *a, const struct nj_chars *b, struct nj_chars *out, struct nj_error *error);

/* The texts of `a` with min .. max code points; max UINT32_MAX: no limit. */
nj_status nj_chars_limit(const struct nj_chars *a, uint32_t min, uint32_t max, struct nj_chars *out, struct nj_error *error);

/* Whether from each state texts of every length from the shortest on are accepted, so that an upper limit can simply be counted. May say false although
 * it is so, never the other way round. */
bool nj_chars_open_ended(const struct nj_chars *a);

/* Whether the texts are all those of certain characters, one of which takes a single byte in JSON: then both limits can be counted. */
bool nj_chars_is_repetition(const struct nj_chars *a);

/* Whether `state` accepts every text. */
bool nj_chars_is_any(const struct nj_chars *a, uint32_t state);

uint32_t nj_chars_class(const struct nj_chars *a, uint32_t point);
void     nj_chars_free(struct nj_chars *a);

#endif
