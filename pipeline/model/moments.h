/* moments.h: what a calibration set says about the inputs of each matrix: second moments, in blocks of 128 neighbouring inputs.
 *
 * H[i][j] = sum over tokens of x[i] x[j], for i and j in the same block. Blocks are the groups that are quantised together, so this is all that
 * quantising and pruning ask for, and it is small: 512 bytes an input. Matrices that read the same input (q, k, v; gate, up) share one. */
#ifndef NJ_MODEL_MOMENTS_H
#define NJ_MODEL_MOMENTS_H

#include "base/pool.h"
#include "pipeline/model/modules.h"

#define NJ_MOMENT_BLOCK 128u

struct nj_moments { /* of one input */
    uint32_t cols;
    double   tokens;
    float   *sum; /* [blocks][128][128]; the last block is as large as the others, its unused part zero. Both triangles */
};

struct nj_moment_set {
    struct nj_moments *list;
    size_t             count;
    struct {
        const struct nj_matrix *matrix;
        uint32_t                input;
    } * map; /* matrix of the observed weights -> its input; sorted by address */
    size_t          map_count;
    struct nj_pool *pool; /* borrowed */
};

/* Room for the inputs of every Linear of the language model. */
nj_status nj_moments_open(const struct nj_weights *weights, struct nj_pool *pool, struct nj_moment_set *out, struct nj_error *error);
void      nj_moments_close(struct nj_moment_set *set);

/* nj_engine_options.observe; arg is the set. */
void nj_moments_observe(void *set, const struct nj_matrix *matrix, const float *x, uint32_t tokens);

/* Of the input of one matrix; NULL if it has none. */
const struct nj_moments *nj_moments_find(const struct nj_moment_set *set, const struct nj_matrix *matrix);

static inline uint32_t nj_moment_blocks(uint32_t cols)
{
    return (cols + NJ_MOMENT_BLOCK - 1) / NJ_MOMENT_BLOCK;
}

static inline const float *nj_moment_block(const struct nj_moments *moments, uint32_t block)
{
    return moments->sum + (size_t)block * NJ_MOMENT_BLOCK * NJ_MOMENT_BLOCK;
}

/* ---- Small dense matrices, row-major [n][n], n <= 128, in double ---- */

/* A = L L^T in place (lower triangle; the upper becomes zero). False if A is not positive definite. */
bool nj_cholesky(double *a, uint32_t n);

/* A becomes its inverse, A symmetric and positive definite. work: [n * n] */
bool nj_invert(double *a, uint32_t n, double *work);

#endif
