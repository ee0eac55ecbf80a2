/* cmd_watch.c: `watch` only takes in what is on the cards. */
#include "base/log.h"
#include "firmware-host/watchdog.h"
#include "pipeline/cli/arguments.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/open_database.h"
#include "pipeline/cli/scan_settings.h"
#include "pipeline/ingest/watch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

/* The alarm repeats it: a signal that comes just before a system call would otherwise wait for that call to end. */
static void on_stop(int signal_number)
{
    (void)signal_number;
    stop = 1;
    alarm(1);
}

static void catch_signals(void)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGALRM};
    struct sigaction action    = {.sa_handler = on_stop}; /* no SA_RESTART: sleeping calls must end */
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
}

static void tell(const struct nj_scan_result *result, const char *cards)
{
    if (result->cards == 0)
        nj_log(NJ_LOG_INFO, "no card at %s", cards);
    else
        nj_log(NJ_LOG_INFO,
               "%lld %s, %lld files, %lld of them read: %lld pictures, %lld rejected, %lld ignored, %lld pending; %lld bursts ready, %lld "
               "open",
               (long long)result->cards, result->cards == 1 ? "card" : "cards", (long long)result->files, (long long)result->read,
               (long long)result->ready, (long long)result->rejected, (long long)result->ignored, (long long)result->pending,
               (long long)result->bursts_ready, (long long)result->bursts_open);
}

static void alive(void *watchdog)
{
    nj_watchdog_kick(watchdog);
}

int nj_cmd_watch(struct nj_cli *cli, int argc, char **argv)
{
    char                     database[NJ_CONF_TEXT + 512];
    struct nj_scan_settings  scan;
    bool                     once      = false;
    const struct nj_argument options[] = {{"--once", NJ_ARG_FLAG, &once}, {NULL, 0, NULL}};
    struct nj_db            *db        = NULL;
    struct nj_watchdog      *watchdog  = NULL;
    struct nj_db_lock        lock      = {.fd = -1};
    struct nj_scan_result    result;
    int                      words = nj_arguments(argc, argv, options);
    if (words != 1)
        return words < 0 ? NJ_EXIT_USAGE : nj_usage(argv[0], "%s: no such argument; ingest.cards names the folders", argv[1]);
    catch_signals();
    nj_status status = nj_scan_settings(cli, &scan);
    if (status == NJ_OK)
        status = nj_database_path(cli, database, sizeof database);
    if (status == NJ_OK)
        status = nj_database_open(cli, NJ_DB_STATION, &db);
    if (status != NJ_OK)
        return nj_exit(status);
    status = nj_watchdog_open(nj_clock_system(), &watchdog, &cli->error);
    if (status != NJ_OK) {
        nj_db_close(db);
        return nj_exit(status);
    }
    nj_notify("READY=1\nSTATUS=looks at %.200s", scan.cards);
    scan.options.patient   = !once;
    scan.options.stop      = &stop;
    scan.options.alive     = alive;
    scan.options.alive_arg = watchdog;
    if (once) {
        status = nj_scan_settled(db, database, &scan.options, &result, &cli->error);
        if (status == NJ_OK)
            tell(&result, scan.cards);
    } else {
        status = nj_db_lock(database, "watch", &lock, &cli->error);
        if (status == NJ_OK) {
            status = nj_watch(db, database, &scan.options, &cli->error);
            nj_db_unlock(&lock);
        }
    }
    nj_notify("STOPPING=1");
    nj_watchdog_close(watchdog);
    nj_db_close(db);
    return nj_exit(status);
}
