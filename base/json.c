#include "base/json.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

nj_status nj_json_parse(const char *name, const void *bytes, size_t size, json_t **out, struct nj_error *error)
{
    json_error_t where;
    *out = json_loadb(bytes, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
    if (*out)
        return NJ_OK;
    return nj_fail(error, "%s:%d:%d: not valid JSON: %s", name, where.line, where.column, where.text);
}

/* Streams, so that a file whose header lies about its size cannot make us allocate more than `limit`. */
static nj_status decompress(const char *path, uint8_t **data, size_t *size, size_t limit, struct nj_error *error)
{
    nj_status     status = NJ_OK;
    ZSTD_DCtx    *stream = ZSTD_createDCtx();
    uint8_t      *out    = NULL;
    size_t        used = 0, capacity = 0, more = 1;
    ZSTD_inBuffer in = {.src = *data, .size = *size};
    if (!stream) {
        status = nj_fail(error, "%s: no memory to decompress it", path);
        goto cleanup;
    }
    while (in.pos < in.size || more == 0) {
        if (used == capacity) {
            if (capacity >= limit) {
                status = nj_fail(error, "%s: more than %zu bytes after decompression", path, limit);
                goto cleanup;
            }
            capacity        = capacity ? capacity * 2 : 1 << 20;
            capacity        = capacity > limit ? limit : capacity;
            uint8_t *larger = realloc(out, capacity + 1);
            if (!larger) {
                status = nj_fail(error, "%s: no memory for %zu bytes", path, capacity);
                goto cleanup;
            }
            out = larger;
        }
        ZSTD_outBuffer to = {.dst = out + used, .size = capacity - used};
        more              = ZSTD_decompressStream(stream, &to, &in);
        if (ZSTD_isError(more)) {
            status = nj_fail(error, "%s: not a valid zstd file: %s", path, ZSTD_getErrorName(more));
            goto cleanup;
        }
        used += to.pos;
        if (in.pos == in.size && to.pos < to.size)
            break;
    }
    if (more != 0 || !out) {
        status = nj_fail(error, "%s: the compressed file is cut short", path);
        goto cleanup;
    }
    out[used] = 0;
    free(*data);
    *data = out;
    *size = used;
    out   = NULL;
cleanup:
    free(out);
    ZSTD_freeDCtx(stream);
    return status;
}

nj_status nj_json_read_text(const char *path, size_t limit, uint8_t **data, size_t *size, struct nj_error *error)
{
    size_t    length = strlen(path);
    nj_status status = nj_file_read(path, limit, data, size, error);
    if (status == NJ_OK && length > 4 && strcmp(path + length - 4, ".zst") == 0 &&
        (status = decompress(path, data, size, limit, error)) != NJ_OK) {
        free(*data);
        *data = NULL;
    }
    return status;
}

nj_status nj_json_read(const char *path, size_t limit, json_t **out, struct nj_error *error)
{
    uint8_t  *data;
    size_t    size;
    nj_status status = nj_json_read_text(path, limit, &data, &size, error);
    if (status != NJ_OK)
        return status;
    status = nj_json_parse(path, data, size, out, error);
    free(data);
    return status;
}
