/* What the store does when things go wrong: older and newer files, damage, a full disk, another writer, readers without rights. */
#include "base/file.h"
#include "db/internal.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char            folder[] = "/tmp/nj-care-XXXXXX", path[256];
static struct nj_error error;

static int64_t number(const char *file, const char *sql)
{
    sqlite3      *db;
    sqlite3_stmt *row;
    int64_t       value = -1;
    if (sqlite3_open_v2(file, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK && sqlite3_prepare_v2(db, sql, -1, &row, NULL) == SQLITE_OK) {
        if (sqlite3_step(row) == SQLITE_ROW)
            value = sqlite3_column_int64(row, 0);
        sqlite3_finalize(row);
    }
    sqlite3_close(db);
    return value;
}

static nj_status open_as(enum nj_db_mode mode, struct nj_db **db)
{
    struct nj_db_options options = {.mode = mode, .station = "nightjar", .site = "A01"};
    error.text[0]                = 0;
    return nj_db_open(path, &options, db, &error);
}

/* A new boot: the file is looked at again. */
static void boot(int day)
{
    char name[256], text[64];
    snprintf(name, sizeof name, "%s/proc/sys/kernel/random", folder);
    nj_make_folders(name, &error);
    snprintf(name, sizeof name, "%s/proc/sys/kernel/random/boot_id", folder);
    snprintf(text, sizeof text, "boot %d\n", day);
    nj_file_write_atomic(name, text, strlen(text), &error);
}

/* `count` done events, the fourth corrected by a ranger. */
static bool fill(struct nj_db *db, int count, bool by_ranger)
{
    int64_t card, file_id, event;
    bool    good = nj_db_card(db, "card", "card", "/card", &card, &error) == NJ_OK;
    for (int i = 0; good && i < count; i++) {
        char name[32], hash[65];
        snprintf(name, sizeof name, "IMG_%04d.JPG", i);
        snprintf(hash, sizeof hash, "%064x", i + 1);
        struct nj_db_file file = {
            .card = card, .path = name, .path_size = strlen(name), .state = NJ_DB_READY, .hash = hash, .taken_at = 1000000 + 100 * i};
        struct nj_db_burst     burst = {.card       = card,
                                        .started_at = file.taken_at,
                                        .ended_at   = file.taken_at,
                                        .trigger    = "motion",
                                        .grouped_by = "time",
                                        .closed     = true};
        struct nj_db_detection zebra = {.species = "zebra", .probability = 0.5, .runner_up_probability = -1};
        char                   json[2000];
        memset(json, ' ', sizeof json);
        json[sizeof json - 1]      = 0;
        struct nj_db_answer answer = {.priority = "none", .json = json, .model = "m", .detections = &zebra, .detection_count = 1};
        good                       = nj_db_file_put(db, &file, &error) == NJ_OK;
        file_id                    = file.file;
        good = good && nj_db_burst_put(db, &burst, &file_id, 1, &event, &error) == NJ_OK && nj_db_burst_start(db, event, &error) == NJ_OK &&
               nj_db_finish(db, event, &answer, &error) == NJ_OK;
        struct nj_db_detection lion    = {.species = "lionMale", .probability = -1, .runner_up_probability = -1};
        struct nj_db_review    correct = {.action = NJ_DB_CORRECT, .by = "Asha", .json = "{}", .detections = &lion, .detection_count = 1};
        if (good && by_ranger && i == 3)
            good = nj_db_review(db, event, &correct, &error) == NJ_OK;
    }
    return good;
}

static void check_migrations(void)
{
    struct nj_db *db;
    CHECK(open_as(NJ_DB_WRITE, &db) == NJ_OK && fill(db, 5, true), "a file of this version %s", error.text);
    if (!db)
        return;
    size_t                 count = nj_db_migration_count;
    struct nj_db_migration all[8];
    memcpy(all, nj_db_migrations, sizeof all[0] * count);
    all[count]     = (struct nj_db_migration){"a column more", {"ALTER TABLE event ADD COLUMN moon TEXT"}};
    all[count + 1] = (struct nj_db_migration){"two things", {"CREATE TABLE half(a INTEGER) STRICT", "CREATE TABLE half(a INTEGER) STRICT"}};
    CHECK(nj_db_migrate(db, all, count + 1, nj_db_views, &error) == NJ_OK, "a later version adds a column %s", error.text);
    CHECK(number(path, "PRAGMA user_version") == (int64_t)count + 1, "the number of the schema rose");
    CHECK(number(path, "SELECT count(*) FROM events") == 5 && number(path, "SELECT count(moon) FROM event") == 0, "nothing was lost");
    char copy[300];
    snprintf(copy, sizeof copy, "%s.v%zu", path, count);
    CHECK(number(copy, "SELECT count(*) FROM events") == 5 && number(copy, "PRAGMA user_version") == (int64_t)count,
          "the file as it was is kept beside it");
    CHECK(nj_db_migrate(db, all, count + 2, nj_db_views, &error) == NJ_ERROR && strstr(error.text, "two things") &&
              strstr(error.text, "half"),
          "a step that fails says which: %s", error.text);
    CHECK(number(path, "PRAGMA user_version") == (int64_t)count + 1 &&
              number(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'") == 0,
          "and leaves nothing half done");
    nj_db_close(db);
    CHECK(open_as(NJ_DB_WRITE, &db) == NJ_ERROR && strstr(error.text, "newer Nightjar"), "a newer file is refused: %s", error.text);
    CHECK(open_as(NJ_DB_READ, &db) == NJ_ERROR && strstr(error.text, "newer Nightjar"), "for reading, too");
}

static void remove_all(void);

/* A file as each earlier version left it, with something in it, is brought up to date; the copy beside it is as it was. */
static void check_older_versions(void)
{
    static const char content[] =
        "INSERT INTO station VALUES(1, 'nightjar', 'A01');"
        "INSERT INTO card VALUES(1, 1, x'01', 'card', x'2f63617264', '2020-01-01T00:00:00Z', '2020-01-01T00:00:00Z');"
        "INSERT INTO event(event, event_id, station, card, camera, night, started_at, ended_at, frame_count, \"trigger\", grouped_by, "
        "state, "
        "first_seen_utc)"
        " VALUES(1, 'NJ0000000001', 1, 1, '', '2020-01-01', '2020-01-01T20:00:00', '2020-01-01T20:00:00', 1, 'motion', 'time', 'ready', "
        "'2020-01-01T20:00:00Z');"
        "INSERT INTO outbox_item(kind, event, priority, payload, created_utc, sent_utc) VALUES('event', 1, 1, x'0102', "
        "'2020-01-01T20:00:00Z', '2020-01-02T20:00:00Z');";
    for (size_t version = 1; version < nj_db_migration_count; version++) {
        struct nj_db *db = NULL;
        sqlite3      *sql;
        char          marks[96], copy[300];
        int64_t       sent = 0;
        remove_all();
        bool good = sqlite3_open(path, &sql) == SQLITE_OK;
        for (size_t i = 0; i < version; i++)
            for (size_t j = 0; j < sizeof nj_db_migrations[i].sql / sizeof nj_db_migrations[i].sql[0] && nj_db_migrations[i].sql[j]; j++)
                good = good && sqlite3_exec(sql, nj_db_migrations[i].sql[j], NULL, NULL, NULL) == SQLITE_OK;
        snprintf(marks, sizeof marks, "PRAGMA user_version = %zu; PRAGMA application_id = %d", version, NJ_DB_APPLICATION_ID);
        good = good && sqlite3_exec(sql, content, NULL, NULL, NULL) == SQLITE_OK && sqlite3_exec(sql, marks, NULL, NULL, NULL) == SQLITE_OK;
        sqlite3_close(sql);
        CHECK(good, "a file of version %zu", version);
        /* a ranger who only wants to look brings it up to date as the station would */
        CHECK(open_as(version % 2 ? NJ_DB_READ : NJ_DB_STATION, &db) == NJ_OK &&
                  number(path, "PRAGMA user_version") == (int64_t)nj_db_migration_count,
              "is brought up to date %s", error.text);
        CHECK(number(path, "SELECT count(*) FROM events WHERE event_id = 'NJ0000000001' AND state = 'ready'") == 1 &&
                  number(path, "SELECT events FROM nights WHERE night = '2020-01-01'") == 1,
              "with its event");
        CHECK(nj_db_outbox_sent_since(db, 1577836800000, &sent, &error) == NJ_OK && sent == 2, "and its messages");
        snprintf(copy, sizeof copy, "%s.v%zu", path, version);
        CHECK(number(copy, "PRAGMA user_version") == (int64_t)version && number(copy, "SELECT count(*) FROM event") == 1,
              "the file as it was is kept");
        nj_db_close(db);
    }
}

/* Another process reads all the while: it never waits, and never sees half an event. */
static void check_readers(void)
{
    struct nj_db *db;
    int           ends[2];
    remove_all();
    CHECK(open_as(NJ_DB_STATION, &db) == NJ_OK && pipe(ends) == 0, "a station that writes %s", error.text);
    pid_t reader = fork();
    if (reader == 0) {
        sqlite3      *sql;
        sqlite3_stmt *row    = NULL;
        int           failed = 0, reads = 0;
        char          stop;
        close(ends[1]);
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        failed |= sqlite3_open_v2(path, &sql, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ? 1 : 0;
        failed |= sqlite3_prepare_v2(sql,
                                     "SELECT (SELECT count(*) FROM events e WHERE frame_count <> (SELECT count(*) FROM files f WHERE "
                                     "f.event_id = e.event_id) OR (state = 'done' AND json IS NULL)), (SELECT count(*) FROM events) -"
                                     " (SELECT ifnull(sum(events), 0) FROM nights)",
                                     -1, &row, NULL) != SQLITE_OK
                      ? 2
                      : 0;
        for (; !failed && read(ends[0], &stop, 1) < 0; reads++) {
            if (sqlite3_step(row) != SQLITE_ROW)
                failed |= 4; /* it had to wait */
            else if (sqlite3_column_int(row, 0) != 0 || sqlite3_column_int(row, 1) != 0)
                failed |= 8; /* half an event */
            sqlite3_reset(row);
        }
        _exit(failed ? failed : reads > 3 ? 0 : 16);
    }
    close(ends[0]);
    CHECK(db && fill(db, 120, true), "120 events while another process reads %s", error.text);
    close(ends[1]);
    int status = -1;
    waitpid(reader, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the reader neither waited nor saw half an event (%d)", status);
    nj_db_close(db);
    struct stat wal = {.st_size = -1};
    char        name[300];
    snprintf(name, sizeof name, "%s-wal", path);
    stat(name, &wal);
    CHECK(wal.st_size == 0, "the last one leaves an empty WAL behind, %d bytes", (int)wal.st_size);
}

/* A card or disk that became read-only: people can read, the station says what is the matter. */
static void check_read_only_mount(void)
{
    char          command[900];
    struct nj_db *db;
    remove_all();
    CHECK(open_as(NJ_DB_STATION, &db) == NJ_OK && fill(db, 3, true), "a file with three events %s", error.text);
    nj_db_close(db);
    snprintf(command, sizeof command, "mount --bind %s %s 2>/dev/null && mount -o remount,ro,bind %s 2>/dev/null", folder, folder, folder);
    if (geteuid() != 0 || system(command) != 0) {
        SKIP("a read-only mount needs a root that may mount");
        return;
    }
    int64_t seen = -1;
    CHECK(open_as(NJ_DB_READ, &db) == NJ_OK && nj_db_outbox_sent_since(db, 0, &seen, &error) == NJ_OK, "can be read %s", error.text);
    nj_db_close(db);
    snprintf(command, sizeof command, "test \"$(sqlite3 -readonly 'file:%s?immutable=1' 'select count(*) from events')\" = 3", path);
    CHECK(system(command) == 0, "with sqlite3, too");
    CHECK(open_as(NJ_DB_STATION, &db) == NJ_ERROR && strstr(error.text, "ead-only"), "the station says it: %s", error.text);
    nj_db_close(db);
    snprintf(command, sizeof command, "umount %s", folder);
    CHECK(system(command) == 0 && open_as(NJ_DB_STATION, &db) == NJ_OK && number(path, "SELECT count(*) FROM events") == 3,
          "and goes on when it can write again %s", error.text);
    nj_db_close(db);
}

static void remove_all(void)
{
    char command[400];
    snprintf(command, sizeof command, "rm -rf %s/nightjar.db*", folder);
    if (system(command))
        exit(1);
}

/* Overwrites a stretch of the file with bytes that are no page. */
static void damage(off_t from, size_t size)
{
    char rubbish[65536];
    int  fd = open(path, O_WRONLY);
    memset(rubbish, 0xA5, sizeof rubbish);
    if (fd < 0 || pwrite(fd, rubbish, size, from) != (ssize_t)size)
        exit(1);
    close(fd);
}

static const char *only(const char *pattern)
{
    static char name[512];
    char        command[400];
    snprintf(command, sizeof command, "ls -d %s/%s 2>/dev/null | head -n 1", folder, pattern);
    FILE *list = popen(command, "r");
    name[0]    = 0;
    if (list && fgets(name, sizeof name, list))
        name[strcspn(name, "\n")] = 0;
    if (list)
        pclose(list);
    return name;
}

/* With nothing left in the log, from which SQLite could mend the file. */
static void close_whole(struct nj_db *db)
{
    sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    nj_db_close(db);
}

static void check_damage(void)
{
    struct nj_db *db;
    remove_all();
    boot(1);
    CHECK(open_as(NJ_DB_STATION, &db) == NJ_OK && fill(db, 200, true), "two hundred events %s", error.text);
    close_whole(db);
    struct stat file;
    stat(path, &file);
    damage(file.st_size / 2, 16384);
    CHECK(open_as(NJ_DB_STATION, &db) == NJ_OK, "the same boot: not looked at again %s", error.text);
    nj_db_close(db);
    boot(2);
    CHECK(open_as(NJ_DB_STATION, &db) == NJ_OK, "after a boot the station goes on %s", error.text);
    CHECK(number(path, "PRAGMA integrity_check = 'ok'") != 0 && number(path, "SELECT count(*) FROM events") == 0, "with a fresh file");
    CHECK(*only("nightjar.db.damaged-*Z"), "the damaged one is set aside: %s", only("nightjar.db.damaged-*Z"));
    CHECK(number(path, "SELECT count(*) FROM decision WHERE what = 'database' AND reason LIKE '%set aside as%'") == 1, "and that is noted");
    CHECK(number(path, "SELECT count(*) FROM review") == 1, "what the ranger said is carried over");
    CHECK(db && fill(db, 5, false), "the same pictures again %s", error.text);
    CHECK(number(path, "SELECT count(*) FROM events WHERE species = 'lionMale' AND decided_by = 'ranger'") == 1,
          "bring the ranger's word back into force");
    nj_db_close(db);

    remove_all();
    CHECK(open_as(NJ_DB_STATION, &db) == NJ_OK && fill(db, 50, true), "another file");
    close_whole(db);
    damage(0, 4096);
    boot(3);
    CHECK(open_as(NJ_DB_READ, &db) == NJ_ERROR && (strstr(error.text, "damaged") || strstr(error.text, "another program")),
          "a reader says it: %s", error.text);
    CHECK(open_as(NJ_DB_STATION, &db) == NJ_OK && number(path, "SELECT count(*) FROM events") == 0, "no header at all: begun anew %s",
          error.text);
    nj_db_close(db);
    remove_all();
    CHECK(open_as(NJ_DB_STATION, &db) == NJ_OK && fill(db, 50, true), "another file");
    close_whole(db);
    CHECK(truncate(path, 8192) == 0 && (boot(4), open_as(NJ_DB_STATION, &db)) == NJ_OK, "cut off: begun anew %s", error.text);
    nj_db_close(db);
    remove_all();
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    close(fd);
    boot(5);
    CHECK(open_as(NJ_DB_STATION, &db) == NJ_OK && fill(db, 2, true) && !*only("nightjar.db.damaged-*"), "an empty file is a new one %s",
          error.text);
    nj_db_close(db);
}

static void check_full_disk(void)
{
    struct nj_db *db;
    remove_all();
    CHECK(open_as(NJ_DB_STATION, &db) == NJ_OK && fill(db, 10, true), "ten events %s", error.text);
    int64_t before = number(path, "SELECT count(*) FROM events");
    sqlite3_exec(db->sql, "PRAGMA max_page_count = 1", NULL, NULL, NULL); /* SQLite makes it the present size: as if the disk were full */
    int64_t card;
    nj_db_card(db, "card", "card", "/card", &card, &error);
    nj_status status = NJ_OK;
    for (int i = 0; i < 2000 && status == NJ_OK; i++) {
        char name[32];
        snprintf(name, sizeof name, "more%d.jpg", i);
        struct nj_db_file file = {.card = card, .path = name, .path_size = strlen(name), .state = NJ_DB_SEEN, .taken_at = NJ_DB_NO_TIME};
        status                 = nj_db_file_put(db, &file, &error);
    }
    CHECK(status == NJ_ERROR && strstr(error.text, "the disk is full"), "a full disk is said: %s", error.text);
    CHECK(number(path, "SELECT count(*) FROM events") == before && number(path, "PRAGMA quick_check = 'ok'") != 0, "and harms nothing");
    sqlite3_exec(db->sql, "PRAGMA max_page_count = 1000000", NULL, NULL, NULL);
    struct nj_db_file file = {.card = card, .path = "after.jpg", .path_size = 9, .state = NJ_DB_SEEN, .taken_at = NJ_DB_NO_TIME};
    CHECK(nj_db_file_put(db, &file, &error) == NJ_OK, "with room again it goes on %s", error.text);
    nj_db_close(db);
    struct nj_db_options options = {.mode = NJ_DB_STATION, .station = "nightjar", .site = "A01", .min_free_mb = INT64_MAX / 2};
    CHECK(nj_db_open(path, &options, &db, &error) == NJ_OK && nj_db_file_put(db, &file, &error) == NJ_ERROR &&
              strstr(error.text, "min_free_mb"),
          "what must stay free stays free: %s", error.text);
    nj_db_close(db);
}

static void check_transactions(void)
{
    struct nj_db *db, *other;
    int64_t       card = 0;
    remove_all();
    CHECK(open_as(NJ_DB_STATION, &db) == NJ_OK && nj_db_card(db, "card", "card", "/card", &card, &error) == NJ_OK, "a station %s",
          error.text);
    struct nj_db_file one = {.card = card, .path = "1.jpg", .path_size = 5, .state = NJ_DB_SEEN, .taken_at = NJ_DB_NO_TIME}, two = one,
                      bad = one;
    two.path              = "2.jpg";
    bad.file              = 99;
    bad.path              = "3.jpg";
    CHECK(nj_db_begin(db, &error) == NJ_OK && nj_db_file_put(db, &one, &error) == NJ_OK && nj_db_file_put(db, &two, &error) == NJ_OK,
          "two files in one transaction");
    CHECK(number(path, "SELECT count(*) FROM files") == 0, "a reader sees none of it before the end");
    CHECK(nj_db_commit(db, &error) == NJ_OK && number(path, "SELECT count(*) FROM files") == 2, "and all of it after");
    two.file = 0;
    two.path = "4.jpg";
    CHECK(nj_db_begin(db, &error) == NJ_OK && nj_db_file_put(db, &two, &error) == NJ_OK && nj_db_file_put(db, &bad, &error) == NJ_ERROR,
          "a write that fails inside: %s", error.text);
    CHECK(nj_db_commit(db, &error) == NJ_ERROR && number(path, "SELECT count(*) FROM files") == 2, "takes all of it back: %s", error.text);
    struct nj_db_lock mine, yours;
    CHECK(nj_db_lock(path, "run", &mine, &error) == NJ_OK && nj_db_lock(path, "run", &yours, &error) == NJ_STOPPED &&
              strstr(error.text, "at work"),
          "one at a time may run: %s", error.text);
    nj_db_unlock(&mine);
    CHECK(nj_db_lock(path, "run", &yours, &error) == NJ_OK, "then the next");
    nj_db_unlock(&yours);
    CHECK(open_as(NJ_DB_WRITE, &other) == NJ_OK && nj_db_state_put(other, "a", "b", 1, &error) == NJ_OK &&
              nj_db_state_put(db, "a", "c", 1, &error) == NJ_OK,
          "two writers take turns %s", error.text);
    nj_db_close(other);
    CHECK(open_as(NJ_DB_READ, &other) == NJ_OK && nj_db_state_put(other, "a", "b", 1, &error) == NJ_ERROR, "a reader does not write: %s",
          error.text);
    nj_db_close(other);
    nj_db_close(db);
    if (geteuid() != 0) {
        SKIP("only root can try on another user's rights");
        return;
    }
    chmod(folder, 0755);
    char command[600];
    snprintf(command, sizeof command,
             "setpriv --reuid 65534 --regid 65534 --clear-groups sqlite3 -readonly %s 'select count(*) from files' >/dev/null", path);
    CHECK(system(command) == 0, "people without the right to write here can read");
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/nightjar.db", folder);
    setenv("NIGHTJAR_SYSROOT", folder, 1);
    boot(0);
    check_migrations();
    check_older_versions();
    check_readers();
    check_read_only_mount();
    check_damage();
    check_full_disk();
    check_transactions();
    remove_all();
    char command[400];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0, "cleaned up");
    return tap_done();
}
