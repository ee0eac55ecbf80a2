#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_wall_ms(void *self)
{
    (void)self;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic_ms(void *self)
{
    (void)self;
    return read_clock(CLOCK_BOOTTIME);
}

static void system_sleep_ms(void *self, int64_t milliseconds)
{
    (void)self;
    if (milliseconds <= 0)
        return;
    struct timespec span = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};
    nanosleep(&span, NULL);
}

static uint64_t system_random(void *self)
{
    (void)self;
    uint64_t bits;
    while (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
        ;
    return bits;
}

const struct nj_clock *nj_clock_system(void)
{
    static const struct nj_clock clock = {
        .wall_ms = system_wall_ms, .monotonic_ms = system_monotonic_ms, .sleep_ms = system_sleep_ms, .random = system_random};
    return &clock;
}

/* Howard Hinnant, "chrono-compatible low-level date algorithms": eras of 400 years, years that begin in March. */
int64_t nj_days_from_date(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t  era         = (year >= 0 ? year : year - 399) / 400;
    unsigned year_of_era = (unsigned)(year - era * 400);
    unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned day_of_era  = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void nj_date_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t  era         = (days >= 0 ? days : days - 146096) / 146097;
    unsigned day_of_era  = (unsigned)(days - era * 146097);
    unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted     = (5 * day_of_year + 2) / 153;
    *day                 = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month               = shifted < 10 ? shifted + 3 : shifted - 9;
    *year                = (int64_t)year_of_era + era * 400 + (*month <= 2);
}

void nj_time_local(int64_t seconds, char out[NJ_TIME_TEXT])
{
    int64_t  days = seconds >= 0 ? seconds / 86400 : -((-seconds + 86399) / 86400);
    int64_t  rest = seconds - days * 86400, year;
    unsigned month, day;
    nj_date_from_days(days, &year, &month, &day);
    snprintf(out, NJ_TIME_TEXT, "%04" PRId64 "-%02u-%02uT%02d:%02d:%02d", year, month, day, (int)(rest / 3600), (int)(rest / 60 % 60),
             (int)(rest % 60));
}

void nj_time_utc(int64_t wall_ms, char out[NJ_TIME_TEXT])
{
    nj_time_local(wall_ms >= 0 ? wall_ms / 1000 : -((-wall_ms + 999) / 1000), out);
    for (char *end = out; end < out + NJ_TIME_TEXT - 1; end++)
        if (!*end) {
            end[0] = 'Z';
            end[1] = 0;
            break;
        }
}

bool nj_time_read(const char *text, int64_t *seconds)
{
    unsigned part[6] = {0}, month, day;
    int      used = 0, all = 0;
    int64_t  year;
    if (sscanf(text, "%4u-%2u-%2u%*1[T ]%2u:%2u%n:%2u%n", &part[0], &part[1], &part[2], &part[3], &part[4], &used, &part[5], &all) < 5)
        return false;
    if (text[all ? all : used] || part[1] < 1 || part[1] > 12 || part[2] < 1 || part[3] > 23 || part[4] > 59 || part[5] > 59)
        return false;
    int64_t days = nj_days_from_date(part[0], part[1], part[2]);
    nj_date_from_days(days, &year, &month, &day);
    *seconds = days * 86400 + part[3] * 3600 + part[4] * 60 + part[5];
    return year == part[0] && month == part[1] && day == part[2]; /* 30 February would come back as 1 or 2 March */
}
