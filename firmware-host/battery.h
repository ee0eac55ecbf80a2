/* battery.h: how much charge is there, from whatever a station has, and never believed without a check.
 *
 * Sources (power.battery), each below NIGHTJAR_SYSROOT:
 *   sysfs:DIR       a power_supply folder: capacity (%), else energy_now / energy_full, else voltage_now
 *   hwmon:NAME      an INA2xx found by its `name` file (hwmon numbers move): bus volts, mA, µW
 *   vedirect:TTY    Victron text frames, 19200 8N1: V, I, PPV, SOC; frames whose bytes do not sum to 0 mod 256 are dropped, hex messages between them skipped
 *   file:JSON       {"percent":…, "volts":…, "panel_w":…, "load_w":…, "time":…}: other programs' gauge
 *   none            nothing is known
 *
 * A percentage is taken from the gauge where there is one; else from the voltage of a 12 V lead or 4S LiFePO4 battery by a table, with hysteresis, and
 * said to be a guess. Checked are range, age (file: `time`, else its modification time, 15 minutes) and jumps (more than 25 % between two readings less
 * than five minutes apart). What fails a check is not given; `words` says why. */
#ifndef NJ_FIRMWARE_HOST_BATTERY_H
#define NJ_FIRMWARE_HOST_BATTERY_H

#include "base/clock.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nj_charge_basis { NJ_CHARGE_UNKNOWN, NJ_CHARGE_GAUGE, NJ_CHARGE_VOLTAGE };

struct nj_battery_reading { /* NAN where not known */
    double               percent, volts, panel_w, load_w;
    double               voltage_percent; /* what the voltage alone says, also beside a gauge */
    enum nj_charge_basis basis;
    char                 words[160]; /* what is wrong, or where the number comes from */
};

struct nj_battery;

/* `source` as in power.battery. A source that is not there now is no failure: readings then say so. A source that is misspelt is. */
nj_status nj_battery_open(const char *source, const struct nj_clock *clock, struct nj_battery **out, struct nj_error *error);
void      nj_battery_close(struct nj_battery *battery);

/* Never blocks longer than three seconds (one VE.Direct frame a second). */
void nj_battery_read(struct nj_battery *battery, struct nj_battery_reading *out);

/* One VE.Direct text frame out of `size` bytes: fills what it holds and gives true if a whole frame with a right checksum is there. */
bool nj_vedirect_parse(const uint8_t *bytes, size_t size, struct nj_battery_reading *out);

#endif
