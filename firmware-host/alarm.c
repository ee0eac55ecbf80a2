#include "firmware-host/alarm.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEAST_AHEAD_S 60
#define TRIES         3
#define COMMAND_MS    30000

extern char **environ;

struct nj_alarm {
    enum { NONE, RTC, COMMAND } kind;
    const struct nj_clock *clock;
    char                   where[1200];
};

nj_status nj_alarm_open(const char *wake, const struct nj_clock *clock, struct nj_alarm **out, struct nj_error *error)
{
    *out                   = NULL;
    struct nj_alarm *alarm = calloc(1, sizeof *alarm);
    if (!alarm)
        return nj_fail(error, "no memory for the wake alarm");
    alarm->clock     = clock;
    nj_status status = NJ_OK;
    if (!strncmp(wake, "rtc:", 4)) {
        alarm->kind = RTC;
        if (!nj_sysroot_path(alarm->where, sizeof alarm->where, wake + 4))
            status = nj_fail(error, "power.wake = %s: the path is too long", wake);
    } else if (!strncmp(wake, "command:", 8)) {
        alarm->kind = COMMAND;
        if (!nj_sysroot_path(alarm->where, sizeof alarm->where, wake + 8))
            status = nj_fail(error, "power.wake = %s: the path is too long", wake);
    } else if (strcmp(wake, "none"))
        status = nj_fail(error, "power.wake = %s: rtc:FILE, command:PROGRAM or none is expected", wake);
    if (status != NJ_OK) {
        free(alarm);
        return status;
    }
    *out = alarm;
    return NJ_OK;
}

void nj_alarm_close(struct nj_alarm *alarm)
{
    free(alarm);
}

/* The number in a wakealarm file; false where it cannot be read. An empty file is 0: no alarm. */
static bool read_rtc(const char *where, int64_t *armed_s)
{
    char  text[128] = "";
    FILE *file      = fopen(where, "re");
    if (!file)
        return false;
    if (!fgets(text, sizeof text, file))
        text[0] = 0;
    fclose(file);
    *armed_s = strtoll(text, NULL, 10);
    return true;
}

/* sysfs takes a value in one write and answers with an error code, not with a short write. Returns 0 or an errno. */
static int write_rtc(const char *where, const char *text)
{
    int fd = open(where, O_WRONLY | O_CLOEXEC); /* not truncated first: at no moment is there a file without an alarm */
    if (fd < 0)
        return errno;
    ssize_t put = write(fd, text, strlen(text));
    int     why = put == (ssize_t)strlen(text) ? 0 : put < 0 ? errno : EIO;
    if (why == 0 && text[0] != '+' && ftruncate(fd, put) != 0)
        why = errno == EINVAL || errno == EPERM || errno == EACCES ? 0 : errno; /* sysfs has nothing to cut off */
    close(fd);
    return why;
}

/* A chip that has an alarm armed answers EBUSY to a new one. Its alarm is then moved ("+=SECONDS"), so that a power cut finds the old one or the new one;
 * only a kernel that does not know this has it cleared first. */
static nj_status set_rtc(const char *where, int64_t at_s, struct nj_error *error)
{
    char    text[32], move[40];
    int64_t armed_s = 0;
    snprintf(text, sizeof text, "%" PRId64, at_s);
    int why = write_rtc(where, text);
    if (why == EBUSY && read_rtc(where, &armed_s) && armed_s > 0) {
        snprintf(move, sizeof move, "+=%" PRId64, at_s - armed_s);
        why = write_rtc(where, move);
    }
    if (why && why != ENOENT && why != EACCES) {
        why = write_rtc(where, "0");
        if (why == 0)
            why = write_rtc(where, text);
    }
    return why ? nj_fail_errno(error, why, "%s: the wake alarm cannot be set to %s", where, text) : NJ_OK;
}

/* Runs PROGRAM ARGUMENT [MORE] and keeps the first line of what it prints. Killed after half a minute. NJ_NOT_FOUND: it knows no such argument. */
static nj_status run(const struct nj_alarm *alarm, const char *argument, const char *more, char *line, size_t size, struct nj_error *error)
{
    int         ends[2], status = 0;
    pid_t       child;
    char *const arguments[] = {(char *)(uintptr_t)alarm->where, (char *)(uintptr_t)argument, (char *)(uintptr_t)more, NULL};
    line[0]                 = 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return nj_fail_errno(error, errno, "%s: cannot be run", alarm->where);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    int failed = posix_spawn(&child, alarm->where, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (failed) {
        close(ends[0]);
        return nj_fail_errno(error, failed, "%s: cannot be run", alarm->where);
    }
    size_t have = 0;
    for (int64_t until = alarm->clock->monotonic_ms(alarm->clock->self) + COMMAND_MS;;) {
        int64_t       left = until - alarm->clock->monotonic_ms(alarm->clock->self);
        struct pollfd wait = {.fd = ends[0], .events = POLLIN};
        char          rest[256];
        if (left <= 0 || poll(&wait, 1, (int)left) == 0) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            close(ends[0]);
            return nj_fail(error, "%s %s: did not end within %d s", alarm->where, argument, COMMAND_MS / 1000);
        }
        ssize_t got = read(ends[0], have + 1 < size ? line + have : rest, have + 1 < size ? size - 1 - have : sizeof rest);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        if (have + 1 < size)
            line[have += (size_t)got] = 0;
    }
    close(ends[0]);
    waitpid(child, &status, 0);
    line[strcspn(line, "\n")] = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
        return nj_fail_as(NJ_NOT_FOUND, error, "%s %s: not known to it", alarm->where, argument);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return nj_fail(error, "%s %s: ended with status %d", alarm->where, argument,
                       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return NJ_OK;
}

nj_status nj_alarm_read(struct nj_alarm *alarm, int64_t *armed_s, struct nj_error *error)
{
    char text[128] = "";
    if (alarm->kind == NONE)
        return nj_fail_as(NJ_NOT_FOUND, error, "power.wake is none: nothing wakes this board");
    if (alarm->kind == RTC && !read_rtc(alarm->where, armed_s))
        return nj_fail_errno(error, errno, "%s: the wake alarm cannot be read", alarm->where);
    if (alarm->kind == COMMAND) {
        NJ_TRY(run(alarm, "--read", NULL, text, sizeof text, error));
        *armed_s = strtoll(text, NULL, 10);
    }
    return *armed_s > 0 ? NJ_OK : nj_fail_as(NJ_NOT_FOUND, error, "%s: no alarm is armed", alarm->where);
}

nj_status nj_alarm_arm(struct nj_alarm *alarm, int64_t at_s, int64_t *armed_s, struct nj_error *error)
{
    int64_t now = alarm->clock->wall_ms(alarm->clock->self) / 1000;
    char    text[32], line[128];
    if (at_s < now + LEAST_AHEAD_S)
        at_s = now + LEAST_AHEAD_S;
    *armed_s = at_s;
    if (alarm->kind == NONE)
        return NJ_OK;
    snprintf(text, sizeof text, "%" PRId64, at_s);
    nj_status status = NJ_ERROR;
    for (int i = 0; i < TRIES && status != NJ_OK; i++) {
        if (alarm->kind == COMMAND)
            status = run(alarm, text, NULL, line, sizeof line, error);
        else {
            status = set_rtc(alarm->where, at_s, error);
        }
        if (status == NJ_OK)
            status = nj_alarm_read(alarm, armed_s, error);
        if (status == NJ_OK && *armed_s != at_s)
            status = nj_fail(error, "%s: asked for %" PRId64 ", holds %" PRId64, alarm->where, at_s, *armed_s);
        if (status == NJ_NOT_FOUND)
            status = NJ_ERROR;
    }
    return status;
}

/* The alarm of another clock chip beside the one that is set; "" if there is none that may be written. */
static void find_other(const struct nj_alarm *alarm, char *out, size_t size)
{
    char   pattern[1200];
    glob_t found;
    out[0] = 0;
    if (!nj_sysroot_path(pattern, sizeof pattern, "/sys/class/rtc/rtc*/wakealarm") || glob(pattern, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc && !out[0]; i++)
        if (strcmp(found.gl_pathv[i], alarm->where) && access(found.gl_pathv[i], W_OK) == 0)
            snprintf(out, size, "%s", found.gl_pathv[i]);
    globfree(&found);
}

nj_status nj_alarm_arm_second(struct nj_alarm *alarm, int64_t at_s, struct nj_error *error)
{
    char text[32], line[128], other[1200];
    snprintf(text, sizeof text, "%" PRId64, at_s);
    if (alarm->kind == COMMAND)
        return run(alarm, "--second", text, line, sizeof line, error);
    if (alarm->kind == RTC)
        find_other(alarm, other, sizeof other);
    if (alarm->kind == NONE || !other[0])
        return nj_fail_as(NJ_NOT_FOUND, error, "this board has no second alarm");
    return set_rtc(other, at_s, error);
}
