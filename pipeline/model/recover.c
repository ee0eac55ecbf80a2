#include "pipeline/model/recover.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK NJ_MOMENT_BLOCK

struct piece {
    uint32_t from; /* first column of the block */
    uint16_t kept, removed;
    uint16_t place[BLOCK]; /* kept ones first */
    float   *matrix;       /* [kept][removed]: H[K][K]^-1 H[K][R] */
};

struct nj_recovery {
    uint32_t     count;
    struct piece list[];
};

static void split(struct piece *piece, uint32_t n, const uint32_t **keep, const uint32_t *end)
{
    uint16_t removed[BLOCK];
    for (uint32_t i = 0; i < n; i++) {
        if (*keep < end && **keep == piece->from + i) {
            piece->place[piece->kept++] = (uint16_t)i;
            ++*keep;
        } else
            removed[piece->removed++] = (uint16_t)i;
    }
    memcpy(piece->place + piece->kept, removed, piece->removed * sizeof *removed);
}

/* Fills the matrix; adds the moments of the removed channels to lost[0] and what is left of them to lost[1]. */
static bool solve(const float *h, struct piece *piece, double *a, double *work, double lost[2])
{
    uint32_t        k = piece->kept, r = piece->removed;
    const uint16_t *kept = piece->place, *removed = piece->place + k;
    double          mean = 0;
    piece->matrix        = calloc((size_t)k * r + 1, sizeof *piece->matrix);
    if (!piece->matrix)
        return false;
    for (uint32_t i = 0; i < r; i++)
        lost[0] += h[removed[i] * (BLOCK + 1)];
    for (uint32_t i = 0; i < k; i++)
        mean += h[kept[i] * (BLOCK + 1)] / (double)k;
    for (uint32_t i = 0; i < k; i++)
        for (uint32_t j = 0; j < k; j++)
            a[i * k + j] = h[kept[i] * BLOCK + kept[j]] + (i == j ? 0.01 * mean + 1e-12 : 0);
    bool solved = k > 0 && nj_invert(a, k, work);
    for (uint32_t i = 0; i < k && solved; i++)
        for (uint32_t j = 0; j < r; j++) {
            double sum = 0;
            for (uint32_t m = 0; m < k; m++)
                sum += a[i * k + m] * h[kept[m] * BLOCK + removed[j]];
            piece->matrix[i * r + j] = (float)sum;
        }
    for (uint32_t j = 0; j < r; j++) {
        double left = h[removed[j] * (BLOCK + 1)];
        for (uint32_t i = 0; i < k; i++)
            left -= (double)piece->matrix[i * r + j] * h[kept[i] * BLOCK + removed[j]];
        lost[1] += left > 0 ? left : 0;
    }
    return true;
}

nj_status nj_recovery_open(const struct nj_moments *moments, const uint32_t *keep, uint32_t count, struct nj_recovery **out, double lost[2],
                           struct nj_error *error)
{
    uint32_t            blocks   = nj_moment_blocks(moments->cols);
    struct nj_recovery *recovery = calloc(1, sizeof *recovery + blocks * sizeof *recovery->list);
    double             *a = malloc(BLOCK * BLOCK * sizeof *a), *work = malloc(BLOCK * BLOCK * sizeof *work), sums[2] = {0, 0};
    const uint32_t     *end    = keep + count;
    bool                failed = !recovery || !a || !work;
    *out                       = NULL;
    for (uint32_t b = 0; b < blocks && !failed; b++) {
        struct piece *piece = &recovery->list[recovery->count++];
        piece->from         = b * BLOCK;
        split(piece, moments->cols - piece->from < BLOCK ? moments->cols - piece->from : BLOCK, &keep, end);
        failed = !solve(nj_moment_block(moments, b), piece, a, work, sums);
    }
    free(a);
    free(work);
    if (failed) {
        nj_recovery_close(recovery);
        return nj_fail(error, "no memory to recover from pruning");
    }
    if (lost)
        memcpy(lost, sums, sizeof sums);
    *out = recovery;
    return NJ_OK;
}

void nj_recovery_close(struct nj_recovery *recovery)
{
    for (uint32_t i = 0; recovery && i < recovery->count; i++)
        free(recovery->list[i].matrix);
    free(recovery);
}

void nj_recovery_apply(const struct nj_recovery *recovery, float *row)
{
    for (uint32_t b = 0; b < recovery->count; b++) {
        const struct piece *piece = &recovery->list[b];
        float              *block = row + piece->from;
        for (uint32_t i = 0; i < piece->kept; i++) {
            const float *from = piece->matrix + (size_t)i * piece->removed;
            float        sum  = 0;
            for (uint32_t j = 0; j < piece->removed; j++)
                sum += from[j] * block[piece->place[piece->kept + j]];
            block[piece->place[i]] += sum;
        }
    }
}
