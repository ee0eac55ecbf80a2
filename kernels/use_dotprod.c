/* The forms of NEON with SDOT, as they enter the table. They take 16-bit activations in two planes. */
#include "kernels/forms_neon.h"

void nj_use_dotprod(struct nj_kernels *k)
{
    NJ_USE(k, a16_quantize, nj_a16_planes_quantize_neon);
    NJ_USE(k, a14_quantize, nj_a14_planes_quantize_neon);
    NJ_USE(k, a16_rows_quantize, nj_a16_row_planes_quantize_neon);
    NJ_USE(k, w4a16_gemm, nj_w4a16_gemm_8x4_dotprod);
    NJ_USE(k, w4a16_gelu_up, nj_w4a16_gelu_up_8x4_dotprod);
    NJ_USE(k, w4a8_gemm, nj_w4a8_gemm_8x8_dotprod);
    NJ_USE(k, w4a8_gelu_up, nj_w4a8_gelu_up_8x8_dotprod);
    NJ_USE(k, w12a14_gemm, nj_w12a14_gemm_4x4_dotprod);
    NJ_USE(k, w7a8_gemm, nj_w7a8_gemm_8x8_dotprod);
    NJ_USE(k, w8a16_rows, nj_w8a16_rows_4x1_dotprod);
    NJ_USE(k, peak_int16, nj_peak_int16_dotprod);
    NJ_USE(k, peak_int8, nj_peak_int8_dotprod);
    k->order16       = NJ_ORDER_PLANES;
    k->order14       = NJ_ORDER_PLANES_128;
    k->order_rows    = NJ_ORDER_ROW_PLANES;
    k->tile16        = 4;
    k->tile8         = 8;
    k->narrow_plain  = true;
    k->direct_tokens = 4;
}
