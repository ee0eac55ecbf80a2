#include "pipeline/cli/cli.h"

#include <string.h>

int nj_cmd_probe(struct nj_cli *cli, int argc, char **argv)
{
    if (argc < 2)
        return nj_usage("probe", "which probe? `nightjar help probe` lists them");
    for (const struct nj_command_entry *probe = nj_probes; probe->name; probe++)
        if (!strcmp(probe->name, argv[1]))
            return probe->run(cli, argc - 1, argv + 1);
    return nj_usage("probe", "%s: no such probe%s `nightjar help probe` lists them", argv[1], nj_command_near(nj_probes, argv[1]));
}
