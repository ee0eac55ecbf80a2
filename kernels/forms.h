/* forms.h: inside kernels/ only: how the forms of one instruction set enter the table, and what they share. */
#ifndef NJ_KERNELS_FORMS_H
#define NJ_KERNELS_FORMS_H

#include "kernels/kernels.h"
#include "kernels/number.h"

/* Each writes its forms over what is in the table. Called in order, from the plainest to the most special. */
void nj_use_c(struct nj_kernels *k);
void nj_use_avx2(struct nj_kernels *k);
void nj_use_avx512(struct nj_kernels *k);
void nj_use_avx512vnni(struct nj_kernels *k);
void nj_use_neon(struct nj_kernels *k);
void nj_use_dotprod(struct nj_kernels *k);
void nj_use_i8mm(struct nj_kernels *k);

/* The name of the first form in the table that does not agree with plain C on a small tile, or NULL. */
const char *nj_kernels_differ(const struct nj_kernels *k);

/* Before a loop of few, constant rounds over an array of sums: only unrolled completely do they live in registers. (clang 14 takes GCC's pragma, but leaves alone
 * a loop of fewer rounds than it names.) */
#if defined(__clang__)
#define NJ_UNROLL _Pragma("clang loop unroll(full)")
#else
#define NJ_UNROLL _Pragma("GCC unroll 32")
#endif

#define NJ_USE(k, operation, form) ((k)->operation = (form), (k)->names.operation = #form)

static inline float nj_scale_value(const void *scales, enum nj_scale_format format, size_t at)
{
    return format == NJ_SCALE_F32 ? ((const float *)scales)[at] : nj_bf16_value(((const uint16_t *)scales)[at]);
}

static inline float nj_number_value(const void *numbers, enum nj_number format, size_t at)
{
    if (format == NJ_NUMBER_F32)
        return ((const float *)numbers)[at];
    uint16_t bits = ((const uint16_t *)numbers)[at];
    return format == NJ_NUMBER_F16 ? nj_f16_value(bits) : nj_bf16_value(bits);
}

/* The weight group that the activation group `g` falls in. */
static inline size_t nj_weight_group(const struct nj_w4 *w, uint32_t g)
{
    return w->group == w->cols ? 0 : g;
}

static inline const uint8_t *nj_w4_panel(const struct nj_w4 *w, uint32_t panel)
{
    return w->blocks + (size_t)panel * w->panel_step * nj_w4_panel_bytes(w->cols);
}

/* First scale of a panel, counted in scales. */
static inline size_t nj_w4_panel_scales(const struct nj_w4 *w, uint32_t panel)
{
    return (size_t)panel * w->panel_step * nj_w4_groups(w->cols, w->group) * NJ_W4_ROWS_PER_PANEL;
}

/* Which keys of `kv` a token sees: positions [from, to). */
struct nj_span {
    uint32_t from, to;
};
static inline struct nj_span nj_visible(const struct nj_attention *job, uint32_t token)
{
    uint32_t       own  = job->positions ? job->positions[token] : job->position + token;
    struct nj_span span = {job->begin, job->end};
    if (!job->everything && span.to > own + 1)
        span.to = own + 1;
    if (job->window && own >= job->window && span.from < own + 1 - job->window)
        span.from = own + 1 - job->window;
    if (span.to < span.from)
        span.to = span.from;
    return span;
}

#endif
