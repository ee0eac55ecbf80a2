/* row_work.h: what the writers of models share: threads with scratch memory that turn planned rows into stored bytes.
 *
 * Memory is that of a few rows a thread, whatever the size of the model; pages of the source are given back when a matrix is done. */
#ifndef NJ_MODEL_ROW_WORK_H
#define NJ_MODEL_ROW_WORK_H

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

#define NJ_WORK_PARTS   3          /* modules that may share one tensor */
#define NJ_WORK_PORTION (8u << 20) /* bytes of one portion of output */

struct nj_row_work { /* zero-initialise; nj_row_work_close */
    const struct nj_write_options *options;
    const struct nj_checkpoint    *source;
    unsigned                       threads;
    size_t                         most; /* columns of the widest module */
    float                         *scratch, *scales;
    int8_t                        *integers;
    double                        *error; /* [threads][NJ_WORK_PARTS][3] */
    struct nj_gptq                 gptq[NJ_WORK_PARTS];
};

nj_status nj_row_work_open(struct nj_row_work *work, const struct nj_plan *plan, const struct nj_write_options *options,
                           struct nj_error *error);
void      nj_row_work_close(struct nj_row_work *work);

/* Memory of one thread: floats [2 * most]; integers and scales of 16 rows. */
float  *nj_row_work_scratch(const struct nj_row_work *work, unsigned thread);
int8_t *nj_row_work_integers(const struct nj_row_work *work, unsigned thread);
float  *nj_row_work_scales(const struct nj_row_work *work, unsigned thread);

/* Where a thread adds up what rounding changed in part `part` of a tensor. */
double *nj_row_work_error(const struct nj_row_work *work, unsigned thread, size_t part);

/* Bytes of one row and of its scales, as nj_row_work_rows writes them. */
uint64_t nj_stored_row_bytes(const struct nj_plan_module *module);
uint64_t nj_stored_scale_bytes(const struct nj_plan_module *module);

/* Rows [first, first + count), by all threads: row after row to `out`; scales of row r at scales + r * nj_stored_scale_bytes. */
void nj_row_work_rows(const struct nj_row_work *work, const struct nj_plan_module *module, uint32_t first, uint32_t count, uint8_t *out,
                      uint8_t *scales);

/* Begins a tensor: makes what calibrated rounding needs of its modules. */
nj_status nj_row_work_begin(struct nj_row_work *work, struct nj_plan_module *const *parts, size_t count, struct nj_error *error);

/* Ends a tensor, begun or not: sets the modules' errors and gives the pages of the source back. */
void nj_row_work_end(struct nj_row_work *work, struct nj_plan_module *const *parts, size_t count);

/* NJ_STOPPED when the user asked for it. */
nj_status nj_row_work_report(const struct nj_row_work *work, uint64_t done, uint64_t total, struct nj_error *error);

#endif
