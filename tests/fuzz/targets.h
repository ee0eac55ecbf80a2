/* targets.h: what fuzzing asks of the code that reads cards. Each target takes any bytes and aborts if a promise does not hold; sanitizers see the
 * rest. fuzz_NAME.c hands one of them to libFuzzer (`make fuzz`), test_corpus.c feeds them the corpus and changes of it in `make check`. */
#ifndef NJ_TESTS_FUZZ_TARGETS_H
#define NJ_TESTS_FUZZ_TARGETS_H

#include "pipeline/ingest/burst.h"
#include "pipeline/ingest/name.h"
#include "pipeline/picture/examine.h"
#include "pipeline/picture/metadata.h"
#include "pipeline/picture/picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROMISE(condition)                                                                                                                 \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition);                                                \
            abort();                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

/* What an honest reader finds must pass the check of what a dishonest one might say. */
static void check_metadata(const struct nj_metadata *found)
{
    struct nj_metadata checked = *found;
    char               camera[NJ_CAMERA_TEXT];
    nj_metadata_distrust(&checked);
    PROMISE(checked.taken_at == found->taken_at && checked.source == found->source && checked.trigger == found->trigger);
    PROMISE(checked.k == found->k && checked.n == found->n && checked.has_position == found->has_position);
    PROMISE(!strcmp(checked.make, found->make) && !strcmp(checked.serial, found->serial) && !strcmp(checked.comment, found->comment));
    nj_metadata_camera(found, camera);
    PROMISE(strlen(camera) < sizeof camera);
}

/* A JPEG file, or else an EXIF block (without "Exif") and a maker note. */
__attribute__((unused)) static void fuzz_metadata(const uint8_t *data, size_t size)
{
    static const uint8_t begin[] = {0xff, 0xd8, 0xff, 0xe1, 0, 0, 'E', 'x', 'i', 'f', 0, 0};
    struct nj_metadata   metadata;
    nj_metadata_read(data, size, &metadata);
    check_metadata(&metadata);
    if (size > 60000 || (size > 1 && data[0] == 0xff && data[1] == 0xd8))
        return;
    uint8_t *jpeg = malloc(sizeof begin + size);
    PROMISE(jpeg);
    memcpy(jpeg, begin, sizeof begin);
    memcpy(jpeg + sizeof begin, data, size);
    jpeg[4] = (uint8_t)((size + 8) >> 8);
    jpeg[5] = (uint8_t)(size + 8);
    nj_metadata_read(jpeg, sizeof begin + size, &metadata);
    check_metadata(&metadata);
    free(jpeg);
    int64_t taken_at = NJ_TIME_UNKNOWN;
    metadata         = (struct nj_metadata){.taken_at = NJ_TIME_UNKNOWN, .celsius = NJ_CELSIUS_UNSET};
    if (nj_metadata_reconyx(data, size, &metadata, &taken_at))
        check_metadata(&metadata);
}

/* A picture that ingest accepts is one that can be decoded, and whole. Pictures beyond 4 megapixels are left out: they only cost time. */
__attribute__((unused)) static void fuzz_picture(const uint8_t *data, size_t size)
{
    static uint8_t        luma[NJ_SMALL_MAX_PIXELS];
    struct nj_examination verdict;
    struct nj_metadata    metadata;
    struct nj_picture     picture;
    nj_metadata_read(data, size, &metadata);
    if ((uint64_t)metadata.width * metadata.height > 4u << 20)
        return;
    nj_examine(data, size, luma, &verdict);
    PROMISE(verdict.usable || verdict.words[0]);
    PROMISE(memchr(verdict.words, 0, sizeof verdict.words));
    struct nj_error error   = {0};
    bool            decoded = nj_picture_decode("fuzz", data, size, true, &picture, &error) == NJ_OK;
    if (verdict.usable && (!decoded || picture.partial))
        fprintf(stderr, "%s%s; %s\n", error.text, decoded ? "partial" : "", verdict.words);
    PROMISE(!verdict.usable || (decoded && !picture.partial));
    if (decoded)
        nj_picture_free(&picture);
}

#define FUZZ_FRAMES 64

/* Eight bytes make a frame, the rest is a name for it. The same bursts whatever the order; every frame in exactly one; none too long. */
__attribute__((unused)) static void fuzz_bursts(const uint8_t *data, size_t size)
{
    static const char *const    cameras[] = {"", "left", "right"};
    const struct nj_burst_rules rules     = {5, 3};
    struct nj_frame             frame[FUZZ_FRAMES], turned[FUZZ_FRAMES];
    struct nj_burst             burst[FUZZ_FRAMES], again[FUZZ_FRAMES];
    char                        name[FUZZ_FRAMES][24];
    size_t                      count = 0, seen = 0;
    nj_name_time((const char *)data, size);
    nj_name_number((const char *)data, size);
    PROMISE(nj_name_folder((const char *)data, size) <= size);
    nj_name_ignored((const char *)data, size);
    for (; size >= 8 && count < FUZZ_FRAMES; data += 8, size -= 8, count++) {
        /* unlike names, as in a file system; the index stands where it is not taken for the camera's number */
        snprintf(name[count], sizeof name[0], "%s%02zu_IMG_%c%u.JPG", data[6] & 64 ? "DCIM/" : "", count, 'A' + data[6] % 3, data[7]);
        frame[count]   = (struct nj_frame){.path      = name[count],
                                           .path_size = strlen(name[count]),
                                           .camera    = cameras[data[0] % 3],
                                           .taken_at  = data[1] == 255 ? NJ_TIME_UNKNOWN : 1000 + data[1] + 4 * (data[2] & 15),
                                           .n         = data[3] % 5,
                                           .event     = data[4] % 4,
                                           .timelapse = data[5] % 16 == 0,
                                           .file      = (int64_t)count};
        frame[count].k = frame[count].n ? (uint16_t)(1 + data[5] % frame[count].n) : 0;
    }
    for (size_t i = 0; i < count; i++)
        turned[i] = frame[count - 1 - i];
    size_t made = nj_group_bursts(frame, count, &rules, burst);
    PROMISE(made <= count && made == nj_group_bursts(turned, count, &rules, again));
    for (size_t i = 0; i < made; i++) {
        PROMISE(burst[i].length >= 1 && burst[i].length <= rules.max_frames);
        PROMISE(burst[i].length == again[i].length && burst[i].end == again[i].end && burst[i].started_at <= burst[i].ended_at);
        for (unsigned j = 1; j < burst[i].length; j++)
            PROMISE(!strcmp(frame[seen].camera, frame[seen + j].camera) && !frame[seen].timelapse && !frame[seen + j].timelapse);
        seen += burst[i].length;
    }
    PROMISE(seen == count);
    for (size_t i = 0; i < count; i++)
        PROMISE(frame[i].file == turned[i].file);
}

#endif
