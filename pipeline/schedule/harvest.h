/* harvest.h: what the panel brings, learned from the battery alone.
 *
 * What came in between two looks at the battery is what it rose by and what the board drew meanwhile. Set beside the light of a clear sky
 * (sun.h) that gives a yield: stored Wh for each Wh/m2 of clear sky, which holds panel size, dirt, shade, charger and cloud in one figure. Days are
 * kept as a ring of such yields; the near future looks like the last days, the far one half like the last weeks and half like the last months, and a dark
 * winter is taken to be cloudier than the summer in which it is planned for. A battery that is full hides what the panel could have brought: such stretches count
 * only as "at least". */
#ifndef NJ_SCHEDULE_HARVEST_H
#define NJ_SCHEDULE_HARVEST_H

#include <stdbool.h>
#include <stdint.h>

#define NJ_HARVEST_DAYS  32
#define NJ_HARVEST_HOURS 24
#define NJ_HARVEST_LONG  120
#define NJ_HARVEST_SKIES 3 /* dark, middling and bright thirds of the days */

struct nj_harvest {
    double  latitude, longitude;          /* NAN when unknown; settings, not learned */
    double  guess;                        /* yield before anything was learned */
    double  day_yield[NJ_HARVEST_DAYS];   /* ring of the last days */
    int32_t days;                         /* how many were ever added */
    double  long_yield;                   /* mean of the last NJ_HARVEST_LONG days */
    int32_t long_days;                    /* how many are in it */
    double  hour_share[NJ_HARVEST_HOURS]; /* what each solar hour brings beside the clear sky, mean 1: trees, hills */
    int64_t today;                        /* midnight of the day being added up; 0: none */
    double  today_wh, today_clear;        /* so far: stored Wh, Wh/m2 of clear sky (with hour_share) */
};

void nj_harvest_init(struct nj_harvest *harvest, double latitude, double longitude, double panel_wp, double panel_derate);

/* Between `from_s` and `to_s` (seconds, true time as the station believes) `wh` came in. `at_least`: the battery was full at the end.
 * Stretches of more than three days tell nothing about days and are left out. */
void nj_harvest_learn(struct nj_harvest *harvest, int64_t from_s, int64_t to_s, double wh, bool at_least);

/* Mean yield to expect `days_ahead` (0: today), and the light of the clear sky it multiplies. */
struct nj_sky {
    double yield[NJ_HARVEST_SKIES]; /* of each kind of day */
    double today[NJ_HARVEST_SKIES]; /* how likely today is of that kind */
    double stay;                    /* how likely tomorrow is today again, beyond chance */
};
void nj_harvest_sky(const struct nj_harvest *harvest, struct nj_sky *sky);

/* Mean yield to expect weeks ahead. */
double nj_harvest_far_yield(const struct nj_harvest *harvest);

/* Factor on every yield for the season of `midnight_s`: 1 when days are longest, less by up to NJ_HARVEST_WINTER in a dark winter. */
#define NJ_HARVEST_WINTER 0.45
double nj_harvest_season(const struct nj_harvest *harvest, int64_t midnight_s);

/* Clear-sky Wh/m2 between two moments with hour_share and season in it: times a yield it is stored Wh. */
double nj_harvest_light(const struct nj_harvest *harvest, int64_t from_s, int64_t to_s);

#endif
