/* open_database.h: the database of the settings, opened as a command needs it. */
#ifndef NJ_CLI_OPEN_DATABASE_H
#define NJ_CLI_OPEN_DATABASE_H

#include "db/db.h"
#include "pipeline/cli/cli.h"

/* [database] path into out[size] (nj_conf_place). */
nj_status nj_database_path(struct nj_cli *cli, char *out, size_t size);

/* Opens it with station, site, time zone and min_free_mb of the settings. The caller closes *out. */
nj_status nj_database_open(struct nj_cli *cli, enum nj_db_mode mode, struct nj_db **out);

#endif
