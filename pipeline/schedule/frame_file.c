#include "pipeline/schedule/frame_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nettle/sha2.h>

nj_status nj_frame_file_load(struct nj_worker *worker, const struct nj_db_waiting *burst, const struct nj_db_frame *frame, size_t *size,
                             struct nj_error *error)
{
    uint8_t *into  = nj_worker_input(worker);
    size_t   limit = nj_worker_file_limit(worker), have = 0;
    int      card = open(burst->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (card < 0)
        return nj_fail_as(NJ_NOT_FOUND, error, "%s: the card is not there", burst->mount);
    int fd = openat(card, frame->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    close(card);
    if (fd < 0)
        return nj_fail_as(errno == ENOENT ? NJ_NOT_FOUND : NJ_ERROR, error, "%s: %s", frame->path, strerror(errno));
    struct stat info;
    nj_status   status = NJ_OK;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        status = nj_fail(error, "%s: is no regular file any more", frame->path);
    while (status == NJ_OK && have < limit) {
        ssize_t got = read(fd, into + have, limit - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = nj_fail_errno(error, errno, "%s: cannot be read (card pulled out?)", frame->path);
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    close(fd);
    if (status != NJ_OK || !frame->hash)
        return *size = have, status;
    struct sha256_ctx sha;
    uint8_t           digest[SHA256_DIGEST_SIZE];
    char              hex[2 * SHA256_DIGEST_SIZE + 1];
    sha256_init(&sha);
    sha256_update(&sha, have, into);
    sha256_digest(&sha, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    *size = have;
    return strcmp(hex, frame->hash) ? nj_fail(error, "%s: its content changed since it was ingested", frame->path) : NJ_OK;
}
