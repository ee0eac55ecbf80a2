#include "pipeline/ingest/walk.h"

#include "base/log.h"
#include "base/text.h"
#include "pipeline/ingest/name.h"
#include "pipeline/picture/metadata.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_UNSEEN 16 /* entries that a damaged directory may keep from us */

struct walk {
    nj_on_entry     *callback; /* one of the two */
    nj_on_folder    *on_folder;
    void            *user;
    struct nj_error *error;
    struct nj_text   path; /* of the folder at hand, with its final slash; "" for the card itself */
    uint64_t         device;
    size_t           count;
    unsigned         depth, unseen;
};

/* The names of one folder: zero-terminated, one behind the other. */
struct names {
    struct nj_text bytes;
    const char   **name; /* sorted: shorter ones first, so that "IMG_0001.JPG" comes before its copy "IMG_0001 (1).JPG" */
    size_t         count;
};

static int open_quietly(int folder, const char *name, int flags)
{
    int fd = openat(folder, name, flags | O_NOATIME);
    return fd < 0 && errno == EPERM ? openat(folder, name, flags) : fd; /* only the owner may leave the access time alone */
}

int nj_walk_open(const struct nj_walk_entry *entry)
{
    struct stat now;
    int         fd = open_quietly(entry->folder, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &now) == 0 && S_ISREG(now.st_mode) && now.st_dev == entry->device && now.st_ino == entry->inode)
        return fd;
    close(fd);
    errno = ESTALE;
    return -1;
}

/* ---- one folder's names ---- */

static int order_names(const void *left, const void *right)
{
    const char *a = *(const char *const *)left, *b = *(const char *const *)right;
    size_t      a_size = strlen(a), b_size = strlen(b);
    return a_size != b_size ? (a_size > b_size) - (a_size < b_size) : memcmp(a, b, a_size);
}

static nj_status gather(DIR *dir, const char *shown, struct names *names, struct nj_error *error)
{
    struct dirent *entry;
    while (errno = 0, (entry = readdir(dir))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (names->count++ == NJ_WALK_FOLDER_FILES)
            return nj_fail(error, "%s: more than %d files in one folder: no camera makes that; split it", shown, NJ_WALK_FOLDER_FILES);
        nj_text_add_bytes(&names->bytes, entry->d_name, strlen(entry->d_name) + 1);
    }
    if (errno)
        return nj_fail_errno(error, errno, "%s: the folder cannot be listed to its end (card pulled out?)", shown);
    if (names->bytes.failed || !(names->name = calloc(names->count + 1, sizeof *names->name)))
        return nj_fail(error, "%s: no memory for %zu names", shown, names->count);
    const char *at = names->bytes.data;
    for (size_t i = 0; i < names->count; i++, at += strlen(at) + 1)
        names->name[i] = at;
    qsort(names->name, names->count, sizeof *names->name, order_names);
    return NJ_OK;
}

static void free_names(struct names *names)
{
    nj_text_free(&names->bytes);
    free(names->name);
}

/* ---- one entry ---- */

static const char *kind_ignored(const struct stat *at, uint64_t device)
{
    switch (at->st_mode & S_IFMT) {
    case S_IFREG:
        return NULL;
    case S_IFDIR:
        return at->st_dev == device ? NULL : "another file system is mounted here: not part of this card";
    case S_IFLNK:
        return "a symbolic link: not followed";
    case S_IFIFO:
        return "a pipe, not a file";
    case S_IFSOCK:
        return "a socket, not a file";
    default:
        return "a device, not a file";
    }
}

static nj_status tell(struct walk *walk, int folder, const char *name, const struct stat *at, const char *ignored)
{
    size_t length = walk->path.length;
    if (!walk->callback)
        return NJ_OK;
    nj_text_add(&walk->path, name);
    if (walk->path.failed)
        return nj_fail(walk->error, "no memory for a path of %zu bytes", length + strlen(name));
    if (++walk->count > NJ_WALK_FILES)
        return nj_fail(walk->error, "more than %d files on one card: split it", NJ_WALK_FILES);
    if (!ignored && walk->depth > NJ_WALK_DEPTH)
        ignored = "deeper than 32 folders: no camera writes there";
    if (!ignored)
        ignored = nj_name_ignored(walk->path.data, walk->path.length);
    struct nj_walk_entry entry  = {.path      = walk->path.data,
                                   .path_size = walk->path.length,
                                   .name      = name,
                                   .folder    = folder,
                                   .bytes     = at->st_size,
                                   .mtime_ns  = at->st_mtim.tv_sec * INT64_C(1000000000) + at->st_mtim.tv_nsec,
                                   .device    = at->st_dev,
                                   .inode     = at->st_ino,
                                   .ignored   = ignored};
    nj_status            status = walk->callback(walk->user, &entry, walk->error);
    walk->path.length           = length;
    walk->path.data[length]     = 0;
    return status;
}

static nj_status walk_folder(struct walk *walk, int folder);

static nj_status enter(struct walk *walk, int folder, const char *name, const struct stat *at)
{
    size_t length = walk->path.length;
    if (walk->depth == NJ_WALK_MAX_DEPTH)
        return tell(walk, folder, name, at, "folders without end: not listed");
    int fd = open_quietly(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return tell(walk, folder, name, at, errno == EACCES ? "a folder that may not be opened" : "a folder that cannot be opened");
    nj_text_add(&walk->path, name);
    nj_text_add(&walk->path, "/");
    walk->depth++;
    nj_status status = walk->path.failed ? nj_fail(walk->error, "no memory for a path of %zu bytes", length) : walk_folder(walk, fd);
    walk->depth--;
    walk->path.length = length;
    if (walk->path.data)
        walk->path.data[length] = 0;
    return status;
}

/* An entry that cannot be looked at. If it only vanished, it is no longer an entry. A damaged directory must not hide the rest of the card, a
 * card that was pulled out must not look like one full of damage. */
static nj_status not_seen(struct walk *walk, const char *name, int failed)
{
    char shown[256];
    if (failed == ENOENT)
        return NJ_OK;
    nj_metadata_text(shown, sizeof shown, (const uint8_t *)name, strlen(name));
    if (failed != EIO || ++walk->unseen > MAX_UNSEEN)
        return nj_fail_errno(walk->error, failed, "%s: cannot be looked at (card pulled out?)", shown);
    nj_log(NJ_LOG_WARNING, "%s: cannot be looked at: %s; left out this time", shown, strerror(failed));
    return NJ_OK;
}

/* Files in the first pass, subfolders in the second. */
static nj_status visit(struct walk *walk, int folder, const struct names *names, bool folders)
{
    nj_status   status = NJ_OK;
    struct stat at;
    for (size_t i = 0; i < names->count && status == NJ_OK; i++) {
        const char *name = names->name[i];
        if (fstatat(folder, name, &at, AT_SYMLINK_NOFOLLOW) != 0) {
            status = not_seen(walk, name, errno);
            continue;
        }
        bool is_folder = S_ISDIR(at.st_mode) && !kind_ignored(&at, walk->device);
        if (is_folder != folders)
            continue;
        status = folders ? enter(walk, folder, name, &at) : tell(walk, folder, name, &at, kind_ignored(&at, walk->device));
    }
    return status;
}

/* Takes over the descriptor. */
static nj_status walk_folder(struct walk *walk, int folder)
{
    struct names names  = {0};
    nj_status    status = NJ_OK;
    DIR         *dir    = fdopendir(folder);
    if (!dir) {
        close(folder);
        return nj_fail_errno(walk->error, errno, "%s: the folder cannot be listed", walk->path.data);
    }
    if (walk->on_folder)
        status = walk->on_folder(walk->user, walk->path.data, walk->error);
    if (status == NJ_OK)
        status = gather(dir, walk->path.length ? walk->path.data : "the card", &names, walk->error);
    if (status == NJ_OK)
        status = visit(walk, dirfd(dir), &names, false);
    if (status == NJ_OK)
        status = visit(walk, dirfd(dir), &names, true);
    free_names(&names);
    closedir(dir);
    return status;
}

static nj_status walk_card(struct walk *walk, const char *directory)
{
    struct stat at;
    int         fd = open_quietly(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &at) != 0) {
        int failed = errno;
        if (fd >= 0)
            close(fd);
        nj_fail_errno(walk->error, failed, "%s: the folder of the card cannot be opened", directory);
        return failed == ENOENT ? NJ_NOT_FOUND : NJ_ERROR;
    }
    walk->device = at.st_dev;
    nj_text_add(&walk->path, "");
    if (walk->path.failed) {
        close(fd);
        return nj_fail(walk->error, "%s: no memory", directory);
    }
    nj_status status = walk_folder(walk, fd);
    if (status == NJ_ERROR)
        nj_error_prefix(walk->error, "%s", directory);
    nj_text_free(&walk->path);
    return status;
}

nj_status nj_walk(const char *directory, nj_on_entry *callback, void *user, struct nj_error *error)
{
    struct walk walk = {.callback = callback, .user = user, .error = error};
    return walk_card(&walk, directory);
}

nj_status nj_walk_folders(const char *directory, nj_on_folder *callback, void *user, struct nj_error *error)
{
    struct walk walk = {.on_folder = callback, .user = user, .error = error};
    return walk_card(&walk, directory);
}
