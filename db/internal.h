/* internal.h: what the files of db/ share: the handle, statements that are prepared once, and one call that binds, runs and says what failed. */
#ifndef NJ_DB_INTERNAL_H
#define NJ_DB_INTERNAL_H

#include "base/text.h"
#include "db/db.h"
#include "db/schema.h"

#include <sqlite3.h>

#define NJ_DB_STATEMENTS 96 /* more than the distinct statements of db/ */

struct nj_db {
    sqlite3               *sql;
    char                   path[4096];
    enum nj_db_mode        mode;
    const struct nj_clock *clock;
    int64_t                station, min_free_mb;
    double                 timezone_offset; /* hours */
    int                    writer;          /* PATH.writer: held with flock while a transaction or a checkpoint is under way */
    int                    depth;           /* of nj_db_begin */
    int                    wal_pages;       /* in the log since the last checkpoint */
    struct {
        const char   *text; /* the literal's address is the key */
        sqlite3_stmt *statement;
    } prepared[NJ_DB_STATEMENTS];
    size_t         prepared_count;
    struct nj_text found; /* strings of nj_db_file_find and nj_db_file_same */
};

/* Turns the last SQLite result into a sentence that names the file and says what to do. */
nj_status nj_db_failed(struct nj_db *db, int code, struct nj_error *error);

/* Prepares (once a handle), binds and gives the statement at rest before its first row. One letter an argument:
 *   i int64_t        r double, NAN is NULL      s const char *, NULL is NULL      b const void *, size_t      n nothing: NULL
 *   t int64_t, seconds of a local clock as ISO text, NJ_DB_NO_TIME is NULL        N the same as the night it belongs to
 *   u int64_t, milliseconds UTC as ISO text with Z, 0 is NULL                     y int, NJ_DB_UNKNOWN (any below 0) is NULL
 *   p double, below 0 is NULL                                                     I int64_t, below 0 is NULL */
nj_status nj_db_query(struct nj_db *db, sqlite3_stmt **out, struct nj_error *error, const char *sql, const char *kinds, ...);

/* The same, run to its end. */
nj_status nj_db_run(struct nj_db *db, struct nj_error *error, const char *sql, const char *kinds, ...);

/* One step: NJ_OK with a row, NJ_NOT_FOUND (no sentence) at the end, NJ_ERROR. The statement is reset unless there is a row. */
nj_status nj_db_step(struct nj_db *db, sqlite3_stmt *statement, struct nj_error *error);

/* Waits for the flock that all writers and checkpoints hold. */
nj_status nj_db_writer_lock(struct nj_db *db, struct nj_error *error);

/* Closes a transaction in the way `status` asks for: commit on NJ_OK, else rollback; returns what came of it. */
nj_status nj_db_end(struct nj_db *db, nj_status status, struct nj_error *error);

int64_t nj_db_now(const struct nj_db *db);

/* A text column of the present row, "" for NULL; and as a local time in seconds, or UTC in milliseconds. */
const char *nj_db_text(sqlite3_stmt *statement, int column);
int64_t     nj_db_time(sqlite3_stmt *statement, int column);
int64_t     nj_db_utc(sqlite3_stmt *statement, int column);

/* 64 hex digits to bytes; false if they are not that. */
bool nj_db_hash_bytes(const char *hex, uint8_t out[32]);

/* Brings the file at `db` to the last schema. `steps` is nj_db_migrations but for tests. */
nj_status nj_db_migrate(struct nj_db *db, const struct nj_db_migration *steps, size_t count, const char *views, struct nj_error *error);

/* Copies the whole database to `path` as it is now, durable when it returns. */
nj_status nj_db_copy(struct nj_db *db, const char *path, struct nj_error *error);

#endif
