/* score.h: answers against labels, counted so that every rate has its own n.
 *
 * Two tables side by side. Strict: every event counts, an answer that could not be read is wrong, species by exact label. Authors': the published
 * scorer's rules (docs/model.md, "scores"): null where the scorer finds nothing, so each rate leaves those rows out. Beside them what a biologist asks for:
 * counts, behaviours, young, review, a confusion of species, and how far the probabilities can be believed. */
#ifndef NJ_SENTINEL_SCORE_H
#define NJ_SENTINEL_SCORE_H

#include "base/text.h"
#include "pipeline/sentinel/authors.h"
#include "pipeline/sentinel/event.h"
#include "pipeline/sentinel/species.h"

#define NJ_SCORE_BINS 10

struct nj_rate {
    unsigned right, n;
};

struct nj_score {
    unsigned       events, unread;
    struct nj_rate json_valid, authors_valid;
    struct nj_rate blank, species_set, species_overlap, count_bin, behavior, young, review; /* strict */
    struct nj_rate day_single; /* species set of daylight events with one species */
    struct nj_rate authors[NJ_AUTHORS_FLAGS];
    unsigned       confusion[NJ_SPECIES_COUNT + 1][NJ_SPECIES_COUNT + 1]; /* [label][answer]; the last row and column: none, or blank */
    struct {
        double   sum; /* of stated probabilities */
        unsigned right, n;
    } reliability[NJ_SCORE_BINS]; /* of species, by stated probability */
};

struct nj_score_row {
    const struct nj_event *label;        /* NULL: only the form of the answer, and what needs no label, can be judged */
    bool                   label_review; /* whether the label asks for review */
    bool                   label_has_review, night;
    const struct nj_event *answer; /* NULL: could not be read */
    bool                   strict_json, authors_valid;
    const enum nj_answer  *authors;     /* [NJ_AUTHORS_FLAGS]; NULL: as the answer under constraint is */
    const double          *probability; /* [answer->detection_count] of each species, NAN where unknown; NULL: none */
};

void nj_score_add(struct nj_score *score, const struct nj_score_row *row);

/* Share with its 95 % Wilson interval. n = 0: NAN. */
struct nj_interval {
    double share, low, high;
};
struct nj_interval nj_wilson(struct nj_rate rate);

/* Expected calibration error of the species probabilities; NAN without any. */
double nj_score_calibration_error(const struct nj_score *score);

/* The tables for people, or one JSON object; `more` (or NULL) is put in behind its last member. */
void nj_score_print(const struct nj_score *score, struct nj_text *out);
void nj_score_json(const struct nj_score *score, const char *more, struct nj_text *out);

#endif
