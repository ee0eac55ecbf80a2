/* event.h: what was seen in one burst, in one record that holds every dialect of savanna_sentinel_event_v1.
 *
 * Unset is not false: each yes/no knows "not said". Text that is none of the known words is kept beside the bits by the tolerant reader
 * (answer.h); a record made under constraint has none. Plain data, no ownership, copy freely. */
#ifndef NJ_SENTINEL_EVENT_H
#define NJ_SENTINEL_EVENT_H

#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum nj_answer { NJ_UNSAID, NJ_NO, NJ_YES };

enum nj_dialect {
    NJ_DIALECT_TRAINED, /* nested, every key of the training targets */
    NJ_DIALECT_LIVE,    /* nested, as the live prompt asks for it */
    NJ_DIALECT_FLAT,    /* the model card's */
    NJ_DIALECT_OTHER    /* an answer of another runtime that follows none of them */
};

enum nj_behavior { NJ_STANDING, NJ_RESTING, NJ_MOVING, NJ_EATING, NJ_INTERACTING, NJ_BEHAVIORS };
extern const char *const nj_behavior_names[NJ_BEHAVIORS];

#define NJ_COUNT_BINS 12
struct nj_count_bin {
    const char *name;
    int         minimum, maximum; /* maximum 0: open */
};
extern const struct nj_count_bin nj_count_bins[NJ_COUNT_BINS];         /* "1" … "10", "11-50", "51+" */
int                              nj_count_bin_index(const char *name); /* -1: none of them */

enum nj_confidence { NJ_CONFIDENCE_UNSAID, NJ_CONFIDENCE_LOW, NJ_CONFIDENCE_MEDIUM, NJ_CONFIDENCE_HIGH };
extern const char *const nj_confidence_names[]; /* "", "low", "medium", "high" */

enum nj_priority { NJ_PRIORITY_UNSAID, NJ_PRIORITY_NONE, NJ_PRIORITY_MEDIUM, NJ_PRIORITY_HIGH };
extern const char *const nj_priority_names[]; /* "", "none", "medium", "high" */

#define NJ_MAX_DETECTIONS 8
#define NJ_MAX_REASONS    8

struct nj_detection {
    int                species;              /* index into nj_species, -1 unknown */
    char               species_text[64];     /* the word as written */
    int                bin;                  /* index into nj_count_bins, -1 unknown */
    int                count_min, count_max; /* individuals; count_max 0: open; count_min 0: not said */
    enum nj_answer     behavior[NJ_BEHAVIORS], young;
    enum nj_confidence confidence;
};

struct nj_event {
    enum nj_dialect     dialect;
    enum nj_answer      blank;
    struct nj_detection detections[NJ_MAX_DETECTIONS];
    unsigned            detection_count;
    enum nj_answer      review_needed;
    enum nj_priority    priority;
    char                reasons[NJ_MAX_REASONS][96]; /* as the model wrote them */
    unsigned            reason_count;
};

/* What the station knows about the burst and the model must not be asked: these fields are forced, never believed. Borrowed. */
struct nj_event_record {
    const char *event_id, *site_id;
    const char *local_datetime; /* YYYY-MM-DDTHH:MM:SS, or "" when the camera does not say */
    int         hour;           /* 0..23 of it, -1 unknown */
    unsigned    frame_count;
};

/* hour < 6 or hour >= 18, from the camera's local hour alone; unsaid when there is none (docs/model.md, "review rules"). */
enum nj_answer nj_is_night(int hour);

/* The JSON Schema of the answer about this very burst: echoed fields are constants, `blank` and `detections` cannot disagree, a bin brings its own
 * minimum and maximum, a review has reasons. Every document that it allows is also valid under the published schema of the dialect
 * (TRAINED and LIVE). The caller owns the result; NULL when memory is gone. */
json_t *nj_event_schema(enum nj_dialect dialect, const struct nj_event_record *record);

/* Reads a document of the two nested dialects or the flat one. Fails with the place (a JSON pointer) of what does not fit. */
nj_status nj_event_from_json(const json_t *document, struct nj_event *out, struct nj_error *error);

#endif
