/* schedule.h: the scheduler. What to run now, how hard, and when to sleep; docs/scheduling.md is its one page of rules.
 *
 * Pure: time, battery and queue come in as arguments, a decision with its reason in words goes out. `run` and `simulate` call the same functions:
 *
 *     nj_schedule_open(&settings, &plan, ...)            what it learned before: nj_schedule_restore(plan, json)
 *     each wake:      nj_schedule_look(plan, &moment, NJ_LOOK_ALARM)
 *     each burst that became ready since: nj_schedule_arrived(plan, interest, frames), and remember nj_schedule_now(plan) with it (seen_s)
 *     again and again: nj_schedule_look(plan, &moment, NJ_LOOK_AGAIN); nj_schedule_decide(plan, queue, count, &decision)
 *         RUN:   decode queue[decision.burst] at decision.soft_tokens; ask nj_schedule_may_go_on(plan, &moment) now and then, park when it says no;
 *                afterwards nj_schedule_ran(plan, &moment, ...)
 *         SLEEP: arm the alarm for decision.until_s (wall clock; wake.h), store nj_schedule_save, sleep
 *
 * Clocks of field stations jump. The plan keeps its own time, which goes on evenly: when the alarm that it set finds the wall clock elsewhere, the
 * difference is a jump and is taken out. Ages of bursts (now - seen_s) are in that time.
 *
 * Energy is Wh, power W, times seconds since 1970 UTC, interest 0 to 1. What is not known is NAN. */
#ifndef NJ_SCHEDULE_SCHEDULE_H
#define NJ_SCHEDULE_SCHEDULE_H

#include "base/conf.h"
#include "base/status.h"
#include "base/text.h"
#include "pipeline/schedule/cost.h"
#include "pipeline/schedule/harvest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NJ_SCHEDULE_FRESH_S  (72 * 3600) /* a burst read later than this is worth half */
#define NJ_SCHEDULE_LOW      0.45        /* interest below this is called low, in words only: no rule asks for it */
#define NJ_SCHEDULE_KINDS    24
#define NJ_SCHEDULE_REASON   160
#define NJ_SCHEDULE_TOGETHER 8 /* bursts that can be read together */

struct nj_schedule_settings {
    double   latitude, longitude;
    double   battery_wh, floor_wh, reserve_wh;
    double   panel_wp, panel_derate, idle_w, awake_w, busy_w, max_temp_c;
    double   wake_s;      /* from the alarm to the first run */
    int64_t  soft_tokens; /* 0: the plan chooses */
    unsigned max_frames, max_batch, threads;
};

void nj_schedule_settings_from(const struct nj_conf *conf, struct nj_schedule_settings *settings);

/* Why this look. */
enum nj_look {
    NJ_LOOK_AGAIN,  /* awake since the last one */
    NJ_LOOK_ALARM,  /* first after a sleep that the alarm ended (the clock chip says so: the alarm is no longer armed) */
    NJ_LOOK_OTHER,  /* first after a sleep that something else ended: a button, power that came back */
    NJ_LOOK_UNKNOWN /* first after a sleep; nobody knows what ended it */
};

/* What the station can read now. */
struct nj_moment {
    int64_t wall_s;      /* the clock, right or wrong */
    int64_t monotonic_s; /* goes on evenly, but only between two sleeps */
    double  stored_wh;   /* by the gauge; NAN: no battery source, or one that lies */
    double  voltage_wh;  /* the same, guessed from the voltage; NAN: not known */
    double  panel_w;     /* what the panel gives at this moment; NAN if nothing measures it */
    double  temp_c;
};

/* One burst that waits. Borrowed for the call. */
struct nj_waiting {
    double   interest; /* triage score */
    unsigned frames;
    int64_t  seen_s;      /* nj_schedule_now when it was first seen */
    double   done_s;      /* seconds of work that a parked decode already has */
    int64_t  soft_tokens; /* of the parked decode; 0 when not begun */
};

enum nj_schedule_action { NJ_SCHEDULE_SLEEP, NJ_SCHEDULE_RUN };

struct nj_decision {
    enum nj_schedule_action action;
    size_t                  burst;       /* RUN: index into the queue */
    int64_t                 soft_tokens; /* RUN */
    unsigned                batch;       /* RUN: how many may be read together, this one included; at most settings.max_batch */
    size_t                  together[NJ_SCHEDULE_TOGETHER]; /* RUN: [batch] them, this one first */
    unsigned                threads;                        /* RUN */
    double                  park_wh;                        /* RUN: park when stored energy falls to this */
    int64_t                 until_s;                        /* SLEEP: wall clock of the next wake, always later than now */
    double                  price;                          /* interest per Wh that work must earn now */
    size_t                  deferred;                       /* bursts that wait for more sun */
    char                    reason[NJ_SCHEDULE_REASON];     /* one clause in words, no commas */
};

struct nj_schedule;

nj_status nj_schedule_open(const struct nj_schedule_settings *settings, struct nj_schedule **out, struct nj_error *error);
void      nj_schedule_close(struct nj_schedule *plan);

/* A look at clock and battery. */
void nj_schedule_look(struct nj_schedule *plan, const struct nj_moment *moment, enum nj_look why);

/* The plan's own even time, as of the last look, and how far it is ahead of the wall clock. */
int64_t nj_schedule_now(const struct nj_schedule *plan);
int64_t nj_schedule_offset(const struct nj_schedule *plan);

/* The alarm that was really armed, wall clock: what the next look is held against. */
void nj_schedule_armed(struct nj_schedule *plan, int64_t alarm_s);

/* A look from inside the work: keeps watch over the gauge, changes nothing else. */
void nj_schedule_working(struct nj_schedule *plan, const struct nj_moment *moment);

/* Where the charge comes from. A gauge is no longer believed when it stands still while a good share of the battery must have gone through it. */
enum nj_basis { NJ_BASIS_GAUGE, NJ_BASIS_VOLTAGE, NJ_BASIS_RECKONED };

/* Energy as the plan sees it at the last look. */
struct nj_outlook {
    enum nj_basis basis;
    double        stored_wh, reserve_wh; /* reserve: what work must leave now */
    double        event_wh, event_s;     /* three frames, as learned */
    double        resting_wh;            /* a day on which nothing is read */
    double        autonomy_days;         /* of such days, without any sun, until the floor */
    double        busy_w;                /* while working, as learned; NAN: only the setting is known */
    double        sun_wh;                /* that tomorrow usually brings */
};
void nj_schedule_outlook(const struct nj_schedule *plan, struct nj_outlook *out);

/* The basis in words; what stands before the first colon changes only with the basis. */
void nj_schedule_basis(const struct nj_schedule *plan, char words[NJ_SCHEDULE_REASON]);

/* A new burst joined the queue. */
void nj_schedule_arrived(struct nj_schedule *plan, double interest, unsigned frames);

/* Never fails; with nothing to do it sleeps. Needs a look before it. */
void nj_schedule_decide(struct nj_schedule *plan, const struct nj_waiting *queue, size_t count, struct nj_decision *decision);

/* Whether a run that was decided may continue; the caller parks it when not. */
bool nj_schedule_may_go_on(const struct nj_schedule *plan, const struct nj_moment *moment);

/* The run of `count` bursts, read together, ended after `seconds` of work in this stretch; `complete`: all decoded to their end, else parked or cut.
 * Looks, too. */
void nj_schedule_ran(struct nj_schedule *plan, const struct nj_moment *moment, const struct nj_waiting *bursts, size_t count,
                     int64_t soft_tokens, double seconds, bool complete);

/* All that was learned, as one JSON object; and back. A text that does not parse or fit is refused and changes nothing. */
void      nj_schedule_save(const struct nj_schedule *plan, struct nj_text *json);
nj_status nj_schedule_restore(struct nj_schedule *plan, const char *json, size_t size, struct nj_error *error);

#endif
