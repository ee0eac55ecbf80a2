/* routing.h: the second question about an event: accept it as it is, or show it to an expert? (savanna_sentinel_review_v1)
 *
 * The model sees the pictures again, with a summary of its first answer. What it says here is a reason of its own kind (review.h): it can add an event to
 * the queue, and never takes one out of it that a rule put there. */
#ifndef NJ_SENTINEL_ROUTING_H
#define NJ_SENTINEL_ROUTING_H

#include "base/text.h"
#include "pipeline/sentinel/review.h"

struct nj_routing {
    bool               review_needed;
    enum nj_priority   priority;
    uint32_t           reasons;               /* bits of enum nj_reason, those of the training labels */
    enum nj_confidence species, count, blank; /* how uncertain: NJ_CONFIDENCE_HIGH is very */
    bool               people;                /* human_privacy_filter: people may be in the pictures */
};

/* Appends the summary as the prompt of the training rows spells it: one line of compact JSON, keys in their order, `is_night` null on a blank event. */
void nj_routing_first_pass(const struct nj_event *event, const struct nj_event_record *record, struct nj_text *out);

/* The JSON Schema of the answer about this very event: the id is forced; decision, review_needed, priority, reasons, label_disagreement and queue agree.
 * Reasons come in the order of the training labels, and the priority is the highest that one of them asks for. Every document that it allows is valid
 * under the published schema. The caller owns the result; NULL when memory is gone. */
json_t *nj_routing_schema(const struct nj_event_record *record);

/* Reads a valid answer. Fails with the place of what does not fit. */
nj_status nj_routing_from_json(const json_t *document, struct nj_routing *out, struct nj_error *error);

#endif
