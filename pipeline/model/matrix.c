#include "pipeline/model/matrix.h"

#include <string.h>

float nj_bf16_to_float(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float    value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

uint16_t nj_float_to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40); /* a NaN stays one */
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

float nj_f16_to_float(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3ff, wide;
    if (exponent == 31)
        wide = sign | 0x7f800000u | fraction << 13;
    else if (exponent)
        wide = sign | (exponent + 112) << 23 | fraction << 13;
    else if (!fraction)
        wide = sign;
    else {
        exponent = 113;
        while (!(fraction & 0x400)) {
            fraction <<= 1;
            exponent--;
        }
        wide = sign | exponent << 23 | (fraction & 0x3ff) << 13;
    }
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

uint16_t nj_float_to_f16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u)
        return sign | 0x7e00;
    if (bits >= 0x477ff000u) /* 65520 and above round to infinity */
        return sign | 0x7c00;
    if (bits >= 0x38800000u) { /* normal: from 2^-14 */
        bits += 0xfffu + (bits >> 13 & 1);
        return sign | (uint16_t)((bits - 0x38000000u) >> 13);
    }
    if (bits < 0x33000000u) /* below half of the smallest subnormal */
        return sign;
    uint32_t shift = 126 - (bits >> 23), fraction = (bits & 0x7fffffu) | 0x800000u;
    uint32_t half = 1u << (shift - 1), kept = fraction >> shift, rest = fraction & ((1u << shift) - 1);
    return sign | (uint16_t)(kept + (rest > half || (rest == half && (kept & 1))));
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

uint64_t nj_panel_bytes(uint32_t cols)
{
    return (uint64_t)cols / 8 * 64;
}

static uint64_t panel_of(const struct nj_matrix *matrix, uint32_t row)
{
    return (uint64_t)(row / NJ_PANEL_ROWS) * matrix->panel_step;
}

float nj_matrix_scale(const struct nj_matrix *matrix, uint32_t row, uint32_t group_index)
{
    uint64_t groups = matrix->cols / matrix->group, index = (uint64_t)row * groups + group_index;
    if (matrix->format == NJ_W4_PANELS)
        index = (panel_of(matrix, row) * groups + group_index) * NJ_PANEL_ROWS + row % NJ_PANEL_ROWS;
    float value;
    nj_widen(matrix->scale_format, (const uint8_t *)matrix->scales + index * formats[matrix->scale_format].bytes, 1, &value);
    return value;
}

void nj_matrix_row_q4(const struct nj_matrix *matrix, uint32_t row, int8_t *out)
{
    const uint8_t *data = matrix->data;
    if (matrix->format == NJ_W4_ROWS) {
        data += row * nj_format_row_bytes(NJ_W4_ROWS, matrix->cols);
        for (uint32_t i = 0; i < matrix->cols; i++)
            out[i] = (int8_t)((data[i / 2] >> 4 * (i % 2) & 15) - 8);
        return;
    }
    data += panel_of(matrix, row) * nj_panel_bytes(matrix->cols) + row % NJ_PANEL_ROWS * 4;
    for (uint32_t block = 0; block < matrix->cols / 8; block++)
        for (uint32_t b = 0; b < 4; b++) {
            uint8_t pair           = data[64 * (uint64_t)block + b];
            out[8 * block + b]     = (int8_t)((pair & 15) - 8);
            out[8 * block + 4 + b] = (int8_t)((pair >> 4) - 8);
        }
}

/* In chunks, so that the integers need no memory of the caller. */
static void row_w4(const struct nj_matrix *matrix, uint32_t row, float *out)
{
    enum { CHUNK = 512 };
    int8_t           q[CHUNK];
    struct nj_matrix part  = *matrix;
    float            scale = 0;
    for (uint32_t from = 0; from < matrix->cols; from += CHUNK) {
        uint32_t count = matrix->cols - from < CHUNK ? matrix->cols - from : CHUNK;
        if (matrix->format == NJ_W4_ROWS) {
            part.data = (const uint8_t *)matrix->data + row * nj_format_row_bytes(NJ_W4_ROWS, matrix->cols) + from / 2;
            part.cols = count;
            nj_matrix_row_q4(&part, 0, q);
        } else {
            part.data = (const uint8_t *)matrix->data + panel_of(matrix, row) * nj_panel_bytes(matrix->cols) + from / 8 * 64;
            part.cols = count;
            nj_matrix_row_q4(&part, row % NJ_PANEL_ROWS, q);
        }
        for (uint32_t i = 0; i < count; i++) {
            if ((from + i) % matrix->group == 0)
                scale = nj_matrix_scale(matrix, row, (from + i) / matrix->group);
            out[from + i] = (float)q[i] * scale;
        }
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
    case NJ_W4_PANELS:
        row_w4(matrix, row, out);
        return;
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
