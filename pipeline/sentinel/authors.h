/* authors.h: the published scorers of the Savanna Sentinel evaluations, as far as their flags tell their rules. There were two: "scorer 1" read trained keys
 * only, "robust_schema_v2" knows some improvised ones. Neither tells the same as a reader that wants to know what was meant (answer.h).
 *
 * A flag is NJ_UNSAID where the scorer left it null: such rows leave the denominator. The rules were fitted on 76 published rows and give all their flags. */
#ifndef NJ_SENTINEL_AUTHORS_H
#define NJ_SENTINEL_AUTHORS_H

#include "base/json.h"
#include "pipeline/sentinel/event.h"

enum nj_authors_flag {
    NJ_AUTHORS_BLANK,
    NJ_AUTHORS_SPECIES,
    NJ_AUTHORS_OVERLAP,
    NJ_AUTHORS_REVIEW,
    NJ_AUTHORS_OBSERVED,
    NJ_AUTHORS_EVIDENCE,
    NJ_AUTHORS_TOOL_CALLS,
    NJ_AUTHORS_ANSWER,
    NJ_AUTHORS_FLAGS
};
extern const char *const nj_authors_names[NJ_AUTHORS_FLAGS]; /* as published: "blank_correct", ... */

struct nj_authors_row {
    const char   *scorer; /* "scorer 1"; any other, or NULL: robust_schema_v2 */
    const char   *task;   /* "event", "review", "tool", "report", or the beginning of a longer name (phase1…, phase2…); NULL: "event" */
    const json_t *document;
    const struct nj_event *label;  /* NULL: none, and flags that need one stay NJ_UNSAID */
    enum nj_answer         review; /* of the label */
};

/* What a scorer looks at: all of the text but a fence, or else the first piece of it whose brackets balance. NULL: not valid for it. The caller owns it.
 * scorer: as above, or "curation": what stands between the first { and the last }. */
json_t *nj_authors_document(const char *scorer, const char *text, size_t size);

void nj_authors_score(const struct nj_authors_row *row, enum nj_answer flags[NJ_AUTHORS_FLAGS]);

#endif
