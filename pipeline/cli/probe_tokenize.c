/* probe_tokenize.c: `probe tokenize` and `probe detokenize`. */
#include "base/json.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/open_model.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_LIMIT ((size_t)1 << 30)

static void print_ids(const struct nj_ids *ids)
{
    putchar('[');
    for (size_t i = 0; i < ids->count; i++)
        printf("%s%d", i ? ", " : "", ids->data[i]);
    puts("]");
}

int nj_probe_tokenize(struct nj_cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"special", no_argument, NULL, 's'}, {"file", required_argument, NULL, 'f'}, {0}};
    struct nj_cli_tokenizer    model     = {0};
    struct nj_ids              ids       = {0};
    const char                *path = NULL, *file = "-";
    char                      *text    = NULL;
    size_t                     size    = 0;
    bool                       special = false;
    opterr                             = 0;
    optind                             = 0;
    for (int option; (option = getopt_long(argc, argv, "m:", options, NULL)) != -1;) {
        if (option == 'm')
            path = optarg;
        else if (option == 's')
            special = true;
        else if (option == 'f')
            file = optarg;
        else
            return nj_usage("tokenize", "%s: no such option, or its value is missing", argv[optind - 1]);
    }
    if (!path || optind < argc)
        return nj_usage("tokenize", path ? "the text comes from stdin or --file" : "-m MODEL is missing");
    nj_status status = nj_cli_tokenizer_open(path, &model, &cli->error);
    if (status == NJ_OK)
        status = nj_cli_read(file, TEXT_LIMIT, &text, &size, &cli->error);
    if (status == NJ_OK)
        status = nj_tokenizer_encode(model.tokenizer, text, size, special, &ids, &cli->error);
    if (status == NJ_OK)
        print_ids(&ids);
    free(ids.data);
    free(text);
    nj_cli_tokenizer_close(&model);
    return nj_exit(status);
}

static nj_status print_text(const struct nj_tokenizer *tokenizer, const json_t *list, struct nj_error *error)
{
    if (!json_is_array(list))
        return nj_fail(error, "standard input: a JSON list of ids is expected");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *id = json_array_get(list, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= nj_tokenizer_size(tokenizer))
            return nj_fail(error, "standard input: element %zu is not an id from 0 to %u", i, nj_tokenizer_size(tokenizer) - 1);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct nj_string_view view = nj_tokenizer_bytes(tokenizer, (int32_t)json_integer_value(json_array_get(list, i)));
        fwrite(view.data, 1, view.size, stdout);
    }
    return NJ_OK;
}

int nj_probe_detokenize(struct nj_cli *cli, int argc, char **argv)
{
    struct nj_cli_tokenizer model = {0};
    const char             *path  = NULL;
    json_t                 *list  = NULL;
    char                   *text  = NULL;
    size_t                  size  = 0;
    opterr                        = 0;
    optind                        = 0;
    for (int option; (option = getopt(argc, argv, "m:")) != -1;) {
        if (option != 'm')
            return nj_usage("detokenize", "%s: no such option, or its value is missing", argv[optind - 1]);
        path = optarg;
    }
    if (!path || optind < argc)
        return nj_usage("detokenize", path ? "the ids come from stdin" : "-m MODEL is missing");
    nj_status status = nj_cli_tokenizer_open(path, &model, &cli->error);
    if (status == NJ_OK)
        status = nj_cli_read("-", TEXT_LIMIT, &text, &size, &cli->error);
    if (status == NJ_OK)
        status = nj_json_parse("standard input", text, size, &list, &cli->error);
    if (status == NJ_OK)
        status = print_text(model.tokenizer, list, &cli->error);
    json_decref(list);
    free(text);
    nj_cli_tokenizer_close(&model);
    return nj_exit(status);
}
