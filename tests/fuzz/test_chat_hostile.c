/* Conversations in which any value may be of any kind: each is rendered or refused with a sentence, and the rendering is encoded either way. */
#include "pipeline/model/chat.h"
#include "tests/conformance/reference.h"

static uint64_t state = 0x5eed;

static uint64_t random_below(uint64_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % bound;
}

static json_t *odd_value(void)
{
    static const char *const values[] = {"null",
                                         "true",
                                         "0",
                                         "-2.5",
                                         "\"x\"",
                                         "\"\"",
                                         "[]",
                                         "{}",
                                         "[\"a\"]",
                                         "[null,1]",
                                         "{\"A\":[{}]}",
                                         "\"tool\"",
                                         "\"assistant\"",
                                         "\"object\"",
                                         "\"array\"",
                                         "\"\\u0000\"",
                                         "\"<|channel>\\ud83e\\udd93<channel|>\"",
                                         "{\"type\":\"object\"}"};
    return json_loads(values[random_below(sizeof values / sizeof *values)], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

/* Replaces, removes or repeats something somewhere in `value`. */
static void tamper(json_t *value)
{
    size_t size = json_is_object(value) ? json_object_size(value) : json_array_size(value);
    if (size == 0)
        return;
    uint64_t which = random_below(size), action = random_below(5);
    if (json_is_array(value)) {
        json_t *child = json_array_get(value, which);
        if (action < 2 && (json_is_object(child) || json_is_array(child)))
            tamper(child);
        else if (action < 3)
            json_array_remove(value, which);
        else
            json_array_insert_new(value, which, action == 3 ? odd_value() : json_deep_copy(child));
        return;
    }
    void *member = json_object_iter(value);
    for (; which > 0; which--)
        member = json_object_iter_next(value, member);
    json_t *child = json_object_iter_value(member);
    if (action < 3 && (json_is_object(child) || json_is_array(child)))
        tamper(child);
    else if (action < 4)
        json_object_iter_set_new(value, member, odd_value());
    else
        json_object_del(value, json_object_iter_key(member));
}

struct counts {
    const struct nj_tokenizer *tokenizer;
    size_t                     rendered, refused, wrong;
};

static void try_one(struct counts *counts, const json_t *conversation)
{
    const struct nj_chat_options options = {.thinking = random_below(2), .preserve_thinking = random_below(2)};
    struct nj_text               text    = {0};
    struct nj_error              error   = {0};
    struct nj_ids                ids     = {0};
    if (nj_chat_render(conversation, &options, &text, &error) == NJ_OK) {
        counts->rendered++;
        for (int trust = 0; trust < 2; trust++)
            counts->wrong += nj_chat_encode(counts->tokenizer, conversation, &options, trust, &ids, &error) != NJ_OK;
        counts->wrong += strncmp(text.data, "<bos>", 5) != 0 || ids.count == 0;
    } else {
        counts->refused++;
        counts->wrong += error.text[0] == 0 || strchr(error.text, '\n');
    }
    free(ids.data);
    nj_text_free(&text);
}

static void tamper_with_row(struct counts *counts, const char *line, size_t length)
{
    for (unsigned round = 0; round < 40; round++) {
        json_t *row = NULL;
        if (nj_chat_parse("row", line, length, &row, NULL) != NJ_OK)
            return;
        json_t *conversation =
            json_pack("{s:O?, s:O?}", "messages", json_object_get(row, "messages"), "tools", json_object_get(row, "tools"));
        for (uint64_t changes = 1 + random_below(4); changes > 0; changes--)
            tamper(conversation);
        try_one(counts, conversation);
        json_decref(conversation);
        json_decref(row);
    }
}

/* Arguments nested as deep as the parser lets them be. */
static void check_depth(struct counts *counts)
{
    static const char head[] = "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":",
                      tail[] = "}}}]}]}";
    for (size_t depth = 100; depth <= 3000; depth += 100) {
        struct nj_text text = {0};
        json_t        *conversation;
        nj_text_add(&text, head);
        for (size_t i = 0; i < depth; i++)
            nj_text_add(&text, "[");
        for (size_t i = 0; i < depth; i++)
            nj_text_add(&text, "]");
        nj_text_add(&text, tail);
        if (nj_chat_parse("deep", text.data, text.length, &conversation, NULL) == NJ_OK)
            try_one(counts, conversation);
        json_decref(conversation);
        nj_text_free(&text);
    }
}

int main(void)
{
    struct counts        counts    = {0};
    struct nj_tokenizer *tokenizer = NULL;
    char                *line      = NULL;
    size_t               capacity  = 0;
    if (!tap_shared()) {
        SKIP("no reference files");
        return tap_done();
    }
    CHECK(nj_tokenizer_open(reference_path("reference/checkpoints/tiny-it"), &tokenizer, NULL) == NJ_OK, "the tokenizer opens");
    FILE *file       = fopen(reference_path("reference/text/chat.jsonl"), "rb");
    counts.tokenizer = tokenizer;
    for (ssize_t length; file && tokenizer && (length = getline(&line, &capacity, file)) > 0;)
        tamper_with_row(&counts, line, (size_t)length);
    CHECK(counts.rendered > 800 && counts.refused > 300 && counts.wrong == 0, "%zu rendered, %zu refused, %zu wrong", counts.rendered,
          counts.refused, counts.wrong);
    counts = (struct counts){.tokenizer = tokenizer};
    check_depth(&counts);
    CHECK(counts.rendered >= 19 && counts.wrong == 0, "deep arguments: %zu rendered, %zu wrong", counts.rendered, counts.wrong);
    free(line);
    if (file)
        fclose(file);
    nj_tokenizer_close(tokenizer);
    return tap_done();
}
