/* w4.h: the one layout of int4 weights that every kernel reads: panels of 16 rows.
 *
 * A weight is q * scale with q in -8..7. A matrix [rows][cols] is cut into panels of 16 rows; a panel is one sequential stream over its columns, in
 * blocks of 16 rows x 8 columns = 64 bytes (one cache line):
 *
 *     block (p, j), p = row / 16, j = col / 8:  bytes (p * step * blocks_per_panel + j) * 64 ...
 *     row r = row % 16 owns bytes 4r .. 4r+3 of it; byte b holds  q[8j + b] + 8  in its low and  q[8j + 4 + b] + 8  in its high nibble.
 *
 * So nibbles are offset binary (0..15). Kernels never subtract the 8: sum (n - 8) a = sum n a - 8 sum a, and -8 sum a is made together with the
 * activations (act.h). On 16-bit lanes v & 15, v >> 4 & 15, v >> 8 & 15, v >> 12 are the pairs of columns (0,2) (4,6) (1,3) (5,7).
 *
 * Scales are a second array, [panel][groups][16 rows], bf16 or fp32 (fp32 where bf16 would change the value: fp16 checkpoints, GGUF).
 * One group is 32, 64 or 128 columns, or the whole row ("channel": one scale a row, however many columns).
 *
 * Padding: rows up to a multiple of 16, columns up to a multiple of 32. Padded weights have nibble 8 (zero) and padded rows the scale 0. Groups of 32,
 * 64 and 128 must divide the columns, so only channel matrices have padded columns.
 *
 * gate_proj and up_proj lie as one pair with alternating panels: gate 0, up 0, gate 1, up 1, ... Each of the two is then a view with panel_step 2 whose
 * `blocks` and `scales` start at its own first panel; `up` is exactly one panel behind `gate`. Every other matrix has panel_step 1.
 *
 * Alignment: blocks and scales start on 64 bytes. Nothing here allocates. */
#ifndef NJ_KERNELS_W4_H
#define NJ_KERNELS_W4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NJ_W4_ROWS_PER_PANEL 16u
#define NJ_W4_BLOCK_COLS     8u
#define NJ_W4_BLOCK_BYTES    64u
#define NJ_W4_COLS_MULTIPLE  32u

enum nj_scale_format { NJ_SCALE_BF16, NJ_SCALE_F32 };

/* A view; owns nothing. */
struct nj_w4 {
    const uint8_t       *blocks;
    const void          *scales; /* uint16_t (bf16) or float, [panels][groups][16]; panels panel_step apart */
    uint32_t             rows, cols;
    uint32_t             group; /* 32, 64, 128, or cols */
    enum nj_scale_format scale_format;
    uint32_t             panel_step; /* 1, or 2 in a view of one half of an alternating pair */
};

/* Whether a matrix can have this layout: 0 < cols < 2^24 and group 32, 64 or 128 dividing cols, or group == cols. Wider groups that are a multiple
 * of 128 are stored as groups of 128 with the scale repeated. */
bool nj_w4_group_ok(uint32_t cols, uint32_t group);

/* Columns with padding, panels, scales a row, and the sizes of one panel. */
uint32_t nj_w4_padded_cols(uint32_t cols);
uint32_t nj_w4_panels(uint32_t rows);
uint32_t nj_w4_groups(uint32_t cols, uint32_t group);
size_t   nj_w4_panel_bytes(uint32_t cols);
size_t   nj_w4_panel_scale_bytes(uint32_t cols, uint32_t group, enum nj_scale_format format);

/* Packing, one panel at a time (a converter holds no more than 16 rows).
 *   q       [count][cols], values -8..7, rows first_row .. first_row + count - 1 of the matrix; count <= 16; missing rows become padding
 *   scales  [count][groups]; written as `format` (bf16: nearest, ties to even)
 *   blocks  out, nj_w4_panel_bytes;  scales_out  out, nj_w4_panel_scale_bytes */
void nj_w4_pack_panel(const int8_t *q, const float *scales, uint32_t count, uint32_t cols, uint32_t group, enum nj_scale_format format,
                      uint8_t *blocks, void *scales_out);

/* A word of eight nibbles in the order of compressed-tensors (nibble k of the word is column 8w + k, plus 8) as the four bytes that its row owns in a
 * block, read as a little-endian word. The way back is the same kind of step. */
uint32_t nj_w4_from_row_word(uint32_t word);
uint32_t nj_w4_to_row_word(uint32_t word);

/* The definition of the format: one row back, as integers (-8..7) and as values q * scale in fp32.  out: [cols] */
void  nj_w4_row_integers(const struct nj_w4 *w, uint32_t row, int8_t *out);
void  nj_w4_row(const struct nj_w4 *w, uint32_t row, float *out);
float nj_w4_scale(const struct nj_w4 *w, uint32_t row, uint32_t group_index);

#endif
