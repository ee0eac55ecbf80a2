/* Adapters merged by convert against the reference logits of the attached ones, and what is refused. (test_golden has them unmerged.) */
#include "base/file.h"
#include "pipeline/model/convert.h"
#include "pipeline/model/lora_pattern.h"
#include "tests/conformance/golden.h"

#include <unistd.h>

static char scratch[] = "/tmp/nightjar-lora-XXXXXX";

static nj_status convert(const char *checkpoint, const char *adapter, const struct nj_convert_options *with, const char *target,
                         struct nj_convert_report *report, struct nj_error *error)
{
    struct nj_convert_options options = *with;
    options.adapters                  = &adapter;
    options.adapter_count             = 1;
    *error                            = (struct nj_error){0};
    return nj_convert(checkpoint, target, &options, report, error);
}

static float *logits_of(const char *path, const int32_t *ids, size_t count, size_t *vocab)
{
    const struct nj_weights_options text_only = {.text_only = 1};
    const struct nj_engine_options  exact     = {.arithmetic = NJ_EXACT};
    struct nj_weights              *weights;
    struct nj_engine               *engine;
    struct nj_sequence             *sequence;
    struct nj_error                 error = {0};
    golden_must(nj_weights_open(path, &text_only, &weights, &error), &error);
    golden_must(nj_engine_open(weights, &exact, &engine, &error), &error);
    golden_must(nj_sequence_open(engine, (uint32_t)count, &sequence, &error), &error);
    *vocab              = weights->config.text.vocab_size;
    float         *out  = malloc(count * *vocab * sizeof *out);
    struct nj_step step = {.sequence = sequence, .ids = ids, .count = count, .want = NJ_WANT_ALL, .logits = out};
    golden_must(nj_engine_step(engine, &step, 1, &error), &error);
    nj_sequence_close(sequence);
    nj_engine_close(engine);
    nj_weights_close(weights);
    return out;
}

static void check_merged(const json_t *test)
{
    static const struct nj_convert_options plain = {0};
    const char                            *name = golden_text(test, "name"), *checkpoint = golden_text(test, "checkpoint");
    char                                   target[128], source[256], adapter[256];
    struct nj_convert_report               report;
    struct nj_error                        error;
    int32_t                               *ids;
    snprintf(target, sizeof target, "%s/merged.nj", scratch);
    snprintf(source, sizeof source, "checkpoints/%s", checkpoint);
    snprintf(adapter, sizeof adapter, "adapters/%s", golden_text(test, "adapter"));
    nj_status status = convert(golden_path(source), golden_path(adapter), &plain, target, &report, &error);
    if (CHECK(status == NJ_OK, "%s: merged %s", name, error.text)) {
        const struct nj_lora_match *match = &report.adapters[0].match;
        CHECK(match->expected == match->merged && match->merged > 0 && match->missing == 0 && match->unexpected == 0, "%s: all %zu modules",
              name, match->merged);
        size_t            count = golden_ids(golden_text(json_object_get(test, "inputs"), "ids"), &ids), vocab;
        struct nj_npy     want  = golden_array(test, "logits");
        float            *ours  = logits_of(target, ids, count, &vocab);
        size_t            rows  = want.shape[0];
        struct golden_gap gap   = golden_compare(ours + (count - rows) * vocab, want.data, rows, vocab, 1e-3);
        CHECK(gap.largest < 1e-3 && gap.agree == gap.clear, "%s: logits of the merged model, off by %.1e", name, gap.largest);
        free(ours);
        free(ids);
        nj_npy_free(&want);
    }
    nj_convert_report_free(&report);
    unlink(target);
}

/* A copy of tiny-lora whose config has one value changed. */
static const char *changed_adapter(const char *key, const char *value)
{
    static char     folder[128];
    char            path[256];
    struct nj_error error = {0};
    json_t         *config;
    snprintf(folder, sizeof folder, "%s/adapter", scratch);
    golden_must(nj_make_folders(folder, &error), &error);
    golden_must(nj_json_read(golden_path("adapters/tiny-lora/adapter_config.json"), GOLDEN_LIMIT, &config, &error), &error);
    json_object_set_new(config, key, json_loads(value, JSON_DECODE_ANY, NULL));
    snprintf(path, sizeof path, "%s/adapter_config.json", folder);
    json_dump_file(config, path, 0);
    json_decref(config);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
    unlink(path);
    char *real = realpath(golden_path("adapters/tiny-lora/adapter_model.safetensors"), NULL);
    if (!real || symlink(real, path) != 0)
        printf("# no link\n");
    free(real);
    return folder;
}

static void check_refusals(void)
{
    static const struct {
        const char *key, *value, *sentence;
    } cases[] = {
        {"peft_type", "\"IA3\"", "IA3"},
        {"use_dora", "true", "use_dora"},
        {"lora_bias", "true", "lora_bias"},
        {"fan_in_fan_out", "true", "fan_in_fan_out"},
        {"bias", "\"all\"", "bias all"},
        {"modules_to_save", "[\"embed_tokens\"]", "embed_tokens"},
        {"layer_replication", "[[0, 4]]", "layer_replication"},
        {"r", "9", "rank 8 in the file, 9"},
        {"rank_pattern", "{\"q_proj\": 4}", "rank 8 in the file, 4"},
        {"rank_pattern", "{\"(?P<x>q)\": 4}", "not supported"},
        {"rank_pattern", "{\"(\": 4}", "not a regular expression"},
        {"target_modules", "\".*per_layer_input_gate|.*(q|k|v|o|gate|up|down)_proj\"", "8 missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nj_weights_options options = {.adapter = changed_adapter(cases[i].key, cases[i].value), .text_only = 1};
        struct nj_weights        *weights;
        struct nj_error           error = {0};
        CHECK(nj_weights_open(golden_path("checkpoints/tiny-it"), &options, &weights, &error) == NJ_ERROR &&
                  strstr(error.text, cases[i].sentence),
              "%s: %s is refused: %s", cases[i].key, cases[i].value, error.text);
    }
    struct nj_convert_options partial = {.partial = true}, whole = {0}, quantise = {.plan = {.quantize = true, .group = 32}};
    struct nj_convert_report  report;
    struct nj_error           error;
    char                      target[128];
    snprintf(target, sizeof target, "%s/x.nj", scratch);
    const char *missing = changed_adapter("target_modules", "\".*per_layer_input_gate|.*(q|k|v|o|gate|up|down)_proj\"");
    CHECK(convert(golden_path("checkpoints/tiny-it"), missing, &partial, target, &report, &error) == NJ_OK &&
              report.adapters[0].match.missing == 8,
          "--partial merges what there is %s", error.text);
    nj_convert_report_free(&report);
    CHECK(convert(golden_path("checkpoints/tiny-pruned"), golden_path("adapters/tiny-lora"), &whole, target, &report, &error) == NJ_ERROR &&
              strstr(error.text, "256 x 320"),
          "an adapter from before pruning: %s", error.text);
    nj_convert_report_free(&report);
    CHECK(convert(golden_path("checkpoints/tiny-w4a16-g32"), golden_path("adapters/tiny-lora"), &whole, target, &report, &error) ==
                  NJ_ERROR &&
              strstr(error.text, "already int4"),
          "int4 weights are not merged silently: %s", error.text);
    nj_convert_report_free(&report);
    CHECK(convert(golden_path("checkpoints/tiny-w4a16-g32"), golden_path("adapters/tiny-lora"), &quantise, target, &report, &error) ==
                  NJ_OK &&
              report.rounded == 50,
          "but are when they may be quantised again %s", error.text);
    nj_convert_report_free(&report);
    unlink(target);
}

/* An adapter that was trained with an empty thought behind the prompt says so in its own template; merged or apart, the model knows. */
static void check_template(void)
{
    static const char         text[]  = "{{- '<|turn>model\\n' -}}{{- '<|channel>thought\\n<channel|>' -}}";
    const char               *folder  = changed_adapter("inference_mode", "true");
    struct nj_weights_options options = {.adapter = folder, .text_only = 1};
    struct nj_convert_report  report;
    struct nj_weights        *weights;
    struct nj_error           error = {0};
    char                      path[256], target[128];
    snprintf(path, sizeof path, "%s/chat_template.jinja", folder);
    snprintf(target, sizeof target, "%s/thought.nj", scratch);
    golden_must(nj_file_write_atomic(path, text, strlen(text), &error), &error);
    golden_must(nj_weights_open(golden_path("checkpoints/tiny-it"), &options, &weights, &error), &error);
    CHECK(weights->config.empty_thought, "the template of an adapter that is kept apart is heard");
    nj_weights_close(weights);
    golden_must(convert(golden_path("checkpoints/tiny-it"), folder, &(struct nj_convert_options){0}, target, &report, &error), &error);
    nj_convert_report_free(&report);
    golden_must(nj_weights_open(target, NULL, &weights, &error), &error);
    CHECK(weights->config.empty_thought, "and that of one that was merged");
    nj_weights_close(weights);
    golden_must(nj_weights_open(golden_path("checkpoints/tiny-it"), NULL, &weights, &error), &error);
    CHECK(!weights->config.empty_thought, "without it there is none");
    nj_weights_close(weights);
    unlink(path);
    unlink(target);
}

static void check_patterns(void)
{
    static const char name[] = "model.language_model.layers.12.self_attn.q_proj";
    static const struct {
        const char *pattern;
        bool        matches;
    } cases[] = {
        {"model\\.language_model\\.layers\\.\\d+\\.self_attn\\.(?:q|k)_proj", true},
        {".*(q|k|v|o)_proj", true},
        {"(?:.*?)layers\\.(\\d{1,2})\\..*q_proj", true},
        {".*[a-z\\d]+_proj", true},
        {"model.language_model.layers.12.self_attn.q_proj", true},
        {"q_proj", false},
        {".*_proj2?", true},
        {".*\\w+\\.self_attn", false},
        {".*layers\\.1\\..*", false},
        /* as trainers write it that choose modules by what their paths speak of */
        {"(?:.*?(?:vision|image|visual|patch|language|text).*?(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense).*?(?:q_proj|up_proj)."
         "*?)|"
         "(?:\\bmodel\\.layers\\.[\\d]{1,}\\.(?:self_attn|mlp)\\.(?:(?:q_proj|up_proj)))",
         true},
        {"(?:\\bmodel\\.layers\\.[\\d]{1,}\\.(?:self_attn|mlp)\\.(?:(?:q_proj|up_proj)))", false},
        {".*\\blayers\\.\\d\\d\\.\\D+\\.\\S*", true},
        {".*\\bayers\\..*", false},
    };
    static const char *const costly[] = {"(((a{1,255}){1,255}){1,255})", ".{30000}", "((((x{9}){9}){9}){9}){9}"};
    for (size_t i = 0; i < sizeof costly / sizeof *costly; i++) {
        struct nj_error error = {0};
        bool            matches;
        CHECK(nj_pattern_full(costly[i], name, &matches, &error) == NJ_ERROR && strstr(error.text, "too many"), "%s is not compiled: %s",
              costly[i], error.text);
    }
    double  value = 0;
    json_t *map =
        json_pack("{s:i, s:i, s:i, s:i}", "2.self_attn.q_proj", 1, "k_proj|layers.12", 2, "layers.12.self.attn.q_proj", 3, "q_proj", 4);
    CHECK(nj_pattern_value(map, name, 9, &value, NULL) == NJ_OK && value == 3, "the first key that is whole parts of the name counts %g",
          value);
    json_decref(map);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nj_error error = {0};
        bool            matches;
        CHECK(nj_pattern_full(cases[i].pattern, name, &matches, &error) == NJ_OK && matches == cases[i].matches, "%s %s %s",
              cases[i].pattern, cases[i].matches ? "matches" : "does not match", error.text);
    }
}

int main(void)
{
    check_patterns();
    if (!tap_shared() || !mkdtemp(scratch)) {
        SKIP("no reference adapters here");
        return tap_done();
    }
    json_t *cases = golden_cases(), *test;
    size_t  i;
    json_array_foreach(cases, i, test)
    {
        const char *name = golden_text(test, "name");
        if (json_object_get(test, "adapter") && !json_object_get(json_object_get(test, "inputs"), "images") && strstr(name, "-short"))
            check_merged(test);
    }
    json_decref(cases);
    check_refusals();
    check_template();
    char command[256];
    snprintf(command, sizeof command, "rm -r '%s'", scratch);
    if (system(command) != 0)
        printf("# %s was left behind\n", scratch);
    return tap_done();
}
