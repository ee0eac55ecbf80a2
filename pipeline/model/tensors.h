/* tensors.h: the tensors of a checkpoint by name, whatever container they came in.
 *
 * Readers (safetensors.c, gguf.c) add what they found; nj_tensors_index sorts the table by canonical name and refuses duplicates. Data are views
 * into mapped files; a table owns only its names. Names in sentences are those of the file.
 *
 * Canonical names are those of the published checkpoint without the prefixes that savers vary (spec 3.1): `layers.3.self_attn.q_proj.weight`,
 * `embed_tokens.weight`, `lm_head.weight`, `vision_tower.encoder.layers.0.mlp.up_proj.weight` (the inner `.linear` is dropped),
 * `embed_vision.embedding_projection.weight`. */
#ifndef NJ_MODEL_TENSORS_H
#define NJ_MODEL_TENSORS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NJ_MAX_RANK  8
#define NJ_MAX_NAME  256
#define NJ_MAX_COUNT 100000 /* tensors in one checkpoint */

enum nj_dtype {
    NJ_DTYPE_OTHER, /* a type that we do not compute with; refused where it would be used */
    NJ_DTYPE_F64,
    NJ_DTYPE_F32,
    NJ_DTYPE_F16,
    NJ_DTYPE_BF16,
    NJ_DTYPE_I64,
    NJ_DTYPE_I32,
    NJ_DTYPE_I16,
    NJ_DTYPE_I8,
    NJ_DTYPE_U8,
    NJ_DTYPE_BOOL,
    NJ_DTYPE_Q8_0, /* GGUF blocks along the last axis */
    NJ_DTYPE_Q4_0,
    NJ_DTYPE_Q4_K,
    NJ_DTYPE_Q5_K,
    NJ_DTYPE_Q6_K
};

struct nj_tensor {
    char          *name;      /* canonical; owned by the table */
    char          *file_name; /* as in the file; owned by the table */
    const char    *type_name; /* static, for messages and listings */
    enum nj_dtype  dtype;
    uint32_t       rank;
    uint64_t       shape[NJ_MAX_RANK]; /* outermost first (Hugging Face order) */
    const uint8_t *data;
    uint64_t       size; /* bytes; agrees with dtype and shape unless dtype is NJ_DTYPE_OTHER */
};

struct nj_tensors { /* zero-initialise; nj_tensors_free */
    struct nj_tensor *list;
    size_t            count, capacity;
};

void nj_tensors_free(struct nj_tensors *tensors);

/* Appends a copy of *tensor with its own names; `file_name` must be short and printable, and is canonicalised into `name` unless
 * tensor->name is given. */
nj_status nj_tensors_add(struct nj_tensors *tensors, const struct nj_tensor *tensor, struct nj_error *error);

/* Sorts by canonical name. Two tensors of one name are refused. */
nj_status nj_tensors_index(struct nj_tensors *tensors, struct nj_error *error);

/* Refuses data of tensors [from, count) that overlap; before nj_tensors_index. `file` appears in the sentence. */
nj_status nj_tensors_check_overlap(const char *file, const struct nj_tensors *tensors, size_t from, struct nj_error *error);

/* After nj_tensors_index. NULL if there is none. The name is formatted. */
const struct nj_tensor *nj_tensors_find(const struct nj_tensors *tensors, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* `name` behind the prefixes that compilers, trainers and PEFT put around a whole model, in whatever order. */
const char *nj_unwrapped_name(const char *name);

/* Drops those, and the prefixes that savers vary; out[NJ_MAX_NAME] is always terminated. `name` is shorter than NJ_MAX_NAME. */
void nj_canonical_name(const char *name, char *out);

/* Bytes of one element; 0 for block types and NJ_DTYPE_OTHER. */
uint64_t nj_dtype_bytes(enum nj_dtype dtype);

#endif
