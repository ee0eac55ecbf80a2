/* price.h: what a watt-hour in the battery is worth today, in interest.
 *
 * As a hydropower dam values its water: going backwards from a year ahead, each step asks what one more Wh at each charge would earn, given the sun
 * that may come (three skies, with tomorrow resembling today), the bursts that wait and those that usually arrive, the room in the battery and the
 * reserve that work must not touch. A burst is worth its energy when its gain per Wh is above that price; the price is near zero when the battery
 * would run over, and high when the reserve is near. No forecast is used, only what was learned. */
#ifndef NJ_SCHEDULE_PRICE_H
#define NJ_SCHEDULE_PRICE_H

#include "pipeline/schedule/harvest.h"

#include <stddef.h>

#define NJ_PRICE_CELLS 100
#define NJ_PRICE_BINS  24
#define NJ_PRICE_NEAR  36 /* steps that are worked through at each waking; the rest once a day */
#define NJ_PRICE_STEPS 160

/* Some days bring many times the usual: a ranger's card, a herd, wind. A charge that is there for them is worth more. */
#define NJ_PRICE_BUSTLE_CHANCE 0.04
#define NJ_PRICE_BUSTLE_FACTOR 10.0

/* Work that could be bought: `wh` of it at `gain` interest per Wh. */
struct nj_market {
    double wh[NJ_PRICE_BINS]; /* by falling gain */
};

struct nj_price_step {
    double           inflow_wh[NJ_HARVEST_SKIES]; /* under each sky */
    double           idle_wh;                     /* drawn whatever is done */
    double           reserve_wh;                  /* at the end of the step; work never goes below */
    bool             next_day;                    /* the sky may change after this step */
    struct nj_market market;
};

struct nj_price {
    double               battery_wh;
    double               gain[NJ_PRICE_BINS]; /* falling; shared by all steps */
    size_t               steps;
    struct nj_price_step step[NJ_PRICE_STEPS];
    double               beyond[NJ_HARVEST_SKIES][NJ_PRICE_CELLS]; /* price after the near steps */
    double               worth[NJ_HARVEST_SKIES][NJ_PRICE_CELLS];  /* result: price in each hundredth of the battery, now */
};

/* Index of the bin for `gain` (the nearest by ratio), for filling markets. */
unsigned nj_price_bin(const struct nj_price *price, double gain);

/* Sets gain[] to a ladder from `highest` down by equal ratios. */
void nj_price_ladder(struct nj_price *price, double highest);

/* Fills worth[] from step[]; `far_too`: beyond[], too, else it is taken as it stands. There are at least NJ_PRICE_NEAR steps. */
void nj_price_solve(struct nj_price *price, const struct nj_sky *sky, bool far_too);

/* The price at `stored_wh` under today's mixture of skies. */
double nj_price_at(const struct nj_price *price, const struct nj_sky *sky, double stored_wh);

#endif
