/* review.h: which events a person should look at, and why.
 *
 * Three kinds of reasons, kept apart because they deserve different trust: rules (facts that need no model: night, several species, many animals, a
 * rare species), probabilities (the model was not sure), and what the model itself wrote. Thresholds and priorities are those of the training
 * labels (docs/model.md, "review rules"); reasons about volunteers' votes are only given where there are votes. */
#ifndef NJ_SENTINEL_REVIEW_H
#define NJ_SENTINEL_REVIEW_H

#include "pipeline/sentinel/event.h"

enum nj_reason { /* in the order in which the training labels list them */
                 NJ_REASON_DISAGREEMENT,
                 NJ_REASON_BLANK_VOTES,
                 NJ_REASON_RARE,
                 NJ_REASON_MULTI_SPECIES,
                 NJ_REASON_NIGHT,
                 NJ_REASON_HIGH_COUNT,
                 NJ_REASON_BLANK_UNCERTAINTY,
                 /* ours, from probabilities */
                 NJ_REASON_SPECIES_UNSURE,
                 NJ_REASON_BLANK_UNSURE,
                 NJ_REASON_PEOPLE,
                 NJ_REASONS
};

#define NJ_TRAINED_REASONS (NJ_REASON_BLANK_UNCERTAINTY + 1) /* the first so many are those of the training labels */

struct nj_reason_words {
    const char      *code;              /* as in the training labels */
    enum nj_priority priority;          /* what it raises the priority to */
    const char      *english, *swahili; /* for rangers */
};
extern const struct nj_reason_words nj_reason_words[NJ_REASONS];

/* The reason with that code, -1 if there is none. */
int nj_reason_index(const char *code);

/* English words for a reason that the model gave: it saw no volunteers, it learnt what they would have said. */
const char *nj_reason_by_model(int reason);

/* What the rules look at. Votes are for label rows and evaluation; at run time `voted` is false. */
struct nj_review_facts {
    int      hour; /* local, -1 unknown */
    bool     blank;
    unsigned species_count;
    bool     rare, high_count;
    bool     voted;
    double   evenness, blank_ratio; /* disagreement among volunteers 0..1; blank votes / votes */
};

/* The set of reasons as bits (1u << enum nj_reason) and the priority they give. */
uint32_t         nj_review_rules(const struct nj_review_facts *facts);
enum nj_priority nj_review_priority(uint32_t reasons);

/* Confidence as the training labels assign it. Needs votes. */
enum nj_confidence nj_review_confidence(const struct nj_review_facts *facts);

struct nj_review_settings {
    const char *rare_species;    /* labels, comma-separated */
    const char *high_count_bins; /* bin names, comma-separated */
};

/* The facts of one event at run time. */
struct nj_review_facts nj_review_facts_of(const struct nj_event *event, int hour, const struct nj_review_settings *settings);

#endif
