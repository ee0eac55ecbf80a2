/* doctor_power.c: the hardware around the board: where the charge comes from, what wakes the board, its lines, its heat. Only looked at, never set. */
#include "base/file.h"
#include "firmware-host/alarm.h"
#include "firmware-host/battery.h"
#include "firmware-host/cpu.h"
#include "firmware-host/gpio.h"
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
    struct nj_lines *lines;
    if (!*cli->conf.power.wake_gpio)
        return; /* not used, and most boards need none */
    if (nj_lines_open(cli->conf.power.wake_gpio, &lines, &cli->error) != NJ_OK) {
        nj_doctor_say(doctor, NJ_BROKEN, "gpio", "%s", cli->error.text);
        cli->error.text[0] = 0;
        return;
    }
    for (int i = 0; i < NJ_LINES; i++) {
        if (!nj_lines_has(lines, (enum nj_line)i))
            continue;
        if (nj_lines_probe(lines, (enum nj_line)i, &cli->error) == NJ_OK)
            nj_doctor_say(doctor, NJ_WELL, "gpio", "the %s line is there (%s)", nj_line_names[i], nj_lines_backend());
        else
            nj_doctor_say(doctor, NJ_BROKEN, "gpio", "%s", cli->error.text);
        cli->error.text[0] = 0;
    }
    nj_lines_close(lines);
}

/* Looked at only: to open it would start it. */
void nj_doctor_watchdog(struct nj_doctor *doctor, struct nj_cli *cli)
{
    char path[1200];
    if (!strcmp(cli->conf.power.battery, "none") && !strcmp(cli->conf.power.wake, "none"))
        return; /* a computer on somebody's desk */
    if (!nj_sysroot_path(path, sizeof path, "/dev/watchdog"))
        return;
    if (access(path, F_OK) != 0)
        nj_doctor_say(
            doctor, NJ_AILING, "watchdog",
            "%s: this board has none, or its driver is not loaded (Raspberry Pi: dtparam=watchdog=on): a board that hangs stays so", path);
    else if (access(path, W_OK) != 0)
        nj_doctor_say(doctor, NJ_AILING, "watchdog",
                      "%s: %s; the udev rule of the package gives it to the group nightjar, or let systemd hold it (RuntimeWatchdogSec=)",
                      path, strerror(errno));
    else
        nj_doctor_say(doctor, NJ_WELL, "watchdog", "%s can be opened while the model reads", path);
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
    struct nj_cpu cpu;
    nj_cpu_read(&cpu);
    if (cpu.cap_mhz < 0.95 * cpu.most_mhz)
        nj_doctor_say(doctor, NJ_AILING, "cores", "capped at %.0f of %.0f MHz: reading takes longer; scaling_max_freq sets it", cpu.cap_mhz,
                      cpu.most_mhz);
    else if (!isnan(cpu.most_mhz))
        nj_doctor_say(doctor, NJ_WELL, "cores", "up to %.0f MHz%s", cpu.most_mhz,
                      cpu.may_cap ? "; slowed down near the limit of heat" : "; this user may not slow them down near the limit of heat");
}
