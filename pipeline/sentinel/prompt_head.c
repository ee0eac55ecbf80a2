#include "pipeline/sentinel/prompt_head.h"
#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT ((size_t)1 << 29) /* bytes of a file: 1,600 positions of E4B are some 50 MB, as fp32 twice that */

/* A file: its key, then nj_sequence_save. */
struct place {
    uint8_t key[SHA256_DIGEST_SIZE];
    char    name[2 * 16 + 1], path[4096]; /* the name is half of the key */
};

bool nj_prompt_head_folder(const struct nj_conf *conf, char *out, size_t size)
{
    static const char ending[] = ".heads";
    if (size < sizeof ending || !nj_conf_place(out, size - sizeof ending, conf->database.path))
        return false;
    strcat(out, ending);
    return true;
}

/* False where no file can be told from those of other programs. */
static bool find_place(const struct nj_engine *engine, const char *folder, const int32_t *ids, size_t count, struct place *out)
{
    struct stat       program;
    struct sha256_ctx hash;
    if (!folder || stat("/proc/self/exe", &program) != 0)
        return false;
    const int64_t numbers[] = {program.st_size, program.st_mtim.tv_sec, program.st_mtim.tv_nsec, (int64_t)count};
    sha256_init(&hash);
    sha256_update(&hash, 32, nj_engine_identity(engine));
    sha256_update(&hash, sizeof numbers, (const uint8_t *)numbers);
    sha256_update(&hash, count * sizeof *ids, (const uint8_t *)ids);
    sha256_digest(&hash, sizeof out->key, out->key);
    for (size_t i = 0; i < sizeof out->name / 2; i++)
        snprintf(out->name + 2 * i, 3, "%02x", out->key[i]);
    return nj_path_join(out->path, sizeof out->path, folder, out->name);
}

static bool take(const struct place *place, size_t count, struct nj_sequence *sequence)
{
    struct nj_error why   = {{0}};
    uint8_t        *bytes = NULL;
    size_t          size  = 0;
    if (access(place->path, F_OK) != 0)
        return false;
    nj_status status = nj_file_read(place->path, LIMIT, &bytes, &size, &why);
    if (status == NJ_OK && (size < sizeof place->key || memcmp(bytes, place->key, sizeof place->key) != 0))
        status = nj_fail(&why, "%s: it is damaged, or belongs to something else", place->path);
    if (status == NJ_OK) {
        status = nj_sequence_load(sequence, bytes + sizeof place->key, size - sizeof place->key, &why);
        if (status == NJ_OK && nj_sequence_length(sequence) != count)
            status = nj_fail(&why, "it holds %u positions where %zu belong", nj_sequence_length(sequence), count);
        if (status != NJ_OK)
            nj_error_prefix(&why, "%s", place->path);
    }
    free(bytes);
    if (status != NJ_OK) {
        nj_sequence_reset(sequence);
        nj_log(NJ_LOG_WARNING, "%s; the head of the prompt goes through the model again", why.text);
    }
    return status == NJ_OK;
}

/* Removes the oldest until NJ_PROMPT_HEADS are left; never `newest`, whatever its time says. */
static void drop_oldest(const char *folder, const char *newest)
{
    for (unsigned count = NJ_PROMPT_HEADS + 1; count > NJ_PROMPT_HEADS;) {
        DIR            *dir = opendir(folder);
        struct timespec time, least = {0};
        char            oldest[256] = "";
        count                       = 0;
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
            struct stat file;
            if (fstatat(dirfd(dir), entry->d_name, &file, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(file.st_mode))
                continue;
            count++;
            time = file.st_mtim;
            if (strcmp(entry->d_name, newest) == 0 ||
                (*oldest && (time.tv_sec > least.tv_sec || (time.tv_sec == least.tv_sec && time.tv_nsec >= least.tv_nsec))))
                continue;
            least = time;
            snprintf(oldest, sizeof oldest, "%s", entry->d_name);
        }
        if (count > NJ_PROMPT_HEADS && unlinkat(dirfd(dir), oldest, 0) != 0)
            count = 0;
        if (dir)
            closedir(dir);
    }
}

static void keep(const struct place *place, const char *folder, const struct nj_sequence *sequence)
{
    struct nj_error       why    = {{0}};
    struct nj_atomic_file file   = {.fd = -1};
    uint8_t              *bytes  = NULL;
    size_t                size   = 0;
    nj_status             status = nj_sequence_save(sequence, &bytes, &size, &why);
    if (status == NJ_OK)
        status = nj_make_folders(folder, &why);
    if (status == NJ_OK)
        status = nj_atomic_open(place->path, &file, &why);
    if (status == NJ_OK)
        status = nj_atomic_write(&file, place->key, sizeof place->key, &why);
    if (status == NJ_OK)
        status = nj_atomic_write(&file, bytes, size, &why);
    if (status == NJ_OK)
        status = nj_atomic_commit(&file, &why);
    nj_atomic_abort(&file);
    free(bytes);
    if (status == NJ_OK)
        drop_oldest(folder, place->name);
    else
        nj_log(NJ_LOG_DEBUG, "the head of the prompt is not kept for the next run: %s", why.text);
}

nj_status nj_prompt_head_feed(struct nj_engine *engine, const char *folder, const int32_t *ids, size_t count, struct nj_sequence *sequence,
                              struct nj_error *error)
{
    struct place   place;
    struct nj_step step = {.sequence = sequence, .ids = ids, .count = count};
    bool           kept = find_place(engine, folder, ids, count, &place);
    if (kept && take(&place, count, sequence))
        return NJ_OK;
    nj_status status = nj_engine_step(engine, &step, 1, error);
    if (status == NJ_OK && kept)
        keep(&place, folder, sequence);
    return status;
}
