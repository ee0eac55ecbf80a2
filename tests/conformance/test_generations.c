/* What a model with random weights writes under every schema there is: those of the station's own questions, the published ones and those of the grammar
 * reference. `test_generations COUNT` writes them as JSON lines, {"name", "schema"} before the {"document"} lines that belong to it, for a judge that is not
 * ours (judge.cc, test_generations.sh). Without an argument: a few, judged by validator.h. */
#include "pipeline/constrain/generate.h"
#include "pipeline/model/random_model.h"
#include "pipeline/sentinel/routing.h"
#include "tests/conformance/validator.h"
#include "tests/tap.h"

#include <dirent.h>

#define TOGETHER 64 /* answers that share a pass over the weights */
#define LONGEST  2000

struct bench {
    struct nj_weights    *weights;
    struct nj_engine     *engine;
    struct nj_tokenizer  *tokenizer;
    struct nj_vocabulary *vocabulary;
    struct nj_random      random;
    size_t                each;          /* answers a schema */
    bool                  write, beyond; /* beyond validator.h: a pattern that is no POSIX regular expression */
    size_t                schemas, documents, wrong;
};

static void take(struct bench *bench, const json_t *schema, const struct nj_generation *g)
{
    bench->documents++;
    if (bench->write) {
        json_t *line = json_pack("{s:s#}", "document", g->text.data, (int)g->text.length);
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
    } else if (!bench->beyond && !validator_judges(schema, g->text.data, g->text.length)) {
        printf("# %s\n", g->text.data);
        bench->wrong++;
    }
}

/* Every third answer is greedy, the others are sampled, at two temperatures. */
static nj_status generate(struct bench *bench, const json_t *schema, struct nj_grammar *grammar, size_t count, size_t limit,
                          struct nj_error *error)
{
    struct nj_generation list[TOGETHER];
    int32_t              prompts[TOGETHER][3];
    nj_status            status = NJ_OK;
    memset(list, 0, sizeof list);
    for (size_t i = 0; i < count && status == NJ_OK; i++) {
        for (int k = 0; k < 3; k++)
            prompts[i][k] = 30 + (int32_t)(nj_random_next(&bench->random) % 700);
        list[i] = (struct nj_generation){.prompt       = prompts[i],
                                         .prompt_count = 3,
                                         .grammar      = grammar,
                                         .limit        = limit,
                                         .sampling     = {.temperature = i % 3 ? (i % 3 == 1 ? 1.0f : 6.0f) : 0.0f, .top_p = 1},
                                         .random       = &bench->random};
        status  = nj_sequence_open(bench->engine, (uint32_t)(3 + limit + NJ_GENERATE_ROOM), &list[i].sequence, error);
    }
    if (status == NJ_OK)
        status = nj_generate(bench->engine, bench->tokenizer, bench->vocabulary, list, count, error);
    for (size_t i = 0; i < count; i++) {
        if (status == NJ_OK)
            take(bench, schema, &list[i]);
        nj_sequence_close(list[i].sequence);
        nj_generation_free(&list[i]);
    }
    return status;
}

static void write_schema(struct bench *bench, const char *name, json_t *schema)
{
    struct nj_error    error   = {0};
    struct nj_grammar *grammar = NULL;
    size_t             limit = 24, done = 0, wrong = bench->wrong;
    nj_status          status = schema ? nj_grammar_compile(name, schema, NULL, &grammar, &error) : nj_fail(&error, "%s: no schema", name);
    bench->beyond             = !strcmp(name, "pattern_escapes.json");
    if (bench->write && status == NJ_OK) {
        json_t *line = json_pack("{s:s, s:O}", "name", name, "schema", schema);
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
    }
    while (status == NJ_OK && done < bench->each) {
        size_t count = bench->each - done < TOGETHER ? bench->each - done : TOGETHER;
        status       = generate(bench, schema, grammar, count, limit, &error);
        if (status != NJ_OK && strstr(error.text, "too few") && limit < LONGEST) {
            limit *= 2;
            status = NJ_OK;
        } else
            done += count;
    }
    bench->schemas++;
    if (!bench->write)
        CHECK(status == NJ_OK && bench->wrong == wrong, "%s: %zu answers are valid %s", name, bench->each, error.text);
    else if (status != NJ_OK) {
        fprintf(stderr, "test_generations: %s\n", error.text);
        exit(1);
    }
    nj_grammar_close(grammar);
    json_decref(schema);
}

static void write_own(struct bench *bench)
{
    static const char *const dialects[] = {"event as trained", "event live", "event flat"};
    struct nj_event_record   record     = {
              .event_id = "ASG000b5dm", .site_id = "D07", .local_datetime = "2012-02-29T18:19:00", .hour = 18, .frame_count = 3};
    for (int i = 0; i < 3; i++)
        write_schema(bench, dialects[i], nj_event_schema((enum nj_dialect)i, &record));
    write_schema(bench, "review", nj_routing_schema(&record));
}

static void write_folder(struct bench *bench, const char *shared, const char *folder)
{
    char           path[4096];
    struct dirent *entry;
    snprintf(path, sizeof path, "%s/%s", shared, folder);
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        size_t size = strlen(entry->d_name);
        if (size < 5 || strcmp(entry->d_name + size - 5, ".json") != 0 ||
            (strstr(folder, "sentinel") && !strstr(entry->d_name, ".schema.")))
            continue;
        snprintf(path, sizeof path, "%s/%s/%s", shared, folder, entry->d_name);
        write_schema(bench, entry->d_name, json_load_file(path, 0, NULL));
    }
    if (dir)
        closedir(dir);
}

static void write_all(struct bench *bench)
{
    const char *shared = tap_shared();
    write_own(bench);
    if (!shared)
        return;
    write_folder(bench, shared, "reference/grammar/schemas");
    write_folder(bench, shared, "data/sentinel");
}

int main(int argc, char **argv)
{
    struct nj_engine_options options = {.arithmetic = NJ_FAST};
    struct nj_error          error   = {0};
    struct bench             bench   = {.each = argc > 1 ? strtoul(argv[1], NULL, 10) : 2, .write = argc > 1};
    nj_status                status  = nj_random_open("tiny", 7, &bench.weights, &error);
    nj_random_seed(&bench.random, 4);
    if (status == NJ_OK)
        status = nj_engine_open(bench.weights, &options, &bench.engine, &error);
    if (status == NJ_OK)
        status = nj_weights_tokenizer(bench.weights, &bench.tokenizer, &error);
    if (status == NJ_OK)
        status = nj_vocabulary_open(bench.tokenizer, &bench.vocabulary, &error);
    if (status == NJ_OK)
        write_all(&bench);
    nj_vocabulary_close(bench.vocabulary);
    nj_tokenizer_close(bench.tokenizer);
    nj_engine_close(bench.engine);
    nj_weights_close(bench.weights);
    if (bench.write) {
        fprintf(stderr, "%zu documents under %zu schemas\n", bench.documents, bench.schemas);
        return status != NJ_OK;
    }
    CHECK(status == NJ_OK, "a model of random weights %s", error.text);
    return tap_done();
}
