/* narrative.h: a report in words (savanna_sentinel_report_v1) over what the tools returned, whose figures cannot be invented.
 *
 * The station fills in scope and evidence; the model writes the sentences of observed, measured, inferred and uncertainty, whose figures come from the results
 * (figures.h). */
#ifndef NJ_SENTINEL_NARRATIVE_H
#define NJ_SENTINEL_NARRATIVE_H

#include "base/json.h"
#include "base/status.h"

/* results: an array or object of what the tools returned. The caller owns the schema; NULL when memory is gone. */
json_t *nj_narrative_schema(const char *audience, const json_t *scope, const json_t *evidence, const json_t *results);

/* The question, in the Hugging Face form. */
json_t *nj_narrative_conversation(const char *audience, const json_t *results);

#endif
