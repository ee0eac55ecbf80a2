/* The packed int4 layout against values written out by hand. */
#include "kernels/w4.h"
#include "tests/tap.h"

static void test_words(void)
{
    CHECK(nj_w4_from_row_word(0xfea98710u) == 0xf8e7a190u, "the word fea98710 of compressed-tensors becomes the bytes 90 a1 e7 f8");
    int same = 1;
    for (uint32_t i = 0, word = 1; i < 1000; i++, word = word * 1664525u + 1013904223u)
        same &= nj_w4_to_row_word(nj_w4_from_row_word(word)) == word;
    CHECK(same, "words survive the way there and back");
}

static void test_panel(void)
{
    /* 18 rows x 40 columns, channel scales: one row of the second panel, padded to 64 columns */
    enum { ROWS = 18, COLS = 40 };
    static int8_t   q[ROWS * COLS];
    static float    scales[ROWS];
    static uint8_t  blocks[2 * 64 * 16 / 2];
    static uint16_t packed_scales[2 * 16];
    for (int r = 0; r < ROWS; r++) {
        scales[r] = (float)(r + 1) / 16;
        for (int c = 0; c < COLS; c++)
            q[r * COLS + c] = (int8_t)((r * 7 + c * 3) % 16 - 8);
    }
    CHECK(nj_w4_padded_cols(COLS) == 64 && nj_w4_panels(ROWS) == 2 && nj_w4_panel_bytes(COLS) == 512, "sizes with padding");
    nj_w4_pack_panel(q, scales, 16, COLS, COLS, NJ_SCALE_BF16, blocks, packed_scales);
    nj_w4_pack_panel(q + 16 * COLS, scales + 16, 2, COLS, COLS, NJ_SCALE_BF16, blocks + 512, packed_scales + 16);
    /* row 3, columns 8..15: values (21 + 3c) % 16 for c = 8..15 = 13 0 3 6 9 12 15 2; block 1, bytes 12..15 */
    CHECK(blocks[64 + 12] == 0x9d && blocks[64 + 13] == 0xc0 && blocks[64 + 14] == 0xf3 && blocks[64 + 15] == 0x26,
          "bytes of one row of one block");
    CHECK(blocks[5 * 64] == 0x88 && blocks[512 + 2 * 4] == 0x88 && packed_scales[16 + 2] == 0, "padding is zero");
    struct nj_w4 w    = {blocks, packed_scales, ROWS, COLS, COLS, NJ_SCALE_BF16, 1};
    int          same = 1;
    for (uint32_t r = 0; r < ROWS; r++) {
        int8_t integers[COLS];
        float  values[COLS];
        nj_w4_row_integers(&w, r, integers);
        nj_w4_row(&w, r, values);
        for (int c = 0; c < COLS; c++)
            same &= integers[c] == q[r * COLS + (uint32_t)c] && values[c] == (float)integers[c] * scales[r];
    }
    CHECK(same, "rows come back");
    CHECK(nj_w4_group_ok(40, 40) && nj_w4_group_ok(64, 32) && !nj_w4_group_ok(40, 32) && !nj_w4_group_ok(512, 256) && !nj_w4_group_ok(0, 0),
          "which groups the layout takes");
}

/* gate and up with alternating panels: each is a view with panel_step 2 */
static void test_pair(void)
{
    enum { ROWS = 32, COLS = 32 };
    static int8_t  q[2][ROWS * COLS];
    static float   scales[2][ROWS];
    static uint8_t blocks[4][16 * COLS / 2];
    static float   packed_scales[4][16];
    int            same = 1;
    for (int half = 0; half < 2; half++)
        for (int i = 0; i < ROWS * COLS; i++) {
            q[half][i]             = (int8_t)((i * 5 + i / 37 + half * 3) % 16 - 8);
            scales[half][i % ROWS] = (float)(i % ROWS + 1) * 1.0001f + (float)half;
        }
    for (int panel = 0; panel < 4; panel++)
        nj_w4_pack_panel(q[panel % 2] + panel / 2 * 16 * COLS, scales[panel % 2] + panel / 2 * 16, 16, COLS, 32, NJ_SCALE_F32,
                         blocks[panel], packed_scales[panel]);
    for (uint32_t half = 0; half < 2; half++) {
        struct nj_w4 w = {blocks[half], packed_scales[half], ROWS, COLS, 32, NJ_SCALE_F32, 2};
        for (uint32_t r = 0; r < ROWS; r++) {
            int8_t integers[COLS];
            nj_w4_row_integers(&w, r, integers);
            same &= memcmp(integers, &q[half][r * COLS], COLS) == 0 && nj_w4_scale(&w, r, 0) == scales[half][r];
        }
    }
    CHECK(same, "both halves of an alternating pair come back, scales exact in fp32");
}

int main(void)
{
    test_words();
    test_pair();
    test_panel();
    return tap_done();
}
