/* grammar_case.h: opens the vocabulary and the schemas of the grammar goldens. */
#ifndef NJ_TESTS_CONFORMANCE_GRAMMAR_CASE_H
#define NJ_TESTS_CONFORMANCE_GRAMMAR_CASE_H

#include "pipeline/constrain/constraint.h"
#include "tests/conformance/reference.h"

struct grammar_bench { /* what all cases share, and the grammar of the last one */
    struct nj_tokenizer  *tokenizer;
    struct nj_vocabulary *vocabulary;
    char                  name[128];
    struct nj_grammar    *grammar;
    struct nj_constraint *constraint;
    uint64_t             *bits;
};

__attribute__((unused)) static bool grammar_bench_open(struct grammar_bench *b)
{
    struct nj_error error = {0};
    *b                    = (struct grammar_bench){0};
    if (!CHECK(nj_tokenizer_open(reference_path("data/tokenizer/gemma4-tokenizer.json.zst"), &b->tokenizer, &error) == NJ_OK,
               "tokenizer: %s", error.text) ||
        !CHECK(nj_vocabulary_open(b->tokenizer, &b->vocabulary, &error) == NJ_OK, "vocabulary: %s", error.text))
        return false;
    b->bits = malloc(NJ_MASK_WORDS(nj_vocabulary_size(b->vocabulary)) * sizeof *b->bits);
    return true;
}

__attribute__((unused)) static void grammar_bench_case_close(struct grammar_bench *b)
{
    nj_constraint_close(b->constraint);
    nj_grammar_close(b->grammar);
    b->constraint = NULL;
    b->grammar    = NULL;
    b->name[0]    = 0;
}

__attribute__((unused)) static void grammar_bench_close(struct grammar_bench *b)
{
    grammar_bench_case_close(b);
    nj_vocabulary_close(b->vocabulary);
    nj_tokenizer_close(b->tokenizer);
    free(b->bits);
}

/* `file`: "schemas/X.json" beside the goldens, or "sentinel:X". */
__attribute__((unused)) static bool grammar_bench_case(struct grammar_bench *b, const char *name, const char *file)
{
    struct nj_error error = {0};
    char            path[256];
    json_t         *schema;
    grammar_bench_case_close(b);
    if (!strncmp(file, "sentinel:", 9))
        snprintf(path, sizeof path, "data/sentinel/%s", file + 9);
    else
        snprintf(path, sizeof path, "reference/grammar/%s", file);
    schema = reference_json(path);
    if (!schema)
        return false;
    bool ok = nj_grammar_compile(name, schema, NULL, &b->grammar, &error) == NJ_OK &&
              nj_constraint_open(b->grammar, b->vocabulary, &b->constraint, &error) == NJ_OK;
    json_decref(schema);
    snprintf(b->name, sizeof b->name, "%s", name);
    return ok || CHECK(false, "%s compiles: %s", name, error.text);
}

/* Takes ids until one is not allowed; how many went in. */
__attribute__((unused)) static size_t grammar_bench_feed(struct grammar_bench *b, const json_t *ids)
{
    size_t taken = 0;
    nj_constraint_reset(b->constraint);
    while (taken < json_array_size(ids) &&
           nj_constraint_advance(b->constraint, (int32_t)json_integer_value(json_array_get(ids, taken)), NULL) == NJ_OK)
        taken++;
    return taken;
}

#endif
