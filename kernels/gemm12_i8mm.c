/* Plain matrices by SMMLA: weights and activations are both two int8 planes, 128 h + l. Opened weights are [8 columns][quad of rows][plane][2 pairs of rows][2 rows]
 * [8 columns]: the four pairs of rows of one step are two pairs in two planes. */
#include "kernels/loop_i8mm.h"

static void open_plain(const struct nj_plain *w, const struct nj_act *a, uint32_t panel, uint32_t chunk, void *opened, float *scales)
{
    int8_t *out = opened;
    for (uint32_t g = 0; g < nj_act_chunk_cols(a, chunk) / a->group; g++)
        for (uint32_t r = 0; r < 16; r++) {
            int16_t q[128];
            int8_t *to         = out + g * a->group * 32 + r / 4 * 64 + r % 4 * 8;
            scales[g * 16 + r] = nj_open_group_neon(w, panel * 16 + r, chunk * NJ_ACT_CHUNK + g * a->group, a->group, q);
            for (uint32_t c = 0; c < a->group; c += 8, to += 256) {
                struct nj_planes planes = nj_planes_neon(vld1q_s16(q + c));
                vst1_s8(to, planes.high);
                vst1_s8(to + 32, planes.low);
            }
        }
}

__attribute__((noinline)) static void products_4x4(const int8_t *w, const int8_t *x, uint32_t rounds, int32_t sums[OPERANDS][2][2][4])
{
    nj_products_i8mm(256, w, x, rounds, sums);
}

/* Sums of operands h01 h23 l01 l23 with the high, then the low plane of the rows. */
static void tile_4x4(const struct nj_tile *tile)
{
    _Alignas(16) uint8_t x[128 / 8 * OPERANDS * 16];
    for (uint32_t g = 0; g < tile->groups; g++) {
        nj_pair_group(2, tile, g, x);
        for (uint32_t p = 0; p < tile->panels; p++)
            for (uint32_t quad = 0; quad < 4; quad++) {
                const uint8_t *w = tile->opened + p * NJ_OPENED_BYTES + (size_t)g * tile->group * 32 + 64 * quad;
                int32_t        sums[OPERANDS][2][2][4];
                products_4x4((const int8_t *)w, (const int8_t *)x, tile->group / 8, sums);
                for (uint32_t t = 0; t < tile->width; t++) {
                    int32x4_t mixed = vaddq_s32(vld1q_s32(sums[t / 2][1][t % 2]), vld1q_s32(sums[2 + t / 2][0][t % 2]));
                    nj_flush12_neon(vld1q_s32(sums[t / 2][0][t % 2]), mixed, vld1q_s32(sums[2 + t / 2][1][t % 2]),
                                    tile->w_scale + (p * tile->groups + g) * 16 + 4 * quad, tile->a_scale[g * tile->tokens + t],
                                    tile->fresh && g == 0, tile->sums + (2 * t + p) * 16 + 4 * quad);
                }
            }
    }
}

static const struct nj_gemm_form form = {NULL, tile_4x4, NULL, nj_store_neon, nj_store_gelu_up_neon, 0};

void nj_w12a14_gemm_4x4_i8mm(const struct nj_plain *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                             void *scratch)
{
    nj_gemm_run_plain(&form, open_plain, w, a, first, panels, out, stride, scratch);
}
