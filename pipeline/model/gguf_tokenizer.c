/* gguf_tokenizer.c: the vocabulary in the metadata of a GGUF, as our tokenizer and as the files that other programs want. */
#include "base/text.h"
#include "pipeline/model/carry.h"
#include "pipeline/model/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum token_type { UNKNOWN = 2, USER_DEFINED = 4 }; /* 3: control */

struct vocabulary { /* strings are borrowed from the map */
    struct nj_gguf         gguf;
    struct nj_tensors      unused;
    struct nj_string_view *tokens, *merges;
    int32_t               *types;
    size_t                 count, merge_count;
};

/* Strings of a value. *out is malloc'd. */
static nj_status list_strings(const char *name, const struct nj_gguf_value *value, struct nj_string_view **out, size_t *count,
                              struct nj_error *error)
{
    const uint8_t *cursor = NULL;
    const char    *text;
    uint64_t       index = 0, length, limit = value ? value->count : 0;
    if (!value || value->type != NJ_GGUF_STRING || limit > (1u << 24))
        return nj_fail(error, "%s: not a list of strings", name);
    *out = malloc((limit + 1) * sizeof **out);
    if (!*out)
        return nj_fail(error, "%s: no memory", name);
    for (*count = 0; nj_gguf_next_string(value, &cursor, &index, &text, &length); ++*count)
        (*out)[*count] = (struct nj_string_view){text, length};
    return NJ_OK;
}

static nj_status read_lists(struct vocabulary *words, struct nj_error *error)
{
    const struct nj_gguf_value *types = nj_gguf_find(&words->gguf, "tokenizer.ggml.token_type");
    NJ_TRY(
        list_strings("tokenizer.ggml.tokens", nj_gguf_find(&words->gguf, "tokenizer.ggml.tokens"), &words->tokens, &words->count, error));
    NJ_TRY(list_strings("tokenizer.ggml.merges", nj_gguf_find(&words->gguf, "tokenizer.ggml.merges"), &words->merges, &words->merge_count,
                        error));
    words->types = calloc(words->count + 1, sizeof *words->types);
    if (!words->types)
        return nj_fail(error, "no memory for its token types");
    for (size_t i = 0; i < words->count; i++) {
        double type;
        if (!nj_gguf_number(types, i, &type) || !(type >= 0 && type <= 16))
            return nj_fail(error, "tokenizer.ggml.token_type: no type for token %zu", i);
        words->types[i] = (int32_t)type;
    }
    return NJ_OK;
}

static nj_status open_vocabulary(const struct nj_checkpoint *checkpoint, struct vocabulary *out, struct nj_error *error)
{
    *out = (struct vocabulary){0};
    NJ_TRY(nj_gguf_open(checkpoint->path, &checkpoint->maps[0], &out->gguf, &out->unused, error));
    nj_status status = read_lists(out, error);
    if (status != NJ_OK)
        nj_error_prefix(error, "%s", checkpoint->path);
    return status;
}

static void close_vocabulary(struct vocabulary *words)
{
    free(words->tokens);
    free(words->merges);
    free(words->types);
    nj_tensors_free(&words->unused);
    nj_gguf_close(&words->gguf);
}

nj_status nj_gguf_tokenizer(const struct nj_checkpoint *checkpoint, struct nj_tokenizer **out, struct nj_error *error)
{
    struct vocabulary words;
    *out             = NULL;
    nj_status status = open_vocabulary(checkpoint, &words, error);
    if (status == NJ_OK &&
        (status = nj_tokenizer_from_lists(words.tokens, words.types, words.count, words.merges, words.merge_count, out, error)) != NJ_OK)
        nj_error_prefix(error, "%s", checkpoint->path);
    close_vocabulary(&words);
    return status;
}

/* ---- As files ---- */

static bool is_utf8(struct nj_string_view text)
{
    for (size_t at = 0, length; at < text.size; at += length)
        if ((length = nj_utf8_length((const uint8_t *)text.data + at, text.size - at, NULL)) == 0)
            return false;
    return true;
}

static void add_string(struct nj_text *out, struct nj_string_view text)
{
    nj_text_add_json(out, text.data, text.size);
}

/* All of them special, as in the published file; GGUF tells those apart that a program should show. */
static void add_added_tokens(struct nj_text *out, const struct vocabulary *words)
{
    const char *between = "";
    for (size_t i = 0; i < words->count; i++) {
        if (words->types[i] < UNKNOWN || words->types[i] > USER_DEFINED)
            continue;
        nj_text_addf(out, "%s\n    {\"id\": %zu, \"content\": ", between, i);
        add_string(out, words->tokens[i]);
        nj_text_add(out, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": true}");
        between = ",";
    }
}

static void add_merges(struct nj_text *out, const struct vocabulary *words)
{
    for (size_t i = 0; i < words->merge_count; i++) {
        struct nj_string_view merge = words->merges[i];
        const char           *space = merge.size > 1 ? memchr(merge.data + 1, ' ', merge.size - 1) : NULL;
        size_t                left  = space ? (size_t)(space - merge.data) : merge.size;
        nj_text_add(out, i ? ",\n      [" : "\n      [");
        add_string(out, (struct nj_string_view){merge.data, left});
        nj_text_add(out, ", ");
        add_string(out, (struct nj_string_view){merge.data + left + (space != NULL), merge.size - left - (space != NULL)});
        nj_text_add(out, "]");
    }
}

/* Written by hand: half a million merges as a tree would cost more memory than a conversion may take. */
static nj_status tokenizer_json(const struct vocabulary *words, struct nj_text *out, struct nj_error *error)
{
    for (size_t i = 0; i < words->count; i++)
        if (!is_utf8(words->tokens[i]))
            return nj_fail(error, "tokenizer.ggml.tokens: token %zu is not UTF-8: the file is damaged; fetch it again", i);
    nj_text_add(out, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [");
    add_added_tokens(out, words);
    nj_text_add(out,
                "\n  ],\n  \"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\xe2\x96\x81\"},\n"
                "  \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"String\": \" \"}, \"behavior\": \"MergedWithPrevious\", "
                "\"invert\": false},\n  \"post_processor\": null,\n  \"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": "
                "\"Replace\", \"pattern\": {\"String\": \"\xe2\x96\x81\"}, \"content\": \" \"}, {\"type\": \"ByteFallback\"}, {\"type\": "
                "\"Fuse\"}]},\n  \"model\": {\n    \"type\": \"BPE\", \"dropout\": null, \"unk_token\": ");
    size_t unknown = 0;
    while (unknown < words->count && words->types[unknown] != UNKNOWN &&
           (words->tokens[unknown].size != 5 || memcmp(words->tokens[unknown].data, "<unk>", 5) != 0))
        unknown++;
    if (unknown < words->count)
        add_string(out, words->tokens[unknown]);
    else
        nj_text_add(out, "null");
    nj_text_add(out, ", \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null,\n    \"fuse_unk\": true, \"byte_fallback\": "
                     "true, \"ignore_merges\": false,\n    \"vocab\": {");
    for (size_t i = 0; i < words->count; i++) {
        nj_text_add(out, i ? ",\n      " : "\n      ");
        add_string(out, words->tokens[i]);
        nj_text_addf(out, ": %zu", i);
    }
    nj_text_add(out, "\n    },\n    \"merges\": [");
    add_merges(out, words);
    nj_text_add(out, "\n    ]\n  }\n}\n");
    return NJ_OK;
}

/* What transformers calls the tokens of this family; only those that the vocabulary has. */
static json_t *tokenizer_config(const struct vocabulary *words)
{
    static const char *const names[][2] = {{"bos_token", "<bos>"},
                                           {"eos_token", "<eos>"},
                                           {"pad_token", "<pad>"},
                                           {"unk_token", "<unk>"},
                                           {"mask_token", "<mask>"},
                                           {"image_token", "<|image|>"},
                                           {"boi_token", "<|image>"},
                                           {"eoi_token", "<image|>"},
                                           {"audio_token", "<|audio|>"},
                                           {"boa_token", "<|audio>"},
                                           {"eoa_token", "<audio|>"},
                                           {"sot_token", "<|turn>"},
                                           {"eot_token", "<turn|>"},
                                           {"soc_token", "<|channel>"},
                                           {"eoc_token", "<channel|>"},
                                           {"think_token", "<|think|>"},
                                           {"std_token", "<|tool>"},
                                           {"etd_token", "<tool|>"},
                                           {"stc_token", "<|tool_call>"},
                                           {"etc_token", "<tool_call|>"},
                                           {"str_token", "<|tool_response>"},
                                           {"etr_token", "<tool_response|>"},
                                           {"escape_token", "<|\"|>"}};
    json_t *config = json_pack("{s:s, s:s, s:s, s:f, s:[s]}", "tokenizer_class", "GemmaTokenizer", "processor_class", "Gemma4Processor",
                               "padding_side", "left", "model_max_length", 1e30, "extra_special_tokens", "<|video|>");
    for (size_t i = 0; i < words->count; i++)
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if (words->tokens[i].size == strlen(names[k][1]) && !memcmp(words->tokens[i].data, names[k][1], words->tokens[i].size))
                json_object_set_new(config, names[k][0], json_string(names[k][1]));
    return config;
}

static json_t *processor_of(const char *kind_key, const char *kind, int soft_tokens, const json_t *vision)
{
    json_t    *patch = json_object_get(vision, "patch_size"), *pool = json_object_get(vision, "pooling_kernel_size");
    json_int_t side = patch ? json_integer_value(patch) : 16, pooled = pool ? json_integer_value(pool) : 3;
    return json_pack("{s:s, s:b, s:b, s:b, s:b, s:[f, f, f], s:[f, f, f], s:i, s:i, s:I, s:I, s:i, s:f}", kind_key, kind, "do_convert_rgb",
                     1, "do_normalize", 0, "do_rescale", 1, "do_resize", 1, "image_mean", 0.0, 0.0, 0.0, "image_std", 1.0, 1.0, 1.0,
                     "image_seq_length", 280, "max_soft_tokens", soft_tokens, "patch_size", side, "pooling_kernel_size", pooled, "resample",
                     3, "rescale_factor", 1.0 / 255);
}

/* How pictures are prepared is part of the architecture (they arrive as 0..1, resized by Pillow's bicubic); only sizes of patches vary. */
static json_t *processor_config(const json_t *vision)
{
    json_t *video = processor_of("video_processor_type", "Gemma4VideoProcessor", 70, vision);
    json_object_set_new(video, "num_frames", json_integer(32));
    return json_pack("{s:i, s:i, s:o, s:i, s:s, s:o}", "audio_ms_per_token", 40, "audio_seq_length", 750, "image_processor",
                     processor_of("image_processor_type", "Gemma4ImageProcessor", 280, vision), "image_seq_length", 280, "processor_class",
                     "Gemma4Processor", "video_processor", video);
}

static nj_status keep(struct nj_carried_list *list, const char *name, struct nj_text *text, struct nj_error *error)
{
    if (text->failed || !text->data) {
        nj_text_free(text);
        return nj_fail(error, "no memory for %s", name);
    }
    struct nj_carried *file = &list->file[list->count++];
    *file                   = (struct nj_carried){.data = (uint8_t *)text->data, .size = text->length};
    snprintf(file->name, sizeof file->name, "%s", name);
    *text = (struct nj_text){0};
    return NJ_OK;
}

/* Takes over `value`. */
static nj_status keep_json(struct nj_carried_list *list, const char *name, json_t *value, struct nj_error *error)
{
    struct nj_text text    = {0};
    char          *written = value ? json_dumps(value, JSON_INDENT(2)) : NULL;
    nj_text_add(&text, written ? written : "");
    text.failed |= !written;
    free(written);
    json_decref(value);
    return keep(list, name, &text, error);
}

static nj_status make_files(const struct nj_checkpoint *checkpoint, const struct vocabulary *words, struct nj_carried_list *out,
                            struct nj_error *error)
{
    const json_t *vision           = json_object_get(checkpoint->config, "vision_config");
    struct nj_string_view template = nj_gguf_string(nj_gguf_find(&words->gguf, "tokenizer.chat_template"));
    struct nj_text text            = {0};
    nj_status      status          = tokenizer_json(words, &text, error);
    if (status != NJ_OK) {
        nj_text_free(&text);
        return status;
    }
    NJ_TRY(keep(out, "tokenizer.json", &text, error));
    NJ_TRY(keep_json(out, "tokenizer_config.json", tokenizer_config(words), error));
    if (template.size) {
        nj_text_add_bytes(&text, template.data, template.size);
        NJ_TRY(keep(out, "chat_template.jinja", &text, error));
    }
    return vision ? keep_json(out, "processor_config.json", processor_config(vision), error) : NJ_OK;
}

nj_status nj_gguf_files(const struct nj_checkpoint *checkpoint, struct nj_carried_list *out, struct nj_error *error)
{
    struct vocabulary words;
    nj_status         status = open_vocabulary(checkpoint, &words, error);
    if (status == NJ_OK && (status = make_files(checkpoint, &words, out, error)) != NJ_OK)
        nj_error_prefix(error, "%s", checkpoint->path);
    close_vocabulary(&words);
    return status;
}
