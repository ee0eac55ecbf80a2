/* What the scheduler learns of its own board, and that it is still known after a sleep without power. */
#include "pipeline/schedule/schedule.h"
#include "tests/tap.h"

#include <math.h>
#include <string.h>

#define START   1677628800 /* 2023-03-01 */
#define BATTERY 100.0

static struct nj_schedule *open_schedule(void)
{
    struct nj_conf              conf;
    struct nj_schedule_settings settings;
    struct nj_schedule         *schedule;
    nj_conf_defaults(&conf);
    conf.station.latitude    = -20;
    conf.station.longitude   = 0;
    conf.power.battery_wh    = BATTERY;
    conf.power.floor_percent = 10;
    conf.power.idle_w        = 0.2;
    conf.power.panel_wp      = 10;
    nj_schedule_settings_from(&conf, &settings);
    if (!CHECK(nj_schedule_open(&settings, &schedule, NULL) == NJ_OK, "a schedule opens"))
        return NULL;
    return schedule;
}

/* Forty nights from 20 to 2 h, in which the charge falls by `watts`; `work`: each evening a burst was read, and the gauge shows its `late_wh` only in the
 * night. Days are left out: the station lies in a box. */
static void nights(struct nj_schedule *schedule, double watts, double work_s, double late_wh)
{
    struct nj_outlook outlook;
    struct nj_moment  moment = {.stored_wh = 60, .voltage_wh = NAN, .panel_w = NAN, .temp_c = 20};
    for (int night = 0; night < 40; night++) {
        struct nj_waiting  burst = {.interest = 0.9, .frames = 3, .seen_s = START};
        struct nj_decision decision;
        moment.stored_wh = 60;
        moment.wall_s    = START + (int64_t)night * 86400 + 20 * 3600;
        moment.monotonic_s += 100;
        nj_schedule_look(schedule, &moment, NJ_LOOK_OTHER);
        if (work_s > 0) {
            nj_schedule_decide(schedule, &burst, 1, &decision);
            moment.wall_s += (int64_t)work_s;
            moment.monotonic_s += (int64_t)work_s;
            nj_schedule_ran(schedule, &moment, &burst, 1, 280, work_s, true);
        }
        nj_schedule_decide(schedule, NULL, 0, &decision);
        int64_t until = START + (int64_t)night * 86400 + 26 * 3600;
        nj_schedule_armed(schedule, until);
        moment.stored_wh -= watts * (double)(until - moment.wall_s) / 3600 + late_wh;
        moment.wall_s = until;
        nj_schedule_look(schedule, &moment, NJ_LOOK_ALARM);
    }
    nj_schedule_outlook(schedule, &outlook);
    double idle = (outlook.resting_wh - 0.03) / 24;
    CHECK(late_wh > 0 ? idle < 0.25 : fabs(idle - watts) < 0.1 * watts,
          "%.2f W a night and %.1f Wh of late work: taken for %.3f W of sleep", watts, late_wh, idle);
}

static void idle_watts(void)
{
    struct nj_schedule *quiet = open_schedule(), *busy = open_schedule();
    if (quiet && busy) {
        nights(quiet, 0.6, 0, 0);
        nights(busy, 0.2, 300, 6);
    }
    nj_schedule_close(quiet);
    nj_schedule_close(busy);
}

static void kept(void)
{
    struct nj_schedule *before = open_schedule(), *after = open_schedule();
    struct nj_text      saved = {0}, again = {0};
    struct nj_error     error = {{0}};
    if (before && after) {
        nights(before, 0.4, 0, 0);
        nj_schedule_save(before, &saved);
        CHECK(nj_schedule_restore(after, saved.data, saved.length, &error) == NJ_OK, "what was learned is taken up again %s", error.text);
        nj_schedule_save(after, &again);
        CHECK(saved.length == again.length && !memcmp(saved.data, again.data, saved.length), "to the last number");
        CHECK(nj_schedule_restore(after, saved.data, saved.length / 2, &error) != NJ_OK, "half of it is refused: %s", error.text);
        nj_text_clear(&again);
        nj_schedule_save(after, &again);
        CHECK(saved.length == again.length && !memcmp(saved.data, again.data, saved.length), "and changes nothing");
    }
    nj_text_free(&saved);
    nj_text_free(&again);
    nj_schedule_close(before);
    nj_schedule_close(after);
}

int main(void)
{
    idle_watts();
    kept();
    return tap_done();
}
