#include "kernels/act.h"

#include <string.h>

static size_t round_up(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

uint32_t nj_act_group(uint32_t cols, uint32_t weight_group)
{
    uint32_t padded = nj_w4_padded_cols(cols);
    if (weight_group != cols)
        return weight_group;
    return padded % 128 == 0 ? 128 : padded % 64 == 0 ? 64 : 32;
}

size_t nj_act_bytes(enum nj_act_order order, uint32_t tokens, uint32_t cols, uint32_t group)
{
    uint32_t padded = nj_w4_padded_cols(cols);
    size_t   pairs  = (size_t)(padded / group) * tokens;
    return round_up((size_t)padded * tokens * nj_act_width(order)) + round_up(pairs * sizeof(float)) + round_up(pairs * sizeof(int32_t));
}

void nj_act_place(struct nj_act *act, enum nj_act_order order, uint32_t tokens, uint32_t cols, uint32_t group, uint32_t tile,
                  int32_t offset, void *memory)
{
    uint32_t padded = nj_w4_padded_cols(cols);
    size_t   pairs  = (size_t)(padded / group) * tokens;
    *act =
        (struct nj_act){.order = order, .tokens = tokens, .cols = cols, .padded = padded, .group = group, .tile = tile, .offset = offset};
    act->values = memory;
    act->scale  = (float *)(void *)(act->values + round_up((size_t)padded * tokens * nj_act_width(order)));
    act->start  = (int32_t *)(void *)((uint8_t *)act->scale + round_up(pairs * sizeof(float)));
}

static int32_t int16_at(const uint8_t *bytes)
{
    int16_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

int32_t nj_act_value(const struct nj_act *act, uint32_t token, uint32_t col)
{
    if (act->order == NJ_ORDER_ROWS)
        return int16_at(act->values + ((size_t)token * act->padded + col) * 2);
    if (act->order == NJ_ORDER_ROW_PLANES) {
        const int8_t *high = (const int8_t *)act->values + (size_t)token * act->padded * 2;
        return high[col] * 256 + high[act->padded + col];
    }
    uint32_t       tile = token / act->tile, width = nj_act_tile_width(act, tile), t = token % act->tile;
    uint32_t       in_chunk = col % NJ_ACT_CHUNK, group = in_chunk / act->group, at = in_chunk % act->group;
    const uint8_t *words = nj_act_words(act, col / NJ_ACT_CHUNK, tile) + (size_t)group * act->group * width * nj_act_width(act->order);
    if (act->order == NJ_ORDER_PAIRS) {
        static const uint8_t word_of[8] = {0, 2, 0, 2, 1, 3, 1, 3}, half_of[8] = {0, 0, 1, 1, 0, 0, 1, 1};
        uint32_t             step = at / 8 * 4 + word_of[at % 8];
        return int16_at(words + ((size_t)step * width + t) * 4 + half_of[at % 8] * 2);
    }
    size_t byte = ((size_t)(at / 4) * width + t) * 4 + at % 4;
    if (act->order == NJ_ORDER_BYTES)
        return (int8_t)words[byte];
    return (int8_t)words[byte] * (act->order == NJ_ORDER_PLANES ? 256 : 128) + (int8_t)words[(size_t)act->group * width + byte];
}
