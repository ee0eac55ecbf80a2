#include "pipeline/ingest/regroup.h"

#include "base/text.h"
#include "pipeline/ingest/name.h"

#include <stdlib.h>
#include <string.h>

#define BATCH 500 /* bursts in one transaction */

struct loose {
    int64_t file, arrived_ms;
    size_t  path, path_size, camera; /* offsets into the text, which moves while it grows */
};

struct gathered {
    struct nj_text           text;
    struct loose            *loose;
    struct nj_frame         *frame;
    struct nj_burst         *burst;
    size_t                   count, capacity;
    bool                     failed; /* memory is gone */
    struct nj_text           busy;   /* folders that hold an unfinished file: zero-terminated, one behind the other */
    const struct nj_regroup *rules;
};

int64_t nj_still_going(int64_t then_ms, int64_t now_ms, int64_t window_ms)
{
    int64_t age = now_ms - then_ms;
    return age >= 0 && age < window_ms ? window_ms - age : 0;
}

static size_t keep(struct nj_text *text, const char *bytes, size_t size)
{
    size_t at = text->length;
    nj_text_add_bytes(text, bytes, size);
    nj_text_add_bytes(text, "", 1);
    return at;
}

static bool grow(struct gathered *all)
{
    size_t           capacity = all->capacity ? 2 * all->capacity : 256;
    struct loose    *loose    = realloc(all->loose, capacity * sizeof *loose);
    struct nj_frame *frame;
    if (loose)
        all->loose = loose;
    frame = loose ? realloc(all->frame, capacity * sizeof *frame) : NULL;
    if (frame) {
        all->frame    = frame;
        all->capacity = capacity;
    }
    return frame != NULL;
}

static nj_status on_loose(void *user, const struct nj_db_file *row)
{
    struct gathered *all = user;
    if (all->count == all->capacity && !grow(all)) {
        all->failed = true;
        return NJ_ERROR;
    }
    int64_t arrived = row->mtime_ns / 1000000;
    if (all->rules->patient && nj_still_going(row->first_seen_ms, all->rules->now_ms, all->rules->window_ms) >
                                   nj_still_going(arrived, all->rules->now_ms, all->rules->window_ms))
        arrived = row->first_seen_ms;
    bool timed             = row->taken_at_source && strcmp(row->taken_at_source, nj_time_source_name(NJ_TIME_MTIME)) != 0;
    all->loose[all->count] = (struct loose){.file       = row->file,
                                            .arrived_ms = arrived,
                                            .path       = keep(&all->text, row->path, row->path_size),
                                            .path_size  = row->path_size,
                                            .camera     = keep(&all->text, row->camera, strlen(row->camera))};
    all->frame[all->count] = (struct nj_frame){.taken_at  = timed ? row->taken_at : NJ_TIME_UNKNOWN,
                                               .k         = (uint16_t)row->sequence_k,
                                               .n         = (uint16_t)row->sequence_n,
                                               .event     = (uint32_t)row->sequence_event,
                                               .timelapse = row->timelapse,
                                               .file      = (int64_t)all->count};
    all->count++;
    return NJ_OK;
}

static nj_status on_unfinished(void *user, const struct nj_db_file *row)
{
    struct gathered *all = user;
    if (nj_still_going(row->first_seen_ms, all->rules->now_ms, NJ_UNFINISHED_MS))
        keep(&all->busy, row->path, nj_name_folder(row->path, row->path_size));
    return NJ_OK;
}

static bool is_busy(const struct gathered *all, const char *path, size_t path_size)
{
    size_t folder = nj_name_folder(path, path_size);
    for (size_t at = 0; at < all->busy.length;) {
        size_t size = strlen(all->busy.data + at);
        if (size == folder && !memcmp(all->busy.data + at, path, size))
            return true;
        at += size + 1;
    }
    return false;
}

/* Whether nothing more can come. If only time can tell, it is noted for how long. */
static bool is_closed(const struct gathered *all, struct nj_regroup *regroup, const struct nj_frame *frames, const struct nj_burst *burst)
{
    int64_t wait_ms = 0;
    if (burst->end == NJ_END_ALONE)
        return true;
    if (is_busy(all, frames->path, frames->path_size))
        return false;
    for (unsigned i = 0; i < burst->length && burst->end == NJ_END_LAST; i++) {
        int64_t left = nj_still_going(all->loose[frames[i].file].arrived_ms, regroup->now_ms, regroup->window_ms);
        wait_ms      = left > wait_ms ? left : wait_ms;
    }
    if (wait_ms > regroup->wait_ms)
        regroup->wait_ms = wait_ms;
    return wait_ms == 0;
}

static nj_status put(struct nj_db *db, const struct gathered *all, struct nj_regroup *regroup, const struct nj_frame *frames,
                     const struct nj_burst *burst, struct nj_error *error)
{
    int64_t            file[NJ_DB_MAX_FRAMES], event;
    struct nj_db_burst row = {.card       = regroup->card,
                              .camera     = frames->camera,
                              .started_at = burst->started_at == NJ_TIME_UNKNOWN ? NJ_DB_NO_TIME : burst->started_at,
                              .ended_at   = burst->ended_at == NJ_TIME_UNKNOWN ? NJ_DB_NO_TIME : burst->ended_at,
                              .trigger    = nj_trigger_name(burst->trigger),
                              .grouped_by = burst->by_sequence ? "sequence" : "time",
                              .closed     = is_closed(all, regroup, frames, burst)};
    for (unsigned i = 0; i < burst->length; i++)
        file[i] = all->loose[frames[i].file].file;
    regroup->ready += row.closed;
    regroup->open += !row.closed;
    return nj_db_burst_put(db, &row, file, burst->length, &event, error);
}

static nj_status put_all(struct nj_db *db, struct gathered *all, struct nj_regroup *regroup, size_t bursts, struct nj_error *error)
{
    nj_status status = NJ_OK;
    size_t    at     = 0;
    for (size_t i = 0; i < bursts && status == NJ_OK; at += all->burst[i++].length) {
        if (i % BATCH == 0)
            status = nj_db_begin(db, error);
        if (status == NJ_OK)
            status = put(db, all, regroup, &all->frame[at], &all->burst[i], error);
        if (status != NJ_OK)
            nj_db_rollback(db);
        else if (i % BATCH == BATCH - 1 || i == bursts - 1)
            status = nj_db_commit(db, error);
    }
    return status;
}

nj_status nj_regroup(struct nj_db *db, struct nj_regroup *regroup, struct nj_error *error)
{
    struct gathered all = {.rules = regroup};
    regroup->ready = regroup->open = regroup->wait_ms = 0;
    if (regroup->rules.max_frames > NJ_DB_MAX_FRAMES)
        regroup->rules.max_frames = NJ_DB_MAX_FRAMES;
    nj_status status = nj_db_files_loose(db, regroup->card, on_loose, &all, error);
    if (status == NJ_OK && all.count)
        status = nj_db_files_seen(db, regroup->card, on_unfinished, &all, error);
    if (status == NJ_OK && all.count)
        all.burst = calloc(all.count, sizeof *all.burst);
    if (all.failed || all.text.failed || all.busy.failed || (status == NJ_OK && all.count && !all.burst))
        status = nj_fail(error, "no memory to group %zu pictures", all.count);
    for (size_t i = 0; i < all.count && status == NJ_OK; i++) {
        all.frame[i].path      = all.text.data + all.loose[i].path;
        all.frame[i].path_size = all.loose[i].path_size;
        all.frame[i].camera    = all.text.data + all.loose[i].camera;
    }
    if (status == NJ_OK && all.count)
        status = put_all(db, &all, regroup, nj_group_bursts(all.frame, all.count, &regroup->rules, all.burst), error);
    nj_text_free(&all.text);
    nj_text_free(&all.busy);
    free(all.loose);
    free(all.frame);
    free(all.burst);
    return status;
}
