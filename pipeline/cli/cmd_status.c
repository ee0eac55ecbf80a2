/* cmd_status.c: how the station is, on one screen, from what the store knows and from the disk. Nothing is woken or measured for it, so it costs
 * nothing to ask. --json gives the same as one object, --csv as NAME,VALUE lines. */
#include "base/file.h"
#include "base/json.h"
#include "pipeline/cli/arguments.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/open_database.h"
#include "pipeline/cli/power_words.h"
#include "pipeline/cli/table.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define YEAR_OF_SANE_CLOCKS 2024
#define STALE_HOURS         48 /* without a finished event while some wait: something is wrong */

struct status_page {
    struct nj_cli        *cli;
    json_t               *facts; /* everything, as --json prints it */
    json_t               *warnings;
    struct nj_power_words words;
};

#define TEXT(name)   nj_row_value(name, names, values, count)->text
#define NUMBER(name) nj_row_value(name, names, values, count)->integer
#define REAL(name)   nj_row_value(name, names, values, count)->real

static void warn(struct status_page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void warn(struct status_page *page, const char *format, ...)
{
    char    text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_array_append_new(page->warnings, json_string(text));
}

/* One row of a view as an object of the facts, under `user`'s name. */
struct put {
    struct status_page *page;
    const char         *name;
};

static nj_status put_row(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    const struct put *put  = user;
    struct nj_text    row  = {0};
    json_t           *list = json_object_get(put->page->facts, put->name), *object = NULL;
    nj_text_add_row(&row, NULL, names, values, count);
    if (!row.failed)
        nj_json_parse(put->name, row.data, row.length, &object, NULL);
    nj_text_free(&row);
    if (json_is_array(list))
        json_array_append_new(list, object);
    else
        json_object_set_new(put->page->facts, put->name, object);
    return NJ_OK;
}

static nj_status gather_rows(struct status_page *page, struct nj_db *db)
{
    static const struct {
        const char *view, *name;
        int64_t     limit;
        bool        list;
    } parts[]        = {{"counts", "counts", 1, false},
                        {"spending", "last_100_events", 1, false},
                        {"samples", "last_measurement", 1, false},
                        {"decisions", "decisions", 3, true},
                        {"cards", "cards", 5, true},
                        {"nights", "nights", 1, true}};
    nj_status status = NJ_OK;
    for (size_t i = 0; status == NJ_OK && i < sizeof parts / sizeof parts[0]; i++) {
        struct put         put   = {page, parts[i].name};
        struct nj_db_query query = {.view = parts[i].view, .newest_first = true, .limit = parts[i].limit};
        json_object_set_new(page->facts, parts[i].name, parts[i].list ? json_array() : json_null());
        status = nj_db_select(db, &query, put_row, &put, &page->cli->error);
    }
    return status;
}

/* A value that the scheduler left for us (db.h, "state"), or NULL. */
static json_t *left_behind(struct nj_db *db, const char *key)
{
    void  *value;
    size_t size;
    if (nj_db_state_get(db, key, &value, &size, NULL) != NJ_OK)
        return json_null();
    json_t *out = NULL;
    if (nj_json_parse(key, value, size, &out, NULL) != NJ_OK)
        out = json_stringn(value, size);
    free(value);
    return out ? out : json_null();
}

/* Whether a process holds the right to run or to watch, and which. */
static json_t *holder(const char *database, const char *what)
{
    char path[NJ_CONF_TEXT + 600], number[32] = "";
    snprintf(path, sizeof path, "%s.%s.lock", database, what);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return json_null();
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0;
    if (held && read(fd, number, sizeof number - 1) < 0)
        number[0] = 0;
    close(fd);
    return held ? json_integer(strtol(number, NULL, 10)) : json_null();
}

static void gather_files(struct status_page *page, const char *database)
{
    struct stat    file;
    struct statvfs disk;
    char           model[NJ_CONF_TEXT + 512];
    nj_conf_place(model, sizeof model, page->cli->conf.model.path);
    json_object_set_new(page->facts, "database",
                        json_pack("{s:s, s:I}", "path", database, "bytes", stat(database, &file) == 0 ? (json_int_t)file.st_size : 0));
    char place[NJ_CONF_TEXT + 512], *slash;
    snprintf(place, sizeof place, "%s", database);
    while (statvfs(place, &disk) != 0 && (slash = strrchr(place, '/')) != NULL) /* the disk on which it would lie */
        slash[slash == place] = 0;
    if (statvfs(place, &disk) == 0 || statvfs(".", &disk) == 0)
        json_object_set_new(page->facts, "disk",
                            json_pack("{s:I, s:I}", "free_mb", (json_int_t)((uint64_t)disk.f_bavail * disk.f_frsize >> 20), "size_mb",
                                      (json_int_t)((uint64_t)disk.f_blocks * disk.f_frsize >> 20)));
    bool present = stat(model, &file) == 0;
    json_object_set_new(page->facts, "model",
                        json_pack("{s:s, s:b, s:I}", "path", model, "present", present, "bytes", present ? (json_int_t)file.st_size : 0));
    if (!present)
        warn(page, "no model at %s: bursts are taken in but not read; `nightjar convert` makes one", model);
    json_object_set_new(page->facts, "running",
                        json_pack("{s:o, s:o}", "run", holder(database, "run"), "watch", holder(database, "watch")));
}

static json_int_t whole(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value ? value : "";
}

static void look_for_trouble(struct status_page *page, int64_t now_ms)
{
    const struct nj_conf *conf   = &page->cli->conf;
    const json_t         *counts = json_object_get(page->facts, "counts"), *last = json_object_get(page->facts, "last_measurement");
    const json_t         *battery = json_object_get(last, "battery_percent"), *disk = json_object_get(page->facts, "disk");
    char                  limit[NJ_TIME_TEXT];
    nj_time_utc(now_ms, limit);
    if (strtol(limit, NULL, 10) < YEAR_OF_SANE_CLOCKS)
        warn(page, "the station's clock says %.10s: it was lost; set it (`timedatectl set-time`) and look at the clock battery", limit);
    if (json_is_number(battery) && json_number_value(battery) < conf->power.floor_percent)
        warn(page, "battery at %.0f %%, below the floor of %.0f %%: nothing runs", json_number_value(battery), conf->power.floor_percent);
    else if (json_is_number(battery) && json_number_value(battery) < conf->power.reserve_percent)
        warn(page, "battery at %.0f %%, below the reserve of %.0f %%", json_number_value(battery), conf->power.reserve_percent);
    if (disk && whole(disk, "free_mb") < conf->ingest.min_free_mb)
        warn(page, "%lld MB free on the disk, %" PRId64 " must stay free: no new pictures are taken in; make room",
             (long long)whole(disk, "free_mb"), conf->ingest.min_free_mb);
    if (whole(counts, "failed"))
        warn(page, "%lld event%s failed: `nightjar events --state failed` says why", (long long)whole(counts, "failed"),
             whole(counts, "failed") == 1 ? "" : "s");
    if (whole(counts, "rejected_files"))
        warn(page, "%lld picture%s could not be used: `sqlite3 DATABASE \"select path, reason from files where outcome = 'rejected'\"`",
             (long long)whole(counts, "rejected_files"), whole(counts, "rejected_files") == 1 ? "" : "s");
    const char *finished = text(counts, "last_finished_utc");
    nj_time_utc(now_ms - (int64_t)STALE_HOURS * 3600000, limit);
    if (whole(counts, "ready") && *finished && strcmp(finished, limit) < 0)
        warn(page, "%lld events wait and none was finished since %s: `nightjar doctor` looks for the cause",
             (long long)whole(counts, "ready"), finished);
}

/* ---- words ---- */

static void line(const char *title, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(const char *title, const char *format, ...)
{
    char           raw[2048];
    struct nj_text shown = {0};
    va_list        args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    nj_text_add_visible(&shown, raw);
    printf("%s%-10s%s %s\n", nj_paint(NJ_BOLD), title, nj_paint(NJ_PLAIN), shown.data ? shown.data : "");
    nj_text_free(&shown);
}

static void print_power(const struct status_page *page)
{
    const struct nj_conf *conf = &page->cli->conf;
    const json_t         *last = json_object_get(page->facts, "last_measurement"), *spent = json_object_get(page->facts, "last_100_events");
    const json_t         *percent = json_object_get(last, "battery_percent"), *volts = json_object_get(last, "battery_v");
    char                  measured[32] = "";
    if (json_is_number(volts))
        snprintf(measured, sizeof measured, ", %.2f V", json_number_value(volts));
    if (json_is_number(percent))
        line("Battery", "%.0f %%%s at %s (no work below %.0f %%, reserve %.0f %%)", json_number_value(percent), measured,
             text(last, "at_utc"), conf->power.floor_percent, conf->power.reserve_percent);
    else
        line("Battery", strcmp(conf->power.battery, "none") ? "no measurement yet (%s)" : "not measured ([power] battery = %s)",
             conf->power.battery);
    if (json_is_number(json_object_get(last, "temp_c")))
        line("Warmth", "%.0f degrees", json_number_value(json_object_get(last, "temp_c")));
    const json_t *budget = json_object_get(page->facts, "budget");
    if (json_is_string(budget))
        line("Tonight", "%s", json_string_value(budget));
    double events = json_number_value(json_object_get(spent, "events"));
    if (events > 0)
        line("Cost", "%.0f s and %.3f Wh an event for reading, over the last %.0f%s%s",
             json_number_value(json_object_get(spent, "seconds")) / events, json_number_value(json_object_get(spent, "energy_wh")) / events,
             events, page->words.cost.length ? "; " : "", page->words.cost.length ? page->words.cost.data : "");
    if (page->words.stages.length)
        line("Stages", "%s", page->words.stages.data);
    if (page->words.autonomy.length)
        line("Autonomy", "%s", page->words.autonomy.data);
    const json_t *wake = json_object_get(page->facts, "next_wake_utc");
    line("Next wake", "%s", json_is_string(wake) ? json_string_value(wake) : "not armed");
}

static void print_work(const struct status_page *page)
{
    const json_t *counts = json_object_get(page->facts, "counts"), *running = json_object_get(page->facts, "running");
    line("Queue", "%lld ready, %lld open, %lld put off%s", (long long)whole(counts, "ready"), (long long)whole(counts, "open"),
         (long long)whole(counts, "deferred"), whole(counts, "running") ? ", 1 or more being read" : "");
    line("Events", "%lld in all, %lld to review, %lld failed; %lld files, %lld rejected", (long long)whole(counts, "events"),
         (long long)whole(counts, "to_review"), (long long)whole(counts, "failed"), (long long)whole(counts, "files"),
         (long long)whole(counts, "rejected_files"));
    line("Last run", "%s", *text(counts, "last_finished_utc") ? text(counts, "last_finished_utc") : "never");
    if (json_is_integer(json_object_get(running, "run")))
        line("Now", "`nightjar run` is at work (process %lld)", (long long)whole(running, "run"));
    else if (json_is_integer(json_object_get(running, "watch")))
        line("Now", "`nightjar watch` looks at the card (process %lld)", (long long)whole(running, "watch"));
    size_t        index;
    const json_t *row;
    json_array_foreach(json_object_get(page->facts, "decisions"), index, row)
        line(index ? "" : "Decided", "%s: %s: %s", text(row, "at_utc"), text(row, "what"), text(row, "reason"));
    if (whole(counts, "unsent"))
        line("Outbox", "%lld messages wait", (long long)whole(counts, "unsent"));
}

static void print_words(const struct status_page *page)
{
    const struct nj_conf *conf = &page->cli->conf;
    const json_t         *disk = json_object_get(page->facts, "disk"), *model = json_object_get(page->facts, "model"), *row;
    size_t                index;
    line("Station", "%s, site %s", conf->station.name, conf->station.site);
    print_power(page);
    print_work(page);
    json_array_foreach(json_object_get(page->facts, "cards"), index, row)
        line(index ? "" : "Cards", "%s at %s, last seen %s", text(row, "name"), text(row, "mount"), text(row, "last_seen_utc"));
    line("Disk", "%lld of %lld MB free", (long long)whole(disk, "free_mb"), (long long)whole(disk, "size_mb"));
    line("Model", "%s (%s)", text(model, "path"), json_is_true(json_object_get(model, "present")) ? "present" : "missing");
    line("Database", "%s", text(json_object_get(page->facts, "database"), "path"));
    json_array_foreach(page->warnings, index, row)
        printf("%sWarning    %s%s\n", nj_paint(NJ_YELLOW), json_string_value(row), nj_paint(NJ_PLAIN));
}

/* counts.ready,3 */
static void print_csv(const char *prefix, const json_t *value)
{
    char        name[256];
    const char *key;
    json_t     *inner;
    size_t      index;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, inner)
        {
            snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", key);
            print_csv(name, inner);
        }
        return;
    }
    if (json_is_array(value)) {
        json_array_foreach(value, index, inner)
        {
            snprintf(name, sizeof name, "%s.%zu", prefix, index + 1);
            print_csv(name, inner);
        }
        return;
    }
    struct nj_text cell  = {0};
    char          *plain = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
    nj_text_add_cell(&cell, plain ? (strcmp(plain, "null") ? plain : "") : json_string_value(value));
    printf("%s,%s\r\n", prefix, cell.data ? cell.data : "");
    nj_text_free(&cell);
    free(plain);
}

int nj_cmd_status(struct nj_cli *cli, int argc, char **argv)
{
    bool                     json = false, csv = false;
    const struct nj_argument options[] = {{"--json", NJ_ARG_FLAG, &json}, {"--csv", NJ_ARG_FLAG, &csv}, {NULL, 0, NULL}};
    struct status_page       page      = {.cli = cli, .facts = json_object(), .warnings = json_array()};
    struct nj_db            *db        = NULL;
    char                     path[NJ_CONF_TEXT + 512];
    const struct nj_clock   *clock = nj_clock_system();
    int                      words = nj_arguments(argc, argv, options);
    if (words != 1) {
        json_decref(page.facts);
        json_decref(page.warnings);
        return words < 0 ? NJ_EXIT_USAGE : nj_usage(argv[0], "%s: no word is expected", argv[1]);
    }
    nj_status status = nj_database_path(cli, path, sizeof path);
    json_object_set_new(page.facts, "station", json_pack("{s:s, s:s}", "name", cli->conf.station.name, "site", cli->conf.station.site));
    if (status == NJ_OK)
        status = nj_database_open(cli, NJ_DB_READ, &db);
    if (status == NJ_NOT_FOUND) {
        warn(&page, "%s", cli->error.text); /* a station that has not begun is a state, not a failure */
        cli->error.text[0] = 0;
        status             = NJ_OK;
    } else if (status == NJ_OK) {
        status = gather_rows(&page, db);
        json_object_set_new(page.facts, "next_wake_utc", left_behind(db, "next_wake_utc"));
        json_object_set_new(page.facts, "budget", left_behind(db, "budget"));
        json_object_set_new(page.facts, "cost", left_behind(db, "ledger"));
        json_object_set_new(page.facts, "outlook", left_behind(db, "outlook"));
        nj_power_words(db, &page.words);
    }
    nj_db_close(db);
    if (status == NJ_OK) {
        gather_files(&page, path);
        look_for_trouble(&page, clock->wall_ms(clock->self));
        json_object_set(page.facts, "warnings", page.warnings);
        if (json)
            json_dumpf(page.facts, stdout, JSON_COMPACT), putchar('\n');
        else if (csv)
            print_csv("", page.facts);
        else
            print_words(&page);
    }
    json_decref(page.facts);
    json_decref(page.warnings);
    nj_power_words_free(&page.words);
    return nj_exit(status);
}
