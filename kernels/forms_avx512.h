/* forms_avx512.h: inside kernels/ only: what the files of AVX-512 forms know of each other. */
#ifndef NJ_KERNELS_FORMS_AVX512_H
#define NJ_KERNELS_FORMS_AVX512_H

#include "kernels/forms_avx2.h"

nj_w4_gemm_fn        nj_w4a16_gemm_32x12_avx512, nj_w4a8_gemm_32x6_avx512;
nj_w4_gelu_up_fn     nj_w4a16_gelu_up_32x12_avx512, nj_w4a8_gelu_up_32x6_avx512;
nj_plain_gemm_fn     nj_w12a14_gemm_32x12_avx512;
nj_i8_rows_fn        nj_w8a16_rows_4x1_avx512;
nj_rows_fn           nj_f32_rows_4x6_avx512, nj_f16_rows_4x6_avx512, nj_bf16_rows_4x6_avx512;
nj_kv_write_fn       nj_kv_write_avx512;
nj_attention_fn      nj_attention_12x32_avx512;
nj_patches_open_fn   nj_patches_open_avx512;
nj_patches_attend_fn nj_patches_attend_avx512;
nj_rms_norm_fn       nj_rms_norm_avx512;
nj_rope_fn           nj_rope_avx512;
nj_gelu_fn           nj_gelu_avx512;
nj_gelu_mul_fn       nj_gelu_mul_avx512;
nj_add_scale_fn      nj_add_scale_avx512;
nj_clamp_fn          nj_clamp_avx512;
nj_softcap_fn        nj_softcap_avx512;
nj_softmax_fn        nj_softmax_avx512;
nj_peak_fn           nj_peak_int16_avx512, nj_peak_int8_avx512, nj_peak_f32_avx512;

/* With VNNI. */
nj_w4_gemm_fn        nj_w4a16_gemm_32x12_avx512vnni, nj_w4a8_gemm_32x12_avx512vnni;
nj_w4_gelu_up_fn     nj_w4a16_gelu_up_32x12_avx512vnni, nj_w4a8_gelu_up_32x12_avx512vnni;
nj_plain_gemm_fn     nj_w12a14_gemm_32x12_avx512vnni, nj_w7a8_gemm_32x12_avx512vnni;
nj_patches_open_fn   nj_patches_open_avx512vnni;
nj_patches_attend_fn nj_patches_attend_avx512vnni;
nj_peak_fn           nj_peak_int16_avx512vnni, nj_peak_int8_avx512vnni;

/* Parts of GEMM forms (gemm.h). */
void nj_store_avx512(const float *sums, uint32_t rows, float *out);
void nj_store_gelu_up_avx512(const float *gate, const float *up, uint32_t rows, float *out);

#endif
