/* gptq.h: int4 quantisation that minimises the error of the product over a calibration set, rather than that of each weight.
 *
 * Within a block of 128 inputs with second moments H (moments.h), the error of a row is e^T H e. Two steps, row by row and without a gradient:
 *   1. the scale of each group, from a few shrunken or stretched forms of the round-to-nearest one, by the error weighted with diag H;
 *   2. the integers, input by input in order of falling H[i][i]: what rounding one input costs is made up for by those not yet rounded
 *      (Frantar et al., "GPTQ", 2022, with H block-diagonal).
 * The format is the same as that of quantize.h; only the choice of scales and integers differs. */
#ifndef NJ_MODEL_GPTQ_H
#define NJ_MODEL_GPTQ_H

#include "pipeline/model/moments.h"

/* What step 2 needs of one input, made once for all rows. */
struct nj_gptq {
    const struct nj_moments *moments; /* borrowed */
    uint32_t                 cols;
    uint16_t                *order;  /* [blocks][128] places within the block, by falling moment */
    float                   *factor; /* [blocks][128][128] upper triangle of the factor of the inverse, in that order */
};

nj_status nj_gptq_open(const struct nj_moments *moments, struct nj_gptq *out, struct nj_error *error);
void      nj_gptq_close(struct nj_gptq *gptq);

/* As nj_quantize_w4. */
void nj_gptq_row(const struct nj_gptq *gptq, const float *weights, uint32_t cols, uint32_t group, enum nj_format scale_type, int8_t *q,
                 float *scales);

/* e^T H e of e = q * scale - weights, and w^T H w, added to error[0] and error[1]. */
void nj_gptq_error(const struct nj_gptq *gptq, const float *weights, uint32_t cols, uint32_t group, const int8_t *q, const float *scales,
                   double error[2]);

#endif
