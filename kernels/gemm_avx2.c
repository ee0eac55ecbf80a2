/* int4 weights x 16-bit activations on AVX2: vpmaddwd of a pair of weights and a pair of activations, and vpaddd. */
#include "kernels/direct_avx2.h"
#include "kernels/forms_avx2.h"
#include "kernels/gemm.h"
#include "kernels/products_avx2.h"
#include "kernels/simd_avx2.h"

#include "kernels/simd.h"

/* The four vectors of pairs that lie in 32 bytes: columns (0,2) (4,6) (1,3) (5,7). */
NJ_INLINE __m256i pairs_of(__m256i v, int which)
{
    const __m256i mask = _mm256_set1_epi16(15);
    switch (which) {
    case 0:
        return _mm256_and_si256(v, mask);
    case 1:
        return _mm256_and_si256(_mm256_srli_epi16(v, 4), mask);
    case 2:
        return _mm256_and_si256(_mm256_srli_epi16(v, 8), mask);
    default:
        return _mm256_srli_epi16(v, 12);
    }
}

static void open_chunk(const uint8_t *blocks, uint32_t cols, void *opened)
{
    __m256i *out = opened;
    for (uint32_t j = 0; j < cols / 8; j++, blocks += 64, out += 8) {
        __m256i v0 = _mm256_load_si256((const __m256i *)(const void *)blocks),
                v1 = _mm256_load_si256((const __m256i *)(const void *)blocks + 1);
        NJ_UNROLL
        for (int pair = 0; pair < 4; pair++) {
            _mm256_store_si256(out + 2 * pair, pairs_of(v0, pair));
            _mm256_store_si256(out + 2 * pair + 1, pairs_of(v1, pair));
        }
    }
}

/* ---- tiles ---- */
NJ_INLINE void flush_16xn(const int n, __m256i sum[][2], const float *w_scale, const float *a_scale, bool fresh, float *sums, size_t step)
{
    __m256 w0 = _mm256_loadu_ps(w_scale), w1 = _mm256_loadu_ps(w_scale + 8);
    NJ_UNROLL
    for (int t = 0; t < n; t++, sums += step) {
        __m256 a  = _mm256_broadcast_ss(a_scale + t);
        __m256 s0 = fresh ? _mm256_setzero_ps() : _mm256_loadu_ps(sums), s1 = fresh ? _mm256_setzero_ps() : _mm256_loadu_ps(sums + 8);
        _mm256_storeu_ps(sums, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[t][0]), _mm256_mul_ps(w0, a), s0));
        _mm256_storeu_ps(sums + 8, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[t][1]), _mm256_mul_ps(w1, a), s1));
    }
}

/* One panel alone. */
NJ_INLINE void tile_16xn(const int n, const struct nj_tile *tile)
{
    const size_t group_bytes = (size_t)tile->group * 2;
    for (uint32_t g = 0; g < tile->groups; g++) {
        const __m256i *w     = (const __m256i *)(const void *)(tile->opened + g * group_bytes * 16);
        const int32_t *words = (const int32_t *)(const void *)(tile->words + g * group_bytes * (size_t)n);
        const int32_t *start = tile->start + g * tile->tokens;
        __m256i        sum[6][2];
        NJ_UNROLL
        for (int t = 0; t < n; t++)
            sum[t][0] = sum[t][1] = _mm256_set1_epi32(start[t]);
        for (uint32_t step = 0; step < tile->group / 2; step++, w += 2, words += n) {
            __m256i w0 = _mm256_load_si256(w), w1 = _mm256_load_si256(w + 1);
            NJ_UNROLL
            for (int t = 0; t < n; t++) {
                __m256i a = _mm256_set1_epi32(words[t]);
                PRODUCTS(sum[t][0], sum[t][1], w0, w1, a);
            }
        }
        flush_16xn(n, sum, tile->w_scale + g * 16, tile->a_scale + g * tile->tokens, tile->fresh && g == 0, tile->sums, 32);
    }
}

#define STEPS 4 /* in one round of the loop; groups are multiples of 32 columns, two a step */

/* Both panels x tokens [from, from + n) of a tile of `width`, one group. */
NJ_INLINE void group_32xn(const int n, const uint32_t width, const struct nj_tile *tile, uint32_t g, uint32_t from)
{
    enum { PANEL = NJ_OPENED_BYTES / sizeof(__m256i) };
    const __m256i *w       = (const __m256i *)(const void *)tile->opened + g * tile->group;
    const int32_t *words   = (const int32_t *)(const void *)tile->words + (size_t)g * tile->group / 2 * width + from;
    const float   *a_scale = tile->a_scale + g * tile->tokens + from;
    float         *sums    = tile->sums + 32 * from;
    __m256i        sum[3][4];
    NJ_UNROLL
    for (int t = 0; t < n; t++)
        sum[t][0] = sum[t][1] = sum[t][2] = sum[t][3] = _mm256_set1_epi32(tile->start[g * tile->tokens + from + (uint32_t)t]);
    for (uint32_t step = 0; step < tile->group / 2; step += STEPS, w += 2 * STEPS) {
        NJ_UNROLL
        for (int i = 0; i < STEPS; i++, words += width) {
            __m256i w0 = _mm256_load_si256(w + 2 * i);
            NJ_UNROLL
            for (int t = 0; t < n; t++) {
                __m256i a = _mm256_set1_epi32(words[t]);
                PRODUCTS_OF_FOUR(sum[t], w0, w[2 * i + 1], w[PANEL + 2 * i], w[PANEL + 2 * i + 1], a);
            }
        }
    }
    NJ_UNROLL
    for (uint32_t p = 0; p < 2; p++) {
        __m256i half[3][2];
        NJ_UNROLL
        for (int t = 0; t < n; t++) {
            half[t][0] = sum[t][2 * p];
            half[t][1] = sum[t][2 * p + 1];
        }
        flush_16xn(n, half, tile->w_scale + (p * tile->groups + g) * 16, a_scale, tile->fresh && g == 0, sums + p * 16, 32);
    }
}

static void tile_32x6(const struct nj_tile *tile)
{
    for (uint32_t g = 0; g < tile->groups; g++) {
        group_32xn(3, 6, tile, g, 0);
        group_32xn(3, 6, tile, g, 3);
    }
}

/* One to five tokens: three, then what is left. */
static void tile_32xn(const struct nj_tile *tile)
{
    for (uint32_t g = 0; g < tile->groups; g++)
        for (uint32_t from = 0; from < tile->width; from += 3)
            switch (tile->width - from) {
            case 1:
                group_32xn(1, tile->width, tile, g, from);
                break;
            case 2:
                group_32xn(2, tile->width, tile, g, from);
                break;
            default:
                group_32xn(3, tile->width, tile, g, from);
            }
}

/* Two panels go together; a last one alone goes 16 rows at a time. */
static void tile_32x3(const struct nj_tile *tile)
{
    if (tile->panels == 2) {
        (tile->width == 6 ? tile_32x6 : tile_32xn)(tile);
        return;
    }
    switch (tile->width) {
    case 1:
        tile_16xn(1, tile);
        break;
    case 2:
        tile_16xn(2, tile);
        break;
    case 3:
        tile_16xn(3, tile);
        break;
    case 4:
        tile_16xn(4, tile);
        break;
    case 5:
        tile_16xn(5, tile);
        break;
    default:
        tile_16xn(6, tile);
    }
}

/* ---- direct ---- */
/* Bytes that are fetched ahead of those in use, in each stream. */
#define AHEAD        4096
#define AHEAD_OF_ONE 1024
#define AHEAD_SCALES 256

NJ_INLINE const void *stream_scales(const struct nj_direct *job, uint32_t stream, uint32_t g)
{
    return (const uint8_t *)job->scales[stream] + (job->channel ? 0 : (size_t)g * 16 * (job->scale_format == NJ_SCALE_F32 ? 4 : 2));
}

void nj_direct_scales_avx2(const struct nj_direct *job, uint32_t stream, uint32_t g, float *out)
{
    const void *scales = stream_scales(job, stream, g);
    _mm_prefetch((const char *)scales + AHEAD_SCALES, _MM_HINT_T0);
    if (job->scale_format == NJ_SCALE_F32) {
        _mm256_storeu_ps(out, _mm256_loadu_ps(scales));
        _mm256_storeu_ps(out + 8, _mm256_loadu_ps((const float *)scales + 8));
        return;
    }
    const __m128i *bits = scales;
    NJ_UNROLL
    for (int i = 0; i < 2; i++)
        _mm256_storeu_ps(out + 8 * i, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(bits + i)), 16)));
}

/* One token: the streams of a job take turns block by block, so that each activation is broadcast once for all of them. */
NJ_INLINE void direct_streams(const int n, const struct nj_direct *job, uint32_t first, uint32_t g)
{
    const struct nj_act *a      = job->act;
    const uint32_t       blocks = a->group / 8;
    const int32_t       *words  = (const int32_t *)(const void *)(a->values + (size_t)g * a->group * 2);
    const uint8_t       *w[4];
    __m256i              sum[4][2];
    NJ_UNROLL
    for (int s = 0; s < n; s++) {
        w[s]      = job->blocks[first + (uint32_t)s] + (size_t)g * blocks * 64;
        sum[s][0] = sum[s][1] = _mm256_set1_epi32(a->start[g]);
    }
    for (size_t at = 0; at < (size_t)blocks * 64; at += 64, words += 4) {
        __m256i x[4];
        NJ_UNROLL
        for (int pair = 0; pair < 4; pair++)
            x[pair] = _mm256_set1_epi32(words[pair]);
        NJ_UNROLL
        for (int s = 0; s < n; s++) {
            _mm_prefetch((const char *)w[s] + at + AHEAD_OF_ONE, _MM_HINT_T0);
            NJ_UNROLL
            for (int half = 0; half < 2; half++) {
                __m256i v = _mm256_load_si256((const __m256i *)(const void *)(w[s] + at) + half);
                NJ_UNROLL
                for (int pair = 0; pair < 4; pair++)
                    sum[s][half] = _mm256_add_epi32(sum[s][half], _mm256_madd_epi16(pairs_of(v, pair), x[pair]));
            }
        }
    }
    NJ_UNROLL
    for (int s = 0; s < n; s++) {
        float scales[16];
        nj_direct_scales_avx2(job, first + (uint32_t)s, g, scales);
        flush_16xn(1, &sum[s], scales, a->scale + g, g == 0, job->sums + ((size_t)first + (size_t)s) * 16, 16);
    }
}

/* Tokens [from, from + n) of a tile of `all`, 16 rows, nibbles opened on the way. */
NJ_INLINE void direct_16xn(const int n, const int all, const int from, const struct nj_direct *job, uint32_t s, uint32_t g,
                           const float *scales)
{
    const struct nj_act *a      = job->act;
    const uint32_t       blocks = a->group / 8;
    const uint8_t       *w      = job->blocks[s] + (size_t)g * blocks * 64;
    const int32_t       *words  = (const int32_t *)(const void *)(a->values + (size_t)g * a->group * (size_t)all * 2) + from;
    __m256i              sum[4][2];
    NJ_UNROLL
    for (int t = 0; t < n; t++)
        sum[t][0] = sum[t][1] = _mm256_set1_epi32(a->start[g * a->tokens + (uint32_t)(from + t)]);
    for (uint32_t j = 0; j < blocks; j++, w += 64) {
        __m256i v0 = _mm256_load_si256((const __m256i *)(const void *)w), v1 = _mm256_load_si256((const __m256i *)(const void *)w + 1);
        if (from == 0)
            _mm_prefetch((const char *)w + AHEAD, _MM_HINT_T0);
        NJ_UNROLL
        for (int pair = 0; pair < 4; pair++, words += all) {
            __m256i w0 = pairs_of(v0, pair), w1 = pairs_of(v1, pair);
            NJ_UNROLL
            for (int t = 0; t < n; t++) {
                __m256i x = _mm256_set1_epi32(words[t]);
                PRODUCTS(sum[t][0], sum[t][1], w0, w1, x);
            }
        }
    }
    flush_16xn(n, sum, scales, a->scale + g * a->tokens + from, g == 0, job->sums + ((size_t)s * (size_t)all + (size_t)from) * 16, 16);
}

static void direct_8(const struct nj_direct *job)
{
    nj_direct_8(job, direct_streams, direct_16xn);
}

/* ---- results ---- */
NJ_INLINE void store_rows(__m256 v0, __m256 v1, uint32_t rows, float *out)
{
    if (rows == 16) {
        _mm256_storeu_ps(out, v0);
        _mm256_storeu_ps(out + 8, v1);
    } else {
        _mm256_maskstore_ps(out, nj_v_first(rows), v0);
        if (rows > 8)
            _mm256_maskstore_ps(out + 8, nj_v_first(rows - 8), v1);
    }
}

void nj_store_avx2(const float *sums, uint32_t rows, float *out)
{
    store_rows(_mm256_loadu_ps(sums), _mm256_loadu_ps(sums + 8), rows, out);
}

void nj_store_gelu_up_avx2(const float *gate, const float *up, uint32_t rows, float *out)
{
    store_rows(_mm256_mul_ps(nj_v_gelu(_mm256_loadu_ps(gate)), _mm256_loadu_ps(up)),
               _mm256_mul_ps(nj_v_gelu(_mm256_loadu_ps(gate + 8)), _mm256_loadu_ps(up + 8)), rows, out);
}

static const struct nj_gemm_form form = {open_chunk, tile_32x3, direct_8, nj_store_avx2, nj_store_gelu_up_avx2, 8};

void nj_w4a16_gemm_32x3_avx2(const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                             void *scratch)
{
    nj_gemm_run(&form, w, a, first, panels, out, stride, scratch);
}

void nj_w4a16_gelu_up_32x3_avx2(const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a, uint32_t first, uint32_t panels,
                                float *out, size_t stride, void *scratch)
{
    nj_gemm_run_gelu_up(&form, gate, up, a, first, panels, out, stride, scratch);
}

/* ---- plain matrices, opened to 12 bits ---- */
NJ_INLINE __m256 plain8(const void *data, enum nj_number format, size_t at)
{
    if (format == NJ_NUMBER_F32)
        return _mm256_loadu_ps((const float *)data + at);
    __m128i bits = _mm_loadu_si128((const __m128i *)(const void *)((const uint16_t *)data + at));
    return format == NJ_NUMBER_F16 ? _mm256_cvtph_ps(bits) : _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

/* Columns [col, col + 8) of a row, with zeros behind the last unless all of them are there. */
NJ_INLINE __m256 plain8_of(const struct nj_plain *w, enum nj_number format, bool whole, uint32_t row, uint32_t col)
{
    size_t at = (size_t)row * w->cols + col;
    if (whole || (row < w->rows && col + 8 <= w->cols))
        return plain8(w->data, format, at);
    float part[8] = {0};
    for (uint32_t i = 0; row < w->rows && col + i < w->cols && i < 8; i++)
        part[i] = nj_number_value(w->data, format, at + i);
    return _mm256_loadu_ps(part);
}

/* The largest magnitude in a group of a row. Those of 16-bit formats compare like integers. */
NJ_INLINE float largest_of(const struct nj_plain *w, enum nj_number format, bool whole, uint32_t row, uint32_t col, uint32_t group)
{
    if (whole && format != NJ_NUMBER_F32) {
        const uint16_t *at   = (const uint16_t *)w->data + (size_t)row * w->cols + col;
        const __m256i   sign = _mm256_set1_epi16(0x7fff);
        __m256i         most = _mm256_setzero_si256();
        for (uint32_t c = 0; c < group; c += 16)
            most = _mm256_max_epu16(most, _mm256_and_si256(sign, _mm256_loadu_si256((const __m256i *)(const void *)(at + c))));
        uint16_t bits;
        __m128i  half = _mm_max_epu16(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
        /* the least of the complements */
        bits = (uint16_t)~_mm_extract_epi16(_mm_minpos_epu16(_mm_xor_si128(half, _mm_set1_epi16(-1))), 0);
        return nj_number_value(&bits, format, 0);
    }
    __m256 most = _mm256_setzero_ps();
    for (uint32_t c = 0; c < group; c += 8)
        most = _mm256_max_ps(most, nj_v_abs(plain8_of(w, format, whole, row, col + c)));
    return nj_v_most(most);
}

/* Eight rows x 16 columns of int16 in pair order: from eight vectors (a row each, 8 words) to eight (a word each, 8 rows). */
NJ_INLINE void transpose8(__m256i v[8])
{
    __m256i a[8], b[8];
    NJ_UNROLL
    for (int i = 0; i < 8; i += 2) {
        a[i]     = _mm256_unpacklo_epi32(v[i], v[i + 1]);
        a[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
    }
    NJ_UNROLL
    for (int i = 0; i < 8; i += 4) {
        b[i]     = _mm256_unpacklo_epi64(a[i], a[i + 2]);
        b[i + 1] = _mm256_unpackhi_epi64(a[i], a[i + 2]);
        b[i + 2] = _mm256_unpacklo_epi64(a[i + 1], a[i + 3]);
        b[i + 3] = _mm256_unpackhi_epi64(a[i + 1], a[i + 3]);
    }
    NJ_UNROLL
    for (int i = 0; i < 4; i++) {
        v[i]     = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
        v[i + 4] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
    }
}

/* The factors that make integers of a group of eight rows, and their scales. */
NJ_INLINE void group_scales(const struct nj_plain *w, enum nj_number format, bool whole, uint32_t row, uint32_t first, uint32_t group,
                            float limit, float *inverse, float *scales)
{
    for (uint32_t r = 0; r < 8; r++) {
        float largest = largest_of(w, format, whole, row + r, first, group);
        bool  zero    = !(largest >= 0x1p-96f);
        inverse[r]    = zero ? 0 : limit / largest;
        scales[r]     = zero ? 0 : largest / limit;
    }
}

NJ_INLINE __m256i integers8(const struct nj_plain *w, enum nj_number format, bool whole, uint32_t row, uint32_t col, __m256 factor)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(plain8_of(w, format, whole, row, col), factor));
}

/* Eight rows of one group, as int16 pairs. */
NJ_INLINE void open_group(const struct nj_plain *w, enum nj_number format, bool whole, uint32_t row, uint32_t first, uint32_t group,
                          __m256i *out, float *scales)
{
    const __m256i order =
        _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    float inverse[8];
    group_scales(w, format, whole, row, first, group, NJ_PLAIN_LIMIT_12, inverse, scales);
    for (uint32_t c = 0; c < group; c += 16, out += 16) {
        __m256i words[8];
        NJ_UNROLL
        for (uint32_t r = 0; r < 8; r++) {
            __m256  factor = _mm256_broadcast_ss(inverse + r);
            __m256i q0     = integers8(w, format, whole, row + r, first + c, factor);
            __m256i q1     = integers8(w, format, whole, row + r, first + c + 8, factor);
            __m256i q      = _mm256_permute4x64_epi64(_mm256_packs_epi32(q0, q1), 0xd8);
            words[r]       = _mm256_shuffle_epi8(q, order);
        }
        transpose8(words);
        NJ_UNROLL
        for (uint32_t i = 0; i < 8; i++)
            _mm256_store_si256(out + 2 * i, words[i]);
    }
}

/* Likewise as bytes of 64 + q, four columns a word. */
NJ_INLINE void open_group_bytes(const struct nj_plain *w, enum nj_number format, bool whole, uint32_t row, uint32_t first, uint32_t group,
                                __m256i *out, float *scales)
{
    static const uint8_t word_of[8] = {0, 2, 4, 6, 1, 3, 5, 7}; /* what two packings leave behind */
    float                inverse[8];
    group_scales(w, format, whole, row, first, group, NJ_PLAIN_LIMIT_7, inverse, scales);
    for (uint32_t c = 0; c < group; c += 32, out += 16) {
        __m256i words[8];
        NJ_UNROLL
        for (uint32_t r = 0; r < 8; r++) {
            __m256  factor = _mm256_broadcast_ss(inverse + r);
            __m256i q[4];
            NJ_UNROLL
            for (uint32_t i = 0; i < 4; i++)
                q[i] = integers8(w, format, whole, row + r, first + c + 8 * i, factor);
            __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
            words[r]      = _mm256_add_epi8(bytes, _mm256_set1_epi8(64));
        }
        transpose8(words);
        NJ_UNROLL
        for (uint32_t i = 0; i < 8; i++)
            _mm256_store_si256(out + 2 * word_of[i], words[i]);
    }
}

NJ_INLINE void open_groups(bool bytes, const struct nj_plain *w, enum nj_number format, bool whole, const struct nj_act *a, uint32_t panel,
                           uint32_t chunk, __m256i *opened, float *scales)
{
    for (uint32_t g = 0; g < nj_act_chunk_cols(a, chunk) / a->group; g++)
        for (uint32_t half = 0; half < 2; half++) {
            const uint32_t row = panel * 16 + half * 8, col = chunk * NJ_ACT_CHUNK + g * a->group;
            float         *to = scales + g * 16 + half * 8;
            if (bytes)
                open_group_bytes(w, format, whole, row, col, a->group, opened + (size_t)g * a->group / 2 + half, to);
            else
                open_group(w, format, whole, row, col, a->group, opened + (size_t)g * a->group + half, to);
        }
}

NJ_INLINE void open_plain(bool bytes, const struct nj_plain *w, const struct nj_act *a, uint32_t panel, uint32_t chunk, void *opened,
                          float *scales)
{
    const bool whole = panel * 16 + 16 <= w->rows && chunk * NJ_ACT_CHUNK + nj_act_chunk_cols(a, chunk) <= w->cols;
    if (whole && w->format == NJ_NUMBER_BF16) /* what almost all are */
        open_groups(bytes, w, NJ_NUMBER_BF16, true, a, panel, chunk, opened, scales);
    else
        open_groups(bytes, w, w->format, false, a, panel, chunk, opened, scales);
}

void nj_open_plain_avx2(const struct nj_plain *w, const struct nj_act *a, uint32_t panel, uint32_t chunk, void *opened, float *scales)
{
    open_plain(false, w, a, panel, chunk, opened, scales);
}

void nj_open_plain_bytes_avx2(const struct nj_plain *w, const struct nj_act *a, uint32_t panel, uint32_t chunk, void *opened, float *scales)
{
    open_plain(true, w, a, panel, chunk, opened, scales);
}

void nj_w12a14_gemm_32x3_avx2(const struct nj_plain *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                              void *scratch)
{
    nj_gemm_run_plain(&form, nj_open_plain_avx2, w, a, first, panels, out, stride, scratch);
}
