/* cut.c: a library to preload (LD_PRELOAD) that takes the power away from a program at a chosen moment.
 *
 * It counts what the program asks of files below CUT_ROOT. At number CUT_AT it does to them what a disk does that loses power, then kills the process:
 * of everything written since the last fsync of each file, some stays, some never happened, some is torn (some sectors of 512 bytes are new, some
 * old); files made, renamed or removed since the last fsync of their folder may still be, or again be, what they were. A program that ends before
 * that number loses power right after its end.
 *
 *   CUT_ROOT   folder whose files are watched (absolute)      CUT_AT     0: only count
 *   CUT_MODE   power (default), kill (nothing is lost, the process only dies), full (from CUT_AT on the disk is full; nobody dies)
 *   CUT_SEED   which of the possible disks comes out          CUT_COUNT  file that gets the number of requests at the end
 *
 * Memory that is mapped and shared (SQLite's -shm) is no part of it: it does not outlive a boot. Children of the program are left alone. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { WRITTEN, CUT_SHORT, MADE, RENAMED, REMOVED };

/* How to take one change back. */
struct change {
    enum kind      kind;
    dev_t          device;
    ino_t          inode;        /* of the file; of the folder for MADE, RENAMED, REMOVED */
    char           path[1024];   /* where the file is now */
    char           before[1024]; /* RENAMED: its old name */
    char           backup[1100]; /* hard link to what was replaced or removed; "" if there was nothing */
    off_t          offset, old_size;
    size_t         length; /* of `bytes` */
    unsigned char *bytes;  /* what was there before */
    struct change *next;   /* older */
};

static struct change  *changes; /* newest first */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char            root[512];
static long            count, cut_at, backups;
static enum { POWER, KILL, FULL } mode;
static uint64_t seed;
static pid_t    owner;

static struct {
    int (*open)(const char *, int, ...);
    int (*open64)(const char *, int, ...);
    ssize_t (*pwrite)(int, const void *, size_t, off_t);
    ssize_t (*write)(int, const void *, size_t);
    int (*ftruncate)(int, off_t);
    int (*fsync)(int);
    int (*fdatasync)(int);
    int (*rename)(const char *, const char *);
    int (*unlink)(const char *);
} real;

/* Other libraries may open files before our constructor runs, so each wrapper asks for this. */
static void look_up(void)
{
    static const struct {
        void       *to;
        const char *name;
    } functions[] = {{&real.open64, "open64"},       {&real.pwrite, "pwrite"}, {&real.write, "write"},
                     {&real.ftruncate, "ftruncate"}, {&real.fsync, "fsync"},   {&real.fdatasync, "fdatasync"},
                     {&real.rename, "rename"},       {&real.unlink, "unlink"}, {&real.open, "open"}};
    if (real.open)
        return;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *found = dlsym(RTLD_NEXT, functions[i].name);
        if (!found)
            abort();
        memcpy(functions[i].to, &found, sizeof found);
    }
}

static unsigned roll(unsigned sides)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(seed >> 33) % sides;
}

/* A child may be one that is killed for asking anything of the kernel. */
static void leave_alone(void)
{
    root[0] = 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("CUT_ROOT");
    look_up();
    if (!text)
        return;
    snprintf(root, sizeof root, "%s/", text);
    cut_at = (text = getenv("CUT_AT")) ? atol(text) : 0;
    seed   = (text = getenv("CUT_SEED")) ? strtoull(text, NULL, 10) * 2654435761u + 1 : 1;
    text   = getenv("CUT_MODE");
    mode   = text && !strcmp(text, "kill") ? KILL : text && !strcmp(text, "full") ? FULL : POWER;
    owner  = getpid();
    pthread_atfork(NULL, NULL, leave_alone);
}

static void lose(void);

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("CUT_COUNT");
    if (!root[0] || getpid() != owner)
        return;
    if (cut_at > count)
        lose();
    if (!path)
        return;
    FILE *file = fopen(path, "w");
    if (file) {
        fprintf(file, "%ld\n", count);
        fclose(file);
    }
}

static bool watched(const char *path)
{
    size_t length = strlen(path);
    return root[0] && !strncmp(path, root, strlen(root)) && !strstr(path, "/.cut-") && !(length > 4 && !strcmp(path + length - 4, "-shm"));
}

static bool path_of(int fd, char out[1024])
{
    char    name[64];
    ssize_t length;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    length = readlink(name, out, 1023);
    if (length <= 0)
        return false;
    out[length] = 0;
    return true;
}

static struct change *note(enum kind kind, const char *path)
{
    struct change *change = calloc(1, sizeof *change);
    if (!change)
        abort();
    change->kind = kind;
    snprintf(change->path, sizeof change->path, "%s", path);
    change->next = changes;
    changes      = change;
    return change;
}

static void drop(struct change *change)
{
    if (change->backup[0])
        real.unlink(change->backup);
    free(change->bytes);
    free(change);
}

/* What is there now, before it changes: [offset, offset + length) as far as the file goes. */
static void note_data(enum kind kind, int fd, const char *path, off_t offset, size_t length)
{
    struct stat    file;
    char           name[64];
    struct change *change;
    if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode))
        return;
    change           = note(kind, path);
    change->device   = file.st_dev;
    change->inode    = file.st_ino;
    change->offset   = offset;
    change->old_size = file.st_size;
    if (offset >= file.st_size)
        return;
    if ((off_t)length > file.st_size - offset)
        length = (size_t)(file.st_size - offset);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int reader    = real.open(name, O_RDONLY | O_CLOEXEC);
    change->bytes = malloc(length ? length : 1);
    if (reader < 0 || !change->bytes || pread(reader, change->bytes, length, offset) != (ssize_t)length)
        abort();
    change->length = length;
    close(reader);
}

static void note_folder(struct change *change)
{
    char        folder[1024];
    struct stat file;
    snprintf(folder, sizeof folder, "%s", change->path);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = 0;
    if (stat(folder, &file) == 0) {
        change->device = file.st_dev;
        change->inode  = file.st_ino;
    }
}

static void keep_backup(struct change *change, const char *path)
{
    snprintf(change->backup, sizeof change->backup, "%s.cut-%ld", root, backups++);
    real.unlink(change->backup);
    if (link(path, change->backup) != 0)
        change->backup[0] = 0;
}

/* fsync: what was noted of this file, or of names in this folder, is safe. */
static void settle(int fd)
{
    struct stat     file;
    struct change **at = &changes;
    if (fstat(fd, &file) != 0)
        return;
    while (*at) {
        struct change *change = *at;
        if (change->device == file.st_dev && change->inode == file.st_ino) {
            *at = change->next;
            drop(change);
        } else
            at = &change->next;
    }
}

/* ---- the moment ---- */

static void take_back_data(const struct change *change)
{
    struct stat file;
    unsigned    fate = roll(4); /* 0, 1: never happened; 2: torn; 3: stays */
    int         fd   = real.open(change->path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fate < 3 && fstat(fd, &file) == 0 && file.st_dev == change->device && file.st_ino == change->inode) {
        for (size_t at = 0; at < change->length; at += 512) {
            size_t size = change->length - at < 512 ? change->length - at : 512;
            if (fate < 2 || roll(2))
                if (real.pwrite(fd, change->bytes + at, size, change->offset + (off_t)at) != (ssize_t)size)
                    abort();
        }
        if (fate < 2 && change->kind == WRITTEN && file.st_size > change->old_size && roll(2) && real.ftruncate(fd, change->old_size) != 0)
            abort();
    }
    close(fd);
}

static void take_back_name(const struct change *change)
{
    if (roll(2))
        return;
    switch (change->kind) {
    case MADE:
        real.unlink(change->path);
        break;
    case RENAMED:
        real.rename(change->path, change->before);
        if (change->backup[0])
            real.rename(change->backup, change->path);
        break;
    case REMOVED:
        if (change->backup[0])
            real.rename(change->backup, change->path);
        break;
    default:
        break;
    }
}

static void remove_backups(void)
{
    DIR           *folder = opendir(root);
    struct dirent *entry;
    char           path[1100];
    while (folder && (entry = readdir(folder)) != NULL)
        if (!strncmp(entry->d_name, ".cut-", 5)) {
            snprintf(path, sizeof path, "%s%s", root, entry->d_name);
            real.unlink(path);
        }
    if (folder)
        closedir(folder);
}

/* What the disk does. */
static void lose(void)
{
    if (mode == POWER)
        for (struct change *change = changes; change; change = change->next) {
            if (change->kind == WRITTEN || change->kind == CUT_SHORT)
                take_back_data(change);
            else
                take_back_name(change);
        }
    remove_backups();
}

static void cut(void)
{
    lose();
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* Every request on a watched file comes by here. True: the disk is full. */
static bool now(void)
{
    count++;
    if (cut_at && mode == FULL)
        return count >= cut_at;
    if (cut_at && count == cut_at)
        cut();
    return false;
}

/* ---- what is asked of files ---- */

static int open_noted(const char *path, int flags, mode_t permissions, int (*opener)(const char *, int, ...))
{
    if (!root[0])
        return opener(path, flags, permissions);
    char whole[1024];
    bool relative = path[0] != '/';
    if (relative && getcwd(whole, sizeof whole / 2))
        strcat(whole, "/"), strncat(whole, path, sizeof whole / 2 - 2);
    else
        snprintf(whole, sizeof whole, "%s", path);
    if (!(flags & O_CREAT) || !watched(whole))
        return opener(path, flags, permissions);
    pthread_mutex_lock(&lock);
    bool full = now(), is_new = access(whole, F_OK) != 0;
    int  fd = -1;
    if (full && is_new)
        errno = ENOSPC;
    else
        fd = opener(path, flags, permissions);
    if (fd >= 0 && is_new)
        note_folder(note(MADE, whole));
    pthread_mutex_unlock(&lock);
    return fd;
}

#define PERMISSIONS(flags)                                                                                                                 \
    mode_t permissions = 0;                                                                                                                \
    if ((flags)&O_CREAT) {                                                                                                                 \
        va_list args;                                                                                                                      \
        va_start(args, flags);                                                                                                             \
        permissions = (mode_t)va_arg(args, int);                                                                                           \
        va_end(args);                                                                                                                      \
    }

int open(const char *path, int flags, ...)
{
    PERMISSIONS(flags)
    look_up();
    return open_noted(path, flags, permissions, real.open);
}

int open64(const char *path, int flags, ...)
{
    PERMISSIONS(flags)
    look_up();
    return open_noted(path, flags, permissions, real.open64);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    char    path[1024];
    ssize_t done;
    look_up();
    if (!root[0] || !path_of(fd, path) || !watched(path))
        return real.pwrite(fd, bytes, size, offset);
    pthread_mutex_lock(&lock);
    note_data(WRITTEN, fd, path, offset, size);
    if (cut_at && mode != FULL && count + 1 == cut_at) /* cut in the middle of it: the write is under way */
        real.pwrite(fd, bytes, size, offset);
    if (now()) {
        errno = ENOSPC;
        done  = -1;
    } else
        done = real.pwrite(fd, bytes, size, offset);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    return pwrite(fd, bytes, size, offset);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    char    path[1024];
    ssize_t done;
    look_up();
    if (!root[0] || !path_of(fd, path) || !watched(path))
        return real.write(fd, bytes, size);
    off_t offset = fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    pthread_mutex_lock(&lock);
    note_data(WRITTEN, fd, path, offset, size);
    if (now()) {
        errno = ENOSPC;
        done  = -1;
    } else
        done = real.write(fd, bytes, size);
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate(int fd, off_t length)
{
    char        path[1024];
    struct stat file;
    look_up();
    if (!root[0] || !path_of(fd, path) || !watched(path))
        return real.ftruncate(fd, length);
    pthread_mutex_lock(&lock);
    if (fstat(fd, &file) == 0 && file.st_size > length)
        note_data(CUT_SHORT, fd, path, length, (size_t)(file.st_size - length));
    else
        note_data(WRITTEN, fd, path, length, 0);
    now();
    int result = real.ftruncate(fd, length);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate64(int fd, off64_t length)
{
    return ftruncate(fd, length);
}

static int sync_noted(int fd, int (*sync)(int))
{
    char path[1024];
    bool folder = root[0] && path_of(fd, path) && (strcat(path, "/"), watched(path));
    if (!folder)
        return sync(fd);
    pthread_mutex_lock(&lock);
    now();
    settle(fd);
    pthread_mutex_unlock(&lock);
    return 0; /* the real one would only cost time: nobody pulls the plug of the machine that tests */
}

int fsync(int fd)
{
    look_up();
    return sync_noted(fd, real.fsync);
}

int fdatasync(int fd)
{
    look_up();
    return sync_noted(fd, real.fdatasync);
}

int rename(const char *from, const char *to)
{
    look_up();
    if (!watched(to))
        return real.rename(from, to);
    pthread_mutex_lock(&lock);
    now();
    struct change *change = note(RENAMED, to);
    snprintf(change->before, sizeof change->before, "%s", from);
    note_folder(change);
    keep_backup(change, to);
    int result = real.rename(from, to);
    for (struct change *older = change->next; result == 0 && older; older = older->next)
        if (!strcmp(older->path, from))
            snprintf(older->path, sizeof older->path, "%s", to); /* its data go with it */
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path)
{
    look_up();
    if (!watched(path))
        return real.unlink(path);
    pthread_mutex_lock(&lock);
    now();
    struct change *change = note(REMOVED, path);
    note_folder(change);
    keep_backup(change, path);
    int result = real.unlink(path);
    pthread_mutex_unlock(&lock);
    return result;
}
