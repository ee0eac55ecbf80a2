/* The schemas of the wildlife answers: every training target is allowed by the schema made for it, contradictions are not, and what a model with random
 * weights writes under them is valid under the published schemas, as a validator that shares no code with the grammars sees it. */
#include "base/file.h"
#include "pipeline/constrain/acceptor.h"
#include "pipeline/constrain/generate.h"
#include "pipeline/model/random_model.h"
#include "pipeline/sentinel/routing.h"
#include "tests/conformance/validator.h"
#include "tests/tap.h"

#include <stdlib.h>

static struct nj_event_record record_of(const json_t *target)
{
    const json_t          *event  = json_object_get(target, "event");
    const char            *time   = json_string_value(json_object_get(event, "local_datetime"));
    const char            *site   = json_string_value(json_object_get(event, "site_id"));
    struct nj_event_record record = {.event_id       = json_string_value(json_object_get(target, "capture_event_id")),
                                     .site_id        = site ? site : "",
                                     .local_datetime = time ? time : "",
                                     .hour           = time ? atoi(time + 11) : -1,
                                     .frame_count    = (unsigned)json_integer_value(json_object_get(event, "frame_count"))};
    return record;
}

/* Whether the grammar writes exactly this text: valid, and not one byte has to be respelled. */
static bool writes(json_t *schema, const char *text)
{
    struct nj_error     error  = {0};
    char               *source = json_dumps(schema, JSON_COMPACT);
    struct nj_acceptor *acceptor;
    bool                valid = false;
    size_t              at    = 0;
    if (source && nj_acceptor_open("schema", source, strlen(source), &acceptor, &error) == NJ_OK) {
        nj_acceptor_judge(acceptor, text, strlen(text), &valid, &at, &error);
        nj_acceptor_close(acceptor);
    } else
        CHECK(false, "the schema compiles: %s", error.text);
    free(source);
    return valid && at == strlen(text);
}

static void check_targets(const char *shared)
{
    char path[4096], *line = NULL;
    snprintf(path, sizeof path, "%s/data/sentinel/trained_targets.jsonl", shared);
    FILE  *file     = fopen(path, "r");
    size_t capacity = 0, events = 0, reviews = 0;
    while (file && getline(&line, &capacity, file) > 0) {
        json_t                *row    = json_loads(line, 0, NULL);
        json_t                *target = json_object_get(row, "target");
        struct nj_event_record record = record_of(target);
        char                  *text   = json_dumps(target, JSON_COMPACT);
        bool                   event  = json_object_get(target, "event") != NULL;
        json_t                *schema = event ? nj_event_schema(NJ_DIALECT_TRAINED, &record) : nj_routing_schema(&record);
        CHECK(text && writes(schema, text), "%s target of %s", event ? "event" : "review", record.event_id);
        *(event ? &events : &reviews) += 1;
        json_decref(schema);
        free(text);
        json_decref(row);
    }
    CHECK(events == 15 && reviews == 13, "%zu event targets, %zu review targets", events, reviews);
    free(line);
    if (file)
        fclose(file);
}

static void check_contradictions(void)
{
#define HEAD "{\"schema_version\":\"savanna_sentinel_review_v1\",\"capture_event_id\":\"ASG00001fo\",\"decision\":"
#define LOW(d)                                                                                                                             \
    "\"uncertainty\":{\"species_uncertainty\":\"low\",\"count_uncertainty\":\"low\",\"blank_uncertainty\":\"low\",\"label_disagreement\":" \
    "\"" d "\"},"
#define QUEUE(q) "\"routing\":{\"queue\":\"" q "\",\"human_privacy_filter\":false}}"
    static const struct {
        const char *what, *text;
        bool        valid;
    } cases[] = {
        {"accepted", HEAD "\"accept\",\"review_needed\":false,\"priority\":\"none\",\"reasons\":[]," LOW("not_high") QUEUE("auto_accept"),
         true},
        {"night",
         HEAD "\"review\",\"review_needed\":true,\"priority\":\"medium\",\"reasons\":[\"night_event\"]," LOW("not_high")
             QUEUE("expert_review"),
         true},
        {"accepted, but needed",
         HEAD "\"accept\",\"review_needed\":true,\"priority\":\"none\",\"reasons\":[]," LOW("not_high") QUEUE("auto_accept"), false},
        {"accepted with a reason",
         HEAD "\"accept\",\"review_needed\":false,\"priority\":\"none\",\"reasons\":[\"night_event\"]," LOW("not_high")
             QUEUE("auto_accept"),
         false},
        {"accepted into the queue",
         HEAD "\"accept\",\"review_needed\":false,\"priority\":\"none\",\"reasons\":[]," LOW("not_high") QUEUE("expert_review"), false},
        {"needed without a reason",
         HEAD "\"review\",\"review_needed\":true,\"priority\":\"medium\",\"reasons\":[]," LOW("not_high") QUEUE("expert_review"), false},
        {"night is no high priority",
         HEAD "\"review\",\"review_needed\":true,\"priority\":\"high\",\"reasons\":[\"night_event\"]," LOW("not_high")
             QUEUE("expert_review"),
         false},
        {"rare is no medium priority",
         HEAD "\"review\",\"review_needed\":true,\"priority\":\"medium\",\"reasons\":[\"rare_species\"]," LOW("not_high")
             QUEUE("expert_review"),
         false},
        {"disagreement said twice, differently",
         HEAD "\"review\",\"review_needed\":true,\"priority\":\"high\",\"reasons\":[\"rare_species\"]," LOW("high") QUEUE("expert_review"),
         false},
        {"a reason twice",
         HEAD "\"review\",\"review_needed\":true,\"priority\":\"medium\",\"reasons\":[\"night_event\",\"night_event\"]," LOW("not_high")
             QUEUE("expert_review"),
         false},
    };
    struct nj_event_record record = {.event_id = "ASG00001fo", .site_id = "E04", .local_datetime = "", .hour = -1, .frame_count = 1};
    json_t                *schema = nj_routing_schema(&record), *other;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK(writes(schema, cases[i].text) == cases[i].valid, "%s: %s", cases[i].what, cases[i].valid ? "allowed" : "refused");
    record.event_id = "ASG00001f0";
    other           = nj_routing_schema(&record);
    CHECK(!writes(other, cases[0].text), "another id: refused");
    json_decref(schema);
    json_decref(other);
}

/* The two summaries that stand in published prompts. */
static void check_first_pass(void)
{
    struct nj_event_record record = {
        .event_id = "x", .site_id = "H06", .local_datetime = "2010-08-20T12:51:28", .hour = 12, .frame_count = 1};
    struct nj_event event = {.blank = NJ_NO, .detection_count = 1};
    struct nj_text  text  = {0};
    event.detections[0]   = (struct nj_detection){.species = 13, .bin = 10, .young = NJ_YES};
    nj_routing_first_pass(&event, &record, &text);
    CHECK(!strcmp(text.data,
                  "{\"blank\":false,\"detections\":[{\"species\":\"gazelleThomsons\",\"count_bin\":\"11-50\",\"young_present\":true}],"
                  "\"site_id\":\"H06\",\"local_datetime\":\"2010-08-20T12:51:28\",\"is_night\":false}"),
          "%s", text.data);
    nj_text_clear(&text);
    record =
        (struct nj_event_record){.event_id = "x", .site_id = "H04", .local_datetime = "2010-08-20T15:12:22", .hour = 15, .frame_count = 1};
    event = (struct nj_event){.blank = NJ_YES};
    nj_routing_first_pass(&event, &record, &text);
    CHECK(!strcmp(text.data,
                  "{\"blank\":true,\"detections\":[],\"site_id\":\"H04\",\"local_datetime\":\"2010-08-20T15:12:22\",\"is_night\":null}"),
          "%s", text.data);
    nj_text_free(&text);
}

struct bench {
    struct nj_weights    *weights;
    struct nj_engine     *engine;
    struct nj_tokenizer  *tokenizer;
    struct nj_vocabulary *vocabulary;
    struct nj_random      random;
};

static bool chosen(const struct nj_generation *g, const char *path)
{
    for (size_t i = 0; i < g->choice_count; i++)
        if (!strcmp(g->choices[i].path, path))
            return true;
    return false;
}

/* One document under our schema for the event, judged by the published schema (NULL: by ours). */
static bool one(struct bench *bench, json_t *schema, const json_t *judge, bool routing, unsigned n, struct nj_error *error)
{
    int32_t              prompt[4] = {2, 260 + (int32_t)(n % 200), 300, 310};
    struct nj_grammar   *grammar   = NULL;
    struct nj_generation g         = {.prompt       = prompt,
                                      .prompt_count = 4,
                                      .limit        = 900,
                                      .sampling     = {.temperature = n % 3 ? 1 : 0, .top_p = 1},
                                      .random       = &bench->random};
    json_t              *document  = NULL;
    nj_status            status    = nj_grammar_compile("schema", schema, NULL, &grammar, error);
    if (status == NJ_OK)
        status = nj_sequence_open(bench->engine, 4 + 900 + NJ_GENERATE_ROOM, &g.sequence, error);
    g.grammar = grammar;
    if (status == NJ_OK)
        status = nj_generate(bench->engine, bench->tokenizer, bench->vocabulary, &g, 1, error);
    bool valid =
        status == NJ_OK && validator_judges(judge, g.text.data, g.text.length) && validator_judges(schema, g.text.data, g.text.length);
    if (status == NJ_OK && !valid)
        nj_fail(error, "%s", g.text.data);
    if (valid)
        valid = nj_json_parse("answer", g.text.data, g.text.length, &document, error) == NJ_OK;
    struct nj_event   event;
    struct nj_routing route;
    if (valid)
        valid = (routing ? nj_routing_from_json(document, &route, error) : nj_event_from_json(document, &event, error)) == NJ_OK;
    if (valid && routing)
        valid = route.priority == nj_review_priority(route.reasons) && route.review_needed == (route.reasons != 0);
    /* What a ranger is shown a probability of must have been a choice. */
    if (valid && !chosen(&g, routing ? "/decision" : event.dialect == NJ_DIALECT_FLAT ? "/blank" : "/event/blank"))
        valid = nj_fail(error, "blank or decision was no choice: %s", g.text.data) == NJ_OK;
    if (valid && !routing && event.detection_count && !(chosen(&g, "/detections/0/species")))
        valid = nj_fail(error, "the species was no choice: %s", g.text.data) == NJ_OK;
    json_decref(document);
    nj_sequence_close(g.sequence);
    nj_generation_free(&g);
    nj_grammar_close(grammar);
    return valid;
}

static void check_generations(struct bench *bench, const char *shared)
{
    static const struct {
        const char     *file;
        enum nj_dialect dialect;
        bool            routing;
    } kinds[] = {{"event_nested", NJ_DIALECT_TRAINED, false},
                 {"event_nested_live", NJ_DIALECT_LIVE, false},
                 {"event_flat", NJ_DIALECT_FLAT, false},
                 {"review", NJ_DIALECT_OTHER, true}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/data/sentinel/%s.schema.json", shared, kinds[k].file);
        json_t         *judge = json_load_file(path, 0, NULL);
        struct nj_error error = {0};
        unsigned        right = 0, times = 12;
        for (unsigned n = 0; n < times; n++) {
            char                   id[16], time[32];
            struct nj_event_record record = {
                .event_id = id, .site_id = "D07", .local_datetime = time, .hour = (int)(n * 5 % 24), .frame_count = 1 + n % 3};
            snprintf(id, sizeof id, "ASG%07u", n);
            snprintf(time, sizeof time, "2010-08-16T%02d:51:32", record.hour);
            json_t *schema = kinds[k].routing ? nj_routing_schema(&record) : nj_event_schema(kinds[k].dialect, &record);
            right += schema && one(bench, schema, judge, kinds[k].routing, n, &error);
            json_decref(schema);
        }
        CHECK(judge && right == times, "%s: %u of %u answers of random weights are valid %s", kinds[k].file, right, times, error.text);
        json_decref(judge);
    }
}

int main(void)
{
    const char              *shared  = tap_shared();
    struct nj_error          error   = {0};
    struct bench             bench   = {0};
    struct nj_engine_options options = {.arithmetic = NJ_EXACT};
    check_contradictions();
    check_first_pass();
    if (!shared) {
        SKIP("no reference files");
        return tap_done();
    }
    check_targets(shared);
    nj_random_seed(&bench.random, 11);
    if (CHECK(nj_random_open("tiny", 7, &bench.weights, &error) == NJ_OK, "a random model: %s", error.text) &&
        CHECK(nj_engine_open(bench.weights, &options, &bench.engine, &error) == NJ_OK, "its engine: %s", error.text) &&
        CHECK(nj_weights_tokenizer(bench.weights, &bench.tokenizer, &error) == NJ_OK, "its tokenizer: %s", error.text) &&
        CHECK(nj_vocabulary_open(bench.tokenizer, &bench.vocabulary, &error) == NJ_OK, "its vocabulary: %s", error.text))
        check_generations(&bench, shared);
    nj_vocabulary_close(bench.vocabulary);
    nj_tokenizer_close(bench.tokenizer);
    nj_engine_close(bench.engine);
    nj_weights_close(bench.weights);
    return tap_done();
}
