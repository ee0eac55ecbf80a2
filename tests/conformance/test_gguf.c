/* GGUF: every tensor dequantized as gguf-py does it, the packed form of it, fused queries, keys and values, and its tokenizer. */
#include "base/file.h"
#include "pipeline/model/carry.h"
#include "pipeline/model/convert.h"
#include "pipeline/model/gguf.h"
#include "pipeline/model/tokenizer.h"
#include "tests/conformance/golden.h"
#include "tests/conformance/weights_hash.h"

#include <unistd.h>

/* The table of golden/gguf-NAME.json: SHA-256 of the fp32 values of each tensor in Hugging Face order. */
static void check_table(const json_t *test)
{
    struct nj_weights_options options = {0};
    struct nj_error           error   = {0};
    struct nj_weights        *weights;
    json_t                   *table;
    size_t                    wrong = 0, seen = 0;
    const char               *name = golden_text(test, "checkpoint");
    golden_must(nj_json_read(golden_path(golden_text(json_object_get(test, "outputs"), "table")), GOLDEN_LIMIT, &table, &error), &error);
    if (!CHECK(nj_weights_open(golden_path(name), &options, &weights, &error) == NJ_OK, "%s opens %s", name, error.text))
        return;
    for (size_t i = 0; i < weights->checkpoint->tensors.count; i++) {
        const struct nj_tensor *tensor = &weights->checkpoint->tensors.list[i];
        struct nj_matrix        matrix = {.rows = 1, .data = tensor->data};
        struct sha256_ctx       hash;
        char                    text[HASH_TEXT];
        if (!nj_dtype_format(tensor->dtype, &matrix.format))
            continue;
        matrix.cols = (uint32_t)tensor->shape[tensor->rank - 1];
        for (uint32_t axis = 0; axis + 1 < tensor->rank; axis++)
            matrix.rows *= (uint32_t)tensor->shape[axis];
        sha256_init(&hash);
        hash_matrix(&hash, &matrix);
        hash_end(&hash, text);
        seen++;
        if (strcmp(text, golden_text(json_object_get(table, tensor->file_name), "sha256"))) {
            wrong++;
            printf("# %s\n", tensor->file_name);
        }
    }
    CHECK(seen == json_object_size(table) && wrong == 0, "%s: %zu tensors, %zu wrong", name, seen, wrong);
    json_decref(table);
    nj_weights_close(weights);
}

/* The packed form of a GGUF holds the same values; Q4_0 becomes panels of the same integers. */
static void check_packing(const char *name, const char *mmproj)
{
    char                            file[]    = "/tmp/nightjar-gguf-XXXXXX", before[2][HASH_TEXT], after[2][HASH_TEXT];
    const char                     *companion = mmproj ? golden_path(mmproj) : NULL;
    const struct nj_weights_options opening   = {.mmproj = companion};
    const struct nj_convert_options options   = {.mmproj = companion};
    struct nj_convert_report        report;
    struct nj_error                 error = {0};
    struct nj_weights              *weights;
    golden_must(nj_weights_open(golden_path(name), &opening, &weights, &error), &error);
    hash_text(weights, before[0]);
    hash_vision(weights, before[1]);
    bool q4_0 = weights->layers[0].gate.format == NJ_Q4_0;
    nj_weights_close(weights);
    close(mkstemp(file));
    if (CHECK(nj_convert(golden_path(name), file, &options, &report, &error) == NJ_OK, "%s is packed %s", name, error.text)) {
        golden_must(nj_weights_open(file, NULL, &weights, &error), &error);
        hash_text(weights, after[0]);
        hash_vision(weights, after[1]);
        CHECK(!strcmp(before[0], after[0]) && !strcmp(before[1], after[1]), "%s: the packed file holds the same values", name);
        CHECK(!q4_0 || weights->layers[0].gate.format == NJ_W4_PANELS, "%s: Q4_0 is kept as int4", name);
        nj_weights_close(weights);
    }
    unlink(file);
}

static void check_tokenizer(void)
{
    static const char    text[] = "<bos>A 10:30 event: {\"blank\": false} caf\xc3\xa9 \xf0\x9f\xa6\x93  \n\n x";
    struct nj_tokenizer *ours, *reference;
    struct nj_weights   *weights;
    struct nj_ids        a = {0}, b = {0};
    struct nj_error      error = {0};
    golden_must(nj_weights_open(golden_path("gguf/tiny-it-q8_0.gguf"), NULL, &weights, &error), &error);
    golden_must(nj_tokenizer_open(golden_path("checkpoints/tiny-it"), &reference, &error), &error);
    if (CHECK(nj_weights_tokenizer(weights, &ours, &error) == NJ_OK, "the tokenizer of a GGUF opens %s", error.text)) {
        golden_must(nj_tokenizer_encode(ours, text, strlen(text), true, &a, &error), &error);
        golden_must(nj_tokenizer_encode(reference, text, strlen(text), true, &b, &error), &error);
        CHECK(a.count == b.count && !memcmp(a.data, b.data, a.count * sizeof *a.data), "and gives the ids of tokenizer.json");
        nj_tokenizer_close(ours);
    }
    CHECK(weights->config.image_id == 1018 && weights->config.boi_id == 1015 && weights->config.eos_count == 3,
          "ids come from its vocabulary");
    nj_tokenizer_close(reference);
    nj_weights_close(weights);
    free(a.data);
    free(b.data);
}

/* The files that a folder has and a GGUF has not, against those of the checkpoint that it was made from. */
static void check_files(void)
{
    const struct nj_weights_options options = {.mmproj = golden_path("gguf/tiny-it-mmproj-f16.gguf")};
    struct nj_carried_list          files   = {0};
    struct nj_error                 error   = {0};
    struct nj_weights              *weights;
    json_t                         *ours, *theirs;
    uint8_t *template;
    size_t size;
    golden_must(nj_weights_open(golden_path("gguf/tiny-it-q8_0.gguf"), &options, &weights, &error), &error);
    golden_must(nj_json_read(golden_path("checkpoints/tiny-it/tokenizer.json"), GOLDEN_LIMIT, &theirs, &error), &error);
    golden_must(nj_file_read(golden_path("checkpoints/tiny-it/chat_template.jinja"), GOLDEN_LIMIT, &template, &size, &error), &error);
    if (CHECK(nj_carried_read(weights, "", &files, &error) == NJ_OK && files.count == 4, "a GGUF gives four files %s", error.text)) {
        golden_must(nj_json_parse("tokenizer.json", files.file[0].data, files.file[0].size, &ours, &error), &error);
        CHECK(!strcmp(files.file[0].name, "tokenizer.json") && json_equal(ours, theirs), "tokenizer.json says what the original says");
        json_decref(ours);
        CHECK(!strcmp(files.file[2].name, "chat_template.jinja") && files.file[2].size == size &&
                  !memcmp(files.file[2].data, template, size),
              "the chat template is the original");
        golden_must(nj_json_read(golden_path("checkpoints/tiny-it/processor_config.json"), GOLDEN_LIMIT, &ours, &error), &error);
        json_decref(theirs);
        golden_must(nj_json_parse("processor_config.json", files.file[3].data, files.file[3].size, &theirs, &error), &error);
        CHECK(!strcmp(files.file[3].name, "processor_config.json") && json_equal(ours, theirs), "and so is what the processor is told");
        json_decref(ours);
    }
    json_decref(theirs);
    free(template);
    nj_carried_free(&files);
    nj_weights_close(weights);
}

/* Without its companion a GGUF goes out as the text class, whose config has no parts. */
static void check_text_folder(void)
{
    char                            folder[] = "/tmp/nightjar-gguf-XXXXXX", path[64];
    const struct nj_convert_options options  = {.to_folder = true};
    struct nj_convert_report        report;
    struct nj_error                 error = {0};
    json_t                         *ours = NULL, *theirs = NULL;
    const char                     *key;
    json_t                         *value;
    size_t                          wrong = 0;
    if (!mkdtemp(folder) || !CHECK(nj_convert(golden_path("gguf/tiny-text-f16.gguf"), folder, &options, &report, &error) == NJ_OK,
                                   "a text GGUF goes out as a folder %s", error.text))
        return;
    snprintf(path, sizeof path, "%s/config.json", folder);
    golden_must(nj_json_read(path, GOLDEN_LIMIT, &ours, &error), &error);
    golden_must(nj_json_read(golden_path("checkpoints/tiny-text/config.json"), GOLDEN_LIMIT, &theirs, &error), &error);
    json_object_foreach(theirs, key, value)
    {
        json_t *mine = json_object_get(ours, key);
        if (!mine || json_equal(mine, value) || !strcmp(key, "dtype") || !strcmp(key, "eos_token_id") ||
            !strcmp(key, "max_position_embeddings"))
            continue;
        wrong++;
        printf("# %s\n", key);
    }
    CHECK(wrong == 0 && json_object_get(ours, "architectures") && json_object_get(ours, "vocab_size_per_layer_input") &&
              !json_object_get(ours, "text_config"),
          "with the config of the text class, %zu values other than the original's", wrong);
    json_decref(ours);
    json_decref(theirs);
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", folder);
    if (system(command) != 0)
        printf("# %s was left behind\n", folder);
}

/* Tables are looked up, not multiplied: nothing that reads the published layout takes them as int4. */
static void check_tables(void)
{
    char                            folder[] = "/tmp/nightjar-gguf-XXXXXX";
    const struct nj_convert_options options  = {.to_folder = true};
    struct nj_convert_report        report;
    struct nj_error                 error = {0};
    struct nj_weights              *weights;
    if (!mkdtemp(folder) || !CHECK(nj_convert(golden_path("gguf/tiny-it-q4_0.gguf"), folder, &options, &report, &error) == NJ_OK,
                                   "Q4_0 goes out %s", error.text))
        return;
    if (CHECK(nj_weights_open(folder, NULL, &weights, &error) == NJ_OK, "and comes in %s", error.text)) {
        CHECK(weights->ple_embedding.format == NJ_BF16 && weights->embedding.format == NJ_BF16, "with plain tables");
        CHECK(weights->layers[0].gate.format == NJ_W4_ROWS && weights->layers[0].gate.group == 32, "and int4 matrices");
        nj_weights_close(weights);
    }
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", folder);
    if (system(command) != 0)
        printf("# %s was left behind\n", folder);
}

/* ---- Fused queries, keys and values: the reference has no such file, so one is made from one that has them apart. ---- */

/* A key that is missing, or whose value is no number where one belongs: said by name, not guessed. `type` is what the file's u32 is called instead. */
static void check_metadata(void)
{
    static const struct {
        const char *key;
        uint8_t     type;
        const char *sentence;
    } cases[] = {
        {"gemma4.attention.sliding_window", 0, "gemma4.attention.sliding_window: missing"},
        {"gemma4.attention.layer_norm_rms_epsilon", 0, "layer_norm_rms_epsilon: missing"},
        {"gemma4.rope.freq_base", 0, "gemma4.rope.freq_base: missing"},
        {"gemma4.attention.head_count", 0, "num_attention_heads: missing"},
        {"gemma4.final_logit_softcapping", 0, NULL}, /* 30, as it is in the file */
        {"gemma4.block_count", NJ_GGUF_F32, "gemma4.block_count: not a whole number"},
        {"gemma4.attention.sliding_window", NJ_GGUF_F32, "gemma4.attention.sliding_window: not a whole number"},
    };
    char            file[] = "/tmp/nightjar-gguf-XXXXXX";
    struct nj_error error  = {0};
    uint8_t        *bytes;
    size_t          size;
    close(mkstemp(file));
    golden_must(nj_file_read(golden_path("gguf/tiny-text-f16.gguf"), 64u << 20, &bytes, &size, &error), &error);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nj_weights *weights;
        size_t             length = strlen(cases[i].key), at = 0;
        uint64_t           said = 0;
        while (at + length + 12 < size && (memcpy(&said, bytes + at, 8), said != length || memcmp(bytes + at + 8, cases[i].key, length)))
            at++;
        uint8_t *last = bytes + at + 8 + length - 1, *type = last + 1, before[2] = {*last, *type};
        *last = cases[i].type ? *last : '?';
        *type = cases[i].type ? cases[i].type : *type;
        golden_must(nj_file_write_atomic(file, bytes, size, &error), &error);
        *last            = before[0];
        *type            = before[1];
        nj_status status = nj_weights_open(file, NULL, &weights, &error);
        CHECK(cases[i].sentence ? status == NJ_ERROR && strstr(error.text, cases[i].sentence)
                                : status == NJ_OK && weights->config.text.softcap == 30,
              "%s %s: %s", cases[i].key, cases[i].type ? "of another type" : "left out", status == NJ_OK ? "opens" : error.text);
        nj_weights_close(weights);
    }
    free(bytes);
    unlink(file);
}

static void put(FILE *out, uint64_t value, size_t size)
{
    fwrite(&value, 1, size, out);
}

static void put_info(FILE *out, const char *name, const struct nj_tensor *tensor, uint64_t rows, uint64_t offset)
{
    put(out, strlen(name), 8);
    fwrite(name, 1, strlen(name), out);
    put(out, tensor->rank, 4);
    for (uint32_t i = tensor->rank; i-- > 0;)
        put(out, i == 0 ? rows : tensor->shape[i], 8);
    put(out, tensor->dtype == NJ_DTYPE_F32 ? 0 : tensor->dtype == NJ_DTYPE_F16 ? 1 : 30, 4);
    put(out, offset, 8);
}

static void check_fused(void)
{
    char               file[] = "/tmp/nightjar-fused-XXXXXX", before[HASH_TEXT], after[HASH_TEXT];
    struct nj_map      map;
    struct nj_gguf     gguf;
    struct nj_tensors  tensors = {0};
    struct nj_error    error   = {0};
    struct nj_weights *weights;
    golden_must(nj_weights_open(golden_path("gguf/tiny-text-f16.gguf"), NULL, &weights, &error), &error);
    hash_text(weights, before);
    nj_weights_close(weights);
    golden_must(nj_map_open(golden_path("gguf/tiny-text-f16.gguf"), &map, &error), &error);
    golden_must(nj_gguf_open("source", &map, &gguf, &tensors, &error), &error);
    const struct nj_gguf_value *last = &gguf.values[gguf.value_count - 1];
    const uint8_t              *end  = last->data; /* where the metadata end: behind the last value */
    const uint8_t              *step = NULL;
    const char                 *text;
    uint64_t                    index, length, offset = 0;
    double                      number;
    if (nj_gguf_number(last, 0, &number))
        end += 4;
    while (nj_gguf_next_string(last, &step, &index, &text, &length))
        end = (const uint8_t *)text + length;
    FILE *out = fdopen(mkstemp(file), "wb");
    fwrite(map.data, 1, 8, out);
    put(out, tensors.count - 4, 8); /* two layers have keys: six tensors become two */
    fwrite(map.data + 16, 1, (size_t)(end - map.data) - 16, out);
    nj_tensors_index(&tensors, &error);
    struct nj_tensor part[3];
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < tensors.count; i++) {
            const struct nj_tensor *tensor = &tensors.list[i];
            const char             *inner  = strstr(tensor->file_name, ".attn_");
            bool                    first  = inner && !strcmp(inner, ".attn_q.weight");
            char                    name[NJ_MAX_NAME];
            if (inner && (!strcmp(inner, ".attn_k.weight") || !strcmp(inner, ".attn_v.weight")))
                continue;
            snprintf(name, sizeof name, "%s", tensor->file_name);
            size_t   parts = 1;
            uint64_t rows = tensor->shape[0], size = tensor->size;
            part[0] = *tensor;
            for (size_t k = 0; first && k < 2; k++) {
                snprintf(name, sizeof name, "%.*s.attn_%c.weight", (int)(inner - tensor->file_name), tensor->file_name, k ? 'v' : 'k');
                for (size_t j = 0; j < tensors.count; j++)
                    if (!strcmp(tensors.list[j].file_name, name)) {
                        part[parts++] = tensors.list[j];
                        rows += tensors.list[j].shape[0];
                        size += tensors.list[j].size;
                    }
            }
            snprintf(name, sizeof name, parts == 3 ? "%.*s.attn_qkv.weight" : "%.*s%s",
                     parts == 3 ? (int)(inner - tensor->file_name) : (int)strlen(tensor->file_name), tensor->file_name, "");
            if (pass == 0)
                put_info(out, name, tensor, rows, offset);
            for (size_t k = 0; pass == 1 && k < parts; k++)
                fwrite(part[k].data, 1, part[k].size, out);
            for (uint64_t pad = size; pass == 1 && pad % 32; pad++)
                fputc(0, out);
            offset += (size + 31) / 32 * 32;
            if (pass == 0 && i + 1 == tensors.count)
                while (ftell(out) % 32)
                    fputc(0, out);
        }
    fclose(out);
    if (CHECK(nj_weights_open(file, NULL, &weights, &error) == NJ_OK, "a file with fused attn_qkv opens %s", error.text)) {
        hash_text(weights, after);
        CHECK(!strcmp(before, after), "and holds the same weights");
        CHECK(weights->layers[0].k.data > weights->layers[0].q.data, "as views of one tensor");
        nj_weights_close(weights);
    }
    unlink(file);
    nj_tensors_free(&tensors);
    nj_gguf_close(&gguf);
    nj_map_close(&map);
}

int main(void)
{
    if (!tap_shared()) {
        SKIP("no reference checkpoints here");
        return tap_done();
    }
    json_t *cases = golden_cases(), *test;
    size_t  i;
    json_array_foreach(cases, i, test)
    {
        if (!strcmp(golden_text(test, "kind"), "dequantize"))
            check_table(test);
    }
    json_decref(cases);
    check_packing("gguf/tiny-text-f16.gguf", NULL);
    check_packing("gguf/tiny-it-q8_0.gguf", NULL);
    check_packing("gguf/tiny-it-q4_0.gguf", "gguf/tiny-it-mmproj-f16.gguf");
    check_packing("gguf/tiny-pruned-k.gguf", NULL);
    check_tokenizer();
    check_files();
    check_text_folder();
    check_metadata();
    check_tables();
    check_fused();
    return tap_done();
}
