/* checkpoint.h: what an open checkpoint owns, and how its modules are found. Inside pipeline/model only; others see weights.h.
 *
 * A module is what transformers calls a Linear: a matrix under one name, which a file may hold plain (`X.weight`), as compressed-tensors
 * (`X.weight_packed`, `X.weight_scale`), in GGUF blocks, or as part of a larger tensor of the packed file. */
#ifndef NJ_MODEL_CHECKPOINT_H
#define NJ_MODEL_CHECKPOINT_H

#include "base/file.h"
#include "base/json.h"
#include "pipeline/model/tensors.h"
#include "pipeline/model/weights.h"

enum nj_checkpoint_kind { NJ_KIND_FOLDER, NJ_KIND_PACKED, NJ_KIND_GGUF, NJ_KIND_RANDOM };

struct nj_lora;

struct nj_checkpoint {
    enum nj_checkpoint_kind kind;
    char                    path[4096]; /* as the user gave it */
    struct nj_map          *maps;
    size_t                  map_count;
    struct nj_tensors       tensors;
    json_t                 *config;     /* in the spelling of config.json, also for GGUF */
    json_t                 *generation; /* generation_config.json, or NULL */
    json_t                 *metadata;   /* `__metadata__` of the packed file; NULL for others */
    json_t                 *matrices;   /* packed file: module -> where and how it lies */
    struct nj_lora         *adapter;    /* kept apart from the weights; or NULL */
    void                  **owned;      /* memory that lives as long as the checkpoint */
    size_t                  owned_count, owned_capacity;
};

/* Zeroed memory that is freed with the checkpoint, 64-byte aligned; NULL when there is none. */
void *nj_checkpoint_alloc(struct nj_checkpoint *checkpoint, size_t size);
void  nj_checkpoint_close(struct nj_checkpoint *checkpoint);

/* The matrix of module `name` (canonical, without `.weight`). NJ_NOT_FOUND, without a sentence, if the checkpoint has no such module. */
nj_status nj_checkpoint_matrix(struct nj_checkpoint *checkpoint, const char *name, struct nj_matrix *out, struct nj_error *error);

/* `count` values of a plain float tensor as fp32: a view where the file holds fp32, else a converted copy. NJ_NOT_FOUND as above. */
nj_status nj_checkpoint_vector(struct nj_checkpoint *checkpoint, const char *name, uint64_t count, const float **out,
                               struct nj_error *error);

/* Gives back the pages that a matrix was read from, if a map holds them: they can be read again. Memory that the checkpoint owns is left as it is. */
void nj_checkpoint_release(const struct nj_checkpoint *checkpoint, const struct nj_matrix *matrix);

/* Whether the format of a plain or block tensor is one that matrices can have. */
bool nj_dtype_format(enum nj_dtype dtype, enum nj_format *format);

/* Refuses by name every quantization_config other than symmetric W4A16 of compressed-tensors. */
nj_status nj_quantization_check(const json_t *config, struct nj_error *error);

#endif
