#include "pipeline/model/engine_internal.h"

/* Rows of W that one thread widens and multiplies before it takes the next: enough work to be worth a hand-over. */
#define ROW_BLOCK 16u

struct product {
    struct nj_engine       *engine;
    const struct nj_matrix *matrix;
    const int32_t          *rows; /* NULL: all */
    uint32_t                row_count;
    const float            *x;
    uint32_t                n;
    float                  *y; /* [n][rows], or NULL: */
    float *const           *places;
};

static void product_block(void *arg, size_t index, unsigned thread)
{
    const struct product   *job     = arg;
    const struct nj_matrix *matrix  = job->matrix;
    struct nj_scratch      *scratch = &job->engine->scratch;
    float                  *row     = scratch->thread_row + thread * scratch->thread_row_stride;
    uint32_t                first   = (uint32_t)index * ROW_BLOCK;
    uint32_t                end     = job->row_count - first < ROW_BLOCK ? job->row_count : first + ROW_BLOCK;
    for (uint32_t j = first; j < end; j++) {
        nj_matrix_row(matrix, job->rows ? (uint32_t)job->rows[j] : j, row);
        for (uint32_t i = 0; i < job->n; i++) {
            float  value = nj_dot(row, job->x + (size_t)i * matrix->cols, matrix->cols);
            float *place = job->places ? job->places[i] : job->y + (size_t)i * job->row_count;
            place[j]     = value;
        }
    }
}

/* y[i] += scale * B (A x[i]), one row of x. */
static void low_rank_row(void *arg, size_t index, unsigned thread)
{
    const struct product     *job    = arg;
    const struct nj_matrix   *matrix = job->matrix;
    const struct nj_low_rank *added  = matrix->low_rank;
    float                    *narrow = job->engine->scratch.low_rank + thread * job->engine->max_rank;
    const float              *x      = job->x + index * matrix->cols;
    float                    *y      = job->places ? job->places[index] : job->y + index * job->row_count;
    for (uint32_t r = 0; r < added->rank; r++)
        narrow[r] = nj_dot(added->a + (size_t)r * matrix->cols, x, matrix->cols);
    for (uint32_t j = 0; j < job->row_count; j++) {
        size_t row = job->rows ? (size_t)job->rows[j] : j;
        y[j] += added->scale * nj_dot(added->b + row * added->rank, narrow, added->rank);
    }
}

static void multiply(struct product *job)
{
    nj_pool_run(job->engine->pool, (job->row_count + ROW_BLOCK - 1) / ROW_BLOCK, product_block, job);
    if (job->matrix->low_rank)
        nj_pool_run(job->engine->pool, job->n, low_rank_row, job);
}

void nj_linear(struct nj_engine *engine, const struct nj_matrix *matrix, const float *x, uint32_t n, float *y)
{
    struct product job = {.engine = engine, .matrix = matrix, .row_count = matrix->rows, .x = x, .n = n, .y = y};
    multiply(&job);
}

void nj_linear_rows(struct nj_engine *engine, const struct nj_matrix *matrix, const int32_t *rows, uint32_t row_count, const float *x,
                    uint32_t n, float *const *y)
{
    struct product job = {.engine = engine, .matrix = matrix, .rows = rows, .row_count = row_count, .x = x, .n = n, .places = y};
    if (!rows)
        job.row_count = matrix->rows;
    multiply(&job);
}

void nj_linear_needs(const struct nj_matrix *matrix, uint32_t *rank, uint32_t *cols)
{
    if (matrix->cols > *cols)
        *cols = matrix->cols;
    if (matrix->low_rank && matrix->low_rank->rank > *rank)
        *rank = matrix->low_rank->rank;
}
