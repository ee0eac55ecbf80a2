/* forms_avx2.h: inside kernels/ only: what the files of AVX2 forms know of each other. */
#ifndef NJ_KERNELS_FORMS_AVX2_H
#define NJ_KERNELS_FORMS_AVX2_H

#include "kernels/forms.h"

nj_quantize_fn       nj_a16_quantize_avx2, nj_a14_quantize_avx2, nj_a8_quantize_avx2, nj_a16_rows_quantize_avx2;
nj_w4_gemm_fn        nj_w4a16_gemm_32x3_avx2;
nj_w4_gelu_up_fn     nj_w4a16_gelu_up_32x3_avx2;
nj_w4_gemm_fn        nj_w4a8_gemm_16x4_avx2;
nj_w4_gelu_up_fn     nj_w4a8_gelu_up_16x4_avx2;
nj_plain_gemm_fn     nj_w12a14_gemm_32x3_avx2, nj_w7a8_gemm_16x4_avx2;
nj_i8_rows_fn        nj_w8a16_rows_4x3_avx2;
nj_rows_fn           nj_f32_rows_4x3_avx2, nj_f16_rows_4x3_avx2, nj_bf16_rows_4x3_avx2;
nj_kv_write_fn       nj_kv_write_avx2;
nj_attention_fn      nj_attention_6x16_avx2;
nj_patches_open_fn   nj_patches_open_avx2;
nj_patches_attend_fn nj_patches_attend_avx2;
nj_rms_norm_fn       nj_rms_norm_avx2;
nj_rope_fn           nj_rope_avx2;
nj_gelu_fn           nj_gelu_avx2;
nj_gelu_mul_fn       nj_gelu_mul_avx2;
nj_add_scale_fn      nj_add_scale_avx2;
nj_clamp_fn          nj_clamp_avx2;
nj_softcap_fn        nj_softcap_avx2;
nj_softmax_fn        nj_softmax_avx2;
nj_peak_fn           nj_peak_int16_avx2, nj_peak_int8_avx2, nj_peak_f32_avx2;
nj_read_fn           nj_read_memory_avx2;

/* Parts of GEMM forms (gemm.h) that the 8-bit forms share. */
struct nj_direct;
/* The 16 weight scales of a stream in activation group g. */
void nj_direct_scales_avx2(const struct nj_direct *job, uint32_t stream, uint32_t g, float *out);
void nj_store_avx2(const float *sums, uint32_t rows, float *out);
void nj_store_gelu_up_avx2(const float *gate, const float *up, uint32_t rows, float *out);
void nj_open_plain_avx2(const struct nj_plain *w, const struct nj_act *a, uint32_t panel, uint32_t chunk, void *opened, float *scales);
void nj_open_plain_bytes_avx2(const struct nj_plain *w, const struct nj_act *a, uint32_t panel, uint32_t chunk, void *opened,
                              float *scales);

#endif
