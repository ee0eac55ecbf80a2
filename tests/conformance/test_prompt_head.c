/* Heads of prompts that are kept in files: with a file, without one, and with one that somebody spoiled, the keys and values are the same to the last bit,
 * and so is what the built-in model says about a burst. */
#include "base/file.h"
#include "base/log.h"
#include "pipeline/sentinel/prompt_head.h"
#include "pipeline/sentinel/reader.h"
#include "tests/tap.h"

#include <dirent.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODEL   "models/savanna.nj"
#define COUNT   60u
#define CHANGES 200u

static char folder[64], file[4096];

static long calls;

static bool count_call(void *arg)
{
    (void)arg;
    calls++;
    return false;
}

static uint32_t draw(uint32_t below)
{
    static uint32_t seed = 1;
    seed                 = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

/* How many files there are; `file` becomes the path of one of them. */
static unsigned count_files(void)
{
    unsigned count = 0;
    DIR     *dir   = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_name[0] != '.') {
            snprintf(file, sizeof file, "%s/%s", folder, entry->d_name);
            count++;
        }
    if (dir)
        closedir(dir);
    return count;
}

static void remove_files(void)
{
    while (count_files())
        unlink(file);
}

/* What the engine makes of `count` ids with and without files; *bytes is the caller's, or NULL. */
static bool feed(struct nj_engine *engine, const char *where, const int32_t *ids, size_t count, uint8_t **bytes, size_t *size)
{
    struct nj_error     error    = {0};
    struct nj_sequence *sequence = NULL;
    *bytes                       = NULL;
    bool good                    = nj_sequence_open(engine, COUNT + 10, &sequence, &error) == NJ_OK &&
                nj_prompt_head_feed(engine, where, ids, count, sequence, &error) == NJ_OK && nj_sequence_length(sequence) == count &&
                nj_sequence_save(sequence, bytes, size, &error) == NJ_OK;
    nj_sequence_close(sequence);
    return good;
}

static bool feeds_the_same(struct nj_engine *engine, const char *where, const int32_t *ids, size_t count, const uint8_t *want, size_t size)
{
    uint8_t *bytes;
    size_t   got  = 0;
    bool     good = feed(engine, where, ids, count, &bytes, &got) && got == size && !memcmp(bytes, want, size);
    free(bytes);
    return good;
}

static void change(uint8_t *bytes, size_t *size, unsigned which)
{
    switch (which) {
    case 0:
        bytes[draw((uint32_t)*size)] ^= (uint8_t)(1 << draw(8));
        break;
    case 1:
        *size = draw((uint32_t)*size);
        break;
    case 2:
        bytes[draw(32)] ^= 1; /* its key */
        break;
    case 3:
        bytes[32 + draw(56)] = (uint8_t)draw(256); /* what stands in front of the keys and values, sealed again */
        struct sha256_ctx hash;
        sha256_init(&hash);
        sha256_update(&hash, *size - 64, bytes + 32);
        sha256_digest(&hash, 32, bytes + *size - 32);
        break;
    default:
        memset(bytes, 0, *size);
    }
}

static void check_feeding(struct nj_engine *engine, struct nj_engine *exact)
{
    struct nj_error error = {0};
    int32_t         ids[COUNT];
    uint8_t        *want, *good_file = NULL, *now = NULL, *copy;
    size_t          size = 0, file_size = 0, now_size = 0;
    unsigned        wrong = 0, unmended = 0;
    for (size_t i = 0; i < COUNT; i++)
        ids[i] = (int32_t)draw(200);
    bool good = feed(engine, NULL, ids, COUNT, &want, &size);
    if (!CHECK(good, "a head without a file"))
        return;
    CHECK(feeds_the_same(engine, folder, ids, COUNT, want, size) && count_files() == 1, "the first one writes its file");
    calls = 0;
    CHECK(feeds_the_same(engine, folder, ids, COUNT, want, size) && calls == 0, "the next reads it, bit for bit, and asks no layer");
    CHECK(feeds_the_same(engine, "/dev/null/heads", ids, COUNT, want, size), "a folder that cannot be made is no error");
    if (!CHECK(nj_file_read(file, 1 << 30, &good_file, &file_size, &error) == NJ_OK, "which can be read"))
        return;
    copy = malloc(file_size);
    for (unsigned i = 0; i < CHANGES; i++) {
        size_t length = file_size;
        memcpy(copy, good_file, file_size);
        change(copy, &length, i % 5);
        bool differs = length != file_size || memcmp(copy, good_file, file_size) != 0;
        if (nj_file_write_atomic(file, copy, length, &error) != NJ_OK || !differs)
            continue;
        wrong += !feeds_the_same(engine, folder, ids, COUNT, want, size);
        unmended +=
            nj_file_read(file, 1 << 30, &now, &now_size, &error) != NJ_OK || now_size != file_size || memcmp(now, good_file, file_size);
        free(now);
        now = NULL;
    }
    CHECK(wrong == 0, "%u spoiled files give nothing", CHANGES);
    CHECK(unmended == 0, "and are made anew");
    free(copy);
    free(good_file);
    free(want);

    good = feed(engine, NULL, ids, COUNT - 1, &want, &size) && feeds_the_same(engine, folder, ids, COUNT - 1, want, size);
    CHECK(good && count_files() == 2, "a shorter head is another");
    free(want);
    ids[3]++;
    good = feed(engine, NULL, ids, COUNT, &want, &size) && feeds_the_same(engine, folder, ids, COUNT, want, size);
    CHECK(good && count_files() == 3, "as are other ids");
    free(want);
    good = feed(exact, NULL, ids, COUNT, &want, &size) && feeds_the_same(exact, folder, ids, COUNT, want, size);
    CHECK(good && count_files() == 4, "and another arithmetic");
    free(want);
    for (size_t count = 5; count < 12; count++) {
        good &= feed(engine, folder, ids, count, &want, &size);
        free(want);
    }
    CHECK(good && count_files() == NJ_PROMPT_HEADS, "there are never more than %u", NJ_PROMPT_HEADS);
    calls = 0;
    good  = feed(engine, folder, ids, 11, &want, &size);
    CHECK(good && calls == 0, "and the newest stay");
    free(want);
    remove_files();
}

static bool read_burst(struct nj_reader *reader, struct nj_reading *out)
{
    static uint8_t        pixels[3 * 160 * 120];
    struct nj_error       error = {0};
    struct nj_picture     frame = {.rgb = pixels, .width = 160, .height = 120};
    struct nj_burst_input input = {
        .record      = {.event_id = "EVENT1", .site_id = "D04", .local_datetime = "2010-08-16T14:51:32", .frame_count = 1},
        .frames      = &frame,
        .soft_tokens = 70};
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * i / 97);
    calls = 0;
    return nj_reader_read(reader, &input, 1, out, &error) == NJ_OK;
}

static bool same(const struct nj_reading *a, const struct nj_reading *b)
{
    bool good = a->choice_count == b->choice_count && !strcmp(a->json, b->json) && a->answer_tokens == b->answer_tokens;
    for (size_t i = 0; good && i < a->choice_count; i++)
        good = !strcmp(a->choices[i].value, b->choices[i].value) && a->choices[i].probability == b->choices[i].probability;
    return good;
}

static void check_reading(struct nj_engine *engine, const struct nj_weights *weights)
{
    struct nj_error       error      = {0};
    struct nj_tokenizer  *tokenizer  = NULL;
    struct nj_vocabulary *vocabulary = NULL;
    struct nj_reader     *readers[3] = {NULL};
    struct nj_reading     readings[3];
    struct nj_conf        conf;
    long                  took[3];
    memset(readings, 0, sizeof readings);
    nj_conf_defaults(&conf);
    bool good = nj_weights_tokenizer(weights, &tokenizer, &error) == NJ_OK && nj_vocabulary_open(tokenizer, &vocabulary, &error) == NJ_OK;
    for (size_t i = 0; i < 3 && good; i++) { /* without files, with new ones, with those of the second */
        good = nj_reader_open(engine, tokenizer, vocabulary, &conf, MODEL, &readers[i], &error) == NJ_OK;
        if (good && i > 0)
            nj_reader_keep_heads(readers[i], folder);
        good    = good && read_burst(readers[i], &readings[i]);
        took[i] = calls;
    }
    if (CHECK(good, "three readings: %s", error.text)) {
        CHECK(count_files() == 1u + (conf.sentinel.second_look != 0), "a file for each question");
        CHECK(same(&readings[0], &readings[1]) && same(&readings[0], &readings[2]), "the same document and probabilities");
        CHECK(took[0] == took[1] && took[2] < took[1], "and less work where there are files: %ld calls, %ld before", took[2], took[1]);
    }
    for (size_t i = 0; i < 3; i++) {
        nj_reading_free(&readings[i]);
        nj_reader_close(readers[i]);
    }
    nj_vocabulary_close(vocabulary);
    nj_tokenizer_close(tokenizer);
    remove_files();
}

int main(void)
{
    struct nj_error                 error   = {0};
    const struct nj_weights_options nothing = {0};
    struct nj_engine_options        options = {.arithmetic = NJ_FAST, .should_stop = count_call}, judge = {.arithmetic = NJ_EXACT};
    struct nj_weights              *weights = NULL;
    struct nj_engine               *engine = NULL, *exact = NULL;
    char                            scratch[] = "/tmp/nj-heads-XXXXXX";
    nj_log_level_set(NJ_LOG_ERROR); /* hundreds of spoiled files are said otherwise */
    if (!mkdtemp(scratch))
        return 1;
    snprintf(folder, sizeof folder, "%s/heads", scratch);
    if (CHECK(nj_weights_open(MODEL, &nothing, &weights, &error) == NJ_OK && nj_engine_open(weights, &options, &engine, &error) == NJ_OK &&
                  nj_engine_open(weights, &judge, &exact, &error) == NJ_OK,
              "the built-in model: %s", error.text)) {
        check_feeding(engine, exact);
        check_reading(engine, weights);
    }
    nj_engine_close(exact);
    nj_engine_close(engine);
    nj_weights_close(weights);
    rmdir(folder);
    rmdir(scratch);
    return tap_done();
}
