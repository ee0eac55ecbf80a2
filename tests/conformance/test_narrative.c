/* The schema of reports in words: which sentences it allows over given results. And which answers to a question with tools. */
#include "pipeline/constrain/acceptor.h"
#include "pipeline/constrain/constraint.h"
#include "pipeline/constrain/prose.h"
#include "pipeline/sentinel/figures.h"
#include "pipeline/sentinel/narrative.h"
#include "tests/tap.h"

static const char results[] =
    "[{\"total\":790,\"rate\":0.067,\"delta\":-12,\"rows\":[{\"id\":\"ASG000b5dm\",\"site\":\"C13\",\"at\":\"2012-02-29T18:19:00\","
    "\"bin\":\"11-50\",\"note\":\"hot (at 38) days\"}],\"none\":null,\"yes\":true}]";

static const struct {
    const char *sentence;
    bool        allowed;
} sentences[] = {
    {"There were 790 events of zebra.", true},
    {"790 events at site C13 with 11-50 animals (each).", true},
    {"Seen in ASG000b5dm, at 2012-02-29T18:19:00.", true},
    {"The rate was 0.067 a day, a change of -12.", true},
    {"At 38 it was hot, says the note: 64 events.", true}, /* 64 stands in the scope */
    {"Twiga wengi walionekana – “wengi” sana!", true},
    {"There were 791 events of zebra.", false},
    {"There were 79 events of zebra.", false},
    {"There were 7900 events of zebra.", false},
    {"There were 1790 events of zebra.", false},
    {"There were 790.5 events of zebra.", false},
    {"There were 790,790 events of zebra.", false},
    {"There were 790-790 events of zebra.", false},
    {"There were 790 790 events of zebra.", false},
    {"There were 790/38 events of zebra.", false},
    {"There were 790e38 events of zebra.", false},
    {"There were -790 events of zebra.", false},
    {"There were 790% more events of zebra.", false},
    {"There were 38C of heat at the site.", false},
    {"Zebra790 was seen on the plain today.", false},
    {"790zebra were seen on the plain today.", false},
    {"It rained 12 times on the plain today.", false}, /* -12 is not 12 */
    {"On 2012-02-28T18:19:00 it rained hard.", false},
    {"On 2012-02-29 it rained hard enough.", false}, /* a day of which only a time was returned */
    {"There were \u0667\u0669\u0660 events of zebra.", false},
    {"There were \u00b2 events of zebra there.", false},
    {"There were \u2167 events of zebra there.", false},
    {"There were \U0001D7D5 events of zebra there.", false},
    {"Two spaces  are one too many for it.", false},
    {"", false},
};

/* Answers in words, which may have lines and marks. */
static const struct {
    const char *text;
    bool        allowed;
} answers[] = {
    {"", true},
    {"There were 790 events of zebra.", true},
    {"Zebra:\n* **790** events,\n* at \"C13\" with 11-50 animals.\n\nNothing else.\n", true},
    {"790", true},
    {" 790 events. 38 days. ", true},
    {"ASG000b5dm\n", true},
    {"790 \n", true},
    {"791", false},
    {"79", false},
    {"There were 7900.", false},
    {"790 790", false},
    {"790\n38", false},
    {"790\t38", false},
    {"790*38", false},
    {"\"7\"90", false},
    {"790.38", false},
    {"790%", false},
    {"**7**", false},
    {"on the 64th day", false},
    {"\u0667\u0669\u0660", false},
    {"\xc2", false},
};

static void check_answers(const json_t *facts)
{
    json_t               *figures    = json_object();
    struct nj_grammar    *grammar    = NULL;
    struct nj_constraint *constraint = NULL;
    nj_figures_add(figures, facts);
    char           *pattern = nj_figures_text(figures);
    struct nj_error error   = {0};
    CHECK(pattern && nj_prose_grammar(pattern, &grammar, &error) == NJ_OK &&
              nj_constraint_open(grammar, NULL, &constraint, &error) == NJ_OK,
          "answers have a grammar %s", error.text);
    for (size_t i = 0; constraint && i < sizeof answers / sizeof *answers; i++) {
        size_t taken, size = strlen(answers[i].text);
        nj_constraint_reset(constraint);
        nj_constraint_advance_bytes(constraint, answers[i].text, size, &taken, NULL);
        CHECK((taken == size && nj_constraint_may_stop(constraint)) == answers[i].allowed, "answer %zu %s", i,
              answers[i].allowed ? "may be given" : "may not");
    }
    nj_constraint_close(constraint);
    nj_grammar_close(grammar);
    free(pattern);
    json_decref(figures);
}

static char *document(const char *sentence)
{
    json_t *report = json_pack("{s:s, s:s, s:{s:i}, s:[s], s:[s], s:[], s:[s], s:[{s:i}]}", "schema_version", "savanna_sentinel_report_v1",
                               "report_type", "ranger", "scope", "events", 64, "observed", sentence, "measured", "Nothing was measured.",
                               "inferred", "uncertainty", "Nothing is certain.", "evidence", "count", 64);
    char   *text   = json_dumps(report, JSON_COMPACT);
    json_decref(report);
    return text;
}

int main(void)
{
    struct nj_error     error    = {0};
    struct nj_acceptor *acceptor = NULL;
    json_t *facts = json_loads(results, 0, NULL), *scope = json_pack("{s:i}", "events", 64), *evidence = json_pack("[{s:i}]", "count", 64);
    json_t *schema = nj_narrative_schema("ranger", scope, evidence, facts);
    char   *source = schema ? json_dumps(schema, JSON_COMPACT) : NULL;
    CHECK(source && nj_acceptor_open("report", source, strlen(source), &acceptor, &error) == NJ_OK, "the schema compiles %s", error.text);
    for (size_t i = 0; acceptor && i < sizeof sentences / sizeof *sentences; i++) {
        char  *text  = document(sentences[i].sentence);
        bool   valid = false;
        size_t at;
        nj_acceptor_judge(acceptor, text, strlen(text), &valid, &at, NULL);
        CHECK(valid == sentences[i].allowed, "%s: %s", sentences[i].sentence, sentences[i].allowed ? "may be written" : "may not");
        free(text);
    }
    nj_acceptor_close(acceptor);
    free(source);
    json_decref(schema);
    json_decref(evidence);
    json_decref(scope);
    check_answers(facts);

    json_t *many = json_array();
    for (int i = 0; i < 2000; i++)
        json_array_append_new(many, json_sprintf("EVENT%05dx%d", i * 7919 % 10007, i));
    schema   = nj_narrative_schema("ranger", json_null(), json_null(), many);
    source   = schema ? json_dumps(schema, JSON_COMPACT) : NULL;
    acceptor = NULL;
    CHECK(source && nj_acceptor_open("report", source, strlen(source), &acceptor, &error) == NJ_OK, "so does one with too many figures %s",
          error.text);
    nj_acceptor_close(acceptor);
    free(source);
    json_decref(schema);
    json_decref(many);
    json_decref(facts);
    return tap_done();
}
