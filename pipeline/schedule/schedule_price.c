/* schedule_price.c: lays out the coming year for price.h: light, reserve, and the work that can be bought. */
#include "pipeline/schedule/schedule_state.h"
#include "pipeline/schedule/sun.h"

#include <math.h>
#include <string.h>

#define DARK_DAYS    10   /* idle energy for so many days without any sun stays untouched ... */
#define SNOW_DAYS    5    /* ... and for so many more in the middle of a snowy winter */
#define DARK_SHARE   0.65 /* of the battery, at most, for both */
#define PESSIMIST    0.65 /* share of the usual yield on which the plan for the winter rests */
#define QUARTER_S    (6 * NJ_HOUR_S)
#define QUARTERS     12   /* steps of the first three days: the deadline of what is fresh */
#define FAR_DAYS     4    /* length of the far steps */
#define NEARLY_FULL  0.94 /* the most that a reserve can ask for */
#define FAR_SKY_DAYS 20.0 /* ahead, nothing of today's sky is left */
#define LATE_DAYS    30.0 /* late work is offered to the price as if spread over so many days */
#define DENSEST      1.7  /* interest for each unit: a sure single frame is 0.97 / 0.6 */
#define LADDER       0.8

unsigned nj_schedule_kind(double interest_per_unit)
{
    double bin = log(fmax(interest_per_unit, 1e-6) / DENSEST) / log(LADDER) + 0.5;
    return bin <= 0 ? 0 : bin >= NJ_SCHEDULE_KINDS - 1 ? NJ_SCHEDULE_KINDS - 1 : (unsigned)bin;
}

static double interest_of_kind(unsigned kind)
{
    return DENSEST * pow(LADDER, kind);
}

double nj_schedule_fresh_gain(double interest_per_unit, double late_price)
{
    return interest_per_unit - fmax(0, interest_per_unit / 2 - late_price);
}

double nj_schedule_resting_wh(const struct nj_schedule *schedule)
{
    return schedule->idle_w * 24 + (schedule->set.awake_w - schedule->idle_w) * schedule->set.wake_s / NJ_HOUR_S;
}

/* Season-corrected light of each coming day. Returns whether a new day has begun since the last call. */
static bool fill_light(struct nj_schedule *schedule)
{
    const double lon      = schedule->set.longitude;
    int64_t      midnight = nj_sun_midnight(lon, schedule->now_s);
    if (schedule->light_from == midnight)
        return false;
    int64_t ahead = (midnight - schedule->light_from) / NJ_DAY_S;
    size_t  count = sizeof schedule->light_day / sizeof schedule->light_day[0], known = 0;
    if (schedule->light_from && ahead > 0 && ahead < (int64_t)count) {
        known = count - (size_t)ahead;
        memmove(schedule->light_day, schedule->light_day + ahead, known * sizeof schedule->light_day[0]);
    }
    for (size_t d = known; d < count; d++) {
        int64_t day            = midnight + (int64_t)d * NJ_DAY_S;
        schedule->light_day[d] = nj_sun_clear_day_wh_m2(schedule->set.latitude, lon, day) * nj_harvest_season(&schedule->harvest, day);
    }
    schedule->light_from = midnight;
    return true;
}

/* Of the usual sun, what the worst stretch of so many days may bring: a storm takes all, a bad season half. It binds where a panel hardly feeds the board. */
static const struct {
    int    days;
    double share;
} lean[] = {{20, 0.13}, {30, 0.21}, {45, 0.30}, {60, 0.36}, {90, 0.47}};

/* Wh that the leanest stretch from day `from` on takes from the battery. sum: [days + 1], light of all days before. */
static double lean_wh(double rest, double usual, const double *sum, int from)
{
    double most = 0;
    for (size_t i = 0; i < sizeof lean / sizeof lean[0]; i++) {
        int to = from + lean[i].days < NJ_SCHEDULE_AHEAD_DAYS ? from + lean[i].days : NJ_SCHEDULE_AHEAD_DAYS;
        most   = fmax(most, rest * (to - from) - lean[i].share * usual * (sum[to] - sum[from]));
    }
    return most;
}

/* What work must leave at the end of each coming day: a run of dark days at any time, and the winter that comes. */
static void fill_reserve(const struct nj_schedule *schedule, double reserve[NJ_SCHEDULE_AHEAD_DAYS + 1])
{
    const struct nj_schedule_settings *set  = &schedule->set;
    double                             rest = nj_schedule_resting_wh(schedule), need = 0;
    double                             mean = nj_harvest_far_yield(&schedule->harvest), usual = PESSIMIST * mean;
    double                             sum[NJ_SCHEDULE_AHEAD_DAYS + 1] = {0};
    for (int d = 0; d < NJ_SCHEDULE_AHEAD_DAYS; d++)
        sum[d + 1] = sum[d] + schedule->light_day[d];
    for (int d = NJ_SCHEDULE_AHEAD_DAYS; d >= 0; d--) {
        double wintry = (1 - nj_harvest_season(&schedule->harvest, schedule->light_from + (int64_t)d * NJ_DAY_S)) / NJ_HARVEST_WINTER;
        double dark   = fmin((DARK_DAYS + SNOW_DAYS * wintry) * rest, DARK_SHARE * set->battery_wh);
        /* A full battery cannot take more: what runs over is free even before the darkest winter. */
        need       = fmin(fmax(0, need + rest - usual * schedule->light_day[d]), NEARLY_FULL * set->battery_wh);
        reserve[d] = fmin(fmax(fmax(fmax(dark, need + 0.3 * dark), lean_wh(rest, mean, sum, d)), fmax(set->floor_wh, set->reserve_wh)),
                          NEARLY_FULL * set->battery_wh);
    }
}

/* The queue as work for sale, in units. */
struct stock {
    double fresh[QUARTERS][NJ_SCHEDULE_KINDS]; /* spread over the steps in which it is still fresh */
    double late[NJ_SCHEDULE_KINDS];
};

static void count_stock(const struct nj_schedule *schedule, const struct nj_waiting *queue, size_t count, struct stock *stock)
{
    memset(stock, 0, sizeof *stock);
    for (size_t i = 0; i < count; i++) {
        double   units = nj_schedule_units(schedule, queue[i].frames);
        unsigned kind  = nj_schedule_kind(queue[i].interest / units);
        if (!nj_schedule_is_fresh(schedule, &queue[i])) {
            stock->late[kind] += units;
            continue;
        }
        int64_t left  = (NJ_SCHEDULE_FRESH_S - (schedule->now_s - queue[i].seen_s)) / QUARTER_S;
        int     steps = left < 1 ? 1 : left > QUARTERS ? QUARTERS : (int)left;
        for (int s = 0; s < steps; s++)
            stock->fresh[s][kind] += units / steps;
    }
}

/* The price at which late work is bought when there is sun to spare: that of the best that waits. */
static double late_price(const struct nj_schedule *schedule, const struct stock *stock)
{
    double waiting_wh = 0;
    for (unsigned k = 0; k < NJ_SCHEDULE_KINDS; k++) {
        waiting_wh += stock->late[k] * nj_schedule_unit_wh(schedule);
        if (waiting_wh > 0.05 * schedule->set.battery_wh)
            return interest_of_kind(k) / 2;
    }
    return 0;
}

void nj_schedule_set_price(struct nj_schedule *schedule, const struct nj_waiting *queue, size_t count)
{
    struct nj_price *price = &schedule->price;
    struct stock     stock;
    double           reserve[NJ_SCHEDULE_AHEAD_DAYS + 1], unit = nj_schedule_unit_wh(schedule);
    unsigned         fresh_bin[NJ_SCHEDULE_KINDS], late_bin[NJ_SCHEDULE_KINDS];

    nj_harvest_sky(&schedule->harvest, &schedule->sky);
    bool new_day = fill_light(schedule) || price->battery_wh != schedule->set.battery_wh;
    fill_reserve(schedule, reserve);
    count_stock(schedule, queue, count, &stock);
    schedule->late_price = late_price(schedule, &stock);
    schedule->reserve_wh = reserve[0];
    price->battery_wh    = schedule->set.battery_wh;
    nj_price_ladder(price, DENSEST / unit);
    for (unsigned k = 0; k < NJ_SCHEDULE_KINDS; k++) {
        fresh_bin[k] = nj_price_bin(price, nj_schedule_fresh_gain(interest_of_kind(k), schedule->late_price) / unit);
        late_bin[k]  = nj_price_bin(price, interest_of_kind(k) / 2 / unit);
    }
    size_t  s  = 0;
    int64_t at = schedule->now_s;
    /* The weeks to come are less like the last days than like the last months. */
    double near_yield = (schedule->sky.yield[0] + schedule->sky.yield[1] + schedule->sky.yield[2]) / NJ_HARVEST_SKIES;
    double far_factor = near_yield > 0 ? nj_harvest_far_yield(&schedule->harvest) / near_yield : 1;
    for (; s < (new_day ? NJ_PRICE_STEPS : NJ_PRICE_NEAR); s++) {
        bool                  quarter = s < QUARTERS;
        int64_t               length  = quarter ? QUARTER_S : s < NJ_PRICE_NEAR ? NJ_DAY_S : FAR_DAYS * NJ_DAY_S;
        int64_t               day = (at - schedule->light_from) / NJ_DAY_S, last = (at + length - schedule->light_from) / NJ_DAY_S;
        struct nj_price_step *step = &price->step[s];
        double                days = (double)length / NJ_DAY_S, light = 0;
        if (last > NJ_SCHEDULE_AHEAD_DAYS)
            break;
        if (quarter)
            light = nj_harvest_light(&schedule->harvest, at, at + length);
        else
            for (int64_t d = day; d < last; d++)
                light += schedule->light_day[d];
        *step =
            (struct nj_price_step){.idle_wh = nj_schedule_resting_wh(schedule) * days, .reserve_wh = reserve[day], .next_day = last != day};
        for (int r = 0; r < NJ_HARVEST_SKIES; r++)
            step->inflow_wh[r] = light * schedule->sky.yield[r] *
                                 (1 + (far_factor - 1) * fmin((double)(at - schedule->now_s) / (FAR_SKY_DAYS * NJ_DAY_S), 1));
        for (unsigned k = 0; k < NJ_SCHEDULE_KINDS; k++) {
            step->market.wh[fresh_bin[k]] += schedule->rate[k] * days * unit;
            if (quarter)
                step->market.wh[fresh_bin[k]] += stock.fresh[s][k] * unit;
            if (at - schedule->now_s < (int64_t)(LATE_DAYS * NJ_DAY_S))
                step->market.wh[late_bin[k]] += stock.late[k] * unit * days / LATE_DAYS;
        }
        at += length;
    }
    price->steps = s;
    nj_price_solve(price, &schedule->sky, new_day);
    schedule->priced       = true;
    schedule->priced_at_wh = schedule->stored_wh;
    schedule->priced_count = count;
}
