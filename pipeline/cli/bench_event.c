/* bench_event.c: the answer under the event's schema, and whole events of three pictures, alone and together, on the open model. Pictures are noise, but
 * the answer is told: random weights by themselves would fill every free text to its limit, one pass a token, which no real answer does. */
#include "pipeline/cli/bench.h"
#include "pipeline/cli/thumbnail.h"
#include "pipeline/model/sampler.h"
#include "pipeline/sentinel/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BATCH  8u
#define FRAMES      3u
#define WIDTH       1920u
#define HEIGHT      1080u
#define SOFT_TOKENS 280u
#define CONTEXT     512u /* positions in front of an answer that is measured alone */
#define LIMIT       1024u
#define MOST_JOBS   8u
#define LABEL_BYTES 64

/* One measurement of it. */
struct job {
    struct nj_bench_event *event;
    uint32_t               batch;
    char                   name[LABEL_BYTES];
    struct nj_measurement  measurement;
};

struct nj_bench_event {
    struct nj_bench      *bench;
    struct nj_conf        conf;
    struct nj_tokenizer  *tokenizer;
    struct nj_vocabulary *vocabulary;
    struct nj_reader     *reader;
    struct nj_grammar    *grammar;
    struct nj_picture     frames[FRAMES];
    struct nj_sequence   *context, *sequences[MOST_BATCH]; /* the first is copied into the others */
    int32_t               ids[CONTEXT];
    struct job            jobs[MOST_JOBS];
    uint32_t              job_count;
    struct nj_generation  answered; /* one of the last run: counts; nothing in it is owned */
    struct nj_reading     last;     /* of one event of the last run: what it took; nothing in it is owned */
    double                last_seconds;
};

static const struct nj_event_record record = {
    .event_id = "BENCH", .site_id = "D04", .local_datetime = "2010-08-16T14:51:32", .hour = 14, .frame_count = FRAMES};

/* The answer that is told, of the length that answers have: 24 stored ones to the live prompt, five of them blank and four with more than one species, take
 * 195.9 tokens on average by Gemma's tokenizer, 11.8 of them free text (basis and reasons). This one takes 197, its basis 14. */
static const char live_answer[] =
    "{\"schema_version\":\"savanna_sentinel_event_v1\",\"capture_event_id\":\"BENCH\",\"event\":{\"blank\":false,\"site_id\":\"D04\","
    "\"local_datetime\":\"2010-08-16T14:51:32\",\"frame_count\":3,\"frames_used\":\"all_available\"},\"detections\":[{\"species\":"
    "\"gazelleThomsons\",\"count\":{\"bin\":\"4\",\"minimum\":4,\"maximum\":4},\"behaviors\":{\"standing\":true,\"resting\":false,"
    "\"moving\":false,"
    "\"eating\":true,\"interacting\":false},\"young_present\":false,\"confidence\":{\"label\":\"high\",\"basis\":[\"dark band along the "
    "flank, "
    "short horns bent back, in two frames\"]}}],\"review\":{\"review_needed\":false,\"priority\":\"none\",\"reasons\":[]},\"grounding\":"
    "{\"environment_used_for_species_claim\":false,\"image_evidence_required\":true}}";

static enum nj_dialect dialect(const struct nj_bench_event *event)
{
    return strcmp(event->conf.sentinel.prompt, "trained") ? NJ_DIALECT_LIVE : NJ_DIALECT_TRAINED;
}

/* The trained dialect has no free text: there the model decides. */
static const char *answer_told(const struct nj_bench_event *event)
{
    return dialect(event) == NJ_DIALECT_LIVE ? live_answer : NULL;
}

static nj_status read_events(void *arg, double *seconds, struct nj_error *error)
{
    const struct job      *job                = arg;
    struct nj_bench_event *event              = job->event;
    struct nj_burst_input  inputs[MOST_BATCH] = {0};
    struct nj_reading      readings[MOST_BATCH];
    for (uint32_t i = 0; i < job->batch; i++)
        inputs[i] =
            (struct nj_burst_input){.record = record, .frames = event->frames, .soft_tokens = SOFT_TOKENS, .told = answer_told(event)};
    double    before           = nj_bench_now(event->bench);
    nj_status status           = nj_reader_read(event->reader, inputs, job->batch, readings, error);
    *seconds                   = nj_bench_now(event->bench) - before;
    event->last                = readings[0];
    event->last_seconds        = *seconds;
    event->last.vision_seconds = event->last.prompt_seconds = 0;
    for (uint32_t i = 0; i < job->batch; i++) {
        event->last.vision_seconds += readings[i].vision_seconds;
        event->last.prompt_seconds += readings[i].prompt_seconds;
        nj_reading_free(&readings[i]);
    }
    return status;
}

/* What stands in front of the answer goes in unmeasured, all but its last position. */
static nj_status make_context(struct nj_bench_event *event, uint32_t batch, struct nj_error *error)
{
    struct nj_engine *engine = event->bench->engine;
    nj_status         status = NJ_OK;
    if (!event->context) {
        status              = nj_sequence_open(engine, CONTEXT, &event->context, error);
        struct nj_step step = {.sequence = event->context, .ids = event->ids, .count = CONTEXT - 1};
        if (status == NJ_OK)
            status = nj_engine_step(engine, &step, 1, error);
    }
    for (uint32_t i = 0; i < batch && status == NJ_OK; i++) {
        if (!event->sequences[i])
            status = nj_sequence_open(engine, CONTEXT + LIMIT + NJ_GENERATE_ROOM, &event->sequences[i], error);
        if (status == NJ_OK)
            status = nj_sequence_copy(event->sequences[i], event->context, error);
    }
    return status;
}

static nj_status answer(void *arg, double *seconds, struct nj_error *error)
{
    struct job            *job                  = arg;
    struct nj_bench_event *event                = job->event;
    struct nj_generation   together[MOST_BATCH] = {0};
    nj_status              status               = make_context(event, job->batch, error);
    for (uint32_t i = 0; i < job->batch; i++)
        together[i] = (struct nj_generation){.sequence     = event->sequences[i],
                                             .prompt       = event->ids + CONTEXT - 1,
                                             .prompt_count = 1,
                                             .grammar      = event->grammar,
                                             .limit        = LIMIT,
                                             .told         = answer_told(event)};
    double before = nj_bench_now(event->bench);
    if (status == NJ_OK)
        status = nj_generate(event->bench->engine, event->tokenizer, event->vocabulary, together, job->batch, error);
    *seconds                = nj_bench_now(event->bench) - before;
    job->measurement.amount = 0;
    for (uint32_t i = 0; i < job->batch; i++) {
        job->measurement.amount += (double)together[i].ids.count;
        event->answered = together[i];
        nj_generation_free(&together[i]);
    }
    return status;
}

nj_status nj_bench_event_open(struct nj_bench *bench, struct nj_bench_event **out, struct nj_error *error)
{
    const struct nj_weights *weights = bench->weights;
    struct nj_bench_event   *event   = calloc(1, sizeof *event);
    struct nj_random         random;
    *out = event;
    if (!event)
        return nj_fail(error, "no memory for an event");
    event->bench = bench;
    event->conf  = *bench->conf;
    nj_random_seed(&random, 1);
    for (uint32_t i = 0; i < CONTEXT; i++)
        do
            event->ids[i] = (int32_t)(nj_random_unit(&random) * weights->config.text.vocab_size);
        while (event->ids[i] == weights->config.image_id);
    for (uint32_t f = 0; f < FRAMES; f++) {
        event->frames[f] = (struct nj_picture){.rgb = malloc((size_t)3 * WIDTH * HEIGHT), .width = WIDTH, .height = HEIGHT};
        for (size_t i = 0; event->frames[f].rgb && i < (size_t)3 * WIDTH * HEIGHT; i++)
            event->frames[f].rgb[i] = (uint8_t)(nj_random_next(&random) >> 56);
        if (!event->frames[f].rgb)
            return nj_fail(error, "no memory for pictures");
    }
    json_t   *schema = nj_event_schema(dialect(event), &record);
    nj_status status =
        schema ? nj_grammar_compile("event", schema, NULL, &event->grammar, error) : nj_fail(error, "no memory for a schema");
    json_decref(schema);
    if (status == NJ_OK)
        status = bench->tokenizer ? nj_tokenizer_open(bench->tokenizer, &event->tokenizer, error)
                                  : nj_weights_tokenizer(weights, &event->tokenizer, error);
    if (status == NJ_OK)
        status = nj_vocabulary_open(event->tokenizer, &event->vocabulary, error);
    if (status == NJ_OK && weights->config.vision.layers)
        status = nj_reader_open(bench->engine, event->tokenizer, event->vocabulary, &event->conf, "", &event->reader, error);
    return status;
}

void nj_bench_event_close(struct nj_bench_event *event)
{
    if (!event)
        return;
    nj_sequence_close(event->context);
    for (uint32_t i = 0; i < MOST_BATCH; i++)
        nj_sequence_close(event->sequences[i]);
    for (uint32_t f = 0; f < FRAMES; f++)
        nj_picture_free(&event->frames[f]);
    nj_reader_close(event->reader);
    nj_grammar_close(event->grammar);
    nj_vocabulary_close(event->vocabulary);
    nj_tokenizer_close(event->tokenizer);
    free(event);
}

static struct job *new_job(struct nj_bench_event *event, uint32_t batch)
{
    struct job *job = &event->jobs[event->job_count < MOST_JOBS ? event->job_count++ : MOST_JOBS - 1];
    *job            = (struct job){.event = event, .batch = batch};
    return job;
}

/* Tokens a second of `batch` answers under the schema, forced ones counted in. */
const struct nj_measurement *nj_bench_answer(struct nj_bench_event *event, uint32_t batch)
{
    struct job *job = new_job(event, batch);
    snprintf(job->name, sizeof job->name, "answer under the schema, batch %u", batch);
    job->measurement = (struct nj_measurement){job->name, "tokens/s", 0, NJ_LIMIT_NONE, 0, answer, job};
    return &job->measurement;
}

/* Events an hour, `batch` of them together; NULL without a vision tower. */
const struct nj_measurement *nj_bench_events(struct nj_bench_event *event, uint32_t batch)
{
    if (!event->reader)
        return NULL;
    struct job *job = new_job(event, batch);
    snprintf(job->name, sizeof job->name, batch == 1 ? "event of three pictures, alone" : "events of three pictures, four together");
    job->measurement = (struct nj_measurement){job->name, "events/h", 3600.0 * batch, NJ_LIMIT_NONE, 0, read_events, job};
    return &job->measurement;
}

/* --- the same for another program --- */

static nj_status write_bytes(const char *folder, const char *name, const void *bytes, size_t size, struct nj_error *error)
{
    char path[NJ_BENCH_PATH + 16];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file  = fopen(path, "wbe");
    bool  whole = file && fwrite(bytes, 1, size, file) == size;
    if (file && fclose(file) != 0)
        whole = false;
    return whole ? NJ_OK : nj_fail_errno(error, errno, "%s: cannot be written", path);
}

/* All texts of a conversation, one under the other. */
static void add_texts(const json_t *value, struct nj_text *out)
{
    const char   *key;
    json_t       *each;
    size_t        index;
    const json_t *text = json_object_get(value, "text"), *content = json_object_get(value, "content");
    if (json_is_string(text) || json_is_string(content))
        nj_text_addf(out, "%s%s", out->length ? "\n\n" : "", json_string_value(json_is_string(text) ? text : content));
    json_array_foreach(value, index, each) add_texts(each, out);
    json_object_foreach((json_t *)value, key, each) add_texts(each, out);
}

static nj_status write_prompt(const struct nj_bench_event *event, const char *folder, struct nj_error *error)
{
    struct nj_prompt_record known = {
        .event_id = record.event_id, .site_id = record.site_id, .local_datetime = record.local_datetime, .frame_count = record.frame_count};
    json_t        *conversation = nj_prompt_conversation(answer_told(event) ? NJ_PROMPT_EVENT_LIVE : NJ_PROMPT_EVENT_TRAINED, &known);
    struct nj_text text         = {0};
    add_texts(conversation, &text);
    nj_status status = text.failed || !text.data ? nj_fail(error, "no memory for a prompt")
                                                 : write_bytes(folder, "prompt.txt", text.data, text.length, error);
    nj_text_free(&text);
    json_decref(conversation);
    return status;
}

static nj_status write_schema(const struct nj_bench_event *event, const char *folder, struct nj_error *error)
{
    json_t   *schema = nj_event_schema(dialect(event), &record);
    char     *text   = schema ? json_dumps(schema, JSON_COMPACT) : NULL;
    nj_status status = text ? write_bytes(folder, "schema.json", text, strlen(text), error) : nj_fail(error, "no memory for a schema");
    free(text);
    json_decref(schema);
    return status;
}

nj_status nj_bench_event_write(const struct nj_bench_event *event, const char *folder, uint32_t *tokens, struct nj_error *error)
{
    struct nj_ids ids    = {0};
    const char   *told   = answer_told(event);
    nj_status     status = write_schema(event, folder, error);
    if (status == NJ_OK)
        status = write_prompt(event, folder, error);
    for (uint32_t f = 0; f < FRAMES && status == NJ_OK; f++) {
        char     name[16];
        uint8_t *bytes = NULL;
        size_t   size  = 0;
        snprintf(name, sizeof name, "%u.jpg", f);
        status = nj_thumbnail_jpeg(&event->frames[f], 85, &bytes, &size, error);
        if (status == NJ_OK)
            status = write_bytes(folder, name, bytes, size, error);
        free(bytes);
    }
    if (status == NJ_OK && told)
        status = nj_tokenizer_encode(event->tokenizer, told, strlen(told), false, &ids, error);
    *tokens = told ? (uint32_t)ids.count : 240;
    free(ids.data);
    return status;
}

/* --- all of it --- */

/* What kinds of tokens the answer is made of. */
static void print_kinds(const struct nj_bench_event *event)
{
    const struct nj_generation *g = &event->answered;
    if (!event->bench->json && g->ids.count)
        printf("  each answer: %zu tokens in %zu passes: %zu free, %zu of choices, %zu forced\n", g->ids.count, g->passes, g->free_tokens,
               g->choice_tokens, g->ids.count - g->free_tokens - g->choice_tokens);
}

/* Where the time of the last run went. */
static void print_parts(const struct nj_bench_event *event)
{
    const struct nj_reading *last   = &event->last;
    double                   answer = event->last_seconds - last->vision_seconds - last->prompt_seconds;
    if (event->bench->json || event->last_seconds == 0)
        return;
    printf("  of the last run: pictures %.1f s, prompts %.1f s, answers %.1f s; one event: %u positions, %u tokens in %u passes\n",
           last->vision_seconds, last->prompt_seconds, answer, last->prompt_tokens, last->answer_tokens, last->passes);
}

nj_status nj_bench_answers(struct nj_bench *bench, struct nj_error *error)
{
    static const uint32_t  batches[] = {1, 4, 8};
    struct nj_bench_event *event     = NULL;
    nj_status              status    = nj_bench_event_open(bench, &event, error);
    for (size_t i = 0; status == NJ_OK && i < sizeof batches / sizeof *batches; i++) {
        event->answered = (struct nj_generation){0};
        status          = nj_bench_run(bench, nj_bench_answer(event, batches[i]), error);
        print_kinds(event);
    }
    for (uint32_t batch = 1; status == NJ_OK && event->reader && batch <= 4; batch += 3) {
        event->last_seconds = 0;
        status              = nj_bench_run(bench, nj_bench_events(event, batch), error);
        print_parts(event);
    }
    nj_bench_event_close(event);
    return status;
}
