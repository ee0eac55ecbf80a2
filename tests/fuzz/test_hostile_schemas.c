/* Schemas that were made to hurt, and schemas stitched together from pieces of good ones. None may crash, take long or lie: what compiles writes documents
 * that a validator of its own (validator.h) accepts. */
#include "base/text.h"
#include "pipeline/constrain/acceptor.h"
#include "pipeline/constrain/constraint.h"
#include "tests/conformance/table.h"
#include "tests/conformance/validator.h"

#include <time.h>

static uint32_t state = 12345;

static uint32_t below(uint32_t limit)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % limit;
}

/* --- made to hurt --- */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* `open` and `close` around each other `times` times, `middle` inside. */
static void nest(struct nj_text *out, const char *open, const char *middle, const char *close, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        nj_text_add(out, open);
    nj_text_add(out, middle);
    for (unsigned i = 0; i < times; i++)
        nj_text_add(out, close);
}

/* format has one %u, or %u twice with the next number. */
static void list(struct nj_text *out, const char *open, const char *format, const char *close, unsigned times)
{
    nj_text_add(out, open);
    for (unsigned i = 0; i < times; i++) {
        nj_text_add(out, i ? "," : "");
        for (const char *at = format; *at; at++)
            if (*at == '#' || *at == '@')
                nj_text_addf(out, "%u", i + (*at == '@'));
            else
                nj_text_add_bytes(out, at, 1);
    }
    nj_text_add(out, close);
}

static void check_hostile(const char *name, struct nj_text *schema)
{
    struct nj_error    error   = {{0}};
    struct nj_grammar *grammar = NULL;
    double             begun   = seconds();
    nj_status          status  = nj_grammar_compile_text("s", schema->data, schema->length, NULL, &grammar, &error);
    double             took    = seconds() - begun;
    CHECK(status == NJ_OK || error.text[0], "%s (%zu bytes): %s", name, schema->length, status == NJ_OK ? "compiles" : error.text);
    if (took > 1) /* no timed tests, but whoever looks shall see it */
        printf("# %s took %.1f s of processor time\n", name, took);
    nj_grammar_close(grammar);
    nj_text_free(schema);
}

static void check_all_hostile(void)
{
    struct nj_text s = {0};
    nest(&s, "[", "", "]", 100000);
    check_hostile("a hundred thousand brackets", &s);
    nest(&s, "{\"items\":", "{}", "}", 1900);
    check_hostile("arrays in arrays", &s);
    nest(&s, "{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":", "{}", "}}", 900);
    check_hostile("objects in objects", &s);
    nest(&s, "{\"allOf\":[", "{}", "]}", 1000);
    check_hostile("allOf in allOf", &s);
    nest(&s, "{\"const\":[", "1", "]}", 1);
    check_hostile("a constant", &s);
    nj_text_add(&s, "{\"const\":");
    nest(&s, "[", "", "]", 1900);
    nj_text_add(&s, "}");
    check_hostile("a deep constant", &s);
    list(&s, "{\"enum\":[", "\"x#\"", "]}", 1000000);
    check_hostile("ten megabytes of enum", &s);
    list(&s, "{\"enum\":[", "\"x#\"", "]}", 100000);
    check_hostile("a hundred thousand values", &s);
    list(&s, "{\"enum\":[", "#", "]}", 300000);
    check_hostile("three hundred thousand numbers", &s);
    list(&s, "{\"required\":[", "\"r#\"", "]}", 100000);
    check_hostile("a hundred thousand required names", &s);
    list(&s, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{\"d5000\":{},", "\"d#\":{\"$ref\":\"#/$defs/d@\"}", "}}", 5000);
    check_hostile("a chain of references", &s);
    list(&s, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{\"d15000\":{},",
         "\"d#\":{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/d@\"},\"b\":{\"$ref\":\"#/$defs/"
         "d0\"}},\"required\":[\"a\"]}",
         "}}", 15000);
    check_hostile("a chain of objects", &s);
    list(&s, "{\"allOf\":[", "{\"anyOf\":[{\"properties\":{\"p#\":{\"const\":0}}},{\"properties\":{\"p#\":{\"const\":1}}}]}", "]}", 30);
    check_hostile("two to the thirtieth alternatives", &s);
    list(&s, "{\"oneOf\":[", "{\"const\":\"k#\"}", "]}", 3000);
    check_hostile("three thousand alternatives to keep apart", &s);
    list(&s, "{\"type\":\"array\",\"prefixItems\":[", "{\"type\":\"number\",\"minimum\":#.5}", "]}", 5000);
    check_hostile("five thousand ranges", &s);
    list(&s, "{\"type\":\"array\",\"prefixItems\":[", "{\"type\":\"string\",\"pattern\":\"^x#[a-z]*$\"}", "]}", 3000);
    check_hostile("three thousand patterns", &s);
    nj_text_add(&s, "{\"type\":\"string\",\"pattern\":\"a");
    nest(&s, ".{0,}b", "", "", 1000);
    nj_text_add(&s, "\"}");
    check_hostile("a pattern of many ways", &s);
    nj_text_add(&s, "{\"type\":\"string\",\"pattern\":\"");
    nest(&s, "(", "a", ")", 5000);
    nj_text_add(&s, "\"}");
    check_hostile("groups in groups", &s);
    static const char *const single[] = {
        "{\"type\":\"string\",\"pattern\":\"(((((a{100}){100}){100}){100}){100})\"}",
        "{\"type\":\"string\",\"pattern\":\"[ab]*a[ab]{16}$\"}",
        "{\"type\":\"string\",\"pattern\":\"(a?){500}a{500}\"}",
        "{\"type\":\"string\",\"pattern\":\"^a+$\",\"minLength\":1000000}",
        "{\"type\":\"string\",\"minLength\":4000000000,\"maxLength\":1e300}",
        "{\"type\":\"array\",\"minItems\":4000000000}",
        "{\"type\":\"array\",\"items\":{\"type\":\"array\",\"minItems\":100000},\"minItems\":100000}",
        "{\"type\":\"integer\",\"multipleOf\":997,\"minimum\":-1000000000000000000,\"maximum\":1000000000000000000}",
        "{\"type\":\"number\",\"minimum\":1e-300,\"maximum\":1e300}",
        "{\"minimum\":1e308,\"maximum\":5e-324}",
        "{\"$ref\":\"#\"}",
        "{\"$defs\":{\"e\":{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/e\"},\"b\":{\"$ref\":\"#/$defs/"
        "e\"}},\"required\":[\"a\",\"b\"]},"
        "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/e\"},\"b\":{\"$ref\":\"#/$defs/"
        "e\"}},\"required\":[\"b\",\"a\"]},{\"type\":\"null\"}]}},"
        "\"$ref\":\"#/$defs/e\"}",
        "",
        "nul",
        "{\"enum\":[\"\\ud800\"]}",
    };
    for (size_t i = 0; i < sizeof single / sizeof *single; i++) {
        nj_text_add(&s, single[i]);
        check_hostile(single[i], &s);
    }
}

/* Two alternatives that stay alike down to the bottom: twice as many ways with each level. */
static void check_many_ways(void)
{
    static const char schema[] =
        "{\"$ref\":\"#/$defs/n\",\"$defs\":{\"n\":{\"anyOf\":["
        "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/n\"},\"b\":{\"type\":\"null\"}}},"
        "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/n\"},\"c\":{\"type\":\"null\"}}},{\"type\":\"null\"}]}}}";
    struct nj_acceptor *acceptor = NULL;
    struct nj_error     error    = {{0}};
    CHECK(nj_acceptor_open("s", schema, sizeof schema - 1, &acceptor, &error) == NJ_OK, "alternatives that stay alike %s", error.text);
    for (unsigned depth = 5; acceptor && depth <= 400; depth *= 3) {
        struct nj_text document = {0};
        bool           valid    = false;
        size_t         at;
        nest(&document, "{\"a\":", "null", "}", depth);
        nj_status status = nj_acceptor_judge(acceptor, document.data, document.length, &valid, &at, &error);
        CHECK(status == NJ_OK ? valid : depth > 5 && strstr(error.text, "too many ways") != NULL, "%u levels: %s", depth,
              status == NJ_OK ? "valid" : error.text);
        nj_text_free(&document);
    }
    nj_acceptor_close(acceptor);
}

/* --- stitched together --- */

static struct pieces {
    json_t *whole, *parts; /* arrays: schemas of the table, and everything inside them */
} pieces;

static void collect(json_t *value)
{
    const char *key;
    json_t     *inner;
    size_t      i;
    json_array_append(pieces.parts, value);
    json_array_foreach(value, i, inner) collect(inner);
    json_object_foreach(value, key, inner) collect(inner);
}

static void note_schema(const char *word, const char *rest, size_t number, void *arg)
{
    (void)number, (void)arg;
    json_t *schema = strcmp(word, "schema") ? NULL : json_loads(rest, JSON_DECODE_ANY, NULL);
    if (!schema)
        return;
    json_array_append(pieces.whole, schema);
    collect(schema);
    json_decref(schema);
}

static json_t *any_piece(void)
{
    return json_deep_copy(json_array_get(pieces.parts, below((uint32_t)json_array_size(pieces.parts))));
}

/* Puts a piece somewhere into `value`. */
static void graft(json_t *value)
{
    const char *key;
    json_t     *inner;
    uint32_t    size = (uint32_t)(json_is_object(value) ? json_object_size(value) : json_array_size(value)), at = 0,
             which = size ? below(size) : 0;
    if (json_is_array(value) && size) {
        if (below(2))
            graft(json_array_get(value, which));
        else
            json_array_set_new(value, which, any_piece());
        return;
    }
    json_object_foreach(value, key, inner)
    {
        if (at++ != which)
            continue;
        if (below(3) && (json_is_object(inner) || json_is_array(inner)))
            graft(inner);
        else
            json_object_set_new(value, key, any_piece());
        return;
    }
}

static bool has_pattern(const json_t *value)
{
    const char *key;
    json_t     *inner;
    size_t      i;
    bool        has = false;
    json_array_foreach(value, i, inner) has |= has_pattern(inner);
    json_object_foreach((json_t *)value, key, inner)
    {
        has |= !strcmp(key, "pattern") || has_pattern(inner);
    }
    return has;
}

/* A walk over bytes instead of tokens: a handful of likely ones are tried until one goes, then the document is closed. */
static bool write_document(struct nj_constraint *c, struct nj_text *out)
{
    static const char likely[] = "\"\"\"{}[],:-0123456789truefalsn\\ueab.kx zdc";
    nj_constraint_reset(c);
    for (unsigned step = 0, misses = 0; step < 60 && misses < 200; misses++) {
        uint8_t byte  = below(16) ? (uint8_t)likely[below(sizeof likely - 1)] : (uint8_t)below(256);
        size_t  taken = 0;
        if (nj_constraint_finished(c))
            break;
        struct nj_text forced = {0};
        if (nj_constraint_forced(c, &forced, NULL) == NJ_OK && forced.length && below(2)) {
            nj_constraint_advance_bytes(c, forced.data, forced.length, &taken, NULL);
            if (taken != forced.length)
                return false;
            nj_text_add_bytes(out, forced.data, forced.length);
        }
        nj_text_free(&forced);
        if (nj_constraint_advance_bytes(c, &byte, 1, &taken, NULL) == NJ_OK && taken == 1) {
            nj_text_add_bytes(out, &byte, 1);
            step++;
        }
    }
    return nj_constraint_may_stop(c) || nj_constraint_closing(c, out, NULL) == NJ_OK;
}

static bool honest(const json_t *schema, struct nj_grammar *grammar, struct nj_text *document)
{
    struct nj_constraint *c;
    bool                  good = nj_constraint_open(grammar, NULL, &c, NULL) == NJ_OK;
    for (unsigned i = 0; i < 3 && good; i++) {
        struct validator v = {.root = schema};
        nj_text_clear(document);
        good = write_document(c, document);
        json_error_t where;
        json_t      *value = json_loadb(document->data, document->length,
                                        JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &where);
        if (!value) /* what this parser cannot hold */
            good =
                good && (json_error_code(&where) == json_error_numeric_overflow || json_error_code(&where) == json_error_null_byte_in_key);
        else if (!has_pattern(schema)) { /* POSIX patterns mean other things */
            bool valid = validator_accepts(&v, schema, value);
            good       = good && (valid || v.unknown);
        }
        json_decref(value);
    }
    nj_constraint_close(c);
    return good;
}

static void check_stitched(unsigned times)
{
    struct nj_text document = {0};
    unsigned       compiled = 0, refused = 0, wrong = 0;
    for (unsigned i = 0; i < times; i++) {
        struct nj_error    error   = {{0}};
        struct nj_grammar *grammar = NULL;
        json_t            *schema  = json_deep_copy(json_array_get(pieces.whole, below((uint32_t)json_array_size(pieces.whole))));
        for (unsigned grafts = 1 + below(4); grafts > 0; grafts--)
            graft(schema);
        if (nj_grammar_compile("s", schema, NULL, &grammar, &error) != NJ_OK) {
            refused++;
            wrong += !error.text[0];
        } else {
            compiled++;
            if (!honest(schema, grammar, &document) && wrong++ < 5) {
                char *text = json_dumps(schema, JSON_COMPACT | JSON_ENCODE_ANY);
                printf("# %s writes %s\n", text, document.data ? document.data : "");
                free(text);
            }
        }
        nj_grammar_close(grammar);
        json_decref(schema);
    }
    CHECK(wrong == 0 && compiled > times / 20, "stitched schemas: %u compiled, %u refused, %u wrong", compiled, refused, wrong);
    nj_text_free(&document);
}

int main(int argc, char **argv)
{
    check_all_hostile();
    check_many_ways();
    pieces.whole = json_array();
    pieces.parts = json_array();
    table_read("tests/conformance/schemas.table", note_schema, NULL);
    check_stitched(argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 3000);
    json_decref(pieces.whole);
    json_decref(pieces.parts);
    return tap_done();
}
