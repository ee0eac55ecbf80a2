#include "pipeline/picture/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "pipeline/picture/worker_protocol.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_MS   30000      /* the child must greet within this time, on a busy board, too */
#define KEEP_PAGES (16 << 20) /* bytes of shared memory that may stay in use between pictures */

struct nj_worker {
    struct nj_worker_limits limits;
    struct nj_worker_shared shared;
    pid_t                   pid; /* 0: no child */
    int                     fd;
    bool                    filtered, told; /* told: the user knows that there is no filter */
    size_t                  input_used, output_used;
};

/* ---- life and death of the child ---- */

static int64_t now_ms(void)
{
    const struct nj_clock *clock = nj_clock_system();
    return clock->monotonic_ms(clock->self);
}

/* Waits for the end of the child, and brings it about unless it is dying by itself; gives its wait status. */
static int bury(struct nj_worker *worker, bool dying)
{
    int status = 0;
    if (worker->pid) {
        if (!dying)
            kill(worker->pid, SIGKILL);
        while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
            ;
        close(worker->fd);
    }
    worker->pid = 0;
    worker->fd  = -1;
    return status;
}

static bool wait_for_reply(struct nj_worker *worker, int64_t patience_ms)
{
    int64_t until = now_ms() + patience_ms;
    for (int64_t left = patience_ms; left > 0; left = until - now_ms()) {
        struct pollfd poll_fd = {.fd = worker->fd, .events = POLLIN};
        int           ready   = poll(&poll_fd, 1, (int)left);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return false;
    }
    return false;
}

static bool receive(struct nj_worker *worker, struct nj_worker_reply *reply)
{
    ssize_t got;
    while ((got = recv(worker->fd, reply, sizeof *reply, 0)) < 0 && errno == EINTR)
        ;
    return got == (ssize_t)sizeof *reply;
}

static nj_status greet(struct nj_worker *worker, struct nj_error *error)
{
    struct nj_worker_reply greeting;
    if (!wait_for_reply(worker, START_MS) || !receive(worker, &greeting)) {
        int status = bury(worker, false);
        return nj_fail(error, "the process that reads pictures ended before it was ready (%s): is memory short?",
                       WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "no answer");
    }
    worker->filtered = greeting.filtered;
    if (!worker->filtered && !worker->told)
        nj_log(NJ_LOG_WARNING, "%s", greeting.error.text);
    worker->told = worker->told || !worker->filtered;
    return NJ_OK;
}

static nj_status start(struct nj_worker *worker, struct nj_error *error)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return nj_fail_errno(error, errno, "cannot make a socket for the process that reads pictures");
    pid_t pid = fork();
    if (pid == 0)
        nj_worker_child(ends[1], worker->limits.memory_bytes, &worker->shared);
    int failed = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return nj_fail_errno(error, failed, "cannot start the process that reads pictures");
    }
    worker->pid = pid;
    worker->fd  = ends[0];
    return greet(worker, error);
}

/* ---- one request ---- */

/* The child's clock of processor time runs on from picture to picture: its limit is moved along with it. */
static void limit_time(struct nj_worker *worker)
{
    clockid_t       id;
    struct timespec used;
    if (clock_getcpuclockid(worker->pid, &id) != 0 || clock_gettime(id, &used) != 0)
        return;
    struct rlimit bound = {(rlim_t)used.tv_sec + worker->limits.cpu_seconds + 1, RLIM_INFINITY};
    prlimit(worker->pid, RLIMIT_CPU, &bound, NULL);
}

static bool send_to(struct nj_worker *worker, const struct nj_worker_request *request)
{
    limit_time(worker);
    return send(worker->fd, request, sizeof *request, MSG_NOSIGNAL) == (ssize_t)sizeof *request;
}

/* A child that died since the last picture is replaced without a word: no file is to blame. */
static nj_status begin(struct nj_worker *worker, const struct nj_worker_request *request, struct nj_error *error)
{
    if (worker->pid && send_to(worker, request))
        return NJ_OK;
    bury(worker, false);
    nj_status status = start(worker, error);
    if (status != NJ_OK)
        return status;
    if (!send_to(worker, request)) {
        bury(worker, false);
        return nj_fail(error, "the process that reads pictures does not take orders: is memory short?");
    }
    return NJ_OK;
}

static void describe_death(const struct nj_worker *worker, int status, bool late, char *words, size_t size)
{
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (late)
        snprintf(words, size, "gave no picture within %.1f s: made to be slow?", worker->limits.wall_ms / 1000.0);
    else if (number == SIGXCPU)
        snprintf(words, size, "took more than %u s of processor time: made to be slow?", worker->limits.cpu_seconds);
    else if (number == SIGSYS)
        snprintf(words, size, "the decoder reached for what is forbidden to it and was stopped: a hostile file?");
    else if (number == SIGKILL)
        snprintf(words, size, "the decoder was killed while reading it: memory ran out?");
    else
        snprintf(words, size, "the decoder crashed on it (%s)", number ? strsignal(number) : "it ended");
}

/* The child's answer, or, if it died over this picture, one that says how. */
static void end(struct nj_worker *worker, const char *name, struct nj_worker_reply *reply)
{
    bool late = !wait_for_reply(worker, worker->limits.wall_ms);
    if (!late && receive(worker, reply))
        return;
    /* A closed socket means that the child is dying: killing it would hide what it died of. */
    int status = bury(worker, !late);
    memset(reply, 0, sizeof *reply);
    nj_metadata_read(NULL, 0, &reply->metadata);
    describe_death(worker, status, late, reply->examination.words, sizeof reply->examination.words);
    reply->status = nj_fail(&reply->error, "%s: no picture: %s", name, reply->examination.words);
}

static void release_pages(struct nj_worker *worker)
{
    if (worker->input_used > KEEP_PAGES)
        madvise(worker->shared.input, worker->shared.input_size, MADV_REMOVE);
    if (worker->output_used > KEEP_PAGES)
        madvise(worker->shared.output, NJ_WORKER_OUTPUT, MADV_REMOVE);
    worker->input_used = worker->output_used = 0;
}

static nj_status check_size(const struct nj_worker *worker, size_t size, struct nj_error *error)
{
    if (size <= worker->shared.input_size)
        return NJ_OK;
    return nj_fail(error, "%zu bytes: picture files of at most %zu are read", size, worker->shared.input_size);
}

nj_status nj_worker_examine_begin(struct nj_worker *worker, size_t size, struct nj_error *error)
{
    struct nj_worker_request request = {.kind = NJ_WORKER_EXAMINE, .size = size};
    nj_status                status  = check_size(worker, size, error);
    worker->input_used               = size;
    return status == NJ_OK ? begin(worker, &request, error) : status;
}

void nj_worker_examine_end(struct nj_worker *worker, struct nj_metadata *metadata, struct nj_examination *out, const uint8_t **luma)
{
    struct nj_worker_reply reply;
    end(worker, "", &reply);
    *metadata = reply.metadata;
    *out      = reply.examination;
    nj_metadata_distrust(metadata);
    nj_metadata_text(out->words, sizeof out->words, (const uint8_t *)reply.examination.words, sizeof reply.examination.words);
    if ((uint64_t)out->small_width * out->small_height > NJ_SMALL_MAX_PIXELS)
        out->small_width = out->small_height = 0;
    if (luma)
        *luma = out->small_width && out->small_height ? worker->shared.output : NULL;
    release_pages(worker);
}

nj_status nj_worker_examine(struct nj_worker *worker, size_t size, struct nj_metadata *metadata, struct nj_examination *out,
                            const uint8_t **luma, struct nj_error *error)
{
    nj_status status = nj_worker_examine_begin(worker, size, error);
    if (status == NJ_OK)
        nj_worker_examine_end(worker, metadata, out, luma);
    return status;
}

static nj_status pixels_of(struct nj_worker *worker, struct nj_worker_request *request, const char *name, struct nj_picture *out,
                           struct nj_error *error)
{
    struct nj_worker_reply reply;
    size_t                 size = request->size;
    char                   words[sizeof reply.error.text];
    *out = (struct nj_picture){0};
    snprintf(request->name, sizeof request->name, "%s", name);
    nj_status status = check_size(worker, size, error);
    if (status == NJ_OK)
        status = begin(worker, request, error);
    if (status != NJ_OK)
        return status;
    end(worker, name, &reply);
    nj_metadata_text(words, sizeof words, (const uint8_t *)reply.error.text, sizeof reply.error.text);
    if (reply.status != NJ_OK)
        return nj_fail(error, "%s", words);
    uint64_t pixels     = (uint64_t)reply.picture.width * reply.picture.height;
    worker->input_used  = size;
    worker->output_used = pixels <= NJ_PICTURE_MAX_PIXELS ? (size_t)pixels * 3 : 0;
    if (!worker->output_used)
        return nj_fail(error, "%s: no picture: the decoder says %u x %u pixels", name, reply.picture.width, reply.picture.height);
    out->rgb = malloc(worker->output_used);
    if (!out->rgb)
        return nj_fail(error, "%s: no memory for %u x %u pixels", name, reply.picture.width, reply.picture.height);
    memcpy(out->rgb, worker->shared.output, worker->output_used);
    out->width   = reply.picture.width;
    out->height  = reply.picture.height;
    out->partial = reply.picture.partial;
    release_pages(worker);
    return NJ_OK;
}

nj_status nj_worker_pixels(struct nj_worker *worker, const char *name, size_t size, bool partial_ok, struct nj_picture *out,
                           struct nj_error *error)
{
    struct nj_worker_request request = {.kind = NJ_WORKER_PIXELS, .size = size, .partial_ok = partial_ok};
    return pixels_of(worker, &request, name, out, error);
}

nj_status nj_worker_small(struct nj_worker *worker, const char *name, size_t size, uint32_t side, struct nj_picture *out,
                          struct nj_error *error)
{
    struct nj_worker_request request = {.kind = NJ_WORKER_PIXELS, .size = size, .small_side = side ? side : 1};
    return pixels_of(worker, &request, name, out, error);
}

/* ---- the handle ---- */

static uint8_t *share(const char *name, size_t size, struct nj_error *error)
{
    int   fd     = memfd_create(name, MFD_CLOEXEC);
    void *memory = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int failed = errno;
    if (fd >= 0)
        close(fd);
    if (memory == MAP_FAILED) {
        nj_fail_errno(error, failed, "cannot share memory with the process that reads pictures");
        return NULL;
    }
    return memory;
}

nj_status nj_worker_open(const struct nj_worker_limits *limits, struct nj_worker **out, struct nj_error *error)
{
    static const struct nj_worker_limits defaults = {
        .file_bytes = 64u << 20, .memory_bytes = 1u << 30, .cpu_seconds = 60, .wall_ms = 180000};
    struct nj_worker *worker = calloc(1, sizeof *worker);
    *out                     = NULL;
    if (!worker)
        return nj_fail(error, "no memory for the picture process");
    worker->fd     = -1;
    worker->limits = limits ? *limits : defaults;
    if (!worker->limits.file_bytes)
        worker->limits.file_bytes = defaults.file_bytes;
    if (!worker->limits.memory_bytes)
        worker->limits.memory_bytes = defaults.memory_bytes;
    if (!worker->limits.cpu_seconds)
        worker->limits.cpu_seconds = defaults.cpu_seconds;
    if (!worker->limits.wall_ms)
        worker->limits.wall_ms = defaults.wall_ms;
    worker->told              = worker->limits.quiet;
    worker->shared.input_size = worker->limits.file_bytes;
    worker->shared.input      = share("nightjar-file", worker->shared.input_size, error);
    if (worker->shared.input)
        worker->shared.output = share("nightjar-pixels", NJ_WORKER_OUTPUT, error);
    if (!worker->shared.output || start(worker, error) != NJ_OK) {
        nj_worker_close(worker);
        return NJ_ERROR;
    }
    *out = worker;
    return NJ_OK;
}

void nj_worker_close(struct nj_worker *worker)
{
    if (!worker)
        return;
    bury(worker, false);
    if (worker->shared.input)
        munmap(worker->shared.input, worker->shared.input_size);
    if (worker->shared.output)
        munmap(worker->shared.output, NJ_WORKER_OUTPUT);
    free(worker);
}

uint8_t *nj_worker_input(struct nj_worker *worker)
{
    return worker->shared.input;
}

size_t nj_worker_file_limit(const struct nj_worker *worker)
{
    return worker->shared.input_size;
}

bool nj_worker_protected(const struct nj_worker *worker)
{
    return worker->filtered;
}

pid_t nj_worker_pid(const struct nj_worker *worker)
{
    return worker->pid;
}
