#include "kernels/forms_avx2.h"
#include "kernels/simd_avx2.h"

#include "kernels/simd.h"

#include <string.h>

NJ_INLINE void put_word(uint8_t *at, uint32_t word)
{
    memcpy(at, &word, sizeof word);
}

/* One group of one token. words: its first word; the next step's is `pitch` bytes on.  x: [group] */
NJ_INLINE void quantize_group(enum nj_act_order order, int32_t most, const float *x, uint32_t group, uint8_t *words, size_t pitch,
                              float *scale, int32_t offset, int32_t *start)
{
    const float   limit = (float)most;
    const __m256  sign  = _mm256_set1_ps(-0.0f);
    const __m128i pairs = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    __m256        sizes = _mm256_setzero_ps();
    for (uint32_t i = 0; i < group; i += 8)
        sizes = _mm256_max_ps(sizes, _mm256_andnot_ps(sign, _mm256_loadu_ps(x + i)));
    float   largest = nj_v_most(sizes);
    bool    zero    = !(largest >= 0x1p-96f);
    __m256  inverse = _mm256_set1_ps(zero ? 0 : limit / largest);
    __m128i sum     = _mm_setzero_si128();
    *scale          = zero ? 0 : largest / limit;
    for (uint32_t i = 0; i < group; i += 8) {
        __m256i q32 = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), inverse));
        __m128i q   = _mm_packs_epi32(_mm256_castsi256_si128(q32), _mm256_extracti128_si256(q32, 1));
        sum         = _mm_add_epi32(sum, _mm_madd_epi16(q, _mm_set1_epi16(1)));
        if (order == NJ_ORDER_ROWS) {
            _mm_storeu_si128((__m128i *)(void *)(words + 2 * i), q);
        } else if (order == NJ_ORDER_BYTES) {
            uint64_t bytes = (uint64_t)_mm_cvtsi128_si64(_mm_packs_epi16(q, q));
            put_word(words, (uint32_t)bytes);
            put_word(words + pitch, (uint32_t)(bytes >> 32));
            words += 2 * pitch;
        } else {
            q = _mm_shuffle_epi8(q, pairs);
            if (pitch == 4) {
                _mm_storeu_si128((__m128i *)(void *)words, q);
            } else {
                put_word(words, (uint32_t)_mm_cvtsi128_si32(q));
                put_word(words + pitch, (uint32_t)_mm_extract_epi32(q, 1));
                put_word(words + 2 * pitch, (uint32_t)_mm_extract_epi32(q, 2));
                put_word(words + 3 * pitch, (uint32_t)_mm_extract_epi32(q, 3));
            }
            words += 4 * pitch;
        }
    }
    if (order != NJ_ORDER_ROWS) {
        sum    = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
        *start = -offset * (_mm_cvtsi128_si32(sum) + _mm_extract_epi32(sum, 1));
    }
}

/* The part of x that a group covers; a copy with zeros behind where the columns end inside the group. */
NJ_INLINE const float *group_of(const struct nj_act *act, const float *x, uint32_t first, float *copy)
{
    if (first + act->group <= act->cols)
        return x + first;
    uint32_t real = first < act->cols ? act->cols - first : 0;
    memset(copy + real, 0, (act->group - real) * sizeof *copy);
    memcpy(copy, x + first, real * sizeof *copy);
    return copy;
}

NJ_INLINE void quantize_tiles(enum nj_act_order order, int32_t most, const float *x, size_t stride, const struct nj_act *act,
                              uint32_t first_tile, uint32_t tiles)
{
    const uint32_t bytes = order == NJ_ORDER_BYTES ? 1 : 2;
    float          copy[128];
    for (uint32_t tile = first_tile; tile < first_tile + tiles; tile++) {
        uint32_t width = nj_act_tile_width(act, tile);
        for (uint32_t t = 0; t < width; t++) {
            size_t       token = (size_t)tile * act->tile + t;
            const float *row   = x + token * stride;
            for (uint32_t first = 0, g = 0; first < act->padded; first += act->group, g++) {
                size_t   in_chunk = (size_t)(first % NJ_ACT_CHUNK) * width * bytes;
                uint8_t *words    = order == NJ_ORDER_ROWS ? act->values + (token * act->padded + first) * 2
                                                           : nj_act_words(act, first / NJ_ACT_CHUNK, tile) + in_chunk + 4 * (size_t)t;
                quantize_group(order, most, group_of(act, row, first, copy), act->group, words, 4 * (size_t)width,
                               &act->scale[g * act->tokens + token], act->offset, &act->start[g * act->tokens + token]);
            }
        }
    }
}

void nj_a16_quantize_avx2(const float *x, size_t stride, const struct nj_act *act, uint32_t first_tile, uint32_t tiles)
{
    quantize_tiles(NJ_ORDER_PAIRS, NJ_ACT_LIMIT_16, x, stride, act, first_tile, tiles);
}

void nj_a14_quantize_avx2(const float *x, size_t stride, const struct nj_act *act, uint32_t first_tile, uint32_t tiles)
{
    quantize_tiles(NJ_ORDER_PAIRS, NJ_ACT_LIMIT_14, x, stride, act, first_tile, tiles);
}

void nj_a8_quantize_avx2(const float *x, size_t stride, const struct nj_act *act, uint32_t first_tile, uint32_t tiles)
{
    quantize_tiles(NJ_ORDER_BYTES, NJ_ACT_LIMIT_8, x, stride, act, first_tile, tiles);
}

void nj_a16_rows_quantize_avx2(const float *x, size_t stride, const struct nj_act *act, uint32_t first_tile, uint32_t tiles)
{
    quantize_tiles(NJ_ORDER_ROWS, NJ_ACT_LIMIT_16, x, stride, act, first_tile, tiles);
}
