#include "tests/trapcam/canvas.h"

#include <math.h>
#include <stdlib.h>

int canvas_open(struct canvas *canvas, int width, int height)
{
    *canvas       = (struct canvas){.width = width, .height = height};
    size_t pixels = (size_t)width * (size_t)height;
    canvas->pixel = calloc(pixels, sizeof *canvas->pixel);
    canvas->label = calloc(pixels, 1);
    canvas->still = calloc(pixels, sizeof *canvas->still);
    if (canvas->pixel && canvas->label && canvas->still)
        return 1;
    canvas_close(canvas);
    return 0;
}

void canvas_close(struct canvas *canvas)
{
    free(canvas->pixel);
    free(canvas->label);
    free(canvas->still);
    *canvas = (struct canvas){0};
}

struct colour mix(struct colour a, struct colour b, float share)
{
    return (struct colour){a.r + (b.r - a.r) * share, a.g + (b.g - a.g) * share, a.b + (b.b - a.b) * share};
}

struct colour scale(struct colour a, float factor)
{
    return (struct colour){a.r * factor, a.g * factor, a.b * factor};
}

struct colour paint_plain(const void *colour, const struct spot *spot)
{
    (void)spot;
    return *(const struct colour *)colour;
}

static float clamp(float value, float low, float high)
{
    return value < low ? low : value > high ? high : value;
}

static void cover(struct canvas *canvas, int x, int y, float coverage, int label, struct colour colour)
{
    size_t at         = (size_t)y * (size_t)canvas->width + (size_t)x;
    canvas->pixel[at] = mix(canvas->pixel[at], colour, coverage);
    if (label && coverage > 0.5f && canvas->label[at] != label) {
        canvas->label[at] = (uint8_t)label;
        canvas->covered[label]++;
    }
}

struct box {
    int left, top, right, bottom; /* right and bottom exclusive */
};

static struct box clip(const struct canvas *canvas, float left, float top, float right, float bottom)
{
    return (struct box){(int)clamp(floorf(left), 0, (float)canvas->width), (int)clamp(floorf(top), 0, (float)canvas->height),
                        (int)clamp(ceilf(right) + 1, 0, (float)canvas->width), (int)clamp(ceilf(bottom) + 1, 0, (float)canvas->height)};
}

void draw_bone(struct canvas *canvas, float ax, float ay, float ra, float bx, float by, float rb, int label, paint_function *paint,
               const void *arg)
{
    float      most = fmaxf(ra, rb) + 1, dx = bx - ax, dy = by - ay, length2 = dx * dx + dy * dy;
    struct box box = clip(canvas, fminf(ax, bx) - most, fminf(ay, by) - most, fmaxf(ax, bx) + most, fmaxf(ay, by) + most);
    for (int y = box.top; y < box.bottom; y++)
        for (int x = box.left; x < box.right; x++) {
            float px = (float)x + 0.5f - ax, py = (float)y + 0.5f - ay;
            float along = length2 > 0 ? clamp((px * dx + py * dy) / length2, 0, 1) : 0;
            float qx = px - dx * along, qy = py - dy * along;
            float radius = ra + (rb - ra) * along, distance = sqrtf(qx * qx + qy * qy);
            float coverage = clamp(radius - distance + 0.5f, 0, 1);
            if (coverage <= 0)
                continue;
            float       side = qy > 0 ? -1.0f : 1.0f;
            struct spot spot = {(float)x, (float)y, along, radius > 0 ? clamp(side * distance / radius, -1, 1) : 0};
            cover(canvas, x, y, coverage, label, paint(arg, &spot));
        }
}

void draw_ellipse(struct canvas *canvas, float cx, float cy, float rx, float ry, float angle, int label, paint_function *paint,
                  const void *arg)
{
    float      most = fmaxf(rx, ry) + 1, c = cosf(angle), s = sinf(angle);
    struct box box = clip(canvas, cx - most, cy - most, cx + most, cy + most);
    if (rx < 0.3f || ry < 0.3f)
        return;
    for (int y = box.top; y < box.bottom; y++)
        for (int x = box.left; x < box.right; x++) {
            float px = (float)x + 0.5f - cx, py = (float)y + 0.5f - cy;
            float u = (px * c + py * s) / rx, v = (py * c - px * s) / ry, radius = sqrtf(u * u + v * v);
            float coverage = clamp((1 - radius) * fminf(rx, ry) + 0.5f, 0, 1);
            if (coverage <= 0)
                continue;
            struct spot spot = {(float)x, (float)y, clamp(u * 0.5f + 0.5f, 0, 1), clamp(-v, -1, 1)};
            cover(canvas, x, y, coverage, label, paint(arg, &spot));
        }
}

uint32_t hash(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t h = a * 0x9E3779B1u ^ (b + 0x7F4A7C15u) * 0x85EBCA77u ^ (c + 0x165667B1u) * 0xC2B2AE3Du;
    h ^= h >> 15;
    h *= 0x2C1B3C6Du;
    h ^= h >> 12;
    h *= 0x297A2D39u;
    return h ^ h >> 15;
}

float unit(uint32_t a, uint32_t b, uint32_t c)
{
    return (float)(hash(a, b, c) >> 8) * (1.0f / 16777216.0f);
}

float smooth_noise(float x, float y, uint32_t seed)
{
    float    fx = floorf(x), fy = floorf(y), u = x - fx, v = y - fy;
    uint32_t ix = (uint32_t)(int32_t)fx, iy = (uint32_t)(int32_t)fy;
    u           = u * u * (3 - 2 * u);
    v           = v * v * (3 - 2 * v);
    float top   = unit(ix, iy, seed) * (1 - u) + unit(ix + 1, iy, seed) * u;
    float under = unit(ix, iy + 1, seed) * (1 - u) + unit(ix + 1, iy + 1, seed) * u;
    return 2 * (top * (1 - v) + under * v) - 1;
}

float fractal_noise(float x, float y, uint32_t seed)
{
    return 0.57f * smooth_noise(x, y, seed) + 0.29f * smooth_noise(2.1f * x, 2.1f * y, seed + 1) +
           0.14f * smooth_noise(4.3f * x, 4.3f * y, seed + 2);
}

float next_unit(struct stream *stream)
{
    return unit(stream->seed, stream->count++, 0x51ED270Bu);
}

float next_between(struct stream *stream, float low, float high)
{
    return low + (high - low) * next_unit(stream);
}

int next_below(struct stream *stream, int bound)
{
    int value = (int)(next_unit(stream) * (float)bound);
    return value < bound ? value : bound - 1;
}

float next_normal(struct stream *stream)
{
    float u = next_unit(stream), v = next_unit(stream);
    return sqrtf(-2 * logf(u + 1e-7f)) * cosf(6.2831853f * v);
}
