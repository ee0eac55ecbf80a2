/* reference.h: reads the reference files that the conformance tests compare with. */
#ifndef NJ_TESTS_CONFORMANCE_REFERENCE_H
#define NJ_TESTS_CONFORMANCE_REFERENCE_H

#include "base/json.h"
#include "tests/tap.h"

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stdint.h>

/* The path of a reference file, in a buffer that lives until the next call but one. */
__attribute__((unused)) static const char *reference_path(const char *name)
{
    static char buffers[2][4096];
    static int  turn;
    char       *out = buffers[turn ^= 1];
    snprintf(out, 4096, "%s/%s", tap_shared(), name);
    return out;
}

/* A whole JSON file, or NULL after a failed check. The caller owns it. */
__attribute__((unused)) static json_t *reference_json(const char *name)
{
    struct nj_error error = {0};
    json_t         *root  = NULL;
    if (nj_json_read(reference_path(name), (size_t)1 << 28, &root, &error) != NJ_OK)
        CHECK(false, "%s: %s", name, error.text);
    return root;
}

/* Calls `row` with each line of a JSONL file and its number from 1. */
__attribute__((unused)) static void reference_lines(const char *name, void (*row)(const json_t *value, size_t number, void *arg), void *arg)
{
    FILE  *file     = fopen(reference_path(name), "rb");
    char  *line     = NULL;
    size_t capacity = 0, number = 0;
    for (ssize_t length; file && (length = getline(&line, &capacity, file)) > 0;) {
        struct nj_error error = {0};
        json_t         *value = NULL;
        number++;
        if (nj_json_parse(name, line, (size_t)length, &value, &error) == NJ_OK)
            row(value, number, arg);
        else
            CHECK(false, "%s line %zu: %s", name, number, error.text);
        json_decref(value);
    }
    CHECK(number > 0, "%s has rows", name);
    free(line);
    if (file)
        fclose(file);
}

__attribute__((unused)) static const char *reference_text(const json_t *object, const char *key, size_t *size)
{
    const json_t *value = json_object_get(object, key);
    *size               = json_string_length(value);
    return json_string_value(value);
}

__attribute__((unused)) static bool reference_sha256_is(const void *data, size_t size, const char *hex)
{
    struct sha256_ctx context;
    uint8_t           digest[SHA256_DIGEST_SIZE];
    char              text[2 * SHA256_DIGEST_SIZE + 1];
    sha256_init(&context);
    sha256_update(&context, size, data);
    sha256_digest(&context, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return hex && strcmp(text, hex) == 0;
}

/* Whether `ids` are the integers of a JSON list. */
__attribute__((unused)) static bool reference_ids_are(const int32_t *ids, size_t count, const json_t *list)
{
    if (!json_is_array(list) || json_array_size(list) != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (json_integer_value(json_array_get(list, i)) != ids[i])
            return false;
    return true;
}

#endif
