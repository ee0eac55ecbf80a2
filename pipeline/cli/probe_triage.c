/* probe_triage.c: the first score of interest of labelled bursts, and how well it sorts them (the area under the ROC curve). */
#include "base/file.h"
#include "base/json.h"
#include "pipeline/cli/arguments.h"
#include "pipeline/cli/cli.h"
#include "pipeline/picture/worker.h"
#include "pipeline/schedule/triage.h"
#include "pipeline/schedule/triage_queue.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LABELS ((size_t)64 << 20)
#define CAMERAS    64 /* with a background in memory; further ones go without */

struct camera {
    char                  name[128];
    struct nj_background *background;
};

struct trial {
    const char       *card;
    bool              each;
    struct nj_worker *worker;
    struct nj_view   *views;
    struct camera     camera[CAMERAS];
    size_t            cameras;
    double           *score[2]; /* [blank] */
    size_t            count[2];
};

static nj_status see(struct trial *trial, const char *name, struct nj_view *view, struct nj_error *error)
{
    char              path[4096];
    uint8_t          *bytes;
    size_t            size;
    struct nj_picture picture = {0};
    if (!nj_path_join(path, sizeof path, trial->card, name))
        return nj_fail(error, "%s: the path is too long", name);
    NJ_TRY(nj_file_read(path, nj_worker_file_limit(trial->worker), &bytes, &size, error));
    memcpy(nj_worker_input(trial->worker), bytes, size);
    free(bytes);
    NJ_TRY(nj_worker_small(trial->worker, name, size, NJ_TRIAGE_DECODED, &picture, error));
    nj_view_make(&picture, view);
    nj_picture_free(&picture);
    return NJ_OK;
}

static struct nj_background *background_of(struct trial *trial, const char *site, bool infrared)
{
    char   name[128];
    size_t at = 0;
    if (!site)
        return NULL;
    snprintf(name, sizeof name, "%.100s %d", site, infrared);
    while (at < trial->cameras && strcmp(trial->camera[at].name, name))
        at++;
    if (at == CAMERAS)
        return NULL;
    if (at == trial->cameras) {
        memcpy(trial->camera[at].name, name, sizeof name);
        trial->camera[at].background = calloc(1, sizeof *trial->camera[at].background);
        trial->cameras++;
    }
    return trial->camera[at].background;
}

static void print_number(const char *name, double value)
{
    if (isnan(value))
        printf(", \"%s\": null", name);
    else
        printf(", \"%s\": %.3f", name, value);
}

static nj_status try_row(struct trial *trial, const json_t *row, struct nj_error *error)
{
    const json_t    *files = json_object_get(row, "files"), *blank = json_object_get(row, "blank"), *file;
    size_t           index, count                                  = 0;
    struct nj_triage triage;
    if (json_array_size(files) == 0)
        return nj_fail(error, "no \"files\" in this row");
    json_array_foreach(files, index, file)
    {
        if (!json_is_string(file))
            return nj_fail(error, "\"files\": names are expected");
        if (count < NJ_TRIAGE_FRAMES)
            NJ_TRY(see(trial, json_string_value(file), &trial->views[count++], error));
    }
    struct nj_background *background = background_of(trial, json_string_value(json_object_get(row, "site_id")), trial->views[0].infrared);
    NJ_TRY(nj_triage_burst(trial->views, count, background, &triage, error));
    if (json_is_boolean(blank))
        trial->score[json_is_true(blank)][trial->count[json_is_true(blank)]++] = triage.interest;
    if (!trial->each)
        return NJ_OK;
    char *name = json_dumps(json_array_get(files, 0), JSON_ENCODE_ANY);
    printf("{\"file\": %s, \"interest\": %.3f", name ? name : "null", triage.interest);
    print_number("motion", triage.motion);
    print_number("background", triage.background);
    printf(", \"blank\": %s, \"words\": \"%s\"}\n",
           !json_is_boolean(blank) ? "null"
           : json_is_true(blank)   ? "true"
                                   : "false",
           triage.words);
    free(name);
    return NJ_OK;
}

/* How often something stands before a blank; a tie counts half. */
static double area(const struct trial *trial)
{
    double wins = 0;
    for (size_t i = 0; i < trial->count[0]; i++)
        for (size_t k = 0; k < trial->count[1]; k++)
            wins += trial->score[0][i] > trial->score[1][k] ? 1 : trial->score[0][i] == trial->score[1][k] ? 0.5 : 0;
    return wins / ((double)trial->count[0] * (double)trial->count[1]);
}

static nj_status try_all(struct trial *trial, const char *labels, char *text, struct nj_error *error)
{
    size_t rows = 1, line = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        rows++;
    trial->views    = malloc(NJ_TRIAGE_FRAMES * sizeof *trial->views);
    trial->score[0] = calloc(rows, sizeof(double));
    trial->score[1] = calloc(rows, sizeof(double));
    if (!trial->views || !trial->score[0] || !trial->score[1])
        return nj_fail(error, "%s: no memory for %zu rows", labels, rows);
    NJ_TRY(nj_worker_open(NULL, &trial->worker, error));
    for (char *at = text, *next; at; at = next) {
        json_t   *row    = NULL;
        nj_status status = NJ_OK;
        next             = strchr(at, '\n');
        if (next)
            *next++ = 0;
        line++;
        if (!at[strspn(at, " \t\r")])
            continue;
        status = nj_json_parse("row", at, strlen(at), &row, error);
        if (status == NJ_OK)
            status = try_row(trial, row, error);
        json_decref(row);
        if (status != NJ_OK) {
            nj_error_prefix(error, "%s:%zu", labels, line);
            return NJ_ERROR;
        }
    }
    printf("{\"bursts\": %zu, \"blank\": %zu", trial->count[0] + trial->count[1], trial->count[1]);
    print_number("auc", trial->count[0] && trial->count[1] ? area(trial) : NAN);
    printf("}\n");
    return NJ_OK;
}

int nj_probe_triage(struct nj_cli *cli, int argc, char **argv)
{
    struct trial             trial = {0};
    char                     card[4096];
    const struct nj_argument options[] = {{"--card", NJ_ARG_TEXT, &trial.card}, {"--each", NJ_ARG_FLAG, &trial.each}, {NULL, 0, NULL}};
    int                      words     = nj_arguments(argc, argv, options);
    uint8_t                 *text      = NULL;
    size_t                   size, length, suffix = strlen(".truth.jsonl");
    if (words != 2)
        return words < 0 ? NJ_EXIT_USAGE : nj_usage(argv[0], "one LABELS.jsonl is expected");
    if (!trial.card) {
        snprintf(card, sizeof card, "%s", argv[1]);
        length = strlen(card);
        if (length <= suffix || strcmp(card + length - suffix, ".truth.jsonl"))
            return nj_usage(argv[0], "--card DIR is missing: where the files of %s are", argv[1]);
        card[length - suffix] = 0;
        trial.card            = card;
    }
    nj_status status = nj_file_read(argv[1], MAX_LABELS, &text, &size, &cli->error);
    if (status == NJ_OK)
        status = try_all(&trial, argv[1], (char *)text, &cli->error);
    nj_worker_close(trial.worker);
    for (size_t i = 0; i < trial.cameras; i++)
        free(trial.camera[i].background);
    free(trial.views);
    free(trial.score[0]);
    free(trial.score[1]);
    free(text);
    return nj_exit(status);
}
