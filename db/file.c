/* file.c: cards and the rows of their files. The states of a file:
 *
 *   seen ──► ready ──► (in a burst: outcome `used`)
 *     ├────► rejected(reason)
 *     └────► ignored(reason)
 *
 * nj_db_file_put writes them, burst.c ties ready ones to a burst. A row that is in a burst past `open` keeps its state for good. */
#include "db/internal.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

nj_status nj_db_card(struct nj_db *db, const char *identity, const char *name, const char *mount, int64_t *card, struct nj_error *error)
{
    struct nj_text shown = {0};
    sqlite3_stmt  *statement;
    nj_status      status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    if (db->station == 0) {
        status = nj_fail(error, "%s: opened without a station's name, so no card can be taken in", db->path);
        goto cleanup;
    }
    nj_text_add_escaped(&shown, name, strlen(name));
    status = nj_db_query(db, &statement, error,
                         "INSERT INTO card(station, identity, name, mount, first_seen_utc, last_seen_utc) VALUES(?1, ?2, ?3, ?4, ?5, ?5)"
                         " ON CONFLICT(identity) DO UPDATE SET station = excluded.station, name = excluded.name, mount = excluded.mount,"
                         " last_seen_utc = excluded.last_seen_utc RETURNING card",
                         "ibsbu", db->station, identity, strlen(identity), shown.data, mount, strlen(mount), nj_db_now(db));
    if (status == NJ_OK)
        status = nj_db_step(db, statement, error);
    if (status == NJ_OK) {
        *card  = sqlite3_column_int64(statement, 0);
        status = nj_db_step(db, statement, error); /* an insert is complete only at its end */
        if (status == NJ_NOT_FOUND)
            status = NJ_OK;
    }
cleanup:
    nj_text_free(&shown);
    return nj_db_end(db, status, error);
}

#define COLUMNS                                                                                                                            \
    "file, card, path, bytes, mtime_ns, inode, state, reason, lower(hex(hash)), taken_at, taken_at_source, width, height, camera,"         \
    " sequence_k, sequence_n, sequence_event, timelapse, (SELECT event FROM event e WHERE e.event_id = file.event_id), first_seen_utc"

static const char *const state_names[] = {"seen", "ready", "rejected", "ignored"};

static const char *text_or_null(sqlite3_stmt *row, int column)
{
    const char *text = nj_db_text(row, column);
    return *text ? text : NULL;
}

/* Strings stay with the statement's row. */
static void read_file(sqlite3_stmt *row, struct nj_db_file *out)
{
    const char *state = nj_db_text(row, 6);
    *out              = (struct nj_db_file){
                     .file            = sqlite3_column_int64(row, 0),
                     .card            = sqlite3_column_int64(row, 1),
                     .path            = sqlite3_column_blob(row, 2),
                     .path_size       = (size_t)sqlite3_column_bytes(row, 2),
                     .bytes           = sqlite3_column_int64(row, 3),
                     .mtime_ns        = sqlite3_column_int64(row, 4),
                     .inode           = (uint64_t)sqlite3_column_int64(row, 5),
                     .state           = NJ_DB_SEEN,
                     .reason          = text_or_null(row, 7),
                     .hash            = text_or_null(row, 8),
                     .taken_at        = nj_db_time(row, 9),
                     .taken_at_source = text_or_null(row, 10),
                     .width           = sqlite3_column_int64(row, 11),
                     .height          = sqlite3_column_int64(row, 12),
                     .camera          = nj_db_text(row, 13),
                     .sequence_k      = sqlite3_column_int64(row, 14),
                     .sequence_n      = sqlite3_column_int64(row, 15),
                     .sequence_event  = sqlite3_column_int64(row, 16),
                     .timelapse       = sqlite3_column_int64(row, 17) != 0,
                     .event           = sqlite3_column_int64(row, 18),
                     .first_seen_ms   = nj_db_utc(row, 19),
    };
    for (int i = 0; i < 4; i++)
        if (!strcmp(state, state_names[i]))
            out->state = (enum nj_db_file_state)i;
}

/* Copies one string into db->found and returns where it will be: an offset, turned into a pointer when nothing moves any more. */
static size_t keep(struct nj_text *text, const char *string, size_t size)
{
    size_t at = text->length;
    nj_text_add_bytes(text, string, size);
    nj_text_add_bytes(text, "", 1);
    return at;
}

/* The first row, its strings kept in the handle until the next find. */
static nj_status read_one(struct nj_db *db, sqlite3_stmt *statement, struct nj_db_file *out, struct nj_error *error)
{
    nj_status status = nj_db_step(db, statement, error);
    if (status != NJ_OK)
        return status;
    read_file(statement, out);
    const char **strings[] = {&out->path, &out->reason, &out->hash, &out->taken_at_source, &out->camera};
    size_t       at[5];
    nj_text_clear(&db->found);
    for (size_t i = 0; i < 5; i++)
        at[i] = *strings[i] ? keep(&db->found, *strings[i], i ? strlen(*strings[i]) : out->path_size) : SIZE_MAX;
    sqlite3_reset(statement);
    if (db->found.failed)
        return nj_fail(error, "%s: no memory for a row", db->path);
    for (size_t i = 0; i < 5; i++)
        *strings[i] = at[i] == SIZE_MAX ? NULL : db->found.data + at[i];
    return NJ_OK;
}

nj_status nj_db_file_find(struct nj_db *db, int64_t card, const char *path, size_t path_size, struct nj_db_file *out,
                          struct nj_error *error)
{
    struct nj_text shown = {0};
    sqlite3_stmt  *statement;
    nj_text_add_escaped(&shown, path, path_size);
    if (shown.failed)
        return nj_fail(error, "%s: no memory for a path", db->path);
    nj_status status = nj_db_query(db, &statement, error,
                                   "SELECT " COLUMNS " FROM file WHERE path_text = ? AND card = ? AND path = ? ORDER BY file DESC LIMIT 1",
                                   "sib", shown.data ? shown.data : "", card, path, path_size);
    nj_text_free(&shown);
    return status == NJ_OK ? read_one(db, statement, out, error) : status;
}

nj_status nj_db_file_same(struct nj_db *db, int64_t card, const char *hash, int64_t except, struct nj_db_file *out, struct nj_error *error)
{
    sqlite3_stmt *statement;
    uint8_t       bytes[32];
    if (!nj_db_hash_bytes(hash, bytes))
        return nj_fail(error, "%s: not a SHA-256", hash);
    nj_status status =
        nj_db_query(db, &statement, error,
                    "SELECT " COLUMNS " FROM file WHERE card = ? AND hash = ? AND state = 'ready' AND file <> ? ORDER BY file LIMIT 1",
                    "ibi", card, bytes, sizeof bytes, except);
    return status == NJ_OK ? read_one(db, statement, out, error) : status;
}

bool nj_db_hash_bytes(const char *hex, uint8_t out[32])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 64; i++) {
        const char *at = hex[i] ? strchr(digits, tolower((unsigned char)hex[i])) : NULL;
        if (!at)
            return false;
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | (at - digits) : (at - digits) << 4);
    }
    return hex[64] == 0;
}

static nj_status insert(struct nj_db *db, struct nj_db_file *file, const char *shown, const uint8_t *hash, struct nj_error *error)
{
    if (file->first_seen_ms == 0)
        file->first_seen_ms = nj_db_now(db);
    nj_status status = nj_db_run(
        db, error,
        "INSERT INTO file(card, station, path, shown, bytes, mtime_ns, inode, hash, state, reason, taken_at, night, taken_at_source, width,"
        " height, camera, sequence_k, sequence_n, sequence_event, timelapse, first_seen_utc)"
        " VALUES(?, ?, ?, ?, ?, ?, ?, nullif(?, x''), ?, ?, ?, ?, ?, nullif(?, 0), nullif(?, 0), ?, ?, ?, ?, ?, ?)",
        "iibsiiibsstNsiisiiiiu", file->card, db->station, file->path, file->path_size, shown, file->bytes, file->mtime_ns,
        (int64_t)file->inode, hash, hash ? (size_t)32 : (size_t)0, state_names[file->state], file->reason, file->taken_at, file->taken_at,
        file->taken_at_source, file->width, file->height, file->camera ? file->camera : "", file->sequence_k, file->sequence_n,
        file->sequence_event, (int64_t)file->timelapse, file->first_seen_ms);
    if (status == NJ_OK)
        file->file = sqlite3_last_insert_rowid(db->sql);
    return status;
}

static nj_status update(struct nj_db *db, const struct nj_db_file *file, const uint8_t *hash, struct nj_error *error)
{
    /* a picture that was read for an event stays what it was when it was read; only where it lies may change */
    nj_status status = nj_db_run(
        db, error,
        "UPDATE file SET bytes = ?2, mtime_ns = ?3, inode = ?4, hash = nullif(?5, x''), state = ?6, reason = ?7, taken_at = ?8, night = ?9,"
        " taken_at_source = ?10, width = nullif(?11, 0), height = nullif(?12, 0), camera = ?13, sequence_k = ?14, sequence_n = ?15,"
        " sequence_event = ?16, timelapse = ?17"
        " WHERE file = ?1 AND (?6 = 'ready' OR event_id IS NULL)",
        "iiiibsstNsiisiiii", file->file, file->bytes, file->mtime_ns, (int64_t)file->inode, hash, hash ? (size_t)32 : (size_t)0,
        state_names[file->state], file->reason, file->taken_at, file->taken_at, file->taken_at_source, file->width, file->height,
        file->camera ? file->camera : "", file->sequence_k, file->sequence_n, file->sequence_event, (int64_t)file->timelapse);
    if (status == NJ_OK && sqlite3_changes(db->sql) == 0)
        return nj_fail(error, "%s: file %" PRId64 " has no row, or it is a frame of an event and stays one", db->path, file->file);
    return status;
}

nj_status nj_db_file_put(struct nj_db *db, struct nj_db_file *file, struct nj_error *error)
{
    struct nj_text shown = {0};
    uint8_t        hash[32];
    if (file->hash && !nj_db_hash_bytes(file->hash, hash))
        return nj_fail(error, "%s: not a SHA-256", file->hash);
    nj_text_add_escaped(&shown, file->path, file->path_size);
    if (shown.failed)
        return nj_fail(error, "%s: no memory for a path", db->path);
    bool      plain  = shown.length == file->path_size; /* escaping only ever makes it longer */
    nj_status status = nj_db_begin(db, error);
    if (status == NJ_OK) {
        if (file->file)
            status = update(db, file, file->hash ? hash : NULL, error);
        else
            status = insert(db, file, plain ? NULL : shown.data, file->hash ? hash : NULL, error);
        status = nj_db_end(db, status, error);
    }
    nj_text_free(&shown);
    return status;
}

static nj_status walk(struct nj_db *db, sqlite3_stmt *statement, nj_db_on_file *callback, void *user, struct nj_error *error)
{
    nj_status status;
    while ((status = nj_db_step(db, statement, error)) == NJ_OK) {
        struct nj_db_file file;
        read_file(statement, &file);
        status = callback(user, &file);
        if (status != NJ_OK) {
            sqlite3_reset(statement);
            return status;
        }
    }
    return status == NJ_NOT_FOUND ? NJ_OK : status;
}

nj_status nj_db_files_loose(struct nj_db *db, int64_t card, nj_db_on_file *callback, void *user, struct nj_error *error)
{
    sqlite3_stmt *statement;
    nj_status     status = nj_db_query(
            db, &statement, error,
            "SELECT " COLUMNS " FROM file WHERE card = ?1 AND state = 'ready' AND event_id IS NULL UNION ALL SELECT " COLUMNS
            " FROM file WHERE event_id IN (SELECT event_id FROM event WHERE card = ?1 AND state = 'open') AND state = 'ready' ORDER BY path",
            "i", card);
    return status == NJ_OK ? walk(db, statement, callback, user, error) : status;
}

nj_status nj_db_files_seen(struct nj_db *db, int64_t card, nj_db_on_file *callback, void *user, struct nj_error *error)
{
    sqlite3_stmt *statement;
    nj_status     status =
        nj_db_query(db, &statement, error, "SELECT " COLUMNS " FROM file WHERE card = ? AND state = 'seen' ORDER BY path", "i", card);
    return status == NJ_OK ? walk(db, statement, callback, user, error) : status;
}
