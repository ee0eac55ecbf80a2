/* answer.c: what was decided about an event, by the model and by rangers.
 *
 * Every answer is a row of its own with its detections, reasons and choices, and is never changed. event.model_answer names the last one of the model,
 * event.answer the one that holds; the columns that lists need (species, blank, priority, review …) are copied into the event by `hold`, in the same
 * transaction. The last arrow of a burst, running ──► done, is nj_db_finish. */
#include "db/internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static nj_status write_detections(struct nj_db *db, int64_t answer, const struct nj_db_detection *detections, size_t count,
                                  struct nj_error *error)
{
    nj_status status = NJ_OK;
    for (size_t i = 0; status == NJ_OK && i < count; i++) {
        const struct nj_db_detection *at = &detections[i];
        status =
            nj_db_run(db, error,
                      "INSERT INTO detection(answer, detection, species, display_name, count_bin, count_min, count_max, standing, resting,"
                      " moving, eating, interacting, young_present, confidence, probability, runner_up, runner_up_probability)"
                      " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                      "iisssIIyyyyyyspsp", answer, (int64_t)i + 1, at->species, at->display_name, at->count_bin, at->count_min,
                      at->count_max, at->standing, at->resting, at->moving, at->eating, at->interacting, at->young_present, at->confidence,
                      at->probability, at->runner_up, at->runner_up_probability);
    }
    return status;
}

static nj_status write_reasons(struct nj_db *db, int64_t answer, const struct nj_db_reason *reasons, size_t count, struct nj_error *error)
{
    static const char *const kinds[] = {"rule", "model", "probability"};
    nj_status                status  = NJ_OK;
    for (size_t i = 0; status == NJ_OK && i < count; i++)
        status = nj_db_run(db, error, "INSERT INTO reason(answer, reason, kind, code, words) VALUES(?, ?, ?, ?, ?)", "iisss", answer,
                           (int64_t)i + 1, kinds[reasons[i].kind], reasons[i].code, reasons[i].words);
    return status;
}

static nj_status write_choices(struct nj_db *db, int64_t answer, const struct nj_db_choice *choices, size_t count, struct nj_error *error)
{
    nj_status status = NJ_OK;
    for (size_t i = 0; status == NJ_OK && i < count; i++)
        status = nj_db_run(db, error,
                           "INSERT INTO choice(answer, choice, at, value, probability, runner_up, runner_up_probability)"
                           " VALUES(?, ?, ?, ?, ?, ?, ?)",
                           "iisspsp", answer, (int64_t)i + 1, choices[i].at, choices[i].value, choices[i].probability, choices[i].runner_up,
                           choices[i].runner_up_probability);
    return status;
}

/* Copies what holds into the event's row: the latest decision of a ranger that was not taken back, else the model's answer. */
static nj_status hold(struct nj_db *db, int64_t event, struct nj_error *error)
{
    return nj_db_run(
        db, error,
        "UPDATE event SET answer = now.answer, decided_by = iif(now.action IN ('accept', 'correct'), 'ranger', 'model'),"
        " review = CASE now.action WHEN 'accept' THEN 'accepted' WHEN 'correct' THEN 'corrected' WHEN 'escalate' THEN 'open'"
        "   ELSE iif(now.review_needed, 'open', NULL) END,"
        " priority = iif(now.action = 'escalate', 'high', now.priority), blank = now.blank, people = now.people,"
        " species = ifnull((SELECT group_concat(species, ',') FROM (SELECT species FROM detection d WHERE d.answer = now.answer"
        "   GROUP BY species ORDER BY min(detection))), '')"
        " FROM (SELECT e.event AS held, ifnull(r.action, '') AS action, m.review_needed, m.priority, a.answer, a.blank, a.people"
        "   FROM event e JOIN answer m ON m.answer = e.model_answer"
        "   LEFT JOIN review r ON r.review = (SELECT max(review) FROM review WHERE event_id = e.event_id AND undone = 0 AND action <> "
        "'undo')"
        "   JOIN answer a ON a.answer = iif(r.action = 'correct', r.answer, e.model_answer) WHERE e.event = ?1) AS now"
        " WHERE event = now.held",
        "i", event);
}

nj_status nj_db_finish(struct nj_db *db, int64_t event, const struct nj_db_answer *answer, struct nj_error *error)
{
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status = nj_db_run(
        db, error,
        "INSERT INTO answer(event_id, author, made_utc, blank, people, review_needed, priority, json, raw, model, soft_tokens,"
        " behaviour, behaviour_probability)"
        " SELECT event_id, 'model', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 FROM event WHERE event = ?1 AND state = 'running'",
        "iuyyissssisr", event, nj_db_now(db), answer->blank, answer->people, (int64_t)answer->review_needed, answer->priority, answer->json,
        answer->raw, answer->model, answer->soft_tokens, answer->behaviour, answer->behaviour ? answer->behaviour_probability : NAN);
    if (status == NJ_OK && sqlite3_changes(db->sql) == 0)
        status = nj_fail_as(NJ_NOT_FOUND, error, "%s: event %" PRId64 " is not running, so it cannot be finished", db->path, event);
    int64_t row = sqlite3_last_insert_rowid(db->sql);
    if (status == NJ_OK)
        status = write_detections(db, row, answer->detections, answer->detection_count, error);
    if (status == NJ_OK)
        status = write_reasons(db, row, answer->reasons, answer->reason_count, error);
    if (status == NJ_OK)
        status = write_choices(db, row, answer->choices, answer->choice_count, error);
    if (status == NJ_OK)
        status =
            nj_db_run(db, error,
                      "UPDATE event SET state = 'done', state_reason = NULL, parked = NULL, seconds = seconds + ?2,"
                      " energy_wh = energy_wh + ?3, finished_utc = ?4, model_answer = ?5, model = ?6, soft_tokens = ?7 WHERE event = ?1",
                      "irruisi", event, answer->seconds, answer->energy_wh, nj_db_now(db), row, answer->model, answer->soft_tokens);
    if (status == NJ_OK)
        status = hold(db, event, error);
    return nj_db_end(db, status, error);
}

/* ---- rangers ---- */

static nj_status write_correction(struct nj_db *db, int64_t event, const struct nj_db_review *review, int64_t *answer,
                                  struct nj_error *error)
{
    nj_status status = nj_db_run(db, error,
                                 "INSERT INTO answer(event_id, author, made_utc, blank, people, review_needed, priority, json)"
                                 " SELECT event_id, 'ranger', ?2, ?3, ?4, 0, 'none', ?5 FROM event WHERE event = ?1",
                                 "iuyys", event, nj_db_now(db), review->blank, review->people, review->json);
    *answer          = sqlite3_last_insert_rowid(db->sql);
    return status == NJ_OK ? write_detections(db, *answer, review->detections, review->detection_count, error) : status;
}

static nj_status take_back(struct nj_db *db, int64_t event, struct nj_error *error)
{
    nj_status status =
        nj_db_run(db, error,
                  "UPDATE review SET undone = 1 WHERE review = (SELECT max(r.review) FROM review r JOIN event e USING(event_id)"
                  " WHERE e.event = ? AND r.undone = 0 AND r.action <> 'undo')",
                  "i", event);
    if (status == NJ_OK && sqlite3_changes(db->sql) == 0)
        return nj_fail_as(NJ_NOT_FOUND, error, "nobody has decided anything about this event that could be undone");
    return status;
}

static nj_status is_done(struct nj_db *db, int64_t event, struct nj_error *error)
{
    sqlite3_stmt *row;
    nj_status     status = nj_db_query(db, &row, error, "SELECT state, event_id FROM event WHERE event = ?", "i", event);
    if (status == NJ_OK)
        status = nj_db_step(db, row, error);
    if (status == NJ_NOT_FOUND)
        return nj_fail_as(NJ_NOT_FOUND, error, "no such event");
    if (status == NJ_OK && strcmp(nj_db_text(row, 0), "done") != 0)
        status =
            nj_fail_as(NJ_NOT_FOUND, error, "event %s is %s: there is no answer to review yet", nj_db_text(row, 1), nj_db_text(row, 0));
    sqlite3_reset(row);
    return status;
}

nj_status nj_db_review(struct nj_db *db, int64_t event, const struct nj_db_review *review, struct nj_error *error)
{
    static const char *const actions[] = {"accept", "correct", "escalate", "undo"};
    int64_t                  answer    = -1;
    nj_status                status    = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status = is_done(db, event, error);
    if (status == NJ_OK && review->action == NJ_DB_CORRECT)
        status = write_correction(db, event, review, &answer, error);
    if (status == NJ_OK && review->action == NJ_DB_UNDO)
        status = take_back(db, event, error);
    if (status == NJ_OK)
        status = nj_db_run(db, error,
                           "INSERT INTO review(event_id, action, by_whom, at_utc, notes, fields, answer)"
                           " SELECT event_id, ?2, ?3, ?4, ?5, ?6, ?7 FROM event WHERE event = ?1",
                           "issussI", event, actions[review->action], review->by, nj_db_now(db), review->notes, review->fields, answer);
    if (status == NJ_OK)
        status = hold(db, event, error);
    /* a message that has not left yet would tell the answer from before */
    if (status == NJ_OK && (review->action == NJ_DB_CORRECT || review->action == NJ_DB_UNDO))
        status = nj_db_run(db, error, "DELETE FROM outbox_item WHERE event = ? AND sent_utc IS NULL", "i", event);
    return nj_db_end(db, status, error);
}

nj_status nj_db_event_find(struct nj_db *db, const char *id, int64_t *event, struct nj_error *error)
{
    sqlite3_stmt *row;
    /* the letter after the last one ends the range of ids that begin with these */
    nj_status status = nj_db_query(db, &row, error,
                                   "SELECT event, event_id FROM event WHERE event_id >= ?1 AND event_id < ?1 || char(0x10FFFF)"
                                   " ORDER BY event_id LIMIT 2",
                                   "s", id);
    if (status == NJ_OK)
        status = nj_db_step(db, row, error);
    if (status == NJ_NOT_FOUND || !*id) {
        sqlite3_reset(row);
        return nj_fail_as(NJ_NOT_FOUND, error, "%s: no such event; `nightjar events` lists them", id);
    }
    if (status != NJ_OK)
        return status;
    *event     = sqlite3_column_int64(row, 0);
    bool whole = !strcmp(nj_db_text(row, 1), id);
    if (!whole && nj_db_step(db, row, error) == NJ_OK)
        status = nj_fail_as(NJ_NOT_FOUND, error, "%s: more than one event begins like that; type more letters", id);
    sqlite3_reset(row);
    return status;
}

nj_status nj_db_event_id(struct nj_db *db, int64_t event, char out[NJ_DB_EVENT_ID], struct nj_error *error)
{
    sqlite3_stmt *row;
    nj_status     status = nj_db_query(db, &row, error, "SELECT event_id FROM event WHERE event = ?", "i", event);
    if (status == NJ_OK)
        status = nj_db_step(db, row, error);
    if (status == NJ_NOT_FOUND)
        return nj_fail_as(NJ_NOT_FOUND, error, "no such event");
    if (status != NJ_OK)
        return status;
    strncpy(out, nj_db_text(row, 0), NJ_DB_EVENT_ID - 1);
    out[NJ_DB_EVENT_ID - 1] = 0;
    sqlite3_reset(row);
    return NJ_OK;
}
