#include "firmware-host/battery.h"
#include "base/file.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define MAX_AGE_S    900
#define JUMP_PERCENT 25
#define JUMP_MS      (5 * 60000)
#define FRAME_MS     3000
#define HYSTERESIS   2.0 /* % by which a guess from the voltage must move before it counts */

struct nj_battery {
    void (*read)(struct nj_battery *battery, struct nj_battery_reading *out);
    const struct nj_clock *clock;
    char                   where[1200];
    double                 last_percent; /* of the last reading that was believed; NAN */
    double                 last_guess;   /* from the voltage */
    double                 doubtful;     /* of a jump that was not believed: seen twice, it holds */
    int64_t                last_ms;
};

static bool read_word(const char *folder, const char *name, char *out, size_t size)
{
    char path[1400];
    if (!nj_path_join(path, sizeof path, folder, name))
        return false;
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool ok = fgets(out, (int)size, file) != NULL;
    fclose(file);
    if (ok)
        out[strcspn(out, "\n")] = 0;
    return ok;
}

/* A number in a sysfs file times `unit`; NAN if it is not there or no number. */
static double read_number(const char *folder, const char *name, double unit)
{
    char text[64], *end;
    if (!read_word(folder, name, text, sizeof text))
        return NAN;
    double value = strtod(text, &end);
    return end == text || *end ? NAN : value * unit;
}

static void read_sysfs(struct nj_battery *battery, struct nj_battery_reading *out)
{
    out->percent = read_number(battery->where, "capacity", 1);
    out->volts   = read_number(battery->where, "voltage_now", 1e-6);
    if (isnan(out->percent)) {
        double full  = read_number(battery->where, "energy_full", 1);
        out->percent = full > 0 ? 100 * read_number(battery->where, "energy_now", 1) / full : NAN;
    }
    if (isnan(out->percent) && isnan(out->volts))
        snprintf(out->words, sizeof out->words, "%.120s: no capacity, energy or voltage there", battery->where);
}

/* The folder of the hwmon device called `where`. */
static bool find_hwmon(const char *name, char *out, size_t size)
{
    char   pattern[1200], text[64];
    glob_t found;
    bool   ok = false;
    if (!nj_sysroot_path(pattern, sizeof pattern, "/sys/class/hwmon/hwmon*") || glob(pattern, 0, NULL, &found) != 0)
        return false;
    for (size_t i = 0; i < found.gl_pathc && !ok; i++)
        if (read_word(found.gl_pathv[i], "name", text, sizeof text) && !strcmp(text, name)) {
            snprintf(out, size, "%s", found.gl_pathv[i]);
            ok = true;
        }
    globfree(&found);
    return ok;
}

static void read_hwmon(struct nj_battery *battery, struct nj_battery_reading *out)
{
    char folder[1200];
    if (!find_hwmon(battery->where, folder, sizeof folder)) {
        snprintf(out->words, sizeof out->words, "no hwmon device is called %.80s (is its driver loaded?)", battery->where);
        return;
    }
    out->volts  = read_number(folder, "in1_input", 1e-3);
    out->load_w = read_number(folder, "power1_input", 1e-6);
    if (isnan(out->load_w))
        out->load_w = out->volts * read_number(folder, "curr1_input", 1e-3);
    if (isnan(out->volts))
        snprintf(out->words, sizeof out->words, "%.100s/in1_input: no bus voltage there", folder);
}

static void read_file(struct nj_battery *battery, struct nj_battery_reading *out)
{
    struct nj_error error = {{0}};
    struct stat     info;
    json_t         *json = NULL;
    if (nj_json_read(battery->where, 65536, &json, &error) != NJ_OK || stat(battery->where, &info) != 0) {
        snprintf(out->words, sizeof out->words, "%.150s", error.text);
        json_decref(json);
        return;
    }
    const json_t *time = json_object_get(json, "time");
    int64_t       now  = battery->clock->wall_ms(battery->clock->self) / 1000;
    int64_t       then = json_is_number(time) ? (int64_t)json_number_value(time) : (int64_t)info.st_mtime;
    const struct {
        const char *name;
        double     *to;
    } fields[] = {{"percent", &out->percent}, {"volts", &out->volts}, {"panel_w", &out->panel_w}, {"load_w", &out->load_w}};
    for (size_t i = 0; i < 4; i++)
        if (json_is_number(json_object_get(json, fields[i].name)))
            *fields[i].to = json_number_value(json_object_get(json, fields[i].name));
    if (now - then > MAX_AGE_S) {
        out->percent = out->volts = out->panel_w = out->load_w = NAN;
        snprintf(out->words, sizeof out->words, "%.100s: the reading is %lld minutes old", battery->where, (long long)(now - then) / 60);
    }
    json_decref(json);
}

bool nj_vedirect_parse(const uint8_t *bytes, size_t size, struct nj_battery_reading *out)
{
    static const struct {
        const char *label;
        size_t      at;
        double      unit;
    } fields[] = {{"V", offsetof(struct nj_battery_reading, volts), 1e-3},
                  {"PPV", offsetof(struct nj_battery_reading, panel_w), 1},
                  {"SOC", offsetof(struct nj_battery_reading, percent), 0.1}};
    uint8_t frame[1024];
    size_t  used = 0;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == ':') { /* a hex message may stand between fields; it ends with its line and is in no sum */
            while (i < size && bytes[i] != '\n')
                i++;
            continue;
        }
        if (used == sizeof frame)
            used = 0;
        frame[used++] = bytes[i];
        /* A frame ends with "\r\nChecksum\t" and the byte that brings the sum to 0. */
        if (used < 12 || memcmp(frame + used - 12, "\r\nChecksum\t", 11))
            continue;
        uint8_t sum = 0;
        for (size_t k = 0; k < used; k++)
            sum = (uint8_t)(sum + frame[k]);
        if (sum == 0 && frame[0] == '\r') { /* a whole frame begins with its line break */
            struct nj_battery_reading found   = {.percent = NAN, .volts = NAN, .panel_w = NAN, .load_w = NAN};
            double                    amperes = NAN;
            frame[used - 1]                   = 0;
            for (char *line = (char *)frame; line; line = strstr(line, "\r\n"), line = line ? line + 2 : NULL) {
                char *tab = strchr(line, '\t');
                for (size_t f = 0; tab && f < sizeof fields / sizeof fields[0]; f++)
                    if ((size_t)(tab - line) == strlen(fields[f].label) && !memcmp(line, fields[f].label, (size_t)(tab - line)))
                        *(double *)(void *)((char *)&found + fields[f].at) = strtod(tab + 1, NULL) * fields[f].unit;
                if (tab && tab - line == 2 && !memcmp(line, "IL", 2)) /* of the charger's own load outlet */
                    amperes = strtod(tab + 1, NULL) * 1e-3;
                if (tab && tab - line == 3 && !memcmp(line, "ERR", 3) && strtol(tab + 1, NULL, 10) != 0)
                    snprintf(out->words, sizeof out->words, "the charger reports error %ld", strtol(tab + 1, NULL, 10));
            }
            out->percent = found.percent;
            out->volts   = found.volts;
            out->panel_w = found.panel_w;
            out->load_w  = amperes > 0 ? found.volts * amperes : NAN;
            return true;
        }
        used = 0; /* damaged, or the tail of a frame that began before we listened */
    }
    return false;
}

static void read_vedirect(struct nj_battery *battery, struct nj_battery_reading *out)
{
    uint8_t        bytes[4096];
    size_t         have = 0;
    struct termios line;
    int            tty = open(battery->where, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (tty < 0) {
        snprintf(out->words, sizeof out->words, "%.100s: %s", battery->where, strerror(errno));
        return;
    }
    if (tcgetattr(tty, &line) == 0) {
        cfmakeraw(&line);
        cfsetspeed(&line, B19200);
        line.c_cflag |= CLOCAL | CREAD;
        tcsetattr(tty, TCSANOW, &line);
        ioctl(tty, TIOCMBIS, &(int){TIOCM_DTR | TIOCM_RTS}); /* they feed the far side of an isolated cable */
    }
    bool whole = false;
    for (int64_t until = battery->clock->monotonic_ms(battery->clock->self) + FRAME_MS; !whole && have < sizeof bytes;) {
        int64_t       left = until - battery->clock->monotonic_ms(battery->clock->self);
        struct pollfd wait = {.fd = tty, .events = POLLIN};
        if (left <= 0 || poll(&wait, 1, (int)left) <= 0)
            break;
        ssize_t got = read(tty, bytes + have, sizeof bytes - have);
        if (got <= 0)
            break;
        have += (size_t)got;
        whole = nj_vedirect_parse(bytes, have, out);
    }
    close(tty);
    if (!whole)
        snprintf(out->words, sizeof out->words, "%.80s: no whole VE.Direct frame within %d s (%zu bytes came)", battery->where,
                 FRAME_MS / 1000, have);
}

static void read_none(struct nj_battery *battery, struct nj_battery_reading *out)
{
    (void)battery;
    snprintf(out->words, sizeof out->words, "no battery source is set (power.battery)");
}

/* State of charge of a resting 12 V battery, lead or 4S LiFePO4 in between; below load it reads low, which is the safe side. */
static double percent_from_volts(double volts)
{
    static const double table[][2] = {{10.5, 0},  {11.6, 5},  {11.8, 10}, {12.0, 25}, {12.2, 45},
                                      {12.4, 60}, {12.6, 75}, {12.8, 85}, {13.2, 95}, {13.6, 100}};
    const size_t        rows       = sizeof table / sizeof table[0];
    if (volts <= table[0][0])
        return 0;
    for (size_t i = 1; i < rows; i++)
        if (volts <= table[i][0])
            return table[i - 1][1] + (volts - table[i - 1][0]) / (table[i][0] - table[i - 1][0]) * (table[i][1] - table[i - 1][1]);
    return 100;
}

nj_status nj_battery_open(const char *source, const struct nj_clock *clock, struct nj_battery **out, struct nj_error *error)
{
    static const struct {
        const char *kind;
        void (*read)(struct nj_battery *battery, struct nj_battery_reading *out);
        bool path;
    } kinds[] = {
        {"sysfs:", read_sysfs, true}, {"hwmon:", read_hwmon, false}, {"vedirect:", read_vedirect, true}, {"file:", read_file, true}};
    *out                       = NULL;
    struct nj_battery *battery = calloc(1, sizeof *battery);
    if (!battery)
        return nj_fail(error, "no memory for the battery");
    *battery = (struct nj_battery){.clock = clock, .last_percent = NAN, .last_guess = NAN, .doubtful = NAN};
    if (!strcmp(source, "none"))
        battery->read = read_none;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t length = strlen(kinds[i].kind);
        if (strncmp(source, kinds[i].kind, length))
            continue;
        battery->read = kinds[i].read;
        if (kinds[i].path ? !nj_sysroot_path(battery->where, sizeof battery->where, source + length)
                          : strlen(source + length) >= sizeof battery->where)
            battery->read = NULL;
        else if (!kinds[i].path)
            snprintf(battery->where, sizeof battery->where, "%s", source + length);
    }
    if (!battery->read) {
        free(battery);
        return nj_fail(error, "power.battery = %s: sysfs:DIR, hwmon:NAME, vedirect:TTY, file:JSON or none is expected", source);
    }
    *out = battery;
    return NJ_OK;
}

void nj_battery_close(struct nj_battery *battery)
{
    free(battery);
}

/* Range and jumps. A jump that is seen again is no jump: the gauge was wrong before. */
static void check(struct nj_battery *battery, struct nj_battery_reading *out)
{
    int64_t now = battery->clock->monotonic_ms(battery->clock->self);
    if (out->volts < 2 || out->volts > 80) {
        snprintf(out->words, sizeof out->words, "%.2f V is no battery", out->volts);
        out->volts = NAN;
    }
    if (out->percent < 0 || out->percent > 100) {
        snprintf(out->words, sizeof out->words, "the gauge says %.1f %%: it lies", out->percent);
        out->percent = NAN;
    }
    if (!isnan(out->percent) && !isnan(battery->last_percent) && now - battery->last_ms < JUMP_MS &&
        fabs(out->percent - battery->last_percent) > JUMP_PERCENT && !(fabs(out->percent - battery->doubtful) <= JUMP_PERCENT)) {
        snprintf(out->words, sizeof out->words, "the gauge jumped from %.0f %% to %.0f %%: not believed yet", battery->last_percent,
                 out->percent);
        battery->doubtful = out->percent;
        out->percent      = NAN;
    } else
        battery->doubtful = NAN;
}

void nj_battery_read(struct nj_battery *battery, struct nj_battery_reading *out)
{
    *out = (struct nj_battery_reading){.percent = NAN, .volts = NAN, .panel_w = NAN, .load_w = NAN, .voltage_percent = NAN};
    battery->read(battery, out);
    check(battery, out);
    if (out->volts >= 9 && out->volts <= 16) {
        double guess = percent_from_volts(out->volts);
        if (isnan(battery->last_guess) || fabs(guess - battery->last_guess) >= HYSTERESIS)
            battery->last_guess = guess;
        out->voltage_percent = battery->last_guess;
    }
    if (!isnan(out->percent)) {
        out->basis            = NJ_CHARGE_GAUGE;
        battery->last_percent = out->percent;
        battery->last_ms      = battery->clock->monotonic_ms(battery->clock->self);
    } else if (!isnan(out->voltage_percent)) {
        out->percent = out->voltage_percent;
        out->basis   = NJ_CHARGE_VOLTAGE;
        if (!out->words[0])
            snprintf(out->words, sizeof out->words, "guessed from %.2f V", out->volts);
    }
}
