/* A reading that is stopped anywhere and taken up from its parked bytes gives what it would have given, to the last bit; bytes that do not fit cost
 * nothing but the work that was in them. The model is a random one. */
#include "pipeline/model/random_model.h"
#include "pipeline/sentinel/reader.h"
#include "tests/tap.h"

#include <string.h>

#define BURSTS 2u

static struct bench {
    struct nj_weights    *weights;
    struct nj_engine     *engine;
    struct nj_tokenizer  *tokenizer;
    struct nj_vocabulary *vocabulary;
    struct nj_reader     *reader;
    struct nj_conf        conf;
    struct nj_burst_input bursts[BURSTS];
    struct nj_picture     frames[BURSTS][2];
    long                  calls, stop_at; /* 0: never */
} bench;

static uint32_t more_tokens = 140; /* what the plan offers a parked burst */

static bool should_stop(void *arg)
{
    struct bench *b = arg;
    return ++b->calls == b->stop_at || (b->stop_at && b->calls > b->stop_at);
}

static void draw(struct nj_picture *picture, uint32_t seed)
{
    *picture     = (struct nj_picture){.width = 160, .height = 120};
    picture->rgb = malloc((size_t)3 * picture->width * picture->height);
    for (size_t i = 0; i < (size_t)3 * picture->width * picture->height; i++) {
        seed            = seed * 1664525u + 1013904223u;
        picture->rgb[i] = (uint8_t)(seed >> 24);
    }
}

static nj_status read_from(struct nj_reading *parked, long stop_at, struct nj_reading *out)
{
    struct nj_burst_input inputs[BURSTS];
    struct nj_error       error = {0};
    for (size_t i = 0; i < BURSTS; i++) {
        inputs[i]             = bench.bursts[i];
        inputs[i].parked      = parked ? parked[i].parked : NULL;
        inputs[i].parked_size = parked ? parked[i].parked_size : 0;
        if (inputs[i].parked) /* the plan may have changed its mind; what was begun with 70 goes on with 70 */
            inputs[i].soft_tokens = more_tokens;
    }
    bench.calls      = 0;
    bench.stop_at    = stop_at;
    nj_status status = nj_reader_read(bench.reader, inputs, BURSTS, out, &error);
    if (status == NJ_ERROR)
        printf("# %s\n", error.text);
    return status;
}

static void release(struct nj_reading *readings)
{
    for (size_t i = 0; i < BURSTS; i++)
        nj_reading_free(&readings[i]);
}

static bool same(const struct nj_reading *a, const struct nj_reading *b)
{
    bool good = true;
    for (size_t i = 0; i < BURSTS; i++) {
        good = good && a[i].json && b[i].json && !strcmp(a[i].json, b[i].json) && a[i].choice_count == b[i].choice_count &&
               a[i].routed == b[i].routed && a[i].model_reasons == b[i].model_reasons && a[i].priority == b[i].priority;
        for (size_t k = 0; good && k < a[i].choice_count; k++)
            good = !strcmp(a[i].choices[k].path, b[i].choices[k].path) && !strcmp(a[i].choices[k].value, b[i].choices[k].value) &&
                   a[i].choices[k].probability == b[i].choices[k].probability;
    }
    return good;
}

/* Stops in the middle of everything, one place after the other. */
static void check_stops(const char *name, long stops, double share)
{
    struct nj_reading whole[BURSTS], first[BURSTS], second[BURSTS], last[BURSTS];
    bool              good = read_from(NULL, 0, whole) == NJ_OK; /* the first reading makes the head of the prompt for the others, too */
    release(whole);
    if (!CHECK(good && read_from(NULL, 0, whole) == NJ_OK, "%s, undisturbed", name))
        return;
    long     total = bench.calls, saved = 0;
    unsigned wrong = 0;
    for (long i = 0; i < stops; i++) {
        long stop = 1 + i * (total - 1) / (stops - 1);
        wrong += read_from(NULL, stop, first) != NJ_STOPPED;
        wrong += read_from(first, 0, last) != NJ_OK || !same(whole, last);
        saved += total - bench.calls;
        release(last);
        /* Stopped once more, soon after. */
        nj_status again = read_from(first, total / 9, second);
        wrong += again == NJ_ERROR;
        if (again == NJ_STOPPED) {
            wrong += read_from(second, 0, last) != NJ_OK || !same(whole, last);
            release(last);
        } else {
            wrong += !same(whole, second);
        }
        release(first);
        release(second);
    }
    CHECK(wrong == 0, "%s: stopped at %ld of its %ld places it goes on to the same answers", name, stops, total);
    CHECK((double)saved > share * (double)(stops * total), "%s: what was done is not done again: %ld of %ld calls on average", name,
          total - saved / stops, total);
    release(whole);
}

static void check_damage(void)
{
    struct nj_reading whole[BURSTS], first[BURSTS], last[BURSTS];
    bool              good  = read_from(NULL, 0, whole) == NJ_OK;
    long              total = bench.calls;
    good                    = good && read_from(NULL, total * 2 / 3, first) == NJ_STOPPED && first[0].parked && first[1].parked;
    CHECK(good, "a reading is parked");
    if (!good)
        return;
    first[0].parked[first[0].parked_size / 2] ^= 4;
    first[1].parked_size -= 100;
    more_tokens = 70;
    CHECK(read_from(first, 0, last) == NJ_OK && same(whole, last), "damaged bytes are read from the beginning");
    CHECK(bench.calls == total, "all of it");
    release(last);
    first[0].parked[first[0].parked_size / 2] ^= 4;
    CHECK(read_from(first, 0, last) == NJ_OK && !strcmp(whole[0].json, last[0].json) && bench.calls < total,
          "one torn file takes no other burst's progress");
    release(last);
    bench.frames[0][1].rgb[77] ^= 1;
    release(whole);
    CHECK(read_from(NULL, 0, whole) == NJ_OK && read_from(first, 0, last) == NJ_OK && same(whole, last),
          "another picture is not taken for the one that was parked");
    bench.frames[0][1].rgb[77] ^= 1;
    release(whole);
    release(first);
    release(last);
}

int main(void)
{
    struct nj_error          error   = {0};
    struct nj_engine_options options = {.arithmetic = NJ_FAST, .should_stop = should_stop, .stop_arg = &bench, .pass_rows = 64};
    nj_conf_defaults(&bench.conf);
    if (!CHECK(nj_random_open("tiny", 7, &bench.weights, &error) == NJ_OK, "a random model: %s", error.text) ||
        !CHECK(nj_engine_open(bench.weights, &options, &bench.engine, &error) == NJ_OK, "its engine: %s", error.text) ||
        !CHECK(nj_weights_tokenizer(bench.weights, &bench.tokenizer, &error) == NJ_OK, "its tokenizer: %s", error.text) ||
        !CHECK(nj_vocabulary_open(bench.tokenizer, &bench.vocabulary, &error) == NJ_OK, "its vocabulary: %s", error.text) ||
        !CHECK(nj_reader_open(bench.engine, bench.tokenizer, bench.vocabulary, &bench.conf, "none", &bench.reader, &error) == NJ_OK,
               "its reader: %s", error.text))
        return tap_done();
    for (uint32_t i = 0; i < BURSTS; i++) {
        for (uint32_t j = 0; j < 2; j++)
            draw(&bench.frames[i][j], 10 * i + j);
        bench.bursts[i] = (struct nj_burst_input){.record      = {.event_id       = i ? "EVENT2" : "EVENT1",
                                                                  .site_id        = "D04",
                                                                  .local_datetime = "2010-08-16T14:51:32",
                                                                  .hour           = 14,
                                                                  .frame_count    = 2},
                                                  .frames      = bench.frames[i],
                                                  .soft_tokens = 70};
    }
    check_stops("one question", 9, 0.4);
    check_damage();
    bench.conf.sentinel.second_look = true;
    check_stops("two questions", 9, 0.4);
    bench.conf.model.think = true; /* half a thought is thought again, and thoughts are long */
    check_stops("with thoughts", 3, 0.2);
    for (uint32_t i = 0; i < BURSTS; i++)
        for (uint32_t j = 0; j < 2; j++)
            nj_picture_free(&bench.frames[i][j]);
    nj_reader_close(bench.reader);
    nj_vocabulary_close(bench.vocabulary);
    nj_tokenizer_close(bench.tokenizer);
    nj_engine_close(bench.engine);
    nj_weights_close(bench.weights);
    return tap_done();
}
