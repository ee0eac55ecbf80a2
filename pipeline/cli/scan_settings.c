#include "pipeline/cli/scan_settings.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

nj_status nj_scan_settings(struct nj_cli *cli, struct nj_scan_settings *out)
{
    struct nj_conf defaults;
    nj_conf_defaults(&defaults);
    const char *cards = cli->conf.ingest.cards;
    bool        given = strcmp(cards, defaults.ingest.cards) != 0;
    bool        fits  = given ? (size_t)snprintf(out->cards, sizeof out->cards, "%s", cards) < sizeof out->cards
                              : nj_sysroot_path(out->cards, sizeof out->cards, cards);
    out->options      = (struct nj_scan_options){
             .cards          = out->cards,
             .rules          = {cli->conf.ingest.burst_gap_seconds, (unsigned)cli->conf.ingest.burst_max_frames},
             .settle_seconds = cli->conf.ingest.settle_seconds,
    };
    return fits ? NJ_OK : nj_fail(&cli->error, "ingest.cards = %s: the path is too long", cards);
}
