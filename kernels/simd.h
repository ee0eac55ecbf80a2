/* simd.h: inside kernels/ only: what is written once for vectors of any width. Include a simd_ISA.h first; it says what nj_v and its words are.
 *
 * The files *_simd.h are templates of whole forms: a file NAME_ISA.c includes simd_ISA.h and then one of them. */
#ifndef NJ_KERNELS_SIMD_H
#define NJ_KERNELS_SIMD_H

#define NJ_INLINE           static inline __attribute__((always_inline))
#define NJ_JOIN2(name, isa) nj_##name##_##isa
#define NJ_JOIN(name, isa)  NJ_JOIN2(name, isa)
#define NJ_FORM(name)       NJ_JOIN(name, NJ_ISA)

#define NJ_LOG2_E 1.44269504f

/* A whole vector, or the last few numbers with zeros behind. */
NJ_INLINE nj_v nj_v_load_some(const float *x, size_t left)
{
    return left >= NJ_LANES ? nj_v_load(x) : nj_v_load_part(x, left);
}

NJ_INLINE void nj_v_store_some(float *x, size_t left, nj_v v)
{
    if (left >= NJ_LANES)
        nj_v_store(x, v);
    else
        nj_v_store_part(x, left, v);
}

/* 2^f for |f| <= 1/2 (degree 6, relative error below 2^-23), times 2^n. */
NJ_INLINE nj_v nj_v_exp2_parts(nj_v n, nj_v f)
{
    nj_v sum = nj_v_set(1.5353362e-4f);
    sum      = nj_v_fma(sum, f, nj_v_set(1.3398875e-3f));
    sum      = nj_v_fma(sum, f, nj_v_set(9.6184369e-3f));
    sum      = nj_v_fma(sum, f, nj_v_set(5.5503324e-2f));
    sum      = nj_v_fma(sum, f, nj_v_set(2.4022648e-1f));
    sum      = nj_v_fma(sum, f, nj_v_set(6.9314718e-1f));
    sum      = nj_v_fma(sum, f, nj_v_set(1.0f));
    return nj_v_scale(sum, n);
}

/* 2^x, x held to [-126, 127]. */
NJ_INLINE nj_v nj_v_exp2(nj_v x)
{
    x      = nj_v_min(nj_v_max(x, nj_v_set(-126.0f)), nj_v_set(127.0f));
    nj_v n = nj_v_round(x);
    return nj_v_exp2_parts(n, nj_v_sub(x, n));
}

/* 2^x for x <= 0; 0 below -126, -infinity included. */
NJ_INLINE nj_v nj_v_exp2_or_zero(nj_v x)
{
    nj_v limit = nj_v_set(-126.0f), n = nj_v_round(nj_v_max(x, limit));
    return nj_v_if_less(x, limit, nj_v_set(0), nj_v_exp2_parts(n, nj_v_sub(nj_v_max(x, limit), n)));
}

/* e^x for x <= 0; below -87 it stays at e^-87. The product with log2 e carries its rounding error along, which matters for large |x|. */
NJ_INLINE nj_v nj_v_exp(nj_v x)
{
    x      = nj_v_max(x, nj_v_set(-87.0f));
    nj_v n = nj_v_round(nj_v_mul(x, nj_v_set(NJ_LOG2_E))), f = nj_v_fma(x, nj_v_set(NJ_LOG2_E), nj_v_sub(nj_v_set(0), n));
    return nj_v_exp2_parts(n, nj_v_fma(x, nj_v_set(1.92596299e-8f), f));
}

/* gelu_tanh(x) = x / (1 + exp(-2 u)), u = sqrt(2/pi) (x + 0.044715 x^3) */
NJ_INLINE nj_v nj_v_gelu(nj_v x)
{
    nj_v linear = nj_v_set(-2 * 0.79788456f * NJ_LOG2_E), cubic = nj_v_set(-2 * 0.79788456f * 0.044715f * NJ_LOG2_E);
    nj_v u = nj_v_mul(x, nj_v_fma(nj_v_mul(x, x), cubic, linear));
    return nj_v_div(x, nj_v_add(nj_v_set(1.0f), nj_v_exp2(u)));
}

#endif
