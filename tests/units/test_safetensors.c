/* Headers that lie. One case a line: what is wrong, the header, bytes of data behind it, and a word of the sentence; "" where the file is fine. */
#include "pipeline/model/safetensors.h"
#include "tests/tap.h"

static const struct {
    const char *what, *header;
    size_t      data;
    const char *sentence;
} cases[] = {
    {"two tensors",
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[8,12]}}",
     12, ""},
    {"a scalar and an empty tensor",
     "{\"a\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[2,2]}}", 2,
     ""},
    {"metadata and blanks behind",
     "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}   ", 1, ""},
    {"an unknown type that nobody uses", "{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2, ""},
    {"a cut file", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, "cut short"},
    {"offsets backwards", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "bytes 8 to 0"},
    {"a negative offset", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, "no offsets"},
    {"an offset beyond 2^63", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,18446744073709551615]}}", 8, "not valid JSON"},
    {"an offset that is no whole number", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8.0]}}", 8, "no offsets"},
    {"three offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4,8]}}", 8, "no offsets"},
    {"shape and bytes disagree", "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "need 12"},
    {"a shape whose product overflows",
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4611686018427387904],\"data_offsets\":[0,8]}}", 8, "impossible size"},
    {"a product that wraps to the right size",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, "impossible size"},
    {"a negative size", "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "impossible size"},
    {"too many axes", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1, "shape"},
    {"overlap",
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12,
     "overlap"},
    {"one inside another",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[12],\"data_offsets\":[0,12]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[4,6]}}", 12,
     "overlap"},
    {"one name twice",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2,
     "not valid JSON"},
    {"one tensor under two prefixes",
     "{\"model.a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"model.language_model.a\":{\"dtype\":\"U8\",\"shape\":[1],"
     "\"data_offsets\":[1,2]}}",
     2, "twice"},
    {"a name with a newline", "{\"a\\nb\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "name"},
    {"an empty name", "{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "name"},
    {"no type", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "no type"},
    {"an entry that is a number", "{\"a\":7}", 1, "no type"},
    {"a list", "[]", 1, "not a JSON object"},
    {"no JSON", "hello", 1, "not valid JSON"},
    {"nothing", "", 0, "not valid JSON"},
    {"a broken escape before a newline", "{\"a\\\nb\":7}", 0, "not valid JSON"},
};

static nj_status read_bytes(const uint8_t *bytes, size_t size, struct nj_error *error)
{
    uint8_t          *tight   = malloc(size ? size : 1); /* nothing behind it, so that a read beyond the end is found */
    struct nj_tensors tensors = {0};
    memcpy(tight, bytes, size);
    const struct nj_map map    = {tight, size};
    nj_status           status = nj_safetensors_read("file", &map, &tensors, NULL, error);
    if (status == NJ_OK)
        status = nj_tensors_index(&tensors, error);
    nj_tensors_free(&tensors);
    free(tight);
    return status;
}

static size_t make(uint8_t *out, uint64_t length, const char *header, size_t data)
{
    memcpy(out, &length, 8);
    memcpy(out + 8, header, strlen(header));
    memset(out + 8 + strlen(header), 0, data);
    return 8 + strlen(header) + data;
}

int main(void)
{
    uint8_t bytes[4096];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nj_error error  = {0};
        size_t          size   = make(bytes, strlen(cases[i].header), cases[i].header, cases[i].data);
        nj_status       status = read_bytes(bytes, size, &error);
        CHECK((status == NJ_OK) == !*cases[i].sentence && strstr(error.text, cases[i].sentence) && !strchr(error.text, '\n'), "%s: %s",
              cases[i].what, error.text);
    }
    static const uint64_t lengths[] = {0, 1, 100, 1ull << 32, 1ull << 63, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct nj_error error = {0};
        size_t          size  = make(bytes, lengths[i], "{}", 0);
        CHECK(read_bytes(bytes, size, &error) == NJ_ERROR && error.text[0], "a header of %llu bytes in a file of ten: %s",
              (unsigned long long)lengths[i], error.text);
    }
    for (size_t size = 0; size < 8; size++)
        CHECK(read_bytes(bytes, size, NULL) == NJ_ERROR, "a file of %zu bytes", size);
    struct nj_error error = {0};
    CHECK(read_bytes((const uint8_t *)"{\n  \"version\": \"1.0\"}", 20, &error) == NJ_ERROR && strstr(error.text, "JSON text, not a model"),
          "a tokenizer's file: %s", error.text);
    return tap_done();
}
