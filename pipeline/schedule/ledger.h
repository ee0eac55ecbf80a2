/* ledger.h: where the time and the energy of this station go, stage by stage, over its last few hundred events.
 *
 * Kept in the store as one JSON object ("ledger"), so that `status` and the report can show it without waking anything. Joules come from the gauge where it
 * measures what the board draws; else from the fall of the charge while it worked; else from the settings (awake_w, busy_w): `by` says which. */
#ifndef NJ_SCHEDULE_LEDGER_H
#define NJ_SCHEDULE_LEDGER_H

#include "db/db.h"

enum nj_stage {
    NJ_STAGE_TAKE_IN,  /* scanning cards, hashes, metadata */
    NJ_STAGE_TRIAGE,   /* first scores */
    NJ_STAGE_MODEL,    /* opening the model */
    NJ_STAGE_PICTURES, /* decoding pictures for the model */
    NJ_STAGE_VISION,   /* vision tower */
    NJ_STAGE_ANSWER,   /* prompt and answer */
    NJ_STAGES
};
extern const char *const nj_stage_names[NJ_STAGES];

enum nj_watts_basis { NJ_WATTS_GAUGE, NJ_WATTS_CHARGE, NJ_WATTS_SETTINGS };

struct nj_ledger {
    double              events; /* read to their end */
    double              seconds[NJ_STAGES], wh[NJ_STAGES];
    enum nj_watts_basis by; /* of the last entry */
};

void nj_ledger_load(struct nj_ledger *ledger, struct nj_db *db); /* empty where there is none */
void nj_ledger_save(const struct nj_ledger *ledger, struct nj_db *db);

/* Adds a stretch of work. */
void nj_ledger_add(struct nj_ledger *ledger, enum nj_stage stage, double seconds, double watts, enum nj_watts_basis by);

/* Events that were read to their end. After NJ_LEDGER_EVENTS all is halved, so that old habits fade. */
#define NJ_LEDGER_EVENTS 400
void nj_ledger_events(struct nj_ledger *ledger, size_t count);

#endif
