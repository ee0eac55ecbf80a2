#include "pipeline/cli/cli.h"

#include <stddef.h>

const struct nj_command_entry nj_commands[] = {
    {"conf", "", "print the commented settings file with every key and its default", nj_cmd_conf, NULL},
    {"probe", "NAME …", "for those who verify the model", nj_cmd_probe, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct nj_command_entry nj_probes[] = {
    {NULL, NULL, NULL, NULL, NULL},
};
