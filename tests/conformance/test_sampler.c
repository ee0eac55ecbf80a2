/* Temperature, top-k and top-p against the reference warpers; the generator against published numbers. */
#include "base/npy.h"
#include "pipeline/model/sampler.h"
#include "tests/conformance/reference.h"

#include <math.h>

static struct nj_npy read_array(const json_t *object, const char *key)
{
    struct nj_error error = {0};
    struct nj_npy   array = {0};
    char            name[256];
    size_t          unused;
    snprintf(name, sizeof name, "reference/%s", reference_text(object, key, &unused));
    CHECK(nj_npy_read(reference_path(name), 1 << 28, &array, &error) == NJ_OK, "%s is read %s", name, error.text);
    return array;
}

static struct nj_sampling setting_of(const json_t *row)
{
    return (struct nj_sampling){json_number_value(json_object_get(row, "temperature")),
                                (uint32_t)json_integer_value(json_object_get(row, "top_k")),
                                json_number_value(json_object_get(row, "top_p"))};
}

static void check_case(const json_t *test)
{
    struct nj_npy logits   = read_array(json_object_get(test, "inputs"), "logits"),
                  want     = read_array(json_object_get(test, "outputs"), "probabilities");
    const json_t *settings = json_object_get(json_object_get(test, "inputs"), "settings");
    size_t        width = logits.shape[1], rows = logits.shape[0];
    float        *ours  = malloc(width * sizeof *ours);
    uint32_t     *order = malloc(width * sizeof *order);
    CHECK(want.count == json_array_size(settings) * rows * width && rows > 0, "%zu settings, %zu rows", json_array_size(settings), rows);
    for (size_t s = 0; s < json_array_size(settings); s++) {
        struct nj_sampling sampling = setting_of(json_array_get(settings, s));
        double             largest  = 0;
        size_t             support  = 0;
        for (size_t r = 0; r < rows; r++) {
            const float *golden = (const float *)want.data + (s * rows + r) * width;
            memcpy(ours, (const float *)logits.data + r * width, width * sizeof *ours);
            nj_sampling_probabilities(&sampling, ours, (uint32_t)width, order);
            for (size_t i = 0; i < width; i++) {
                largest = fmax(largest, fabs((double)ours[i] - golden[i]));
                support += (ours[i] > 0) != (golden[i] > 0);
            }
        }
        CHECK(largest < 1e-6 && support == 0, "temperature %g, top-k %u, top-p %g: off by %g, %zu entries kept or dropped wrongly",
              sampling.temperature, sampling.top_k, sampling.top_p, largest, support);
    }
    free(ours);
    free(order);
    nj_npy_free(&logits);
    nj_npy_free(&want);
}

static void check_generator(void)
{
    /* prng.di.unimi.it: splitmix64 from 1234567, xoshiro256** from {1, 2, 3, 4} */
    static const uint64_t seeded[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u, 4593380528125082431u};
    static const uint64_t drawn[]  = {11520, 0, 1509978240, 1215971899390074240u, 1216172134540287360u, 607988272756665600u};
    struct nj_random      random;
    nj_random_seed(&random, 1234567);
    CHECK(memcmp(random.state, seeded, sizeof seeded) == 0, "the state is four numbers of splitmix64");
    random = (struct nj_random){{1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof drawn / sizeof *drawn; i++)
        CHECK(nj_random_next(&random) == drawn[i], "number %zu of xoshiro256**", i + 1);
    double least = 1, most = 0;
    for (int i = 0; i < 100000; i++) {
        double unit = nj_random_unit(&random);
        least       = fmin(least, unit);
        most        = fmax(most, unit);
    }
    CHECK(least >= 0 && least < 1e-3 && most < 1 && most > 0.999, "units fill [0, 1)");
}

/* Each line: what goes in, what must remain. */
static void check_corners(void)
{
    static const struct {
        struct nj_sampling sampling;
        float              logits[4], want[4];
    } cases[] = {
        {{0, 0, 1}, {1, 3, 3, 2}, {0, 1, 0, 0}},                               /* greedy: the lowest id among equals */
        {{1, 2, 1}, {1, 1, 1, 0}, {1 / 3.f, 1 / 3.f, 1 / 3.f, 0}},             /* a tie with the k-th stays */
        {{1, 1, 1}, {5, 1, 0, 0}, {1, 0, 0, 0}},                               /* top-k 1 */
        {{1, 0, 0.5}, {0, 0, 0, 0}, {0.5, 0.5, 0, 0}},                         /* half of four equals; lower ids first */
        {{1, 0, 0}, {0, 2, 1, 0}, {0, 1, 0, 0}},                               /* top-p 0 leaves one */
        {{1, 0, 1}, {-INFINITY, 0, NAN, 0}, {0, 0.5, 0, 0.5}},                 /* forbidden entries stay at 0 */
        {{1, 64, 0.95}, {-INFINITY, -INFINITY, -INFINITY, NAN}, {1, 0, 0, 0}}, /* nothing allowed: no crash */
        {{1, 0, 1}, {INFINITY, 0, 0, 0}, {1, 0, 0, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float    values[4];
        uint32_t order[4];
        bool     fine = true;
        memcpy(values, cases[i].logits, sizeof values);
        nj_sampling_probabilities(&cases[i].sampling, values, 4, order);
        for (size_t k = 0; k < 4; k++)
            fine &= fabsf(values[k] - cases[i].want[k]) < 1e-6f;
        CHECK(fine, "corner %zu: %g %g %g %g", i, values[0], values[1], values[2], values[3]);
    }
}

static void check_frequencies(void)
{
    const struct nj_sampling sampling  = {0.7, 3, 1};
    const float              logits[5] = {0.5f, 1.5f, -2, 1, 0.9f};
    float                    want[5], values[5];
    uint32_t                 order[5], counts[5] = {0};
    struct nj_random         random;
    double                   chi = 0;
    memcpy(want, logits, sizeof want);
    nj_sampling_probabilities(&sampling, want, 5, order);
    nj_random_seed(&random, 7);
    for (int i = 0; i < 100000; i++) {
        memcpy(values, logits, sizeof values);
        counts[nj_sample(&sampling, &random, values, 5, order)]++;
    }
    for (size_t i = 0; i < 5; i++)
        if (want[i] > 0)
            chi += (counts[i] - 1e5 * want[i]) * (counts[i] - 1e5 * want[i]) / (1e5 * want[i]);
    CHECK(counts[0] == 0 && counts[2] == 0 && chi < 13.8, "100,000 draws follow the probabilities (chi-squared %.2f)", chi);
}

int main(void)
{
    check_generator();
    check_corners();
    check_frequencies();
    if (!tap_shared()) {
        SKIP("no reference files");
        return tap_done();
    }
    json_t *manifest = reference_json("reference/manifest.json"), *cases = json_object_get(manifest, "cases");
    size_t  found = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        size_t unused;
        if (strcmp(reference_text(json_array_get(cases, i), "kind", &unused), "sampling") != 0)
            continue;
        check_case(json_array_get(cases, i));
        found++;
    }
    CHECK(found > 0, "the manifest has sampling cases");
    json_decref(manifest);
    return tap_done();
}
