/* `test_tool_desk DATABASE TOOL ARGUMENTS` prints what a tool returns, for test_tools.sh. Without arguments: what the model calls the site. */
#include "pipeline/cli/tool_answers.h"
#include "tests/tap.h"

static int answer(char **argv)
{
    struct nj_conf       conf;
    struct nj_error      error     = {0};
    struct nj_db_options options   = {.mode = NJ_DB_READ};
    struct nj_tool_desk  desk      = {.conf = &conf};
    json_t              *arguments = json_loads(argv[3], 0, NULL), *response = NULL;
    nj_conf_defaults(&conf);
    snprintf(conf.station.site, sizeof conf.station.site, "D07");
    if (!arguments || nj_db_open(argv[1], &options, &desk.db, &error) != NJ_OK ||
        nj_tool_answer(&desk, argv[2], arguments, &response, &error) != NJ_OK) {
        fprintf(stderr, "test_tool_desk: %s\n", error.text);
        return 1;
    }
    json_dumpf(response, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(response);
    json_decref(arguments);
    nj_db_close(desk.db);
    return 0;
}

int main(int argc, char **argv)
{
    struct nj_conf conf;
    if (argc == 4)
        return answer(argv);
    nj_conf_defaults(&conf);
    snprintf(conf.station.name, sizeof conf.station.name, "Kopje");
    conf.station.site[0] = 0;
    CHECK(!strcmp(nj_tool_site(&conf), "Kopje"), "a station without a site is called by its name");
    snprintf(conf.station.site, sizeof conf.station.site, "D07");
    CHECK(!strcmp(nj_tool_site(&conf), "D07"), "else by its site");
    return tap_done();
}
