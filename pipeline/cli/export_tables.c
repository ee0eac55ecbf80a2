/* export_tables.c: plain CSV, and the CSV that Timelapse imports. */
#include "pipeline/cli/export.h"

#include <stdio.h>
#include <string.h>

struct table {
    struct nj_export     *job;
    struct nj_export_file file;
    char                  last[NJ_DB_EVENT_ID]; /* event of the row before */
};

/* Counts events, not rows. True when this row begins a new one. */
static bool new_event(struct table *table, const struct nj_row *row)
{
    if (!strcmp(table->last, nj_row_text(row, "event_id")))
        return false;
    snprintf(table->last, sizeof table->last, "%s", nj_row_text(row, "event_id"));
    return true;
}

static void add_value(struct nj_text *text, const struct nj_row *row, const char *name)
{
    const struct nj_db_value *value = nj_row_value(name, row->names, row->values, row->count);
    nj_text_add(text, ",");
    if (value->type == NJ_DB_INTEGER)
        nj_text_addf(text, "%lld", (long long)value->integer);
    else if (value->type == NJ_DB_REAL)
        nj_text_add_number(text, value->real);
    else
        nj_export_cell(text, value->text);
}

static void add_time(struct nj_text *text, const struct nj_row *row, const char *name)
{
    char    local[NJ_TIME_TEXT] = "";
    int64_t seconds             = nj_row_time(row, name);
    if (seconds != NJ_DB_NO_TIME)
        nj_time_local(seconds, local);
    nj_csv_cell(text, local);
}

static const char *const before_names[] = {"station", "card", "camera", "night"};
static const char *const after_names[]  = {"frame_count", "trigger", "state", "state_reason", "blank"};
static const char *const animal_names[] = {"count_bin",
                                           "count_min",
                                           "count_max",
                                           "standing",
                                           "resting",
                                           "moving",
                                           "eating",
                                           "interacting",
                                           "young_present",
                                           "confidence",
                                           "probability",
                                           "runner_up",
                                           "runner_up_probability",
                                           "decided_by",
                                           "by_whom",
                                           "review_status",
                                           "model",
                                           "finished_utc"};

static void add_values(struct nj_text *text, const struct nj_row *row, const char *const *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_value(text, row, columns[i]);
}

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static nj_status on_detection(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct table   *table = user;
    struct nj_row   row   = {names, values, count};
    struct nj_text *text  = &table->file.text;
    bool            first = new_event(table, &row);
    if (nj_export_hides(table->job, &row)) {
        table->job->people_left_out += first;
        return NJ_OK;
    }
    table->job->written += first;
    nj_text_add(text, nj_row_text(&row, "event_id"));
    add_values(text, &row, before_names, COUNT(before_names));
    add_time(text, &row, "started_at");
    add_time(text, &row, "ended_at");
    add_values(text, &row, after_names, COUNT(after_names));
    add_value(text, &row, "species");
    add_value(text, &row, "display_name");
    nj_csv_cell(text, nj_scientific_name(nj_row_text(&row, "species")));
    add_values(text, &row, animal_names, COUNT(animal_names));
    nj_text_add(text, "\r\n");
    return nj_export_flush(table->job, &table->file);
}

nj_status nj_export_csv(struct nj_export *job)
{
    struct table table  = {.job = job};
    nj_status    status = nj_export_begin(job, job->output, &table.file);
    if (status != NJ_OK)
        return status;
    nj_text_add(
        &table.file.text,
        "event_id,station,card,camera,night,started_at,ended_at,frame_count,trigger,state,state_reason,blank,species,display_name,"
        "scientific_name,count_bin,count_min,count_max,standing,resting,moving,eating,interacting,young_present,confidence,probability,"
        "runner_up,runner_up_probability,decided_by,by_whom,review_status,model,finished_utc\r\n");
    status = nj_export_select(job, "event_detections", NULL, on_detection, &table);
    return nj_export_end(job, &table.file, status);
}

/* ---- Timelapse ---- */

/* What the model or a ranger saw in the event, for each of its pictures. */
struct seen {
    struct nj_text species, counts, behaviours;
    bool           young;
    char           confidence[8];
    double         probability; /* the least sure */
};

static nj_status on_seen(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    static const char *const words[] = {"standing", "resting", "moving", "eating", "interacting"};
    struct seen             *seen    = user;
    struct nj_row            row     = {names, values, count};
    const char              *between = seen->species.length ? ";" : "";
    nj_text_addf(&seen->species, "%s%s", between, nj_row_text(&row, "species"));
    nj_text_addf(&seen->counts, "%s%s", between, nj_row_text(&row, "count_bin"));
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (nj_row_number(&row, words[i]))
            nj_text_addf(&seen->behaviours, "%s%s", seen->behaviours.length ? ";" : "", words[i]);
    seen->young |= nj_row_number(&row, "young_present") != 0;
    if (!seen->confidence[0])
        snprintf(seen->confidence, sizeof seen->confidence, "%s", nj_row_text(&row, "confidence"));
    if (nj_row_is_set(&row, "probability") && nj_row_real(&row, "probability") < seen->probability)
        seen->probability = nj_row_real(&row, "probability");
    return NJ_OK;
}

/* Timelapse looks for pictures below the folder of its template: RelativePath with backslashes, File alone. */
static void add_place(struct nj_text *text, const char *path)
{
    const char    *slash  = strrchr(path, '/');
    struct nj_text folder = {0};
    for (const char *at = path; slash && at < slash; at++)
        nj_text_addf(&folder, "%c", *at == '/' ? '\\' : *at);
    nj_export_cell(text, slash ? slash + 1 : path);
    nj_csv_cell(text, folder.data);
    text->failed |= folder.failed;
    nj_text_free(&folder);
}

static void add_seen(struct nj_text *text, const struct nj_row *row, const struct seen *seen)
{
    nj_csv_cell(text, nj_row_is_set(row, "blank") ? (nj_row_number(row, "blank") ? "true" : "false") : "");
    nj_csv_cell(text, seen->species.data);
    nj_csv_cell(text, seen->counts.data);
    nj_csv_cell(text, seen->behaviours.data);
    nj_csv_cell(text, seen->young ? "true" : "false");
    nj_csv_cell(text, seen->confidence);
    nj_text_add(text, ",");
    if (seen->probability <= 1)
        nj_text_add_number(text, seen->probability);
    nj_csv_cell(text, !strcmp(nj_row_text(row, "review_status"), "open") ? "true" : "false");
    nj_csv_cell(text, nj_row_text(row, "decided_by"));
}

static nj_status on_frame(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct table   *table              = user;
    struct nj_row   row                = {names, values, count};
    struct nj_text *text               = &table->file.text;
    struct seen     seen               = {.probability = 2};
    char            time[NJ_TIME_TEXT] = "";
    bool            first              = new_event(table, &row);
    if (nj_export_hides(table->job, &row)) {
        table->job->people_left_out += first;
        return NJ_OK;
    }
    table->job->written += first;
    nj_status status = nj_export_select(table->job, "detections", nj_row_text(&row, "event_id"), on_seen, &seen);
    if (nj_row_time(&row, "taken_at") != NJ_DB_NO_TIME) {
        nj_time_local(nj_row_time(&row, "taken_at"), time);
        time[10] = ' ';
    }
    add_place(text, nj_row_text(&row, "path"));
    nj_csv_cell(text, time);
    nj_csv_cell(text, "false");
    add_seen(text, &row, &seen);
    nj_csv_cell(text, nj_row_text(&row, "event_id"));
    nj_csv_cell(text, nj_row_text(&row, "card"));
    nj_text_add(text, "\r\n");
    text->failed |= seen.species.failed || seen.counts.failed || seen.behaviours.failed;
    nj_text_free(&seen.species);
    nj_text_free(&seen.counts);
    nj_text_free(&seen.behaviours);
    return status == NJ_OK ? nj_export_flush(table->job, &table->file) : status;
}

nj_status nj_export_timelapse(struct nj_export *job)
{
    struct table table  = {.job = job};
    nj_status    status = nj_export_begin(job, job->output, &table.file);
    if (status != NJ_OK)
        return status;
    nj_text_add(&table.file.text,
                "File,RelativePath,DateTime,DeleteFlag,Empty,Species,Count,Behaviour,Young,Confidence,Probability,Review,DecidedBy,"
                "EventID,Card\r\n");
    status = nj_export_select(job, "event_frames", NULL, on_frame, &table);
    return nj_export_end(job, &table.file, status);
}
