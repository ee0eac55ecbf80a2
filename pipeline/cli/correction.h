/* correction.h: a ranger's FIELD=VALUE words, applied to what is known of an event.
 *
 *   blank=yes|no            nothing is in the pictures, or something is
 *   species=LABEL[,LABEL…]  these animals; one label renames a lone animal and keeps the rest of what was said about it
 *   count=N | BIN           how many: 1, 2 … 10, 11-50, 51+, or any number
 *   young=yes|no            with young
 *   standing= resting= moving= eating= interacting=yes|no
 *   people=yes|no           people or vehicles are in the pictures
 *   note=TEXT               remarks
 *
 * Where an event has several animals, `2.count=3` or `zebra.count=3` says which. A label is one of the 47, in any case, or its English name;
 * another word is refused with the nearest. Words are applied from left to right. */
#ifndef NJ_CLI_CORRECTION_H
#define NJ_CLI_CORRECTION_H

#include "base/json.h"
#include "db/db.h"
#include "pipeline/sentinel/review.h"

struct nj_correction {
    struct nj_event event; /* begin with what holds now */
    int             people;
    char            note[512];
};

/* One FIELD=VALUE. */
nj_status nj_correct(struct nj_correction *correction, const char *word, struct nj_error *error);

/* After the last word: refuses what contradicts itself (not blank, but no animal). */
nj_status nj_correct_end(struct nj_correction *correction, struct nj_error *error);

/* What the store's row of `detections` says, as an animal of an event. */
struct nj_row;
void nj_detection_from_row(const struct nj_row *row, struct nj_detection *out);

/* The record of an event that a person decided, in the nested dialect (TRAINED stays TRAINED, all else becomes LIVE). `reasons`: bits of
 * enum nj_reason that the record's review names, 0 for none needed; `basis`: words for the confidence of the LIVE dialect. The caller owns it; NULL: no
 * memory. */
json_t *nj_decided_record(const struct nj_event *event, const struct nj_event_record *record, uint32_t reasons, const char *basis);

/* As the store wants it; strings point into `event` and into tables. out[NJ_MAX_DETECTIONS]. */
void nj_corrected_detections(const struct nj_event *event, struct nj_db_detection *out);

/* Index of a label or English name in any case; -1 with a sentence that names the nearest. */
int nj_species_from_word(const char *word, struct nj_error *error);

#endif
