/* lineage.c: where a model comes from: the names, sizes and SHA-256 of its files. */
#include "pipeline/model/lineage.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct hashing {
    bool (*progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
};

static nj_status hash_file(const struct hashing *hashing, const char *path, json_t **out, uint64_t *done, uint64_t total,
                           struct nj_error *error)
{
    enum { PORTION = 4 << 20 };
    struct sha256_ctx hash;
    uint8_t           digest[SHA256_DIGEST_SIZE], *buffer = malloc(PORTION);
    char              text[2 * SHA256_DIGEST_SIZE + 1];
    uint64_t          size   = 0;
    nj_status         status = NJ_OK;
    int               fd     = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || !buffer) {
        status = nj_fail_errno(error, fd < 0 ? errno : ENOMEM, "%s: cannot be read", path);
        goto cleanup;
    }
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    sha256_init(&hash);
    for (ssize_t got; (got = read(fd, buffer, PORTION)) != 0;) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            status = nj_fail_errno(error, errno, "%s: cannot be read", path);
            goto cleanup;
        }
        sha256_update(&hash, (size_t)got, buffer);
        size += (uint64_t)got;
        *done += (uint64_t)got;
        if (hashing->progress && hashing->progress(hashing->arg, *done, total)) {
            status = nj_fail_as(NJ_STOPPED, error, "stopped; nothing was left behind");
            goto cleanup;
        }
    }
    sha256_digest(&hash, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    const char *slash = strrchr(path, '/');
    *out              = json_pack("{s:s, s:I, s:s}", "name", slash ? slash + 1 : path, "bytes", (json_int_t)size, "sha256", text);
cleanup:
    if (fd >= 0)
        close(fd);
    free(buffer);
    return status;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The safetensors files of a folder by name, or the one file that `source` is. */
static nj_status list_sources(const char *source, bool random, char ***out, size_t *count, struct nj_error *error)
{
    struct stat info;
    char      **list = NULL, path[4096];
    *out             = NULL;
    *count           = 0;
    if (random)
        return NJ_OK;
    bool folder    = stat(source, &info) == 0 && S_ISDIR(info.st_mode);
    DIR *directory = folder ? opendir(source) : NULL;
    if (folder && !directory)
        return nj_fail_errno(error, errno, "%s: the folder cannot be read", source);
    nj_status status = NJ_OK;
    for (struct dirent *entry = NULL; status == NJ_OK && (!folder || (entry = readdir(directory)));) {
        size_t length = folder ? strlen(entry->d_name) : 0;
        if (folder && (length < 12 || strcmp(entry->d_name + length - 12, ".safetensors")))
            continue;
        char **larger = realloc(list, (*count + 1) * sizeof *list);
        list          = larger ? larger : list;
        bool fits     = folder ? nj_path_join(path, sizeof path, source, entry->d_name)
                               : (size_t)snprintf(path, sizeof path, "%s", source) < sizeof path;
        if (!larger || !fits || !(list[*count] = strdup(path)))
            status = nj_fail(error, "%s: cannot list its files", source);
        else
            ++*count;
        if (!folder)
            break;
    }
    if (directory)
        closedir(directory);
    if (*count)
        qsort(list, *count, sizeof *list, by_text);
    *out = list;
    return status;
}

json_t *nj_lineage_open(const char *source, const struct nj_checkpoint                   *checkpoint,
                        bool (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, nj_status *status, struct nj_error *error)
{
    static const char *const kinds[] = {[NJ_KIND_FOLDER] = "safetensors",
                                        [NJ_KIND_PACKED] = "nightjar",
                                        [NJ_KIND_GGUF]   = "gguf",
                                        [NJ_KIND_RANDOM] = "random weights, never trained"};
    const struct hashing     hashing = {progress, arg};
    char                   **list;
    size_t                   count, length = strlen(source), start;
    uint64_t                 total = 0, done = 0;
    json_t                  *files = json_array(), *entry = NULL;
    *status = list_sources(source, checkpoint->kind == NJ_KIND_RANDOM, &list, &count, error);
    for (size_t i = 0; i < count; i++) {
        struct stat info;
        total += stat(list[i], &info) == 0 ? (uint64_t)info.st_size : 0;
    }
    for (size_t i = 0; i < count && *status == NJ_OK; i++)
        if ((*status = hash_file(&hashing, list[i], &entry, &done, total, error)) == NJ_OK)
            json_array_append_new(files, entry);
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
    while (length > 1 && source[length - 1] == '/')
        length--;
    for (start = length; start > 0 && source[start - 1] != '/'; start--)
        ;
    json_t *origin = json_pack("{s:s%, s:s, s:o}", "name", source + start, length - start, "form", kinds[checkpoint->kind], "files", files);
    const json_t *before = json_object_get(checkpoint->metadata, "lineage");
    if (json_is_string(before))
        json_object_set_new(origin, "lineage", json_loads(json_string_value(before), 0, NULL));
    return json_pack("{s:s, s:o}", "program", "nightjar " NJ_VERSION, "source", origin);
}
