/* The forms of AVX-512 without VNNI, as they enter the table. Quantisers stay those of AVX2, which write the same order. */
#include "kernels/forms_avx512.h"
#include "kernels/forms_c.h"

void nj_use_avx512(struct nj_kernels *k)
{
    NJ_USE(k, w4a16_gemm, nj_w4a16_gemm_32x12_avx512);
    NJ_USE(k, w4a16_gelu_up, nj_w4a16_gelu_up_32x12_avx512);
    NJ_USE(k, w4a8_gemm, nj_w4a8_gemm_32x6_avx512);
    NJ_USE(k, w4a8_gelu_up, nj_w4a8_gelu_up_32x6_avx512);
    NJ_USE(k, w12a14_gemm, nj_w12a14_gemm_32x12_avx512);
    NJ_USE(k, w7a8_gemm, nj_w7a8_gemm_c); /* no form of its own: w12a14 is used instead */
    NJ_USE(k, w8a16_rows, nj_w8a16_rows_4x1_avx512);
    NJ_USE(k, f32_rows, nj_f32_rows_4x6_avx512);
    NJ_USE(k, f16_rows, nj_f16_rows_4x6_avx512);
    NJ_USE(k, bf16_rows, nj_bf16_rows_4x6_avx512);
    NJ_USE(k, kv_write, nj_kv_write_avx512);
    NJ_USE(k, attention, nj_attention_12x32_avx512);
    NJ_USE(k, patches_open, nj_patches_open_avx512);
    NJ_USE(k, patches_attend, nj_patches_attend_avx512);
    NJ_USE(k, rms_norm, nj_rms_norm_avx512);
    NJ_USE(k, rope, nj_rope_avx512);
    NJ_USE(k, gelu, nj_gelu_avx512);
    NJ_USE(k, gelu_mul, nj_gelu_mul_avx512);
    NJ_USE(k, add_scale, nj_add_scale_avx512);
    NJ_USE(k, clamp, nj_clamp_avx512);
    NJ_USE(k, softcap, nj_softcap_avx512);
    NJ_USE(k, softmax, nj_softmax_avx512);
    NJ_USE(k, peak_int16, nj_peak_int16_avx512);
    NJ_USE(k, peak_int8, nj_peak_int8_avx512);
    NJ_USE(k, peak_f32, nj_peak_f32_avx512);
    k->tile16       = 12;
    k->tile8        = 6;
    k->narrow_plain = false;
}
