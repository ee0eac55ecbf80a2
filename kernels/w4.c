#include "kernels/w4.h"

#include "kernels/number.h"

#include <string.h>

bool nj_w4_group_ok(uint32_t cols, uint32_t group)
{
    if (cols == 0 || cols >= 1u << 24)
        return false;
    return group == cols || ((group == 32 || group == 64 || group == 128) && cols % group == 0);
}

uint32_t nj_w4_padded_cols(uint32_t cols)
{
    return (cols + NJ_W4_COLS_MULTIPLE - 1) / NJ_W4_COLS_MULTIPLE * NJ_W4_COLS_MULTIPLE;
}

uint32_t nj_w4_panels(uint32_t rows)
{
    return rows / NJ_W4_ROWS_PER_PANEL + (rows % NJ_W4_ROWS_PER_PANEL != 0);
}

uint32_t nj_w4_groups(uint32_t cols, uint32_t group)
{
    return cols / group;
}

size_t nj_w4_panel_bytes(uint32_t cols)
{
    return (size_t)nj_w4_padded_cols(cols) * NJ_W4_ROWS_PER_PANEL / 2;
}

size_t nj_w4_panel_scale_bytes(uint32_t cols, uint32_t group, enum nj_scale_format format)
{
    return (size_t)nj_w4_groups(cols, group) * NJ_W4_ROWS_PER_PANEL * (format == NJ_SCALE_F32 ? sizeof(float) : sizeof(uint16_t));
}

void nj_w4_pack_panel(const int8_t *q, const float *scales, uint32_t count, uint32_t cols, uint32_t group, enum nj_scale_format format,
                      uint8_t *blocks, void *scales_out)
{
    uint32_t groups = nj_w4_groups(cols, group);
    memset(blocks, 0x88, nj_w4_panel_bytes(cols));
    memset(scales_out, 0, nj_w4_panel_scale_bytes(cols, group, format));
    for (uint32_t row = 0; row < count; row++) {
        for (uint32_t col = 0; col < cols; col++) {
            uint8_t *byte   = &blocks[(size_t)(col / 8) * NJ_W4_BLOCK_BYTES + 4 * row + col % 4];
            uint8_t  nibble = (uint8_t)((q[(size_t)row * cols + col] + 8) & 15);
            *byte           = col % 8 < 4 ? (uint8_t)((*byte & 0xf0) | nibble) : (uint8_t)((*byte & 0x0f) | nibble << 4);
        }
        for (uint32_t g = 0; g < groups; g++) {
            float  scale = scales[(size_t)row * groups + g];
            size_t at    = (size_t)g * NJ_W4_ROWS_PER_PANEL + row;
            if (format == NJ_SCALE_F32)
                ((float *)scales_out)[at] = scale;
            else
                ((uint16_t *)scales_out)[at] = nj_bf16_round(scale);
        }
    }
}

uint32_t nj_w4_from_row_word(uint32_t word)
{
    uint32_t out = 0;
    for (unsigned b = 0; b < 4; b++)
        out |= (word >> 4 * b & 15) << 8 * b | (word >> (16 + 4 * b) & 15) << (8 * b + 4);
    return out;
}

uint32_t nj_w4_to_row_word(uint32_t word)
{
    uint32_t out = 0;
    for (unsigned b = 0; b < 4; b++)
        out |= (word >> 8 * b & 15) << 4 * b | (word >> (8 * b + 4) & 15) << (16 + 4 * b);
    return out;
}

void nj_w4_row_integers(const struct nj_w4 *w, uint32_t row, int8_t *out)
{
    const uint8_t *panel = w->blocks + (size_t)(row / NJ_W4_ROWS_PER_PANEL) * w->panel_step * nj_w4_panel_bytes(w->cols);
    for (uint32_t col = 0; col < w->cols; col++) {
        uint8_t byte = panel[(size_t)(col / 8) * NJ_W4_BLOCK_BYTES + 4 * (row % NJ_W4_ROWS_PER_PANEL) + col % 4];
        out[col]     = (int8_t)((col % 8 < 4 ? byte & 15 : byte >> 4) - 8);
    }
}

float nj_w4_scale(const struct nj_w4 *w, uint32_t row, uint32_t group_index)
{
    size_t panel = (size_t)(row / NJ_W4_ROWS_PER_PANEL) * w->panel_step;
    size_t at    = (panel * nj_w4_groups(w->cols, w->group) + group_index) * NJ_W4_ROWS_PER_PANEL + row % NJ_W4_ROWS_PER_PANEL;
    return w->scale_format == NJ_SCALE_F32 ? ((const float *)w->scales)[at] : nj_bf16_value(((const uint16_t *)w->scales)[at]);
}

void nj_w4_row(const struct nj_w4 *w, uint32_t row, float *out)
{
    const uint8_t *panel = w->blocks + (size_t)(row / NJ_W4_ROWS_PER_PANEL) * w->panel_step * nj_w4_panel_bytes(w->cols);
    float          scale = 0;
    for (uint32_t col = 0; col < w->cols; col++) {
        uint8_t byte = panel[(size_t)(col / 8) * NJ_W4_BLOCK_BYTES + 4 * (row % NJ_W4_ROWS_PER_PANEL) + col % 4];
        if (col % w->group == 0)
            scale = nj_w4_scale(w, row, col / w->group);
        out[col] = (float)((col % 8 < 4 ? byte & 15 : byte >> 4) - 8) * scale;
    }
}
