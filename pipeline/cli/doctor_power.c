/* doctor_power.c: the hardware around the board: where the charge comes from, what wakes the board, its lines, its heat. Only looked at, never set. */
#include "base/file.h"
#include "firmware-host/alarm.h"
#include "firmware-host/battery.h"
#include "firmware-host/thermal.h"
#include "pipeline/cli/doctor.h"

#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void nj_doctor_battery(struct nj_doctor *doctor, struct nj_cli *cli)
{
    struct nj_battery        *battery;
    struct nj_battery_reading reading;
    if (!strcmp(cli->conf.power.battery, "none")) {
        nj_doctor_say(doctor, NJ_AILING, "battery", "not measured ([power] battery = none): the station cannot see it run low");
        return;
    }
    if (nj_battery_open(cli->conf.power.battery, nj_clock_system(), &battery, &cli->error) != NJ_OK) {
        nj_doctor_say(doctor, NJ_BROKEN, "battery", "%s", cli->error.text);
        cli->error.text[0] = 0;
        return;
    }
    nj_battery_read(battery, &reading);
    nj_battery_close(battery);
    if (isnan(reading.percent))
        nj_doctor_say(doctor, NJ_BROKEN, "battery", "%s gives no charge: %s", cli->conf.power.battery,
                      *reading.words ? reading.words : "is the gauge connected and its driver loaded?");
    else if (reading.percent < cli->conf.power.floor_percent)
        nj_doctor_say(doctor, NJ_AILING, "battery", "%.0f %%, below the floor of %.0f %%: nothing runs until the sun is back",
                      reading.percent, cli->conf.power.floor_percent);
    else
        nj_doctor_say(doctor, NJ_WELL, "battery", "%.0f %%%s%s", reading.percent, *reading.words ? ": " : "", reading.words);
}

/* Whether the alarm could be armed, found out without arming it. */
static bool can_arm(const char *wake, char place[4096])
{
    bool rtc = !strncmp(wake, "rtc:", 4);
    return nj_sysroot_path(place, 4096, strchr(wake, ':') + 1) && access(place, rtc ? W_OK : X_OK) == 0;
}

void nj_doctor_wake(struct nj_doctor *doctor, struct nj_cli *cli)
{
    const char      *wake = cli->conf.power.wake;
    struct nj_alarm *alarm;
    char             place[4096] = "", armed[NJ_TIME_TEXT];
    int64_t          armed_s;
    if (!strcmp(wake, "none")) {
        nj_doctor_say(doctor, NJ_AILING, "wake", "no alarm ([power] wake = none): once it sleeps only a person or another board wakes it");
        return;
    }
    if (nj_alarm_open(wake, nj_clock_system(), &alarm, &cli->error) != NJ_OK) {
        nj_doctor_say(doctor, NJ_BROKEN, "wake", "%s", cli->error.text);
        cli->error.text[0] = 0;
        return;
    }
    nj_status status = nj_alarm_read(alarm, &armed_s, &cli->error);
    nj_alarm_close(alarm);
    if (!can_arm(wake, place))
        nj_doctor_say(doctor, NJ_BROKEN, "wake", "%s: %s; the clock's driver must be loaded, and this user allowed to set it", place,
                      strerror(errno));
    else if (status == NJ_OK) {
        nj_time_utc(armed_s * 1000, armed);
        nj_doctor_say(doctor, NJ_WELL, "wake", "%s, armed for %s", place, armed);
    } else if (status == NJ_NOT_FOUND)
        nj_doctor_say(doctor, NJ_WELL, "wake", "%s, not armed now", place);
    else
        nj_doctor_say(doctor, NJ_BROKEN, "wake", "%s", cli->error.text);
    cli->error.text[0] = 0;
}

void nj_doctor_gpio(struct nj_doctor *doctor, struct nj_cli *cli)
{
    const char *line = cli->conf.power.wake_gpio, *colon = strrchr(line, ':');
    char        chips[4096], *end;
    glob_t      found = {0};
    if (!*line)
        return; /* not used, and most boards need none */
    if (!colon || colon == line || !colon[1] || (strtoul(colon + 1, &end, 10), *end)) {
        nj_doctor_say(doctor, NJ_BROKEN, "gpio", "[power] wake_gpio = %s: CHIP:LINE is expected, such as pinctrl-rp1:17", line);
        return;
    }
    if (nj_sysroot_path(chips, sizeof chips, "/dev/gpiochip*") && glob(chips, 0, NULL, &found) == 0 && found.gl_pathc)
        nj_doctor_say(doctor, NJ_WELL, "gpio", "%s among %zu chip%s; chips are found by their label", line, found.gl_pathc,
                      found.gl_pathc == 1 ? "" : "s");
    else
        nj_doctor_say(doctor, NJ_BROKEN, "gpio", "%s: this computer has no /dev/gpiochip*", line);
    globfree(&found);
}

void nj_doctor_heat(struct nj_doctor *doctor, struct nj_cli *cli)
{
    double   celsius   = nj_thermal_celsius();
    uint32_t throttled = nj_thermal_throttled();
    if (isnan(celsius))
        nj_doctor_say(doctor, NJ_AILING, "heat", "no thermometer (/sys/class/thermal): the station cannot pause when it is hot");
    else
        nj_doctor_say(doctor, celsius > cli->conf.power.max_temp_c ? NJ_AILING : NJ_WELL, "heat", "%.0f degrees, work stops above %.0f",
                      celsius, cli->conf.power.max_temp_c);
    if (throttled & 0x1)
        nj_doctor_say(doctor, NJ_BROKEN, "supply", "the voltage is too low now: a better cable or converter is needed");
    else if (throttled & 0x10000)
        nj_doctor_say(doctor, NJ_AILING, "supply", "the voltage has been too low since the start: a better cable or converter is needed");
}
