/* cmd_review.c: the queue of events that a person should look at, and what the person says. The model's answer is kept beside it. */
#include "pipeline/cli/arguments.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/correction.h"
#include "pipeline/cli/event_page.h"
#include "pipeline/cli/login.h"
#include "pipeline/cli/open_database.h"
#include "pipeline/cli/table.h"
#include "pipeline/cli/thumbnail.h"
#include "pipeline/sentinel/species.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define THUMBNAIL_COLUMNS 72

static enum nj_paint paint_priority(const struct nj_db_value *value)
{
    return !strcmp(value->text, "high") ? NJ_RED : !strcmp(value->text, "medium") ? NJ_YELLOW : NJ_DIM;
}

static enum nj_paint paint_status(const struct nj_db_value *value)
{
    return !strcmp(value->text, "open") ? NJ_PLAIN : NJ_GREEN;
}

static const char *if_empty(const char *column, const struct nj_row *row)
{
    (void)row;
    return !strcmp(column, "species") ? "no animal" : "";
}

static const struct nj_column queue_columns[] = {
    {"event_id", "EVENT", 12, NULL},
    {"priority", "PRIORITY", 8, paint_priority},
    {"started_at", "TIME", 19, NULL},
    {"species", "SPECIES", 24, NULL},
    {"status", "STATUS", 9, paint_status},
    {"reasons", "WHY", 40, NULL},
    {NULL, NULL, 0, NULL},
};

struct options {
    const char *by, *note, *night, *status;
    int64_t     limit;
    bool        json, csv;
};

/* ---- list and show ---- */

static nj_status list(struct nj_cli *cli, const struct options *options)
{
    struct nj_db      *db;
    struct nj_output   output = {.form     = options->json  ? NJ_FORM_JSON
                                             : options->csv ? NJ_FORM_CSV
                                                            : NJ_FORM_TABLE,
                                 .columns  = queue_columns,
                                 .if_empty = if_empty};
    struct nj_db_query query  = {.view = "review_queue", .night = options->night, .limit = options->limit, .names_first = true};
    query.state               = options->status && !strcmp(options->status, "all") ? NULL : options->status ? options->status : "open";
    nj_status status          = nj_database_open(cli, NJ_DB_READ, &db);
    if (status == NJ_OK)
        status = nj_db_select(db, &query, nj_output_row, &output, &cli->error);
    if (status == NJ_OK && output.form == NJ_FORM_TABLE)
        fprintf(stderr, "%llu event%s. `nightjar review show ID` shows one.\n", (unsigned long long)output.rows,
                output.rows == 1 ? "" : "s");
    nj_db_close(db);
    return status;
}

struct first_frame {
    char place[4096];
};

static nj_status on_frame(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct first_frame *first = user;
    if (!first->place[0])
        snprintf(first->place, sizeof first->place, "%s", nj_row_value("place", names, values, count)->text);
    return NJ_OK;
}

/* Opens the picture in the viewer of the desktop; false where there is no desktop. */
static bool open_viewer(const char *path)
{
    const char *display = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    if (!isatty(STDOUT_FILENO) || ((!display || !*display) && (!wayland || !*wayland)))
        return false;
    pid_t child = fork();
    if (child == 0) {
        execlp("xdg-open", "xdg-open", path, (char *)NULL);
        _exit(127);
    }
    int status;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void print_thumbnail(const char *path)
{
    struct nj_worker *worker;
    struct nj_picture picture = {0};
    struct nj_text    text    = {0};
    struct nj_error   error   = {0};
    nj_status         status  = nj_worker_open(NULL, &worker, &error);
    if (status != NJ_OK) {
        printf("(%s)\n", error.text);
        return;
    }
    status = nj_thumbnail(worker, path, THUMBNAIL_COLUMNS, &picture, &error);
    if (status == NJ_OK)
        nj_thumbnail_text(&picture, *nj_paint(NJ_PLAIN) != 0, &text);
    else
        nj_text_add_visible(&text, error.text);
    printf("%s%s", text.data ? text.data : "", status == NJ_OK ? "" : "\n");
    nj_text_free(&text);
    nj_picture_free(&picture);
    nj_worker_close(worker);
}

static nj_status whole_id(struct nj_db *db, const char *wanted, int64_t *event, char id[NJ_DB_EVENT_ID], struct nj_error *error)
{
    nj_status status = nj_db_event_find(db, wanted, event, error);
    return status == NJ_OK ? nj_db_event_id(db, *event, id, error) : status;
}

static nj_status show(struct nj_cli *cli, const char *wanted, const struct options *options)
{
    struct nj_db      *db;
    struct first_frame first = {0};
    char               id[NJ_DB_EVENT_ID];
    int64_t            event;
    nj_status          status = nj_database_open(cli, NJ_DB_READ, &db);
    if (status == NJ_OK)
        status = whole_id(db, wanted, &event, id, &cli->error);
    if (status == NJ_OK && (options->json || options->csv)) {
        struct nj_output   output = {.form = options->json ? NJ_FORM_JSON : NJ_FORM_CSV, .columns = queue_columns};
        struct nj_db_query query  = {.view = "review_queue", .event_id = id, .names_first = true};
        status                    = nj_db_select(db, &query, nj_output_row, &output, &cli->error);
    } else if (status == NJ_OK) {
        struct nj_db_query frames = {.view = "frames", .event_id = id};
        status                    = nj_event_page(db, id, false, &cli->error);
        if (status == NJ_OK)
            status = nj_db_select(db, &frames, on_frame, &first, &cli->error);
        if (status == NJ_OK && first.place[0] && !open_viewer(first.place))
            print_thumbnail(first.place);
    }
    nj_db_close(db);
    return status;
}

/* ---- decide ---- */

/* What holds now, from the store's rows. */
struct present {
    struct nj_correction   correction;
    struct nj_event_record record;
    char                   site[64], time[32], model_json[65536];
};

static enum nj_answer answer_of(const struct nj_db_value *value)
{
    return value->type == NJ_DB_NULL ? NJ_UNSAID : value->integer ? NJ_YES : NJ_NO;
}

static nj_status on_detection(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct nj_event *event = &((struct present *)user)->correction.event;
    if (event->detection_count < NJ_MAX_DETECTIONS)
        nj_detection_from_row(&(struct nj_row){names, values, count}, &event->detections[event->detection_count++]);
    return NJ_OK;
}

static nj_status on_event(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct present *now = user;
    snprintf(now->time, sizeof now->time, "%s", nj_row_value("started_at", names, values, count)->text);
    now->record.frame_count     = (unsigned)nj_row_value("frame_count", names, values, count)->integer;
    now->record.hour            = now->time[0] ? (now->time[11] - '0') * 10 + now->time[12] - '0' : -1;
    now->correction.people      = nj_row_value("people", names, values, count)->type == NJ_DB_NULL
                                      ? NJ_DB_UNKNOWN
                                      : (int)nj_row_value("people", names, values, count)->integer;
    now->correction.event.blank = answer_of(nj_row_value("blank", names, values, count));
    return NJ_OK;
}

/* The dialect of the model's record, and the site that it names, so that a correction looks like what it corrects. */
static nj_status on_model_answer(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct present           *now  = user;
    const struct nj_db_value *json = nj_row_value("json", names, values, count);
    struct nj_event           event;
    json_t                   *document;
    if (json->type != NJ_DB_TEXT || nj_json_parse("record", json->text, json->text_size, &document, NULL) != NJ_OK)
        return NJ_OK;
    if (nj_event_from_json(document, &event, NULL) == NJ_OK)
        now->correction.event.dialect = event.dialect;
    const char *site = json_string_value(json_object_get(json_object_get(document, "event"), "site_id"));
    if (site)
        snprintf(now->site, sizeof now->site, "%s", site);
    json_decref(document);
    return NJ_OK;
}

static nj_status read_present(struct nj_cli *cli, struct nj_db *db, const char *id, struct present *now)
{
    now->correction.event.dialect = NJ_DIALECT_LIVE;
    snprintf(now->site, sizeof now->site, "%s", cli->conf.station.site);
    struct nj_db_query query  = {.view = "event_details", .event_id = id};
    nj_status          status = nj_db_select(db, &query, on_event, now, &cli->error);
    query.view                = "detections";
    if (status == NJ_OK)
        status = nj_db_select(db, &query, on_detection, now, &cli->error);
    query.view = "model_answers";
    if (status == NJ_OK)
        status = nj_db_select(db, &query, on_model_answer, now, &cli->error);
    now->record.event_id       = id;
    now->record.site_id        = now->site;
    now->record.local_datetime = now->time;
    return status;
}

static nj_status correct(struct nj_cli *cli, struct nj_db *db, const char *id, int64_t event, struct nj_db_review *review, char **words,
                         int count)
{
    struct present        *now = calloc(1, sizeof *now);
    struct nj_db_detection detections[NJ_MAX_DETECTIONS];
    struct nj_text         fields   = {0};
    json_t                *document = NULL;
    char                  *json     = NULL;
    nj_status              status   = now ? read_present(cli, db, id, now) : nj_fail(&cli->error, "no memory");
    for (int i = 0; status == NJ_OK && i < count; i++) {
        nj_text_addf(&fields, "%s%s", i ? "\n" : "", words[i]);
        status = nj_correct(&now->correction, words[i], &cli->error);
    }
    if (status == NJ_OK)
        status = nj_correct_end(&now->correction, &cli->error);
    if (status != NJ_OK)
        goto cleanup;
    document = nj_decided_record(&now->correction.event, &now->record, 0, "decided by a ranger");
    json     = document ? json_dumps(document, JSON_COMPACT) : NULL;
    if (!json || fields.failed) {
        status = nj_fail(&cli->error, "%s: no memory for the record", id);
        goto cleanup;
    }
    nj_corrected_detections(&now->correction.event, detections);
    review->fields          = fields.data;
    review->json            = json;
    review->detections      = detections;
    review->detection_count = now->correction.event.detection_count;
    review->blank           = now->correction.event.blank == NJ_YES;
    review->people          = now->correction.people;
    if (now->correction.note[0])
        review->notes = now->correction.note;
    status = nj_db_review(db, event, review, &cli->error);
cleanup:
    free(json);
    json_decref(document);
    nj_text_free(&fields);
    free(now);
    return status;
}

/* One decision about each id; all of them or, after a mistake, none. */
static nj_status decide(struct nj_cli *cli, enum nj_db_review_action action, char **words, int count, const struct options *options)
{
    static const char *const done[] = {"accepted", "corrected", "put first in the queue", "undone"};
    struct nj_db            *db;
    nj_status                status = nj_database_open(cli, NJ_DB_WRITE, &db);
    if (status == NJ_OK)
        status = nj_db_begin(db, &cli->error);
    int ids = action == NJ_DB_CORRECT ? 1 : count;
    for (int i = 0; status == NJ_OK && i < ids; i++) {
        struct nj_db_review review = {.action = action, .by = nj_login(options->by), .notes = options->note, .people = NJ_DB_UNKNOWN};
        char                id[NJ_DB_EVENT_ID];
        int64_t             event;
        status = whole_id(db, words[i], &event, id, &cli->error);
        if (status == NJ_OK)
            status = action == NJ_DB_CORRECT ? correct(cli, db, id, event, &review, words + 1, count - 1)
                                             : nj_db_review(db, event, &review, &cli->error);
        if (status != NJ_OK && !strstr(cli->error.text, words[i]))
            nj_error_prefix(&cli->error, "%s", words[i]);
    }
    if (status == NJ_OK)
        status = nj_db_commit(db, &cli->error);
    nj_db_close(db); /* takes an open transaction back */
    if (status == NJ_OK)
        fprintf(stderr, "%d event%s %s by %s\n", ids, ids == 1 ? "" : "s", done[action], nj_login(options->by));
    return status;
}

int nj_cmd_review(struct nj_cli *cli, int argc, char **argv)
{
    struct options           options   = {0};
    const struct nj_argument table[]   = {{"--by", NJ_ARG_TEXT, &options.by},        {"--note", NJ_ARG_TEXT, &options.note},
                                          {"--night", NJ_ARG_NIGHT, &options.night}, {"--status", NJ_ARG_TEXT, &options.status},
                                          {"--limit", NJ_ARG_COUNT, &options.limit}, {"--json", NJ_ARG_FLAG, &options.json},
                                          {"--csv", NJ_ARG_FLAG, &options.csv},      {NULL, 0, NULL}};
    static const char *const actions[] = {"accept", "correct", "escalate", "undo"};
    int                      words     = nj_arguments(argc, argv, table);
    if (words < 0)
        return NJ_EXIT_USAGE;
    if (options.status && !nj_list_has("open,accepted,corrected,all", options.status))
        return nj_usage(argv[0], "--status %s: one of open, accepted, corrected, all is expected", options.status);
    if (words == 1 || !strcmp(argv[1], "list"))
        return nj_exit(list(cli, &options));
    if (!strcmp(argv[1], "show"))
        return words == 3 ? nj_exit(show(cli, argv[2], &options)) : nj_usage(argv[0], "show: which event? one ID is expected");
    for (int i = 0; i < 4; i++) {
        if (strcmp(argv[1], actions[i]) != 0)
            continue;
        if (words < 3)
            return nj_usage(argv[0], "%s: which event? an ID is expected", actions[i]);
        if (i == NJ_DB_CORRECT && words < 4)
            return nj_usage(argv[0], "correct: what is right? FIELD=VALUE is expected, such as species=zebra");
        return nj_exit(decide(cli, (enum nj_db_review_action)i, argv + 2, words - 2, &options));
    }
    return nj_usage(argv[0], "%s: no such word; list, show, accept, correct, escalate or undo", argv[1]);
}
