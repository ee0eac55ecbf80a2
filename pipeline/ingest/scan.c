#include "pipeline/ingest/scan.h"

#include "base/log.h"
#include "base/text.h"
#include "pipeline/ingest/card.h"
#include "pipeline/ingest/intake.h"
#include "pipeline/ingest/regroup.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BATCH_FILES 500  /* rows in one transaction */
#define BATCH_MS    1000 /* and how long it may stay open: others want to write, too */

struct scan {
    struct nj_db                 *db;
    const struct nj_scan_options *options;
    struct nj_scan_result        *result;
    struct nj_intake             *intake;
    struct nj_progress            progress;
    const struct nj_clock        *clock;
    int64_t                       window_ms; /* gap + settle */
    /* the card at hand */
    struct nj_card card;
    int64_t        card_row;
    bool           ours; /* a failure is ours (store, memory, picture process), not the card's */
    /* the transaction at hand */
    int64_t batch_count, batch_started_ms;
};

/* ---- batches ---- */

static int64_t monotonic_ms(const struct scan *scan)
{
    return scan->clock->monotonic_ms(scan->clock->self);
}

static nj_status end_batch(struct scan *scan, struct nj_error *error)
{
    if (scan->batch_count == 0)
        return NJ_OK;
    scan->batch_count = 0;
    return nj_db_commit(scan->db, error);
}

static nj_status put(struct scan *scan, struct nj_db_file *row, struct nj_error *error)
{
    nj_status status = NJ_OK;
    if (scan->batch_count == 0) {
        status                 = nj_db_begin(scan->db, error);
        scan->batch_started_ms = monotonic_ms(scan);
        if (status != NJ_OK)
            return status;
    }
    scan->batch_count++;
    status = nj_db_file_put(scan->db, row, error);
    if (status != NJ_OK) {
        nj_db_rollback(scan->db);
        scan->batch_count = 0;
        return status;
    }
    if (scan->batch_count >= BATCH_FILES || monotonic_ms(scan) - scan->batch_started_ms >= BATCH_MS)
        return end_batch(scan, error);
    return NJ_OK;
}

/* ---- files ---- */

/* Whether what happened at `then_ms` may still go on; the result says when to look again. */
static bool young(struct scan *scan, int64_t then_ms)
{
    int64_t left = nj_still_going(then_ms, scan->clock->wall_ms(scan->clock->self), scan->window_ms);
    if (left > scan->result->wait_ms)
        scan->result->wait_ms = left;
    return left > 0;
}

static bool unchanged(const struct scan *scan, const struct nj_db_file *row, const struct nj_walk_entry *entry)
{
    return row->bytes == entry->bytes && row->mtime_ns == entry->mtime_ns && (!scan->card.stable_inodes || row->inode == entry->inode);
}

/* Rejected without a hash: it could not be read, which may have passed. */
static bool settled(struct scan *scan, const struct nj_db_file *row, const struct nj_walk_entry *entry)
{
    if (!unchanged(scan, row, entry))
        return false;
    if (row->state == NJ_DB_SEEN)
        return young(scan, entry->mtime_ns / 1000000);
    return row->state != NJ_DB_REJECTED || row->hash || row->bytes == 0;
}

static void count(struct nj_scan_result *result, enum nj_db_file_state state)
{
    result->ready += state == NJ_DB_READY;
    result->rejected += state == NJ_DB_REJECTED;
    result->ignored += state == NJ_DB_IGNORED;
    result->pending += state == NJ_DB_SEEN;
}

static nj_status on_entry(void *user, const struct nj_walk_entry *entry, struct nj_error *error)
{
    struct scan      *scan = user;
    struct nj_db_file row;
    if (scan->options->stop && *scan->options->stop)
        return nj_fail_as(NJ_STOPPED, error, "stopped while the card %s was read; the next run goes on there", scan->card.name);
    if (scan->options->alive)
        scan->options->alive(scan->options->alive_arg);
    scan->result->files++;
    nj_status status = nj_db_file_find(scan->db, scan->card_row, entry->path, entry->path_size, &row, error);
    if (status == NJ_OK && settled(scan, &row, entry)) {
        scan->result->pending += row.state == NJ_DB_SEEN;
        return NJ_OK;
    }
    if (status == NJ_OK || status == NJ_NOT_FOUND) {
        scan->result->read += !entry->ignored;
        status = nj_intake_give(scan->intake, entry, 0, error);
    }
    scan->ours = scan->ours || status != NJ_OK;
    return status;
}

/* What the intake found out, as the store wants it. */
static struct nj_db_file to_row(struct scan *scan, const struct nj_intake_file *file)
{
    static const enum nj_db_file_state states[] = {NJ_DB_READY, NJ_DB_REJECTED, NJ_DB_IGNORED, NJ_DB_SEEN};
    const struct nj_frame              frame    = nj_intake_frame(file);
    return (struct nj_db_file){.card            = scan->card_row,
                               .path            = file->path,
                               .path_size       = file->path_size,
                               .bytes           = file->bytes,
                               .mtime_ns        = file->mtime_ns,
                               .inode           = scan->card.stable_inodes ? file->inode : 0,
                               .state           = states[file->verdict],
                               .reason          = file->reason[0] ? file->reason : NULL,
                               .hash            = file->hash[0] ? file->hash : NULL,
                               .taken_at        = file->taken_at == NJ_TIME_UNKNOWN ? NJ_DB_NO_TIME : file->taken_at,
                               .taken_at_source = nj_time_source_name(file->source),
                               .width           = file->metadata.width,
                               .height          = file->metadata.height,
                               .camera          = file->camera,
                               .sequence_k      = frame.k,
                               .sequence_n      = frame.n,
                               .sequence_event  = frame.event,
                               .timelapse       = frame.timelapse};
}

/* A ready picture whose content is there already, under another name or an older row of its own: one finding, stated. */
static nj_status leave_out_copy(struct scan *scan, struct nj_db_file *row, struct nj_text *reason, struct nj_error *error)
{
    struct nj_db_file same;
    if (row->state != NJ_DB_READY)
        return NJ_OK;
    nj_status status = nj_db_file_same(scan->db, scan->card_row, row->hash, row->file, &same, error);
    if (status == NJ_NOT_FOUND)
        return NJ_OK;
    if (status != NJ_OK)
        return status;
    nj_text_add(reason, "the same picture as ");
    nj_text_add_escaped(reason, same.path, same.path_size);
    row->state  = NJ_DB_IGNORED;
    row->reason = reason->failed ? "a copy of another picture" : reason->data;
    return NJ_OK;
}

/* A file that could not be read is tried at every scan; as long as the answer is the same there is nothing to write. */
static bool known(const struct nj_db_file *old, const struct nj_db_file *row)
{
    return !old->hash && !row->hash && old->state == row->state && old->bytes == row->bytes && old->mtime_ns == row->mtime_ns &&
           old->inode == row->inode && old->reason && row->reason && !strcmp(old->reason, row->reason);
}

/* A card that was pulled out while it was read looks like a damaged one; a burst must not close for what is lost with it. */
static bool may_come_back(const struct scan *scan, int64_t first_seen_ms)
{
    return first_seen_ms == 0 || nj_still_going(first_seen_ms, scan->clock->wall_ms(scan->clock->self), NJ_UNFINISHED_MS) > 0;
}

static nj_status on_intake(void *user, const struct nj_intake_file *file, struct nj_error *error)
{
    struct scan      *scan   = user;
    struct nj_db_file row    = to_row(scan, file), old;
    struct nj_text    reason = {0};
    if (row.state == NJ_DB_REJECTED && file->unfinished && young(scan, file->mtime_ns / 1000000))
        row.state = NJ_DB_SEEN;
    if (file->verdict == NJ_INTAKE_CHANGING)
        scan->result->wait_ms = scan->window_ms;
    nj_status status = nj_db_file_find(scan->db, scan->card_row, file->path, file->path_size, &old, error);
    if (row.state == NJ_DB_REJECTED && file->unread && may_come_back(scan, status == NJ_OK ? old.first_seen_ms : 0))
        row.state = NJ_DB_SEEN;
    if (status == NJ_OK) {
        /* The row of a frame stays what it was; changed content is a new picture with a row of its own. */
        bool kept         = !old.event || (row.state == NJ_DB_READY && old.hash && !strcmp(old.hash, row.hash));
        row.file          = kept ? old.file : 0;
        row.first_seen_ms = kept ? old.first_seen_ms : 0;
        if (known(&old, &row))
            return NJ_OK;
    } else if (status == NJ_NOT_FOUND) {
        status = NJ_OK;
    }
    if (status == NJ_OK)
        status = leave_out_copy(scan, &row, &reason, error);
    if (status == NJ_OK)
        status = put(scan, &row, error);
    count(scan->result, row.state);
    nj_progress_at(&scan->progress, (uint64_t)scan->result->read);
    nj_text_free(&reason);
    scan->ours = scan->ours || status != NJ_OK;
    return status;
}

/* ---- cards ---- */

struct vanished {
    struct scan       *scan;
    struct nj_db_file *row;
    size_t             count;
    bool               failed;
};

/* Collects `seen` rows whose file is gone: nothing will ever complete them. */
static nj_status on_seen(void *user, const struct nj_db_file *row)
{
    struct vanished *gone = user;
    struct nj_text   path = {0};
    struct stat      at;
    nj_text_addf(&path, "%s/", gone->scan->card.mount);
    nj_text_add_bytes(&path, row->path, row->path_size);
    bool missing = !path.failed && lstat(path.data, &at) != 0 && errno == ENOENT;
    nj_text_free(&path);
    if (!missing)
        return NJ_OK;
    struct nj_db_file *more = realloc(gone->row, (gone->count + 1) * sizeof *more);
    char              *copy = malloc(row->path_size + 1);
    if (more)
        gone->row = more;
    if (!more || !copy) {
        free(copy);
        gone->failed = true;
        return NJ_ERROR;
    }
    memcpy(copy, row->path, row->path_size);
    gone->row[gone->count++] = (struct nj_db_file){.file      = row->file,
                                                   .card      = row->card,
                                                   .path      = copy,
                                                   .path_size = row->path_size,
                                                   .bytes     = row->bytes,
                                                   .mtime_ns  = row->mtime_ns,
                                                   .inode     = row->inode,
                                                   .state     = NJ_DB_REJECTED,
                                                   .reason    = "gone before it was a whole picture",
                                                   .taken_at  = NJ_DB_NO_TIME,
                                                   .camera    = ""};
    return NJ_OK;
}

static nj_status reject_vanished(struct scan *scan, struct nj_error *error)
{
    struct vanished gone   = {.scan = scan};
    nj_status       status = nj_db_files_seen(scan->db, scan->card_row, on_seen, &gone, error);
    if (gone.failed)
        status = nj_fail(error, "no memory for files that are gone");
    for (size_t i = 0; i < gone.count; i++) {
        if (status == NJ_OK)
            status = put(scan, &gone.row[i], error);
        free((char *)gone.row[i].path);
    }
    free(gone.row);
    return status;
}

static nj_status group(struct scan *scan, struct nj_error *error)
{
    struct nj_regroup regroup = {.card      = scan->card_row,
                                 .rules     = scan->options->rules,
                                 .now_ms    = scan->clock->wall_ms(scan->clock->self),
                                 .window_ms = scan->window_ms,
                                 .patient   = scan->options->patient};
    nj_status         status  = nj_regroup(scan->db, &regroup, error);
    scan->result->bursts_ready += regroup.ready;
    scan->result->bursts_open += regroup.open;
    if (regroup.wait_ms > scan->result->wait_ms)
        scan->result->wait_ms = regroup.wait_ms;
    return status;
}

/* Files, then bursts. What was found before a card was pulled out stays in the database; its bursts wait until it is back. */
static nj_status read_card(struct scan *scan, struct nj_error *error)
{
    nj_status status = nj_db_card(scan->db, scan->card.identity, scan->card.name, scan->card.mount, &scan->card_row, error);
    if (status != NJ_OK) {
        scan->ours = true;
        return status;
    }
    status           = nj_walk(scan->card.mount, on_entry, scan, error);
    nj_status others = nj_intake_flush(scan->intake, status == NJ_OK ? error : NULL);
    if (status == NJ_OK)
        status = others;
    others = end_batch(scan, status == NJ_OK ? error : NULL);
    if (status == NJ_OK)
        status = others;
    if (status != NJ_OK)
        return status;
    status = reject_vanished(scan, error);
    if (status == NJ_OK)
        status = end_batch(scan, error);
    if (status == NJ_OK)
        status = group(scan, error);
    scan->ours = status != NJ_OK;
    return status;
}

/* One card that cannot be read does not keep the others from being read. */
static nj_status scan_directory(struct scan *scan, const char *directory, struct nj_error *error)
{
    struct nj_error why;
    struct stat     at;
    if (stat(directory, &at) == 0 && !S_ISDIR(at.st_mode))
        return NJ_OK;
    scan->ours = false;
    scan->result->cards++;
    nj_status status = nj_card_identify(directory, &scan->card, &why);
    if (status == NJ_OK)
        status = read_card(scan, &why);
    if (status == NJ_OK)
        return NJ_OK;
    if (status == NJ_STOPPED || scan->ours) {
        if (error)
            *error = why;
        return status;
    }
    nj_log(NJ_LOG_WARNING, "%s; it is read again when it is back", why.text);
    scan->result->failed_cards++;
    return NJ_OK;
}

static nj_status scan_locked(struct scan *scan, struct nj_error *error)
{
    glob_t    found;
    nj_status status = nj_intake_open(0, on_intake, scan, &scan->intake, error);
    if (status != NJ_OK)
        return status;
    nj_progress_begin(&scan->progress, "reading cards", "files", 0);
    int failed = glob(scan->options->cards, GLOB_ONLYDIR, NULL, &found);
    if (failed && failed != GLOB_NOMATCH)
        status = nj_fail(error, "ingest.cards = %s: the folders cannot be listed", scan->options->cards);
    for (size_t i = 0; failed == 0 && i < found.gl_pathc && status == NJ_OK; i++)
        status = scan_directory(scan, found.gl_pathv[i], error);
    if (failed == 0)
        globfree(&found);
    nj_intake_close(scan->intake);
    if (scan->result->read)
        nj_progress_end(&scan->progress, (uint64_t)scan->result->read);
    return status;
}

nj_status nj_scan(struct nj_db *db, const char *database, const struct nj_scan_options *options, struct nj_scan_result *result,
                  struct nj_error *error)
{
    struct nj_db_lock lock;
    struct scan       scan = {.db = db, .options = options, .result = result, .clock = options->clock ? options->clock : nj_clock_system()};
    *result                = (struct nj_scan_result){0};
    scan.window_ms         = (int64_t)(1000 * (options->rules.gap_seconds + options->settle_seconds));
    nj_status status       = nj_db_lock(database, "ingest", &lock, error);
    if (status != NJ_OK)
        return status;
    status = scan_locked(&scan, error);
    nj_db_unlock(&lock);
    return status;
}

nj_status nj_scan_settled(struct nj_db *db, const char *database, const struct nj_scan_options *options, struct nj_scan_result *result,
                          struct nj_error *error)
{
    const struct nj_clock *clock     = options->clock ? options->clock : nj_clock_system();
    int64_t                window_ms = (int64_t)(1000 * (options->rules.gap_seconds + options->settle_seconds));
    int64_t                until_ms  = clock->monotonic_ms(clock->self) + 4 * window_ms;
    nj_status              status    = nj_scan(db, database, options, result, error);
    while (status == NJ_OK && result->wait_ms > 0 && clock->monotonic_ms(clock->self) < until_ms) {
        struct nj_scan_result before = *result;
        nj_log(NJ_LOG_INFO, "waiting %.0f s: the newest pictures may belong to a burst that goes on", (double)result->wait_ms / 1000);
        clock->sleep_ms(clock->self, result->wait_ms);
        if (options->stop && *options->stop)
            return nj_fail_as(NJ_STOPPED, error, "stopped while the newest burst settled; the next run takes it up");
        status = nj_scan(db, database, options, result, error);
        result->read += before.read;
        result->ready += before.ready;
        result->rejected += before.rejected;
        result->ignored += before.ignored;
        result->bursts_ready += before.bursts_ready;
    }
    return status;
}
