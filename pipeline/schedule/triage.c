#include "pipeline/schedule/triage.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST       (NJ_TRIAGE_SIDE * NJ_TRIAGE_SIDE)
#define VERSION    1
#define TOP_STRIP  0.05 /* of the height */
#define FOOT_STRIP 0.09
#define RADIUS     8   /* of the neighbourhood that is taken off */
#define SHIFT      3   /* pixels by which frames may be moved against each other */
#define PLACE      2   /* a place is 5 x 5 pixels ... */
#define BEST       300 /* ... and the best 1/300 of them speak for the picture */
#define OFTEN      3   /* bursts before a background counts */
#define SLOWEST    0.1 /* share of a burst in the background later on */
#define GREY       6   /* mean difference of colours, at most, in an infrared picture */

struct planes { /* scratch, one allocation */
    float detail[NJ_TRIAGE_FRAMES][MOST];
    float a[MOST], b[MOST], c[MOST], row[NJ_TRIAGE_SIDE + 1];
};

/* ---- views ---- */

void nj_view_make(const struct nj_picture *picture, struct nj_view *out)
{
    uint32_t top = (uint32_t)(picture->height * TOP_STRIP), foot = (uint32_t)(picture->height * FOOT_STRIP);
    uint32_t tall = picture->height - top - foot, wide = picture->width, longer = wide > tall ? wide : tall;
    double   scale  = longer > NJ_TRIAGE_SIDE ? (double)longer / NJ_TRIAGE_SIDE : 1;
    double   colour = 0;
    out->width      = (uint16_t)fmin(fmax(floor(wide / scale), 1), NJ_TRIAGE_SIDE);
    out->height     = (uint16_t)fmin(fmax(floor(tall / scale), 1), NJ_TRIAGE_SIDE);
    for (uint32_t y = 0; y < out->height; y++)
        for (uint32_t x = 0; x < out->width; x++) {
            uint32_t from_y = top + y * tall / out->height, to_y = top + (y + 1) * tall / out->height;
            uint32_t from_x = x * wide / out->width, to_x = (x + 1) * wide / out->width;
            double   sum = 0, tint = 0, count = 0;
            for (uint32_t v = from_y; v < to_y || v == from_y; v++)
                for (uint32_t u = from_x; u < to_x || u == from_x; u++, count++) {
                    const uint8_t *rgb = picture->rgb + 3 * ((size_t)v * wide + u);
                    sum += 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
                    tint += abs(rgb[0] - rgb[1]) + abs(rgb[1] - rgb[2]);
                }
            out->light[y * out->width + x] = (float)(sum / count);
            colour += tint / count;
        }
    out->infrared = colour / ((double)out->width * out->height) < GREY;
}

/* ---- planes ---- */

/* Mean over (2 radius + 1)² pixels, edges repeated. `from` and `to` may be one. */
static void blur(const float *from, float *to, int width, int height, int radius, float *row)
{
    for (int pass = 0; pass < 2; pass++) {
        int along = pass ? height : width, across = pass ? width : height, step = pass ? width : 1, stride = pass ? 1 : width;
        for (int line = 0; line < across; line++) {
            const float *in  = (pass ? to : from) + line * stride;
            float       *out = to + line * stride;
            double       sum = 0;
            for (int i = 0; i < along; i++)
                row[i] = in[i * step];
            for (int i = -radius; i <= radius; i++)
                sum += row[i < 0 ? 0 : i >= along ? along - 1 : i];
            for (int i = 0; i < along; i++) {
                int leaves = i - radius, comes = i + radius + 1;
                out[i * step] = (float)(sum / (2 * radius + 1));
                sum += row[comes >= along ? along - 1 : comes] - row[leaves < 0 ? 0 : leaves];
            }
        }
    }
}

static int by_value(const void *x, const void *y)
{
    float a = *(const float *)x, b = *(const float *)y;
    return (a > b) - (a < b);
}

/* Median of |values|; `scratch` holds them sorted afterwards. */
static float middle(const float *values, size_t count, float *scratch)
{
    for (size_t i = 0; i < count; i++)
        scratch[i] = fabsf(values[i]);
    qsort(scratch, count, sizeof *scratch, by_value);
    return scratch[count / 2];
}

/* How steep the plane is at x, y. */
static float steepness(const float *plane, int width, int height, int x, int y)
{
    int   left = x > 0 ? x - 1 : x, right = x + 1 < width ? x + 1 : x, up = y > 0 ? y - 1 : y, down = y + 1 < height ? y + 1 : y;
    float dx = right > left ? (plane[y * width + right] - plane[y * width + left]) / (float)(right - left) : 0;
    float dy = down > up ? (plane[down * width + x] - plane[up * width + x]) / (float)(down - up) : 0;
    return sqrtf(dx * dx + dy * dy);
}

/* How far the best places of `excess` stand above the picture as a whole. `excess` is spoilt. */
static double standing_out(float *excess, int width, int height, float *row)
{
    size_t count = (size_t)width * (size_t)height, best = count / BEST ? count / BEST : 1;
    double sum = 0;
    blur(excess, excess, width, height, PLACE, row);
    qsort(excess, count, sizeof *excess, by_value);
    for (size_t i = count - best; i < count; i++)
        sum += excess[i];
    return sum / (double)best / (excess[count * 9 / 10] + 0.2);
}

/* ---- motion ---- */

/* The shift of `b` against `a` at which they differ least. */
static void align(const float *a, const float *b, int width, int height, int *shift_x, int *shift_y)
{
    double least = INFINITY;
    for (int dy = -SHIFT; dy <= SHIFT; dy++)
        for (int dx = -SHIFT; dx <= SHIFT; dx++) {
            double sum = 0;
            for (int y = SHIFT; y < height - SHIFT; y += 2)
                for (int x = SHIFT; x < width - SHIFT; x += 2)
                    sum += fabsf(a[y * width + x] - b[(y + dy) * width + x + dx]);
            if (sum < least) {
                least    = sum;
                *shift_x = dx;
                *shift_y = dy;
            }
        }
}

static double moved(const float *a, const float *b, int width, int height, struct planes *planes)
{
    int w = width - 2 * SHIFT, h = height - 2 * SHIFT, dx = 0, dy = 0;
    if (w < 8 * PLACE || h < 8 * PLACE)
        return NAN;
    align(a, b, width, height, &dx, &dy);
    float *difference = planes->a, *texture = planes->b;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            int ax = x + SHIFT, ay = y + SHIFT, bx = ax + dx, by = ay + dy;
            difference[y * w + x] = a[ay * width + ax] - b[by * width + bx];
            texture[y * w + x]    = fmaxf(steepness(a, width, height, ax, ay), steepness(b, width, height, bx, by));
        }
    float noise = middle(difference, (size_t)w * (size_t)h, planes->c) + 1;
    blur(texture, texture, w, h, 1, planes->row);
    for (int i = 0; i < w * h; i++)
        planes->c[i] = fabsf(difference[i]) / (2 * noise + 0.7f * texture[i]);
    return standing_out(planes->c, w, h, planes->row);
}

/* ---- background ---- */

bool nj_background_fits(const struct nj_background *background)
{
    return background->version == VERSION && background->width <= NJ_TRIAGE_SIDE && background->height <= NJ_TRIAGE_SIDE;
}

/* The detail of a view in units of its own contrast, into `out`. */
static void normalise(const float *detail, size_t count, float *out, float *scratch)
{
    float contrast = middle(detail, count, scratch) + 1.5f;
    for (size_t i = 0; i < count; i++)
        out[i] = detail[i] / contrast;
}

static double unusual(const float *detail, const struct nj_background *background, struct planes *planes)
{
    int    width = background->width, height = background->height;
    size_t count = (size_t)width * (size_t)height;
    float *mean = planes->b, *texture = planes->c;
    normalise(detail, count, planes->a, planes->c);
    for (size_t i = 0; i < count; i++) {
        mean[i] = (float)background->mean[i] / 256;
        planes->a[i] -= mean[i];
    }
    float noise = middle(planes->a, count, planes->c);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            texture[y * width + x] = steepness(mean, width, height, x, y);
    blur(texture, texture, width, height, 1, planes->row);
    for (size_t i = 0; i < count; i++)
        planes->a[i] = fabsf(planes->a[i]) / (0.5f * noise + 0.5f + 0.5f * texture[i] + 1.5f * (float)background->deviation[i] / 256);
    return standing_out(planes->a, width, height, planes->row);
}

static int16_t fixed(double value)
{
    return (int16_t)lrint(fmin(fmax(value * 256, -32767), 32767));
}

static void learn(struct nj_background *background, const float *detail, const struct nj_view *view, struct planes *planes)
{
    size_t count = (size_t)view->width * view->height;
    if (!nj_background_fits(background) || background->width != view->width || background->height != view->height) {
        *background = (struct nj_background){.version = VERSION, .width = view->width, .height = view->height};
        for (size_t i = 0; i < count; i++)
            background->deviation[i] = (uint16_t)fixed(0.3);
    }
    normalise(detail, count, planes->a, planes->c);
    double part = fmax(1.0 / (background->seen + 1), SLOWEST);
    for (size_t i = 0; i < count; i++) {
        double mean = (double)background->mean[i] / 256, off = background->seen ? planes->a[i] - mean : 0;
        double deviation         = (double)background->deviation[i] / 256;
        background->deviation[i] = (uint16_t)fixed(deviation + (background->seen ? part * (fabs(off) - deviation) : 0));
        background->mean[i]      = fixed(mean + part * (planes->a[i] - mean));
    }
    if (background->seen < UINT32_MAX)
        background->seen++;
}

/* ---- both ---- */

/* Odds: what divides blanks from animals in real bursts, doubled or halved for each factor of about 1.5. */
static void sum_up(bool infrared, struct nj_triage *out)
{
    double odds = infrared ? 0.4 : 0;
    if (!isnan(out->motion))
        odds += 1.6 * log(out->motion / 1.8);
    if (!isnan(out->background))
        odds += 2.0 * log(out->background / 2.2);
    out->interest = fmin(fmax(1 / (1 + exp(-odds)), 0.02), 0.97);
    snprintf(out->words, sizeof out->words, "%s%s%s",
             isnan(out->motion)  ? "a single picture"
             : out->motion > 2.6 ? "something moved"
             : out->motion > 1.6 ? "perhaps something moved"
                                 : "nothing moved that stands out",
             isnan(out->background)  ? ""
             : out->background > 3.0 ? "; unlike what this camera usually sees"
             : out->background > 2.0 ? "; a little unlike the usual"
                                     : "; like what this camera usually sees",
             infrared ? "; by infrared" : "");
}

nj_status nj_triage_burst(const struct nj_view *views, size_t count, struct nj_background *background, struct nj_triage *out,
                          struct nj_error *error)
{
    struct planes *planes = malloc(sizeof *planes);
    *out                  = (struct nj_triage){.motion = NAN, .background = NAN};
    if (!planes)
        return nj_fail(error, "no memory to look at a burst");
    if (count > NJ_TRIAGE_FRAMES)
        count = NJ_TRIAGE_FRAMES;
    for (size_t i = 0; i < count; i++) {
        blur(views[i].light, planes->a, views[i].width, views[i].height, RADIUS, planes->row);
        for (int p = 0; p < views[i].width * views[i].height; p++)
            planes->detail[i][p] = views[i].light[p] - planes->a[p];
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (views[i].width == views[k].width && views[i].height == views[k].height && views[i].infrared == views[k].infrared)
                out->motion = fmax(out->motion, moved(planes->detail[i], planes->detail[k], views[i].width, views[i].height, planes));
    bool known = background && nj_background_fits(background) && background->seen >= OFTEN;
    for (size_t i = 0; known && i < count; i++)
        if (views[i].width == background->width && views[i].height == background->height)
            out->background = fmax(out->background, unusual(planes->detail[i], background, planes));
    if (background && count)
        learn(background, planes->detail[count / 2], &views[count / 2], planes);
    sum_up(count && views[0].infrared, out);
    free(planes);
    return NJ_OK;
}
