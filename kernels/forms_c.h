/* forms_c.h: inside kernels/ and its test only: the plain-C forms. They take activations in any order, so each is the definition for all instruction sets. */
#ifndef NJ_KERNELS_FORMS_C_H
#define NJ_KERNELS_FORMS_C_H

#include "kernels/kernels.h"

nj_quantize_fn       nj_quantize_c, nj_a14_quantize_c;
nj_plain_gemm_fn     nj_w12a14_gemm_c, nj_w7a8_gemm_c;
nj_w4_gemm_fn        nj_w4_gemm_c;
nj_w4_gelu_up_fn     nj_w4_gelu_up_c;
nj_i8_rows_fn        nj_w8a16_rows_c;
nj_rows_fn           nj_f32_rows_c, nj_f16_rows_c, nj_bf16_rows_c;
nj_kv_write_fn       nj_kv_write_c;
nj_attention_fn      nj_attention_c;
nj_patches_open_fn   nj_patches_open_c;
nj_patches_attend_fn nj_patches_attend_c;
nj_rms_norm_fn       nj_rms_norm_c;
nj_rope_fn           nj_rope_c;
nj_gelu_fn           nj_gelu_c;
nj_gelu_mul_fn       nj_gelu_mul_c;
nj_add_scale_fn      nj_add_scale_c;
nj_clamp_fn          nj_clamp_c;
nj_softcap_fn        nj_softcap_c;
nj_softmax_fn        nj_softmax_c;
nj_peak_fn           nj_peak_int16_c, nj_peak_int8_c, nj_peak_f32_c;
nj_read_fn           nj_read_memory_c;

#endif
