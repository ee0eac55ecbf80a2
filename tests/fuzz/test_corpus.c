/* Feeds the corpus of each fuzz target, and a few hundred changes of each file, to the target. A broken promise aborts. */
#include "base/file.h"
#include "tests/fuzz/targets.h"
#include "tests/tap.h"

#include <dirent.h>

#define CHANGES 200

static uint32_t state = 1;

static uint32_t next(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

/* Of exactly `size` bytes, so that a sanitizer sees the first byte too many. */
static void run(void (*target)(const uint8_t *, size_t), const uint8_t *bytes, size_t size)
{
    uint8_t *tight = malloc(size ? size : 1);
    memcpy(tight, bytes, size);
    target(tight, size);
    free(tight);
}

static void change_and_run(void (*target)(const uint8_t *, size_t), const uint8_t *bytes, size_t size)
{
    uint8_t *changed = malloc(size ? size : 1);
    memcpy(changed, bytes, size);
    for (unsigned i = 1 + next() % 4; size && i > 0; i--)
        changed[next() % size] = next() % 3 ? (uint8_t)next() : (uint8_t) - (next() % 2);
    run(target, changed, next() % 4 ? size : next() % (size + 1));
    free(changed);
}

static void check_corpus(const char *name, void (*target)(const uint8_t *, size_t))
{
    char           folder[256], path[600];
    struct dirent *entry;
    unsigned       files = 0;
    snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", name);
    DIR *dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        uint8_t *bytes = NULL;
        size_t   size  = 0;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (nj_file_read(path, 1 << 20, &bytes, &size, NULL) != NJ_OK)
            continue;
        files++;
        run(target, bytes, size);
        for (unsigned i = 0; i < CHANGES; i++)
            change_and_run(target, bytes, size);
        free(bytes);
    }
    if (dir)
        closedir(dir);
    CHECK(files >= 3, "%s: %u files and %u changes of each", name, files, CHANGES);
}

int main(void)
{
    check_corpus("metadata", fuzz_metadata);
    check_corpus("picture", fuzz_picture);
    check_corpus("bursts", fuzz_bursts);
    return tap_done();
}
