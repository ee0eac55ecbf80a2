#include "pipeline/cli/scan_settings.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

nj_status nj_scan_settings(struct nj_cli *cli, struct nj_scan_settings *out)
{
    const char *cards = cli->conf.ingest.cards;
    bool        fits  = nj_conf_place(out->cards, sizeof out->cards, cards);
    out->options      = (struct nj_scan_options){
             .cards          = out->cards,
             .rules          = {cli->conf.ingest.burst_gap_seconds, (unsigned)cli->conf.ingest.burst_max_frames},
             .settle_seconds = cli->conf.ingest.settle_seconds,
    };
    return fits ? NJ_OK : nj_fail(&cli->error, "ingest.cards = %s: the path is too long", cards);
}
