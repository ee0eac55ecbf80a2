/* cmd_bench.c: `nightjar bench`, speed and memory on this machine beside the machine's own limits. */
#include "pipeline/cli/arguments.h"
#include "pipeline/cli/bench.h"
#include "pipeline/cli/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct peak_work {
    struct nj_bench *bench;
    enum nj_limit    limit;
};

static nj_status measure_limit(void *arg, double *seconds, struct nj_error *error)
{
    (void)error;
    struct peak_work *work = arg;
    *seconds               = 1e9 / nj_bench_limit(work->bench, work->limit);
    return NJ_OK;
}

static nj_status limits(struct nj_bench *bench, struct nj_error *error)
{
    static const enum nj_limit all[]  = {NJ_LIMIT_INT16, NJ_LIMIT_INT8, NJ_LIMIT_F32, NJ_LIMIT_READ};
    nj_status                  status = NJ_OK;
    for (size_t i = 0; status == NJ_OK && i < sizeof all / sizeof *all; i++) {
        char                  name[64];
        struct peak_work      work = {bench, all[i]};
        struct nj_measurement m    = {name, all[i] == NJ_LIMIT_READ ? "GB/s" : "GOP/s", 1, NJ_LIMIT_NONE, 0, measure_limit, &work};
        snprintf(name, sizeof name, "limit, %s", nj_limit_name(all[i]));
        status = nj_bench_run(bench, &m, error);
    }
    return status;
}

/* A model of the true shapes with random weights: speed does not depend on them. */
static int make_model(struct nj_cli *cli, const char *path)
{
    char  convert[] = "convert", random[] = "--random", kind[] = "e4b", to[] = "-o";
    char *name    = strdup(path);
    char *words[] = {convert, random, kind, to, name, NULL};
    int   result  = name ? nj_cmd_convert(cli, 5, words) : nj_exit(nj_fail(&cli->error, "no memory for a path"));
    free(name);
    return result;
}

int nj_cmd_bench(struct nj_cli *cli, int argc, char **argv)
{
    struct nj_session         session = {0};
    struct nj_bench           bench   = {0};
    struct nj_session_options model   = {.threads = (uint32_t)cli->conf.model.threads};
    const char               *path = NULL, *only = NULL, *make = NULL, *tokenizer = NULL;
    struct nj_peer            peer    = {0};
    int64_t                   repeats = 5, pass_rows = 0, agree = 0, tokens = 24;
    bool                      json = false, exact = false, power_saver = false, cpu_time = false;
    const struct nj_argument  options[] = {{"-m", NJ_ARG_TEXT, &path},
                                           {"--only", NJ_ARG_TEXT, &only},
                                           {"--peer", NJ_ARG_TEXT, &peer.program},
                                           {"--peer-model", NJ_ARG_TEXT, &peer.model},
                                           {"--peer-mmproj", NJ_ARG_TEXT, &peer.mmproj},
                                           {"--make-model", NJ_ARG_TEXT, &make},
                                           {"--tokenizer", NJ_ARG_TEXT, &tokenizer},
                                           {"--agree", NJ_ARG_COUNT, &agree},
                                           {"--prompt-tokens", NJ_ARG_COUNT, &tokens},
                                           {"--runs", NJ_ARG_COUNT, &repeats},
                                           {"--pass", NJ_ARG_COUNT, &pass_rows},
                                           {"--json", NJ_ARG_FLAG, &json},
                                           {"--exact", NJ_ARG_FLAG, &exact},
                                           {"--power-saver", NJ_ARG_FLAG, &power_saver},
                                           {"--cpu-time", NJ_ARG_FLAG, &cpu_time},
                                           {NULL, 0, NULL}};
    int                       words     = nj_arguments(argc, argv, options);
    if (words < 0)
        return NJ_EXIT_USAGE;
    if (words > 1 || repeats > NJ_BENCH_REPEATS || agree > 100000 || tokens > 4096)
        return nj_usage("bench", words > 1 ? "%s: no such argument" : "--runs: at most 64; --agree: 100000; --prompt-tokens: 4096",
                        argv[1]);
    if ((peer.model && !peer.program) || (peer.mmproj && !peer.model))
        return nj_usage("bench", "%s", peer.mmproj ? "--peer-mmproj: goes with --peer-model" : "--peer-model: goes with --peer PROGRAM");
    if (make)
        return make_model(cli, make);
    model.model      = path ? path : cli->conf.model.path;
    model.adapter    = cli->conf.model.adapter[0] ? cli->conf.model.adapter : NULL;
    model.pass_rows  = (uint32_t)pass_rows;
    model.arithmetic = exact ? NJ_EXACT : power_saver ? NJ_POWER_SAVER : NJ_FAST;
    nj_status status = nj_session_open(&model, &session, &cli->error);
    if (status == NJ_OK)
        status = nj_bench_open(session.engine, session.pool, &bench, &cli->error);
    bench.repeats     = (uint32_t)repeats;
    bench.json        = json;
    bench.only        = only;
    bench.tokenizer   = tokenizer;
    bench.conf        = &cli->conf;
    bench.power_saver = power_saver;
    bench.cpu_time    = cpu_time;
    if (status == NJ_OK && agree)
        status = nj_bench_agreement(&bench, (uint32_t)agree, (uint32_t)tokens, &cli->error);
    if (status == NJ_OK && !agree)
        status = limits(&bench, &cli->error);
    if (status == NJ_OK && !agree && peer.program)
        status = nj_bench_beside(&bench, &peer, &cli->error);
    if (status == NJ_OK && !agree && !peer.program)
        status = nj_bench_model(&bench, &cli->error);
    if (status == NJ_OK && !agree && !peer.program)
        status = nj_bench_answers(&bench, &cli->error);
    nj_bench_close(&bench);
    nj_session_close(&session);
    return nj_exit(status);
}
