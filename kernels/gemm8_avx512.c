/* int4 weights x 8-bit activations in 512-bit vectors without VNNI: vpmaddubsw, eight sums in int16 (2 * 15 * 127 * 8 < 2^15), then widened. */
#include "kernels/forms_avx512.h"
#include "kernels/gemm.h"
#include "kernels/simd_avx512.h"

#include "kernels/simd.h"

#define NJ_VNNI 0
#include "kernels/gemm_avx512.h"

NJ_INLINE void products8(__m512i *sum0, __m512i *sum1, __m512i w0, __m512i w1, __m512i a)
{
#ifdef NJ_EMULATE_AVX512
    *sum0 = _mm512_add_epi16(*sum0, _mm512_maddubs_epi16(w0, a));
    *sum1 = _mm512_add_epi16(*sum1, _mm512_maddubs_epi16(w1, a));
#else
    __m512i first;
    __asm__("vpmaddubsw %[a], %[v0], %[t]\n\tvpmaddubsw %[a], %[v1], %[a]\n\tvpaddw %[t], %[s0], %[s0]\n\tvpaddw %[a], %[s1], %[s1]"
            : [s0] "+v"(*sum0), [s1] "+v"(*sum1), [a] "+v"(a), [t] "=&v"(first)
            : [v0] "v"(w0), [v1] "v"(w1));
#endif
}

NJ_INLINE __m512i widen(__m512i sums, __m512i total)
{
    return _mm512_add_epi32(total, _mm512_madd_epi16(sums, _mm512_set1_epi16(1)));
}

NJ_INLINE void tile8_n(const int n, const int panels, const struct nj_tile *tile)
{
    const uint32_t steps = tile->group / 4;
    for (uint32_t g = 0; g < tile->groups; g++) {
        const __m512i *w     = (const __m512i *)(const void *)tile->opened + g * steps;
        const int32_t *words = (const int32_t *)(const void *)tile->words + (size_t)g * steps * (size_t)n;
        const int32_t *start = tile->start + g * tile->tokens;
        __m512i        total[6][2];
        NJ_UNROLL
        for (int t = 0; t < n; t++)
            total[t][0] = total[t][1] = _mm512_set1_epi32(start[t]);
        for (uint32_t s = 0; s < steps; s += 8) {
            __m512i sum[6][2];
            NJ_UNROLL
            for (int t = 0; t < n; t++)
                sum[t][0] = sum[t][1] = _mm512_setzero_si512();
            for (uint32_t i = 0; i < 8; i++, w++, words += n) {
                __m512i w0 = _mm512_load_si512(w), w1 = panels == 2 ? _mm512_load_si512(w + NJ_OPENED_BYTES / 64) : w0;
                NJ_UNROLL
                for (int t = 0; t < n; t++) {
                    __m512i a = _mm512_set1_epi32(words[t]);
                    if (panels == 2)
                        products8(&sum[t][0], &sum[t][1], w0, w1, a);
                    else
                        sum[t][0] = _mm512_add_epi16(sum[t][0], _mm512_maddubs_epi16(w0, a));
                }
            }
            NJ_UNROLL
            for (int t = 0; t < n; t++) {
                NJ_UNROLL
                for (int p = 0; p < panels; p++)
                    total[t][p] = widen(sum[t][p], total[t][p]);
            }
        }
        NJ_UNROLL
        for (int p = 0; p < panels; p++) {
            __m512 scale = _mm512_loadu_ps(tile->w_scale + ((size_t)p * tile->groups + g) * 16);
            NJ_UNROLL
            for (int t = 0; t < n; t++)
                flush(total[t][p], scale, tile->a_scale[g * tile->tokens + (uint32_t)t], tile->fresh && g == 0,
                      tile->sums + (2 * t + p) * 16);
        }
    }
}

static void tile8_32x6(const struct nj_tile *tile)
{
    switch (tile->width) {
        NJ_TILE_CASES_6(tile8_n)
    }
}

NJ_INLINE void direct8_n(const int n, const struct nj_direct *job)
{
    const struct nj_act *a = job->act;
    for (uint32_t g = 0; g < a->padded / a->group; g++)
        for (uint32_t s = 0; s < job->streams; s++) {
            const uint8_t *w     = job->blocks[s] + (size_t)g * a->group * 8;
            const int32_t *words = (const int32_t *)(const void *)(a->values + (size_t)g * a->group * (size_t)n);
            __m512i        total[8];
            NJ_UNROLL
            for (int t = 0; t < n; t++)
                total[t] = _mm512_set1_epi32(a->start[g * a->tokens + (uint32_t)t]);
            for (uint32_t c = 0; c < a->group; c += 32) {
                __m512i sum[8];
                NJ_UNROLL
                for (int t = 0; t < n; t++)
                    sum[t] = _mm512_setzero_si512();
                NJ_UNROLL
                for (int j = 0; j < 4; j++, w += 64) {
                    __m512i v = _mm512_load_si512(w);
                    _mm_prefetch((const char *)w + 4096, _MM_HINT_T0);
                    NJ_UNROLL
                    for (int i = 0; i < 2; i++, words += n) {
                        __m512i step = step_of(8, v, i);
                        NJ_UNROLL
                        for (int t = 0; t < n; t++)
                            sum[t] = _mm512_add_epi16(sum[t], _mm512_maddubs_epi16(step, _mm512_set1_epi32(words[t])));
                    }
                }
                NJ_UNROLL
                for (int t = 0; t < n; t++)
                    total[t] = widen(sum[t], total[t]);
            }
            __m512 scale = direct_scale(job, s, g);
            NJ_UNROLL
            for (int t = 0; t < n; t++)
                flush(total[t], scale, a->scale[g * a->tokens + (uint32_t)t], g == 0, job->sums + ((size_t)s * (size_t)n + (size_t)t) * 16);
        }
}

static void direct8(const struct nj_direct *job)
{
    switch (job->act->tokens) {
        NJ_DIRECT_CASES_8(direct8_n)
    }
}

static void open8(const uint8_t *blocks, uint32_t cols, void *opened)
{
    open_steps(8, blocks, cols, opened);
}

static const struct nj_gemm_form form8 = {open8, tile8_32x6, direct8, nj_store_avx512, nj_store_gelu_up_avx512, 8};

void nj_w4a8_gemm_32x6_avx512(const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                              void *scratch)
{
    nj_gemm_run(&form8, w, a, first, panels, out, stride, scratch);
}

void nj_w4a8_gelu_up_32x6_avx512(const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a, uint32_t first, uint32_t panels,
                                 float *out, size_t stride, void *scratch)
{
    nj_gemm_run_gelu_up(&form8, gate, up, a, first, panels, out, stride, scratch);
}
