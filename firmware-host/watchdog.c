#include "firmware-host/watchdog.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/watchdog.h>

#define LONGEST_MS 3000 /* between two kicks, whatever the watchdogs would stand */
#define SHORTEST_S 10   /* of timeouts that boards have */

struct nj_watchdog {
    const struct nj_clock *clock;
    int                    fd; /* of the hardware; -1: none */
    bool                   systemd;
    int64_t                kicked_ms, every_ms;
    char                   words[160];
};

/* The interval that systemd asks for; 0 when it watches nobody, or another process. */
static int64_t systemd_ms(void)
{
    const char *interval = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!interval || !getenv("NOTIFY_SOCKET") || (pid && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    long long microseconds = strtoll(interval, NULL, 10);
    return microseconds > 0 ? microseconds / 1000 : 0;
}

static void open_hardware(struct nj_watchdog *watchdog)
{
    char path[1200];
    int  timeout = NJ_WATCHDOG_TIMEOUT_S;
    if (!nj_sysroot_path(path, sizeof path, "/dev/watchdog"))
        return;
    watchdog->fd = open(path, O_WRONLY | O_CLOEXEC);
    if (watchdog->fd < 0) {
        snprintf(watchdog->words, sizeof watchdog->words, "%.60s: %s", path,
                 errno == ENOENT   ? "this board has none"
                 : errno == EBUSY  ? "systemd or another program holds it"
                 : errno == EACCES ? "no right to open it"
                                   : strerror(errno));
        return;
    }
    /* Drivers take what they can: some refuse a long timeout altogether and keep their own. */
    if (ioctl(watchdog->fd, WDIOC_SETTIMEOUT, &timeout) != 0 && ioctl(watchdog->fd, WDIOC_GETTIMEOUT, &timeout) != 0)
        timeout = SHORTEST_S;
    snprintf(watchdog->words, sizeof watchdog->words, "%.60s, %d s", path, timeout);
    watchdog->kicked_ms -= watchdog->every_ms;
    nj_watchdog_kick(watchdog);
}

static void close_hardware(struct nj_watchdog *watchdog)
{
    if (write(watchdog->fd, "V", 1) != 1) /* without this letter a closed watchdog goes on counting */
        snprintf(watchdog->words, sizeof watchdog->words, "the watchdog cannot be stopped: %s", strerror(errno));
    close(watchdog->fd);
    watchdog->fd = -1;
}

nj_status nj_watchdog_open(const struct nj_clock *clock, struct nj_watchdog **out, struct nj_error *error)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return nj_fail(error, "no memory for the watchdog");
    int64_t interval  = systemd_ms();
    **out             = (struct nj_watchdog){.clock    = clock,
                                             .fd       = -1,
                                             .systemd  = interval > 0,
                                             .every_ms = interval > 0 && interval / 3 < LONGEST_MS ? interval / 3 : LONGEST_MS,
                                             .words    = "not started"};
    (*out)->kicked_ms = clock->monotonic_ms(clock->self) - (*out)->every_ms;
    nj_watchdog_kick(*out);
    return NJ_OK;
}

void nj_watchdog_hardware(struct nj_watchdog *watchdog, bool on)
{
    if (on && watchdog->fd < 0)
        open_hardware(watchdog);
    else if (!on && watchdog->fd >= 0)
        close_hardware(watchdog);
}

void nj_watchdog_kick(struct nj_watchdog *watchdog)
{
    if (!watchdog || (watchdog->fd < 0 && !watchdog->systemd))
        return;
    int64_t now = watchdog->clock->monotonic_ms(watchdog->clock->self);
    if (now - watchdog->kicked_ms < watchdog->every_ms)
        return;
    watchdog->kicked_ms = now;
    if (watchdog->fd >= 0 && write(watchdog->fd, "k", 1) != 1)
        snprintf(watchdog->words, sizeof watchdog->words, "the watchdog takes no kick: %s", strerror(errno));
    if (watchdog->systemd)
        nj_notify("WATCHDOG=1");
}

const char *nj_watchdog_words(const struct nj_watchdog *watchdog)
{
    return watchdog->words;
}

void nj_watchdog_close(struct nj_watchdog *watchdog)
{
    if (!watchdog)
        return;
    nj_watchdog_hardware(watchdog, false);
    free(watchdog);
}

void nj_notify(const char *format, ...)
{
    const char        *where   = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char               text[512];
    va_list            args;
    if (!where || (*where != '/' && *where != '@') || strlen(where) >= sizeof address.sun_path)
        return;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (length < 0)
        return;
    memcpy(address.sun_path, where, strlen(where));
    if (*where == '@') /* a name that is in no file system */
        address.sun_path[0] = 0;
    int out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (out < 0)
        return;
    sendto(out, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&address,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(where)));
    close(out);
}
