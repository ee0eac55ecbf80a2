#include "pipeline/schedule/schedule.h"
#include "base/json.h"

#include "pipeline/schedule/price.h"
#include "pipeline/schedule/sun.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S          86400
#define HOUR_S         3600
#define DARK_DAYS      11  /* idle energy for this many days without any sun stays untouched */
#define PESSIMIST      0.4 /* share of the usual yield on which the plan for the winter rests */
#define WINTER_DAYS    365
#define NEAR_STEPS     12 /* first quarters of a day, then days */
#define NEAR_STEP_S    (6 * HOUR_S)
#define DENSEST        1.7 /* interest for each unit of work; a sure single frame is 0.97 / 0.6 */
#define RATE_DAYS      12.0
#define LATE_DAYS      10.0
#define PATIENCE       0.30
#define LATE_MARGIN    1.10
#define CHARGE         0.95
#define SECOND_ALARM_S HOUR_S

enum doing { ASLEEP, AWAKE, BUSY };

struct nj_schedule {
    struct nj_schedule_settings set;
    struct nj_harvest           harvest;
    struct nj_cost              cost;
    struct nj_price             price;
    struct nj_sky               sky;
    double                      rate[NJ_SCHEDULE_KINDS];  /* work that usually arrives in a day, by interest for each unit */
    double                      today[NJ_SCHEDULE_KINDS]; /* arrived since rate_day */
    int64_t                     rate_day;
    int32_t                     rate_days;
    double                      idle_w; /* learned in the dark */
    /* clock */
    int64_t offset_s; /* own time minus wall clock */
    int64_t alarm_s;  /* wall clock; 0: none */
    /* last look */
    int64_t    now_s, last_s, last_wall_s, last_monotonic_s;
    double     stored_wh, panel_w, temp_c;
    enum doing doing;
    bool       looked;
    /* of this waking */
    bool    priced;
    double  priced_at_wh;
    size_t  priced_count;
    double  late_gain; /* interest per unit at which late work is bought */
    double  light_day[WINTER_DAYS + 4];
    int64_t light_from;
};

void nj_schedule_settings_from(const struct nj_conf *conf, struct nj_schedule_settings *s)
{
    *s = (struct nj_schedule_settings){
        .latitude     = conf->station.latitude,
        .longitude    = isnan(conf->station.longitude) ? conf->station.timezone_offset * 15 : conf->station.longitude,
        .battery_wh   = conf->power.battery_wh,
        .floor_wh     = conf->power.battery_wh * conf->power.floor_percent / 100,
        .reserve_wh   = conf->power.battery_wh * conf->power.reserve_percent / 100,
        .panel_wp     = conf->power.panel_wp,
        .panel_derate = conf->power.panel_derate,
        .idle_w       = conf->power.idle_w,
        .awake_w      = conf->power.awake_w,
        .busy_w       = conf->power.busy_w,
        .max_temp_c   = conf->power.max_temp_c,
        .wake_s       = 30,
        .soft_tokens  = conf->model.soft_tokens,
        .max_frames   = (unsigned)conf->ingest.burst_max_frames,
        .max_batch    = 4,
        .threads      = (unsigned)conf->model.threads,
    };
}

nj_status nj_schedule_open(const struct nj_schedule_settings *settings, struct nj_schedule **out, struct nj_error *error)
{
    struct nj_schedule *plan = calloc(1, sizeof *plan);
    *out                     = plan;
    if (!plan)
        return nj_fail(error, "no memory for the schedule");
    plan->set = *settings;
    nj_harvest_init(&plan->harvest, settings->latitude, settings->longitude, settings->panel_wp, settings->panel_derate);
    nj_cost_init(&plan->cost, settings->busy_w);
    plan->idle_w = settings->idle_w;
    /* Before anything arrived: 40 bursts a day, as many at each interest on the ladder as the last. */
    for (int k = 0; k < NJ_SCHEDULE_KINDS; k++)
        plan->rate[k] = 40.0 / NJ_SCHEDULE_KINDS;
    return NJ_OK;
}

void nj_schedule_close(struct nj_schedule *plan)
{
    free(plan);
}

/* ---- looking ---- */

static double drawn_w(const struct nj_schedule *plan)
{
    return plan->doing == ASLEEP ? plan->idle_w : plan->doing == AWAKE ? plan->set.awake_w : plan->cost.watts;
}

static void learn_interval(struct nj_schedule *plan, const struct nj_moment *moment, int64_t now)
{
    double dt = (double)(now - plan->last_s);
    if (dt <= 0 || isnan(plan->stored_wh) || isnan(moment->stored_wh))
        return;
    double rise  = moment->stored_wh - plan->stored_wh;
    bool   full  = moment->stored_wh > 0.995 * plan->set.battery_wh;
    double wh    = rise + drawn_w(plan) * dt / HOUR_S;
    double light = nj_harvest_light(&plan->harvest, plan->last_s, now);
    if (plan->doing == ASLEEP && light < 1e-6 && dt > 2 * HOUR_S && !full && moment->stored_wh > 0.02 * plan->set.battery_wh &&
        !isnan(plan->set.latitude)) {
        double w = -rise * HOUR_S / dt;
        if (w > 0.2 * plan->set.idle_w && w < 20 * plan->set.idle_w + 1)
            plan->idle_w += 0.05 * (w - plan->idle_w);
    }
    if (plan->doing == BUSY && !isnan(moment->panel_w) && !isnan(plan->panel_w))
        wh = CHARGE * (moment->panel_w + plan->panel_w) / 2 * dt / HOUR_S;
    nj_harvest_learn(&plan->harvest, plan->last_s, now, fmax(wh, 0), full);
}

static void close_rate_day(struct nj_schedule *plan, int64_t day)
{
    double sum = 0, usual = 0;
    for (int k = 0; k < NJ_SCHEDULE_KINDS; k++) {
        sum += plan->today[k];
        usual += plan->rate[k];
    }
    /* A ranger's card of two thousand is no habit of the animals. */
    double weight = sum > 5 * usual ? 5 * usual / sum : 1;
    double days   = fmax((double)(day - plan->rate_day), 1);
    double memory = fmin(plan->rate_days + 2, RATE_DAYS);
    double keep   = pow(1 - 1 / memory, fmin(days, 30));
    for (int k = 0; k < NJ_SCHEDULE_KINDS; k++) {
        plan->rate[k]  = plan->rate[k] * keep + (1 - keep) * plan->today[k] * weight / days;
        plan->today[k] = 0;
    }
    plan->rate_day = day;
    plan->rate_days++;
}

/* Whether the battery cannot have run empty since the last look: then the station was not merely off. */
static bool cannot_have_died(const struct nj_schedule *plan)
{
    double sleep_wh = plan->idle_w * (double)(plan->alarm_s + plan->offset_s - plan->last_s) / HOUR_S;
    return plan->stored_wh > 1.2 * sleep_wh + 0.05 * plan->set.battery_wh;
}

/* Whether sun and panel agree at `own_s`: a panel that gives power at night does not, nor one in the dark at a bright noon. */
static bool sun_agrees(const struct nj_schedule *plan, int64_t own_s, double panel_w)
{
    if (isnan(panel_w) || isnan(plan->set.latitude))
        return true;
    double clear = nj_sun_clear_w_m2(plan->set.latitude, plan->set.longitude, own_s) / 1000 * plan->set.panel_wp;
    return panel_w > 0.02 * plan->set.panel_wp ? clear > 0 : clear < 0.5 * plan->set.panel_wp;
}

/* Takes a jump of the wall clock out of the plan's own time. */
static void check_clock(struct nj_schedule *plan, const struct nj_moment *moment, enum nj_look why)
{
    int64_t own = moment->wall_s + plan->offset_s, late = moment->wall_s - plan->alarm_s;
    if (why == NJ_LOOK_AGAIN) {
        int64_t jump = moment->wall_s - plan->last_wall_s - (moment->monotonic_s - plan->last_monotonic_s);
        if (llabs(jump) > 5)
            plan->offset_s -= jump;
    } else if (plan->alarm_s && (why == NJ_LOOK_ALARM || (why == NJ_LOOK_UNKNOWN && own < plan->last_s - 60))) {
        /* It rang on time by a clock that has been set since; late by an hour is the second alarm. */
        if (late < -60 || late > SECOND_ALARM_S + 600)
            plan->offset_s -= late;
    } else if (why == NJ_LOOK_UNKNOWN && plan->alarm_s && late > 2 * SECOND_ALARM_S && cannot_have_died(plan)) {
        /* Late: woken by hand after two alarms that were not taken, or a clock that was set forward? */
        bool as_said = sun_agrees(plan, own, moment->panel_w), as_armed = sun_agrees(plan, own - late, moment->panel_w);
        if (as_armed && (!as_said || late > 36 * HOUR_S))
            plan->offset_s -= late;
    } else if (own < plan->last_s - 60)
        plan->offset_s += plan->last_s - own;
}

void nj_schedule_look(struct nj_schedule *plan, const struct nj_moment *moment, enum nj_look why)
{
    if (plan->looked)
        check_clock(plan, moment, why);
    int64_t now = moment->wall_s + plan->offset_s;
    if (plan->looked)
        learn_interval(plan, moment, now);
    int64_t day = nj_sun_midnight(plan->set.longitude, now) / DAY_S;
    if (!plan->rate_day)
        plan->rate_day = day;
    if (day > plan->rate_day)
        close_rate_day(plan, day);
    plan->now_s = plan->last_s = now;
    plan->last_wall_s          = moment->wall_s;
    plan->last_monotonic_s     = moment->monotonic_s;
    plan->stored_wh            = moment->stored_wh;
    plan->panel_w              = moment->panel_w;
    plan->temp_c               = moment->temp_c;
    plan->doing                = AWAKE;
    plan->looked               = true;
    if (why != NJ_LOOK_AGAIN)
        plan->priced = false;
}

int64_t nj_schedule_now(const struct nj_schedule *plan)
{
    return plan->now_s;
}

/* ---- work ---- */

static double units_of(const struct nj_schedule *plan, unsigned frames)
{
    unsigned count = frames > plan->set.max_frames ? plan->set.max_frames : frames ? frames : 1;
    return 0.4 + 0.2 * count;
}

static unsigned kind_of(double interest_per_unit)
{
    double bin = log(fmax(interest_per_unit, 1e-6) / DENSEST) / log(0.8) + 0.5;
    return bin <= 0 ? 0 : bin >= NJ_SCHEDULE_KINDS - 1 ? NJ_SCHEDULE_KINDS - 1 : (unsigned)bin;
}

void nj_schedule_arrived(struct nj_schedule *plan, double interest, unsigned frames)
{
    double units = units_of(plan, frames);
    plan->today[kind_of(interest / units)] += units;
}

static double unit_wh(const struct nj_schedule *plan)
{
    return nj_cost_wh(&plan->cost, 3, plan->set.soft_tokens ? plan->set.soft_tokens : 280);
}

/* What reading a fresh burst now earns beyond reading it late, for each unit: late it earns half, less what late energy costs. */
static double fresh_gain(double density, double late_price)
{
    return density - fmax(0, (density - late_price) / 2);
}

/* ---- price ---- */

static bool fill_light(struct nj_schedule *plan)
{
    int64_t midnight = nj_sun_midnight(plan->set.longitude, plan->now_s);
    if (plan->light_from == midnight)
        return false;
    int64_t ahead = (midnight - plan->light_from) / DAY_S;
    int     known = 0;
    if (plan->light_from && ahead > 0 && ahead < WINTER_DAYS) {
        known = WINTER_DAYS + 4 - (int)ahead;
        memmove(plan->light_day, plan->light_day + ahead, (size_t)known * sizeof plan->light_day[0]);
    }
    for (int d = known; d < WINTER_DAYS + 4; d++)
        plan->light_day[d] = nj_sun_clear_day_wh_m2(plan->set.latitude, plan->set.longitude, midnight + (int64_t)d * DAY_S) *
                             nj_harvest_season(&plan->harvest, midnight + (int64_t)d * DAY_S);
    plan->light_from = midnight;
    return true;
}

static double mean_yield(const struct nj_schedule *plan)
{
    return (plan->sky.yield[0] + plan->sky.yield[1] + plan->sky.yield[2]) / NJ_HARVEST_SKIES;
}

/* Reserve that work must leave at each day's end, [WINTER_DAYS + 1]: a run of dark days at any time, and the winter that comes. */
static void fill_reserve(const struct nj_schedule *plan, double reserve[WINTER_DAYS + 1])
{
    double day_wh = plan->idle_w * 24 + (plan->set.awake_w - plan->idle_w) * plan->set.wake_s / HOUR_S;
    double dark   = fmin(DARK_DAYS * day_wh, 0.5 * plan->set.battery_wh);
    double usual  = mean_yield(plan) * PESSIMIST;
    double need   = 0;
    for (int d = WINTER_DAYS; d >= 0; d--) {
        need       = fmin(fmax(0, need + day_wh - usual * plan->light_day[d]), plan->set.battery_wh);
        reserve[d] = fmin(fmax(fmax(dark, need + 0.3 * dark), fmax(plan->set.floor_wh, plan->set.reserve_wh)), plan->set.battery_wh);
    }
}

struct stock {
    double fresh[NEAR_STEPS][NJ_SCHEDULE_KINDS]; /* units, by the step in which they are still fresh */
    double late[NJ_SCHEDULE_KINDS];
};

static bool is_fresh(const struct nj_schedule *plan, const struct nj_waiting *burst)
{
    return plan->now_s - burst->seen_s < NJ_SCHEDULE_FRESH_S - 600;
}

static void count_stock(const struct nj_schedule *plan, const struct nj_waiting *queue, size_t count, struct stock *stock)
{
    memset(stock, 0, sizeof *stock);
    for (size_t i = 0; i < count; i++) {
        double   units = units_of(plan, queue[i].frames);
        unsigned kind  = kind_of(queue[i].interest / units);
        if (!is_fresh(plan, &queue[i])) {
            stock->late[kind] += units;
            continue;
        }
        int64_t left  = NJ_SCHEDULE_FRESH_S - (plan->now_s - queue[i].seen_s);
        int     steps = (int)(left / NEAR_STEP_S);
        steps         = steps < 1 ? 1 : steps > NEAR_STEPS ? NEAR_STEPS : steps;
        for (int s = 0; s < steps; s++)
            stock->fresh[s][kind] += units / steps;
    }
}

static double kind_density(unsigned kind)
{
    return DENSEST * pow(0.8, kind);
}

static void set_price(struct nj_schedule *plan, const struct nj_waiting *queue, size_t count)
{
    struct nj_price    *price = &plan->price;
    static const double none  = 0;
    (void)none;
    struct stock stock;
    double       reserve[WINTER_DAYS + 1], unit = unit_wh(plan);
    nj_harvest_sky(&plan->harvest, &plan->sky);
    bool new_day = fill_light(plan);
    fill_reserve(plan, reserve);
    count_stock(plan, queue, count, &stock);
    price->battery_wh = plan->set.battery_wh;
    nj_price_ladder(price, DENSEST / unit);
    /* The price at which late work is bought when the sun is to spare: that of the best that waits. */
    double seen     = 0;
    plan->late_gain = 0;
    for (unsigned k = 0; k < NJ_SCHEDULE_KINDS; k++) {
        seen += stock.late[k] * unit;
        if (seen > 0.05 * plan->set.battery_wh) {
            plan->late_gain = kind_density(k);
            break;
        }
    }
    unsigned fresh_bin[NJ_SCHEDULE_KINDS], late_bin[NJ_SCHEDULE_KINDS];
    for (unsigned k = 0; k < NJ_SCHEDULE_KINDS; k++) {
        fresh_bin[k] = nj_price_bin(price, fresh_gain(kind_density(k), plan->late_gain) / unit);
        late_bin[k]  = nj_price_bin(price, kind_density(k) / 2 / unit);
    }
    size_t  s  = 0;
    int64_t at = plan->now_s, midnight = plan->light_from;
    while (s < (new_day ? NJ_PRICE_STEPS : NJ_PRICE_NEAR)) {
        bool    near   = s < NEAR_STEPS;
        int64_t length = near ? NEAR_STEP_S : DAY_S;
        int64_t day = (at - midnight) / DAY_S, end = at + length;
        if (day + 1 > WINTER_DAYS)
            break;
        struct nj_price_step *step = &price->step[s];
        *step                      = (struct nj_price_step){0};
        double light               = near ? nj_harvest_light(&plan->harvest, at, end) : plan->light_day[day];
        for (int r = 0; r < NJ_HARVEST_SKIES; r++)
            step->inflow_wh[r] = light * plan->sky.yield[r];
        step->idle_wh    = (plan->idle_w * 24 + 0.12) * (double)length / DAY_S;
        step->reserve_wh = reserve[day];
        step->next_day   = (end - midnight) / DAY_S != day;
        double share     = (double)length / DAY_S;
        double from_now  = (double)(at - plan->now_s) / DAY_S;
        for (unsigned k = 0; k < NJ_SCHEDULE_KINDS; k++) {
            step->market.wh[fresh_bin[k]] += plan->rate[k] * share * unit;
            if (near)
                step->market.wh[fresh_bin[k]] += stock.fresh[s][k] * unit;
            if (from_now < LATE_DAYS)
                step->market.wh[late_bin[k]] += stock.late[k] * unit * share / LATE_DAYS;
        }
        at = end;
        s++;
    }
    price->steps = s;
    nj_price_solve(price, &plan->sky, new_day);
    plan->priced       = true;
    plan->priced_at_wh = plan->stored_wh;
    plan->priced_count = count;
}

/* ---- deciding ---- */

static void say(struct nj_decision *decision, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct nj_decision *decision, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(decision->reason, sizeof decision->reason, format, args);
    va_end(args);
}

static double percent(const struct nj_schedule *plan)
{
    return plan->stored_wh / plan->set.battery_wh * 100;
}

static double reserve_now(const struct nj_schedule *plan)
{
    return plan->price.steps ? plan->price.step[0].reserve_wh : plan->set.floor_wh;
}

static void sleep_for(struct nj_schedule *plan, struct nj_decision *decision, double seconds)
{
    decision->action  = NJ_SCHEDULE_SLEEP;
    decision->until_s = plan->now_s - plan->offset_s + (int64_t)fmax(seconds, 600);
    plan->alarm_s     = decision->until_s;
    plan->doing       = ASLEEP;
}

/* Seconds until a bright sky would have filled the battery. */
static double until_full(const struct nj_schedule *plan)
{
    double stored = plan->stored_wh;
    for (int half = 0; half < 48; half++) {
        int64_t at = plan->now_s + half * 1800;
        stored += nj_harvest_light(&plan->harvest, at, at + 1800) * plan->sky.yield[NJ_HARVEST_SKIES - 1] * 1.1 - plan->idle_w * 0.5;
        if (stored > 0.97 * plan->set.battery_wh)
            return half * 1800;
    }
    return DAY_S;
}

void nj_schedule_decide(struct nj_schedule *plan, const struct nj_waiting *queue, size_t count, struct nj_decision *decision)
{
    const struct nj_schedule_settings *set = &plan->set;
    *decision = (struct nj_decision){.soft_tokens = set->soft_tokens ? set->soft_tokens : 280, .batch = 1, .threads = set->threads};
    if (!plan->priced || fabs(plan->priced_at_wh - plan->stored_wh) > 0.05 * set->battery_wh || count > plan->priced_count + 20)
        set_price(plan, queue, count);
    double margin   = 0.01 * set->battery_wh;
    double reserve  = reserve_now(plan);
    double unit     = unit_wh(plan);
    decision->price = nj_price_at(&plan->price, &plan->sky, plan->stored_wh);
    if (plan->temp_c > set->max_temp_c) {
        sleep_for(plan, decision, HOUR_S);
        say(decision, "too hot: %.0f C", plan->temp_c);
        return;
    }
    size_t best       = count;
    double best_ratio = 0;
    for (size_t i = 0; i < count; i++) {
        double units   = units_of(plan, queue[i].frames);
        double left    = units - queue[i].done_s / plan->cost.scale_s;
        double density = queue[i].interest / fmax(left, 0.05);
        double gain, patience;
        if (is_fresh(plan, &queue[i])) {
            gain         = fresh_gain(density, plan->late_gain);
            double hours = (double)(NJ_SCHEDULE_FRESH_S - (plan->now_s - queue[i].seen_s)) / HOUR_S;
            patience     = 1 + PATIENCE * fmax(hours - 9, 0) / 63;
        } else {
            gain     = density / 2;
            patience = LATE_MARGIN;
        }
        double ratio = gain / unit / patience;
        if (ratio > best_ratio) {
            best_ratio = ratio;
            best       = i;
        }
    }
    if (best < count) {
        double cost  = units_of(plan, queue[best].frames) * unit;
        double price = nj_price_at(&plan->price, &plan->sky, plan->stored_wh - cost / 2);
        if (plan->stored_wh - cost >= fmax(reserve, set->floor_wh + margin) && best_ratio >= price) {
            decision->action  = NJ_SCHEDULE_RUN;
            decision->burst   = best;
            decision->park_wh = set->floor_wh + 0.003 * set->battery_wh;
            say(decision, "interest %.2f; %.0f %% left", queue[best].interest, percent(plan));
            plan->doing = BUSY;
            return;
        }
    }
    double wait = 6 * HOUR_S;
    bool   low  = plan->stored_wh < reserve + 2 * unit;
    if (low)
        wait = 12 * HOUR_S;
    double full = until_full(plan);
    wait        = fmin(wait, fmax(full, 1.5 * HOUR_S));
    sleep_for(plan, decision, wait);
    decision->deferred = count;
    if (low)
        say(decision, "deferred: %.0f %% left and %.0f %% kept in reserve; %zu wait", percent(plan), reserve / set->battery_wh * 100,
            count);
    else
        say(decision, "%.0f %% left; %zu wait for more sun", percent(plan), count);
}

bool nj_schedule_may_go_on(const struct nj_schedule *plan, const struct nj_moment *moment)
{
    return !(moment->stored_wh <= plan->set.floor_wh + 0.003 * plan->set.battery_wh);
}

void nj_schedule_ran(struct nj_schedule *plan, const struct nj_moment *moment, const struct nj_waiting *burst, int64_t soft_tokens,
                     double seconds, bool complete)
{
    if (!isnan(moment->stored_wh) && !isnan(plan->stored_wh) && !isnan(plan->panel_w) && !isnan(moment->panel_w) &&
        moment->stored_wh < 0.995 * plan->set.battery_wh && fabs(moment->panel_w - plan->panel_w) < 0.2)
        nj_cost_learn_watts(
            &plan->cost, CHARGE * (moment->panel_w + plan->panel_w) / 2 * seconds / HOUR_S - moment->stored_wh + plan->stored_wh, seconds);
    plan->doing = BUSY;
    nj_schedule_look(plan, moment, NJ_LOOK_AGAIN);
    if (complete)
        nj_cost_learn(&plan->cost, burst->frames > plan->set.max_frames ? plan->set.max_frames : burst->frames, soft_tokens,
                      burst->done_s + seconds);
}

/* ---- what was learned, as one JSON object ---- */

static void save_numbers(struct nj_text *out, const char *name, const double *values, size_t count)
{
    nj_text_addf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++)
        nj_text_addf(out, isfinite(values[i]) ? "%s%.9g" : "%snull", i ? "," : "", values[i]);
    nj_text_add(out, "]");
}

void nj_schedule_save(const struct nj_schedule *plan, struct nj_text *json)
{
    const struct nj_harvest *h = &plan->harvest;
    const struct nj_cost    *c = &plan->cost;
    nj_text_addf(json,
                 "{\"version\":1,\"days\":%" PRId32 ",\"today\":%" PRId64 ",\"rate_day\":%" PRId64 ",\"rate_days\":%" PRId32
                 ",\"offset_s\":%" PRId64 ",\"alarm_s\":%" PRId64 ",\"now_s\":%" PRId64 ",\"wall_s\":%" PRId64 ",\"total_runs\":%" PRIu32,
                 h->days, h->today, plan->rate_day, plan->rate_days, plan->offset_s, plan->alarm_s, plan->now_s, plan->last_wall_s,
                 c->total_runs);
    const double single[] = {h->today_wh, h->today_clear, c->scale_s, c->watts, c->watts_weight, plan->idle_w, plan->stored_wh};
    save_numbers(json, "single", single, sizeof single / sizeof *single);
    save_numbers(json, "day_yield", h->day_yield, NJ_HARVEST_DAYS);
    save_numbers(json, "hour_share", h->hour_share, NJ_HARVEST_HOURS);
    save_numbers(json, "rate", plan->rate, NJ_SCHEDULE_KINDS);
    save_numbers(json, "arrived", plan->today, NJ_SCHEDULE_KINDS);
    save_numbers(json, "factor", c->factor[0], NJ_COST_FRAMES * NJ_COST_TOKENS);
    double runs[NJ_COST_FRAMES * NJ_COST_TOKENS];
    for (size_t i = 0; i < NJ_COST_FRAMES * NJ_COST_TOKENS; i++)
        runs[i] = c->runs[i / NJ_COST_TOKENS][i % NJ_COST_TOKENS];
    save_numbers(json, "runs", runs, NJ_COST_FRAMES * NJ_COST_TOKENS);
    nj_text_add(json, "}");
}

static bool load_numbers(const json_t *from, const char *name, double *values, size_t count)
{
    const json_t *list = json_object_get(from, name);
    if (json_array_size(list) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(list, i);
        if (!json_is_number(value) && !json_is_null(value))
            return false;
        values[i] = json_is_null(value) ? NAN : json_number_value(value);
    }
    return true;
}

nj_status nj_schedule_restore(struct nj_schedule *plan, const char *json, size_t size, struct nj_error *error)
{
    struct nj_schedule *draft = malloc(sizeof *draft);
    json_t             *saved = NULL;
    double              single[7], runs[NJ_COST_FRAMES * NJ_COST_TOKENS];
    nj_status status = draft ? nj_json_parse("learned", json, size, &saved, error) : nj_fail(error, "no memory to restore the plan");
    if (status != NJ_OK)
        goto cleanup;
    *draft                  = *plan;
    struct nj_harvest *h    = &draft->harvest;
    struct nj_cost    *c    = &draft->cost;
    bool               fits = json_integer_value(json_object_get(saved, "version")) == 1 && load_numbers(saved, "single", single, 7) &&
                load_numbers(saved, "day_yield", h->day_yield, NJ_HARVEST_DAYS) &&
                load_numbers(saved, "hour_share", h->hour_share, NJ_HARVEST_HOURS) &&
                load_numbers(saved, "rate", draft->rate, NJ_SCHEDULE_KINDS) &&
                load_numbers(saved, "arrived", draft->today, NJ_SCHEDULE_KINDS) &&
                load_numbers(saved, "factor", c->factor[0], NJ_COST_FRAMES * NJ_COST_TOKENS) &&
                load_numbers(saved, "runs", runs, NJ_COST_FRAMES * NJ_COST_TOKENS);
    if (!fits || !(single[2] > 0) || !(single[3] > 0)) {
        status = nj_fail(error, "what was learned has another form: it was written by another version, or damaged");
        goto cleanup;
    }
    h->days            = (int32_t)json_integer_value(json_object_get(saved, "days"));
    h->today           = json_integer_value(json_object_get(saved, "today"));
    h->today_wh        = single[0];
    h->today_clear     = single[1];
    c->scale_s         = single[2];
    c->watts           = single[3];
    c->watts_weight    = single[4];
    c->total_runs      = (uint32_t)json_integer_value(json_object_get(saved, "total_runs"));
    draft->idle_w      = single[5];
    draft->stored_wh   = single[6];
    draft->rate_day    = json_integer_value(json_object_get(saved, "rate_day"));
    draft->rate_days   = (int32_t)json_integer_value(json_object_get(saved, "rate_days"));
    draft->offset_s    = json_integer_value(json_object_get(saved, "offset_s"));
    draft->alarm_s     = json_integer_value(json_object_get(saved, "alarm_s"));
    draft->now_s       = json_integer_value(json_object_get(saved, "now_s"));
    draft->last_s      = draft->now_s;
    draft->last_wall_s = json_integer_value(json_object_get(saved, "wall_s"));
    draft->doing       = ASLEEP;
    draft->looked      = draft->now_s != 0;
    draft->priced      = false;
    for (size_t i = 0; i < NJ_COST_FRAMES * NJ_COST_TOKENS; i++)
        c->runs[i / NJ_COST_TOKENS][i % NJ_COST_TOKENS] = runs[i] > 0 ? (uint32_t)runs[i] : 0;
    *plan = *draft;
cleanup:
    json_decref(saved);
    free(draft);
    return status;
}
