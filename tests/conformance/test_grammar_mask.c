/* The exact set of tokens after each prefix of the goldens, as two other engines found it. Rows on which those two differ are left out. */
#include "tests/conformance/grammar_case.h"

struct tally {
    struct grammar_bench bench;
    size_t               rows, wrong, disputed;
    json_t              *files; /* schema name -> file */
};

static void note_file(const json_t *row, size_t number, void *arg)
{
    struct tally *t = arg;
    (void)number;
    json_object_set(t->files, json_string_value(json_object_get(row, "schema")), json_object_get(row, "file"));
}

static void finish_schema(struct tally *t)
{
    if (t->bench.name[0])
        CHECK(t->wrong == 0, "%s: %zu masks equal, %zu not, %zu disputed", t->bench.name, t->rows - t->wrong, t->wrong, t->disputed);
    t->rows = t->wrong = t->disputed = 0;
}

static void complain(struct tally *t, size_t number, const json_t *row, const char *what, size_t got)
{
    if (t->wrong++ < 3)
        printf("# mask.jsonl:%zu: %s: after %s: %s, got %zu\n", number, t->bench.name,
               json_string_value(json_object_get(row, "prefix_utf8")), what, got);
}

static void check_row(const json_t *row, size_t number, void *arg)
{
    struct tally *t      = arg;
    const char   *schema = json_string_value(json_object_get(row, "schema"));
    if (strcmp(schema, t->bench.name) != 0) {
        finish_schema(t);
        if (!grammar_bench_case(&t->bench, schema, json_string_value(json_object_get(t->files, schema))))
            return;
    }
    if (!t->bench.constraint)
        return;
    if (!strcmp(json_string_value(json_object_get(row, "by")), "disputed")) {
        t->disputed++;
        return;
    }
    t->rows++;
    const json_t *prefix = json_object_get(row, "prefix");
    size_t        taken  = grammar_bench_feed(&t->bench, prefix);
    if (taken != json_array_size(prefix)) {
        complain(t, number, row, "the prefix is refused at its token", taken);
        return;
    }
    uint32_t  count = 0, size = nj_vocabulary_size(t->bench.vocabulary);
    int32_t  *ids    = malloc(size * sizeof *ids);
    nj_status status = nj_constraint_mask(t->bench.constraint, t->bench.bits, &count, NULL);
    size_t    found  = 0;
    for (uint32_t id = 0; id < size; id++)
        if (t->bench.bits[id / 64] >> id % 64 & 1)
            ids[found++] = (int32_t)id;
    if (status != NJ_OK || found != count || json_integer_value(json_object_get(row, "n")) != (json_int_t)found ||
        !reference_sha256_is(ids, found * sizeof *ids, json_string_value(json_object_get(row, "sha256"))))
        complain(t, number, row, "another set of tokens", found);
    else if (json_is_true(json_object_get(row, "stop")) != nj_constraint_may_stop(t->bench.constraint))
        complain(t, number, row, "whether it may stop", nj_constraint_may_stop(t->bench.constraint));
    free(ids);
}

int main(void)
{
    struct tally t = {.files = NULL};
    if (!tap_shared()) {
        SKIP("the reference files are not here");
        return tap_done();
    }
    if (grammar_bench_open(&t.bench)) {
        t.files = json_object();
        reference_lines("reference/grammar/must.jsonl", note_file, &t);
        reference_lines("reference/grammar/mask.jsonl", check_row, &t);
        finish_schema(&t);
        json_decref(t.files);
    }
    grammar_bench_close(&t.bench);
    return tap_done();
}
