/* act.h: quantised activations, in the order in which the GEMM kernels eat them.
 *
 * A token's `cols` values are cut into groups of `group` columns. Each group has one fp32 scale; value = scale * q. q keeps 16 bits (|q| <= 32639), 14
 * (|q| <= 8191, for plain matrices) or, in the power-saver mode only, 8 (|q| <= 127, for either). 32639 = 127 * 256 + 127, so that q also splits into two balanced int8 planes, 256 h + l: every instruction set
 * then computes from the same integers. Kernels meet weights that carry an `offset` (int4 8, w4.h; plain ones in 7 bits 64): `start` is -offset * (sum of the
 * group's q), the value with which a product starts.
 *
 * Tokens are cut into tiles of `tile` tokens (the last one may be narrower) and columns into chunks of 256 (the last one may be shorter), so that a kernel
 * walks memory in one direction:
 *
 *     values  [chunk][tile][group of the chunk][step][token of the tile] 32-bit words
 *     scale   [group][tokens]
 *     start   [group][tokens]
 *
 * What one word holds depends on the order:
 *
 *     NJ_ORDER_PAIRS       two int16: of each eight columns, the words are (0,2) (4,6) (1,3) (5,7)
 *     NJ_ORDER_PLANES      four int8 of four columns; a group is all words of the plane h, then all words of the plane l
 *     NJ_ORDER_PLANES_128  the same with 128 h + l (14 bits only)
 *     NJ_ORDER_BYTES       four int8 of four columns (8-bit mode)
 *
 * One kind stands apart, for row-major weights (the output head): NJ_ORDER_ROWS is [token][cols] int16 and NJ_ORDER_ROW_PLANES [token][plane][cols] int8,
 * in natural order.
 *
 * An nj_act owns nothing: the memory is the caller's. */
#ifndef NJ_KERNELS_ACT_H
#define NJ_KERNELS_ACT_H

#include "kernels/w4.h"

#define NJ_ACT_CHUNK    256u
#define NJ_ACT_LIMIT_16 32639
#define NJ_ACT_LIMIT_14 8191
#define NJ_ACT_LIMIT_8  127

enum nj_act_order { NJ_ORDER_PAIRS, NJ_ORDER_PLANES, NJ_ORDER_PLANES_128, NJ_ORDER_BYTES, NJ_ORDER_ROWS, NJ_ORDER_ROW_PLANES };

struct nj_act {
    enum nj_act_order order;
    uint32_t          tokens;
    uint32_t          cols;   /* real columns */
    uint32_t          padded; /* nj_w4_padded_cols(cols); the rest are zeros */
    uint32_t          group;  /* 32, 64 or 128; divides padded */
    uint32_t          tile;
    int32_t           offset; /* of the weights: 8, 64, or 0 (14 bits) */
    uint8_t          *values;
    float            *scale;
    int32_t          *start;
};

/* The activation group that goes with a weight group: the same up to 128; for channel matrices the largest of 128, 64, 32 that divides the columns. */
uint32_t nj_act_group(uint32_t cols, uint32_t weight_group);

/* Bytes for values, scale and start together; a multiple of 64. */
size_t nj_act_bytes(enum nj_act_order order, uint32_t tokens, uint32_t cols, uint32_t group);

/* Cuts `memory` (aligned to 64, nj_act_bytes long) into the three arrays. Tile width and offset come from the kernels: see nj_kernels_act (kernels.h). */
void nj_act_place(struct nj_act *act, enum nj_act_order order, uint32_t tokens, uint32_t cols, uint32_t group, uint32_t tile,
                  int32_t offset, void *memory);

static inline uint32_t nj_act_tiles(const struct nj_act *act)
{
    return (act->tokens + act->tile - 1) / act->tile;
}

static inline uint32_t nj_act_tile_width(const struct nj_act *act, uint32_t tile)
{
    uint32_t left = act->tokens - tile * act->tile;
    return left < act->tile ? left : act->tile;
}

static inline uint32_t nj_act_chunk_cols(const struct nj_act *act, uint32_t chunk)
{
    uint32_t left = act->padded - chunk * NJ_ACT_CHUNK;
    return left < NJ_ACT_CHUNK ? left : NJ_ACT_CHUNK;
}

/* Bytes that one value takes in all its planes. */
static inline uint32_t nj_act_width(enum nj_act_order order)
{
    return order == NJ_ORDER_BYTES ? 1 : 2;
}

/* Where the words of a tile in a chunk begin. Tiled orders only. */
static inline uint8_t *nj_act_words(const struct nj_act *act, uint32_t chunk, uint32_t tile)
{
    size_t before = (size_t)chunk * NJ_ACT_CHUNK * act->tokens + (size_t)tile * act->tile * nj_act_chunk_cols(act, chunk);
    return act->values + before * nj_act_width(act->order);
}

/* The definition: one quantised value, by token and column, in any order. */
int32_t nj_act_value(const struct nj_act *act, uint32_t token, uint32_t col);

#endif
