/* Times the kernels beside what the processor was measured to do in the same second.
 *
 *     bench [--threads N] [--seconds S] [--cpu-time] [PATTERN]
 *
 * Each line: operation and shape, the form that ran, its rate, and its share of the limit: the register-only loop of the same products, or the best reader
 * of memory, run right before and right after by the same threads. Median of five. PATTERN selects by what the line begins with. --cpu-time counts processor time, for a machine that others use too. NJ_CPU
 * as everywhere. */
#include "base/pool.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 5

static struct nj_kernels k;
static struct nj_pool   *pool;
static unsigned          threads = 1;
static double            seconds = 0.1;
static const char       *pattern = "";
static bool              cpu_time;

static double now(void)
{
    struct timespec t;
    clock_gettime(cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return ((double)t.tv_sec + (double)t.tv_nsec * 1e-9) / (cpu_time ? threads : 1);
}

static void *memory(size_t bytes)
{
    void *p = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (!p) {
        fprintf(stderr, "bench: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    memset(p, 0x35, bytes);
    return p;
}

static float *numbers(size_t count)
{
    float   *x    = memory(count * sizeof *x);
    uint32_t seed = 1;
    for (size_t i = 0; i < count; i++)
        x[i] = (float)((seed = seed * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1;
    return x;
}

/* ---- limits ---- */
enum limit { INT16, INT8, F32, READ };
static const char *const limit_names[] = {"int16", "int8", "fp32", "read"};

static uint8_t     *ground; /* what the reader reads: larger than any cache */
static const size_t GROUND = (size_t)256 << 20;

static void peak_body(void *arg, size_t index, unsigned thread)
{
    enum limit which = *(enum limit *)arg;
    (void)thread;
    if (which == READ)
        k.read_memory(ground + index * (GROUND / threads / 4096 * 4096), GROUND / threads / 4096 * 4096);
    else
        (which == INT16 ? k.peak_int16 : which == INT8 ? k.peak_int8 : k.peak_f32)(which == F32 ? 200000000 : 400000000);
}

/* Multiply-adds (or bytes) a second of all threads together. */
static double measure_limit(enum limit which)
{
    double start = now(), work;
    nj_pool_run(pool, threads, peak_body, &which);
    double took = now() - start;
    work        = which == READ ? (double)(GROUND / threads / 4096 * 4096) * threads : (which == F32 ? 2e8 : 4e8) * threads;
    return work / took;
}

/* ---- one line ---- */
typedef void run_fn(void *job, size_t part, size_t parts);
struct body {
    run_fn *run;
    void   *job;
    size_t  parts;
};

static void body_main(void *arg, size_t index, unsigned thread)
{
    struct body *body = arg;
    (void)thread;
    body->run(body->job, index, body->parts);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* `work`: multiply-adds (bytes for READ) in one run over all parts. */
static void line(const char *what, const char *form, enum limit which, double work, run_fn *run, void *job)
{
    struct body body = {run, job, threads};
    double      rate[ROUNDS], share[ROUNDS];
    if (strncmp(what, pattern, strlen(pattern)) != 0)
        return;
    nj_pool_run(pool, threads, body_main, &body);
    for (int i = 0; i < ROUNDS; i++) {
        double before = measure_limit(which), start = now(), took;
        int    runs = 0;
        do {
            nj_pool_run(pool, threads, body_main, &body);
            runs++;
        } while ((took = now() - start) < seconds);
        double after = measure_limit(which);
        rate[i]      = work * runs / took;
        share[i]     = rate[i] / ((before + after) / 2);
    }
    qsort(rate, ROUNDS, sizeof *rate, ascending);
    qsort(share, ROUNDS, sizeof *share, ascending);
    printf("%-34s %-32s %8.1f %-5s %4.0f %% of %s (%.0f-%.0f)\n", what, form, rate[ROUNDS / 2] * (which == READ ? 1e-9 : 2e-9),
           which == READ ? "GB/s" : "GOP/s", 100 * share[ROUNDS / 2], limit_names[which], 100 * share[0], 100 * share[ROUNDS - 1]);
    fflush(stdout);
}

/* ---- int4 ---- */
struct gemm {
    struct nj_w4      w, up;
    struct nj_plain   plain;
    struct nj_act     a;
    float            *x, *out;
    uint8_t          *scratch;
    uint32_t          piece; /* panels in one call: of few tokens as many as the engine takes at a time */
    nj_w4_gemm_fn    *run;
    nj_w4_gelu_up_fn *run_pair;
    nj_plain_gemm_fn *run_plain;
    nj_quantize_fn   *quantize;
};

static void share(size_t count, size_t part, size_t parts, uint32_t *first, uint32_t *length)
{
    *first  = (uint32_t)(count * part / parts);
    *length = (uint32_t)(count * (part + 1) / parts) - *first;
}

static void run_gemm(void *job, size_t part, size_t parts)
{
    struct gemm *g       = job;
    uint8_t     *scratch = g->scratch + part * ((nj_gemm_scratch_bytes(g->a.tokens) + 4095) / 4096 * 4096);
    uint32_t     first, count;
    share(nj_w4_panels(g->run_plain ? g->plain.rows : g->w.rows), part, parts, &first, &count);
    for (uint32_t end = first + count, piece; first < end; first += piece) {
        piece = end - first < g->piece ? end - first : g->piece;
        if (g->run_plain)
            g->run_plain(&g->plain, &g->a, first, piece, g->out, g->plain.rows, scratch);
        else if (g->run_pair)
            g->run_pair(&g->w, &g->up, &g->a, first, piece, g->out, g->w.rows, scratch);
        else
            g->run(&g->w, &g->a, first, piece, g->out, g->w.rows, scratch);
    }
}

static void run_quantize(void *job, size_t part, size_t parts)
{
    struct gemm *g = job;
    uint32_t     first, count;
    share(nj_act_tiles(&g->a), part, parts, &first, &count);
    g->quantize(g->x, g->a.cols, &g->a, first, count);
}

static void bench_w4(int which, int pair, uint32_t tokens, uint32_t rows, uint32_t cols, uint32_t group)
{
    struct gemm g      = {0};
    uint32_t    panels = nj_w4_panels(rows) * (pair ? 2 : 1);
    size_t      bytes = nj_w4_panel_bytes(cols), scale_bytes = nj_w4_panel_scale_bytes(cols, group, NJ_SCALE_BF16);
    char        what[64];
    snprintf(what, sizeof what, "w4a%d%s M%u N%u K%u g%u", which, pair ? "_gelu_up" : "", tokens, rows, cols, group);
    if (strncmp(what, pattern, strlen(pattern)) != 0)
        return;
    uint8_t *blocks = memory(panels * bytes), *scales = memory(panels * scale_bytes), *act;
    g.w        = (struct nj_w4){blocks, scales, rows, cols, group, NJ_SCALE_BF16, pair ? 2 : 1};
    g.up       = (struct nj_w4){blocks + bytes, scales + scale_bytes, rows, cols, group, NJ_SCALE_BF16, 2};
    g.x        = numbers((size_t)tokens * cols);
    g.out      = memory((size_t)tokens * rows * sizeof(float));
    g.scratch  = memory(threads * ((nj_gemm_scratch_bytes(tokens) + 4095) / 4096 * 4096));
    act        = memory(nj_kernels_act_bytes(&k, which, tokens, cols, group));
    g.run      = which == 16 ? k.w4a16_gemm : k.w4a8_gemm;
    g.run_pair = !pair ? NULL : which == 16 ? k.w4a16_gelu_up : k.w4a8_gelu_up;
    g.quantize = which == 16 ? k.a16_quantize : k.a8_quantize;
    g.piece    = tokens <= k.direct_tokens ? (uint32_t)((320u << 10) / (4 * bytes * (pair ? 2 : 1)) * 4) : panels;
    g.piece    = g.piece ? g.piece : 4;
    nj_kernels_act(&k, which, tokens, cols, group, act, &g.a);
    g.quantize(g.x, cols, &g.a, 0, nj_act_tiles(&g.a));
    int memory_bound = tokens <= 2;
    line(what, which == 16 ? (pair ? k.names.w4a16_gelu_up : k.names.w4a16_gemm) : (pair ? k.names.w4a8_gelu_up : k.names.w4a8_gemm),
         memory_bound  ? READ
         : which == 16 ? INT16
                       : INT8,
         memory_bound ? (double)panels * (double)(bytes + scale_bytes) : (double)panels * 16 * cols * tokens, run_gemm, &g);
    if (tokens >= 64 && !pair) {
        snprintf(what, sizeof what, "a%d_quantize M%u K%u g%u", which, tokens, cols, group);
        line(what, which == 16 ? k.names.a16_quantize : k.names.a8_quantize, READ, (double)tokens * cols * sizeof(float), run_quantize, &g);
    }
    free(blocks);
    free(scales);
    free(g.x);
    free(g.out);
    free(g.scratch);
    free(act);
}

static void bench_plain(int which, uint32_t tokens, uint32_t rows, uint32_t cols)
{
    struct gemm g = {0};
    char        what[64];
    snprintf(what, sizeof what, "%s M%u N%u K%u", which == 14 ? "w12a14" : "w7a8", tokens, rows, cols);
    if (strncmp(what, pattern, strlen(pattern)) != 0)
        return;
    uint16_t *data = memory((size_t)rows * cols * 2);
    void     *act  = memory(nj_kernels_act_bytes(&k, which, tokens, cols, nj_act_group(cols, cols)));
    g.plain        = (struct nj_plain){data, NJ_NUMBER_BF16, rows, cols};
    g.x            = numbers((size_t)tokens * cols);
    g.out          = memory((size_t)tokens * rows * sizeof(float));
    g.scratch      = memory(threads * ((nj_gemm_scratch_bytes(tokens) + 4095) / 4096 * 4096));
    g.run_plain    = which == 14 ? k.w12a14_gemm : k.w7a8_gemm;
    g.piece        = rows;
    nj_kernels_act(&k, which, tokens, cols, nj_act_group(cols, cols), act, &g.a);
    (which == 14 ? k.a14_quantize : k.a8_quantize)(g.x, cols, &g.a, 0, nj_act_tiles(&g.a));
    line(what, which == 14 ? k.names.w12a14_gemm : k.names.w7a8_gemm, which == 14 ? INT16 : INT8, (double)rows * cols * tokens, run_gemm,
         &g);
    free(data);
    free(act);
    free(g.x);
    free(g.out);
    free(g.scratch);
}

/* ---- rows ---- */
struct rows {
    nj_rows_fn       *run;
    const void       *w;
    struct nj_i8_rows i8;
    struct nj_act     a;
    size_t            width;
    uint32_t          rows, cols, tokens;
    float            *x, *out;
};

static void run_rows(void *job, size_t part, size_t parts)
{
    struct rows *r = job;
    uint32_t     first, count;
    share(r->rows, part, parts, &first, &count);
    if (r->run)
        r->run((const uint8_t *)r->w + (size_t)first * r->cols * r->width, NULL, count, r->cols, r->x, r->cols, r->tokens, r->out + first,
               r->rows);
    else
        k.w8a16_rows(&r->i8, NULL, first, count, &r->a, r->out + first, r->rows);
}

static void bench_rows(enum nj_number format, int i8, uint32_t tokens, uint32_t rows, uint32_t cols)
{
    struct rows r    = {.rows = rows, .cols = cols, .tokens = tokens, .width = i8 ? 1 : format == NJ_NUMBER_F32 ? 4 : 2};
    const char *name = i8                        ? k.names.w8a16_rows
                       : format == NJ_NUMBER_F32 ? k.names.f32_rows
                       : format == NJ_NUMBER_F16 ? k.names.f16_rows
                                                 : k.names.bf16_rows;
    char        what[64];
    snprintf(what, sizeof what, "%s_rows M%u N%u K%u",
             i8                        ? "w8a16"
             : format == NJ_NUMBER_F32 ? "f32"
             : format == NJ_NUMBER_F16 ? "f16"
                                       : "bf16",
             tokens, rows, cols);
    if (strncmp(what, pattern, strlen(pattern)) != 0)
        return;
    void *w = memory((size_t)rows * cols * r.width), *act = memory(nj_kernels_act_bytes(&k, 0, tokens, cols, 128)),
         *scales = memory((size_t)rows * (cols / 128) * 2);
    r.w          = w;
    r.run        = i8 ? NULL : format == NJ_NUMBER_F32 ? k.f32_rows : format == NJ_NUMBER_F16 ? k.f16_rows : k.bf16_rows;
    r.i8         = (struct nj_i8_rows){w, scales, NJ_NUMBER_BF16, rows, cols, 128};
    r.x          = numbers((size_t)tokens * cols);
    r.out        = memory((size_t)rows * tokens * sizeof(float));
    nj_kernels_act(&k, 0, tokens, cols, 128, act, &r.a);
    k.a16_rows_quantize(r.x, cols, &r.a, 0, tokens);
    double products = (double)rows * cols * tokens;
    line(what, name, tokens <= 2 ? READ : i8 ? INT16 : F32, tokens <= 2 ? (double)rows * cols * (double)r.width : products, run_rows, &r);
    free(w);
    free(act);
    free(scales);
    free(r.x);
    free(r.out);
}

/* ---- attention ---- */
struct attention {
    struct nj_attention job;
    struct nj_kv        kv;
    uint8_t            *scratch;
};

static void run_attention(void *job, size_t part, size_t parts)
{
    struct attention *a = job;
    uint32_t          first, count;
    share(a->job.tokens * a->job.group_heads, part, parts, &first, &count);
    k.attention(&a->job, first, count, a->scratch + part * ((nj_attention_scratch_bytes(a->kv.head_dim) + 4095) / 4096 * 4096));
}

static void bench_attention(const char *name, uint32_t tokens, uint32_t heads, uint32_t keys, uint32_t dim, bool everything,
                            enum nj_number format)
{
    struct attention a = {.kv = {.format = format, .slots = (keys + 15) / 16 * 16, .head_dim = dim}};
    char             what[64];
    snprintf(what, sizeof what, "attention %s n%u keys%u d%u %s", name, tokens * heads, keys, dim, format == NJ_NUMBER_F16 ? "f16" : "f32");
    if (strncmp(what, pattern, strlen(pattern)) != 0)
        return;
    a.kv.keys   = memory(nj_kv_bytes(a.kv.slots, dim, format));
    a.kv.values = memory(nj_kv_bytes(a.kv.slots, dim, format));
    float *q = numbers((size_t)tokens * heads * dim), *out = memory((size_t)tokens * heads * dim * sizeof(float)),
          *x = numbers((size_t)2 * dim);
    memset(a.kv.keys, 0, nj_kv_bytes(a.kv.slots, dim, format));
    memset(a.kv.values, 0, nj_kv_bytes(a.kv.slots, dim, format));
    for (uint32_t i = 0; i < keys; i++)
        k.kv_write(&a.kv, i, x + i % dim, x + dim - i % dim);
    a.job       = (struct nj_attention){.q           = q,
                                        .out         = out,
                                        .q_stride    = (size_t)heads * dim,
                                        .out_stride  = (size_t)heads * dim,
                                        .tokens      = tokens,
                                        .group_heads = heads,
                                        .position    = keys - tokens,
                                        .kv          = &a.kv,
                                        .end         = keys,
                                        .everything  = everything};
    a.scratch   = memory(threads * ((nj_attention_scratch_bytes(dim) + 4095) / 4096 * 4096));
    double seen = everything ? keys : keys - tokens / 2.0;
    line(what, k.names.attention, F32, 2.0 * tokens * heads * seen * dim, run_attention, &a);
    free(a.kv.keys);
    free(a.kv.values);
    free(q);
    free(out);
    free(x);
    free(a.scratch);
}

struct patches {
    struct nj_patches job;
    uint8_t          *scratch;
};

static void run_patches(void *job, size_t part, size_t parts)
{
    struct patches *p = job;
    uint32_t        first, count;
    share(p->job.tokens, part, parts, &first, &count);
    k.patches_attend(&p->job, 0, first, count, p->scratch + part * ((nj_patches_scratch_bytes(p->job.head_dim) + 4095) / 4096 * 4096));
}

static void bench_patches(uint32_t tokens, uint32_t dim)
{
    struct patches p = {.job = {.stride = dim, .tokens = tokens, .heads = 1, .head_dim = dim}};
    char           what[64];
    snprintf(what, sizeof what, "patches n%u d%u", tokens, dim);
    if (strncmp(what, pattern, strlen(pattern)) != 0)
        return;
    float *x = numbers((size_t)tokens * dim);
    p.job.q = p.job.k = p.job.v = x;
    p.job.out                   = memory((size_t)tokens * dim * sizeof(float));
    p.job.memory                = memory(nj_patches_bytes(tokens, 1, dim));
    p.scratch                   = memory(threads * ((nj_patches_scratch_bytes(dim) + 4095) / 4096 * 4096));
    k.patches_open(&p.job, 0, 0, (tokens + NJ_PATCH_BLOCK - 1) / NJ_PATCH_BLOCK);
    line(what, k.names.patches_attend, INT16, 2.0 * tokens * tokens * dim, run_patches, &p);
    free(x);
    free(p.job.out);
    free(p.job.memory);
    free(p.scratch);
}

/* ---- vectors ---- */
struct vectors {
    float *x, *y, *out;
    size_t n;
    int    which;
};

static void run_vectors(void *job, size_t part, size_t parts)
{
    struct vectors *v = job;
    uint32_t        first, count;
    share(v->n, part, parts, &first, &count);
    if (v->which == 0)
        k.rms_norm(v->x + first, v->y + first, count, 1e-6f, v->out + first);
    else if (v->which == 1)
        k.gelu_mul(v->x + first, v->y + first, count, v->out + first);
    else
        k.softmax(v->x + first, count, v->out + first);
}

static void bench_vectors(void)
{
    struct vectors v      = {numbers(10240), numbers(10240), memory(10240 * sizeof(float)), 10240, 0};
    const char    *what[] = {"rms_norm 10240", "gelu_mul 10240", "softmax 10240"};
    const char    *name[] = {k.names.rms_norm, k.names.gelu_mul, k.names.softmax};
    for (v.which = 0; v.which < 3; v.which++)
        line(what[v.which], name[v.which], READ, 10240.0 * sizeof(float), run_vectors, &v);
    free(v.x);
    free(v.y);
    free(v.out);
}

int main(int argc, char **argv)
{
    uint32_t features = nj_cpu_detect();
    char     text[128];
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            threads = (unsigned)atoi(argv[++i]);
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            seconds = atof(argv[++i]);
        else if (strcmp(argv[i], "--cpu-time") == 0)
            cpu_time = true;
        else
            pattern = argv[i];
    struct nj_error error;
    if (!nj_cpu_mask(getenv("NJ_CPU"), &features) || threads == 0 || nj_pool_open(threads, &pool, &error) != NJ_OK) {
        fprintf(stderr, "bench: bad NJ_CPU or --threads\n");
        return 2;
    }
    nj_kernels_init(&k, features);
    nj_cpu_names(features, text, sizeof text);
    ground = memory(GROUND);
    printf("%s, %u thread%s: int16 %.0f GOP/s, int8 %.0f GOP/s, fp32 %.0f GOP/s, read %.1f GB/s\n", text, threads, threads == 1 ? "" : "s",
           measure_limit(INT16) * 2e-9, measure_limit(INT8) * 2e-9, measure_limit(F32) * 2e-9, measure_limit(READ) * 1e-9);
    for (int which = 16; which >= 8; which -= 8) {
        bench_w4(which, 0, 512, 2560, 2560, 128);
        bench_w4(which, 0, 512, 2560, 10240, 128);
        bench_w4(which, 1, 512, 10240, 2560, 128);
        bench_w4(which, 0, 512, 2560, 10240, 32);
        bench_w4(which, 0, 64, 2560, 2560, 128);
        bench_w4(which, 0, 16, 2560, 10240, 128);
        for (uint32_t tokens = 1; tokens <= 8; tokens++)
            bench_w4(which, 0, tokens, 40960, 10240, 128);
        bench_w4(which, 1, 1, 20480, 10240, 128);
        for (uint32_t tokens = 1; tokens <= 4; tokens *= 2)
            bench_w4(which, 1, tokens, 40960, 2560, 128);
        bench_w4(which, 0, 1, 40960, 10240, 32);
    }
    for (int which = 14; which >= 7; which -= 7) {
        bench_plain(which, 2376, 768, 768);
        bench_plain(which, 2376, 3072, 768);
        bench_plain(which, 2376, 768, 3072);
    }
    bench_rows(NJ_NUMBER_F32, 1, 1, 131072, 2560);
    bench_rows(NJ_NUMBER_BF16, 0, 1, 131072, 2560);
    bench_rows(NJ_NUMBER_BF16, 0, 64, 10240, 2560);
    bench_rows(NJ_NUMBER_F32, 0, 64, 2560, 2560);
    bench_patches(2376, 64);
    bench_attention("picture", 2376, 1, 2376, 64, true, NJ_NUMBER_F32);
    bench_attention("prefill", 512, 4, 1024, 256, false, NJ_NUMBER_F16);
    bench_attention("prefill", 512, 4, 1536, 512, false, NJ_NUMBER_F16);
    bench_attention("decode", 1, 4, 512, 256, false, NJ_NUMBER_F16);
    bench_attention("decode", 1, 4, 1536, 512, false, NJ_NUMBER_F16);
    bench_vectors();
    nj_pool_close(pool);
    return 0;
}
