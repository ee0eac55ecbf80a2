#include "pipeline/model/moments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK NJ_MOMENT_BLOCK

/* Modules that read what the module before them reads. */
static bool shares_input(const char *name)
{
    static const char *const followers[] = {"self_attn.k_proj", "self_attn.v_proj", "mlp.up_proj"};
    for (size_t i = 0; i < sizeof followers / sizeof *followers; i++)
        if (strstr(name, followers[i]))
            return true;
    return false;
}

static int by_address(const void *a, const void *b)
{
    const struct nj_matrix *const *left = a, *const *right = b;
    return (*left > *right) - (*left < *right);
}

nj_status nj_moments_open(const struct nj_weights *weights, struct nj_pool *pool, struct nj_moment_set *out, struct nj_error *error)
{
    struct nj_modules modules;
    *out = (struct nj_moment_set){.pool = pool};
    NJ_TRY(nj_modules_list((struct nj_weights *)(uintptr_t)weights, &modules, error)); /* only looked at */
    out->list        = calloc(modules.count + 1, sizeof *out->list);
    out->map         = calloc(modules.count + 1, sizeof *out->map);
    nj_status status = out->list && out->map ? NJ_OK : nj_fail(error, "no memory to calibrate");
    for (size_t i = 0; i < modules.count && status == NJ_OK; i++) {
        const struct nj_module *module = &modules.list[i];
        if (module->kind != NJ_MODULE_LINEAR)
            continue;
        if (!shares_input(module->name)) {
            struct nj_moments *moments = &out->list[out->count++];
            moments->cols              = module->matrix->cols;
            moments->sum               = calloc((size_t)nj_moment_blocks(moments->cols) * BLOCK * BLOCK, sizeof *moments->sum);
            if (!moments->sum)
                status = nj_fail(error, "no memory for the moments of %s", module->name);
        }
        out->map[out->map_count].matrix  = module->matrix;
        out->map[out->map_count++].input = (uint32_t)out->count - 1;
    }
    if (status == NJ_OK)
        qsort(out->map, out->map_count, sizeof *out->map, by_address);
    else
        nj_moments_close(out);
    nj_modules_free(&modules);
    return status;
}

void nj_moments_close(struct nj_moment_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        free(set->list[i].sum);
    free(set->list);
    free(set->map);
    *set = (struct nj_moment_set){0};
}

static struct nj_moments *find(const struct nj_moment_set *set, const struct nj_matrix *matrix)
{
    size_t low = 0, high = set->map_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (set->map[middle].matrix == matrix)
            return &set->list[set->map[middle].input];
        if (set->map[middle].matrix < matrix)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct nj_moments *nj_moments_find(const struct nj_moment_set *set, const struct nj_matrix *matrix)
{
    return find(set, matrix);
}

struct addition {
    struct nj_moments *moments;
    const float       *x;
    uint32_t           tokens;
};

static void add_block(void *arg, size_t block, unsigned thread)
{
    const struct addition *job  = arg;
    uint32_t               cols = job->moments->cols, from = (uint32_t)block * BLOCK, n = cols - from < BLOCK ? cols - from : BLOCK;
    float                 *sum = job->moments->sum + block * BLOCK * BLOCK;
    (void)thread;
    for (uint32_t t = 0; t < job->tokens; t++) {
        const float *x = job->x + (size_t)t * cols + from;
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = 0; j < n; j++)
                sum[i * BLOCK + j] += x[i] * x[j];
    }
}

void nj_moments_observe(void *arg, const struct nj_matrix *matrix, const float *x, uint32_t tokens)
{
    struct nj_moment_set *set     = arg;
    struct nj_moments    *moments = find(set, matrix);
    struct addition       job     = {moments, x, tokens};
    if (!moments || moments->cols != matrix->cols)
        return;
    moments->tokens += tokens;
    nj_pool_run(set->pool, nj_moment_blocks(moments->cols), add_block, &job);
}

bool nj_cholesky(double *a, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j <= i; j++) {
            double sum = a[i * n + j];
            for (uint32_t k = 0; k < j; k++)
                sum -= a[i * n + k] * a[j * n + k];
            if (i == j && !(sum > 0))
                return false;
            a[i * n + j] = i == j ? sqrt(sum) : sum / a[j * n + j];
        }
        for (uint32_t j = i + 1; j < n; j++)
            a[i * n + j] = 0;
    }
    return true;
}

bool nj_invert(double *a, uint32_t n, double *work)
{
    if (!nj_cholesky(a, n))
        return false;
    memset(work, 0, (size_t)n * n * sizeof *work);
    for (uint32_t column = 0; column < n; column++) /* work = L^-1 */
        for (uint32_t i = column; i < n; i++) {
            double sum = i == column;
            for (uint32_t k = column; k < i; k++)
                sum -= a[i * n + k] * work[k * n + column];
            work[i * n + column] = sum / a[i * n + i];
        }
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++) {
            double sum = 0;
            for (uint32_t k = i > j ? i : j; k < n; k++)
                sum += work[k * n + i] * work[k * n + j];
            a[i * n + j] = sum;
        }
    return true;
}
