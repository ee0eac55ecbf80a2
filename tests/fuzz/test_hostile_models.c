/* Model files cut short, with flipped bytes, with numbers changed in their headers: each opens with every byte readable, or is refused with a sentence.
 *
 *     test_hostile_models [ROUNDS [SEED]]     more rounds for a night, under AddressSanitizer */
#include "base/file.h"
#include "pipeline/model/carry.h"
#include "pipeline/model/convert.h"
#include "pipeline/model/packed.h"
#include "pipeline/model/tokenizer.h"
#include "tests/conformance/weights_hash.h"
#include "tests/tap.h"

#include <sys/stat.h>
#include <unistd.h>

static uint64_t state    = 0x2545f4914f6cdd1d;
static char     folder[] = "/tmp/nightjar-hostile-XXXXXX";

static uint64_t random_below(uint64_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % bound;
}

static void write_file(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (file && fwrite(bytes, 1, size, file) != size)
        printf("# %s is not whole\n", path);
    if (file)
        fclose(file);
}

/* Opens, and if that succeeds reads every value, the tokenizer and the files that travel along. */
static bool is_sane(const char *path, const struct nj_weights_options *options, bool *opened)
{
    struct nj_error        error = {0};
    struct nj_weights     *weights;
    struct nj_tokenizer   *tokenizer;
    struct nj_carried_list files;
    char                   hash[HASH_TEXT];
    nj_status              status = nj_weights_open(path, options, &weights, &error);
    *opened                       = status == NJ_OK;
    if (status != NJ_OK)
        return status == NJ_ERROR && !weights && error.text[0] && !strchr(error.text, '\n');
    hash_text(weights, hash);
    hash_vision(weights, hash);
    if (nj_weights_tokenizer(weights, &tokenizer, &error) == NJ_OK)
        nj_tokenizer_close(tokenizer);
    nj_carried_read(weights, "", &files, &error);
    nj_carried_free(&files);
    nj_packed_verify(weights, &error);
    nj_weights_close(weights);
    return true;
}

/* Where to hurt: mostly the header, where every byte means something. */
static size_t place(size_t size, size_t header)
{
    return random_below(4) ? random_below(header < size ? header : size) : random_below(size);
}

static size_t damage(uint8_t *bytes, size_t size, size_t header)
{
    static const char *const tokens[] = {"18446744073709551615", "-1", "0", "4294967296", "1e9", "null", "[]", "\"\"", "{", "true", "9"};
    unsigned                 kind     = (unsigned)random_below(6);
    if (kind == 0)
        return random_below(size);
    for (unsigned i = 0; i < 1 + random_below(4); i++) {
        size_t at = place(size, header);
        if (kind == 1)
            bytes[at] ^= (uint8_t)(1 << random_below(8));
        else if (kind == 2)
            bytes[at] = (uint8_t)random_below(256);
        else if (kind == 3) {
            uint64_t value = random_below(3) ? random_below(1 << 20) : UINT64_MAX - random_below(64);
            memcpy(bytes + at, &value, size - at < 8 ? size - at : 8);
        } else if (kind == 4) {
            const char *token = tokens[random_below(sizeof tokens / sizeof *tokens)];
            memcpy(bytes + at, token, size - at < strlen(token) ? size - at : strlen(token));
        } else { /* a digit somewhere near becomes another */
            while (at < size && (bytes[at] < '0' || bytes[at] > '9'))
                at++;
            if (at < size)
                bytes[at] = (uint8_t)('0' + random_below(10));
        }
    }
    return size;
}

/* `name` within the folder is damaged again and again; `open` is what is opened. */
static void hurt(const char *name, const char *open, const struct nj_weights_options *options, size_t header, size_t rounds)
{
    char     path[256], target[256];
    uint8_t *bytes, *copy;
    size_t   size, wrong = 0, opened = 0;
    bool     fine;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(target, sizeof target, "%s/%s", folder, open);
    if (nj_file_read(path, 1 << 26, &bytes, &size, NULL) != NJ_OK) {
        CHECK(false, "%s is there to be damaged", path);
        return;
    }
    CHECK(is_sane(target, options, &fine) && fine, "%s opens before it is damaged", open);
    copy = malloc(size + 1);
    for (size_t i = 0; i < rounds; i++) {
        uint64_t seed = state;
        memcpy(copy, bytes, size);
        write_file(path, copy, damage(copy, size, header));
        if (!is_sane(target, options, &fine)) {
            wrong++;
            printf("# %s, state %llu\n", name, (unsigned long long)seed);
        }
        opened += fine;
    }
    write_file(path, bytes, size);
    CHECK(wrong == 0, "%s: %zu damaged files, %zu of them open, %zu wrong", name, rounds, opened, wrong);
    free(bytes);
    free(copy);
}

static void make(const char *name, const struct nj_plan_options *plan, bool to_folder)
{
    const struct nj_convert_options options = {.random = true, .to_folder = to_folder, .plan = *plan};
    struct nj_convert_report        report;
    struct nj_error                 error = {0};
    char                            path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK(nj_convert("tiny", path, &options, &report, &error) == NJ_OK, "%s is made %s", name, error.text);
}

static void copy_reference(const char *from, const char *name)
{
    char     path[4096];
    uint8_t *bytes;
    size_t   size;
    snprintf(path, sizeof path, "%s/reference/%s", tap_shared(), from);
    if (nj_file_read(path, 1 << 26, &bytes, &size, NULL) != NJ_OK)
        return;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    write_file(path, bytes, size);
    free(bytes);
}

int main(int argc, char **argv)
{
    size_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 40;
    state ^= argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    if (!CHECK(mkdtemp(folder), "%s is made", folder))
        return tap_done();
    make("w4.nj", &(struct nj_plan_options){.quantize = true, .group = 32, .head = NJ_HEAD_INT8}, false);
    make("ct", &(struct nj_plan_options){.quantize = true, .group = 32}, true);
    hurt("w4.nj", "w4.nj", NULL, 60000, rounds);
    hurt("ct/model.safetensors", "ct", NULL, 30000, rounds);
    hurt("ct/config.json", "ct", NULL, 4000, rounds);
    if (tap_shared()) {
        char                      adapter[256], companion[256];
        struct nj_weights_options options = {0};
        copy_reference("gguf/tiny-pruned-k.gguf", "k.gguf");
        hurt("k.gguf", "k.gguf", NULL, 40000, rounds);
        copy_reference("gguf/tiny-it-q4_0.gguf", "q.gguf");
        copy_reference("gguf/tiny-it-mmproj-f16.gguf", "mm.gguf");
        snprintf(companion, sizeof companion, "%s/mm.gguf", folder);
        options.mmproj = companion;
        hurt("mm.gguf", "q.gguf", &options, 8000, rounds);
        snprintf(adapter, sizeof adapter, "%s/adapter", folder);
        mkdir(adapter, 0700);
        copy_reference("adapters/tiny-lora-rslora/adapter_config.json", "adapter/adapter_config.json");
        copy_reference("adapters/tiny-lora-rslora/adapter_model.safetensors", "adapter/adapter_model.safetensors");
        mkdir(strcat(strcpy(companion, folder), "/it"), 0700);
        copy_reference("checkpoints/tiny-it/config.json", "it/config.json");
        copy_reference("checkpoints/tiny-it/tokenizer.json", "it/tokenizer.json");
        copy_reference("checkpoints/tiny-it/model.safetensors", "it/model.safetensors");
        options = (struct nj_weights_options){.adapter = adapter, .text_only = 1};
        hurt("adapter/adapter_model.safetensors", "it", &options, 14000, rounds / 4);
        hurt("adapter/adapter_config.json", "it", &options, 1300, rounds / 4);
    } else
        SKIP("no reference files here");
    char command[256];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    if (system(command) != 0)
        printf("# %s was left behind\n", folder);
    return tap_done();
}
