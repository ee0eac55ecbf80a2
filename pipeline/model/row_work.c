#include "pipeline/model/row_work.h"
#include "pipeline/model/checkpoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

nj_status nj_row_work_open(struct nj_row_work *work, const struct nj_plan *plan, const struct nj_write_options *options,
                           struct nj_error *error)
{
    *work = (struct nj_row_work){
        .options = options, .source = plan->weights->checkpoint, .threads = options->pool ? nj_pool_threads(options->pool) : 1};
    work->most     = nj_plan_scratch(plan) / 2;
    work->scratch  = malloc(work->threads * 2 * work->most * sizeof *work->scratch);
    work->scales   = malloc(work->threads * 16 * work->most * sizeof *work->scales);
    work->integers = malloc(work->threads * 16 * work->most);
    work->error    = calloc(work->threads * NJ_WORK_PARTS * 3, sizeof *work->error);
    if (work->scratch && work->scales && work->integers && work->error)
        return NJ_OK;
    return nj_fail(error, "no memory to convert with %u threads", work->threads);
}

void nj_row_work_close(struct nj_row_work *work)
{
    free(work->scratch);
    free(work->scales);
    free(work->integers);
    free(work->error);
    *work = (struct nj_row_work){0};
}

float *nj_row_work_scratch(const struct nj_row_work *work, unsigned thread)
{
    return work->scratch + thread * 2 * work->most;
}

int8_t *nj_row_work_integers(const struct nj_row_work *work, unsigned thread)
{
    return work->integers + thread * 16 * work->most;
}

float *nj_row_work_scales(const struct nj_row_work *work, unsigned thread)
{
    return work->scales + thread * 16 * work->most;
}

double *nj_row_work_error(const struct nj_row_work *work, unsigned thread, size_t part)
{
    return work->error + (thread * NJ_WORK_PARTS + part) * 3;
}

uint64_t nj_stored_row_bytes(const struct nj_plan_module *module)
{
    return nj_format_row_bytes(module->format, module->rows.cols);
}

uint64_t nj_stored_scale_bytes(const struct nj_plan_module *module)
{
    return module->group ? module->rows.cols / module->group * nj_format_row_bytes(module->scale_format, 1) : 0;
}

struct portion {
    const struct nj_row_work    *work;
    const struct nj_plan_module *module;
    uint32_t                     first;
    uint8_t                     *out, *scales;
};

static void fill_row(void *arg, size_t index, unsigned thread)
{
    const struct portion        *portion = arg;
    const struct nj_row_work    *work    = portion->work;
    const struct nj_plan_module *module  = portion->module;
    uint32_t                     row = portion->first + (uint32_t)index, cols = module->rows.cols;
    uint8_t                     *out     = portion->out + index * nj_stored_row_bytes(module);
    float                       *scratch = nj_row_work_scratch(work, thread), *scales = nj_row_work_scales(work, thread);
    int8_t                      *q = nj_row_work_integers(work, thread);
    if (!module->group) {
        nj_plan_row_bytes(module, row, scratch, out);
        return;
    }
    nj_plan_row_integers(module, row, scratch, q, scales, nj_row_work_error(work, thread, 0));
    nj_narrow(module->scale_format, scales, cols / module->group, portion->scales + row * nj_stored_scale_bytes(module));
    if (module->format == NJ_I8_ROWS) {
        memcpy(out, q, cols);
        return;
    }
    memset(out, 0, nj_stored_row_bytes(module)); /* a last word that is partly filled ends in zeros */
    for (uint32_t i = 0; i < cols; i++)
        out[i / 2] |= (uint8_t)((q[i] + 8) << 4 * (i % 2));
}

void nj_row_work_rows(const struct nj_row_work *work, const struct nj_plan_module *module, uint32_t first, uint32_t count, uint8_t *out,
                      uint8_t *scales)
{
    struct portion portion = {work, module, first, out, scales};
    nj_pool_run(work->options->pool, count, fill_row, &portion);
}

nj_status nj_row_work_begin(struct nj_row_work *work, struct nj_plan_module *const *parts, size_t count, struct nj_error *error)
{
    for (size_t part = 0; part < count; part++) {
        if (!parts[part]->moments)
            continue;
        if (part > 0 && parts[part]->moments == parts[0]->moments) {
            parts[part]->gptq = parts[0]->gptq;
            continue;
        }
        NJ_TRY(nj_gptq_open(parts[part]->moments, &work->gptq[part], error));
        parts[part]->gptq = &work->gptq[part];
    }
    return NJ_OK;
}

void nj_row_work_end(struct nj_row_work *work, struct nj_plan_module *const *parts, size_t count)
{
    for (size_t part = 0; part < count; part++) {
        double sum[3] = {0, 0, 0};
        for (unsigned thread = 0; thread < work->threads; thread++)
            for (int i = 0; i < 3; i++)
                sum[i] += nj_row_work_error(work, thread, part)[i];
        parts[part]->error   = sum[1] > 0 ? sqrt(sum[0] / sum[1]) : 0;
        parts[part]->nearest = sum[1] > 0 ? sqrt(sum[2] / sum[1]) : 0;
        parts[part]->gptq    = NULL;
        nj_gptq_close(&work->gptq[part]);
        nj_checkpoint_release(work->source, parts[part]->rows.matrix);
    }
    memset(work->error, 0, work->threads * NJ_WORK_PARTS * 3 * sizeof *work->error);
}

nj_status nj_row_work_report(const struct nj_row_work *work, uint64_t done, uint64_t total, struct nj_error *error)
{
    const struct nj_write_options *options = work->options;
    if (options->progress && options->progress(options->progress_arg, done, total))
        return nj_fail_as(NJ_STOPPED, error, "stopped; nothing was left behind");
    return NJ_OK;
}
