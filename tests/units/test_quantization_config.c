/* quantization_config: what is computed with, and what is refused by name. */
#include "pipeline/model/checkpoint.h"
#include "tests/tap.h"

#include <string.h>

#define CONFIG(top, group, weights)                                                                                                        \
    "{\"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"format\": \"pack-quantized\", " top                            \
    "\"config_groups\": {\"group_0\": {\"targets\": [\"Linear\"], " group "\"weights\": {\"num_bits\": 4, \"type\": \"int\", " weights     \
    "\"symmetric\": true, \"strategy\": \"group\", \"group_size\": 32}}}}}"

static const struct {
    const char *config, *sentence; /* NULL: fine */
} cases[] = {
    {"{}", NULL},
    {"{\"quantization_config\": null}", NULL},
    {CONFIG("", "", ""), NULL},
    {CONFIG("\"sparsity_config\": {}, \"transform_config\": {}, \"kv_cache_scheme\": null, ",
            "\"input_activations\": null, \"output_activations\": null, ", "\"actorder\": null, "),
     NULL},
    {CONFIG("", "", "\"actorder\": \"static\", "), NULL},
    {CONFIG("", "", "\"actorder\": \"weight\", "), NULL},
    {CONFIG("\"sparsity_config\": {\"format\": \"dense\"}, ", "", ""), NULL},
    {"{\"quantization_config\": {\"quant_method\": \"gptq\", \"bits\": 4}}", "quant_method gptq"},
    {"{\"quantization_config\": {}}", "quant_method missing"},
    {"{\"text_config\": {\"quantization_config\": {\"quant_method\": \"awq\"}}}", "quant_method awq"},
    {CONFIG("", "", "\"actorder\": \"group\", "), "actorder group"},
    {CONFIG("", "", "\"actorder\": \"dynamic\", "), "actorder dynamic"},
    {CONFIG("", "", "\"actorder\": true, "), "actorder true"},
    {CONFIG("", "\"format\": \"int-quantized\", ", ""), "format int-quantized"},
    {CONFIG("", "\"input_activations\": {\"num_bits\": 8}, ", ""), "quantized activations"},
    {CONFIG("", "\"output_activations\": {\"num_bits\": 8}, ", ""), "quantized activations"},
    {CONFIG("\"sparsity_config\": {\"format\": \"sparse-24-bitmask\"}, ", "", ""), "sparse-24-bitmask"},
    {CONFIG("\"kv_cache_scheme\": {\"num_bits\": 8}, ", "", ""), "kv_cache_scheme"},
    {CONFIG("\"transform_config\": {\"config_groups\": {\"a\": 1}}, ", "", ""), "transform_config"},
};

/* The same with one value of `weights` changed. */
static const struct {
    const char *key, *value, *sentence;
} changes[] = {
    {"num_bits", "8", "8-bit int"},
    {"type", "\"float\"", "4-bit float"},
    {"symmetric", "false", "zero points"},
    {"strategy", "\"tensor\"", "strategy tensor"},
    {"strategy", "\"block\"", "strategy block"},
    {"strategy", "\"channel\"", NULL},
};

static void check(json_t *config, const char *sentence, const char *name)
{
    struct nj_error error  = {0};
    nj_status       status = nj_quantization_check(config, &error);
    CHECK(sentence ? status == NJ_ERROR && strstr(error.text, sentence) : status == NJ_OK, "%s: %s", name,
          status == NJ_OK ? "fine" : error.text);
    json_decref(config);
}

int main(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(json_loads(cases[i].config, 0, NULL), cases[i].sentence, cases[i].sentence ? cases[i].sentence : cases[i].config);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        json_t *config = json_loads(CONFIG("", "", ""), 0, NULL), *inner = json_object_get(config, "quantization_config");
        inner = json_object_get(json_object_get(json_object_get(inner, "config_groups"), "group_0"), "weights");
        json_object_set_new(inner, changes[i].key, json_loads(changes[i].value, JSON_DECODE_ANY, NULL));
        check(config, changes[i].sentence, changes[i].value);
    }
    return tap_done();
}
