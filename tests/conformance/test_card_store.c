/* `nightjar watch --once` on the cards with known truth: what the views say of every file and burst, that a second scan changes nothing, and that
 * the originals stay as they are, to the time of their last access. */
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <ftw.h>
#include <nettle/sha2.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONG_AGO 978307200 /* 2001: a read would move an access time that is older than the file */

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static bool holds(const json_t *list, const char *word)
{
    size_t  i;
    json_t *value;
    json_array_foreach(list, i, value) if (word ? json_is_string(value) && !strcmp(json_string_value(value), word)
                                                : json_is_null(value)) return true;
    return false;
}

/* ---- the originals ---- */

enum pass { SET_ACCESS_TIMES, TAKE_FACTS, TAKE_BYTES };

static struct sha256_ctx state_hash;
static enum pass         pass;

static int visit(const char *path, const struct stat *at, int kind, struct FTW *where)
{
    const struct timespec times[2] = {{.tv_sec = LONG_AGO}, {.tv_nsec = UTIME_OMIT}};
    const int64_t         facts[]  = {(int64_t)at->st_ino, at->st_mode,         (int64_t)at->st_nlink,
                                      at->st_size,         at->st_mtim.tv_sec,  at->st_mtim.tv_nsec,
                                      at->st_ctim.tv_sec,  at->st_ctim.tv_nsec, kind == FTW_F ? at->st_atim.tv_sec : 0};
    uint8_t              *bytes    = NULL;
    size_t                size     = 0;
    (void)where;
    if (pass == SET_ACCESS_TIMES && kind == FTW_F)
        utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
    sha256_update(&state_hash, strlen(path) + 1, (const uint8_t *)path);
    if (pass == TAKE_FACTS)
        sha256_update(&state_hash, sizeof facts, (const uint8_t *)facts);
    if (pass == TAKE_BYTES && kind == FTW_F && nj_file_read(path, 1 << 24, &bytes, &size, NULL) == NJ_OK)
        sha256_update(&state_hash, size, bytes);
    free(bytes);
    return 0;
}

static void take_state(const char *folder, enum pass what, char out[65])
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    pass = what;
    sha256_init(&state_hash);
    nftw(folder, visit, 16, FTW_PHYS);
    sha256_digest(&state_hash, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* ---- the database ---- */

static char scratch[64];

static bool scan(const json_t *config)
{
    const char *runner = getenv("NJ_RUNNER"), *program = getenv("NIGHTJAR"), *key;
    char        command[8192];
    json_t     *value;
    snprintf(command, sizeof command,
             "%s %s -q --set 'ingest.cards=%s/card' --set database.path=%s/nightjar.db --set station.name=post watch --once",
             runner ? runner : "", program ? program : "build/nightjar", scratch, scratch);
    json_object_foreach((json_t *)config, key, value)
        snprintf(command + strlen(command), sizeof command - strlen(command), " --set %s=%lld", key, (long long)json_integer_value(value));
    return system(command) == 0;
}

/* The answer as one text: columns by "|", rows by line. */
static char *ask(sqlite3 *db, const char *sql, const char *argument)
{
    static struct nj_text out;
    sqlite3_stmt         *row = NULL;
    nj_text_clear(&out);
    nj_text_add(&out, "");
    if (sqlite3_prepare_v2(db, sql, -1, &row, NULL) != SQLITE_OK)
        nj_text_add(&out, sqlite3_errmsg(db));
    if (argument)
        sqlite3_bind_text(row, 1, argument, -1, SQLITE_STATIC);
    while (sqlite3_step(row) == SQLITE_ROW) {
        nj_text_add(&out, out.length ? "\n" : "");
        for (int i = 0; i < sqlite3_column_count(row); i++) {
            const char *value = (const char *)sqlite3_column_text(row, i);
            nj_text_addf(&out, "%s%s", i ? "|" : "", value ? value : "null");
        }
    }
    sqlite3_finalize(row);
    return out.data;
}

static bool burst_is(sqlite3 *db, const json_t *want)
{
    json_t *frames = json_object_get(want, "frames"), *frame;
    size_t  i;
    char    event[64], expected[160], trigger[32], grouped_by[32];
    snprintf(event, sizeof event, "%s", ask(db, "select event_id from files where path = ?", json_string_value(json_array_get(frames, 0))));
    json_array_foreach(frames, i, frame)
    {
        snprintf(expected, sizeof expected, "%.60s|%zu|used", event, i + 1);
        if (strcmp(ask(db, "select event_id, frame_index, outcome from files where path = ?", json_string_value(frame)), expected) != 0)
            return false;
    }
    snprintf(trigger, sizeof trigger, "%s", ask(db, "select \"trigger\" from events where event_id = ?", event));
    snprintf(grouped_by, sizeof grouped_by, "%s", ask(db, "select grouped_by from events where event_id = ?", event));
    const char *started = text(want, "started_at"), *ended = text(want, "ended_at"), *night = text(want, "night");
    snprintf(expected, sizeof expected, "%zu|%s|%s|%s|ready", json_array_size(frames), *started ? started : "null", *ended ? ended : "null",
             *night ? night : "null");
    return holds(json_object_get(want, "trigger"), trigger) && holds(json_object_get(want, "grouped_by"), grouped_by) &&
           !strcmp(ask(db, "select frame_count, started_at, ended_at, night, state from events where event_id = ?", event), expected);
}

static bool refusal_is(sqlite3 *db, const json_t *want)
{
    const char *outcome = ask(db, "select outcome from files where path = ? and reason <> ''", text(want, "file"));
    return holds(json_object_get(want, "outcome"), outcome);
}

static bool option_is(sqlite3 *db, const json_t *option)
{
    size_t  i;
    json_t *want;
    json_array_foreach(json_object_get(option, "bursts"), i, want) if (!burst_is(db, want)) return false;
    json_array_foreach(json_object_get(option, "refused"), i, want) if (!refusal_is(db, want)) return false;
    return true;
}

/* One row a file, with the size and the time of the truth. */
static bool file_is(sqlite3 *db, const char *path, json_t *want)
{
    char    got[256], taken[64], source[32];
    json_t *sources = json_object_get(want, "taken_at_source");
    snprintf(got, sizeof got, "%lld", (long long)json_integer_value(json_object_get(want, "bytes")));
    if (strcmp(ask(db, "select bytes from files where path = ?", path), got) != 0)
        return false;
    if (!sources)
        return true;
    snprintf(taken, sizeof taken, "%s", ask(db, "select taken_at from files where path = ?", path));
    snprintf(source, sizeof source, "%s", ask(db, "select taken_at_source from files where path = ?", path));
    return holds(sources, strcmp(source, "null") != 0 ? source : NULL) &&
           (!text(want, "taken_at")[0] || !strcmp(text(want, "taken_at"), taken));
}

static void compare(const char *card, sqlite3 *db, json_t *truth)
{
    size_t      i, j;
    json_t     *want, *option;
    const char *path;
    bool        all = true;
    json_array_foreach(json_object_get(truth, "bursts"), i, want)
        CHECK(burst_is(db, want), "%s: event of %s %s", card, json_string_value(json_array_get(json_object_get(want, "frames"), 0)),
              text(want, "why"));
    json_array_foreach(json_object_get(truth, "refused"), i, want)
        CHECK(refusal_is(db, want), "%s: %s is refused: %s", card, text(want, "file"), text(want, "kind"));
    json_array_foreach(json_object_get(truth, "either"), i, want)
    {
        bool taken                                                            = false;
        json_array_foreach(json_object_get(want, "options"), j, option) taken = taken || option_is(db, option);
        CHECK(taken, "%s: %s", card, text(want, "why"));
    }
    json_object_foreach(json_object_get(truth, "files"), path, want) if (!file_is(db, path, want))
    {
        all = false;
        printf("# %s: %s\n", path, ask(db, "select bytes, taken_at, taken_at_source, outcome, reason from files where path = ?", path));
    }
    CHECK(all, "%s: size and time of every file", card);
    CHECK(!strcmp(ask(db,
                      "select count(*) from files where outcome = 'pending' or path in (select path from files group by path having "
                      "count(*) > 1)",
                      NULL),
                  "0"),
          "%s: one row and one outcome a file", card);
    json_array_foreach(json_object_get(truth, "never_frames"), i, want)
        CHECK(strcmp(ask(db, "select outcome from files where path = ?", json_string_value(want)), "used") != 0, "%s: %s is no frame", card,
              json_string_value(want));
}

#define ALL_FILES                                                                                                                          \
    "select card, path, bytes, hash, taken_at, outcome, reason, event_id, frame_index, first_seen_utc from files order by 1, 2"
#define ALL_EVENTS "select * from events order by 1"

static void check_card(const char *shared, const char *name)
{
    char     path[4200], command[8500], bytes[65], facts[65], now[65];
    json_t  *truth = NULL;
    sqlite3 *db    = NULL;
    snprintf(scratch, sizeof scratch, "/tmp/nj-store-XXXXXX");
    snprintf(path, sizeof path, "%s/data/cards/%s.json", shared, name);
    if (!mkdtemp(scratch) || nj_json_read(path, 1 << 20, &truth, NULL) != NJ_OK)
        return (void)CHECK(0, "%s: truth and a scratch folder", name);
    snprintf(command, sizeof command, "tar --zstd -xf '%s/data/cards/%s.tar.zst' -C %s", shared, name, scratch);
    snprintf(path, sizeof path, "%s/card", scratch);
    bool ready = CHECK(system(command) == 0, "%s unpacks", name);
    take_state(path, TAKE_BYTES, bytes);
    take_state(path, SET_ACCESS_TIMES, facts);
    take_state(path, TAKE_FACTS, facts);
    if (ready && CHECK(scan(json_object_get(truth, "config")), "%s: watch --once succeeds", name)) {
        take_state(path, TAKE_FACTS, now);
        CHECK(!strcmp(facts, now), "%s: times, modes and sizes of the originals are untouched", name);
        take_state(path, TAKE_BYTES, now);
        CHECK(!strcmp(bytes, now), "%s: and so are their bytes", name);
        snprintf(path, sizeof path, "%s/nightjar.db", scratch);
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
        compare(name, db, truth);
        char *files = strdup(ask(db, ALL_FILES, NULL)), *events = strdup(ask(db, ALL_EVENTS, NULL));
        CHECK(scan(json_object_get(truth, "config")), "%s: a second scan succeeds", name);
        CHECK(files && !strcmp(files, ask(db, ALL_FILES, NULL)), "%s: the second scan changes no file", name);
        CHECK(events && !strcmp(events, ask(db, ALL_EVENTS, NULL)), "%s: nor any event", name);
        free(files);
        free(events);
        sqlite3_close(db);
    }
    json_decref(truth);
    snprintf(command, sizeof command, "chmod -R u+rwX %s && rm -rf %s", scratch, scratch);
    if (system(command) != 0)
        printf("# %s stays behind\n", scratch);
}

/* With names of other cards in data/cards as arguments: those instead. */
int main(int argc, char **argv)
{
    static const char *const cards[] = {"hyperfire", "bushnell", "mixed-brands", "clock", "two-cameras", "hostile"};
    const char              *shared  = tap_shared();
    if (!shared)
        SKIP("no cards here");
    for (size_t i = 0; shared && argc < 2 && i < sizeof cards / sizeof *cards; i++)
        check_card(shared, cards[i]);
    for (int i = 1; shared && i < argc; i++)
        check_card(shared, argv[i]);
    return tap_done();
}
