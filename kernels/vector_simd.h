/* vector_simd.h: norms, rope and activations for vectors of any width (simd.h). */
#include <math.h>

nj_rms_norm_fn  NJ_FORM(rms_norm);
nj_rope_fn      NJ_FORM(rope);
nj_gelu_fn      NJ_FORM(gelu);
nj_gelu_mul_fn  NJ_FORM(gelu_mul);
nj_add_scale_fn NJ_FORM(add_scale);
nj_clamp_fn     NJ_FORM(clamp);
nj_softcap_fn   NJ_FORM(softcap);
nj_softmax_fn   NJ_FORM(softmax);

void NJ_FORM(rms_norm)(const float *x, const float *weight, size_t n, float eps, float *out)
{
    nj_v   sum[4] = {nj_v_set(0), nj_v_set(0), nj_v_set(0), nj_v_set(0)};
    size_t i      = 0;
    for (; i + 4 * NJ_LANES <= n; i += 4 * NJ_LANES) {
        NJ_UNROLL
        for (size_t j = 0; j < 4; j++) {
            nj_v v = nj_v_load(x + i + j * NJ_LANES);
            sum[j] = nj_v_fma(v, v, sum[j]);
        }
    }
    for (; i < n; i += NJ_LANES) {
        nj_v v = nj_v_load_some(x + i, n - i);
        sum[0] = nj_v_fma(v, v, sum[0]);
    }
    float total  = nj_v_sum(nj_v_add(nj_v_add(sum[0], sum[1]), nj_v_add(sum[2], sum[3])));
    nj_v  factor = nj_v_set(1 / sqrtf(total / (float)n + eps));
    for (i = 0; i < n; i += NJ_LANES) {
        nj_v v = nj_v_mul(nj_v_load_some(x + i, n - i), factor);
        nj_v_store_some(out + i, n - i, weight ? nj_v_mul(v, nj_v_load_some(weight + i, n - i)) : v);
    }
}

void NJ_FORM(rope)(float *x, const float *cosine, const float *sine, size_t half, size_t count)
{
    for (size_t i = 0; i < count; i += NJ_LANES) {
        size_t left = count - i;
        nj_v   a = nj_v_load_some(x + i, left), b = nj_v_load_some(x + half + i, left);
        nj_v   c = nj_v_load_some(cosine + i, left), s = nj_v_load_some(sine + i, left);
        nj_v_store_some(x + i, left, nj_v_sub(nj_v_mul(a, c), nj_v_mul(b, s)));
        nj_v_store_some(x + half + i, left, nj_v_add(nj_v_mul(b, c), nj_v_mul(a, s)));
    }
}

void NJ_FORM(gelu)(const float *x, size_t n, float *out)
{
    for (size_t i = 0; i < n; i += NJ_LANES)
        nj_v_store_some(out + i, n - i, nj_v_gelu(nj_v_load_some(x + i, n - i)));
}

void NJ_FORM(gelu_mul)(const float *gate, const float *up, size_t n, float *out)
{
    for (size_t i = 0; i < n; i += NJ_LANES)
        nj_v_store_some(out + i, n - i, nj_v_mul(nj_v_gelu(nj_v_load_some(gate + i, n - i)), nj_v_load_some(up + i, n - i)));
}

void NJ_FORM(add_scale)(const float *x, const float *y, size_t n, float scale, float *out)
{
    for (size_t i = 0; i < n; i += NJ_LANES)
        nj_v_store_some(out + i, n - i, nj_v_mul(nj_v_add(nj_v_load_some(x + i, n - i), nj_v_load_some(y + i, n - i)), nj_v_set(scale)));
}

void NJ_FORM(clamp)(const float *x, size_t n, float low, float high, float *out)
{
    for (size_t i = 0; i < n; i += NJ_LANES)
        nj_v_store_some(out + i, n - i, nj_v_min(nj_v_max(nj_v_load_some(x + i, n - i), nj_v_set(low)), nj_v_set(high)));
}

/* tanh u = 1 - 2 / (exp(2u) + 1); for small u, where this cancels, the first terms of the series. */
void NJ_FORM(softcap)(const float *x, size_t n, float cap, float *out)
{
    for (size_t i = 0; i < n; i += NJ_LANES) {
        nj_v u     = nj_v_div(nj_v_load_some(x + i, n - i), nj_v_set(cap));
        nj_v e     = nj_v_exp2(nj_v_mul(u, nj_v_set(2 * NJ_LOG2_E)));
        nj_v large = nj_v_sub(nj_v_set(1), nj_v_div(nj_v_set(2), nj_v_add(e, nj_v_set(1))));
        nj_v s     = nj_v_mul(u, u);
        nj_v small = nj_v_fma(s, nj_v_set(2.0f / 15), nj_v_set(-1.0f / 3));
        small      = nj_v_fma(nj_v_mul(small, s), u, u);
        nj_v_store_some(out + i, n - i, nj_v_mul(nj_v_if_less(nj_v_abs(u), nj_v_set(0.0625f), small, large), nj_v_set(cap)));
    }
}

float NJ_FORM(softmax)(const float *x, size_t n, float *out)
{
    nj_v   most = nj_v_set(x[0]), sum = nj_v_set(0);
    size_t i = 0;
    for (; i + NJ_LANES <= n; i += NJ_LANES)
        most = nj_v_max(most, nj_v_load(x + i));
    if (i < n)
        most = nj_v_max(most, nj_v_part(nj_v_load_part(x + i, n - i), most, n - i));
    most = nj_v_set(nj_v_most(most));
    for (i = 0; i < n; i += NJ_LANES) {
        nj_v e = nj_v_exp(nj_v_sub(nj_v_load_some(x + i, n - i), most));
        nj_v_store_some(out + i, n - i, e);
        sum = nj_v_add(sum, n - i < NJ_LANES ? nj_v_part(e, nj_v_set(0), n - i) : e);
    }
    return nj_v_sum(sum);
}
