/* gemm_avx512.h: inside kernels/ only: integer GEMM of 512-bit vectors, written once for processors with and without VNNI. A vector is one step (a pair of
 * int16 columns, or four int8 columns) of 16 rows; opened weights are [step][16 rows] words. The including file defines NJ_VNNI as 0 or 1; without VNNI
 * only the 16-bit half of this serves. */
#ifndef NJ_KERNELS_GEMM_AVX512_H
#define NJ_KERNELS_GEMM_AVX512_H

/* sum += products of one step. One-instruction assembly for VNNI, because gcc 12 surrounds the intrinsics with copies of registers; never the saturating kinds. */
NJ_INLINE void product(const int bits, __m512i *sum, __m512i w, __m512i a)
{
#if !NJ_VNNI
    (void)bits;
    *sum = _mm512_add_epi32(*sum, _mm512_madd_epi16(w, a));
#elif defined(NJ_EMULATE_AVX512)
    *sum = bits == 16 ? _mm512_dpwssd_epi32(*sum, w, a) : _mm512_dpbusd_epi32(*sum, w, a);
#else
    if (bits == 16)
        __asm__("vpdpwssd %2, %1, %0" : "+v"(*sum) : "v"(w), "v"(a));
    else
        __asm__("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(w), "v"(a));
#endif
}

/* The same for two panels. Without VNNI both products go first, then both sums, as on AVX2. */
NJ_INLINE void products(const int bits, __m512i *sum0, __m512i *sum1, __m512i w0, __m512i w1, __m512i a)
{
#if !NJ_VNNI && !defined(NJ_EMULATE_AVX512)
    __m512i first;
    (void)bits;
    __asm__("vpmaddwd %[a], %[v0], %[t]\n\tvpmaddwd %[a], %[v1], %[a]\n\tvpaddd %[t], %[s0], %[s0]\n\tvpaddd %[a], %[s1], %[s1]"
            : [s0] "+v"(*sum0), [s1] "+v"(*sum1), [a] "+v"(a), [t] "=&v"(first)
            : [v0] "v"(w0), [v1] "v"(w1));
#else
    product(bits, sum0, w0, a);
    product(bits, sum1, w1, a);
#endif
}

/* The vectors that lie in one block. 16 bits: the pairs of columns (0,2) (4,6) (1,3) (5,7). 8 bits: columns 0..3, 4..7. */
NJ_INLINE __m512i step_of(const int bits, __m512i v, int which)
{
    if (bits == 8)
        return _mm512_and_si512(which ? _mm512_srli_epi16(v, 4) : v, _mm512_set1_epi8(15));
    const __m512i mask = _mm512_set1_epi16(15);
    switch (which) {
    case 0:
        return _mm512_and_si512(v, mask);
    case 1:
        return _mm512_and_si512(_mm512_srli_epi16(v, 4), mask);
    case 2:
        return _mm512_and_si512(_mm512_srli_epi16(v, 8), mask);
    default:
        return _mm512_srli_epi16(v, 12);
    }
}

NJ_INLINE void open_steps(const int bits, const uint8_t *blocks, uint32_t cols, void *opened)
{
    const int steps = bits / 4;
    __m512i  *out   = opened;
    for (uint32_t j = 0; j < cols / 8; j++, blocks += 64, out += steps) {
        __m512i v = _mm512_load_si512(blocks);
        NJ_UNROLL
        for (int i = 0; i < steps; i++)
            _mm512_store_si512(out + i, step_of(bits, v, i));
    }
}

/* sums[16] += (integer sums) * weight scales * activation scale */
NJ_INLINE void flush(__m512i sum, __m512 w_scale, float a_scale, bool fresh, float *sums)
{
    __m512 old = fresh ? _mm512_setzero_ps() : _mm512_loadu_ps(sums);
    _mm512_storeu_ps(sums, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(w_scale, _mm512_set1_ps(a_scale)), old));
}

/* The 16 weight scales of a stream in activation group g. */
NJ_INLINE __m512 direct_scale(const struct nj_direct *job, uint32_t stream, uint32_t g)
{
    enum nj_number format = job->scale_format == NJ_SCALE_F32 ? NJ_NUMBER_F32 : NJ_NUMBER_BF16;
    return nj_v_load_number(job->scales[stream], format, job->channel ? 0 : (size_t)g * 16);
}

/* ---- tiles: n tokens x one or two panels ---- */
NJ_INLINE void tile_n(const int bits, const int n, const int panels, const struct nj_tile *tile)
{
    const uint32_t steps = tile->group * (uint32_t)bits / 32;
    for (uint32_t g = 0; g < tile->groups; g++) {
        const __m512i *w     = (const __m512i *)(const void *)tile->opened + g * steps;
        const int32_t *words = (const int32_t *)(const void *)tile->words + (size_t)g * steps * (size_t)n;
        const int32_t *start = tile->start + g * tile->tokens;
        __m512i        sum[12][2];
        NJ_UNROLL
        for (int t = 0; t < n; t++)
            sum[t][0] = sum[t][1] = _mm512_set1_epi32(start[t]);
        for (uint32_t s = 0; s < steps; s++, w++, words += n) {
            __m512i w0 = _mm512_load_si512(w), w1 = panels == 2 ? _mm512_load_si512(w + NJ_OPENED_BYTES / 64) : w0;
            NJ_UNROLL
            for (int t = 0; t < n; t++) {
                __m512i a = _mm512_set1_epi32(words[t]);
                if (panels == 2)
                    products(bits, &sum[t][0], &sum[t][1], w0, w1, a);
                else
                    product(bits, &sum[t][0], w0, a);
            }
        }
        const float *w_scale = tile->w_scale + g * 16, *a_scale = tile->a_scale + g * tile->tokens;
        const bool   fresh = tile->fresh && g == 0;
        NJ_UNROLL
        for (int p = 0; p < panels; p++) {
            __m512 scale = _mm512_loadu_ps(w_scale + (size_t)p * tile->groups * 16);
            NJ_UNROLL
            for (int t = 0; t < n; t++)
                flush(sum[t][p], scale, a_scale[t], fresh, tile->sums + (2 * t + p) * 16);
        }
    }
}

#define NJ_TILE_CASE(tile_n, n)                                                                                                            \
    case n:                                                                                                                                \
        if (tile->panels == 2)                                                                                                             \
            tile_n(n, 2, tile);                                                                                                            \
        else                                                                                                                               \
            tile_n(n, 1, tile);                                                                                                            \
        break;
#define NJ_TILE_CASES_6(tile_n)                                                                                                            \
    NJ_TILE_CASE(tile_n, 1)                                                                                                                \
    NJ_TILE_CASE(tile_n, 2)                                                                                                                \
    NJ_TILE_CASE(tile_n, 3)                                                                                                                \
    NJ_TILE_CASE(tile_n, 4)                                                                                                                \
    NJ_TILE_CASE(tile_n, 5)                                                                                                                \
    NJ_TILE_CASE(tile_n, 6)
#define NJ_TILE_CASES_12(tile_n)                                                                                                           \
    NJ_TILE_CASES_6(tile_n)                                                                                                                \
    NJ_TILE_CASE(tile_n, 7)                                                                                                                \
    NJ_TILE_CASE(tile_n, 8)                                                                                                                \
    NJ_TILE_CASE(tile_n, 9)                                                                                                                \
    NJ_TILE_CASE(tile_n, 10)                                                                                                               \
    NJ_TILE_CASE(tile_n, 11)                                                                                                               \
    NJ_TILE_CASE(tile_n, 12)

/* ---- direct: up to eight tokens; several sums a token, so that their chains do not wait for each other ---- */
NJ_INLINE void direct_n(const int bits, const int n, const struct nj_direct *job)
{
    const struct nj_act *a      = job->act;
    const uint32_t       blocks = a->group / 8;
    const int            chains = n <= 4 ? bits / 4 : 2;
    for (uint32_t g = 0; g < a->padded / a->group; g++)
        for (uint32_t s = 0; s < job->streams; s++) {
            const uint8_t *w     = job->blocks[s] + (size_t)g * blocks * 64;
            const int32_t *words = (const int32_t *)(const void *)(a->values + (size_t)g * a->group * (size_t)n * (size_t)bits / 8);
            __m512i        sum[8][4];
            NJ_UNROLL
            for (int t = 0; t < n; t++) {
                sum[t][0] = _mm512_set1_epi32(a->start[g * a->tokens + (uint32_t)t]);
                NJ_UNROLL
                for (int i = 1; i < chains; i++)
                    sum[t][i] = _mm512_setzero_si512();
            }
            for (uint32_t j = 0; j < blocks; j++, w += 64) {
                __m512i v = _mm512_load_si512(w);
                _mm_prefetch((const char *)w + 4096, _MM_HINT_T0);
                NJ_UNROLL
                for (int i = 0; i < bits / 4; i++, words += n) {
                    __m512i step = step_of(bits, v, i);
                    NJ_UNROLL
                    for (int t = 0; t < n; t++)
                        product(bits, &sum[t][i % chains], step, _mm512_set1_epi32(words[t]));
                }
            }
            __m512 scale = direct_scale(job, s, g);
            NJ_UNROLL
            for (int t = 0; t < n; t++) {
                NJ_UNROLL
                for (int i = 1; i < chains; i++)
                    sum[t][0] = _mm512_add_epi32(sum[t][0], sum[t][i]);
                flush(sum[t][0], scale, a->scale[g * a->tokens + (uint32_t)t], g == 0,
                      job->sums + ((size_t)s * (size_t)n + (size_t)t) * 16);
            }
        }
}

#define NJ_DIRECT_CASE(direct_n, n)                                                                                                        \
    case n:                                                                                                                                \
        direct_n(n, job);                                                                                                                  \
        break;
#define NJ_DIRECT_CASES_8(direct_n)                                                                                                        \
    NJ_DIRECT_CASE(direct_n, 1)                                                                                                            \
    NJ_DIRECT_CASE(direct_n, 2)                                                                                                            \
    NJ_DIRECT_CASE(direct_n, 3)                                                                                                            \
    NJ_DIRECT_CASE(direct_n, 4)                                                                                                            \
    NJ_DIRECT_CASE(direct_n, 5)                                                                                                            \
    NJ_DIRECT_CASE(direct_n, 6)                                                                                                            \
    NJ_DIRECT_CASE(direct_n, 7)                                                                                                            \
    NJ_DIRECT_CASE(direct_n, 8)

/* The whole set for `bits`: openX, tileX_32x12 and directX. */
#define NJ_PARTS_32x12(bits)                                                                                                               \
    static void open##bits(const uint8_t *blocks, uint32_t cols, void *opened)                                                             \
    {                                                                                                                                      \
        open_steps(bits, blocks, cols, opened);                                                                                            \
    }                                                                                                                                      \
    NJ_INLINE void tile##bits##_n(const int n, const int panels, const struct nj_tile *tile)                                               \
    {                                                                                                                                      \
        tile_n(bits, n, panels, tile);                                                                                                     \
    }                                                                                                                                      \
    static void tile##bits##_32x12(const struct nj_tile *tile)                                                                             \
    {                                                                                                                                      \
        switch (tile->width) {                                                                                                             \
            NJ_TILE_CASES_12(tile##bits##_n)                                                                                               \
        }                                                                                                                                  \
    }                                                                                                                                      \
    NJ_INLINE void direct##bits##_n(const int n, const struct nj_direct *job)                                                              \
    {                                                                                                                                      \
        direct_n(bits, n, job);                                                                                                            \
    }                                                                                                                                      \
    static void direct##bits(const struct nj_direct *job)                                                                                  \
    {                                                                                                                                      \
        switch (job->act->tokens) {                                                                                                        \
            NJ_DIRECT_CASES_8(direct##bits##_n)                                                                                            \
        }                                                                                                                                  \
    }

#endif
