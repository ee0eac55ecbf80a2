#include "pipeline/cli/ask_tools.h"
#include "pipeline/cli/open_database.h"
#include "pipeline/cli/table.h"
#include "pipeline/cli/tool_answers.h"
#include "pipeline/sentinel/prompt_head.h"
#include "pipeline/sentinel/tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listener {
    const struct nj_tool_question *question;
    struct nj_tool_desk            desk;
};

static void on_text(void *arg, const char *bytes, size_t count)
{
    const struct listener *l = arg;
    l->question->on_text(l->question->arg, bytes, count);
}

static nj_status respond(void *arg, const char *name, const json_t *arguments, json_t **response, struct nj_error *error)
{
    const struct listener *l      = arg;
    nj_status              status = nj_tool_answer(&l->desk, name, arguments, response, error);
    json_t                *shown  = json_pack("{s:s, s:O, s:O}", "tool", name, "arguments", (json_t *)arguments, "response", *response);
    if (status == NJ_OK && shown) {
        json_dumpf(shown, stderr, JSON_COMPACT);
        fputc('\n', stderr);
    }
    json_decref(shown);
    return status;
}

struct range {
    char first[11], last[11];
};

static nj_status on_night(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct range *range = user;
    const char   *night = nj_row_value("night", names, values, count)->text;
    if (*night && !*range->first)
        snprintf(range->first, sizeof range->first, "%s", night);
    if (*night)
        snprintf(range->last, sizeof range->last, "%s", night);
    return NJ_OK;
}

/* What stays the same from day to day. */
static void introduce(const struct listener *l, struct nj_text *out)
{
    nj_text_addf(
        out,
        "You are Savanna Sentinel, and answer the rangers of camera-trap site %s. Take every figure from what the tools return, and say so "
        "when they return nothing. Beside a count say on how many days the camera was at work. That a camera did not see an animal does "
        "not show that it was absent.",
        nj_tool_site(l->desk.conf));
}

/* The question, behind what changes. */
static nj_status put_question(const struct listener *l, struct nj_text *out, struct nj_error *error)
{
    struct range             range  = {"", ""};
    const struct nj_db_query nights = {.view = "nights"};
    nj_status                status = nj_db_select(l->desk.db, &nights, on_night, &range, error);
    if (*range.first)
        nj_text_addf(out, "There are records from %s to %s.\n\n", range.first, range.last);
    nj_text_add(out, l->question->text);
    return status;
}

nj_status nj_ask_tools(struct nj_cli *cli, struct nj_session *session, const struct nj_tokenizer *tokenizer,
                       const struct nj_tool_question *question)
{
    struct listener       listener   = {.question = question, .desk = {.conf = &cli->conf}};
    struct nj_vocabulary *vocabulary = NULL;
    struct nj_text        system = {0}, words = {0};
    char                  heads[NJ_CONF_TEXT + 256];
    struct nj_random      random;
    const char           *site   = nj_tool_site(&cli->conf);
    json_t               *tools  = nj_tool_declarations(&site, 1);
    nj_status             status = tools ? nj_database_open(cli, NJ_DB_READ, &listener.desk.db)
                                         : nj_fail(&cli->error, "the name of the site is not UTF-8, or there is no memory");
    nj_random_seed(&random, question->seed);
    introduce(&listener, &system);
    if (status == NJ_OK)
        status = put_question(&listener, &words, &cli->error);
    if (status == NJ_OK && (system.failed || words.failed))
        status = nj_fail(&cli->error, "no memory for the question");
    if (status == NJ_OK)
        status = nj_vocabulary_open(tokenizer, &vocabulary, &cli->error);
    struct nj_tool_talk talk = {.engine        = session->engine,
                                .tokenizer     = tokenizer,
                                .vocabulary    = vocabulary,
                                .tools         = tools,
                                .system        = system.data,
                                .question      = words.data,
                                .head_folder   = nj_prompt_head_folder(&cli->conf, heads, sizeof heads) ? heads : NULL,
                                .most_calls    = question->most_calls,
                                .answer_tokens = question->tokens,
                                .sampling      = question->sampling,
                                .random        = &random,
                                .empty_thought = session->weights->config.empty_thought,
                                .respond       = respond,
                                .on_text       = on_text,
                                .arg           = &listener};
    if (status == NJ_OK)
        status = nj_tool_talk(&talk, &cli->error);
    nj_text_free(&talk.answer);
    nj_vocabulary_close(vocabulary);
    nj_text_free(&system);
    nj_text_free(&words);
    json_decref(tools);
    nj_db_close(listener.desk.db);
    return status;
}
