#include "base/log.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static enum nj_log_level shown_level = NJ_LOG_INFO;

void nj_log_level_set(enum nj_log_level level)
{
    shown_level = level;
}

void nj_log(enum nj_log_level level, const char *format, ...)
{
    if (level > shown_level)
        return;
    static const char *const journal[] = {"<3>", "<4>", "<6>", "<7>"}, *const plain[] = {"nightjar: ", "nightjar: warning: ", "", ""};
    char    line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fprintf(stderr, "%s%s\n", getenv("JOURNAL_STREAM") && !isatty(STDERR_FILENO) ? journal[level] : plain[level], line);
}

static int64_t now_ms(void)
{
    const struct nj_clock *clock = nj_clock_system();
    return clock->monotonic_ms(clock->self);
}

void nj_progress_begin(struct nj_progress *progress, const char *what, const char *unit, uint64_t total)
{
    *progress          = (struct nj_progress){.what = what, .unit = unit, .total = total, .started_ms = now_ms()};
    progress->shown_ms = progress->started_ms;
}

static void show(const struct nj_progress *progress, uint64_t done, bool terminal)
{
    double seconds = (double)(now_ms() - progress->started_ms) / 1000;
    double rate    = seconds > 0 ? (double)done / seconds : 0;
    double left    = rate > 0 && progress->total > done ? (double)(progress->total - done) / rate : 0;
    char   bar[21] = "....................";
    if (!progress->total) {
        fprintf(stderr, terminal ? "\r\033[K%s: %" PRIu64 " %s, %.2f/s" : "%s: %" PRIu64 " %s, %.2f/s\n", progress->what, done,
                progress->unit, rate);
        fflush(stderr);
        return;
    }
    uint64_t filled = done * 20 / progress->total;
    for (uint64_t i = 0; i < filled && i < 20; i++)
        bar[i] = '#';
    fprintf(stderr,
            terminal ? "\r\033[K%s [%s] %" PRIu64 "/%" PRIu64 " %s, %.2f/s, %.0f s left"
                     : "%s [%s] %" PRIu64 "/%" PRIu64 " %s, %.2f/s, %.0f s left\n",
            progress->what, bar, done, progress->total, progress->unit, rate, left);
    fflush(stderr);
}

void nj_progress_at(struct nj_progress *progress, uint64_t done)
{
    bool    terminal = isatty(STDERR_FILENO);
    int64_t now      = now_ms();
    if (shown_level < NJ_LOG_INFO || now - progress->shown_ms < (terminal ? 200 : 60000))
        return;
    progress->shown_ms = now;
    show(progress, done, terminal);
}

void nj_progress_end(struct nj_progress *progress, uint64_t done)
{
    if (shown_level < NJ_LOG_INFO || !isatty(STDERR_FILENO))
        return;
    show(progress, done, true);
    fputc('\n', stderr);
}
