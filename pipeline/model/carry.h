/* carry.h: small files that travel with a model (tokenizer, chat template, processor): read beside the source (also where they end in .zst), out of
 * a packed file, or made from the metadata of a GGUF or for a random model. */
#ifndef NJ_MODEL_CARRY_H
#define NJ_MODEL_CARRY_H

#include "pipeline/model/checkpoint.h"

struct nj_carried {
    char     name[64];
    uint8_t *data; /* owned */
    size_t   size;
};

struct nj_carried_list { /* zero-initialise; nj_carried_free */
    struct nj_carried file[16];
    size_t            count;
};

/* Collects the files that the checkpoint has; `chat_template` is the path of one that takes the place of its own, or "". In a packed file they are
 * tensors `file.NAME`, compressed with zstd. nj_carried_free also after a failure. */
nj_status nj_carried_read(const struct nj_weights *weights, const char *chat_template, struct nj_carried_list *out, struct nj_error *error);
void      nj_carried_free(struct nj_carried_list *list);

/* zstd of one file; *out is malloc'd. */
nj_status nj_carried_compress(const struct nj_carried *file, uint8_t **out, size_t *size, struct nj_error *error);

#endif
