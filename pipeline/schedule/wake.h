/* wake.h: the next wake of this station, armed before anything else is done and after everything is.
 *
 * Opening comes first of all in a run, before the database, the lock and the model: whatever fails after it, the board wakes again. An alarm that lies
 * ahead already is left alone then (another run may be at work and have armed it); otherwise one an hour ahead is armed, also when it lies so far ahead
 * that the clock must have been set back. Behind each alarm a second one
 * is armed, an hour later, where the hardware has room for it (alarm.h). */
#ifndef NJ_SCHEDULE_WAKE_H
#define NJ_SCHEDULE_WAKE_H

#include "base/clock.h"
#include "base/conf.h"
#include "db/db.h"
#include "pipeline/schedule/schedule.h"

#define NJ_WAKE_FALLBACK_S 3600        /* the alarm before work */
#define NJ_WAKE_SECOND_S   3600        /* the second alarm behind the first */
#define NJ_WAKE_FARTHEST_S (2 * 86400) /* no alarm is ever armed so far ahead */

struct nj_wake;

/* Fails only for a setting that cannot be understood; a chip that does not obey is said in the log. `clock` is borrowed. */
nj_status nj_wake_open(const struct nj_conf *conf, const struct nj_clock *clock, struct nj_wake **out, struct nj_error *error);
void      nj_wake_close(struct nj_wake *wake);

/* What ended the sleep, as far as the chip tells: an alarm that was armed and is gone has rung. */
enum nj_look nj_wake_why(const struct nj_wake *wake);

/* Arms for `at_s`, and the second alarm behind it. Leaves a decision with its reason in the store, and `next_wake_utc` for status. Returns the time
 * that is armed; 0, said loudly, when the chip does not take it. */
int64_t nj_wake_arm(struct nj_wake *wake, struct nj_db *db, int64_t at_s, const char *why);

/* What nj_wake_arm last armed, by the store; 0: nothing on record. */
int64_t nj_wake_recorded(struct nj_db *db);

#endif
