#include "pipeline/cli/cli.h"

int nj_cmd_conf(struct nj_cli *cli, int argc, char **argv)
{
    (void)cli;
    if (argc > 1)
        return nj_usage(argv[0], "%s: no argument is expected", argv[1]);
    nj_conf_print_sample(stdout);
    return 0;
}
