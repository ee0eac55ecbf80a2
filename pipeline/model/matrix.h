/* matrix.h: one matrix as its file stores it, and the one door to its values.
 *
 * A matrix is a view: it owns nothing, the open checkpoint does. Rows are outputs, columns inputs (Hugging Face order, [out][in]).
 * `nj_matrix_row` is the definition of every format; fast kernels are compared with it. */
#ifndef NJ_MODEL_MATRIX_H
#define NJ_MODEL_MATRIX_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum nj_format {
    NJ_F32,
    NJ_F16,
    NJ_BF16,
    NJ_W4_ROWS,   /* compressed-tensors pack-quantized: int32 words along a row, nibble k of word w is input 8w + k, plus 8; spec 8.2 */
    NJ_W4_PANELS, /* the packed file: 64-byte blocks of 16 rows x 8 inputs; kernels/w4.h */
    NJ_I8_ROWS,   /* int8 rows, row-major, scale per group (output head) */
    NJ_Q8_0,      /* GGUF blocks, spec 10.5 */
    NJ_Q4_0,
    NJ_Q4_K,
    NJ_Q5_K,
    NJ_Q6_K
};

struct nj_low_rank { /* y += scale * B (A x), kept apart from the base */
    const float *a;  /* [rank][cols] */
    const float *b;  /* [rows][rank] */
    uint32_t     rank;
    float        scale;
};

struct nj_matrix {
    enum nj_format            format;
    uint32_t                  rows, cols;
    uint32_t                  group;        /* inputs that share one scale; cols for one scale a row; 0 for formats without `scales` */
    enum nj_format            scale_format; /* NJ_F32, NJ_F16 or NJ_BF16 */
    const void               *data;
    const void               *scales;   /* row formats: [rows][cols / group]; NJ_W4_PANELS: bf16 or f32 [rows / 16][cols / group][16] */
    const struct nj_low_rank *low_rank; /* NULL: none; nj_matrix_row does not include it */
};

/* Bytes of one row of a row format; 0 if `cols` does not fit the format's blocks. */
uint64_t    nj_format_row_bytes(enum nj_format format, uint32_t cols);
const char *nj_format_name(enum nj_format format);

/* The values of one row in fp32, exactly as stored: q times scale in fp32, GGUF blocks as gguf-py dequantizes them.  out: [cols] */
void nj_matrix_row(const struct nj_matrix *matrix, uint32_t row, float *out);

float    nj_bf16_to_float(uint16_t bits);
float    nj_f16_to_float(uint16_t bits);
uint16_t nj_float_to_bf16(float value); /* nearest, ties to even */
uint16_t nj_float_to_f16(float value);  /* nearest, ties to even */

#endif
