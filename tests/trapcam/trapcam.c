/* trapcam.c: draws what a trap camera would have seen, and writes down what is true of it.
 *
 *   trapcam card DIR [options]     a card: DIR/DCIM/100RECNX/IMG_0001.JPG …, and DIR.truth.jsonl beside it
 *   trapcam stream [options]       for training, on stdout, an event: one line of truth, then each frame as RGB bytes of the model's size and
 *                                  the planes of truth.h, one byte a soft token each
 *
 *   trapcam truth FILE             a truth file as CSV: the first picture of each event, and what is in it
 *
 *   --seed N       everything follows from it (1)        --events N      how many events (40)
 *   --size WxH     of the pictures (960x720)             --site NAME     site code in the truth (A01)
 *   --sites N      spread over so many views (card: 1, stream: 1000)
 *   --first N      number of the first event (0): a later stretch of the same series
 *   --soft N       stream: soft tokens a picture (70)
 *   --pairs SHARE  of the events with animals, how many show a second species (0.13) */
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "pipeline/picture/picture.h"
#include "pipeline/sentinel/prompts.h"
#include "pipeline/sentinel/routing.h"
#include "tests/trapcam/card.h"
#include "tests/trapcam/scene.h"
#include "tests/trapcam/truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *folder, *site;
    uint32_t    seed, sites, first, soft;
    int         stream, events, width, height;
    float       pairs;
};

#define FIRST_DAY 16556 /* 2015-05-01 */

struct frame {
    uint8_t *jpeg;
    size_t   jpeg_size;
    uint8_t  cells[TRUTH_PLANES * 1120], counts[SPECIES_COUNT];
};

static int draw_frames(const struct options *options, const struct event *event, uint32_t number, int64_t taken_at, struct canvas *canvas,
                       struct frame *frames, struct seen *seen)
{
    uint32_t columns = 0, rows = 0;
    if (options->stream) {
        nj_picture_target((uint32_t)options->width, (uint32_t)options->height, options->soft, &columns, &rows, NULL);
        columns /= 48;
        rows /= 48;
    }
    int ok = 1;
    for (int f = 0; f < event->frames && ok; f++) {
        struct shot shot = {.taken_at = taken_at + (int64_t)((float)f * event->frame_gap),
                            .k        = f + 1,
                            .n        = event->frames,
                            .event    = number + 1,
                            .celsius  = event->infrared ? 14 : 27,
                            .infrared = event->infrared,
                            .serial   = "H500TRAPCAM001",
                            .label    = options->site};
        event_draw(event, f, canvas);
        ok = card_encode(canvas, &shot, 62 + (int)(unit(event->seed, 8, 8) * 28), &frames[f].jpeg, &frames[f].jpeg_size);
        truth_look(seen, event, canvas);
        truth_cells(event, canvas, columns, rows, frames[f].cells);
        truth_frame(event, canvas, frames[f].counts);
    }
    return ok;
}

/* The questions about this event, as conversations, so that training asks what the station will ask. The second look sees the truth as the first
 * answer, as it did in the training of the real model. */
static void add_questions(struct nj_text *out, const struct nj_event *claims, const struct nj_event_record *event)
{
    static const char *const names[] = {
        [NJ_PROMPT_EVENT_LIVE] = "live", [NJ_PROMPT_EVENT_TRAINED] = "trained", [NJ_PROMPT_REVIEW] = "review"};
    struct nj_text first = {0};
    nj_routing_first_pass(claims, event, &first);
    struct nj_prompt_record record = {.event_id       = event->event_id,
                                      .site_id        = event->site_id,
                                      .local_datetime = event->local_datetime,
                                      .frame_count    = event->frame_count,
                                      .first_pass     = first.data};
    nj_text_addf(out, ",\"capture_event_id\":\"%s\"", event->event_id);
    for (int prompt = NJ_PROMPT_EVENT_LIVE; prompt <= NJ_PROMPT_REVIEW; prompt++) {
        json_t *conversation = nj_prompt_conversation((enum nj_prompt)prompt, &record);
        char   *words        = json_dumps(json_object_get(conversation, "messages"), JSON_COMPACT);
        nj_text_addf(out, ",\"%s\":%s", names[prompt], words ? words : "null");
        free(words);
        json_decref(conversation);
    }
    nj_text_free(&first);
}

/* ,"frames":[{"zebra":3},…]: what counts in each frame. */
static void add_frames(struct nj_text *out, const struct event *event, const struct frame *frames)
{
    nj_text_add(out, ",\"frames\":[");
    for (int f = 0; f < event->frames; f++) {
        const char *between = "";
        nj_text_add(out, f ? ",{" : "{");
        for (int s = 0; s < SPECIES_COUNT; s++)
            if (frames[f].counts[s]) {
                nj_text_addf(out, "%s\"%s\":%u", between, species_facts[s].label, frames[f].counts[s]);
                between = ",";
            }
        nj_text_add(out, "}");
    }
    nj_text_add(out, "]");
}

/* The line of truth about an event, without its closing brace. */
static void describe(struct nj_text *out, const struct options *options, const struct event *event, const struct frame *frames,
                     const struct seen *seen, uint32_t number, int64_t taken_at)
{
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
    char              id[13]    = "NJ", time[NJ_TIME_TEXT];
    struct nj_event   claims;
    for (uint32_t i = 0; i < 10; i++)
        id[2 + i] = letters[hash(options->seed, number, 200 + i) % 32];
    nj_time_local(taken_at, time);
    struct nj_event_record record = {
        .event_id = id, .site_id = options->site, .local_datetime = time, .hour = event->hour, .frame_count = (unsigned)event->frames};
    truth_event(event, seen, &claims);
    truth_add(out, &claims, event, &record, number);
    if (options->stream) {
        add_frames(out, event, frames);
        add_questions(out, &claims, &record);
    }
}

static nj_status put_stream(const struct options *options, const struct event *event, const struct frame *frames,
                            const struct nj_text *truth, struct nj_error *error)
{
    printf("%s}\n", truth->data);
    for (int f = 0; f < event->frames; f++) {
        struct nj_picture picture = {0}, small = {0};
        uint32_t          width, height;
        nj_status         status = nj_picture_decode("frame", frames[f].jpeg, frames[f].jpeg_size, false, &picture, error);
        if (status == NJ_OK)
            status = nj_picture_target(picture.width, picture.height, options->soft, &width, &height, error);
        if (status == NJ_OK)
            status = nj_picture_resize(&picture, width, height, &small, error);
        if (status == NJ_OK) {
            fwrite(small.rgb, 3, (size_t)width * height, stdout);
            fwrite(frames[f].cells, TRUTH_PLANES, (size_t)(width / 48) * (height / 48), stdout);
        }
        nj_picture_free(&picture);
        nj_picture_free(&small);
        if (status != NJ_OK)
            return status;
    }
    return NJ_OK;
}

static nj_status put_card(const struct options *options, const struct event *event, const struct frame *frames, struct nj_text *truth,
                          uint32_t *number, FILE *out, struct nj_error *error)
{
    nj_text_add(truth, ",\"files\":[");
    for (int f = 0; f < event->frames; f++, ++*number) {
        char folder[3000], path[3100];
        snprintf(folder, sizeof folder, "%s/DCIM/%uRECNX", options->folder, 100 + *number / 9999);
        nj_status status = nj_make_folders(folder, error);
        snprintf(path, sizeof path, "%s/IMG_%04u.JPG", folder, *number % 9999 + 1);
        if (status == NJ_OK)
            status = nj_file_write_atomic(path, frames[f].jpeg, frames[f].jpeg_size, error);
        if (status != NJ_OK)
            return status;
        nj_text_addf(truth, "%s\"%s\"", f ? "," : "", path + strlen(options->folder) + 1);
    }
    nj_text_add(truth, "]");
    fprintf(out, "%s}\n", truth->data);
    return NJ_OK;
}

static nj_status run(const struct options *options, struct nj_error *error)
{
    struct canvas canvas;
    FILE         *truth_file = NULL;
    uint32_t      pictures   = 0;
    int64_t       previous   = 0;
    nj_status     status     = NJ_OK;
    char          path[3100];
    if (!canvas_open(&canvas, options->width, options->height))
        return nj_fail(error, "no memory for a picture of %d x %d", options->width, options->height);
    if (!options->stream) {
        status = nj_make_folders(options->folder, error);
        snprintf(path, sizeof path, "%s.truth.jsonl", options->folder);
        if (status == NJ_OK && !(truth_file = fopen(path, "w")))
            status = nj_fail(error, "%s: cannot be written", path);
    }
    for (int i = 0; i < options->events && status == NJ_OK; i++) {
        struct event   event;
        struct frame   frames[3] = {0};
        struct seen    seen      = {0};
        struct nj_text truth     = {0};
        uint32_t       number    = options->first + (uint32_t)i;
        uint32_t       site      = hash(options->seed, number % options->sites, 101);
        /* A card tells the story of one day and night in order; a stream is a shuffled year. */
        int hour = options->stream ? -1 : (int)(6 + (int64_t)i * 24 / options->events) % 24;
        event_make(&event, site, hash(options->seed, number, 102), hour, options->pairs);
        int64_t day =
            options->stream ? FIRST_DAY + (int64_t)(hash(number, 1, 1) % 365) : FIRST_DAY + (6 + (int64_t)i * 24 / options->events) / 24;
        int64_t taken_at = day * 86400 + event.hour * 3600 + event.minute * 60 + event.second;
        if (!options->stream && taken_at <= previous + 20)
            taken_at = previous + 20;
        previous = taken_at;
        if (!draw_frames(options, &event, number, taken_at, &canvas, frames, &seen))
            status = nj_fail(error, "no memory for a picture of %d x %d", options->width, options->height);
        if (status == NJ_OK)
            describe(&truth, options, &event, frames, &seen, number, taken_at);
        if (status == NJ_OK)
            status = options->stream ? put_stream(options, &event, frames, &truth, error)
                                     : put_card(options, &event, frames, &truth, &pictures, truth_file, error);
        nj_text_free(&truth);
        for (int f = 0; f < 3; f++)
            free(frames[f].jpeg);
    }
    if (truth_file && fclose(truth_file) != 0 && status == NJ_OK)
        status = nj_fail(error, "%s: cannot be written", path);
    canvas_close(&canvas);
    return status;
}

/* file,species: `impala 3, zebra 1` or `blank`. */
static nj_status list_truth(const char *path, struct nj_error *error)
{
    FILE     *file   = fopen(path, "r");
    char     *line   = NULL;
    size_t    room   = 0;
    nj_status status = NJ_OK;
    if (!file)
        return nj_fail(error, "%s: cannot be read", path);
    puts("file,species");
    for (int number = 1; status == NJ_OK && getline(&line, &room, file) > 0; number++) {
        json_t *event = NULL;
        status        = nj_json_parse(path, line, strlen(line), &event, error);
        json_t *found = json_object_get(event, "detections");
        if (status == NJ_OK)
            printf("%s,\"%s", json_string_value(json_array_get(json_object_get(event, "files"), 0)), json_array_size(found) ? "" : "blank");
        for (size_t i = 0; i < json_array_size(found); i++)
            printf("%s%s %s", i ? ", " : "", json_string_value(json_object_get(json_array_get(found, i), "species")),
                   json_string_value(json_object_get(json_array_get(found, i), "bin")));
        if (status == NJ_OK)
            puts("\"");
        json_decref(event);
    }
    free(line);
    fclose(file);
    return status;
}

static int usage(void)
{
    fputs("usage: trapcam card DIR | trapcam stream  [--seed N] [--events N] [--size WxH] [--site NAME] [--sites N] [--first N] [--soft "
          "N]\n               [--pairs SHARE]\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct options  options = {.site = "A01", .seed = 1, .sites = 1, .soft = 70, .events = 40, .width = 960, .height = 720, .pairs = PAIRS};
    struct nj_error error   = {{0}};
    int             at      = 2;
    if (argc < 2)
        return usage();
    if (!strcmp(argv[1], "truth") && argc == 3) {
        if (list_truth(argv[2], &error) == NJ_OK)
            return 0;
        fprintf(stderr, "trapcam: %s\n", error.text);
        return 1;
    }
    options.stream = !strcmp(argv[1], "stream");
    if (options.stream)
        options.sites = 1000;
    else if (strcmp(argv[1], "card") || argc < 3)
        return usage();
    else
        options.folder = argv[at++];
    for (; at + 1 < argc; at += 2) {
        const char *name = argv[at], *value = argv[at + 1];
        if (!strcmp(name, "--seed"))
            options.seed = (uint32_t)strtoul(value, NULL, 10);
        else if (!strcmp(name, "--events"))
            options.events = atoi(value);
        else if (!strcmp(name, "--sites"))
            options.sites = (uint32_t)strtoul(value, NULL, 10);
        else if (!strcmp(name, "--first"))
            options.first = (uint32_t)strtoul(value, NULL, 10);
        else if (!strcmp(name, "--soft"))
            options.soft = (uint32_t)strtoul(value, NULL, 10);
        else if (!strcmp(name, "--site"))
            options.site = value;
        else if (!strcmp(name, "--pairs"))
            options.pairs = strtof(value, NULL);
        else if (strcmp(name, "--size") || sscanf(value, "%dx%d", &options.width, &options.height) != 2)
            return usage();
    }
    if (at != argc || options.events < 0 || options.sites < 1 || options.width < 64 || options.height < 64 || options.width > 8192 ||
        options.height > 8192)
        return usage();
    if (run(&options, &error) == NJ_OK)
        return 0;
    fprintf(stderr, "trapcam: %s\n", error.text);
    return 1;
}
