/* probe_accepts.c: `probe accepts`, which documents a schema allows. */
#include "base/file.h"
#include "base/json.h"
#include "pipeline/cli/arguments.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/open_model.h"
#include "pipeline/constrain/acceptor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCUMENTS_LIMIT ((size_t)1 << 30)
#define SCHEMA_LIMIT    ((size_t)64 << 20)

static nj_status open_schema(const char *path, struct nj_acceptor **out, struct nj_error *error)
{
    uint8_t  *text;
    size_t    size;
    nj_status status = nj_file_read(path, SCHEMA_LIMIT, &text, &size, error);
    if (status == NJ_OK)
        status = nj_acceptor_open(path, (const char *)text, size, out, error);
    free(text);
    return status;
}

static nj_status judge_line(struct nj_acceptor *acceptor, const char *path, size_t number, const char *line, size_t size,
                            struct nj_error *error)
{
    json_t *document;
    bool    accepted = false;
    size_t  at       = 0;
    char    name[4200];
    snprintf(name, sizeof name, "%s:%zu", path, number);
    nj_status status = nj_json_parse(name, line, size, &document, error);
    if (status == NJ_OK && !json_is_string(document))
        status = nj_fail(error, "%s: a JSON string that holds the text of a document is expected", name);
    if (status == NJ_OK)
        status = nj_acceptor_judge(acceptor, json_string_value(document), json_string_length(document), &accepted, &at, error);
    if (status == NJ_OK && accepted)
        printf("{\"accepted\": true, \"at\": null}\n");
    else if (status == NJ_OK)
        printf("{\"accepted\": false, \"at\": %zu}\n", at);
    json_decref(document);
    return status;
}

int nj_probe_accepts(struct nj_cli *cli, int argc, char **argv)
{
    const char              *model = NULL, *schema = NULL;
    struct nj_acceptor      *acceptor = NULL;
    char                    *lines    = NULL;
    size_t                   size = 0, number = 0;
    const struct nj_argument options[] = {{"-m", NJ_ARG_TEXT, &model}, {"--schema", NJ_ARG_TEXT, &schema}, {NULL, 0, NULL}};
    int                      words     = nj_arguments(argc, argv, options);
    if (words < 0)
        return NJ_EXIT_USAGE;
    if (!schema || words != 2)
        return nj_usage("accepts", schema ? "one file of documents is expected" : "--schema S.json is missing");
    nj_status status = open_schema(schema, &acceptor, &cli->error);
    if (status == NJ_OK)
        status = nj_cli_read(argv[1], DOCUMENTS_LIMIT, &lines, &size, &cli->error);
    for (char *line = lines, *end; status == NJ_OK && line < lines + size; line = end + 1) {
        end = memchr(line, '\n', size - (size_t)(line - lines));
        end = end ? end : lines + size;
        number++;
        if (strspn(line, " \t\r") < (size_t)(end - line))
            status = judge_line(acceptor, argv[1], number, line, (size_t)(end - line), &cli->error);
    }
    free(lines);
    nj_acceptor_close(acceptor);
    return nj_exit(status);
}
