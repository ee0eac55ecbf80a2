/* view.c: reading the views of the contract for lists, exports and reports. */
#include "db/internal.h"

#include <stdio.h>
#include <string.h>

#define MAX_COLUMNS 48

/* Where rows come from, and the columns that filters mean ("" = it has none). The first seven are the contract; the others serve our own pages.
 * `of` is the name whose columns are meant where there are two, with a dot. */
struct shape {
    const char *view, *from, *night, *species, *state, *order, *of;
};

#define RANK "CASE priority WHEN 'high' THEN 0 WHEN 'medium' THEN 1 ELSE 2 END"

/* How many wait before the event `e`: for one event, not for lists. */
#define AHEAD                                                                                                                              \
    ", (SELECT count(*) FROM event w WHERE w.state IN ('ready', 'deferred') AND e.state IN ('ready', 'deferred') AND (w.interest, "        \
    "-w.event) > (e.interest, -e.event))"                                                                                                  \
    " AS ahead"

/* An event with what is in no view: triage, parking, people, the sum of the clock corrections that apply. */
#define DETAILS_WITH(more)                                                                                                                 \
    "(SELECT v.*, e.people, e.interest, e.interest_words, e.attempts, e.parked, e.review AS review_status, e.first_seen_utc,"              \
    " e.event AS number, e.answer AS answer, CAST(c.mount AS TEXT) AS mount" more ", ifnull((SELECT sum(o.seconds) FROM clock_offset o"    \
    " WHERE o.card = e.card AND (o.camera IS NULL OR o.camera = e.camera) AND ifnull(e.started_at >= o.from_time, 1)"                      \
    " AND ifnull(e.started_at < o.to_time, 1)), 0) AS clock_offset FROM events v JOIN event e USING(event_id) JOIN card c ON c.card = "    \
    "e.card)"
#define DETAILS DETAILS_WITH("")

static const struct shape shapes[] = {
    {"files", "files", "", "", "outcome", "file_id", ""},
    {"events", "events", "night", "species", "state", "started_at", ""},
    {"detections", "detections", "", "species", "", "event_id", ""},
    /* the table beside its view, for the order in its index: of a long queue only the rows that are asked for are looked at */
    {"review_queue",
     "review_queue q JOIN (SELECT event_id, night, species, review, review_rank, started_at FROM event WHERE review IS NOT NULL) o "
     "USING(event_id)",
     "o.night", "o.species", "o.review", "o.review_rank, o.started_at", "q."},
    {"nights", "nights", "night", "", "", "night", ""},
    {"species_nights", "species_nights", "night", "species", "", "night", ""},
    {"outbox", "outbox", "", "", "", "item_id", ""},

    {"event_details", DETAILS, "night", "species", "state", "started_at", ""},
    {"event_head", DETAILS_WITH(AHEAD), "night", "species", "state", "started_at", ""},
    {"frames",
     "(SELECT f.event_id, f.frame_index, f.path_text AS path, CAST(c.mount AS TEXT) || '/' || CAST(f.path AS TEXT) AS place, f.taken_at,"
     " f.taken_at_source, f.width, f.height, f.bytes, lower(hex(f.hash)) AS hash, c.name AS card FROM file f JOIN card c USING(card))",
     "", "", "", "event_id, frame_index", ""},
    /* the review queue with what a page shows beside it; `place` is where the first picture lies, bytes as found */
    {"review_details",
     "(SELECT q.*, e.people, e.camera, (SELECT group_concat(d.count_bin || ' ' || ifnull(d.display_name, d.species), ', ') FROM detection d"
     " WHERE d.answer = e.answer) AS seen, (SELECT CAST(c.mount AS TEXT) || '/' || CAST(f.path AS TEXT) FROM file f JOIN card c USING(card)"
     " WHERE f.event_id = q.event_id AND f.frame_index = 1) AS place FROM review_queue q JOIN event e USING(event_id))",
     "night", "species", "status", RANK ", started_at", ""},
    {"rejected",
     "(SELECT f.path_text AS path, f.reason, ifnull(f.night, substr(f.first_seen_utc, 1, 10)) AS night, c.name AS card FROM file f"
     " JOIN card c USING(card) WHERE f.outcome = 'rejected')",
     "night", "", "", "path", ""},
    /* exports: one row a frame, one a detection; an event without any has one row all the same */
    {"event_frames",
     "(SELECT d.event_id, d.station, d.card, d.camera, d.night, d.started_at, d.ended_at, d.frame_count, d.\"trigger\", d.grouped_by, "
     "d.state,"
     " d.state_reason, d.blank, d.people, d.species, d.decided_by, d.review_status, d.model, d.finished_utc, d.clock_offset, f.file, "
     "f.frame_index,"
     " f.path_text AS path, f.taken_at, f.width, f.height, lower(hex(f.hash)) AS hash, d.mount || '/' || CAST(f.path AS TEXT) AS place"
     " FROM " DETAILS " d JOIN file f USING(event_id))",
     "night", "species", "state", "started_at, event_id, frame_index", ""},
    {"event_detections",
     "(SELECT d.event_id, d.station, d.card, d.camera, d.night, d.started_at, d.ended_at, d.frame_count, d.\"trigger\", d.state, "
     "d.state_reason,"
     " d.blank, d.people, d.decided_by, d.review_status, d.model, d.finished_utc, d.clock_offset, t.detection, t.species, t.display_name, "
     "t.count_bin,"
     " t.count_min, t.count_max, t.standing, t.resting, t.moving, t.eating, t.interacting, t.young_present, t.confidence, t.probability, "
     "t.runner_up,"
     " t.runner_up_probability, (SELECT by_whom FROM review r WHERE r.event_id = d.event_id AND undone = 0 AND action <> 'undo'"
     "   ORDER BY review DESC LIMIT 1) AS by_whom,"
     " (SELECT at_utc FROM review r WHERE r.event_id = d.event_id AND undone = 0 AND action <> 'undo' ORDER BY review DESC LIMIT 1) AS "
     "reviewed_utc"
     " FROM " DETAILS " d LEFT JOIN detection t ON t.answer = d.answer)",
     "night", "species", "state", "started_at, event_id, detection", ""},
    {"behaviours", "behaviours", "night", "species", "", "started_at", ""},
    {"reasons", "(SELECT e.event_id, r.reason, r.kind, r.code, r.words FROM event e JOIN reason r ON r.answer = e.model_answer)", "", "",
     "", "event_id, reason", ""},
    {"choices",
     "(SELECT e.event_id, c.choice, c.at, c.value, c.probability, c.runner_up, c.runner_up_probability"
     " FROM event e JOIN choice c ON c.answer = e.model_answer)",
     "", "", "", "event_id, choice", ""},
    {"model_detections",
     "(SELECT e.event_id, e.night, d.* FROM event e JOIN detection d ON d.answer = e.model_answer WHERE e.answer <> e.model_answer)",
     "night", "", "", "event_id, detection", ""},
    {"model_answers", "(SELECT e.event_id, a.json, a.raw, a.made_utc, a.model FROM event e JOIN answer a ON a.answer = e.model_answer)", "",
     "", "", "event_id", ""},
    {"reviews", "(SELECT event_id, review, action, by_whom, at_utc, notes, fields, undone FROM review)", "", "", "", "review", ""},
    {"decisions",
     "(SELECT d.rowid AS decision, at_utc, what, reason, (SELECT event_id FROM event e WHERE e.event = d.event) AS event_id FROM decision "
     "d)",
     "", "", "", "decision", ""},
    {"event_decisions", "(SELECT e.event_id, d.at_utc, d.what, d.reason FROM event e JOIN decision d ON d.event = e.event)", "", "", "",
     "at_utc", ""},
    {"samples", "sample", "at_utc", "", "", "at_utc", ""}, /* from and to: moments, not nights */
    {"cards", "(SELECT name, CAST(mount AS TEXT) AS mount, first_seen_utc, last_seen_utc FROM card)", "", "", "", "last_seen_utc", ""},
    {"counts",
     "(SELECT ifnull(sum(events), 0) AS events, ifnull(sum(files), 0) AS files, ifnull(sum(rejected_files), 0) AS rejected_files,"
     " ifnull(sum(failed), 0) AS failed, ifnull(sum(to_review), 0) AS to_review,"
     " (SELECT count(*) FROM event WHERE state = 'open') AS open, (SELECT count(*) FROM event WHERE state = 'ready') AS ready,"
     " (SELECT count(*) FROM event WHERE state = 'running') AS running, (SELECT count(*) FROM event WHERE state = 'deferred') AS deferred,"
     " (SELECT max(finished_utc) FROM event) AS last_finished_utc, (SELECT count(*) FROM outbox_item WHERE acknowledged_utc IS NULL) AS "
     "unsent"
     " FROM night_total)",
     "", "", "", "events", ""},
    {"spending",
     /* +: the newest by the index of times, not the sum of all that are done */
     "(SELECT count(*) AS events, sum(seconds) AS seconds, sum(energy_wh) AS energy_wh FROM (SELECT seconds, energy_wh FROM event"
     " WHERE +state = 'done' AND finished_utc IS NOT NULL ORDER BY finished_utc DESC LIMIT 100))",
     "", "", "", "events", ""},
};

/* Of a species seen by the thousand, the newest few are looked for in the nights that hold them: `since` is the first of those, by the sums a night;
 * "" where the species is rare or other filters say where to look. */
#define RARE "1000"

static nj_status newest_nights(struct nj_db *db, const struct nj_db_query *query, char since[16], struct nj_error *error)
{
    sqlite3_stmt *statement;
    since[0] = 0;
    if (strcmp(query->view, "events") != 0 || !query->species || !query->newest_first || query->limit <= 0 || query->night || query->from ||
        query->to || query->event_id || (query->state && strcmp(query->state, "done") != 0))
        return NJ_OK;
    nj_status status = nj_db_query(
        db, &statement, error,
        "SELECT night FROM (SELECT night, sum(events) OVER (ORDER BY night DESC) AS so_far, sum(events) OVER () AS"
        " total FROM species_night WHERE species = ? AND night > '') WHERE so_far >= ? AND total > " RARE " ORDER BY night DESC LIMIT 1",
        "si", query->species, query->limit);
    if (status == NJ_OK)
        status = nj_db_step(db, statement, error);
    if (status == NJ_OK) {
        snprintf(since, 16, "%s", nj_db_text(statement, 0));
        sqlite3_reset(statement);
    }
    return status == NJ_NOT_FOUND ? NJ_OK : status;
}

static nj_status compose(struct nj_text *sql, const struct nj_db_query *query, bool since, struct nj_error *error)
{
    const struct shape *shape = NULL;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (!strcmp(shapes[i].view, query->view))
            shape = &shapes[i];
    if (!shape)
        return nj_fail(error, "%s: no such view", query->view);
    if (((query->night || query->from || query->to) && !*shape->night) || (query->species && !*shape->species) ||
        (query->state && !*shape->state))
        return nj_fail(error, "%s: this view cannot be chosen from in that way", query->view);
    nj_text_addf(sql, "SELECT %s* FROM %s WHERE 1", shape->of, shape->from);
    if (query->night)
        nj_text_addf(sql, " AND %s = :night", shape->night);
    if (query->from)
        nj_text_addf(sql, " AND %s >= :from", shape->night);
    if (query->to)
        nj_text_addf(sql, " AND %s <= :to", shape->night);
    if (query->state)
        nj_text_addf(sql, " AND %s = :state", shape->state);
    if (query->event_id)
        nj_text_add(sql, " AND event_id = :event");
    /* the column of an event holds all its labels; one label is looked up where each has its row */
    if (query->species && (!strcmp(shape->view, "detections") || !strcmp(shape->view, "species_nights")))
        nj_text_add(sql, " AND species = :species");
    else if (query->species && !strcmp(shape->view, "events") && (since || query->night || query->from))
        nj_text_addf(sql,
                     " AND EXISTS (SELECT 1 FROM event e JOIN detection d USING(answer) WHERE e.event_id = events.event_id AND d.species ="
                     " :species)%s",
                     since ? " AND night >= :since" : "");
    else if (query->species)
        nj_text_add(sql, " AND event_id IN (SELECT event_id FROM detections WHERE species = :species)");
    nj_text_addf(sql, " ORDER BY %s%s", shape->order, query->newest_first ? " DESC" : "");
    if (query->limit > 0)
        nj_text_add(sql, " LIMIT :limit");
    return sql->failed ? nj_fail(error, "%s: no memory", query->view) : NJ_OK;
}

static void bind_name(sqlite3_stmt *statement, const char *name, const char *value)
{
    int at = sqlite3_bind_parameter_index(statement, name);
    if (at && value)
        sqlite3_bind_text(statement, at, value, -1, SQLITE_STATIC);
}

static void read_value(sqlite3_stmt *row, int column, struct nj_db_value *out)
{
    *out = (struct nj_db_value){.text = ""};
    switch (sqlite3_column_type(row, column)) {
    case SQLITE_INTEGER:
        out->type    = NJ_DB_INTEGER;
        out->integer = sqlite3_column_int64(row, column);
        out->real    = (double)out->integer;
        break;
    case SQLITE_FLOAT:
        out->type = NJ_DB_REAL;
        out->real = sqlite3_column_double(row, column);
        break;
    case SQLITE_NULL:
        out->type = NJ_DB_NULL;
        break;
    default:
        out->type      = NJ_DB_TEXT;
        out->text      = nj_db_text(row, column);
        out->text_size = (size_t)sqlite3_column_bytes(row, column);
    }
}

nj_status nj_db_select(struct nj_db *db, const struct nj_db_query *query, nj_db_on_row *callback, void *user, struct nj_error *error)
{
    struct nj_text     sql       = {0};
    sqlite3_stmt      *statement = NULL;
    char               kept[MAX_COLUMNS][64]; /* the first step may prepare the statement again, and its names with it */
    const char        *names[MAX_COLUMNS];
    struct nj_db_value values[MAX_COLUMNS];
    char               since[16];
    nj_status          status = newest_nights(db, query, since, error);
    if (status == NJ_OK)
        status = compose(&sql, query, since[0] != 0, error);
    if (status != NJ_OK)
        goto cleanup;
    int code = sqlite3_prepare_v2(db->sql, sql.data, -1, &statement, NULL);
    if (code != SQLITE_OK) {
        status = nj_db_failed(db, code, error);
        goto cleanup;
    }
    bind_name(statement, ":night", query->night);
    bind_name(statement, ":from", query->from);
    bind_name(statement, ":to", query->to);
    bind_name(statement, ":species", query->species);
    bind_name(statement, ":state", query->state);
    bind_name(statement, ":event", query->event_id);
    bind_name(statement, ":since", since);
    if (query->limit > 0)
        sqlite3_bind_int64(statement, sqlite3_bind_parameter_index(statement, ":limit"), query->limit);
    int count = sqlite3_column_count(statement);
    if (count > MAX_COLUMNS)
        count = MAX_COLUMNS;
    for (int i = 0; i < count; i++) {
        snprintf(kept[i], sizeof kept[i], "%s", sqlite3_column_name(statement, i));
        names[i] = kept[i];
    }
    if (query->names_first && (status = callback(user, names, NULL, (size_t)count)) != NJ_OK)
        goto cleanup;
    while ((status = nj_db_step(db, statement, error)) == NJ_OK) {
        for (int i = 0; i < count; i++)
            read_value(statement, i, &values[i]);
        status = callback(user, names, values, (size_t)count);
        if (status != NJ_OK)
            break;
    }
    if (status == NJ_NOT_FOUND)
        status = NJ_OK;
cleanup:
    sqlite3_finalize(statement);
    nj_text_free(&sql);
    return status;
}
