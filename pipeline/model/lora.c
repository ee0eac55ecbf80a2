#include "pipeline/model/lora.h"
#include "pipeline/model/chat.h"
#include "pipeline/model/checkpoint.h"
#include "pipeline/model/lora_pattern.h"
#include "pipeline/model/safetensors.h"

#include <math.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_LIMIT (4u << 20)
#define MAX_RANK     4096

static bool is_set(const json_t *value)
{
    if (json_is_array(value) || json_is_object(value))
        return json_is_array(value) ? json_array_size(value) > 0 : json_object_size(value) > 0;
    return value && !json_is_null(value) && !json_is_false(value);
}

/* ---- adapter_config.json ---- */

static nj_status check_config(const json_t *config, struct nj_error *error)
{
    static const char *const refused[] = {"use_dora",          "lora_bias",         "fan_in_fan_out",
                                          "layer_replication", "target_parameters", "trainable_token_indices",
                                          "use_qalora",        "use_bdlora",        "alora_invocation_tokens"};
    const char              *type      = json_string_value(json_object_get(config, "peft_type"));
    const char              *bias      = json_string_value(json_object_get(config, "bias"));
    const json_t            *saved     = json_object_get(config, "modules_to_save");
    if (!type || strcmp(type, "LORA"))
        return nj_fail(error, "peft_type %.40s is not supported, only LORA", type ? type : "missing");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (is_set(json_object_get(config, refused[i])))
            return nj_fail(error, "%s is not supported; train without it, or merge the adapter with PEFT first", refused[i]);
    if (bias && strcmp(bias, "none"))
        return nj_fail(error, "bias %.40s is not supported, only none", bias);
    for (size_t i = 0; i < json_array_size(saved); i++) {
        const char *name = json_string_value(json_array_get(saved, i));
        if (!name || strcmp(name, "lm_head"))
            return nj_fail(error, "modules_to_save: %.60s is not supported, only lm_head", name ? name : "something that is no name");
    }
    return NJ_OK;
}

static nj_status scale_of(const json_t *config, const char *name, uint32_t rank, float *out, struct nj_error *error)
{
    double wanted, alpha, r = json_number_value(json_object_get(config, "r"));
    NJ_TRY(nj_pattern_value(json_object_get(config, "rank_pattern"), name, r, &wanted, error));
    NJ_TRY(nj_pattern_value(json_object_get(config, "alpha_pattern"), name, json_number_value(json_object_get(config, "lora_alpha")),
                            &alpha, error));
    if (wanted != rank)
        return nj_fail(error, "%s: rank %u in the file, %g in adapter_config.json: the two do not belong together", name, rank, wanted);
    *out = (float)(json_is_true(json_object_get(config, "use_rslora")) ? alpha / sqrt(wanted) : alpha / wanted);
    return isfinite(*out) ? NJ_OK : nj_fail(error, "%s: lora_alpha is not a possible number", name);
}

/* ---- adapter_model.safetensors ---- */

/* Cuts wrappers ("base_model.model.") and ".lora_A[.ADAPTER].weight" off a tensor's name; 'A' or 'B', or 0 for other tensors. */
static char split_name(const char *tensor, char module[NJ_MAX_NAME])
{
    snprintf(module, NJ_MAX_NAME, "%s", nj_unwrapped_name(tensor));
    char *mark    = strstr(module, ".lora_A.");
    mark          = mark ? mark : strstr(module, ".lora_B.");
    size_t length = mark ? strlen(mark) : 0;
    if (!mark || length < 14 || strcmp(mark + length - 7, ".weight"))
        return 0;
    char which = mark[6];
    *mark      = 0;
    return which;
}

static nj_status widen(struct nj_lora *lora, const struct nj_tensor *tensor, const float **out, struct nj_error *error)
{
    enum nj_format format;
    if (!nj_dtype_format(tensor->dtype, &format) || format > NJ_BF16 || tensor->rank != 2 || tensor->shape[0] == 0 ||
        tensor->shape[1] == 0 || tensor->shape[0] > UINT32_MAX || tensor->shape[1] > UINT32_MAX)
        return nj_fail(error, "%s: not a matrix of fp32, fp16 or bf16", tensor->file_name);
    float *values = nj_checkpoint_alloc(lora->files, tensor->shape[0] * tensor->shape[1] * sizeof *values);
    if (!values)
        return nj_fail(error, "%s: no memory", tensor->file_name);
    nj_widen(format, tensor->data, tensor->shape[0] * tensor->shape[1], values);
    *out = values;
    return NJ_OK;
}

static struct nj_lora_module *module_named(struct nj_lora *lora, const char *name)
{
    for (size_t i = lora->count; i-- > 0;) /* the pair of a tensor is mostly the last one seen */
        if (!strcmp(lora->list[i].name, name))
            return &lora->list[i];
    return NULL;
}

static nj_status add_factor(struct nj_lora *lora, const struct nj_tensor *tensor, const char *given, char which, struct nj_error *error)
{
    char name[NJ_MAX_NAME];
    nj_canonical_name(given, name);
    struct nj_lora_module *module = module_named(lora, name);
    if (!module) {
        module = &lora->list[lora->count++];
        memcpy(module->name, name, sizeof module->name);
        snprintf(module->given, sizeof module->given, "%s", given);
    }
    const float **slot = which == 'A' ? &module->low_rank.a : &module->low_rank.b;
    if (*slot)
        return nj_fail(error, "%s: there twice, under two names", tensor->file_name);
    NJ_TRY(widen(lora, tensor, slot, error));
    uint32_t rank = (uint32_t)tensor->shape[which == 'B'];
    if ((module->low_rank.rank && module->low_rank.rank != rank) || rank > MAX_RANK)
        return nj_fail(error, "%s: rank %u here, %u in its other half", tensor->file_name, rank, module->low_rank.rank);
    module->low_rank.rank = rank;
    if (which == 'A')
        module->cols = (uint32_t)tensor->shape[1];
    else
        module->rows = (uint32_t)tensor->shape[0];
    return NJ_OK;
}

static nj_status add_saved(struct nj_lora *lora, const struct nj_tensor *tensor, struct nj_error *error)
{
    char module[NJ_MAX_NAME], name[NJ_MAX_NAME];
    split_name(tensor->file_name, module);
    nj_canonical_name(module, name);
    if (strcmp(name, "lm_head.weight") && strcmp(name, "lm_head.modules_to_save.weight") &&
        strcmp(name, "lm_head.modules_to_save.default.weight"))
        return nj_fail(error, "%s: neither half of a LoRA pair nor a saved lm_head; DoRA, biases and embeddings are not supported",
                       tensor->file_name);
    const float *values;
    NJ_TRY(widen(lora, tensor, &values, error));
    lora->head =
        (struct nj_matrix){.format = NJ_F32, .rows = (uint32_t)tensor->shape[0], .cols = (uint32_t)tensor->shape[1], .data = values};
    enum nj_format stored;
    if (nj_dtype_format(tensor->dtype, &stored) && (uintptr_t)tensor->data % 4 == 0) { /* as it lies in the file, where that is possible */
        lora->head.format = stored;
        lora->head.data   = tensor->data;
    }
    return NJ_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct nj_lora_module *)a)->name, ((const struct nj_lora_module *)b)->name);
}

static nj_status read_tensors(struct nj_lora *lora, const json_t *config, struct nj_error *error)
{
    const struct nj_tensors *tensors = &lora->files->tensors;
    lora->list                       = calloc(tensors->count + 1, sizeof *lora->list);
    if (!lora->list)
        return nj_fail(error, "no memory for %zu tensors", tensors->count);
    for (size_t i = 0; i < tensors->count; i++) {
        char given[NJ_MAX_NAME], which = split_name(tensors->list[i].file_name, given);
        NJ_TRY(which ? add_factor(lora, &tensors->list[i], given, which, error) : add_saved(lora, &tensors->list[i], error));
    }
    for (size_t i = 0; i < lora->count; i++) {
        struct nj_lora_module *module = &lora->list[i];
        if (!module->low_rank.a || !module->low_rank.b)
            return nj_fail(error, "%s: its lora_%c is missing", module->given, module->low_rank.a ? 'B' : 'A');
        NJ_TRY(scale_of(config, module->given, module->low_rank.rank, &module->low_rank.scale, error));
    }
    qsort(lora->list, lora->count, sizeof *lora->list, by_name);
    return lora->count || lora->head.rows ? NJ_OK : nj_fail(error, "no LoRA pair in it");
}

static void hash_map(const struct nj_map *map, char text[65])
{
    struct sha256_ctx hash;
    uint8_t           digest[SHA256_DIGEST_SIZE];
    sha256_init(&hash);
    sha256_update(&hash, map->size, map->data);
    sha256_digest(&hash, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

static nj_status read_folder(struct nj_lora *lora, struct nj_error *error)
{
    struct nj_checkpoint *files = lora->files;
    char                  path[4096 + 64];
    uint8_t              *text;
    size_t                size;
    snprintf(path, sizeof path, "%s/adapter_config.json", lora->path);
    if (access(path, F_OK) != 0)
        return nj_fail(error, "%s: no adapter_config.json in it: not the folder of a LoRA adapter", lora->path);
    NJ_TRY(nj_json_read(path, CONFIG_LIMIT, &files->config, error));
    nj_status status = check_config(files->config, error);
    if (status != NJ_OK) {
        nj_error_prefix(error, "%s", path);
        return status;
    }
    snprintf(path, sizeof path, "%s/chat_template.jinja", lora->path);
    lora->empty_thought = -1;
    if (access(path, F_OK) == 0) {
        NJ_TRY(nj_file_read(path, CONFIG_LIMIT, &text, &size, error));
        lora->empty_thought = nj_chat_template_has_empty_thought((const char *)text, size);
        free(text);
    }
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", lora->path);
    if (access(path, F_OK) != 0)
        return nj_fail(error, "%s: no adapter_model.safetensors in it; save the adapter as safetensors", lora->path);
    files->maps = calloc(1, sizeof *files->maps);
    if (!files->maps)
        return nj_fail(error, "%s: no memory", lora->path);
    NJ_TRY(nj_map_open(path, &files->maps[0], error));
    files->map_count = 1;
    NJ_TRY(nj_safetensors_read(path, &files->maps[0], &files->tensors, NULL, error));
    hash_map(&files->maps[0], lora->sha256);
    status = read_tensors(lora, files->config, error);
    if (status != NJ_OK)
        nj_error_prefix(error, "%s", path);
    return status;
}

nj_status nj_lora_open(const char *folder, struct nj_lora **out, struct nj_error *error)
{
    struct nj_lora *lora = calloc(1, sizeof *lora);
    *out                 = NULL;
    if (!lora || !(lora->files = calloc(1, sizeof *lora->files))) {
        free(lora);
        return nj_fail(error, "%s: no memory to open it", folder);
    }
    nj_status status = (size_t)snprintf(lora->path, sizeof lora->path, "%s", folder) < sizeof lora->path
                           ? read_folder(lora, error)
                           : nj_fail(error, "%.200s...: the path is too long", folder);
    if (status == NJ_OK)
        *out = lora;
    else
        nj_lora_close(lora);
    return status;
}

void nj_lora_close(struct nj_lora *lora)
{
    if (!lora)
        return;
    nj_checkpoint_close(lora->files);
    free(lora->list);
    free(lora);
}

/* ---- Matching ---- */

void nj_lora_match_free(struct nj_lora_match *match)
{
    nj_text_free(&match->missing_names);
    nj_text_free(&match->unexpected_names);
}

/* Keys and values that sharing layers of some files have and never use. */
static bool is_unused(const struct nj_modules *modules, const char *name)
{
    char     query[NJ_MAX_NAME];
    unsigned layer;
    int      end = 0;
    if (sscanf(name, "layers.%u.self_attn.%n", &layer, &end) != 1 || end == 0 ||
        (strcmp(name + end, "k_proj") && strcmp(name + end, "v_proj")))
        return false;
    snprintf(query, sizeof query, "layers.%u.self_attn.q_proj", layer);
    return nj_modules_find(modules, query) && !nj_modules_find(modules, name);
}

static bool layer_is_left_out(const json_t *config, int layer)
{
    const json_t *layers = json_object_get(config, "layers_to_transform");
    if (json_is_integer(layers))
        return json_integer_value(layers) != layer;
    if (!json_is_array(layers) || json_array_size(layers) == 0)
        return false;
    for (size_t i = 0; i < json_array_size(layers); i++)
        if (json_integer_value(json_array_get(layers, i)) == layer)
            return false;
    return true;
}

/* Whether target_modules asks for a module, under the name that the adapter's own tool gave it. */
static nj_status is_targeted(const struct nj_lora *lora, const struct nj_module *module, bool *targeted, struct nj_error *error)
{
    const json_t *config = lora->files->config;
    char          weight[NJ_MAX_NAME], name[NJ_MAX_NAME];
    bool          excluded = false;
    snprintf(weight, sizeof weight, "%s.weight", module->name);
    bool text_only = lora->count && strncmp(lora->list[0].given, "model.layers.", 13) == 0;
    nj_published_name(weight, !text_only, name);
    name[strlen(name) - strlen(".weight")] = 0;
    NJ_TRY(nj_pattern_targets(json_object_get(config, "target_modules"), name, targeted, error));
    if (is_set(json_object_get(config, "exclude_modules")))
        NJ_TRY(nj_pattern_targets(json_object_get(config, "exclude_modules"), name, &excluded, error));
    *targeted =
        *targeted && !excluded && module->kind != NJ_MODULE_TABLE && !(module->layer >= 0 && layer_is_left_out(config, module->layer));
    return NJ_OK;
}

static void note(struct nj_text *names, const char *name)
{
    nj_text_add(names, name);
    nj_text_add(names, "\n");
}

static nj_status match_model(struct nj_lora *lora, const struct nj_modules *modules, struct nj_lora_match *out, struct nj_error *error)
{
    bool text_only = true; /* an adapter of a text-only class says nothing about the tower */
    for (size_t i = 0; i < lora->count; i++)
        text_only &= !strncmp(lora->list[i].given, "model.layers.", 13);
    for (size_t i = 0; i < modules->count; i++) {
        const struct nj_module *module = &modules->list[i];
        bool                    targeted;
        if (module_named(lora, module->name) || (text_only && module->kind == NJ_MODULE_VISION))
            continue;
        NJ_TRY(is_targeted(lora, module, &targeted, error));
        if (targeted) {
            out->missing++;
            note(&out->missing_names, module->name);
        }
    }
    return NJ_OK;
}

static bool is_vision(const char *name)
{
    return !strncmp(name, "vision_tower.", 13) || !strncmp(name, "embed_vision.", 13);
}

nj_status nj_lora_match(struct nj_lora *lora, const struct nj_modules *modules, bool text_only, struct nj_lora_match *out,
                        struct nj_error *error)
{
    *out = (struct nj_lora_match){0};
    for (size_t i = 0; i < lora->count; i++) {
        struct nj_lora_module  *ours   = &lora->list[i];
        const struct nj_module *module = nj_modules_find(modules, ours->name);
        if (!module && is_unused(modules, ours->name)) {
            out->unused++;
            continue;
        }
        if (!module && text_only && is_vision(ours->name))
            continue;
        if (!module || module->kind == NJ_MODULE_TABLE) {
            out->unexpected++;
            note(&out->unexpected_names, ours->given);
            continue;
        }
        if (ours->rows != module->matrix->rows || ours->cols != module->matrix->cols)
            return nj_fail(
                error,
                "%s: %s: trained for a %u x %u matrix, the model has %u x %u: it belongs to another model, or to this one before "
                "pruning",
                lora->path, ours->given, ours->rows, ours->cols, module->matrix->rows, module->matrix->cols);
        ours->used = true;
        out->merged++;
    }
    NJ_TRY(match_model(lora, modules, out, error));
    out->expected = out->merged + out->unused + out->missing;
    return NJ_OK;
}

nj_status nj_lora_must_fit(const struct nj_lora *lora, const struct nj_lora_match *match, struct nj_error *error)
{
    const char *name = match->missing ? match->missing_names.data : match->unexpected_names.data;
    if (match->missing == 0 && match->unexpected == 0)
        return NJ_OK;
    return nj_fail(error,
                   "%s: %zu modules expected, %zu found, %zu missing, %zu unexpected (%s is %.*s): it belongs to another model, or was cut",
                   lora->path, match->expected, match->merged, match->missing, match->unexpected, match->missing ? "missing" : "unexpected",
                   name ? (int)strcspn(name, "\n") : 0, name ? name : "");
}

nj_status nj_lora_attach(struct nj_lora *lora, struct nj_weights *weights, bool text_only, struct nj_error *error)
{
    struct nj_modules    modules;
    struct nj_lora_match match  = {0};
    nj_status            status = nj_modules_list(weights, &modules, error);
    if (status != NJ_OK)
        return status;
    status = nj_lora_match(lora, &modules, text_only, &match, error);
    if (status == NJ_OK)
        status = nj_lora_must_fit(lora, &match, error);
    for (size_t i = 0; i < lora->count && status == NJ_OK; i++)
        if (lora->list[i].used)
            nj_modules_find(&modules, lora->list[i].name)->matrix->low_rank = &lora->list[i].low_rank;
    if (status == NJ_OK && lora->head.rows) {
        if (lora->head.rows != weights->head.rows || lora->head.cols != weights->head.cols)
            status = nj_fail(error, "%s: its lm_head is %u x %u, the model's %u x %u", lora->path, lora->head.rows, lora->head.cols,
                             weights->head.rows, weights->head.cols);
        else
            weights->head = lora->head;
    }
    nj_lora_match_free(&match);
    nj_modules_free(&modules);
    return status;
}
