/* probe_vision.c: `probe vision`, a picture's features as they replace the image positions. */
#include "base/npy.h"
#include "pipeline/cli/session.h"

#include <getopt.h>

int nj_probe_vision(struct nj_cli *cli, int argc, char **argv)
{
    struct nj_probe_options options;
    struct nj_session       session = {0};
    struct nj_image         image   = {0};
    int                     usage   = nj_probe_parse(cli, argc, argv, &options);
    if (usage)
        return usage;
    if (options.schema)
        return nj_usage("vision", "--schema: only `probe generate` takes a schema");
    if (optind + 1 != argc || !options.output)
        return nj_usage("vision", options.output ? "one IMAGE is expected" : "-o FILE.npy is missing");
    nj_status status = nj_session_open(&options.session, &session, &cli->error);
    if (status == NJ_OK && !options.soft_tokens)
        options.soft_tokens = session.weights->config.default_soft_tokens;
    if (status == NJ_OK)
        status = nj_image_from_file(session.engine, argv[optind], options.soft_tokens, true, &image, &cli->error);
    if (status == NJ_OK) {
        size_t shape[] = {image.count, session.weights->config.text.hidden_size};
        status         = nj_npy_write(options.output, NJ_NPY_FLOAT32, shape, 2, image.features, &cli->error);
    }
    nj_image_free(&image);
    nj_session_close(&session);
    return nj_exit(status);
}
