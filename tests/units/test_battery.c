/* Batteries of every kind, as files: what a good reading gives, and that a bad one gives nothing. */
#include "firmware-host/battery.h"
#include "tests/tap.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char    root[] = "/tmp/nightjar-battery-XXXXXX";
static int64_t now_ms = 1677628800000;

static int64_t get_ms(void *self)
{
    (void)self;
    return now_ms;
}

static const struct nj_clock clock_of_test = {.wall_ms = get_ms, .monotonic_ms = get_ms};

static void put(const char *path, const char *text)
{
    char place[256];
    snprintf(place, sizeof place, "%s/%s", root, path);
    for (char *at = place + strlen(root) + 1; (at = strchr(at, '/')); at++) {
        *at = 0;
        mkdir(place, 0777);
        *at = '/';
    }
    FILE *file = fopen(place, "w");
    if (!CHECK(file != NULL, "%s is written", path))
        return;
    fputs(text, file);
    fclose(file);
}

static struct nj_battery *open_battery(const char *source)
{
    struct nj_battery *battery = NULL;
    struct nj_error    error   = {{0}};
    CHECK(nj_battery_open(source, &clock_of_test, &battery, &error) == NJ_OK, "%s %s", source, error.text);
    return battery;
}

static struct nj_battery_reading read_once(const char *source)
{
    struct nj_battery_reading reading = {.percent = NAN};
    struct nj_battery        *battery = open_battery(source);
    if (battery)
        nj_battery_read(battery, &reading);
    nj_battery_close(battery);
    return reading;
}

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-6;
}

/* A frame with the byte that makes its sum 0. */
static size_t frame_of(const char *fields, uint8_t out[512])
{
    size_t  size = (size_t)snprintf((char *)out, 512, "%s\r\nChecksum\t", fields);
    uint8_t sum  = 0;
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + out[i]);
    out[size++] = (uint8_t)-sum;
    return size;
}

static void vedirect(void)
{
    struct nj_battery_reading reading = {.percent = NAN};
    uint8_t                   bytes[1400], frame[512];
    size_t                    size =
        frame_of("\r\nPID\t0xA053\r\nV\t12800\r\nI\t640\r\nVPV\t33350\r\nPPV\t10\r\nCS\t3\r\nERR\t0\r\nIL\t500\r\nH19\t456", frame);
    CHECK(nj_vedirect_parse(frame, size, &reading) && near(reading.volts, 12.8) && near(reading.panel_w, 10) && near(reading.load_w, 6.4) &&
              isnan(reading.percent) && !reading.words[0],
          "a frame of a charger: %.2f V, %.0f W in, %.1f W out", reading.volts, reading.panel_w, reading.load_w);
    frame[20] ^= 1;
    CHECK(!nj_vedirect_parse(frame, size, &reading), "a frame with one bit wrong is dropped");
    frame[20] ^= 1;
    memcpy(bytes, frame + 30, size - 30);
    memcpy(bytes + size - 30, frame, size);
    CHECK(nj_vedirect_parse(bytes, 2 * size - 30, &reading) && near(reading.volts, 12.8), "the tail of an earlier frame before it");
    static const char hex[] = ":7F0ED009C\n";
    memcpy(bytes, frame, 15);
    memcpy(bytes + 15, hex, sizeof hex - 1);
    memcpy(bytes + 15 + sizeof hex - 1, frame + 15, size - 15);
    CHECK(nj_vedirect_parse(bytes, size + sizeof hex - 1, &reading) && near(reading.panel_w, 10), "a hex message in the middle of it");
    for (size_t cut = 0; cut < size; cut++)
        if (nj_vedirect_parse(frame, cut, &reading))
            CHECK(false, "%zu bytes of a frame are taken for one", cut);
    size = frame_of("\r\nV\t26100\r\nSOC\t876\r\nERR\t2", frame);
    CHECK(nj_vedirect_parse(frame, size, &reading) && near(reading.percent, 87.6) && strstr(reading.words, "error 2"),
          "a monitor: %.1f %%, %s", reading.percent, reading.words);
}

static void folders(void)
{
    struct nj_battery_reading reading;
    put("bat/capacity", "43\n");
    put("bat/voltage_now", "12100000\n");
    reading = read_once("sysfs:/bat");
    CHECK(reading.basis == NJ_CHARGE_GAUGE && near(reading.percent, 43) && near(reading.volts, 12.1), "power_supply: %.0f %%",
          reading.percent);
    put("bat/capacity", "4711\n");
    reading = read_once("sysfs:/bat");
    CHECK(reading.basis == NJ_CHARGE_VOLTAGE && reading.percent < 60 && strstr(reading.words, "lies"),
          "beyond 100 %%: the voltage counts: %s", reading.words);
    put("energy/energy_now", "30000000\n");
    put("energy/energy_full", "40000000\n");
    CHECK(near(read_once("sysfs:/energy").percent, 75), "power_supply by its energy");
    put("sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
    put("sys/class/hwmon/hwmon7/name", "ina219\n");
    put("sys/class/hwmon/hwmon7/in1_input", "12600\n");
    put("sys/class/hwmon/hwmon7/curr1_input", "500\n");
    reading = read_once("hwmon:ina219");
    CHECK(reading.basis == NJ_CHARGE_VOLTAGE && near(reading.volts, 12.6) && near(reading.load_w, 6.3),
          "hwmon by its name, volts times amperes: %.1f W", reading.load_w);
    put("sys/class/hwmon/hwmon7/power1_input", "7000000\n");
    CHECK(near(read_once("hwmon:ina219").load_w, 7), "and by its own product");
    CHECK(read_once("hwmon:ina226").basis == NJ_CHARGE_UNKNOWN, "another name is another chip");
}

static void doubt(void)
{
    struct nj_battery_reading reading;
    struct nj_battery        *battery = open_battery("file:/gauge.json");
    char                      text[96];
    snprintf(text, sizeof text, "{\"percent\": 80, \"time\": %lld}", (long long)(now_ms / 1000));
    put("gauge.json", text);
    if (!battery)
        return;
    nj_battery_read(battery, &reading);
    CHECK(near(reading.percent, 80), "a program's gauge");
    now_ms += 60000;
    snprintf(text, sizeof text, "{\"percent\": 20, \"time\": %lld}", (long long)(now_ms / 1000));
    put("gauge.json", text);
    nj_battery_read(battery, &reading);
    CHECK(isnan(reading.percent) && strstr(reading.words, "jumped"), "a jump is not believed: %s", reading.words);
    nj_battery_read(battery, &reading);
    CHECK(near(reading.percent, 20), "seen again, it is");
    now_ms += 20 * 60000;
    nj_battery_read(battery, &reading);
    CHECK(reading.basis == NJ_CHARGE_UNKNOWN && strstr(reading.words, "minutes old"), "an old reading is none: %s", reading.words);
    put("gauge.json", "{\"percent\": ");
    nj_battery_read(battery, &reading);
    CHECK(reading.basis == NJ_CHARGE_UNKNOWN && reading.words[0], "nor is half a file: %s", reading.words);
    nj_battery_close(battery);
}

int main(void)
{
    char command[64];
    if (!CHECK(mkdtemp(root) != NULL, "a folder"))
        return tap_done();
    setenv("NIGHTJAR_SYSROOT", root, 1);
    vedirect();
    folders();
    doubt();
    snprintf(command, sizeof command, "rm -r '%s'", root);
    CHECK(system(command) == 0, "cleared away");
    return tap_done();
}
