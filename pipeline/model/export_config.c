/* export_config.c: config.json, and in it quantization_config as compressed-tensors writes it: groups of modules by group size, and the Linears that are
 * left out. */
#include "pipeline/model/export.h"

#include <stdio.h>
#include <string.h>

static void module_name(const struct nj_plan *plan, const struct nj_plan_module *entry, char out[NJ_MAX_NAME])
{
    char weight[NJ_MAX_NAME];
    snprintf(weight, sizeof weight, "%s.weight", entry->module->name);
    nj_published_name(weight, plan->weights->config.vision.layers > 0, out);
    out[strlen(out) - strlen(".weight")] = 0;
}

/* 0 for one scale a row: a group as wide as the matrix, unless others of different width have groups of the same size. */
static uint32_t stored_group(const struct nj_plan *plan, const struct nj_plan_module *entry)
{
    for (size_t i = 0; entry->group == entry->rows.cols && i < plan->count; i++) {
        const struct nj_plan_module *other = &plan->list[i];
        if (other->format == NJ_W4_ROWS && other->group == entry->group && other->rows.cols != other->group)
            return entry->group;
    }
    return entry->group == entry->rows.cols ? 0 : entry->group;
}

static json_t *scheme(uint32_t group, json_t *targets)
{
    json_t *weights =
        json_pack("{s:n, s:n, s:b, s:o, s:i, s:s, s:{}, s:n, s:s, s:b, s:s, s:n}", "actorder", "block_structure", "dynamic", 0,
                  "group_size", group ? json_integer(group) : json_null(), "num_bits", 4, "observer", "memoryless_minmax",
                  "observer_kwargs", "scale_dtype", "strategy", group ? "group" : "channel", "symmetric", 1, "type", "int", "zp_dtype");
    return json_pack("{s:s, s:n, s:n, s:o, s:o}", "format", "pack-quantized", "input_activations", "output_activations", "targets", targets,
                     "weights", weights);
}

/* One group for the most common size, its target the class; one more for each other size, its targets the full names. The output head is always named:
 * it is a Linear to transformers, but not to vLLM, which also has it elsewhere. */
static json_t *config_groups(const struct nj_plan *plan)
{
    json_t  *groups = json_object(), *targets = NULL;
    uint32_t sizes[32], count[32] = {0}, kinds = 0, best = 0;
    char     name[NJ_MAX_NAME], key[32];
    for (size_t i = 0; i < plan->count; i++) {
        uint32_t kind = 0, group = stored_group(plan, &plan->list[i]);
        if (plan->list[i].format != NJ_W4_ROWS)
            continue;
        while (kind < kinds && sizes[kind] != group)
            kind++;
        if (kind == kinds && kinds < 32)
            sizes[kinds++] = group;
        if (kind < 32)
            count[kind]++;
    }
    for (uint32_t kind = 1; kind < kinds; kind++)
        best = count[kind] > count[best] ? kind : best;
    for (uint32_t kind = 0, number = 1; kind < kinds; kind++) {
        snprintf(key, sizeof key, "group_%u", kind == best ? 0 : number++);
        targets = kind == best ? json_pack("[s]", "Linear") : json_array();
        for (size_t i = 0; i < plan->count; i++) {
            const struct nj_plan_module *entry = &plan->list[i];
            bool                         head  = entry->module->kind == NJ_MODULE_HEAD;
            if (entry->format != NJ_W4_ROWS || stored_group(plan, entry) != sizes[kind] || (kind == best && !head))
                continue;
            module_name(plan, entry, name);
            json_array_append_new(targets, json_string(head ? "re:.*lm_head" : name));
        }
        json_object_set_new(groups, key, scheme(sizes[kind], targets));
    }
    return groups;
}

/* quantization_config for the int4 modules of a plan; NULL if it has none. */
static json_t *quantization_of(const struct nj_plan *plan)
{
    json_t *ignore = json_array(), *groups = config_groups(plan);
    bool    head = false;
    char    name[NJ_MAX_NAME];
    if (json_object_size(groups) == 0) {
        json_decref(ignore);
        json_decref(groups);
        return NULL;
    }
    for (size_t i = 0; i < plan->count; i++) {
        const struct nj_plan_module *entry = &plan->list[i];
        head |= entry->module->kind == NJ_MODULE_HEAD;
        if (entry->format == NJ_W4_ROWS || entry->module->kind == NJ_MODULE_TABLE)
            continue;
        module_name(plan, entry, name);
        json_array_append_new(ignore, json_string(name));
    }
    if (!head) /* tied: no tensor of its own, but a Linear all the same */
        json_array_append_new(ignore, json_string("lm_head"));
    return json_pack("{s:o, s:s, s:n, s:o, s:n, s:n, s:s, s:s, s:{}, s:{}, s:s}", "config_groups", groups, "format", "pack-quantized",
                     "global_compression_ratio", "ignore", ignore, "kv_cache_scheme", "moe_sparsity_config", "quant_method",
                     "compressed-tensors", "quantization_status", "compressed", "sparsity_config", "transform_config", "version", "0.10.0");
}

/* A model without a tower is published as its text class, with a config that has no parts. */
static json_t *flattened(json_t *config)
{
    static const char *const kept[] = {"dtype", "eos_token_id", "bos_token_id", "pad_token_id", "tie_word_embeddings"};
    json_t                  *flat   = json_deep_copy(json_object_get(config, "text_config"));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (json_object_get(config, kept[i]))
            json_object_set(flat, kept[i], json_object_get(config, kept[i]));
    json_object_set_new(flat, "architectures", json_pack("[s]", "Gemma4ForCausalLM"));
    json_object_set_new(flat, "model_type", json_string("gemma4_text"));
    json_decref(config);
    return flat;
}

json_t *nj_export_config(const struct nj_plan *plan)
{
    json_t *config = nj_plan_config(plan), *quantization = quantization_of(plan);
    if (json_object_get(config, "text_config") && plan->weights->config.vision.layers == 0)
        config = flattened(config);
    if (json_object_get(config, "text_config"))
        json_object_set_new(config, "audio_config", json_null());
    if (quantization)
        json_object_set_new(config, "quantization_config", quantization);
    return config;
}
