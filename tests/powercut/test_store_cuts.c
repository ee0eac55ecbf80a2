/* The store through power cuts: a worker takes in a card, reads its bursts, sends, measures, and has a ranger review; the power goes away at random
 * moments (cut.c). After each cut the file must hold together, what was promised must be there, nothing twice, nothing half; the next worker goes
 * on. At the end everything is there once.
 *
 *     test_store_cuts            a short round, as part of `make check`
 *     POWERCUTS=1000 …           that many cuts of each kind */
#include "base/file.h"
#include "db/internal.h"
#include "tests/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define PICTURES 36
#define BURST    3
#define EVENTS   (PICTURES / BURST)
#define BATCH    5 /* files a transaction */

static char            folder[] = "/tmp/nj-cut-XXXXXX", path[256];
static struct nj_error error;

/* ---- the worker: a process of its own, with the library preloaded ---- */

static int promises; /* where it says what is safe: one line each, behind the commit */

static void promise(const char *what, int64_t number)
{
    char line[64];
    int  length = snprintf(line, sizeof line, "%s %" PRId64 "\n", what, number);
    if (write(promises, line, (size_t)length) != length)
        _exit(3);
}

static void must(nj_status status)
{
    if (status == NJ_OK)
        return;
    fprintf(stderr, "worker: %s\n", error.text);
    _exit(2);
}

static void take_in(struct nj_db *db, int64_t card)
{
    for (int i = 0; i < PICTURES; i += BATCH) {
        must(nj_db_begin(db, &error));
        for (int j = i; j < i + BATCH && j < PICTURES; j++) {
            char              name[32], hash[65];
            struct nj_db_file known;
            snprintf(name, sizeof name, "DCIM/IMG_%04d.JPG", j);
            snprintf(hash, sizeof hash, "%064x", j + 1);
            struct nj_db_file file  = {.card      = card,
                                       .path      = name,
                                       .path_size = strlen(name),
                                       .bytes     = 100 + j,
                                       .state     = NJ_DB_READY,
                                       .hash      = hash,
                                       .taken_at  = 86400 * 365 + 60 * (j / BURST) + j % BURST};
            nj_status         found = nj_db_file_find(db, card, name, strlen(name), &known, &error);
            if (found == NJ_NOT_FOUND)
                must(nj_db_file_put(db, &file, &error));
            else
                must(found);
        }
        must(nj_db_commit(db, &error));
        promise("files", i);
    }
}

struct loose {
    int64_t file[PICTURES];
    int64_t taken_at[PICTURES];
    size_t  count;
};

static nj_status on_loose(void *user, const struct nj_db_file *file)
{
    struct loose *loose           = user;
    loose->taken_at[loose->count] = file->taken_at;
    loose->file[loose->count++]   = file->file;
    return NJ_OK;
}

static void group(struct nj_db *db, int64_t card)
{
    struct loose loose = {.count = 0};
    must(nj_db_files_loose(db, card, on_loose, &loose, &error));
    for (size_t i = 0; i + BURST <= loose.count; i += BURST) {
        int64_t            event;
        struct nj_db_burst burst = {.card       = card,
                                    .started_at = loose.taken_at[i],
                                    .ended_at   = loose.taken_at[i + BURST - 1],
                                    .trigger    = "motion",
                                    .grouped_by = "time",
                                    .closed     = true};
        must(nj_db_burst_put(db, &burst, loose.file + i, BURST, &event, &error));
        promise("burst", event);
    }
}

static void read_waiting(struct nj_db *db)
{
    struct nj_db_waiting_list list;
    must(nj_db_waiting(db, 0, &list, &error));
    for (size_t i = 0; i < list.count; i++) {
        char                         json[3000];
        const struct nj_db_detection animals[] = {{.species = "zebra", .count_min = 2, .probability = 0.9, .runner_up_probability = -1},
                                                  {.species = "topi", .count_min = 1, .probability = 0.8, .runner_up_probability = -1}};
        const struct nj_db_reason    reason    = {NJ_DB_RULE, "multi_species_event", "more than one species"};
        memset(json, 'j', sizeof json - 1);
        json[sizeof json - 1]            = 0;
        const struct nj_db_answer answer = {.review_needed   = true,
                                            .priority        = "medium",
                                            .json            = json,
                                            .model           = "m",
                                            .seconds         = 10,
                                            .energy_wh       = 0.25,
                                            .detections      = animals,
                                            .detection_count = 2,
                                            .reasons         = &reason,
                                            .reason_count    = 1};
        const struct nj_db_item   item   = {.kind = "event", .event = list.item[i].event, .payload = "0123456789", .bytes = 10};
        struct nj_db_item         out    = item;
        must(nj_db_burst_start(db, list.item[i].event, &error));
        must(nj_db_begin(db, &error)); /* the answer and the message about it: both or neither */
        must(nj_db_finish(db, list.item[i].event, &answer, &error));
        must(nj_db_outbox_put(db, &out, &error));
        must(nj_db_commit(db, &error));
        promise("done", list.item[i].event);
    }
    nj_db_waiting_free(&list);
}

static nj_status on_open(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    (void)count;
    char(*ids)[NJ_DB_EVENT_ID] = user;
    for (int i = 0; i < EVENTS; i++)
        if (!ids[i][0]) {
            snprintf(ids[i], sizeof ids[i], "%s", !strcmp(names[0], "event_id") ? values[0].text : "");
            break;
        }
    return NJ_OK;
}

/* The ranger corrects what is open; an event that was corrected is open no more. */
static void review(struct nj_db *db)
{
    char               ids[EVENTS][NJ_DB_EVENT_ID] = {{0}};
    struct nj_db_query query                       = {.view = "review_queue", .state = "open"};
    must(nj_db_select(db, &query, on_open, ids, &error));
    for (int i = 0; i < EVENTS && ids[i][0]; i++) {
        int64_t                      event;
        const struct nj_db_detection lion    = {.species = "lionMale", .count_min = 1, .probability = -1, .runner_up_probability = -1};
        const struct nj_db_review    correct = {
               .action = NJ_DB_CORRECT, .by = "Asha", .json = "{}", .detections = &lion, .detection_count = 1};
        must(nj_db_event_find(db, ids[i], &event, &error));
        must(nj_db_review(db, event, &correct, &error));
        promise("review", event);
    }
}

static int work(const char *what)
{
    struct nj_db        *db;
    struct nj_db_lock    lock;
    struct nj_db_options options = {.mode = NJ_DB_STATION, .station = "nightjar", .site = "A01"};
    int64_t              card, again;
    promises = 3;
    if (!strcmp(what, "migrate")) {
        struct nj_db_migration all[8];
        options.mode = NJ_DB_WRITE;
        memcpy(all, nj_db_migrations, sizeof all[0] * nj_db_migration_count);
        all[nj_db_migration_count] =
            (struct nj_db_migration){"a later version", {"ALTER TABLE event ADD COLUMN moon TEXT", "UPDATE event SET moon = 'full'"}};
        if (nj_db_open(path, &options, &db, &error) != NJ_OK)
            return strstr(error.text, "newer") ? 0 : (fprintf(stderr, "worker: %s\n", error.text), 2); /* it was done before the cut */
        must(nj_db_migrate(db, all, nj_db_migration_count + 1, nj_db_views, &error));
        nj_db_close(db);
        return 0;
    }
    must(nj_db_open(path, &options, &db, &error));
    must(nj_db_lock(path, "run", &lock, &error));
    must(nj_db_recover(db, &again, &error));
    must(nj_db_card(db, "card", "card", "/card", &card, &error));
    take_in(db, card);
    group(db, card);
    read_waiting(db);
    review(db);
    must(nj_db_state_put(db, "cost", "learned", 7, &error));
    promise("state", 1);
    nj_db_close(db);
    return 0;
}

/* ---- the judge ---- */

struct kept {
    int  files, bursts, done, reviews, states;
    long requests;
};

/* Starts a worker, cuts it at request `at` (0: never) and reads its promises. Gives the wait status. */
static int run(const char *self, const char *what, const char *mode, long at, unsigned seed, struct kept *kept)
{
    int  ends[2];
    char number[32], root[300], library[4096], *slash, counted[300], line[64];
    if (pipe(ends) != 0)
        exit(1);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]); /* may be 3 itself */
        if (ends[1] != 3 && dup2(ends[1], 3) != 3)
            _exit(4);
        snprintf(library, sizeof library, "%s", self);
        slash = strrchr(library, '/');
        strcpy(slash ? slash + 1 : library, "cut.so");
        snprintf(root, sizeof root, "%s/db", folder);
        snprintf(counted, sizeof counted, "%s/count", folder);
        setenv("LD_PRELOAD", library, 1);
        setenv("CUT_ROOT", root, 1);
        setenv("CUT_MODE", mode, 1);
        setenv("CUT_COUNT", counted, 1);
        snprintf(number, sizeof number, "%ld", at);
        setenv("CUT_AT", number, 1);
        snprintf(number, sizeof number, "%u", seed);
        setenv("CUT_SEED", number, 1);
        execl(self, self, "work", what, path, (char *)NULL);
        _exit(4);
    }
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    while (fgets(line, sizeof line, in)) {
        if (!strncmp(line, "files", 5) && atoi(line + 5) / BATCH >= kept->files) /* each worker goes through all of them */
            kept->files = atoi(line + 5) / BATCH + 1;
        kept->bursts += !strncmp(line, "burst", 5);
        kept->done += !strncmp(line, "done", 4);
        kept->reviews += !strncmp(line, "review", 6);
        kept->states += !strncmp(line, "state", 5);
    }
    fclose(in);
    int status;
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) {
        snprintf(counted, sizeof counted, "%s/count", folder);
        FILE *file = fopen(counted, "r");
        if (file && fscanf(file, "%ld", &kept->requests) != 1)
            kept->requests = 0;
        if (file)
            fclose(file);
    }
    return status;
}

static int64_t number_of(const char *sql)
{
    sqlite3      *db;
    sqlite3_stmt *row;
    int64_t       value = -1;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK && sqlite3_prepare_v2(db, sql, -1, &row, NULL) == SQLITE_OK) {
        if (sqlite3_step(row) == SQLITE_ROW)
            value = sqlite3_column_int64(row, 0);
        sqlite3_finalize(row);
    }
    sqlite3_close(db);
    return value;
}

/* A broken rule in words, or NULL. `kept` holds what was promised since the beginning. */
static const char *broken(const struct kept *kept)
{
    static const struct {
        const char *sql, *words;
    } rules[] = {
        {"SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'", "the file does not hold together"},
        {"SELECT count(*) FROM (SELECT 1 FROM file GROUP BY path HAVING count(*) > 1)", "a file has two rows"},
        {"SELECT count(*) FROM event WHERE frame_count <> 3", "half a burst"},
        {"SELECT count(*) FROM event e WHERE (SELECT count(*) FROM file f WHERE f.event_id = e.event_id) <> 3",
         "a burst without its frames"},
        {"SELECT count(*) FROM event e WHERE state = 'done' AND (SELECT count(*) FROM answer a WHERE a.event_id = e.event_id AND author = "
         "'model') <> 1",
         "an event with no answer or with two"},
        {"SELECT count(*) FROM answer a WHERE author = 'model' AND (SELECT count(*) FROM detection d WHERE d.answer = a.answer) <> 2",
         "half an answer"},
        {"SELECT count(*) FROM event e WHERE (state = 'done' AND review IS NOT 'corrected') <> (SELECT count(*) FROM outbox_item o WHERE "
         "o.event = e.event)",
         "an answer without its message, or a message without its answer"},
        {"SELECT count(*) FROM (SELECT 1 FROM review GROUP BY event_id HAVING count(*) > 1)", "a review doubled"},
        {"SELECT count(*) FROM event WHERE energy_wh > 0.26", "energy counted twice"},
        {"SELECT abs((SELECT ifnull(sum(events), 0) FROM night_total) - (SELECT count(*) FROM event))", "the sums of the nights are wrong"},
        {"SELECT count(*) FROM (SELECT sum(events) AS n FROM species_night WHERE species = 'lionMale') WHERE ifnull(n, 0) <> (SELECT "
         "count(*) FROM event WHERE review = 'corrected')",
         "the sums of the species are wrong"},
    };
    if (access(path, F_OK) != 0)
        return kept->files ? "the database is gone" : NULL;
    if (number_of("SELECT count(*) FROM sqlite_schema WHERE name = 'event'") != 1)
        return kept->files ? "the tables are gone" : NULL; /* cut before the first transaction */
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (number_of(rules[i].sql) != 0)
            return rules[i].words;
    if (number_of("SELECT count(*) FROM file") < (kept->files * BATCH < PICTURES ? kept->files * BATCH : PICTURES))
        return "a file that was promised is lost";
    if (number_of("SELECT count(*) FROM event") < kept->bursts)
        return "a burst that was promised is lost";
    if (number_of("SELECT count(*) FROM event WHERE state = 'done'") < kept->done)
        return "an answer that was promised is lost";
    if (number_of("SELECT count(*) FROM review") < kept->reviews)
        return "a review that was promised is lost";
    if (number_of("SELECT count(*) FROM state") < (kept->states > 0))
        return "a state that was promised is lost";
    return NULL;
}

static bool set_aside(void)
{
    char command[400];
    snprintf(command, sizeof command, "ls %s/db | grep -q damaged", folder);
    return system(command) == 0;
}

static void fresh(void)
{
    char command[600];
    snprintf(command, sizeof command, "rm -rf %s/db && mkdir -p %s/db", folder, folder);
    if (system(command) != 0)
        exit(1);
}

static void new_boot(int number)
{
    char name[300], text[32];
    snprintf(name, sizeof name, "%s/proc/sys/kernel/random", folder);
    nj_make_folders(name, NULL);
    snprintf(name, sizeof name, "%s/proc/sys/kernel/random/boot_id", folder);
    snprintf(text, sizeof text, "boot %d\n", number);
    nj_file_write_atomic(name, text, strlen(text), NULL);
}

static unsigned random_state = 12345;

static long between(long low, long high)
{
    random_state = random_state * 1103515245u + 12345u;
    return low + (long)(random_state >> 8) % (high - low + 1);
}

/* Lives of a station, each cut again and again until its work is done; `cuts` in all. */
static void check_cuts(const char *self, const char *mode, int cuts)
{
    struct kept whole = {0};
    int         done = 0, lives = 0, boots = 1;
    fresh();
    new_boot(0);
    int status = run(self, "all", mode, 0, 0, &whole);
    if (!CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0 && whole.done == EVENTS && !broken(&whole),
               "%s: without a cut everything is done, in %ld requests", mode, whole.requests))
        return;
    while (done < cuts) {
        struct kept kept  = {0};
        bool        ended = false;
        fresh();
        lives++;
        for (int turn = 0; !ended && turn < 200; turn++) {
            long at = between(1, whole.requests / (1 + between(0, 3)));
            new_boot(boots++);
            status          = run(self, "all", mode, at, (unsigned)boots, &kept);
            ended           = WIFEXITED(status);
            const char *why = broken(&kept);
            if (why || set_aside() || (ended && WEXITSTATUS(status) != 0)) {
                CHECK(false, "%s: cut %d of life %d, at request %ld (seed %d): %s", mode, done, lives, at, boots,
                      why           ? why
                      : set_aside() ? "called damaged"
                                    : "the worker failed");
                return;
            }
            done += !ended;
        }
        if (number_of("SELECT count(*) FROM event WHERE state = 'done' AND review = 'corrected'") != EVENTS) {
            CHECK(false, "%s: life %d ends with work undone", mode, lives);
            return;
        }
    }
    CHECK(true, "%s: %d cuts in %d lives: nothing lost, nothing doubled, nothing half", mode, done, lives);
}

static void check_migration(const char *self, int cuts)
{
    struct kept kept = {0}, ignored = {0};
    int         done = 0, boots = 100000;
    for (int life = 0; done < cuts && life < 10 * cuts; life++) {
        bool ended = false;
        fresh();
        new_boot(boots++);
        kept = (struct kept){0};
        run(self, "all", "power", 0, 0, &kept);
        for (int turn = 0; !ended; turn++) {
            int status          = run(self, "migrate", "power", turn < 8 ? between(1, 60) : 0, (unsigned)boots++, &ignored);
            ended               = WIFEXITED(status);
            int64_t     moons   = number_of("SELECT count(*) FROM pragma_table_info('event') WHERE name = 'moon'");
            int64_t     version = number_of("PRAGMA user_version");
            const char *why     = broken(&kept);
            if (why || version != (int64_t)nj_db_migration_count + moons || (ended && WEXITSTATUS(status) != 0) ||
                (moons && number_of("SELECT count(*) FROM event WHERE moon = 'full'") != EVENTS)) {
                CHECK(false, "migration %d: version %d with %d new columns: %s", life, (int)version, (int)moons,
                      why ? why : "half a migration");
                return;
            }
            done += !ended;
        }
    }
    CHECK(done >= cuts, "%d cuts during a migration: the old or the new, nothing between", done);
}

/* From some request on the disk is full: the worker ends with a sentence, and with room again the next one finishes. */
static void check_full_disk(const char *self, int rounds)
{
    struct kept whole = {0};
    fresh();
    new_boot(-1);
    run(self, "all", "power", 0, 0, &whole);
    for (int i = 0; i < rounds; i++) {
        struct kept kept = {0};
        fresh();
        new_boot(-2 - i);
        int         full = run(self, "all", "full", between(1, whole.requests), (unsigned)i, &kept);
        const char *why  = broken(&kept);
        int         then = run(self, "all", "power", 0, 0, &kept);
        if (why || !WIFEXITED(full) || !WIFEXITED(then) || WEXITSTATUS(then) != 0 || broken(&kept) || set_aside() ||
            number_of("SELECT count(*) FROM event WHERE review = 'corrected'") != EVENTS) {
            CHECK(false, "full disk %d: %s", i, why ? why : "it did not go on afterwards");
            return;
        }
    }
    CHECK(true, "%d times a full disk: survived, and finished with room again", rounds);
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "work")) {
        snprintf(path, sizeof path, "%s", argv[3]);
        return work(argv[2]);
    }
    char    self[4096], library[4200];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0 || !mkdtemp(folder))
        return 1;
    self[length] = 0;
    snprintf(library, sizeof library, "%s", self);
    strcpy(strrchr(library, '/') + 1, "cut.so");
    if (access(library, R_OK) != 0) {
        SKIP("no cut.so beside this program (a build with a sanitizer has none)");
        return tap_done();
    }
    snprintf(path, sizeof path, "%s/db/nightjar.db", folder);
    setenv("NIGHTJAR_SYSROOT", folder, 1);
    const char *wanted = getenv("POWERCUTS");
    int         cuts   = wanted ? atoi(wanted) : 40;
    check_cuts(self, "power", cuts);
    check_cuts(self, "kill", cuts / 2);
    check_migration(self, cuts / 4);
    check_full_disk(self, cuts / 4);
    char command[400];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0, "cleaned up");
    return tap_done();
}
