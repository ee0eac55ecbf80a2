/* lineage.h: where a model comes from. */
#ifndef NJ_MODEL_LINEAGE_H
#define NJ_MODEL_LINEAGE_H

#include "pipeline/model/checkpoint.h"

/* {"program", "source": {"name", "form", "files": [{"name", "bytes", "sha256"}], "lineage" of a packed source}}; a new reference, also on failure.
 * Reads the weights of `source` once; `progress` (may be NULL) returns true to stop (NJ_STOPPED). */
json_t *nj_lineage_open(const char *source, const struct nj_checkpoint                   *checkpoint,
                        bool (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, nj_status *status, struct nj_error *error);

#endif
