/* Row-major matrices: every form against sums in double. */
#include "tests/kernels/check.h"

static const float CANARY = 12345.0f;

static void fill_rows(void *w, enum nj_number format, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = random_below(20) == 0 ? random_normal() * 0x1p-30f : random_normal();
        if (format == NJ_NUMBER_F32)
            ((float *)w)[i] = v;
        else
            ((uint16_t *)w)[i] = format == NJ_NUMBER_F16 ? nj_f16_round(v) : nj_bf16_round(v);
    }
}

static double value_of(const void *w, enum nj_number format, size_t at)
{
    if (format == NJ_NUMBER_F32)
        return (double)((const float *)w)[at];
    uint16_t bits = ((const uint16_t *)w)[at];
    return (double)(format == NJ_NUMBER_F16 ? nj_f16_value(bits) : nj_bf16_value(bits));
}

static int rows_round(nj_rows_fn *rows, enum nj_number format, int round)
{
    size_t total = 1 + random_below(40), cols = round % 3 == 0 ? 1 + random_below(40) : 1 + random_below(700),
           tokens  = 1 + random_below(round % 5 ? 8 : 90);
    size_t   count = 1 + random_below(40), x_stride = cols + random_below(9), out_stride = count + random_below(9);
    size_t   width = format == NJ_NUMBER_F32 ? 4 : 2;
    int32_t *index = NULL;
    if (random_below(2)) {
        index = guarded(count * sizeof *index, 4);
        for (size_t i = 0; i < count; i++)
            index[i] = (int32_t)random_below((uint32_t)total);
    } else {
        count = total;
        out_stride += total;
    }
    void  *w = guarded(total * cols * width, width);
    float *x = guarded(((tokens - 1) * x_stride + cols) * 4, 4), *out = guarded(((tokens - 1) * out_stride + count) * 4, 4);
    fill_rows(w, format, total * cols);
    random_floats(x, (tokens - 1) * x_stride + cols, (uint32_t)round);
    for (size_t i = 0; i < (tokens - 1) * out_stride + count; i++)
        out[i] = CANARY;
    rows(w, index, count, cols, x, x_stride, tokens, out, out_stride);
    int same = 1;
    for (size_t t = 0; t < tokens && same; t++) {
        for (size_t r = 0; r < count && same; r++) {
            double sum = 0, size = 0;
            for (size_t c = 0; c < cols; c++) {
                double term = value_of(w, format, (index ? (size_t)index[r] : r) * cols + c) * (double)x[t * x_stride + c];
                sum += term;
                size += fabs(term);
            }
            same = fabs((double)out[t * out_stride + r] - sum) <= (double)cols * 0x1p-24 * size + 0x1p-126;
        }
        for (size_t i = count; i < out_stride && t + 1 < tokens && same; i++)
            same = out[t * out_stride + i] == CANARY;
    }
    if (!same)
        printf("# rows %zu of %zu, cols %zu, tokens %zu, strides %zu %zu, %s\n", count, total, cols, tokens, x_stride, out_stride,
               index ? "gathered" : "all");
    release_all();
    return same;
}

static int i8_round(const struct nj_kernels *k, int round)
{
    uint32_t          group = PICK(32, 64, 128, 0), cols = group ? group * (1 + random_below(8)) : 32 * (1 + random_below(30));
    uint32_t          total = 1 + random_below(60), tokens = 1 + random_below(round % 5 ? 9 : 20), groups = group ? cols / group : 1;
    size_t            first = 0, count = 1 + random_below(60);
    int32_t          *index = NULL;
    struct nj_i8_rows w     = {.rows = total, .cols = cols, .group = group ? group : cols, .scale_format = random_below(3)};
    if (random_below(2)) {
        index = guarded(count * sizeof *index, 4);
        for (size_t i = 0; i < count; i++)
            index[i] = (int32_t)random_below(total);
    } else {
        first = random_below(total);
        count = 1 + random_below((uint32_t)(total - first));
    }
    int8_t *data   = guarded((size_t)total * cols, 1);
    void   *scales = guarded((size_t)total * groups * (w.scale_format == NJ_NUMBER_F32 ? 4 : 2), w.scale_format == NJ_NUMBER_F32 ? 4 : 2);
    for (size_t i = 0; i < (size_t)total * cols; i++)
        data[i] = (int8_t)(round % 4 == 0 ? 127 : (int)random_below(255) - 127);
    fill_rows(scales, w.scale_format, (size_t)total * groups);
    w.data                   = data;
    w.scales                 = scales;
    size_t        out_stride = count + random_below(9), size = (tokens - 1) * out_stride + count;
    float        *x = guarded((size_t)tokens * cols * 4, 4), *out = guarded(size * 4, 4), *want = malloc(size * 4);
    struct nj_act a;
    nj_kernels_act(k, 0, tokens, cols, nj_act_group(cols, w.group),
                   guarded(nj_kernels_act_bytes(k, 0, tokens, cols, nj_act_group(cols, w.group)), 64), &a);
    a.values = guarded((size_t)tokens * a.padded * 2, 64);
    random_floats(x, (size_t)tokens * cols, (uint32_t)round);
    nj_quantize_c(x, cols, &a, 0, tokens);
    for (size_t i = 0; i < size; i++)
        out[i] = want[i] = CANARY;
    k->w8a16_rows(&w, index, first, count, &a, out, out_stride);
    nj_w8a16_rows_c(&w, index, first, count, &a, want, out_stride);
    int same = 1;
    for (uint32_t t = 0; t < tokens && same; t++)
        for (size_t r = 0; r < out_stride && same; r++) {
            if (r >= count) {
                same = t + 1 == tokens || out[t * out_stride + r] == CANARY;
                continue;
            }
            double bound = 0;
            size_t row   = index ? (size_t)index[r] : first + r;
            for (uint32_t c = 0; c < cols; c++)
                bound += fabs((double)data[row * cols + c] * nj_act_value(&a, t, c) * (double)a.scale[(size_t)(c / a.group) * tokens + t] *
                              value_of(scales, w.scale_format, row * groups + (group ? c / group : 0)));
            same = fabs((double)out[t * out_stride + r] - (double)want[t * out_stride + r]) <=
                   bound * (double)(cols / a.group + 8) * 0x1p-23 + 0x1p-126;
        }
    if (!same)
        printf("# rows %zu+%zu of %u, cols %u, group %u, tokens %u, %s\n", first, count, total, cols, w.group, tokens,
               index ? "gathered" : "range");
    free(want);
    release_all();
    return same;
}

static void test_form(const struct nj_kernels *k, const char *isa, nj_rows_fn *form, enum nj_number format, const char *name)
{
    int same = 1;
    for (int round = 0; round < rounds(100) && same; round++)
        same = form ? rows_round(form, format, round) : i8_round(k, round);
    CHECK(same, "%s: %s", isa, name);
}

static void test_table(const struct nj_kernels *k, const char *isa)
{
    if (IS_NEW(k, f32_rows))
        test_form(k, isa, k->f32_rows, NJ_NUMBER_F32, k->names.f32_rows);
    if (IS_NEW(k, f16_rows))
        test_form(k, isa, k->f16_rows, NJ_NUMBER_F16, k->names.f16_rows);
    if (IS_NEW(k, bf16_rows))
        test_form(k, isa, k->bf16_rows, NJ_NUMBER_BF16, k->names.bf16_rows);
    if (IS_NEW(k, w8a16_rows))
        test_form(k, isa, NULL, NJ_NUMBER_F32, k->names.w8a16_rows);
}

/* The conversions behind everything else, by value. */
static void test_numbers(void)
{
    static const struct {
        uint16_t bits;
        float    value;
    } halves[] = {{0x0001, 0x1p-24f},        {0x03ff, 0x1.ff8p-15f}, {0x0400, 0x1p-14f}, {0x3c00, 1},
                  {0x3555, 0.333251953125f}, {0x7bff, 65504},        {0xc000, -2},       {0x8000, -0.0f}};
    int same   = 1;
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++)
        same &= nj_f16_value(halves[i].bits) == halves[i].value && nj_f16_round(halves[i].value) == halves[i].bits;
    CHECK(same, "fp16 values");
    CHECK(nj_f16_round(65519.99f) == 0x7bff && nj_f16_round(65520) == 0x7c00 && nj_f16_round(0x1.002p0f) == 0x3c00 &&
              nj_f16_round(0x1.006p0f) == 0x3c02 && nj_f16_round(0x1p-25f) == 0 && nj_f16_round(0x1.8p-25f) == 1 &&
              nj_f16_round(0x1.ffep-15f) == 0x0400,
          "fp16 rounds to nearest, ties to even, overflow and denormals included");
    CHECK(nj_bf16_round(1.00390625f) == 0x3f80 && nj_bf16_round(1.01171875f) == 0x3f82 && nj_bf16_round(3.4e38f) == 0x7f80 &&
              nj_bf16_value(0x4049) == 3.140625f,
          "bf16 rounds to nearest, ties to even");
}

int main(void)
{
    test_numbers();
    for_each_table(test_table);
    return tap_done();
}
