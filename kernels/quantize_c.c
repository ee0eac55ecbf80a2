#include "kernels/forms.h"
#include "kernels/forms_c.h"

#include <math.h>

static void put(const struct nj_act *act, uint32_t token, uint32_t col, int32_t q)
{
    if (act->order == NJ_ORDER_ROWS) {
        ((int16_t *)(void *)act->values)[(size_t)token * act->padded + col] = (int16_t)q;
        return;
    }
    int32_t high = (q + 128) >> 8, low = q - high * 256;
    if (act->order == NJ_ORDER_ROW_PLANES) {
        int8_t *row            = (int8_t *)act->values + (size_t)token * act->padded * 2;
        row[col]               = (int8_t)high;
        row[act->padded + col] = (int8_t)low;
        return;
    }
    uint32_t tile = token / act->tile, width = nj_act_tile_width(act, tile), t = token % act->tile;
    uint32_t in_chunk = col % NJ_ACT_CHUNK, group = in_chunk / act->group, at = in_chunk % act->group;
    uint8_t *words = nj_act_words(act, col / NJ_ACT_CHUNK, tile) + (size_t)group * act->group * width * nj_act_width(act->order);
    if (act->order == NJ_ORDER_PAIRS) {
        static const uint8_t word_of[8] = {0, 2, 0, 2, 1, 3, 1, 3}, half_of[8] = {0, 0, 1, 1, 0, 0, 1, 1};
        uint32_t             step                                                    = at / 8 * 4 + word_of[at % 8];
        ((int16_t *)(void *)words)[((size_t)step * width + t) * 2 + half_of[at % 8]] = (int16_t)q;
        return;
    }
    size_t byte = ((size_t)(at / 4) * width + t) * 4 + at % 4;
    if (act->order == NJ_ORDER_BYTES) {
        words[byte] = (uint8_t)q;
        return;
    }
    if (act->order == NJ_ORDER_PLANES_128) {
        high = (q + 64) >> 7;
        low  = q - high * 128;
    }
    words[byte]                              = (uint8_t)high;
    words[(size_t)act->group * width + byte] = (uint8_t)low;
}

static void quantize_group(const float *x, const struct nj_act *act, uint32_t token, uint32_t g, int32_t limit)
{
    uint32_t first = g * act->group, real = first >= act->cols ? 0 : act->cols - first < act->group ? act->cols - first : act->group;
    float    largest = 0;
    int32_t  sum     = 0;
    for (uint32_t i = 0; i < real; i++) {
        float magnitude = fabsf(x[first + i]);
        if (magnitude > largest)
            largest = magnitude;
    }
    bool  zero  = !(largest >= 0x1p-96f);
    float scale = zero ? 0 : largest / (float)limit, inverse = zero ? 0 : (float)limit / largest;
    for (uint32_t i = 0; i < act->group; i++) {
        float   value = i < real ? rintf(x[first + i] * inverse) : 0;
        int32_t q     = value > (float)limit ? limit : value > -(float)limit ? (int32_t)value : -limit;
        put(act, token, first + i, q);
        sum += q;
    }
    act->scale[(size_t)g * act->tokens + token] = scale;
    if (act->order != NJ_ORDER_ROWS && act->order != NJ_ORDER_ROW_PLANES)
        act->start[(size_t)g * act->tokens + token] = -act->offset * sum;
}

static void quantize(const float *x, size_t stride, const struct nj_act *act, uint32_t first_tile, uint32_t tiles, int32_t limit)
{
    uint32_t end = (first_tile + tiles) * act->tile;
    for (uint32_t token = first_tile * act->tile; token < end && token < act->tokens; token++)
        for (uint32_t g = 0; g < act->padded / act->group; g++)
            quantize_group(x + token * stride, act, token, g, limit);
}

void nj_quantize_c(const float *x, size_t stride, const struct nj_act *act, uint32_t first_tile, uint32_t tiles)
{
    quantize(x, stride, act, first_tile, tiles, act->order == NJ_ORDER_BYTES ? NJ_ACT_LIMIT_8 : NJ_ACT_LIMIT_16);
}

void nj_a14_quantize_c(const float *x, size_t stride, const struct nj_act *act, uint32_t first_tile, uint32_t tiles)
{
    quantize(x, stride, act, first_tile, tiles, NJ_ACT_LIMIT_14);
}
