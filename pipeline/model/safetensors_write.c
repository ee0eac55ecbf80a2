#include "pipeline/model/safetensors_write.h"
#include "pipeline/model/tensors.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DIGEST_TEXT (2 * SHA256_DIGEST_SIZE + 1)

struct slot {
    char        name[NJ_MAX_NAME];
    const char *dtype;
    uint32_t    rank;
    uint64_t    shape[4], size, begin;
    bool        align;
    char        digest[DIGEST_TEXT];
};

struct nj_writer {
    struct nj_writer_options options;
    struct nj_atomic_file    file;
    struct slot             *slots;
    size_t                   count, capacity;
    json_t                  *metadata;
    uint64_t                 header_size, total, done; /* data bytes, padding included */
    size_t                   current;
    uint64_t                 written; /* of the current tensor */
    bool                     hollow;  /* part of the current tensor is a hole */
    struct sha256_ctx        hash;
};

nj_status nj_writer_open(const char *path, const struct nj_writer_options *options, struct nj_writer **out, struct nj_error *error)
{
    struct nj_writer *writer = calloc(1, sizeof *writer);
    *out                     = NULL;
    if (!writer)
        return nj_fail(error, "%s: no memory to write it", path);
    writer->options  = *options;
    nj_status status = nj_atomic_open(path, &writer->file, error);
    if (status != NJ_OK)
        free(writer);
    else
        *out = writer;
    return status;
}

nj_status nj_writer_declare(struct nj_writer *writer, const char *name, const char *dtype, uint32_t bytes_each, uint32_t rank,
                            const uint64_t *shape, bool align, struct nj_error *error)
{
    if (writer->count == writer->capacity) {
        size_t       capacity = writer->capacity ? 2 * writer->capacity : 256;
        struct slot *larger   = realloc(writer->slots, capacity * sizeof *larger);
        if (!larger)
            return nj_fail(error, "%s: no memory for the names of %zu tensors", writer->file.path, capacity);
        writer->slots    = larger;
        writer->capacity = capacity;
    }
    struct slot *slot = &writer->slots[writer->count++];
    *slot             = (struct slot){.dtype = dtype, .rank = rank, .size = bytes_each, .align = align};
    snprintf(slot->name, sizeof slot->name, "%s", name);
    for (uint32_t i = 0; i < rank; i++) {
        slot->shape[i] = shape[i];
        slot->size *= shape[i];
    }
    return NJ_OK;
}

/* Inserts padding where a tensor must start on a boundary. Data begin on that boundary, too (see header_text). */
static nj_status lay_out(struct nj_writer *writer, struct nj_error *error)
{
    size_t       count = writer->count;
    struct slot *old   = writer->slots;
    uint64_t     place = 0, padding = 0;
    writer->slots = NULL;
    writer->count = writer->capacity = 0;
    nj_status status                 = NJ_OK;
    for (size_t i = 0; i < count && status == NJ_OK; i++) {
        uint64_t gap = old[i].align && writer->options.alignment ? -place % writer->options.alignment : 0;
        if (gap) {
            char name[32];
            snprintf(name, sizeof name, "padding.%llu", (unsigned long long)padding++);
            status                                     = nj_writer_declare(writer, name, "U8", 1, 1, &gap, false, error);
            writer->slots[writer->count - 1].begin     = place;
            writer->slots[writer->count - 1].digest[0] = 0;
            place += gap;
        }
        if (status == NJ_OK)
            status = nj_writer_declare(writer, old[i].name, old[i].dtype, 1, 1, &old[i].size, false, error);
        if (status == NJ_OK) {
            writer->slots[writer->count - 1]       = old[i];
            writer->slots[writer->count - 1].begin = place;
            place += old[i].size;
        }
    }
    free(old);
    writer->total = place;
    return status;
}

/* The header as it stands, blanks behind it up to the alignment. Digests that are not known yet take their space as dashes. */
static char *header_text(const struct nj_writer *writer, size_t *size)
{
    json_t *header = json_object(), *metadata = json_deep_copy(writer->metadata);
    char    key[NJ_MAX_NAME + 8], *text       = NULL;
    json_object_set_new(header, "__metadata__", metadata);
    for (size_t i = 0; i < writer->count; i++) {
        const struct slot *slot  = &writer->slots[i];
        json_t            *shape = json_array();
        for (uint32_t k = 0; k < slot->rank; k++)
            json_array_append_new(shape, json_integer((json_int_t)slot->shape[k]));
        json_object_set_new(header, slot->name,
                            json_pack("{s:s, s:o, s:[I, I]}", "dtype", slot->dtype, "shape", shape, "data_offsets", (json_int_t)slot->begin,
                                      (json_int_t)(slot->begin + slot->size)));
        if (!writer->options.checksums || !strncmp(slot->name, "padding.", 8))
            continue;
        snprintf(key, sizeof key, "sha256:%s", slot->name);
        json_object_set_new(
            metadata, key,
            json_string(slot->digest[0] ? slot->digest : "----------------------------------------------------------------"));
    }
    char *json = json_dumps(header, JSON_COMPACT);
    json_decref(header);
    if (!json)
        return NULL;
    size_t length = strlen(json), unit = writer->options.alignment ? writer->options.alignment : 8;
    *size = (8 + length + (writer->header_size ? 0 : writer->options.reserve) + unit - 1) / unit * unit;
    *size = *size < writer->header_size ? writer->header_size : *size; /* written again: what is behind it does not move */
    text  = malloc(*size);
    if (text) {
        uint64_t field = *size - 8;
        memcpy(text, &field, sizeof field);
        memcpy(text + 8, json, length);
        memset(text + 8 + length, ' ', *size - 8 - length);
    }
    free(json);
    return text;
}

static nj_status put_header(struct nj_writer *writer, struct nj_error *error)
{
    size_t size = 0;
    char  *text = header_text(writer, &size);
    if (!text)
        return nj_fail(error, "%s: no memory for its header", writer->file.path);
    nj_status status = NJ_OK;
    if (writer->header_size && writer->header_size != size) {
        free(text);
        return nj_fail(error, "%s: its header outgrew the room reserved for it: a fault in this program", writer->file.path);
    }
    writer->header_size = size;
    for (size_t put = 0; put < size && status == NJ_OK;) {
        ssize_t got = pwrite(writer->file.fd, text + put, size - put, (off_t)put);
        if (got < 0 && errno != EINTR)
            status = nj_fail_errno(error, errno, "%s: cannot be written", writer->file.path);
        put += got > 0 ? (size_t)got : 0;
    }
    free(text);
    return status;
}

static nj_status check_space(const struct nj_writer *writer, struct nj_error *error)
{
    struct statvfs disk;
    uint64_t       need = writer->header_size + writer->total;
    if (writer->options.sparse || fstatvfs(writer->file.fd, &disk) != 0 || disk.f_frsize * (uint64_t)disk.f_bavail >= need)
        return NJ_OK;
    return nj_fail(error, "%s: %.1f GB are needed, %.1f GB are free on that disk", writer->file.path, (double)need / 1e9,
                   (double)disk.f_frsize * (double)disk.f_bavail / 1e9);
}

static void finish_tensors(struct nj_writer *writer);

nj_status nj_writer_begin(struct nj_writer *writer, const json_t *metadata, struct nj_error *error)
{
    writer->metadata = metadata ? json_deep_copy(metadata) : json_object();
    NJ_TRY(lay_out(writer, error));
    NJ_TRY(put_header(writer, error));
    NJ_TRY(check_space(writer, error));
    if (lseek(writer->file.fd, (off_t)writer->header_size, SEEK_SET) < 0)
        return nj_fail_errno(error, errno, "%s: cannot be written", writer->file.path);
    sha256_init(&writer->hash);
    finish_tensors(writer);
    return NJ_OK;
}

/* Closes tensors that are complete, and steps over padding and empty ones. */
static void finish_tensors(struct nj_writer *writer)
{
    while (writer->current < writer->count && writer->written == writer->slots[writer->current].size) {
        struct slot *slot = &writer->slots[writer->current];
        uint8_t      digest[SHA256_DIGEST_SIZE];
        sha256_digest(&writer->hash, sizeof digest, digest); /* also starts the next one */
        for (size_t i = 0; i < sizeof digest && writer->options.checksums && !writer->hollow; i++)
            snprintf(slot->digest + 2 * i, 3, "%02x", digest[i]);
        writer->current++;
        writer->written = 0;
        writer->hollow  = false;
    }
}

static nj_status put_padding(struct nj_writer *writer, struct nj_error *error)
{
    static const uint8_t zeros[4096];
    while (writer->current < writer->count && !strncmp(writer->slots[writer->current].name, "padding.", 8)) {
        uint64_t left = writer->slots[writer->current].size - writer->written, size = left < sizeof zeros ? left : sizeof zeros;
        NJ_TRY(nj_atomic_write(&writer->file, zeros, size, error));
        writer->written += size;
        writer->done += size;
        finish_tensors(writer);
    }
    return NJ_OK;
}

static nj_status check_room(struct nj_writer *writer, uint64_t size, struct nj_error *error)
{
    NJ_TRY(put_padding(writer, error));
    if (writer->current == writer->count || size > writer->slots[writer->current].size - writer->written)
        return nj_fail(error, "%s: more bytes than were declared: a fault in this program", writer->file.path);
    return NJ_OK;
}

static void advance(struct nj_writer *writer, uint64_t size)
{
    writer->written += size;
    writer->done += size;
    finish_tensors(writer);
}

nj_status nj_writer_write(struct nj_writer *writer, const void *data, uint64_t size, struct nj_error *error)
{
    NJ_TRY(check_room(writer, size, error));
    NJ_TRY(nj_atomic_write(&writer->file, data, size, error));
    if (writer->options.checksums)
        sha256_update(&writer->hash, size, data);
    advance(writer, size);
    return NJ_OK;
}

nj_status nj_writer_hole(struct nj_writer *writer, uint64_t size, struct nj_error *error)
{
    NJ_TRY(check_room(writer, size, error));
    if (lseek(writer->file.fd, (off_t)size, SEEK_CUR) < 0)
        return nj_fail_errno(error, errno, "%s: cannot be written", writer->file.path);
    writer->hollow = true;
    advance(writer, size);
    return NJ_OK;
}

void nj_writer_metadata(struct nj_writer *writer, const char *key, const char *value)
{
    json_object_set_new(writer->metadata, key, json_string(value));
}

uint64_t nj_writer_total(const struct nj_writer *writer)
{
    return writer->total;
}

uint64_t nj_writer_done(const struct nj_writer *writer)
{
    return writer->done;
}

nj_status nj_writer_commit(struct nj_writer *writer, struct nj_error *error)
{
    NJ_TRY(put_padding(writer, error));
    if (writer->current != writer->count)
        return nj_fail(error, "%s: %s was declared and not written: a fault in this program", writer->file.path,
                       writer->slots[writer->current].name);
    NJ_TRY(put_header(writer, error));
    if (ftruncate(writer->file.fd, (off_t)(writer->header_size + writer->total)) != 0)
        return nj_fail_errno(error, errno, "%s: cannot be written", writer->file.path);
    return nj_atomic_commit(&writer->file, error);
}

void nj_writer_close(struct nj_writer *writer)
{
    if (!writer)
        return;
    nj_atomic_abort(&writer->file);
    json_decref(writer->metadata);
    free(writer->slots);
    free(writer);
}
