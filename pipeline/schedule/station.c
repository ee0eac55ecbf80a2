#include "pipeline/schedule/station.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "db/db.h"
#include "firmware-host/watchdog.h"
#include "pipeline/ingest/scan.h"
#include "pipeline/schedule/decode.h"
#include "pipeline/schedule/power.h"
#include "pipeline/schedule/triage_queue.h"

#include <inttypes.h>
#include <math.h>

#define LOOK_AT       200 /* bursts that the scheduler chooses among */
#define LOOK_AGAIN_MS 60000

_Static_assert(NJ_SCHEDULE_TOGETHER <= NJ_DECODER_TOGETHER, "what is chosen together can be read together");

struct station {
    const struct nj_conf            *conf;
    const struct nj_station_options *options;
    struct nj_station_result        *result;
    struct nj_db                    *db;
    struct nj_power                 *power;
    struct nj_wake                  *wake;
    struct nj_watchdog              *watchdog;
    struct nj_decoder               *decoder; /* opened when the first burst may be read */
    struct nj_ledger                 ledger;
    char                             halted[NJ_SCHEDULE_REASON]; /* why the power plan ended a burst, or "" */
    char                             database[NJ_CONF_TEXT + 256];
};

static bool signalled(const struct station *station)
{
    return station->options->stop && *station->options->stop;
}

static void alive(void *arg)
{
    struct station *station = arg;
    nj_watchdog_kick(station->watchdog);
}

/* Asked between layers. */
static bool asked_to_stop(void *arg)
{
    struct station *station = arg;
    alive(station);
    return signalled(station) || !nj_power_may_go_on(station->power, station->halted);
}

static int64_t now_ms(void)
{
    const struct nj_clock *clock = nj_clock_system();
    return clock->monotonic_ms(clock->self);
}

/* Writes down a stretch that began at `began_ms` and was not the model's. */
static void enter(struct station *station, enum nj_stage stage, int64_t began_ms)
{
    enum nj_watts_basis by;
    double              watts = nj_power_awake_watts(station->power, &by);
    nj_ledger_add(&station->ledger, stage, (double)(now_ms() - began_ms) / 1000, watts, by);
}

static nj_status ingest(struct station *station, struct nj_error *error)
{
    const struct nj_conf  *conf = station->conf;
    char                   cards[NJ_CONF_TEXT + 256];
    struct nj_scan_options options = {
        .cards          = cards,
        .rules          = {.gap_seconds = conf->ingest.burst_gap_seconds, .max_frames = (uint16_t)conf->ingest.burst_max_frames},
        .settle_seconds = conf->ingest.settle_seconds,
        .stop           = station->options->stop,
        .alive          = alive,
        .alive_arg      = station};
    struct nj_scan_result found = {0};
    int64_t               began = now_ms();
    if (!nj_conf_place(cards, sizeof cards, conf->ingest.cards))
        return nj_fail(error, "%s: the path is too long", conf->ingest.cards);
    nj_status status = nj_scan_settled(station->db, station->database, &options, &found, error);
    enter(station, NJ_STAGE_TAKE_IN, began);
    if (status == NJ_STOPPED && !signalled(station)) {
        nj_log(NJ_LOG_INFO, "another process takes in the cards at this moment; what is there already is read");
        status = NJ_OK;
    }
    station->result->files += found.ready + found.rejected + found.ignored;
    station->result->bursts += found.bursts_ready;
    nj_log(NJ_LOG_INFO,
           "%" PRId64 " card%s: %" PRId64 " files, %" PRId64 " new pictures, %" PRId64 " rejected; %" PRId64 " bursts became ready",
           found.cards, found.cards == 1 ? "" : "s", found.files, found.ready, found.rejected, found.bursts_ready);
    return status;
}

/* A first guess for each burst that waits without one. Costs a hundredth of reading it, and decides what is read first. */
static nj_status triage(struct station *station, struct nj_error *error)
{
    struct nj_triage_options options = {.stop = station->options->stop, .alive = alive, .alive_arg = station};
    size_t                   looked  = 0;
    if (!nj_power_may_go_on(station->power, station->halted)) {
        station->halted[0] = 0; /* the decision about reading says it */
        return NJ_OK;
    }
    int64_t   began  = now_ms();
    nj_status status = nj_triage_waiting(station->db, &options, &looked, error);
    if (looked)
        enter(station, NJ_STAGE_TRIAGE, began);
    if (looked)
        nj_log(NJ_LOG_INFO, "%zu bursts have a first score of interest", looked);
    return status;
}

static nj_status open_decoder(struct station *station, unsigned threads, struct nj_error *error)
{
    if (station->decoder)
        return NJ_OK;
    struct nj_decoder_options options = {.threads = threads, .should_stop = asked_to_stop, .stop_arg = station};
    int64_t                   began   = now_ms();
    nj_status                 status  = nj_decoder_open(station->conf, &options, &station->decoder, error);
    if (status != NJ_OK)
        return status;
    enter(station, NJ_STAGE_MODEL, began);
    nj_log(NJ_LOG_INFO, "model %s", nj_decoder_model(station->decoder));
    return NJ_OK;
}

/* From here on kicks come with each layer. A computer on mains at somebody's desk is not to be reset. */
static void watch_over(struct station *station)
{
    if (!nj_power_in_the_field(station->conf))
        return;
    nj_watchdog_hardware(station->watchdog, true);
    nj_log(NJ_LOG_DEBUG, "watchdog: %s", nj_watchdog_words(station->watchdog));
}

static void enter_reading(struct station *station, const struct nj_decoded *decoded)
{
    enum nj_watts_basis by;
    double              watts = nj_power_busy_watts(station->power, &by), rest;
    rest                      = decoded->seconds - decoded->picture_seconds - decoded->vision_seconds;
    nj_ledger_add(&station->ledger, NJ_STAGE_PICTURES, decoded->picture_seconds, watts, by);
    nj_ledger_add(&station->ledger, NJ_STAGE_VISION, decoded->vision_seconds, watts, by);
    nj_ledger_add(&station->ledger, NJ_STAGE_ANSWER, rest, watts, by);
    nj_ledger_events(&station->ledger, decoded->done);
}

/* Reads the bursts that the power plan chose, together, and tells the plan what they took. */
static nj_status read_bursts(struct station *station, const struct nj_db_waiting *bursts, size_t count,
                             const struct nj_allowance *allowance, struct nj_error *error)
{
    struct nj_decoded decoded = {0};
    nj_status         status  = open_decoder(station, allowance->threads, error);
    if (status == NJ_OK)
        watch_over(station);
    if (status == NJ_OK)
        status = nj_decoder_read(station->decoder, station->db, bursts, count, allowance->soft_tokens,
                                 nj_power_busy_watts(station->power, NULL), &decoded, error);
    enter_reading(station, &decoded);
    if (decoded.seconds > 0)
        nj_power_ran(station->power, bursts, count, allowance->soft_tokens, decoded.seconds, decoded.done == count);
    station->result->done += (int64_t)decoded.done;
    station->result->failed += (int64_t)decoded.failed;
    station->result->deferred += (int64_t)decoded.deferred;
    station->result->seconds += decoded.seconds;
    if (status == NJ_STOPPED && station->halted[0])
        return nj_fail_as(NJ_STOPPED, error, "%s; what waits is read later", station->halted);
    return status;
}

/* Reads waiting bursts as long as there are any, the power plan allows it, the limit is not reached and no stop comes. */
static nj_status decode(struct station *station, struct nj_error *error)
{
    int64_t            left = station->options->limit ? station->options->limit : INT64_MAX, ready = 0, deferred = 0;
    nj_status          status = nj_db_waiting_count(station->db, &ready, &deferred, error);
    uint64_t           done   = 0;
    bool               more   = ready + deferred > 0;
    struct nj_progress progress;
    nj_progress_begin(&progress, "reading", "bursts", (uint64_t)(ready + deferred < left ? ready + deferred : left));
    if (status == NJ_OK)
        status = nj_db_waiting_anew(station->db, error);
    while (status == NJ_OK && more && left > 0) {
        struct nj_db_waiting_list list;
        struct nj_db_waiting      chosen[NJ_SCHEDULE_TOGETHER];
        struct nj_allowance       allowance;
        size_t                    count = 0;
        if (signalled(station)) {
            status = nj_fail_as(NJ_STOPPED, error, "stopped by a signal; what waits is read at the next run");
            break;
        }
        status = nj_db_waiting(station->db, LOOK_AT, &list, error);
        if (status != NJ_OK)
            break;
        nj_power_decide(station->power, list.item, list.count, station->options->force, &allowance);
        for (; allowance.run && count < allowance.count && (int64_t)count < left; count++)
            chosen[count] = list.item[allowance.bursts[count]];
        if (allowance.run)
            status = read_bursts(station, chosen, count, &allowance, error);
        else if (list.count > 0) {
            const struct nj_clock *clock = nj_clock_system();
            nj_db_decision(station->db, clock->wall_ms(clock->self), "wait", allowance.reason, 0, NULL);
            nj_db_put_off(station->db, allowance.put_off, NJ_SCHEDULE_LOW, LOOK_AT, NULL);
            status = nj_fail_as(NJ_STOPPED, error, "%zu bursts wait: %s", list.count, allowance.reason);
        }
        more = list.count > 0;
        nj_db_waiting_free(&list);
        if (allowance.run) {
            left -= (int64_t)count;
            done += count;
            nj_progress_at(&progress, done);
        }
    }
    nj_progress_end(&progress, done);
    nj_watchdog_hardware(station->watchdog, false);
    return status;
}

nj_status nj_station_run(const struct nj_conf *conf, const struct nj_station_options *options, struct nj_station_result *result,
                         struct nj_error *error)
{
    struct station         station  = {.conf = conf, .options = options, .result = result};
    struct nj_db_lock      lock     = {.fd = -1};
    struct nj_db_options   database = {.mode            = NJ_DB_STATION,
                                       .station         = conf->station.name,
                                       .site            = conf->station.site,
                                       .timezone_offset = conf->station.timezone_offset,
                                       .min_free_mb     = conf->ingest.min_free_mb};
    const struct nj_clock *clock    = nj_clock_system();
    int64_t                put_back = 0, deferred = 0;
    *result = (struct nj_station_result){0};
    if (!nj_conf_place(station.database, sizeof station.database, conf->database.path))
        return nj_fail(error, "%s: the path is too long", conf->database.path);
    /* The first thing of all: whatever happens from here on, the station wakes again. */
    nj_status status = nj_wake_open(conf, clock, &station.wake, error);
    if (status == NJ_OK)
        status = nj_watchdog_open(clock, &station.watchdog, error);
    nj_notify("READY=1\nSTATUS=takes in new pictures");
    if (status == NJ_OK)
        status = nj_db_open(station.database, &database, &station.db, error);
    if (status == NJ_OK)
        status = nj_db_lock(station.database, "run", &lock, error);
    if (status == NJ_OK)
        status = nj_db_recover(station.db, &put_back, error);
    if (status == NJ_OK && put_back)
        nj_log(NJ_LOG_INFO, "%" PRId64 " bursts that an earlier run left half-read wait again", put_back);
    if (status == NJ_OK)
        status = nj_power_open(conf, station.db, clock, station.wake, &station.power, error);
    if (status == NJ_OK)
        nj_ledger_load(&station.ledger, station.db);
    while (status == NJ_OK) {
        status = ingest(&station, error);
        if (status == NJ_OK)
            status = triage(&station, error);
        if (status == NJ_OK)
            status = decode(&station, error);
        bool waits = status == NJ_STOPPED && !signalled(&station); /* for sun: the next look may find some */
        if (options->once || (status != NJ_OK && !waits))
            break;
        status = NJ_OK;
        nj_notify("STATUS=waits");
        nj_watchdog_kick(station.watchdog);
        clock->sleep_ms(clock->self, LOOK_AGAIN_MS);
        if (signalled(&station))
            status = nj_fail_as(NJ_STOPPED, error, "stopped by a signal");
    }
    if (lock.fd >= 0)
        if (nj_db_waiting_count(station.db, &result->waiting, &deferred, NULL) == NJ_OK)
            result->waiting += deferred;
    nj_notify("STOPPING=1");
    if (station.power)
        nj_ledger_save(&station.ledger, station.db);
    nj_power_close(station.power, result->waiting);
    nj_db_unlock(&lock);
    nj_decoder_close(station.decoder);
    nj_db_close(station.db);
    nj_watchdog_close(station.watchdog);
    nj_wake_close(station.wake);
    return status;
}
