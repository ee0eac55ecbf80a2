#include "pipeline/schedule/wake.h"
#include "base/log.h"
#include "firmware-host/alarm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARMED_KEY "armed_s"

struct nj_wake {
    const struct nj_clock *clock;
    struct nj_alarm       *alarm;
    bool                   any;       /* something can wake this board */
    bool                   no_second; /* there is no second alarm, or it was refused */
    enum nj_look           why;
};

static int64_t wall_s(const struct nj_wake *wake)
{
    return wake->clock->wall_ms(wake->clock->self) / 1000;
}

/* The first alarm must not suffer from the second: a program that knows no second one may take it for the first. */
static void arm_second(struct nj_wake *wake, int64_t first_s)
{
    struct nj_error error = {{0}};
    int64_t         held;
    if (wake->no_second)
        return;
    nj_status status = nj_alarm_arm_second(wake->alarm, first_s + NJ_WAKE_SECOND_S, &error);
    wake->no_second  = status != NJ_OK;
    if (status == NJ_ERROR)
        nj_log(NJ_LOG_WARNING, "no second alarm behind the first: %s", error.text);
    if (nj_alarm_read(wake->alarm, &held, &error) == NJ_OK && held == first_s)
        return;
    wake->no_second = true;
    nj_log(NJ_LOG_WARNING, "the second alarm took the place of the first, which is armed again");
    if (nj_alarm_arm(wake->alarm, first_s, &held, &error) != NJ_OK)
        nj_log(NJ_LOG_ERROR, "the next wake could not be armed: %s", error.text);
}

nj_status nj_wake_open(const struct nj_conf *conf, const struct nj_clock *clock, struct nj_wake **out, struct nj_error *error)
{
    struct nj_error why  = {{0}};
    struct nj_wake *wake = calloc(1, sizeof *wake);
    int64_t         armed;
    *out = NULL;
    if (!wake)
        return nj_fail(error, "no memory for the wake alarm");
    *wake            = (struct nj_wake){.clock = clock, .any = strcmp(conf->power.wake, "none") != 0, .why = NJ_LOOK_UNKNOWN};
    nj_status status = nj_alarm_open(conf->power.wake, clock, &wake->alarm, error);
    if (status != NJ_OK) {
        free(wake);
        return status;
    }
    *out   = wake;
    status = nj_alarm_read(wake->alarm, &armed, &why);
    /* Nobody arms for a day that far: the clock was set back since, and that alarm may be years away. */
    bool ahead = status == NJ_OK && armed > wall_s(wake), far = ahead && armed > wall_s(wake) + NJ_WAKE_FARTHEST_S;
    if (ahead && !far) {
        wake->why = NJ_LOOK_OTHER;
        return NJ_OK;
    }
    if (wake->any && status != NJ_ERROR && !far)
        wake->why = NJ_LOOK_ALARM;
    status = nj_alarm_arm(wake->alarm, wall_s(wake) + NJ_WAKE_FALLBACK_S, &armed, &why);
    if (status != NJ_OK)
        nj_log(NJ_LOG_ERROR, "the next wake could not be armed: %s", why.text);
    else if (wake->any)
        arm_second(wake, armed);
    return NJ_OK;
}

void nj_wake_close(struct nj_wake *wake)
{
    if (!wake)
        return;
    nj_alarm_close(wake->alarm);
    free(wake);
}

enum nj_look nj_wake_why(const struct nj_wake *wake)
{
    return wake->why;
}

int64_t nj_wake_arm(struct nj_wake *wake, struct nj_db *db, int64_t at_s, const char *why)
{
    struct nj_error error = {{0}};
    int64_t         armed;
    char            words[NJ_SCHEDULE_REASON + 64], time[NJ_TIME_TEXT];
    if (at_s > wall_s(wake) + NJ_WAKE_FARTHEST_S) /* the clock was set back since that time was reckoned */
        at_s = wall_s(wake) + NJ_WAKE_FALLBACK_S;
    if (nj_alarm_arm(wake->alarm, at_s, &armed, &error) != NJ_OK) {
        nj_log(NJ_LOG_ERROR, "the next wake could not be armed: %s", error.text);
        nj_db_decision(db, wall_s(wake) * 1000, "wake not armed", error.text, 0, NULL);
        return 0;
    }
    if (!wake->any)
        return armed;
    arm_second(wake, armed);
    nj_time_utc(armed * 1000, time);
    snprintf(words, sizeof words, "%s: %s", time, why);
    nj_db_decision(db, wall_s(wake) * 1000, "wake", words, 0, NULL);
    nj_db_state_put(db, ARMED_KEY, &armed, sizeof armed, NULL);
    nj_db_state_put(db, "next_wake_utc", time, strlen(time), NULL);
    return armed;
}

int64_t nj_wake_recorded(struct nj_db *db)
{
    void   *value;
    size_t  size;
    int64_t armed = 0;
    if (nj_db_state_get(db, ARMED_KEY, &value, &size, NULL) != NJ_OK)
        return 0;
    if (size == sizeof armed)
        memcpy(&armed, value, size);
    free(value);
    return armed;
}
