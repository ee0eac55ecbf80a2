/* safetensors.h: reads the header of safetensors files, alone or in shards with an index.
 *
 * The header is hostile until checked: its length against the file, each pair of offsets against the data and against each other, each shape
 * against its type's bytes. Nothing larger than the header justifies is allocated. https://github.com/huggingface/safetensors, "Format". */
#ifndef NJ_MODEL_SAFETENSORS_H
#define NJ_MODEL_SAFETENSORS_H

#include "base/file.h"
#include "base/json.h"
#include "pipeline/model/tensors.h"

#define NJ_SAFETENSORS_HEADER_LIMIT (16u << 20) /* the published 15-GB checkpoint has 281 kB */

/* Adds the tensors of one mapped file. `name` appears in sentences. If `metadata` is not NULL, *metadata gets `__metadata__` (owned by the caller)
 * or NULL. Offsets that overlap, leave the file or do not fit shape and type are refused; gaps are not. */
nj_status nj_safetensors_read(const char *name, const struct nj_map *map, struct nj_tensors *tensors, json_t **metadata,
                              struct nj_error *error);

/* Maps the safetensors file or files of a folder: model.safetensors, or the shards that model.safetensors.index.json names, or the only
 * *.safetensors there is. The caller owns (*maps)[*count] and what they map. The table is not yet indexed. */
nj_status nj_safetensors_open_folder(const char *folder, struct nj_map **maps, size_t *count, struct nj_tensors *tensors,
                                     struct nj_error *error);

#endif
