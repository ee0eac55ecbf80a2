#include "kernels/gemm.h"

#define NJ_PAIRS     2    /* of panels that one chunk of activations meets in turn */
#define STORES_AHEAD 8    /* tokens whose places in a result are fetched before they are written */
#define START_BYTES  1024 /* of each stream, fetched before it is read */
#define SCALES_BYTES (2 * NJ_ACT_CHUNK / 32 * 16 * sizeof(float))

size_t nj_gemm_scratch(uint32_t tokens)
{
    size_t direct = 2 * NJ_STREAMS * (size_t)tokens * 16 * sizeof(float);
    size_t tiles  = 2 * NJ_OPENED_BYTES + SCALES_BYTES + NJ_PAIRS * (size_t)tokens * 32 * sizeof(float);
    return direct > tiles ? direct : tiles;
}

static void set_stream(struct nj_direct *job, uint32_t stream, const struct nj_w4 *w, uint32_t panel)
{
    size_t at           = nj_w4_panel_scales(w, panel);
    job->blocks[stream] = nj_w4_panel(w, panel);
    job->scales[stream] =
        w->scale_format == NJ_SCALE_F32 ? (const void *)((const float *)w->scales + at) : (const uint16_t *)w->scales + at;
}

static uint32_t rows_left(const struct nj_w4 *w, uint32_t panel)
{
    uint32_t left = w->rows - panel * NJ_W4_ROWS_PER_PANEL;
    return left < NJ_W4_ROWS_PER_PANEL ? left : NJ_W4_ROWS_PER_PANEL;
}

/* Brings the streams into flow: without it, each of their first blocks waits for memory alone. */
static void start_streams(const struct nj_direct *job, size_t panel_bytes)
{
    const size_t most = panel_bytes < START_BYTES ? panel_bytes : START_BYTES;
    for (size_t at = 0; at < most; at += 64)
        for (uint32_t s = 0; s < job->streams; s++)
            __builtin_prefetch(job->blocks[s] + at);
    for (uint32_t s = 0; s < job->streams; s++)
        __builtin_prefetch(job->scales[s]);
}

/* Stream s walks over the panels first + s * step, ..., from gate to up in each: all that it reads is one piece of memory. */
static void run_direct(const struct nj_gemm_form *form, const struct nj_w4 *w, const struct nj_w4 *up, const struct nj_act *a,
                       uint32_t first, uint32_t panels, float *out, size_t stride, float *sums)
{
    const uint32_t      step     = (panels + NJ_STREAMS - 1) / NJ_STREAMS;
    const size_t        floats   = NJ_STREAMS * (size_t)a->tokens * 16;
    const struct nj_w4 *halves[] = {w, up};
    struct nj_direct    job      = {.scale_format = w->scale_format, .channel = w->group == w->cols, .act = a};
    for (uint32_t p = 0; p < step; p++) {
        for (size_t half = 0; half < 2 && halves[half]; half++) {
            job.streams = 0;
            for (uint32_t i = p; i < panels; i += step)
                set_stream(&job, job.streams++, halves[half], first + i);
            if (p == 0 && half == 0)
                start_streams(&job, nj_w4_panel_bytes(w->cols));
            job.sums = sums + half * floats;
            form->direct(&job);
        }
        for (uint32_t i = p, s = 0; i < panels; i += step, s++)
            for (uint32_t t = 0; t < a->tokens; t++) {
                const float *sum = sums + ((size_t)s * a->tokens + t) * 16;
                float       *at  = out + t * stride + (size_t)(first + i) * NJ_W4_ROWS_PER_PANEL;
                if (up)
                    form->store_gelu_up(sum, sum + floats, rows_left(w, first + i), at);
                else
                    form->store(sum, rows_left(w, first + i), at);
            }
    }
}

/* The weight scales of one panel in the groups of one chunk, as fp32. */
static void open_scales(const struct nj_w4 *w, uint32_t panel, uint32_t group, uint32_t groups, float *out)
{
    for (uint32_t g = 0; g < groups; g++) {
        size_t at = nj_w4_panel_scales(w, panel) + nj_weight_group(w, group + g) * NJ_W4_ROWS_PER_PANEL;
        for (uint32_t r = 0; r < 16; r++)
            out[g * 16 + r] = nj_scale_value(w->scales, w->scale_format, at + r);
    }
}

/* All tiles of tokens against one opened chunk. */
static void run_chunk(const struct nj_gemm_form *form, struct nj_tile *tile, const struct nj_act *a, uint32_t chunk, float *sums)
{
    uint32_t group = chunk * (NJ_ACT_CHUNK / a->group);
    for (uint32_t t = 0; t < nj_act_tiles(a); t++) {
        size_t token  = (size_t)t * a->tile;
        tile->width   = nj_act_tile_width(a, t);
        tile->words   = nj_act_words(a, chunk, t);
        tile->a_scale = a->scale + (size_t)group * a->tokens + token;
        tile->start   = a->start + (size_t)group * a->tokens + token;
        tile->sums    = sums + token * 32;
        form->tile(tile);
    }
}

/* Where the parts of the scratch memory begin. */
struct parts {
    uint8_t *opened;
    float   *scales, *sums;
};

static struct parts parts_of(void *scratch)
{
    uint8_t *memory = scratch;
    return (struct parts){memory, (float *)(void *)(memory + 2 * NJ_OPENED_BYTES),
                          (float *)(void *)(memory + 2 * NJ_OPENED_BYTES + SCALES_BYTES)};
}

static struct nj_tile tile_of(const struct nj_act *a, const struct parts *parts, uint32_t panels)
{
    return (struct nj_tile){.opened = parts->opened, .w_scale = parts->scales, .tokens = a->tokens, .group = a->group, .panels = panels};
}

/* Two panels (or a last one) that meet all tokens side by side. */
struct pair {
    const struct nj_w4 *matrices[2];
    uint32_t            which[2], panels;
};

/* Fetches a chunk of packed weights that will be opened soon. */
static void fetch(const uint8_t *blocks)
{
    for (size_t ahead = 0; ahead < NJ_ACT_CHUNK * 8; ahead += 64)
        __builtin_prefetch(blocks + ahead);
}

/* All tokens against some pairs: a chunk of activations meets all of them while it is in the second-level cache. `step` panels on begin the next ones. */
static void run_tiles(const struct nj_gemm_form *form, const struct pair *pairs, uint32_t count, uint32_t step, const struct nj_act *a,
                      const struct parts *parts)
{
    for (uint32_t chunk = 0; chunk * NJ_ACT_CHUNK < a->padded; chunk++)
        for (uint32_t i = 0; i < count; i++) {
            const struct pair *pair = &pairs[i];
            const uint32_t     cols = nj_act_chunk_cols(a, chunk), group = chunk * (NJ_ACT_CHUNK / a->group);
            struct nj_tile     tile = tile_of(a, parts, pair->panels);
            tile.groups             = cols / a->group;
            tile.fresh              = chunk == 0;
            for (uint32_t p = 0; p < pair->panels; p++) {
                const struct nj_w4 *w      = pair->matrices[p];
                const uint8_t      *blocks = nj_w4_panel(w, pair->which[p]) + (size_t)chunk * NJ_ACT_CHUNK * 8;
                form->open_chunk(blocks, cols, parts->opened + p * NJ_OPENED_BYTES);
                open_scales(w, pair->which[p], group, tile.groups, parts->scales + p * tile.groups * 16);
                if ((chunk + 1) * NJ_ACT_CHUNK < a->padded)
                    fetch(blocks + NJ_ACT_CHUNK * 8);
                else if (pair->which[p] + step < nj_w4_panels(w->rows))
                    fetch(nj_w4_panel(w, pair->which[p] + step));
            }
            run_chunk(form, &tile, a, chunk, parts->sums + (size_t)i * a->tokens * 32);
        }
}

static void store_panels(const struct nj_gemm_form *form, const float *sums, uint32_t rows, uint32_t first, uint32_t panels,
                         uint32_t tokens, float *out, size_t stride)
{
    for (uint32_t t = 0; t < tokens; t++) {
        if (t + STORES_AHEAD < tokens)
            for (uint32_t i = 0; i < panels; i++)
                __builtin_prefetch(out + (t + STORES_AHEAD) * stride + (size_t)(first + i) * NJ_W4_ROWS_PER_PANEL, 1);
        for (uint32_t i = 0; i < panels; i++) {
            uint32_t row = (first + i) * NJ_W4_ROWS_PER_PANEL;
            form->store(sums + t * 32 + i * 16, rows - row < NJ_W4_ROWS_PER_PANEL ? rows - row : NJ_W4_ROWS_PER_PANEL,
                        out + t * stride + row);
        }
    }
}

void nj_gemm_run(const struct nj_gemm_form *form, const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels,
                 float *out, size_t stride, void *scratch)
{
    struct parts parts = parts_of(scratch);
    if (a->tokens <= form->direct_tokens) {
        run_direct(form, w, NULL, a, first, panels, out, stride, scratch);
        return;
    }
    for (uint32_t p = 0; p < panels; p += 2 * NJ_PAIRS) {
        struct pair pairs[NJ_PAIRS];
        uint32_t    count = 0;
        for (; count < NJ_PAIRS && p + 2 * count < panels; count++) {
            uint32_t at  = first + p + 2 * count;
            pairs[count] = (struct pair){{w, w}, {at, at + 1}, panels - p - 2 * count < 2 ? 1 : 2};
        }
        run_tiles(form, pairs, count, 2 * NJ_PAIRS, a, &parts);
        for (uint32_t i = 0; i < count; i++)
            store_panels(form, parts.sums + (size_t)i * a->tokens * 32, w->rows, pairs[i].which[0], pairs[i].panels, a->tokens, out,
                         stride);
    }
}

void nj_gemm_run_gelu_up(const struct nj_gemm_form *form, const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a,
                         uint32_t first, uint32_t panels, float *out, size_t stride, void *scratch)
{
    struct parts parts = parts_of(scratch);
    if (a->tokens <= form->direct_tokens) {
        run_direct(form, gate, up, a, first, panels, out, stride, scratch);
        return;
    }
    for (uint32_t p = first; p < first + panels; p += NJ_PAIRS) {
        struct pair pairs[NJ_PAIRS];
        uint32_t    count = 0;
        for (; count < NJ_PAIRS && p + count < first + panels; count++)
            pairs[count] = (struct pair){{gate, up}, {p + count, p + count}, 2};
        run_tiles(form, pairs, count, NJ_PAIRS, a, &parts);
        const float *sums = parts.sums;
        for (uint32_t i = 0; i < count; i++)
            for (uint32_t t = 0; t < a->tokens; t++, sums += 32)
                form->store_gelu_up(sums, sums + 16, rows_left(gate, p + i), out + t * stride + (size_t)(p + i) * NJ_W4_ROWS_PER_PANEL);
    }
}

/* Likewise, of a plain matrix: 16 rows lie far apart. */
static void fetch_plain(const struct nj_plain *w, uint32_t panel, uint32_t chunk)
{
    const size_t   width = w->format == NJ_NUMBER_F32 ? 4 : 2, left = w->cols - (size_t)chunk * NJ_ACT_CHUNK;
    const size_t   bytes = (left < NJ_ACT_CHUNK ? left : NJ_ACT_CHUNK) * width;
    const uint8_t *data  = w->data;
    for (uint32_t r = panel * NJ_W4_ROWS_PER_PANEL; r < (panel + 1) * NJ_W4_ROWS_PER_PANEL && r < w->rows; r++)
        for (size_t ahead = 0; ahead < bytes; ahead += 64)
            __builtin_prefetch(data + ((size_t)r * w->cols + (size_t)chunk * NJ_ACT_CHUNK) * width + ahead);
}

void nj_gemm_run_plain(const struct nj_gemm_form *form, nj_open_plain_fn *open, const struct nj_plain *w, const struct nj_act *a,
                       uint32_t first, uint32_t panels, float *out, size_t stride, void *scratch)
{
    struct parts parts = parts_of(scratch);
    for (uint32_t p = 0; p < panels; p += 2) {
        uint32_t       count = panels - p < 2 ? 1 : 2;
        struct nj_tile tile  = tile_of(a, &parts, count);
        for (uint32_t chunk = 0; chunk * NJ_ACT_CHUNK < a->padded; chunk++) {
            tile.groups = nj_act_chunk_cols(a, chunk) / a->group;
            tile.fresh  = chunk == 0;
            for (uint32_t i = 0; i < count; i++)
                open(w, a, first + p + i, chunk, parts.opened + i * NJ_OPENED_BYTES, parts.scales + i * tile.groups * 16);
            for (uint32_t i = 0; i < 2; i++)
                if ((chunk + 1) * NJ_ACT_CHUNK < w->cols)
                    fetch_plain(w, first + p + i, chunk + 1);
                else
                    fetch_plain(w, first + p + 2 + i, 0);
            run_chunk(form, &tile, a, chunk, parts.sums);
        }
        store_panels(form, parts.sums, w->rows, first + p, count, a->tokens, out, stride);
    }
}
