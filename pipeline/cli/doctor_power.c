/* doctor_power.c: the hardware around the board, as far as files tell: where the charge comes from, what wakes the board, its lines, its heat. */
#include "base/file.h"
#include "pipeline/cli/doctor.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The place behind `kind:` of a source, under NIGHTJAR_SYSROOT; NULL if it is of another kind. */
static const char *place_of(const char *source, const char *kind, char *out, size_t size)
{
    size_t length = strlen(kind);
    if (strncmp(source, kind, length) != 0 || source[length] != ':')
        return NULL;
    return nj_sysroot_path(out, size, source + length + 1) ? out : NULL;
}

void nj_doctor_battery(struct nj_doctor *doctor, struct nj_cli *cli)
{
    const char *source = cli->conf.power.battery, *place;
    char        buffer[4096];
    if (!strcmp(source, "none"))
        nj_doctor_say(doctor, NJ_AILING, "battery", "not measured ([power] battery = none): the station cannot see it run low");
    else if ((place = place_of(source, "sysfs", buffer, sizeof buffer)) || (place = place_of(source, "file", buffer, sizeof buffer)) ||
             (place = place_of(source, "vedirect", buffer, sizeof buffer))) {
        if (access(place, R_OK) != 0)
            nj_doctor_say(doctor, NJ_BROKEN, "battery", "%s: %s; is the gauge connected and its driver loaded?", place, strerror(errno));
        else
            nj_doctor_say(doctor, NJ_WELL, "battery", "%s is there", place);
    } else if (!strncmp(source, "hwmon:", 6))
        nj_doctor_say(doctor, NJ_WELL, "battery", "%s is looked for by its name at each start", source);
    else
        nj_doctor_say(doctor, NJ_BROKEN, "battery",
                      "[power] battery = %s: sysfs:DIR, hwmon:NAME, vedirect:TTY, file:JSON or none is expected", source);
}

void nj_doctor_wake(struct nj_doctor *doctor, struct nj_cli *cli)
{
    const char *source = cli->conf.power.wake, *place;
    char        buffer[4096];
    if (!strcmp(source, "none"))
        nj_doctor_say(doctor, NJ_AILING, "wake", "no alarm ([power] wake = none): once it sleeps only a person or another board wakes it");
    else if ((place = place_of(source, "rtc", buffer, sizeof buffer))) {
        if (access(place, W_OK) != 0)
            nj_doctor_say(doctor, NJ_BROKEN, "wake", "%s: %s; the clock's driver must be loaded and the file writable", place,
                          strerror(errno));
        else
            nj_doctor_say(doctor, NJ_WELL, "wake", "%s can be set", place);
    } else if ((place = place_of(source, "command", buffer, sizeof buffer))) {
        if (access(place, X_OK) != 0)
            nj_doctor_say(doctor, NJ_BROKEN, "wake", "%s: %s; a program is expected", place, strerror(errno));
        else
            nj_doctor_say(doctor, NJ_WELL, "wake", "%s", place);
    } else
        nj_doctor_say(doctor, NJ_BROKEN, "wake", "[power] wake = %s: rtc:FILE, command:PROGRAM or none is expected", source);
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
    char   pattern[4096], text[32];
    glob_t found   = {0};
    double hottest = -1000;
    if (nj_sysroot_path(pattern, sizeof pattern, "/sys/class/thermal/thermal_zone*/temp") && glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) {
            FILE *file = fopen(found.gl_pathv[i], "r");
            if (file && fgets(text, sizeof text, file) && strtod(text, NULL) / 1000 > hottest)
                hottest = strtod(text, NULL) / 1000;
            if (file)
                fclose(file);
        }
    globfree(&found);
    if (hottest == -1000)
        nj_doctor_say(doctor, NJ_AILING, "heat", "no thermometer (/sys/class/thermal): the station cannot pause when it is hot");
    else
        nj_doctor_say(doctor, hottest > cli->conf.power.max_temp_c ? NJ_AILING : NJ_WELL, "heat", "%.0f degrees, work stops above %.0f",
                      hottest, cli->conf.power.max_temp_c);
}
