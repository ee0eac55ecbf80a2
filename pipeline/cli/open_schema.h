/* open_schema.h: the grammar of a user's schema file, compiled once and kept in $XDG_CACHE_HOME/nightjar (~/.cache/nightjar). */
#ifndef NJ_CLI_OPEN_SCHEMA_H
#define NJ_CLI_OPEN_SCHEMA_H

#include "pipeline/constrain/grammar.h"

/* The caller closes *out. Schemas of more than 64 KiB are compiled each time; so are all where neither variable is set. */
nj_status nj_cli_schema_open(const char *path, struct nj_grammar **out, struct nj_error *error);

#endif
