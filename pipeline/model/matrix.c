#include "pipeline/model/matrix.h"
#include "kernels/number.h"

#include <string.h>

float nj_bf16_to_float(uint16_t bits)
{
    return nj_bf16_value(bits);
}

float nj_f16_to_float(uint16_t bits)
{
    return nj_f16_value(bits);
}

uint16_t nj_float_to_bf16(float value)
{
    return nj_bf16_round(value);
}

uint16_t nj_float_to_f16(float value)
{
    return nj_f16_round(value);
}

void nj_widen(enum nj_format format, const void *data, uint64_t count, float *out)
{
    const uint8_t *bytes = data;
    if (format == NJ_F32) {
        memcpy(out, data, count * sizeof *out);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, bytes + 2 * i, sizeof bits);
        out[i] = format == NJ_BF16 ? nj_bf16_to_float(bits) : nj_f16_to_float(bits);
    }
}

/* Values and bytes of one block of each format. */
static const struct {
    const char *name;
    uint16_t    values, bytes;
} formats[] = {
    [NJ_F32]       = {"F32", 1, 4},
    [NJ_F16]       = {"F16", 1, 2},
    [NJ_BF16]      = {"BF16", 1, 2},
    [NJ_W4_ROWS]   = {"W4 rows", 8, 4},
    [NJ_W4_PANELS] = {"W4 panels", 0, 0},
    [NJ_I8_ROWS]   = {"I8 rows", 1, 1},
    [NJ_Q8_0]      = {"Q8_0", 32, 34},
    [NJ_Q4_0]      = {"Q4_0", 32, 18},
    [NJ_Q4_K]      = {"Q4_K", 256, 144},
    [NJ_Q5_K]      = {"Q5_K", 256, 176},
    [NJ_Q6_K]      = {"Q6_K", 256, 210},
};

const char *nj_format_name(enum nj_format format)
{
    return formats[format].name;
}

uint64_t nj_format_row_bytes(enum nj_format format, uint32_t cols)
{
    if (format == NJ_W4_PANELS)
        return 0;
    uint64_t values = formats[format].values;
    if (format == NJ_W4_ROWS)
        return ((uint64_t)cols + 7) / 8 * 4; /* a last word may be partly filled */
    return cols % values ? 0 : cols / values * formats[format].bytes;
}

struct nj_w4 nj_matrix_w4(const struct nj_matrix *matrix)
{
    return (struct nj_w4){.blocks       = matrix->data,
                          .scales       = matrix->scales,
                          .rows         = matrix->rows,
                          .cols         = matrix->cols,
                          .group        = matrix->group,
                          .scale_format = matrix->scale_format == NJ_F32 ? NJ_SCALE_F32 : NJ_SCALE_BF16,
                          .panel_step   = matrix->panel_step};
}

float nj_matrix_scale(const struct nj_matrix *matrix, uint32_t row, uint32_t group_index)
{
    if (matrix->format == NJ_W4_PANELS) {
        struct nj_w4 w4 = nj_matrix_w4(matrix);
        return nj_w4_scale(&w4, row, group_index);
    }
    uint64_t index = (uint64_t)row * (matrix->cols / matrix->group) + group_index;
    float    value;
    nj_widen(matrix->scale_format, (const uint8_t *)matrix->scales + index * formats[matrix->scale_format].bytes, 1, &value);
    return value;
}

void nj_matrix_row_q4(const struct nj_matrix *matrix, uint32_t row, int8_t *out)
{
    if (matrix->format == NJ_W4_PANELS) {
        struct nj_w4 w4 = nj_matrix_w4(matrix);
        nj_w4_row_integers(&w4, row, out);
        return;
    }
    const uint8_t *data = (const uint8_t *)matrix->data + row * nj_format_row_bytes(NJ_W4_ROWS, matrix->cols);
    for (uint32_t i = 0; i < matrix->cols; i++)
        out[i] = (int8_t)((data[i / 2] >> 4 * (i % 2) & 15) - 8);
}

static void row_w4_rows(const struct nj_matrix *matrix, uint32_t row, float *out)
{
    const uint8_t *data  = (const uint8_t *)matrix->data + row * nj_format_row_bytes(NJ_W4_ROWS, matrix->cols);
    float          scale = 0;
    for (uint32_t i = 0; i < matrix->cols; i++) {
        if (i % matrix->group == 0)
            scale = nj_matrix_scale(matrix, row, i / matrix->group);
        out[i] = (float)((data[i / 2] >> 4 * (i % 2) & 15) - 8) * scale;
    }
}

static void row_i8(const struct nj_matrix *matrix, uint32_t row, float *out)
{
    const int8_t *data  = (const int8_t *)matrix->data + (uint64_t)row * matrix->cols;
    float         scale = 0;
    for (uint32_t i = 0; i < matrix->cols; i++) {
        if (i % matrix->group == 0)
            scale = nj_matrix_scale(matrix, row, i / matrix->group);
        out[i] = (float)data[i] * scale;
    }
}

static float half_at(const uint8_t *bytes)
{
    uint16_t bits;
    memcpy(&bits, bytes, sizeof bits);
    return nj_f16_to_float(bits);
}

static void block_q8_0(const uint8_t *block, float out[32])
{
    float d = half_at(block);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)(int8_t)block[2 + i];
}

static void block_q4_0(const uint8_t *block, float out[32])
{
    float d = half_at(block);
    for (int i = 0; i < 16; i++) {
        out[i]      = d * (float)((block[2 + i] & 15) - 8);
        out[i + 16] = d * (float)((block[2 + i] >> 4) - 8);
    }
}

/* The eight pairs of 6-bit scale and minimum that Q4_K and Q5_K share. */
static void k_scales(const uint8_t *block, float scale[8], float minimum[8])
{
    float          d = half_at(block), dmin = half_at(block + 2);
    const uint8_t *s = block + 4;
    for (int j = 0; j < 8; j++) {
        unsigned sc = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
        unsigned m  = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | s[j] >> 6 << 4;
        scale[j]    = d * (float)sc;
        minimum[j]  = dmin * (float)m;
    }
}

static void block_q4_k(const uint8_t *block, float out[256])
{
    float scale[8], minimum[8];
    k_scales(block, scale, minimum);
    for (int j = 0; j < 8; j++)
        for (int l = 0; l < 32; l++) {
            unsigned n      = block[16 + j / 2 * 32 + l] >> 4 * (j % 2) & 15;
            out[32 * j + l] = scale[j] * (float)n - minimum[j];
        }
}

static void block_q5_k(const uint8_t *block, float out[256])
{
    float scale[8], minimum[8];
    k_scales(block, scale, minimum);
    for (int j = 0; j < 8; j++)
        for (int l = 0; l < 32; l++) {
            unsigned n      = (block[48 + j / 2 * 32 + l] >> 4 * (j % 2) & 15) + 16 * (block[16 + l] >> j & 1);
            out[32 * j + l] = scale[j] * (float)n - minimum[j];
        }
}

static void block_q6_k(const uint8_t *block, float out[256])
{
    float d = half_at(block + 208);
    for (int i = 0; i < 256; i++) {
        int            half = i / 128, quarter = i % 128 / 32, l = i % 32;
        const uint8_t *low = block + 64 * half, *high = block + 128 + 32 * half;
        int            q     = low[l + 32 * (quarter % 2)] >> 4 * (quarter / 2) & 15;
        int            scale = (int8_t)block[192 + 8 * half + l / 16 + 2 * quarter];
        q |= (high[l] >> 2 * quarter & 3) << 4;
        out[i] = d * (float)scale * (float)(q - 32);
    }
}

void nj_matrix_row(const struct nj_matrix *matrix, uint32_t row, float *out)
{
    const uint8_t *data = (const uint8_t *)matrix->data + row * nj_format_row_bytes(matrix->format, matrix->cols);
    uint32_t       step = formats[matrix->format].values;
    switch (matrix->format) {
    case NJ_F32:
    case NJ_F16:
    case NJ_BF16:
        nj_widen(matrix->format, data, matrix->cols, out);
        return;
    case NJ_W4_ROWS:
        row_w4_rows(matrix, row, out);
        return;
    case NJ_W4_PANELS: {
        struct nj_w4 w4 = nj_matrix_w4(matrix);
        nj_w4_row(&w4, row, out);
        return;
    }
    case NJ_I8_ROWS:
        row_i8(matrix, row, out);
        return;
    case NJ_Q8_0:
    case NJ_Q4_0:
    case NJ_Q4_K:
    case NJ_Q5_K:
    case NJ_Q6_K:
        break;
    }
    for (uint32_t i = 0; i < matrix->cols; i += step, data += formats[matrix->format].bytes) {
        if (matrix->format == NJ_Q8_0)
            block_q8_0(data, out + i);
        else if (matrix->format == NJ_Q4_0)
            block_q4_0(data, out + i);
        else if (matrix->format == NJ_Q4_K)
            block_q4_k(data, out + i);
        else if (matrix->format == NJ_Q5_K)
            block_q5_k(data, out + i);
        else
            block_q6_k(data, out + i);
    }
}
