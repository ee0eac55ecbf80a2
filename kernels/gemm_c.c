#include "kernels/forms.h"
#include "kernels/forms_c.h"
#include "kernels/gemm.h"

#include <math.h>

/* out[0..15] = one panel x one token: the sum over groups of fma((float)integer sum, weight scale * activation scale, sum). */
static void product(const struct nj_w4 *w, const struct nj_act *a, uint32_t panel, uint32_t token, float out[16])
{
    const uint8_t *blocks = nj_w4_panel(w, panel);
    for (uint32_t row = 0; row < 16; row++)
        out[row] = 0;
    for (uint32_t g = 0; g < a->padded / a->group; g++) {
        int32_t x[128];
        for (uint32_t i = 0; i < a->group; i++)
            x[i] = nj_act_value(a, token, g * a->group + i);
        for (uint32_t row = 0; row < 16; row++) {
            int32_t sum = a->start[(size_t)g * a->tokens + token];
            for (uint32_t i = 0; i < a->group; i++) {
                uint8_t byte = blocks[(size_t)(g * a->group + i) / 8 * NJ_W4_BLOCK_BYTES + 4 * row + i % 4];
                sum += (i % 8 < 4 ? byte & 15 : byte >> 4) * x[i];
            }
            size_t at    = nj_w4_panel_scales(w, panel) + nj_weight_group(w, g) * NJ_W4_ROWS_PER_PANEL + row;
            float  scale = nj_scale_value(w->scales, w->scale_format, at);
            out[row]     = fmaf((float)sum, scale * a->scale[(size_t)g * a->tokens + token], out[row]);
        }
    }
}

static uint32_t rows_of(const struct nj_w4 *w, uint32_t panel)
{
    uint32_t left = w->rows - panel * NJ_W4_ROWS_PER_PANEL;
    return left < NJ_W4_ROWS_PER_PANEL ? left : NJ_W4_ROWS_PER_PANEL;
}

void nj_w4_gemm_c(const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride, void *scratch)
{
    (void)scratch;
    for (uint32_t token = 0; token < a->tokens; token++)
        for (uint32_t panel = first; panel < first + panels; panel++) {
            float sums[16];
            product(w, a, panel, token, sums);
            for (uint32_t row = 0; row < rows_of(w, panel); row++)
                out[token * stride + panel * NJ_W4_ROWS_PER_PANEL + row] = sums[row];
        }
}

void nj_w4_gelu_up_c(const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a, uint32_t first, uint32_t panels, float *out,
                     size_t stride, void *scratch)
{
    (void)scratch;
    for (uint32_t token = 0; token < a->tokens; token++)
        for (uint32_t panel = first; panel < first + panels; panel++) {
            float gates[16], ups[16];
            product(gate, a, panel, token, gates);
            product(up, a, panel, token, ups);
            nj_gelu_mul_c(gates, ups, rows_of(gate, panel), &out[token * stride + panel * NJ_W4_ROWS_PER_PANEL]);
        }
}

float nj_open_group(const struct nj_plain *w, uint32_t row, uint32_t first, uint32_t group, int32_t limit, int32_t *q)
{
    size_t   at      = (size_t)row * w->cols;
    uint32_t real    = row >= w->rows || first >= w->cols ? 0 : w->cols - first < group ? w->cols - first : group;
    float    largest = 0;
    for (uint32_t i = 0; i < real; i++)
        largest = fmaxf(largest, fabsf(nj_number_value(w->data, w->format, at + first + i)));
    bool zero = !(largest >= 0x1p-96f);
    for (uint32_t i = 0; i < group; i++)
        q[i] = zero || i >= real ? 0 : (int32_t)rintf(nj_number_value(w->data, w->format, at + first + i) * ((float)limit / largest));
    return zero ? 0 : largest / (float)limit;
}

static void plain_gemm(const struct nj_plain *w, int32_t limit, const struct nj_act *a, uint32_t first, uint32_t panels, float *out,
                       size_t stride)
{
    for (uint32_t row = first * NJ_W4_ROWS_PER_PANEL; row < (first + panels) * NJ_W4_ROWS_PER_PANEL && row < w->rows; row++) {
        for (uint32_t t = 0; t < a->tokens; t++)
            out[t * stride + row] = 0;
        for (uint32_t g = 0; g < a->padded / a->group; g++) {
            int32_t q[128];
            float   scale = nj_open_group(w, row, g * a->group, a->group, limit, q);
            for (uint32_t t = 0; t < a->tokens; t++) {
                int32_t sum = 0;
                for (uint32_t i = 0; i < a->group; i++)
                    sum += q[i] * nj_act_value(a, t, g * a->group + i);
                float *to = &out[t * stride + row];
                *to       = fmaf((float)sum, scale * a->scale[(size_t)g * a->tokens + t], *to);
            }
        }
    }
}

void nj_w12a14_gemm_c(const struct nj_plain *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                      void *scratch)
{
    (void)scratch;
    plain_gemm(w, NJ_PLAIN_LIMIT_12, a, first, panels, out, stride);
}

void nj_w7a8_gemm_c(const struct nj_plain *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                    void *scratch)
{
    (void)scratch;
    plain_gemm(w, NJ_PLAIN_LIMIT_7, a, first, panels, out, stride);
}
