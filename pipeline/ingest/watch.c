#include "pipeline/ingest/watch.h"

#include "base/file.h"
#include "base/log.h"
#include "pipeline/ingest/walk.h"

#include <errno.h>
#include <glob.h>
#include <inotifytools/inotify.h>
#include <inotifytools/inotifytools.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define IDLE_SECONDS    30 /* between two looks at what is mounted */
#define DISTRUST_MS     3600000
#define QUIET_SECONDS   1 /* a wave of events is over when none came for so long */
#define FOLDER_EVENTS   (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW)
#define PARENT_EVENTS   (IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define MOST_DRAINED_MS 10000 /* while files keep coming, a scan at least this often */

struct watch {
    const struct nj_scan_options *options;
    const struct nj_clock        *clock;
    uint64_t                      cards; /* what is mounted where, as one number */
    bool                          scan_due, folders_changed, incomplete;
    int64_t                       next_scan_ms; /* monotonic */
};

static int64_t now_ms(const struct watch *watch)
{
    return watch->clock->monotonic_ms(watch->clock->self);
}

static bool stopped(const struct watch *watch)
{
    return watch->options->stop && *watch->options->stop;
}

/* ---- what to watch ---- */

static void add(struct watch *watch, const char *path, int events)
{
    if (inotifytools_watch_file(path, events))
        return;
    int failed = inotifytools_error();
    if (failed != ENOENT && failed != ENOTDIR && !watch->incomplete) {
        watch->incomplete = true;
        nj_log(NJ_LOG_WARNING, "%s: cannot be watched: %s; the cards are scanned every %d s instead%s", path, strerror(failed),
               IDLE_SECONDS, failed == ENOSPC ? " (raise fs.inotify.max_user_watches)" : "");
    }
}

struct card_folders {
    struct watch *watch;
    const char   *card;
};

static nj_status on_folder(void *user, const char *path, struct nj_error *error)
{
    struct card_folders *folders = user;
    char                 whole[PATH_MAX];
    (void)error;
    if (nj_path_join(whole, sizeof whole, folders->card, path))
        add(folders->watch, whole, FOLDER_EVENTS);
    return NJ_OK;
}

static bool matches(const char *pattern, size_t size)
{
    char   part[PATH_MAX];
    glob_t found;
    snprintf(part, sizeof part, "%.*s", (int)size, pattern);
    if (glob(part, GLOB_ONLYDIR, NULL, &found) != 0)
        return false;
    globfree(&found);
    return true;
}

static void watch_all(struct watch *watch, const char *pattern, size_t size, int events)
{
    char   part[PATH_MAX];
    glob_t found;
    snprintf(part, sizeof part, "%.*s", (int)size, pattern);
    if (glob(part, GLOB_ONLYDIR, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        add(watch, found.gl_pathv[i], events);
    globfree(&found);
}

/* Folders in which others that the pattern names may appear: where the next part of the pattern is a wildcard, or names what is not there yet.
 * All others are left in peace: /tmp would wake us all day. */
static void watch_parents(struct watch *watch)
{
    const char *cards = watch->options->cards;
    for (const char *slash = strchr(cards, '/'), *next; slash; slash = next) {
        next            = strchr(slash + 1, '/');
        size_t part     = next ? (size_t)(next - slash) : strlen(slash);
        size_t begin    = slash == cards ? 1 : (size_t)(slash - cards);
        bool   wildcard = strcspn(slash, "*?[") < part;
        bool   missing  = !matches(cards, (size_t)(slash - cards) + part);
        if (wildcard || missing)
            watch_all(watch, cards, begin, PARENT_EVENTS);
        if (missing && !wildcard)
            return;
    }
}

/* FNV-1a over names and devices of all that the pattern names now. */
static uint64_t fingerprint(const struct watch *watch)
{
    uint64_t hash = 14695981039346656037u;
    glob_t   found;
    if (glob(watch->options->cards, GLOB_ONLYDIR, NULL, &found) != 0)
        return hash;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct stat at = {0};
        if (stat(found.gl_pathv[i], &at) != 0)
            continue;
        const uint64_t place[2] = {at.st_dev, at.st_ino};
        for (const char *c = found.gl_pathv[i]; *c; c++)
            hash = (hash ^ (uint8_t)*c) * 1099511628211u;
        for (size_t b = 0; b < sizeof place; b++)
            hash = (hash ^ ((const uint8_t *)place)[b]) * 1099511628211u;
    }
    globfree(&found);
    return hash;
}

/* All watches anew. What happens meanwhile is found by the scan that follows. */
static nj_status renew(struct watch *watch, struct nj_error *error)
{
    glob_t found;
    inotifytools_cleanup();
    if (!inotifytools_initialize())
        return nj_fail_errno(error, inotifytools_error(), "inotify cannot be used (fs.inotify.max_user_instances too small?)");
    watch->incomplete = false;
    watch->cards      = fingerprint(watch);
    watch_parents(watch);
    if (glob(watch->options->cards, GLOB_ONLYDIR, NULL, &found) != 0)
        return NJ_OK;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct card_folders folders = {watch, found.gl_pathv[i]};
        nj_walk_folders(found.gl_pathv[i], on_folder, &folders, NULL); /* a card that cannot be listed is named by the scan */
    }
    globfree(&found);
    return NJ_OK;
}

/* ---- when to scan ---- */

static void consider(struct watch *watch, const struct inotify_event *event)
{
    uint32_t what = event->mask;
    if (what & (IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED) || (what & IN_ISDIR && what & (IN_CREATE | IN_MOVED_TO)))
        watch->folders_changed = watch->scan_due = true;
    if (what & (IN_CLOSE_WRITE | IN_MOVED_TO | IN_Q_OVERFLOW))
        watch->scan_due = true;
}

/* Sleeps until something is due, then takes in the whole wave of events, so that a burst of files costs one scan and the queue is drained. */
static void sleep_until_due(struct watch *watch)
{
    int64_t left = watch->next_scan_ms - now_ms(watch), wave_ms = 0;
    long    seconds = left < 1000 ? 1 : left > IDLE_SECONDS * 1000 ? IDLE_SECONDS : (long)((left + 999) / 1000);
    while (!stopped(watch)) {
        const struct inotify_event *event = inotifytools_next_event(seconds);
        if (!event)
            break;
        consider(watch, event);
        if (!wave_ms)
            wave_ms = now_ms(watch);
        if (now_ms(watch) - wave_ms > MOST_DRAINED_MS)
            break;
        seconds = QUIET_SECONDS;
    }
    if (now_ms(watch) >= watch->next_scan_ms || watch->incomplete)
        watch->scan_due = true;
    if (fingerprint(watch) != watch->cards)
        watch->folders_changed = watch->scan_due = true;
}

static nj_status scan_now(struct watch *watch, struct nj_db *db, const char *database, struct nj_error *error)
{
    struct nj_scan_result result;
    watch->scan_due  = false;
    nj_status status = nj_scan(db, database, watch->options, &result, error);
    int64_t   wait   = DISTRUST_MS;
    if (status == NJ_STOPPED && !stopped(watch)) { /* somebody else scans at this moment: look again when he has finished */
        watch->next_scan_ms = now_ms(watch) + 1000 * IDLE_SECONDS;
        return NJ_OK;
    }
    if (status == NJ_OK && result.wait_ms)
        wait = result.wait_ms + 500; /* times of files are coarse */
    else if (status == NJ_OK && result.failed_cards)
        wait = 1000 * IDLE_SECONDS;
    watch->next_scan_ms = now_ms(watch) + wait;
    if (status == NJ_OK && (result.read || result.bursts_ready))
        nj_log(NJ_LOG_INFO, "%lld files read: %lld pictures, %lld rejected, %lld pending; %lld bursts ready, %lld open",
               (long long)result.read, (long long)result.ready, (long long)result.rejected, (long long)result.pending,
               (long long)result.bursts_ready, (long long)result.bursts_open);
    return status;
}

nj_status nj_watch(struct nj_db *db, const char *database, const struct nj_scan_options *options, struct nj_error *error)
{
    struct watch watch = {
        .options = options, .clock = options->clock ? options->clock : nj_clock_system(), .scan_due = true, .folders_changed = true};
    nj_status status = NJ_OK;
    while (status == NJ_OK && !stopped(&watch)) {
        if (options->alive)
            options->alive(options->alive_arg);
        if (watch.folders_changed) {
            watch.folders_changed = false;
            status                = renew(&watch, error);
        }
        if (status == NJ_OK && watch.scan_due)
            status = scan_now(&watch, db, database, error);
        if (status == NJ_OK)
            sleep_until_due(&watch);
    }
    inotifytools_cleanup();
    if (status == NJ_OK)
        status = nj_fail_as(NJ_STOPPED, error, "stopped by a signal; all that was found is in the database");
    return status;
}
