#include "pipeline/sentinel/reader.h"
#include "pipeline/model/chat.h"
#include "pipeline/sentinel/species.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_LIMIT 768 /* tokens: four detections with all their fields take about 500 */

struct nj_reader {
    struct nj_engine           *engine;
    const struct nj_tokenizer  *tokenizer;
    const struct nj_vocabulary *vocabulary;
    const struct nj_conf       *conf;
    enum nj_prompt              prompt;
    enum nj_dialect             dialect;
};

/* One burst on its way. */
struct work {
    struct nj_ids       ids;
    float              *features;
    uint32_t            image_tokens;
    struct nj_grammar  *grammar;
    struct nj_sequence *sequence;
};

nj_status nj_reader_open(struct nj_engine *engine, const struct nj_tokenizer *tokenizer, const struct nj_vocabulary *vocabulary,
                         const struct nj_conf *conf, struct nj_reader **out, struct nj_error *error)
{
    *out = NULL;
    if (nj_engine_weights(engine)->config.vision.layers == 0)
        return nj_fail(error, "%s: this model has no vision tower: it cannot read pictures; convert it again with its mmproj file",
                       conf->model.path);
    struct nj_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return nj_fail(error, "no memory for a reader");
    bool trained = !strcmp(conf->sentinel.prompt, "trained");
    *reader      = (struct nj_reader){.engine     = engine,
                                      .tokenizer  = tokenizer,
                                      .vocabulary = vocabulary,
                                      .conf       = conf,
                                      .prompt     = trained ? NJ_PROMPT_EVENT_TRAINED : NJ_PROMPT_EVENT_LIVE,
                                      .dialect    = trained ? NJ_DIALECT_TRAINED : NJ_DIALECT_LIVE};
    *out         = reader;
    return NJ_OK;
}

void nj_reader_close(struct nj_reader *reader)
{
    free(reader);
}

void nj_reading_free(struct nj_reading *reading)
{
    for (size_t i = 0; i < reading->choice_count; i++) {
        free(reading->choices[i].path);
        free(reading->choices[i].value);
        free(reading->choices[i].runner_up);
    }
    free(reading->choices);
    free(reading->json);
    *reading = (struct nj_reading){0};
}

/* Features of all frames, one behind the other, and how many positions each takes. */
static nj_status see(struct nj_reader *reader, const struct nj_burst_input *burst, struct work *work, uint32_t *counts,
                     struct nj_error *error)
{
    size_t hidden = nj_engine_weights(reader->engine)->config.text.hidden_size;
    for (unsigned i = 0; i < burst->record.frame_count; i++) {
        struct nj_image image = {0};
        char            name[64];
        snprintf(name, sizeof name, "event %s, frame %u", burst->record.event_id, i + 1);
        nj_status status = nj_image_from_picture(reader->engine, name, &burst->frames[i], burst->soft_tokens, &image, error);
        if (status != NJ_OK)
            return status;
        float *grown = realloc(work->features, (work->image_tokens + (size_t)image.count) * hidden * sizeof(float));
        if (!grown) {
            nj_image_free(&image);
            return nj_fail(error, "%s: no memory for its features", name);
        }
        work->features = grown;
        memcpy(grown + work->image_tokens * hidden, image.features, image.count * hidden * sizeof(float));
        work->image_tokens += image.count;
        counts[i] = image.count;
        nj_image_free(&image);
    }
    return NJ_OK;
}

static nj_status ask(struct nj_reader *reader, const struct nj_burst_input *burst, const uint32_t *counts, struct work *work,
                     struct nj_error *error)
{
    const struct nj_config *config       = &nj_engine_weights(reader->engine)->config;
    struct nj_prompt_record record       = {.event_id       = burst->record.event_id,
                                            .site_id        = burst->record.site_id,
                                            .local_datetime = burst->record.local_datetime,
                                            .frame_count    = burst->record.frame_count};
    json_t                 *conversation = nj_prompt_conversation(reader->prompt, &record);
    json_t                 *schema       = nj_event_schema(reader->dialect, &burst->record);
    struct nj_chat_options  options      = {.empty_thought = config->empty_thought};
    nj_status               status       = NJ_OK;
    if (!conversation || !schema)
        status = nj_fail(error, "event %s: no memory for its question", burst->record.event_id);
    if (status == NJ_OK)
        status = nj_chat_encode(reader->tokenizer, conversation, &options, false, &work->ids, error);
    if (status == NJ_OK)
        status =
            nj_chat_expand_images(&work->ids, config->image_id, config->boi_id, config->eoi_id, counts, burst->record.frame_count, error);
    if (status == NJ_OK)
        status = nj_grammar_compile("event", schema, NULL, &work->grammar, error);
    if (status == NJ_OK)
        status = nj_sequence_open(reader->engine, (uint32_t)work->ids.count + ANSWER_LIMIT + 1, &work->sequence, error);
    json_decref(conversation);
    json_decref(schema);
    return status;
}

static const struct nj_choice *choice_at(const struct nj_reading *reading, const char *path)
{
    for (size_t i = 0; i < reading->choice_count; i++)
        if (!strcmp(reading->choices[i].path, path))
            return &reading->choices[i];
    return NULL;
}

/* A JSON string of a label without its quotes; labels need no escapes. */
static void unquote(const char *json, char *out, size_t size)
{
    size_t length = json ? strlen(json) : 0;
    if (length >= 2 && json[0] == '"')
        snprintf(out, size, "%.*s", (int)(length - 2), json + 1);
    else
        snprintf(out, size, "%s", json ? json : "");
}

static void weigh(const struct nj_reader *reader, const struct nj_burst_input *burst, struct nj_reading *reading)
{
    const struct nj_conf     *conf     = reader->conf;
    struct nj_review_settings settings = {.rare_species = conf->sentinel.rare_species, .high_count_bins = conf->sentinel.high_count_bins};
    struct nj_review_facts    facts    = nj_review_facts_of(&reading->event, burst->record.hour, &settings);
    const struct nj_choice   *blank    = choice_at(reading, "/event/blank");
    reading->rule_reasons              = nj_review_rules(&facts);
    if (blank && blank->probability < conf->sentinel.review_confidence)
        reading->probability_reasons |= 1u << NJ_REASON_BLANK_UNSURE;
    for (unsigned i = 0; i < reading->event.detection_count; i++) {
        char path[48];
        snprintf(path, sizeof path, "/detections/%u/species", i);
        const struct nj_choice *species   = choice_at(reading, path);
        reading->species_probability[i]   = species ? species->probability : NAN;
        reading->runner_up_probability[i] = species ? species->runner_up_probability : NAN;
        unquote(species ? species->runner_up : "", reading->runner_up[i], sizeof reading->runner_up[i]);
        if (species && species->probability < conf->sentinel.review_confidence)
            reading->probability_reasons |= 1u << NJ_REASON_SPECIES_UNSURE;
    }
    reading->priority = nj_review_priority(reading->rule_reasons | reading->probability_reasons);
    if (reading->event.priority > reading->priority)
        reading->priority = reading->event.priority;
    reading->review_needed = reading->priority > NJ_PRIORITY_NONE || reading->event.review_needed == NJ_YES;
    if (reading->review_needed && reading->priority == NJ_PRIORITY_NONE)
        reading->priority = NJ_PRIORITY_MEDIUM;
}

/* Takes the document and the choices over from the generation. */
static nj_status take(struct nj_reader *reader, const struct nj_burst_input *burst, const struct work *work,
                      struct nj_generation *generation, struct nj_reading *reading, struct nj_error *error)
{
    json_t   *document = NULL;
    nj_status status   = nj_json_parse(burst->record.event_id, generation->text.data, generation->text.length, &document, error);
    if (status == NJ_OK)
        status = nj_event_from_json(document, &reading->event, error);
    json_decref(document);
    if (status != NJ_OK)
        return status;
    reading->json            = generation->text.data;
    generation->text         = (struct nj_text){0};
    reading->choices         = generation->choices;
    reading->choice_count    = generation->choice_count;
    generation->choices      = NULL;
    generation->choice_count = 0;
    reading->image_tokens    = work->image_tokens;
    reading->prompt_tokens   = (uint32_t)work->ids.count;
    reading->answer_tokens   = (uint32_t)generation->ids.count;
    weigh(reader, burst, reading);
    return NJ_OK;
}

nj_status nj_reader_read(struct nj_reader *reader, const struct nj_burst_input *bursts, size_t count, struct nj_reading *readings,
                         struct nj_error *error)
{
    nj_status             status      = NJ_OK;
    struct work          *works       = calloc(count, sizeof *works);
    struct nj_generation *generations = calloc(count, sizeof *generations);
    memset(readings, 0, count * sizeof *readings);
    if (!works || !generations) {
        status = nj_fail(error, "no memory for %zu bursts", count);
        goto cleanup;
    }
    for (size_t i = 0; i < count && status == NJ_OK; i++) {
        uint32_t counts[NJ_READER_MAX_FRAMES];
        if (bursts[i].record.frame_count < 1 || bursts[i].record.frame_count > NJ_READER_MAX_FRAMES)
            status = nj_fail(error, "event %s: %u frames, 1 to %d can be read together", bursts[i].record.event_id,
                             bursts[i].record.frame_count, NJ_READER_MAX_FRAMES);
        if (status == NJ_OK)
            status = see(reader, &bursts[i], &works[i], counts, error);
        if (status == NJ_OK)
            status = ask(reader, &bursts[i], counts, &works[i], error);
        generations[i] = (struct nj_generation){.sequence     = works[i].sequence,
                                                .prompt       = works[i].ids.data,
                                                .prompt_count = works[i].ids.count,
                                                .features     = works[i].features,
                                                .grammar      = works[i].grammar,
                                                .limit        = ANSWER_LIMIT};
    }
    if (status == NJ_OK)
        status = nj_generate(reader->engine, reader->tokenizer, reader->vocabulary, generations, count, error);
    for (size_t i = 0; i < count && status == NJ_OK; i++)
        status = take(reader, &bursts[i], &works[i], &generations[i], &readings[i], error);
cleanup:
    for (size_t i = 0; i < count; i++) {
        if (generations)
            nj_generation_free(&generations[i]);
        if (works) {
            nj_sequence_close(works[i].sequence);
            nj_grammar_close(works[i].grammar);
            free(works[i].ids.data);
            free(works[i].features);
        }
        if (status != NJ_OK)
            nj_reading_free(&readings[i]);
    }
    free(generations);
    free(works);
    return status;
}
