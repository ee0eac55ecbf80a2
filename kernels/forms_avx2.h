/* forms_avx2.h: inside kernels/ only: what the files of AVX2 forms know of each other. */
#ifndef NJ_KERNELS_FORMS_AVX2_H
#define NJ_KERNELS_FORMS_AVX2_H

#include "kernels/forms.h"

nj_quantize_fn   nj_a16_quantize_avx2, nj_a8_quantize_avx2, nj_a16_rows_quantize_avx2;
nj_w4_gemm_fn    nj_w4a16_gemm_16x6_avx2;
nj_w4_gelu_up_fn nj_w4a16_gelu_up_16x6_avx2;

/* Parts of GEMM forms (gemm.h) that the 8-bit forms share. */
void nj_store_avx2(const float *sums, uint32_t rows, float *out);
void nj_store_gelu_up_avx2(const float *gate, const float *up, uint32_t rows, float *out);

#endif
