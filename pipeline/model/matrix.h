/* matrix.h: one matrix as its file stores it, and the one door to its values.
 *
 * A matrix is a view: it owns nothing, the open checkpoint does. Rows are outputs, columns inputs (Hugging Face order, [out][in]).
 * `nj_matrix_row` is the definition of every format; fast kernels are compared with it. Hosts are little-endian, as all files are. */
#ifndef NJ_MODEL_MATRIX_H
#define NJ_MODEL_MATRIX_H

#include "base/status.h"
#include "kernels/w4.h"

#include <stdbool.h>
#include <stdint.h>

enum nj_format {
    NJ_F32,
    NJ_F16,
    NJ_BF16,
    NJ_W4_ROWS,   /* compressed-tensors pack-quantized: int32 words along a row, nibble k of word w is input 8w + k, plus 8; spec 8.2 */
    NJ_W4_PANELS, /* the packed file: panels of 16 rows; kernels/w4.h */
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
    enum nj_format format;
    uint32_t       rows, cols;
    uint32_t       group;        /* inputs that share one scale; cols for one scale a row; 0 for formats without `scales` */
    enum nj_format scale_format; /* NJ_F32, NJ_F16 or NJ_BF16 */
    const void    *data;
    const void    *scales; /* row formats: [rows][cols / group]; NJ_W4_PANELS: bf16 or f32 [panels][cols / group][16] */
    /* NJ_W4_PANELS: 1, or 2 where gate and up alternate: `up` then lies one panel behind `gate` (kernels/w4.h). Where q, k and v lie one after the
     * other, k begins nj_w4_panels(q.rows) panels behind q. */
    uint32_t                  panel_step;
    const struct nj_low_rank *low_rank; /* NULL: none; nj_matrix_row does not include it */
};

/* Bytes of one row of a row format; 0 if `cols` does not fit the format's blocks, and for NJ_W4_PANELS. */
uint64_t    nj_format_row_bytes(enum nj_format format, uint32_t cols);
const char *nj_format_name(enum nj_format format);

/* NJ_W4_PANELS only: the same view as the kernels know it. */
struct nj_w4 nj_matrix_w4(const struct nj_matrix *matrix);

/* The values of one row in fp32, exactly as stored: q times scale in fp32, GGUF blocks as gguf-py dequantizes them.  out: [cols] */
void nj_matrix_row(const struct nj_matrix *matrix, uint32_t row, float *out);

/* For int4 formats (NJ_W4_ROWS, NJ_W4_PANELS): the stored integers of one row, -8..7.  out: [cols] */
void nj_matrix_row_q4(const struct nj_matrix *matrix, uint32_t row, int8_t *out);

/* The scale of one group of one row, widened to fp32. Formats with `scales` only. */
float nj_matrix_scale(const struct nj_matrix *matrix, uint32_t row, uint32_t group_index);

/* `count` values of one plain format (NJ_F32, NJ_F16, NJ_BF16) widened. `data` need not be aligned. */
void nj_widen(enum nj_format format, const void *data, uint64_t count, float *out);

float    nj_bf16_to_float(uint16_t bits);
float    nj_f16_to_float(uint16_t bits);
uint16_t nj_float_to_bf16(float value); /* nearest, ties to even */
uint16_t nj_float_to_f16(float value);  /* nearest, ties to even */

#endif
