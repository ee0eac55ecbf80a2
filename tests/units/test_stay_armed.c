/* A run that goes on for hours has an alarm ahead of it at every moment: it may be cut off at any. */
#include "pipeline/schedule/power.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define START 1677628800 /* 2023-03-01 */

static int64_t wall_ms = START * (int64_t)1000, monotonic_ms = 1000;

static int64_t get_wall(void *self)
{
    (void)self;
    return wall_ms;
}

static int64_t get_monotonic(void *self)
{
    (void)self;
    return monotonic_ms;
}

static void go_to_sleep(void *self, int64_t milliseconds)
{
    (void)self;
    wall_ms += milliseconds;
    monotonic_ms += milliseconds;
}

static uint64_t draw(void *self)
{
    (void)self;
    return 4; /* by no die, but nothing here asks for chance */
}

static const struct nj_clock clock_of_test = {NULL, get_wall, get_monotonic, go_to_sleep, draw};
static char                  root[]        = "/tmp/nightjar-armed-XXXXXX";

static int64_t ahead_s(void)
{
    char path[128], text[32] = "";
    snprintf(path, sizeof path, "%s/wakealarm", root);
    FILE *chip = fopen(path, "r");
    if (!chip || !fgets(text, sizeof text, chip))
        text[0] = 0;
    if (chip)
        fclose(chip);
    return atoll(text) - wall_ms / 1000;
}

int main(void)
{
    struct nj_conf   conf;
    struct nj_error  error = {{0}};
    struct nj_wake  *wake  = NULL;
    struct nj_power *power = NULL;
    struct nj_db    *db    = NULL;
    char             path[128], reason[NJ_SCHEDULE_REASON];
    if (!CHECK(mkdtemp(root) != NULL, "a folder"))
        return tap_done();
    setenv("NIGHTJAR_SYSROOT", root, 1);
    snprintf(path, sizeof path, "%s/wakealarm", root);
    FILE *chip = fopen(path, "w");
    if (chip)
        fclose(chip);
    nj_conf_defaults(&conf);
    snprintf(conf.power.wake, sizeof conf.power.wake, "rtc:/wakealarm");
    snprintf(path, sizeof path, "%s/station.db", root);
    CHECK(nj_db_open(path, &(struct nj_db_options){.mode = NJ_DB_STATION, .station = "test", .site = "test", .clock = &clock_of_test}, &db,
                     &error) == NJ_OK,
          "a store %s", error.text);
    CHECK(nj_wake_open(&conf, &clock_of_test, &wake, &error) == NJ_OK && ahead_s() == NJ_WAKE_FALLBACK_S, "armed before anything else %s",
          error.text);
    CHECK(nj_power_open(&conf, db, &clock_of_test, wake, &power, &error) == NJ_OK, "the power plan opens %s", error.text);
    int64_t least = ahead_s();
    for (int minute = 0; power && minute < 300; minute++) {
        go_to_sleep(NULL, 60000);
        nj_power_may_go_on(power, reason);
        least = ahead_s() < least ? ahead_s() : least;
    }
    CHECK(least >= 29 * 60, "in five hours of work the alarm is never less than %d s ahead", (int)least);
    wall_ms -= (int64_t)50 * 365 * 86400 * 1000;
    go_to_sleep(NULL, 60000);
    if (power)
        nj_power_may_go_on(power, reason);
    CHECK(ahead_s() > 0 && ahead_s() <= 7200, "a clock that is set back by 50 years while it runs: %lld s ahead", (long long)ahead_s());
    nj_power_close(power, 0);
    CHECK(ahead_s() > 0 && ahead_s() <= NJ_WAKE_FARTHEST_S, "and at the end the next wake is armed");
    nj_wake_close(wake);
    nj_db_close(db);
    const char *left[] = {"station.db", "wakealarm", "station.db-wal", "station.db-shm"};
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        snprintf(path, sizeof path, "%s/%s", root, left[i]);
        unlink(path);
    }
    rmdir(root);
    return tap_done();
}
