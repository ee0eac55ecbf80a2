#include "tests/trapcam/animal.h"

#include <math.h>
#include <stddef.h>

const struct species_facts species_facts[SPECIES_COUNT] = {
    [ELEPHANT] = {"elephant", 2.9f, 6, 0},        [GIRAFFE] = {"giraffe", 3.0f, 5, 0},    [ZEBRA] = {"zebra", 1.35f, 14, 1},
    [WILDEBEEST] = {"wildebeest", 1.35f, 16, 1},  [LION_MALE] = {"lionMale", 1.1f, 2, 1}, [LION_FEMALE] = {"lionFemale", 0.95f, 6, 1},
    [HYENA] = {"hyenaSpotted", 0.85f, 5, 1},      [WARTHOG] = {"warthog", 0.72f, 5, 1},   [OSTRICH] = {"ostrich", 1.35f, 4, 0},
    [GUINEA_FOWL] = {"guineaFowl", 0.36f, 14, 0}, [IMPALA] = {"impala", 0.92f, 14, 1},    [BUFFALO] = {"buffalo", 1.5f, 14, 1},
};

enum coat { PLAIN, STRIPES, PATCHES, SPOTS, DOTS, TWO_TONE, STREAKS };

/* Proportions in units of the shoulder height. */
struct build {
    float         length;                                       /* hip to shoulder */
    float         chest, hip;                                   /* radii of the trunk */
    float         hip_height;                                   /* of the hip joint's back line; 1 = level back */
    float         hump;                                         /* extra height over the shoulder */
    float         leg, hoof;                                    /* leg radius at the top and at the foot */
    float         neck_length, neck_angle, neck_base, neck_top; /* angle: radians above forward */
    float         head_length, head_radius, muzzle_radius;
    float         tail_length;
    enum coat     coat;
    struct colour base, second; /* second: stripes, patch borders, belly, spots */
};

static const struct build builds[SPECIES_COUNT] = {
    [ELEPHANT]    = {0.85f,
                     0.30f,
                     0.28f,
                     0.95f,
                     0.05f,
                     0.105f,
                     0.085f,
                     0.18f,
                     0.35f,
                     0.20f,
                     0.17f,
                     0.22f,
                     0.17f,
                     0.10f,
                     0.40f,
                     PLAIN,
                     {.44f, .42f, .40f},
                     {.36f, .34f, .33f}},
    [GIRAFFE]     = {0.46f,
                     0.17f,
                     0.14f,
                     0.84f,
                     0.00f,
                     0.045f,
                     0.025f,
                     0.78f,
                     1.05f,
                     0.11f,
                     0.05f,
                     0.20f,
                     0.055f,
                     0.035f,
                     0.28f,
                     PATCHES,
                     {.60f, .38f, .18f},
                     {.88f, .76f, .55f}},
    [ZEBRA]       = {0.86f,
                     0.24f,
                     0.23f,
                     0.97f,
                     0.00f,
                     0.070f,
                     0.038f,
                     0.42f,
                     0.75f,
                     0.15f,
                     0.10f,
                     0.34f,
                     0.095f,
                     0.065f,
                     0.42f,
                     STRIPES,
                     {.92f, .90f, .86f},
                     {.07f, .06f, .06f}},
    [WILDEBEEST]  = {0.82f,
                     0.26f,
                     0.19f,
                     0.84f,
                     0.07f,
                     0.055f,
                     0.032f,
                     0.32f,
                     0.25f,
                     0.16f,
                     0.12f,
                     0.40f,
                     0.095f,
                     0.080f,
                     0.50f,
                     STREAKS,
                     {.30f, .27f, .26f},
                     {.14f, .12f, .12f}},
    [LION_MALE]   = {1.12f,
                     0.25f,
                     0.21f,
                     0.94f,
                     0.00f,
                     0.085f,
                     0.060f,
                     0.24f,
                     0.45f,
                     0.19f,
                     0.17f,
                     0.20f,
                     0.150f,
                     0.100f,
                     0.80f,
                     PLAIN,
                     {.74f, .58f, .34f},
                     {.28f, .17f, .09f}},
    [LION_FEMALE] = {1.15f,
                     0.23f,
                     0.21f,
                     0.95f,
                     0.00f,
                     0.080f,
                     0.055f,
                     0.25f,
                     0.35f,
                     0.15f,
                     0.12f,
                     0.19f,
                     0.135f,
                     0.085f,
                     0.85f,
                     PLAIN,
                     {.78f, .63f, .41f},
                     {.60f, .46f, .28f}},
    [HYENA]       = {0.98f,
                     0.26f,
                     0.19f,
                     0.76f,
                     0.06f,
                     0.075f,
                     0.045f,
                     0.38f,
                     0.55f,
                     0.17f,
                     0.13f,
                     0.22f,
                     0.125f,
                     0.080f,
                     0.30f,
                     SPOTS,
                     {.62f, .51f, .36f},
                     {.20f, .14f, .10f}},
    [WARTHOG]     = {1.05f,
                     0.30f,
                     0.26f,
                     0.93f,
                     0.02f,
                     0.065f,
                     0.040f,
                     0.14f,
                     0.05f,
                     0.21f,
                     0.18f,
                     0.44f,
                     0.150f,
                     0.095f,
                     0.50f,
                     PLAIN,
                     {.42f, .34f, .29f},
                     {.22f, .16f, .13f}},
    [OSTRICH]     = {0.42f,
                     0.27f,
                     0.22f,
                     1.00f,
                     0.00f,
                     0.060f,
                     0.022f,
                     0.72f,
                     1.25f,
                     0.055f,
                     0.030f,
                     0.11f,
                     0.042f,
                     0.020f,
                     0.15f,
                     PLAIN,
                     {.10f, .09f, .09f},
                     {.88f, .86f, .82f}},
    [GUINEA_FOWL] = {0.50f,
                     0.40f,
                     0.34f,
                     1.00f,
                     0.04f,
                     0.050f,
                     0.030f,
                     0.42f,
                     1.10f,
                     0.120f,
                     0.060f,
                     0.14f,
                     0.090f,
                     0.035f,
                     0.25f,
                     DOTS,
                     {.20f, .20f, .25f},
                     {.85f, .85f, .90f}},
    [IMPALA]      = {0.90f,
                     0.20f,
                     0.18f,
                     0.98f,
                     0.00f,
                     0.045f,
                     0.024f,
                     0.46f,
                     0.85f,
                     0.095f,
                     0.065f,
                     0.25f,
                     0.075f,
                     0.045f,
                     0.25f,
                     TWO_TONE,
                     {.67f, .38f, .19f},
                     {.90f, .84f, .74f}},
    [BUFFALO]     = {0.98f,
                     0.32f,
                     0.27f,
                     0.93f,
                     0.05f,
                     0.080f,
                     0.055f,
                     0.24f,
                     0.15f,
                     0.21f,
                     0.18f,
                     0.32f,
                     0.130f,
                     0.115f,
                     0.40f,
                     PLAIN,
                     {.13f, .11f, .10f},
                     {.22f, .20f, .18f}},
};

/* Everything that the drawing of one animal hands around. */
struct artist {
    struct canvas          *canvas;
    const struct animal    *animal;
    const struct build     *build;
    const struct placement *at;
    float                   unit; /* pixels a shoulder height */
    float                   drop; /* how much lower the trunk hangs, in shoulder heights */
    int                     label;
};

enum part { TRUNK, NECK, HEAD, LEG, FAR_LEG, DETAIL };

struct brush {
    const struct artist *artist;
    enum part            part;
    struct colour        colour; /* DETAIL: this colour, no coat */
};

static float screen_x(const struct artist *artist, float x)
{
    return artist->at->x + (float)artist->animal->facing * artist->animal->turn * artist->unit * x;
}

static float screen_y(const struct artist *artist, float y)
{
    return artist->at->y - artist->unit * y;
}

/* Distance to the nearest of scattered cell centres, and to the border between the two nearest. */
static float cell_border(float x, float y, uint32_t seed, float *nearest)
{
    float first = 9, second = 9;
    for (int j = -1; j <= 1; j++)
        for (int i = -1; i <= 1; i++) {
            float    cx = floorf(x) + (float)i, cy = floorf(y) + (float)j;
            uint32_t ix = (uint32_t)(int32_t)cx, iy = (uint32_t)(int32_t)cy;
            float    dx = cx + unit(ix, iy, seed) - x, dy = cy + unit(ix, iy, seed + 9) - y, d = sqrtf(dx * dx + dy * dy);
            if (d < first) {
                second = first;
                first  = d;
            } else if (d < second)
                second = d;
        }
    *nearest = first;
    return second - first;
}

static struct colour coat_colour(const struct artist *artist, enum part part, const struct spot *spot)
{
    const struct build *build = artist->build;
    uint32_t            seed  = artist->animal->seed;
    /* Coat coordinates stick to the animal: shoulder heights from its feet. */
    float u = (spot->x - artist->at->x) / (artist->unit * artist->animal->turn) * (float)artist->animal->facing;
    float v = (artist->at->y - spot->y) / artist->unit, nearest, border;
    switch (build->coat) {
    case STRIPES: {
        float across = part == LEG || part == FAR_LEG ? v * 34
                       : part == TRUNK                ? u * 27 + 2.5f * smooth_noise(u * 3, v * 3, seed) + (v - 0.8f) * 5 * u
                                                      : spot->along * 26;
        return sinf(across + (float)(seed % 7)) > 0.05f ? build->base : build->second;
    }
    case PATCHES:
        if (part == LEG || part == FAR_LEG)
            return mix(build->second, build->base, v > 0.55f ? 0.5f : 0.1f);
        border = cell_border(u * 8.5f + 40, v * 8.5f, seed, &nearest);
        return border < 0.16f ? build->second : scale(build->base, 0.85f + 0.25f * unit((uint32_t)(nearest * 8), seed, 3));
    case SPOTS:
        border = cell_border(u * 11 + 40, v * 11, seed, &nearest);
        (void)border;
        return nearest < 0.34f && part != HEAD ? build->second : build->base;
    case DOTS:
        border = cell_border(u * 15 + 40, v * 15, seed, &nearest);
        (void)border;
        return nearest < 0.27f ? build->second : build->base;
    case TWO_TONE:
        if (part == TRUNK)
            return spot->across < -0.45f ? build->second : spot->across < -0.05f ? mix(build->base, build->second, 0.35f) : build->base;
        return build->base;
    case STREAKS:
        if (part == TRUNK && u > 0.2f)
            return sinf(u * 40 + smooth_noise(u * 4, v * 6, seed)) > 0.55f ? build->second : build->base;
        return part == HEAD ? build->second : build->base;
    default:
        return scale(build->base, 1 + 0.10f * smooth_noise(u * 6, v * 6, seed));
    }
}

static struct colour paint_part(const void *arg, const struct spot *spot)
{
    const struct brush  *brush  = arg;
    const struct artist *artist = brush->artist;
    struct colour        colour = brush->part == DETAIL ? brush->colour : coat_colour(artist, brush->part, spot);
    float                round  = brush->part == DETAIL ? 1.0f : 0.80f + 0.24f * spot->across - 0.10f * spot->across * spot->across;
    if (brush->part == FAR_LEG)
        round *= 0.62f;
    round *= artist->at->light * (0.97f + 0.06f * unit((uint32_t)spot->x, (uint32_t)spot->y, artist->animal->seed));
    if (!artist->at->infrared)
        return scale(colour, round);
    /* Under infrared fur is pale whatever its colour. */
    float grey = 0.30f + 0.62f * (0.4f * colour.r + 0.4f * colour.g + 0.2f * colour.b);
    return (struct colour){grey * round, grey * round, grey * round};
}

static void bone(const struct artist *artist, enum part part, float ax, float ay, float ra, float bx, float by, float rb)
{
    struct brush brush = {artist, part, {0, 0, 0}};
    draw_bone(artist->canvas, screen_x(artist, ax), screen_y(artist, ay), ra * artist->unit, screen_x(artist, bx), screen_y(artist, by),
              rb * artist->unit, artist->label, paint_part, &brush);
}

static void detail(const struct artist *artist, struct colour colour, float ax, float ay, float ra, float bx, float by, float rb)
{
    struct brush brush = {artist, DETAIL, colour};
    draw_bone(artist->canvas, screen_x(artist, ax), screen_y(artist, ay), ra * artist->unit, screen_x(artist, bx), screen_y(artist, by),
              rb * artist->unit, artist->label, paint_part, &brush);
}

static void oval(const struct artist *artist, struct colour colour, float cx, float cy, float rx, float ry, float angle)
{
    struct brush brush = {artist, DETAIL, colour};
    draw_ellipse(artist->canvas, screen_x(artist, cx), screen_y(artist, cy), rx * artist->unit * artist->animal->turn, ry * artist->unit,
                 -angle * (float)artist->animal->facing, artist->label, paint_part, &brush);
}

/* One leg from `top` to the ground. swing: radians forward of straight down; bend: how far the lower part trails. */
static void leg(const struct artist *artist, enum part part, float x, float top, float swing, float bend)
{
    const struct build *build = artist->build;
    if (artist->animal->posture == RESTING) { /* folded under the trunk */
        bone(artist, part, x, top * 0.6f, build->leg, x + 0.16f, build->hoof * 1.3f, build->hoof * 1.2f);
        bone(artist, part, x + 0.16f, build->hoof * 1.3f, build->hoof * 1.2f, x + 0.34f, build->hoof, build->hoof);
        return;
    }
    float half = top * 0.52f, knee_x = x + sinf(swing) * half, knee_y = top - cosf(swing) * half;
    float lower = swing - bend, reach = knee_y - build->hoof;
    float foot_x = knee_x + tanf(lower) * reach * 0.8f, foot_y = build->hoof + 0.10f * fmaxf(0, bend) * top;
    bone(artist, part, x, top, build->leg, knee_x, knee_y, (build->leg + build->hoof) * 0.5f);
    bone(artist, part, knee_x, knee_y, (build->leg + build->hoof) * 0.5f, foot_x, foot_y, build->hoof);
}

static void legs(const struct artist *artist, int near)
{
    const struct animal *animal = artist->animal;
    const struct build  *build  = artist->build;
    enum part            part   = near ? LEG : FAR_LEG;
    int                  bird   = animal->species == OSTRICH || animal->species == GUINEA_FOWL;
    float                stride = animal->posture == MOVING ? 0.45f : 0.07f, shift = near ? 0 : 3.1415927f;
    float                front = build->length * 0.5f, hind = -build->length * 0.5f, sway = near ? 0.02f : -0.05f;
    if (bird) {
        float swing = stride * sinf(animal->phase + shift);
        leg(artist, part, sway, 0.80f - artist->drop, swing,
            animal->posture == MOVING ? fmaxf(0, -cosf(animal->phase + shift)) * 0.8f : 0.05f);
        return;
    }
    for (int i = 0; i < 2; i++) {
        float phase = animal->phase + shift + (i ? 1.9f : 0), swing = stride * sinf(phase);
        float bend = animal->posture == MOVING ? fmaxf(0, cosf(phase)) * 0.7f : 0.04f;
        float top  = i ? (build->hip_height - build->hip * 0.9f) : 1 - build->chest * 1.1f;
        leg(artist, part, (i ? hind : front) + sway, top - artist->drop, swing, bend);
    }
}

static void tail(const struct artist *artist)
{
    const struct build *build = artist->build;
    enum species        s     = artist->animal->species;
    float               x = -build->length * 0.5f - build->hip * 0.75f, y = build->hip_height - build->hip * 0.45f - artist->drop,
          length = build->tail_length;
    if (s == OSTRICH) {
        oval(artist, build->second, x + 0.02f, y - 0.02f, 0.12f, 0.13f, 0.6f);
        return;
    }
    if (s == GUINEA_FOWL) {
        bone(artist, TRUNK, x + 0.1f, y, 0.16f, x - length * 0.5f, y - length * 0.8f, 0.06f);
        return;
    }
    float lift  = s == WARTHOG && artist->animal->posture == MOVING ? 1.0f : -0.85f;
    float tip_x = x - length * (lift > 0 ? 0.05f : 0.25f + 0.1f * sinf(artist->animal->phase)), tip_y = y + length * lift;
    tip_y = fmaxf(tip_y, 0.05f);
    bone(artist, TRUNK, x, y, 0.030f, tip_x, tip_y, 0.018f);
    if (s == LION_MALE || s == LION_FEMALE || s == WILDEBEEST || s == ZEBRA || s == GIRAFFE || s == WARTHOG)
        detail(artist, (struct colour){.08f, .06f, .05f}, tip_x, tip_y, 0.035f, tip_x - 0.01f,
               tip_y - (lift > 0          ? -0.06f
                        : s == WILDEBEEST ? 0.16f
                                          : 0.08f),
               0.030f);
}

struct head_place {
    float x, y;   /* where the skull sits */
    float dx, dy; /* unit vector along the muzzle */
};

static struct head_place neck(const struct artist *artist)
{
    const struct build *build = artist->build;
    enum posture        pose  = artist->animal->posture;
    float base_x = build->length * 0.5f + build->chest * 0.35f, base_y = 1 - build->chest * 0.55f + build->hump * 0.3f - artist->drop;
    float angle = build->neck_angle + 0.08f * sinf(artist->animal->phase * 0.5f), length = build->neck_length;
    float look = -0.45f;
    if (pose == EATING && artist->animal->species == GIRAFFE) {
        angle += 0.10f; /* browses in the crown */
        look = 0.25f;
    } else if (pose == EATING) {
        float need = base_y - build->head_length * 0.75f; /* the muzzle reaches the grass */
        angle      = -asinf(fminf(1, fmaxf(0.2f, need / fmaxf(length + 0.12f, 0.2f))));
        length     = fmaxf(length, need * 0.92f);
        look       = -1.25f;
    } else if (artist->animal->species == ELEPHANT || artist->animal->species == WARTHOG || artist->animal->species == BUFFALO ||
               artist->animal->species == WILDEBEEST)
        look = -0.85f;
    float x = base_x + cosf(angle) * length, y = base_y + sinf(angle) * length;
    bone(artist, NECK, base_x - 0.08f, base_y - 0.02f, build->neck_base, x, y, build->neck_top);
    return (struct head_place){x, y, cosf(look), sinf(look)};
}

static void horns_and_ears(const struct artist *artist, const struct head_place *h)
{
    static const struct colour horn = {.16f, .14f, .12f}, ivory = {.90f, .87f, .78f};
    const struct build        *build = artist->build;
    float                      r = build->head_radius, up_x = -h->dy, up_y = h->dx; /* to the top of the skull */
    float                      ear_x = h->x + up_x * r * 0.9f - h->dx * r * 0.3f, ear_y = h->y + up_y * r * 0.9f - h->dy * r * 0.3f;
    int                        male = artist->animal->seed & 1, young = artist->animal->size < 0.8f;
    switch (artist->animal->species) {
    case ELEPHANT:
        oval(artist, scale(build->base, 0.82f), h->x - 0.10f, h->y - 0.05f, 0.15f, 0.24f, 0.2f);
        if (!young)
            detail(artist, ivory, h->x + h->dx * 0.16f, h->y + h->dy * 0.16f, 0.022f, h->x + h->dx * 0.16f + 0.17f,
                   h->y + h->dy * 0.16f - 0.10f, 0.008f);
        return;
    case GIRAFFE:
        detail(artist, build->base, ear_x, ear_y, 0.012f, ear_x, ear_y + 0.06f, 0.014f);
        detail(artist, build->base, ear_x - 0.02f, ear_y - 0.02f, 0.018f, ear_x - 0.08f, ear_y + 0.01f, 0.008f);
        return;
    case WILDEBEEST:
        if (!young) {
            detail(artist, horn, ear_x, ear_y, 0.028f, ear_x + 0.10f, ear_y - 0.02f, 0.022f);
            detail(artist, horn, ear_x + 0.10f, ear_y - 0.02f, 0.022f, ear_x + 0.10f, ear_y + 0.12f, 0.010f);
        }
        detail(artist, build->second, h->x, h->y - 0.10f, 0.05f, h->x + h->dx * 0.2f, h->y + h->dy * 0.2f - 0.17f, 0.03f); /* beard */
        break;
    case BUFFALO:
        if (!young) {
            detail(artist, horn, ear_x - 0.02f, ear_y, 0.050f, ear_x - 0.13f, ear_y - 0.10f, 0.040f);
            detail(artist, horn, ear_x - 0.13f, ear_y - 0.10f, 0.040f, ear_x - 0.17f, ear_y + 0.10f, 0.014f);
            detail(artist, horn, ear_x + 0.02f, ear_y, 0.050f, ear_x + 0.12f, ear_y - 0.07f, 0.036f);
            detail(artist, horn, ear_x + 0.12f, ear_y - 0.07f, 0.036f, ear_x + 0.17f, ear_y + 0.11f, 0.012f);
        }
        break;
    case IMPALA:
        if (male && !young) {
            detail(artist, horn, ear_x, ear_y, 0.020f, ear_x - 0.10f, ear_y + 0.18f, 0.017f);
            detail(artist, horn, ear_x - 0.10f, ear_y + 0.18f, 0.017f, ear_x - 0.03f, ear_y + 0.38f, 0.008f);
        }
        break;
    case WARTHOG:
        detail(artist, ivory, h->x + h->dx * 0.34f, h->y + h->dy * 0.34f, 0.022f, h->x + h->dx * 0.40f + 0.03f,
               h->y + h->dy * 0.34f + 0.11f, 0.010f);
        detail(artist, build->second, h->x - 0.02f, h->y + 0.16f, 0.035f, -build->length * 0.1f, 1.0f - artist->drop, 0.025f); /* mane */
        break;
    case LION_MALE:
    case LION_FEMALE:
    case HYENA:
        oval(artist, scale(build->base, 0.85f), ear_x, ear_y, 0.055f, 0.06f, 0);
        return;
    case OSTRICH:
    case GUINEA_FOWL:
        return;
    default:
        break;
    }
    detail(artist, scale(build->base, 0.8f), ear_x, ear_y, 0.03f, ear_x - 0.05f, ear_y + 0.11f, 0.016f);
    if (artist->animal->species == ZEBRA)
        detail(artist, build->second, ear_x - 0.05f, ear_y + 0.02f, 0.045f, build->length * 0.5f, 1.02f - artist->drop, 0.035f);
}

static void head(const struct artist *artist, const struct head_place *h)
{
    static const struct colour dark = {.06f, .05f, .05f}, shine = {2.0f, 2.0f, 2.0f};
    const struct build        *build = artist->build;
    enum species               s     = artist->animal->species;
    float                      tip_x = h->x + h->dx * build->head_length, tip_y = h->y + h->dy * build->head_length;
    if (s == LION_MALE && artist->animal->size > 0.7f) {
        oval(artist, build->second, h->x - 0.07f, h->y - 0.06f, 0.30f, 0.33f, 0.3f);
        oval(artist, scale(build->second, 1.6f), h->x - 0.02f, h->y - 0.02f, 0.21f, 0.24f, 0.3f);
    }
    if (s == OSTRICH || s == GUINEA_FOWL) {
        struct colour skin = s == OSTRICH ? (struct colour){.70f, .55f, .48f} : (struct colour){.25f, .42f, .72f};
        detail(artist, skin, h->x, h->y, build->head_radius, tip_x, tip_y, build->muzzle_radius);
        if (s == GUINEA_FOWL)
            detail(artist, (struct colour){.72f, .25f, .15f}, h->x, h->y + 0.08f, 0.03f, h->x - 0.02f, h->y + 0.15f, 0.02f);
    } else {
        bone(artist, HEAD, h->x, h->y, build->head_radius, tip_x, tip_y, build->muzzle_radius);
        if (s != ELEPHANT)
            detail(artist, dark, tip_x, tip_y, build->muzzle_radius * 0.55f, tip_x, tip_y, build->muzzle_radius * 0.55f);
    }
    if (s == ELEPHANT) { /* the trunk hangs to the ground, curled at the mouth while it eats */
        float end_x = tip_x + (artist->animal->posture == EATING ? -0.04f : 0.06f),
              end_y = artist->animal->posture == EATING ? 0.10f : 0.16f;
        bone(artist, HEAD, tip_x - 0.02f, tip_y + 0.04f, 0.085f, tip_x + 0.06f, tip_y - 0.28f, 0.060f);
        bone(artist, HEAD, tip_x + 0.06f, tip_y - 0.28f, 0.060f, end_x, end_y, 0.036f);
    }
    horns_and_ears(artist, h);
    float eye_x = h->x + h->dx * build->head_length * 0.25f - h->dy * build->head_radius * 0.35f;
    float eye_y = h->y + h->dy * build->head_length * 0.25f + h->dx * build->head_radius * 0.35f;
    float eye   = fmaxf(build->head_radius * 0.13f, 0.012f);
    detail(artist, artist->at->infrared ? shine : dark, eye_x, eye_y, eye, eye_x, eye_y, eye);
}

void draw_animal(struct canvas *canvas, const struct animal *animal, const struct placement *placement, int label)
{
    const struct build *build  = &builds[animal->species];
    struct artist       artist = {.canvas = canvas, .animal = animal, .build = build, .at = placement, .label = label};
    artist.unit                = placement->pixels_per_metre * species_facts[animal->species].height * animal->size;
    artist.drop                = animal->posture == RESTING ? 1 - build->chest * 1.9f - build->hoof : 0;
    float shoulder = build->length * 0.5f, hip = -build->length * 0.5f;
    if (animal->posture == EATING && (animal->species == LION_MALE || animal->species == LION_FEMALE)) /* at a carcass */
        detail(&artist, (struct colour){.42f, .16f, .12f}, 0.75f, 0.10f, 0.14f, 1.25f, 0.08f, 0.12f);
    legs(&artist, 0);
    tail(&artist);
    bone(&artist, TRUNK, hip, build->hip_height - build->hip - artist.drop, build->hip, shoulder, 1 - build->chest - artist.drop,
         build->chest);
    if (build->hump > 0)
        bone(&artist, TRUNK, hip * 0.2f, 0.94f - build->chest - artist.drop, build->chest * 0.9f, shoulder,
             1 - build->chest + build->hump - artist.drop, build->chest * 0.85f);
    if (animal->species == OSTRICH)
        oval(&artist, (animal->seed & 1) ? build->base : (struct colour){.42f, .36f, .30f}, -0.05f, 0.80f - artist.drop, 0.34f, 0.22f,
             -0.15f);
    legs(&artist, 1);
    struct head_place place = neck(&artist);
    artist.label |= HEAD_LABEL;
    head(&artist, &place);
}
