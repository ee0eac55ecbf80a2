/* cmd_clock.c: `clock ID TRUE-TIME` says that a camera's clock was wrong. An offset beside the times as read, which are never changed. */
#include "base/clock.h"
#include "pipeline/cli/arguments.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/login.h"
#include "pipeline/cli/open_database.h"
#include "pipeline/cli/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct place {
    char    card[128], camera[160];
    bool    dated;
    int64_t started_at, offset;
};

static nj_status on_event(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct place *place = user;
    snprintf(place->card, sizeof place->card, "%s", nj_row_value("card", names, values, count)->text);
    snprintf(place->camera, sizeof place->camera, "%s", nj_row_value("camera", names, values, count)->text);
    place->dated  = nj_time_read(nj_row_value("started_at", names, values, count)->text, &place->started_at);
    place->offset = nj_row_value("clock_offset", names, values, count)->integer;
    return NJ_OK;
}

/* "+3600", "-2h", "+1d": seconds to add to what is added already. */
static bool read_span(const char *text, int64_t *seconds)
{
    char     *unit;
    long long value = strtoll(text, &unit, 10);
    if ((*text != '+' && *text != '-') || unit == text + 1)
        return false;
    int64_t factor = !*unit || !strcmp(unit, "s") ? 1
                     : !strcmp(unit, "m")         ? 60
                     : !strcmp(unit, "h")         ? 3600
                     : !strcmp(unit, "d")         ? 86400
                                                  : 0;
    if (!factor || value > INT64_C(100000000000) / factor || value < -(INT64_C(100000000000) / factor))
        return false;
    *seconds = value * factor;
    return true;
}

static nj_status correct(struct nj_cli *cli, struct nj_db *db, const char *wanted, const char *text, const char *by)
{
    struct place place = {0};
    char         id[NJ_DB_EVENT_ID], shown[NJ_TIME_TEXT];
    int64_t      event, add;
    nj_status    status = nj_db_event_find(db, wanted, &event, &cli->error);
    if (status == NJ_OK)
        status = nj_db_event_id(db, event, id, &cli->error);
    struct nj_db_query query = {.view = "event_details", .event_id = id};
    if (status == NJ_OK)
        status = nj_db_select(db, &query, on_event, &place, &cli->error);
    if (status != NJ_OK)
        return status;
    if (!place.dated)
        return nj_fail(&cli->error, "%s: its pictures bear no date that could be wrong; choose an event of that camera that has one", id);
    if (nj_time_read(text, &add))
        add -= place.started_at + place.offset;
    else if (!read_span(text, &add))
        return nj_fail(&cli->error, "%s: neither a time such as 2021-06-30T05:12:00 nor a span such as +3600, -2h or +1d", text);
    status = nj_db_clock_offset_event(db, event, add, by, &cli->error);
    if (status != NJ_OK)
        return status;
    nj_time_local(place.started_at + place.offset + add, shown);
    printf("card %s%s%s: %+lld s are added to its times; %s began %s\n", place.card, *place.camera ? ", camera " : "", place.camera,
           (long long)(place.offset + add), id, shown);
    return NJ_OK;
}

int nj_cmd_clock(struct nj_cli *cli, int argc, char **argv)
{
    const char              *by        = NULL;
    struct nj_db            *db        = NULL;
    const struct nj_argument options[] = {{"--by", NJ_ARG_TEXT, &by}, {NULL, 0, NULL}};
    int                      words     = nj_arguments(argc, argv, options);
    if (words != 3)
        return words < 0 ? NJ_EXIT_USAGE : nj_usage(argv[0], "an event, and when it truly began or how many seconds its camera was off");
    nj_status status = nj_database_open(cli, NJ_DB_WRITE, &db);
    if (status == NJ_OK)
        status = correct(cli, db, argv[1], argv[2], nj_login(by));
    nj_db_close(db);
    return nj_exit(status);
}
