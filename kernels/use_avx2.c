/* The forms of AVX2, as they enter the table. */
#include "kernels/forms_avx2.h"

void nj_use_avx2(struct nj_kernels *k)
{
    NJ_USE(k, a16_quantize, nj_a16_quantize_avx2);
    NJ_USE(k, a14_quantize, nj_a14_quantize_avx2);
    NJ_USE(k, a8_quantize, nj_a8_quantize_avx2);
    NJ_USE(k, a16_rows_quantize, nj_a16_rows_quantize_avx2);
    NJ_USE(k, w4a16_gemm, nj_w4a16_gemm_32x3_avx2);
    NJ_USE(k, w4a16_gelu_up, nj_w4a16_gelu_up_32x3_avx2);
    NJ_USE(k, w4a8_gemm, nj_w4a8_gemm_16x4_avx2);
    NJ_USE(k, w4a8_gelu_up, nj_w4a8_gelu_up_16x4_avx2);
    NJ_USE(k, w12a14_gemm, nj_w12a14_gemm_32x3_avx2);
    NJ_USE(k, w7a8_gemm, nj_w7a8_gemm_16x4_avx2);
    NJ_USE(k, w8a16_rows, nj_w8a16_rows_4x3_avx2);
    NJ_USE(k, f32_rows, nj_f32_rows_4x3_avx2);
    NJ_USE(k, f16_rows, nj_f16_rows_4x3_avx2);
    NJ_USE(k, bf16_rows, nj_bf16_rows_4x3_avx2);
    NJ_USE(k, kv_write, nj_kv_write_avx2);
    NJ_USE(k, attention, nj_attention_6x16_avx2);
    NJ_USE(k, patches_open, nj_patches_open_avx2);
    NJ_USE(k, patches_attend, nj_patches_attend_avx2);
    NJ_USE(k, rms_norm, nj_rms_norm_avx2);
    NJ_USE(k, rope, nj_rope_avx2);
    NJ_USE(k, gelu, nj_gelu_avx2);
    NJ_USE(k, gelu_mul, nj_gelu_mul_avx2);
    NJ_USE(k, add_scale, nj_add_scale_avx2);
    NJ_USE(k, clamp, nj_clamp_avx2);
    NJ_USE(k, softcap, nj_softcap_avx2);
    NJ_USE(k, softmax, nj_softmax_avx2);
    NJ_USE(k, peak_int16, nj_peak_int16_avx2);
    NJ_USE(k, peak_int8, nj_peak_int8_avx2);
    NJ_USE(k, peak_f32, nj_peak_f32_avx2);
    NJ_USE(k, read_memory, nj_read_memory_avx2);
    k->tile16       = 6;
    k->narrow_plain = true;
}
