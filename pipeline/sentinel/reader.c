#include "base/clock.h"
#include "base/log.h"
#include "pipeline/constrain/thought.h"
#include "pipeline/model/chat.h"
#include "pipeline/sentinel/prompt_head.h"
#include "pipeline/sentinel/reader_work.h"
#include "pipeline/sentinel/species.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_LIMIT  1024 /* tokens: four detections with all their fields take about 700 */
#define THOUGHT_LIMIT 512  /* tokens of a thought, apart from the answer's */

nj_status nj_reader_open(struct nj_engine *engine, const struct nj_tokenizer *tokenizer, const struct nj_vocabulary *vocabulary,
                         const struct nj_conf *conf, const char *model_path, struct nj_reader **out, struct nj_error *error)
{
    char path[4096];
    *out = NULL;
    if (nj_engine_weights(engine)->config.vision.layers == 0)
        return nj_fail(error, "%s: this model has no vision tower: it cannot read pictures; convert it again with its mmproj file",
                       conf->model.path);
    struct nj_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return nj_fail(error, "no memory for a reader");
    bool trained     = !strcmp(conf->sentinel.prompt, "trained");
    *reader          = (struct nj_reader){.engine     = engine,
                                          .tokenizer  = tokenizer,
                                          .vocabulary = vocabulary,
                                          .conf       = conf,
                                          .prompt     = trained ? NJ_PROMPT_EVENT_TRAINED : NJ_PROMPT_EVENT_LIVE,
                                          .dialect    = trained ? NJ_DIALECT_TRAINED : NJ_DIALECT_LIVE};
    nj_status status = NJ_OK;
    if (snprintf(path, sizeof path, "%s.calibration.json", model_path) < (int)sizeof path)
        status = nj_calibration_read(path, &reader->calibration, error);
    if (status != NJ_OK) {
        free(reader);
        return status;
    }
    *out = reader;
    return NJ_OK;
}

void nj_reader_keep_heads(struct nj_reader *reader, const char *folder)
{
    reader->head_folder = folder;
}

bool nj_reader_calibrated(const struct nj_reader *reader)
{
    return reader->calibration.count > 0;
}

static void drop_head(struct nj_prompt_head *head)
{
    nj_sequence_close(head->sequence);
    free(head->ids.data);
    *head = (struct nj_prompt_head){0};
}

void nj_reader_close(struct nj_reader *reader)
{
    for (uint32_t i = 0; reader && i < NJ_PARK_QUESTIONS; i++)
        drop_head(&reader->heads[i]);
    if (reader)
        json_decref(reader->actions);
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
    free(reading->parked);
    *reading = (struct nj_reading){0};
}

nj_status nj_work_see(struct nj_reader *reader, struct nj_work *work, struct nj_error *error)
{
    const struct nj_burst_input *burst  = work->burst;
    size_t                       hidden = nj_engine_weights(reader->engine)->config.text.hidden_size;
    while (work->frames < burst->record.frame_count) {
        struct nj_image image = {0};
        char            name[64];
        snprintf(name, sizeof name, "event %s, frame %u", burst->record.event_id, work->frames + 1);
        nj_status status = nj_image_from_picture(reader->engine, name, &burst->frames[work->frames], work->soft_tokens, &image, error);
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
        work->counts[work->frames++] = image.count;
        nj_image_free(&image);
    }
    return NJ_OK;
}

static void end_question(struct nj_work *work)
{
    nj_generation_free(&work->generation);
    nj_sequence_close(work->sequence);
    nj_grammar_close(work->grammar);
    free(work->ids.data);
    work->sequence     = NULL;
    work->grammar      = NULL;
    work->ids          = (struct nj_ids){0};
    work->generation   = (struct nj_generation){0};
    work->thought_over = false;
}

/* The question was begun before a stop: what had gone through then need not go through again. */
static nj_status go_on(struct nj_work *work, struct nj_error *error)
{
    struct nj_park *park   = &work->parked;
    nj_status       status = nj_sequence_load(work->sequence, park->sequence, park->sequence_size, error);
    if (status == NJ_OK && park->thought_over) {
        free(work->ids.data);
        work->ids          = park->prompt;
        park->prompt       = (struct nj_ids){0};
        work->thought_over = true;
    }
    struct nj_generation *before = &park->answers[work->question];
    if (status == NJ_OK && before->prompt_count != work->ids.count)
        status = nj_fail(error, "event %s: what was parked belongs to another prompt", work->burst->record.event_id);
    if (status == NJ_OK) {
        work->generation = *before; /* ids, choices, fed */
        *before          = (struct nj_generation){0};
    }
    nj_park_free(park);
    return status;
}

static nj_status make_head(struct nj_reader *reader, const int32_t *ids, size_t count, struct nj_prompt_head *head, struct nj_error *error)
{
    drop_head(head);
    nj_status status = nj_sequence_open(reader->engine, (uint32_t)count, &head->sequence, error);
    for (size_t i = 0; i < count && status == NJ_OK; i++)
        if (!nj_ids_add(&head->ids, ids[i]))
            status = nj_fail(error, "no memory for the head of a prompt");
    if (status == NJ_OK)
        status = nj_prompt_head_feed(reader->engine, reader->head_folder, ids, count, head->sequence, error);
    if (status != NJ_OK)
        drop_head(head);
    return status;
}

/* Puts what all prompts of this question share into the work's sequence. */
static nj_status begin_with_head(struct nj_reader *reader, struct nj_work *work, struct nj_error *error)
{
    const struct nj_config *config = &nj_engine_weights(reader->engine)->config;
    struct nj_prompt_head  *head   = &reader->heads[work->question];
    size_t                  count  = 0;
    nj_status               status = NJ_OK;
    while (count < work->ids.count && work->ids.data[count] != config->boi_id && work->ids.data[count] != config->image_id)
        count++;
    if (count == 0 || count == work->ids.count)
        return NJ_OK;
    if (head->ids.count != count || memcmp(head->ids.data, work->ids.data, count * sizeof *head->ids.data) != 0)
        status = make_head(reader, work->ids.data, count, head, error);
    if (status == NJ_OK)
        status = nj_sequence_copy(work->sequence, head->sequence, error);
    work->generation.fed          = status == NJ_OK ? count : 0;
    work->generation.prompt_count = work->ids.count;
    return status;
}

/* Lays out one question about a burst. first_pass: what the first answer said, or NULL when this is the first. Takes over `schema`. */
static nj_status ask(struct nj_reader *reader, const char *first_pass, json_t *schema, struct nj_work *work, struct nj_error *error)
{
    const struct nj_event_record *known        = &work->burst->record;
    const struct nj_config       *config       = &nj_engine_weights(reader->engine)->config;
    struct nj_prompt_record       record       = {.event_id       = known->event_id,
                                                  .site_id        = known->site_id,
                                                  .local_datetime = known->local_datetime,
                                                  .frame_count    = known->frame_count,
                                                  .first_pass     = first_pass};
    json_t                       *conversation = nj_prompt_conversation(first_pass ? NJ_PROMPT_REVIEW : reader->prompt, &record);
    struct nj_chat_options        options      = {.empty_thought = config->empty_thought, .thinking = reader->conf->model.think};
    nj_status                     status       = NJ_OK;
    if (!conversation || !schema)
        status = nj_fail(error, "event %s: no memory for its question", known->event_id);
    if (status == NJ_OK)
        status = nj_chat_encode(reader->tokenizer, conversation, &options, false, &work->ids, error);
    if (status == NJ_OK)
        status =
            nj_chat_expand_images(&work->ids, config->image_id, config->boi_id, config->eoi_id, work->counts, known->frame_count, error);
    if (status == NJ_OK)
        status = nj_grammar_compile("answer", schema, NULL, &work->grammar, error);
    size_t room = work->ids.count + ANSWER_LIMIT + NJ_GENERATE_ROOM + (options.thinking ? THOUGHT_LIMIT + 8 : 0);
    if (status == NJ_OK)
        status = nj_sequence_open(reader->engine, (uint32_t)room, &work->sequence, error);
    json_decref(conversation);
    json_decref(schema);
    work->random_before = work->random;
    if (status != NJ_OK)
        return status;
    return work->parked.sequence ? go_on(work, error) : begin_with_head(reader, work, error);
}

/* Thinks about the questions whose thoughts are not over. */
static nj_status think(struct nj_reader *reader, struct nj_work **works, size_t count, struct nj_error *error)
{
    size_t             thinking = 0;
    nj_status          status   = NJ_OK;
    struct nj_thinker *thinkers = calloc(count, sizeof *thinkers);
    if (!thinkers)
        return nj_fail(error, "no memory for %zu bursts", count);
    for (size_t i = 0; i < count; i++)
        if (!works[i]->thought_over)
            thinkers[thinking++] =
                (struct nj_thinker){.answer = &works[i]->generation, .prompt = &works[i]->ids, .random = &works[i]->random};
    if (thinking)
        status = nj_think(reader->engine, reader->tokenizer, NULL, THOUGHT_LIMIT, thinkers, thinking, error);
    for (size_t i = 0; i < count; i++) {
        works[i]->thought_over |= status == NJ_OK;
        if (works[i]->thought_over)
            continue;
        nj_sequence_reset(works[i]->sequence); /* half a thought is no thought */
        works[i]->generation.fed = 0;
    }
    free(thinkers);
    return status;
}

/* Answers all questions at hand together, after a thought where that is wanted. */
static nj_status answer(struct nj_reader *reader, struct nj_work **works, size_t count, struct nj_error *error)
{
    struct nj_generation *together = calloc(count, sizeof *together);
    nj_status             status   = together ? NJ_OK : nj_fail(error, "no memory for %zu bursts", count);
    for (size_t i = 0; i < count && together; i++) {
        struct nj_generation *g = &works[i]->generation;
        g->sequence             = works[i]->sequence;
        g->prompt               = works[i]->ids.data;
        g->prompt_count         = works[i]->ids.count;
        g->features             = works[i]->thought_over ? NULL : works[i]->features;
        g->grammar              = works[i]->grammar;
        g->limit                = ANSWER_LIMIT;
        g->told                 = works[i]->question == 0 ? works[i]->burst->told : NULL;
    }
    if (status == NJ_OK && reader->conf->model.think)
        status = think(reader, works, count, error);
    if (status == NJ_OK) {
        for (size_t i = 0; i < count; i++)
            together[i] = works[i]->generation;
        status = nj_generate(reader->engine, reader->tokenizer, reader->vocabulary, together, count, error);
        for (size_t i = 0; i < count; i++)
            works[i]->generation = together[i];
    }
    free(together);
    return status;
}

/* --- what came of it --- */

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
        reading->species_calibrated[i]    = nj_calibration_apply(&reader->calibration, reading->species_probability[i]);
        reading->runner_up_probability[i] = species ? species->runner_up_probability : NAN;
        unquote(species ? species->runner_up : "", reading->runner_up[i], sizeof reading->runner_up[i]);
        if (reading->species_calibrated[i] < conf->sentinel.review_confidence)
            reading->probability_reasons |= 1u << NJ_REASON_SPECIES_UNSURE;
    }
}

/* All kinds of reasons together. Each can add, none can take away. */
static void decide(struct nj_reading *reading)
{
    reading->priority = nj_review_priority(reading->rule_reasons | reading->probability_reasons | reading->model_reasons);
    if (reading->event.priority > reading->priority)
        reading->priority = reading->event.priority;
    reading->review_needed = reading->priority > NJ_PRIORITY_NONE || reading->event.review_needed == NJ_YES;
    if (reading->review_needed && reading->priority == NJ_PRIORITY_NONE)
        reading->priority = NJ_PRIORITY_MEDIUM;
}

/* What an answer took, added to what those before it did. */
static void add_cost(const struct nj_generation *answer, struct nj_reading *reading)
{
    reading->answer_tokens += (uint32_t)answer->ids.count;
    reading->passes += (uint32_t)answer->passes;
    reading->prompt_seconds += answer->prompt_seconds;
}

/* Takes the document and the choices over from the answer. Its ids stay, in case that a stop comes in the second look. */
static nj_status take_event(struct nj_reader *reader, struct nj_work *work, struct nj_generation *answer, struct nj_reading *reading,
                            struct nj_error *error)
{
    json_t   *document = NULL;
    nj_status status   = nj_json_parse(work->burst->record.event_id, answer->text.data, answer->text.length, &document, error);
    if (status == NJ_OK)
        status = nj_event_from_json(document, &reading->event, error);
    json_decref(document);
    if (status != NJ_OK)
        return status;
    reading->json          = answer->text.data;
    reading->choices       = answer->choices;
    reading->choice_count  = answer->choice_count;
    reading->soft_tokens   = work->soft_tokens;
    reading->image_tokens  = work->image_tokens;
    reading->prompt_tokens = (uint32_t)answer->prompt_count;
    add_cost(answer, reading);
    work->first = (struct nj_generation){.ids = answer->ids, .fed = answer->fed, .prompt_count = answer->prompt_count};
    *answer     = (struct nj_generation){0};
    weigh(reader, work->burst, reading);
    return NJ_OK;
}

/* The same for an answer that was parked. */
static nj_status take_parked_event(struct nj_reader *reader, struct nj_work *work, struct nj_reading *reading, struct nj_error *error)
{
    struct nj_generation *answer = &work->parked.answers[0];
    for (size_t i = 0; i < answer->ids.count; i++) {
        if (answer->ids.data[i] < 0 || (uint32_t)answer->ids.data[i] >= nj_tokenizer_size(reader->tokenizer))
            return nj_fail(error, "event %s: what was parked holds no answer", work->burst->record.event_id);
        struct nj_string_view bytes = nj_tokenizer_bytes(reader->tokenizer, answer->ids.data[i]);
        nj_text_add_bytes(&answer->text, bytes.data, bytes.size);
    }
    if (answer->text.failed || !answer->text.data)
        return nj_fail(error, "event %s: no memory for its first answer", work->burst->record.event_id);
    return take_event(reader, work, answer, reading, error);
}

/* Appends the second answer's choices, told apart by "review_v1" in front of their pointers. */
static nj_status take_choices(struct nj_generation *generation, struct nj_reading *reading, struct nj_error *error)
{
    size_t            total = reading->choice_count + generation->choice_count;
    struct nj_choice *grown = realloc(reading->choices, (total + 1) * sizeof *grown);
    if (!grown)
        return nj_fail(error, "no memory for %zu choices", total);
    reading->choices = grown;
    for (size_t i = 0; i < generation->choice_count; i++) {
        struct nj_choice choice = generation->choices[i];
        struct nj_text   path   = {0};
        nj_text_addf(&path, "review_v1%s", choice.path);
        if (path.failed) {
            nj_text_free(&path);
            return nj_fail(error, "no memory for %zu choices", total);
        }
        free(choice.path);
        choice.path                               = path.data;
        reading->choices[reading->choice_count++] = choice;
        generation->choices[i]                    = (struct nj_choice){0};
    }
    return NJ_OK;
}

static nj_status take_routing(struct nj_work *work, struct nj_reading *reading, struct nj_error *error)
{
    struct nj_generation *generation = &work->generation;
    json_t               *document   = NULL;
    nj_status status = nj_json_parse(work->burst->record.event_id, generation->text.data, generation->text.length, &document, error);
    if (status == NJ_OK)
        status = nj_routing_from_json(document, &reading->routing, error);
    json_decref(document);
    if (status == NJ_OK)
        status = take_choices(generation, reading, error);
    if (status != NJ_OK)
        return status;
    reading->routed        = true;
    reading->model_reasons = reading->routing.reasons | (reading->routing.people ? 1u << NJ_REASON_PEOPLE : 0);
    add_cost(generation, reading);
    return NJ_OK;
}

/* --- both questions --- */

/* Both leave the question open when they are stopped. */
static nj_status look_first(struct nj_reader *reader, struct nj_work *works, size_t count, struct nj_work **asked,
                            struct nj_reading *readings, struct nj_error *error)
{
    const struct nj_clock *clock  = nj_clock_system();
    nj_status              status = NJ_OK;
    size_t                 open   = 0;
    for (size_t i = 0; i < count && status == NJ_OK; i++) {
        int64_t began = clock->monotonic_ms(clock->self);
        if (works[i].question > 0)
            continue;
        status                     = nj_work_see(reader, &works[i], error);
        readings[i].vision_seconds = (double)(clock->monotonic_ms(clock->self) - began) / 1000;
        if (status == NJ_OK)
            status = ask(reader, NULL, nj_event_schema(reader->dialect, &works[i].burst->record), &works[i], error);
        asked[open++] = &works[i];
    }
    if (status == NJ_OK && open)
        status = answer(reader, asked, open, error);
    for (size_t i = 0; i < open && status == NJ_OK; i++) {
        status = take_event(reader, asked[i], &asked[i]->generation, &readings[asked[i] - works], error);
        end_question(asked[i]);
    }
    return status;
}

static nj_status look_again(struct nj_reader *reader, struct nj_work *works, size_t count, struct nj_work **asked,
                            struct nj_reading *readings, struct nj_error *error)
{
    nj_status status = NJ_OK;
    for (size_t i = 0; i < count && status == NJ_OK; i++) {
        struct nj_text first_pass = {0};
        works[i].question         = 1;
        asked[i]                  = &works[i];
        nj_routing_first_pass(&readings[i].event, &works[i].burst->record, &first_pass);
        if (first_pass.failed)
            status = nj_fail(error, "event %s: no memory for its second question", works[i].burst->record.event_id);
        else
            status = ask(reader, first_pass.data, nj_routing_schema(&works[i].burst->record), &works[i], error);
        nj_text_free(&first_pass);
    }
    if (status == NJ_OK)
        status = answer(reader, asked, count, error);
    for (size_t i = 0; i < count && status == NJ_OK; i++)
        status = take_routing(&works[i], &readings[i], error);
    return status;
}

/* The same burst has the same thoughts whichever others it is read with. */
static uint64_t seed_of(const struct nj_reader *reader, const char *event_id)
{
    uint64_t hash = 14695981039346656037u ^ (uint64_t)reader->conf->model.seed; /* FNV-1a */
    for (; *event_id; event_id++)
        hash = (hash ^ (uint8_t)*event_id) * 1099511628211u;
    return hash;
}

/* The plan reckons with what Gemma 4 sees by itself. A model whose own number is smaller was taught with that many, and reads more of them worse. */
static uint32_t soft_tokens_of(const struct nj_reader *reader, const struct nj_burst_input *burst)
{
    uint32_t own = nj_engine_weights(reader->engine)->config.default_soft_tokens;
    bool     few = reader->conf->model.soft_tokens == 0 && own < NJ_GEMMA_SOFT_TOKENS;
    return few && burst->soft_tokens > own ? own : burst->soft_tokens;
}

static nj_status begin(struct nj_reader *reader, const struct nj_burst_input *burst, struct nj_work *work, struct nj_reading *reading,
                       struct nj_error *error)
{
    struct nj_error why = {{0}};
    *work               = (struct nj_work){.burst = burst, .soft_tokens = soft_tokens_of(reader, burst)};
    nj_random_seed(&work->random, seed_of(reader, burst->record.event_id));
    if (burst->record.frame_count < 1 || burst->record.frame_count > NJ_READER_MAX_FRAMES)
        return nj_fail(error, "event %s: %u frames, 1 to %d can be read together", burst->record.event_id, burst->record.frame_count,
                       NJ_READER_MAX_FRAMES);
    work->random_before = work->random;
    if (!burst->parked)
        return NJ_OK;
    if (nj_work_take_up(reader, work, &why) != NJ_OK)
        nj_log(NJ_LOG_WARNING, "event %s is read from the beginning, what was parked of it cannot be taken up: %s", burst->record.event_id,
               why.text);
    return work->question > 0 ? take_parked_event(reader, work, reading, error) : NJ_OK;
}

/* Whatever became of it: a stop leaves what can be parked in the readings. */
static void finish(struct nj_reader *reader, struct nj_work *work, nj_status status, struct nj_reading *reading)
{
    uint8_t        *parked = NULL;
    size_t          size   = 0;
    struct nj_error why    = {{0}};
    if (status == NJ_STOPPED && nj_work_park(reader, work, reading, &parked, &size, &why) != NJ_OK)
        nj_log(NJ_LOG_WARNING, "event %s will be read from the beginning: %s", work->burst->record.event_id, why.text);
    if (status == NJ_OK)
        decide(reading);
    else
        nj_reading_free(reading);
    reading->parked      = parked;
    reading->parked_size = size;
    end_question(work);
    nj_generation_free(&work->first);
    nj_park_free(&work->parked);
    free(work->features);
}

static nj_status read_all(struct nj_reader *reader, const struct nj_burst_input *bursts, size_t count, struct nj_reading *readings,
                          struct nj_error *error)
{
    nj_status        status = NJ_OK;
    size_t           begun  = 0;
    struct nj_work  *works  = calloc(count + 1, sizeof *works);
    struct nj_work **asked  = calloc(count + 1, sizeof *asked);
    memset(readings, 0, count * sizeof *readings);
    if (!works || !asked)
        status = nj_fail(error, "no memory for %zu bursts", count);
    for (; begun < count && status == NJ_OK; begun++)
        status = begin(reader, &bursts[begun], &works[begun], &readings[begun], error);
    if (status == NJ_OK)
        status = look_first(reader, works, count, asked, readings, error);
    if (status == NJ_OK && reader->conf->sentinel.second_look)
        status = look_again(reader, works, count, asked, readings, error);
    if (status == NJ_OK && reader->actor)
        status = nj_reader_look_at_actions(reader, works, count, readings, error);
    for (size_t i = 0; i < begun; i++)
        finish(reader, &works[i], status, &readings[i]);
    free(works);
    free(asked);
    return status;
}

nj_status nj_reader_read(struct nj_reader *reader, const struct nj_burst_input *bursts, size_t count, struct nj_reading *readings,
                         struct nj_error *error)
{
    struct nj_error why    = {{0}};
    bool            parked = false;
    nj_status       status = read_all(reader, bursts, count, readings, &why);
    for (size_t i = 0; i < count; i++)
        parked |= bursts[i].parked != NULL;
    if (status == NJ_ERROR && parked) { /* nothing that was parked may cost more than itself */
        nj_log(NJ_LOG_WARNING, "%s; all is read from the beginning", why.text);
        struct nj_burst_input *fresh = calloc(count, sizeof *fresh);
        for (size_t i = 0; fresh && i < count; i++) {
            fresh[i]        = bursts[i];
            fresh[i].parked = NULL;
        }
        status = fresh ? read_all(reader, fresh, count, readings, &why) : status;
        free(fresh);
    }
    if (status != NJ_OK)
        nj_fail_as(status, error, "%s", why.text);
    return status;
}
