/* Compiled grammars in files: the tables as they lie in memory, behind a header that says which program wrote them for which schema, and a checksum.
 *
 * A file that is damaged, from another version or another architecture is as good as none: the schema is compiled again and the file replaced. */
#include "base/file.h"
#include "pipeline/constrain/tables.h"

#include <nettle/sha2.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC      0x4e4a4752u /* reads differently where bytes stand the other way round */
#define FORMAT     2u          /* counts every change of tables.h or of what a schema compiles to */
#define FILE_LIMIT ((size_t)512 << 20)
#define TABLES     12
#define ALIGNMENT  16u

struct header {
    uint32_t magic, format;
    uint32_t form, any_order, root;
    uint32_t sizes[TABLES], counts[TABLES];
    uint32_t unused;
    uint8_t  schema[SHA256_DIGEST_SIZE];
    uint8_t  checksum[SHA256_DIGEST_SIZE]; /* of all else: the header with zeros here, and the tables */
};

struct table {      /* one of the grammar's, whatever its type */
    void     *data; /* where the pointer to its elements stands */
    uint32_t *count;
    uint32_t  size;
};

static void list_tables(struct nj_grammar *g, struct table out[TABLES])
{
#define TABLE(name)                                                                                                                        \
    {                                                                                                                                      \
        &g->name.data, &g->name.count, sizeof *g->name.data                                                                                \
    }
    const struct table all[TABLES] = {TABLE(values),   TABLE(lexemes), TABLE(objects),    TABLE(properties),  TABLE(arrays),  TABLE(tries),
                                      TABLE(literals), TABLE(dfas),    TABLE(dfa_states), TABLE(transitions), TABLE(numbers), TABLE(bytes)};
#undef TABLE
    memcpy(out, all, sizeof all);
}

static const void *elements(const struct table *table)
{
    const void *data;
    memcpy(&data, table->data, sizeof data);
    return data;
}

static size_t padded(uint64_t bytes)
{
    return (size_t)((bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

static void hash_schema(const char *text, size_t size, const struct nj_grammar_options *options, uint8_t digest[SHA256_DIGEST_SIZE])
{
    const uint32_t    key[] = {MAGIC, FORMAT, options ? options->form : 0, options ? options->any_order : 0};
    struct sha256_ctx hash;
    sha256_init(&hash);
    sha256_update(&hash, sizeof key, (const uint8_t *)key);
    sha256_update(&hash, size, (const uint8_t *)text);
    sha256_digest(&hash, SHA256_DIGEST_SIZE, digest);
}

/* The whole file as it would be written; malloc'd, NULL: no memory. */
static uint8_t *pack(struct nj_grammar *g, const uint8_t schema[SHA256_DIGEST_SIZE], size_t *size)
{
    struct header header = {.magic = MAGIC, .format = FORMAT, .form = g->form, .any_order = g->any_order, .root = g->root};
    struct table  tables[TABLES];
    size_t        at = padded(sizeof header);
    list_tables(g, tables);
    memcpy(header.schema, schema, sizeof header.schema);
    *size = at;
    for (int i = 0; i < TABLES; i++) {
        header.sizes[i]  = tables[i].size;
        header.counts[i] = *tables[i].count;
        *size += padded((uint64_t)tables[i].size * *tables[i].count);
    }
    uint8_t *bytes = calloc(1, *size);
    if (!bytes)
        return NULL;
    memcpy(bytes, &header, sizeof header);
    for (int i = 0; i < TABLES; i++) {
        size_t length = (size_t)tables[i].size * *tables[i].count;
        if (length)
            memcpy(bytes + at, elements(&tables[i]), length);
        at += padded(length);
    }
    struct sha256_ctx hash;
    sha256_init(&hash);
    sha256_update(&hash, *size, bytes);
    sha256_digest(&hash, sizeof header.checksum, header.checksum);
    memcpy(bytes, &header, sizeof header);
    return bytes;
}

/* Takes over `bytes` if they are a whole grammar of this schema. */
static bool unpack(uint8_t *bytes, size_t size, const uint8_t schema[SHA256_DIGEST_SIZE], struct nj_grammar *g)
{
    struct header     header;
    struct table      tables[TABLES];
    struct sha256_ctx hash;
    uint8_t           checksum[SHA256_DIGEST_SIZE];
    uint64_t          at = padded(sizeof header);
    if (size < at)
        return false;
    memcpy(&header, bytes, sizeof header);
    if (header.magic != MAGIC || header.format != FORMAT || memcmp(header.schema, schema, sizeof header.schema) != 0)
        return false;
    memcpy(checksum, header.checksum, sizeof checksum);
    memset(bytes + offsetof(struct header, checksum), 0, sizeof checksum);
    sha256_init(&hash);
    sha256_update(&hash, size, bytes);
    sha256_digest(&hash, sizeof header.checksum, header.checksum);
    if (memcmp(checksum, header.checksum, sizeof checksum) != 0)
        return false;
    list_tables(g, tables);
    for (int i = 0; i < TABLES; i++) {
        const void *data = bytes + at;
        if (header.sizes[i] != tables[i].size)
            return false;
        at += padded((uint64_t)header.sizes[i] * header.counts[i]);
        if (at > size)
            return false;
        memcpy(tables[i].data, &data, sizeof data);
        *tables[i].count = header.counts[i];
    }
    g->form      = header.form;
    g->any_order = header.any_order;
    g->root      = header.root;
    g->block     = bytes;
    return true;
}

static struct nj_grammar *read_file(const char *path, const uint8_t schema[SHA256_DIGEST_SIZE])
{
    uint8_t           *bytes = NULL;
    size_t             size;
    struct nj_grammar *g = calloc(1, sizeof *g);
    if (g && nj_file_read(path, FILE_LIMIT, &bytes, &size, NULL) == NJ_OK && unpack(bytes, size, schema, g))
        return g;
    free(bytes);
    free(g);
    return NULL;
}

nj_status nj_grammar_open(const char *folder, const char *name, const char *text, size_t size, const struct nj_grammar_options *options,
                          struct nj_grammar **out, struct nj_error *error)
{
    uint8_t schema[SHA256_DIGEST_SIZE];
    char    file[2 * SHA256_DIGEST_SIZE + 16], path[4096];
    hash_schema(text, size, options, schema);
    for (int i = 0; i < SHA256_DIGEST_SIZE; i++)
        snprintf(file + 2 * i, 3, "%02x", schema[i]);
    strcat(file, ".grammar");
    if (!nj_path_join(path, sizeof path, folder, file))
        return nj_grammar_compile_text(name, text, size, options, out, error);
    *out = read_file(path, schema);
    if (*out)
        return NJ_OK;
    nj_status status = nj_grammar_compile_text(name, text, size, options, out, error);
    size_t    length;
    uint8_t  *bytes = status == NJ_OK ? pack(*out, schema, &length) : NULL;
    if (bytes && nj_make_folders(folder, NULL) == NJ_OK)
        nj_file_write_atomic(path, bytes, length, NULL); /* without the file it is compiled again next time */
    free(bytes);
    return status;
}
