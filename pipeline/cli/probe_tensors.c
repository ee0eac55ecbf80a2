/* probe_tensors.c: `nightjar probe tensors -m MODEL`: what is in the files, and where they come from. */
#include "base/text.h"
#include "pipeline/cli/cli.h"
#include "pipeline/model/checkpoint.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_shape(const struct nj_tensor *tensor, bool json)
{
    putchar('[');
    for (uint32_t i = 0; i < tensor->rank; i++)
        printf("%s%" PRIu64, i == 0 ? "" : json ? "," : ", ", tensor->shape[i]);
    putchar(']');
}

static void print_tensor(const struct nj_tensor *tensor, bool json)
{
    if (json) {
        printf("{\"name\":\"%s\",\"type\":\"%s\",\"shape\":", tensor->file_name, tensor->type_name);
        print_shape(tensor, true);
        printf(",\"bytes\":%" PRIu64 "}\n", tensor->size);
        return;
    }
    printf("%-80s %-5s %12" PRIu64 "  ", tensor->file_name, tensor->type_name, tensor->size);
    print_shape(tensor, false);
    putchar('\n');
}

/* Checksums and the map of matrices are for programs; a person is served by the rest. */
static bool for_people(const char *key)
{
    return strncmp(key, "sha256:", 7) && strcmp(key, "matrices");
}

static void print_metadata(const struct nj_checkpoint *checkpoint, bool json)
{
    const char *key;
    json_t     *value;
    if (json) {
        char *text = json_dumps(checkpoint->metadata ? checkpoint->metadata : checkpoint->config, JSON_COMPACT);
        printf("{\"%s\":%s}\n", checkpoint->metadata ? "metadata" : "config", text ? text : "{}");
        free(text);
        return;
    }
    json_object_foreach(checkpoint->metadata, key, value)
    {
        if (for_people(key))
            printf("%s: %s\n", key, json_string_value(value));
    }
    if (!checkpoint->metadata) {
        char *text = json_dumps(checkpoint->config, JSON_COMPACT);
        printf("config: %s\n", text ? text : "{}");
        free(text);
    }
}

int nj_probe_tensors(struct nj_cli *cli, int argc, char **argv)
{
    static const struct option known[] = {{"model", required_argument, NULL, 'm'},
                                          {"mmproj", required_argument, NULL, 'p'},
                                          {"json", no_argument, NULL, 'j'},
                                          {NULL, 0, NULL, 0}};
    struct nj_weights_options  options = {0};
    const char                *model   = NULL;
    bool                       json    = false;
    optind                             = 1;
    for (int letter; (letter = getopt_long(argc, argv, "m:", known, NULL)) != -1;) {
        if (letter == 'm')
            model = optarg;
        else if (letter == 'p')
            options.mmproj = optarg;
        else if (letter == 'j')
            json = true;
        else
            return nj_usage(argv[0], "see `nightjar help probe tensors`");
    }
    if (!model || optind != argc)
        return nj_usage(argv[0], "-m MODEL is needed, and nothing else");
    struct nj_weights *weights;
    nj_status          status = nj_weights_open(model, &options, &weights, &cli->error);
    if (status != NJ_OK)
        return nj_exit(status);
    const struct nj_checkpoint *checkpoint = weights->checkpoint;
    uint64_t                    bytes      = 0;
    for (size_t i = 0; i < checkpoint->tensors.count; i++) {
        print_tensor(&checkpoint->tensors.list[i], json);
        bytes += checkpoint->tensors.list[i].size;
    }
    print_metadata(checkpoint, json);
    if (!json)
        printf("%zu tensors, %" PRIu64 " bytes\n", checkpoint->tensors.count, bytes);
    nj_weights_close(weights);
    return 0;
}
