/* rows.h: the rows of a module as they will be written: channels removed, adapters merged, rounded to what the source stored.
 *
 * Everything that convert does to values happens here; how they are stored (plain, int4, int8) is decided by who reads the rows. */
#ifndef NJ_MODEL_ROWS_H
#define NJ_MODEL_ROWS_H

#include "pipeline/model/recover.h"

#define NJ_MAX_ADAPTERS 16

struct nj_rows {
    const struct nj_matrix   *matrix;
    uint32_t                  rows, cols;                /* after removal */
    const uint32_t           *keep_rows, *keep_cols;     /* [rows], [cols]: which of the source's stay; NULL: all */
    const struct nj_low_rank *adapters[NJ_MAX_ADAPTERS]; /* in order of merging, before anything is removed */
    uint32_t                  adapter_count;
    const struct nj_recovery *recovery; /* makes up for keep_cols, after the adapters; or NULL */
    enum nj_format            storage;  /* what values are rounded to once, after everything: NJ_F32, NJ_F16 or NJ_BF16 */
};

/* The rows of a matrix as they are. Storage is its own format if that is plain, bf16 for GGUF blocks. */
struct nj_rows nj_rows_of(const struct nj_matrix *matrix);

/* Whether values are those of the matrix, all of them and untouched. */
bool nj_rows_unchanged(const struct nj_rows *rows);

/* One row.  scratch: [matrix->cols]; out: [rows->cols] */
void nj_rows_read(const struct nj_rows *rows, uint32_t row, float *scratch, float *out);

/* Rounds in place to NJ_F32 (nothing), NJ_F16 or NJ_BF16. */
void nj_round_to(enum nj_format format, float *values, uint32_t count);

/* Writes values of one plain format as bytes; values are already rounded to it. */
void nj_narrow(enum nj_format format, const float *values, uint32_t count, void *out);

#endif
