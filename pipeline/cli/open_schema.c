#include "pipeline/cli/open_schema.h"
#include "base/file.h"

#include <stdlib.h>

#define SCHEMA_LIMIT ((size_t)64 << 20) /* so that what is too large to compile is told with its size */
#define KEPT_BYTES   ((size_t)64 << 10)

static bool cache_folder(char *out, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char        below[4096];
    if (cache && *cache == '/')
        return nj_path_join(out, size, cache, "nightjar");
    return home && *home == '/' && nj_path_join(below, sizeof below, home, ".cache") && nj_path_join(out, size, below, "nightjar");
}

nj_status nj_cli_schema_open(const char *path, struct nj_grammar **out, struct nj_error *error)
{
    uint8_t  *text;
    size_t    size;
    char      folder[4096];
    nj_status status = nj_file_read(path, SCHEMA_LIMIT, &text, &size, error);
    *out             = NULL;
    if (status != NJ_OK)
        return status;
    if (size <= KEPT_BYTES && cache_folder(folder, sizeof folder))
        status = nj_grammar_open(folder, path, (const char *)text, size, NULL, out, error);
    else
        status = nj_grammar_compile_text(path, (const char *)text, size, NULL, out, error);
    free(text);
    return status;
}
