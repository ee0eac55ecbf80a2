/* Plain matrices by SDOT: weights and activations are both two int8 planes, 128 h + l, so that the two mixed products share one sum. Opened weights are
 * [step of 4 columns][quad of rows][plane][4 rows][4 columns]. */
#include "kernels/forms_neon.h"
#include "kernels/gemm.h"
#include "kernels/loop_dotprod.h"

#define INLINE static inline __attribute__((always_inline))

static void open_plain(const struct nj_plain *w, const struct nj_act *a, uint32_t panel, uint32_t chunk, void *opened, float *scales)
{
    int8_t *out = opened;
    for (uint32_t g = 0; g < nj_act_chunk_cols(a, chunk) / a->group; g++)
        for (uint32_t r = 0; r < 16; r++) {
            int16_t q[128];
            int8_t *to         = out + g * a->group * 32 + r / 4 * 32 + r % 4 * 4;
            scales[g * 16 + r] = nj_open_group_neon(w, panel * 16 + r, chunk * NJ_ACT_CHUNK + g * a->group, a->group, NJ_PLAIN_LIMIT_12, q);
            for (uint32_t c = 0; c < a->group; c += 8, to += 256) {
                struct nj_planes planes = nj_planes_neon(vld1q_s16(q + c));
                int32x2_t        high = vreinterpret_s32_s8(planes.high), low = vreinterpret_s32_s8(planes.low);
                vst1_lane_s32((int32_t *)(void *)to, high, 0);
                vst1_lane_s32((int32_t *)(void *)(to + 16), low, 0);
                vst1_lane_s32((int32_t *)(void *)(to + 128), high, 1);
                vst1_lane_s32((int32_t *)(void *)(to + 144), low, 1);
            }
        }
}

FULL_LOOP(full_loop, 128, 16)

/* Four rows (a quarter of a panel) x n tokens of one group. */
INLINE void group_4xn(const int n, const int8_t *w, const uint8_t *words, uint32_t group, const float *w_scale, const float *a_scale,
                      bool fresh, float *sums)
{
    const int32_t *high = (const int32_t *)(const void *)words, *low = high + group / 4 * (uint32_t)n;
    int32x4_t      hh[4], mixed[4], ll[4];
    NJ_UNROLL
    for (int t = 0; t < n; t++)
        hh[t] = mixed[t] = ll[t] = vdupq_n_s32(0);
    for (uint32_t c = 0; c < group; c += 4, w += 128, high += n, low += n) {
        int8x16_t wh = vld1q_s8(w), wl = vld1q_s8(w + 16);
        NJ_UNROLL
        for (int t = 0; t < n; t++) {
            int8x16_t xh = vreinterpretq_s8_s32(vld1q_dup_s32(high + t)), xl = vreinterpretq_s8_s32(vld1q_dup_s32(low + t));
            hh[t]    = vdotq_s32(hh[t], wh, xh);
            mixed[t] = vdotq_s32(mixed[t], wh, xl);
            mixed[t] = vdotq_s32(mixed[t], wl, xh);
            ll[t]    = vdotq_s32(ll[t], wl, xl);
        }
    }
    NJ_UNROLL
    for (int t = 0; t < n; t++)
        nj_flush4_neon(nj_product12_neon(hh[t], mixed[t], ll[t]), w_scale, a_scale[t], fresh, sums + 32 * t);
}

/* The same for a full tile of four: "quads" of the loop are the planes of the weights. */
__attribute__((noinline)) static void group_4x4(const int8_t *w, const uint8_t *words, uint32_t group, const float *w_scale,
                                                const float *a_scale, bool fresh, float *sums)
{
    int32x4_t total[16];
    full_loop(w, words, words + (size_t)group * 4, group / 16, total);
    NJ_UNROLL
    for (int t = 0; t < 4; t++)
        nj_flush4_neon(nj_product12_neon(total[2 * t], vaddq_s32(total[2 * t + 1], total[8 + 2 * t]), total[9 + 2 * t]), w_scale,
                       a_scale[t], fresh, sums + 32 * t);
}

INLINE void tile_4xn(const int n, const struct nj_tile *tile)
{
    for (uint32_t g = 0; g < tile->groups; g++)
        for (uint32_t p = 0; p < tile->panels; p++)
            for (uint32_t quad = 0; quad < 4; quad++) {
                const int8_t  *w     = (const int8_t *)tile->opened + p * NJ_OPENED_BYTES + g * tile->group * 32 + 32 * quad;
                const uint8_t *words = tile->words + (size_t)g * tile->group * (size_t)n * 2;
                const float *w_scale = tile->w_scale + (p * tile->groups + g) * 16 + 4 * quad, *a_scale = tile->a_scale + g * tile->tokens;
                if (n == 4)
                    group_4x4(w, words, tile->group, w_scale, a_scale, tile->fresh && g == 0, tile->sums + p * 16 + 4 * quad);
                else
                    group_4xn(n, w, words, tile->group, w_scale, a_scale, tile->fresh && g == 0, tile->sums + p * 16 + 4 * quad);
            }
}

static void tile_4x4(const struct nj_tile *tile)
{
    switch (tile->width) {
    case 1:
        tile_4xn(1, tile);
        break;
    case 2:
        tile_4xn(2, tile);
        break;
    case 3:
        tile_4xn(3, tile);
        break;
    default:
        tile_4xn(4, tile);
    }
}

static const struct nj_gemm_form form = {NULL, tile_4x4, NULL, nj_store_neon, nj_store_gelu_up_neon, 0};

void nj_w12a14_gemm_4x4_dotprod(const struct nj_plain *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out,
                                size_t stride, void *scratch)
{
    nj_gemm_run_plain(&form, open_plain, w, a, first, panels, out, stride, scratch);
}
