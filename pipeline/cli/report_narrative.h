/* report_narrative.h: `nightjar report --narrative`, the nights in the model's words over figures from the database (pipeline/sentinel/narrative.h). */
#ifndef NJ_CLI_REPORT_NARRATIVE_H
#define NJ_CLI_REPORT_NARRATIVE_H

#include "base/text.h"
#include "db/db.h"
#include "pipeline/cli/cli.h"

struct nj_narrative_options { /* borrowed */
    const char *model;
    const char *from, *to; /* nights, both included */
    size_t      tokens;    /* of the answer, at most */
    unsigned    seconds;   /* then it ends with NJ_STOPPED; 0: no limit */
};

/* Appends the report, one JSON document. What the tools returned goes to stderr, one JSON object a line. */
nj_status nj_report_narrative(struct nj_cli *cli, struct nj_db *db, const struct nj_narrative_options *options, struct nj_text *out);

#endif
