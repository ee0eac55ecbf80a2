#include "base/log.h"
#include "pipeline/cli/cli.h"
#include "pipeline/schedule/station.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

int nj_cmd_run(struct nj_cli *cli, int argc, char **argv)
{
    static const struct option names[] = {
        {"once", no_argument, NULL, 'o'}, {"force", no_argument, NULL, 'f'}, {"limit", required_argument, NULL, 'l'}, {0}};
    struct nj_station_options options = {.stop = &stop};
    char                     *end;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (option == 'o')
            options.once = true;
        else if (option == 'f')
            options.force = true;
        else if (option == 'l') {
            options.limit = strtoll(optarg, &end, 10);
            if (*end || options.limit < 1)
                return nj_usage("run", "--limit %s: a number above 0 is expected", optarg);
        } else
            return nj_usage("run", "see above");
    }
    if (optind < argc)
        return nj_usage("run", "%s: no argument is expected", argv[optind]);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    struct nj_station_result result;
    nj_status                status = nj_station_run(&cli->conf, &options, &result, &cli->error);
    nj_log(NJ_LOG_INFO, "%" PRId64 " events read in %.1f s, %" PRId64 " failed, %" PRId64 " put off, %" PRId64 " wait", result.done,
           result.seconds, result.failed, result.deferred, result.waiting);
    return nj_exit(status);
}
