#include "pipeline/cli/cli.h"

#include <stddef.h>

const struct nj_command_entry nj_commands[] = {
    {"conf", "", "print the commented settings file with every key and its default", nj_cmd_conf, NULL},
    {"probe", "NAME …", "for those who verify the model", nj_cmd_probe, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct nj_command_entry nj_probes[] = {
    {"detokenize", "-m MODEL", "text of a JSON list of ids on stdin", nj_probe_detokenize, NULL},
    {"pixels", "IMAGE [--soft-tokens N] -o FILE.npy", "the picture as the model sees it, uint8 [H][W][3]", nj_probe_pixels, NULL},
    {"tokenize", "-m MODEL [--special] [--file FILE]", "ids of a text (stdin or FILE) as a JSON list", nj_probe_tokenize,
     "--special splits the added tokens such as <|turn>; without it they are plain text."},
    {NULL, NULL, NULL, NULL, NULL},
};
