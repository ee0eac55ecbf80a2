#include "pipeline/ingest/card.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* <linux/magic.h> has these two; the others are of exFAT and FUSE. */
#define MSDOS_MAGIC 0x4d44
#define NFS_MAGIC   0x6969
#define EXFAT_MAGIC 0x2011bab0
#define FUSE_MAGIC  0x65735546

static bool inodes_stay(const char *directory)
{
    struct statfs fs;
    if (statfs(directory, &fs) != 0)
        return false;
    unsigned long kind = (unsigned long)fs.f_type & 0xffffffffu;
    return kind != MSDOS_MAGIC && kind != NFS_MAGIC && kind != EXFAT_MAGIC && kind != FUSE_MAGIC;
}

/* Whether a file system begins at this folder. */
static bool is_mount(const char *directory, const struct stat *at)
{
    char        above[PATH_MAX];
    struct stat parent;
    return nj_path_join(above, sizeof above, directory, "..") && stat(above, &parent) == 0 && parent.st_dev != at->st_dev;
}

/* udev keeps links named after UUIDs and labels: the one that leads to this device, its name with \x20 and the like as udev writes it. */
static bool find_link(const char *links, dev_t device, char *name, size_t size)
{
    char           path[PATH_MAX];
    struct dirent *entry;
    bool           found = false;
    DIR           *dir   = nj_sysroot_path(path, sizeof path, links) ? opendir(path) : NULL;
    while (dir && !found && (entry = readdir(dir))) {
        struct stat at;
        found = fstatat(dirfd(dir), entry->d_name, &at, 0) == 0 && S_ISBLK(at.st_mode) && at.st_rdev == device;
        if (found)
            snprintf(name, size, "%s", entry->d_name);
    }
    if (dir)
        closedir(dir);
    return found;
}

nj_status nj_card_identify(const char *directory, struct nj_card *out, struct nj_error *error)
{
    struct stat at;
    char        found[256];
    *out = (struct nj_card){0};
    if (!realpath(directory, out->mount) || stat(out->mount, &at) != 0) {
        int failed = errno;
        nj_fail_errno(error, failed, "%s: the folder of the card cannot be opened", directory);
        return failed == ENOENT ? NJ_NOT_FOUND : NJ_ERROR;
    }
    if (!S_ISDIR(at.st_mode))
        return nj_fail(error, "%s: not a folder; ingest.cards names the folders where cards are mounted", directory);
    const char *last    = strrchr(out->mount, '/');
    bool        mounted = is_mount(out->mount, &at);
    out->stable_inodes  = inodes_stay(out->mount);
    snprintf(out->name, sizeof out->name, "%.255s", last && last[1] ? last + 1 : out->mount);
    if (mounted && find_link("/dev/disk/by-label", at.st_dev, found, sizeof found))
        snprintf(out->name, sizeof out->name, "%s", found);
    if (mounted && find_link("/dev/disk/by-uuid", at.st_dev, found, sizeof found))
        snprintf(out->identity, sizeof out->identity, "uuid:%s", found);
    else if (mounted && find_link("/dev/disk/by-label", at.st_dev, found, sizeof found))
        snprintf(out->identity, sizeof out->identity, "label:%s", found);
    else
        snprintf(out->identity, sizeof out->identity, "path:%s", out->mount);
    return NJ_OK;
}
