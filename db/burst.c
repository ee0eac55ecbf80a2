/* burst.c: bursts from their frames to the moment of their answer. The states of a burst, and which function moves it:
 *
 *   open ──► ready ──► running ──► done                     put ──► start ──► nj_db_finish (answer.c)
 *             ▲ ▲ ▲       │ ├────► failed(reason)           fail
 *             │ │ │       │ └────► deferred(reason)         defer
 *             │ │ └───────┘                                 again, recover
 *             │ └─ deferred                                 again, or start
 *             └─── failed, done                             again
 *
 * Each arrow is one UPDATE that names the states it may leave, so that none is taken twice. */
#include "db/internal.h"

#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

/* "NJ" and ten letters without i, l, o, u: 50 bits of the hash of card, path and content of the first frame, and of `turn` (0 but for a clash). */
static void make_event_id(const void *identity, size_t identity_size, const void *path, size_t path_size, const void *hash,
                          size_t hash_size, uint8_t turn, char out[NJ_DB_EVENT_ID])
{
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
    struct sha256_ctx sha;
    uint8_t           digest[SHA256_DIGEST_SIZE];
    uint64_t          bits = 0;
    sha256_init(&sha);
    sha256_update(&sha, identity_size, identity);
    sha256_update(&sha, 1, (const uint8_t *)"");
    sha256_update(&sha, path_size, path);
    sha256_update(&sha, 1, (const uint8_t *)"");
    sha256_update(&sha, hash_size, hash);
    if (turn)
        sha256_update(&sha, 1, &turn);
    sha256_digest(&sha, sizeof digest, digest);
    for (int i = 0; i < 7; i++)
        bits = bits << 8 | digest[i];
    out[0] = 'N';
    out[1] = 'J';
    for (int i = 0; i < 10; i++)
        out[2 + i] = letters[bits >> (51 - 5 * i) & 31];
    out[12] = 0;
}

/* An id that no other event has. */
static nj_status choose_event_id(struct nj_db *db, int64_t first_file, int64_t event, char out[NJ_DB_EVENT_ID], struct nj_error *error)
{
    sqlite3_stmt *row, *taken;
    nj_status     status =
        nj_db_query(db, &row, error, "SELECT identity, path, hash FROM file JOIN card USING(card) WHERE file = ?", "i", first_file);
    if (status == NJ_OK)
        status = nj_db_step(db, row, error);
    if (status != NJ_OK)
        return status == NJ_NOT_FOUND ? nj_fail(error, "%s: file %" PRId64 " has no row", db->path, first_file) : status;
    for (unsigned turn = 0; turn < 256; turn++) {
        make_event_id(sqlite3_column_blob(row, 0), (size_t)sqlite3_column_bytes(row, 0), sqlite3_column_blob(row, 1),
                      (size_t)sqlite3_column_bytes(row, 1), sqlite3_column_blob(row, 2), (size_t)sqlite3_column_bytes(row, 2),
                      (uint8_t)turn, out);
        status = nj_db_query(db, &taken, error, "SELECT 1 FROM event WHERE event_id = ? AND event <> ?", "si", out, event);
        if (status == NJ_OK)
            status = nj_db_step(db, taken, error);
        if (status != NJ_OK)
            break;
        sqlite3_reset(taken);
    }
    sqlite3_reset(row);
    if (status == NJ_OK)
        return nj_fail(error, "%s: no free event id for file %" PRId64, db->path, first_file);
    return status == NJ_NOT_FOUND ? NJ_OK : status;
}

/* Looks at each frame: it must be ready, of this card, and free or in an open burst. *event: the first open burst that holds one, or 0. */
static nj_status examine_frames(struct nj_db *db, int64_t card, const int64_t *files, size_t count, int64_t *event, struct nj_error *error)
{
    sqlite3_stmt *row;
    *event = 0;
    for (size_t i = 0; i < count; i++) {
        nj_status status = nj_db_query(db, &row, error,
                                       "SELECT e.event, f.path_text, e.event_id, e.state FROM file f LEFT JOIN event e USING(event_id) "
                                       "WHERE f.file = ? AND f.card = ? AND f.state = 'ready'",
                                       "ii", files[i], card);
        if (status == NJ_OK)
            status = nj_db_step(db, row, error);
        if (status == NJ_NOT_FOUND)
            return nj_fail(error, "%s: file %" PRId64 " is not a ready picture of card %" PRId64, db->path, files[i], card);
        if (status != NJ_OK)
            return status;
        if (sqlite3_column_type(row, 0) != SQLITE_NULL) {
            if (strcmp(nj_db_text(row, 3), "open") != 0) {
                status = nj_fail(error, "%s: already a frame of event %s, which is %s", nj_db_text(row, 1), nj_db_text(row, 2),
                                 nj_db_text(row, 3));
                sqlite3_reset(row);
                return status;
            }
            if (*event == 0)
                *event = sqlite3_column_int64(row, 0);
        }
        sqlite3_reset(row);
    }
    return NJ_OK;
}

static nj_status write_burst(struct nj_db *db, const struct nj_db_burst *burst, const char *id, size_t count, int64_t *event,
                             struct nj_error *error)
{
    const char *state = burst->closed ? "ready" : "open", *camera = burst->camera ? burst->camera : "";
    if (*event)
        return nj_db_run(db, error,
                         "UPDATE event SET event_id = ?2, camera = ?3, night = ?4, started_at = ?5, ended_at = ?6, frame_count = ?7,"
                         " \"trigger\" = ?8, grouped_by = ?9, state = ?10 WHERE event = ?1 AND state = 'open'",
                         "issNttisss", *event, id, camera, burst->started_at, burst->started_at, burst->ended_at, (int64_t)count,
                         burst->trigger, burst->grouped_by, state);
    nj_status status =
        nj_db_run(db, error,
                  "INSERT INTO event(event_id, station, card, camera, night, started_at, ended_at, frame_count, \"trigger\", grouped_by,"
                  " state, first_seen_utc) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                  "siisNttisssu", id, db->station, burst->card, camera, burst->started_at, burst->started_at, burst->ended_at,
                  (int64_t)count, burst->trigger, burst->grouped_by, state, nj_db_now(db));
    *event = sqlite3_last_insert_rowid(db->sql);
    return status;
}

static nj_status tie_frames(struct nj_db *db, int64_t card, const int64_t *files, size_t count, const char *id, struct nj_error *error)
{
    nj_status status = nj_db_run(db, error, "UPDATE file SET event_id = NULL, frame_index = NULL WHERE event_id = ?", "s", id);
    for (size_t i = 0; status == NJ_OK && i < count; i++)
        status = nj_db_run(db, error, "UPDATE file SET event_id = ?, frame_index = ? WHERE file = ?", "sii", id, (int64_t)i + 1, files[i]);
    /* open bursts that lost frames: the empty ones vanish, the others keep what they have until grouping puts them again */
    if (status == NJ_OK)
        status = nj_db_run(db, error,
                           "UPDATE event SET frame_count = (SELECT count(*) FROM file f WHERE f.event_id = event.event_id) WHERE card = ? "
                           "AND state = 'open'",
                           "i", card);
    if (status == NJ_OK)
        status = nj_db_run(db, error, "DELETE FROM event WHERE card = ? AND state = 'open' AND frame_count = 0", "i", card);
    return status;
}

nj_status nj_db_burst_put(struct nj_db *db, const struct nj_db_burst *burst, const int64_t *files, size_t count, int64_t *event,
                          struct nj_error *error)
{
    char id[NJ_DB_EVENT_ID];
    if (count == 0 || count > NJ_DB_MAX_FRAMES)
        return nj_fail(error, "%s: a burst has 1 to %d frames, not %zu", db->path, NJ_DB_MAX_FRAMES, count);
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status = examine_frames(db, burst->card, files, count, event, error);
    if (status == NJ_OK)
        status = choose_event_id(db, files[0], *event, id, error);
    if (status == NJ_OK)
        status = write_burst(db, burst, id, count, event, error);
    if (status == NJ_OK)
        status = tie_frames(db, burst->card, files, count, id, error);
    return nj_db_end(db, status, error);
}

nj_status nj_db_burst_triage(struct nj_db *db, int64_t event, double interest, const char *words, struct nj_error *error)
{
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status = nj_db_run(db, error, "UPDATE event SET interest = ?2, interest_words = ?3 WHERE event = ?1", "irs", event, interest, words);
    return nj_db_end(db, status, error);
}

/* ---- the queue ---- */

static const char *copy_text(struct nj_text *memory, sqlite3_stmt *row, int column)
{
    size_t at = memory->length;
    if (sqlite3_column_type(row, column) == SQLITE_NULL)
        return NULL;
    const void *bytes = sqlite3_column_blob(row, column);
    nj_text_add_bytes(memory, bytes ? bytes : "", (size_t)sqlite3_column_bytes(row, column));
    nj_text_add_bytes(memory, "", 1);
    return (const char *)(uintptr_t)(at + 1); /* an offset until the memory stops moving; +1 keeps it apart from NULL */
}

static void fix(const char **string, const struct nj_text *memory)
{
    if (*string)
        *string = memory->data + ((uintptr_t)*string - 1);
}

static void read_waiting(struct nj_text *memory, sqlite3_stmt *row, struct nj_db_waiting *out)
{
    *out = (struct nj_db_waiting){
        .event         = sqlite3_column_int64(row, 0),
        .card          = sqlite3_column_int64(row, 2),
        .card_name     = copy_text(memory, row, 3),
        .mount         = copy_text(memory, row, 4),
        .camera        = copy_text(memory, row, 5),
        .started_at    = nj_db_time(row, 6),
        .ended_at      = nj_db_time(row, 7),
        .first_seen_ms = nj_db_utc(row, 8),
        .trigger       = copy_text(memory, row, 9),
        .interest      = sqlite3_column_double(row, 10),
        .attempts      = sqlite3_column_int64(row, 11),
        .parked        = copy_text(memory, row, 12),
        .seconds       = sqlite3_column_double(row, 13),
        .energy_wh     = sqlite3_column_double(row, 14),
        .state         = copy_text(memory, row, 15),
        .state_reason  = copy_text(memory, row, 16),
    };
    strncpy(out->event_id, nj_db_text(row, 1), sizeof out->event_id - 1);
}

static nj_status read_frames(struct nj_db *db, struct nj_text *memory, struct nj_db_waiting *item, struct nj_error *error)
{
    sqlite3_stmt *row;
    nj_status     status = nj_db_query(
            db, &row, error, "SELECT file, path, taken_at, width, height, lower(hex(hash)) FROM file WHERE event_id = ? ORDER BY frame_index",
            "s", item->event_id);
    while (status == NJ_OK && (status = nj_db_step(db, row, error)) == NJ_OK && item->frame_count < NJ_DB_MAX_FRAMES) {
        struct nj_db_frame *frame = &item->frame[item->frame_count++];
        *frame                    = (struct nj_db_frame){
                               .file      = sqlite3_column_int64(row, 0),
                               .path      = copy_text(memory, row, 1),
                               .path_size = (size_t)sqlite3_column_bytes(row, 1),
                               .taken_at  = nj_db_time(row, 2),
                               .width     = sqlite3_column_int64(row, 3),
                               .height    = sqlite3_column_int64(row, 4),
                               .hash      = copy_text(memory, row, 5),
        };
    }
    sqlite3_reset(row);
    return status == NJ_NOT_FOUND ? NJ_OK : status;
}

static void fix_strings(struct nj_db_waiting_list *list, const struct nj_text *memory)
{
    for (size_t i = 0; i < list->count; i++) {
        struct nj_db_waiting *item      = &list->item[i];
        const char          **strings[] = {&item->card_name, &item->mount, &item->camera,      &item->trigger,
                                           &item->parked,    &item->state, &item->state_reason};
        for (size_t j = 0; j < sizeof strings / sizeof strings[0]; j++)
            fix(strings[j], memory);
        for (size_t j = 0; j < item->frame_count; j++) {
            fix(&item->frame[j].path, memory);
            fix(&item->frame[j].hash, memory);
        }
    }
}

/* Put off by this handle, one by one: the table lies in memory and ends with the handle. */
#define ASIDE "CREATE TEMP TABLE IF NOT EXISTS aside(event INTEGER PRIMARY KEY)"
#define QUEUE "ORDER BY e.parked IS NULL, e.interest DESC, e.event"

nj_status nj_db_waiting_anew(struct nj_db *db, struct nj_error *error)
{
    NJ_TRY(nj_db_run(db, error, ASIDE, ""));
    return nj_db_run(db, error, "DELETE FROM temp.aside", "");
}

nj_status nj_db_waiting(struct nj_db *db, size_t limit, struct nj_db_waiting_list *out, struct nj_error *error)
{
    struct nj_text memory = {0};
    sqlite3_stmt  *row;
    size_t         room = 0;
    *out                = (struct nj_db_waiting_list){0};
    NJ_TRY(nj_db_run(db, error, ASIDE, ""));
    nj_status status = nj_db_query(
        db, &row, error,
        "SELECT e.event, e.event_id, e.card, c.name, c.mount, e.camera, e.started_at, e.ended_at, e.first_seen_utc, e.\"trigger\", "
        "e.interest,"
        " e.attempts, e.parked, e.seconds, e.energy_wh, e.state, e.state_reason FROM event e JOIN card c USING(card)"
        " WHERE e.state IN ('ready', 'deferred') AND e.event NOT IN (SELECT event FROM temp.aside) " QUEUE " LIMIT ?",
        "i", limit ? (int64_t)limit : -1);
    while (status == NJ_OK && (status = nj_db_step(db, row, error)) == NJ_OK) {
        if (out->count == room) {
            room                       = room ? room * 2 : 16;
            struct nj_db_waiting *more = realloc(out->item, room * sizeof *more);
            if (!more) {
                sqlite3_reset(row);
                status = nj_fail(error, "%s: no memory for a queue of %zu", db->path, room);
                break;
            }
            out->item = more;
        }
        read_waiting(&memory, row, &out->item[out->count]);
        status = read_frames(db, &memory, &out->item[out->count++], error);
    }
    if (status == NJ_NOT_FOUND)
        status = memory.failed ? nj_fail(error, "%s: no memory for a queue of %zu", db->path, out->count) : NJ_OK;
    out->memory = memory.data;
    if (status == NJ_OK)
        fix_strings(out, &memory);
    else
        nj_db_waiting_free(out);
    return status;
}

void nj_db_waiting_free(struct nj_db_waiting_list *list)
{
    free(list->item);
    free(list->memory);
    *list = (struct nj_db_waiting_list){0};
}

nj_status nj_db_waiting_count(struct nj_db *db, int64_t *ready, int64_t *deferred, struct nj_error *error)
{
    sqlite3_stmt *row;
    nj_status     status =
        nj_db_query(db, &row, error,
                    "SELECT (SELECT count(*) FROM event WHERE state = 'ready'), (SELECT count(*) FROM event WHERE state = 'deferred')", "");
    if (status == NJ_OK)
        status = nj_db_step(db, row, error);
    if (status != NJ_OK)
        return status;
    *ready    = sqlite3_column_int64(row, 0);
    *deferred = sqlite3_column_int64(row, 1);
    sqlite3_reset(row);
    return NJ_OK;
}

/* ---- the arrows ---- */

static nj_status closed(struct nj_db *db, nj_status status, struct nj_error *error)
{
    bool nothing = status == NJ_OK && sqlite3_changes(db->sql) == 0;
    status       = nj_db_end(db, status, error);
    return status == NJ_OK && nothing ? nj_fail_as(NJ_NOT_FOUND, error, "%s: no such event in a state that allows this", db->path) : status;
}

nj_status nj_db_burst_start(struct nj_db *db, int64_t event, struct nj_error *error)
{
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status = nj_db_run(db, error,
                       "UPDATE event SET state = 'running', state_reason = NULL, attempts = attempts + 1"
                       " WHERE event = ? AND state IN ('ready', 'deferred')",
                       "i", event);
    return closed(db, status, error);
}

nj_status nj_db_burst_again(struct nj_db *db, int64_t event, const char *parked, double seconds, double energy_wh, struct nj_error *error)
{
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status = nj_db_run(db, error,
                       "UPDATE event SET state = 'ready', state_reason = NULL, parked = ?2, seconds = iif(state = 'done', 0, seconds) + ?3,"
                       " energy_wh = iif(state = 'done', 0, energy_wh) + ?4, finished_utc = NULL, model_answer = NULL, answer = NULL,"
                       " decided_by = NULL, blank = NULL, people = NULL, species = NULL, priority = NULL, review = NULL, model = NULL,"
                       " soft_tokens = NULL WHERE event = ?1 AND state IN ('running', 'failed', 'deferred', 'done')",
                       "isrr", event, parked, seconds, energy_wh);
    return closed(db, status, error);
}

nj_status nj_db_burst_fail(struct nj_db *db, int64_t event, const char *reason, double seconds, double energy_wh, struct nj_error *error)
{
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status =
        nj_db_run(db, error,
                  "UPDATE event SET state = 'failed', state_reason = ?2, parked = NULL, seconds = seconds + ?3, energy_wh = energy_wh + ?4,"
                  " finished_utc = ?5 WHERE event = ?1 AND state IN ('running', 'ready', 'deferred')",
                  "isrru", event, reason, seconds, energy_wh, nj_db_now(db));
    return closed(db, status, error);
}

nj_status nj_db_burst_defer(struct nj_db *db, int64_t event, const char *reason, struct nj_error *error)
{
    NJ_TRY(nj_db_run(db, error, ASIDE, ""));
    NJ_TRY(nj_db_run(db, error, "INSERT OR IGNORE INTO temp.aside(event) VALUES(?)", "i", event));
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status = nj_db_run(
        db, error, "UPDATE event SET state = 'deferred', state_reason = ?2 WHERE event = ?1 AND state IN ('running', 'ready', 'deferred')",
        "is", event, reason);
    return closed(db, status, error);
}

nj_status nj_db_put_off(struct nj_db *db, const char *reason, double low, size_t fresh, struct nj_error *error)
{
    NJ_TRY(nj_db_run(db, error, ASIDE, ""));
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status = nj_db_run(db, error,
                       "UPDATE event SET state = 'deferred', state_reason = ?1 || iif(interest >= 0 AND interest < ?2,"
                       " printf('; its interest is low (%.2f): it waits for sun to spare', interest), '')"
                       " WHERE event NOT IN (SELECT event FROM temp.aside) AND (state = 'ready' OR event IN"
                       " (SELECT e.event FROM event e WHERE e.state = 'deferred' " QUEUE " LIMIT ?3))",
                       "sri", reason, low, (int64_t)fresh);
    return nj_db_end(db, status, error);
}

nj_status nj_db_recover(struct nj_db *db, int64_t *count, struct nj_error *error)
{
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status =
        nj_db_run(db, error, "UPDATE event SET state = 'ready', state_reason = 'taken up again after a cut' WHERE state = 'running'", "");
    if (count)
        *count = sqlite3_changes(db->sql);
    return nj_db_end(db, status, error);
}
