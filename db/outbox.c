/* outbox.c: what waits to leave the station. A row stays until its acknowledgement, and after it as the record of what was sent. One that never left
 * goes when a ranger changes what it tells (answer.c): the event is then put in anew. */
#include "db/internal.h"

nj_status nj_db_outbox_put(struct nj_db *db, struct nj_db_item *item, struct nj_error *error)
{
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    item->created_ms = nj_db_now(db);
    status           = nj_db_run(
                  db, error, "INSERT INTO outbox_item(kind, event, priority, payload, created_utc, next_try_utc) VALUES(?, nullif(?, 0), ?, ?, ?, ?)",
                  "siibuu", item->kind, item->event, item->priority, item->payload, item->bytes, item->created_ms, item->next_try_ms);
    item->item = sqlite3_last_insert_rowid(db->sql);
    return nj_db_end(db, status, error);
}

nj_status nj_db_outbox_missing(struct nj_db *db, bool people, size_t limit, nj_db_on_event *callback, void *user, struct nj_error *error)
{
    sqlite3_stmt *row;
    nj_status     status = nj_db_query(db, &row, error,
                                       "SELECT event, event_id FROM event e WHERE state = 'done' AND (? OR ifnull(people, 0) = 0)"
                                           " AND NOT EXISTS (SELECT 1 FROM outbox_item o WHERE o.event = e.event) ORDER BY event LIMIT ?",
                                       "ii", (int64_t)people, limit ? (int64_t)limit : -1);
    while (status == NJ_OK && (status = nj_db_step(db, row, error)) == NJ_OK) {
        status = callback(user, sqlite3_column_int64(row, 0), nj_db_text(row, 1));
        if (status != NJ_OK) {
            sqlite3_reset(row);
            return status;
        }
    }
    return status == NJ_NOT_FOUND ? NJ_OK : status;
}

nj_status nj_db_outbox_due(struct nj_db *db, int64_t now_ms, bool people, size_t limit, nj_db_on_item *callback, void *user,
                           struct nj_error *error)
{
    sqlite3_stmt *row;
    nj_status     status = nj_db_query(db, &row, error,
                                       "SELECT item, kind, event, priority, payload, attempts, next_try_utc, created_utc FROM outbox_item o"
                                           " WHERE acknowledged_utc IS NULL AND ifnull(next_try_utc, '') <= ?"
                                           " AND (? OR NOT EXISTS (SELECT 1 FROM event e WHERE e.event = o.event AND people = 1))"
                                           " ORDER BY priority DESC, item DESC LIMIT ?",
                                       "uii", now_ms, (int64_t)people, limit ? (int64_t)limit : -1);
    while (status == NJ_OK && (status = nj_db_step(db, row, error)) == NJ_OK) {
        struct nj_db_item item = {
            .item        = sqlite3_column_int64(row, 0),
            .kind        = nj_db_text(row, 1),
            .event       = sqlite3_column_int64(row, 2),
            .priority    = sqlite3_column_int64(row, 3),
            .payload     = sqlite3_column_blob(row, 4),
            .bytes       = (size_t)sqlite3_column_bytes(row, 4),
            .attempts    = sqlite3_column_int64(row, 5),
            .next_try_ms = nj_db_utc(row, 6),
            .created_ms  = nj_db_utc(row, 7),
        };
        status = callback(user, &item);
        if (status != NJ_OK) {
            sqlite3_reset(row);
            return status;
        }
    }
    return status == NJ_NOT_FOUND ? NJ_OK : status;
}

static nj_status change(struct nj_db *db, nj_status status, struct nj_error *error)
{
    bool nothing = status == NJ_OK && sqlite3_changes(db->sql) == 0;
    status       = nj_db_end(db, status, error);
    return status == NJ_OK && nothing ? nj_fail_as(NJ_NOT_FOUND, error, "%s: no such item in the outbox", db->path) : status;
}

nj_status nj_db_outbox_tried(struct nj_db *db, int64_t item, int64_t sent_ms, int64_t sent_bytes, int64_t next_try_ms,
                             struct nj_error *error)
{
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status = nj_db_run(db, error,
                       "UPDATE outbox_item SET attempts = attempts + 1, sent_utc = ifnull(?2, sent_utc), next_try_utc = ?3,"
                       " sent_bytes = iif(?2 IS NULL, sent_bytes, ?4) WHERE item = ?1",
                       "iuui", item, sent_ms, next_try_ms, sent_bytes);
    return change(db, status, error);
}

nj_status nj_db_outbox_acknowledged(struct nj_db *db, int64_t item, int64_t at_ms, struct nj_error *error)
{
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status = nj_db_run(db, error, "UPDATE outbox_item SET acknowledged_utc = ?2 WHERE item = ?1", "iu", item, at_ms);
    return change(db, status, error);
}

nj_status nj_db_outbox_sent_since(struct nj_db *db, int64_t since_ms, int64_t *bytes, struct nj_error *error)
{
    sqlite3_stmt *row;
    nj_status     status = nj_db_query(
            db, &row, error, "SELECT ifnull(sum(ifnull(sent_bytes, length(payload))), 0) FROM outbox_item WHERE sent_utc >= ?", "u", since_ms);
    if (status == NJ_OK)
        status = nj_db_step(db, row, error);
    if (status != NJ_OK)
        return status;
    *bytes = sqlite3_column_int64(row, 0);
    sqlite3_reset(row);
    return NJ_OK;
}
