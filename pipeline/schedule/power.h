/* power.h: the station's own side of its power: what it knows now, the next wake, and whether work may go on.
 *
 * Between the scheduler (pure) and firmware-host (files and chips). A wake is armed and read back as soon as this opens, before any work, and again with
 * the scheduler's own time when it closes, so that every way out of a run leaves an alarm armed; while a run goes on it is moved ahead, so that one that is cut
 * off after hours has an alarm ahead of it, too.
 *
 * Without a battery source the station is taken to be on mains: work is limited by heat alone. With a gauge that cannot be believed the charge is guessed
 * from the voltage; without one that can, it is reckoned by the clock, and NJ_POWER_BLIND_BURSTS bursts may be read in a run, or in an hour of one that
 * goes on. What holds is said in the log. A charge guessed from the voltage that was at the floor must rise NJ_POWER_RECOVER_PERCENT above it before work
 * begins again. */
#ifndef NJ_SCHEDULE_POWER_H
#define NJ_SCHEDULE_POWER_H

#include "base/clock.h"
#include "base/conf.h"
#include "db/db.h"
#include "pipeline/schedule/ledger.h"
#include "pipeline/schedule/schedule.h"
#include "pipeline/schedule/wake.h"

#define NJ_POWER_BLIND_BURSTS    4
#define NJ_POWER_BUTTON_BURSTS   3 /* read at once for the person who pressed the button */
#define NJ_POWER_RECOVER_PERCENT 5.0

struct nj_power;

/* What may be done next. */
struct nj_allowance {
    bool     run;
    size_t   bursts[NJ_SCHEDULE_TOGETHER]; /* indices into the list that was given: what to read together, the best first */
    size_t   count;
    uint32_t soft_tokens;
    unsigned threads; /* fewer where it is warm or the board slows itself down */
    char     reason[NJ_SCHEDULE_REASON];
    char     put_off[NJ_SCHEDULE_REASON]; /* the same for one burst that is not read now */
};

/* Whether this is a station that lives by itself (a battery or an alarm is set), not a computer on somebody's desk. */
bool nj_power_in_the_field(const struct nj_conf *conf);

/* Opens battery, lines and scheduler (what it learned lies in the store) and arms the fallback wake. A wake or a line that does not obey is said loudly
 * in the log and in the store's decisions, and does not stop the work: the station is awake now. All arguments are borrowed. */
nj_status nj_power_open(const struct nj_conf *conf, struct nj_db *db, const struct nj_clock *clock, struct nj_wake *wake,
                        struct nj_power **out, struct nj_error *error);

/* Which of these waiting bursts to read now, if any. force: the budget does not count, the floor and the heat do. */
void nj_power_decide(struct nj_power *power, const struct nj_db_waiting *bursts, size_t count, bool force, struct nj_allowance *out);

/* After `count` bursts that were read together: what they took. complete: all were read to their end. */
void nj_power_ran(struct nj_power *power, const struct nj_db_waiting *bursts, size_t count, uint32_t soft_tokens, double seconds,
                  bool complete);

/* Asked from inside the token loop, cheap: looks at the gauge every ten seconds. false: the floor is reached or the board too hot; `reason` says which. */
bool nj_power_may_go_on(struct nj_power *power, char reason[NJ_SCHEDULE_REASON]);

/* Watts that the station draws while the model works, and while it does something else: measured where a gauge tells, else learned from the fall of the
 * charge, else the setting. *by (or NULL) says which. */
double nj_power_busy_watts(const struct nj_power *power, enum nj_watts_basis *by);
double nj_power_awake_watts(const struct nj_power *power, enum nj_watts_basis *by);

/* Stores what was learned, arms the next wake with its reason, frees. `waiting`: bursts that still wait. */
void nj_power_close(struct nj_power *power, int64_t waiting);

#endif
