/* packed.h: the packed file FILE.nj, a valid safetensors file that a station maps and starts from.
 *
 * In order: vectors (fp32), then the matrices in the order in which the engine walks them, the head, the vision tower, the tokenizer, and last what is
 * read by row (embedding, per-layer embedding). Matrices start on 4 KiB.
 *
 *   int4 matrices   `X.weight_panels` U8 [panels][columns / 8][64] and `X.weight_panel_scales` [panels][groups][16] (kernels/w4.h).
 *                   q_proj, k_proj, v_proj of a layer are one tensor `qkv_proj`, rows one after the other; gate_proj and up_proj are one tensor
 *                   `gate_up_proj`, panels alternating - where all parts have the same group and scale type.
 *   int8 head       `lm_head.weight_rows` I8 [rows][cols] and `lm_head.weight_row_scales` BF16 [rows][groups]
 *   others          as the source had them: plain, or U8 rows of GGUF blocks
 *
 * `__metadata__` (string values): format = "nightjar", version, config and generation_config (JSON as in the source), matrices (JSON: for each
 * module its tensor and how to read it), chat (JSON: ids of the markers), empty_thought
 * ("yes", where the chat template asks for it), lineage (JSON), files (JSON: names of the tokenizer files that lie in the file as
 * tensors `file.NAME`, for the way back out), and sha256:NAME for each tensor. Checksums are verified by convert and doctor, not at each opening. */
#ifndef NJ_MODEL_PACKED_H
#define NJ_MODEL_PACKED_H

#include "pipeline/model/checkpoint.h"

#define NJ_PACKED_VERSION   "1"
#define NJ_PACKED_ALIGNMENT 4096

#define NJ_PACKED_TOKENIZER "nightjar.tokenizer" /* U8, the flat form of tokenizer.h */

/* Fills config, generation, metadata and matrices of a checkpoint whose file is mapped. NJ_NOT_FOUND if it is no packed file. */
nj_status nj_packed_open(struct nj_checkpoint *checkpoint, struct nj_error *error);

/* As nj_checkpoint_matrix. Every size is checked against the tensors that the entry names. */
nj_status nj_packed_matrix(struct nj_checkpoint *checkpoint, const char *name, struct nj_matrix *out, struct nj_error *error);

/* Compares every tensor with its checksum; the sentence names the first that differs. */
nj_status nj_packed_verify(const struct nj_weights *weights, struct nj_error *error);

/* The entry of `matrices` for a module whose panels start at panel `first` of `tensor`; a new reference. */
json_t *nj_packed_entry(const struct nj_matrix *matrix, const char *tensor, const char *scales, uint64_t first);

#endif
