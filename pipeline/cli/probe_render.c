/* probe_render.c: a conversation as the prompt that the model reads. */
#include "base/file.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/open_model.h"
#include "pipeline/model/chat.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONVERSATION_LIMIT ((size_t)256 << 20)
#define TEMPLATE_LIMIT     ((size_t)4 << 20)

/* A template is not run, only asked for the empty thought at its end (spec 7.6). A directory may be an adapter's, or hold a tokenizer only; any other
 * file but a lone tokenizer.json is a checkpoint. */
static nj_status look_at_template(const char *model, struct nj_chat_options *options, struct nj_error *error)
{
    static const struct nj_weights_options text_only = {.text_only = 1};
    struct nj_weights                     *weights;
    char                                   path[4096];
    uint8_t                               *text;
    size_t                                 size;
    if (nj_path_join(path, sizeof path, model, "chat_template.jinja") && nj_file_read(path, TEMPLATE_LIMIT, &text, &size, NULL) == NJ_OK) {
        options->empty_thought = nj_chat_template_has_empty_thought((const char *)text, size);
        free(text);
    } else if (!nj_cli_holds_tokenizer_only(model)) {
        NJ_TRY(nj_weights_open(model, &text_only, &weights, error));
        options->empty_thought = weights->config.empty_thought;
        nj_weights_close(weights);
    }
    return NJ_OK;
}

int nj_probe_render(struct nj_cli *cli, int argc, char **argv)
{
    static const struct option long_options[] = {{"think", no_argument, NULL, 't'}, {"no-generation", no_argument, NULL, 'n'}, {0}};
    struct nj_chat_options     options        = {0};
    struct nj_text             prompt         = {0};
    const char                *model          = NULL;
    char                      *bytes          = NULL;
    json_t                    *conversation   = NULL;
    size_t                     size           = 0;
    opterr                                    = 0;
    optind                                    = 0;
    for (int option; (option = getopt_long(argc, argv, "m:", long_options, NULL)) != -1;) {
        if (option == 'm')
            model = optarg;
        else if (option == 't')
            options.thinking = true;
        else if (option == 'n')
            options.no_generation_prompt = true;
        else
            return nj_usage("render", "%s: no such option, or its value is missing", argv[optind - 1]);
    }
    if (!model || optind + 1 != argc)
        return nj_usage("render", model ? "one file of messages is expected" : "-m MODEL is missing");
    nj_status status = access(model, R_OK) == 0 ? NJ_OK : nj_fail(&cli->error, "%s: no such model", model);
    if (status == NJ_OK)
        status = look_at_template(model, &options, &cli->error);
    if (status == NJ_OK)
        status = nj_cli_read(argv[optind], CONVERSATION_LIMIT, &bytes, &size, &cli->error);
    if (status == NJ_OK)
        status = nj_chat_parse(argv[optind], bytes, size, &conversation, &cli->error);
    if (status == NJ_OK) {
        status = nj_chat_render(conversation, &options, &prompt, &cli->error);
        if (status != NJ_OK)
            nj_error_prefix(&cli->error, "%s", argv[optind]);
    }
    if (status == NJ_OK)
        fwrite(prompt.data, 1, prompt.length, stdout);
    nj_text_free(&prompt);
    json_decref(conversation);
    free(bytes);
    return nj_exit(status);
}
