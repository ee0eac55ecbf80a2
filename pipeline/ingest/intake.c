#include "pipeline/ingest/intake.h"

#include "pipeline/ingest/name.h"
#include "pipeline/picture/worker.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PROCESSES 4
#define PORTION       (256 << 10) /* bytes read, and hashed while they are in the cache */

struct slot {
    struct nj_worker     *worker; /* NULL until needed */
    struct nj_intake_file file;
    char                 *path; /* behind file.path */
    bool                  busy, examined;
};

struct nj_intake {
    uint8_t       portion[PORTION]; /* hashed here, where no picture process can reach it */
    nj_on_intake *callback;
    void         *user;
    unsigned      count, next; /* slots; `next` is the oldest one */
    struct slot   slot[MAX_PROCESSES];
};

static void verdict(struct nj_intake_file *file, enum nj_intake_verdict what, const char *reason)
{
    file->verdict = what;
    snprintf(file->reason, sizeof file->reason, "%s", reason);
}

static void unreadable(struct nj_intake_file *file, int failed)
{
    file->unread = failed != EACCES && failed != EPERM;
    if (failed == ESTALE || failed == ENOENT)
        return verdict(file, NJ_INTAKE_CHANGING, "replaced while the card was read");
    file->verdict = NJ_INTAKE_REJECTED;
    snprintf(file->reason, sizeof file->reason, "cannot be read: %s%s", strerror(failed),
             failed == EIO ? " (the card is damaged there, or was pulled out)" : "");
}

/* The whole file into the memory of the picture process. False with a verdict if that does not work. */
static bool read_and_hash(struct nj_intake_file *file, int fd, uint8_t *portion, uint8_t *into, size_t room)
{
    struct sha256_ctx hash;
    uint8_t           digest[SHA256_DIGEST_SIZE];
    size_t            at = 0;
    ssize_t           got;
    sha256_init(&hash);
    while ((got = read(fd, portion, PORTION)) > 0 && (size_t)got <= room - at) {
        sha256_update(&hash, (size_t)got, portion);
        memcpy(into + at, portion, (size_t)got);
        at += (size_t)got;
    }
    if (got < 0) {
        unreadable(file, errno);
        return false;
    }
    struct stat now;
    if (fstat(fd, &now) != 0 || now.st_size != file->bytes || (size_t)file->bytes != at ||
        now.st_mtim.tv_sec * INT64_C(1000000000) + now.st_mtim.tv_nsec != file->mtime_ns) {
        verdict(file, NJ_INTAKE_CHANGING, "changed while it was read: still being written?");
        return false;
    }
    sha256_digest(&hash, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(file->hash + 2 * i, 3, "%02x", digest[i]);
    return true;
}

/* The camera's word, else the name's, else the time of the file, which is the camera's, too, while the file lies where it was written. */
static void set_time(struct nj_intake_file *file)
{
    size_t folder  = nj_name_folder(file->path, file->path_size);
    file->taken_at = file->metadata.taken_at;
    file->source   = file->metadata.source;
    if (file->source == NJ_TIME_NONE) {
        file->taken_at = nj_name_time(file->path + folder, file->path_size - folder);
        file->source   = file->taken_at == NJ_TIME_UNKNOWN ? NJ_TIME_NONE : NJ_TIME_NAME;
    }
    if (file->source == NJ_TIME_NONE && file->mtime_ns > 0) {
        file->taken_at = file->mtime_ns / 1000000000;
        file->source   = NJ_TIME_MTIME;
    }
}

static void take_examination(struct slot *slot)
{
    struct nj_examination examination;
    nj_worker_examine_end(slot->worker, &slot->file.metadata, &examination, NULL);
    verdict(&slot->file, examination.usable ? NJ_INTAKE_READY : NJ_INTAKE_REJECTED, examination.words);
    slot->file.unfinished = !examination.usable;
    set_time(&slot->file);
    nj_metadata_camera(&slot->file.metadata, slot->file.camera);
}

struct nj_frame nj_intake_frame(const struct nj_intake_file *file)
{
    const struct nj_metadata *m     = &file->metadata;
    bool                      moved = m->sequenced && m->trigger == NJ_TRIGGER_MOTION;
    return (struct nj_frame){.path      = file->path,
                             .path_size = file->path_size,
                             .camera    = file->camera,
                             .taken_at  = file->source == NJ_TIME_MTIME ? NJ_TIME_UNKNOWN : file->taken_at,
                             .k         = moved ? m->k : 0,
                             .n         = moved ? m->n : 0,
                             .event     = m->event,
                             .timelapse = m->trigger == NJ_TRIGGER_TIMELAPSE};
}

static nj_status finish(struct nj_intake *intake, struct slot *slot, struct nj_error *error)
{
    if (!slot->busy)
        return NJ_OK;
    if (slot->examined)
        take_examination(slot);
    slot->busy = slot->examined = false;
    return intake->callback(intake->user, &slot->file, error);
}

static nj_status start(struct nj_intake *intake, struct slot *slot, const struct nj_walk_entry *entry, struct nj_error *error)
{
    struct nj_intake_file  *file   = &slot->file;
    struct nj_worker_limits limits = {.quiet = slot != intake->slot}; /* one of them says it if there is no system call filter */
    if (entry->ignored) {
        verdict(file, NJ_INTAKE_IGNORED, entry->ignored);
        return NJ_OK;
    }
    if (entry->bytes == 0) {
        file->unfinished = true;
        verdict(file, NJ_INTAKE_REJECTED, "empty: the file has no bytes");
        return NJ_OK;
    }
    if (!slot->worker && nj_worker_open(&limits, &slot->worker, error) != NJ_OK)
        return NJ_ERROR;
    size_t room = nj_worker_file_limit(slot->worker);
    if ((uint64_t)entry->bytes > room) {
        file->verdict = NJ_INTAKE_REJECTED;
        snprintf(file->reason, sizeof file->reason, "too large: %lld bytes; pictures of at most %zu MiB are read", (long long)entry->bytes,
                 room >> 20);
        return NJ_OK;
    }
    int fd = nj_walk_open(entry);
    if (fd < 0) {
        unreadable(file, errno);
        return NJ_OK;
    }
    bool whole = read_and_hash(file, fd, intake->portion, nj_worker_input(slot->worker), room);
    close(fd);
    if (!whole)
        return NJ_OK;
    slot->examined = true;
    return nj_worker_examine_begin(slot->worker, (size_t)entry->bytes, error);
}

nj_status nj_intake_give(struct nj_intake *intake, const struct nj_walk_entry *entry, int64_t user, struct nj_error *error)
{
    struct slot *slot   = &intake->slot[intake->next];
    nj_status    status = finish(intake, slot, error);
    if (status != NJ_OK)
        return status;
    free(slot->path);
    slot->path = malloc(entry->path_size + 1);
    if (!slot->path)
        return nj_fail(error, "no memory for a path of %zu bytes", entry->path_size);
    memcpy(slot->path, entry->path, entry->path_size + 1);
    slot->file   = (struct nj_intake_file){.path      = slot->path,
                                           .path_size = entry->path_size,
                                           .bytes     = entry->bytes,
                                           .mtime_ns  = entry->mtime_ns,
                                           .inode     = entry->inode,
                                           .user      = user,
                                           .taken_at  = NJ_TIME_UNKNOWN};
    slot->busy   = true;
    intake->next = (intake->next + 1) % intake->count;
    status       = start(intake, slot, entry, error);
    if (status != NJ_OK)
        slot->busy = slot->examined = false; /* nothing is known of this file: it has no verdict to hand on */
    return status;
}

nj_status nj_intake_flush(struct nj_intake *intake, struct nj_error *error)
{
    nj_status status = NJ_OK;
    for (unsigned i = 0; i < intake->count && status == NJ_OK; i++) {
        status       = finish(intake, &intake->slot[intake->next], error);
        intake->next = (intake->next + 1) % intake->count;
    }
    return status;
}

nj_status nj_intake_open(unsigned processes, nj_on_intake *callback, void *user, struct nj_intake **out, struct nj_error *error)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    *out       = calloc(1, sizeof **out);
    if (!*out)
        return nj_fail(error, "no memory to read cards");
    if (processes == 0)
        processes = cores > 0 ? (unsigned)cores : 1;
    (*out)->count    = processes > MAX_PROCESSES ? MAX_PROCESSES : processes;
    (*out)->callback = callback;
    (*out)->user     = user;
    return NJ_OK;
}

void nj_intake_close(struct nj_intake *intake)
{
    if (!intake)
        return;
    for (unsigned i = 0; i < intake->count; i++) {
        nj_worker_close(intake->slot[i].worker);
        free(intake->slot[i].path);
    }
    free(intake);
}
