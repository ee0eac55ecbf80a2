/* The tokenizer against ids and bytes that the tokenizers library made, opened from tokenizer.json and from the flat form. */
#include "pipeline/model/tokenizer.h"
#include "tests/conformance/reference.h"

struct pair {
    struct nj_tokenizer *parsed, *packed;
    uint8_t             *blob;
    size_t               rows, wrong;
};

static void open_pair(struct pair *pair, const char *path)
{
    struct nj_error error = {0};
    size_t          size  = 0;
    *pair                 = (struct pair){0};
    CHECK(nj_tokenizer_open(path, &pair->parsed, &error) == NJ_OK, "%s opens: %s", path, error.text);
    if (!pair->parsed)
        exit(tap_done());
    CHECK(nj_tokenizer_pack(pair->parsed, &pair->blob, &size, &error) == NJ_OK, "it packs: %s", error.text);
    CHECK(nj_tokenizer_open_packed(pair->blob, size, &pair->packed, &error) == NJ_OK, "the flat form opens: %s", error.text);
}

static void close_pair(struct pair *pair)
{
    nj_tokenizer_close(pair->parsed);
    nj_tokenizer_close(pair->packed);
    free(pair->blob);
}

/* The text of a row: "text", or "text_repeat": [unit, times]. Malloc'd. */
static char *row_text(const json_t *row, size_t *size)
{
    const json_t *text = json_object_get(row, "text"), *repeat = json_object_get(row, "text_repeat");
    const json_t *unit   = text ? text : json_array_get(repeat, 0);
    size_t        length = json_string_length(unit), times = text ? 1 : (size_t)json_integer_value(json_array_get(repeat, 1));
    char         *out = malloc(length * times + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(out + i * length, json_string_value(unit), length);
    *size = length * times;
    return out;
}

static bool ids_as_said(const struct nj_ids *ids, const json_t *row)
{
    if (json_object_get(row, "ids"))
        return reference_ids_are(ids->data, ids->count, json_object_get(row, "ids"));
    size_t   count = (size_t)json_integer_value(json_object_get(row, "n_ids")), unused;
    uint8_t *bytes = malloc(4 * ids->count + 1);
    for (size_t i = 0; i < ids->count; i++)
        for (unsigned k = 0; k < 4; k++)
            bytes[4 * i + k] = (uint8_t)((uint32_t)ids->data[i] >> 8 * k);
    bool same = ids->count == count && reference_sha256_is(bytes, 4 * count, reference_text(row, "ids_sha256", &unused));
    free(bytes);
    return same;
}

static bool bytes_are(const struct nj_tokenizer *tokenizer, const int32_t *ids, size_t count, const char *want, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        struct nj_string_view view = nj_tokenizer_bytes(tokenizer, ids[i]);
        if (view.size > size - at || memcmp(view.data, want + at, view.size) != 0)
            return false;
        at += view.size;
    }
    return at == size;
}

static void encode_row(const json_t *row, size_t number, void *arg)
{
    struct pair *pair   = arg;
    bool        special = json_is_true(json_object_get(row, "parse_special")), both = json_is_true(json_object_get(row, "same_either_way"));
    size_t      size, decoded_size;
    char       *text    = row_text(row, &size);
    const char *decoded = reference_text(row, "decoded", &decoded_size);
    bool        fine    = true;
    if (!decoded && json_is_true(json_object_get(row, "decoded_equals_text"))) {
        decoded      = text;
        decoded_size = size;
    }
    for (int which = 0; which < (both ? 4 : 2); which++) {
        const struct nj_tokenizer *tokenizer = which & 1 ? pair->packed : pair->parsed;
        struct nj_ids              ids       = {0};
        fine &= nj_tokenizer_encode(tokenizer, text, size, which & 2 ? !special : special, &ids, NULL) == NJ_OK;
        fine &= ids_as_said(&ids, row) && decoded && bytes_are(tokenizer, ids.data, ids.count, decoded, decoded_size);
        free(ids.data);
    }
    pair->rows++;
    if (!fine && pair->wrong++ < 5)
        CHECK(false, "tokenizer.jsonl row %zu", number);
    free(text);
}

static void decode_row(const json_t *row, size_t number, void *arg)
{
    struct pair  *pair  = arg;
    const json_t *list  = json_object_get(row, "ids");
    size_t        count = json_array_size(list), digits;
    const char   *hex   = reference_text(row, "bytes_hex", &digits);
    int32_t      *ids   = malloc((count + 1) * sizeof *ids);
    char         *bytes = malloc(digits / 2 + 1);
    for (size_t i = 0; i < count; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    for (size_t i = 0; i < digits / 2; i++) {
        unsigned value = 0;
        sscanf(hex + 2 * i, "%2x", &value);
        bytes[i] = (char)value;
    }
    pair->rows++;
    if (!bytes_are(pair->parsed, ids, count, bytes, digits / 2) || !bytes_are(pair->packed, ids, count, bytes, digits / 2))
        if (pair->wrong++ < 5)
            CHECK(false, "decode.jsonl row %zu", number);
    free(bytes);
    free(ids);
}

static void check_real_tokenizer(void)
{
    static const struct {
        const char *spelling;
        int32_t     id;
    } added[] = {{"<pad>", 0},   {"<bos>", 2},          {"<|turn>", 105}, {"<turn|>", 106},
                 {"<|\"|>", 52}, {"<|image|>", 258880}, {"<|turn", -1},   {"", -1}};
    struct pair pair;
    open_pair(&pair, reference_path("data/tokenizer/gemma4-tokenizer.json.zst"));
    CHECK(nj_tokenizer_size(pair.parsed) == 262144, "262,144 ids");
    reference_lines("reference/text/tokenizer.jsonl", encode_row, &pair);
    CHECK(pair.rows > 400 && pair.wrong == 0, "%zu rows of tokenizer.jsonl, %zu wrong", pair.rows, pair.wrong);
    pair.rows = pair.wrong = 0;
    reference_lines("reference/text/decode.jsonl", decode_row, &pair);
    CHECK(pair.rows > 60 && pair.wrong == 0, "%zu rows of decode.jsonl, %zu wrong", pair.rows, pair.wrong);
    for (size_t i = 0; i < sizeof added / sizeof *added; i++) {
        CHECK(nj_tokenizer_added(pair.packed, added[i].spelling) == added[i].id, "added token \"%s\"", added[i].spelling);
        CHECK(nj_tokenizer_is_added(pair.packed, added[i].id) == (added[i].id >= 0), "is it added?");
    }
    size_t count = 0;
    for (int32_t id = -1; id <= 262144; id++)
        count += nj_tokenizer_is_added(pair.parsed, id);
    CHECK(count == 24, "24 added tokens");
    CHECK(nj_tokenizer_bytes(pair.parsed, -1).size == 0 && nj_tokenizer_bytes(pair.parsed, 262144).size == 0,
          "no bytes outside the vocabulary");
    close_pair(&pair);
}

static bool encodes_to(const struct nj_tokenizer *tokenizer, const char *text, size_t size, bool special, const json_t *want)
{
    struct nj_ids ids = {0};
    bool fine = nj_tokenizer_encode(tokenizer, text, size, special, &ids, NULL) == NJ_OK && reference_ids_are(ids.data, ids.count, want);
    free(ids.data);
    return fine;
}

static void check_small_tokenizer(void)
{
    struct pair pair;
    json_t     *table = reference_json("reference/golden/tokenize.json");
    size_t      wrong = 0;
    open_pair(&pair, reference_path("reference/checkpoints/tiny-it"));
    for (size_t i = 0; i < json_array_size(table); i++) {
        const json_t *row = json_array_get(table, i);
        size_t        size;
        const char   *text = reference_text(row, "text", &size);
        if (!encodes_to(pair.packed, text, size, true, json_object_get(row, "special")) ||
            !encodes_to(pair.packed, text, size, false, json_object_get(row, "plain")))
            wrong++;
    }
    CHECK(json_array_size(table) > 10 && wrong == 0, "%zu texts of golden/tokenize.json, %zu wrong", json_array_size(table), wrong);
    json_decref(table);
    close_pair(&pair);
}

int main(void)
{
    if (!tap_shared()) {
        SKIP("no reference files");
        return tap_done();
    }
    check_real_tokenizer();
    check_small_tokenizer();
    return tap_done();
}
