#include "pipeline/schedule/station.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "db/db.h"
#include "pipeline/ingest/scan.h"
#include "pipeline/schedule/decode.h"

#include <inttypes.h>
#include <math.h>

#define SOFT_TOKENS_AUTO 280
#define LOOK_AGAIN_MS    60000

struct station {
    const struct nj_conf            *conf;
    const struct nj_station_options *options;
    struct nj_station_result        *result;
    struct nj_db                    *db;
    struct nj_decoder               *decoder; /* opened when the first burst waits */
    char                             database[NJ_CONF_TEXT + 256];
};

static bool asked_to_stop(void *arg)
{
    const struct station *station = arg;
    return station->options->stop && *station->options->stop;
}

static nj_status ingest(struct station *station, struct nj_error *error)
{
    const struct nj_conf  *conf    = station->conf;
    struct nj_scan_options options = {
        .cards          = conf->ingest.cards,
        .rules          = {.gap_seconds = conf->ingest.burst_gap_seconds, .max_frames = (uint16_t)conf->ingest.burst_max_frames},
        .settle_seconds = conf->ingest.settle_seconds,
        .stop           = station->options->stop};
    struct nj_scan_result found  = {0};
    nj_status             status = nj_scan_settled(station->db, station->database, &options, &found, error);
    station->result->files += found.ready + found.rejected + found.ignored;
    station->result->bursts += found.bursts_ready;
    nj_log(NJ_LOG_INFO,
           "%" PRId64 " cards: %" PRId64 " files, %" PRId64 " new pictures, %" PRId64 " rejected; %" PRId64 " bursts became ready",
           found.cards, found.files, found.ready, found.rejected, found.bursts_ready);
    return status;
}

static nj_status open_decoder(struct station *station, struct nj_error *error)
{
    if (station->decoder)
        return NJ_OK;
    struct nj_decoder_options options = {.should_stop = asked_to_stop, .stop_arg = station};
    nj_status                 status  = nj_decoder_open(station->conf, &options, &station->decoder, error);
    if (status == NJ_OK)
        nj_log(NJ_LOG_INFO, "model %s", nj_decoder_model(station->decoder));
    return status;
}

/* Reads waiting bursts until none is left, the limit is reached or a stop comes. */
static nj_status decode(struct station *station, struct nj_error *error)
{
    int64_t   left = station->options->limit ? station->options->limit : INT64_MAX, ready = 0, deferred = 0;
    nj_status status = nj_db_waiting_count(station->db, &ready, &deferred, error);
    if (status != NJ_OK || ready == 0)
        return status;
    status = open_decoder(station, error);
    if (status != NJ_OK)
        return status;
    struct nj_progress progress;
    uint64_t           done = 0;
    uint32_t           soft = station->conf->model.soft_tokens ? (uint32_t)station->conf->model.soft_tokens : SOFT_TOKENS_AUTO;
    nj_progress_begin(&progress, "reading", "bursts", (uint64_t)(ready < left ? ready : left));
    while (status == NJ_OK && left > 0) {
        struct nj_db_waiting_list list;
        struct nj_decoded         decoded = {0};
        if (asked_to_stop(station)) {
            status = nj_fail_as(NJ_STOPPED, error, "stopped by a signal; what waits is read at the next run");
            break;
        }
        status = nj_db_waiting(station->db, false, 1, &list, error);
        if (status != NJ_OK)
            break;
        if (list.count > 0)
            status = nj_decoder_read(station->decoder, station->db, list.item, 1, soft, station->conf->power.busy_w, &decoded, error);
        bool empty = list.count == 0;
        nj_db_waiting_free(&list);
        if (empty)
            break;
        station->result->done += (int64_t)decoded.done;
        station->result->failed += (int64_t)decoded.failed;
        station->result->deferred += (int64_t)decoded.deferred;
        station->result->seconds += decoded.seconds;
        left--;
        nj_progress_at(&progress, ++done);
    }
    nj_progress_end(&progress, done);
    return status;
}

nj_status nj_station_run(const struct nj_conf *conf, const struct nj_station_options *options, struct nj_station_result *result,
                         struct nj_error *error)
{
    struct station       station  = {.conf = conf, .options = options, .result = result};
    struct nj_db_lock    lock     = {.fd = -1};
    struct nj_db_options database = {
        .mode = NJ_DB_STATION, .station = conf->station.name, .site = conf->station.site, .min_free_mb = conf->ingest.min_free_mb};
    int64_t put_back = 0, deferred = 0;
    *result = (struct nj_station_result){0};
    if (!nj_sysroot_path(station.database, sizeof station.database, conf->database.path))
        return nj_fail(error, "%s: the path is too long", conf->database.path);
    nj_status status = nj_db_open(station.database, &database, &station.db, error);
    if (status != NJ_OK)
        return status;
    status = nj_db_lock(station.database, "run", &lock, error);
    if (status == NJ_OK)
        status = nj_db_recover(station.db, &put_back, error);
    if (status == NJ_OK && put_back)
        nj_log(NJ_LOG_INFO, "%" PRId64 " bursts that an earlier run left half-read wait again", put_back);
    while (status == NJ_OK) {
        status = ingest(&station, error);
        if (status == NJ_OK)
            status = decode(&station, error);
        if (options->once || status != NJ_OK)
            break;
        const struct nj_clock *clock = nj_clock_system();
        clock->sleep_ms(clock->self, LOOK_AGAIN_MS);
        if (asked_to_stop(&station))
            status = nj_fail_as(NJ_STOPPED, error, "stopped by a signal");
    }
    if (lock.fd >= 0)
        nj_db_waiting_count(station.db, &result->waiting, &deferred, NULL);
    nj_db_unlock(&lock);
    nj_decoder_close(station.decoder);
    nj_db_close(station.db);
    return status;
}
