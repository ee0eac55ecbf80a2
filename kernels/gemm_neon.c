/* int4 weights x 16-bit activations on plain NEON: SMLAL of a column of eight rows and one activation. Opened weights are [column pair][2][16 rows]. */
#include "kernels/forms_neon.h"
#include "kernels/gemm.h"
#include "kernels/simd_neon.h"

#include "kernels/simd.h"

static void open_chunk(const uint8_t *blocks, uint32_t cols, void *opened)
{
    uint16_t *out = opened;
    for (uint32_t j = 0; j < cols / 8; j++, blocks += 64, out += 128) {
        uint8x16x4_t v = vld4q_u8(blocks); /* byte b of all 16 rows */
        NJ_UNROLL
        for (int pair = 0; pair < 4; pair++) {
            NJ_UNROLL
            for (int second = 0; second < 2; second++) {
                uint8x16_t bytes   = v.val[pair / 2 + 2 * second];
                uint8x16_t nibbles = pair % 2 ? vshrq_n_u8(bytes, 4) : vandq_u8(bytes, vdupq_n_u8(15));
                uint16_t  *to      = out + 32 * pair + 16 * second;
                vst1q_u16(to, vmovl_u8(vget_low_u8(nibbles)));
                vst1q_u16(to + 8, vmovl_high_u8(nibbles));
            }
        }
    }
}

/* Eight rows (half a panel) x n tokens of one group. */
NJ_INLINE void group_8xn(const int n, const int16_t *w, const int16_t *words, uint32_t steps, const int32_t *start, const float *w_scale,
                         const float *a_scale, bool fresh, float *sums)
{
    int32x4_t sum[8][2];
    NJ_UNROLL
    for (int t = 0; t < n; t++)
        sum[t][0] = sum[t][1] = vdupq_n_s32(start[t]);
    for (uint32_t step = 0; step < steps; step++, w += 32, words += 2 * n) {
        int16x8_t w0 = vld1q_s16(w), w1 = vld1q_s16(w + 16);
        NJ_UNROLL
        for (int t = 0; t < n; t++) {
            sum[t][0] = vmlal_n_s16(sum[t][0], vget_low_s16(w0), words[2 * t]);
            sum[t][1] = vmlal_high_n_s16(sum[t][1], w0, words[2 * t]);
            sum[t][0] = vmlal_n_s16(sum[t][0], vget_low_s16(w1), words[2 * t + 1]);
            sum[t][1] = vmlal_high_n_s16(sum[t][1], w1, words[2 * t + 1]);
        }
    }
    NJ_UNROLL
    for (int t = 0; t < n; t++)
        nj_flush_neon(sum[t][0], sum[t][1], w_scale, a_scale[t], fresh, sums + 32 * t);
}

NJ_INLINE void tile_8xn(const int n, const struct nj_tile *tile)
{
    for (uint32_t g = 0; g < tile->groups; g++)
        for (uint32_t p = 0; p < tile->panels; p++)
            for (uint32_t half = 0; half < 2; half++)
                group_8xn(n, (const int16_t *)(const void *)(tile->opened + p * NJ_OPENED_BYTES) + g * tile->group * 16 + 8 * half,
                          (const int16_t *)(const void *)tile->words + (size_t)g * tile->group * (size_t)n, tile->group / 2,
                          tile->start + g * tile->tokens, tile->w_scale + (p * tile->groups + g) * 16 + 8 * half,
                          tile->a_scale + g * tile->tokens, tile->fresh && g == 0, tile->sums + p * 16 + 8 * half);
}

static void tile_8x8(const struct nj_tile *tile)
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
    case 4:
        tile_8xn(4, tile);
        break;
    case 5:
        tile_8xn(5, tile);
        break;
    case 6:
        tile_8xn(6, tile);
        break;
    case 7:
        tile_8xn(7, tile);
        break;
    default:
        tile_8xn(8, tile);
    }
}

void nj_store_neon(const float *sums, uint32_t rows, float *out)
{
    for (uint32_t r = 0; r < rows; r += 4)
        nj_v_store_some(out + r, rows - r, nj_v_load(sums + r));
}

void nj_store_gelu_up_neon(const float *gate, const float *up, uint32_t rows, float *out)
{
    for (uint32_t r = 0; r < rows; r += 4)
        nj_v_store_some(out + r, rows - r, nj_v_mul(nj_v_gelu(nj_v_load(gate + r)), nj_v_load(up + r)));
}

/* No direct form: opening costs less than the products, even for one token. */
static const struct nj_gemm_form form = {open_chunk, tile_8x8, NULL, nj_store_neon, nj_store_gelu_up_neon, 0};

void nj_w4a16_gemm_8x8_neon(const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                            void *scratch)
{
    nj_gemm_run(&form, w, a, first, panels, out, stride, scratch);
}

void nj_w4a16_gelu_up_8x8_neon(const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a, uint32_t first, uint32_t panels,
                               float *out, size_t stride, void *scratch)
{
    nj_gemm_run_gelu_up(&form, gate, up, a, first, panels, out, stride, scratch);
}

static inline float32x4_t widen_bf16(uint16x4_t bits)
{
    return vreinterpretq_f32_u32(vshll_n_u16(bits, 16));
}

float nj_open_group_neon(const struct nj_plain *w, uint32_t row, uint32_t first, uint32_t group, int32_t limit, int16_t *q)
{
    if (w->format != NJ_NUMBER_BF16 || row >= w->rows || first + group > w->cols) { /* few are so */
        int32_t wide[128];
        float   scale = nj_open_group(w, row, first, group, limit, wide);
        for (uint32_t i = 0; i < group; i++)
            q[i] = (int16_t)wide[i];
        return scale;
    }
    const uint16_t *from = (const uint16_t *)w->data + (size_t)row * w->cols + first;
    float32x4_t     most = vdupq_n_f32(0);
    for (uint32_t i = 0; i < group; i += 8) {
        uint16x8_t bits = vld1q_u16(from + i);
        most            = vmaxq_f32(most, vabsq_f32(widen_bf16(vget_low_u16(bits))));
        most            = vmaxq_f32(most, vabsq_f32(widen_bf16(vget_high_u16(bits))));
    }
    const float largest = vmaxvq_f32(most);
    const bool  zero    = !(largest >= 0x1p-96f);
    const float factor  = zero ? 0 : (float)limit / largest;
    for (uint32_t i = 0; i < group; i += 8) {
        uint16x8_t bits  = vld1q_u16(from + i);
        int32x4_t  left  = vcvtnq_s32_f32(vmulq_n_f32(widen_bf16(vget_low_u16(bits)), factor));
        int32x4_t  right = vcvtnq_s32_f32(vmulq_n_f32(widen_bf16(vget_high_u16(bits)), factor));
        vst1q_s16(q + i, vcombine_s16(vmovn_s32(left), vmovn_s32(right)));
    }
    return zero ? 0 : largest / (float)limit;
}

static void open_plain(const struct nj_plain *w, const struct nj_act *a, uint32_t panel, uint32_t chunk, void *opened, float *scales)
{
    static const uint8_t word_of[8] = {0, 2, 0, 2, 1, 3, 1, 3}, half_of[8] = {0, 0, 1, 1, 0, 0, 1, 1};
    int16_t             *out = opened;
    for (uint32_t g = 0; g < nj_act_chunk_cols(a, chunk) / a->group; g++)
        for (uint32_t r = 0; r < 16; r++) {
            int16_t q[128];
            scales[g * 16 + r] = nj_open_group_neon(w, panel * 16 + r, chunk * NJ_ACT_CHUNK + g * a->group, a->group, NJ_PLAIN_LIMIT_12, q);
            for (uint32_t c = 0; c < a->group; c++)
                out[(g * a->group + c / 8 * 8) * 16 + word_of[c % 8] * 32 + half_of[c % 8] * 16 + r] = q[c];
        }
}

void nj_w12a14_gemm_8x8_neon(const struct nj_plain *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                             void *scratch)
{
    nj_gemm_run_plain(&form, open_plain, w, a, first, panels, out, stride, scratch);
}
