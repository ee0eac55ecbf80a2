/* What a sequence promises: a prompt may be cut anywhere, several sequences may go together, a tree
 * of continuations scores as if each branch had been stepped, a copied or parked state goes on as if nothing had happened, and a step that is
 * stopped leaves no trace. In exact arithmetic all of this holds to the bit; in fast arithmetic, where sums depend on how many rows go together, to a
 * small part of what its rounding costs, and to the bit for a state that was parked. */
#include "tests/conformance/golden.h"

#define IDS      120u /* nearly four windows of the small model */
#define FAST_GAP 0.03 /* largest difference of two fast runs whose sums ran in another order; cached values round to 11 bits */

struct bench {
    struct nj_weights *weights;
    struct nj_pool    *pool;
    struct nj_engine  *engine;
    int32_t           *ids;
    size_t             vocab;
    float             *prefill; /* [IDS][vocab], in one step */
    int                calls_left;
    bool               fast;
};

static bool stop_later(void *arg)
{
    struct bench *bench = arg;
    return bench->calls_left >= 0 && bench->calls_left-- == 0;
}

static struct nj_sequence *open_sequence(struct bench *bench, uint32_t capacity)
{
    struct nj_error     error = {""};
    struct nj_sequence *sequence;
    golden_must(nj_sequence_open(bench->engine, capacity, &sequence, &error), &error);
    return sequence;
}

static nj_status step(struct bench *bench, struct nj_sequence *sequence, size_t from, size_t count, float *logits)
{
    struct nj_error error = {""};
    struct nj_step  one   = {.sequence = sequence, .ids = bench->ids + from, .count = count, .logits = logits};
    one.want              = logits ? NJ_WANT_ALL : NJ_WANT_NOTHING;
    nj_status status      = nj_engine_step(bench->engine, &one, 1, &error);
    if (status == NJ_ERROR)
        printf("# %s\n", error.text);
    return status;
}

static bool alike(const struct bench *bench, const float *a, const float *b, size_t values)
{
    double largest = 0;
    if (!bench->fast)
        return !memcmp(a, b, values * sizeof *a);
    for (size_t i = 0; i < values; i++)
        largest = fmax(largest, fabs((double)a[i] - b[i]));
    return largest <= FAST_GAP;
}

static bool same(const struct bench *bench, const float *logits, size_t from, size_t count)
{
    return alike(bench, logits, bench->prefill + from * bench->vocab, count * bench->vocab);
}

/* The rest of the ids after `from` must give what the prefill gave. */
static bool goes_on(struct bench *bench, struct nj_sequence *sequence, size_t from)
{
    float *logits = calloc((IDS - from) * bench->vocab, sizeof *logits);
    bool   good   = step(bench, sequence, from, IDS - from, logits) == NJ_OK && same(bench, logits, from, IDS - from);
    free(logits);
    return good;
}

static void check_cuts(struct bench *bench)
{
    static const size_t widths[] = {1, 3, 10, 33, 64};
    float              *logits   = calloc(IDS * bench->vocab, sizeof *logits);
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        struct nj_sequence *sequence = open_sequence(bench, IDS);
        bool                good     = true;
        for (size_t at = 0; at < IDS; at += widths[i]) {
            size_t count = IDS - at < widths[i] ? IDS - at : widths[i];
            good &= step(bench, sequence, at, count, logits + at * bench->vocab) == NJ_OK;
        }
        CHECK(good && same(bench, logits, 0, IDS), "%zu ids at a time", widths[i]);
        nj_sequence_close(sequence);
    }
    free(logits);
}

static void check_together(struct bench *bench)
{
    struct nj_error     error       = {""};
    static const size_t length[]    = {50, 1, 17};
    struct nj_sequence *sequences[] = {open_sequence(bench, IDS), open_sequence(bench, IDS), open_sequence(bench, IDS)};
    float              *logits[3];
    struct nj_step      steps[3];
    bool                good   = step(bench, sequences[0], 0, 60, NULL) == NJ_OK && step(bench, sequences[1], 0, 7, NULL) == NJ_OK;
    size_t              from[] = {60, 7, 0};
    for (size_t i = 0; i < 3; i++) {
        logits[i]     = calloc(length[i] * bench->vocab, sizeof **logits);
        steps[i]      = (struct nj_step){.sequence = sequences[i], .ids = bench->ids + from[i], .count = length[i], .logits = logits[i]};
        steps[i].want = NJ_WANT_ALL;
    }
    int32_t rows[] = {5, 900, 31};
    float   chosen[3];
    good &= nj_engine_step(bench->engine, steps, 3, &error) == NJ_OK;
    for (size_t i = 0; i < 3; i++) {
        CHECK(good && same(bench, logits[i], from[i], length[i]), "sequence %zu of three that go together", i);
        free(logits[i]);
    }
    steps[0]      = (struct nj_step){.sequence = sequences[2], .ids = bench->ids + 17, .count = 30, .want = NJ_WANT_LAST, .logits = chosen};
    steps[0].rows = rows;
    steps[0].row_count = 3;
    good               = nj_engine_step(bench->engine, steps, 1, &error) == NJ_OK;
    for (size_t i = 0; i < 3; i++)
        good &= alike(bench, &chosen[i], &bench->prefill[46 * bench->vocab + (size_t)rows[i]], 1);
    CHECK(good, "chosen rows of the last position are those of the whole vocabulary");
    for (size_t i = 0; i < 3; i++)
        nj_sequence_close(sequences[i]);
}

static void check_tree(struct bench *bench)
{
    /* Two branches after 70 ids: the true continuation, and one whose first id is another. */
    struct nj_error     error    = {""};
    struct nj_sequence *sequence = open_sequence(bench, IDS), *other = open_sequence(bench, IDS);
    const int32_t      *next  = bench->ids + 70;
    int32_t             ids[] = {next[0], 9, next[1], next[1], next[2], next[2]}, parent[] = {-1, -1, 0, 1, 2, 3};
    int32_t             branch[] = {9, next[1], next[2]};
    float              *logits = calloc(6 * bench->vocab, sizeof *logits), *stepped = calloc(3 * bench->vocab, sizeof *stepped);
    bool                good = step(bench, sequence, 0, 70, NULL) == NJ_OK && step(bench, other, 0, 70, NULL) == NJ_OK;
    struct nj_step      tree = {.sequence = sequence, .ids = ids, .parent = parent, .count = 6, .want = NJ_WANT_ALL, .logits = logits};
    good &= nj_engine_step(bench->engine, &tree, 1, &error) == NJ_OK;
    for (size_t i = 0; i < 3; i++)
        good &= same(bench, logits + 2 * i * bench->vocab, 70 + i, 1);
    CHECK(good, "the branch that is the prompt scores as the prompt");
    struct nj_step one = {.sequence = other, .ids = branch, .count = 3, .want = NJ_WANT_ALL, .logits = stepped};
    good               = nj_engine_step(bench->engine, &one, 1, &error) == NJ_OK;
    for (size_t i = 0; i < 3; i++)
        good &= alike(bench, stepped + i * bench->vocab, logits + (2 * i + 1) * bench->vocab, bench->vocab);
    CHECK(good, "the other branch scores as if it had been stepped");
    CHECK(nj_sequence_length(sequence) == 70 && goes_on(bench, sequence, 70), "a scored tree leaves the sequence as it was");
    parent[3] = 4;
    CHECK(nj_engine_step(bench->engine, &tree, 1, &error) == NJ_ERROR, "a node before its parent is refused");
    tree.count = 1;
    tree.want  = NJ_WANT_LAST;
    CHECK(nj_engine_step(bench->engine, &tree, 1, &error) == NJ_ERROR, "and a tree of which not all is wanted");
    free(logits);
    free(stepped);
    nj_sequence_close(sequence);
    nj_sequence_close(other);
}

/* Trees of two sequences and the next ids of a third in one pass; what a tree says does not depend on what goes along with it. */
static void check_trees_together(struct bench *bench)
{
    enum { LONG = 7, MIDDLE = 5, SHORT = 3 };
    struct nj_error     error = {""};
    struct nj_sequence *sequences[3];
    struct nj_step      steps[3];
    float              *logits[3], *alone = calloc((size_t)LONG * bench->vocab, sizeof *alone);
    int32_t             ids[LONG], parent[LONG];
    bool                good = true;
    for (int32_t i = 0; i < LONG; i++) {
        ids[i]    = bench->ids[i + 5];
        parent[i] = (i - 1) / 2 - (i == 0);
    }
    for (size_t i = 0; i < 3; i++) {
        sequences[i] = open_sequence(bench, IDS);
        good &= step(bench, sequences[i], 0, 30 + 11 * i, NULL) == NJ_OK;
        steps[i]        = (struct nj_step){.sequence = sequences[i], .ids = ids, .parent = parent, .count = LONG, .want = NJ_WANT_ALL};
        logits[i]       = calloc((size_t)LONG * bench->vocab, sizeof *logits[i]);
        steps[i].logits = logits[i];
    }
    steps[1].parent = NULL;
    steps[1].ids    = bench->ids + 41;
    steps[1].count  = MIDDLE;
    steps[2].count  = SHORT;
    CHECK(good && nj_engine_step(bench->engine, steps, 3, &error) == NJ_OK, "two trees and the next ids of a third sequence together");
    CHECK(same(bench, logits[1], 41, MIDDLE) && goes_on(bench, sequences[1], 41 + MIDDLE), "the third goes on");
    for (size_t i = 0; i < 3; i += 2) {
        steps[i].logits = alone;
        good            = nj_sequence_length(sequences[i]) == 30 + 11 * i && nj_engine_step(bench->engine, &steps[i], 1, &error) == NJ_OK;
        CHECK(good && alike(bench, alone, logits[i], steps[i].count * bench->vocab), "tree %zu scores as it does alone", i);
    }
    for (size_t i = 0; i < 3; i++) {
        nj_sequence_close(sequences[i]);
        free(logits[i]);
    }
    free(alone);
}

static bool same_bits(struct bench *bench, struct nj_sequence *a, struct nj_sequence *b, size_t from)
{
    size_t count = IDS - from;
    float *of_a = calloc(count * bench->vocab, sizeof *of_a), *of_b = calloc(count * bench->vocab, sizeof *of_b);
    bool   good = step(bench, a, from, count, of_a) == NJ_OK && step(bench, b, from, count, of_b) == NJ_OK;
    good &= !memcmp(of_a, of_b, count * bench->vocab * sizeof *of_a);
    free(of_a);
    free(of_b);
    return good;
}

static void check_rewind(struct bench *bench)
{
    struct nj_sequence *sequence = open_sequence(bench, IDS);
    bool                good     = step(bench, sequence, 0, 70, NULL) == NJ_OK && step(bench, sequence, 80, 10, NULL) == NJ_OK;
    good                         = good && nj_sequence_rewind(sequence, 70, NULL) == NJ_OK;
    CHECK(good && goes_on(bench, sequence, 70), "a sequence goes on from where it was taken back to");
    CHECK(nj_sequence_rewind(sequence, IDS + 1, NULL) == NJ_ERROR && nj_sequence_length(sequence) == IDS, "it cannot be taken forward");
    CHECK(nj_sequence_rewind(sequence, 1, NULL) == NJ_ERROR || nj_engine_pass_rows(bench->engine) >= IDS - 1,
          "nor back to where its window is gone");
    nj_sequence_close(sequence);
}

static void check_copy_and_park(struct bench *bench)
{
    static const size_t lengths[] = {1, 20, 90};
    struct nj_error     error     = {""};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct nj_sequence *sequence = open_sequence(bench, IDS), *copy = open_sequence(bench, IDS + 7),
                           *loaded = open_sequence(bench, IDS + 31), *twin = open_sequence(bench, IDS);
        uint8_t *bytes = NULL;
        size_t   size  = 0;
        bool     good  = step(bench, sequence, 0, lengths[i], NULL) == NJ_OK;
        good &= nj_sequence_copy(copy, sequence, &error) == NJ_OK;
        CHECK(good && goes_on(bench, copy, lengths[i]), "a copy of %zu positions goes on", lengths[i]);
        good = nj_sequence_save(sequence, &bytes, &size, &error) == NJ_OK;
        for (size_t at = 0; good && at < size; at += at < 64 ? 7 : size / 5) {
            bytes[at] ^= 1;
            good = nj_sequence_load(loaded, bytes, size, &error) == NJ_ERROR;
            bytes[at] ^= 1;
        }
        CHECK(good && nj_sequence_load(loaded, bytes, size - 1, &error) == NJ_ERROR, "a damaged or cut state is refused");
        good = nj_sequence_load(loaded, bytes, size, &error) == NJ_OK;
        CHECK(good && goes_on(bench, loaded, lengths[i]), "a parked state of %zu positions goes on", lengths[i]);
        good = nj_sequence_load(twin, bytes, size, &error) == NJ_OK;
        CHECK(good && same_bits(bench, sequence, twin, lengths[i]), "and in a sequence of the same room to the bit");
        if (lengths[i] > 1) {
            struct nj_sequence *small = open_sequence(bench, (uint32_t)lengths[i] - 1);
            CHECK(nj_sequence_load(small, bytes, size, &error) == NJ_ERROR, "a parked state that does not fit is refused");
            nj_sequence_close(small);
        }
        free(bytes);
        nj_sequence_close(sequence);
        nj_sequence_close(copy);
        nj_sequence_close(loaded);
        nj_sequence_close(twin);
    }
}

/* Stops a step of several passes at each of some moments; what follows must be as if it had never been tried. */
static void check_stop(struct bench *bench)
{
    static const size_t starts[] = {0, 5, 45};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        bool good = true, stopped = true;
        int  moment = 0;
        for (; good && stopped; moment += 5) {
            struct nj_sequence *sequence = open_sequence(bench, IDS);
            good                         = starts[i] == 0 || step(bench, sequence, 0, starts[i], NULL) == NJ_OK;
            bench->calls_left            = moment;
            stopped                      = step(bench, sequence, starts[i], 70, NULL) == NJ_STOPPED;
            bench->calls_left            = -1;
            if (stopped)
                good &= nj_sequence_length(sequence) == starts[i] && goes_on(bench, sequence, starts[i]);
            nj_sequence_close(sequence);
        }
        good &= moment > 20;
        CHECK(good, "a step of 70 ids after %zu that is stopped leaves no trace", starts[i]);
    }
}

static void check_refusals(struct bench *bench)
{
    struct nj_error     error    = {""};
    struct nj_sequence *sequence = open_sequence(bench, 10);
    int32_t             bad[] = {3, (int32_t)bench->vocab}, image = bench->weights->config.image_id, negative = -1;
    struct nj_step      one[2] = {{.sequence = sequence, .ids = bad, .count = 2}, {.sequence = sequence, .ids = bench->ids, .count = 1}};
    CHECK(nj_engine_step(bench->engine, one, 1, &error) == NJ_ERROR, "an id beyond the vocabulary is refused: %s", error.text);
    one[0].ids   = &image;
    one[0].count = 1;
    CHECK(nj_engine_step(bench->engine, one, 1, &error) == NJ_ERROR, "an image position without features is refused: %s", error.text);
    one[0].ids = bench->ids;
    CHECK(nj_engine_step(bench->engine, one, 2, &error) == NJ_ERROR, "a sequence twice in one step is refused: %s", error.text);
    one[0].count = 11;
    CHECK(nj_engine_step(bench->engine, one, 1, &error) == NJ_ERROR, "more ids than there is room for are refused: %s", error.text);
    one[0].count     = 1;
    one[0].rows      = &negative;
    one[0].row_count = 1;
    CHECK(nj_engine_step(bench->engine, one, 1, &error) == NJ_ERROR, "a candidate beyond the vocabulary is refused: %s", error.text);
    CHECK(nj_sequence_length(sequence) == 0, "none of these left a trace");
    nj_sequence_close(sequence);
}

/* One more thing that only the fast engine does: rows whose logits nobody wants end early. The others must not notice. */
static void check_skipping(struct bench *bench)
{
    struct nj_error     error    = {""};
    struct nj_sequence *sequence = open_sequence(bench, IDS), *other = open_sequence(bench, IDS);
    float              *logits  = calloc(2 * bench->vocab, sizeof *logits);
    struct nj_step      steps[] = {{.sequence = sequence, .ids = bench->ids, .count = 45, .want = NJ_WANT_LAST, .logits = logits},
                                   {.sequence = other, .ids = bench->ids, .count = 31, .want = NJ_WANT_LAST, .logits = logits + bench->vocab}};
    bool                good    = nj_engine_step(bench->engine, steps, 2, &error) == NJ_OK;
    CHECK(good && same(bench, logits, 44, 1) && same(bench, logits + bench->vocab, 30, 1), "only the last logits of two prompts");
    CHECK(goes_on(bench, sequence, 45) && goes_on(bench, other, 31), "and both go on");
    free(logits);
    nj_sequence_close(sequence);
    nj_sequence_close(other);
}

static void check_all(const char *checkpoint, enum nj_arithmetic arithmetic)
{
    struct bench             bench   = {.calls_left = -1, .fast = arithmetic != NJ_EXACT};
    struct nj_error          error   = {""};
    struct nj_engine_options options = {.arithmetic = arithmetic, .pass_rows = 16, .should_stop = stop_later, .stop_arg = &bench};
    printf("# %s, %s arithmetic\n", checkpoint, bench.fast ? "fast" : "exact");
    golden_must(nj_weights_open(golden_path(checkpoint), NULL, &bench.weights, &error), &error);
    golden_must(nj_pool_open(1, &bench.pool, &error), &error);
    options.pool = bench.pool;
    golden_must(nj_engine_open(bench.weights, &options, &bench.engine, &error), &error);
    golden_ids("golden/ids-tiny-it-long.json", &bench.ids);
    bench.vocab                  = bench.weights->config.text.vocab_size;
    bench.prefill                = calloc(IDS * bench.vocab, sizeof *bench.prefill);
    struct nj_sequence *sequence = open_sequence(&bench, IDS);
    CHECK(step(&bench, sequence, 0, IDS, bench.prefill) == NJ_OK, "prefill");
    nj_sequence_close(sequence);
    check_cuts(&bench);
    check_together(&bench);
    check_skipping(&bench);
    check_tree(&bench);
    check_trees_together(&bench);
    check_rewind(&bench);
    check_copy_and_park(&bench);
    check_stop(&bench);
    check_refusals(&bench);
    free(bench.prefill);
    free(bench.ids);
    nj_engine_close(bench.engine);
    nj_pool_close(bench.pool);
    nj_weights_close(bench.weights);
}

int main(void)
{
    if (!tap_shared()) {
        SKIP("no reference files here");
        return tap_done();
    }
    check_all("checkpoints/tiny-it", NJ_EXACT);
    check_all("checkpoints/tiny-w4a16-g128", NJ_FAST);
    return tap_done();
}
