/* Norms, rope, activations: every form against double. */
#include "tests/kernels/check.h"

static float *x, *y, *out;
static size_t n;

/* Fresh inputs of a random length, up to `most`; in place every other time. */
static void fresh(size_t most, uint32_t flavour, float size)
{
    release_all();
    n   = 1 + random_below((uint32_t)most);
    x   = guarded(n * 4, 4);
    y   = guarded(n * 4, 4);
    out = guarded(n * 4, 4);
    random_floats(x, n, flavour);
    random_floats(y, n, flavour + 1);
    for (size_t i = 0; i < n; i++)
        x[i] *= size;
}

static int near(double got, double want, double bound)
{
    if (fabs(got - want) <= bound + 0x1p-149)
        return 1;
    printf("# got %.9g, want %.9g, allowed %.3g, n %zu\n", got, want, bound, n);
    return 0;
}

static double gelu(double v)
{
    return v / (1 + exp(-2 * 0.7978845608028654 * (v + 0.044715 * v * v * v)));
}

static int rms_norm_ok(const struct nj_kernels *k, uint32_t round)
{
    fresh(3000, round, 1);
    const float *weight = round % 3 ? y : NULL;
    double       sum    = 0;
    int          same   = 1;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    double factor = 1 / sqrt(sum / (double)n + (double)1e-6f);
    k->rms_norm(x, weight, n, 1e-6f, out);
    for (size_t i = 0; i < n && same; i++) {
        double want = (double)x[i] * factor * (weight ? (double)weight[i] : 1);
        same        = near((double)out[i], want, fabs(want) * (double)(n + 8) * 0x1p-24 + 0x1p-140);
    }
    k->rms_norm(x, weight, n, 1e-6f, x);
    return same && memcmp(x, out, n * 4) == 0;
}

static int rope_ok(const struct nj_kernels *k, uint32_t round)
{
    release_all();
    size_t half = 1 + random_below(260), count = random_below(2) ? half : random_below((uint32_t)half + 1);
    float *c = guarded(count * 4, 4), *s = guarded(count * 4, 4), *v = guarded(2 * half * 4, 4), *old = guarded(2 * half * 4, 4);
    int    same = 1;
    n           = half;
    random_floats(v, 2 * half, round);
    memcpy(old, v, 2 * half * 4);
    for (size_t i = 0; i < count; i++) {
        double angle = (double)random_below(100000) * 1e-3;
        c[i]         = (float)cos(angle);
        s[i]         = (float)sin(angle);
    }
    k->rope(v, c, s, half, count);
    for (size_t i = 0; i < half && same; i++) {
        double a = (double)old[i], b = (double)old[i + half];
        if (i >= count) {
            same = v[i] == old[i] && v[i + half] == old[i + half];
            continue;
        }
        double bound = (fabs(a) + fabs(b)) * 0x1p-23;
        same         = near((double)v[i], a * (double)c[i] - b * (double)s[i], bound) &&
               near((double)v[i + half], b * (double)c[i] + a * (double)s[i], bound);
    }
    return same;
}

static int gelu_ok(const struct nj_kernels *k, uint32_t round)
{
    int same = 1;
    fresh(500, round, round % 2 ? 5 : 1);
    x[0] = round % 4 ? -60 : 60;
    k->gelu(x, n, out);
    for (size_t i = 0; i < n && same; i++)
        same = near((double)out[i], gelu((double)x[i]), fabs((double)x[i]) * 0x1p-20);
    k->gelu_mul(x, y, n, out);
    for (size_t i = 0; i < n && same; i++)
        same = near((double)out[i], gelu((double)x[i]) * (double)y[i], fabs((double)x[i] * (double)y[i]) * 0x1p-20);
    float *copy = guarded(n * 4, 4);
    memcpy(copy, out, n * 4);
    k->gelu_mul(x, y, n, y);
    return same && memcmp(copy, y, n * 4) == 0;
}

static int simple_ok(const struct nj_kernels *k, uint32_t round)
{
    int   same  = 1;
    float scale = random_normal();
    fresh(500, round, 1);
    k->add_scale(x, y, n, scale, out);
    for (size_t i = 0; i < n && same; i++)
        same = out[i] == (x[i] + y[i]) * scale;
    k->clamp(x, n, -0.5f, 0.75f, out);
    for (size_t i = 0; i < n && same; i++)
        same = out[i] == (x[i] < -0.5f ? -0.5f : x[i] > 0.75f ? 0.75f : x[i]);
    k->clamp(x, n, -INFINITY, INFINITY, out);
    return same && memcmp(x, out, n * 4) == 0;
}

static int softcap_ok(const struct nj_kernels *k, uint32_t round)
{
    int same = 1;
    fresh(500, round, 30);
    x[0] = -500;
    k->softcap(x, n, 30, out);
    for (size_t i = 0; i < n && same; i++)
        same = near((double)out[i], 30 * tanh((double)x[i] / 30), fmin(30.0, fabs((double)x[i]) * 8) * 0x1p-20);
    return same;
}

static int softmax_ok(const struct nj_kernels *k, uint32_t round)
{
    int    same = 1;
    double sum  = 0;
    float  most = -INFINITY;
    fresh(500, round, round % 2 ? 10 : 1);
    for (size_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    float got = k->softmax(x, n, out);
    for (size_t i = 0; i < n && same; i++) {
        double want = exp((double)(x[i] - most));
        same        = want < 0x1p-125 ? fabs((double)out[i]) < 0x1p-124 : near((double)out[i], want, want * 0x1p-19);
        sum += want;
    }
    return same && near((double)got, sum, sum * 0x1p-18);
}

static void test_form(const struct nj_kernels *k, const char *isa, int (*ok)(const struct nj_kernels *k, uint32_t round), const char *name)
{
    int same = 1;
    for (int round = 0; round < rounds(200) && same; round++)
        same = ok(k, (uint32_t)round);
    CHECK(same, "%s: %s", isa, name);
}

static void test_table(const struct nj_kernels *k, const char *isa)
{
    if (IS_NEW(k, rms_norm))
        test_form(k, isa, rms_norm_ok, k->names.rms_norm);
    if (IS_NEW(k, rope))
        test_form(k, isa, rope_ok, k->names.rope);
    if (IS_NEW(k, gelu))
        test_form(k, isa, gelu_ok, k->names.gelu_mul);
    if (IS_NEW(k, add_scale))
        test_form(k, isa, simple_ok, k->names.add_scale);
    if (IS_NEW(k, softcap))
        test_form(k, isa, softcap_ok, k->names.softcap);
    if (IS_NEW(k, softmax))
        test_form(k, isa, softmax_ok, k->names.softmax);
}

int main(void)
{
    for_each_table(test_table);
    return tap_done();
}
