#include "kernels/forms.h"
#include "kernels/forms_c.h"
#include "kernels/gemm.h"
#include "kernels/patches.h"

#include <stdio.h>
#include <string.h>

void nj_use_c(struct nj_kernels *k)
{
    NJ_USE(k, a16_quantize, nj_quantize_c);
    NJ_USE(k, a14_quantize, nj_a14_quantize_c);
    NJ_USE(k, a8_quantize, nj_quantize_c);
    NJ_USE(k, a16_rows_quantize, nj_quantize_c);
    NJ_USE(k, w4a16_gemm, nj_w4_gemm_c);
    NJ_USE(k, w4a16_gelu_up, nj_w4_gelu_up_c);
    NJ_USE(k, w4a8_gemm, nj_w4_gemm_c);
    NJ_USE(k, w4a8_gelu_up, nj_w4_gelu_up_c);
    NJ_USE(k, w12a14_gemm, nj_w12a14_gemm_c);
    NJ_USE(k, w7a8_gemm, nj_w7a8_gemm_c);
    NJ_USE(k, w8a16_rows, nj_w8a16_rows_c);
    NJ_USE(k, f32_rows, nj_f32_rows_c);
    NJ_USE(k, f16_rows, nj_f16_rows_c);
    NJ_USE(k, bf16_rows, nj_bf16_rows_c);
    NJ_USE(k, kv_write, nj_kv_write_c);
    NJ_USE(k, attention, nj_attention_c);
    NJ_USE(k, patches_open, nj_patches_open_c);
    NJ_USE(k, patches_attend, nj_patches_attend_c);
    NJ_USE(k, rms_norm, nj_rms_norm_c);
    NJ_USE(k, rope, nj_rope_c);
    NJ_USE(k, gelu, nj_gelu_c);
    NJ_USE(k, gelu_mul, nj_gelu_mul_c);
    NJ_USE(k, add_scale, nj_add_scale_c);
    NJ_USE(k, clamp, nj_clamp_c);
    NJ_USE(k, softcap, nj_softcap_c);
    NJ_USE(k, softmax, nj_softmax_c);
    NJ_USE(k, peak_int16, nj_peak_int16_c);
    NJ_USE(k, peak_int8, nj_peak_int8_c);
    NJ_USE(k, peak_f32, nj_peak_f32_c);
    NJ_USE(k, read_memory, nj_read_memory_c);
    k->order16       = NJ_ORDER_PAIRS;
    k->order14       = NJ_ORDER_PAIRS;
    k->order_rows    = NJ_ORDER_ROWS;
    k->tile16        = 4;
    k->tile8         = 4;
    k->direct_tokens = 8;
}

static void use(struct nj_kernels *k, uint32_t features)
{
    *k = (struct nj_kernels){.features = features};
    nj_use_c(k);
#if defined(__x86_64__)
    if (features & NJ_CPU_AVX2)
        nj_use_avx2(k);
    if (features & NJ_CPU_AVX512)
        nj_use_avx512(k);
    if (features & NJ_CPU_AVX512VNNI)
        nj_use_avx512vnni(k);
#elif defined(__aarch64__)
    if (features & NJ_CPU_NEON)
        nj_use_neon(k);
    if (features & NJ_CPU_DOTPROD)
        nj_use_dotprod(k);
    if (features & NJ_CPU_I8MM)
        nj_use_i8mm(k);
#endif
}

/* The features without the one that the name of a form ends in, and without what needs it. */
static uint32_t without(uint32_t features, const char *form)
{
    char        mask[32];
    const char *isa = strrchr(form, '_');
    snprintf(mask, sizeof mask, "-%s", isa ? isa + 1 : "");
    uint32_t left = features;
    return nj_cpu_mask(mask, &left) && left != features ? left : 0;
}

void nj_kernels_init(struct nj_kernels *k, uint32_t features)
{
    const char *differs = NULL, *form;
    for (;;) {
        use(k, features);
        if (features == 0 || !(form = nj_kernels_differ(k)))
            break;
        differs  = form;
        features = without(features, form);
    }
    k->differs = differs;
}

static enum nj_act_order order_of(const struct nj_kernels *k, int which)
{
    return which == 16 ? k->order16 : which == 14 ? k->order14 : which == 8 || which == 7 ? NJ_ORDER_BYTES : k->order_rows;
}

size_t nj_kernels_act_bytes(const struct nj_kernels *k, int which, uint32_t tokens, uint32_t cols, uint32_t group)
{
    return nj_act_bytes(order_of(k, which), tokens, cols, group);
}

/* As few tiles as the widest allows, and all of nearly the same width: 64 tokens are six tiles of 11, not five of 12 and one of 4. */
static uint32_t even_tile(uint32_t tokens, uint32_t widest)
{
    uint32_t tiles = (tokens + widest - 1) / widest;
    return tiles ? (tokens + tiles - 1) / tiles : 1;
}

void nj_kernels_act(const struct nj_kernels *k, int which, uint32_t tokens, uint32_t cols, uint32_t group, void *memory, struct nj_act *act)
{
    uint32_t tile = which == 0 ? 1 : even_tile(tokens, which == 8 || which == 7 ? k->tile8 : k->tile16);
    if ((which == 16 || which == 8) && tokens <= k->direct_tokens)
        tile = tokens;
    nj_act_place(act, order_of(k, which), tokens, cols, group, tile, which == 14 ? 0 : which == 7 ? 64 : 8, memory);
}

size_t nj_gemm_scratch_bytes(uint32_t tokens)
{
    return nj_gemm_scratch(tokens);
}

size_t nj_kv_bytes(uint32_t slots, uint32_t head_dim, enum nj_number format)
{
    return (size_t)slots * head_dim * (format == NJ_NUMBER_F32 ? 4 : 2);
}

/* Twelve rows of queries, results and scores of one block of keys. */
size_t nj_attention_scratch_bytes(uint32_t head_dim)
{
    return 12 * (2 * (size_t)head_dim + 256) * sizeof(float);
}

size_t nj_patches_bytes(uint32_t tokens, uint32_t heads, uint32_t head_dim)
{
    size_t blocks = nj_patch_blocks(tokens), wide = 2 * nj_kv_bytes(NJ_PATCH_BLOCK, head_dim, NJ_NUMBER_F32);
    size_t narrow = nj_patch_block_bytes(head_dim);
    return heads * blocks * (wide > narrow ? wide : narrow);
}

/* Of the integer forms, twelve rows of scores and weights. */
size_t nj_patches_scratch_bytes(uint32_t head_dim)
{
    size_t floats = NJ_PATCH_QUERIES * (nj_patch_padded(head_dim) + 3) + 12 * NJ_PATCH_BLOCK;
    size_t halves = NJ_PATCH_QUERIES * (size_t)head_dim + 12 * NJ_PATCH_BLOCK;
    size_t fp32 = nj_attention_scratch_bytes(head_dim), integer = (floats * sizeof(float) + halves * sizeof(int16_t) + 63) / 64 * 64;
    return fp32 > integer ? fp32 : integer;
}
