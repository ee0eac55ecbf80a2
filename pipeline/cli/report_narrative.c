#include "pipeline/cli/report_narrative.h"
#include "pipeline/cli/interrupt.h"
#include "pipeline/cli/session.h"
#include "pipeline/cli/tool_answers.h"
#include "pipeline/constrain/generate.h"
#include "pipeline/model/chat.h"
#include "pipeline/sentinel/narrative.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define AUDIENCE      "ranger"
#define LISTED_EVENTS 12
#define LAST_DAY      "9999-12-31"

/* A night ends on the next day. */
static void day_after(const char *night, char out[11])
{
    struct tm tm = {0};
    snprintf(out, 11, "%s", night);
    if (strcmp(night, LAST_DAY) == 0 || sscanf(night, "%4d-%2d-%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday) != 3)
        return;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    tm.tm_mday += 1;
    timegm(&tm);
    if (strftime(out, 11, "%Y-%m-%d", &tm) == 0)
        *out = 0;
}

/* What the model would ask: always the same four questions. */
static nj_status ask_all(const struct nj_tool_desk *desk, const char *from, const char *to, json_t *results, struct nj_error *error)
{
    struct {
        const char *tool;
        json_t     *arguments;
    } calls[] = {
        {"query_detections", json_pack("{s:s, s:s, s:i}", "date_start", from, "date_end", to, "limit", LISTED_EVENTS)},
        {"get_camera_effort", json_pack("{s:s, s:s}", "date_start", from, "date_end", to)},
        {"extract_environment", json_pack("{s:s, s:s}", "date_start", from, "date_end", to)},
        {"compare_to_baseline",
         json_pack("{s:s, s:s, s:s, s:s}", "metric", "event_count", "date_start", from, "date_end", to, "baseline_mode", "previous_30d")},
    };
    nj_status status = NJ_OK;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        json_t *response = NULL;
        if (status == NJ_OK)
            status = calls[i].arguments ? nj_tool_answer(desk, calls[i].tool, calls[i].arguments, &response, error)
                                        : nj_fail(error, "no memory for a report");
        if (status == NJ_OK) {
            json_t *shown = json_pack("{s:s, s:O, s:O}", "tool", calls[i].tool, "arguments", calls[i].arguments, "response", response);
            json_dumpf(shown, stderr, JSON_COMPACT);
            fputc('\n', stderr);
            json_array_append_new(results, shown);
        }
        json_decref(response);
        json_decref(calls[i].arguments);
    }
    return status;
}

static json_t *response_of(const json_t *results, size_t which)
{
    return json_object_get(json_array_get(results, which), "response");
}

static json_t *scope_of(const struct nj_tool_desk *desk, const char *from, const char *to, const json_t *results)
{
    return json_pack("{s:O, s:s, s:s, s:s, s:s}", "events", json_object_get(response_of(results, 0), "total_events"), "site_id",
                     nj_tool_site(desk->conf), "date_start", from, "date_end", to, "source", "station database");
}

static json_t *evidence_of(const json_t *results)
{
    json_t *out = json_pack("[{s:s, s:O}, {s:s, s:O}]", "type", "events", "count", json_object_get(response_of(results, 0), "total_events"),
                            "type", "effort", "active_camera_days", json_object_get(response_of(results, 1), "total_active_camera_days"));
    json_t *rows = json_object_get(response_of(results, 0), "rows");
    for (size_t i = 0; i < json_array_size(rows); i++)
        json_array_append_new(out, json_pack("{s:s, s:O}", "type", "event", "capture_event_id",
                                             json_object_get(json_array_get(rows, i), "capture_event_id")));
    return out;
}

static nj_status write_report(const struct nj_narrative_options *options, struct nj_session *session, struct nj_grammar *grammar,
                              const json_t *conversation, struct nj_text *out, struct nj_error *error)
{
    struct nj_tokenizer   *tokenizer  = NULL;
    struct nj_vocabulary  *vocabulary = NULL;
    struct nj_ids          prompt     = {0};
    struct nj_chat_options chat       = {.empty_thought = session->weights->config.empty_thought};
    struct nj_generation   g          = {.grammar = grammar, .limit = options->tokens};
    nj_status              status     = nj_weights_tokenizer(session->weights, &tokenizer, error);
    if (status == NJ_OK)
        status = nj_vocabulary_open(tokenizer, &vocabulary, error);
    if (status == NJ_OK)
        status = nj_chat_encode(tokenizer, conversation, &chat, false, &prompt, error);
    if (status == NJ_OK)
        status = nj_sequence_open(session->engine, (uint32_t)(prompt.count + options->tokens + NJ_GENERATE_ROOM), &g.sequence, error);
    g.prompt       = prompt.data;
    g.prompt_count = prompt.count;
    if (status == NJ_OK)
        status = nj_generate(session->engine, tokenizer, vocabulary, &g, 1, error);
    if (status == NJ_OK) {
        nj_text_add_bytes(out, g.text.data, g.text.length);
        nj_text_add(out, "\n");
        if (out->failed)
            status = nj_fail(error, "no memory for a report");
    }
    nj_generation_free(&g);
    nj_sequence_close(g.sequence);
    nj_vocabulary_close(vocabulary);
    nj_tokenizer_close(tokenizer);
    free(prompt.data);
    return status;
}

nj_status nj_report_narrative(struct nj_cli *cli, struct nj_db *db, const struct nj_narrative_options *options, struct nj_text *out)
{
    const struct nj_tool_desk       desk    = {.db = db, .conf = &cli->conf};
    const struct nj_session_options opening = {.model       = options->model,
                                               .adapter     = cli->conf.model.adapter[0] ? cli->conf.model.adapter : NULL,
                                               .arithmetic  = nj_station_arithmetic(cli->conf.model.power_saver),
                                               .threads     = (uint32_t)cli->conf.model.threads,
                                               .text_only   = true,
                                               .should_stop = nj_interrupted};
    struct nj_session               session = {0};
    struct nj_grammar              *grammar = NULL;
    json_t                         *results = json_array(), *scope = NULL, *evidence = NULL, *schema = NULL, *conversation = NULL;
    char                            last[11];
    day_after(options->to, last);
    nj_status status = ask_all(&desk, options->from, last, results, &cli->error);
    if (status == NJ_OK) {
        scope        = scope_of(&desk, options->from, last, results);
        evidence     = evidence_of(results);
        schema       = nj_narrative_schema(AUDIENCE, scope, evidence, results);
        conversation = nj_narrative_conversation(AUDIENCE, results);
        status       = schema && conversation ? nj_grammar_compile("report", schema, NULL, &grammar, &cli->error)
                                              : nj_fail(&cli->error, "no memory for a report");
    }
    nj_interrupt_listen(options->seconds);
    if (status == NJ_OK)
        status = nj_session_open(&opening, &session, &cli->error);
    if (status == NJ_OK)
        status = write_report(options, &session, grammar, conversation, out, &cli->error);
    nj_session_close(&session);
    nj_grammar_close(grammar);
    json_decref(results);
    json_decref(scope);
    json_decref(evidence);
    json_decref(schema);
    json_decref(conversation);
    return status;
}
