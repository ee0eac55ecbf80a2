/* Attention: every form against a softmax in double that sees each key by the rules of kernels.h, one at a time. */
#include "tests/kernels/check.h"

static const float CANARY = 12345.0f;

struct plain { /* keys and values by position, as they were written */
    float *keys, *values;
};

static struct nj_kv new_kv(uint32_t slots, uint32_t dim, enum nj_number format)
{
    struct nj_kv kv    = {.format = format, .slots = slots, .head_dim = dim};
    size_t       bytes = nj_kv_bytes(slots, dim, format);
    kv.keys            = guarded(bytes, 64);
    kv.values          = guarded(bytes, 64);
    memset(kv.keys, 0, bytes);
    memset(kv.values, 0, bytes);
    return kv;
}

static struct plain write_all(const struct nj_kernels *k, const struct nj_kv *kv, uint32_t first, uint32_t end, float size)
{
    uint32_t     dim = kv->head_dim;
    struct plain p   = {guarded((size_t)end * dim * 4, 4), guarded((size_t)end * dim * 4, 4)};
    for (size_t i = 0; i < (size_t)end * dim; i++) {
        p.keys[i]   = random_normal() * size;
        p.values[i] = random_normal();
        if (kv->format == NJ_NUMBER_F16) {
            p.keys[i]   = nj_f16_value(nj_f16_round(p.keys[i]));
            p.values[i] = nj_f16_value(nj_f16_round(p.values[i]));
        }
    }
    for (uint32_t i = first; i < end; i++)
        k->kv_write(kv, i, p.keys + (size_t)i * dim, p.values + (size_t)i * dim);
    return p;
}

/* One row in double. */
static void expect(const struct nj_attention *job, uint32_t dim, const struct plain *main_keys, const struct plain *extra, uint32_t row,
                   double *out)
{
    uint32_t     token = row / job->group_heads, own = job->positions ? job->positions[token] : job->position + token;
    const float *q    = job->q + token * job->q_stride + (size_t)(row % job->group_heads) * dim;
    double       most = -INFINITY, sum = 0;
    for (int pass = 0; pass < 2; pass++) {
        if (pass)
            for (uint32_t d = 0; d < dim; d++)
                out[d] = 0;
        for (uint32_t i = job->begin; i < job->end + job->extra_count; i++) {
            const float *key, *value;
            if (i < job->end) {
                if (!job->everything && i > own)
                    continue;
                if (job->window && (int64_t)i <= (int64_t)own - job->window)
                    continue;
                key   = main_keys->keys + (size_t)i * dim;
                value = main_keys->values + (size_t)i * dim;
            } else {
                if (!job->allow[(size_t)token * job->extra_count + i - job->end])
                    continue;
                key   = extra->keys + (size_t)(i - job->end) * dim;
                value = extra->values + (size_t)(i - job->end) * dim;
            }
            double score = 0;
            for (uint32_t d = 0; d < dim; d++)
                score += (double)q[d] * (double)key[d];
            if (pass == 0) {
                most = fmax(most, score);
                continue;
            }
            double p = exp(score - most);
            sum += p;
            for (uint32_t d = 0; d < dim; d++)
                out[d] += p * (double)value[d];
        }
    }
    for (uint32_t d = 0; d < dim && sum > 0; d++)
        out[d] /= sum;
}

static int attention_round(const struct nj_kernels *k, uint32_t round)
{
    enum nj_number format = round % 2 ? NJ_NUMBER_F16 : NJ_NUMBER_F32;
    uint32_t       dim = PICK(16, 32, 64, 256, 512), heads = 1 + random_below(4), tokens = 1 + random_below(round % 5 ? 4 : 30);
    uint32_t       window = random_below(3) == 0 ? 1 + random_below(100) : 0, everything = random_below(4) == 0;
    uint32_t       end = 1 + random_below(random_below(3) == 0 ? 600 : 90);
    if (tokens > end)
        tokens = end;
    uint32_t slots = (end + 15) / 16 * 16, begin = 0;
    if (window && !everything && end > window + tokens + 16 && random_below(2)) { /* a ring that has wrapped */
        slots = (window + tokens + 15) / 16 * 16;
        begin = end > slots ? end - slots : 0;
    }
    struct nj_kv        kv = new_kv(slots, dim, format), extra_kv;
    struct plain        p = write_all(k, &kv, 0, end, 1 / sqrtf((float)dim)), extra = {0};
    size_t              size = (size_t)heads * dim, q_stride = size + random_below(5), out_stride = size + 8 * random_below(3);
    float              *q = guarded(((tokens - 1) * q_stride + size) * 4, 4), *out = guarded(((tokens - 1) * out_stride + size) * 4, 4);
    struct nj_attention job = {.q           = q,
                               .out         = out,
                               .q_stride    = q_stride,
                               .out_stride  = out_stride,
                               .tokens      = tokens,
                               .group_heads = heads,
                               .position    = end - tokens,
                               .kv          = &kv,
                               .begin       = begin,
                               .end         = end,
                               .everything  = everything,
                               .window      = window};
    if (random_below(3) == 0) { /* a tree: all nodes stand behind the sequence, each sees some of them */
        uint32_t *positions = guarded(tokens * 4, 4), count = 1 + random_below(40);
        uint8_t  *allow = guarded((size_t)tokens * count, 1);
        for (uint32_t t = 0; t < tokens; t++)
            positions[t] = end + random_below(5);
        for (size_t i = 0; i < (size_t)tokens * count; i++)
            allow[i] = random_below(2) ? 1 : 0;
        extra_kv        = new_kv((count + 15) / 16 * 16, dim, format);
        extra           = write_all(k, &extra_kv, 0, count, 1);
        job.positions   = positions;
        job.extra       = &extra_kv;
        job.extra_count = count;
        job.allow       = allow;
        if (window)
            job.begin = end > window ? begin : 0;
    }
    float loud = random_below(4) == 0 ? 10.0f : 1.0f;
    for (size_t i = 0; i < (tokens - 1) * q_stride + size; i++)
        q[i] = random_normal() * loud;
    for (size_t i = 0; i < (tokens - 1) * out_stride + size; i++)
        out[i] = CANARY;
    void    *scratch = guarded(nj_attention_scratch_bytes(dim), 64);
    uint32_t rows = tokens * heads, cut = random_below(rows + 1);
    k->attention(&job, 0, cut, scratch);
    k->attention(&job, cut, rows - cut, scratch);
    int    same = 1;
    double want[512];
    for (uint32_t row = 0; row < rows && same; row++) {
        expect(&job, dim, &p, &extra, row, want);
        const float *got = out + row / heads * out_stride + (size_t)(row % heads) * dim;
        for (uint32_t d = 0; d < dim && same; d++)
            same = fabs((double)got[d] - want[d]) <= 4.0 * (dim + end + job.extra_count) * 0x1p-24 * 5;
    }
    for (uint32_t t = 0; t + 1 < tokens && same; t++)
        for (size_t i = size; i < out_stride && same; i++)
            same = out[t * out_stride + i] == CANARY;
    if (!same)
        printf("# dim %u heads %u tokens %u keys %u..%u slots %u window %u everything %u extra %u format %d\n", dim, heads, tokens,
               job.begin, end, slots, window, everything, job.extra_count, (int)format);
    release_all();
    return same;
}

/* ---- pictures ---- */
static int patches_round(const struct nj_kernels *k, uint32_t round)
{
    uint32_t          dim = PICK(16, 48, 64, 64, 80, 512), heads = 1 + random_below(3), tokens = 1 + random_below(round % 4 ? 130 : 700);
    size_t            stride = (size_t)heads * dim + random_below(5), floats = (tokens - 1) * stride + heads * dim, blocks, bytes;
    float            *q = guarded(floats * 4, 4), *key = guarded(floats * 4, 4), *v = guarded(floats * 4, 4), *out = guarded(floats * 4, 4);
    struct nj_patches job = {q, key, v, out, stride, tokens, heads, dim, NULL};
    /* Weights from all alike to one alone; a few large dimensions; rows of zeros. */
    float loud = (float[]){0, 0.02f, 1, 1, 2.5f}[random_below(5)] * 64 / (float)dim, size = random_below(4) ? 1 : 1e-4f;
    for (size_t i = 0; i < floats; i++) {
        float outlier = i % stride % dim == 3 && round % 3 == 0 ? 3.0f : 1.0f;
        q[i]          = random_normal() * loud * outlier;
        key[i]        = i / stride % 17 == 5 ? 0 : random_normal() * outlier;
        v[i]          = random_normal() * outlier * size;
        out[i]        = CANARY;
    }
    bytes            = nj_patches_bytes(tokens, heads, dim);
    blocks           = (tokens + NJ_PATCH_BLOCK - 1) / NJ_PATCH_BLOCK;
    job.memory       = guarded(bytes, 64);
    void    *scratch = guarded(nj_patches_scratch_bytes(dim), 64);
    uint32_t cut = random_below((uint32_t)blocks + 1), row = random_below(tokens + 1);
    double   worst = 0, squares = 0, largest = 0;
    int      same = 1;
    for (uint32_t h = 0; h < heads; h++) {
        k->patches_open(&job, h, cut, (uint32_t)blocks - cut);
        k->patches_open(&job, h, 0, cut);
    }
    for (uint32_t h = 0; h < heads; h++) {
        k->patches_attend(&job, h, 0, row, scratch);
        k->patches_attend(&job, h, row, tokens - row, scratch);
    }
    double *p = malloc(tokens * sizeof *p);
    for (uint32_t h = 0; h < heads; h++)
        for (uint32_t t = 0; t < tokens; t++) {
            double most = -INFINITY, sum = 0;
            for (uint32_t i = 0; i < tokens; i++) {
                p[i] = 0;
                for (uint32_t d = 0; d < dim; d++)
                    p[i] += (double)q[t * stride + h * dim + d] * (double)key[i * stride + h * dim + d];
                most = fmax(most, p[i]);
            }
            for (uint32_t i = 0; i < tokens; i++)
                sum += p[i] = exp(p[i] - most);
            for (uint32_t d = 0; d < dim; d++) {
                double want = 0;
                for (uint32_t i = 0; i < tokens; i++) {
                    want += p[i] * (double)v[i * stride + h * dim + d];
                    largest = fmax(largest, fabs((double)v[i * stride + h * dim + d]));
                }
                double off = fabs((double)out[t * stride + h * dim + d] - want / sum);
                worst      = off <= worst ? worst : off; /* not a number stays */
                squares += off * off;
            }
        }
    free(p);
    for (uint32_t t = 0; t + 1 < tokens && same; t++)
        for (size_t i = (size_t)heads * dim; i < stride && same; i++)
            same = out[t * stride + i] == CANARY;
    double mean = sqrt(squares / ((double)tokens * heads * dim));
    same        = same && worst <= largest * 0x1p-8 && mean <= largest * 0x1p-11;
    if (!same || getenv("NJ_VERBOSE"))
        printf("# dim %u heads %u tokens %u loud %g: worst %g, rms %g of the largest value\n", dim, heads, tokens, (double)loud,
               worst / largest, mean / largest);
    release_all();
    return same;
}

typedef int round_fn(const struct nj_kernels *k, uint32_t round);

/* The first round that fails is the last. */
static void test_rounds(const struct nj_kernels *k, const char *isa, round_fn *one_round, int count, const char *form, const char *helper)
{
    int same = 1;
    for (int round = 0; round < rounds(count) && same; round++)
        same = one_round(k, (uint32_t)round);
    CHECK(same, "%s: %s, %s", isa, form, helper);
}

static void test_table(const struct nj_kernels *k, const char *isa)
{
    if (IS_NEW(k, attention))
        test_rounds(k, isa, attention_round, 150, k->names.attention, k->names.kv_write);
    if (IS_NEW(k, patches_attend))
        test_rounds(k, isa, patches_round, 60, k->names.patches_attend, k->names.patches_open);
}

int main(void)
{
    for_each_table(test_table);
    return tap_done();
}
