/* Soundness against documents that another validator judged: what must be reachable is, in every tokenization; what must not be is not; schemas that are
 * malformed, that nothing satisfies, or that use what is not supported are refused, or their keyword is obeyed. */
#include "tests/conformance/grammar_case.h"

static void check_valid(struct grammar_bench *b, const json_t *documents)
{
    size_t      good = 0, bad = 0, i;
    json_t     *document, *ids;
    const char *how;
    json_array_foreach(documents, i, document)
    {
        json_object_foreach(json_object_get(document, "tokenizations"), how, ids)
        {
            size_t taken = grammar_bench_feed(b, ids);
            bool   whole = taken == json_array_size(ids) && nj_constraint_may_stop(b->constraint);
            good += whole;
            if (!whole && bad++ < 3)
                printf("# %s as %s: %s: refused at token %zu of %zu\n", b->name, how, json_string_value(json_object_get(document, "text")),
                       taken, json_array_size(ids));
        }
    }
    CHECK(bad == 0, "%s: %zu tokenizations of valid documents are reachable, %zu are not", b->name, good, bad);
}

/* The mask lets every step of a document through, and nothing may stop before its end. */
static void check_steps(struct grammar_bench *b, const json_t *documents)
{
    size_t  good = 0, bad = 0, i;
    json_t *document;
    json_array_foreach(documents, i, document)
    {
        const json_t *ids = json_object_get(json_object_get(document, "tokenizations"), "bpe");
        nj_constraint_reset(b->constraint);
        for (size_t k = 0; k < json_array_size(ids) && (k < 40 || i == 0); k++) {
            int32_t  id = (int32_t)json_integer_value(json_array_get(ids, k));
            uint32_t count;
            bool ok = nj_constraint_mask(b->constraint, b->bits, &count, NULL) == NJ_OK && count > 0 && b->bits[id / 64] >> id % 64 & 1 &&
                      nj_constraint_advance(b->constraint, id, NULL) == NJ_OK;
            good += ok;
            if (!ok && bad++ < 3)
                printf("# %s: the mask before token %zu of %s lacks it\n", b->name, k,
                       json_string_value(json_object_get(document, "text")));
        }
    }
    CHECK(bad == 0, "%s: %zu steps are in their masks, %zu are not", b->name, good, bad);
}

static void check_refusals(struct grammar_bench *b, const json_t *refusals)
{
    size_t  bad = 0, i;
    json_t *refusal;
    json_array_foreach(refusals, i, refusal)
    {
        int32_t next  = (int32_t)json_integer_value(json_object_get(refusal, "next"));
        size_t  taken = grammar_bench_feed(b, json_object_get(refusal, "prefix"));
        bool    whole = taken == json_array_size(json_object_get(refusal, "prefix"));
        bool    stops = next == 1 || next == 50 || next == 106;
        bool wrong = whole && (stops ? nj_constraint_may_stop(b->constraint) : nj_constraint_advance(b->constraint, next, NULL) == NJ_OK);
        if (wrong && bad++ < 3)
            printf("# %s: refusal %zu (%s): token %d is allowed\n", b->name, i, json_string_value(json_object_get(refusal, "why")),
                   (int)next);
    }
    CHECK(bad == 0, "%s: %zu of %zu wrong steps are refused", b->name, json_array_size(refusals) - bad, json_array_size(refusals));
}

static bool reachable(struct nj_constraint *constraint, const char *text, size_t size)
{
    size_t taken = 0;
    nj_constraint_reset(constraint);
    return nj_constraint_advance_bytes(constraint, text, size, &taken, NULL) == NJ_OK && taken == size &&
           nj_constraint_may_stop(constraint);
}

static void check_invalid(struct grammar_bench *b, const json_t *documents)
{
    size_t  bad = 0, i, size;
    json_t *document;
    json_array_foreach(documents, i, document)
    {
        const char *text = reference_text(document, "text", &size);
        if (reachable(b->constraint, text, size) && bad++ < 3)
            printf("# %s: reachable, but invalid: %s (%s)\n", b->name, text, json_string_value(json_object_get(document, "why")));
    }
    CHECK(bad == 0, "%s: %zu of %zu invalid documents are out of reach", b->name, json_array_size(documents) - bad,
          json_array_size(documents));
}

static void check_schema(const json_t *row, size_t number, void *arg)
{
    struct grammar_bench *b = arg;
    (void)number;
    if (!grammar_bench_case(b, json_string_value(json_object_get(row, "schema")), json_string_value(json_object_get(row, "file"))))
        return;
    check_valid(b, json_object_get(row, "valid"));
    check_steps(b, json_object_get(row, "valid"));
    check_refusals(b, json_object_get(row, "refuse"));
    check_invalid(b, json_object_get(row, "invalid"));
}

static void check_error(const json_t *row, size_t number, void *arg)
{
    struct nj_error       error = {0};
    struct nj_grammar    *grammar;
    struct nj_constraint *constraint;
    const char           *kind   = json_string_value(json_object_get(row, "kind"));
    const json_t         *probe  = json_object_get(row, "must_not_reach");
    json_t               *schema = json_object_get(row, "schema");
    char                 *text   = json_dumps(schema, JSON_COMPACT);
    (void)arg;
    nj_status status = nj_grammar_compile("row", schema, NULL, &grammar, &error);
    if (status != NJ_OK)
        CHECK(strstr(error.text, "row: #"), "errors.jsonl:%zu: %s is refused with a place: %s", number, text, error.text);
    else if (!strcmp(kind, "annotation_or_enforced"))
        CHECK(true, "errors.jsonl:%zu: %s is an annotation here", number, text);
    else if (CHECK(!strcmp(kind, "optional_keyword"), "errors.jsonl:%zu: %s (%s) may be supported", number, text, kind) &&
             nj_constraint_open(grammar, NULL, &constraint, &error) == NJ_OK) {
        CHECK(!reachable(constraint, json_string_value(probe), json_string_length(probe)), "errors.jsonl:%zu: %s is obeyed: %s", number,
              text, json_string_value(probe));
        nj_constraint_close(constraint);
    }
    nj_grammar_close(grammar);
    free(text);
}

int main(void)
{
    struct grammar_bench bench;
    if (!tap_shared()) {
        SKIP("the reference files are not here");
        return tap_done();
    }
    if (grammar_bench_open(&bench)) {
        reference_lines("reference/grammar/must.jsonl", check_schema, &bench);
        reference_lines("reference/grammar/errors.jsonl", check_error, NULL);
    }
    grammar_bench_close(&bench);
    return tap_done();
}
