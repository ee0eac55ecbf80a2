/* The store through its own calls, looked at with plain SQL over the views of the contract. */
#include "db/db.h"
#include "tests/tap.h"

#include <math.h>
#include <sqlite3.h>
#include <unistd.h>

static char path[512];

/* What `sql` gives in another connection: rows by '\n', columns by '|', NULL as "-". */
static const char *ask(const char *sql)
{
    static char   out[8192];
    sqlite3      *other;
    sqlite3_stmt *row;
    size_t        used = 0;
    out[0]             = 0;
    if (sqlite3_open_v2(path, &other, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(other, sql, -1, &row, NULL) != SQLITE_OK) {
        snprintf(out, sizeof out, "%s", sqlite3_errmsg(other));
        sqlite3_close(other);
        return out;
    }
    while (sqlite3_step(row) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(row) && used < sizeof out; i++) {
            const char *text = (const char *)sqlite3_column_text(row, i);
            used += (size_t)snprintf(out + used, sizeof out - used, "%s%s", i ? "|" : used ? "\n" : "", text ? text : "-");
        }
    sqlite3_finalize(row);
    sqlite3_close(other);
    return out;
}

static void expect(const char *sql, const char *want, const char *name)
{
    const char *got = ask(sql);
    if (!CHECK(!strcmp(got, want), "%s", name))
        printf("#   want: %s\n#   got:  %s\n", want, got);
}

static struct nj_error error;

#define GOOD(call) CHECK((call) == NJ_OK, "%s %s", #call, error.text)

static int64_t add_picture(struct nj_db *db, int64_t card, const char *name, int64_t taken_at, char letter)
{
    char hash[65];
    memset(hash, letter, 64);
    hash[64]               = 0;
    struct nj_db_file file = {.card            = card,
                              .path            = name,
                              .path_size       = strlen(name),
                              .bytes           = 1000,
                              .mtime_ns        = 5,
                              .inode           = 7,
                              .state           = NJ_DB_READY,
                              .hash            = hash,
                              .taken_at        = taken_at,
                              .taken_at_source = "exif",
                              .width           = 640,
                              .height          = 480,
                              .camera          = "H500"};
    if (nj_db_file_put(db, &file, &error) != NJ_OK)
        printf("# %s\n", error.text);
    return file.file;
}

static const struct nj_db_detection zebra  = {.species               = "zebra",
                                              .display_name          = "Zebra",
                                              .count_bin             = "2",
                                              .count_min             = 2,
                                              .count_max             = 2,
                                              .standing              = 1,
                                              .resting               = 0,
                                              .moving                = 0,
                                              .eating                = 0,
                                              .interacting           = NJ_DB_UNKNOWN,
                                              .young_present         = 1,
                                              .confidence            = "high",
                                              .probability           = 0.9,
                                              .runner_up             = "wildebeest",
                                              .runner_up_probability = 0.05};
static const struct nj_db_reason    night  = {NJ_DB_RULE, "night_event", "taken at night"};
static const struct nj_db_reason    unsure = {NJ_DB_MODEL, "species_unsure", "the model is not sure of the species"};

static void run_through(struct nj_db *db)
{
    int64_t at = nj_days_from_date(2020, 1, 2) * 86400 + 3 * 3600; /* 03:00: the night of the first */
    int64_t card, files[3], event, other;
    GOOD(nj_db_card(db, "volume-1", "card1", "/media/card1", &card, &error));
    files[0]                 = add_picture(db, card, "DCIM/a.jpg", at, 'a');
    files[1]                 = add_picture(db, card, "DCIM/b\xff.jpg", at + 1, 'b');
    files[2]                 = add_picture(db, card, "DCIM/c.jpg", at + 60, 'c');
    struct nj_db_file broken = {
        .card = card, .path = "x\ny.jpg", .path_size = 7, .state = NJ_DB_REJECTED, .reason = "no picture", .taken_at = NJ_DB_NO_TIME};
    GOOD(nj_db_file_put(db, &broken, &error));
    expect("select path, outcome from files", "DCIM/a.jpg|pending\nDCIM/b\\xff.jpg|pending\nDCIM/c.jpg|pending\nx\ny.jpg|rejected",
           "every file has an outcome");

    struct nj_db_file found;
    GOOD(nj_db_file_find(db, card, "DCIM/b\xff.jpg", 11, &found, &error));
    CHECK(found.file == files[1] && found.bytes == 1000 && found.inode == 7 && found.mtime_ns == 5 && found.taken_at == at + 1,
          "found again by its bytes");
    CHECK(nj_db_file_find(db, card, "DCIM/b\\xff.jpg", 14, &found, &error) == NJ_NOT_FOUND, "the shown name is not the name");
    CHECK(nj_db_file_find(db, card + 1, "DCIM/a.jpg", 10, &found, &error) == NJ_NOT_FOUND, "another card, another file");
    char hash[65] = {0};
    memset(hash, 'C', 64);
    CHECK(nj_db_file_same(db, card, hash, 0, &found, &error) == NJ_OK && found.file == files[2], "a copy is found by its content");

    struct nj_db_burst burst = {
        .card = card, .camera = "H500", .started_at = at, .ended_at = at + 1, .trigger = "motion", .grouped_by = "time"};
    GOOD(nj_db_burst_put(db, &burst, files, 1, &event, &error));
    burst.closed = true;
    GOOD(nj_db_burst_put(db, &burst, files, 2, &other, &error));
    CHECK(event == other, "an open burst that grows stays itself");
    burst.started_at = burst.ended_at = at + 60;
    CHECK(nj_db_burst_put(db, &burst, files + 1, 2, &other, &error) == NJ_ERROR && strstr(error.text, "already a frame"),
          "a closed burst keeps its frames: %s", error.text);
    GOOD(nj_db_burst_put(db, &burst, files + 2, 1, &other, &error));
    GOOD(nj_db_burst_triage(db, other, 0.9, "something moved", &error));
    expect("select card, night, started_at, ended_at, frame_count, trigger, grouped_by, state from events",
           "card1|2020-01-01|2020-01-02T03:00:00|2020-01-02T03:00:01|2|motion|time|ready\ncard1|2020-01-01|2020-01-02T03:01:00|2020-01-"
           "02T03:01:00|1|motion|time|ready",
           "events, noon to noon");
    expect("select outcome, frame_index from files where event_id is not null order by file_id", "used|1\nused|2\nused|1",
           "frames are used, in order");

    struct nj_db_waiting_list list;
    GOOD(nj_db_waiting(db, 0, &list, &error));
    CHECK(list.count == 2 && list.item[0].event == other && list.item[1].frame_count == 2 &&
              !strcmp(list.item[1].frame[1].path, "DCIM/b\xff.jpg") && !strcmp(list.item[1].mount, "/media/card1"),
          "the queue: by interest, with the frames");
    nj_db_waiting_free(&list);

    GOOD(nj_db_burst_start(db, event, &error));
    CHECK(nj_db_burst_start(db, event, &error) == NJ_NOT_FOUND, "a running burst cannot be started again");
    int64_t recovered;
    GOOD(nj_db_recover(db, &recovered, &error));
    CHECK(recovered == 1, "a cut puts it back");
    GOOD(nj_db_burst_start(db, event, &error));
    GOOD(nj_db_burst_again(db, event, "/var/lib/parked", 5, 0.25, &error));
    GOOD(nj_db_burst_start(db, event, &error));
    struct nj_db_reason reasons[] = {night, unsure};
    struct nj_db_choice choice    = {"/detections/0/species", "zebra", "wildebeest", 0.9, 0.05};
    struct nj_db_answer answer    = {.blank           = 0,
                                     .people          = 0,
                                     .review_needed   = true,
                                     .priority        = "medium",
                                     .json            = "{\"a\":1}",
                                     .model           = "tiny",
                                     .soft_tokens     = 280,
                                     .seconds         = 7,
                                     .energy_wh       = 0.5,
                                     .detections      = &zebra,
                                     .detection_count = 1,
                                     .reasons         = reasons,
                                     .reason_count    = 2,
                                     .choices         = &choice,
                                     .choice_count    = 1};
    GOOD(nj_db_finish(db, event, &answer, &error));
    CHECK(nj_db_finish(db, event, &answer, &error) == NJ_NOT_FOUND, "an event is finished once");
    GOOD(nj_db_burst_fail(db, other, "the card is gone", 0, 0, &error));
    expect("select state, blank, species, review_needed, priority, review_reasons, decided_by, model, soft_tokens, seconds, energy_wh, "
           "json from events where state = 'done'",
           "done|0|zebra|1|medium|night_event,species_unsure|model|tiny|280|12.0|0.75|{\"a\":1}", "the finished event, parked work added");
    expect("select detection, species, display_name, count_min, standing, interacting, young_present, probability, runner_up, decided_by "
           "from detections",
           "1|zebra|Zebra|2|1|-|1|0.9|wildebeest|model", "its detection");
    expect("select priority, species, reasons, rule_reasons, model_reasons, status, first_image from review_queue",
           "medium|zebra|taken at night; the model is not sure of the species|night_event|species_unsure|open|/media/card1/DCIM/a.jpg",
           "its line in the review queue");
    expect("select * from nights", "2020-01-01|nightjar|3|0|2|0|1|0|1|1|0.75|-\n-|nightjar|1|1|0|0|0|0|0|0|0.0|-",
           "the nights, with the broken file under no date");
    expect("select * from species_nights", "2020-01-01|zebra|Zebra|1|2|1", "species of the night");
    expect("select value, probability, runner_up from choice", "zebra|0.9|wildebeest", "the choice keeps its probability");
}

static void review(struct nj_db *db)
{
    struct nj_db_detection leopard = {.species               = "leopard",
                                      .display_name          = "Leopard",
                                      .count_bin             = "1",
                                      .count_min             = 1,
                                      .count_max             = 1,
                                      .probability           = -1,
                                      .runner_up_probability = -1,
                                      .standing              = -1,
                                      .resting               = -1,
                                      .moving                = -1,
                                      .eating                = -1,
                                      .interacting           = -1,
                                      .young_present         = 0};
    struct nj_db_review    accept = {.action = NJ_DB_ACCEPT, .by = "Asha"}, undo = {.action = NJ_DB_UNDO, .by = "Asha"},
                        correct = {.action          = NJ_DB_CORRECT,
                                   .by              = "Juma",
                                   .fields          = "species=leopard",
                                   .json            = "{\"a\":2}",
                                   .detections      = &leopard,
                                   .detection_count = 1};
    int64_t event;
    char    id[32];
    snprintf(id, sizeof id, "%s", ask("select event_id from events where state = 'done'"));
    GOOD(nj_db_event_find(db, id, &event, &error));
    id[6] = 0;
    int64_t again;
    GOOD(nj_db_event_find(db, id, &again, &error));
    CHECK(event == again, "a part of an id will do");
    CHECK(nj_db_event_find(db, "NJ", &again, &error) == NJ_NOT_FOUND && strstr(error.text, "more than one"), "too short a part: %s",
          error.text);
    CHECK(nj_db_event_find(db, "elephant", &again, &error) == NJ_NOT_FOUND, "no such event: %s", error.text);
    CHECK(nj_db_review(db, event, &undo, &error) == NJ_NOT_FOUND, "nothing to undo: %s", error.text);
    const char *state =
        "select e.species, e.decided_by, e.review_needed, q.status, e.json from events e join review_queue q using(event_id)";
    GOOD(nj_db_review(db, event, &accept, &error));
    expect(state, "zebra|ranger|0|accepted|{\"a\":1}", "accepted");
    GOOD(nj_db_review(db, event, &correct, &error));
    expect(state, "leopard|ranger|0|corrected|{\"a\":2}", "corrected");
    expect("select reasons from review_queue", "taken at night; the model is not sure of the species", "why it was asked stays");
    expect("select night, species, events, individuals_min from species_nights", "2020-01-01|leopard|1|1",
           "corrections flow into the nights");
    expect("select to_review from nights where night is not null", "0", "nothing left to review");
    expect("select species from detection order by answer", "zebra\nleopard", "the model's answer is kept beside it");
    GOOD(nj_db_review(db, event, &undo, &error));
    expect(state, "zebra|ranger|0|accepted|{\"a\":1}", "undo goes back one");
    GOOD(nj_db_review(db, event, &undo, &error));
    expect(state, "zebra|model|1|open|{\"a\":1}", "and one more");
    expect("select action, by_whom, undone from review", "accept|Asha|1\ncorrect|Juma|1\nundo|Asha|0\nundo|Asha|0",
           "who did what is never lost");
    GOOD(nj_db_review(db, event, &correct, &error));
    GOOD(nj_db_burst_again(db, event, NULL, 0, 0, &error));
    expect("select count(*) from species_nights", "0", "an event that waits again has no species");
    GOOD(nj_db_burst_start(db, event, &error));
    struct nj_db_answer blank = {.blank = 1, .people = 0, .priority = "none", .json = "{\"a\":3}", .model = "tiny 2", .soft_tokens = 70};
    GOOD(nj_db_finish(db, event, &blank, &error));
    expect(state, "leopard|ranger|0|corrected|{\"a\":2}", "a ranger's word outlives a second answer of the model");
    expect("select blank, with_animals, failed, waiting from nights where night is not null", "0|1|1|0", "the sums agree");
}

static void remember(struct nj_db *db)
{
    void  *value;
    size_t size;
    CHECK(nj_db_state_get(db, "cost", &value, &size, &error) == NJ_NOT_FOUND, "nothing is remembered yet");
    GOOD(nj_db_state_put(db, "cost", "one", 3, &error));
    GOOD(nj_db_state_put(db, "cost", "three", 5, &error));
    GOOD(nj_db_state_get(db, "cost", &value, &size, &error));
    CHECK(size == 5 && !memcmp(value, "three", 5), "the last value is kept");
    free(value);
    int64_t             at        = (nj_days_from_date(2020, 1, 1) * 86400 + 23 * 3600) * 1000;
    struct nj_db_sample samples[] = {{at, 55, 12.5, NAN, 3, 20}, {at + 60000, 54, 12.4, NAN, 3, 20}, {at + 120000, NAN, 12.4, NAN, 3, 20}};
    GOOD(nj_db_samples(db, samples, 3, &error));
    expect("select battery_low_percent from nights where night = '2020-01-01'", "54.0",
           "23:00 UTC is 02:00 at three hours east, still the same night");
    GOOD(nj_db_decision(db, at, "sleep", "battery low", 0, &error));

    struct nj_db_item low  = {.kind = "event", .priority = 1, .payload = "abc", .bytes = 3},
                      high = {.kind = "alert", .priority = 9, .payload = "de", .bytes = 2};
    GOOD(nj_db_outbox_put(db, &low, &error));
    GOOD(nj_db_outbox_put(db, &high, &error));
    GOOD(nj_db_outbox_tried(db, high.item, at, 5, at + 60000, &error));
    GOOD(nj_db_outbox_acknowledged(db, high.item, at + 1000, &error));
    CHECK(nj_db_outbox_acknowledged(db, 99, at, &error) == NJ_NOT_FOUND, "no such item");
    expect("select kind, priority, bytes, attempts, sent_utc, acknowledged_utc from outbox",
           "event|1|3|0|-|-\nalert|9|2|1|2020-01-01T23:00:00Z|2020-01-01T23:00:01Z", "the outbox");
}

int main(void)
{
    char folder[] = "/tmp/nj-store-XXXXXX";
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/nightjar.db", folder);
    struct nj_db        *db;
    struct nj_db_options options = {.mode = NJ_DB_READ, .station = "nightjar", .site = "A01", .timezone_offset = 3};
    CHECK(nj_db_open(path, &options, &db, &error) == NJ_NOT_FOUND, "reading what is not there: %s", error.text);
    options.mode = NJ_DB_STATION;
    GOOD(nj_db_open(path, &options, &db, &error));
    if (!db)
        return tap_done();
    run_through(db);
    review(db);
    remember(db);
    nj_db_close(db);
    expect("pragma application_id", "1313489234", "the application id");
    expect("pragma integrity_check", "ok", "the file holds together");
    char command[600];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0, "cleaned up");
    return tap_done();
}
