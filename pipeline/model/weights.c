/* weights.c: binds the modules of a checkpoint, whatever its container, to the struct that the engine walks, and checks every shape. */
#include "pipeline/model/weights.h"
#include "pipeline/model/chat.h"
#include "pipeline/model/checkpoint.h"
#include "pipeline/model/gguf.h"
#include "pipeline/model/lora.h"
#include "pipeline/model/packed.h"
#include "pipeline/model/random_model.h"
#include "pipeline/model/safetensors.h"
#include "pipeline/model/tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_LIMIT (16u << 20)

/* A module of a given shape; a size of 0 means "whatever the file has". */
static nj_status bind(struct nj_checkpoint *checkpoint, const char *name, uint32_t rows, uint32_t cols, struct nj_matrix *out,
                      struct nj_error *error)
{
    nj_status status = nj_checkpoint_matrix(checkpoint, name, out, error);
    if (status == NJ_NOT_FOUND)
        return nj_fail(error, "%s: %s: the tensor is missing; the checkpoint is not complete", checkpoint->path, name);
    if (status != NJ_OK)
        return status;
    if (out->rows == 0 || out->cols == 0)
        return nj_fail(error, "%s: %s: the matrix is empty", checkpoint->path, name);
    if (rows && out->rows != rows)
        return nj_fail(error, "%s: %s: %u rows in the file, %u expected from its config: one of the two was edited", checkpoint->path, name,
                       out->rows, rows);
    if (cols && out->cols != cols)
        return nj_fail(error, "%s: %s: %u columns in the file, %u expected from its config: one of the two was edited", checkpoint->path,
                       name, out->cols, cols);
    return NJ_OK;
}

static nj_status bind_vector(struct nj_checkpoint *checkpoint, const char *name, uint32_t count, const float **out, struct nj_error *error)
{
    nj_status status = nj_checkpoint_vector(checkpoint, name, count, out, error);
    if (status == NJ_NOT_FOUND)
        return nj_fail(error, "%s: %s: the tensor is missing; the checkpoint is not complete", checkpoint->path, name);
    return status;
}

/* "layers.3." + rest */
static const char *named(char out[NJ_MAX_NAME], const char *prefix, uint32_t layer, const char *rest)
{
    snprintf(out, NJ_MAX_NAME, "%slayers.%u.%s", prefix, layer, rest);
    return out;
}

struct vector_slot {
    const char   *name;
    uint32_t      count;
    const float **out;
};

struct matrix_slot {
    const char       *name;
    uint32_t          rows, cols;
    struct nj_matrix *out;
};

static nj_status bind_vectors(struct nj_checkpoint *checkpoint, const char *prefix, uint32_t layer, const struct vector_slot *slots,
                              size_t count, struct nj_error *error)
{
    char name[NJ_MAX_NAME];
    for (size_t i = 0; i < count; i++)
        NJ_TRY(bind_vector(checkpoint, named(name, prefix, layer, slots[i].name), slots[i].count, slots[i].out, error));
    return NJ_OK;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

static nj_status bind_text_layer(struct nj_checkpoint *checkpoint, struct nj_text_config *text, uint32_t index, struct nj_text_layer *layer,
                                 struct nj_error *error)
{
    uint32_t                 head_dim = text->full_attention[index] ? text->global_head_dim : text->head_dim, hidden = text->hidden_size;
    uint32_t                 q_rows = text->heads * head_dim, kv_rows = text->kv_heads * head_dim;
    bool                     shares = text->kv_source[index] != index;
    char                     name[NJ_MAX_NAME];
    const float             *scalar;
    const struct vector_slot vectors[] = {
        {"input_layernorm.weight", hidden, &layer->input_norm},
        {"post_attention_layernorm.weight", hidden, &layer->post_attention_norm},
        {"pre_feedforward_layernorm.weight", hidden, &layer->pre_mlp_norm},
        {"post_feedforward_layernorm.weight", hidden, &layer->post_mlp_norm},
        {"post_per_layer_input_norm.weight", hidden, &layer->post_ple_norm},
        {"layer_scalar", 1, &scalar},
        {"self_attn.q_norm.weight", head_dim, &layer->q_norm},
        {"self_attn.k_norm.weight", head_dim, &layer->k_norm},
    };
    NJ_TRY(bind_vectors(checkpoint, "", index, vectors, COUNT(vectors) - shares, error));
    layer->scalar = *scalar;
    /* The width of the MLP is what its tensors have: pruned models differ from their config, layer by layer. */
    NJ_TRY(bind(checkpoint, named(name, "", index, "mlp.gate_proj"), 0, hidden, &layer->gate, error));
    text->intermediate_size[index]     = layer->gate.rows;
    const struct matrix_slot modules[] = {
        {"mlp.up_proj", layer->gate.rows, hidden, &layer->up},
        {"mlp.down_proj", hidden, layer->gate.rows, &layer->down},
        {"self_attn.q_proj", q_rows, hidden, &layer->q},
        {"self_attn.o_proj", hidden, q_rows, &layer->o},
        {"per_layer_input_gate", text->ple_size, hidden, &layer->ple_gate},
        {"per_layer_projection", hidden, text->ple_size, &layer->ple_projection},
        {"self_attn.k_proj", kv_rows, hidden, &layer->k},
        {"self_attn.v_proj", kv_rows, hidden, &layer->v},
    };
    for (size_t i = 0; i < COUNT(modules) - 2 * (size_t)shares; i++)
        NJ_TRY(bind(checkpoint, named(name, "", index, modules[i].name), modules[i].rows, modules[i].cols, modules[i].out, error));
    return NJ_OK;
}

/* Tables are read a row at a time, so reading ahead would only push other pages out. A tied table is also the head, which is read in order. */
static void expect_rows(const struct nj_matrix *table)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)table->data / page * page;
    uintptr_t end = (uintptr_t)table->data + table->rows * nj_format_row_bytes(table->format, table->cols);
    madvise((void *)begin, end - begin, MADV_RANDOM);
}

static nj_status bind_head(struct nj_checkpoint *checkpoint, struct nj_weights *weights, struct nj_error *error)
{
    const struct nj_text_config *text   = &weights->config.text;
    nj_status                    status = nj_checkpoint_matrix(checkpoint, "lm_head", &weights->head, error);
    if (status == NJ_NOT_FOUND && text->tied_embeddings) {
        weights->head = weights->embedding;
        return NJ_OK;
    }
    weights->config.text.tied_embeddings = false;
    return bind(checkpoint, "lm_head", text->vocab_size, text->hidden_size, &weights->head, error);
}

static nj_status bind_text(struct nj_checkpoint *checkpoint, struct nj_weights *weights, struct nj_error *error)
{
    struct nj_text_config *text   = &weights->config.text;
    uint32_t               hidden = text->hidden_size, ple = text->layers * text->ple_size;
    NJ_TRY(bind(checkpoint, "embed_tokens", text->vocab_size, hidden, &weights->embedding, error));
    NJ_TRY(bind(checkpoint, "embed_tokens_per_layer", text->vocab_size, ple, &weights->ple_embedding, error));
    NJ_TRY(bind(checkpoint, "per_layer_model_projection", ple, hidden, &weights->ple_projection, error));
    NJ_TRY(bind_vector(checkpoint, "per_layer_projection_norm.weight", text->ple_size, &weights->ple_norm, error));
    NJ_TRY(bind_vector(checkpoint, "norm.weight", hidden, &weights->final_norm, error));
    NJ_TRY(bind_head(checkpoint, weights, error));
    for (uint32_t i = 0; i < text->layers; i++)
        NJ_TRY(bind_text_layer(checkpoint, text, i, &weights->layers[i], error));
    expect_rows(&weights->ple_embedding);
    if (!text->tied_embeddings)
        expect_rows(&weights->embedding);
    return NJ_OK;
}

static nj_status bind_bound(struct nj_checkpoint *checkpoint, const char *module, const char *bound, float absent, float *out,
                            struct nj_error *error)
{
    char         name[NJ_MAX_NAME + 16];
    const float *value;
    snprintf(name, sizeof name, "%s.%s", module, bound);
    nj_status status = nj_checkpoint_vector(checkpoint, name, 1, &value, error);
    *out             = status == NJ_OK ? *value : absent;
    return status == NJ_NOT_FOUND ? NJ_OK : status;
}

static nj_status bind_clipped(struct nj_checkpoint *checkpoint, const char *name, uint32_t rows, uint32_t cols, struct nj_clipped *out,
                              struct nj_error *error)
{
    NJ_TRY(bind(checkpoint, name, rows, cols, &out->weight, error));
    NJ_TRY(bind_bound(checkpoint, name, "input_min", -INFINITY, &out->input_min, error));
    NJ_TRY(bind_bound(checkpoint, name, "input_max", INFINITY, &out->input_max, error));
    NJ_TRY(bind_bound(checkpoint, name, "output_min", -INFINITY, &out->output_min, error));
    return bind_bound(checkpoint, name, "output_max", INFINITY, &out->output_max, error);
}

static nj_status bind_vision_layer(struct nj_checkpoint *checkpoint, const struct nj_vision_config *vision, uint32_t index,
                                   struct nj_vision_layer *layer, struct nj_error *error)
{
    static const char        prefix[] = "vision_tower.encoder.";
    uint32_t                 hidden = vision->hidden_size, wide = vision->intermediate_size;
    char                     name[NJ_MAX_NAME];
    const struct vector_slot vectors[] = {
        {"input_layernorm.weight", hidden, &layer->input_norm},
        {"post_attention_layernorm.weight", hidden, &layer->post_attention_norm},
        {"pre_feedforward_layernorm.weight", hidden, &layer->pre_mlp_norm},
        {"post_feedforward_layernorm.weight", hidden, &layer->post_mlp_norm},
        {"self_attn.q_norm.weight", vision->head_dim, &layer->q_norm},
        {"self_attn.k_norm.weight", vision->head_dim, &layer->k_norm},
    };
    const struct {
        const char        *name;
        uint32_t           rows, cols;
        struct nj_clipped *out;
    } modules[] = {
        {"self_attn.q_proj", hidden, hidden, &layer->q}, {"self_attn.k_proj", hidden, hidden, &layer->k},
        {"self_attn.v_proj", hidden, hidden, &layer->v}, {"self_attn.o_proj", hidden, hidden, &layer->o},
        {"mlp.gate_proj", wide, hidden, &layer->gate},   {"mlp.up_proj", wide, hidden, &layer->up},
        {"mlp.down_proj", hidden, wide, &layer->down},
    };
    NJ_TRY(bind_vectors(checkpoint, prefix, index, vectors, COUNT(vectors), error));
    for (size_t i = 0; i < COUNT(modules); i++)
        NJ_TRY(
            bind_clipped(checkpoint, named(name, prefix, index, modules[i].name), modules[i].rows, modules[i].cols, modules[i].out, error));
    return NJ_OK;
}

/* [2][positions][hidden] in one tensor: first by column, then by row. */
static nj_status bind_positions(struct nj_checkpoint *checkpoint, struct nj_weights *weights, struct nj_error *error)
{
    static const char              name[] = "vision_tower.patch_embedder.position_embedding_table";
    const struct nj_vision_config *vision = &weights->config.vision;
    const struct nj_tensor        *table  = nj_tensors_find(&checkpoint->tensors, "%s", name);
    struct nj_matrix               half   = {.rows = vision->positions, .cols = vision->hidden_size};
    if (!table)
        return nj_fail(error, "%s: %s: the tensor is missing; the checkpoint is not complete", checkpoint->path, name);
    if (!nj_dtype_format(table->dtype, &half.format) || half.format > NJ_BF16)
        return nj_fail(error, "%s: %s: type %s is not supported here", checkpoint->path, table->file_name, table->type_name);
    if (table->rank != 3 || table->shape[0] != 2 || table->shape[1] != half.rows || table->shape[2] != half.cols)
        return nj_fail(error, "%s: %s: its shape is not [2, %u, %u] as its config says", checkpoint->path, table->file_name, half.rows,
                       half.cols);
    weights->position_x = weights->position_y = half;
    const uint8_t *data                       = table->data;
    if ((uintptr_t)data % 4) {
        void *copy = nj_checkpoint_alloc(checkpoint, table->size);
        if (!copy)
            return nj_fail(error, "%s: no memory for %s", checkpoint->path, table->file_name);
        data = memcpy(copy, table->data, table->size);
    }
    weights->position_x.data = data;
    weights->position_y.data = data + table->size / 2;
    return NJ_OK;
}

static nj_status bind_vision(struct nj_checkpoint *checkpoint, struct nj_weights *weights, struct nj_error *error)
{
    const struct nj_vision_config *vision = &weights->config.vision;
    uint32_t                       hidden = vision->hidden_size, patch = vision->patch_size * vision->patch_size * 3;
    NJ_TRY(bind(checkpoint, "vision_tower.patch_embedder.input_proj", hidden, patch, &weights->patch_projection, error));
    NJ_TRY(bind_positions(checkpoint, weights, error));
    NJ_TRY(bind(checkpoint, "embed_vision.embedding_projection", weights->config.text.hidden_size, hidden, &weights->feature_projection,
                error));
    if (vision->standardize) {
        NJ_TRY(bind_vector(checkpoint, "vision_tower.std_bias", hidden, &weights->std_bias, error));
        NJ_TRY(bind_vector(checkpoint, "vision_tower.std_scale", hidden, &weights->std_scale, error));
    }
    for (uint32_t i = 0; i < vision->layers; i++)
        NJ_TRY(bind_vision_layer(checkpoint, vision, i, &weights->vision[i], error));
    return NJ_OK;
}

static nj_status open_folder(struct nj_checkpoint *checkpoint, struct nj_error *error)
{
    char path[4096 + 32];
    checkpoint->kind = NJ_KIND_FOLDER;
    snprintf(path, sizeof path, "%s/config.json", checkpoint->path);
    NJ_TRY(nj_json_read(path, CONFIG_LIMIT, &checkpoint->config, error));
    snprintf(path, sizeof path, "%s/generation_config.json", checkpoint->path);
    if (access(path, F_OK) == 0)
        NJ_TRY(nj_json_read(path, CONFIG_LIMIT, &checkpoint->generation, error));
    NJ_TRY(nj_safetensors_open_folder(checkpoint->path, &checkpoint->maps, &checkpoint->map_count, &checkpoint->tensors, error));
    return nj_tensors_index(&checkpoint->tensors, error);
}

static nj_status open_any(struct nj_checkpoint *checkpoint, const char *mmproj, struct nj_error *error)
{
    struct stat info;
    if (stat(checkpoint->path, &info) != 0)
        return nj_fail(error, "%s: no such model file or folder", checkpoint->path);
    if (S_ISDIR(info.st_mode) && !mmproj)
        return open_folder(checkpoint, error);
    checkpoint->maps = calloc(2, sizeof *checkpoint->maps);
    if (!checkpoint->maps)
        return nj_fail(error, "%s: no memory to open it", checkpoint->path);
    if (!S_ISDIR(info.st_mode))
        NJ_TRY(nj_map_open(checkpoint->path, &checkpoint->maps[0], error));
    checkpoint->map_count = 1;
    if (nj_gguf_is(&checkpoint->maps[0]))
        return nj_gguf_open_model(checkpoint, mmproj, error);
    if (mmproj)
        return nj_fail(error, "%s: --mmproj goes with a GGUF model; this one has its own vision tower or none", checkpoint->path);
    if (nj_packed_open(checkpoint, error) == NJ_NOT_FOUND)
        return nj_fail(error, "%s: a safetensors file by itself; give the folder that holds it together with config.json",
                       checkpoint->path);
    return checkpoint->kind == NJ_KIND_PACKED ? NJ_OK : NJ_ERROR;
}

/* A multimodal config whose file holds no tower (a text-only save, or a GGUF without its companion) is opened as text only. */
static bool has_tower(const struct nj_checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->tensors.count; i++)
        if (!strncmp(checkpoint->tensors.list[i].name, "vision_tower.", 13))
            return true;
    return false;
}

/* The template of a checkpoint is not run, only asked for the one thing in which templates of this family differ (spec 7.6). */
static nj_status read_template(struct nj_checkpoint *checkpoint, struct nj_config *config, struct nj_error *error)
{
    char     path[4096 + 32];
    uint8_t *text;
    size_t   size;
    if (checkpoint->kind != NJ_KIND_FOLDER)
        config->empty_thought = json_object_get(checkpoint->metadata, "empty_thought") != NULL;
    snprintf(path, sizeof path, "%s/chat_template.jinja", checkpoint->path);
    if (checkpoint->kind != NJ_KIND_FOLDER || access(path, F_OK) != 0)
        return NJ_OK;
    NJ_TRY(nj_file_read(path, CONFIG_LIMIT, &text, &size, error));
    config->empty_thought = nj_chat_template_has_empty_thought((const char *)text, size);
    free(text);
    return NJ_OK;
}

static nj_status add_adapter(struct nj_checkpoint *checkpoint, struct nj_weights *weights, const struct nj_weights_options *options,
                             struct nj_error *error)
{
    NJ_TRY(nj_lora_open(options->adapter, &checkpoint->adapter, error));
    NJ_TRY(nj_lora_attach(checkpoint->adapter, weights, options->text_only, error));
    if (checkpoint->adapter->empty_thought >= 0)
        weights->config.empty_thought = checkpoint->adapter->empty_thought;
    return NJ_OK;
}

nj_status nj_weights_open(const char *path, const struct nj_weights_options *options, struct nj_weights **out, struct nj_error *error)
{
    static const struct nj_weights_options none;
    struct nj_weights                     *weights = calloc(1, sizeof *weights);
    nj_status                              status  = NJ_OK;
    *out                                           = NULL;
    options                                        = options ? options : &none;
    if (!weights || !(weights->checkpoint = calloc(1, sizeof *weights->checkpoint))) {
        free(weights);
        return nj_fail(error, "%s: no memory to open it", path);
    }
    struct nj_checkpoint *checkpoint = weights->checkpoint;
    if ((size_t)snprintf(checkpoint->path, sizeof checkpoint->path, "%s", path) >= sizeof checkpoint->path) {
        status = nj_fail(error, "%.200s...: the path is too long", path);
        goto cleanup;
    }
    status = open_any(checkpoint, options->mmproj, error);
    if (status != NJ_OK)
        goto cleanup;
    status = nj_quantization_check(checkpoint->config, error);
    if (status == NJ_OK)
        status = nj_config_parse(checkpoint->config, checkpoint->generation, &weights->config, error);
    if (status != NJ_OK) {
        nj_error_prefix(error, "%s: config.json", path);
        goto cleanup;
    }
    if (options->text_only || !has_tower(checkpoint))
        weights->config.vision.layers = 0;
    status = bind_text(checkpoint, weights, error);
    if (status == NJ_OK && weights->config.vision.layers)
        status = bind_vision(checkpoint, weights, error);
    if (status == NJ_OK)
        status = read_template(checkpoint, &weights->config, error);
    if (status == NJ_OK && options->adapter)
        status = add_adapter(checkpoint, weights, options, error);
cleanup:
    if (status == NJ_OK)
        *out = weights;
    else
        nj_weights_close(weights);
    return status;
}

void nj_weights_close(struct nj_weights *weights)
{
    if (!weights)
        return;
    nj_checkpoint_close(weights->checkpoint);
    free(weights);
}

void nj_weights_release_vision(const struct nj_weights *weights, uint32_t layer)
{
    const struct nj_vision_layer *l     = &weights->vision[layer];
    const struct nj_clipped      *all[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        nj_checkpoint_release(weights->checkpoint, &all[i]->weight);
}

void nj_weights_release_tables(const struct nj_weights *weights)
{
    if (weights->embedding.data != weights->head.data)
        nj_checkpoint_release(weights->checkpoint, &weights->embedding);
    nj_checkpoint_release(weights->checkpoint, &weights->ple_embedding);
}

void nj_weights_release_head(const struct nj_weights *weights)
{
    nj_checkpoint_release(weights->checkpoint, &weights->head);
}

nj_status nj_weights_tokenizer(const struct nj_weights *weights, struct nj_tokenizer **out, struct nj_error *error)
{
    const struct nj_checkpoint *checkpoint = weights->checkpoint;
    if (checkpoint->kind == NJ_KIND_FOLDER)
        return nj_tokenizer_open(checkpoint->path, out, error);
    if (checkpoint->kind == NJ_KIND_RANDOM) {
        const struct nj_text_config *text   = &weights->config.text;
        json_t                      *root   = nj_random_tokenizer(text->vocab_size == 262144, text->vocab_size);
        nj_status                    status = nj_tokenizer_from_json(checkpoint->path, root, out, error);
        json_decref(root);
        return status;
    }
    if (checkpoint->kind == NJ_KIND_GGUF)
        return nj_gguf_tokenizer(checkpoint, out, error);
    const struct nj_tensor *blob = nj_tensors_find(&checkpoint->tensors, NJ_PACKED_TOKENIZER);
    if (!blob)
        return nj_fail(error, "%s: no tokenizer in it: the file is damaged; convert the model again", checkpoint->path);
    return nj_tokenizer_open_packed(blob->data, blob->size, out, error);
}
