/* tool_answers.h: the tools of pipeline/sentinel/tools.h, answered from the station's database through its views. */
#ifndef NJ_CLI_TOOL_ANSWERS_H
#define NJ_CLI_TOOL_ANSWERS_H

#include "base/conf.h"
#include "base/json.h"
#include "db/db.h"

struct nj_tool_desk {
    struct nj_db         *db;
    const struct nj_conf *conf; /* station.site is the one site */
};

/* The site that events of this station have in what the model reads. */
const char *nj_tool_site(const struct nj_conf *conf);

/* `arguments` is valid under the declaration of the tool. *response: an object, owned by the caller; what cannot be answered is said in its "error" or "note".
 * Events that may show people are counted, never listed. Fails if the database does. */
nj_status nj_tool_answer(const struct nj_tool_desk *desk, const char *name, const json_t *arguments, json_t **response,
                         struct nj_error *error);

#endif
