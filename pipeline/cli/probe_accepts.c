/* probe_accepts.c: `probe accepts`, which documents a schema allows. */
#include "base/file.h"
#include "base/json.h"
#include "pipeline/cli/arguments.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/open_model.h"
#include "pipeline/constrain/canonical.h"
#include "pipeline/constrain/constraint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCUMENTS_LIMIT ((size_t)1 << 30)
#define SCHEMA_LIMIT    ((size_t)64 << 20)

/* The grammar as the model writes under it, and the one that takes keys in any order. */
struct acceptor {
    struct nj_grammar    *written, *read;
    struct nj_constraint *exact, *loose;
};

static nj_status acceptor_open(const char *path, struct acceptor *out, struct nj_error *error)
{
    const struct nj_grammar_options any_order = {.any_order = true};
    uint8_t                        *text;
    size_t                          size;
    *out             = (struct acceptor){0};
    nj_status status = nj_file_read(path, SCHEMA_LIMIT, &text, &size, error);
    if (status != NJ_OK)
        return status;
    status = nj_grammar_compile_text(path, (const char *)text, size, NULL, &out->written, error);
    if (status == NJ_OK)
        status = nj_grammar_compile_text(path, (const char *)text, size, &any_order, &out->read, error);
    if (status == NJ_OK)
        status = nj_constraint_open(out->written, NULL, &out->exact, error);
    if (status == NJ_OK)
        status = nj_constraint_open(out->read, NULL, &out->loose, error);
    free(text);
    return status;
}

static void acceptor_close(struct acceptor *acceptor)
{
    nj_constraint_close(acceptor->exact);
    nj_constraint_close(acceptor->loose);
    nj_grammar_close(acceptor->written);
    nj_grammar_close(acceptor->read);
}

static nj_status try_text(struct nj_constraint *constraint, const char *text, size_t size, bool *accepted, size_t *at,
                          struct nj_error *error)
{
    nj_constraint_reset(constraint);
    nj_status status = nj_constraint_advance_bytes(constraint, text, size, at, error);
    *accepted        = status == NJ_OK && *at == size && nj_constraint_may_stop(constraint);
    return status;
}

/* As it stands; else in canonical spelling, keys in any order. `at` is where the text as it stands was refused. */
static nj_status judge(struct acceptor *acceptor, const char *text, size_t size, bool *accepted, size_t *at, struct nj_error *error)
{
    nj_status status = try_text(acceptor->exact, text, size, accepted, at, error);
    for (int spelling = NJ_NUMBER_PLAIN; spelling <= NJ_NUMBER_SHORTEST && status == NJ_OK && !*accepted; spelling++) {
        struct nj_text canonical = {0};
        size_t         ignored;
        if (nj_json_canonical(text, size, spelling, &canonical, NULL) == NJ_OK)
            status = try_text(acceptor->loose, canonical.data, canonical.length, accepted, &ignored, error);
        nj_text_free(&canonical);
    }
    return status;
}

static nj_status judge_line(struct acceptor *acceptor, const char *path, size_t number, const char *line, size_t size,
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
        status = judge(acceptor, json_string_value(document), json_string_length(document), &accepted, &at, error);
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
    struct acceptor          acceptor = {0};
    char                    *lines    = NULL;
    size_t                   size = 0, number = 0;
    const struct nj_argument options[] = {{"-m", NJ_ARG_TEXT, &model}, {"--schema", NJ_ARG_TEXT, &schema}, {NULL, 0, NULL}};
    int                      words     = nj_arguments(argc, argv, options);
    if (words < 0)
        return NJ_EXIT_USAGE;
    if (!schema || words != 2)
        return nj_usage("accepts", schema ? "one file of documents is expected" : "--schema S.json is missing");
    nj_status status = acceptor_open(schema, &acceptor, &cli->error);
    if (status == NJ_OK)
        status = nj_cli_read(argv[1], DOCUMENTS_LIMIT, &lines, &size, &cli->error);
    for (char *line = lines, *end; status == NJ_OK && line < lines + size; line = end + 1) {
        end = memchr(line, '\n', size - (size_t)(line - lines));
        end = end ? end : lines + size;
        number++;
        if (strspn(line, " \t\r") < (size_t)(end - line))
            status = judge_line(&acceptor, argv[1], number, line, (size_t)(end - line), &cli->error);
    }
    free(lines);
    acceptor_close(&acceptor);
    return nj_exit(status);
}
