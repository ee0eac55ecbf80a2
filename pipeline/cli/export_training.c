/* export_training.c: what rangers decided, as examples for the next adapter: FOLDER/training.jsonl, and FOLDER/images with metadata.jsonl.
 *
 * One event a line, and the same events in both files, because trainers want pictures named in one place only:
 *   training.jsonl         {"messages": [system, user, assistant]}; an image part names its file under "image", relative to FOLDER. For Unsloth, Axolotl.
 *   images/metadata.jsonl  {"images_file_names": [names], "messages": […]}; image parts are empty places. With it FOLDER/images is a Hugging Face
 *                          "imagefolder", whose column "images" holds the opened pictures. For TRL and scripts after the Gemma cookbook.
 * (Not side by side: Hugging Face takes a file named training.jsonl for the whole of a folder.) Content is always a list of parts, as chat templates of
 * vision models take it. The question is that of [sentinel] prompt, the answer what the ranger said, with review reasons by the rules. A picture whose
 * content is no longer what was read is not copied, and its event stays out. */
#include "base/json.h"
#include "pipeline/cli/correction.h"
#include "pipeline/cli/export.h"
#include "pipeline/sentinel/prompts.h"

#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#define PICTURE_LIMIT ((size_t)64 << 20)
#define IMAGES        "images/"

struct training {
    struct nj_export     *job;
    struct nj_export_file named, folder; /* training.jsonl, images/metadata.jsonl */
    int64_t               unreadable;
    char                  why[1024];
};

/* One event as it is put together. */
struct example {
    struct training       *training;
    char                   id[NJ_DB_EVENT_ID], time[32];
    struct nj_event        event;
    struct nj_event_record record;
    json_t                *images;
    bool                   failed; /* a picture is missing; the reason is in training->why */
};

static bool content_is(const uint8_t *bytes, size_t size, const char *hash)
{
    struct sha256_ctx sha;
    uint8_t           digest[SHA256_DIGEST_SIZE];
    char              hex[2 * SHA256_DIGEST_SIZE + 1];
    sha256_init(&sha);
    sha256_update(&sha, size, bytes);
    sha256_digest(&sha, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return !strcmp(hex, hash);
}

static nj_status on_frame(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct example *example = user;
    struct nj_row   row     = {names, values, count};
    const char     *place = nj_row_text(&row, "place"), *dot = strrchr(place, '.');
    char            name[128], path[4096];
    uint8_t        *bytes = NULL;
    size_t          size  = 0;
    struct nj_error error = {0};
    snprintf(name, sizeof name, IMAGES "%s_%" PRId64 ".%s", example->id, nj_row_number(&row, "frame_index"),
             dot && !strcasecmp(dot, ".png") ? "png" : "jpg");
    nj_status status = nj_file_read(place, PICTURE_LIMIT, &bytes, &size, &error);
    if (status == NJ_OK && !content_is(bytes, size, nj_row_text(&row, "hash")))
        status = nj_fail(&error, "%s: another picture lies there now", place);
    if (status != NJ_OK) {
        example->failed = true;
        memcpy(example->training->why, error.text, sizeof error.text);
        free(bytes);
        return NJ_OK;
    }
    if (!nj_path_join(path, sizeof path, example->training->job->output, name))
        status = nj_fail(&example->training->job->cli->error, "%s: the path is too long", name);
    else
        status = nj_file_write_atomic(path, bytes, size, &example->training->job->cli->error);
    json_array_append_new(example->images, json_string(name));
    free(bytes);
    return status;
}

static nj_status on_detection(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct nj_event *event = &((struct example *)user)->event;
    if (event->detection_count < NJ_MAX_DETECTIONS)
        nj_detection_from_row(&(struct nj_row){names, values, count}, &event->detections[event->detection_count++]);
    return NJ_OK;
}

/* Puts the answer behind the question, and names each picture in its part or beside the messages. */
static json_t *conversation(const struct example *example, const char *answer, bool in_parts)
{
    const struct nj_conf   *conf   = &example->training->job->cli->conf;
    struct nj_prompt_record record = {
        .event_id       = example->id,
        .site_id        = conf->station.site,
        .local_datetime = example->time,
        .frame_count    = (unsigned)json_array_size(example->images),
    };
    json_t *document =
        nj_prompt_conversation(strcmp(conf->sentinel.prompt, "trained") ? NJ_PROMPT_EVENT_LIVE : NJ_PROMPT_EVENT_TRAINED, &record);
    json_t *messages = json_object_get(document, "messages"), *message, *part;
    size_t  index, at, image = 0;
    json_array_foreach(messages, index, message)
    {
        json_t *content = json_object_get(message, "content");
        if (json_is_string(content)) { /* text alone: a list of one part, like the others */
            content = json_pack("[{s:s, s:O}]", "type", "text", "text", content);
            json_object_set_new(message, "content", content);
        }
        json_array_foreach(content, at, part) if (in_parts && !strcmp(json_string_value(json_object_get(part, "type")), "image"))
            json_object_set(part, "image", json_array_get(example->images, image++));
    }
    json_array_append_new(messages, json_pack("{s:s, s:[{s:s, s:s}]}", "role", "assistant", "content", "type", "text", "text", answer));
    if (!in_parts) {
        json_t *names = json_array();
        json_array_foreach(example->images, at, part) json_array_append_new(names, json_string(json_string_value(part) + strlen(IMAGES)));
        json_object_set_new(document, "images_file_names", names);
    }
    return document;
}

static nj_status write_line(struct example *example, const char *answer, bool in_parts)
{
    struct training       *training = example->training;
    struct nj_export_file *file     = in_parts ? &training->named : &training->folder;
    json_t                *document = answer ? conversation(example, answer, in_parts) : NULL;
    char                  *line     = document ? json_dumps(document, JSON_COMPACT) : NULL;
    if (line)
        nj_text_addf(&file->text, "%s\n", line);
    else
        file->text.failed = true;
    free(line);
    json_decref(document);
    return nj_export_flush(training->job, file);
}

static nj_status write_example(struct example *example)
{
    const struct nj_conf     *conf     = &example->training->job->cli->conf;
    struct nj_review_settings settings = {conf->sentinel.rare_species, conf->sentinel.high_count_bins};
    struct nj_review_facts    facts    = nj_review_facts_of(&example->event, example->record.hour, &settings);
    json_t   *record = nj_decided_record(&example->event, &example->record, nj_review_rules(&facts), "visible in the pictures");
    char     *answer = record ? json_dumps(record, JSON_COMPACT) : NULL;
    nj_status status = write_line(example, answer, true);
    if (status == NJ_OK)
        status = write_line(example, answer, false);
    free(answer);
    json_decref(record);
    return status;
}

static nj_status on_event(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct training  *training = user;
    struct nj_export *job      = training->job;
    struct nj_row     row      = {names, values, count};
    int64_t           begin    = nj_row_time(&row, "started_at");
    if (strcmp(nj_row_text(&row, "decided_by"), "ranger") != 0)
        return NJ_OK;
    if (nj_export_hides(job, &row)) {
        job->people_left_out++;
        return NJ_OK;
    }
    struct example example = {.training = training, .images = json_array()};
    example.event.dialect  = strcmp(job->cli->conf.sentinel.prompt, "trained") ? NJ_DIALECT_LIVE : NJ_DIALECT_TRAINED;
    example.event.blank    = nj_row_number(&row, "blank") ? NJ_YES : NJ_NO;
    snprintf(example.id, sizeof example.id, "%s", nj_row_text(&row, "event_id"));
    if (begin != NJ_DB_NO_TIME)
        nj_time_local(begin, example.time);
    example.record =
        (struct nj_event_record){example.id, job->cli->conf.station.site, example.time,
                                 begin == NJ_DB_NO_TIME ? -1 : (int)(begin % 86400 / 3600), (unsigned)nj_row_number(&row, "frame_count")};
    nj_status status = nj_export_select(job, "frames", example.id, on_frame, &example);
    if (status == NJ_OK && !example.failed)
        status = nj_export_select(job, "detections", example.id, on_detection, &example);
    if (status == NJ_OK && !example.failed) {
        status = write_example(&example);
        job->written++;
    }
    training->unreadable += example.failed;
    json_decref(example.images);
    return status;
}

nj_status nj_export_training(struct nj_export *job)
{
    struct training training = {.job = job};
    char            named[4096], folder[4096], images[4096];
    if (!nj_path_join(named, sizeof named, job->output, "training.jsonl") ||
        !nj_path_join(folder, sizeof folder, job->output, IMAGES "metadata.jsonl") ||
        !nj_path_join(images, sizeof images, job->output, "images"))
        return nj_fail(&job->cli->error, "%s: the path is too long", job->output);
    nj_status status = nj_make_folders(images, &job->cli->error);
    if (status == NJ_OK)
        status = nj_export_begin(job, named, &training.named);
    if (status != NJ_OK)
        return status;
    status = nj_export_begin(job, folder, &training.folder);
    if (status == NJ_OK) {
        status = nj_export_select(job, "event_details", NULL, on_event, &training);
        status = nj_export_end(job, &training.folder, status);
    }
    status = nj_export_end(job, &training.named, status);
    if (status == NJ_OK && training.unreadable)
        fprintf(stderr, "%" PRId64 " left out because a picture is missing: %s\n", training.unreadable, training.why);
    return status;
}
