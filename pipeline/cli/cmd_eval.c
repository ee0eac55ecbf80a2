/* cmd_eval.c: answers scored against labels. A row of LABELS.jsonl is one event:
 *   {"files": […], "blank": …, "detections": [{"species","bin","behaviors","young"}], …}   read with the model (paths below --card, or below the
 *                                                                                        file's own name without .truth.jsonl)
 *   {"raw": "text of an answer", "label": {…}}                                          scored as it stands; without a label only its form counts; a review may
 *                                                                                        have {"review_needed": …} as its label */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/eval_groups.h"
#include "pipeline/cli/open_model.h"
#include "pipeline/sentinel/answer.h"
#include "pipeline/sentinel/reader.h"
#include "pipeline/sentinel/score.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LABELS  (256u << 20)
#define MAX_PICTURE (64u << 20)

struct evaluation {
    struct nj_cli        *cli;
    const char           *labels, *model;
    char                  card[4096];
    bool                  exact;
    int64_t               limit;
    struct nj_score      *score;
    struct nj_eval_groups groups;
    const char           *task, *mode; /* only these rows; NULL: all */
    struct nj_text        each;        /* one line an event, when asked for */
    bool                  show_each;
    const char           *calibrate; /* file to write, or NULL */
    struct {
        struct nj_outcome *data;
        size_t             count, room;
    } outcomes; /* one a species that the model named */
    /* opened for the first row that needs them */
    struct nj_cli_tokenizer tokenizer;
    struct nj_weights      *weights;
    struct nj_pool         *pool;
    struct nj_vocabulary   *vocabulary;
    struct nj_engine       *engine;
    struct nj_reader       *reader;
};

static nj_status open_reader(struct evaluation *e, struct nj_error *error)
{
    if (e->reader)
        return NJ_OK;
    struct nj_engine_options options = {.arithmetic = e->exact ? NJ_EXACT : nj_station_arithmetic(e->cli->conf.model.power_saver)};
    nj_status                status  = nj_weights_open(e->model, NULL, &e->weights, error);
    if (status == NJ_OK)
        status = nj_cli_tokenizer_open(e->model, &e->tokenizer, error);
    if (status == NJ_OK)
        status = nj_vocabulary_open(e->tokenizer.tokenizer, &e->vocabulary, error);
    if (status == NJ_OK)
        status = nj_pool_open((unsigned)e->cli->conf.model.threads, &e->pool, error);
    options.pool = e->pool;
    if (status == NJ_OK)
        status = nj_engine_open(e->weights, &options, &e->engine, error);
    if (status == NJ_OK)
        status = nj_reader_open(e->engine, e->tokenizer.tokenizer, e->vocabulary, &e->cli->conf, e->model, &e->reader, error);
    return status;
}

static void close_reader(struct evaluation *e)
{
    nj_reader_close(e->reader);
    nj_engine_close(e->engine);
    nj_pool_close(e->pool);
    nj_vocabulary_close(e->vocabulary);
    nj_cli_tokenizer_close(&e->tokenizer);
    nj_weights_close(e->weights);
}

static enum nj_answer yes(const json_t *value)
{
    return json_is_true(value) ? NJ_YES : json_is_false(value) ? NJ_NO : NJ_UNSAID;
}

/* A label in our own form, or an answer in one of the dialects. */
static nj_status read_label(const json_t *from, struct nj_event *out, struct nj_error *error)
{
    const json_t *detections = json_object_get(from, "detections");
    if (json_object_get(from, "event") && json_is_object(json_object_get(from, "event")))
        return nj_event_from_json(from, out, error);
    *out = (struct nj_event){.blank = yes(json_object_get(from, "blank"))};
    if (out->blank == NJ_UNSAID || !json_is_array(detections))
        return nj_fail(error, "a label needs \"blank\" and \"detections\"");
    for (size_t i = 0; i < json_array_size(detections) && i < NJ_MAX_DETECTIONS; i++) {
        const json_t        *d       = json_array_get(detections, i);
        struct nj_detection *want    = &out->detections[out->detection_count++];
        const char          *species = json_string_value(json_object_get(d, "species")), *group;
        const json_t        *bin     = json_object_get(d, "bin") ? json_object_get(d, "bin") : json_object_get(d, "count_bin");
        const json_t        *young   = json_object_get(d, "young") ? json_object_get(d, "young") : json_object_get(d, "young_present");
        if (!species)
            return nj_fail(error, "/detections/%zu/species: a string is expected", i);
        *want = (struct nj_detection){.species = nj_species_from_words(species, &group),
                                      .bin     = json_is_string(bin) ? nj_count_bin_index(json_string_value(bin)) : -1,
                                      .young   = yes(young)};
        if (want->species < 0)
            return nj_fail(error, "/detections/%zu/species: %s is none of the labels", i, species);
        for (int b = 0; b < NJ_BEHAVIORS; b++)
            want->behavior[b] = yes(json_object_get(json_object_get(d, "behaviors"), nj_behavior_names[b]));
    }
    return NJ_OK;
}

/* The label of a row, as far as it has one: an event, or only whether it needs review. */
static nj_status read_row_label(const json_t *row, struct nj_event *event, bool *has_event, enum nj_answer *review, struct nj_error *error)
{
    const json_t *from   = json_object_get(row, "label") ? json_object_get(row, "label") : json_object_get(row, "target");
    nj_status     status = NJ_OK;
    *review              = yes(json_object_get(from, "review_needed"));
    *has_event           = from && (*review == NJ_UNSAID || json_object_get(from, "detections"));
    if (*has_event)
        status = read_label(from, event, error);
    if (*has_event && status == NJ_OK && *review == NJ_UNSAID)
        *review = event->review_needed;
    return status;
}

/* One line: what the row calls itself, and the authors' flags as they publish them. */
static void note_flags(struct evaluation *e, const json_t *row, bool valid, const enum nj_answer flags[NJ_AUTHORS_FLAGS])
{
    const char *id = json_string_value(json_object_get(row, "sample_id"));
    nj_text_addf(&e->each, "%s\t{\"json_valid\": %s", id ? id : "", valid ? "true" : "false");
    for (int i = 0; i < NJ_AUTHORS_FLAGS; i++)
        if (flags[i] != NJ_UNSAID)
            nj_text_addf(&e->each, ", \"%s\": %s", nj_authors_names[i], flags[i] == NJ_YES ? "true" : "false");
    nj_text_add(&e->each, "}\n");
}

static nj_status score_text(struct evaluation *e, const json_t *row, const json_t *raw, struct nj_error *error)
{
    struct nj_event       label;
    struct nj_answer_text answer;
    enum nj_answer        flags[NJ_AUTHORS_FLAGS], review;
    bool                  has_label;
    const char           *text = json_string_value(raw), *scorer = json_string_value(json_object_get(row, "scorer"));
    const size_t          size   = json_string_length(raw);
    nj_status             status = read_row_label(row, &label, &has_label, &review, error);
    if (status != NJ_OK)
        return status;
    nj_answer_read(text, size, &answer);
    json_t *document = nj_authors_document(scorer, text, size);
    nj_authors_score(&(struct nj_authors_row){.scorer   = scorer,
                                              .task     = *nj_eval_task(row) ? nj_eval_task(row) : NULL,
                                              .document = document,
                                              .label    = has_label ? &label : NULL,
                                              .review   = review},
                     flags);
    nj_eval_groups_add(&e->groups, row, answer.strict, document != NULL);
    nj_score_add(e->score, &(struct nj_score_row){.label            = has_label ? &label : NULL,
                                                  .label_review     = review == NJ_YES,
                                                  .label_has_review = review != NJ_UNSAID,
                                                  .answer           = answer.outcome == NJ_ANSWER_READ ? &answer.event : NULL,
                                                  .strict_json      = answer.strict,
                                                  .authors_valid    = document != NULL,
                                                  .authors          = flags});
    if (e->show_each)
        note_flags(e, row, document != NULL, flags);
    json_decref(document);
    nj_answer_free(&answer);
    return NJ_OK;
}

static nj_status load_picture(const char *folder, const char *name, struct nj_picture *out, struct nj_error *error)
{
    char     path[8192];
    uint8_t *bytes;
    size_t   size;
    if (!nj_path_join(path, sizeof path, folder, name))
        return nj_fail(error, "%s: the path is too long", name);
    nj_status status = nj_file_read(path, MAX_PICTURE, &bytes, &size, error);
    if (status != NJ_OK)
        return status;
    status = nj_picture_decode(path, bytes, size, false, out, error);
    free(bytes);
    return status;
}

static void note(struct evaluation *e, const char *id, const struct nj_event *label, const struct nj_reading *reading)
{
    nj_text_addf(&e->each, "%s\t", id);
    for (unsigned i = 0; i < label->detection_count; i++)
        nj_text_addf(&e->each, "%s%s", i ? "," : "", nj_species[label->detections[i].species].label);
    nj_text_add(&e->each, label->detection_count ? "\t" : "blank\t");
    for (unsigned i = 0; i < reading->event.detection_count; i++)
        nj_text_addf(&e->each, "%s%s %.3f", i ? "," : "", reading->event.detections[i].species_text, reading->species_calibrated[i]);
    nj_text_addf(&e->each, "%s\n", reading->event.detection_count ? "" : "blank");
}

static bool labelled(const struct nj_event *label, int species)
{
    for (unsigned i = 0; i < label->detection_count; i++)
        if (label->detections[i].species == species)
            return true;
    return false;
}

static nj_status keep_outcomes(struct evaluation *e, const struct nj_event *label, const struct nj_reading *reading, struct nj_error *error)
{
    for (unsigned i = 0; i < reading->event.detection_count; i++) {
        if (isnan(reading->species_probability[i]))
            continue;
        if (e->outcomes.count == e->outcomes.room) {
            size_t             room  = 2 * e->outcomes.room + 64;
            struct nj_outcome *grown = realloc(e->outcomes.data, room * sizeof *grown);
            if (!grown)
                return nj_fail(error, "no memory for %zu events", room);
            e->outcomes.data = grown;
            e->outcomes.room = room;
        }
        e->outcomes.data[e->outcomes.count++] =
            (struct nj_outcome){reading->species_probability[i], labelled(label, reading->event.detections[i].species)};
    }
    return NJ_OK;
}

/* Fits, says what it is worth, writes. The error after is that of events that the table had not seen. */
static nj_status calibrate(struct evaluation *e, struct nj_error *error)
{
    struct nj_calibration table;
    double                before = nj_calibration_error(NULL, e->outcomes.data, e->outcomes.count), after;
    nj_status             status = nj_calibration_cross_error(e->outcomes.data, e->outcomes.count, &after, error);
    if (status == NJ_OK)
        status = nj_calibration_fit(e->outcomes.data, e->outcomes.count, &table, error);
    if (status == NJ_OK)
        status = nj_calibration_write(e->calibrate, &table, error);
    if (status == NJ_OK)
        nj_log(NJ_LOG_INFO,
               "%s: %zu species, %zu steps; calibration error %.3f as stated, %.3f with the table (each fifth judged by the others)",
               e->calibrate, e->outcomes.count, table.count, before, after);
    return status;
}

static nj_status score_event(struct evaluation *e, const json_t *row, unsigned number, struct nj_error *error)
{
    const json_t     *files                        = json_object_get(row, "files");
    const char       *time                         = json_string_value(json_object_get(row, "local_datetime"));
    struct nj_picture frames[NJ_READER_MAX_FRAMES] = {0};
    struct nj_reading reading                      = {0};
    struct nj_event   label;
    char              id[16];
    nj_status         status = read_label(row, &label, error);
    if (status == NJ_OK && (json_array_size(files) < 1 || json_array_size(files) > NJ_READER_MAX_FRAMES))
        status = nj_fail(error, "%zu files: 1 to %d are expected", json_array_size(files), NJ_READER_MAX_FRAMES);
    if (status == NJ_OK)
        status = open_reader(e, error);
    unsigned count = 0;
    for (; status == NJ_OK && count < json_array_size(files); count++)
        status = load_picture(e->card, json_string_value(json_array_get(files, count)), &frames[count], error);
    snprintf(id, sizeof id, "NJ%010u", number);
    struct nj_burst_input burst = {.record = {.event_id       = id,
                                              .site_id        = e->cli->conf.station.site,
                                              .local_datetime = time ? time : "",
                                              .hour           = time && strlen(time) >= 13 ? atoi(time + 11) : -1,
                                              .frame_count    = count},
                                   .frames = frames,
                                   .soft_tokens =
                                       e->cli->conf.model.soft_tokens ? (uint32_t)e->cli->conf.model.soft_tokens : NJ_GEMMA_SOFT_TOKENS};
    if (status == NJ_OK)
        status = nj_reader_read(e->reader, &burst, 1, &reading, error);
    if (status == NJ_OK) {
        enum nj_answer night  = nj_is_night(burst.record.hour);
        bool           review = (night == NJ_YES && label.detection_count) || label.detection_count > 1;
        for (unsigned i = 0; i < label.detection_count; i++)
            review |= label.detections[i].bin >= 10;
        struct nj_score_row scored = {.label            = &label,
                                      .label_review     = review,
                                      .label_has_review = true,
                                      .night            = night == NJ_YES,
                                      .answer           = &reading.event,
                                      .strict_json      = true,
                                      .authors_valid    = true,
                                      .probability      = reading.species_calibrated};
        nj_score_add(e->score, &scored);
        status = keep_outcomes(e, &label, &reading, error);
        if (e->show_each)
            note(e, time ? time : id, &label, &reading);
    }
    nj_reading_free(&reading);
    for (unsigned i = 0; i < NJ_READER_MAX_FRAMES; i++)
        nj_picture_free(&frames[i]);
    return status;
}

static nj_status score_rows(struct evaluation *e, const char *text, size_t size, struct nj_error *error)
{
    struct nj_progress progress;
    nj_status          status = NJ_OK;
    unsigned           lines = 0, number = 0, scored = 0;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    nj_progress_begin(&progress, "scoring", "events", e->limit && e->limit < lines ? (uint64_t)e->limit : lines);
    for (size_t at = 0; at < size && status == NJ_OK && !(e->limit && number >= e->limit);) {
        const char *end    = memchr(text + at, '\n', size - at);
        size_t      length = end ? (size_t)(end - text) - at : size - at;
        json_t     *row    = NULL;
        char        name[4200];
        snprintf(name, sizeof name, "%s:%u", e->labels, ++number);
        if (length) {
            status               = nj_json_parse(name, text + at, length, &row, error);
            const json_t *raw    = json_object_get(row, "raw") ? json_object_get(row, "raw") : json_object_get(row, "answer");
            bool          wanted = (!e->task || !strcmp(e->task, nj_eval_task(row))) && (!e->mode || !strcmp(e->mode, nj_eval_mode(row)));
            scored += wanted;
            if (status == NJ_OK && wanted)
                status = json_is_string(raw) ? score_text(e, row, raw, error) : score_event(e, row, number, error);
            if (status != NJ_OK && row)
                nj_error_prefix(error, "%s", name);
            json_decref(row);
        }
        at += length + 1;
        nj_progress_at(&progress, number);
    }
    nj_progress_end(&progress, number);
    if (status == NJ_OK && !scored)
        status = nj_fail(error, e->task || e->mode ? "%s: no row is of this --task and --mode" : "%s: no rows to score", e->labels);
    return status;
}

int nj_cmd_eval(struct nj_cli *cli, int argc, char **argv)
{
    static const struct option names[] = {{"model", required_argument, NULL, 'm'},
                                          {"card", required_argument, NULL, 'c'},
                                          {"limit", required_argument, NULL, 'l'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"each", no_argument, NULL, 'e'},
                                          {"exact", no_argument, NULL, 'x'},
                                          {"calibrate", required_argument, NULL, 'k'},
                                          {"task", required_argument, NULL, 't'},
                                          {"mode", required_argument, NULL, 'o'},
                                          {0}};
    struct evaluation          e       = {.cli = cli, .model = cli->conf.model.path};
    bool                       json    = false;
    char                      *text = NULL, *end = NULL;
    size_t                     size = 0;
    optind                          = 1;
    for (int option; (option = getopt_long(argc, argv, "m:", names, NULL)) != -1;) {
        if (option == 'm')
            e.model = optarg;
        else if (option == 'c')
            snprintf(e.card, sizeof e.card, "%s", optarg);
        else if (option == 'l')
            e.limit = strtoll(optarg, &end, 10);
        else if (option == 'j')
            json = true;
        else if (option == 'e')
            e.show_each = true;
        else if (option == 'k')
            e.calibrate = optarg;
        else if (option == 't')
            e.task = optarg;
        else if (option == 'o')
            e.mode = optarg;
        else if (option == 'x')
            e.exact = true;
        else
            return nj_usage("eval", "see above");
        if (option == 'l' && (end == optarg || *end || e.limit < 1))
            return nj_usage("eval", "--limit %s: a number from 1 is expected", optarg);
    }
    if (optind + 1 != argc)
        return nj_usage("eval", "one LABELS.jsonl is expected");
    e.labels = argv[optind];
    if (!e.card[0]) {
        size_t length = strlen(e.labels), suffix = strlen(".truth.jsonl");
        bool   drawn = length > suffix && !strcmp(e.labels + length - suffix, ".truth.jsonl");
        snprintf(e.card, sizeof e.card, "%.*s", (int)(drawn ? length - suffix : 0), e.labels);
        if (!drawn)
            snprintf(e.card, sizeof e.card, ".");
    }
    nj_status status = NJ_OK;
    e.score          = calloc(1, sizeof *e.score);
    if (!e.score)
        status = nj_fail(&cli->error, "no memory for a score");
    if (status == NJ_OK)
        status = nj_cli_read(e.labels, MAX_LABELS, &text, &size, &cli->error);
    if (status == NJ_OK)
        status = score_rows(&e, text, size, &cli->error);
    if (status == NJ_OK) {
        struct nj_text groups = {0};
        nj_eval_groups_json(&e.groups, &groups);
        if (json)
            nj_score_json(e.score, groups.data, &e.each);
        else {
            nj_score_print(e.score, &e.each);
            nj_eval_groups_print(&e.groups, &e.each);
        }
        nj_text_free(&groups);
        fwrite(e.each.data, 1, e.each.length, stdout);
    }
    if (status == NJ_OK && e.calibrate)
        status = calibrate(&e, &cli->error);
    close_reader(&e);
    free(e.outcomes.data);
    nj_text_free(&e.each);
    free(text);
    free(e.score);
    return nj_exit(status);
}
