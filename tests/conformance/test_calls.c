/* Calls of tools: which the grammar allows, that it allows no others, and that they look as the chat template writes them. */
#include "pipeline/constrain/call.h"
#include "pipeline/constrain/constraint.h"
#include "pipeline/model/chat.h"
#include "pipeline/sentinel/tools.h"
#include "tests/conformance/validator.h"
#include "tests/tap.h"

/* `'` stands for the token <|"|>. */
static const struct {
    const char *text;
    bool        allowed;
} calls[] = {
    {"call:query_detections{}", true},
    {"call:query_detections{species:['zebra','lionMale']}", true},
    {"call:query_detections{date_start:'2012-02-01',limit:500,min_confidence:0.75,species:['topi']}", true},
    {"call:query_detections{group_by:['species','month'],source:'gold'}", true},
    {"call:query_detections{species:[]}", false},
    {"call:query_detections{species:['unicorn']}", false},
    {"call:query_detections{species:'zebra'}", false},
    {"call:query_detections{limit:501}", false},
    {"call:query_detections{limit:0}", false},
    {"call:query_detections{limit:12.5}", false},
    {"call:query_detections{min_confidence:1.5}", false},
    {"call:query_detections{species:['topi'],limit:5}", false}, /* keys are sorted */
    {"call:query_detections{limit:5,limit:5}", false},
    {"call:query_detections{limit:5,}", false},
    {"call:query_detections{place:'D07'}", false},
    {"call:query_detections{site_ids:['D07']}", true},
    {"call:query_detections{site_ids:['D08']}", false},
    {"call:get_camera_effort{date_end:'2012-02-29',date_start:'2012-02-01'}", true},
    {"call:get_camera_effort{date_end:'2012-02-29'}", false},
    {"call:get_camera_effort{}", false},
    {"call:get_camera_effort{date_end:'2012-13-01',date_start:'2012-02-01'}", false},
    {"call:get_camera_effort{date_end:'2012-02-32',date_start:'2012-02-01'}", false},
    {"call:get_camera_effort{date_end:'yesterday',date_start:'2012-02-01'}", false},
    {"call:compare_to_baseline{baseline_mode:'seasonal',date_end:'2012-02-29',date_start:'2012-02-01',metric:'event_count',species:'kudu'}",
     false},
    {"call:compare_to_baseline{baseline_mode:'seasonal',date_end:'2012-02-29',date_start:'2012-02-01',metric:'event_count',species:'eland'"
     "}",
     true},
    {"call:compare_to_baseline{date_end:'2012-02-29',date_start:'2012-02-01',metric:'individuals'}", true},
    {"call:retrieve_evidence_images{capture_event_ids:['ASG000b5dm','NJ-1:a_b.c'],redact_humans:false}", true},
    {"call:retrieve_evidence_images{capture_event_ids:['two words']}", false},
    {"call:retrieve_evidence_images{capture_event_ids:['é']}", false},
    {"call:retrieve_evidence_images{redact_humans:false}", false},
    {"call:retrieve_evidence_images{capture_event_ids:['']}", false},
    {"call:retrieve_evidence_images{capture_event_ids:['\t']}", false},
    {"call:generate_report{}", false},
    {"call:query_detections", false},
    {"query_detections{}", false},
    {"call:query_detections{}}", false},
    {"{\"name\":\"query_detections\"}", false},
};

static size_t quoted(const char *text, char *out)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++)
        out[i] = text[i] == '\'' ? NJ_CALL_QUOTE : text[i];
    return size;
}

static const json_t *parameters_of(const json_t *tools, const char *name)
{
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *function = json_object_get(json_array_get(tools, i), "function");
        if (!strcmp(json_string_value(json_object_get(function, "name")), name))
            return json_object_get(function, "parameters");
    }
    return NULL;
}

/* Valid under the declaration, and spelled as the template spells it. */
static bool is_good(const json_t *tools, const char *text, size_t size)
{
    struct nj_error        error = {0};
    struct nj_text         shown = {0}, spelled = {0};
    struct nj_chat_options options = {0};
    json_t                *arguments, *response = json_object();
    char                  *name;
    bool                   good       = nj_call_read(text, size, &name, &arguments, &error) == NJ_OK;
    const json_t          *parameters = good ? parameters_of(tools, name) : NULL;
    struct validator       v          = {.root = parameters};
    const char            *key;
    json_t                *value;
    good = good && parameters && validator_accepts(&v, parameters, arguments) && !v.unknown;
    json_object_foreach(arguments, key, value)
    {
        good = good && json_object_get(json_object_get(parameters, "properties"), key);
    }
    json_t *conversation =
        good ? json_pack("{s:[{s:s, s:s}, o]}", "messages", "role", "user", "content", "", nj_tool_turn(name, arguments, response)) : NULL;
    good = good && conversation && nj_chat_render(conversation, &options, &shown, &error) == NJ_OK;
    nj_text_add(&spelled, "<|tool_call>");
    for (size_t i = 0; i < size; i++)
        if (text[i] == NJ_CALL_QUOTE)
            nj_text_add(&spelled, "<|\"|>");
        else
            nj_text_add_bytes(&spelled, text + i, 1);
    nj_text_add(&spelled, "<tool_call|>");
    good = good && strstr(shown.data, spelled.data);
    if (!good)
        printf("# %s %s\n", spelled.data, error.text);
    nj_text_free(&shown);
    nj_text_free(&spelled);
    json_decref(conversation);
    json_decref(arguments);
    json_decref(response);
    free(name);
    return good;
}

static void check_table(struct nj_constraint *c, const json_t *tools)
{
    char   text[512];
    size_t taken;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        size_t size = quoted(calls[i].text, text);
        nj_constraint_reset(c);
        bool allowed = nj_constraint_advance_bytes(c, text, size, &taken, NULL) == NJ_OK && taken == size && nj_constraint_finished(c);
        CHECK(allowed == calls[i].allowed, "%s is %s", calls[i].text, calls[i].allowed ? "allowed" : "not");
        if (allowed)
            CHECK(is_good(tools, text, size), "and is valid, as the template writes it");
    }
}

static uint64_t seed = 88172645463325252;

static uint32_t below(uint32_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 11) % limit);
}

/* Any allowed byte at each step; closed after a while. */
static void check_walks(struct nj_constraint *c, struct nj_constraint *look, const json_t *tools)
{
    unsigned good = 0, times = 200;
    for (unsigned n = 0; n < times; n++) {
        struct nj_text text = {0};
        size_t         taken;
        nj_constraint_reset(c);
        while (!nj_constraint_finished(c) && text.length < 90) {
            uint8_t  allowed[256];
            uint32_t count = 0;
            for (unsigned byte = 0; byte < 256; byte++) {
                uint8_t one = (uint8_t)byte;
                nj_constraint_copy(look, c, NULL);
                if (nj_constraint_advance_bytes(look, &one, 1, &taken, NULL) == NJ_OK && taken == 1)
                    allowed[count++] = one;
            }
            if (count == 0)
                break;
            uint8_t byte = allowed[below(count)];
            nj_constraint_advance_bytes(c, &byte, 1, &taken, NULL);
            nj_text_add_bytes(&text, &byte, 1);
        }
        if (!nj_constraint_finished(c))
            nj_constraint_closing(c, &text, NULL);
        good += is_good(tools, text.data, text.length);
        nj_text_free(&text);
    }
    CHECK(good == times, "%u of %u random calls are valid", good, times);
}

static void check_refusals(void)
{
    static const char *const refused[][2] = {
        {"[{\"function\":{\"name\":\"a\",\"parameters\":{\"properties\":{\"b\":{\"type\":\"object\"}}}}}]", "a: b: the type \"object\""},

        {"[{\"function\":{\"name\":\"a\",\"parameters\":{\"properties\":{\"b\":{\"type\":\"string\",\"maxLength\":100000}}}}}]",
         "maxLength"},
        {"[{\"function\":{\"name\":\"a\",\"parameters\":{\"properties\":{\"b\":{\"type\":\"array\"}}}}}]", "a: b"},
        {"[{\"function\":{\"name\":\"\"}}]", "no name"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct nj_grammar *g     = NULL;
        struct nj_error    error = {0};
        json_t            *tools = json_loads(refused[i][0], 0, NULL);

        CHECK(nj_call_grammar(tools, &g, &error) == NJ_ERROR && strstr(error.text, refused[i][1]), "%s: %s", refused[i][0], error.text);
        nj_grammar_close(g);
        json_decref(tools);
    }
}

int main(void)
{
    const char           *site  = "D07";
    json_t               *tools = nj_tool_declarations(&site, 1);
    struct nj_grammar    *g     = NULL;
    struct nj_constraint *c = NULL, *look = NULL;
    struct nj_error       error = {0};
    if (CHECK(json_array_size(tools) == 5 && nj_call_grammar(tools, &g, &error) == NJ_OK, "five tools are declared %s", error.text) &&
        nj_constraint_open(g, NULL, &c, &error) == NJ_OK && nj_constraint_open(g, NULL, &look, &error) == NJ_OK) {
        check_table(c, tools);
        check_walks(c, look, tools);
    }
    check_refusals();
    nj_constraint_close(c);
    nj_constraint_close(look);
    nj_grammar_close(g);
    json_decref(tools);
    return tap_done();
}
