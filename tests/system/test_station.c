/* A small station with known truth, for the scripts that look at commands: `test_station FOLDER` makes FOLDER/card with drawn pictures and
 * FOLDER/nightjar.db. Without an argument it makes one, counts what is in it and removes it.
 *
 * Ten events: 0 zebras at night (review) · 1 blank · 2 a leopard (rare, unsure: review, high) · 3 people · 4 impalas from a file named <script> ·
 * 5 failed · 6 put off · 7 and 8 waiting, 8 without a date · 9 open. One broken picture, one Thumbs.db. */
#include "base/file.h"
#include "db/db.h"
#include "tests/tap.h"

#include <jpeglib.h>
#include <nettle/sha2.h>
#include <sys/stat.h>

static struct nj_error error;

static void must(nj_status status)
{
    if (status == NJ_OK)
        return;
    fprintf(stderr, "test_station: %s\n", error.text);
    exit(1);
}

/* A grey sky over brown ground with one dark animal-sized box. */
static void draw(const char *path, int seed, int frame)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr       errors;
    FILE                       *file = fopen(path, "wb");
    JSAMPLE                     row[320 * 3];
    JSAMPROW                    rows[1] = {row};
    if (!file)
        exit(1);
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width      = 320;
    jpeg.image_height     = 240;
    jpeg.input_components = 3;
    jpeg.in_color_space   = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < 240) {
        int y = (int)jpeg.next_scanline;
        for (int x = 0; x < 320; x++) {
            int inside     = x > 60 + seed * 15 && x < 120 + seed * 15 && y > 120 + 4 * frame && y < 170 + 4 * frame;
            row[3 * x]     = (JSAMPLE)(inside ? 40 : y < 100 ? 170 : 140);
            row[3 * x + 1] = (JSAMPLE)(inside ? 35 : y < 100 ? 180 : 120);
            row[3 * x + 2] = (JSAMPLE)(inside ? 30 : y < 100 ? 190 : 80);
        }
        jpeg_write_scanlines(&jpeg, rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    fclose(file);
}

struct seen {
    const char            *name; /* of its first picture; the others get a digit */
    int                    frames;
    int64_t                after;  /* seconds after 2020-01-02T00:00:00; NJ_DB_NO_TIME */
    const char            *state;  /* what becomes of it */
    const char            *reason; /* of failed and deferred */
    int                    blank, people;
    const char            *priority;
    struct nj_db_detection detection;
    struct nj_db_reason    reasons[2];
};

#define ANIMAL(label, shown, bin, low, high, sure, next, rest)                                                                             \
    {                                                                                                                                      \
        .species = label, .display_name = shown, .count_bin = bin, .count_min = low, .count_max = high, .standing = 1, .resting = 0,       \
        .moving = 0, .eating = 0, .interacting = 0, .young_present = 0, .confidence = sure > 0.5 ? "high" : "low", .probability = sure,    \
        .runner_up = next, .runner_up_probability = rest                                                                                   \
    }
#define NIGHT                                                                                                                              \
    {                                                                                                                                      \
        NJ_DB_RULE, "night_event", "taken at night"                                                                                        \
    }
#define HOUR 3600

static const struct seen seen[] = {
    {"IMG_0001", 2, 3 * HOUR, "done", NULL, 0, 0, "medium", ANIMAL("zebra", "Zebra", "2", 2, 2, 0.9, "wildebeest", 0.05), {NIGHT}},
    {"IMG_0003", 1, 9 * HOUR + 1800, "done", NULL, 1, 0, "none", {0}, {{0}}},
    {"IMG_0004",
     3,
     21 * HOUR,
     "done",
     NULL,
     0,
     0,
     "high",
     ANIMAL("leopard", "Leopard", "1", 1, 1, 0.41, "serval", 0.38),
     {{NJ_DB_RULE, "rare_species", "a rare species"}, {NJ_DB_PROBABILITY, "species_unsure", "the model is not sure of the species"}}},
    {"IMG_0007",
     1,
     22 * HOUR,
     "done",
     NULL,
     0,
     1,
     "high",
     ANIMAL("baboon", "Baboon", "1", 1, 1, 0.6, "vervetMonkey", 0.1),
     {{NJ_DB_RULE, "people_or_vehicle", "people or a vehicle may be in the picture"}}},
    {"<script>alert(1)",
     1,
     33 * HOUR,
     "done",
     NULL,
     0,
     0,
     "medium",
     ANIMAL("impala", "Impala", "11-50", 11, 50, 0.99, "topi", 0.01),
     {{NJ_DB_RULE, "high_count_event", "many animals: the count may be wrong"}}},
    {"IMG_0010", 1, 34 * HOUR, "failed", "the answer was cut off after 1536 tokens", 0, 0, NULL, {0}, {{0}}},
    {"IMG_0011", 1, 35 * HOUR, "deferred", "battery at 12 %, the reserve is 25 %", 0, 0, NULL, {0}, {{0}}},
    {"IMG_0012", 1, 36 * HOUR, "ready", NULL, 0, 0, NULL, {0}, {{0}}},
    {"IMG_0013", 1, NJ_DB_NO_TIME, "ready", NULL, 0, 0, NULL, {0}, {{0}}},
    {"IMG_0014", 1, 37 * HOUR, "open", NULL, 0, 0, NULL, {0}, {{0}}},
};
#define EVENTS (sizeof seen / sizeof seen[0])

static int64_t add_picture(struct nj_db *db, int64_t card, const char *mount, const struct seen *event, int frame, int64_t at)
{
    char              path[256], full[1024], hash[65];
    struct sha256_ctx sha;
    uint8_t           digest[SHA256_DIGEST_SIZE], *bytes;
    size_t            size;
    snprintf(path, sizeof path, "DCIM/%s%s.JPG", event->name, frame == 0 ? "" : frame == 1 ? "b" : "c");
    snprintf(full, sizeof full, "%s/%s", mount, path);
    draw(full, (int)(event - seen), frame);
    must(nj_file_read(full, 1 << 20, &bytes, &size, &error));
    sha256_init(&sha);
    sha256_update(&sha, size, bytes);
    sha256_digest(&sha, sizeof digest, digest);
    free(bytes);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hash + 2 * i, 3, "%02x", digest[i]);
    struct nj_db_file file = {.card            = card,
                              .path            = path,
                              .path_size       = strlen(path),
                              .bytes           = 4000,
                              .mtime_ns        = 1,
                              .inode           = 1,
                              .state           = NJ_DB_READY,
                              .hash            = hash,
                              .taken_at        = at,
                              .taken_at_source = at == NJ_DB_NO_TIME ? NULL : "exif",
                              .width           = 320,
                              .height          = 240,
                              .camera          = "H500"};
    must(nj_db_file_put(db, &file, &error));
    return file.file;
}

static void write_record(const struct seen *event, const char *id, const char *time, char *out, size_t size)
{
    const struct nj_db_detection *at              = &event->detection;
    char                          detection[1024] = "", maximum[16];
    snprintf(maximum, sizeof maximum, at->count_max > 0 ? "%d" : "null", (int)at->count_max);
    if (at->species)
        snprintf(detection, sizeof detection,
                 "{\"species\":\"%s\",\"count\":{\"bin\":\"%s\",\"minimum\":%d,\"maximum\":%s},\"behaviors\":{\"standing\":true,"
                 "\"resting\":false,"
                 "\"moving\":false,\"eating\":false,\"interacting\":false},\"young_present\":false,\"confidence\":{\"label\":\"%s\","
                 "\"basis\":[\"clear\"]}}",
                 at->species, at->count_bin, (int)at->count_min, maximum, at->confidence);
    snprintf(out, size,
             "{\"schema_version\":\"savanna_sentinel_event_v1\",\"capture_event_id\":\"%s\",\"event\":{\"blank\":%s,\"site_id\":\"D07\","
             "\"local_datetime\":\"%s\",\"frame_count\":%d,\"frames_used\":\"all_available\"},\"detections\":[%s],\"review\":{"
             "\"review_needed\":%s,\"priority\":\"%s\",\"reasons\":[]},\"grounding\":{\"environment_used_for_species_claim\":false,"
             "\"image_evidence_required\":true}}",
             id, event->blank ? "true" : "false", time, event->frames, detection, strcmp(event->priority, "none") ? "true" : "false",
             event->priority);
}

static void decide(struct nj_db *db, const struct seen *event, int64_t number, int64_t at)
{
    char id[NJ_DB_EVENT_ID], time[NJ_TIME_TEXT] = "", json[4096];
    if (strcmp(event->state, "deferred") == 0)
        must(nj_db_burst_defer(db, number, event->reason, &error));
    if (strcmp(event->state, "done") != 0 && strcmp(event->state, "failed") != 0)
        return;
    must(nj_db_burst_start(db, number, &error));
    if (strcmp(event->state, "failed") == 0) {
        must(nj_db_burst_fail(db, number, event->reason, 60, 0.2, &error));
        return;
    }
    must(nj_db_event_id(db, number, id, &error));
    nj_time_local(at, time);
    write_record(event, id, time, json, sizeof json);
    struct nj_db_choice choice = {"/detections/0/species", event->detection.species, event->detection.runner_up,
                                  event->detection.probability, event->detection.runner_up_probability};
    struct nj_db_answer answer = {.blank           = event->blank,
                                  .people          = event->people,
                                  .review_needed   = strcmp(event->priority, "none") != 0,
                                  .priority        = event->priority,
                                  .json            = json,
                                  .model           = "drawn",
                                  .soft_tokens     = 280,
                                  .seconds         = 90,
                                  .energy_wh       = 0.25,
                                  .detections      = &event->detection,
                                  .detection_count = event->detection.species != NULL,
                                  .reasons         = event->reasons,
                                  .choices         = &choice,
                                  .choice_count    = event->detection.species != NULL};
    while (answer.reason_count < 2 && event->reasons[answer.reason_count].code)
        answer.reason_count++;
    must(nj_db_finish(db, number, &answer, &error));
}

static int64_t fixed_wall(void *self)
{
    (void)self;
    return (nj_days_from_date(2020, 1, 4) * 86400 + 6 * HOUR) * 1000;
}

static void make(const char *folder)
{
    char            path[512], mount[512], name[1024];
    struct nj_db   *db;
    struct nj_clock clock = *nj_clock_system();
    int64_t         card, midnight = nj_days_from_date(2020, 1, 2) * 86400;
    clock.wall_ms = fixed_wall;
    snprintf(path, sizeof path, "%s/nightjar.db", folder);
    snprintf(mount, sizeof mount, "%s/card", folder);
    snprintf(name, sizeof name, "%s/DCIM", mount);
    must(nj_make_folders(name, &error));
    struct nj_db_options options = {.mode = NJ_DB_STATION, .station = "Kopje", .site = "D07", .timezone_offset = 3, .clock = &clock};
    must(nj_db_open(path, &options, &db, &error));
    must(nj_db_card(db, "drawn card", "card", mount, &card, &error));
    for (size_t i = 0; i < EVENTS; i++) {
        int64_t at    = seen[i].after == NJ_DB_NO_TIME ? NJ_DB_NO_TIME : midnight + seen[i].after, number, files[3];
        bool    known = at != NJ_DB_NO_TIME;
        for (int j = 0; j < seen[i].frames; j++)
            files[j] = add_picture(db, card, mount, &seen[i], j, known ? at + j : at);
        struct nj_db_burst burst = {.card       = card,
                                    .camera     = "H500",
                                    .started_at = at,
                                    .ended_at   = known ? at + seen[i].frames - 1 : at,
                                    .trigger    = "motion",
                                    .grouped_by = "time",
                                    .closed     = strcmp(seen[i].state, "open") != 0};
        must(nj_db_burst_put(db, &burst, files, (size_t)seen[i].frames, &number, &error));
        must(nj_db_burst_triage(db, number, 0.1 * (double)i, "something moved", &error));
        decide(db, &seen[i], number, at);
    }
    struct nj_db_file broken = {.card            = card,
                                .path            = "DCIM/IMG_0099.JPG",
                                .path_size       = 17,
                                .bytes           = 8192,
                                .state           = NJ_DB_REJECTED,
                                .camera          = "",
                                .reason          = "no picture: the file ends after 8192 of 2318211 bytes",
                                .taken_at        = midnight + 30 * HOUR,
                                .taken_at_source = "mtime"};
    struct nj_db_file thumbs = {.card      = card,
                                .path      = "DCIM/Thumbs.db",
                                .path_size = 14,
                                .bytes     = 100,
                                .state     = NJ_DB_IGNORED,
                                .camera    = "",
                                .reason    = "not a picture",
                                .taken_at  = NJ_DB_NO_TIME};
    must(nj_db_file_put(db, &broken, &error));
    must(nj_db_file_put(db, &thumbs, &error));
    struct nj_db_sample samples[48];
    for (int i = 0; i < 48; i++) {
        int hour   = i % 24;
        samples[i] = (struct nj_db_sample){.at_ms           = (midnight + i * HOUR - 3 * HOUR) * 1000,
                                           .battery_percent = 50 + (hour < 12 ? hour : 24 - hour) * 3.0,
                                           .battery_v       = 12.4,
                                           .panel_w         = hour > 6 && hour < 18 ? 12 : 0,
                                           .load_w          = 3,
                                           .temp_c          = 20 + hour % 12};
    }
    must(nj_db_samples(db, samples, 48, &error));
    must(nj_db_decision(db, fixed_wall(NULL), "sleep", "battery at 12 %, the reserve is 25 %: next wake 09:00", 0, &error));
    nj_db_close(db);
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        make(argv[1]);
        return 0;
    }
    char folder[] = "/tmp/nj-station-XXXXXX", command[600];
    if (!mkdtemp(folder))
        return 1;
    make(folder);
    snprintf(command, sizeof command, "test \"$(sqlite3 %s/nightjar.db 'select count(*) from events')\" = %zu", folder, EVENTS);
    CHECK(system(command) == 0, "the drawn station has its events");
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0, "and can be removed");
    return tap_done();
}
