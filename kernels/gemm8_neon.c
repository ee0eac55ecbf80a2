/* int4 weights x 8-bit activations on plain NEON (power-saver mode): SMLAL of bytes into int16, eight at most (15 * 127 * 8 = 15240), then widened. */
#include "kernels/forms_neon.h"
#include "kernels/gemm.h"

/* [step of 4 columns][16 rows][4] bytes: low nibbles, then high nibbles, of each block. */
void nj_open_bytes_neon(const uint8_t *blocks, uint32_t cols, void *opened)
{
    uint8_t *out = opened;
    for (uint32_t j = 0; j < cols / 8; j++, blocks += 64, out += 128) {
        NJ_UNROLL
        for (int i = 0; i < 4; i++) {
            uint8x16_t v = vld1q_u8(blocks + 16 * i);
            vst1q_u8(out + 16 * i, vandq_u8(v, vdupq_n_u8(15)));
            vst1q_u8(out + 64 + 16 * i, vshrq_n_u8(v, 4));
        }
    }
}

/* Eight rows (half a panel) x n tokens of one group. */
static inline __attribute__((always_inline)) void group_8xn(const int n, const int8_t *w, const int32_t *words, uint32_t group,
                                                            const int32_t *start, const float *w_scale, const float *a_scale, bool fresh,
                                                            float *sums)
{
    int32x4_t total[4][2];
    NJ_UNROLL
    for (int t = 0; t < n; t++)
        total[t][0] = total[t][1] = vdupq_n_s32(start[t]);
    for (uint32_t c = 0; c < group; c += 32) {
        int16x8_t sum[4][4];
        NJ_UNROLL
        for (int t = 0; t < n; t++) {
            NJ_UNROLL
            for (int i = 0; i < 4; i++)
                sum[t][i] = vdupq_n_s16(0);
        }
        for (int step = 0; step < 8; step++, w += 64, words += n) {
            int8x16_t w0 = vld1q_s8(w), w1 = vld1q_s8(w + 16);
            NJ_UNROLL
            for (int t = 0; t < n; t++) {
                int8x16_t x = vreinterpretq_s8_s32(vdupq_n_s32(words[t]));
                sum[t][0]   = vmlal_s8(sum[t][0], vget_low_s8(w0), vget_low_s8(x));
                sum[t][1]   = vmlal_high_s8(sum[t][1], w0, x);
                sum[t][2]   = vmlal_s8(sum[t][2], vget_low_s8(w1), vget_low_s8(x));
                sum[t][3]   = vmlal_high_s8(sum[t][3], w1, x);
            }
        }
        NJ_UNROLL
        for (int t = 0; t < n; t++) {
            total[t][0] = vaddq_s32(total[t][0], vpaddq_s32(vpaddlq_s16(sum[t][0]), vpaddlq_s16(sum[t][1])));
            total[t][1] = vaddq_s32(total[t][1], vpaddq_s32(vpaddlq_s16(sum[t][2]), vpaddlq_s16(sum[t][3])));
        }
    }
    NJ_UNROLL
    for (int t = 0; t < n; t++)
        nj_flush_neon(total[t][0], total[t][1], w_scale, a_scale[t], fresh, sums + 32 * t);
}

static inline __attribute__((always_inline)) void tile_8xn(const int n, const struct nj_tile *tile)
{
    for (uint32_t g = 0; g < tile->groups; g++)
        for (uint32_t p = 0; p < tile->panels; p++)
            for (uint32_t half = 0; half < 2; half++)
                group_8xn(n, (const int8_t *)tile->opened + p * NJ_OPENED_BYTES + g * tile->group * 16 + 32 * half,
                          (const int32_t *)(const void *)tile->words + (size_t)g * tile->group / 4 * (size_t)n, tile->group,
                          tile->start + g * tile->tokens, tile->w_scale + (p * tile->groups + g) * 16 + 8 * half,
                          tile->a_scale + g * tile->tokens, tile->fresh && g == 0, tile->sums + p * 16 + 8 * half);
}

static void tile_8x4(const struct nj_tile *tile)
{
    switch (tile->width) {
    case 1:
        tile_8xn(1, tile);
        break;
    case 2:
        tile_8xn(2, tile);
        break;
    case 3:
        tile_8xn(3, tile);
        break;
    default:
        tile_8xn(4, tile);
    }
}

static const struct nj_gemm_form form = {nj_open_bytes_neon, tile_8x4, NULL, nj_store_neon, nj_store_gelu_up_neon, 0};

void nj_w4a8_gemm_8x4_neon(const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                           void *scratch)
{
    nj_gemm_run(&form, w, a, first, panels, out, stride, scratch);
}

void nj_w4a8_gelu_up_8x4_neon(const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a, uint32_t first, uint32_t panels,
                              float *out, size_t stride, void *scratch)
{
    nj_gemm_run_gelu_up(&form, gate, up, a, first, panels, out, stride, scratch);
}
