#include "pipeline/schedule/power.h"
#include "base/log.h"
#include "firmware-host/alarm.h"
#include "firmware-host/battery.h"
#include "firmware-host/thermal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_KEY        "schedule"
#define NEWEST_KEY       "schedule-newest" /* the last burst that the scheduler was told of */
#define LOOK_MS          10000
#define MAINS_NAP_S      3600
#define UNKNOWN_INTEREST 0.5

struct nj_power {
    const struct nj_conf     *conf;
    struct nj_db             *db;
    const struct nj_clock    *clock;
    struct nj_battery        *battery;
    struct nj_alarm          *alarm;
    struct nj_schedule       *schedule;
    struct nj_battery_reading reading;
    double                    celsius;
    int64_t                   looked_ms, sleep_until_s, newest;
    unsigned                  blind_left, together;
    bool                      mains, may_go_on;
    char                      reason[NJ_SCHEDULE_REASON];
};

static int64_t wall_s(const struct nj_power *power)
{
    return power->clock->wall_ms(power->clock->self) / 1000;
}

static void moment_now(struct nj_power *power, struct nj_moment *out)
{
    nj_battery_read(power->battery, &power->reading);
    power->celsius   = nj_thermal_celsius();
    power->looked_ms = power->clock->monotonic_ms(power->clock->self);
    *out             = (struct nj_moment){.wall_s      = wall_s(power),
                                          .monotonic_s = power->looked_ms / 1000,
                                          .stored_wh   = power->reading.percent / 100 * power->conf->power.battery_wh,
                                          .panel_w     = power->reading.panel_w,
                                          .temp_c      = power->celsius};
}

static void look(struct nj_power *power, enum nj_look why)
{
    struct nj_moment moment;
    moment_now(power, &moment);
    nj_schedule_look(power->schedule, &moment, why);
    struct nj_db_sample sample = {.at_ms           = moment.wall_s * 1000,
                                  .battery_percent = power->reading.percent,
                                  .battery_v       = power->reading.volts,
                                  .panel_w         = power->reading.panel_w,
                                  .load_w          = power->reading.load_w,
                                  .temp_c          = power->celsius};
    nj_db_samples(power->db, &sample, 1, NULL);
}

static void arm(struct nj_power *power, int64_t at_s, const char *why)
{
    struct nj_error error = {{0}};
    int64_t         armed;
    char            words[NJ_SCHEDULE_REASON + 64], time[NJ_TIME_TEXT];
    if (nj_alarm_arm(power->alarm, at_s, &armed, &error) != NJ_OK) {
        nj_log(NJ_LOG_ERROR, "the next wake could not be armed: %s", error.text);
        nj_db_decision(power->db, wall_s(power) * 1000, "wake not armed", error.text, 0, NULL);
        return;
    }
    nj_time_utc(armed * 1000, time);
    snprintf(words, sizeof words, "%s: %s", time, why);
    nj_db_decision(power->db, wall_s(power) * 1000, "wake", words, 0, NULL);
}

nj_status nj_power_open(const struct nj_conf *conf, struct nj_db *db, const struct nj_clock *clock, struct nj_power **out,
                        struct nj_error *error)
{
    struct nj_schedule_settings settings;
    void                       *state = NULL;
    size_t                      size  = 0;
    *out                              = NULL;
    struct nj_power *power            = calloc(1, sizeof *power);
    if (!power)
        return nj_fail(error, "no memory for the power plan");
    *power = (struct nj_power){.conf       = conf,
                               .db         = db,
                               .clock      = clock ? clock : nj_clock_system(),
                               .blind_left = NJ_POWER_BLIND_BURSTS,
                               .may_go_on  = true,
                               .mains      = !strcmp(conf->power.battery, "none")};
    nj_schedule_settings_from(conf, &settings);
    power->together  = settings.max_batch;
    nj_status status = nj_alarm_open(conf->power.wake, power->clock, &power->alarm, error);
    /* The first thing of all: whatever happens from here on, the station wakes again. */
    if (status == NJ_OK)
        arm(power, wall_s(power) + NJ_POWER_FALLBACK_S, "in case this run does not end in good order");
    if (status == NJ_OK)
        status = nj_battery_open(conf->power.battery, power->clock, &power->battery, error);
    if (status == NJ_OK)
        status = nj_schedule_open(&settings, &power->schedule, error);
    if (status != NJ_OK) {
        nj_battery_close(power->battery);
        nj_alarm_close(power->alarm);
        free(power);
        return status;
    }
    struct nj_error old = {{0}};
    if (nj_db_state_get(db, STATE_KEY, &state, &size, NULL) == NJ_OK && nj_schedule_restore(power->schedule, state, size, &old) != NJ_OK)
        nj_log(NJ_LOG_WARNING, "what the scheduler had learned cannot be read and is learned again: %s", old.text);
    free(state);
    state = NULL;
    if (nj_db_state_get(db, NEWEST_KEY, &state, &size, NULL) == NJ_OK && size == sizeof power->newest)
        memcpy(&power->newest, state, size);
    free(state);
    look(power, NJ_LOOK_UNKNOWN);
    *out = power;
    return NJ_OK;
}

/* Floor and heat: what no wish overrides. */
static bool too_low_or_hot(struct nj_power *power, char reason[NJ_SCHEDULE_REASON])
{
    const struct nj_conf *conf = power->conf;
    if (power->reading.percent <= conf->power.floor_percent) {
        snprintf(reason, NJ_SCHEDULE_REASON, "%.0f %% left; the floor is %.0f %%", power->reading.percent, conf->power.floor_percent);
        return true;
    }
    if (power->celsius > conf->power.max_temp_c) {
        snprintf(reason, NJ_SCHEDULE_REASON, "too hot: %.0f C; work stops above %.0f C", power->celsius, conf->power.max_temp_c);
        return true;
    }
    return false;
}

static struct nj_waiting waiting_of(const struct nj_db_waiting *burst)
{
    return (struct nj_waiting){.interest = burst->interest >= 0 ? burst->interest : UNKNOWN_INTEREST,
                               .frames   = (unsigned)burst->frame_count,
                               .seen_s   = burst->first_seen_ms / 1000,
                               .done_s   = burst->parked ? burst->seconds : 0};
}

/* Tells the scheduler of bursts that it has not heard of, so that it learns how much usually arrives. */
static void announce(struct nj_power *power, const struct nj_db_waiting *bursts, size_t count)
{
    int64_t newest = power->newest;
    for (size_t i = 0; i < count; i++) {
        if (bursts[i].event <= power->newest)
            continue;
        struct nj_waiting waiting = waiting_of(&bursts[i]);
        nj_schedule_arrived(power->schedule, waiting.interest, waiting.frames);
        newest = bursts[i].event > newest ? bursts[i].event : newest;
    }
    power->newest = newest;
}

/* The first `most` of the list, which is in order of interest. */
static void take_first(size_t count, unsigned most, struct nj_allowance *out)
{
    for (; out->count < count && out->count < most && out->count < NJ_SCHEDULE_TOGETHER; out->count++)
        out->bursts[out->count] = out->count;
    out->run = out->count > 0;
}

void nj_power_decide(struct nj_power *power, const struct nj_db_waiting *bursts, size_t count, bool force, struct nj_allowance *out)
{
    uint32_t soft = power->conf->model.soft_tokens ? (uint32_t)power->conf->model.soft_tokens : 280;
    *out          = (struct nj_allowance){.soft_tokens = soft};
    look(power, NJ_LOOK_AGAIN);
    announce(power, bursts, count);
    if (too_low_or_hot(power, out->reason)) {
        power->sleep_until_s = wall_s(power) + MAINS_NAP_S;
        return;
    }
    if (count == 0) {
        snprintf(out->reason, sizeof out->reason, "nothing waits");
        return;
    }
    if (force || power->mains) {
        take_first(count, power->together, out);
        snprintf(out->reason, sizeof out->reason, force ? "asked for" : "on mains: no battery source is set");
        return;
    }
    if (isnan(power->reading.percent)) {
        take_first(count, power->together < power->blind_left ? power->together : power->blind_left, out);
        power->blind_left -= (unsigned)out->count;
        snprintf(out->reason, sizeof out->reason, "the battery is not known (%.90s): %u bursts a run", power->reading.words,
                 NJ_POWER_BLIND_BURSTS);
        power->sleep_until_s = wall_s(power) + MAINS_NAP_S;
        return;
    }
    struct nj_waiting *queue = calloc(count, sizeof *queue);
    struct nj_decision decision;
    for (size_t i = 0; queue && i < count; i++)
        queue[i] = waiting_of(&bursts[i]);
    nj_schedule_decide(power->schedule, queue, queue ? count : 0, &decision);
    free(queue);
    out->run         = decision.action == NJ_SCHEDULE_RUN;
    out->count       = out->run ? decision.batch : 0;
    out->soft_tokens = out->run ? (uint32_t)decision.soft_tokens : soft;
    memcpy(out->bursts, decision.together, out->count * sizeof *out->bursts);
    snprintf(out->reason, sizeof out->reason, "%s", decision.reason);
    if (!out->run)
        power->sleep_until_s = decision.until_s;
}

void nj_power_ran(struct nj_power *power, const struct nj_db_waiting *bursts, size_t count, uint32_t soft_tokens, double seconds,
                  bool complete)
{
    struct nj_moment  moment;
    struct nj_waiting waiting[NJ_SCHEDULE_TOGETHER];
    for (size_t i = 0; i < count && i < NJ_SCHEDULE_TOGETHER; i++)
        waiting[i] = waiting_of(&bursts[i]);
    moment_now(power, &moment);
    nj_schedule_ran(power->schedule, &moment, waiting, count < NJ_SCHEDULE_TOGETHER ? count : NJ_SCHEDULE_TOGETHER, soft_tokens, seconds,
                    complete);
}

bool nj_power_may_go_on(struct nj_power *power, char reason[NJ_SCHEDULE_REASON])
{
    int64_t now = power->clock->monotonic_ms(power->clock->self);
    if (now - power->looked_ms >= LOOK_MS) {
        struct nj_moment moment;
        moment_now(power, &moment);
        power->may_go_on = !too_low_or_hot(power, power->reason);
    }
    if (!power->may_go_on)
        memcpy(reason, power->reason, NJ_SCHEDULE_REASON);
    return power->may_go_on;
}

double nj_power_busy_watts(const struct nj_power *power)
{
    return isnan(power->reading.load_w) || power->reading.load_w <= 0 ? power->conf->power.busy_w : power->reading.load_w;
}

void nj_power_close(struct nj_power *power, int64_t waiting)
{
    if (!power)
        return;
    struct nj_text     learned  = {0};
    struct nj_decision decision = {0};
    if (!power->sleep_until_s) { /* nothing was refused: the scheduler's own next look */
        nj_schedule_decide(power->schedule, NULL, 0, &decision);
        power->sleep_until_s = decision.until_s;
    }
    nj_schedule_save(power->schedule, &learned);
    if (!learned.failed && learned.data)
        nj_db_state_put(power->db, STATE_KEY, learned.data, learned.length, NULL);
    nj_text_free(&learned);
    nj_db_state_put(power->db, NEWEST_KEY, &power->newest, sizeof power->newest, NULL);
    arm(power, power->sleep_until_s, waiting ? "bursts wait" : "to look for new pictures");
    nj_schedule_close(power->schedule);
    nj_battery_close(power->battery);
    nj_alarm_close(power->alarm);
    free(power);
}
