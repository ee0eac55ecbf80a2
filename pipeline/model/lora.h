/* lora.h: a PEFT LoRA adapter (spec part 9): read, matched against a model, then merged by convert or kept apart at run time.
 *
 * An adapter owns its matrices in fp32. Matching is by canonical module name, whatever tool wrote the file (PEFT, Unsloth, older layouts, text-only or
 * multimodal classes). What is not plain LoRA is refused by name: DoRA, biases, embeddings, layer replication, other saved modules than lm_head. */
#ifndef NJ_MODEL_LORA_H
#define NJ_MODEL_LORA_H

#include "base/text.h"
#include "pipeline/model/modules.h"

struct nj_lora_module {
    char               name[NJ_MAX_NAME];  /* canonical, without ".weight" */
    char               given[NJ_MAX_NAME]; /* as the adapter's patterns see it */
    uint32_t           rows, cols;
    struct nj_low_rank low_rank;
    bool               used;
};

struct nj_lora {
    char                   path[4096];
    struct nj_lora_module *list; /* in order of names */
    size_t                 count;
    struct nj_matrix       head; /* lm_head of modules_to_save; rows == 0: none. fp32, fp16 or bf16 */
    int  empty_thought;          /* its own chat template: 1 asks for the empty thought (chat.h), 0 does not, -1: it has no template */
    char sha256[65];             /* of adapter_model.safetensors */
    struct nj_checkpoint *files; /* owns maps and memory; opaque */
};

nj_status nj_lora_open(const char *folder, struct nj_lora **out, struct nj_error *error);
void      nj_lora_close(struct nj_lora *lora);

/* How an adapter and a model fit together. Lists are names, one a line. */
struct nj_lora_match {
    size_t         expected, merged, unused, missing, unexpected;
    struct nj_text missing_names, unexpected_names;
};
void nj_lora_match_free(struct nj_lora_match *match);

/* Marks the modules of the adapter that have a place in the model.
 *   expected    modules of the model that the adapter's file or its target_modules name
 *   missing     expected, but not in the file
 *   unexpected  in the file, but not in the model
 *   unused      of the expected: keys and values of sharing layers, which some trainers adapt and no model reads
 * With `text_only`, modules of the vision tower do not count.
 * A shape that does not fit its module is an error: the adapter was trained on another model (or before it was pruned). */
nj_status nj_lora_match(struct nj_lora *lora, const struct nj_modules *modules, bool text_only, struct nj_lora_match *out,
                        struct nj_error *error);

/* One sentence when something is missing or unexpected: NJ_ERROR. */
nj_status nj_lora_must_fit(const struct nj_lora *lora, const struct nj_lora_match *match, struct nj_error *error);

/* Adds the adapter to open weights, unmerged. The adapter must outlive them. `text_only`: they were opened without their vision tower. */
nj_status nj_lora_attach(struct nj_lora *lora, struct nj_weights *weights, bool text_only, struct nj_error *error);

#endif
