/* simd_neon.h: inside kernels/ only: vectors of four floats, in the words that the forms written once for all widths use (simd.h). */
#ifndef NJ_KERNELS_SIMD_NEON_H
#define NJ_KERNELS_SIMD_NEON_H

#include "kernels/forms.h"

#include <arm_neon.h>

#define NJ_LANES 4
#define NJ_ISA   neon

typedef float32x4_t nj_v;
typedef float       nj_s; /* one number, ready to be multiplied with a vector */

static inline nj_v nj_v_set(float x)
{
    return vdupq_n_f32(x);
}

static inline nj_v nj_v_load(const float *x)
{
    return vld1q_f32(x);
}

static inline void nj_v_store(float *x, nj_v v)
{
    vst1q_f32(x, v);
}

/* The first `left` numbers, with zeros behind. */
static inline nj_v nj_v_load_part(const float *x, size_t left)
{
    float part[4] = {0, 0, 0, 0};
    for (size_t i = 0; i < left; i++)
        part[i] = x[i];
    return vld1q_f32(part);
}

static inline void nj_v_store_part(float *x, size_t left, nj_v v)
{
    float part[4];
    vst1q_f32(part, v);
    for (size_t i = 0; i < left; i++)
        x[i] = part[i];
}

/* a in the first `left` lanes, b behind. */
static inline nj_v nj_v_part(nj_v a, nj_v b, size_t left)
{
    static const uint32_t lanes[4] = {0, 1, 2, 3};
    return vbslq_f32(vcltq_u32(vld1q_u32(lanes), vdupq_n_u32((uint32_t)left)), a, b);
}

static inline nj_v nj_v_load_number(const void *x, enum nj_number format, size_t at)
{
    if (format == NJ_NUMBER_F32)
        return vld1q_f32((const float *)x + at);
    uint16x4_t bits = vld1_u16((const uint16_t *)x + at);
    if (format == NJ_NUMBER_F16)
        return vcvt_f32_f16(vreinterpret_f16_u16(bits));
    return vreinterpretq_f32_u32(vshll_n_u16(bits, 16));
}

static inline void nj_v_store_f16(uint16_t *x, nj_v v)
{
    vst1_u16(x, vreinterpret_u16_f16(vcvt_f16_f32(v)));
}

static inline nj_v nj_v_add(nj_v a, nj_v b)
{
    return vaddq_f32(a, b);
}

static inline nj_v nj_v_sub(nj_v a, nj_v b)
{
    return vsubq_f32(a, b);
}

static inline nj_v nj_v_mul(nj_v a, nj_v b)
{
    return vmulq_f32(a, b);
}

static inline nj_v nj_v_div(nj_v a, nj_v b)
{
    return vdivq_f32(a, b);
}

static inline nj_v nj_v_min(nj_v a, nj_v b)
{
    return vminq_f32(a, b);
}

static inline nj_v nj_v_max(nj_v a, nj_v b)
{
    return vmaxq_f32(a, b);
}

/* a * b + c, rounded once */
static inline nj_v nj_v_fma(nj_v a, nj_v b, nj_v c)
{
    return vfmaq_f32(c, a, b);
}

static inline nj_s nj_s_load(const float *x)
{
    return *x;
}

static inline nj_v nj_v_fma_s(nj_v a, nj_s b, nj_v c)
{
    return vfmaq_n_f32(c, a, b);
}

static inline nj_v nj_v_round(nj_v v)
{
    return vrndnq_f32(v);
}

/* v * 2^n for whole n that keep the result normal */
static inline nj_v nj_v_scale(nj_v v, nj_v n)
{
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(v), vshlq_n_s32(vcvtq_s32_f32(n), 23)));
}

/* x < limit ? a : b, by lanes */
static inline nj_v nj_v_if_less(nj_v x, nj_v limit, nj_v a, nj_v b)
{
    return vbslq_f32(vcltq_f32(x, limit), a, b);
}

static inline nj_v nj_v_abs(nj_v v)
{
    return vabsq_f32(v);
}

static inline float nj_v_sum(nj_v v)
{
    return vaddvq_f32(v);
}

static inline float nj_v_most(nj_v v)
{
    return vmaxvq_f32(v);
}

static inline void nj_v_prefetch(const void *at)
{
    __builtin_prefetch(at);
}

#endif
