/* packed_write.h: carries out a plan as a packed file (packed.h). */
#ifndef NJ_MODEL_PACKED_WRITE_H
#define NJ_MODEL_PACKED_WRITE_H

#include "base/pool.h"
#include "pipeline/model/plan.h"

/* Called now and then while bytes are written; true asks to stop in good order (NJ_STOPPED, nothing is left behind). */
typedef bool nj_write_progress(void *arg, uint64_t done, uint64_t total);

struct nj_write_options {
    struct nj_pool    *pool; /* borrowed; NULL: the calling thread alone */
    nj_write_progress *progress;
    void              *progress_arg;
    /* Called when all values are written: where the model comes from and what was done to it, as malloc'd JSON text of at most some kilobytes. */
    char *(*lineage)(void *arg, const struct nj_plan *plan);
    void *lineage_arg;
};

/* Memory beyond the maps stays below some tens of megabytes; pages of the source are given back as they are consumed. */
nj_status nj_packed_write(struct nj_plan *plan, const struct nj_write_options *options, const char *path, struct nj_error *error);

#endif
