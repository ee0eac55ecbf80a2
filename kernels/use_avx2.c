/* The forms of AVX2, as they enter the table. */
#include "kernels/forms_avx2.h"

void nj_use_avx2(struct nj_kernels *k)
{
    NJ_USE(k, a16_quantize, nj_a16_quantize_avx2);
    NJ_USE(k, a8_quantize, nj_a8_quantize_avx2);
    NJ_USE(k, a16_rows_quantize, nj_a16_rows_quantize_avx2);
    NJ_USE(k, w4a16_gemm, nj_w4a16_gemm_16x6_avx2);
    NJ_USE(k, w4a16_gelu_up, nj_w4a16_gelu_up_16x6_avx2);
    k->tile16 = 6;
}
