#include "pipeline/schedule/schedule.h"

#include "pipeline/schedule/schedule_state.h"
#include "pipeline/schedule/sun.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHARGE         0.95 /* of the panel's energy that the battery gets */
#define FULL           0.995
#define WARM_C         10   /* so near to the limit half of the cores work: they last longer than a pause */
#define FAR_BELOW      0.7  /* of the reserve: then a look a day will do */
#define STUCK          0.06 /* of the battery must have gone through a gauge that stands still */
#define RATE_DAYS      20.0 /* memory for how much usually arrives */
#define LATE_MARGIN    3.0  /* late work keeps: it waits until energy is this much cheaper than its worth */
#define PRICE_TRUST    0.85 /* the price comes from a model that sells each Wh better than a station can */
#define MARGIN         0.01 /* of the battery, above the floor, before a run begins */
#define PARK           0.003
#define SECOND_ALARM_S NJ_HOUR_S
#define BLIND_YIELD    0.6 /* without a gauge, this share of the usual sun is reckoned with */

void nj_schedule_settings_from(const struct nj_conf *conf, struct nj_schedule_settings *settings)
{
    *settings = (struct nj_schedule_settings){
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
    struct nj_schedule *schedule = calloc(1, sizeof *schedule);
    *out                         = schedule;
    if (!schedule)
        return nj_fail(error, "no memory for the schedule");
    schedule->set = *settings;
    nj_harvest_init(&schedule->harvest, settings->latitude, settings->longitude, settings->panel_wp, settings->panel_derate);
    nj_cost_init(&schedule->cost, settings->busy_w);
    schedule->idle_w    = settings->idle_w;
    schedule->stored_wh = schedule->gauge_wh = NAN;
    /* Before anything arrived: 40 bursts a day, as many at each interest on the ladder as the last. */
    for (int k = 0; k < NJ_SCHEDULE_KINDS; k++)
        schedule->rate[k] = 40.0 / NJ_SCHEDULE_KINDS;
    return NJ_OK;
}

void nj_schedule_close(struct nj_schedule *schedule)
{
    free(schedule);
}

/* ---- looking ---- */

static double drawn_w(const struct nj_schedule *schedule)
{
    return schedule->doing == NJ_DOING_SLEEP  ? schedule->idle_w
           : schedule->doing == NJ_DOING_WAKE ? schedule->set.awake_w
                                              : schedule->cost.watts;
}

static double mean_yield(const struct nj_schedule *schedule)
{
    struct nj_sky sky;
    nj_harvest_sky(&schedule->harvest, &sky);
    return (sky.yield[0] + sky.yield[1] + sky.yield[2]) / NJ_HARVEST_SKIES;
}

/* Idle power from a dark night's sleep: boards that are "off" rarely draw what their maker says. A sleep after work says nothing: gauges lag, and what falls
 * then is the work's. */
static void learn_idle(struct nj_schedule *schedule, double fall_wh, double seconds)
{
    double watts = fall_wh * NJ_HOUR_S / seconds;
    if (watts > 0.2 * schedule->set.idle_w && watts < 20 * schedule->set.idle_w + 1)
        schedule->idle_w += 0.05 * (watts - schedule->idle_w);
}

static void learn_stretch(struct nj_schedule *schedule, const struct nj_moment *moment, int64_t now)
{
    double seconds = (double)(now - schedule->now_s);
    if (seconds <= 0 || schedule->blind || isnan(schedule->stored_wh) || isnan(moment->stored_wh))
        return;
    const double battery = schedule->set.battery_wh;
    double       rise    = moment->stored_wh - schedule->stored_wh;
    double       wh      = rise + drawn_w(schedule) * seconds / NJ_HOUR_S;
    bool         full    = moment->stored_wh > FULL * battery;
    if (schedule->doing == NJ_DOING_SLEEP && !schedule->worked && seconds > 2 * NJ_HOUR_S && !full && moment->stored_wh > 0.02 * battery &&
        !isnan(schedule->set.latitude) && nj_harvest_light(&schedule->harvest, schedule->now_s, now) < 1e-6)
        learn_idle(schedule, -rise, seconds);
    if (schedule->doing == NJ_DOING_WORK && !isnan(moment->panel_w) && !isnan(schedule->panel_w))
        wh = CHARGE * (moment->panel_w + schedule->panel_w) / 2 * seconds / NJ_HOUR_S;
    nj_harvest_learn(&schedule->harvest, schedule->now_s, now, fmax(wh, 0), full);
}

/* No gauge: what was there, the sun that is sure to have come, less what was drawn. */
static double reckon(const struct nj_schedule *schedule, int64_t now)
{
    double stored = schedule->stored_wh, battery = schedule->set.battery_wh;
    if (isnan(stored))
        return 0.5 * battery;
    if (now > schedule->now_s && now - schedule->now_s < 30 * NJ_DAY_S) {
        double light = nj_harvest_light(&schedule->harvest, schedule->now_s, now);
        stored += BLIND_YIELD * mean_yield(schedule) * light - drawn_w(schedule) * (double)(now - schedule->now_s) / NJ_HOUR_S;
    }
    return fmin(fmax(stored, 0), battery);
}

/* What the gauge says, if it can be believed, else what the voltage says; NAN: neither. A gauge that stands still although a good share of the battery
 * must have gone in or out is stuck. A full or an empty battery stands still in earnest. */
static double believed_wh(struct nj_schedule *schedule, const struct nj_moment *moment, double seconds)
{
    double battery = schedule->set.battery_wh, net_w = drawn_w(schedule);
    if (!isnan(moment->panel_w) && !isnan(schedule->panel_w))
        net_w = fabs(CHARGE * (moment->panel_w + schedule->panel_w) / 2 - net_w);
    if (moment->stored_wh == schedule->gauge_wh && moment->stored_wh < FULL * battery && moment->stored_wh > STUCK * battery)
        schedule->through_wh += net_w * fmax(seconds, 0) / NJ_HOUR_S;
    else
        schedule->through_wh = 0;
    schedule->gauge_wh = moment->stored_wh;
    bool stuck         = schedule->through_wh > STUCK * battery;
    if (stuck && schedule->basis == NJ_BASIS_GAUGE) /* that much may be gone already */
        schedule->stored_wh = fmax(schedule->stored_wh - schedule->through_wh, 0);
    schedule->basis = !stuck && !isnan(moment->stored_wh) ? NJ_BASIS_GAUGE
                      : !isnan(moment->voltage_wh)        ? NJ_BASIS_VOLTAGE
                                                          : NJ_BASIS_RECKONED;
    return schedule->basis == NJ_BASIS_GAUGE ? moment->stored_wh : schedule->basis == NJ_BASIS_VOLTAGE ? moment->voltage_wh : NAN;
}

static void close_rate_day(struct nj_schedule *schedule, int64_t day)
{
    double sum = 0, usual = 0;
    for (int k = 0; k < NJ_SCHEDULE_KINDS; k++) {
        sum += schedule->today[k];
        usual += schedule->rate[k];
    }
    /* A ranger's card of two thousand is no habit of the animals. */
    double weight = sum > 5 * usual ? 5 * usual / sum : 1;
    double days   = fmax((double)(day - schedule->rate_day), 1);
    double keep   = pow(1 - 1 / fmin(schedule->rate_days + 2, RATE_DAYS), fmin(days, 30));
    for (int k = 0; k < NJ_SCHEDULE_KINDS; k++) {
        schedule->rate[k]  = schedule->rate[k] * keep + (1 - keep) * schedule->today[k] * weight / days;
        schedule->today[k] = 0;
    }
    schedule->rate_day = day;
    if (schedule->rate_days < 1000)
        schedule->rate_days++;
}

/* Whether the battery cannot have run empty since the last look: then the station was not merely off. */
static bool cannot_have_died(const struct nj_schedule *schedule)
{
    double sleep_wh = schedule->idle_w * (double)(schedule->alarm_s + schedule->offset_s - schedule->now_s) / NJ_HOUR_S;
    return schedule->stored_wh > 1.2 * sleep_wh + 0.05 * schedule->set.battery_wh;
}

/* Whether sun and panel agree at `own_s`: a panel that gives power at night does not, nor one in the dark at a bright noon. */
static bool sun_agrees(const struct nj_schedule *schedule, int64_t own_s, double panel_w)
{
    const struct nj_schedule_settings *set = &schedule->set;
    if (isnan(panel_w) || isnan(set->latitude))
        return true;
    double clear = nj_sun_clear_w_m2(set->latitude, set->longitude, own_s) / 1000 * set->panel_wp;
    return panel_w > 0.02 * set->panel_wp ? clear > 0 : clear < 0.5 * set->panel_wp;
}

/* Takes a jump of the wall clock out of the schedule's own time. A clock that comes back from far away to within a day of that time was set right: how long
 * the station lay without a clock was a guess, and ends here. */
static void take_out(struct nj_schedule *schedule, const struct nj_moment *moment, int64_t jump)
{
    schedule->offset_s -= jump;
    bool far = jump > 2 * NJ_DAY_S || jump < -2 * NJ_DAY_S, near = schedule->offset_s < NJ_DAY_S && schedule->offset_s > -NJ_DAY_S;
    if (schedule->offset_s && far && near && sun_agrees(schedule, moment->wall_s, moment->panel_w)) {
        schedule->offset_s = 0;
        schedule->now_s    = moment->wall_s; /* nothing is learned from a stretch of unknown length */
    }
}

static void check_clock(struct nj_schedule *schedule, const struct nj_moment *moment, enum nj_look why)
{
    int64_t own = moment->wall_s + schedule->offset_s, late = moment->wall_s - schedule->alarm_s;
    bool    alarm = schedule->alarm_s != 0, back = own < schedule->now_s - 60;
    if (why == NJ_LOOK_AGAIN) {
        int64_t jump = moment->wall_s - schedule->wall_s - (moment->monotonic_s - schedule->monotonic_s);
        if (jump > 5 || jump < -5)
            take_out(schedule, moment, jump);
    } else if (alarm && (why == NJ_LOOK_ALARM || (why == NJ_LOOK_UNKNOWN && back))) {
        /* It rang on time, by a clock that has been set since. An hour late is the second alarm. */
        if (late < -60 || (late > SECOND_ALARM_S + 600 && cannot_have_died(schedule)))
            take_out(schedule, moment, late);
    } else if (alarm && why == NJ_LOOK_UNKNOWN && late > 2 * SECOND_ALARM_S && cannot_have_died(schedule)) {
        /* Woken by hand after two alarms that were not taken, or a clock that was set forward? */
        bool as_read = sun_agrees(schedule, own, moment->panel_w), as_armed = sun_agrees(schedule, own - late, moment->panel_w);
        if (as_armed && (!as_read || late > 36 * NJ_HOUR_S))
            take_out(schedule, moment, late);
    } else if (back)
        schedule->offset_s += schedule->now_s - own;
}

void nj_schedule_look(struct nj_schedule *schedule, const struct nj_moment *moment, enum nj_look why)
{
    if (schedule->looked)
        check_clock(schedule, moment, why);
    int64_t          now         = moment->wall_s + schedule->offset_s;
    struct nj_moment true_moment = *moment;
    enum nj_basis    before      = schedule->basis;
    true_moment.stored_wh        = believed_wh(schedule, moment, schedule->looked ? (double)(now - schedule->now_s) : 0);
    if (schedule->looked && schedule->basis == before) /* two measures of a charge differ by more than what came in */
        learn_stretch(schedule, &true_moment, now);
    schedule->stored_wh  = isnan(true_moment.stored_wh) ? reckon(schedule, schedule->looked ? now : 0) : true_moment.stored_wh;
    schedule->blind      = schedule->basis == NJ_BASIS_RECKONED;
    schedule->present_wh = schedule->stored_wh;
    int64_t day          = nj_sun_midnight(schedule->set.longitude, now) / NJ_DAY_S;
    if (schedule->rate_day && day > schedule->rate_day)
        close_rate_day(schedule, day);
    schedule->rate_day    = schedule->rate_day ? schedule->rate_day : day;
    schedule->now_s       = now;
    schedule->wall_s      = moment->wall_s;
    schedule->monotonic_s = moment->monotonic_s;
    schedule->panel_w     = moment->panel_w;
    schedule->temp_c      = moment->temp_c;
    schedule->doing       = NJ_DOING_WAKE;
    schedule->looked      = true;
    if (why != NJ_LOOK_AGAIN)
        schedule->priced = schedule->worked = false;
}

int64_t nj_schedule_now(const struct nj_schedule *schedule)
{
    return schedule->now_s;
}

int64_t nj_schedule_offset(const struct nj_schedule *schedule)
{
    return schedule->offset_s;
}

void nj_schedule_armed(struct nj_schedule *schedule, int64_t alarm_s)
{
    schedule->alarm_s = alarm_s;
}

void nj_schedule_working(struct nj_schedule *schedule, const struct nj_moment *moment)
{
    double seconds  = fmax((double)(moment->monotonic_s - schedule->monotonic_s), 0);
    double reckoned = fmax(schedule->stored_wh - schedule->cost.watts * seconds / NJ_HOUR_S, 0);
    double said = schedule->basis == NJ_BASIS_GAUGE ? moment->stored_wh : schedule->basis == NJ_BASIS_VOLTAGE ? moment->voltage_wh : NAN;
    schedule->present_wh = isnan(said) ? reckoned : said;
}

void nj_schedule_outlook(const struct nj_schedule *schedule, struct nj_outlook *out)
{
    double rest = nj_schedule_resting_wh(schedule), dark = fmin(10 * rest, 0.5 * schedule->set.battery_wh);
    /* Before the first price of this waking the reserve is not laid out yet. */
    double reserve = schedule->priced ? schedule->reserve_wh : fmax(dark, schedule->set.reserve_wh);
    *out           = (struct nj_outlook){.basis      = schedule->basis,
                                         .stored_wh  = schedule->present_wh,
                                         .reserve_wh = fmax(reserve, schedule->set.floor_wh),
                                         .event_wh   = nj_schedule_unit_wh(schedule),
                                         .event_s = nj_cost_seconds(&schedule->cost, 3, schedule->set.soft_tokens ? schedule->set.soft_tokens : 280),
                                         .resting_wh    = rest,
                                         .busy_w        = schedule->cost.watts_weight > 0 ? schedule->cost.watts : NAN,
                                         .autonomy_days = fmax(schedule->present_wh - schedule->set.floor_wh, 0) / fmax(rest, 1e-6),
                                         .sun_wh        = mean_yield(schedule) *
                                                   nj_harvest_light(&schedule->harvest, schedule->now_s, schedule->now_s + NJ_DAY_S)};
}

void nj_schedule_basis(const struct nj_schedule *schedule, char words[NJ_SCHEDULE_REASON])
{
    double percent = 100 * schedule->present_wh / schedule->set.battery_wh;
    if (schedule->basis == NJ_BASIS_GAUGE)
        snprintf(words, NJ_SCHEDULE_REASON, "by its gauge: %.0f %%", percent);
    else if (isnan(schedule->gauge_wh))
        snprintf(words, NJ_SCHEDULE_REASON, "%s: %.0f %%", schedule->basis == NJ_BASIS_VOLTAGE ? "by its voltage" : "reckoned by the clock",
                 percent);
    else
        snprintf(words, NJ_SCHEDULE_REASON, "%s; its gauge stands still at %.0f %% though %.1f Wh went through: %.0f %%",
                 schedule->basis == NJ_BASIS_VOLTAGE ? "by its voltage" : "reckoned by the clock",
                 100 * schedule->gauge_wh / schedule->set.battery_wh, schedule->through_wh, percent);
}

/* ---- work ---- */

double nj_schedule_units(const struct nj_schedule *schedule, unsigned frames)
{
    unsigned count = frames > schedule->set.max_frames ? schedule->set.max_frames : frames ? frames : 1;
    return 0.4 + 0.2 * count;
}

double nj_schedule_unit_wh(const struct nj_schedule *schedule)
{
    return nj_cost_wh(&schedule->cost, 3, schedule->set.soft_tokens ? schedule->set.soft_tokens : 280);
}

bool nj_schedule_is_fresh(const struct nj_schedule *schedule, const struct nj_waiting *burst)
{
    return schedule->now_s - burst->seen_s < NJ_SCHEDULE_FRESH_S - 600;
}

void nj_schedule_arrived(struct nj_schedule *schedule, double interest, unsigned frames)
{
    double units = nj_schedule_units(schedule, frames);
    schedule->today[nj_schedule_kind(interest / units)] += units;
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

static double percent(const struct nj_schedule *schedule, double wh)
{
    return wh / schedule->set.battery_wh * 100;
}

static void sleep_for(struct nj_schedule *schedule, struct nj_decision *decision, double seconds)
{
    decision->action  = NJ_SCHEDULE_SLEEP;
    decision->until_s = schedule->wall_s + (int64_t)fmax(seconds, 600);
    schedule->alarm_s = decision->until_s;
    schedule->doing   = NJ_DOING_SLEEP;
}

/* Seconds until a bright sky would have filled the battery; a day if it would not. */
static double until_full(const struct nj_schedule *schedule)
{
    double stored = schedule->stored_wh, bright = 1.1 * schedule->sky.yield[NJ_HARVEST_SKIES - 1];
    for (int half = 0; half < 48; half++) {
        int64_t at = schedule->now_s + half * 1800;
        stored += nj_harvest_light(&schedule->harvest, at, at + 1800) * bright - schedule->idle_w / 2;
        if (stored > 0.97 * schedule->set.battery_wh)
            return half * 1800;
    }
    return NJ_DAY_S;
}

/* Gain per Wh over what a burst of its age must earn beside the price. */
static double merit(const struct nj_schedule *schedule, const struct nj_waiting *burst)
{
    double units = nj_schedule_units(schedule, burst->frames) - burst->done_s / schedule->cost.scale_s;
    double worth = burst->interest / fmax(units, 0.05);
    double gain  = nj_schedule_is_fresh(schedule, burst) ? nj_schedule_fresh_gain(worth, schedule->late_price) : worth / 2 / LATE_MARGIN;
    return gain / nj_schedule_unit_wh(schedule);
}

/* The burst with the most merit, or `count`. */
static size_t best_burst(const struct nj_schedule *schedule, const struct nj_waiting *queue, size_t count, double *best_merit)
{
    size_t best = count;
    *best_merit = 0;
    for (size_t i = 0; i < count; i++) {
        double here = merit(schedule, &queue[i]);
        if (here > *best_merit) {
            *best_merit = here;
            best        = i;
        }
    }
    return best;
}

static void decide_sleep(struct nj_schedule *schedule, const struct nj_waiting *queue, size_t count, struct nj_decision *decision)
{
    size_t uninteresting = 0;
    for (size_t i = 0; i < count; i++)
        uninteresting += queue[i].interest < NJ_SCHEDULE_LOW;
    double unit = nj_schedule_unit_wh(schedule), kept = fmax(schedule->reserve_wh, schedule->set.floor_wh);
    bool   low     = schedule->stored_wh < kept + 2 * unit;
    double longest = schedule->stored_wh < FAR_BELOW * kept ? NJ_DAY_S : low ? 12 * NJ_HOUR_S : 6 * NJ_HOUR_S;
    sleep_for(schedule, decision, fmin(longest, fmax(until_full(schedule), 1.5 * NJ_HOUR_S)));
    decision->deferred = count;
    if (low)
        say(decision, "%.0f %% left and %.0f %% kept in reserve: %zu deferred; %zu of low interest", percent(schedule, schedule->stored_wh),
            percent(schedule, kept), count, uninteresting);
    else
        say(decision, "%.0f %% left: %zu wait for more sun; %zu of low interest", percent(schedule, schedule->stored_wh), count,
            uninteresting);
}

/* How much of a burst's worth is found at each detail: the steps are a judgement, not measured on this station. */
static const struct {
    int64_t tokens;
    double  found;
} details[] = {{70, 0.80}, {140, 0.93}, {280, 1.00}, {560, 1.04}, {1120, 1.06}};

/* The detail that earns most after its energy is paid for; what is parked keeps its own. */
static int64_t choose_tokens(const struct nj_schedule *schedule, const struct nj_waiting *burst, double price, double kept_wh)
{
    double  units = nj_schedule_units(schedule, burst->frames), unit_wh = nj_schedule_unit_wh(schedule), most = -INFINITY;
    double  gain   = merit(schedule, burst) * units * unit_wh;
    int64_t chosen = details[0].tokens;
    if (schedule->set.soft_tokens || burst->soft_tokens)
        return schedule->set.soft_tokens ? schedule->set.soft_tokens : burst->soft_tokens;
    for (size_t i = 0; i < sizeof details / sizeof details[0]; i++) {
        double wh   = nj_cost_wh(&schedule->cost, burst->frames, details[i].tokens);
        double left = gain * details[i].found - price * wh;
        if (left > most && schedule->stored_wh - wh >= kept_wh) {
            most   = left;
            chosen = details[i].tokens;
        }
    }
    return chosen;
}

/* What else goes through the model with the best one: worth the price, too, and paid for as if it were read alone. The queue's own order decides. */
static void add_others(const struct nj_schedule *schedule, const struct nj_waiting *queue, size_t count, double price, double spent_wh,
                       double kept_wh, struct nj_decision *decision)
{
    for (size_t i = 0; i < count && decision->batch < schedule->set.max_batch && decision->batch < NJ_SCHEDULE_TOGETHER; i++) {
        double cost = nj_schedule_units(schedule, queue[i].frames) * nj_schedule_unit_wh(schedule);
        if (i == decision->burst || schedule->stored_wh - spent_wh - cost < kept_wh || merit(schedule, &queue[i]) < price)
            continue;
        decision->together[decision->batch++] = i;
        spent_wh += cost;
    }
}

void nj_schedule_decide(struct nj_schedule *schedule, const struct nj_waiting *queue, size_t count, struct nj_decision *decision)
{
    const struct nj_schedule_settings *set = &schedule->set;
    *decision = (struct nj_decision){.soft_tokens = set->soft_tokens ? set->soft_tokens : 280, .batch = 1, .threads = set->threads};
    if (!schedule->priced || fabs(schedule->priced_at_wh - schedule->stored_wh) > 0.05 * set->battery_wh ||
        count > schedule->priced_count + 20)
        nj_schedule_set_price(schedule, queue, count);
    decision->price = PRICE_TRUST * nj_price_at(&schedule->price, &schedule->sky, schedule->stored_wh);
    if (schedule->temp_c > set->max_temp_c) {
        sleep_for(schedule, decision, NJ_HOUR_S);
        say(decision, "too hot for work at %.0f C: %zu wait", schedule->temp_c, count);
        return;
    }
    if (schedule->temp_c > set->max_temp_c - WARM_C && set->threads > 1)
        decision->threads = set->threads / 2;
    double best_merit;
    size_t best = best_burst(schedule, queue, count, &best_merit);
    if (best < count) {
        double cost  = nj_schedule_units(schedule, queue[best].frames) * nj_schedule_unit_wh(schedule);
        double price = PRICE_TRUST * nj_price_at(&schedule->price, &schedule->sky, schedule->stored_wh - cost / 2);
        double kept  = fmax(schedule->reserve_wh, set->floor_wh + MARGIN * set->battery_wh);
        if (best_merit >= price && schedule->stored_wh - cost >= kept) {
            decision->action      = NJ_SCHEDULE_RUN;
            decision->burst       = best;
            decision->together[0] = best;
            decision->soft_tokens = choose_tokens(schedule, &queue[best], price, kept);
            decision->park_wh     = set->floor_wh + PARK * set->battery_wh;
            schedule->doing       = NJ_DOING_WORK;
            add_others(schedule, queue, count, price, cost, kept, decision);
            if (set->soft_tokens)
                say(decision, "interest %.2f at %.0f %% charge", queue[best].interest, percent(schedule, schedule->stored_wh));
            else
                say(decision, "interest %.2f at %.0f %% charge: %d image tokens a picture", queue[best].interest,
                    percent(schedule, schedule->stored_wh), (int)decision->soft_tokens);
            return;
        }
    }
    decide_sleep(schedule, queue, count, decision);
}

bool nj_schedule_may_go_on(const struct nj_schedule *schedule, const struct nj_moment *moment)
{
    return !(moment->stored_wh <= schedule->set.floor_wh + PARK * schedule->set.battery_wh);
}

static unsigned counted_frames(const struct nj_schedule *schedule, const struct nj_waiting *burst)
{
    return burst->frames > schedule->set.max_frames ? schedule->set.max_frames : burst->frames;
}

void nj_schedule_ran(struct nj_schedule *schedule, const struct nj_moment *moment, const struct nj_waiting *bursts, size_t count,
                     int64_t soft_tokens, double seconds, bool complete)
{
    double expected[NJ_SCHEDULE_TOGETHER], sum = 0;
    /* Isnan of either charge makes the comparison false. */
    if (moment->stored_wh < FULL * schedule->set.battery_wh && !schedule->blind && fabs(moment->panel_w - schedule->panel_w) < 0.2) {
        double in_wh = CHARGE * (moment->panel_w + schedule->panel_w) / 2 * seconds / NJ_HOUR_S;
        nj_cost_learn_watts(&schedule->cost, in_wh - moment->stored_wh + schedule->stored_wh, seconds);
    }
    schedule->doing  = NJ_DOING_WORK;
    schedule->worked = true;
    nj_schedule_look(schedule, moment, NJ_LOOK_AGAIN);
    count = complete && count < NJ_SCHEDULE_TOGETHER ? count : complete ? NJ_SCHEDULE_TOGETHER : 0;
    for (size_t i = 0; i < count; i++)
        sum += expected[i] = nj_cost_seconds(&schedule->cost, counted_frames(schedule, &bursts[i]), soft_tokens);
    for (size_t i = 0; i < count; i++) /* each took its share of what all were expected to take */
        nj_cost_learn(&schedule->cost, counted_frames(schedule, &bursts[i]), soft_tokens, bursts[i].done_s + seconds * expected[i] / sum);
}
