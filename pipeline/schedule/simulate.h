/* simulate.h: a station's year in seconds. The scheduler of schedule.h lives through a weather and an arrivals file (interfaces part 5) and everything
 * it did goes to a log that anyone can add up again.
 *
 * The world here is exact where the station is not: energy between two rows of the log changes at a constant rate, times are whole milliseconds. */
#ifndef NJ_SCHEDULE_SIMULATE_H
#define NJ_SCHEDULE_SIMULATE_H

#include "base/conf.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_weather {
    int64_t start_s, step_s;
    size_t  count;
    double *irradiance, *temp_c; /* [count]; owned */
};

struct nj_arrival {
    int64_t  time_s;
    char     id[32];
    unsigned frames;
    double   interest;
};

struct nj_arrivals {
    size_t             count;
    struct nj_arrival *item; /* [count], by time; owned */
};

nj_status nj_weather_read(const char *path, struct nj_weather *out, struct nj_error *error);
void      nj_weather_free(struct nj_weather *weather);
nj_status nj_arrivals_read(const char *path, struct nj_arrivals *out, struct nj_error *error);
void      nj_arrivals_free(struct nj_arrivals *arrivals);

struct nj_simulated {
    size_t  events, done, brownouts, cut_runs, empty_steps, wakes;
    double  min_stored_percent;
    double  median_delay_h, p95_delay_h; /* NAN when nothing was done */
    double  score;
    int64_t alarm_s; /* true time for which the alarm stands at the end of the trace */
};

/* What the station's instruments say, for tests that lie to it; each may be NULL. `true_s` is the true time. */
struct nj_simulator_faults {
    void *self;
    double (*gauge)(void *self, int64_t true_s, double stored_wh); /* what the gauge shows; NAN: nothing */
    bool (*alarm)(void *self, int64_t true_s);                     /* whether the alarm that is due now wakes the board */
    double (*temp)(void *self, int64_t true_s, double temp_c);     /* temperature of the board */
};

/* Lives through the whole trace. `log_path` NULL: no log. `faults` NULL: none. */
nj_status nj_simulate(const struct nj_conf *conf, const struct nj_weather *weather, const struct nj_arrivals *arrivals,
                      const char *log_path, const struct nj_simulator_faults *faults, struct nj_simulated *out, struct nj_error *error);

#endif
