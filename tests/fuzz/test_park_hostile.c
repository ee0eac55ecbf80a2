/* Parked states that somebody changed and gave the right checksum again: each is refused with a sentence or read as what it says, and memory is never
 * touched where it should not be (`make debug`). */
#include "pipeline/model/random_model.h"
#include "pipeline/sentinel/park.h"
#include "pipeline/sentinel/reader.h"
#include "tests/tap.h"

#include <nettle/sha2.h>
#include <string.h>

#define CHANGES 400u

static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

/* Bits, bytes, numbers of eight bytes that a length may be, and cuts. */
static size_t change(uint8_t *bytes, size_t size)
{
    static const uint64_t numbers[] = {0, 1, 0x7fffffff, 0xffffffff, 0x100000000, INT64_MAX, UINT64_MAX, UINT64_MAX / 8};
    size_t at = draw(4) ? draw((uint32_t)(size < 400 ? size : 400)) : draw((uint32_t)size); /* most of what is read stands in front */
    switch (draw(4)) {
    case 0:
        bytes[at] ^= (uint8_t)(1 << draw(8));
        break;
    case 1:
        bytes[at] = (uint8_t)draw(256);
        break;
    case 2:
        at -= at % 8;
        if (at + 8 <= size)
            memcpy(bytes + at, &numbers[draw(sizeof numbers / sizeof *numbers)], 8);
        break;
    default:
        return size - draw((uint32_t)(size < 64 ? size : 64));
    }
    return size;
}

static void seal(uint8_t *bytes, size_t size)
{
    struct sha256_ctx hash;
    if (size < SHA256_DIGEST_SIZE)
        return;
    sha256_init(&hash);
    sha256_update(&hash, size - SHA256_DIGEST_SIZE, bytes);
    sha256_digest(&hash, SHA256_DIGEST_SIZE, bytes + size - SHA256_DIGEST_SIZE);
}

/* An answer half way, with choices; the sequence is any bytes. */
static void check_bytes(void)
{
    struct nj_error  error        = {0};
    uint8_t          identity[32] = {7}, state[40] = {1, 2, 3}, *bytes = NULL;
    int32_t          ids[]  = {5, 6, 7, 8};
    char             path[] = "/event/blank", value[] = "true", other[] = "false";
    struct nj_choice choices[]  = {{path, value, 0.75, other, 0.25}, {path, other, 0.5, value, 0.5}};
    float            features[] = {1, 2, 3};
    struct nj_park   park       = {.soft_tokens = 70, .frames = 2, .counts = {1, 2}, .features = features, .floats = 3, .question = 1};
    size_t           size       = 0;
    unsigned         taken = 0, told = 0;
    park.prompt        = (struct nj_ids){ids, 4, 4};
    park.sequence      = state;
    park.sequence_size = sizeof state;
    for (uint32_t i = 0; i < 2; i++)
        park.answers[i] = (struct nj_generation){.fed = 3, .prompt_count = 2, .ids = {ids, 3, 4}, .choices = choices, .choice_count = 2};
    if (!CHECK(nj_park_write(&park, identity, &bytes, &size, &error) == NJ_OK, "a parked burst"))
        return;
    for (unsigned i = 0; i < 100 * CHANGES; i++) {
        uint8_t       *copy = malloc(size);
        struct nj_park found;
        memcpy(copy, bytes, size);
        size_t length = size;
        for (unsigned k = 0; k <= draw(3) && length > 64; k++)
            length = change(copy, length);
        seal(copy, length);
        uint8_t *exact = realloc(copy, length ? length : 1); /* so that a byte too far is seen */
        error.text[0]  = 0;
        if (nj_park_read(exact, length, identity, &found, &error) == NJ_OK)
            taken++;
        else
            told += error.text[0] && found.answers[0].ids.data == NULL && !found.features;
        nj_park_free(&found);
        free(exact);
    }
    CHECK(taken > 0 && told > 0 && taken + told == 100 * CHANGES, "%u changed states are refused with a sentence, %u say something else",
          told, taken);
    free(bytes);
}

/* Keys and values of a sequence. */
static void check_sequence(struct nj_engine *engine)
{
    struct nj_error     error    = {0};
    struct nj_sequence *sequence = NULL;
    int32_t             ids[20];
    uint8_t            *bytes = NULL;
    size_t              size  = 0;
    unsigned            taken = 0, odd = 0;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        ids[i] = (int32_t)draw(40);
    struct nj_step step = {.ids = ids, .count = sizeof ids / sizeof *ids};
    bool           good = nj_sequence_open(engine, 40, &sequence, &error) == NJ_OK;
    step.sequence       = sequence;
    good                = good && nj_engine_step(engine, &step, 1, &error) == NJ_OK;
    if (!CHECK(good && nj_sequence_save(sequence, &bytes, &size, &error) == NJ_OK, "a parked sequence"))
        return;
    for (unsigned i = 0; i < CHANGES; i++) {
        uint8_t *copy = malloc(size);
        memcpy(copy, bytes, size);
        size_t length = i % 2 ? change(copy, size) : size;
        if (i % 2 == 0)
            change(copy, 64); /* what is read stands in front */
        seal(copy, length);
        uint8_t *exact = realloc(copy, length);
        if (nj_sequence_load(sequence, exact, length, &error) == NJ_OK)
            taken++;
        odd += nj_sequence_length(sequence) > 40;
        free(exact);
    }
    nj_sequence_reset(sequence);
    CHECK(taken > 0 && taken < CHANGES && odd == 0 && nj_engine_step(engine, &step, 1, &error) == NJ_OK,
          "%u changed sequences are refused, and the next one goes on", CHANGES - taken);
    nj_sequence_close(sequence);
    free(bytes);
}

static long calls, stop_at;

static bool should_stop(void *arg)
{
    (void)arg;
    return ++calls >= stop_at && stop_at;
}

/* The same with a reader behind it, and with keys and values in it. */
static void check_reader(struct nj_reader *reader)
{
    struct nj_error       error = {0};
    uint8_t               pixels[3 * 64 * 48];
    struct nj_picture     frame = {.rgb = pixels, .width = 64, .height = 48};
    struct nj_reading     whole, parked, last;
    struct nj_burst_input input = {
        .record      = {.event_id = "EVENT1", .site_id = "D04", .local_datetime = "2010-08-16T14:51:32", .frame_count = 1},
        .frames      = &frame,
        .soft_tokens = 70};
    unsigned failed = 0;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)draw(256);
    bool good = nj_reader_read(reader, &input, 1, &whole, &error) == NJ_OK;
    stop_at   = calls * 3 / 4;
    calls     = 0;
    good      = good && nj_reader_read(reader, &input, 1, &parked, &error) == NJ_STOPPED && parked.parked;
    stop_at   = 0;
    if (!CHECK(good, "a reading is parked: %s", error.text))
        return;
    for (unsigned i = 0; i < CHANGES / 40; i++) {
        uint8_t *copy = malloc(parked.parked_size);
        memcpy(copy, parked.parked, parked.parked_size);
        input.parked_size = parked.parked_size;
        for (unsigned k = 0; k <= i % 3 && input.parked_size > 64; k++)
            input.parked_size = change(copy, input.parked_size);
        seal(copy, input.parked_size);
        input.parked = copy;
        failed += nj_reader_read(reader, &input, 1, &last, &error) != NJ_OK || !last.json;
        nj_reading_free(&last);
        free(copy);
    }
    CHECK(failed == 0, "whatever a parked state says, its burst is read");
    nj_reading_free(&whole);
    nj_reading_free(&parked);
}

int main(void)
{
    struct nj_error          error      = {0};
    struct nj_engine_options options    = {.arithmetic = NJ_FAST, .should_stop = should_stop};
    struct nj_weights       *weights    = NULL;
    struct nj_engine        *engine     = NULL;
    struct nj_tokenizer     *tokenizer  = NULL;
    struct nj_vocabulary    *vocabulary = NULL;
    struct nj_reader        *reader     = NULL;
    struct nj_conf           conf;
    nj_conf_defaults(&conf);
    check_bytes();
    if (CHECK(nj_random_open("tiny", 7, &weights, &error) == NJ_OK && nj_engine_open(weights, &options, &engine, &error) == NJ_OK &&
                  nj_weights_tokenizer(weights, &tokenizer, &error) == NJ_OK &&
                  nj_vocabulary_open(tokenizer, &vocabulary, &error) == NJ_OK &&
                  nj_reader_open(engine, tokenizer, vocabulary, &conf, "none", &reader, &error) == NJ_OK,
              "a reader on a random model: %s", error.text)) {
        check_sequence(engine);
        check_reader(reader);
    }
    nj_reader_close(reader);
    nj_vocabulary_close(vocabulary);
    nj_tokenizer_close(tokenizer);
    nj_engine_close(engine);
    nj_weights_close(weights);
    return tap_done();
}
