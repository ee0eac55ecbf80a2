/* export_megadetector.c: the JSON that MegaDetector's tools and Timelapse read (format 1.4).
 *
 * The model looks at whole bursts and gives no boxes, so that each detection is the whole picture; what it saw stands as classifications beneath it.
 * A picture that was not read has a failure with the reason. */
#include "base/json.h"
#include "pipeline/cli/export.h"
#include "pipeline/sentinel/species.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANIMAL "1"
#define PERSON "2"

struct output {
    struct nj_export     *job;
    struct nj_export_file file;
    char                  last[NJ_DB_EVENT_ID];
    bool                  begun;
};

/* jansson writes 1.0 for the double 1: the format asks for a float. */
static json_t *animal(const char *label, double probability, const char *runner_up, double runner_up_probability)
{
    json_t *classes = json_array();
    int     index = nj_species_index(label), next = nj_species_index(runner_up);
    char    number[16];
    snprintf(number, sizeof number, "%d", index);
    if (index >= 0)
        json_array_append_new(classes, json_pack("[s, f]", number, probability));
    snprintf(number, sizeof number, "%d", next);
    if (next >= 0 && runner_up_probability > 0 && runner_up_probability <= probability)
        json_array_append_new(classes, json_pack("[s, f]", number, runner_up_probability));
    json_t *out = json_pack("{s:s, s:f, s:[f, f, f, f]}", "category", ANIMAL, "conf", probability, "bbox", 0.0, 0.0, 1.0, 1.0);
    if (json_array_size(classes))
        json_object_set(out, "classifications", classes);
    json_decref(classes);
    return out;
}

static nj_status on_detection(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct nj_row row    = {names, values, count};
    bool          ranger = !strcmp(nj_row_text(&row, "decided_by"), "ranger");
    double        sure   = ranger ? 1.0 : nj_row_is_set(&row, "probability") ? nj_row_real(&row, "probability") : 0.5;
    json_array_append_new(user, animal(nj_row_text(&row, "species"), sure, ranger ? "" : nj_row_text(&row, "runner_up"),
                                       nj_row_real(&row, "runner_up_probability")));
    return NJ_OK;
}

static json_t *picture(struct output *out, const struct nj_row *row, nj_status *status)
{
    struct nj_text file  = {0};
    json_t        *image = json_object();
    int64_t        taken = nj_row_time(row, "taken_at");
    nj_text_addf(&file, "%s/%s", nj_row_text(row, "card"), nj_row_text(row, "path"));
    json_object_set_new(image, "file", json_string(file.data ? file.data : ""));
    nj_text_free(&file);
    if (taken != NJ_DB_NO_TIME) {
        char time[NJ_TIME_TEXT];
        nj_time_local(taken, time);
        for (char *at = time; *at; at++)
            *at = *at == 'T' ? ' ' : at - time < 10 && *at == '-' ? ':' : *at;
        json_object_set_new(image, "datetime", json_string(time));
    }
    if (strcmp(nj_row_text(row, "state"), "done") != 0) {
        const char *reason = nj_row_text(row, "state_reason");
        bool        tried  = !strcmp(nj_row_text(row, "state"), "failed");
        json_object_set_new(image, "failure",
                            json_sprintf("%s%s%s", tried ? "not understood" : "not read yet", *reason ? ": " : "", reason));
        json_object_set_new(image, "detections", json_null());
        return image;
    }
    json_t *detections = json_array();
    *status            = nj_export_select(out->job, "detections", nj_row_text(row, "event_id"), on_detection, detections);
    if (nj_row_number(row, "people"))
        json_array_append_new(detections,
                              json_pack("{s:s, s:f, s:[f, f, f, f]}", "category", PERSON, "conf", 1.0, "bbox", 0.0, 0.0, 1.0, 1.0));
    json_object_set_new(image, "detections", detections);
    return image;
}

static nj_status on_frame(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct output *out    = user;
    struct nj_row  row    = {names, values, count};
    nj_status      status = NJ_OK;
    bool           first  = strcmp(out->last, nj_row_text(&row, "event_id")) != 0;
    snprintf(out->last, sizeof out->last, "%s", nj_row_text(&row, "event_id"));
    if (nj_export_hides(out->job, &row)) {
        out->job->people_left_out += first;
        return NJ_OK;
    }
    out->job->written += first;
    json_t *image = picture(out, &row, &status);
    char   *text  = json_dumps(image, JSON_COMPACT | JSON_REAL_PRECISION(6));
    if (text)
        nj_text_addf(&out->file.text, "%s\n%s", out->begun ? "," : "", text);
    else
        out->file.text.failed = true;
    out->begun = true;
    free(text);
    json_decref(image);
    return status == NJ_OK ? nj_export_flush(out->job, &out->file) : status;
}

static void add_head(struct nj_text *text)
{
    char                   now[NJ_TIME_TEXT];
    const struct nj_clock *clock = nj_clock_system();
    nj_time_utc(clock->wall_ms(clock->self), now);
    now[10] = ' ';
    now[19] = 0;
    nj_text_addf(text, "{\"info\": {\"format_version\": \"1.4\", \"detector\": \"nightjar %s\", \"detection_completion_time\": \"%s\"},\n",
                 NJ_VERSION, now);
    nj_text_add(text, "\"detection_categories\": {\"" ANIMAL "\": \"animal\", \"" PERSON "\": \"person\", \"3\": \"vehicle\"},\n"
                      "\"classification_categories\": {");
    for (int i = 0; i < NJ_SPECIES_COUNT; i++)
        nj_text_addf(text, "%s\"%d\": \"%s\"", i ? ", " : "", i, nj_species[i].label);
    nj_text_add(text, "},\n\"images\": [");
}

nj_status nj_export_megadetector(struct nj_export *job)
{
    struct output out    = {.job = job};
    nj_status     status = nj_export_begin(job, job->output, &out.file);
    if (status != NJ_OK)
        return status;
    add_head(&out.file.text);
    status = nj_export_select(job, "event_frames", NULL, on_frame, &out);
    nj_text_add(&out.file.text, "\n]}\n");
    return nj_export_end(job, &out.file, status);
}
