/* Quantisers and int4 products: every form against the plain one, bit for bit; and the plain one against arithmetic in double. */
#include "tests/kernels/check.h"

/* ---- data ---- */
struct weights {
    struct nj_w4 w, up;
};

static void random_weights(struct weights *out, uint32_t rows, uint32_t cols, uint32_t group, enum nj_scale_format format, uint32_t step)
{
    uint32_t panels = nj_w4_panels(rows) * step;
    size_t   bytes = nj_w4_panel_bytes(cols), scale_bytes = nj_w4_panel_scale_bytes(cols, group, format);
    uint8_t *blocks = guarded(panels * bytes, 64), *scales = guarded(panels * scale_bytes, 64);
    uint32_t groups = nj_w4_groups(cols, group);
    int8_t  *q      = malloc((size_t)16 * cols);
    float   *s      = malloc((size_t)16 * groups * sizeof *s);
    uint32_t kind   = random_below(3);
    for (uint32_t p = 0; p < panels; p++) {
        uint32_t first = p / step * 16, count = rows - first < 16 ? rows - first : 16;
        for (uint32_t i = 0; i < count * cols; i++)
            q[i] = (int8_t)(kind == 0 ? (int)random_below(16) - 8 : kind == 1 ? -8 : 7);
        for (uint32_t i = 0; i < count * groups; i++)
            s[i] = random_below(9) == 0 ? 0 : random_normal() * 0.01f;
        nj_w4_pack_panel(q, s, count, cols, group, format, blocks + p * bytes, scales + p * scale_bytes);
    }
    free(q);
    free(s);
    out->w  = (struct nj_w4){blocks, scales, rows, cols, group, format, step};
    out->up = (struct nj_w4){blocks + bytes, scales + scale_bytes, rows, cols, group, format, step};
}

/* Activations in separate guarded arrays. */
static struct nj_act guarded_act(const struct nj_kernels *k, int which, uint32_t tokens, uint32_t cols, uint32_t group)
{
    struct nj_act act;
    void         *memory = guarded(nj_kernels_act_bytes(k, which, tokens, cols, group), 64);
    nj_kernels_act(k, which, tokens, cols, group, memory, &act);
    size_t pairs = (size_t)(act.padded / group) * tokens;
    act.values   = guarded((size_t)act.padded * tokens * nj_act_width(act.order), 64);
    act.scale    = guarded(pairs * sizeof(float), 64);
    act.start    = guarded(pairs * sizeof(int32_t), 64);
    return act;
}

static int same_act(const struct nj_act *a, const struct nj_act *b)
{
    size_t pairs = (size_t)(a->padded / a->group) * a->tokens;
    if (memcmp(a->scale, b->scale, pairs * sizeof(float)) != 0)
        return 0;
    if (a->order < NJ_ORDER_ROWS && memcmp(a->start, b->start, pairs * sizeof(int32_t)) != 0)
        return 0;
    return memcmp(a->values, b->values, (size_t)a->padded * a->tokens * nj_act_width(a->order)) == 0;
}

static nj_quantize_fn *quantizer(const struct nj_kernels *k, int which)
{
    return which == 16 ? k->a16_quantize : which == 14 ? k->a14_quantize : which == 8 || which == 7 ? k->a8_quantize : k->a16_rows_quantize;
}

/* ---- tests ---- */
static void test_quantize(const struct nj_kernels *k, const char *isa, int which)
{
    int same = 1;
    if (earlier && quantizer(k, which) == quantizer(earlier, which))
        return;
    for (int round = 0; round < rounds(60) && same; round++) {
        uint32_t group = PICK(32, 64, 128), cols = group * (1 + random_below(7));
        uint32_t tokens = 1 + random_below(30);
        if (which && random_below(4) == 0) { /* channel matrices have any number of columns */
            cols  = 1 + random_below(700);
            group = nj_act_group(cols, cols);
        }
        size_t        stride = cols + random_below(9);
        float        *x      = guarded(((tokens - 1) * stride + cols) * sizeof *x, sizeof *x);
        struct nj_act got = guarded_act(k, which, tokens, cols, group), want = guarded_act(k, which, tokens, cols, group);
        random_floats(x, (tokens - 1) * stride + cols, (uint32_t)round);
        (which == 14 ? nj_a14_quantize_c : nj_quantize_c)(x, stride, &want, 0, nj_act_tiles(&want));
        uint32_t tiles = nj_act_tiles(&got), cut = random_below(tiles + 1);
        quantizer(k, which)(x, stride, &got, cut, tiles - cut);
        quantizer(k, which)(x, stride, &got, 0, cut);
        same = same_act(&got, &want);
        if (!same)
            printf("# tokens %u cols %u group %u stride %zu tile %u round %d\n", tokens, cols, group, stride, got.tile, round);
        release_all();
    }
    CHECK(same, "%s: quantiser for %d bits%s (%s)", isa, which ? which : 16, which ? "" : ", rows",
          which == 16   ? k->names.a16_quantize
          : which == 14 ? k->names.a14_quantize
          : which       ? k->names.a8_quantize
                        : k->names.a16_rows_quantize);
}

/* The canary of memory that no kernel may write. */
static const float CANARY = 12345.0f;

static int gemm_round(const struct nj_kernels *k, int which, int pair, uint32_t tokens, uint32_t rows, uint32_t cols, uint32_t group)
{
    struct weights weights;
    random_weights(&weights, rows, cols, group, random_below(2) ? NJ_SCALE_BF16 : NJ_SCALE_F32, pair ? 2 : 1);
    uint32_t      act_group = nj_act_group(cols, group);
    struct nj_act a         = guarded_act(k, which, tokens, cols, act_group);
    float        *x         = guarded((size_t)tokens * cols * sizeof *x, 4);
    random_floats(x, (size_t)tokens * cols, random_below(FLAVOURS));
    nj_quantize_c(x, cols, &a, 0, nj_act_tiles(&a));
    size_t   stride = rows + random_below(40), size = (tokens - 1) * stride + rows;
    float   *got = guarded(size * sizeof *got, 4), *want = malloc(size * sizeof *want);
    void    *scratch = guarded(nj_gemm_scratch_bytes(tokens), 64);
    uint32_t panels = nj_w4_panels(rows), first = random_below(panels), count = 1 + random_below(panels - first);
    if (random_below(2)) {
        first = 0;
        count = panels;
    }
    for (size_t i = 0; i < size; i++)
        got[i] = want[i] = CANARY;
    int same = 1;
    if (pair) {
        float *up = malloc(size * sizeof *up);
        (which == 16 ? k->w4a16_gelu_up : k->w4a8_gelu_up)(&weights.w, &weights.up, &a, first, count, got, stride, scratch);
        memcpy(up, want, size * sizeof *up);
        nj_w4_gemm_c(&weights.w, &a, first, count, want, stride, NULL);
        nj_w4_gemm_c(&weights.up, &a, first, count, up, stride, NULL);
        for (size_t i = 0; i < size && same; i++) {
            float bound = fabsf(want[i] * up[i]) * 0x1p-20f, exact;
            if (want[i] == CANARY) {
                same = got[i] == CANARY;
                continue;
            }
            nj_gelu_c(&want[i], 1, &exact);
            same = fabsf(got[i] - exact * up[i]) <= bound + 0x1p-140f;
        }
        free(up);
    } else {
        (which == 16 ? k->w4a16_gemm : k->w4a8_gemm)(&weights.w, &a, first, count, got, stride, scratch);
        nj_w4_gemm_c(&weights.w, &a, first, count, want, stride, NULL);
        for (size_t i = 0; i < size && same; i++)
            same = got[i] == want[i];
    }
    if (!same)
        printf("# tokens %u rows %u cols %u group %u panels %u+%u stride %zu\n", tokens, rows, cols, group, first, count, stride);
    free(want);
    release_all();
    return same;
}

static void test_gemm(const struct nj_kernels *k, const char *isa, int which, int pair)
{
    int same = 1;
    if (which == 16 ? !IS_NEW(k, w4a16_gemm) : !IS_NEW(k, w4a8_gemm))
        return;
    for (int round = 0; round < rounds(120) && same; round++) {
        uint32_t group = PICK(32, 64, 128, 0), cols = group ? group * (1 + random_below(group == 128 ? 6 : 20)) : 1 + random_below(800);
        uint32_t tokens = round < 40 ? 1 + (uint32_t)round % 20 : 1 + random_below(100);
        same            = gemm_round(k, which, pair, tokens, 1 + random_below(pair ? 70 : 130), cols, group ? group : cols);
    }
    const char *name =
        which == 16 ? (pair ? k->names.w4a16_gelu_up : k->names.w4a16_gemm) : (pair ? k->names.w4a8_gelu_up : k->names.w4a8_gemm);
    CHECK(same, "%s: %s", isa, name);
}

static void test_plain(const struct nj_kernels *k, const char *isa, int which)
{
    int same = 1;
    if (which == 14 ? !IS_NEW(k, w12a14_gemm) : !IS_NEW(k, w7a8_gemm))
        return;
    for (int round = 0; round < rounds(60) && same; round++) {
        uint32_t        rows = 1 + random_below(90), cols = 1 + random_below(round % 2 ? 900 : 100), tokens = 1 + random_below(40);
        struct nj_plain w     = {.format = (enum nj_number)(round % 3), .rows = rows, .cols = cols};
        size_t          width = w.format == NJ_NUMBER_F32 ? 4 : 2, size = (size_t)rows * cols;
        void           *data = guarded(size * width, width);
        float          *x    = guarded((size_t)tokens * cols * sizeof *x, 4);
        for (size_t i = 0; i < size; i++) {
            float v = round % 7 == 0 ? 1.0f : i / cols % 5 == 4 ? 0 : random_normal();
            if (w.format == NJ_NUMBER_F32)
                ((float *)data)[i] = v;
            else
                ((uint16_t *)data)[i] = w.format == NJ_NUMBER_F16 ? nj_f16_round(v) : nj_bf16_round(v);
        }
        w.data          = data;
        struct nj_act a = guarded_act(k, which, tokens, cols, nj_act_group(cols, cols));
        random_floats(x, (size_t)tokens * cols, round % 7 == 0 ? 4 : (uint32_t)round);
        (which == 14 ? nj_a14_quantize_c : nj_quantize_c)(x, cols, &a, 0, nj_act_tiles(&a));
        size_t   stride = rows + random_below(40), length = (tokens - 1) * stride + rows;
        float   *got = guarded(length * sizeof *got, 4), *want = malloc(length * sizeof *want);
        uint32_t panels = nj_w4_panels(rows), first = random_below(panels), count = 1 + random_below(panels - first);
        for (size_t i = 0; i < length; i++)
            got[i] = want[i] = CANARY;
        void *scratch = guarded(nj_gemm_scratch_bytes(tokens), 64);
        (which == 14 ? k->w12a14_gemm : k->w7a8_gemm)(&w, &a, first, count, got, stride, scratch);
        (which == 14 ? nj_w12a14_gemm_c : nj_w7a8_gemm_c)(&w, &a, first, count, want, stride, NULL);
        for (size_t i = 0; i < length && same; i++)
            same = got[i] == want[i];
        if (!same)
            printf("# tokens %u rows %u cols %u panels %u+%u format %d\n", tokens, rows, cols, first, count, (int)w.format);
        free(want);
        release_all();
    }
    CHECK(same, "%s: %s", isa, which == 14 ? k->names.w12a14_gemm : k->names.w7a8_gemm);
}

/* Largest sums: every weight -8 or 7, every activation at the limit. */
static void test_limits(const struct nj_kernels *k, const char *isa)
{
    enum { ROWS = 16, COLS = 256, TOKENS = 5 };
    int same = 1;
    if (!IS_NEW(k, w4a16_gemm) && !IS_NEW(k, w4a8_gemm))
        return;
    for (int which = 8; which <= 16; which += 8)
        for (int sign = 0; sign < 4; sign++) {
            static int8_t q[ROWS * COLS];
            static float  s[ROWS * 2], x[TOKENS * COLS];
            uint8_t      *blocks = guarded(nj_w4_panel_bytes(COLS), 64);
            float        *scales = guarded(nj_w4_panel_scale_bytes(COLS, 128, NJ_SCALE_F32), 64);
            memset(q, sign & 1 ? 7 : -8, sizeof q);
            for (int i = 0; i < ROWS * 2; i++)
                s[i] = 1;
            for (int i = 0; i < TOKENS * COLS; i++)
                x[i] = sign & 2 ? 100.0f : -100.0f;
            nj_w4_pack_panel(q, s, ROWS, COLS, 128, NJ_SCALE_F32, blocks, scales);
            struct nj_w4  w       = {blocks, scales, ROWS, COLS, 128, NJ_SCALE_F32, 1};
            struct nj_act a       = guarded_act(k, which, TOKENS, COLS, 128);
            void         *scratch = guarded(nj_gemm_scratch_bytes(TOKENS), 64);
            float         out[TOKENS * ROWS];
            quantizer(k, which)(x, COLS, &a, 0, nj_act_tiles(&a));
            (which == 16 ? k->w4a16_gemm : k->w4a8_gemm)(&w, &a, 0, 1, out, ROWS, scratch);
            float want = (float)((sign & 1 ? 7 : -8) * (sign & 2 ? 1 : -1) * COLS) * 100;
            for (int i = 0; i < TOKENS * ROWS; i++)
                same &= fabsf(out[i] - want) <= fabsf(want) * 1e-6f;
            release_all();
        }
    CHECK(same, "%s: sums at the limits of both widths do not overflow", isa);
}

/* The plain form against double: what the quantised product has to do with the true one. */
static void test_definition(void)
{
    enum { ROWS = 24, COLS = 384, TOKENS = 3 };
    struct nj_kernels k;
    nj_kernels_init(&k, 0);
    struct weights weights;
    random_weights(&weights, ROWS, COLS, 128, NJ_SCALE_F32, 1);
    float         x[TOKENS * COLS], out[TOKENS * ROWS], row[COLS];
    struct nj_act a = guarded_act(&k, 16, TOKENS, COLS, 128);
    random_floats(x, TOKENS * COLS, 0);
    nj_quantize_c(x, COLS, &a, 0, nj_act_tiles(&a));
    nj_w4_gemm_c(&weights.w, &a, 0, 2, out, ROWS, NULL);
    double error = 0, size = 0;
    for (uint32_t r = 0; r < ROWS; r++) {
        nj_w4_row(&weights.w, r, row);
        for (int t = 0; t < TOKENS; t++) {
            double sum = 0;
            for (int c = 0; c < COLS; c++)
                sum += (double)row[c] * (double)x[t * COLS + c];
            error += (sum - (double)out[t * ROWS + (int)r]) * (sum - (double)out[t * ROWS + (int)r]);
            size += sum * sum;
        }
    }
    CHECK(sqrt(error / size) < 1e-4, "the plain 16-bit product is within 1e-4 (rms) of the product in double: %.2g", sqrt(error / size));
    release_all();
}

static void test_table(const struct nj_kernels *k, const char *isa)
{
    test_quantize(k, isa, 16);
    test_quantize(k, isa, 14);
    test_quantize(k, isa, 8);
    test_quantize(k, isa, 7);
    test_quantize(k, isa, 0);
    test_gemm(k, isa, 16, 0);
    test_gemm(k, isa, 16, 1);
    test_gemm(k, isa, 8, 0);
    test_gemm(k, isa, 8, 1);
    test_plain(k, isa, 14);
    test_plain(k, isa, 7);
    test_limits(k, isa);
}

int main(void)
{
    test_definition();
    for_each_table(test_table);
    return tap_done();
}
