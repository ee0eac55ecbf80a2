/* answer.h: reads answers that were not written under constraint: other runtimes, old files, other people's evaluations.
 *
 * Tolerant, and honest about it: each repair is named in the result. What cannot be repaired without guessing is not repaired: a truncated answer
 * stays truncated, a bare "gazelle" stays unknown. Fields that the station knows itself (ids, times) are never taken from an answer. */
#ifndef NJ_SENTINEL_ANSWER_H
#define NJ_SENTINEL_ANSWER_H

#include "base/json.h"
#include "pipeline/sentinel/event.h"

enum nj_repair {                         /* in the order in which they are tried */
                 NJ_REPAIR_THOUGHT,      /* a thought channel or end tokens removed */
                 NJ_REPAIR_FENCE,        /* a Markdown fence removed */
                 NJ_REPAIR_SURROUNDINGS, /* words before or after the first balanced object */
                 NJ_REPAIR_BRACKET,      /* one closing bracket of the wrong kind, or one missing in front of it */
                 NJ_REPAIR_UNITS,        /* bare values with a unit put in quotes: 12.5 mm */
                 NJ_REPAIR_NAMES,        /* species, bins or words mapped to those of the schema */
                 NJ_REPAIR_DISAGREEMENT, /* blank and detections disagree: blank becomes unknown, review is needed */
                 NJ_REPAIRS
};
extern const char *const nj_repair_names[NJ_REPAIRS];

enum nj_answer_outcome {
    NJ_ANSWER_READ,      /* `event` is filled */
    NJ_ANSWER_TRUNCATED, /* it ends in the middle; never completed */
    NJ_ANSWER_BROKEN,    /* no JSON object to be found */
    NJ_ANSWER_OTHER      /* JSON, but nothing that tells of an event */
};

struct nj_answer_text {            /* release with nj_answer_free */
    bool                   strict; /* the whole text, without one fence, parses as JSON */
    enum nj_answer_outcome outcome;
    uint32_t               repairs;  /* bits of enum nj_repair */
    json_t                *document; /* after repairs; NULL unless READ or OTHER */
    struct nj_event        event;    /* READ */
    const char            *group;    /* a coarse group that was named in place of a label ("gazelle"), or NULL */
};

void nj_answer_read(const char *text, size_t size, struct nj_answer_text *out);
void nj_answer_free(struct nj_answer_text *answer);

/* Index of a species however it is written: label in any case, spaces, `_`, `-` and apostrophes aside, display or scientific name. -1: none; then *group
 * is "gazelle", "lion", "hyena" or "bird" if it is one of these, else NULL. */
int nj_species_from_words(const char *words, const char **group);

#endif
