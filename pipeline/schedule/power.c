#include "pipeline/schedule/power.h"
#include "base/log.h"
#include "firmware-host/battery.h"
#include "firmware-host/cpu.h"
#include "firmware-host/gpio.h"
#include "firmware-host/thermal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_KEY        "schedule"
#define NEWEST_KEY       "schedule-newest" /* the last burst that the scheduler was told of */
#define CLOCKS_KEY       "schedule-clocks" /* struct epoch [EPOCHS] */
#define LOW_KEY          "schedule-low"    /* one byte: the floor was reached by the voltage */
#define EPOCHS           16
#define THROTTLED_NOW    0xf /* bits of get_throttled */
#define CAP_C            5   /* below the limit of heat the cores are slowed down to ... */
#define CAP_SHARE        0.5 /* ... half way between their slowest and their fastest */
#define LOOK_MS          10000
#define BLIND_MS         3600000
#define MAINS_NAP_S      3600
#define UNKNOWN_INTEREST 0.5

/* Bursts up to row `through` were first seen while the wall clock was `offset_s` behind the scheduler's own time. */
struct epoch {
    int64_t through, offset_s;
};

struct nj_power {
    const struct nj_conf     *conf;
    struct nj_db             *db;
    const struct nj_clock    *clock;
    struct nj_battery        *battery;
    struct nj_wake           *wake;
    struct nj_lines          *lines;
    struct nj_schedule       *schedule;
    struct nj_battery_reading reading;
    double                    celsius;
    int64_t                   looked_ms, sleep_until_s, newest;
    int64_t                   fallback_s;    /* the alarm that stands while this runs */
    struct epoch              epoch[EPOCHS]; /* oldest first; unused ones have through 0 */
    unsigned                  blind_left, together, button_left;
    unsigned                  threads;
    bool                      mains, may_go_on, was_low, slowed, capped, pressed, button_failed;
    int64_t                   blind_since_ms;
    char                      basis[NJ_SCHEDULE_REASON]; /* last said in the log */
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
    double gauge     = power->reading.basis == NJ_CHARGE_GAUGE ? power->reading.percent : NAN;
    *out             = (struct nj_moment){.wall_s      = wall_s(power),
                                          .monotonic_s = power->looked_ms / 1000,
                                          .stored_wh   = gauge / 100 * power->conf->power.battery_wh,
                                          .voltage_wh  = power->reading.voltage_percent / 100 * power->conf->power.battery_wh,
                                          .panel_w     = power->reading.panel_w,
                                          .temp_c      = power->celsius};
}

/* Says in the log where the charge comes from, when that changes. */
static void say_basis(struct nj_power *power)
{
    char words[NJ_SCHEDULE_REASON];
    if (power->mains)
        return;
    nj_schedule_basis(power->schedule, words);
    if (!strncmp(words, power->basis, strcspn(words, ":") + 1))
        return;
    memcpy(power->basis, words, sizeof words);
    nj_log(NJ_LOG_INFO, "battery: %s%s%s", words, power->reading.words[0] ? "; " : "", power->reading.words);
    nj_db_decision(power->db, wall_s(power) * 1000, "battery", words, 0, NULL);
}

static void look(struct nj_power *power, enum nj_look why)
{
    struct nj_moment moment;
    moment_now(power, &moment);
    nj_schedule_look(power->schedule, &moment, why);
    say_basis(power);
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
    int64_t armed = nj_wake_arm(power->wake, power->db, at_s, why);
    if (armed)
        nj_schedule_armed(power->schedule, armed);
}

/* The alarm that holds if this run is cut off: an hour ahead when it begins, and never less than half an hour however long it goes on or wherever the clock is
 * set meanwhile. */
static void stay_armed(struct nj_power *power)
{
    int64_t ahead = power->fallback_s - wall_s(power);
    if (ahead >= NJ_WAKE_FALLBACK_S / 2 && ahead <= 2 * NJ_WAKE_FALLBACK_S)
        return;
    power->fallback_s = wall_s(power) + NJ_WAKE_FALLBACK_S;
    arm(power, power->fallback_s, "in case this run does not end in good order");
}

/* A line that does not obey is no reason to stop, but a reason to say so. */
static void drive(struct nj_power *power, enum nj_line line, bool on)
{
    struct nj_error error = {{0}};
    if (nj_lines_set(power->lines, line, on, &error) == NJ_OK)
        return;
    nj_log(NJ_LOG_WARNING, "%s", error.text);
    nj_db_decision(power->db, wall_s(power) * 1000, "line", error.text, 0, NULL);
}

static void recall(struct nj_db *db, const char *key, void *into, size_t size)
{
    void  *value;
    size_t found;
    if (nj_db_state_get(db, key, &value, &found, NULL) != NJ_OK)
        return;
    if (found == size)
        memcpy(into, value, size);
    free(value);
}

/* What earlier runs learned. */
static void recall_all(struct nj_power *power)
{
    struct nj_error old   = {{0}};
    void           *state = NULL;
    size_t          size  = 0;
    if (nj_db_state_get(power->db, STATE_KEY, &state, &size, NULL) == NJ_OK &&
        nj_schedule_restore(power->schedule, state, size, &old) != NJ_OK)
        nj_log(NJ_LOG_WARNING, "what the scheduler had learned cannot be read and is learned again: %s", old.text);
    free(state);
    recall(power->db, NEWEST_KEY, &power->newest, sizeof power->newest);
    recall(power->db, CLOCKS_KEY, power->epoch, sizeof power->epoch);
    recall(power->db, LOW_KEY, &power->was_low, sizeof power->was_low);
}

static bool too_low_or_hot(struct nj_power *power, char reason[NJ_SCHEDULE_REASON]);

static void free_power(struct nj_power *power)
{
    nj_schedule_close(power->schedule);
    nj_battery_close(power->battery);
    nj_lines_close(power->lines);
    free(power);
}

bool nj_power_in_the_field(const struct nj_conf *conf)
{
    return strcmp(conf->power.battery, "none") || strcmp(conf->power.wake, "none");
}

nj_status nj_power_open(const struct nj_conf *conf, struct nj_db *db, const struct nj_clock *clock, struct nj_wake *wake,
                        struct nj_power **out, struct nj_error *error)
{
    struct nj_schedule_settings settings;
    *out                   = NULL;
    struct nj_power *power = calloc(1, sizeof *power);
    if (!power)
        return nj_fail(error, "no memory for the power plan");
    *power = (struct nj_power){
        .conf = conf, .db = db, .clock = clock, .wake = wake, .may_go_on = true, .mains = !strcmp(conf->power.battery, "none")};
    nj_schedule_settings_from(conf, &settings);
    power->together  = settings.max_batch;
    settings.threads = power->threads = conf->model.threads ? (unsigned)conf->model.threads : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    nj_status status                  = nj_schedule_open(&settings, &power->schedule, error);
    if (status == NJ_OK)
        status = nj_battery_open(conf->power.battery, power->clock, &power->battery, error);
    if (status == NJ_OK)
        status = nj_lines_open(conf->power.wake_gpio, &power->lines, error);
    if (status != NJ_OK) {
        free_power(power);
        return status;
    }
    recall_all(power);
    int64_t recorded = nj_wake_recorded(db);
    if (recorded)
        nj_schedule_armed(power->schedule, recorded);
    look(power, nj_wake_why(wake));
    power->slowed = nj_thermal_throttled() & THROTTLED_NOW;
    if (power->slowed)
        nj_log(NJ_LOG_WARNING, "the board slows itself down (too little voltage, or too warm): half of the cores work");
    stay_armed(power);
    power->may_go_on = !too_low_or_hot(power, power->reason);
    drive(power, NJ_LINE_WAKE, true);
    drive(power, NJ_LINE_LAMP, true);
    drive(power, NJ_LINE_CAMERA, power->may_go_on || power->celsius > conf->power.max_temp_c);
    *out = power;
    return NJ_OK;
}

/* A press counts once, however long it lasts. */
static void look_at_button(struct nj_power *power)
{
    struct nj_error error   = {{0}};
    bool            pressed = false;
    if (nj_lines_get(power->lines, NJ_LINE_BUTTON, &pressed, &error) != NJ_OK && !power->button_failed)
        nj_log(NJ_LOG_WARNING, "%s", error.text);
    power->button_failed = error.text[0] != 0;
    if (pressed && !power->pressed)
        power->button_left = NJ_POWER_BUTTON_BURSTS;
    power->pressed = pressed;
}

/* So many bursts an hour while the charge is not known: a station that runs on and on is not left without, nor given too many. */
static unsigned blind_bursts(struct nj_power *power)
{
    int64_t now = power->clock->monotonic_ms(power->clock->self);
    if (!power->blind_since_ms || now - power->blind_since_ms > BLIND_MS) {
        power->blind_since_ms = now;
        power->blind_left     = NJ_POWER_BLIND_BURSTS;
    }
    return power->together < power->blind_left ? power->together : power->blind_left;
}

/* The charge that counts, in percent: of a gauge that is believed, else of the voltage, else reckoned from what was known last. A gauge that fails
 * below the floor does not lift it. */
static double percent(const struct nj_power *power)
{
    struct nj_outlook outlook;
    nj_schedule_outlook(power->schedule, &outlook);
    return outlook.stored_wh / power->conf->power.battery_wh * 100;
}

/* Floor and heat: what no wish overrides. */
static bool too_low_or_hot(struct nj_power *power, char reason[NJ_SCHEDULE_REASON])
{
    const struct nj_conf *conf = power->conf;
    struct nj_outlook     outlook;
    nj_schedule_outlook(power->schedule, &outlook);
    double left = percent(power), floor = conf->power.floor_percent;
    if (power->was_low && outlook.basis == NJ_BASIS_VOLTAGE)
        floor += NJ_POWER_RECOVER_PERCENT;
    if (!power->mains && left <= floor) {
        power->was_low = true;
        snprintf(reason, NJ_SCHEDULE_REASON, "%.0f %% left; the floor is %.0f %%%s", left, conf->power.floor_percent,
                 floor > conf->power.floor_percent ? " and it must first rise above that by 5 %: the charge is guessed from the voltage"
                                                   : "");
        return true;
    }
    if (!isnan(left))
        power->was_low = false;
    if (power->celsius > conf->power.max_temp_c) {
        snprintf(reason, NJ_SCHEDULE_REASON, "too hot: %.0f C; work stops above %.0f C", power->celsius, conf->power.max_temp_c);
        return true;
    }
    return false;
}

/* What to add to the wall clock under which a burst was first seen. */
static int64_t offset_of(const struct nj_power *power, int64_t event)
{
    for (int i = 0; i < EPOCHS; i++)
        if (event <= power->epoch[i].through)
            return power->epoch[i].offset_s;
    return nj_schedule_offset(power->schedule);
}

static struct nj_waiting waiting_of(const struct nj_power *power, const struct nj_db_waiting *burst)
{
    return (struct nj_waiting){.interest = burst->interest >= 0 ? burst->interest : UNKNOWN_INTEREST,
                               .frames   = (unsigned)burst->frame_count,
                               .seen_s   = burst->first_seen_ms / 1000 + offset_of(power, burst->event),
                               .done_s   = burst->parked ? burst->seconds : 0};
}

/* All rows up to `newest` that are in no epoch yet were seen under today's clock. */
static void note_clock(struct nj_power *power, int64_t newest)
{
    int64_t offset = nj_schedule_offset(power->schedule);
    int     last   = 0;
    while (last + 1 < EPOCHS && power->epoch[last + 1].through)
        last++;
    if (power->epoch[last].through && power->epoch[last].offset_s != offset) {
        if (last + 1 == EPOCHS)
            memmove(power->epoch, power->epoch + 1, (EPOCHS - 1) * sizeof power->epoch[0]);
        else
            last++;
    }
    power->epoch[last] = (struct epoch){newest, offset};
}

/* Tells the scheduler of bursts that it has not heard of, so that it learns how much usually arrives. */
static void announce(struct nj_power *power, const struct nj_db_waiting *bursts, size_t count)
{
    int64_t newest = power->newest;
    for (size_t i = 0; i < count; i++) {
        if (bursts[i].event <= power->newest)
            continue;
        struct nj_waiting waiting = waiting_of(power, &bursts[i]);
        nj_schedule_arrived(power->schedule, waiting.interest, waiting.frames);
        newest = bursts[i].event > newest ? bursts[i].event : newest;
    }
    if (newest > power->newest)
        note_clock(power, newest);
    power->newest = newest;
}

/* Half of the cores while the board says that it has to slow down (too little voltage, too warm). */
static unsigned threads_now(const struct nj_power *power)
{
    return power->slowed && power->threads > 1 ? power->threads / 2 : power->threads;
}

/* Slower cores near the limit, full speed again well below it: work that goes on slowly loses less than work that stops. */
static void keep_cool(struct nj_power *power)
{
    double limit = power->conf->power.max_temp_c;
    if (!power->capped && power->celsius > limit - CAP_C)
        power->capped = nj_cpu_cap(CAP_SHARE);
    else if (power->capped && !(power->celsius > limit - 2 * CAP_C))
        power->capped = !nj_cpu_cap(1);
}

/* The first `most` of the list, which is in order of interest. */
static void take_first(size_t count, unsigned most, struct nj_allowance *out)
{
    for (; out->count < count && out->count < most && out->count < NJ_SCHEDULE_TOGETHER; out->count++)
        out->bursts[out->count] = out->count;
    out->run = out->count > 0;
}

static void choose(struct nj_power *power, const struct nj_db_waiting *bursts, size_t count, bool force, struct nj_allowance *out)
{
    uint32_t soft = power->conf->model.soft_tokens ? (uint32_t)power->conf->model.soft_tokens : 280;
    *out          = (struct nj_allowance){.soft_tokens = soft, .threads = threads_now(power)};
    look(power, NJ_LOOK_AGAIN);
    stay_armed(power);
    announce(power, bursts, count);
    look_at_button(power);
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
    if (power->button_left > 0) {
        take_first(count, power->button_left < power->together ? power->button_left : power->together, out);
        power->button_left -= (unsigned)out->count;
        snprintf(out->reason, sizeof out->reason, "the button was pressed");
        return;
    }
    struct nj_outlook outlook;
    nj_schedule_outlook(power->schedule, &outlook);
    if (outlook.basis == NJ_BASIS_RECKONED) {
        take_first(count, blind_bursts(power), out);
        power->blind_left -= (unsigned)out->count;
        snprintf(out->reason, sizeof out->reason, "the battery is not known (%.90s): %u bursts a run",
                 power->reading.words[0] ? power->reading.words : "its gauge stands still", NJ_POWER_BLIND_BURSTS);
        power->sleep_until_s = wall_s(power) + MAINS_NAP_S;
        return;
    }
    struct nj_waiting *queue = calloc(count, sizeof *queue);
    struct nj_decision decision;
    for (size_t i = 0; queue && i < count; i++)
        queue[i] = waiting_of(power, &bursts[i]);
    nj_schedule_decide(power->schedule, queue, queue ? count : 0, &decision);
    free(queue);
    out->run         = decision.action == NJ_SCHEDULE_RUN;
    out->count       = out->run ? decision.batch : 0;
    out->soft_tokens = out->run ? (uint32_t)decision.soft_tokens : soft;
    out->threads     = decision.threads < out->threads ? decision.threads : out->threads;
    memcpy(out->bursts, decision.together, out->count * sizeof *out->bursts);
    snprintf(out->reason, sizeof out->reason, "%s", decision.reason);
    snprintf(out->put_off, sizeof out->put_off, "%.*s", (int)strcspn(decision.reason, ":"),
             decision.reason); /* behind it: how many others */
    if (!out->run)
        power->sleep_until_s = decision.until_s;
}

void nj_power_decide(struct nj_power *power, const struct nj_db_waiting *bursts, size_t count, bool force, struct nj_allowance *out)
{
    choose(power, bursts, count, force, out);
    if (!out->put_off[0])
        memcpy(out->put_off, out->reason, sizeof out->put_off);
}

void nj_power_ran(struct nj_power *power, const struct nj_db_waiting *bursts, size_t count, uint32_t soft_tokens, double seconds,
                  bool complete)
{
    struct nj_moment  moment;
    struct nj_waiting waiting[NJ_SCHEDULE_TOGETHER];
    for (size_t i = 0; i < count && i < NJ_SCHEDULE_TOGETHER; i++)
        waiting[i] = waiting_of(power, &bursts[i]);
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
        nj_schedule_working(power->schedule, &moment);
        power->may_go_on = !too_low_or_hot(power, power->reason);
        keep_cool(power);
        stay_armed(power);
    }
    if (!power->may_go_on)
        memcpy(reason, power->reason, NJ_SCHEDULE_REASON);
    return power->may_go_on;
}

static double watts(const struct nj_power *power, double learned, double setting, enum nj_watts_basis *by)
{
    bool                gauge = power->reading.load_w > 0;
    enum nj_watts_basis basis = gauge ? NJ_WATTS_GAUGE : !isnan(learned) ? NJ_WATTS_CHARGE : NJ_WATTS_SETTINGS;
    if (by)
        *by = basis;
    return gauge ? power->reading.load_w : !isnan(learned) ? learned : setting;
}

double nj_power_busy_watts(const struct nj_power *power, enum nj_watts_basis *by)
{
    struct nj_outlook outlook;
    nj_schedule_outlook(power->schedule, &outlook);
    return watts(power, outlook.busy_w, power->conf->power.busy_w, by);
}

double nj_power_awake_watts(const struct nj_power *power, enum nj_watts_basis *by)
{
    return watts(power, NAN, power->conf->power.awake_w, by);
}

static void keep(struct nj_power *power, const char *key, const void *value, size_t size)
{
    nj_db_state_put(power->db, key, value, size, NULL);
}

/* What status says of tonight. */
static void keep_budget(struct nj_power *power)
{
    struct nj_outlook outlook;
    char              words[256];
    nj_schedule_outlook(power->schedule, &outlook);
    double spare = fmax(outlook.stored_wh - outlook.reserve_wh, 0);
    if (power->mains)
        snprintf(words, sizeof words, "no battery source is set: no budget");
    else
        snprintf(words, sizeof words, "%.1f Wh of %.1f Wh may go into work (about %.0f events), %.1f Wh are kept; %.0f days without sun",
                 spare, outlook.stored_wh, floor(spare / outlook.event_wh), outlook.reserve_wh, floor(outlook.autonomy_days));
    keep(power, "budget", words, strlen(words));
    if (power->mains)
        return;
    static const char *const basis[] = {"gauge", "voltage", "clock"};
    struct nj_text           json    = {0};
    nj_text_addf(&json,
                 "{\"charge_by\":\"%s\",\"stored_wh\":%.2f,\"reserve_wh\":%.2f,\"event_wh\":%.4f,\"event_seconds\":%.1f,"
                 "\"resting_wh_a_day\":%.2f,\"autonomy_days\":%.1f,\"sun_wh_a_day\":%.1f}",
                 basis[outlook.basis], outlook.stored_wh, outlook.reserve_wh, outlook.event_wh, outlook.event_s, outlook.resting_wh,
                 outlook.autonomy_days, outlook.sun_wh);
    if (!json.failed)
        keep(power, "outlook", json.data, json.length);
    nj_text_free(&json);
}

void nj_power_close(struct nj_power *power, int64_t waiting)
{
    if (!power)
        return;
    struct nj_text     learned  = {0};
    struct nj_decision decision = {0};
    char               reason[NJ_SCHEDULE_REASON];
    if (!power->sleep_until_s) { /* nothing was refused: the scheduler's own next look */
        look(power, NJ_LOOK_AGAIN);
        nj_schedule_decide(power->schedule, NULL, 0, &decision);
        power->sleep_until_s = decision.until_s;
    }
    arm(power, power->sleep_until_s, waiting ? "bursts wait" : "to look for new pictures");
    nj_schedule_save(power->schedule, &learned);
    if (!learned.failed && learned.data)
        keep(power, STATE_KEY, learned.data, learned.length);
    nj_text_free(&learned);
    keep(power, NEWEST_KEY, &power->newest, sizeof power->newest);
    keep(power, CLOCKS_KEY, power->epoch, sizeof power->epoch);
    keep_budget(power);
    drive(power, NJ_LINE_CAMERA, !too_low_or_hot(power, reason) || power->celsius > power->conf->power.max_temp_c);
    drive(power, NJ_LINE_LAMP, false);
    if (power->capped)
        nj_cpu_cap(1);
    keep(power, LOW_KEY, &power->was_low, sizeof power->was_low);
    free_power(power);
}
