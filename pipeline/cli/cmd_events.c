/* cmd_events.c: `events` lists what was seen, `events show ID` tells the whole story of one event (event_page.h). */
#include "base/log.h"
#include "pipeline/cli/arguments.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/correction.h"
#include "pipeline/cli/event_page.h"
#include "pipeline/cli/open_database.h"
#include "pipeline/cli/table.h"
#include "pipeline/sentinel/species.h"

#include <string.h>

static enum nj_paint paint_state(const struct nj_db_value *value)
{
    if (!strcmp(value->text, "failed"))
        return NJ_RED;
    return !strcmp(value->text, "done") ? NJ_PLAIN : NJ_DIM;
}

static enum nj_paint paint_priority(const struct nj_db_value *value)
{
    return !strcmp(value->text, "high") ? NJ_RED : !strcmp(value->text, "medium") ? NJ_YELLOW : NJ_DIM;
}

static const struct nj_column event_columns[] = {
    {"event_id", "EVENT", 12, NULL},
    {"started_at", "TIME", 19, NULL},
    {"card", "CARD", 12, NULL},
    {"frame_count", "FRAMES", -6, NULL},
    {"state", "STATE", 8, paint_state},
    {"species", "SPECIES", 28, NULL},
    {"priority", "REVIEW", 6, paint_priority},
    {"decided_by", "BY", 6, NULL},
    {"state_reason", "REASON", 30, NULL},
    {NULL, NULL, 0, NULL},
};

static const char *if_empty(const char *column, const struct nj_row *row)
{
    return !strcmp(column, "species") && nj_row_number(row, "blank") ? "blank" : "";
}

static nj_status show(struct nj_cli *cli, struct nj_db *db, const char *wanted, enum nj_form form, bool choices)
{
    char             id[NJ_DB_EVENT_ID];
    int64_t          event;
    struct nj_output output = {.form = form, .columns = event_columns, .raw_json = "json"};
    nj_status        status = nj_db_event_find(db, wanted, &event, &cli->error);
    if (status == NJ_OK)
        status = nj_db_event_id(db, event, id, &cli->error);
    if (status != NJ_OK)
        return status;
    if (form == NJ_FORM_TABLE)
        return nj_event_page(db, id, choices, &cli->error);
    struct nj_db_query query = {.view = "events", .event_id = id, .names_first = true};
    return nj_db_select(db, &query, nj_output_row, &output, &cli->error);
}

int nj_cmd_events(struct nj_cli *cli, int argc, char **argv)
{
    struct nj_db_query       query   = {.view = "events", .names_first = true};
    enum nj_form             form    = NJ_FORM_TABLE;
    bool                     choices = false, json = false, csv = false;
    const struct nj_argument options[] = {
        {"--night", NJ_ARG_NIGHT, &query.night}, {"--from", NJ_ARG_NIGHT, &query.from},
        {"--to", NJ_ARG_NIGHT, &query.to},       {"--species", NJ_ARG_TEXT, &query.species},
        {"--state", NJ_ARG_TEXT, &query.state},  {"--limit", NJ_ARG_COUNT, &query.limit},
        {"--json", NJ_ARG_FLAG, &json},          {"--csv", NJ_ARG_FLAG, &csv},
        {"--choices", NJ_ARG_FLAG, &choices},    {NULL, 0, NULL},
    };
    int words = nj_arguments(argc, argv, options);
    if (words < 0)
        return NJ_EXIT_USAGE;
    if (json && csv)
        return nj_usage(argv[0], "--json or --csv, not both");
    form     = json ? NJ_FORM_JSON : csv ? NJ_FORM_CSV : NJ_FORM_TABLE;
    bool one = words > 1 && !strcmp(argv[1], "show");
    if ((one && words != 3) || (!one && words > 1))
        return nj_usage(argv[0], one ? "show: which event? one ID is expected" : "%s: no such word here; `events show ID`?", argv[1]);
    if (query.state && !nj_list_has("open,ready,running,done,failed,deferred", query.state))
        return nj_usage(argv[0], "--state %s: one of open, ready, running, done, failed, deferred is expected", query.state);
    if (query.species) {
        int species = nj_species_from_word(query.species, &cli->error);
        if (species < 0) {
            nj_usage(argv[0], "--species %s", cli->error.text);
            cli->error.text[0] = 0;
            return NJ_EXIT_USAGE;
        }
        query.species = nj_species[species].label;
    }

    struct nj_db *db;
    nj_status     status = nj_database_open(cli, NJ_DB_READ, &db);
    if (status == NJ_OK && one)
        status = show(cli, db, argv[2], form, choices);
    else if (status == NJ_OK) {
        struct nj_output output = {.form = form, .columns = event_columns, .raw_json = "json", .if_empty = if_empty};
        query.newest_first      = query.limit > 0;
        status                  = nj_db_select(db, &query, nj_output_row, &output, &cli->error);
        if (status == NJ_OK && !output.rows)
            nj_log(NJ_LOG_INFO, "no event%s",
                   query.night || query.from || query.to || query.species || query.state ? " is like that" : " yet");
    }
    nj_db_close(db);
    return nj_exit(status);
}
