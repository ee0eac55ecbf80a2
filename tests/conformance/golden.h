/* golden.h: the cases of the reference set, and how far two arrays are apart. Test code only; failures to read a case end the program. */
#ifndef NJ_TESTS_CONFORMANCE_GOLDEN_H
#define NJ_TESTS_CONFORMANCE_GOLDEN_H

#include "base/json.h"
#include "base/npy.h"
#include "pipeline/model/engine.h"
#include "tests/tap.h"

#include <math.h>

#define GOLDEN_LIMIT ((size_t)1 << 30)

__attribute__((unused)) static void golden_must(nj_status status, const struct nj_error *error)
{
    if (status == NJ_OK)
        return;
    printf("Bail out! %s\n", error->text);
    exit(1);
}

/* SHARED/reference/NAME in one of four static places. */
__attribute__((unused)) static const char *golden_path(const char *name)
{
    static char     places[4][4096];
    static unsigned next;
    char           *place = places[next++ % 4];
    snprintf(place, sizeof places[0], "%s/reference/%s", tap_shared(), name);
    return place;
}

__attribute__((unused)) static json_t *golden_cases(void)
{
    struct nj_error error = {""};
    json_t         *manifest;
    golden_must(nj_json_read(golden_path("manifest.json"), GOLDEN_LIMIT, &manifest, &error), &error);
    json_t *cases = json_incref(json_object_get(manifest, "cases"));
    json_decref(manifest);
    return cases;
}

__attribute__((unused)) static const char *golden_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* The array that outputs.KEY (or inputs.KEY) of a case names. */
__attribute__((unused)) static struct nj_npy golden_array(const json_t *test, const char *key)
{
    struct nj_error error = {""};
    struct nj_npy   array;
    golden_must(nj_npy_read(golden_path(golden_text(json_object_get(test, "outputs"), key)), GOLDEN_LIMIT, &array, &error), &error);
    return array;
}

/* ids of a JSON file: a list, or {"ids": list}. The caller frees *ids. */
__attribute__((unused)) static size_t golden_ids(const char *name, int32_t **ids)
{
    struct nj_error error = {""};
    json_t         *file;
    golden_must(nj_json_read(golden_path(name), GOLDEN_LIMIT, &file, &error), &error);
    const json_t *list  = json_is_array(file) ? file : json_object_get(file, "ids");
    size_t        count = json_array_size(list);
    *ids                = calloc(count + 1, sizeof **ids);
    for (size_t i = 0; i < count; i++)
        (*ids)[i] = (int32_t)json_integer_value(json_array_get(list, i));
    json_decref(file);
    return count;
}

/* Where the model of a case lies, and its vision companion, or NULL. A case of the companion alone is opened with a text model beside it. */
__attribute__((unused)) static const char *golden_model(const json_t *test, const char **mmproj)
{
    char        path[256];
    const char *checkpoint = golden_text(test, "checkpoint"), *companion = "gguf/tiny-it-mmproj-f16.gguf";
    bool        gguf = !strncmp(checkpoint, "gguf/", 5);
    if (!strcmp(checkpoint, companion))
        checkpoint = "gguf/tiny-it-q8_0.gguf";
    snprintf(path, sizeof path, "%s%s", gguf ? "" : "checkpoints/", checkpoint);
    *mmproj = gguf && json_object_get(json_object_get(test, "inputs"), "images") ? golden_path(companion) : NULL;
    return golden_path(path);
}

/* The model of a case, with its adapter or companion. */
__attribute__((unused)) static nj_status golden_weights(const json_t *test, struct nj_weights **weights, struct nj_error *error)
{
    char                      adapter[256];
    const char               *lora    = golden_text(test, "adapter");
    struct nj_weights_options options = {0};
    const char               *path    = golden_model(test, &options.mmproj);
    snprintf(adapter, sizeof adapter, "adapters/%s", lora);
    if (*lora)
        options.adapter = golden_path(adapter);
    return nj_weights_open(path, &options, weights, error);
}

struct golden_gap {
    double largest, rms;
    size_t clear, agree; /* rows whose lead is more than 2 atol; of these, rows with the same largest entry */
};

/* ours against golden, [rows][width] */
__attribute__((unused)) static struct golden_gap golden_compare(const float *ours, const float *golden, size_t rows, size_t width,
                                                                double atol)
{
    struct golden_gap gap = {0};
    double            sum = 0;
    for (size_t r = 0; r < rows; r++) {
        const float *a = ours + r * width, *b = golden + r * width;
        size_t       best = 0, mine = 0;
        float        second = -INFINITY;
        for (size_t i = 0; i < width; i++) {
            double difference = isfinite(a[i]) ? fabs((double)a[i] - b[i]) : INFINITY;
            sum += difference * difference;
            if (difference > gap.largest)
                gap.largest = difference;
            if (a[i] > a[mine])
                mine = i;
            if (i > 0 && b[i] > b[best]) {
                second = b[best];
                best   = i;
            } else if (i != best && b[i] > second) {
                second = b[i];
            }
        }
        if ((double)b[best] - second > 2 * atol) {
            gap.clear++;
            gap.agree += best == mine;
        }
    }
    gap.rms = sqrt(sum / (double)(rows * width));
    return gap;
}

#endif
