/* forms_neon.h: inside kernels/ only: what the files of NEON forms know of each other. */
#ifndef NJ_KERNELS_FORMS_NEON_H
#define NJ_KERNELS_FORMS_NEON_H

#include "kernels/forms.h"

#include <arm_neon.h>

nj_quantize_fn       nj_a16_quantize_neon, nj_a14_quantize_neon, nj_a8_quantize_neon, nj_a16_rows_quantize_neon;
nj_quantize_fn       nj_a16_planes_quantize_neon, nj_a14_planes_quantize_neon, nj_a16_row_planes_quantize_neon;
nj_w4_gemm_fn        nj_w4a16_gemm_8x8_neon, nj_w4a8_gemm_8x4_neon;
nj_w4_gelu_up_fn     nj_w4a16_gelu_up_8x8_neon, nj_w4a8_gelu_up_8x4_neon;
nj_plain_gemm_fn     nj_w12a14_gemm_8x8_neon;
nj_i8_rows_fn        nj_w8a16_rows_1x1_neon;
nj_rows_fn           nj_f32_rows_4x4_neon, nj_f16_rows_4x4_neon, nj_bf16_rows_4x4_neon;
nj_kv_write_fn       nj_kv_write_neon;
nj_attention_fn      nj_attention_5x16_neon;
nj_patches_open_fn   nj_patches_open_neon;
nj_patches_attend_fn nj_patches_attend_neon;
nj_rms_norm_fn       nj_rms_norm_neon;
nj_rope_fn           nj_rope_neon;
nj_gelu_fn           nj_gelu_neon;
nj_gelu_mul_fn       nj_gelu_mul_neon;
nj_add_scale_fn      nj_add_scale_neon;
nj_clamp_fn          nj_clamp_neon;
nj_softcap_fn        nj_softcap_neon;
nj_softmax_fn        nj_softmax_neon;
nj_peak_fn           nj_peak_int16_neon, nj_peak_int8_neon, nj_peak_f32_neon;
nj_read_fn           nj_read_memory_neon;

/* The dotprod and i8mm forms. */
nj_w4_gemm_fn    nj_w4a16_gemm_8x4_dotprod, nj_w4a8_gemm_8x8_dotprod;
nj_w4_gelu_up_fn nj_w4a16_gelu_up_8x4_dotprod, nj_w4a8_gelu_up_8x8_dotprod;
nj_plain_gemm_fn nj_w12a14_gemm_4x4_dotprod, nj_w7a8_gemm_8x8_dotprod;
nj_i8_rows_fn    nj_w8a16_rows_4x1_dotprod;
nj_peak_fn       nj_peak_int16_dotprod, nj_peak_int8_dotprod;
nj_w4_gemm_fn    nj_w4a16_gemm_8x4_i8mm, nj_w4a8_gemm_8x8_i8mm;
nj_w4_gelu_up_fn nj_w4a16_gelu_up_8x4_i8mm, nj_w4a8_gelu_up_8x8_i8mm;
nj_plain_gemm_fn nj_w12a14_gemm_4x4_i8mm, nj_w7a8_gemm_8x8_i8mm;
nj_peak_fn       nj_peak_int16_i8mm, nj_peak_int8_i8mm;

/* Parts of GEMM forms (gemm.h). Flush: sums[0..3], or [0..7], += (integer sums) * weight scales * activation scale. */
static inline void nj_flush4_neon(int32x4_t sum, const float *w_scale, float a_scale, bool fresh, float *sums)
{
    float32x4_t old = fresh ? vdupq_n_f32(0) : vld1q_f32(sums);
    vst1q_f32(sums, vfmaq_f32(old, vcvtq_f32_s32(sum), vmulq_n_f32(vld1q_f32(w_scale), a_scale)));
}
static inline void nj_flush_neon(int32x4_t sum0, int32x4_t sum1, const float *w_scale, float a_scale, bool fresh, float *sums)
{
    nj_flush4_neon(sum0, w_scale, a_scale, fresh, sums);
    nj_flush4_neon(sum1, w_scale + 4, a_scale, fresh, sums + 4);
}
/* The product of what lies in two planes each, 128 h + l, from its parts. */
static inline int32x4_t nj_product12_neon(int32x4_t hh, int32x4_t mixed, int32x4_t ll)
{
    return vaddq_s32(vshlq_n_s32(vaddq_s32(vshlq_n_s32(hh, 7), mixed), 7), ll);
}

/* nj_open_group, for all NEON forms of plain matrices; 12-bit integers as their two planes. */
float nj_open_group_neon(const struct nj_plain *w, uint32_t row, uint32_t first, uint32_t group, int32_t limit, int16_t *q);
struct nj_planes {
    int8x8_t high, low;
};
static inline struct nj_planes nj_planes_neon(int16x8_t q)
{
    int16x8_t high = vrshrq_n_s16(q, 7);
    return (struct nj_planes){vmovn_s16(high), vmovn_s16(vsubq_s16(q, vshlq_n_s16(high, 7)))};
}

void nj_open_bytes_neon(const uint8_t *blocks, uint32_t cols, void *opened);
struct nj_direct;
void nj_direct16_dotprod(const struct nj_direct *job);
void nj_direct8_dotprod(const struct nj_direct *job);
void nj_store_neon(const float *sums, uint32_t rows, float *out);
void nj_store_gelu_up_neon(const float *gate, const float *up, uint32_t rows, float *out);

#endif
