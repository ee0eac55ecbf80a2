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
            scales[g * 16 + r] = nj_open_group_neon(w, panel * 16 + r, chunk * NJ_ACT_CHUNK + g * a->group, a->group, NJ_PLAIN_LIMIT_12, q);
            for (uint32_t c = 0; c < a->group; c += 8, to += 256) {
                struct nj_planes planes = nj_planes_neon(vld1q_s16(q + c));
                vst1_s8(to, planes.high);
                vst1_s8(to + 32, planes.low);
            }
        }
}

/* What one group adds to four rows of n <= 4 tokens. Operands are h01 h23 l01 l23, each with the high, then the low plane of the rows. */
__attribute__((noinline)) static void group_4x4(const int8_t *w, const int8_t *x, uint32_t group, const float *w_scale,
                                                const float *a_scale, uint32_t n, bool fresh, float *sums)
{
    int32x4_t sum[OPERANDS][4];
    nj_products_i8mm(256, w, x, group / 8, sum);
    NJ_UNROLL
    for (uint32_t o = 0; o < 2; o++) {
        int32x4_t pair[2]; /* of rows x tokens */
        NJ_UNROLL
        for (uint32_t i = 0; i < 2; i++)
            pair[i] = nj_product12_neon(sum[o][i], vaddq_s32(sum[o][2 + i], sum[2 + o][i]), sum[2 + o][2 + i]);
        if (2 * o < n)
            nj_flush4_neon(vuzp1q_s32(pair[0], pair[1]), w_scale, a_scale[2 * o], fresh, sums + 64 * o);
        if (2 * o + 1 < n)
            nj_flush4_neon(vuzp2q_s32(pair[0], pair[1]), w_scale, a_scale[2 * o + 1], fresh, sums + 64 * o + 32);
    }
}

static void tile_4x4(const struct nj_tile *tile)
{
    _Alignas(16) int8_t x[NJ_PAIRED_BYTES];
    for (uint32_t g = 0; g < tile->groups; g++) {
        nj_pair_group(2, tile, g, x);
        for (uint32_t p = 0; p < tile->panels; p++)
            for (uint32_t quad = 0; quad < 4; quad++)
                group_4x4((const int8_t *)tile->opened + p * NJ_OPENED_BYTES + (size_t)g * tile->group * 32 + 64 * quad, x, tile->group,
                          tile->w_scale + (p * tile->groups + g) * 16 + 4 * quad, tile->a_scale + g * tile->tokens, tile->width,
                          tile->fresh && g == 0, tile->sums + p * 16 + 4 * quad);
    }
}

static const struct nj_gemm_form form = {NULL, tile_4x4, NULL, nj_store_neon, nj_store_gelu_up_neon, 0};

void nj_w12a14_gemm_4x4_i8mm(const struct nj_plain *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                             void *scratch)
{
    nj_gemm_run_plain(&form, open_plain, w, a, first, panels, out, stride, scratch);
}
