#include "pipeline/cli/open_database.h"
#include "base/file.h"

#include <stdio.h>
#include <string.h>

nj_status nj_database_path(struct nj_cli *cli, char *out, size_t size)
{
    struct nj_conf defaults;
    nj_conf_defaults(&defaults);
    const char *path = cli->conf.database.path;
    bool fits = strcmp(path, defaults.database.path) ? (size_t)snprintf(out, size, "%s", path) < size : nj_sysroot_path(out, size, path);
    return fits ? NJ_OK : nj_fail(&cli->error, "%s: the path is too long", path);
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
