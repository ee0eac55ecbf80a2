#include "base/npy.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *descr;
    size_t      size;
} types[] = {
    [NJ_NPY_UINT8]   = {"|u1", 1},
    [NJ_NPY_INT32]   = {"<i4", 4},
    [NJ_NPY_FLOAT32] = {"<f4", 4},
};

#define MAGIC     "\x93NUMPY\x01\x00"
#define PREAMBLE  10 /* magic, version, u16 length of the header text */
#define ALIGNMENT 64

/* The header is a Python dict; a cursor over it and three small readers are all the parsing it needs. */
struct cursor {
    const char *at, *end;
};

static void skip_spaces(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n'))
        c->at++;
}

static bool take(struct cursor *c, const char *token)
{
    size_t length = strlen(token);
    skip_spaces(c);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, token, length) != 0)
        return false;
    c->at += length;
    return true;
}

static bool take_number(struct cursor *c, size_t *out)
{
    skip_spaces(c);
    const char *start = c->at;
    size_t      value = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        size_t digit = (size_t)(*c->at - '0');
        if (value > (SIZE_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return c->at > start;
}

static bool take_type(struct cursor *c, enum nj_npy_type *out)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char quoted[8] = {'\'', types[i].descr[0], types[i].descr[1], types[i].descr[2], '\''};
        if (take(c, quoted)) {
            *out = (enum nj_npy_type)i;
            return true;
        }
    }
    return false;
}

static bool take_shape(struct cursor *c, struct nj_npy *out)
{
    if (!take(c, "("))
        return false;
    while (!take(c, ")")) {
        size_t length;
        if (out->rank == NJ_NPY_MAX_RANK || !take_number(c, &length))
            return false;
        if (length != 0 && out->count > SIZE_MAX / length)
            return false;
        out->shape[out->rank++] = length;
        out->count *= length;
        take(c, ",");
    }
    return true;
}

static bool parse_header(struct cursor *c, struct nj_npy *out)
{
    bool has_type = false, has_order = false, has_shape = false;
    out->count = 1;
    if (!take(c, "{"))
        return false;
    while (!take(c, "}")) {
        if (!has_type && take(c, "'descr':"))
            has_type = take_type(c, &out->type);
        else if (!has_order && take(c, "'fortran_order':"))
            has_order = take(c, "False");
        else if (!has_shape && take(c, "'shape':"))
            has_shape = take_shape(c, out);
        else
            return false;
        take(c, ",");
    }
    return has_type && has_order && has_shape;
}

nj_status nj_npy_read(const char *path, size_t limit, struct nj_npy *out, struct nj_error *error)
{
    uint8_t *bytes;
    size_t   size;
    *out             = (struct nj_npy){0};
    nj_status status = nj_file_read(path, limit, &bytes, &size, error);
    if (status != NJ_OK)
        return status;
    size_t header = size >= PREAMBLE ? (size_t)bytes[8] | (size_t)bytes[9] << 8 : 0;
    if (size < PREAMBLE || memcmp(bytes, MAGIC, 8) != 0 || header > size - PREAMBLE) {
        status = nj_fail(error, "%s: not a version 1.0 .npy file", path);
        goto cleanup;
    }
    struct cursor c = {(const char *)bytes + PREAMBLE, (const char *)bytes + PREAMBLE + header};
    if (!parse_header(&c, out)) {
        status = nj_fail(error, "%s: its header is not that of a C-ordered array of uint8, int32 or float32", path);
        goto cleanup;
    }
    size_t have = size - PREAMBLE - header;
    if (out->count > SIZE_MAX / types[out->type].size || have != out->count * types[out->type].size) {
        status = nj_fail(error, "%s: %zu bytes of values, its shape needs %zu of %zu bytes each: the file is damaged", path, have,
                         out->count, types[out->type].size);
        goto cleanup;
    }
    memmove(bytes, bytes + PREAMBLE + header, have);
    out->data = bytes;
    bytes     = NULL;
cleanup:
    free(bytes);
    if (status != NJ_OK)
        *out = (struct nj_npy){0};
    return status;
}

void nj_npy_free(struct nj_npy *array)
{
    free(array->data);
    *array = (struct nj_npy){0};
}

nj_status nj_npy_begin(const char *path, enum nj_npy_type type, const size_t *shape, size_t rank, struct nj_atomic_file *out,
                       struct nj_error *error)
{
    struct nj_text header = {0};
    nj_text_add_bytes(&header, MAGIC "\0\0", PREAMBLE);
    nj_text_addf(&header, "{'descr': '%s', 'fortran_order': False, 'shape': (", types[type].descr);
    for (size_t i = 0; i < rank; i++)
        nj_text_addf(&header, "%zu%s", shape[i], i + 1 < rank ? ", " : rank == 1 ? "," : "");
    nj_text_add(&header, "), }");
    while (!header.failed && (header.length + 1) % ALIGNMENT != 0)
        nj_text_add(&header, " ");
    nj_text_add(&header, "\n");
    if (header.failed) {
        nj_text_free(&header);
        return nj_fail(error, "%s: no memory", path);
    }
    size_t length    = header.length - PREAMBLE;
    header.data[8]   = (char)(length & 0xff);
    header.data[9]   = (char)(length >> 8);
    nj_status status = nj_atomic_open(path, out, error);
    if (status == NJ_OK) {
        status = nj_atomic_write(out, header.data, header.length, error);
        if (status != NJ_OK)
            nj_atomic_abort(out);
    }
    nj_text_free(&header);
    return status;
}

nj_status nj_npy_write(const char *path, enum nj_npy_type type, const size_t *shape, size_t rank, const void *data, struct nj_error *error)
{
    struct nj_atomic_file file;
    size_t                bytes = types[type].size;
    for (size_t i = 0; i < rank; i++)
        bytes *= shape[i];
    nj_status status = nj_npy_begin(path, type, shape, rank, &file, error);
    if (status != NJ_OK)
        return status;
    status = nj_atomic_write(&file, data, bytes, error);
    if (status != NJ_OK) {
        nj_atomic_abort(&file);
        return status;
    }
    return nj_atomic_commit(&file, error);
}
