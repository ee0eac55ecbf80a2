#include "pipeline/model/scratch.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME ".nightjar-convert" /* also the sign that a folder is ours */
#define DEPTH     2                   /* files, and those of one folder */

/* Follows no symbolic link. */
static void remove_at(int parent, const char *name, int depth)
{
    int  fd        = depth > 0 ? openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            remove_at(dirfd(directory), entry->d_name, depth - 1);
    if (directory)
        closedir(directory);
    else if (fd >= 0)
        close(fd);
    unlinkat(parent, name, fd >= 0 ? AT_REMOVEDIR : 0);
}

/* TARGET.tmp-XXXXXX goes if it is empty, or has the lock file of a conversion that lives no more. */
static void remove_left_over(int parent, const char *name, const char *target)
{
    char   lock[300];
    size_t length = strlen(target);
    if (strncmp(name, target, length) || strncmp(name + length, ".tmp-", 5) || strlen(name + length) != 11)
        return;
    snprintf(lock, sizeof lock, "%.255s/" LOCK_NAME, name);
    int fd = openat(parent, lock, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        unlinkat(parent, name, AT_REMOVEDIR);
    else if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        remove_at(parent, name, DEPTH);
    if (fd >= 0)
        close(fd);
}

static void sweep(const char *target)
{
    char copy[4096], again[4096];
    memcpy(copy, target, strlen(target) + 1);
    memcpy(again, target, strlen(target) + 1);
    const char *base      = basename(again);
    DIR        *directory = opendir(dirname(copy));
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        remove_left_over(dirfd(directory), entry->d_name, base);
    if (directory)
        closedir(directory);
}

static nj_status check_target(const char *target, bool folder, struct nj_error *error)
{
    struct stat info;
    if (stat(target, &info) != 0)
        return NJ_OK;
    if (!folder)
        return S_ISREG(info.st_mode) ? NJ_OK
                                     : nj_fail(error, "%s: is %s; name the file that is to be written", target,
                                               S_ISDIR(info.st_mode) ? "a folder" : "no regular file");
    DIR   *directory = opendir(target);
    size_t entries   = 0;
    while (directory && readdir(directory))
        entries++;
    if (directory)
        closedir(directory);
    return directory && entries == 2 ? NJ_OK : nj_fail(error, "%s: an empty or new folder is needed", target);
}

nj_status nj_scratch_open(const char *target, bool folder, struct nj_scratch *out, struct nj_error *error)
{
    char   lock[NJ_SCRATCH_PATH];
    size_t length = strlen(target);
    *out          = (struct nj_scratch){.lock = -1};
    while (length > 1 && target[length - 1] == '/')
        length--;
    if (length == 0 || length > 4000)
        return nj_fail(error, "%.100s: cannot be the name of a model", target);
    snprintf(out->target, sizeof out->target, "%.*s", (int)length, target);
    NJ_TRY(check_target(out->target, folder, error));
    sweep(out->target);
    snprintf(out->path, sizeof out->path, "%s.tmp-XXXXXX", out->target);
    if (!mkdtemp(out->path)) {
        *out->path = 0;
        return nj_fail_errno(error, errno, "%s: cannot be written", target);
    }
    nj_scratch_name(out, LOCK_NAME, lock);
    out->lock = open(lock, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out->lock < 0)
        return nj_fail_errno(error, errno, "%s: cannot be written", lock);
    flock(out->lock, LOCK_EX | LOCK_NB); /* a file system without locks: what is left over stays */
    return nj_sync_folder_of(lock, error);
}

void nj_scratch_name(const struct nj_scratch *scratch, const char *name, char out[NJ_SCRATCH_PATH])
{
    snprintf(out, NJ_SCRATCH_PATH, "%s/%.60s", scratch->path, name);
}

nj_status nj_scratch_keep(const struct nj_scratch *scratch, const char *name, struct nj_error *error)
{
    char path[NJ_SCRATCH_PATH];
    nj_scratch_name(scratch, name, path);
    return nj_put_in_place(path, scratch->target, error);
}

void nj_scratch_close(struct nj_scratch *scratch)
{
    if (!*scratch->path)
        return;
    remove_at(AT_FDCWD, scratch->path, DEPTH);
    if (scratch->lock >= 0)
        close(scratch->lock);
    *scratch->path = 0;
}
