/* alarm.h: the clock chip, or the power board, that wakes the station. A station that misses its alarm is a dead station.
 *
 *   rtc:FILE         /sys/class/rtc/rtcN/wakealarm: written and read back; an alarm that is armed is moved, never cleared first
 *   command:PROGRAM  run as PROGRAM SECONDS_SINCE_1970; status 0 means armed, `PROGRAM --read` prints what is armed (Witty Pi, PiJuice)
 *   none             nothing wakes this board; arming succeeds and `read` says so
 *
 * An alarm in the past is impossible: a time less than a minute ahead becomes one minute ahead.
 *
 * A second alarm behind the first: a clock chip has room for one, so it goes to another chip where the board has one (a power board's clock beside the
 * Pi's own: /sys/class/rtc/rtcM/wakealarm, M not N). PROGRAM is run as PROGRAM --second SECONDS_SINCE_1970; one that knows no such thing answers with
 * status 2. */
#ifndef NJ_FIRMWARE_HOST_ALARM_H
#define NJ_FIRMWARE_HOST_ALARM_H

#include "base/clock.h"
#include "base/status.h"

#include <stdint.h>

struct nj_alarm;

nj_status nj_alarm_open(const char *wake, const struct nj_clock *clock, struct nj_alarm **out, struct nj_error *error);
void      nj_alarm_close(struct nj_alarm *alarm);

/* Arms for `at_s` (seconds since 1970 UTC, the clock's own belief) and reads back; *armed_s is what the chip holds. NJ_ERROR when it does not hold it after
 * three tries. */
nj_status nj_alarm_arm(struct nj_alarm *alarm, int64_t at_s, int64_t *armed_s, struct nj_error *error);

/* Arms the second alarm. NJ_NOT_FOUND, with a sentence, where there is no room for one. */
nj_status nj_alarm_arm_second(struct nj_alarm *alarm, int64_t at_s, struct nj_error *error);

/* What is armed; NJ_NOT_FOUND when nothing is (or nothing can be: kind none). */
nj_status nj_alarm_read(struct nj_alarm *alarm, int64_t *armed_s, struct nj_error *error);

#endif
