/* modules.h: every matrix and every vector of an open model as a flat list, in the order in which the engine walks them.
 *
 * For whoever treats all of them alike: convert, adapters, listings. Names are canonical (tensors.h). */
#ifndef NJ_MODEL_MODULES_H
#define NJ_MODEL_MODULES_H

#include "pipeline/model/tensors.h"
#include "pipeline/model/weights.h"

enum nj_module_kind {
    NJ_MODULE_LINEAR, /* of the language model: what W4A16 recipes quantise */
    NJ_MODULE_HEAD,
    NJ_MODULE_VISION, /* the tower and its projection */
    NJ_MODULE_TABLE   /* read by row */
};

#define NJ_MODULE_NAME 96

struct nj_module {
    char                name[NJ_MODULE_NAME]; /* without ".weight" */
    enum nj_module_kind kind;
    int                 layer; /* of the text decoder or of the tower; -1 for the others */
    struct nj_matrix   *matrix;
};

struct nj_vector {
    char         name[NJ_MODULE_NAME]; /* the whole tensor name */
    const float *values;
    uint32_t     count;
    bool         bound; /* a clip bound; infinite ones are not in files */
};

struct nj_modules { /* zero-initialise; nj_modules_free */
    struct nj_module *list;
    size_t            count;
    struct nj_vector *vectors;
    size_t            vector_count;
};

/* The head is listed only if it is not the embedding; the two halves of the position table not at all. Views into *weights. */
nj_status nj_modules_list(struct nj_weights *weights, struct nj_modules *out, struct nj_error *error);
void      nj_modules_free(struct nj_modules *modules);

/* NULL if there is none. */
struct nj_module *nj_modules_find(const struct nj_modules *modules, const char *name);

/* The name under which the published checkpoint holds a tensor; `multimodal`: beside a vision tower, otherwise as a text-only save. */
void nj_published_name(const char *canonical, bool multimodal, char out[NJ_MAX_NAME]);

#endif
