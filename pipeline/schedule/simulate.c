#include "pipeline/schedule/simulate.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "pipeline/schedule/schedule.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHARGE          0.95
#define MS_PER_HOUR     3600000.0
#define MOST_JUMPS      64
#define FRESH_MS        (72 * 3600 * (int64_t)1000)
#define LOG_PORTION     (1 << 16)
#define FIRST_WAKE_S    60
#define LEAST_TO_BEGIN  0.001
#define SECOND_ALARM_MS (3600 * (int64_t)1000)

enum state { ASLEEP, AWAKE, BUSY };
static const char *const state_names[] = {"asleep", "awake", "busy"};

struct jump {
    int64_t at_ms, by_s;
};

struct world {
    const struct nj_conf             *conf;
    const struct nj_weather          *weather;
    const struct nj_arrivals         *arrivals;
    const struct nj_simulator_faults *faults;
    int64_t                           now_ms, end_ms, alarm_ms, clock_off_s;
    struct jump                       jump[MOST_JUMPS];
    size_t                            jumps, jumped;
    double                            stored_wh, lowest_wh, floor_wh;
    bool                              dead; /* empty, until floor_percent is reached again */
    size_t                            empty_steps;
    int64_t                           last_empty_step;
    enum state                        state;
    const char                       *event_id;
    char                              reason[NJ_SCHEDULE_REASON];
    /* log */
    struct nj_atomic_file log;
    struct nj_text        rows;
    bool                  logging;
    char                  last_row[400]; /* all of it but time and stored_wh */
    int64_t               last_row_ms;
    nj_status             log_status;
    struct nj_error      *error;
};

/* ---- log ---- */

static size_t weather_row(const struct world *world)
{
    size_t row = (size_t)((world->now_ms / 1000 - world->weather->start_s) / world->weather->step_s);
    return row < world->weather->count ? row : world->weather->count - 1;
}

static double panel_w(const struct world *world)
{
    return world->conf->power.panel_wp * world->weather->irradiance[weather_row(world)] / 1000 * world->conf->power.panel_derate;
}

static double drawn_w(const struct world *world)
{
    const struct nj_conf *conf = world->conf;
    return world->state == ASLEEP  ? conf->power.idle_w
           : world->state == AWAKE ? conf->power.awake_w
                                   : conf->sim.joules_per_event / conf->sim.seconds_per_event;
}

static bool at_weather_step(const struct world *world)
{
    return (world->now_ms - world->weather->start_s * 1000) % (world->weather->step_s * 1000) == 0;
}

static void flush_log(struct world *world)
{
    if (world->rows.failed)
        world->log_status = nj_fail(world->error, "no memory for the log");
    else if (world->log_status == NJ_OK)
        world->log_status = nj_atomic_write(&world->log, world->rows.data, world->rows.length, world->error);
    nj_text_clear(&world->rows);
}

/* A row if anything but the charge changed, or at a weather step. */
static void write_row(struct world *world)
{
    if (!world->logging || world->now_ms >= world->end_ms)
        return;
    char row[sizeof world->last_row], when[NJ_TIME_TEXT];
    snprintf(row, sizeof row, "%.4f,%.4f,%s,%s,%s\n", panel_w(world), drawn_w(world), state_names[world->state],
             world->event_id ? world->event_id : "", world->reason);
    if (!strcmp(row, world->last_row) && (!at_weather_step(world) || world->last_row_ms == world->now_ms))
        return;
    memcpy(world->last_row, row, sizeof row);
    world->last_row_ms = world->now_ms;
    nj_time_local(world->now_ms / 1000, when);
    nj_text_addf(&world->rows, "%s.%03dZ,%.4f,%s", when, (int)(world->now_ms % 1000), world->stored_wh, row);
    if (world->rows.length >= LOG_PORTION)
        flush_log(world);
}

/* ---- energy ---- */

/* Goes on in the present state until `until_ms`, or until the charge falls to `low_wh` (rises to the floor, when dead), whichever is first.
 * Returns whether `until_ms` was reached. */
static bool go_on(struct world *world, int64_t until_ms, double low_wh)
{
    const int64_t step_ms = world->weather->step_s * 1000, start_ms = world->weather->start_s * 1000;
    if (until_ms > world->end_ms)
        until_ms = world->end_ms;
    write_row(world);
    while (world->now_ms < until_ms) {
        int64_t step = (world->now_ms - start_ms) / step_ms, next = start_ms + (step + 1) * step_ms;
        if (next > until_ms)
            next = until_ms;
        double net_w = CHARGE * panel_w(world) - drawn_w(world);
        double after = world->stored_wh + net_w * (double)(next - world->now_ms) / MS_PER_HOUR;
        bool   met   = false;
        if (world->state != ASLEEP && net_w < 0 && after < low_wh) {
            int64_t ms = (int64_t)((world->stored_wh - low_wh) / -net_w * MS_PER_HOUR);
            next       = world->now_ms + (ms > 0 ? ms : 0);
            after      = world->stored_wh + net_w * (double)(next - world->now_ms) / MS_PER_HOUR;
            met        = true;
        } else if (world->dead && after >= world->floor_wh && net_w > 0) {
            int64_t ms = (int64_t)ceil((world->floor_wh - world->stored_wh) / net_w * MS_PER_HOUR);
            if (ms < 0)
                ms = 0;
            if (world->now_ms + ms < next)
                next = world->now_ms + ms;
            after       = world->stored_wh + net_w * (double)(next - world->now_ms) / MS_PER_HOUR;
            world->dead = false;
            met         = true;
        }
        if (after < -1e-6 && world->state == ASLEEP) {
            world->empty_steps += step != world->last_empty_step;
            world->last_empty_step = step;
            world->dead            = true;
        }
        world->stored_wh = fmin(fmax(after, 0), world->conf->power.battery_wh);
        world->lowest_wh = fmin(world->lowest_wh, world->stored_wh);
        world->now_ms    = next;
        if (at_weather_step(world))
            write_row(world);
        if (met)
            return false;
    }
    return true;
}

static void enter(struct world *world, enum state state, const char *event_id, const char *reason)
{
    world->state    = state;
    world->event_id = event_id;
    snprintf(world->reason, sizeof world->reason, "%s", reason);
    for (char *at = world->reason; *at; at++)
        if (*at == ',' || *at == '\n')
            *at = ';';
    write_row(world);
}

/* ---- what the station sees ---- */

static void look(struct world *world, struct nj_moment *moment)
{
    for (; world->jumped < world->jumps && world->jump[world->jumped].at_ms <= world->now_ms; world->jumped++)
        world->clock_off_s += world->jump[world->jumped].by_s;
    int64_t                           now_s  = world->now_ms / 1000;
    const struct nj_simulator_faults *faults = world->faults;
    *moment                                  = (struct nj_moment){.wall_s      = now_s + world->clock_off_s,
                                                                  .monotonic_s = now_s,
                                                                  .stored_wh   = world->stored_wh,
                                                                  .voltage_wh  = NAN,
                                                                  .panel_w     = panel_w(world),
                                                                  .temp_c      = world->weather->temp_c[weather_row(world)]};
    if (faults && faults->gauge)
        moment->stored_wh = faults->gauge(faults->self, now_s, moment->stored_wh);
    if (faults && faults->temp)
        moment->temp_c = faults->temp(faults->self, now_s, moment->temp_c);
}

static nj_status read_jumps(struct world *world, const char *text)
{
    while (*text) {
        int      year, used = 0;
        unsigned month, day, hour, minute, second;
        int64_t  by;
        if (world->jumps == MOST_JUMPS ||
            sscanf(text, "%4d-%2u-%2uT%2u:%2u:%2uZ/%" SCNd64 "%n", &year, &month, &day, &hour, &minute, &second, &by, &used) != 7 ||
            month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59 || by < -4000000000 ||
            by > 4000000000)
            return nj_fail(world->error, "sim.clock_jump = %s: TIME/SECONDS is expected, as in 2023-02-15T08:00:00Z/-777600", text);
        int64_t at                  = nj_days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
        world->jump[world->jumps++] = (struct jump){.at_ms = at * 1000, .by_s = by};
        text += used;
        if (*text == ',')
            text++;
        else if (*text)
            return nj_fail(world->error, "sim.clock_jump: %s: a comma is expected between two jumps", text);
    }
    for (size_t i = 1; i < world->jumps; i++)
        if (world->jump[i].at_ms < world->jump[i - 1].at_ms)
            return nj_fail(world->error, "sim.clock_jump: the jumps should be in order of time");
    return NJ_OK;
}

/* ---- the queue ---- */

struct queue {
    struct nj_waiting *item;
    size_t            *arrival;     /* [count] index into arrivals, beside item */
    size_t             count, next; /* next: first arrival that was not seen */
    int64_t           *done_ms;     /* [arrivals]; 0: not done */
};

static nj_status open_queue(struct queue *queue, size_t arrivals, struct nj_error *error)
{
    *queue = (struct queue){.item    = calloc(arrivals + 1, sizeof *queue->item),
                            .arrival = calloc(arrivals + 1, sizeof *queue->arrival),
                            .done_ms = calloc(arrivals + 1, sizeof *queue->done_ms)};
    return queue->item && queue->arrival && queue->done_ms ? NJ_OK : nj_fail(error, "no memory for %zu arrivals", arrivals);
}

static void close_queue(struct queue *queue)
{
    free(queue->item);
    free(queue->arrival);
    free(queue->done_ms);
}

/* `since_s`: the look before this one, in the plan's time; what is new may have come right after it. */
static void see_arrivals(struct world *world, struct queue *queue, struct nj_schedule *plan, int64_t since_s)
{
    const struct nj_arrivals *arrivals = world->arrivals;
    for (; queue->next < arrivals->count && arrivals->item[queue->next].time_s * 1000 <= world->now_ms; queue->next++) {
        const struct nj_arrival *item = &arrivals->item[queue->next];
        queue->item[queue->count]     = (struct nj_waiting){.interest = item->interest, .frames = item->frames, .seen_s = since_s};
        queue->arrival[queue->count]  = queue->next;
        queue->count++;
        nj_schedule_arrived(plan, item->interest, item->frames);
    }
}

static void drop(struct queue *queue, size_t at)
{
    queue->count--;
    memmove(queue->item + at, queue->item + at + 1, (queue->count - at) * sizeof *queue->item);
    memmove(queue->arrival + at, queue->arrival + at + 1, (queue->count - at) * sizeof *queue->arrival);
}

/* ---- running ---- */

static void run_one(struct world *world, struct queue *queue, struct nj_schedule *plan, const struct nj_decision *decision,
                    size_t *cut_runs)
{
    const struct nj_conf *conf   = world->conf;
    struct nj_waiting    *burst  = &queue->item[decision->burst];
    double                cap    = (double)conf->ingest.burst_max_frames;
    double                factor = 0.4 + 0.6 * fmin(burst->frames, cap) * (double)decision->soft_tokens / 840;
    double                need_s = conf->sim.seconds_per_event * factor - burst->done_s;
    int64_t               begun = world->now_ms, until = begun + (int64_t)ceil(fmax(need_s, 0.001) * 1000);
    struct nj_moment      moment;
    enter(world, BUSY, world->arrivals->item[queue->arrival[decision->burst]].id, decision->reason);
    bool   reached = go_on(world, until, fmax(decision->park_wh, world->floor_wh));
    double worked  = (double)(world->now_ms - begun) / 1000;
    bool   done    = reached && world->now_ms >= until;
    bool   cut     = !done && decision->park_wh <= world->floor_wh && world->now_ms < world->end_ms;
    look(world, &moment);
    nj_schedule_ran(plan, &moment, burst, 1, decision->soft_tokens, worked, done);
    if (done) {
        queue->done_ms[queue->arrival[decision->burst]] = world->now_ms;
        drop(queue, decision->burst);
    } else {
        burst->done_s      = cut ? 0 : burst->done_s + worked;
        burst->soft_tokens = decision->soft_tokens;
        *cut_runs += cut;
    }
    enter(world, AWAKE, NULL, done ? "done" : cut ? "cut at the floor" : "parked above the floor");
}

/* Sleeps until the alarm (`until_s` by the station's clock, a second one an hour later), or, once empty, until the floor is reached. */
static enum nj_look sleep_until(struct world *world, int64_t until_s, const char *reason)
{
    int64_t alarm_ms = (until_s - world->clock_off_s) * 1000;
    if (alarm_ms <= world->now_ms)
        alarm_ms = world->now_ms + 1000;
    enter(world, ASLEEP, NULL, reason);
    while (world->now_ms < world->end_ms) {
        world->alarm_ms = alarm_ms;
        bool rang       = go_on(world, alarm_ms, 0);
        if (!rang)
            return NJ_LOOK_OTHER; /* power came back */
        if (!world->dead && (!world->faults || !world->faults->alarm || world->faults->alarm(world->faults->self, world->now_ms / 1000)))
            return NJ_LOOK_ALARM;
        alarm_ms = world->dead ? world->end_ms : world->now_ms + SECOND_ALARM_MS;
    }
    return NJ_LOOK_OTHER;
}

static void live(struct world *world, struct queue *queue, struct nj_schedule *plan, struct nj_simulated *out)
{
    struct nj_moment moment;
    int64_t          next_wake = world->weather->start_s + FIRST_WAKE_S, since = next_wake;
    char             reason[NJ_SCHEDULE_REASON] = "begins asleep";
    while (world->now_ms < world->end_ms) {
        enum nj_look why = sleep_until(world, next_wake, reason);
        if (world->now_ms >= world->end_ms)
            break;
        out->wakes++;
        enter(world, AWAKE, NULL, why == NJ_LOOK_ALARM ? "the alarm rang" : "power came back");
        look(world, &moment);
        nj_schedule_look(plan, &moment, why);
        next_wake = moment.wall_s + 3600; /* if the charge ends before a decision */
        snprintf(reason, sizeof reason, "the battery is empty");
        if (!go_on(world, world->now_ms + (int64_t)(world->conf->sim.wake_seconds * 1000), 0))
            continue;
        while (world->now_ms < world->end_ms) {
            struct nj_decision decision;
            look(world, &moment);
            nj_schedule_look(plan, &moment, NJ_LOOK_AGAIN);
            see_arrivals(world, queue, plan, since);
            since = nj_schedule_now(plan);
            nj_schedule_decide(plan, queue->item, queue->count, &decision);
            if (decision.action == NJ_SCHEDULE_SLEEP) {
                next_wake = decision.until_s;
                memcpy(reason, decision.reason, sizeof reason);
                break;
            }
            if (world->stored_wh <= fmax(decision.park_wh, world->floor_wh) + LEAST_TO_BEGIN * world->conf->power.battery_wh) {
                /* Only a gauge that lies leads here: the power board cuts the supply before the work begins. */
                next_wake = moment.wall_s + 3600;
                snprintf(reason, sizeof reason, "the power board refuses: the floor is reached");
                break;
            }
            run_one(world, queue, plan, &decision, &out->cut_runs);
        }
    }
}

/* ---- adding up ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const double *sorted, size_t count, double share)
{
    if (count == 0)
        return NAN;
    double place = share * (double)(count - 1);
    size_t low = (size_t)place, high = low + 1 < count ? low + 1 : low;
    return sorted[low] + (place - (double)low) * (sorted[high] - sorted[low]);
}

static nj_status add_up(const struct world *world, const struct queue *queue, struct nj_simulated *out, struct nj_error *error)
{
    const struct nj_arrivals *arrivals = world->arrivals;
    double                    total = 0, got = 0, *delay = calloc(arrivals->count + 1, sizeof *delay);
    if (!delay)
        return nj_fail(error, "no memory for %zu delays", arrivals->count);
    for (size_t i = 0; i < arrivals->count; i++) {
        total += arrivals->item[i].interest;
        if (!queue->done_ms[i])
            continue;
        int64_t late       = queue->done_ms[i] - arrivals->item[i].time_s * 1000;
        delay[out->done++] = (double)late / MS_PER_HOUR;
        got += arrivals->item[i].interest * (late <= FRESH_MS ? 1 : 0.5);
    }
    qsort(delay, out->done, sizeof *delay, by_value);
    out->events             = arrivals->count;
    out->alarm_s            = world->alarm_ms / 1000;
    out->empty_steps        = world->empty_steps;
    out->brownouts          = world->empty_steps + out->cut_runs;
    out->min_stored_percent = world->lowest_wh / world->conf->power.battery_wh * 100;
    out->median_delay_h     = percentile(delay, out->done, 0.5);
    out->p95_delay_h        = percentile(delay, out->done, 0.95);
    out->score              = total > 0 ? got / total : 0;
    free(delay);
    return NJ_OK;
}

nj_status nj_simulate(const struct nj_conf *conf, const struct nj_weather *weather, const struct nj_arrivals *arrivals,
                      const char *log_path, const struct nj_simulator_faults *faults, struct nj_simulated *out, struct nj_error *error)
{
    *out                       = (struct nj_simulated){0};
    struct nj_schedule *plan   = NULL;
    struct queue        queue  = {0};
    nj_status           status = NJ_OK;
    struct world        world  = {.conf            = conf,
                                  .weather         = weather,
                                  .arrivals        = arrivals,
                                  .faults          = faults,
                                  .now_ms          = weather->start_s * 1000,
                                  .end_ms          = (weather->start_s + (int64_t)weather->count * weather->step_s) * 1000,
                                  .stored_wh       = conf->power.battery_wh * conf->sim.battery_start_percent / 100,
                                  .floor_wh        = conf->power.battery_wh * conf->power.floor_percent / 100,
                                  .last_empty_step = -1,
                                  .error           = error};
    world.lowest_wh            = world.stored_wh;
    struct nj_schedule_settings settings;
    nj_schedule_settings_from(conf, &settings);
    settings.wake_s    = conf->sim.wake_seconds;
    settings.max_batch = 1; /* one event runs at a time */
    if (!(conf->sim.joules_per_event > 0))
        return nj_fail(error, "sim.joules_per_event: more than 0 is needed");
    if ((status = read_jumps(&world, conf->sim.clock_jump)) != NJ_OK || (status = nj_schedule_open(&settings, &plan, error)) != NJ_OK ||
        (status = open_queue(&queue, arrivals->count, error)) != NJ_OK)
        goto cleanup;
    if (log_path) {
        if ((status = nj_atomic_open(log_path, &world.log, error)) != NJ_OK)
            goto cleanup;
        world.logging = true;
        nj_text_add(&world.rows, "time,stored_wh,panel_w,drawn_w,state,event_id,reason\n");
    }
    live(&world, &queue, plan, out);
    status = add_up(&world, &queue, out, error);
    if (world.logging) {
        flush_log(&world);
        if (status == NJ_OK)
            status = world.log_status;
        if (status == NJ_OK)
            status = nj_atomic_commit(&world.log, error);
        else
            nj_atomic_abort(&world.log);
    }
cleanup:
    nj_text_free(&world.rows);
    close_queue(&queue);
    nj_schedule_close(plan);
    return status;
}
