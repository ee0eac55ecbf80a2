/* Every spelling of a tensor's name that savers are known to use, and the published one back. */
#include "pipeline/model/modules.h"
#include "tests/tap.h"

static const struct {
    const char *file, *canonical, *published;
} cases[] = {
    {"model.language_model.layers.3.self_attn.q_proj.weight", "layers.3.self_attn.q_proj.weight",
     "model.language_model.layers.3.self_attn.q_proj.weight"},
    {"model.layers.3.mlp.gate_proj.weight_packed", "layers.3.mlp.gate_proj.weight_packed",
     "model.language_model.layers.3.mlp.gate_proj.weight_packed"},
    {"language_model.model.embed_tokens.weight", "embed_tokens.weight", "model.language_model.embed_tokens.weight"},
    {"language_model.layers.0.layer_scalar", "layers.0.layer_scalar", "model.language_model.layers.0.layer_scalar"},
    {"module.model.norm.weight", "norm.weight", "model.language_model.norm.weight"},
    {"_orig_mod.base_model.model.model.language_model.layers.3.mlp.up_proj.weight", "layers.3.mlp.up_proj.weight",
     "model.language_model.layers.3.mlp.up_proj.weight"},
    {"module.base_model.model._orig_mod.vlm.language_model.model.norm.weight", "norm.weight", "model.language_model.norm.weight"},
    {"lm_head.weight", "lm_head.weight", "lm_head.weight"},
    {"language_model.lm_head.weight", "lm_head.weight", "lm_head.weight"},
    {"model.vision_tower.encoder.layers.5.self_attn.q_proj.linear.weight", "vision_tower.encoder.layers.5.self_attn.q_proj.weight",
     "model.vision_tower.encoder.layers.5.self_attn.q_proj.linear.weight"},
    {"vision_tower.encoder.layers.5.mlp.up_proj.linear.weight", "vision_tower.encoder.layers.5.mlp.up_proj.weight",
     "model.vision_tower.encoder.layers.5.mlp.up_proj.linear.weight"},
    {"model.vision_tower.encoder.layers.5.mlp.up_proj.linear.weight_scale", "vision_tower.encoder.layers.5.mlp.up_proj.weight_scale",
     "model.vision_tower.encoder.layers.5.mlp.up_proj.linear.weight_scale"},
    {"model.vision_tower.encoder.layers.5.mlp.up_proj.input_min", "vision_tower.encoder.layers.5.mlp.up_proj.input_min",
     "model.vision_tower.encoder.layers.5.mlp.up_proj.input_min"},
    {"model.vision_tower.patch_embedder.input_proj.weight", "vision_tower.patch_embedder.input_proj.weight",
     "model.vision_tower.patch_embedder.input_proj.weight"},
    {"embed_vision.embedding_projection.weight", "embed_vision.embedding_projection.weight",
     "model.embed_vision.embedding_projection.weight"},
    {"model.vision_tower.encoder.layers.5.self_attn.q_proj.linear", "vision_tower.encoder.layers.5.self_attn.q_proj",
     "model.vision_tower.encoder.layers.5.self_attn.q_proj"},
};

int main(void)
{
    char name[NJ_MAX_NAME];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nj_canonical_name(cases[i].file, name);
        CHECK(!strcmp(name, cases[i].canonical), "%s is %s", cases[i].file, name);
        nj_published_name(cases[i].canonical, true, name);
        CHECK(!strcmp(name, cases[i].published), "%s is published as %s", cases[i].canonical, name);
    }
    nj_published_name("layers.0.layer_scalar", false, name);
    CHECK(!strcmp(name, "model.layers.0.layer_scalar"), "without a tower: %s", name);
    return tap_done();
}
