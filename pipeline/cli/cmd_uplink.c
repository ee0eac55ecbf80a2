#include "base/log.h"
#include "pipeline/cli/arguments.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/open_database.h"
#include "pipeline/cli/open_model.h"
#include "pipeline/cli/table.h"
#include "pipeline/sentinel/species.h"
#include "pipeline/uplink/uplink.h"

#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MESSAGE (16u << 20)

static const struct nj_column outbox_columns[] = {
    {"item_id", "ITEM", -6, NULL},
    {"kind", "KIND", 6, NULL},
    {"event_id", "EVENT", 12, NULL},
    {"priority", "PRIORITY", -8, NULL},
    {"attempts", "TRIES", -5, NULL},
    {"sent_utc", "SENT", 20, NULL},
    {"acknowledged_utc", "ACKNOWLEDGED", 20, NULL},
    {"next_try_utc", "NEXT TRY", 20, NULL},
    {NULL, NULL, 0, NULL},
};

/* Messages that were sent twice, because the station never heard that they arrived, are told once. */
static void print_new(const char *text, void **told)
{
    for (const char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        bool   head  = !strncmp(line, "{\"station\"", 10);
        char  *copy  = head ? NULL : strndup(line, (size_t)(end - line));
        char **found = copy ? tsearch(copy, told, (int (*)(const void *, const void *))strcmp) : NULL;
        if (!found || *found == copy)
            fwrite(line, 1, (size_t)(end - line) + 1, stdout);
        else
            free(copy);
    }
}

/* A damaged message says so and does not keep those behind it from being read. */
static nj_status decode(struct nj_cli *cli, char **paths, int count, const struct nj_summary_labels *labels)
{
    void     *told   = NULL;
    nj_status status = NJ_OK;
    for (int i = 0; i < count; i++) {
        char           *bytes = NULL;
        size_t          size;
        struct nj_text  text  = {0};
        struct nj_error error = {0};
        nj_status       one   = nj_cli_read(paths[i], MAX_MESSAGE, &bytes, &size, &error);
        if (one == NJ_OK)
            one = nj_uplink_decode(paths[i], (const uint8_t *)bytes, size, &cli->conf, labels, &text, &error);
        if (text.data)
            print_new(text.data, &told);
        if (one != NJ_OK) {
            if (status != NJ_OK)
                nj_log(NJ_LOG_WARNING, "%s", cli->error.text);
            cli->error = error;
            status     = one;
        }
        nj_text_free(&text);
        free(bytes);
    }
    tdestroy(told, free);
    return status;
}

static nj_status show(struct nj_cli *cli, struct nj_db *db, enum nj_form form)
{
    struct nj_db_query query  = {.view = "outbox", .names_first = true};
    struct nj_output   output = {.form = form, .columns = outbox_columns};
    nj_status          status = nj_db_select(db, &query, nj_output_row, &output, &cli->error);
    if (status == NJ_OK && !output.rows)
        nj_log(NJ_LOG_INFO, "the outbox is empty: events enter it when `nightjar uplink` looks for new ones");
    return status;
}

static nj_status send_due(struct nj_cli *cli, struct nj_db *db, const struct nj_summary_labels *labels, bool dry)
{
    struct nj_uplink_result result = {0};
    nj_status               status = nj_uplink_run(db, &cli->conf, labels, dry, &result, &cli->error);
    if (status != NJ_NOT_FOUND)
        printf("%" PRId64 " new in the outbox, %" PRId64 " %s in %" PRId64 " bytes, %" PRId64 " wait, %" PRId64 " bytes left today\n",
               result.collected, result.sent, dry ? "would leave" : "sent", result.bytes, result.waiting, result.bytes_left_today);
    return status;
}

int nj_cmd_uplink(struct nj_cli *cli, int argc, char **argv)
{
    static const char             *names[NJ_SPECIES_COUNT];
    const struct nj_summary_labels labels = {names, NJ_SPECIES_COUNT};
    bool                           once = false, dry = false, json = false, csv = false;
    const struct nj_argument       options[] = {{"--once", NJ_ARG_FLAG, &once},
                                                {"--dry-run", NJ_ARG_FLAG, &dry},
                                                {"--json", NJ_ARG_FLAG, &json},
                                                {"--csv", NJ_ARG_FLAG, &csv},
                                                {NULL, 0, NULL}};
    int                            words     = nj_arguments(argc, argv, options);
    if (words < 0)
        return NJ_EXIT_USAGE;
    for (int i = 0; i < NJ_SPECIES_COUNT; i++)
        names[i] = nj_species[i].label;
    bool status_wanted = words == 2 && !strcmp(argv[1], "status"), decoding = words > 1 && !strcmp(argv[1], "decode");
    if (words > 1 && !status_wanted && !decoding)
        return nj_usage(argv[0], "%s: no such word here; status or decode?", argv[1]);
    if ((json || csv) && (!status_wanted || (json && csv)))
        return nj_usage(argv[0], json && csv ? "--json or --csv, not both" : "--json and --csv are for `uplink status`");
    if (decoding && words == 2)
        return nj_usage(argv[0], "decode: which message? a FILE is expected");
    if (decoding)
        return nj_exit(decode(cli, argv + 2, words - 2, &labels));
    struct nj_db *db;
    nj_status     status = nj_database_open(cli, status_wanted ? NJ_DB_READ : NJ_DB_WRITE, &db);
    if (status == NJ_OK)
        status = status_wanted ? show(cli, db, json ? NJ_FORM_JSON : csv ? NJ_FORM_CSV : NJ_FORM_TABLE) : send_due(cli, db, &labels, dry);
    nj_db_close(db);
    return nj_exit(status);
}
