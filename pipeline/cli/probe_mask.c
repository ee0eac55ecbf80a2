/* probe_mask.c: `probe mask`, the ids that a schema lets come next. */
#include "base/json.h"
#include "base/npy.h"
#include "pipeline/cli/arguments.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/open_model.h"
#include "pipeline/cli/open_schema.h"
#include "pipeline/cli/session.h"
#include "pipeline/constrain/constraint.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASES_LIMIT  ((size_t)1 << 30)
#define SCHEMAS_KEPT 64

struct schema { /* one that was asked for, and what became of it */
    char                 *path;
    struct nj_grammar    *grammar;
    struct nj_constraint *constraint;
    struct nj_error       error; /* why it was refused */
};

struct masker {
    struct nj_cli_tokenizer model;
    struct nj_vocabulary   *vocabulary;
    uint64_t               *bits;
    int32_t                *ids; /* of the last mask, sorted */
    uint32_t                count;
    struct schema           schemas[SCHEMAS_KEPT];
    size_t                  schema_count;
};

static nj_status masker_open(const char *path, struct masker *m, struct nj_error *error)
{
    nj_status status = nj_cli_tokenizer_open(path, &m->model, error);
    if (status == NJ_OK)
        status = nj_vocabulary_open(m->model.tokenizer, &m->vocabulary, error);
    if (status != NJ_OK)
        return status;
    uint32_t size = nj_vocabulary_size(m->vocabulary);
    m->bits       = malloc((NJ_MASK_WORDS(size) + 1) * sizeof *m->bits);
    m->ids        = malloc(((size_t)size + 1) * sizeof *m->ids);
    return m->bits && m->ids ? NJ_OK : nj_fail(error, "no memory for a mask of %u tokens", size);
}

static void schema_close(struct schema *s)
{
    nj_constraint_close(s->constraint);
    nj_grammar_close(s->grammar);
    free(s->path);
    *s = (struct schema){0};
}

static void masker_close(struct masker *m)
{
    for (size_t i = 0; i < m->schema_count; i++)
        schema_close(&m->schemas[i]);
    nj_vocabulary_close(m->vocabulary);
    nj_cli_tokenizer_close(&m->model);
    free(m->bits);
    free(m->ids);
}

/* Compiles a schema once. A refusal is remembered, too: s->constraint is NULL then. */
static nj_status find_schema(struct masker *m, const char *path, struct schema **out, struct nj_error *error)
{
    for (size_t i = 0; i < m->schema_count; i++)
        if (!strcmp(m->schemas[i].path, path)) {
            *out = &m->schemas[i];
            return NJ_OK;
        }
    if (m->schema_count == SCHEMAS_KEPT)
        schema_close(&m->schemas[--m->schema_count]);
    struct schema *s = *out = &m->schemas[m->schema_count];
    *s                      = (struct schema){0};
    s->path                 = strdup(path);
    if (!s->path)
        return nj_fail(error, "no memory for the name of a schema");
    m->schema_count++;
    if (nj_cli_schema_open(path, &s->grammar, &s->error) == NJ_OK)
        nj_constraint_open(s->grammar, m->vocabulary, &s->constraint, &s->error);
    return NJ_OK;
}

/* Takes the ids; *refused_at is the first that is not allowed, or `count`. */
static void feed(struct nj_constraint *constraint, const int32_t *ids, size_t count, size_t *refused_at)
{
    nj_constraint_reset(constraint);
    for (*refused_at = 0; *refused_at < count; ++*refused_at)
        if (nj_constraint_advance(constraint, ids[*refused_at], NULL) != NJ_OK)
            return;
}

static nj_status find_mask(struct masker *m, struct nj_constraint *constraint, struct nj_error *error)
{
    uint32_t  count;
    nj_status status = nj_constraint_mask(constraint, m->bits, &count, error);
    m->count         = 0;
    for (size_t word = 0; status == NJ_OK && word < NJ_MASK_WORDS(nj_vocabulary_size(m->vocabulary)); word++)
        for (unsigned bit = 0; bit < 64 && m->bits[word] >> bit; bit++)
            if (m->bits[word] >> bit & 1)
                m->ids[m->count++] = (int32_t)(word * 64 + bit);
    return status;
}

static nj_status single(struct masker *m, const char *schema_path, const char *ids_path, const char *output, struct nj_error *error)
{
    struct nj_ids  ids = {0};
    struct schema *schema;
    size_t         refused_at;
    nj_status      status = nj_ids_read(ids_path, &ids, error);
    if (status == NJ_OK)
        status = find_schema(m, schema_path, &schema, error);
    if (status == NJ_OK && !schema->constraint)
        status = nj_fail(error, "%s", schema->error.text);
    if (status == NJ_OK) {
        feed(schema->constraint, ids.data, ids.count, &refused_at);
        if (refused_at < ids.count)
            status = nj_fail(error, "%s: element %zu, id %d, is not allowed after those before it", ids_path, refused_at,
                             (int)ids.data[refused_at]);
    }
    if (status == NJ_OK)
        status = find_mask(m, schema->constraint, error);
    if (status == NJ_OK) {
        const size_t shape[1] = {m->count};
        status                = nj_npy_write(output, NJ_NPY_INT32, shape, 1, m->ids, error);
    }
    free(ids.data);
    return status;
}

/* --- many cases --- */

static void print_hash(const int32_t *ids, uint32_t count)
{
    struct sha256_ctx context;
    uint8_t           digest[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t id       = (uint32_t)ids[i];
        const uint8_t  bytes[4] = {(uint8_t)id, (uint8_t)(id >> 8), (uint8_t)(id >> 16), (uint8_t)(id >> 24)};
        sha256_update(&context, sizeof bytes, bytes);
    }
    sha256_digest(&context, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        printf("%02x", digest[i]);
}

static nj_status answer(struct masker *m, struct schema *schema, const struct nj_ids *ids, struct nj_error *error)
{
    size_t         refused_at;
    struct nj_text text = {0};
    if (!schema->constraint) {
        nj_text_add_json(&text, schema->error.text, strlen(schema->error.text));
        printf("{\"error\": %s}\n", text.data ? text.data : "\"\"");
        nj_text_free(&text);
        return NJ_OK;
    }
    feed(schema->constraint, ids->data, ids->count, &refused_at);
    if (refused_at < ids->count) {
        printf("{\"refused_at\": %zu}\n", refused_at);
        return NJ_OK;
    }
    nj_status status = find_mask(m, schema->constraint, error);
    if (status != NJ_OK)
        return status;
    printf("{\"refused_at\": null, \"count\": %u, \"sha256\": \"", m->count);
    print_hash(m->ids, m->count);
    printf("\", \"stop\": %s}\n", nj_constraint_may_stop(schema->constraint) ? "true" : "false");
    return NJ_OK;
}

static nj_status one_case(struct masker *m, const char *name, const json_t *row, struct nj_error *error)
{
    const char    *path   = json_string_value(json_object_get(row, "schema"));
    const json_t  *list   = json_object_get(row, "ids");
    struct nj_ids  ids    = {0};
    struct schema *schema = NULL;
    nj_status      status = NJ_OK;
    if (!path || !json_is_array(list))
        return nj_fail(error, "%s: {\"schema\": FILE, \"ids\": [...]} is expected", name);
    for (size_t i = 0; i < json_array_size(list) && status == NJ_OK; i++) {
        const json_t *id    = json_array_get(list, i);
        bool          known = json_integer_value(id) >= 0 && json_integer_value(id) <= INT32_MAX; /* what is no id is never allowed */
        if (!json_is_integer(id))
            status = nj_fail(error, "%s: element %zu of \"ids\" is not an id", name, i);
        else if (!nj_ids_add(&ids, known ? (int32_t)json_integer_value(id) : -1))
            status = nj_fail(error, "%s: no memory for its ids", name);
    }
    if (status == NJ_OK)
        status = find_schema(m, path, &schema, error);
    if (status == NJ_OK)
        status = answer(m, schema, &ids, error);
    free(ids.data);
    return status;
}

static nj_status batch(struct masker *m, const char *path, struct nj_error *error)
{
    char     *lines;
    size_t    size, number = 0;
    nj_status status = nj_cli_read(path, CASES_LIMIT, &lines, &size, error);
    if (status != NJ_OK)
        return status;
    for (char *line = lines, *end; status == NJ_OK && line < lines + size; line = end + 1) {
        json_t *row = NULL;
        char    name[4200];
        end = memchr(line, '\n', size - (size_t)(line - lines));
        end = end ? end : lines + size;
        snprintf(name, sizeof name, "%s:%zu", path, ++number);
        if (strspn(line, " \t\r") >= (size_t)(end - line))
            continue;
        status = nj_json_parse(name, line, (size_t)(end - line), &row, error);
        if (status == NJ_OK)
            status = one_case(m, name, row, error);
        json_decref(row);
    }
    free(lines);
    return status;
}

int nj_probe_mask(struct nj_cli *cli, int argc, char **argv)
{
    const char              *model = NULL, *schema = NULL, *ids = NULL, *output = NULL, *cases = NULL;
    const struct nj_argument options[] = {{"-m", NJ_ARG_TEXT, &model},  {"--schema", NJ_ARG_TEXT, &schema}, {"--ids", NJ_ARG_TEXT, &ids},
                                          {"-o", NJ_ARG_TEXT, &output}, {"--batch", NJ_ARG_TEXT, &cases},   {NULL, 0, NULL}};
    int                      words     = nj_arguments(argc, argv, options);
    if (words < 0)
        return NJ_EXIT_USAGE;
    if (words > 1 || !model || (!cases && (!schema || !ids || !output)) || (cases && (schema || ids || output)))
        return nj_usage("mask", "%s", words > 1 ? argv[1] : !model ? "-m MODEL is missing" : "either --batch, or --schema, --ids and -o");
    struct masker *m = calloc(1, sizeof *m);
    if (!m)
        return nj_exit(nj_fail(&cli->error, "no memory"));
    nj_status status = masker_open(model, m, &cli->error);
    if (status == NJ_OK)
        status = cases ? batch(m, cases, &cli->error) : single(m, schema, ids, output, &cli->error);
    masker_close(m);
    free(m);
    return nj_exit(status);
}
