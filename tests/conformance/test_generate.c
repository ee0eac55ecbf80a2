/* Documents out of a model with random weights: always complete, always what the schema says, whatever the limit; choices with probabilities that are the
 * model's own. */
#include "pipeline/constrain/generate.h"
#include "pipeline/model/random_model.h"
#include "tests/conformance/validator.h"
#include "tests/tap.h"

#include <math.h>

static struct bench {
    struct nj_weights    *weights;
    struct nj_engine     *engine;
    struct nj_tokenizer  *tokenizer;
    struct nj_vocabulary *vocabulary;
} bench;

static const char event[] =
    "{\"type\":\"object\",\"properties\":{\"id\":{\"const\":\"ASG1\"},\"blank\":{\"type\":\"boolean\"},\"species\":{\"enum\":["
    "\"lionFemale\","
    "\"lionMale\",\"zebra\",\"otherBird\"]},\"bin\":{\"enum\":[\"1\",\"2\",\"10\",\"11-50\"]},\"number\":{\"enum\":[1,10,100]},\"basis\":{"
    "\"type\":"
    "\"array\",\"items\":{\"enum\":[\"a\",\"ab\",\"b\"]},\"uniqueItems\":true,\"minItems\":2},\"note\":{\"type\":\"string\",\"maxLength\":"
    "40}},"
    "\"required\":[\"id\",\"blank\",\"species\",\"bin\",\"number\",\"basis\",\"note\"],\"additionalProperties\":false}";

static const char list[] =
    "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"s\":{\"enum\":[\"x\",\"yy\"]},\"t\":{\"type\":\"string\"}},"
    "\"required\":[\"s\",\"t\"],\"additionalProperties\":false}}";

struct case_of { /* a schema both ways */
    json_t            *schema;
    struct nj_grammar *grammar;
};

static struct case_of compile(const char *text)
{
    struct nj_error error = {0};
    struct case_of  k     = {.schema = json_loads(text, JSON_DECODE_ANY, NULL)};
    if (nj_grammar_compile("schema", k.schema, NULL, &k.grammar, &error) != NJ_OK)
        CHECK(false, "it compiles: %s", error.text);
    return k;
}

static void release(struct case_of *k)
{
    nj_grammar_close(k->grammar);
    json_decref(k->schema);
}

static struct nj_generation request(const struct case_of *k, const int32_t *prompt, size_t count, size_t limit)
{
    struct nj_generation g     = {.prompt = prompt, .prompt_count = count, .grammar = k ? k->grammar : NULL, .limit = limit};
    struct nj_error      error = {0};
    if (nj_sequence_open(bench.engine, (uint32_t)(count + limit + NJ_GENERATE_ROOM), &g.sequence, &error) != NJ_OK)
        CHECK(false, "a sequence: %s", error.text);
    return g;
}

static nj_status run(struct nj_generation *g, size_t count, struct nj_error *error)
{
    return nj_generate(bench.engine, bench.tokenizer, bench.vocabulary, g, count, error);
}

static void forget(struct nj_generation *g)
{
    nj_sequence_close(g->sequence);
    nj_generation_free(g);
}

static const int32_t prompts[][4] = {{2, 300, 301, 310}, {2, 411, 280, 333}, {2, 259, 400, 270}};

static void check_documents(const struct case_of *k, const char *name)
{
    for (size_t p = 0; p < 3; p++) {
        struct nj_error      error = {0};
        struct nj_generation g     = request(k, prompts[p], 4, 300);
        bool                 ok    = run(&g, 1, &error) == NJ_OK && validator_judges(k->schema, g.text.data, g.text.length);
        CHECK(ok && g.stop != NJ_STOP_EOS, "%s, prompt %zu: %s%s", name, p, g.text.data ? g.text.data : "", error.text);
        struct nj_text spelled = {0};
        for (size_t i = 0; i < g.ids.count; i++) {
            struct nj_string_view bytes = nj_tokenizer_bytes(bench.tokenizer, g.ids.data[i]);
            nj_text_add_bytes(&spelled, bytes.data, bytes.size);
        }
        CHECK(spelled.length == g.text.length && !memcmp(spelled.data, g.text.data, g.text.length), "its ids spell it");
        nj_text_free(&spelled);
        forget(&g);
    }
}

/* From far too few tokens to plenty: an error that says how many are needed, or a complete document within the limit. */
static void check_limits(const struct case_of *k, const char *name)
{
    size_t refused = 0, closed = 0, complete = 0, wrong = 0;
    for (size_t limit = 1; limit < 110; limit += limit < 20 || limit > 90 ? 1 : 9) {
        struct nj_error      error = {0};
        struct nj_generation g     = request(k, prompts[0], 4, limit);
        if (run(&g, 1, &error) != NJ_OK) {
            wrong += !strstr(error.text, "too few") || closed > 0;
            refused++;
        } else {
            bool fits = g.ids.count <= limit && validator_judges(k->schema, g.text.data, g.text.length);
            wrong += !fits;
            closed += g.stop == NJ_STOP_LENGTH;
            complete += g.stop == NJ_STOP_SCHEMA;
        }
        forget(&g);
    }
    CHECK(wrong == 0 && closed > 0, "%s: over all limits %zu refused, %zu closed in time, %zu complete by themselves, %zu wrong", name,
          refused, closed, complete, wrong);
}

static void check_together(const struct case_of *a, const struct case_of *b)
{
    struct nj_error      error = {0};
    struct nj_generation alone[3], all[3];
    bool                 same = true;
    for (size_t i = 0; i < 3; i++) {
        alone[i] = request(i == 1 ? b : a, prompts[i], 4, 200);
        all[i]   = request(i == 1 ? b : a, prompts[i], 4, 200);
        same     = same && run(&alone[i], 1, &error) == NJ_OK;
    }
    CHECK(same && run(all, 3, &error) == NJ_OK, "three at once: %s", error.text);
    for (size_t i = 0; i < 3; i++) {
        CHECK(alone[i].ids.count == all[i].ids.count && !memcmp(alone[i].ids.data, all[i].ids.data, alone[i].ids.count * sizeof(int32_t)),
              "answer %zu is the same alone and together", i);
        CHECK(alone[i].choice_count == all[i].choice_count, "and so are its choices");
        forget(&alone[i]);
        forget(&all[i]);
    }
}

/* p of one token as the engine's own softmax over the rows. */
static double direct(const int32_t *prompt, size_t count, const int32_t *rows, size_t row_count, size_t which)
{
    struct nj_sequence *sequence;
    float               logits[8];
    double              total = 0;
    struct nj_step step = {.ids = prompt, .count = count, .want = NJ_WANT_LAST, .rows = rows, .row_count = row_count, .logits = logits};
    if (nj_sequence_open(bench.engine, 64, &sequence, NULL) != NJ_OK)
        return -1;
    step.sequence = sequence;
    nj_engine_step(bench.engine, &step, 1, NULL);
    nj_sequence_close(sequence);
    for (size_t i = 0; i < row_count; i++)
        total += exp((double)logits[i]);
    return exp((double)logits[which]) / total;
}

static int32_t only_id(const char *text)
{
    struct nj_ids ids = {0};
    nj_tokenizer_encode(bench.tokenizer, text, strlen(text), false, &ids, NULL);
    int32_t id = ids.count ? ids.data[0] : -1;
    free(ids.data);
    return id;
}

static void check_probabilities(void)
{
    struct case_of  k     = compile("{\"type\":\"boolean\"}");
    struct nj_error error = {0};
    for (size_t p = 0; p < 3; p++) {
        struct nj_generation g       = request(&k, prompts[p], 4, 20);
        int32_t              rows[2] = {only_id("true"), only_id("false")};
        bool                 ok      = run(&g, 1, &error) == NJ_OK && g.choice_count == 1 && g.choices[0].path[0] == 0;
        size_t               which   = ok && !strcmp(g.choices[0].value, "false");
        double               want    = direct(prompts[p], 4, rows, 2, which);
        CHECK(ok && fabs(g.choices[0].probability - want) < 1e-6 && want > 0.5, "yes or no: %f, asked directly %f",
              ok ? g.choices[0].probability : -1, want);
        CHECK(ok && fabs(g.choices[0].probability + g.choices[0].runner_up_probability - 1) < 1e-9, "with the other it makes 1");
        forget(&g);
    }
    release(&k);
}

/* Sampling often enough shows each alternative as often as its probability says. */
static void check_sampling(void)
{
    struct case_of       k     = compile("{\"enum\":[\"1\",\"10\",\"11-50\",\"2\"]}");
    struct nj_error      error = {0};
    struct nj_random     random;
    struct nj_generation best  = request(&k, prompts[1], 4, 30);
    unsigned             often = 0, times = 120;
    char                *first = NULL;
    bool                 ok    = run(&best, 1, &error) == NJ_OK && best.choice_count == 1;
    CHECK(ok, "a bin: %s", ok ? best.choices[0].value : error.text);
    nj_random_seed(&random, 5);
    for (unsigned i = 0; i < times && ok; i++) {
        struct nj_generation g = request(&k, prompts[1], 4, 30);
        g.sampling             = (struct nj_sampling){.temperature = 1, .top_p = 1};
        g.random               = &random;
        ok                     = run(&g, 1, &error) == NJ_OK && validator_judges(k.schema, g.text.data, g.text.length);
        often += ok && !strcmp(g.choices[0].value, best.choices[0].value);
        if (i == 0 && ok)
            first = strdup(g.text.data);
        forget(&g);
    }
    double p = ok ? best.choices[0].probability : 0, share = (double)often / times;
    CHECK(ok && fabs(share - p) < 4 * sqrt(p * (1 - p) / times) + 1e-9, "sampled it comes in %.3f of %u, its probability is %.3f", share,
          times, p);
    nj_random_seed(&random, 5);
    struct nj_generation again = request(&k, prompts[1], 4, 30);
    again.sampling             = (struct nj_sampling){.temperature = 1, .top_p = 1};
    again.random               = &random;
    CHECK(run(&again, 1, &error) == NJ_OK && first && !strcmp(first, again.text.data), "the same seed gives the same answer");
    free(first);
    forget(&again);
    forget(&best);
    release(&k);
}

static bool same_choices(const struct nj_generation *a, const struct nj_generation *b)
{
    bool same = a->choice_count == b->choice_count;
    for (size_t i = 0; same && i < a->choice_count; i++)
        same = !strcmp(a->choices[i].path, b->choices[i].path) && !strcmp(a->choices[i].value, b->choices[i].value) &&
               !strcmp(a->choices[i].runner_up, b->choices[i].runner_up) && a->choices[i].probability == b->choices[i].probability &&
               a->choices[i].runner_up_probability == b->choices[i].runner_up_probability;
    return same;
}

/* What the model would have said by itself, and is told, takes the same way: here every token is forced or of a choice, so there is but one. */
static void check_own_answer(void)
{
    struct case_of k = compile(
        "{\"type\":\"object\",\"properties\":{\"id\":{\"const\":\"ASG1\"},\"blank\":{\"type\":\"boolean\"},\"species\":{\"enum\":["
        "\"lionFemale\",\"lionMale\",\"zebra\",\"otherBird\"]},\"number\":{\"enum\":[1,10,100]},\"basis\":{\"type\":\"array\",\"items\":"
        "{\"enum\":[\"a\",\"ab\",\"b\"]},\"uniqueItems\":true,\"minItems\":2,\"maxItems\":2}},\"required\":[\"id\",\"blank\",\"species\","
        "\"number\",\"basis\"],"
        "\"additionalProperties\":false}");
    for (size_t p = 0; p < 3; p++) {
        struct nj_error      error = {0};
        struct nj_generation own = request(&k, prompts[p], 4, 200), told = request(&k, prompts[p], 4, 200);
        bool                 ok = run(&own, 1, &error) == NJ_OK;
        told.told               = own.text.data;
        ok                      = ok && run(&told, 1, &error) == NJ_OK && same_choices(&own, &told) && own.choice_count == 5;
        ok                      = ok && own.ids.count == told.ids.count && own.passes == told.passes && own.stop == told.stop;
        ok                      = ok && !memcmp(own.ids.data, told.ids.data, own.ids.count * sizeof *own.ids.data);
        CHECK(ok && own.free_tokens == 0 && told.choice_tokens > 0, "its own answer, told, is the same to the bit: %s %s",
              own.text.data ? own.text.data : "", error.text);
        forget(&own);
        forget(&told);
    }
    release(&k);
}

static const char *const told_documents[] = {
    "{\"id\":\"ASG1\",\"blank\":true,\"species\":\"zebra\",\"bin\":\"1\",\"number\":1,\"basis\":[\"a\",\"b\"],\"note\":\"\"}",
    "{\"id\":\"ASG1\",\"blank\":false,\"species\":\"lionMale\",\"bin\":\"10\",\"number\":100,\"basis\":[\"ab\",\"b\",\"a\"],\"note\":\"two "
    "of them\"}",
    "{\"id\":\"ASG1\",\"blank\":false,\"species\":\"lionFemale\",\"bin\":\"11-50\",\"number\":10,\"basis\":[\"b\",\"ab\"],\"note\":"
    "\"\xc3\xa9 \\u0001 "
    "\\\"\"}"};

static void check_told(const struct case_of *k)
{
    double blank[2] = {0};
    for (size_t i = 0; i < 3; i++) {
        struct nj_error      error = {0};
        struct nj_generation g     = request(k, prompts[0], 4, 300);
        g.told                     = told_documents[i];
        bool ok                    = run(&g, 1, &error) == NJ_OK && !strcmp(g.text.data, told_documents[i]);
        CHECK(ok && g.stop == NJ_STOP_SCHEMA && g.free_tokens > 0 && g.choice_tokens > 0, "what is told is written: %s %s",
              g.text.data ? g.text.data : "", error.text);
        if (ok)
            blank[i > 0] = g.choices[0].probability;
        forget(&g);
    }
    CHECK(fabs(blank[0] + blank[1] - 1) < 1e-9, "with the probability that the model gives it: %f and %f", blank[0], blank[1]);
}

/* Every alternative told, one after the other: only if the model is asked about each on its own way do they make 1. */
static void check_told_probabilities(void)
{
    static const char *const words[] = {"lionMale", "lionFemale", "lion",  "lioness", "otherBird", "otherCat", "1",   "10",
                                        "11-50",    "zebra",      "eland", "topi",    "hare",      "genet",    "kudu"};
    struct nj_error          error   = {0};
    struct case_of           k       = {.schema = json_pack("{s:[]}", "enum")};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        json_array_append_new(json_object_get(k.schema, "enum"), json_string(words[i]));
    CHECK(nj_grammar_compile("words", k.schema, NULL, &k.grammar, &error) == NJ_OK, "words to choose from %s", error.text);
    for (size_t p = 0; p < 3; p++) {
        double total = 0;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            char                 text[32];
            struct nj_generation g = request(&k, prompts[p], 4, 40);
            snprintf(text, sizeof text, "\"%s\"", words[i]);
            g.told = text;
            if (run(&g, 1, &error) == NJ_OK && !strcmp(g.text.data, text))
                total += g.choices[0].probability;
            forget(&g);
        }
        CHECK(fabs(total - 1) < 1e-6, "the probabilities of all that can be told make %f %s", total, error.text);
    }
    release(&k);
}

/* A number that others begin with ends in a token of its own, which says already how the list goes on. */
static void check_told_ends(void)
{
    static const char *const lists[] = {"[1]", "[1,1]", "[1,10]", "[10,1,100]", "[10,1]"};
    struct case_of           k       = compile("{\"type\":\"array\",\"items\":{\"enum\":[1,10,100]},\"minItems\":1,\"maxItems\":3}");
    for (size_t i = 0; i < sizeof lists / sizeof *lists * 3; i++) {
        struct nj_error      error = {0};
        struct nj_generation g     = request(&k, prompts[i % 3], 4, 60);
        g.told                     = lists[i / 3];
        CHECK(run(&g, 1, &error) == NJ_OK && !strcmp(g.text.data, g.told), "a list told: %s, %s", g.told, error.text);
        forget(&g);
    }
    release(&k);
}

static void check_misfits(const struct case_of *k)
{
    const struct {
        const char *told, *say;
        size_t      limit;
    } cases[] = {
        {"{\"id\":\"ASG1\",\"blank\":true,\"species\":\"dog\",\"bin\":\"1\",\"number\":1,\"basis\":[\"a\",\"b\"],\"note\":\"\"}",
         "its byte 36 ", 300},
        {"{\"id\":\"ASG2\",\"blank\":true,\"species\":\"zebra\"}", "cannot be given", 300},
        {"{\"id\":\"ASG1\",\"blank\":true,\"species\":\"zebra\",\"bin\":\"1\",\"number\":1,\"basis\":[\"a\"],\"note\":\"\"}",
         "its byte 77 ", 300},
        {"{\"id\":\"ASG1\",\"blank\":true,\"species\":\"zebra\",\"bin\":\"1\",\"number\":1,\"basis\":[\"a\",\"b\"],\"note\":\"\"} ",
         "its byte 93 ", 300},
        {"{\"id\":\"ASG1\",\"blank\":true,\"species\":\"zebra\",\"bin\":\"1\",\"number\":1,\"basis\":[\"a\",\"b\"],\"note\":\"not clo",
         "cannot be given", 300},
        {"{\"id\":\"ASG1\",\"blank\":tr", "cannot be given", 300},
        {"", "its byte 0 ", 300},
        {told_documents[1], "cannot be given", 80},
        {told_documents[0], "too few", 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nj_error      error = {0};
        struct nj_generation g     = request(k, prompts[0], 4, cases[i].limit);
        g.told                     = cases[i].told;
        bool failed                = run(&g, 1, &error) == NJ_ERROR;
        CHECK(failed && strstr(error.text, cases[i].say), "%s: %s", cases[i].told, error.text);
        forget(&g);
    }
    struct nj_error      error = {0};
    struct nj_generation g     = request(NULL, prompts[0], 4, 40);
    g.told                     = "free";
    CHECK(run(&g, 1, &error) == NJ_ERROR && strstr(error.text, "schema"), "without a schema: %s", error.text);
    forget(&g);
}

static void hear(void *arg, const char *bytes, size_t count)
{
    nj_text_add_bytes(arg, bytes, count);
}

static void check_stream(void)
{
    struct nj_text       heard = {0};
    struct nj_error      error = {0};
    struct nj_generation g     = request(NULL, prompts[2], 4, 40);
    g.on_text                  = hear;
    g.arg                      = &heard;
    nj_status status           = run(&g, 1, &error);
    CHECK(status == NJ_OK && g.ids.count > 0 && g.ids.count <= 40, "free text: %zu tokens %s", g.ids.count, error.text);
    CHECK(heard.length == g.text.length && !memcmp(heard.data, g.text.data, g.text.length), "all of it is streamed");
    nj_text_free(&heard);
    forget(&g);
}

int main(void)
{
    struct nj_error          error   = {0};
    struct nj_engine_options options = {.arithmetic = NJ_EXACT};
    if (!CHECK(nj_random_open("tiny", 7, &bench.weights, &error) == NJ_OK, "a random model: %s", error.text) ||
        !CHECK(nj_engine_open(bench.weights, &options, &bench.engine, &error) == NJ_OK, "its engine: %s", error.text) ||
        !CHECK(nj_weights_tokenizer(bench.weights, &bench.tokenizer, &error) == NJ_OK, "its tokenizer: %s", error.text) ||
        !CHECK(nj_vocabulary_open(bench.tokenizer, &bench.vocabulary, &error) == NJ_OK, "its vocabulary: %s", error.text))
        return tap_done();
    struct case_of k = compile(event), l = compile(list);
    check_documents(&k, "event");
    check_documents(&l, "list");
    check_limits(&k, "event");
    check_limits(&l, "list");
    check_together(&k, &l);
    check_probabilities();
    check_sampling();
    check_stream();
    check_own_answer();
    check_told(&k);
    check_told_probabilities();
    check_told_ends();
    check_misfits(&k);
    release(&k);
    release(&l);
    nj_vocabulary_close(bench.vocabulary);
    nj_tokenizer_close(bench.tokenizer);
    nj_engine_close(bench.engine);
    nj_weights_close(bench.weights);
    return tap_done();
}
