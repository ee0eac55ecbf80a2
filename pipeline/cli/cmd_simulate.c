#include "pipeline/cli/cli.h"
#include "pipeline/schedule/simulate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void print_hours(const char *name, double hours)
{
    if (isnan(hours))
        printf("\"%s\":null,", name);
    else
        printf("\"%s\":%.4f,", name, hours);
}

int nj_cmd_simulate(struct nj_cli *cli, int argc, char **argv)
{
    const char *weather_path = NULL, *arrivals_path = NULL, *log_path = NULL;
    for (int i = 1; i < argc; i++) {
        const char **value = !strcmp(argv[i], "--weather")    ? &weather_path
                             : !strcmp(argv[i], "--arrivals") ? &arrivals_path
                             : !strcmp(argv[i], "-o")         ? &log_path
                                                              : NULL;
        if (!value)
            return nj_usage(argv[0], "%s: no such option", argv[i]);
        if (++i == argc)
            return nj_usage(argv[0], "%s: a file is expected after it", argv[i - 1]);
        *value = argv[i];
    }
    if (!weather_path || !arrivals_path || !log_path)
        return nj_usage(argv[0], "--weather, --arrivals and -o are needed");
    struct nj_weather   weather  = {0};
    struct nj_arrivals  arrivals = {0};
    struct nj_simulated got;
    nj_status           status = nj_weather_read(weather_path, &weather, &cli->error);
    if (status == NJ_OK)
        status = nj_arrivals_read(arrivals_path, &arrivals, &cli->error);
    if (status == NJ_OK)
        status = nj_simulate(&cli->conf, &weather, &arrivals, nj_output_name(log_path), NULL, &got, &cli->error);
    if (status == NJ_OK) {
        printf("{\"events\":%zu,\"done\":%zu,\"brownouts\":%zu,\"min_stored_percent\":%.4f,", got.events, got.done, got.brownouts,
               got.min_stored_percent);
        print_hours("median_delay_h", got.median_delay_h);
        print_hours("p95_delay_h", got.p95_delay_h);
        printf("\"score\":%.6f}\n", got.score);
    }
    nj_arrivals_free(&arrivals);
    nj_weather_free(&weather);
    return nj_exit(status);
}
