/* schedule_state.h: what the three files of the scheduler share, and nobody else sees: schedule.c looks and decides, schedule_price.c asks what a Wh is
 * worth, schedule_store.c keeps what was learned. */
#ifndef NJ_SCHEDULE_SCHEDULE_STATE_H
#define NJ_SCHEDULE_SCHEDULE_STATE_H

#include "pipeline/schedule/price.h"
#include "pipeline/schedule/schedule.h"

#define NJ_DAY_S  86400
#define NJ_HOUR_S 3600

#define NJ_SCHEDULE_AHEAD_DAYS 365

/* What the board did since the last look. */
enum nj_doing { NJ_DOING_SLEEP, NJ_DOING_WAKE, NJ_DOING_WORK };

struct nj_schedule {
    struct nj_schedule_settings set;
    /* learned; kept by schedule_store.c */
    struct nj_harvest harvest;
    struct nj_cost    cost;
    double            idle_w;                   /* as measured in dark nights */
    double            rate[NJ_SCHEDULE_KINDS];  /* work that usually arrives in a day, by interest for each unit of work */
    double            today[NJ_SCHEDULE_KINDS]; /* the same, since rate_day */
    int64_t           rate_day;                 /* days since 1970; 0: none yet */
    int32_t           rate_days;
    int64_t           offset_s;      /* own time minus wall clock */
    int64_t           alarm_s;       /* wall clock; 0: none */
    int64_t           now_s, wall_s; /* of the last look */
    double            stored_wh;     /* measured, or reckoned when `blind` */
    double            present_wh;    /* the same, also looked at from inside the work */
    double            gauge_wh;      /* what the gauge said last, believed or not */
    double            through_wh;    /* that must have moved it since it said something else */
    enum nj_basis     basis;
    bool              blind, looked; /* blind: reckoned */
    bool              worked;        /* in this waking, or in the last one before this sleep */
    enum nj_doing     doing;
    /* of this waking */
    int64_t         monotonic_s;
    double          panel_w, temp_c;
    bool            priced;
    double          priced_at_wh;
    size_t          priced_count;
    double          late_price; /* interest for each unit at which the best late work is bought */
    double          reserve_wh; /* that work must leave now */
    int64_t         light_from; /* midnight of light_day[0]; 0: none */
    double          light_day[NJ_SCHEDULE_AHEAD_DAYS + 4];
    struct nj_sky   sky;
    struct nj_price price;
};

/* A unit of work is three frames at 280 soft tokens (at the fixed number of soft tokens when there is one). */
double   nj_schedule_units(const struct nj_schedule *schedule, unsigned frames);
double   nj_schedule_unit_wh(const struct nj_schedule *schedule);
unsigned nj_schedule_kind(double interest_per_unit);

bool nj_schedule_is_fresh(const struct nj_schedule *schedule, const struct nj_waiting *burst);

/* What a fresh burst earns now beyond reading it late, for each unit. */
double nj_schedule_fresh_gain(double interest_per_unit, double late_price);

/* Wh a day while nothing is done but one look. */
double nj_schedule_resting_wh(const struct nj_schedule *schedule);

/* Fills price, sky, reserve and late_price for this moment. */
void nj_schedule_set_price(struct nj_schedule *schedule, const struct nj_waiting *queue, size_t count);

#endif
