#include "base/file.h"
#include "pipeline/cli/arguments.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/open_database.h"
#include "pipeline/cli/report.h"
#include "pipeline/cli/report_narrative.h"
#include "pipeline/cli/table.h"

#include <stdio.h>
#include <string.h>

static nj_status on_newest(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    if (*nj_row_value("night", names, values, count)->text)
        snprintf(user, 11, "%s", nj_row_value("night", names, values, count)->text);
    return NJ_OK;
}

/* Without a choice: the newest night that has events. */
static nj_status choose_nights(struct nj_cli *cli, struct nj_db *db, const char *night, struct nj_report_options *options, char newest[11])
{
    struct nj_db_query query = {.view = "events", .newest_first = true, .limit = 1};
    if (night)
        options->from = options->to = night;
    if (options->from && !options->to)
        options->to = "9999-12-31";
    if (options->to && !options->from)
        options->from = "0000-01-01";
    if (options->from)
        return NJ_OK;
    nj_status status = nj_db_select(db, &query, on_newest, newest, &cli->error);
    if (status == NJ_OK && !*newest)
        return nj_fail_as(NJ_NOT_FOUND, &cli->error, "there is no event with a time yet; say --night DATE for an empty page");
    options->from = options->to = newest;
    return status;
}

static bool ends_in_html(const char *file)
{
    size_t length = strlen(file);
    return length > 5 && !strcmp(file + length - 5, ".html");
}

int nj_cmd_report(struct nj_cli *cli, int argc, char **argv)
{
    const char              *night = NULL, *file = NULL, *model = cli->conf.model.path;
    bool                     narrative = false;
    int64_t                  tokens = 1024, seconds = 0;
    char                     newest[11] = "";
    struct nj_report_options options    = {.conf = &cli->conf};
    const struct nj_clock   *clock      = nj_clock_system();
    const struct nj_argument table[]    = {{"--night", NJ_ARG_NIGHT, &night},
                                           {"--from", NJ_ARG_NIGHT, &options.from},
                                           {"--to", NJ_ARG_NIGHT, &options.to},
                                           {"--people", NJ_ARG_FLAG, &options.people},
                                           {"-o", NJ_ARG_TEXT, &file},
                                           {"--narrative", NJ_ARG_FLAG, &narrative},
                                           {"-m", NJ_ARG_TEXT, &model},
                                           {"--max-tokens", NJ_ARG_COUNT, &tokens},
                                           {"--seconds", NJ_ARG_COUNT, &seconds},
                                           {NULL, 0, NULL}};
    int                      count      = nj_arguments(argc, argv, table);
    if (count < 0)
        return NJ_EXIT_USAGE;
    if (count > 1)
        return nj_usage(argv[0], "%s: no such word here", argv[1]);
    if (!file)
        return nj_usage(argv[0], "-o FILE.html is missing (- for standard output)");
    if (night && (options.from || options.to))
        return nj_usage(argv[0], "--night, or --from and --to, not both");
    if (options.from && options.to && strcmp(options.from, options.to) > 0)
        return nj_usage(argv[0], "--from %s is after --to %s", options.from, options.to);
    if (narrative && !*model)
        return nj_usage(argv[0], "no model: give -m MODEL, or model.path in the settings");
    if (tokens > 100000 || seconds > 86400)
        return nj_usage(argv[0], "at most 100000 tokens and 86400 seconds");
    options.now_ms = clock->wall_ms(clock->self);

    struct nj_db  *db;
    struct nj_text page = {0}, words = {0};
    json_t        *told   = NULL;
    nj_status      status = nj_database_open(cli, NJ_DB_READ, &db);
    if (status == NJ_OK)
        status = choose_nights(cli, db, night, &options, newest);
    if (status == NJ_OK && narrative)
        status = nj_report_narrative(
            cli, db, &(struct nj_narrative_options){model, options.from, options.to, (size_t)tokens, (unsigned)seconds}, &words);
    const bool html = !narrative || ends_in_html(file);
    if (status == NJ_OK && narrative && html)
        status = nj_json_parse("the model's report", words.data, words.length, &told, &cli->error);
    options.words = told;
    if (status == NJ_OK && html)
        status = nj_report_write(db, &options, &page, &cli->error);
    else if (status == NJ_OK)
        nj_text_add_bytes(&page, words.data, words.length);
    if (status == NJ_OK && !strcmp(file, "-"))
        fwrite(page.data, 1, page.length, stdout);
    else if (status == NJ_OK)
        status = nj_file_write_atomic(file, page.data, page.length, &cli->error);
    nj_text_free(&page);
    nj_text_free(&words);
    json_decref(told);
    nj_db_close(db);
    return nj_exit(status);
}
