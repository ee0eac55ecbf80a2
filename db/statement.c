#include "db/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define WAIT_MS   30000 /* for another writer */
#define WAL_PAGES 1000  /* checkpoint past this */

int64_t nj_db_now(const struct nj_db *db)
{
    return db->clock->wall_ms(db->clock->self);
}

nj_status nj_db_failed(struct nj_db *db, int code, struct nj_error *error)
{
    const char *path = db->path;
    int         os   = db->sql ? sqlite3_system_errno(db->sql) : 0;
    switch (code & 0xFF) {
    case SQLITE_FULL:
        return nj_fail(error, "%s: the disk is full; nothing was written; free some space and it goes on where it stopped", path);
    case SQLITE_READONLY:
        return nj_fail(error, "%s: read-only file or mount; remount it writable (`mount -o remount,rw`), or look at the card's lock switch",
                       path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: {
        char mark[4200];
        snprintf(mark, sizeof mark, "%s.checked", path);
        unlink(mark); /* the next start looks at every page again */
        return nj_fail(error,
                       "%s: damaged (%s); start `nightjar watch` or `nightjar run`: it is set aside and a fresh one begun from the card",
                       path, db->sql ? sqlite3_errmsg(db->sql) : "not a database");
    }
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return nj_fail(error, "%s: another program has kept it locked for %d s (a sqlite3 with an open transaction?); try again", path,
                       WAIT_MS / 1000);
    case SQLITE_CANTOPEN:
        return nj_fail(error, "%s: cannot be opened%s%s; look at the path ([database] path) and at its owner", path, os ? ": " : "",
                       os ? strerror(os) : "");
    case SQLITE_IOERR:
        return nj_fail(error, "%s: reading or writing failed%s%s; the disk may be dying: look at `dmesg`", path, os ? ": " : "",
                       os ? strerror(os) : "");
    default:
        return nj_fail(error, "%s: %s", path, db->sql ? sqlite3_errmsg(db->sql) : sqlite3_errstr(code));
    }
}

static nj_status prepare(struct nj_db *db, const char *sql, sqlite3_stmt **out, struct nj_error *error)
{
    for (size_t i = 0; i < db->prepared_count; i++)
        if (db->prepared[i].text == sql) {
            *out = db->prepared[i].statement;
            sqlite3_reset(*out);
            return NJ_OK;
        }
    if (db->prepared_count == NJ_DB_STATEMENTS)
        return nj_fail(error, "%s: more than %d statements", db->path, NJ_DB_STATEMENTS);
    int code = sqlite3_prepare_v3(db->sql, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    if (code != SQLITE_OK)
        return nj_db_failed(db, code, error);
    db->prepared[db->prepared_count].text        = sql;
    db->prepared[db->prepared_count++].statement = *out;
    return NJ_OK;
}

static int bind_local(sqlite3_stmt *statement, int at, int64_t seconds, size_t length)
{
    char text[NJ_TIME_TEXT];
    if (seconds == NJ_DB_NO_TIME)
        return sqlite3_bind_null(statement, at);
    nj_time_local(seconds, text);
    text[length] = 0;
    return sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
}

static int bind_one(sqlite3_stmt *statement, int at, char kind, va_list *args)
{
    switch (kind) {
    case 'i':
        return sqlite3_bind_int64(statement, at, va_arg(*args, int64_t));
    case 'I': {
        int64_t value = va_arg(*args, int64_t);
        return value < 0 ? sqlite3_bind_null(statement, at) : sqlite3_bind_int64(statement, at, value);
    }
    case 'y': {
        int value = va_arg(*args, int);
        return value < 0 ? sqlite3_bind_null(statement, at) : sqlite3_bind_int(statement, at, value);
    }
    case 'r':
    case 'p': {
        double value = va_arg(*args, double);
        return isnan(value) || (kind == 'p' && value < 0) ? sqlite3_bind_null(statement, at) : sqlite3_bind_double(statement, at, value);
    }
    case 's':
        return sqlite3_bind_text(statement, at, va_arg(*args, const char *), -1, SQLITE_TRANSIENT);
    case 'b': {
        const void *bytes = va_arg(*args, const void *);
        size_t      size  = va_arg(*args, size_t);
        return sqlite3_bind_blob64(statement, at, bytes ? bytes : "", size, SQLITE_TRANSIENT);
    }
    case 't':
        return bind_local(statement, at, va_arg(*args, int64_t), NJ_TIME_TEXT - 1);
    case 'N': {
        int64_t seconds = va_arg(*args, int64_t);
        return bind_local(statement, at, seconds == NJ_DB_NO_TIME ? seconds : seconds - 43200, 10);
    }
    case 'u': {
        char    text[NJ_TIME_TEXT];
        int64_t ms = va_arg(*args, int64_t);
        if (ms == 0)
            return sqlite3_bind_null(statement, at);
        nj_time_utc(ms, text);
        return sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
    }
    default:
        return sqlite3_bind_null(statement, at);
    }
}

static nj_status start(struct nj_db *db, sqlite3_stmt **out, struct nj_error *error, const char *sql, const char *kinds, va_list *args)
{
    nj_status status = prepare(db, sql, out, error);
    for (int i = 0; status == NJ_OK && kinds[i]; i++) {
        int code = bind_one(*out, i + 1, kinds[i], args);
        if (code != SQLITE_OK)
            status = nj_db_failed(db, code, error);
    }
    return status;
}

nj_status nj_db_query(struct nj_db *db, sqlite3_stmt **out, struct nj_error *error, const char *sql, const char *kinds, ...)
{
    va_list args;
    va_start(args, kinds);
    nj_status status = start(db, out, error, sql, kinds, &args);
    va_end(args);
    return status;
}

nj_status nj_db_step(struct nj_db *db, sqlite3_stmt *statement, struct nj_error *error)
{
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        return NJ_OK;
    nj_status status = code == SQLITE_DONE ? NJ_NOT_FOUND : nj_db_failed(db, code, error);
    sqlite3_reset(statement);
    return status;
}

nj_status nj_db_run(struct nj_db *db, struct nj_error *error, const char *sql, const char *kinds, ...)
{
    sqlite3_stmt *statement;
    va_list       args;
    va_start(args, kinds);
    nj_status status = start(db, &statement, error, sql, kinds, &args);
    va_end(args);
    while (status == NJ_OK)
        status = nj_db_step(db, statement, error);
    return status == NJ_NOT_FOUND ? NJ_OK : status;
}

const char *nj_db_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text ? (const char *)text : "";
}

static bool read_time(const char *text, int64_t *seconds)
{
    int      year, hour, minute, second;
    unsigned month, day;
    if (sscanf(text, "%5d-%2u-%2uT%2d:%2d:%2d", &year, &month, &day, &hour, &minute, &second) != 6)
        return false;
    *seconds = nj_days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

int64_t nj_db_time(sqlite3_stmt *statement, int column)
{
    int64_t seconds;
    return read_time(nj_db_text(statement, column), &seconds) ? seconds : NJ_DB_NO_TIME;
}

int64_t nj_db_utc(sqlite3_stmt *statement, int column)
{
    int64_t seconds;
    return read_time(nj_db_text(statement, column), &seconds) ? seconds * 1000 : 0;
}

/* ---- transactions ---- */

nj_status nj_db_writer_lock(struct nj_db *db, struct nj_error *error)
{
    for (int waited = 0; flock(db->writer, LOCK_EX | LOCK_NB) != 0; waited += 20) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return nj_fail_errno(error, errno, "%s.writer: cannot be locked", db->path);
        if (waited >= WAIT_MS)
            return nj_db_failed(db, SQLITE_BUSY, error);
        db->clock->sleep_ms(db->clock->self, 20);
    }
    return NJ_OK;
}

static nj_status enough_space(struct nj_db *db, struct nj_error *error)
{
    struct statvfs disk;
    if (db->min_free_mb <= 0 || statvfs(db->path, &disk) != 0)
        return NJ_OK;
    int64_t free_mb = (int64_t)(disk.f_bavail * (uint64_t)disk.f_frsize >> 20);
    if (free_mb < db->min_free_mb)
        return nj_fail(error, "%s: %" PRId64 " MB are free on its disk and %" PRId64 " must stay free ([ingest] min_free_mb); make room",
                       db->path, free_mb, db->min_free_mb);
    return NJ_OK;
}

nj_status nj_db_begin(struct nj_db *db, struct nj_error *error)
{
    if (db->mode == NJ_DB_READ)
        return nj_fail(error, "%s: opened for reading only", db->path);
    if (db->depth++ > 0)
        return NJ_OK;
    nj_status status = enough_space(db, error);
    if (status == NJ_OK)
        status = nj_db_writer_lock(db, error);
    if (status == NJ_OK) {
        status = nj_db_run(db, error, "BEGIN IMMEDIATE", "");
        if (status != NJ_OK)
            flock(db->writer, LOCK_UN);
    }
    if (status != NJ_OK)
        db->depth = 0;
    return status;
}

/* SQLite before 3.51.3 can lose a WAL frame when one connection checkpoints at the very moment another starts the WAL anew. We checkpoint by hand,
 * under the lock that every writer of ours holds, so that this moment cannot come. */
static void checkpoint_if_long(struct nj_db *db)
{
    if (db->wal_pages < WAL_PAGES)
        return;
    db->wal_pages = 0;
    sqlite3_wal_checkpoint_v2(db->sql, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

nj_status nj_db_commit(struct nj_db *db, struct nj_error *error)
{
    if (db->depth == 0)
        return nj_fail(error, "%s: the transaction was taken back by a write that failed inside it", db->path);
    if (--db->depth > 0)
        return NJ_OK;
    nj_status status = nj_db_run(db, error, "COMMIT", "");
    if (status != NJ_OK) {
        db->depth = 1;
        nj_db_rollback(db);
        return status;
    }
    checkpoint_if_long(db);
    flock(db->writer, LOCK_UN);
    return NJ_OK;
}

void nj_db_rollback(struct nj_db *db)
{
    if (db->depth == 0)
        return;
    db->depth = 0;
    if (!sqlite3_get_autocommit(db->sql))
        nj_db_run(db, NULL, "ROLLBACK", "");
    flock(db->writer, LOCK_UN);
}

nj_status nj_db_end(struct nj_db *db, nj_status status, struct nj_error *error)
{
    if (status == NJ_OK)
        return nj_db_commit(db, error);
    nj_db_rollback(db);
    return status;
}
