/* ask_tools.h: `nightjar ask --tools`, a question that the model answers out of the station's database. */
#ifndef NJ_CLI_ASK_TOOLS_H
#define NJ_CLI_ASK_TOOLS_H

#include "pipeline/cli/session.h"
#include "pipeline/model/sampler.h"

struct nj_tool_question { /* borrowed */
    const char        *text;
    size_t             most_calls, tokens;
    struct nj_sampling sampling;
    uint64_t           seed;
    void (*on_text)(void *arg, const char *bytes, size_t count); /* hears the answer */
    void *arg;
};

/* Calls are shown on stderr as they are made, one JSON object a line. */
nj_status nj_ask_tools(struct nj_cli *cli, struct nj_session *session, const struct nj_tokenizer *tokenizer,
                       const struct nj_tool_question *question);

#endif
