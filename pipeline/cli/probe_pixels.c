/* probe_pixels.c: the picture as the model sees it. */
#include "base/npy.h"
#include "pipeline/cli/cli.h"
#include "pipeline/picture/picture.h"

#include <getopt.h>
#include <stdlib.h>

#define FILE_LIMIT ((size_t)512 << 20)

static nj_status read_and_resize(const char *path, uint32_t soft_tokens, struct nj_picture *out, struct nj_error *error)
{
    struct nj_picture picture = {0};
    uint8_t          *bytes;
    size_t            size;
    uint32_t          width, height;
    nj_status         status = nj_file_read(path, FILE_LIMIT, &bytes, &size, error);
    if (status != NJ_OK)
        return status;
    status = nj_picture_decode(path, bytes, size, false, &picture, error);
    if (status == NJ_OK)
        status = nj_picture_target(picture.width, picture.height, soft_tokens, &width, &height, error);
    if (status == NJ_OK)
        status = nj_picture_resize(&picture, width, height, out, error);
    nj_picture_free(&picture);
    free(bytes);
    return status;
}

int nj_probe_pixels(struct nj_cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"soft-tokens", required_argument, NULL, 's'}, {0}};
    const char                *output = NULL, *tokens = "280";
    char                      *end;
    struct nj_picture          pixels = {0};
    opterr                            = 0;
    optind                            = 0;
    for (int option; (option = getopt_long(argc, argv, "o:", options, NULL)) != -1;) {
        if (option == 'o')
            output = optarg;
        else if (option == 's')
            tokens = optarg;
        else
            return nj_usage("pixels", "%s: no such option, or its value is missing", argv[optind - 1]);
    }
    unsigned long soft_tokens = strtoul(tokens, &end, 10);
    if (*end || end == tokens || soft_tokens > 1120)
        return nj_usage("pixels", "--soft-tokens %s: 70, 140, 280, 560 and 1120 are possible", tokens);
    if (!output || optind + 1 != argc)
        return nj_usage("pixels", output ? "one picture is expected" : "-o FILE.npy is missing");
    nj_status status = read_and_resize(argv[optind], (uint32_t)soft_tokens, &pixels, &cli->error);
    if (status == NJ_OK) {
        const size_t shape[3] = {pixels.height, pixels.width, 3};
        status                = nj_npy_write(output, NJ_NPY_UINT8, shape, 3, pixels.rgb, &cli->error);
    }
    nj_picture_free(&pixels);
    return nj_exit(status);
}
