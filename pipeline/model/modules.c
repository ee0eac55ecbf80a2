#include "pipeline/model/modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct nj_modules *out, enum nj_module_kind kind, int layer, const char *prefix, const char *name, struct nj_matrix *matrix)
{
    if (matrix->rows == 0)
        return;
    struct nj_module *module = &out->list[out->count++];
    *module                  = (struct nj_module){.kind = kind, .layer = layer, .matrix = matrix};
    if (layer >= 0)
        snprintf(module->name, sizeof module->name, "%slayers.%d.%s", prefix, layer, name);
    else
        snprintf(module->name, sizeof module->name, "%s%s", prefix, name);
}

static void add_vector(struct nj_modules *out, int layer, const char *prefix, const char *name, const float *values, uint32_t count)
{
    if (!values)
        return;
    struct nj_vector *vector = &out->vectors[out->vector_count++];
    *vector                  = (struct nj_vector){.values = values, .count = count};
    if (layer >= 0)
        snprintf(vector->name, sizeof vector->name, "%slayers.%d.%s", prefix, layer, name);
    else
        snprintf(vector->name, sizeof vector->name, "%s%s", prefix, name);
}

static void add_text_layer(struct nj_modules *out, struct nj_weights *weights, int index)
{
    struct nj_text_layer        *layer  = &weights->layers[index];
    const struct nj_text_config *text   = &weights->config.text;
    uint32_t                     hidden = text->hidden_size, head = text->full_attention[index] ? text->global_head_dim : text->head_dim;
    const struct {
        const char       *name;
        struct nj_matrix *matrix;
    } modules[] = {
        {"self_attn.q_proj", &layer->q},
        {"self_attn.k_proj", &layer->k},
        {"self_attn.v_proj", &layer->v},
        {"self_attn.o_proj", &layer->o},
        {"mlp.gate_proj", &layer->gate},
        {"mlp.up_proj", &layer->up},
        {"mlp.down_proj", &layer->down},
        {"per_layer_input_gate", &layer->ple_gate},
        {"per_layer_projection", &layer->ple_projection},
    };
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        add(out, NJ_MODULE_LINEAR, index, "", modules[i].name, modules[i].matrix);
    add_vector(out, index, "", "input_layernorm.weight", layer->input_norm, hidden);
    add_vector(out, index, "", "post_attention_layernorm.weight", layer->post_attention_norm, hidden);
    add_vector(out, index, "", "pre_feedforward_layernorm.weight", layer->pre_mlp_norm, hidden);
    add_vector(out, index, "", "post_feedforward_layernorm.weight", layer->post_mlp_norm, hidden);
    add_vector(out, index, "", "post_per_layer_input_norm.weight", layer->post_ple_norm, hidden);
    add_vector(out, index, "", "self_attn.q_norm.weight", layer->q_norm, head);
    add_vector(out, index, "", "self_attn.k_norm.weight", layer->k_norm, head);
    add_vector(out, index, "", "layer_scalar", &layer->scalar, 1);
}

static void add_clipped(struct nj_modules *out, int layer, const char *name, struct nj_clipped *clipped)
{
    static const char prefix[] = "vision_tower.encoder.";
    const struct {
        const char  *name;
        const float *value;
    } bounds[] = {{"input_min", &clipped->input_min},
                  {"input_max", &clipped->input_max},
                  {"output_min", &clipped->output_min},
                  {"output_max", &clipped->output_max}};
    add(out, NJ_MODULE_VISION, layer, prefix, name, &clipped->weight);
    for (size_t i = 0; i < 4; i++) {
        char full[64];
        snprintf(full, sizeof full, "%s.%s", name, bounds[i].name);
        add_vector(out, layer, prefix, full, bounds[i].value, 1);
        out->vectors[out->vector_count - 1].bound = true;
    }
}

static void add_vision_layer(struct nj_modules *out, struct nj_weights *weights, int index)
{
    static const char              prefix[] = "vision_tower.encoder.";
    struct nj_vision_layer        *layer    = &weights->vision[index];
    const struct nj_vision_config *vision   = &weights->config.vision;
    add_clipped(out, index, "self_attn.q_proj", &layer->q);
    add_clipped(out, index, "self_attn.k_proj", &layer->k);
    add_clipped(out, index, "self_attn.v_proj", &layer->v);
    add_clipped(out, index, "self_attn.o_proj", &layer->o);
    add_clipped(out, index, "mlp.gate_proj", &layer->gate);
    add_clipped(out, index, "mlp.up_proj", &layer->up);
    add_clipped(out, index, "mlp.down_proj", &layer->down);
    add_vector(out, index, prefix, "input_layernorm.weight", layer->input_norm, vision->hidden_size);
    add_vector(out, index, prefix, "post_attention_layernorm.weight", layer->post_attention_norm, vision->hidden_size);
    add_vector(out, index, prefix, "pre_feedforward_layernorm.weight", layer->pre_mlp_norm, vision->hidden_size);
    add_vector(out, index, prefix, "post_feedforward_layernorm.weight", layer->post_mlp_norm, vision->hidden_size);
    add_vector(out, index, prefix, "self_attn.q_norm.weight", layer->q_norm, vision->head_dim);
    add_vector(out, index, prefix, "self_attn.k_norm.weight", layer->k_norm, vision->head_dim);
}

nj_status nj_modules_list(struct nj_weights *weights, struct nj_modules *out, struct nj_error *error)
{
    const struct nj_text_config   *text   = &weights->config.text;
    const struct nj_vision_config *vision = &weights->config.vision;
    *out                                  = (struct nj_modules){0};
    out->list                             = calloc(9 * (size_t)text->layers + 7 * (size_t)vision->layers + 6, sizeof *out->list);
    out->vectors                          = calloc(8 * (size_t)text->layers + 34 * (size_t)vision->layers + 4, sizeof *out->vectors);
    if (!out->list || !out->vectors) {
        nj_modules_free(out);
        return nj_fail(error, "no memory to list the modules of a model");
    }
    add(out, NJ_MODULE_LINEAR, -1, "", "per_layer_model_projection", &weights->ple_projection);
    add_vector(out, -1, "", "per_layer_projection_norm.weight", weights->ple_norm, text->ple_size);
    for (uint32_t i = 0; i < text->layers; i++)
        add_text_layer(out, weights, (int)i);
    add_vector(out, -1, "", "norm.weight", weights->final_norm, text->hidden_size);
    if (weights->head.data != weights->embedding.data)
        add(out, NJ_MODULE_HEAD, -1, "", "lm_head", &weights->head);
    if (vision->layers) {
        add(out, NJ_MODULE_VISION, -1, "", "vision_tower.patch_embedder.input_proj", &weights->patch_projection);
        for (uint32_t i = 0; i < vision->layers; i++)
            add_vision_layer(out, weights, (int)i);
        add_vector(out, -1, "", "vision_tower.std_bias", weights->std_bias, vision->hidden_size);
        add_vector(out, -1, "", "vision_tower.std_scale", weights->std_scale, vision->hidden_size);
        add(out, NJ_MODULE_VISION, -1, "", "embed_vision.embedding_projection", &weights->feature_projection);
    }
    add(out, NJ_MODULE_TABLE, -1, "", "embed_tokens", &weights->embedding);
    add(out, NJ_MODULE_TABLE, -1, "", "embed_tokens_per_layer", &weights->ple_embedding);
    return NJ_OK;
}

void nj_modules_free(struct nj_modules *modules)
{
    free(modules->list);
    free(modules->vectors);
    *modules = (struct nj_modules){0};
}

struct nj_module *nj_modules_find(const struct nj_modules *modules, const char *name)
{
    for (size_t i = 0; i < modules->count; i++)
        if (!strcmp(modules->list[i].name, name))
            return &modules->list[i];
    return NULL;
}

void nj_published_name(const char *canonical, bool multimodal, char out[NJ_MAX_NAME])
{
    if (!strncmp(canonical, "lm_head", 7)) {
        snprintf(out, NJ_MAX_NAME, "%s", canonical);
        return;
    }
    bool        vision = !strncmp(canonical, "vision_tower.", 13), outside = vision || !strncmp(canonical, "embed_vision.", 13);
    const char *inner = vision ? strstr(canonical, "_proj.weight") : NULL;
    if (inner && strstr(canonical, "encoder."))
        snprintf(out, NJ_MAX_NAME, "model.%.*s_proj.linear%s", (int)(inner - canonical), canonical, inner + strlen("_proj"));
    else
        snprintf(out, NJ_MAX_NAME, "%s%s", outside || !multimodal ? "model." : "model.language_model.", canonical);
}
