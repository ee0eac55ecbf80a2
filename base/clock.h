/* clock.h: the one door through which time, sleep and randomness come in.
 *
 * A station uses nj_clock_system(); tests and the simulator pass their own, so that a year of nights runs in seconds. Functions that need
 * time take a `const struct nj_clock *`. Wall time may jump (a camera station has no network); use monotonic time for durations. */
#ifndef NJ_BASE_CLOCK_H
#define NJ_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct nj_clock {
    void *self;
    int64_t (*wall_ms)(void *self);                     /* milliseconds since 1970-01-01 UTC, as the station believes */
    int64_t (*monotonic_ms)(void *self);                /* milliseconds, never goes back, counts through suspend */
    void (*sleep_ms)(void *self, int64_t milliseconds); /* returns early on a signal */
    uint64_t (*random)(void *self);                     /* 64 random bits */
};

/* The real one. Never NULL, never freed. */
const struct nj_clock *nj_clock_system(void);

#define NJ_TIME_TEXT 32

/* UTC as `2010-08-16T14:51:32Z`. */
void nj_time_utc(int64_t wall_ms, char out[NJ_TIME_TEXT]);

/* Seconds since 1970 read as a zoneless local clock: `2010-08-16T14:51:32`. */
void nj_time_local(int64_t seconds, char out[NJ_TIME_TEXT]);

/* The same back: `2010-08-16T14:51:32`, also with a blank for the T and without seconds. False if it is no date on the calendar. */
bool nj_time_read(const char *text, int64_t *seconds);

/* Days since 1970 of a proleptic Gregorian date, and back. Months 1..12, days 1..31. */
int64_t nj_days_from_date(int64_t year, unsigned month, unsigned day);
void    nj_date_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);

#endif
