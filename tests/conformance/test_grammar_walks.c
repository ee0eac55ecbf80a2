/* Random walks: whatever tokens a mask lets through, the document that comes of them is valid, and it can be closed at any moment. The judge is
 * validator.h, which knows nothing of grammars. */
#include "pipeline/constrain/constraint.h"
#include "pipeline/model/random_model.h"
#include "tests/conformance/reference.h"
#include "tests/conformance/validator.h"

#include <dirent.h>
#include <unistd.h>

#define LONGEST 120 /* tokens, then the document is closed */

static uint64_t seed = 20240531;

static uint32_t below(uint32_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 11) % limit);
}

static const char *const schemas[] = {
    "true",
    "{\"type\":[\"integer\",\"null\"],\"minimum\":-7,\"maximum\":1305}",
    "{\"type\":\"number\",\"exclusiveMinimum\":-0.5,\"maximum\":12.25}",
    "{\"type\":\"integer\",\"multipleOf\":7,\"minimum\":-100,\"maximum\":1234567}",
    "{\"type\":\"string\",\"minLength\":2,\"maxLength\":5}",
    "{\"type\":\"string\",\"pattern\":\"^[a-z]+(-[a-z0-9]+)*$\",\"maxLength\":20}",
    "{\"type\":\"string\",\"pattern\":\"[0-9][0-9]\",\"minLength\":6,\"maxLength\":30}",
    "{\"type\":\"array\",\"items\":{\"enum\":[\"a\",\"ab\",\"b\",1,10,null]},\"uniqueItems\":true,\"minItems\":3}",
    "{\"type\":\"array\",\"prefixItems\":[{\"type\":\"boolean\"},{\"type\":\"string\",\"maxLength\":3}],\"items\":{\"type\":\"null\"},"
    "\"minItems\":1,"
    "\"maxItems\":4}",
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"boolean\"},\"ab\":{\"type\":\"null\"}},"
    "\"required\":[\"ab\",\"z\"],"
    "\"additionalProperties\":{\"type\":\"boolean\"}}",
    "{\"type\":\"object\",\"properties\":{\"k\\\"e\\ny\":{\"const\":1},\"\\u0001\":{\"type\":\"null\"}},\"additionalProperties\":false}",
    "{\"allOf\":[{\"type\":\"object\",\"properties\":{\"a\":{\"minimum\":3}}},{\"properties\":{\"a\":{\"type\":\"integer\",\"maximum\":5}},"
    "\"required\":["
    "\"a\"]}],\"additionalProperties\":true}",
    "{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"t\":{\"const\":\"x\"},\"v\":{\"type\":\"integer\"}},\"required\":[\"t\",\"v\"]},{"
    "\"type\":"
    "\"object\",\"properties\":{\"t\":{\"const\":\"xy\"},\"w\":{\"type\":\"string\"}},\"required\":[\"t\"]},{\"type\":\"array\","
    "\"maxItems\":1}]}",
    "{\"$defs\":{\"t\":{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"object\",\"properties\":{\"l\":{\"$ref\":\"#/$defs/"
    "t\"},\"r\":{\"$ref\":\"#/$defs/"
    "t\"}},\"required\":[\"l\",\"r\"],\"additionalProperties\":false}]}},\"$ref\":\"#/$defs/t\"}",
    "{\"enum\":[{\"a\":[1,2.5]},[],\"x\",\"xy\",-0.001,1e30,false]}",
    "{\"minimum\":3,\"maxLength\":2,\"maxItems\":1,\"required\":[\"q\"]}",
};

struct walker {
    const json_t         *schema;
    struct nj_vocabulary *vocabulary;
    struct nj_tokenizer  *tokenizer;
    struct nj_constraint *constraint;
    uint64_t             *bits;
    struct nj_text        text;
};

/* One of the allowed ids; often one that begins with structure, else all walks would be lost in long strings. */
static int32_t any_of(const struct walker *w, uint32_t count)
{
    const uint32_t size  = nj_vocabulary_size(w->vocabulary);
    const size_t   words = NJ_MASK_WORDS(size);
    uint32_t       skip  = below(count);
    for (unsigned tries = 0; tries < 40 && below(2); tries++) {
        uint32_t              id    = below(size);
        struct nj_string_view bytes = nj_tokenizer_bytes(w->tokenizer, (int32_t)id);
        if (bytes.size && strchr("\",]}:\\", bytes.data[0]) && w->bits[id / 64] >> id % 64 & 1)
            return (int32_t)id;
    }
    for (size_t word = 0; word < words; word++)
        for (uint64_t rest = w->bits[word]; rest; rest &= rest - 1)
            if (skip-- == 0) {
                unsigned bit = 0;
                while (!(rest >> bit & 1))
                    bit++;
                return (int32_t)(word * 64 + bit);
            }
    return -1;
}

static bool walk(struct walker *w, const char **why)
{
    struct nj_error error = {0};
    uint32_t        count;
    nj_constraint_reset(w->constraint);
    nj_text_clear(&w->text);
    for (unsigned step = 0; step < LONGEST && !nj_constraint_finished(w->constraint); step++) {
        size_t         closing = nj_constraint_closing_bytes(w->constraint);
        struct nj_text end     = {0};
        bool           closes  = nj_constraint_closing(w->constraint, &end, &error) == NJ_OK && end.length <= closing;
        nj_text_free(&end);
        *why = "it cannot be closed as promised";
        if (!closes)
            return false;
        if (nj_constraint_may_stop(w->constraint) && below(4) == 0)
            break;
        *why = "the mask is empty";
        if (nj_constraint_mask(w->constraint, w->bits, &count, &error) != NJ_OK || (count == 0 && !nj_constraint_may_stop(w->constraint)))
            return false;
        if (count == 0)
            break;
        int32_t id = any_of(w, count);
        *why       = "a token of the mask is refused";
        if (nj_constraint_advance(w->constraint, id, &error) != NJ_OK)
            return false;
        struct nj_string_view bytes = nj_tokenizer_bytes(w->tokenizer, id);
        nj_text_add_bytes(&w->text, bytes.data, bytes.size);
    }
    *why = "closing fails";
    if (!nj_constraint_may_stop(w->constraint) && nj_constraint_closing(w->constraint, &w->text, &error) != NJ_OK)
        return false;
    *why = "the document is invalid";
    return validator_judges(w->schema, w->text.data, w->text.length);
}

static void walk_schema(struct walker *w, const char *name, json_t *schema, unsigned times)
{
    struct nj_error    error   = {0};
    struct nj_grammar *grammar = NULL;
    const char        *why     = "";
    unsigned           good    = 0;
    w->schema                  = schema;
    if (nj_grammar_compile(name, schema, NULL, &grammar, &error) == NJ_OK &&
        nj_constraint_open(grammar, w->vocabulary, &w->constraint, &error) == NJ_OK) {
        while (good < times && walk(w, &why))
            good++;
        CHECK(good == times, "%s: %u random documents of %u are valid%s%s", name, good, times, good < times ? "; " : "",
              good < times ? why : "");
        if (good < times)
            printf("# %s\n", w->text.data ? w->text.data : "");
    } else
        CHECK(false, "%s: %s", name, error.text);
    nj_constraint_close(w->constraint);
    nj_grammar_close(grammar);
    w->constraint = NULL;
}

static void walk_folder(struct walker *w, const char *folder, const char *ending, unsigned times)
{
    DIR *list = opendir(reference_path(folder));
    for (struct dirent *entry; list && (entry = readdir(list));) {
        size_t length = strlen(entry->d_name);
        char   name[512];
        if (length < strlen(ending) || strcmp(entry->d_name + length - strlen(ending), ending) != 0)
            continue;
        snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        json_t *schema = reference_json(name);
        if (schema && strcmp(entry->d_name, "pattern_escapes.json") != 0) /* \s is not in POSIX patterns */
            walk_schema(w, entry->d_name, schema, times);
        json_decref(schema);
    }
    if (list)
        closedir(list);
}

static nj_status open_walker(struct walker *w, struct nj_error *error)
{
    if (tap_shared())
        return nj_tokenizer_open(reference_path("data/tokenizer/gemma4-tokenizer.json.zst"), &w->tokenizer, error);
    char      path[] = "/tmp/nj-walks-XXXXXX";
    int       fd     = mkstemp(path);
    json_t   *tokens = nj_random_tokenizer(false, 2048);
    nj_status status = NJ_ERROR;
    if (fd >= 0 && json_dumpfd(tokens, fd, 0) == 0)
        status = nj_tokenizer_open(path, &w->tokenizer, error);
    json_decref(tokens);
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    return status;
}

int main(int argc, char **argv)
{
    struct nj_error error = {0};
    struct walker   w     = {0};
    unsigned        times = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10;
    if (!CHECK(open_walker(&w, &error) == NJ_OK, "a tokenizer: %s", error.text) ||
        !CHECK(nj_vocabulary_open(w.tokenizer, &w.vocabulary, &error) == NJ_OK, "its vocabulary: %s", error.text))
        return tap_done();
    w.bits = calloc(NJ_MASK_WORDS(nj_vocabulary_size(w.vocabulary)), sizeof *w.bits);
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        json_t *schema = json_loads(schemas[i], JSON_DECODE_ANY, NULL);
        walk_schema(&w, schemas[i], schema, times);
        json_decref(schema);
    }
    if (tap_shared()) {
        walk_folder(&w, "reference/grammar/schemas", ".json", times);
        walk_folder(&w, "data/sentinel", ".schema.json", times);
    } else
        SKIP("the reference schemas are not here");
    nj_text_free(&w.text);
    free(w.bits);
    nj_vocabulary_close(w.vocabulary);
    nj_tokenizer_close(w.tokenizer);
    return tap_done();
}
