#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

nj_status nj_map_open(const char *path, struct nj_map *out, struct nj_error *error)
{
    *out   = (struct nj_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return nj_fail_errno(error, errno, "%s: cannot be opened", path);
    nj_status   status = NJ_OK;
    struct stat info;
    if (fstat(fd, &info) != 0)
        status = nj_fail_errno(error, errno, "%s: cannot be examined", path);
    else if (!S_ISREG(info.st_mode))
        status = nj_fail(error, "%s: is not a regular file", path);
    else if (info.st_size > 0) {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED)
            status = nj_fail_errno(error, errno, "%s: cannot be mapped", path);
        else
            *out = (struct nj_map){.data = data, .size = (size_t)info.st_size};
    }
    close(fd);
    return status;
}

void nj_map_close(struct nj_map *map)
{
    if (map->data)
        munmap((void *)(uintptr_t)map->data, map->size);
    *map = (struct nj_map){0};
}

nj_status nj_file_read(const char *path, size_t limit, uint8_t **data, size_t *size, struct nj_error *error)
{
    *data  = NULL;
    *size  = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return nj_fail_errno(error, errno, "%s: cannot be opened", path);
    nj_status   status = NJ_OK;
    uint8_t    *bytes  = NULL;
    struct stat info;
    if (fstat(fd, &info) != 0) {
        status = nj_fail_errno(error, errno, "%s: cannot be examined", path);
        goto cleanup;
    }
    if (!S_ISREG(info.st_mode)) {
        status = nj_fail(error, "%s: is not a regular file", path);
        goto cleanup;
    }
    if ((uint64_t)info.st_size > limit) {
        status = nj_fail(error, "%s: %lld bytes, at most %zu are read here", path, (long long)info.st_size, limit);
        goto cleanup;
    }
    size_t want = (size_t)info.st_size, have = 0;
    bytes = malloc(want + 1);
    if (!bytes) {
        status = nj_fail(error, "%s: no memory for %zu bytes", path, want);
        goto cleanup;
    }
    while (have < want) {
        ssize_t got = read(fd, bytes + have, want - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            status = nj_fail_errno(error, errno, "%s: cannot be read at byte %zu", path, have);
            goto cleanup;
        }
        if (got == 0)
            break; /* shrank since fstat: what is there is what we return */
        have += (size_t)got;
    }
    bytes[have] = 0;
    *data       = bytes;
    *size       = have;
    bytes       = NULL;
cleanup:
    free(bytes);
    close(fd);
    return status;
}

nj_status nj_sync_folder_of(const char *path, struct nj_error *error)
{
    char copy[4096];
    if (strlen(path) >= sizeof copy)
        return nj_fail(error, "%s: the path is too long", path);
    memcpy(copy, path, strlen(path) + 1);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return nj_fail_errno(error, errno, "%s: its folder cannot be opened", path);
    nj_status status = fsync(fd) == 0 || errno == EINVAL ? NJ_OK : nj_fail_errno(error, errno, "%s: its folder cannot be synced", path);
    close(fd);
    return status;
}

nj_status nj_put_in_place(const char *from, const char *path, struct nj_error *error)
{
    if (rename(from, path) == 0)
        return nj_sync_folder_of(path, error);
    nj_fail_errno(error, errno, "%s: cannot be put in place", path);
    unlink(from);
    return NJ_ERROR;
}

/* A device, a pipe or a socket, and /dev/stdout whatever it leads to: renaming a file to such a name would take it from everybody. */
static bool is_stream(const char *path)
{
    struct stat target, link;
    if (stat(path, &target) != 0 || lstat(path, &link) != 0)
        return false;
    return !(S_ISREG(target.st_mode) || S_ISDIR(target.st_mode)) || (S_ISLNK(link.st_mode) && !strncmp(path, "/dev/", 5));
}

nj_status nj_atomic_open(const char *path, struct nj_atomic_file *out, struct nj_error *error)
{
    *out = (struct nj_atomic_file){.fd = -1};
    if (strlen(path) >= sizeof out->path)
        return nj_fail(error, "%s: the path is too long", path);
    memcpy(out->path, path, strlen(path) + 1);
    if (is_stream(path)) {
        /* opened anew, a file behind it would be written from its beginning, over what else goes there */
        out->fd = strcmp(path, "/dev/stdout") == 0 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0) : open(path, O_WRONLY | O_CLOEXEC);
        return out->fd >= 0 ? NJ_OK : nj_fail_errno(error, errno, "%s: cannot be written", path);
    }
    snprintf(out->temporary, sizeof out->temporary, "%s.tmp-XXXXXX", path);
    out->fd = mkostemp(out->temporary, O_CLOEXEC);
    if (out->fd < 0)
        return nj_fail_errno(error, errno, "%s: cannot be written", path);
    mode_t mask = umask(0);
    umask(mask);
    fchmod(out->fd, 0666 & ~mask);
    return NJ_OK;
}

nj_status nj_atomic_write(struct nj_atomic_file *file, const void *data, size_t size, struct nj_error *error)
{
    const uint8_t *bytes = data;
    while (size > 0) {
        ssize_t put = write(file->fd, bytes, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return nj_fail_errno(error, errno, "%s: cannot be written", file->path);
        bytes += put;
        size -= (size_t)put;
    }
    return NJ_OK;
}

nj_status nj_atomic_commit(struct nj_atomic_file *file, struct nj_error *error)
{
    nj_status status = NJ_OK;
    if (*file->temporary && fsync(file->fd) != 0)
        status = nj_fail_errno(error, errno, "%s: cannot be synced to disk", file->path);
    if (close(file->fd) != 0 && status == NJ_OK)
        status = nj_fail_errno(error, errno, "%s: cannot be written", file->path);
    file->fd = -1;
    if (status == NJ_OK && *file->temporary)
        return nj_put_in_place(file->temporary, file->path, error);
    unlink(file->temporary);
    return status;
}

void nj_atomic_abort(struct nj_atomic_file *file)
{
    if (file->fd < 0)
        return;
    close(file->fd);
    unlink(file->temporary); /* "" for a stream: nothing has that name */
    file->fd = -1;
}

nj_status nj_file_write_atomic(const char *path, const void *data, size_t size, struct nj_error *error)
{
    struct nj_atomic_file file;
    nj_status             status = nj_atomic_open(path, &file, error);
    if (status != NJ_OK)
        return status;
    status = nj_atomic_write(&file, data, size, error);
    if (status != NJ_OK) {
        nj_atomic_abort(&file);
        return status;
    }
    return nj_atomic_commit(&file, error);
}

nj_status nj_make_folders(const char *path, struct nj_error *error)
{
    char   copy[4096];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof copy)
        return nj_fail(error, "%s: cannot be a folder name", path);
    memcpy(copy, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (copy[i] != '/' && copy[i] != 0)
            continue;
        char end = copy[i];
        copy[i]  = 0;
        if (mkdir(copy, 0755) != 0 && errno != EEXIST)
            return nj_fail_errno(error, errno, "%s: cannot be made", copy);
        copy[i] = end;
    }
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return nj_fail(error, "%s: is in the way and is not a folder", path);
    return NJ_OK;
}

bool nj_path_join(char *out, size_t size, const char *folder, const char *name)
{
    size_t      length = strlen(folder);
    const char *slash  = length > 0 && folder[length - 1] != '/' ? "/" : "";
    int         wrote  = snprintf(out, size, "%s%s%s", folder, slash, name);
    return wrote >= 0 && (size_t)wrote < size;
}

bool nj_sysroot_path(char *out, size_t size, const char *path)
{
    const char *root = getenv("NIGHTJAR_SYSROOT");
    if (!root || !*root) {
        int wrote = snprintf(out, size, "%s", path);
        return wrote >= 0 && (size_t)wrote < size;
    }
    while (*path == '/')
        path++;
    return nj_path_join(out, size, root, path);
}
