/* eval_groups.h: how many answers of each task and mode are valid JSON, strictly and for their authors. */
#ifndef NJ_CLI_EVAL_GROUPS_H
#define NJ_CLI_EVAL_GROUPS_H

#include "base/json.h"
#include "pipeline/sentinel/score.h"

#define NJ_EVAL_GROUPS 32 /* rows of further tasks and modes are in no group */

struct nj_eval_groups {
    struct {
        char           task[24], mode[24];
        struct nj_rate strict, authors;
    } list[NJ_EVAL_GROUPS];
    size_t count;
};

/* What a row says of itself: its task ("phase" or "task") and "mode"; "" where it does not. */
const char *nj_eval_task(const json_t *row);
const char *nj_eval_mode(const json_t *row);

/* Rows that name neither are in no group. */
void nj_eval_groups_add(struct nj_eval_groups *groups, const json_t *row, bool strict, bool authors);

/* A table for people, or ,"by":[…] for a JSON object; nothing for no groups. */
void nj_eval_groups_print(const struct nj_eval_groups *groups, struct nj_text *out);
void nj_eval_groups_json(const struct nj_eval_groups *groups, struct nj_text *out);

#endif
