#include "pipeline/cli/eval_groups.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    return text ? text : "";
}

const char *nj_eval_task(const json_t *row)
{
    return *text_of(row, "phase") ? text_of(row, "phase") : text_of(row, "task");
}

const char *nj_eval_mode(const json_t *row)
{
    return text_of(row, "mode");
}

static void count(struct nj_rate *rate, bool right)
{
    rate->n++;
    rate->right += right;
}

void nj_eval_groups_add(struct nj_eval_groups *groups, const json_t *row, bool strict, bool authors)
{
    const char *task = nj_eval_task(row), *mode = nj_eval_mode(row);
    size_t      at = 0;
    if (!*task && !*mode)
        return;
    while (at < groups->count && (strncmp(groups->list[at].task, task, sizeof groups->list->task - 1) != 0 ||
                                  strncmp(groups->list[at].mode, mode, sizeof groups->list->mode - 1) != 0))
        at++;
    if (at == NJ_EVAL_GROUPS)
        return;
    if (at == groups->count) {
        snprintf(groups->list[at].task, sizeof groups->list->task, "%s", task);
        snprintf(groups->list[at].mode, sizeof groups->list->mode, "%s", mode);
        groups->count++;
    }
    count(&groups->list[at].strict, strict);
    count(&groups->list[at].authors, authors);
}

void nj_eval_groups_print(const struct nj_eval_groups *groups, struct nj_text *out)
{
    if (groups->count == 0)
        return;
    nj_text_addf(out, "\n%-16s %-12s %22s %22s\n", "JSON valid", "", "strict", "authors'");
    for (size_t i = 0; i < groups->count; i++) {
        const struct nj_rate strict = groups->list[i].strict, authors = groups->list[i].authors;
        nj_text_addf(out, "%-16s %-12s %10.3f (%4u of %4u) %8.3f (%4u of %4u)\n", groups->list[i].task, groups->list[i].mode,
                     nj_wilson(strict).share, strict.right, strict.n, nj_wilson(authors).share, authors.right, authors.n);
    }
}

void nj_eval_groups_json(const struct nj_eval_groups *groups, struct nj_text *out)
{
    for (size_t i = 0; i < groups->count; i++) {
        nj_text_add(out, i ? ",{\"task\":" : ",\"by\":[{\"task\":");
        nj_text_add_json(out, groups->list[i].task, strlen(groups->list[i].task));
        nj_text_add(out, ",\"mode\":");
        nj_text_add_json(out, groups->list[i].mode, strlen(groups->list[i].mode));
        nj_text_addf(out, ",\"n\":%u,\"json_valid\":%u,\"authors_json_valid\":%u}", groups->list[i].strict.n, groups->list[i].strict.right,
                     groups->list[i].authors.right);
    }
    if (groups->count)
        nj_text_add(out, "]");
}
