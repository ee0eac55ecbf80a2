#include "pipeline/ingest/name.h"

#include "pipeline/picture/metadata.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

size_t nj_name_folder(const char *path, size_t size)
{
    while (size && path[size - 1] != '/')
        size--;
    return size;
}

static bool digit(const char *name, size_t size, size_t at)
{
    return at < size && name[at] >= '0' && name[at] <= '9';
}

/* Where ".JPG" begins; size if there is no extension. A leading dot hides a file and begins none. */
static size_t extension(const char *name, size_t size)
{
    for (size_t i = size; i-- > 1;)
        if (name[i] == '.')
            return i;
    return size;
}

/* ---- date and number ---- */

/* Takes `count` digits as a number; false if they are not all there. */
static bool take(const char *name, size_t size, size_t *at, unsigned count, unsigned *value)
{
    *value = 0;
    for (unsigned i = 0; i < count; i++, ++*at) {
        if (!digit(name, size, *at))
            return false;
        *value = *value * 10 + (unsigned)(name[*at] - '0');
    }
    return true;
}

static void skip(const char *name, size_t size, size_t *at, const char *separators)
{
    if (*at < size && name[*at] && strchr(separators, name[*at]))
        ++*at;
}

/* A date with a time of day that begins at `at`; *end is behind it. */
static int64_t time_at(const char *name, size_t size, size_t at, size_t *end)
{
    static const char *const separators[] = {"-_.:", "-_.:", "-_. T", "-_.:h", "-_.:m"};
    unsigned                 part[6];
    for (unsigned i = 0; i < 6; i++) {
        if (!take(name, size, &at, i == 0 ? 4 : 2, &part[i]))
            return NJ_TIME_UNKNOWN;
        if (i < 5)
            skip(name, size, &at, separators[i]);
    }
    *end = at;
    if (digit(name, size, at))
        return NJ_TIME_UNKNOWN;
    return nj_metadata_time(part[0], part[1], part[2], part[3], part[4], part[5]);
}

static int64_t find_time(const char *name, size_t size, size_t *end)
{
    for (size_t at = 0; at + 14 <= size; at++) {
        if (!digit(name, size, at) || (at && digit(name, size, at - 1)))
            continue;
        int64_t time = time_at(name, size, at, end);
        if (time != NJ_TIME_UNKNOWN)
            return time;
    }
    return NJ_TIME_UNKNOWN;
}

int64_t nj_name_time(const char *name, size_t size)
{
    size_t end;
    return find_time(name, extension(name, size), &end);
}

/* Size without the " (2)" that a copy gets. */
static size_t without_copy(const char *name, size_t size)
{
    size_t at = size;
    if (at < 3 || name[at - 1] != ')')
        return size;
    for (at--; at && digit(name, size, at - 1);)
        at--;
    return at > 1 && at < size - 1 && name[at - 1] == '(' ? at - 1 : size;
}

struct nj_name_number nj_name_number(const char *name, size_t size)
{
    struct nj_name_number number = {0};
    size_t                begin  = 0;
    size                         = without_copy(name, extension(name, size));
    if (find_time(name, size, &begin) == NJ_TIME_UNKNOWN)
        begin = 0;
    while (size > begin && !digit(name, size, size - 1))
        size--;
    size_t first = size;
    while (first > begin && digit(name, size, first - 1))
        first--;
    number.known  = size > first;
    number.digits = (unsigned)(size - first);
    for (; first < size; first++) {
        if (number.value > (UINT64_MAX - 9) / 10)
            return (struct nj_name_number){0}; /* a hash or the like, not a camera's count */
        number.value = number.value * 10 + (uint64_t)(name[first] - '0');
    }
    return number;
}

/* ---- what cannot be a picture ---- */

static bool equals(const char *bytes, size_t size, const char *word)
{
    return strlen(word) == size && !strncasecmp(bytes, word, size);
}

static bool listed(const char *bytes, size_t size, const char *const *words)
{
    while (*words && !equals(bytes, size, *words))
        words++;
    return *words != NULL;
}

static const char *ignored_folder(const char *name, size_t size)
{
    static const char *const trash[]  = {"$RECYCLE.BIN", "RECYCLER", ".Trash", ".Trashes", ".Trash-1000", NULL};
    static const char *const system[] = {".Spotlight-V100", ".fseventsd", "System Volume Information", "LOST.DIR", "lost+found", NULL};
    if (listed(name, size, trash) || (size > 7 && !strncasecmp(name, ".Trash-", 7)))
        return "deleted: it lies in a trash folder";
    if (listed(name, size, system))
        return "in a folder of the operating system";
    if (size == 9 && !strncasecmp(name, "FOUND.", 6) && isdigit((unsigned char)name[6]))
        return "put together by a disk check: not as the camera wrote it";
    return NULL;
}

static const char *ignored_file(const char *name, size_t size)
{
    static const char *const pictures[] = {".jpg", ".jpeg", ".jpe", NULL};
    static const char *const videos[]   = {".avi", ".mp4", ".mov", ".m4v", ".mkv", ".mpg", ".3gp", ".mts", ".wmv", ".asf", NULL};
    static const char *const system[]   = {"Thumbs.db", "desktop.ini", "autorun.inf", ".DS_Store", "IndexerVolumeGuid", NULL};
    size_t                   dot        = extension(name, size);
    if (listed(name, size, system) || (size > 2 && !strncmp(name, "._", 2)))
        return "file of an operating system";
    if (size && name[0] == '.')
        return "hidden file";
    if (listed(name + dot, size - dot, pictures))
        return NULL;
    if (listed(name + dot, size - dot, videos))
        return "video: only pictures are read";
    if (equals(name + dot, size - dot, ".chk"))
        return "put together by a disk check: not as the camera wrote it";
    return "not a JPEG picture";
}

const char *nj_name_ignored(const char *path, size_t size)
{
    size_t begin = 0;
    for (size_t i = 0; i < size; i++) {
        if (path[i] != '/')
            continue;
        const char *reason = ignored_folder(path + begin, i - begin);
        if (reason)
            return reason;
        begin = i + 1;
    }
    return ignored_file(path + begin, size - begin);
}
