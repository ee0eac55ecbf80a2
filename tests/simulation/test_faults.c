/* A drawn month at 20 degrees south, with the faults of real stations: each is survived without an empty battery, without a run cut at the floor, and with
 * the station waking to the end. */
#include "pipeline/schedule/schedule.h"
#include "pipeline/schedule/simulate.h"
#include "tests/tap.h"

#include <math.h>

#define DAYS  40
#define START 1677628800 /* 2023-03-01 */

struct month {
    double            irradiance[DAYS * 24], temp_c[DAYS * 24];
    struct nj_arrival arrival[DAYS * 40];
};

static void draw(struct month *month, int dead_from, int dead_days)
{
    for (int h = 0; h < DAYS * 24; h++) {
        double sun           = sin((h % 24 - 4) * 3.14159265 / 12); /* longitude 30: noon at 10 UTC */
        bool   dead          = h / 24 >= dead_from && h / 24 < dead_from + dead_days;
        month->irradiance[h] = dead || sun < 0 ? 0 : 800 * sun * (h / 24 % 3 ? 1 : 0.3);
        month->temp_c[h]     = 25;
    }
    for (int i = 0; i < DAYS * 40; i++) {
        month->arrival[i] = (struct nj_arrival){.time_s = START + (int64_t)i * 2160, .frames = 3, .interest = (i * 37 % 10) / 10.0};
        snprintf(month->arrival[i].id, sizeof month->arrival[i].id, "e%d", i);
    }
}

static struct nj_simulated live(struct month *month, const char *jump, const struct nj_simulator_faults *faults)
{
    struct nj_conf conf;
    nj_conf_defaults(&conf);
    conf.station.latitude          = -20;
    conf.station.longitude         = 30;
    conf.power.battery_wh          = 150;
    conf.power.floor_percent       = 20;
    conf.power.panel_wp            = 12;
    conf.power.idle_w              = 0.2;
    conf.power.awake_w             = 3.5;
    conf.model.soft_tokens         = 280;
    conf.sim.battery_start_percent = 70;
    snprintf(conf.sim.clock_jump, sizeof conf.sim.clock_jump, "%s", jump);
    struct nj_weather   weather  = {START, 3600, DAYS * 24, month->irradiance, month->temp_c};
    struct nj_arrivals  arrivals = {DAYS * 40, month->arrival};
    struct nj_simulated got      = {0};
    struct nj_error     error    = {{0}};
    CHECK(nj_simulate(&conf, &weather, &arrivals, NULL, faults, &got, &error) == NJ_OK, "the month is lived through %s", error.text);
    CHECK(got.brownouts == 0 && got.cut_runs == 0, "no empty battery, no cut run (%zu, %zu)", got.empty_steps, got.cut_runs);
    int64_t ahead_s = got.alarm_s - (START + (int64_t)DAYS * 86400);
    CHECK(ahead_s >= 0 && ahead_s <= 86400, "the trace ends with an alarm %d s ahead", (int)ahead_s);
    CHECK(got.wakes >= DAYS, "awake at least once a day: %zu times", got.wakes);
    return got;
}

static bool one_alarm_in_three_fails(void *self, int64_t true_s)
{
    (void)self;
    return true_s / 3600 % 3 != 0;
}

static double hot_at_noon(void *self, int64_t true_s, double temp_c)
{
    (void)self;
    int64_t hour = true_s / 3600 % 24;
    return hour >= 7 && hour < 14 ? 85 : temp_c;
}

static double no_gauge(void *self, int64_t true_s, double stored_wh)
{
    (void)self;
    return true_s > START + 10 * 86400 ? NAN : stored_wh;
}

/* Shows 64 % for ever from the tenth day on. */
static double stuck_gauge(void *self, int64_t true_s, double stored_wh)
{
    (void)self;
    return true_s > START + 10 * 86400 ? 96 : stored_wh;
}

/* How hard: more image tokens while energy is worth nothing, fewer while it is dear; fewer cores near the limit of heat. */
static void how_hard(void)
{
    struct nj_conf              conf;
    struct nj_schedule_settings settings;
    struct nj_schedule         *schedule;
    struct nj_decision          full, low, warm;
    struct nj_moment            moment = {.wall_s = START, .stored_wh = 100, .voltage_wh = NAN, .panel_w = NAN, .temp_c = 20};
    struct nj_waiting           queue  = {.interest = 0.9, .frames = 3, .seen_s = START};
    nj_conf_defaults(&conf);
    conf.station.latitude = -20;
    nj_schedule_settings_from(&conf, &settings);
    settings.threads = 4;
    if (!CHECK(nj_schedule_open(&settings, &schedule, NULL) == NJ_OK, "a schedule opens"))
        return;
    nj_schedule_look(schedule, &moment, NJ_LOOK_OTHER);
    nj_schedule_decide(schedule, &queue, 1, &full);
    CHECK(full.action == NJ_SCHEDULE_RUN && full.soft_tokens >= 560 && full.threads == 4, "a full battery: %d image tokens, %u cores",
          (int)full.soft_tokens, full.threads);
    moment.stored_wh = 52.6;
    moment.temp_c    = settings.max_temp_c - 5;
    moment.wall_s += 60;
    moment.monotonic_s += 60;
    nj_schedule_look(schedule, &moment, NJ_LOOK_AGAIN);
    nj_schedule_decide(schedule, &queue, 1, &low);
    CHECK(low.action == NJ_SCHEDULE_RUN && low.soft_tokens < full.soft_tokens, "near the reserve: %d image tokens", (int)low.soft_tokens);
    warm = low;
    CHECK(warm.threads == 2, "five degrees below the limit of heat: %u cores", warm.threads);
    nj_schedule_close(schedule);
}

/* A gauge that shows the same for two days of sleep is found out; one that moves is believed again. */
static void found_out(void)
{
    struct nj_conf              conf;
    struct nj_schedule_settings settings;
    struct nj_schedule         *schedule;
    struct nj_decision          decision;
    struct nj_outlook           outlook;
    struct nj_moment            moment = {.wall_s = START, .stored_wh = 60, .voltage_wh = NAN, .panel_w = NAN, .temp_c = 20};
    char                        words[NJ_SCHEDULE_REASON];
    nj_conf_defaults(&conf);
    nj_schedule_settings_from(&conf, &settings);
    if (!CHECK(nj_schedule_open(&settings, &schedule, NULL) == NJ_OK, "a schedule opens"))
        return;
    nj_schedule_look(schedule, &moment, NJ_LOOK_OTHER);
    for (int half_days = 0; half_days < 4; half_days++) {
        nj_schedule_decide(schedule, NULL, 0, &decision);
        moment.wall_s += 12 * 3600;
        nj_schedule_look(schedule, &moment, NJ_LOOK_OTHER);
        nj_schedule_outlook(schedule, &outlook);
        CHECK(outlook.basis == (half_days < 2 ? NJ_BASIS_GAUGE : NJ_BASIS_RECKONED), "after %d half days", half_days + 1);
    }
    nj_schedule_basis(schedule, words);
    CHECK(strstr(words, "reckoned by the clock; its gauge stands still at 60 %"), "%s", words);
    moment.voltage_wh = 40;
    nj_schedule_look(schedule, &moment, NJ_LOOK_AGAIN);
    nj_schedule_outlook(schedule, &outlook);
    CHECK(outlook.basis == NJ_BASIS_VOLTAGE && outlook.stored_wh == 40, "a voltage is better than the clock");
    moment.stored_wh = 58;
    nj_schedule_look(schedule, &moment, NJ_LOOK_AGAIN);
    nj_schedule_outlook(schedule, &outlook);
    CHECK(outlook.basis == NJ_BASIS_GAUGE && outlook.stored_wh == 58, "a gauge that moves again is believed");
    nj_schedule_close(schedule);
}

/* The schedule's own time goes on evenly whatever the wall clock does. */
static void own_time(void)
{
    struct nj_conf              conf;
    struct nj_schedule_settings settings;
    struct nj_schedule         *schedule;
    struct nj_decision          decision;
    struct nj_moment            moment = {.wall_s = START, .stored_wh = 60, .panel_w = NAN, .temp_c = 20};
    nj_conf_defaults(&conf);
    nj_schedule_settings_from(&conf, &settings);
    if (!CHECK(nj_schedule_open(&settings, &schedule, NULL) == NJ_OK, "a schedule opens"))
        return;
    nj_schedule_look(schedule, &moment, NJ_LOOK_OTHER);
    nj_schedule_decide(schedule, NULL, 0, &decision);
    CHECK(decision.action == NJ_SCHEDULE_SLEEP && decision.until_s > START, "with nothing to do it sleeps until later");
    moment.wall_s = 0; /* 1970 */
    nj_schedule_look(schedule, &moment, NJ_LOOK_ALARM);
    CHECK(nj_schedule_now(schedule) == decision.until_s, "the alarm rang: a clock that reads 1970 was reset");
    moment.monotonic_s += 100;
    moment.wall_s = START + 40 * 86400;
    nj_schedule_look(schedule, &moment, NJ_LOOK_AGAIN);
    CHECK(nj_schedule_now(schedule) == decision.until_s + 100, "set while awake: a hundred seconds are a hundred seconds");

    /* The clock dies once more, and with it the alarm: the station lies half a day longer than it knows. Then the clock is set right. */
    int64_t real = moment.wall_s = nj_schedule_now(schedule) + 50 * 86400;
    moment.monotonic_s += 50 * 86400;
    nj_schedule_look(schedule, &moment, NJ_LOOK_AGAIN);
    nj_schedule_decide(schedule, NULL, 0, &decision);
    real += decision.until_s - moment.wall_s + 12 * 3600;
    moment.wall_s = 7000;
    nj_schedule_look(schedule, &moment, NJ_LOOK_UNKNOWN);
    CHECK(nj_schedule_now(schedule) == real - 12 * 3600, "who woke the station is not known: the time is taken to be that of the alarm");
    moment.monotonic_s += 100;
    moment.wall_s = real + 100;
    nj_schedule_look(schedule, &moment, NJ_LOOK_AGAIN);
    CHECK(nj_schedule_now(schedule) == real + 100 && nj_schedule_offset(schedule) == 0,
          "a clock that comes back to within a day was set right");
    nj_schedule_close(schedule);
}

int main(void)
{
    own_time();
    how_hard();
    found_out();
    static struct month month;
    draw(&month, 0, 0);
    struct nj_simulated whole = live(&month, "", NULL);
    CHECK(whole.score > 0.8, "an ordinary month reads most of what matters: %.3f", whole.score);

    struct nj_simulated jumped = live(&month, "2023-03-10T08:00:00Z/-1678400000,2023-03-24T00:00:00Z/1678400000", NULL);
    CHECK(fabs(jumped.score - whole.score) < 0.02, "a clock that was reset to 1970 and set right again costs nothing: %.3f", jumped.score);

    struct nj_simulator_faults alarm = {.alarm = one_alarm_in_three_fails};
    CHECK(live(&month, "", &alarm).score > whole.score - 0.05, "alarms that are not taken: the second one wakes the board");

    struct nj_simulator_faults heat = {.temp = hot_at_noon};
    CHECK(live(&month, "", &heat).score > whole.score - 0.05, "work moves to cooler hours");

    struct nj_simulator_faults blind = {.gauge = no_gauge};
    CHECK(live(&month, "", &blind).score > 0.3, "without a gauge from the tenth day on the reckoned charge goes on");

    draw(&month, 12, 9);
    struct nj_simulator_faults stuck = {.gauge = stuck_gauge};
    CHECK(live(&month, "", &stuck).score > 0.3, "a gauge that stands still while the panel is dead is found out");
    live(&month, "", NULL);
    return tap_done();
}
