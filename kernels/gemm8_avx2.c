/* int4 weights x 8-bit activations on AVX2 (power-saver mode): vpmaddubsw of four weights (0..15) and four activations. Pairs are at most 2 * 15 * 127
 * = 3810, so eight of them fit in 16 bits: 32 columns are summed in int16, then widened. */
#include "kernels/direct_avx2.h"
#include "kernels/forms_avx2.h"
#include "kernels/gemm.h"
#include "kernels/simd_avx2.h"

#include "kernels/simd.h"

#define STEPS 8 /* of four columns, between two widenings */

/* Both products, then both sums (gemm_avx2.c says why). */
#define PRODUCTS(sum0, sum1, w0, w1, act)                                                                                                  \
    do {                                                                                                                                   \
        __m256i product_;                                                                                                                  \
        __asm__("vpmaddubsw %[a], %[v0], %[t]\n\tvpmaddubsw %[a], %[v1], %[a]\n\tvpaddw %[t], %[s0], %[s0]\n\tvpaddw %[a], %[s1], %[s1]"   \
                : [s0] "+x"(sum0), [s1] "+x"(sum1), [a] "+x"(act), [t] "=&x"(product_)                                                     \
                : [v0] "x"(w0), [v1] "x"(w1));                                                                                             \
    } while (0)

static void open_chunk(const uint8_t *blocks, uint32_t cols, void *opened)
{
    const __m256i mask = _mm256_set1_epi8(15);
    __m256i      *out  = opened;
    for (uint32_t j = 0; j < cols / 8; j++, blocks += 64, out += 4) {
        NJ_UNROLL
        for (int half = 0; half < 2; half++) {
            __m256i v = _mm256_load_si256((const __m256i *)(const void *)blocks + half);
            _mm256_store_si256(out + half, _mm256_and_si256(v, mask));
            _mm256_store_si256(out + 2 + half, _mm256_and_si256(_mm256_srli_epi16(v, 4), mask));
        }
    }
}

NJ_INLINE __m256i widen(__m256i sums, __m256i total)
{
    return _mm256_add_epi32(total, _mm256_madd_epi16(sums, _mm256_set1_epi16(1)));
}

NJ_INLINE void flush(const int n, __m256i total[][2], const float *w_scale, const float *a_scale, bool fresh, float *sums, size_t step)
{
    __m256 w0 = _mm256_loadu_ps(w_scale), w1 = _mm256_loadu_ps(w_scale + 8);
    NJ_UNROLL
    for (int t = 0; t < n; t++, sums += step) {
        __m256 a  = _mm256_broadcast_ss(a_scale + t);
        __m256 s0 = fresh ? _mm256_setzero_ps() : _mm256_loadu_ps(sums), s1 = fresh ? _mm256_setzero_ps() : _mm256_loadu_ps(sums + 8);
        _mm256_storeu_ps(sums, _mm256_fmadd_ps(_mm256_cvtepi32_ps(total[t][0]), _mm256_mul_ps(w0, a), s0));
        _mm256_storeu_ps(sums + 8, _mm256_fmadd_ps(_mm256_cvtepi32_ps(total[t][1]), _mm256_mul_ps(w1, a), s1));
    }
}

/* Adds the products of one group and n tokens to `total`. */
typedef void sum_group_fn(const int n, const __m256i *w, const int32_t *words, uint32_t group, __m256i total[][2]);

NJ_INLINE void sum_int4(const int n, const __m256i *w, const int32_t *words, uint32_t group, __m256i total[][2])
{
    for (uint32_t c = 0; c < group; c += 4 * STEPS) {
        __m256i sum[4][2];
        NJ_UNROLL
        for (int t = 0; t < n; t++)
            sum[t][0] = sum[t][1] = _mm256_setzero_si256();
        NJ_UNROLL
        for (int step = 0; step < STEPS; step++, w += 2, words += n) {
            __m256i w0 = _mm256_load_si256(w), w1 = _mm256_load_si256(w + 1);
            NJ_UNROLL
            for (int t = 0; t < n; t++) {
                __m256i a = _mm256_set1_epi32(words[t]);
                PRODUCTS(sum[t][0], sum[t][1], w0, w1, a);
            }
        }
        NJ_UNROLL
        for (int t = 0; t < n; t++) {
            total[t][0] = widen(sum[t][0], total[t][0]);
            total[t][1] = widen(sum[t][1], total[t][1]);
        }
    }
}

NJ_INLINE void tile_16xn(const int n, const struct nj_tile *tile, sum_group_fn *sum_group)
{
    for (uint32_t g = 0; g < tile->groups; g++)
        for (uint32_t p = 0; p < tile->panels; p++) {
            const uint8_t *w     = tile->opened + p * NJ_OPENED_BYTES + (size_t)g * tile->group * 16;
            const uint8_t *words = tile->words + (size_t)g * tile->group * (size_t)n;
            const int32_t *start = tile->start + g * tile->tokens;
            __m256i        total[4][2];
            NJ_UNROLL
            for (int t = 0; t < n; t++)
                total[t][0] = total[t][1] = _mm256_set1_epi32(start[t]);
            sum_group(n, (const __m256i *)(const void *)w, (const int32_t *)(const void *)words, tile->group, total);
            flush(n, total, tile->w_scale + (p * tile->groups + g) * 16, tile->a_scale + g * tile->tokens, tile->fresh && g == 0,
                  tile->sums + p * 16, 32);
        }
}

/* One to four tokens; `sum_group` is inlined, each time for its own number. */
NJ_INLINE void by_width(const struct nj_tile *tile, sum_group_fn *sum_group)
{
    switch (tile->width) {
    case 1:
        tile_16xn(1, tile, sum_group);
        break;
    case 2:
        tile_16xn(2, tile, sum_group);
        break;
    case 3:
        tile_16xn(3, tile, sum_group);
        break;
    default:
        tile_16xn(4, tile, sum_group);
    }
}

static void tile_16x4(const struct nj_tile *tile)
{
    by_width(tile, sum_int4);
}

/* ---- direct ---- */
#define AHEAD        4096
#define AHEAD_OF_ONE 1024

/* One token: the streams of a job take turns block by block, as in gemm_avx2.c. */
NJ_INLINE void direct_streams(const int n, const struct nj_direct *job, uint32_t first, uint32_t g)
{
    const struct nj_act *a     = job->act;
    const int32_t       *words = (const int32_t *)(const void *)(a->values + (size_t)g * a->group);
    const __m256i        mask  = _mm256_set1_epi8(15);
    const uint8_t       *w[4];
    __m256i              total[4][1][2];
    NJ_UNROLL
    for (int s = 0; s < n; s++) {
        w[s]           = job->blocks[first + (uint32_t)s] + (size_t)g * a->group * 8;
        total[s][0][0] = total[s][0][1] = _mm256_set1_epi32(a->start[g]);
    }
    for (size_t at = 0; at < (size_t)a->group * 8;) {
        __m256i sum[4][2];
        NJ_UNROLL
        for (int s = 0; s < n; s++)
            sum[s][0] = sum[s][1] = _mm256_setzero_si256();
        for (int block = 0; block < STEPS / 2; block++, at += 64, words += 2) {
            __m256i x0 = _mm256_set1_epi32(words[0]), x1 = _mm256_set1_epi32(words[1]);
            NJ_UNROLL
            for (int s = 0; s < n; s++) {
                _mm_prefetch((const char *)w[s] + at + AHEAD_OF_ONE, _MM_HINT_T0);
                NJ_UNROLL
                for (int half = 0; half < 2; half++) {
                    __m256i v    = _mm256_load_si256((const __m256i *)(const void *)(w[s] + at) + half);
                    __m256i low  = _mm256_maddubs_epi16(_mm256_and_si256(v, mask), x0);
                    __m256i high = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(v, 4), mask), x1);
                    sum[s][half] = _mm256_add_epi16(sum[s][half], _mm256_add_epi16(low, high));
                }
            }
        }
        NJ_UNROLL
        for (int s = 0; s < n; s++) {
            total[s][0][0] = widen(sum[s][0], total[s][0][0]);
            total[s][0][1] = widen(sum[s][1], total[s][0][1]);
        }
    }
    NJ_UNROLL
    for (int s = 0; s < n; s++) {
        float scales[16];
        nj_direct_scales_avx2(job, first + (uint32_t)s, g, scales);
        flush(1, total[s], scales, a->scale + g, g == 0, job->sums + ((size_t)first + (size_t)s) * 16, 16);
    }
}

/* Tokens [from, from + n) of a tile of `all`: 16 rows, nibbles opened on the way. */
NJ_INLINE void direct_16xn(const int n, const int all, const int from, const struct nj_direct *job, uint32_t stream, uint32_t g,
                           const float *scales)
{
    const struct nj_act *a     = job->act;
    const uint8_t       *w     = job->blocks[stream] + (size_t)g * a->group * 8;
    const int32_t       *words = (const int32_t *)(const void *)(a->values + (size_t)g * a->group * (size_t)all) + from;
    const __m256i        mask  = _mm256_set1_epi8(15);
    __m256i              total[4][2];
    NJ_UNROLL
    for (int t = 0; t < n; t++)
        total[t][0] = total[t][1] = _mm256_set1_epi32(a->start[g * a->tokens + (uint32_t)(from + t)]);
    for (uint32_t c = 0; c < a->group; c += 4 * STEPS) {
        __m256i sum[4][2];
        NJ_UNROLL
        for (int t = 0; t < n; t++)
            sum[t][0] = sum[t][1] = _mm256_setzero_si256();
        NJ_UNROLL
        for (int block = 0; block < STEPS / 2; block++, w += 64) {
            __m256i v0 = _mm256_load_si256((const __m256i *)(const void *)w), v1 = _mm256_load_si256((const __m256i *)(const void *)w + 1);
            if (from == 0)
                _mm_prefetch((const char *)w + AHEAD, _MM_HINT_T0);
            NJ_UNROLL
            for (int half = 0; half < 2; half++, words += all) {
                __m256i w0 = _mm256_and_si256(half ? _mm256_srli_epi16(v0, 4) : v0, mask);
                __m256i w1 = _mm256_and_si256(half ? _mm256_srli_epi16(v1, 4) : v1, mask);
                NJ_UNROLL
                for (int t = 0; t < n; t++) {
                    __m256i x = _mm256_set1_epi32(words[t]);
                    PRODUCTS(sum[t][0], sum[t][1], w0, w1, x);
                }
            }
        }
        NJ_UNROLL
        for (int t = 0; t < n; t++) {
            total[t][0] = widen(sum[t][0], total[t][0]);
            total[t][1] = widen(sum[t][1], total[t][1]);
        }
    }
    flush(n, total, scales, a->scale + g * a->tokens + from, g == 0, job->sums + ((size_t)stream * (size_t)all + (size_t)from) * 16, 16);
}

static void direct_8(const struct nj_direct *job)
{
    nj_direct_8(job, direct_streams, direct_16xn);
}

static const struct nj_gemm_form form = {open_chunk, tile_16x4, direct_8, nj_store_avx2, nj_store_gelu_up_avx2, 8};

void nj_w4a8_gemm_16x4_avx2(const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                            void *scratch)
{
    nj_gemm_run(&form, w, a, first, panels, out, stride, scratch);
}

void nj_w4a8_gelu_up_16x4_avx2(const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a, uint32_t first, uint32_t panels,
                               float *out, size_t stride, void *scratch)
{
    nj_gemm_run_gelu_up(&form, gate, up, a, first, panels, out, stride, scratch);
}

/* ---- plain matrices in 7 bits: 1..127 ---- */
/* Pairs reach 2 * 127 * 127 = 32258: each is widened at once. */
#define WIDE_PRODUCTS(sum0, sum1, w0, w1, act, one)                                                                                        \
    do {                                                                                                                                   \
        __m256i product_;                                                                                                                  \
        __asm__(                                                                                                                           \
            "vpmaddubsw %[a], %[v0], %[t]\n\tvpmaddubsw %[a], %[v1], %[a]\n\tvpmaddwd %[t], %[o], %[t]\n\tvpmaddwd %[a], %[o], %[a]\n\t"   \
            "vpaddd %[t], %[s0], %[s0]\n\tvpaddd %[a], %[s1], %[s1]"                                                                       \
            : [s0] "+x"(sum0), [s1] "+x"(sum1), [a] "+x"(act), [t] "=&x"(product_)                                                         \
            : [v0] "x"(w0), [v1] "x"(w1), [o] "x"(one));                                                                                   \
    } while (0)

NJ_INLINE void sum_plain(const int n, const __m256i *w, const int32_t *words, uint32_t group, __m256i total[][2])
{
    const __m256i one = _mm256_set1_epi16(1);
    for (uint32_t c = 0; c < group; c += 16) {
        NJ_UNROLL
        for (int step = 0; step < 4; step++, w += 2, words += n) {
            __m256i w0 = _mm256_load_si256(w), w1 = _mm256_load_si256(w + 1);
            NJ_UNROLL
            for (int t = 0; t < n; t++) {
                __m256i a = _mm256_set1_epi32(words[t]);
                WIDE_PRODUCTS(total[t][0], total[t][1], w0, w1, a, one);
            }
        }
    }
}

static void plain_16x4(const struct nj_tile *tile)
{
    by_width(tile, sum_plain);
}

static const struct nj_gemm_form plain_form = {NULL, plain_16x4, NULL, nj_store_avx2, nj_store_gelu_up_avx2, 0};

void nj_w7a8_gemm_16x4_avx2(const struct nj_plain *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                            void *scratch)
{
    nj_gemm_run_plain(&plain_form, nj_open_plain_bytes_avx2, w, a, first, panels, out, stride, scratch);
}
