/* Each form of a table against plain C on one small tile, before anything trusts it. The tests do this thoroughly; this is for the processor that no test
 * ever met, and for memory or a build gone wrong. */
#include "kernels/forms.h"
#include "kernels/forms_c.h"

#include <math.h>
#include <string.h>

enum { TOKENS = 12, COLS = 128, GROUP = 64, ROWS = 40, PANELS = 3, FEW = 3, DIM = 64, KEYS = 40, LENGTH = 50 };

struct bench {
    _Alignas(64) uint8_t act[8192], same_act[8192], blocks[2 * PANELS * COLS * 8], scratch[49152], keys[DIM * 48 * 4], values[DIM * 48 * 4];
    _Alignas(64) uint8_t pictures[24576];
    float    x[KEYS * DIM + 8], scales[2 * PANELS * 2 * 16], got[TOKENS * COLS], want[TOKENS * COLS];
    uint16_t plain[ROWS * COLS];
    uint32_t seed;
};

static float next(struct bench *b)
{
    b->seed = b->seed * 1664525u + 1013904223u;
    return (float)(int32_t)b->seed * 0x1p-31f;
}

static void fill(struct bench *b)
{
    b->seed = 1;
    for (size_t i = 0; i < sizeof b->x / sizeof *b->x; i++)
        b->x[i] = next(b);
    for (size_t i = 0; i < sizeof b->scales / sizeof *b->scales; i++)
        b->scales[i] = next(b) * 0.01f;
    for (size_t i = 0; i < sizeof b->blocks; i++)
        b->blocks[i] = (uint8_t)((b->seed = b->seed * 1664525u + 1013904223u) >> 24);
    for (size_t i = 0; i < sizeof b->plain / sizeof *b->plain; i++)
        b->plain[i] = nj_bf16_round(next(b));
    for (size_t i = 0; i < sizeof b->got / sizeof *b->got; i++)
        b->got[i] = b->want[i] = 0;
}

static bool equal(const struct bench *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!(b->got[i] == b->want[i]))
            return false;
    return true;
}

static bool within(const struct bench *b, size_t count, float bound)
{
    float largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmaxf(largest, fabsf(b->want[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(b->got[i] - b->want[i]) <= largest * bound))
            return false;
    return true;
}

/* Sums in another order, other polynomials. */
static bool near(const struct bench *b, size_t count)
{
    return within(b, count, 0x1p-13f);
}

/* Quantised by plain C into b->act, by `quantize` into b->same_act: whether the bytes agree. */
static bool quantized(const struct nj_kernels *k, struct bench *b, int which, uint32_t tokens, nj_quantize_fn *quantize, struct nj_act *a)
{
    struct nj_act same;
    uint32_t      group = which == 14 || which == 7 ? COLS : GROUP;
    size_t        bytes = nj_kernels_act_bytes(k, which, tokens, COLS, group);
    if (bytes > sizeof b->act || nj_gemm_scratch_bytes(tokens) > sizeof b->scratch)
        return false;
    memset(b->act, 0, bytes);
    memset(b->same_act, 0, bytes);
    nj_kernels_act(k, which, tokens, COLS, group, b->act, a);
    nj_kernels_act(k, which, tokens, COLS, group, b->same_act, &same);
    (which == 14 ? nj_a14_quantize_c : nj_quantize_c)(b->x, COLS, a, 0, nj_act_tiles(a));
    quantize(b->x, COLS, &same, 0, nj_act_tiles(a));
    return memcmp(b->act, b->same_act, bytes) == 0;
}

static bool w4_agrees(const struct nj_kernels *k, struct bench *b, int which, const struct nj_act *a)
{
    struct nj_w4 w = {b->blocks, b->scales, ROWS, COLS, GROUP, NJ_SCALE_F32, 1};
    (which == 16 ? k->w4a16_gemm : k->w4a8_gemm)(&w, a, 0, PANELS, b->got, ROWS, b->scratch);
    nj_w4_gemm_c(&w, a, 0, PANELS, b->want, ROWS, NULL);
    return equal(b, (size_t)a->tokens * ROWS);
}

static bool pair_agrees(const struct nj_kernels *k, struct bench *b, int which, const struct nj_act *a)
{
    struct nj_w4 gate = {b->blocks, b->scales, ROWS, COLS, GROUP, NJ_SCALE_F32, 2};
    struct nj_w4 up   = {b->blocks + nj_w4_panel_bytes(COLS), b->scales + 2 * 16, ROWS, COLS, GROUP, NJ_SCALE_F32, 2};
    (which == 16 ? k->w4a16_gelu_up : k->w4a8_gelu_up)(&gate, &up, a, 2, 1, b->got, ROWS, b->scratch);
    nj_w4_gelu_up_c(&gate, &up, a, 2, 1, b->want, ROWS, NULL);
    return near(b, (size_t)a->tokens * ROWS);
}

static bool plain_agrees(const struct nj_kernels *k, struct bench *b, int which, const struct nj_act *a)
{
    struct nj_plain w = {b->plain, NJ_NUMBER_BF16, ROWS, COLS};
    (which == 14 ? k->w12a14_gemm : k->w7a8_gemm)(&w, a, 0, PANELS, b->got, ROWS, b->scratch);
    (which == 14 ? nj_w12a14_gemm_c : nj_w7a8_gemm_c)(&w, a, 0, PANELS, b->want, ROWS, NULL);
    return equal(b, (size_t)a->tokens * ROWS);
}

static bool i8_agrees(const struct nj_kernels *k, struct bench *b, const struct nj_act *a)
{
    int8_t            rows[5 * COLS];
    struct nj_i8_rows w = {rows, b->scales, NJ_NUMBER_F32, 5, COLS, GROUP};
    for (size_t i = 0; i < sizeof rows; i++)
        rows[i] = (int8_t)(b->blocks[i] % 255 - 127);
    k->w8a16_rows(&w, NULL, 0, 5, a, b->got, 5);
    nj_w8a16_rows_c(&w, NULL, 0, 5, a, b->want, 5);
    return near(b, (size_t)a->tokens * 5);
}

static bool rows_agree(struct bench *b, nj_rows_fn *form, nj_rows_fn *plain, const void *w)
{
    form(w, NULL, 5, COLS / 2, b->x + 4 * COLS, COLS, 7, b->got, 5);
    plain(w, NULL, 5, COLS / 2, b->x + 4 * COLS, COLS, 7, b->want, 5);
    return near(b, 35);
}

/* Five tokens of two heads against KEYS keys, the last of them half hidden. */
static bool attention_agrees(const struct nj_kernels *k, struct bench *b, enum nj_number format, bool *writes)
{
    struct nj_kv        kv  = {b->keys, b->values, format, 48, DIM};
    struct nj_attention job = {.q           = b->x,
                               .out         = b->got,
                               .q_stride    = 2 * DIM,
                               .out_stride  = 2 * DIM,
                               .tokens      = 7,
                               .group_heads = 2,
                               .position    = KEYS - 7,
                               .kv          = &kv,
                               .end         = KEYS,
                               .window      = 30};
    uint8_t             same[sizeof b->keys];
    memset(b->keys, 0, sizeof b->keys);
    memset(b->values, 0, sizeof b->values);
    for (uint32_t p = 0; p < KEYS; p++)
        k->kv_write(&kv, p, b->x + p * DIM, b->x + p * DIM + 7);
    memcpy(same, b->keys, sizeof same);
    for (uint32_t p = 0; p < KEYS; p++)
        nj_kv_write_c(&kv, p, b->x + p * DIM, b->x + p * DIM + 7);
    *writes = memcmp(same, b->keys, sizeof same) == 0;
    k->attention(&job, 0, 14, b->scratch);
    job.out = b->want;
    nj_attention_c(&job, 0, 14, NULL);
    return near(b, 7 * 2 * DIM);
}

/* One head of 32 dimensions of 40 patches; integers agree with fp32 as far as kernels.h says. */
static bool patches_agree(const struct nj_kernels *k, struct bench *b, bool *opens)
{
    struct nj_patches job = {b->x, b->x + 2, b->x + 5, b->got, DIM / 2, KEYS, 1, DIM / 2, b->pictures};
    if (nj_patches_bytes(KEYS, 1, DIM / 2) > sizeof b->pictures || nj_patches_scratch_bytes(DIM / 2) > sizeof b->scratch)
        return false;
    memset(b->pictures, 0xff, sizeof b->pictures);
    k->patches_open(&job, 0, 0, 1);
    *opens = b->pictures[0] != 0xff || memcmp(b->pictures, b->pictures + 1, 63) != 0;
    k->patches_attend(&job, 0, 0, KEYS, b->scratch);
    job.out = b->want;
    nj_patches_open_c(&job, 0, 0, 1);
    nj_patches_attend_c(&job, 0, 0, KEYS, NULL);
    return within(b, KEYS * DIM / 2, 0x1p-8f);
}

static const char *vectors_differ(const struct nj_kernels *k, struct bench *b)
{
    const float *x = b->x, *y = b->x + LENGTH;
#define COMPARE(operation, form_call, plain_call)                                                                                          \
    form_call;                                                                                                                             \
    plain_call;                                                                                                                            \
    if (!near(b, LENGTH))                                                                                                                  \
        return k->names.operation;
    COMPARE(rms_norm, k->rms_norm(x, y, LENGTH, 1e-6f, b->got), nj_rms_norm_c(x, y, LENGTH, 1e-6f, b->want))
    COMPARE(gelu, k->gelu(x, LENGTH, b->got), nj_gelu_c(x, LENGTH, b->want))
    COMPARE(gelu_mul, k->gelu_mul(x, y, LENGTH, b->got), nj_gelu_mul_c(x, y, LENGTH, b->want))
    COMPARE(add_scale, k->add_scale(x, y, LENGTH, 0.7f, b->got), nj_add_scale_c(x, y, LENGTH, 0.7f, b->want))
    COMPARE(clamp, k->clamp(x, LENGTH, -0.5f, 0.4f, b->got), nj_clamp_c(x, LENGTH, -0.5f, 0.4f, b->want))
    COMPARE(softcap, k->softcap(x, LENGTH, 0.5f, b->got), nj_softcap_c(x, LENGTH, 0.5f, b->want))
    COMPARE(softmax, k->softmax(x, LENGTH, b->got), nj_softmax_c(x, LENGTH, b->want))
    COMPARE(rope, k->rope(b->got, x, y, LENGTH / 2, 20), nj_rope_c(b->want, x, y, LENGTH / 2, 20))
#undef COMPARE
    return NULL;
}

const char *nj_kernels_differ(const struct nj_kernels *k)
{
    struct bench  memory, *b = &memory;
    struct nj_act a;
    bool          writes;
    fill(b);
#define EXPECT(operation, agrees)                                                                                                          \
    if (!(agrees))                                                                                                                         \
        return k->names.operation;
    EXPECT(a16_quantize, quantized(k, b, 16, TOKENS, k->a16_quantize, &a))
    EXPECT(w4a16_gemm, w4_agrees(k, b, 16, &a))
    EXPECT(w4a16_gelu_up, pair_agrees(k, b, 16, &a))
    EXPECT(a16_quantize, quantized(k, b, 16, FEW, k->a16_quantize, &a))
    EXPECT(w4a16_gemm, w4_agrees(k, b, 16, &a))
    EXPECT(a8_quantize, quantized(k, b, 8, TOKENS, k->a8_quantize, &a))
    EXPECT(w4a8_gemm, w4_agrees(k, b, 8, &a))
    EXPECT(w4a8_gelu_up, pair_agrees(k, b, 8, &a))
    EXPECT(a8_quantize, quantized(k, b, 8, FEW, k->a8_quantize, &a))
    EXPECT(w4a8_gemm, w4_agrees(k, b, 8, &a))
    EXPECT(a14_quantize, quantized(k, b, 14, TOKENS, k->a14_quantize, &a))
    EXPECT(w12a14_gemm, plain_agrees(k, b, 14, &a))
    EXPECT(a8_quantize, quantized(k, b, 7, TOKENS, k->a8_quantize, &a))
    EXPECT(w7a8_gemm, plain_agrees(k, b, 7, &a))
    EXPECT(a16_rows_quantize, quantized(k, b, 0, FEW, k->a16_rows_quantize, &a))
    EXPECT(w8a16_rows, i8_agrees(k, b, &a))
    EXPECT(f32_rows, rows_agree(b, k->f32_rows, nj_f32_rows_c, b->x))
    EXPECT(bf16_rows, rows_agree(b, k->bf16_rows, nj_bf16_rows_c, b->plain))
    for (size_t i = 0; i < sizeof b->plain / sizeof *b->plain; i++)
        b->plain[i] = nj_f16_round(b->x[i % (TOKENS * COLS)]);
    EXPECT(f16_rows, rows_agree(b, k->f16_rows, nj_f16_rows_c, b->plain))
    EXPECT(attention, attention_agrees(k, b, NJ_NUMBER_F16, &writes))
    EXPECT(kv_write, writes)
    EXPECT(attention, attention_agrees(k, b, NJ_NUMBER_F32, &writes))
    EXPECT(kv_write, writes)
    if (!patches_agree(k, b, &writes))
        return writes ? k->names.patches_attend : k->names.patches_open;
#undef EXPECT
    return vectors_differ(k, b);
}
