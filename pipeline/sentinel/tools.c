#include "pipeline/sentinel/tools.h"
#include "pipeline/constrain/call.h"
#include "pipeline/constrain/prose.h"
#include "pipeline/model/chat.h"
#include "pipeline/sentinel/figures.h"
#include "pipeline/sentinel/prompt_head.h"

#include <stdlib.h>
#include <string.h>

#define MARKS 16 /* tokens around a call and its response */

struct marks {
    int32_t call, call_end;
};

struct speaker {
    struct nj_tool_talk *talk;
    struct nj_sequence  *sequence;
    struct nj_grammar   *calls;
    struct marks         marks;
    struct nj_ids        next;    /* what the sequence has not seen yet */
    json_t              *figures; /* of all responses (figures.h) */
};

static nj_status no_memory(struct nj_error *error)
{
    return nj_fail(error, "no memory for a question with tools");
}

json_t *nj_tool_turn(const char *name, json_t *arguments, json_t *response)
{
    return json_pack("{s:s, s:[{s:s, s:{s:s, s:O}}], s:[{s:s, s:O}]}", "role", "assistant", "tool_calls", "type", "function", "function",
                     "name", name, "arguments", arguments, "tool_responses", "name", name, "response", response);
}

/* What a generation wrote becomes what the sequence has seen, but for its last ids. */
static nj_status keep_unfed(struct speaker *s, const struct nj_generation *g, struct nj_error *error)
{
    s->next.count = 0;
    for (size_t i = g->fed - g->prompt_count; i < g->ids.count; i++)
        if (!nj_ids_add(&s->next, g->ids.data[i]))
            return no_memory(error);
    return NJ_OK;
}

/* The system turn with its declarations, the same for every question, goes in front. */
static nj_status feed_head(struct speaker *s, struct nj_error *error)
{
    const int32_t end   = nj_tokenizer_added(s->talk->tokenizer, "<turn|>");
    size_t        count = 0;
    while (count < s->next.count && s->next.data[count] != end)
        count++;
    if (count == s->next.count)
        return NJ_OK;
    nj_status status = nj_prompt_head_feed(s->talk->engine, s->talk->head_folder, s->next.data, count, s->sequence, error);
    if (status == NJ_OK) {
        s->next.count -= count;
        memmove(s->next.data, s->next.data + count, s->next.count * sizeof *s->next.data);
    }
    return status;
}

static nj_status begin(struct speaker *s, struct nj_error *error)
{
    struct nj_tool_talk   *t    = s->talk;
    struct nj_chat_options chat = {.empty_thought = t->empty_thought};
    json_t *conversation        = json_pack("{s:[{s:s, s:s}, {s:s, s:s}], s:O}", "messages", "role", "system", "content", t->system, "role",
                                            "user", "content", t->question, "tools", (json_t *)t->tools);
    if (!conversation)
        return nj_fail(error, "the question is not UTF-8, or there is no memory for it");
    nj_status status = nj_chat_encode(t->tokenizer, conversation, &chat, false, &s->next, error);
    json_decref(conversation);
    s->marks = (struct marks){nj_tokenizer_added(t->tokenizer, "<|tool_call>"), nj_tokenizer_added(t->tokenizer, "<tool_call|>")};
    if (status == NJ_OK && (s->marks.call < 0 || s->marks.call_end < 0 || nj_tokenizer_added(t->tokenizer, "<|\"|>") < 0))
        status = nj_fail(error, "this model cannot call tools: its tokenizer has no <|tool_call>");
    if (status == NJ_OK)
        status = nj_call_grammar(t->tools, &s->calls, error);
    if (status == NJ_OK)
        status = nj_sequence_open(t->engine,
                                  (uint32_t)(s->next.count + t->most_calls * (NJ_TOOL_CALL_TOKENS + NJ_TOOL_RESPONSE_TOKENS + MARKS) +
                                             (t->most_calls + 1) * t->answer_tokens + NJ_GENERATE_ROOM),
                                  &s->sequence, error);
    return status == NJ_OK ? feed_head(s, error) : status;
}

/* The ids behind a call: its end, and the response as the chat template writes it. */
static nj_status response_ids(const struct speaker *s, const char *name, json_t *arguments, json_t *response, struct nj_ids *out,
                              struct nj_error *error)
{
    const struct nj_chat_options chat = {0};
    json_t                      *conversation =
        json_pack("{s:[{s:s, s:s}, o]}", "messages", "role", "user", "content", "", nj_tool_turn(name, arguments, response));
    size_t from = 0;
    if (!conversation)
        return no_memory(error);
    nj_status status = nj_chat_encode(s->talk->tokenizer, conversation, &chat, false, out, error);
    json_decref(conversation);
    while (from < out->count && out->data[from] != s->marks.call_end)
        from++;
    out->count -= from;
    memmove(out->data, out->data + from, out->count * sizeof *out->data);
    return status;
}

/* Lists in a response lose their last halves until the model can be handed all of it. */
static bool shorten(json_t *response)
{
    const char *name;
    json_t     *value, *longest = NULL;
    json_object_foreach(response, name, value)
    {
        if (json_is_array(value) && json_array_size(value) > json_array_size(longest))
            longest = value;
    }
    size_t keep = json_array_size(longest) / 2;
    while (json_array_size(longest) > keep)
        json_array_remove(longest, json_array_size(longest) - 1);
    json_object_set_new(response, "shortened", json_true());
    return longest != NULL && keep > 0;
}

static nj_status respond(struct speaker *s, const char *name, json_t *arguments, struct nj_error *error)
{
    json_t       *response = NULL;
    struct nj_ids ids      = {0};
    nj_status     status   = s->talk->respond(s->talk->arg, name, arguments, &response, error);
    bool          more     = true;
    do {
        ids.count = 0;
        if (status == NJ_OK)
            status = response_ids(s, name, arguments, response, &ids, error);
    } while (status == NJ_OK && ids.count > NJ_TOOL_RESPONSE_TOKENS && more && ((more = shorten(response)), true));
    if (status == NJ_OK && ids.count > NJ_TOOL_RESPONSE_TOKENS)
        status = nj_fail(error, "the response of %s has %zu tokens, more than %d", name, ids.count, NJ_TOOL_RESPONSE_TOKENS);
    for (size_t i = 0; i < ids.count && status == NJ_OK; i++)
        if (!nj_ids_add(&s->next, ids.data[i]))
            status = no_memory(error);
    if (status == NJ_OK)
        nj_figures_add(s->figures, response);
    json_decref(response);
    free(ids.data);
    return status;
}

static nj_status call(struct speaker *s, struct nj_error *error)
{
    struct nj_tool_talk *t         = s->talk;
    json_t              *arguments = NULL;
    char                *name      = NULL;
    if (!nj_ids_add(&s->next, s->marks.call))
        return no_memory(error);
    struct nj_generation g      = {.sequence     = s->sequence,
                                   .prompt       = s->next.data,
                                   .prompt_count = s->next.count,
                                   .grammar      = s->calls,
                                   .limit        = NJ_TOOL_CALL_TOKENS,
                                   .sampling     = t->sampling,
                                   .random       = t->random};
    nj_status            status = nj_generate(t->engine, t->tokenizer, t->vocabulary, &g, 1, error);
    if (status == NJ_OK)
        status = nj_call_read(g.text.data ? g.text.data : "", g.text.length, &name, &arguments, error);
    if (status == NJ_OK)
        status = keep_unfed(s, &g, error);
    if (status == NJ_OK)
        status = respond(s, name, arguments, error);
    t->calls += status == NJ_OK;
    nj_generation_free(&g);
    json_decref(arguments);
    free(name);
    return status;
}

static nj_status words_grammar(const struct speaker *s, struct nj_grammar **out, struct nj_error *error)
{
    char     *pattern = nj_figures_text(s->figures);
    nj_status status  = pattern ? nj_prose_grammar(pattern, out, error) : no_memory(error);
    free(pattern);
    return status;
}

/* Goes on in words, whose figures the responses have. *again: the model wants to call. */
static nj_status speak(struct speaker *s, bool *again, struct nj_error *error)
{
    struct nj_tool_talk    *t                     = s->talk;
    const struct nj_config *config                = &nj_engine_weights(t->engine)->config;
    int32_t                 stops[NJ_MAX_EOS + 1] = {s->marks.call};
    const bool              may_call              = t->calls < t->most_calls;
    struct nj_grammar      *words                 = NULL;
    memcpy(stops + 1, config->eos_ids, config->eos_count * sizeof *stops);
    struct nj_generation g      = {.sequence     = s->sequence,
                                   .prompt       = s->next.data,
                                   .prompt_count = s->next.count,
                                   .limit        = t->answer_tokens,
                                   .sampling     = t->sampling,
                                   .random       = t->random,
                                   .stop_ids     = may_call ? stops : stops + 1,
                                   .stop_count   = config->eos_count + may_call,
                                   .on_text      = t->on_text,
                                   .arg          = t->arg};
    nj_status            status = words_grammar(s, &words, error);
    g.grammar                   = words;
    if (status == NJ_OK)
        status = nj_generate(t->engine, t->tokenizer, t->vocabulary, &g, 1, error);
    *again = status == NJ_OK && g.stop == NJ_STOP_EOS && g.stop_id == s->marks.call;
    if (status == NJ_OK)
        status = keep_unfed(s, &g, error);
    nj_text_add_bytes(&t->answer, g.text.data ? g.text.data : "", g.text.length);
    nj_generation_free(&g);
    nj_grammar_close(words);
    return status;
}

nj_status nj_tool_talk(struct nj_tool_talk *talk, struct nj_error *error)
{
    struct speaker s      = {.talk = talk, .figures = json_object()};
    bool           again  = true;
    nj_status      status = s.figures ? begin(&s, error) : no_memory(error);
    talk->calls           = 0;
    while (status == NJ_OK && again) {
        status = call(&s, error);
        if (status == NJ_OK)
            status = speak(&s, &again, error);
    }
    nj_sequence_close(s.sequence);
    nj_grammar_close(s.calls);
    json_decref(s.figures);
    free(s.next.data);
    return status;
}
