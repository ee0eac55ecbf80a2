/* scan_settings.h: how the settings want cards to be scanned. */
#ifndef NJ_CLI_SCAN_SETTINGS_H
#define NJ_CLI_SCAN_SETTINGS_H

#include "pipeline/cli/cli.h"
#include "pipeline/ingest/scan.h"

struct nj_scan_settings {
    char                   cards[NJ_CONF_TEXT + 512];
    struct nj_scan_options options; /* options.cards points into this struct */
};

/* [ingest] of the settings; the default glob is looked for under NIGHTJAR_SYSROOT. The caller adds `patient` and `stop`. */
nj_status nj_scan_settings(struct nj_cli *cli, struct nj_scan_settings *out);

#endif
