/* tools.h: questions that the model answers out of what the station has recorded: it calls tools, the station answers them, it goes on.
 *
 * Calls and responses have the form that the model was trained on (docs/model.md, "tools"), and calls are written under a grammar (call.h): they name
 * declared tools and their arguments are valid. A question with tools is never answered without having looked: the first step is always a call. After that
 * the model calls again or answers, and after `most_calls` it can only answer. */
#ifndef NJ_SENTINEL_TOOLS_H
#define NJ_SENTINEL_TOOLS_H

#include "base/json.h"
#include "pipeline/constrain/generate.h"

/* The five tools as the model hears of them: a list for "tools" of a conversation. sites: those that can be asked for; NULL: none is known. The caller owns it;
 * NULL when memory is gone. */
json_t *nj_tool_declarations(const char *const *sites, size_t count);

#define NJ_TOOL_CALLS           4
#define NJ_TOOL_CALL_TOKENS     256
#define NJ_TOOL_RESPONSE_TOKENS 1536

struct nj_tool_talk {
    struct nj_engine           *engine;
    const struct nj_tokenizer  *tokenizer;
    const struct nj_vocabulary *vocabulary;
    const json_t               *tools;
    const char                 *system, *question;
    const char                 *head_folder; /* of what stands in front of the question (prompt_head.h); NULL: it is not kept */
    size_t                      most_calls, answer_tokens;
    struct nj_sampling          sampling;
    struct nj_random           *random;
    bool                        empty_thought; /* of the model's chat template */
    /* Answers a call; *response becomes an object, owned by the caller. A call that makes no sense (a day after its end) deserves an "error" in its response,
     * not a failure. */
    nj_status (*respond)(void *arg, const char *name, const json_t *arguments, json_t **response, struct nj_error *error);
    void (*on_text)(void *arg, const char *bytes, size_t count); /* the answer as it comes; NULL: not wanted */
    void *arg;

    struct nj_text answer; /* out; release with nj_text_free */
    size_t         calls;  /* out */
};

/* NJ_STOPPED: the engine was asked to stop. */
nj_status nj_tool_talk(struct nj_tool_talk *talk, struct nj_error *error);

/* {"role": "assistant", "tool_calls": [...], "tool_responses": [...]}, a call and its response in the Hugging Face form. Takes new references to both. */
json_t *nj_tool_turn(const char *name, json_t *arguments, json_t *response);

#endif
