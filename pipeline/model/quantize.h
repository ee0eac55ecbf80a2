/* quantize.h: round-to-nearest, as compressed-tensors computes it (spec 8.3), one row at a time.
 *
 * scale = max(|min(0, lowest)|, |max(0, highest)|) / 7.5 of a group, rounded to the type of the scales; q = rint(clamp(w / scale, -8, 7)) with the
 * quotient rounded to the type of the weights first. With both types that of the weights (NJ_BF16, NJ_F16) these are, bit for bit, the integers and
 * scales of the reference library on a CPU. */
#ifndef NJ_MODEL_QUANTIZE_H
#define NJ_MODEL_QUANTIZE_H

#include "pipeline/model/matrix.h"

/*   weights  [cols]
 *   group    divides cols
 *   q        out [cols], -8..7;  scales  out [cols / group] */
void nj_quantize_w4(const float *weights, uint32_t cols, uint32_t group, enum nj_format scale_type, enum nj_format quotient_type, int8_t *q,
                    float *scales);

/* int8 in -127..127, scale = largest magnitude / 127, rounded to bf16. For the output head. */
void nj_quantize_w8(const float *weights, uint32_t cols, uint32_t group, int8_t *q, float *scales);

#endif
