/* The forms of NEON with SMMLA, as they enter the table. They take the same activations as those with SDOT. */
#include "kernels/forms_neon.h"

void nj_use_i8mm(struct nj_kernels *k)
{
    NJ_USE(k, w4a16_gemm, nj_w4a16_gemm_8x4_i8mm);
    NJ_USE(k, w4a16_gelu_up, nj_w4a16_gelu_up_8x4_i8mm);
    NJ_USE(k, w4a8_gemm, nj_w4a8_gemm_8x8_i8mm);
    NJ_USE(k, w4a8_gelu_up, nj_w4a8_gelu_up_8x8_i8mm);
    NJ_USE(k, w12a14_gemm, nj_w12a14_gemm_4x4_i8mm);
    NJ_USE(k, w7a8_gemm, nj_w7a8_gemm_8x8_i8mm);
    NJ_USE(k, peak_int16, nj_peak_int16_i8mm);
    NJ_USE(k, peak_int8, nj_peak_int8_i8mm);
}
