#include "base/log.h"
#include "db/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

nj_status nj_db_copy(struct nj_db *db, const char *path, struct nj_error *error)
{
    char     temporary[4300];
    sqlite3 *to = NULL;
    snprintf(temporary, sizeof temporary, "%s.part", path);
    unlink(temporary);
    int code = sqlite3_open_v2(temporary, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(to, "PRAGMA synchronous = FULL", NULL, NULL, NULL);
    if (code == SQLITE_OK) {
        sqlite3_backup *backup = sqlite3_backup_init(to, "main", db->sql, "main");
        code                   = backup ? sqlite3_backup_step(backup, -1) : sqlite3_errcode(to);
        if (backup)
            sqlite3_backup_finish(backup);
    }
    if (code == SQLITE_DONE)
        code = SQLITE_OK;
    char why[256];
    snprintf(why, sizeof why, "%s", code == SQLITE_FULL ? "the disk is full" : sqlite3_errstr(code));
    sqlite3_close(to);
    if (code != SQLITE_OK || rename(temporary, path) != 0) {
        unlink(temporary);
        return nj_fail(error,
                       "%s: the copy that must come before an update cannot be made: %s; make room or look at the owner of the folder",
                       path, code != SQLITE_OK ? why : "it cannot be renamed");
    }
    return NJ_OK;
}

static nj_status execute(struct nj_db *db, const char *sql, struct nj_error *error)
{
    int code = sqlite3_exec(db->sql, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? NJ_OK : nj_db_failed(db, code, error);
}

static nj_status version_of(struct nj_db *db, size_t *version, struct nj_error *error)
{
    sqlite3_stmt *statement;
    nj_status     status = nj_db_query(db, &statement, error, "PRAGMA user_version", "");
    if (status == NJ_OK)
        status = nj_db_step(db, statement, error);
    if (status != NJ_OK)
        return status;
    *version = (size_t)sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return NJ_OK;
}

static nj_status step(struct nj_db *db, const struct nj_db_migration *migration, size_t number, const char *views, struct nj_error *error)
{
    char marks[96];
    snprintf(marks, sizeof marks, "PRAGMA user_version = %zu; PRAGMA application_id = %d; COMMIT", number, NJ_DB_APPLICATION_ID);
    nj_status status = execute(db, "BEGIN IMMEDIATE", error);
    for (size_t i = 0; status == NJ_OK && i < sizeof migration->sql / sizeof migration->sql[0] && migration->sql[i]; i++)
        status = execute(db, migration->sql[i], error);
    if (status == NJ_OK && views)
        status = execute(db, views, error);
    if (status == NJ_OK)
        status = execute(db, marks, error);
    if (status != NJ_OK) {
        execute(db, "ROLLBACK", NULL);
        nj_error_prefix(error, "update to schema %zu (%s)", number, migration->what);
    }
    return status;
}

nj_status nj_db_migrate(struct nj_db *db, const struct nj_db_migration *steps, size_t count, const char *views, struct nj_error *error)
{
    size_t    version = 0;
    nj_status status  = version_of(db, &version, error);
    if (status == NJ_OK && version > 0 && version < count) {
        char copy[4200];
        snprintf(copy, sizeof copy, "%s.v%zu", db->path, version);
        status = nj_db_copy(db, copy, error);
        if (status == NJ_OK)
            nj_log(NJ_LOG_INFO, "%s: schema %zu is brought to %zu; the file as it was is kept as %s", db->path, version, count, copy);
    }
    for (size_t i = version; status == NJ_OK && i < count; i++)
        status = step(db, &steps[i], i + 1, i + 1 == count ? views : NULL, error);
    return status;
}
