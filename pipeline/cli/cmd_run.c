#include "base/log.h"
#include "pipeline/cli/arguments.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/interrupt.h"
#include "pipeline/schedule/station.h"

#include <inttypes.h>
#include <stdlib.h>

int nj_cmd_run(struct nj_cli *cli, int argc, char **argv)
{
    struct nj_station_options options = {.stop = &nj_interrupt_flag};
    const struct nj_argument  names[] = {{"--once", NJ_ARG_FLAG, &options.once},
                                         {"--force", NJ_ARG_FLAG, &options.force},
                                         {"--limit", NJ_ARG_COUNT, &options.limit},
                                         {NULL, 0, NULL}};
    int                       words   = nj_arguments(argc, argv, names);
    if (words != 1)
        return words < 0 ? NJ_EXIT_USAGE : nj_usage(argv[0], "%s: no such argument; what is read follows from the settings", argv[1]);
    nj_interrupt_listen(0);
    struct nj_station_result result;
    nj_status                status = nj_station_run(&cli->conf, &options, &result, &cli->error);
    nj_log(NJ_LOG_INFO, "%" PRId64 " events read in %.1f s, %" PRId64 " failed, %" PRId64 " put off, %" PRId64 " wait", result.done,
           result.seconds, result.failed, result.deferred, result.waiting);
    return nj_exit(status);
}
