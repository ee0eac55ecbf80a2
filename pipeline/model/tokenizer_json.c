/* tokenizer_json.c: tokenizer.json of the tokenizers library. What Gemma 4's file says is required; a file that says something else is refused,
 * because its text would come out as other ids. */
#include "base/file.h"
#include "base/json.h"
#include "pipeline/model/tokenizer_flat.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define FILE_LIMIT ((size_t)512 << 20)

static struct nj_string_view view_of(const json_t *string)
{
    return (struct nj_string_view){json_string_value(string), json_string_length(string)};
}

static bool is_text(const json_t *value, const char *text)
{
    return json_is_string(value) && json_string_length(value) == strlen(text) && strcmp(json_string_value(value), text) == 0;
}

static bool is_set(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return value && !json_is_null(value) && !json_is_false(value) && !is_text(value, "");
}

/* Space to U+2581 and nothing else. */
static bool is_known_normalizer(const json_t *normalizer)
{
    return is_text(json_object_get(normalizer, "type"), "Replace") && is_text(json_object_get(normalizer, "content"), "\xe2\x96\x81") &&
           is_text(json_object_get(json_object_get(normalizer, "pattern"), "String"), " ");
}

/* A split at spaces does nothing: the normalizer has replaced them. */
static bool is_known_pre_tokenizer(const json_t *pre)
{
    return !pre || json_is_null(pre) ||
           (is_text(json_object_get(pre, "type"), "Split") && is_text(json_object_get(json_object_get(pre, "pattern"), "String"), " "));
}

static nj_status check_kind(const char *path, const json_t *root, struct nj_error *error)
{
    static const char *const must_be_unset[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges"};
    const json_t            *model           = json_object_get(root, "model");
    const char              *wrong           = NULL;
    if (!json_is_object(json_object_get(model, "vocab")) || !json_is_array(json_object_get(model, "merges")))
        return nj_fail(error, "%s: no model.vocab and model.merges: this is not the tokenizer.json of a BPE tokenizer", path);
    if (json_object_get(model, "type") && !is_text(json_object_get(model, "type"), "BPE"))
        wrong = "model.type";
    if (!json_is_true(json_object_get(model, "byte_fallback")))
        wrong = "model.byte_fallback";
    if (!is_known_normalizer(json_object_get(root, "normalizer")))
        wrong = "normalizer";
    if (!is_known_pre_tokenizer(json_object_get(root, "pre_tokenizer")))
        wrong = "pre_tokenizer";
    for (size_t i = 0; i < sizeof must_be_unset / sizeof *must_be_unset; i++)
        if (is_set(model, must_be_unset[i]))
            wrong = must_be_unset[i];
    if (wrong)
        return nj_fail(error, "%s: %s is not that of Gemma 4; only tokenizers of its kind can be used", path, wrong);
    return NJ_OK;
}

struct lists {
    struct nj_string_view *tokens;
    bool                  *added;
    struct nj_flat_pair   *merges;
    size_t                 count, merge_count;
};

static bool read_id(const json_t *value, size_t *id)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) >= (json_int_t)NJ_FLAT_MAX_VOCAB)
        return false;
    *id = (size_t)json_integer_value(value);
    return true;
}

/* One more than the largest id in the vocabulary and the added tokens. */
static nj_status count_ids(const char *path, json_t *vocab, const json_t *added, size_t *count, struct nj_error *error)
{
    const char *key;
    json_t     *value;
    size_t      at, id;
    *count = 0;
    json_object_foreach(vocab, key, value)
    {
        if (!read_id(value, &id))
            return nj_fail(error, "%s: the id of token %.40s is not a number from 0 to %u", path, key, NJ_FLAT_MAX_VOCAB - 1);
        *count = id >= *count ? id + 1 : *count;
    }
    json_array_foreach(added, at, value)
    {
        if (!read_id(json_object_get(value, "id"), &id) || !json_is_string(json_object_get(value, "content")))
            return nj_fail(error, "%s: added_tokens[%zu] has no valid id and content", path, at);
        *count = id >= *count ? id + 1 : *count;
    }
    return NJ_OK;
}

static nj_status read_tokens(const char *path, json_t *vocab, const json_t *added, struct lists *lists, struct nj_error *error)
{
    static const char *const flags[] = {"single_word", "lstrip", "rstrip"};
    json_t                  *value;
    size_t                   at, id;
    for (void *entry = json_object_iter(vocab); entry; entry = json_object_iter_next(vocab, entry)) {
        const char *key = json_object_iter_key(entry);
        id              = (size_t)json_integer_value(json_object_iter_value(entry));
        if (lists->tokens[id].size)
            return nj_fail(error, "%s: id %zu stands for two tokens", path, id);
        lists->tokens[id] = (struct nj_string_view){key, json_object_iter_key_len(entry)};
    }
    json_array_foreach(added, at, value)
    {
        struct nj_string_view  content = view_of(json_object_get(value, "content"));
        struct nj_string_view *token   = &lists->tokens[json_integer_value(json_object_get(value, "id"))];
        if (token->size && (token->size != content.size || memcmp(token->data, content.data, content.size) != 0))
            return nj_fail(error, "%s: added_tokens[%zu] has the id of another token", path, at);
        for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
            if (json_is_true(json_object_get(value, flags[i])))
                return nj_fail(error, "%s: added_tokens[%zu].%s is not false as in Gemma 4", path, at, flags[i]);
        *token                                                         = content;
        lists->added[json_integer_value(json_object_get(value, "id"))] = true;
    }
    return NJ_OK;
}

/* A merge is ["left", "right"], or "left right" in older files. */
static bool read_merge(const json_t *value, struct nj_flat_pair *pair)
{
    if (json_is_array(value) && json_array_size(value) == 2 && json_is_string(json_array_get(value, 0)) &&
        json_is_string(json_array_get(value, 1))) {
        *pair = (struct nj_flat_pair){view_of(json_array_get(value, 0)), view_of(json_array_get(value, 1))};
        return true;
    }
    const char *text = json_string_value(value), *space = text ? strchr(text, ' ') : NULL;
    if (!space)
        return false;
    size_t left = (size_t)(space - text);
    *pair       = (struct nj_flat_pair){{text, left}, {space + 1, json_string_length(value) - left - 1}};
    return true;
}

static nj_status read_lists(const char *path, const json_t *root, struct lists *lists, struct nj_error *error)
{
    const json_t *model = json_object_get(root, "model"), *added = json_object_get(root, "added_tokens");
    const json_t *merges = json_object_get(model, "merges");
    json_t       *vocab  = json_object_get(model, "vocab");
    nj_status     status = count_ids(path, vocab, added, &lists->count, error);
    if (status != NJ_OK)
        return status;
    lists->merge_count = json_array_size(merges);
    lists->tokens      = calloc(lists->count + 1, sizeof *lists->tokens);
    lists->added       = calloc(lists->count + 1, sizeof *lists->added);
    lists->merges      = calloc(lists->merge_count + 1, sizeof *lists->merges);
    if (!lists->tokens || !lists->added || !lists->merges)
        return nj_fail(error, "%s: no memory for its %zu tokens", path, lists->count);
    for (size_t at = 0; at < lists->merge_count; at++)
        if (!read_merge(json_array_get(merges, at), &lists->merges[at]))
            return nj_fail(error, "%s: model.merges[%zu] is not a pair of tokens", path, at);
    return read_tokens(path, vocab, added, lists, error);
}

/* A directory holds tokenizer.json, or tokenizer.json.zst. */
static nj_status find_file(const char *path, char *out, size_t size, struct nj_error *error)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer.json.zst"};
    struct stat              info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return nj_path_join(out, size, "", path) ? NJ_OK : nj_fail(error, "%s: the path is too long", path);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (nj_path_join(out, size, path, names[i]) && stat(out, &info) == 0)
            return NJ_OK;
    return nj_fail(error, "%s: no tokenizer.json in this folder; download it with the checkpoint", path);
}

nj_status nj_tokenizer_from_json(const char *name, const json_t *root, struct nj_tokenizer **out, struct nj_error *error)
{
    struct lists lists  = {0};
    nj_status    status = check_kind(name, root, error);
    *out                = NULL;
    if (status == NJ_OK)
        status = read_lists(name, root, &lists, error);
    if (status == NJ_OK) {
        const struct nj_flat_source source = {name, lists.tokens, lists.added, lists.count, lists.merges, lists.merge_count};
        status                             = nj_flat_build(&source, out, error);
    }
    free(lists.tokens);
    free(lists.added);
    free(lists.merges);
    return status;
}

nj_status nj_tokenizer_open(const char *path, struct nj_tokenizer **out, struct nj_error *error)
{
    char    file[4096];
    json_t *root     = NULL;
    *out             = NULL;
    nj_status status = find_file(path, file, sizeof file, error);
    if (status == NJ_OK)
        status = nj_json_read(file, FILE_LIMIT, &root, error);
    if (status == NJ_OK)
        status = nj_tokenizer_from_json(file, root, out, error);
    json_decref(root);
#ifdef __GLIBC__
    /* The tree of such a file is hundreds of thousands of small pieces; free as they are, they would stay resident (180 MiB). */
    malloc_trim(0);
#endif
    return status;
}
