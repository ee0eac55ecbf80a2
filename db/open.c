#include "base/file.h"
#include "base/log.h"
#include "db/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static int on_commit(void *self, sqlite3 *sql, const char *name, int pages)
{
    (void)sql;
    (void)name;
    ((struct nj_db *)self)->wal_pages = pages;
    return SQLITE_OK;
}

/* Closes the connection, keeps the handle: the file may be opened again in another way. */
static void disconnect(struct nj_db *db)
{
    for (size_t i = 0; i < db->prepared_count; i++)
        sqlite3_finalize(db->prepared[i].statement);
    db->prepared_count = 0;
    sqlite3_close(db->sql);
    db->sql = NULL;
}

/* A file on a read-only mount has no place for the shared memory of the WAL; without a WAL it can be read as it lies. */
static int open_as_it_lies(struct nj_db *db)
{
    struct nj_text uri = {0};
    struct stat    wal = {0};
    char           name[4200];
    snprintf(name, sizeof name, "%s-wal", db->path);
    if (stat(name, &wal) == 0 && wal.st_size > 0)
        return SQLITE_READONLY;
    nj_text_add(&uri, "file:");
    for (const char *at = db->path; *at; at++)
        nj_text_addf(&uri, strchr("%?#", *at) ? "%%%02X" : "%c", (unsigned char)*at);
    nj_text_add(&uri, "?immutable=1");
    int code =
        uri.failed ? SQLITE_NOMEM : sqlite3_open_v2(uri.data, &db->sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    nj_text_free(&uri);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db->sql, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    return code;
}

static nj_status connect(struct nj_db *db, bool writable, struct nj_error *error)
{
    static const char common[] = "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA foreign_keys = ON;";
    /* the limit empties the WAL, which stays, when the last one leaves: else the next one reads through all that was ever in it */
    static const char durable[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
                                  "PRAGMA journal_size_limit = 4194304;";
    int               flags     = SQLITE_OPEN_NOMUTEX | (writable ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    int               code      = sqlite3_open_v2(db->path, &db->sql, flags, NULL);
    if (code == SQLITE_OK) {
        sqlite3_extended_result_codes(db->sql, 1);
        sqlite3_busy_timeout(db->sql, 30000);
        code = sqlite3_exec(db->sql, common, NULL, NULL, NULL);
    }
    if (code == SQLITE_OK)
        code = sqlite3_exec(db->sql, writable ? durable : "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    if (!writable && code != SQLITE_OK && (code & 0xFF) != SQLITE_CORRUPT && (code & 0xFF) != SQLITE_NOTADB) {
        disconnect(db);
        code = open_as_it_lies(db);
    }
    if (code != SQLITE_OK)
        return nj_db_failed(db, code, error);
    if (writable) {
        int keep =
            1; /* the WAL and its index stay when the last one leaves, so that people without the right to write here can still read */
        sqlite3_file_control(db->sql, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
        sqlite3_wal_hook(db->sql, on_commit, db);
    }
    return NJ_OK;
}

static nj_status pragma(struct nj_db *db, const char *sql, int64_t *value, struct nj_error *error)
{
    sqlite3_stmt *statement;
    nj_status     status = nj_db_query(db, &statement, error, sql, "");
    if (status == NJ_OK)
        status = nj_db_step(db, statement, error);
    if (status != NJ_OK)
        return status;
    *value = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return NJ_OK;
}

/* Whether the file is ours and how old: *version 0 for an empty one. */
static nj_status recognise(struct nj_db *db, int64_t *version, struct nj_error *error)
{
    int64_t   application = 0, tables = 0;
    nj_status status = pragma(db, "SELECT count(*) FROM sqlite_schema", &tables, error);
    if (status == NJ_OK)
        status = pragma(db, "PRAGMA application_id", &application, error);
    if (status == NJ_OK)
        status = pragma(db, "PRAGMA user_version", version, error);
    if (status != NJ_OK)
        return status;
    if (tables == 0 && application == 0 && *version == 0)
        return NJ_OK;
    if (application != NJ_DB_APPLICATION_ID)
        return nj_fail(error, "%s: a database of another program (application_id %#" PRIx64 "); choose another [database] path", db->path,
                       (uint64_t)application);
    if (*version > (int64_t)nj_db_migration_count)
        return nj_fail(error, "%s: written by a newer Nightjar (schema %" PRId64 ", this program knows %zu); install that version",
                       db->path, *version, nj_db_migration_count);
    return NJ_OK;
}

/* ---- check once a boot, set aside what is damaged ---- */

static void read_boot_id(char out[64])
{
    char path[4096];
    out[0]     = 0;
    FILE *file = nj_sysroot_path(path, sizeof path, BOOT_ID) ? fopen(path, "r") : NULL;
    if (!file)
        return;
    if (!fgets(out, 64, file))
        out[0] = 0;
    fclose(file);
}

/* Only a loss of power or a dying disk damages the file, so one look a boot is enough. The mark is this boot's id. */
static bool checked_this_boot(const struct nj_db *db, const char *boot)
{
    char path[4200], seen[64] = "";
    snprintf(path, sizeof path, "%s.checked", db->path);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    bool same = fgets(seen, sizeof seen, file) && boot[0] && !strcmp(seen, boot);
    fclose(file);
    return same;
}

/* True when every page holds together. A file that cannot be opened for another reason counts as sound: the real open says why. */
static bool sound(struct nj_db *db, char why[256])
{
    bool result = true;
    why[0]      = 0;
    int code    = sqlite3_open_v2(db->path, &db->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK && nj_db_check(db, why, NULL) == NJ_OK)
        result = !strcmp(why, "ok");
    else {
        code   = sqlite3_errcode(db->sql);
        result = code != SQLITE_CORRUPT && code != SQLITE_NOTADB;
        snprintf(why, 256, "%.255s", sqlite3_errmsg(db->sql));
    }
    disconnect(db);
    return result;
}

static nj_status set_aside(struct nj_db *db, char aside[4200], struct nj_error *error)
{
    static const char *const parts[] = {"-wal", "-shm", ""}; /* the file itself last: after a cut the next start sees it damaged again */
    char                     stamp[NJ_TIME_TEXT], from[4200], to[4300];
    nj_time_utc(nj_db_now(db), stamp);
    snprintf(aside, 4200, "%s.damaged-%s", db->path, stamp);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(from, sizeof from, "%s%s", db->path, parts[i]);
        snprintf(to, sizeof to, "%s%s", aside, parts[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            return nj_fail_errno(error, errno, "%s: damaged, and cannot be set aside as %s", from, to);
    }
    return NJ_OK;
}

/* One statement about one row of the damaged file; what cannot be read is left. */
static void carry(struct nj_db *db, const char *sql, int64_t key)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db->sql, sql, -1, &statement, NULL) == SQLITE_OK) {
        sqlite3_bind_int64(statement, 1, key);
        sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
}

/* A correction without its answer says nothing: the foreign key keeps it out. */
static void carry_reviews(struct nj_db *db)
{
    sqlite3_stmt *review = NULL;
    if (sqlite3_prepare_v2(db->sql, "SELECT review, answer FROM aside.review ORDER BY review", -1, &review, NULL) == SQLITE_OK)
        while (sqlite3_step(review) == SQLITE_ROW) {
            int64_t answer = sqlite3_column_int64(review, 1);
            if (answer) {
                carry(db, "INSERT OR IGNORE INTO answer SELECT * FROM aside.answer WHERE answer = ?", answer);
                carry(db, "INSERT OR IGNORE INTO detection SELECT * FROM aside.detection WHERE answer = ?", answer);
            }
            carry(db, "INSERT OR IGNORE INTO review SELECT * FROM aside.review WHERE review = ?", sqlite3_column_int64(review, 0));
        }
    sqlite3_finalize(review);
}

/* Copies out of the damaged file what the card cannot bring back: what people decided, what the station learned and measured. */
static int64_t carry_over(struct nj_db *db, const char *aside)
{
    static const char *const tables[] = {
        "INSERT OR IGNORE INTO station SELECT * FROM aside.station",
        "INSERT OR IGNORE INTO card SELECT * FROM aside.card",
        "INSERT OR IGNORE INTO clock_offset SELECT * FROM aside.clock_offset",
        "INSERT OR IGNORE INTO state SELECT * FROM aside.state",
        "INSERT INTO sample SELECT * FROM aside.sample",
        "INSERT INTO decision SELECT at_utc, what, reason, NULL FROM aside.decision",
    };
    int64_t       reviews = 0;
    sqlite3_stmt *attach  = NULL;
    bool          there   = sqlite3_prepare_v2(db->sql, "ATTACH ? AS aside", -1, &attach, NULL) == SQLITE_OK &&
                 sqlite3_bind_text(attach, 1, aside, -1, SQLITE_STATIC) == SQLITE_OK && sqlite3_step(attach) == SQLITE_DONE;
    sqlite3_finalize(attach);
    if (!there)
        return 0;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        sqlite3_exec(db->sql, tables[i], NULL, NULL, NULL);
    carry_reviews(db);
    pragma(db, "SELECT count(*) FROM review", &reviews, NULL);
    sqlite3_exec(db->sql, "DETACH aside", NULL, NULL, NULL);
    return reviews;
}

/* Runs under the writers' lock. *aside is "" when the file is sound. */
static nj_status check(struct nj_db *db, char aside[4200], char why[256], struct nj_error *error)
{
    char      boot[64], mark[4200];
    nj_status status = NJ_OK;
    aside[0]         = 0;
    read_boot_id(boot);
    if (access(db->path, F_OK) != 0 || checked_this_boot(db, boot))
        return NJ_OK;
    if (!sound(db, why)) {
        nj_log(NJ_LOG_WARNING, "%s: damaged (%s); setting it aside and beginning a fresh one from the card", db->path, why);
        status = set_aside(db, aside, error);
    }
    snprintf(mark, sizeof mark, "%s.checked", db->path);
    if (status == NJ_OK && boot[0])
        nj_file_write_atomic(mark, boot, strlen(boot), NULL);
    return status;
}

/* ---- open ---- */

static nj_status choose_station(struct nj_db *db, const struct nj_db_options *options, struct nj_error *error)
{
    const char   *name = options->station ? options->station : "", *site = options->site ? options->site : "";
    sqlite3_stmt *statement;
    nj_status     status = nj_db_query(db, &statement, error, "SELECT station FROM station WHERE name = ? AND site = ?", "ss", name, site);
    if (status == NJ_OK)
        status = nj_db_step(db, statement, error);
    if (status == NJ_OK) {
        db->station = sqlite3_column_int64(statement, 0);
        sqlite3_reset(statement);
    }
    if (status != NJ_NOT_FOUND || !options->station)
        return status == NJ_NOT_FOUND ? NJ_OK : status;
    status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status      = nj_db_run(db, error, "INSERT INTO station(name, site) VALUES(?, ?)", "ss", name, site);
    db->station = sqlite3_last_insert_rowid(db->sql);
    return nj_db_end(db, status, error);
}

static nj_status open_writer_lock(struct nj_db *db, struct nj_error *error)
{
    char path[4200];
    snprintf(path, sizeof path, "%s.writer", db->path);
    db->writer = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
    if (db->writer < 0)
        return nj_fail_errno(error, errno, "%s: cannot be written beside the database; look at the owner of its folder", path);
    return NJ_OK;
}

static nj_status make_folder_of(const char *path, struct nj_error *error)
{
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return NJ_OK;
    *slash = 0;
    return nj_make_folders(folder, error);
}

static nj_status open_for_writing(struct nj_db *db, const struct nj_db_options *options, struct nj_error *error)
{
    char      aside[4200] = "", why[256] = "";
    int64_t   version = 0;
    nj_status status  = make_folder_of(db->path, error);
    if (status == NJ_OK)
        status = open_writer_lock(db, error);
    if (status != NJ_OK)
        return status;
    status = nj_db_writer_lock(db, error);
    if (status != NJ_OK)
        return status;
    if (options->mode == NJ_DB_STATION)
        status = check(db, aside, why, error);
    if (status == NJ_OK)
        status = connect(db, true, error);
    if (status == NJ_OK)
        status = recognise(db, &version, error);
    if (status == NJ_OK && version < (int64_t)nj_db_migration_count)
        status = nj_db_migrate(db, nj_db_migrations, nj_db_migration_count, nj_db_views, error);
    int64_t carried = status == NJ_OK && aside[0] ? carry_over(db, aside) : 0;
    flock(db->writer, LOCK_UN);
    if (status == NJ_OK)
        status = choose_station(db, options, error);
    if (status == NJ_OK && aside[0]) {
        char words[4600];
        snprintf(words, sizeof words, "damaged (%s): set aside as %s, begun anew, %" PRId64 " decisions of rangers carried over", why,
                 aside, carried);
        status = nj_db_decision(db, nj_db_now(db), "database", words, 0, error);
    }
    return status;
}

static nj_status open_for_reading(struct nj_db *db, const struct nj_db_options *options, struct nj_error *error)
{
    int64_t version = 0;
    if (access(db->path, F_OK) != 0)
        return nj_fail_as(NJ_NOT_FOUND, error, "%s: no database there yet; `nightjar watch --once` or `nightjar run --once` begins one",
                          db->path);
    nj_status status = connect(db, false, error);
    if (status == NJ_OK)
        status = recognise(db, &version, error);
    if (status != NJ_OK || version == (int64_t)nj_db_migration_count)
        return status;
    disconnect(db);
    struct nj_db_options upgrade = *options;
    upgrade.mode = db->mode = NJ_DB_WRITE;
    status                  = open_for_writing(db, &upgrade, error);
    if (status != NJ_OK) {
        nj_error_prefix(error, "the database is of an older version and must be brought up to date first");
        return status;
    }
    disconnect(db);
    db->mode = NJ_DB_READ;
    return connect(db, false, error);
}

nj_status nj_db_open(const char *path, const struct nj_db_options *options, struct nj_db **out, struct nj_error *error)
{
    *out = NULL;
    if (strlen(path) >= sizeof(((struct nj_db *)0)->path) - 64)
        return nj_fail(error, "%s: the path is too long", path);
    struct nj_db *db = calloc(1, sizeof *db);
    if (!db)
        return nj_fail(error, "%s: no memory", path);
    snprintf(db->path, sizeof db->path, "%s", path);
    db->clock           = options->clock ? options->clock : nj_clock_system();
    db->mode            = options->mode;
    db->timezone_offset = options->timezone_offset;
    db->writer          = -1;
    nj_status status    = options->mode == NJ_DB_READ ? open_for_reading(db, options, error) : open_for_writing(db, options, error);
    if (status != NJ_OK) {
        nj_db_close(db);
        return status;
    }
    db->min_free_mb = options->mode == NJ_DB_STATION ? options->min_free_mb : 0; /* from here on: opening itself must always be possible */
    *out            = db;
    return NJ_OK;
}

void nj_db_close(struct nj_db *db)
{
    if (!db)
        return;
    nj_db_rollback(db);
    disconnect(db);
    if (db->writer >= 0)
        close(db->writer);
    nj_text_free(&db->found);
    free(db);
}

nj_status nj_db_check(struct nj_db *db, char said[256], struct nj_error *error)
{
    sqlite3_stmt *row;
    nj_status     status = nj_db_query(db, &row, error, "PRAGMA quick_check(1)", "");
    if (status == NJ_OK)
        status = nj_db_step(db, row, error);
    if (status != NJ_OK)
        return status;
    const char *text = nj_db_text(row, 0), *last = strrchr(text, '\n'); /* the first line only names the database */
    snprintf(said, 256, "%.255s", last ? last + 1 : text);
    sqlite3_reset(row);
    return NJ_OK;
}

nj_status nj_db_lock(const char *path, const char *what, struct nj_db_lock *out, struct nj_error *error)
{
    char name[4200], holder[64] = "";
    out->fd          = -1;
    nj_status status = make_folder_of(path, error);
    if (status != NJ_OK)
        return status;
    snprintf(name, sizeof name, "%s.%s.lock", path, what);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
    if (fd < 0)
        return nj_fail_errno(error, errno, "%s: cannot be written beside the database; look at the owner of its folder", name);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int why = errno;
        if (read(fd, holder, sizeof holder - 1) < 0)
            holder[0] = 0;
        close(fd);
        if (why != EWOULDBLOCK)
            return nj_fail_errno(error, why, "%s: cannot be locked", name);
        return nj_fail_as(NJ_STOPPED, error, "another `nightjar %s` (process %s) is at work on %s; nothing to do here", what, holder, path);
    }
    int length = snprintf(holder, sizeof holder, "%ld", (long)getpid());
    if (ftruncate(fd, 0) != 0 || write(fd, holder, (size_t)length) != length)
        nj_log(NJ_LOG_DEBUG, "%s: the process number was not written", name);
    out->fd = fd;
    return NJ_OK;
}

void nj_db_unlock(struct nj_db_lock *lock)
{
    if (lock->fd >= 0)
        close(lock->fd);
    lock->fd = -1;
}
