#include "db/schema.h"

/* Local times are ISO text of the camera's clock, `_utc` columns ISO text with Z: both sort as they stand and need no conversion in a view. */
static const char tables_1[] =
    "CREATE TABLE station("
    "  station INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL,"
    "  site TEXT NOT NULL,"
    "  UNIQUE(name, site)) STRICT;"

    "CREATE TABLE card("
    "  card INTEGER PRIMARY KEY,"
    "  station INTEGER NOT NULL REFERENCES station,"
    "  identity BLOB NOT NULL UNIQUE,"
    "  name TEXT NOT NULL,"
    "  mount BLOB NOT NULL," /* bytes as found */
    "  first_seen_utc TEXT NOT NULL,"
    "  last_seen_utc TEXT NOT NULL) STRICT;"

    "CREATE TABLE event("
    "  event INTEGER PRIMARY KEY,"
    "  event_id TEXT NOT NULL UNIQUE,"
    "  station INTEGER NOT NULL REFERENCES station,"
    "  card INTEGER NOT NULL REFERENCES card,"
    "  camera TEXT NOT NULL,"
    "  night TEXT, started_at TEXT, ended_at TEXT,"
    "  frame_count INTEGER NOT NULL,"
    "  \"trigger\" TEXT NOT NULL CHECK(\"trigger\" IN ('motion', 'timelapse', 'unknown')),"
    "  grouped_by TEXT NOT NULL CHECK(grouped_by IN ('sequence', 'time')),"
    "  state TEXT NOT NULL CHECK(state IN ('open', 'ready', 'running', 'done', 'failed', 'deferred')),"
    "  state_reason TEXT,"
    "  first_seen_utc TEXT NOT NULL,"
    "  interest REAL NOT NULL DEFAULT -1," /* triage, 0..1; -1 before it */
    "  interest_words TEXT,"
    "  attempts INTEGER NOT NULL DEFAULT 0,"
    "  parked TEXT," /* file that holds a decode in progress */
    "  seconds REAL NOT NULL DEFAULT 0,"
    "  energy_wh REAL NOT NULL DEFAULT 0,"
    "  finished_utc TEXT,"
    /* the answer that holds: a copy from `answer`, so that lists need one table */
    "  model_answer INTEGER," /* what the model said last; its reasons stay when a ranger corrects it */
    "  answer INTEGER,"
    "  decided_by TEXT CHECK(decided_by IN ('model', 'ranger')),"
    "  blank INTEGER CHECK(blank IN (0, 1)),"
    "  people INTEGER CHECK(people IN (0, 1)),"
    "  species TEXT,"
    "  priority TEXT CHECK(priority IN ('none', 'medium', 'high')),"
    "  review TEXT CHECK(review IN ('open', 'accepted', 'corrected')),"
    "  review_rank INTEGER NOT NULL GENERATED ALWAYS AS (CASE priority WHEN 'high' THEN 0 WHEN 'medium' THEN 1 ELSE 2 END) VIRTUAL,"
    "  model TEXT, soft_tokens INTEGER) STRICT;"
    "CREATE INDEX event_night ON event(night, started_at);"
    "CREATE INDEX event_started ON event(started_at);"
    "CREATE INDEX event_state ON event(state, interest);"
    "CREATE INDEX event_species ON event(species);"
    "CREATE INDEX event_open ON event(card) WHERE state = 'open';"
    "CREATE INDEX event_review ON event(review_rank, started_at, review) WHERE review IS NOT NULL;"
    "CREATE INDEX event_finished ON event(finished_utc);"
    "CREATE INDEX event_answer ON event(answer);"

    "CREATE TABLE file("
    "  file INTEGER PRIMARY KEY,"
    "  card INTEGER NOT NULL REFERENCES card,"
    "  station INTEGER NOT NULL REFERENCES station,"
    "  path BLOB NOT NULL," /* bytes as found */
    "  shown TEXT,"         /* the same with \\xHH, where that differs */
    "  path_text TEXT NOT NULL GENERATED ALWAYS AS (ifnull(shown, CAST(path AS TEXT))) VIRTUAL,"
    "  bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,"
    "  hash BLOB CHECK(length(hash) = 32),"
    "  state TEXT NOT NULL CHECK(state IN ('seen', 'ready', 'rejected', 'ignored')),"
    "  reason TEXT,"
    "  taken_at TEXT, night TEXT,"
    "  taken_at_source TEXT CHECK(taken_at_source IN ('exif', 'makernote', 'name', 'mtime')),"
    "  width INTEGER, height INTEGER,"
    "  camera TEXT NOT NULL,"
    "  sequence_k INTEGER NOT NULL, sequence_n INTEGER NOT NULL, sequence_event INTEGER NOT NULL, timelapse INTEGER NOT NULL,"
    "  event_id TEXT REFERENCES event(event_id) ON UPDATE CASCADE, frame_index INTEGER,"
    "  first_seen_utc TEXT NOT NULL,"
    "  outcome TEXT NOT NULL GENERATED ALWAYS AS (CASE state WHEN 'rejected' THEN 'rejected' WHEN 'ignored' THEN 'ignored'"
    "    WHEN 'seen' THEN 'pending' ELSE iif(event_id IS NULL, 'pending', 'used') END) VIRTUAL) STRICT;"
    "CREATE INDEX file_path ON file(path_text, card);"
    "CREATE INDEX file_hash ON file(card, hash) WHERE state = 'ready';"
    "CREATE INDEX file_event ON file(event_id, frame_index) WHERE event_id IS NOT NULL;"
    "CREATE INDEX file_loose ON file(card, path) WHERE state = 'ready' AND event_id IS NULL;"
    "CREATE INDEX file_seen ON file(card, path) WHERE state = 'seen';"
    "CREATE INDEX file_outcome ON file(outcome);"
    "CREATE INDEX file_taken ON file(taken_at);"

    /* Answers and reviews name their event by its id, which is the same whenever the same card is read: so a ranger's word outlives a damaged file. */
    "CREATE TABLE answer("
    "  answer INTEGER PRIMARY KEY," /* of one event: in the order in which they were given */
    "  event_id TEXT NOT NULL,"
    "  author TEXT NOT NULL CHECK(author IN ('model', 'ranger')),"
    "  made_utc TEXT NOT NULL,"
    "  blank INTEGER, people INTEGER,"
    "  review_needed INTEGER NOT NULL, priority TEXT NOT NULL,"
    "  json TEXT, raw TEXT,"
    "  model TEXT, soft_tokens INTEGER) STRICT;"
    "CREATE INDEX answer_event ON answer(event_id);"

    "CREATE TABLE detection("
    "  answer INTEGER NOT NULL REFERENCES answer,"
    "  detection INTEGER NOT NULL," /* 1, 2, … */
    "  species TEXT NOT NULL, display_name TEXT,"
    "  count_bin TEXT, count_min INTEGER, count_max INTEGER,"
    "  standing INTEGER, resting INTEGER, moving INTEGER, eating INTEGER, interacting INTEGER, young_present INTEGER,"
    "  confidence TEXT CHECK(confidence IN ('high', 'medium', 'low')),"
    "  probability REAL, runner_up TEXT, runner_up_probability REAL,"
    "  PRIMARY KEY(answer, detection)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX detection_species ON detection(species);"

    "CREATE TABLE reason("
    "  answer INTEGER NOT NULL REFERENCES answer,"
    "  reason INTEGER NOT NULL,"
    "  kind TEXT NOT NULL CHECK(kind IN ('rule', 'model', 'probability')),"
    "  code TEXT NOT NULL, words TEXT NOT NULL,"
    "  PRIMARY KEY(answer, reason)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE choice("
    "  answer INTEGER NOT NULL REFERENCES answer,"
    "  choice INTEGER NOT NULL,"
    "  at TEXT NOT NULL," /* JSON pointer into the record */
    "  value TEXT NOT NULL, probability REAL,"
    "  runner_up TEXT, runner_up_probability REAL,"
    "  PRIMARY KEY(answer, choice)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE review("
    "  review INTEGER PRIMARY KEY,"
    "  event_id TEXT NOT NULL,"
    "  action TEXT NOT NULL CHECK(action IN ('accept', 'correct', 'escalate', 'undo')),"
    "  by_whom TEXT NOT NULL,"
    "  at_utc TEXT NOT NULL,"
    "  notes TEXT, fields TEXT,"
    "  answer INTEGER REFERENCES answer," /* of a correction */
    "  undone INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX review_event ON review(event_id);"

    "CREATE TABLE clock_offset("
    "  clock_offset INTEGER PRIMARY KEY,"
    "  card INTEGER NOT NULL REFERENCES card,"
    "  camera TEXT," /* NULL: all of this card */
    "  from_time TEXT, to_time TEXT,"
    "  seconds INTEGER NOT NULL,"
    "  by_whom TEXT NOT NULL, at_utc TEXT NOT NULL) STRICT;"
    "CREATE INDEX clock_offset_card ON clock_offset(card);"

    "CREATE TABLE outbox_item("
    "  item INTEGER PRIMARY KEY,"
    "  kind TEXT NOT NULL,"
    "  event INTEGER REFERENCES event,"
    "  priority INTEGER NOT NULL,"
    "  payload BLOB NOT NULL,"
    "  attempts INTEGER NOT NULL DEFAULT 0,"
    "  created_utc TEXT NOT NULL, next_try_utc TEXT, sent_utc TEXT, acknowledged_utc TEXT) STRICT;"
    "CREATE INDEX outbox_due ON outbox_item(priority DESC, item DESC) WHERE acknowledged_utc IS NULL;"
    "CREATE INDEX outbox_sent ON outbox_item(sent_utc);"
    "CREATE INDEX outbox_event ON outbox_item(event);"

    "CREATE TABLE sample("
    "  at_utc TEXT NOT NULL,"
    "  battery_percent REAL, battery_v REAL, panel_w REAL, load_w REAL, temp_c REAL) STRICT;"
    "CREATE INDEX sample_at ON sample(at_utc);"

    "CREATE TABLE decision("
    "  at_utc TEXT NOT NULL,"
    "  what TEXT NOT NULL, reason TEXT NOT NULL,"
    "  event INTEGER REFERENCES event) STRICT;"
    "CREATE INDEX decision_at ON decision(at_utc);"
    "CREATE INDEX decision_event ON decision(event) WHERE event IS NOT NULL;"

    "CREATE TABLE state(key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"

    /* Sums a night, kept by the triggers below: a million events are summed once, when they change. night '' = time not known. */
    "CREATE TABLE night_total("
    "  night TEXT NOT NULL, station INTEGER NOT NULL REFERENCES station,"
    "  files INTEGER NOT NULL DEFAULT 0, rejected_files INTEGER NOT NULL DEFAULT 0,"
    "  events INTEGER NOT NULL DEFAULT 0, blank INTEGER NOT NULL DEFAULT 0, with_animals INTEGER NOT NULL DEFAULT 0,"
    "  waiting INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, to_review INTEGER NOT NULL DEFAULT 0,"
    "  energy_wh REAL NOT NULL DEFAULT 0, battery_low_percent REAL,"
    "  PRIMARY KEY(night, station)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE species_night("
    "  night TEXT NOT NULL, species TEXT NOT NULL, display_name TEXT,"
    "  events INTEGER NOT NULL, individuals_min INTEGER NOT NULL, young_events INTEGER NOT NULL,"
    "  PRIMARY KEY(night, species)) STRICT, WITHOUT ROWID;";

#define FILE_SUM(row, sign)                                                                                                                \
    "INSERT INTO night_total(night, station, files, rejected_files)"                                                                       \
    " VALUES(ifnull(" row ".night, ''), " row ".station, " sign "1, " sign "(" row ".state = 'rejected'))"                                 \
    " ON CONFLICT DO UPDATE SET files = files + excluded.files, rejected_files = rejected_files + excluded.rejected_files;"

#define EVENT_SUM(row, sign)                                                                                                               \
    "INSERT INTO night_total(night, station, events, blank, with_animals, waiting, failed, to_review, energy_wh)"                          \
    " VALUES(ifnull(" row ".night, ''), " row ".station, " sign "1, " sign "(" row ".state = 'done' AND " row ".blank IS 1),"              \
    " " sign "(" row ".state = 'done' AND ifnull(" row ".species, '') <> ''),"                                                             \
    " " sign "(" row ".state IN ('open', 'ready', 'running', 'deferred')), " sign "(" row ".state = 'failed'),"                            \
    " " sign "(" row ".review IS 'open'), " sign row ".energy_wh)"                                                                         \
    " ON CONFLICT DO UPDATE SET events = events + excluded.events, blank = blank + excluded.blank,"                                        \
    " with_animals = with_animals + excluded.with_animals, waiting = waiting + excluded.waiting, failed = failed + excluded.failed,"       \
    " to_review = to_review + excluded.to_review, energy_wh = energy_wh + excluded.energy_wh;"

/* A species counts once an event, however many detections name it. `WHERE true` keeps ON CONFLICT apart from a join. */
#define SPECIES_SUM(row, sign)                                                                                                             \
    "INSERT INTO species_night(night, species, display_name, events, individuals_min, young_events)"                                       \
    " SELECT ifnull(" row ".night, ''), species, max(display_name), " sign "1, " sign "sum(max(ifnull(count_min, 1), 1)),"                 \
    " " sign "max(ifnull(young_present, 0)) FROM detection WHERE answer = " row ".answer GROUP BY species"                                 \
    " ON CONFLICT DO UPDATE SET events = events + excluded.events, individuals_min = individuals_min + excluded.individuals_min,"          \
    " young_events = young_events + excluded.young_events, display_name = ifnull(excluded.display_name, display_name);"

/* clang-format off */
static const char triggers_1[] =
    "CREATE TRIGGER file_made AFTER INSERT ON file BEGIN " FILE_SUM("new", "+") "END;"
    "CREATE TRIGGER file_changed AFTER UPDATE OF night, state, station ON file WHEN (old.night, old.state, old.station) IS NOT (new.night,"
    " new.state, new.station) BEGIN " FILE_SUM("old", "-") FILE_SUM("new", "+") "END;"
    "CREATE TRIGGER event_made AFTER INSERT ON event BEGIN " EVENT_SUM("new", "+") "END;"
    "CREATE TRIGGER event_changed AFTER UPDATE OF night, station, state, blank, species, review, energy_wh ON event BEGIN " EVENT_SUM("old", "-")
    EVENT_SUM("new", "+") "END;"
    "CREATE TRIGGER event_gone AFTER DELETE ON event BEGIN " EVENT_SUM("old", "-") "END;"
    "CREATE TRIGGER species_left AFTER UPDATE OF night, state, answer ON event WHEN old.state = 'done' AND (old.night, old.state, old.answer) IS NOT"
    " (new.night, new.state, new.answer) BEGIN " SPECIES_SUM("old", "-") "DELETE FROM species_night WHERE events = 0 AND night = ifnull(old.night,"
    " ''); END;"
    "CREATE TRIGGER species_came AFTER UPDATE OF night, state, answer ON event WHEN new.state = 'done' AND (old.night, old.state, old.answer) IS NOT"
    " (new.night, new.state, new.answer) BEGIN " SPECIES_SUM("new", "+") "END;";
/* clang-format on */

const struct nj_db_migration nj_db_migrations[] = {
    {"the first tables", {tables_1, triggers_1}},
    {"what a message weighed on its way", {"ALTER TABLE outbox_item ADD COLUMN sent_bytes INTEGER"}},
    {"what animals do, in the words of an adapter for actions",
     {"ALTER TABLE answer ADD COLUMN behaviour TEXT", "ALTER TABLE answer ADD COLUMN behaviour_probability REAL"}},
    {"the newest of one state or one species, however many there are",
     {"CREATE INDEX event_state_started ON event(state, started_at)",
      "DROP INDEX event_species; CREATE INDEX event_species ON event(species, started_at)"}},
};
const size_t nj_db_migration_count = sizeof nj_db_migrations / sizeof nj_db_migrations[0];

/* Names by subquery, not by join: the planner then has one table to order, and `limit 20` reads twenty rows. */
#define STATION(row) "(SELECT name FROM station WHERE station = " row ".station)"
#define CARD(row)    "(SELECT name FROM card WHERE card = " row ".card)"
#define REASONS(what, kinds, between)                                                                                                      \
    "(SELECT group_concat(" what ", " between ") FROM (SELECT code, words FROM reason r"                                                   \
    " WHERE r.answer = e.model_answer AND kind IN (" kinds ") ORDER BY r.reason))"

/* clang-format off */
const char nj_db_views[] =
    "DROP VIEW IF EXISTS files;"
    "CREATE VIEW files AS SELECT f.file AS file_id, " CARD("f") " AS card, f.path_text AS path, f.bytes, lower(hex(f.hash)) AS hash, f.taken_at,"
    " f.taken_at_source, f.width, f.height, f.camera, f.outcome, f.reason, f.event_id, f.frame_index, f.first_seen_utc FROM file f;"
    "DROP VIEW IF EXISTS events;"
    "CREATE VIEW events AS SELECT e.event_id, " STATION("e") " AS station, " CARD("e") " AS card, e.camera, e.night, e.started_at, e.ended_at,"
    " e.frame_count, e.\"trigger\", e.grouped_by, e.state, e.state_reason, e.blank, e.species, CASE WHEN e.state = 'done' THEN e.review IS 'open'"
    " END AS review_needed, e.priority, " REASONS("code", "'rule', 'model', 'probability'", "','") " AS review_reasons, e.decided_by, e.model,"
    " e.soft_tokens, e.seconds, e.energy_wh, e.finished_utc, (SELECT json FROM answer a WHERE a.answer = e.answer) AS json FROM event e;"
    "DROP VIEW IF EXISTS detections;"
    "CREATE VIEW detections AS SELECT e.event_id, d.detection, d.species, d.display_name, d.count_bin, d.count_min, d.count_max, d.standing,"
    " d.resting, d.moving, d.eating, d.interacting, d.young_present, d.confidence, d.probability, d.runner_up, d.runner_up_probability, e.decided_by"
    " FROM detection d JOIN event e ON e.answer = d.answer;"
    /* read through its own index, and so in order of priority and time */
    "DROP VIEW IF EXISTS review_queue;"
    "CREATE VIEW review_queue AS SELECT e.event_id, e.priority, e.night, e.started_at, e.species, "
    REASONS("words", "'rule', 'model', 'probability'", "'; '") " AS reasons, " REASONS("code", "'rule'", "','") " AS rule_reasons, "
    REASONS("code", "'model', 'probability'", "','") " AS model_reasons, e.review AS status, (SELECT CAST(c.mount AS TEXT) || '/' || f.path_text"
    " FROM file f JOIN card c ON c.card = f.card  WHERE f.event_id = e.event_id AND f.frame_index = 1) AS first_image FROM event e WHERE e.review IS"
    " NOT NULL;"
    /* the night '' of the sums, time not known, is shown as NULL and only where something happened in it */
    "DROP VIEW IF EXISTS nights;"
    "CREATE VIEW nights AS SELECT n.night, " STATION("n") " AS station, n.files, n.rejected_files, n.events, n.blank, n.with_animals, n.waiting,"
    " n.failed, n.to_review, round(n.energy_wh, 6) AS energy_wh, n.battery_low_percent FROM night_total n WHERE n.night > '' UNION ALL SELECT NULL, "
    STATION("n") ", n.files, n.rejected_files, n.events, n.blank, n.with_animals, n.waiting, n.failed, n.to_review, round(n.energy_wh, 6),"
    " n.battery_low_percent FROM night_total n WHERE n.night = '' AND n.events + n.rejected_files > 0;"
    "DROP VIEW IF EXISTS species_nights;"
    "CREATE VIEW species_nights AS SELECT night, species, display_name, events, individuals_min, young_events FROM species_night WHERE night > ''"
    " UNION ALL SELECT NULL, species, display_name, events, individuals_min, young_events FROM species_night WHERE night = '';"
    /* only where an adapter for actions was asked; beyond the contract */
    "DROP VIEW IF EXISTS behaviours;"
    "CREATE VIEW behaviours AS SELECT e.event_id, e.night, e.started_at, e.species, a.behaviour, a.behaviour_probability FROM event e JOIN answer a"
    " ON a.answer = e.model_answer WHERE a.behaviour IS NOT NULL;"
    "DROP VIEW IF EXISTS outbox;"
    "CREATE VIEW outbox AS SELECT o.item AS item_id, o.kind, (SELECT event_id FROM event e WHERE e.event = o.event) AS event_id, o.priority,"
    " length(o.payload) AS bytes, o.attempts, o.next_try_utc, o.sent_utc, o.acknowledged_utc FROM outbox_item o;";
/* clang-format on */
