/* tokenizer.json files of other kinds of tokenizers, damaged ones, and ones made by chance: a sentence, or a tokenizer. */
#include "base/file.h"
#include "base/text.h"
#include "pipeline/model/tokenizer.h"
#include "tests/conformance/reference.h"

#include <unistd.h>

static uint64_t state = 0xabcdef;

static uint64_t random_below(uint64_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % bound;
}

static nj_status open_bytes(const char *bytes, size_t size, struct nj_tokenizer **out, struct nj_error *error)
{
    char path[] = "/tmp/nj-test-tokenizer-XXXXXX";
    *out        = NULL;
    *error      = (struct nj_error){0};
    close(mkstemp(path));
    nj_status status = nj_file_write_atomic(path, bytes, size, error);
    if (status == NJ_OK)
        status = nj_tokenizer_open(path, out, error);
    unlink(path);
    return status;
}

/* The file with the first `from` behind `after` turned into `to`. */
static void check_change(const char *text, const char *after, const char *from, const char *to, bool expected)
{
    const char          *at      = strstr(text, after);
    struct nj_text       changed = {0};
    struct nj_tokenizer *tokenizer;
    struct nj_error      error;
    at = at ? strstr(at, from) : NULL;
    if (!CHECK(at != NULL, "the file has %s", from))
        return;
    nj_text_add_bytes(&changed, text, (size_t)(at - text));
    nj_text_add(&changed, to);
    nj_text_add(&changed, at + strlen(from));
    nj_status status = open_bytes(changed.data, changed.length, &tokenizer, &error);
    CHECK((status == NJ_OK) == expected && (expected || strstr(error.text, "nj-test-tokenizer")), "%s instead of %s: %s", to, from,
          error.text);
    nj_tokenizer_close(tokenizer);
    nj_text_free(&changed);
}

int main(void)
{
    uint8_t *bytes;
    size_t   size, opened = 0, refused = 0;
    if (!tap_shared()) {
        SKIP("no reference files");
        return tap_done();
    }
    if (!CHECK(nj_file_read(reference_path("reference/checkpoints/tiny-it/tokenizer.json"), 1 << 24, &bytes, &size, NULL) == NJ_OK,
               "the file is read"))
        return tap_done();
    const char *text = (const char *)bytes;
    check_change(text, "", "\"version\"", "\"Version\"", true);
    check_change(text, "", "\"BPE\"", "\"Unigram\"", false);
    check_change(text, "", "\"byte_fallback\": true", "\"byte_fallback\": false", false);
    check_change(text, "", "\"ignore_merges\": false", "\"ignore_merges\": true", false);
    check_change(text, "\"normalizer\"", "\"Replace\"", "\"NFC\"", false);
    check_change(text, "\"pre_tokenizer\"", "\"Split\"", "\"Whitespace\"", false);
    check_change(text, "\"vocab\"", "\"<0x41>\"", "\"<0x4g>\"", false);
    check_change(text, "\"vocab\"", "\"<0x00>\": 90", "\"<0x00>\": 91", false);
    check_change(text, "\"vocab\"", "\"<0x00>\": 90", "\"<0x00>\": -90", false);
    check_change(text, "\"vocab\"", "\"<0x00>\": 90", "\"<0x00>\": 4000000000", false);
    check_change(text, "\"vocab\"", "\"<0x00>\": 90", "\"<0x00>\": \"90\"", false);
    check_change(text, "\"added_tokens\"", "\"id\": 1,", "\"id\": 2,", false);
    check_change(text, "\"added_tokens\"", "\"lstrip\": false", "\"lstrip\": true", false);
    check_change(text, "\"merges\"", "\"\\n\"", "\"no such token\"", false);
    check_change(text, "\"merges\"", "\"\\n\"", "7", false);
    check_change(text, "", "\"merges\"", "\"Merges\"", false);
    for (unsigned round = 0; round < 60; round++) {
        char                *copy = malloc(size);
        struct nj_tokenizer *tokenizer;
        struct nj_error      error;
        memcpy(copy, bytes, size);
        for (uint64_t changes = 1 + random_below(3); changes > 0; changes--)
            copy[random_below(size)] = (char)(random_below(2) ? '0' + (char)random_below(75) : (char)random_below(256));
        if (open_bytes(copy, size, &tokenizer, &error) == NJ_OK)
            opened++;
        else
            refused += error.text[0] != 0;
        nj_tokenizer_close(tokenizer);
        free(copy);
    }
    CHECK(opened + refused == 60 && refused > 10, "60 files with damaged bytes: %zu opened, %zu refused", opened, refused);
    free(bytes);
    return tap_done();
}
