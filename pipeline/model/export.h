/* export.h: carries out a plan as a folder in the published layout, which transformers and vLLM load: config.json, model.safetensors (or shards with an
 * index), tokenizer files; int4 modules as compressed-tensors pack-quantized (spec part 8), the others plain.
 *
 * The way back is exact but for GGUF blocks, which become bf16 (Q4_0 matrices keep their integers): integers, scales and plain weights are those of the plan, and vectors go back into the type of the config where that changes
 * nothing. There is no audio tower in it (audio_config null). */
#ifndef NJ_MODEL_EXPORT_H
#define NJ_MODEL_EXPORT_H

#include "pipeline/model/row_work.h"

/* `folder` must not exist; what is there after a failure is the caller's to remove (scratch.h). The plan must not have int8 modules or GGUF blocks left
 * (nj_plan_options.published sees to that). *bytes: of the safetensors files. */
nj_status nj_export_write(struct nj_plan *plan, const struct nj_write_options *options, const char *folder, uint64_t *bytes,
                          struct nj_error *error);

/* config.json of the folder. A new reference. */
json_t *nj_export_config(const struct nj_plan *plan);

#endif
