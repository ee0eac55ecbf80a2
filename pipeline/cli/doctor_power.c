/* doctor_power.c: the hardware around the board: where the charge comes from, what wakes the board, its lines, its heat. Only looked at, never set. */
#include "base/file.h"
#include "firmware-host/alarm.h"
#include "firmware-host/battery.h"
#include "firmware-host/cpu.h"
#include "firmware-host/gpio.h"
#include "firmware-host/thermal.h"
#include "pipeline/cli/doctor.h"
#include "pipeline/schedule/wake.h"

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
        int64_t ahead_s = armed_s - nj_clock_system()->wall_ms(nj_clock_system()->self) / 1000;
        if (ahead_s <= 0)
            nj_doctor_say(doctor, NJ_AILING, "wake", "%s: its alarm, %s, is over; the next `nightjar run` arms a new one", place, armed);
        else if (ahead_s > NJ_WAKE_FARTHEST_S)
            nj_doctor_say(doctor, NJ_AILING, "wake",
                          "%s: armed for %s, too far ahead: was the clock set back? The next `nightjar run` arms anew", place, armed);
        else
            nj_doctor_say(doctor, NJ_WELL, "wake", "%s, armed for %s", place, armed);
    } else if (status == NJ_NOT_FOUND)
        nj_doctor_say(doctor, NJ_WELL, "wake", "%s, not armed now", place);
    else
        nj_doctor_say(doctor, NJ_BROKEN, "wake", "%s", cli->error.text);
    cli->error.text[0] = 0;
}

/* The first line of a small file below the root; false if it is not there. */
static bool first_line(const char *path, char out[256])
{
    char  place[4096];
    FILE *file = nj_sysroot_path(place, sizeof place, path) ? fopen(place, "re") : NULL;
    bool  ok   = file && fgets(out, 256, file);
    if (file)
        fclose(file);
    return ok;
}

/* Whether the start-up settings of a Pi hold `line`; -1 if they cannot be asked. */
static int eeprom_holds(const char *line)
{
    char place[4096], command[4200], text[256];
    int  holds = 0;
    if (!nj_sysroot_path(place, sizeof place, "/usr/bin/rpi-eeprom-config") || access(place, X_OK) != 0 || strchr(place, '\''))
        return -1;
    snprintf(command, sizeof command, "'%s' 2>/dev/null", place);
    FILE *said = popen(command, "re");
    if (!said)
        return -1;
    while (fgets(text, sizeof text, said))
        holds |= !strncmp(text, line, strlen(line)) && strchr("\r\n ", text[strlen(line)]) != NULL;
    return pclose(said) == 0 ? holds : -1;
}

/* Two settings with which a Raspberry Pi 5 comes from the factory empty a battery, and its clock. */
void nj_doctor_board(struct nj_doctor *doctor, struct nj_cli *cli)
{
    char model[256], volts[256];
    if (!first_line("/proc/device-tree/model", model) || !strstr(model, "Raspberry Pi 5"))
        return;
    bool alarm = !strncmp(cli->conf.power.wake, "rtc:", 4);
    int  off   = eeprom_holds("POWER_OFF_ON_HALT=1");
    if (off == 1)
        nj_doctor_say(doctor, NJ_WELL, "board", "Raspberry Pi 5, off when it is halted (POWER_OFF_ON_HALT=1)");
    else
        nj_doctor_say(doctor, NJ_AILING, "board",
                      "Raspberry Pi 5: %s it draws 1.8 to 2.7 W when halted; `sudo rpi-eeprom-config --edit`: POWER_OFF_ON_HALT=1",
                      off == 0 ? "without POWER_OFF_ON_HALT=1"
                               : "/usr/bin/rpi-eeprom-config does not say whether POWER_OFF_ON_HALT=1 is set; if it is not,");
    if (alarm && first_line("/sys/class/rtc/rtc0/charging_voltage", volts) && atol(volts) == 0)
        nj_doctor_say(doctor, NJ_AILING, "board",
                      "Raspberry Pi 5: the cell of its clock is not charged; with a rechargeable one, "
                      "/boot/firmware/config.txt: dtparam=rtc_bbat_vchg=3000000");
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
