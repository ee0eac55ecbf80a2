/* Files that crashed other decoders, files cut short, files with flipped bytes, files made to be slow: each gives a picture or a sentence. */
#include "base/file.h"
#include "pipeline/picture/picture.h"
#include "tests/tap.h"

#include <dirent.h>

static uint64_t state = 0x1234567;

static uint64_t random_below(uint64_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % bound;
}

/* A sentence that names the file, or a picture whose every byte can be read. */
static bool is_sane(const uint8_t *bytes, size_t size, bool partial_ok, bool *decoded)
{
    struct nj_picture picture;
    struct nj_error   error = {0};
    uint64_t          sum   = 0;
    uint8_t          *tight = malloc(size ? size : 1); /* no slack behind the bytes, so that a read beyond them is found */
    memcpy(tight, bytes, size);
    nj_status status = nj_picture_decode("file.jpg", tight, size, partial_ok, &picture, &error);
    free(tight);
    *decoded = status == NJ_OK;
    if (status != NJ_OK)
        return !picture.rgb && strncmp(error.text, "file.jpg: ", 10) == 0 && !strchr(error.text, '\n');
    for (size_t i = 0; i < (size_t)picture.width * picture.height * 3; i++)
        sum += picture.rgb[i];
    bool fine = picture.width > 0 && picture.height > 0 && sum <= (uint64_t)255 * 3 * NJ_PICTURE_MAX_PIXELS && !error.text[0];
    nj_picture_free(&picture);
    return fine;
}

static void check_folder(const char *folder)
{
    char           path[4096];
    size_t         files = 0, wrong = 0, decoded = 0;
    struct dirent *entry;
    DIR           *open = opendir(folder);
    while (open && (entry = readdir(open))) {
        uint8_t *bytes;
        size_t   size;
        bool     strict, lenient;
        if (entry->d_name[0] == '.' || strstr(entry->d_name, ".csv") || !nj_path_join(path, sizeof path, folder, entry->d_name) ||
            nj_file_read(path, 1 << 26, &bytes, &size, NULL) != NJ_OK)
            continue;
        bool strict_is_sane = is_sane(bytes, size, false, &strict), lenient_is_sane = is_sane(bytes, size, true, &lenient);
        if (!strict_is_sane || !lenient_is_sane || (strict && !lenient)) {
            wrong++;
            printf("# %s\n", path);
        }
        files++;
        decoded += lenient;
        free(bytes);
    }
    if (open)
        closedir(open);
    CHECK(files > 20 && decoded > 10 && wrong == 0, "%s: %zu files, %zu of them give a picture, %zu wrong", folder, files, decoded, wrong);
}

static uint8_t *read_reference(const char *name, size_t *size)
{
    char     path[4096];
    uint8_t *bytes = NULL;
    snprintf(path, sizeof path, "%s/reference/images/src/%s", tap_shared(), name);
    CHECK(nj_file_read(path, 1 << 26, &bytes, size, NULL) == NJ_OK, "%s is read", name);
    return bytes;
}

/* Cut at a third: refused, or given with the rows above the cut as they are in the whole picture. */
static void check_cut(const char *name)
{
    struct nj_picture whole, part;
    size_t            size;
    struct nj_error   error = {0};
    uint8_t          *bytes = read_reference(name, &size);
    CHECK(nj_picture_decode(name, bytes, size, false, &whole, &error) == NJ_OK, "%s is whole", name);
    CHECK(nj_picture_decode(name, bytes, size / 3, false, &part, &error) != NJ_OK && strstr(error.text, "ends early"),
          "cut, it is refused: %s", error.text);
    CHECK(nj_picture_decode(name, bytes, size / 3, true, &part, &error) == NJ_OK && part.partial, "or given in part");
    CHECK(part.width == whole.width && part.height == whole.height && memcmp(part.rgb, whole.rgb, (size_t)whole.width * 3 * 32) == 0,
          "with 32 rows that are right");
    nj_picture_free(&part);
    CHECK(nj_picture_decode(name, bytes, 200, true, &part, &error) != NJ_OK, "cut in its header it is refused in any case: %s", error.text);
    nj_picture_free(&whole);
    free(bytes);
}

static void check_cuts_and_flips(const char *name)
{
    size_t   size, wrong = 0;
    bool     decoded;
    uint8_t *bytes = read_reference(name, &size), *copy = malloc(size);
    for (unsigned i = 0; i < 60; i++)
        wrong += !is_sane(bytes, (size_t)random_below(size), i & 1, &decoded);
    for (unsigned i = 0; i < 120; i++) {
        memcpy(copy, bytes, size);
        for (uint64_t flips = 1 + random_below(6); flips > 0; flips--)
            copy[random_below(i & 1 ? size : size < 400 ? size : 400)] = (uint8_t)random_below(256);
        wrong += !is_sane(copy, size, i & 2, &decoded);
    }
    CHECK(wrong == 0, "%s: cut and damaged in 180 ways, %zu wrong", name, wrong);
    free(copy);
    free(bytes);
}

/* A progressive picture whose last scan is repeated `times` times. */
static void check_scan_bomb(unsigned times, bool expected)
{
    struct nj_picture picture;
    struct nj_error   error = {0};
    size_t            size, scan;
    uint8_t          *bytes = read_reference("scene_320x240_arithmetic_progressive.jpg", &size);
    for (scan = size - 2; scan > 0 && !(bytes[scan] == 0xff && bytes[scan + 1] == 0xda);)
        scan--;
    size_t   length = size - 2 - scan, total = size + length * times;
    uint8_t *bomb = malloc(total);
    memcpy(bomb, bytes, size - 2);
    for (unsigned i = 0; i < times; i++)
        memcpy(bomb + size - 2 + length * i, bytes + scan, length);
    memcpy(bomb + total - 2, bytes + size - 2, 2);
    nj_status status = nj_picture_decode("bomb.jpg", bomb, total, true, &picture, &error);
    CHECK((status == NJ_OK) == expected, "a last scan repeated %u times: %s", times, error.text);
    nj_picture_free(&picture);
    free(bomb);
    free(bytes);
}

/* A hundred thousand EXIF blocks: linear, not quadratic (this test would take minutes). */
static void check_marker_bomb(void)
{
    struct nj_picture picture;
    struct nj_error   error = {0};
    size_t            size, markers = 100000, each = 10;
    uint8_t          *bytes = read_reference("scene_640x480_420.jpg", &size), *bomb = malloc(size + markers * each);
    memcpy(bomb, bytes, 2);
    for (size_t i = 0; i < markers; i++)
        memcpy(bomb + 2 + i * each,
               "\xff\xe1\0\x08"
               "Exif\0\0",
               each);
    memcpy(bomb + 2 + markers * each, bytes + 2, size - 2);
    CHECK(nj_picture_decode("bomb.jpg", bomb, size + markers * each, false, &picture, &error) == NJ_OK, "100,000 EXIF blocks %s",
          error.text);
    nj_picture_free(&picture);
    free(bomb);
    free(bytes);
}

int main(void)
{
    static const char *const small[] = {"exif_6.jpg",
                                        "noise_257x131_420.jpg",
                                        "scene_320x240_arithmetic_progressive.jpg",
                                        "png_1bit_96x96.png",
                                        "png_rgba_300x200.png",
                                        "png_palette_transparent_120x90.png",
                                        "png_exif_orientation_6.png"};
    char                     path[4096];
    bool                     decoded;
    CHECK(is_sane((const uint8_t *)"", 0, false, &decoded) && !decoded, "no bytes");
    if (!tap_shared()) {
        SKIP("no reference files");
        return tap_done();
    }
    snprintf(path, sizeof path, "%s/data/malformed", tap_shared());
    check_folder(path);
    snprintf(path, sizeof path, "%s/reference/images/src", tap_shared());
    check_folder(path);
    check_cut("scene_640x480_420.jpg");
    check_cut("png_rgba_300x200.png");
    for (size_t i = 0; i < sizeof small / sizeof *small; i++)
        check_cuts_and_flips(small[i]);
    check_scan_bomb(100, true);
    check_scan_bomb(300, false);
    check_marker_bomb();
    return tap_done();
}
