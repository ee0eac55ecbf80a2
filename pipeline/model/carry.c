#include "pipeline/model/carry.h"
#include "base/json.h"
#include "pipeline/model/gguf.h"
#include "pipeline/model/random_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define FILE_LIMIT (128u << 20) /* the published tokenizer.json has 32 MB */

static const char *const carried[] = {"tokenizer.json",           "tokenizer_config.json",   "chat_template.jinja", "processor_config.json",
                                      "preprocessor_config.json", "special_tokens_map.json", "added_tokens.json"};

static nj_status read_from_folder(const char *folder, struct nj_carried_list *out, struct nj_error *error)
{
    char path[4096 + 64];
    for (size_t i = 0; i < sizeof carried / sizeof *carried; i++) {
        struct nj_carried *file = &out->file[out->count];
        snprintf(path, sizeof path, "%s/%s", folder, carried[i]);
        if (access(path, F_OK) != 0)
            snprintf(path, sizeof path, "%s/%s.zst", folder, carried[i]);
        if (access(path, F_OK) != 0)
            continue;
        NJ_TRY(nj_json_read_text(path, FILE_LIMIT, &file->data, &file->size, error));
        snprintf(file->name, sizeof file->name, "%s", carried[i]);
        out->count++;
    }
    return NJ_OK;
}

static nj_status decompress(const char *path, const struct nj_tensor *tensor, struct nj_carried *file, struct nj_error *error)
{
    unsigned long long size = ZSTD_getFrameContentSize(tensor->data, tensor->size);
    if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size > FILE_LIMIT || size / 1024 > tensor->size)
        return nj_fail(error, "%s: %s: not a compressed file of a possible size: the file is damaged", path, tensor->file_name);
    file->data = malloc((size_t)size + 1);
    if (!file->data)
        return nj_fail(error, "%s: no memory for %s", path, tensor->file_name);
    file->size = ZSTD_decompress(file->data, (size_t)size, tensor->data, tensor->size);
    if (ZSTD_isError(file->size) || file->size != size) {
        free(file->data);
        file->data = NULL;
        return nj_fail(error, "%s: %s: cannot be decompressed: the file is damaged", path, tensor->file_name);
    }
    return NJ_OK;
}

static nj_status make_tokenizer(const struct nj_text_config *text, struct nj_carried_list *out, struct nj_error *error)
{
    json_t *tokenizer = nj_random_tokenizer(text->vocab_size == 262144, text->vocab_size);
    char   *json      = tokenizer ? json_dumps(tokenizer, JSON_INDENT(2)) : NULL;
    json_decref(tokenizer);
    if (!json)
        return nj_fail(error, "no memory for a tokenizer");
    out->file[0] = (struct nj_carried){.name = "tokenizer.json", .data = (uint8_t *)json, .size = strlen(json)};
    out->count   = 1;
    return NJ_OK;
}

static nj_status read_own(const struct nj_weights *weights, struct nj_carried_list *out, struct nj_error *error)
{
    const struct nj_checkpoint *checkpoint = weights->checkpoint;
    *out                                   = (struct nj_carried_list){0};
    if (checkpoint->kind == NJ_KIND_RANDOM)
        return make_tokenizer(&weights->config.text, out, error);
    if (checkpoint->kind == NJ_KIND_FOLDER)
        return read_from_folder(checkpoint->path, out, error);
    if (checkpoint->kind == NJ_KIND_GGUF)
        return nj_gguf_files(checkpoint, out, error);
    for (size_t i = 0; checkpoint->kind == NJ_KIND_PACKED && i < sizeof carried / sizeof *carried; i++) {
        const struct nj_tensor *tensor = nj_tensors_find(&checkpoint->tensors, "file.%s", carried[i]);
        if (!tensor)
            continue;
        NJ_TRY(decompress(checkpoint->path, tensor, &out->file[out->count], error));
        snprintf(out->file[out->count++].name, sizeof out->file->name, "%s", carried[i]);
    }
    return NJ_OK;
}

nj_status nj_carried_read(const struct nj_weights *weights, const char *chat_template, struct nj_carried_list *out, struct nj_error *error)
{
    NJ_TRY(read_own(weights, out, error));
    size_t at = 0;
    if (!*chat_template)
        return NJ_OK;
    while (at < out->count && strcmp(out->file[at].name, "chat_template.jinja"))
        at++;
    struct nj_carried *file = &out->file[at];
    free(file->data);
    *file      = (struct nj_carried){.name = "chat_template.jinja"};
    out->count = at == out->count ? at + 1 : out->count;
    return nj_file_read(chat_template, FILE_LIMIT, &file->data, &file->size, error);
}

void nj_carried_free(struct nj_carried_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->file[i].data);
    *list = (struct nj_carried_list){0};
}

nj_status nj_carried_compress(const struct nj_carried *file, uint8_t **out, size_t *size, struct nj_error *error)
{
    size_t bound = ZSTD_compressBound(file->size);
    *out         = malloc(bound);
    if (!*out)
        return nj_fail(error, "%s: no memory to compress it", file->name);
    *size = ZSTD_compress(*out, bound, file->data, file->size, 9);
    if (ZSTD_isError(*size)) {
        free(*out);
        *out = NULL;
        return nj_fail(error, "%s: cannot be compressed: %s", file->name, ZSTD_getErrorName(*size));
    }
    return NJ_OK;
}
