/* The forms of AVX-512 with VNNI, as they enter the table. */
#include "kernels/forms_avx512.h"

void nj_use_avx512vnni(struct nj_kernels *k)
{
    NJ_USE(k, w4a16_gemm, nj_w4a16_gemm_32x12_avx512vnni);
    NJ_USE(k, w4a16_gelu_up, nj_w4a16_gelu_up_32x12_avx512vnni);
    NJ_USE(k, w4a8_gemm, nj_w4a8_gemm_32x12_avx512vnni);
    NJ_USE(k, w4a8_gelu_up, nj_w4a8_gelu_up_32x12_avx512vnni);
    NJ_USE(k, w12a14_gemm, nj_w12a14_gemm_32x12_avx512vnni);
    NJ_USE(k, w7a8_gemm, nj_w7a8_gemm_32x12_avx512vnni);
    NJ_USE(k, patches_open, nj_patches_open_avx512vnni);
    NJ_USE(k, patches_attend, nj_patches_attend_avx512vnni);
    NJ_USE(k, peak_int16, nj_peak_int16_avx512vnni);
    NJ_USE(k, peak_int8, nj_peak_int8_avx512vnni);
    k->tile8        = 12;
    k->narrow_plain = true;
}
