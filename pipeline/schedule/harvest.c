#include "pipeline/schedule/harvest.h"

#include "pipeline/schedule/sun.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S          86400
#define CHARGE         0.95 /* of what the panel gives, what a lead or lithium charger puts into the battery */
#define CLEARNESS      0.55 /* of clear-sky light, what an average day brings before anything was learned */
#define HALF_LIFE_DAYS 10.0
#define LONGEST_S      (3 * DAY_S)
#define ENOUGH_OF_DAY  0.5 /* of a day's light must have been watched for the day to count */

void nj_harvest_init(struct nj_harvest *harvest, double latitude, double longitude, double panel_wp, double panel_derate)
{
    *harvest =
        (struct nj_harvest){.latitude = latitude, .longitude = longitude, .guess = panel_wp / 1000 * panel_derate * CHARGE * CLEARNESS};
    for (int h = 0; h < NJ_HARVEST_HOURS; h++)
        harvest->hour_share[h] = 1;
}

static int hour_of(const struct nj_harvest *harvest, int64_t s)
{
    int64_t into = s - nj_sun_midnight(harvest->longitude, s);
    return (int)((into + DAY_S) / 3600 % NJ_HARVEST_HOURS);
}

double nj_harvest_season(const struct nj_harvest *harvest, int64_t midnight_s)
{
    double away = isnan(harvest->latitude) ? 0 : fmin(fmax((fabs(harvest->latitude) - 25) / 25, 0), 1);
    if (away == 0)
        return 1;
    /* Days since the solstice of the long days, as a share of half a year: 0 midsummer, 1 midwinter. */
    double days   = (double)midnight_s / DAY_S - (harvest->latitude > 0 ? 171 : 354);
    double winter = 0.5 - 0.5 * cos(2 * 3.14159265358979 * days / 365.2425);
    return 1 - NJ_HARVEST_WINTER * away * winter;
}

double nj_harvest_light(const struct nj_harvest *harvest, int64_t from_s, int64_t to_s)
{
    double sum = 0;
    for (int64_t at = from_s; at < to_s;) {
        int64_t next = at + 1800 - ((at % 1800) + 1800) % 1800;
        if (next > to_s)
            next = to_s;
        int64_t middle = at + (next - at) / 2;
        double  light  = nj_sun_clear_w_m2(harvest->latitude, harvest->longitude, middle);
        if (light > 0)
            sum += light * harvest->hour_share[hour_of(harvest, middle)] * (double)(next - at) / 3600;
        at = next;
    }
    return sum * nj_harvest_season(harvest, nj_sun_midnight(harvest->longitude, from_s));
}

static double yield_of(const struct nj_harvest *harvest, int back)
{
    return harvest->day_yield[(harvest->days - 1 - back) % NJ_HARVEST_DAYS];
}

static void close_day(struct nj_harvest *harvest)
{
    double whole = nj_harvest_light(harvest, harvest->today, harvest->today + DAY_S);
    if (harvest->today_clear > ENOUGH_OF_DAY * whole && whole > 1) {
        if (harvest->days >= 2 * NJ_HARVEST_DAYS)
            harvest->days -= NJ_HARVEST_DAYS;
        harvest->day_yield[harvest->days % NJ_HARVEST_DAYS] = fmax(harvest->today_wh, 0) / harvest->today_clear;
        harvest->days++;
        if (harvest->long_days < NJ_HARVEST_LONG)
            harvest->long_days++;
        harvest->long_yield += (fmax(harvest->today_wh, 0) / harvest->today_clear - harvest->long_yield) / harvest->long_days;
    }
    harvest->today_wh = harvest->today_clear = 0;
}

static double mean_yield(const struct nj_harvest *harvest)
{
    struct nj_sky sky;
    nj_harvest_sky(harvest, &sky);
    return (sky.yield[0] + sky.yield[1] + sky.yield[2]) / 3;
}

double nj_harvest_far_yield(const struct nj_harvest *harvest)
{
    double near = mean_yield(harvest);
    return harvest->long_days ? (near + harvest->long_yield) / 2 : near;
}

/* Which hours bring more or less than their share: a slow correction, by what this stretch brought beside its day's yield. */
static void learn_hours(struct nj_harvest *harvest, int64_t from_s, int64_t to_s, double wh, double light)
{
    if (to_s - from_s > 9 * 3600 || harvest->today_clear < 100)
        return;
    double yield = fmax(harvest->today_wh / harvest->today_clear, mean_yield(harvest) * 0.3);
    double said  = fmin(fmax(wh / (light * yield), 0.2), 3);
    double sum = 0, weight = 0;
    for (int64_t at = from_s; at < to_s; at += 3600)
        harvest->hour_share[hour_of(harvest, at)] *= 1 + 0.04 * (said - 1);
    int64_t midnight = nj_sun_midnight(harvest->longitude, from_s);
    for (int h = 0; h < NJ_HARVEST_HOURS; h++) {
        double clear = nj_sun_clear_w_m2(harvest->latitude, harvest->longitude, midnight + h * 3600 + 1800);
        sum += clear * harvest->hour_share[h];
        weight += clear;
    }
    for (int h = 0; h < NJ_HARVEST_HOURS && sum > 0; h++)
        harvest->hour_share[h] = fmin(fmax(harvest->hour_share[h] * weight / sum, 0.05), 8);
}

void nj_harvest_learn(struct nj_harvest *harvest, int64_t from_s, int64_t to_s, double wh, bool at_least)
{
    if (to_s <= from_s || to_s - from_s > LONGEST_S || !isfinite(wh))
        return;
    double light = nj_harvest_light(harvest, from_s, to_s);
    double usual = mean_yield(harvest);
    if (at_least && wh < light * usual)
        wh = light * usual;
    for (int64_t at = from_s; at < to_s;) {
        int64_t midnight = nj_sun_midnight(harvest->longitude, at);
        int64_t next     = midnight + DAY_S < to_s ? midnight + DAY_S : to_s;
        if (midnight != harvest->today) {
            if (harvest->today)
                close_day(harvest);
            harvest->today = midnight;
        }
        double part = next == to_s && at == from_s ? light : nj_harvest_light(harvest, at, next);
        harvest->today_clear += part;
        harvest->today_wh += light > 0 ? wh * part / light : 0;
        at = next;
    }
    if (!at_least && light > 20 && usual > 0)
        learn_hours(harvest, from_s, to_s, wh, light);
}

static int by_yield(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (x[0] > y[0]) - (x[0] < y[0]);
}

void nj_harvest_sky(const struct nj_harvest *harvest, struct nj_sky *sky)
{
    double sample[NJ_HARVEST_DAYS + NJ_HARVEST_SKIES][2]; /* yield, weight */
    int    count = 0, days = harvest->days < NJ_HARVEST_DAYS ? harvest->days : NJ_HARVEST_DAYS;
    double total = 0, spread = 0, mean = 0;
    for (int i = 0; i < NJ_HARVEST_SKIES; i++, count++) { /* the guess counts as a few old days */
        sample[count][0] = harvest->guess * (0.4 + 0.6 * i);
        sample[count][1] = pow(0.5, days / HALF_LIFE_DAYS);
    }
    for (int i = 0; i < days; i++, count++) {
        sample[count][0] = yield_of(harvest, i);
        sample[count][1] = pow(0.5, i / HALF_LIFE_DAYS);
    }
    qsort(sample, (size_t)count, sizeof sample[0], by_yield);
    for (int i = 0; i < count; i++)
        total += sample[i][1];
    double into                   = 0;
    double mass[NJ_HARVEST_SKIES] = {0};
    memset(sky->yield, 0, sizeof sky->yield);
    for (int i = 0; i < count; i++) {
        double left = sample[i][1];
        while (left > 1e-12) {
            int    third = (int)fmin(into / total * NJ_HARVEST_SKIES + 1e-9, NJ_HARVEST_SKIES - 1);
            double room  = third == NJ_HARVEST_SKIES - 1 ? left : fmin(left, total * (third + 1) / NJ_HARVEST_SKIES - into + 1e-9);
            sky->yield[third] += sample[i][0] * room;
            mass[third] += room;
            into += room;
            left -= room;
        }
    }
    for (int i = 0; i < NJ_HARVEST_SKIES; i++) {
        sky->yield[i] /= mass[i] > 0 ? mass[i] : 1;
        mean += sky->yield[i] / NJ_HARVEST_SKIES;
    }
    for (int i = 0; i < NJ_HARVEST_SKIES; i++)
        spread += (sky->yield[i] - mean) * (sky->yield[i] - mean) / NJ_HARVEST_SKIES;
    spread    = fmax(sqrt(spread), 0.15 * fmax(mean, harvest->guess * 0.01));
    sky->stay = 0.45;

    double belief[NJ_HARVEST_SKIES], sum = 0, day = nj_harvest_light(harvest, harvest->today, harvest->today + DAY_S);
    double seen = harvest->today && day > 0 ? fmin(harvest->today_clear / day, 1) : 0;
    for (int i = 0; i < NJ_HARVEST_SKIES; i++) {
        double yesterday = harvest->days > 0 ? (yield_of(harvest, 0) - sky->yield[i]) / (0.6 * spread) : 0;
        belief[i]        = exp(-0.5 * fmin(yesterday * yesterday, 30));
        sum += belief[i];
    }
    for (int i = 0; i < NJ_HARVEST_SKIES; i++)
        belief[i] = sky->stay * belief[i] / sum + (1 - sky->stay) / NJ_HARVEST_SKIES;
    sum = 0;
    for (int i = 0; i < NJ_HARVEST_SKIES; i++) {
        double now = harvest->today_clear > 0 ? (harvest->today_wh / harvest->today_clear - sky->yield[i]) / (0.6 * spread) : 0;
        belief[i] *= exp(-0.5 * fmin(now * now, 30) * seen);
        sum += belief[i];
    }
    for (int i = 0; i < NJ_HARVEST_SKIES; i++)
        sky->today[i] = belief[i] / sum;
}
