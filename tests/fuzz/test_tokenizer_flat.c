/* Tokenizers that somebody has tampered with: opening them gives a sentence, or a tokenizer that may be wrong but stays within its bytes. */
#include "pipeline/model/tokenizer.h"
#include "tests/tap.h"

static uint64_t state = 0x9876543;

static uint64_t random_below(uint64_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % bound;
}

/* A vocabulary of our own: special tokens, bytes, letters and the pairs of "abcabcab". */
static struct nj_tokenizer *small_tokenizer(void)
{
    static char                  bytes[256][8];
    static struct nj_string_view tokens[300];
    static int32_t               types[300];
    static const char *const     words[]  = {"<bos>",
                                             "<|turn>",
                                             "<|turn>x",
                                             "\xe2\x96\x81",
                                             "a",
                                             "b",
                                             "c",
                                             "ab",
                                             "abc",
                                             "abcab",
                                             ("\xe2\x96\x81"
                                              "a")};
    static const char *const     merges[] = {"a b", "ab c", "abc ab", "\xe2\x96\x81 a"};
    struct nj_string_view        merge_views[4];
    struct nj_tokenizer         *tokenizer = NULL;
    struct nj_error              error     = {0};
    size_t                       count     = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        tokens[count]  = (struct nj_string_view){words[i], strlen(words[i])};
        types[count++] = i < 3 ? 3 : 1;
    }
    for (unsigned i = 0; i < 256; i++) {
        snprintf(bytes[i], sizeof bytes[i], "<0x%02X>", i);
        tokens[count]  = (struct nj_string_view){bytes[i], 6};
        types[count++] = 6;
    }
    for (size_t i = 0; i < 4; i++)
        merge_views[i] = (struct nj_string_view){merges[i], strlen(merges[i])};
    CHECK(nj_tokenizer_from_lists(tokens, types, count, merge_views, 4, &tokenizer, &error) == NJ_OK, "the lists become a tokenizer %s",
          error.text);
    return tokenizer;
}

static bool encodes_to(const struct nj_tokenizer *tokenizer, const char *text, bool special, size_t count, const int32_t *want)
{
    struct nj_ids ids  = {0};
    bool          fine = nj_tokenizer_encode(tokenizer, text, strlen(text), special, &ids, NULL) == NJ_OK && ids.count == count;
    for (size_t i = 0; fine && i < count; i++)
        fine = ids.data[i] == want[i];
    free(ids.data);
    return fine;
}

static void check_lists(const struct nj_tokenizer *tokenizer)
{
    CHECK(encodes_to(tokenizer, "abcabcab", false, 2, (int32_t[]){8, 9}), "merges by rank, leftmost first");
    CHECK(encodes_to(tokenizer, " a", false, 1, (int32_t[]){10}), "a space is U+2581");
    CHECK(encodes_to(tokenizer, "a<|turn>xb<bos>", true, 4, (int32_t[]){4, 2, 5, 0}), "the longest added token wins");
    CHECK(encodes_to(tokenizer, "<", false, 1, (int32_t[]){11 + '<'}), "a missing letter becomes its byte");
    CHECK(encodes_to(tokenizer, "\xff\xc3", false, 2, (int32_t[]){11 + 0xff, 11 + 0xc3}), "so does what is not UTF-8");
    CHECK(nj_tokenizer_is_added(tokenizer, 1) && !nj_tokenizer_is_added(tokenizer, 4), "types 3 and 1");
}

/* Uses everything that a tokenizer offers. */
static size_t use(const struct nj_tokenizer *tokenizer)
{
    static const char text[] = "<bos>abcabcab  a \xc3\xa9\xff<|turn>x<|turn> abcab ba cab";
    struct nj_ids     ids    = {0};
    size_t            sum    = 0;
    for (int special = 0; special < 2; special++)
        nj_tokenizer_encode(tokenizer, text, sizeof text - 1, special, &ids, NULL);
    for (size_t i = 0; i < ids.count; i++) {
        struct nj_string_view view = nj_tokenizer_bytes(tokenizer, ids.data[i]);
        for (size_t k = 0; k < view.size; k++)
            sum += (unsigned char)view.data[k];
        sum += nj_tokenizer_is_added(tokenizer, ids.data[i]);
    }
    sum += (size_t)nj_tokenizer_added(tokenizer, "<|turn>") + nj_tokenizer_size(tokenizer);
    free(ids.data);
    return sum;
}

int main(void)
{
    struct nj_tokenizer *tokenizer = small_tokenizer(), *packed = NULL;
    struct nj_error      error = {0};
    uint8_t             *blob  = NULL, *copy;
    size_t               size = 0, opened = 0, refused = 0;
    if (!tokenizer)
        return tap_done();
    check_lists(tokenizer);
    CHECK(nj_tokenizer_pack(tokenizer, &blob, &size, &error) == NJ_OK && nj_tokenizer_open_packed(blob, size, &packed, &error) == NJ_OK,
          "it packs and opens %s", error.text);
    check_lists(packed);
    CHECK(use(packed) == use(tokenizer), "both forms do the same");
    nj_tokenizer_close(packed);
    for (size_t cut = 0; cut < size; cut += 1 + cut / 8) {
        copy = malloc(cut ? cut : 1);
        memcpy(copy, blob, cut);
        refused += nj_tokenizer_open_packed(copy, cut, &packed, &error) != NJ_OK && error.text[0];
        opened++;
        free(copy);
    }
    CHECK(refused == opened, "cut short in %zu ways, refused in all", opened);
    opened = refused = 0;
    for (unsigned round = 0; round < 4000; round++) {
        copy = malloc(size);
        memcpy(copy, blob, size);
        for (uint64_t changes = 1 + random_below(8); changes > 0; changes--)
            copy[random_below(round & 1 ? size : 64)] = (uint8_t)(random_below(4) ? random_below(256) : 255);
        if (nj_tokenizer_open_packed(copy, size, &packed, &error) == NJ_OK) {
            use(packed);
            nj_tokenizer_close(packed);
            opened++;
        } else {
            refused++;
        }
        free(copy);
    }
    CHECK(opened > 500 && refused > 500, "damaged in 4,000 ways: %zu refused, %zu opened and used", refused, opened);
    nj_tokenizer_close(tokenizer);
    free(blob);
    return tap_done();
}
