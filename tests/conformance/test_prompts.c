/* The prompts of the wildlife tasks against the published ones, filled in. */
#include "base/json.h"
#include "pipeline/sentinel/prompts.h"
#include "tests/tap.h"

#include <stdlib.h>

/* The published live prompt offers the bin 6-10 where we offer those of the training labels; nothing else may differ. */
static char *with_trained_bins(const char *text)
{
    static const char published[] = "1|2|3|4|5|6-10|", ours[] = "1|2|3|4|5|6|7|8|9|10|";
    const char       *at  = strstr(text, published);
    char             *out = malloc(strlen(text) + sizeof ours);
    if (!at)
        return strcpy(out, text);
    size_t before = (size_t)(at - text);
    memcpy(out, text, before);
    strcpy(out + before, ours);
    strcat(out, at + strlen(published));
    return out;
}

static const char *text_of(json_t *content)
{
    return json_is_string(content) ? json_string_value(content)
                                   : json_string_value(json_object_get(json_array_get(content, json_array_size(content) - 1), "text"));
}

static void compare(json_t *row)
{
    const char *name = json_string_value(json_object_get(row, "name")), *key = json_string_value(json_object_get(row, "prompt"));
    json_t     *fill = json_object_get(row, "fill"), *messages = json_object_get(row, "messages");
    const char *context = json_string_value(json_object_get(fill, "context_json"));
    if (context && strstr(context, "chirps_monthly_mm"))
        return; /* satellite data: a station has none */
    enum nj_prompt          prompt = !strcmp(key, "phase1_trained")   ? NJ_PROMPT_EVENT_TRAINED
                                     : !strcmp(key, "phase2_trained") ? NJ_PROMPT_REVIEW
                                                                      : NJ_PROMPT_EVENT_LIVE;
    json_t                 *frames = json_object_get(fill, "frame_count");
    struct nj_prompt_record record = {.event_id       = json_string_value(json_object_get(fill, "capture_event_id")),
                                      .site_id        = json_string_value(json_object_get(fill, "site_id")),
                                      .local_datetime = json_string_value(json_object_get(fill, "local_datetime")),
                                      .frame_count    = json_is_string(frames) ? (unsigned)atoi(json_string_value(frames))
                                                                               : (unsigned)json_integer_value(frames),
                                      .first_pass     = json_string_value(json_object_get(fill, "first_pass_json"))};
    if (!record.site_id)
        record.site_id = "";
    if (!record.local_datetime)
        record.local_datetime = "";
    if (!record.frame_count)
        record.frame_count = (unsigned)json_array_size(json_object_get(json_array_get(messages, 1), "content")) - 1;
    json_t *ours = json_object_get(nj_prompt_conversation(prompt, &record), "messages");
    for (size_t i = 0; i < 2; i++) {
        char       *want = with_trained_bins(text_of(json_object_get(json_array_get(messages, i), "content")));
        const char *got  = text_of(json_object_get(json_array_get(ours, i), "content"));
        CHECK(!strcmp(want, got), "%s, message %zu", name, i);
        free(want);
    }
}

int main(void)
{
    const char *shared = tap_shared();
    if (!shared) {
        SKIP("no reference files");
        return tap_done();
    }
    char path[4096], *line = NULL;
    snprintf(path, sizeof path, "%s/reference/text/sentinel_prompts.jsonl", shared);
    FILE  *file     = fopen(path, "r");
    size_t capacity = 0;
    while (file && getline(&line, &capacity, file) > 0) {
        json_t *row;
        if (nj_json_parse(path, line, strlen(line), &row, NULL) == NJ_OK)
            compare(row);
        json_decref(row);
    }
    free(line);
    if (file)
        fclose(file);
    return tap_done();
}
