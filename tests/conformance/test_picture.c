/* Decoding, target sizes and resampling against what Pillow and the reference processor made of the same files. */
#include "base/file.h"
#include "pipeline/picture/picture.h"
#include "tests/conformance/reference.h"

#include <math.h>

static const uint32_t budgets[] = {70, 140, 280, 560, 1120};

static nj_status decode_file(const char *folder, const char *name, struct nj_picture *out, struct nj_error *error)
{
    char     relative[512];
    uint8_t *bytes = NULL;
    size_t   size  = 0;
    snprintf(relative, sizeof relative, "reference/%s%s", folder, name);
    *out             = (struct nj_picture){0};
    nj_status status = nj_file_read(reference_path(relative), 1 << 28, &bytes, &size, error);
    if (status == NJ_OK)
        status = nj_picture_decode(name, bytes, size, false, out, error);
    free(bytes);
    return status;
}

static bool pixels_are(const struct nj_picture *picture, const json_t *row, const char *key)
{
    size_t unused;
    return reference_sha256_is(picture->rgb, (size_t)picture->width * picture->height * 3, reference_text(row, key, &unused));
}

static bool resizes_as_said(const struct nj_picture *picture, uint32_t soft_tokens, const json_t *want, const char *hash)
{
    struct nj_picture small = {0};
    uint32_t          width = 0, height = 0;
    bool              fine = nj_picture_target(picture->width, picture->height, soft_tokens, &width, &height, NULL) == NJ_OK;
    if (json_object_get(want, "target_width"))
        fine &= json_integer_value(json_object_get(want, "target_width")) == width &&
                json_integer_value(json_object_get(want, "target_height")) == height &&
                json_integer_value(json_object_get(want, "soft_tokens")) == (json_int_t)(width / 48) * (height / 48);
    fine = fine && nj_picture_resize(picture, width, height, &small, NULL) == NJ_OK && pixels_are(&small, want, hash);
    nj_picture_free(&small);
    return fine;
}

static void check_image(const json_t *row)
{
    struct nj_picture picture;
    struct nj_error   error = {0};
    size_t            unused;
    const char       *file   = reference_text(row, "file", &unused);
    nj_status         status = decode_file("images/", file, &picture, &error);
    if (json_object_get(row, "error")) {
        CHECK(status != NJ_OK && strstr(error.text, file), "%s is refused: %s", file, error.text);
        return;
    }
    CHECK(status == NJ_OK && !picture.partial, "%s decodes %s", file, error.text);
    if (status != NJ_OK)
        return;
    CHECK(picture.width == json_integer_value(json_object_get(row, "width")) &&
              picture.height == json_integer_value(json_object_get(row, "height")) && pixels_are(&picture, row, "rgb_sha256"),
          "%s: pixels", file);
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", budgets[i]);
        const json_t *want = json_object_get(json_object_get(row, "budgets"), key);
        CHECK(resizes_as_said(&picture, budgets[i], want, "resized_rgb_sha256"), "%s at %u soft tokens", file, budgets[i]);
    }
    nj_picture_free(&picture);
}

static void check_broken(const json_t *row)
{
    struct nj_picture picture;
    struct nj_error   error = {0};
    size_t            unused;
    const char       *file     = reference_text(row, "file", &unused);
    bool              expected = strcmp(reference_text(row, "result", &unused), "decodes") == 0;
    nj_status         status   = decode_file("images/", file, &picture, &error);
    CHECK((status == NJ_OK) == expected && (expected || strstr(error.text, file)), "%s %s %s", file, expected ? "decodes" : "is refused",
          error.text);
    nj_picture_free(&picture);
}

static void check_sizes_row(const json_t *row, size_t number, void *arg)
{
    size_t  *wrong  = arg;
    uint32_t width  = (uint32_t)json_integer_value(json_object_get(row, "width")),
             height = (uint32_t)json_integer_value(json_object_get(row, "height"));
    (void)number;
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        char     key[16];
        uint32_t w = 0, h = 0;
        snprintf(key, sizeof key, "%u", budgets[i]);
        const json_t *want   = json_object_get(row, key);
        nj_status     status = nj_picture_target(width, height, budgets[i], &w, &h, NULL);
        if (json_is_string(want)
                ? status == NJ_OK
                : status != NJ_OK || w != json_integer_value(json_array_get(want, 0)) || h != json_integer_value(json_array_get(want, 1)))
            ++*wrong;
    }
}

static void check_budgets(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        double   budget = json_number_value(json_array_get(json_array_get(list, i), 0));
        uint32_t w, h;
        if (floor(budget) == budget)
            CHECK(nj_picture_target(640, 480, (uint32_t)budget, &w, &h, NULL) != NJ_OK, "a budget of %g is refused", budget);
    }
}

static void check_second_set(void)
{
    json_t *table = reference_json("reference/golden/pixel-sizes.json");
    for (size_t i = 0; i < json_array_size(table); i++) {
        const json_t     *row = json_array_get(table, i);
        struct nj_picture picture;
        size_t            unused;
        const char       *file        = reference_text(row, "image", &unused);
        uint32_t          soft_tokens = (uint32_t)json_integer_value(json_object_get(row, "soft_tokens"));
        bool              fine = decode_file("", file, &picture, NULL) == NJ_OK && resizes_as_said(&picture, soft_tokens, row, "sha256");
        CHECK(fine, "%s at %u soft tokens", file, soft_tokens);
        nj_picture_free(&picture);
    }
    json_decref(table);
}

int main(void)
{
    if (!tap_shared()) {
        SKIP("no reference files");
        return tap_done();
    }
    json_t *manifest = reference_json("reference/images/manifest.json"), *images = json_object_get(manifest, "images"),
           *broken = json_object_get(manifest, "broken");
    size_t wrong   = 0;
    CHECK(json_array_size(images) > 30 && json_array_size(broken) > 5, "the manifest lists pictures");
    for (size_t i = 0; i < json_array_size(images); i++)
        check_image(json_array_get(images, i));
    for (size_t i = 0; i < json_array_size(broken); i++)
        check_broken(json_array_get(broken, i));
    check_budgets(json_object_get(manifest, "unsupported_budgets"));
    reference_lines("reference/images/sizes.jsonl", check_sizes_row, &wrong);
    CHECK(wrong == 0, "sizes.jsonl: %zu wrong", wrong);
    check_second_set();
    json_decref(manifest);
    return tap_done();
}
