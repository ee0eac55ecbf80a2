#include "kernels/forms.h"
#include "kernels/forms_c.h"

#include <math.h>

/* One output: the sum over groups of fma((float)integer sum, weight scale * activation scale, sum). */
static float product(const struct nj_w4 *w, const struct nj_act *a, uint32_t row, uint32_t token)
{
    const uint8_t *panel  = nj_w4_panel(w, row / NJ_W4_ROWS_PER_PANEL) + 4 * (row % NJ_W4_ROWS_PER_PANEL);
    size_t         scales = nj_w4_panel_scales(w, row / NJ_W4_ROWS_PER_PANEL) + row % NJ_W4_ROWS_PER_PANEL;
    float          total  = 0;
    for (uint32_t g = 0; g < a->padded / a->group; g++) {
        int32_t sum = a->start[(size_t)g * a->tokens + token];
        for (uint32_t col = g * a->group; col < (g + 1) * a->group; col++) {
            uint8_t byte = panel[(size_t)(col / 8) * NJ_W4_BLOCK_BYTES + col % 4];
            sum += (col % 8 < 4 ? byte & 15 : byte >> 4) * nj_act_value(a, token, col);
        }
        float scale = nj_scale_value(w->scales, w->scale_format, scales + nj_weight_group(w, g) * NJ_W4_ROWS_PER_PANEL);
        total       = fmaf((float)sum, scale * a->scale[(size_t)g * a->tokens + token], total);
    }
    return total;
}

void nj_w4_gemm_c(const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride, void *scratch)
{
    (void)scratch;
    for (uint32_t row = first * NJ_W4_ROWS_PER_PANEL; row < (first + panels) * NJ_W4_ROWS_PER_PANEL && row < w->rows; row++)
        for (uint32_t token = 0; token < a->tokens; token++)
            out[token * stride + row] = product(w, a, row, token);
}

void nj_w4_gelu_up_c(const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a, uint32_t first, uint32_t panels, float *out,
                     size_t stride, void *scratch)
{
    (void)scratch;
    for (uint32_t row = first * NJ_W4_ROWS_PER_PANEL; row < (first + panels) * NJ_W4_ROWS_PER_PANEL && row < gate->rows; row++)
        for (uint32_t token = 0; token < a->tokens; token++) {
            float g = product(gate, a, row, token), u = product(up, a, row, token);
            nj_gelu_mul_c(&g, &u, 1, &out[token * stride + row]);
        }
}
