#include "pipeline/cli/open_database.h"

nj_status nj_database_path(struct nj_cli *cli, char *out, size_t size)
{
    const char *path = cli->conf.database.path;
    return nj_conf_place(out, size, path) ? NJ_OK : nj_fail(&cli->error, "%s: the path is too long", path);
}

nj_status nj_database_open(struct nj_cli *cli, enum nj_db_mode mode, struct nj_db **out)
{
    char path[NJ_CONF_TEXT + 512];
    *out             = NULL;
    nj_status status = nj_database_path(cli, path, sizeof path);
    if (status != NJ_OK)
        return status;
    struct nj_db_options options = {
        .mode            = mode,
        .station         = cli->conf.station.name,
        .site            = cli->conf.station.site,
        .timezone_offset = cli->conf.station.timezone_offset,
        .min_free_mb     = cli->conf.ingest.min_free_mb,
    };
    return nj_db_open(path, &options, out, &cli->error);
}
