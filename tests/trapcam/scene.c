#include "tests/trapcam/scene.h"

#include <math.h>
#include <string.h>

#define FOCAL 0.95f /* of the picture's width */

struct site {
    float         horizon, camera_height; /* share of the height from above; metres */
    struct colour sky, ground, grass;
    uint32_t      seed;
};

static struct site site_of(uint32_t seed)
{
    struct stream s     = {seed, 0};
    float         green = next_unit(&s);
    return (struct site){.horizon       = next_between(&s, 0.26f, 0.44f),
                         .camera_height = next_between(&s, 0.8f, 1.5f),
                         .sky           = mix((struct colour){.55f, .68f, .85f}, (struct colour){.80f, .82f, .84f}, next_unit(&s)),
                         .ground        = mix((struct colour){.62f, .50f, .33f}, (struct colour){.42f, .42f, .25f}, green),
                         .grass         = mix((struct colour){.74f, .65f, .40f}, (struct colour){.38f, .46f, .20f}, green),
                         .seed          = seed};
}

/* The sun's light by hour: 1 at noon, little at dawn and dusk; the flash takes over at night. */
static float daylight(float hour)
{
    float height = sinf((hour - 6) / 12 * 3.1415927f);
    return height <= 0 ? 0 : 0.35f + 0.65f * powf(height, 0.6f);
}

void event_make(struct event *event, uint32_t site_seed, uint32_t seed, int hour, float pairs)
{
    static const int counts[] = {1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7, 8, 10, 12, 14};
    struct stream    s        = {hash(site_seed, seed, 77), 0};
    memset(event, 0, sizeof *event);
    event->site_seed = site_seed;
    event->seed      = seed;
    event->hour      = hour >= 0 ? hour : next_unit(&s) < 0.7f ? 6 + next_below(&s, 12) : (18 + next_below(&s, 12)) % 24;
    event->minute    = next_below(&s, 60);
    event->second    = next_below(&s, 60);
    event->infrared  = event->hour < 6 || event->hour >= 18;
    event->frames    = next_unit(&s) < 0.8f ? 3 : 1 + next_below(&s, 2);
    event->frame_gap = next_between(&s, 0.7f, 1.6f);
    event->wind      = next_unit(&s) * next_unit(&s);
    if (next_unit(&s) < 0.27f) {
        event->wind = next_unit(&s); /* what set it off */
        return;
    }
    int species_count = next_unit(&s) < pairs ? 2 : 1, wanted = counts[next_below(&s, 20)];
    for (int kind = 0; kind < species_count; kind++) {
        enum species species = (enum species)next_below(&s, SPECIES_COUNT);
        if (event->animal_count && event->animals[0].species == species)
            continue;
        const struct species_facts *facts   = &species_facts[species];
        int                         count   = kind ? 1 + next_below(&s, 2) : wanted;
        enum posture                posture = (enum posture)next_below(&s, 4);
        if (posture == RESTING && !facts->rests_in_view)
            posture = EATING;
        count        = count > facts->herd ? 1 + next_below(&s, facts->herd) : count;
        int   facing = next_unit(&s) < 0.5f ? 1 : -1, with_young = count > 1 && next_unit(&s) < 0.22f;
        float low = fmaxf(2.6f, facts->height * 2.4f), high = fmaxf(7.0f, facts->height * 8.5f);
        float distance = low + (high - low) * next_unit(&s) * (0.4f + 0.6f * next_unit(&s));
        if (event->infrared)
            distance = fminf(distance, fmaxf(low, 14));
        if (count > 3)
            distance = fmaxf(distance, facts->height * 5);
        float half_view = 0.42f / FOCAL, middle = next_between(&s, -0.55f, 0.55f) * half_view * distance;
        for (int i = 0; i < count && event->animal_count < MAX_ANIMALS; i++) {
            struct animal *animal = &event->animals[event->animal_count++];
            float          row    = count > 1 ? next_between(&s, 0.92f, 1.35f) : 1;
            animal->species       = species;
            animal->posture       = next_unit(&s) < 0.82f || (posture != RESTING && !facts->rests_in_view) ? posture : STANDING;
            animal->distance      = distance * row;
            animal->x = count > 1 ? ((float)i + 0.5f + 0.3f * next_normal(&s) * 0.3f) / (float)count * 1.7f * half_view * animal->distance -
                                        0.85f * half_view * animal->distance
                                  : middle;
            animal->facing = next_unit(&s) < 0.8f ? facing : -facing;
            animal->turn   = next_unit(&s) < 0.7f ? next_between(&s, 0.82f, 1) : next_between(&s, 0.5f, 0.82f);
            animal->size   = next_between(&s, 0.93f, 1.07f);
            animal->phase  = next_between(&s, 0, 6.28f);
            animal->seed   = hash(seed, (uint32_t)event->animal_count, site_seed);
            if (with_young && i == count - 1) {
                animal->size *= 0.55f;
                event->young++;
            }
        }
    }
    if (event->animal_count == 2 && event->animals[0].species == event->animals[1].species && next_unit(&s) < 0.4f) { /* face to face */
        struct animal *a = &event->animals[0], *b = &event->animals[1];
        event->interacting = 1;
        b->distance        = a->distance * 1.02f;
        b->x               = a->x + 2.0f * species_facts[a->species].height * a->turn;
        a->facing          = 1;
        b->facing          = -1;
        a->posture = b->posture = STANDING;
    }
    for (int i = 1; i < event->animal_count; i++) { /* farthest first */
        struct animal animal = event->animals[i];
        int           j      = i;
        for (; j > 0 && event->animals[j - 1].distance < animal.distance; j--)
            event->animals[j] = event->animals[j - 1];
        event->animals[j] = animal;
    }
}

struct weather {
    float light, cloud_phase;
    int   infrared;
    float time; /* seconds since the first frame */
};

static struct colour lit(struct colour colour, float light, int infrared)
{
    if (!infrared)
        return scale(colour, light);
    float grey = light * (0.3f * colour.r + 0.5f * colour.g + 0.2f * colour.b);
    return (struct colour){grey, grey, grey};
}

/* How much of the flash arrives: inverse square, softened, from the middle of the picture outwards. */
static float flash(float distance, float off_axis)
{
    float reach = 5.5f / (distance + 1.5f);
    return fminf(1.15f, reach * reach * 1.3f) * (1 - 0.55f * off_axis * off_axis);
}

#define SKY (-1.0f) /* as red, in what stands still: here is sky, whose clouds move */

/* Hills and ground before any light falls on them. They cost most of the time and are the same in all frames of a site. */
static void lay_ground(const struct site *site, struct canvas *canvas)
{
    float width = (float)canvas->width, height = (float)canvas->height, horizon = site->horizon * height, focal = FOCAL * width;
    for (int x = 0; x < canvas->width; x++) {
        float across = ((float)x - width / 2) / focal;
        float ridge  = 0.05f * height * (0.6f + fractal_noise((float)x / width * 5, 1, site->seed + 5));
        for (int y = 0; y < canvas->height; y++) {
            struct colour *still = &canvas->still[(size_t)y * (size_t)canvas->width + (size_t)x];
            float          down  = (float)y - horizon;
            if (down < 0) {
                *still = -down < ridge ? mix(site->ground, site->sky, 0.45f) : (struct colour){SKY, 0, 0};
                continue;
            }
            float depth = site->camera_height * focal / (down + 1), side = across * depth;
            float speckle = fractal_noise(side * 2.2f, depth * 2.2f, site->seed) * 0.6f +
                            0.4f * smooth_noise((float)x * 0.4f, (float)y * 0.4f, site->seed + 3);
            struct colour grown = mix(site->ground, site->grass, 0.5f + 0.5f * fractal_noise(side * 0.35f, depth * 0.35f, site->seed + 11));
            *still              = scale(grown, 1 + 0.22f * speckle / (1 + depth * 0.05f));
        }
    }
}

static void draw_ground(const struct site *site, const struct weather *weather, struct canvas *canvas)
{
    float width = (float)canvas->width, height = (float)canvas->height, horizon = site->horizon * height, focal = FOCAL * width;
    if (canvas->still_of != 1 + (uint64_t)site->seed) {
        lay_ground(site, canvas);
        canvas->still_of = 1 + (uint64_t)site->seed;
    }
    for (int y = 0; y < canvas->height; y++)
        for (int x = 0; x < canvas->width; x++) {
            size_t        at     = (size_t)y * (size_t)canvas->width + (size_t)x;
            struct colour colour = canvas->still[at];
            float         across = ((float)x - width / 2) / focal, light = weather->light, down = (float)y - horizon;
            if (down < 0) {
                if (colour.r == SKY)
                    colour = scale(site->sky, 1.0f + 0.12f * fractal_noise((float)x / width * 4 + weather->cloud_phase,
                                                                           (float)y / height * 6, site->seed + 7));
                light *= weather->infrared ? 0.05f : 1;
            } else {
                float depth = site->camera_height * focal / (down + 1), side = across * depth;
                if (weather->infrared)
                    light *= flash(depth, 2 * across);
                else
                    light *= 0.92f + 0.16f * smooth_noise(side * 0.1f + weather->cloud_phase, depth * 0.1f, site->seed + 13);
            }
            canvas->pixel[at] = lit(colour, light, weather->infrared);
            canvas->label[at] = 0;
        }
}

struct plant {
    struct colour colour;
    uint32_t      seed;
    int           infrared;
    float         light;
};

static struct colour paint_leaves(const void *arg, const struct spot *spot)
{
    const struct plant *plant = arg;
    float               shade = 0.75f + 0.25f * spot->across + 0.25f * smooth_noise(spot->x * 0.45f, spot->y * 0.45f, plant->seed);
    return lit(scale(plant->colour, shade), plant->light, plant->infrared);
}

static void ground_point(const struct site *site, const struct canvas *canvas, float x, float distance, struct placement *out)
{
    float focal           = FOCAL * (float)canvas->width;
    out->pixels_per_metre = focal / distance;
    out->x                = (float)canvas->width / 2 + x * out->pixels_per_metre;
    out->y                = site->horizon * (float)canvas->height + site->camera_height * out->pixels_per_metre;
}

static float light_at(const struct weather *weather, float x, float distance)
{
    return weather->infrared ? weather->light * flash(distance, fminf(1, fabsf(x) / distance * 2)) : weather->light;
}

static void draw_tree(const struct site *site, const struct weather *weather, struct canvas *canvas, struct stream *s)
{
    struct placement at;
    float            distance = next_between(s, 9, 45), x = next_between(s, -0.62f, 0.62f) * distance, height = next_between(s, 2.5f, 6);
    int              bush = next_unit(s) < 0.45f;
    ground_point(site, canvas, x, distance, &at);
    struct plant leaf  = {mix((struct colour){.26f, .32f, .13f}, (struct colour){.44f, .42f, .24f}, next_unit(s)),
                          hash(site->seed, s->count, 5), weather->infrared, light_at(weather, x, distance)};
    struct plant trunk = {{.34f, .27f, .20f}, leaf.seed + 1, weather->infrared, leaf.light};
    float        sway  = sinf(weather->time * 2 + distance) * 0.03f;
    if (bush) {
        for (int i = 0; i < 5; i++)
            draw_ellipse(canvas, at.x + next_between(s, -0.8f, 0.8f) * at.pixels_per_metre,
                         at.y - next_between(s, 0.2f, 0.9f) * at.pixels_per_metre, 0.55f * at.pixels_per_metre, 0.45f * at.pixels_per_metre,
                         0, 0, paint_leaves, &leaf);
        return;
    }
    draw_bone(canvas, at.x, at.y, 0.12f * at.pixels_per_metre, at.x + sway * at.pixels_per_metre,
              at.y - height * 0.8f * at.pixels_per_metre, 0.07f * at.pixels_per_metre, 0, paint_leaves, &trunk);
    for (int i = 0; i < 6; i++) /* the flat crown of an acacia */
        draw_ellipse(canvas, at.x + (next_between(s, -1.3f, 1.3f) + sway) * at.pixels_per_metre,
                     at.y - height * next_between(s, 0.82f, 1.0f) * at.pixels_per_metre, next_between(s, 0.7f, 1.2f) * at.pixels_per_metre,
                     next_between(s, 0.22f, 0.4f) * at.pixels_per_metre, 0, 0, paint_leaves, &leaf);
}

static void draw_rock(const struct site *site, const struct weather *weather, struct canvas *canvas, struct stream *s)
{
    struct placement at;
    float            distance = next_between(s, 4, 25), x = next_between(s, -0.55f, 0.55f) * distance, size = next_between(s, 0.15f, 0.6f);
    ground_point(site, canvas, x, distance, &at);
    struct plant rock = {{.48f, .45f, .42f}, hash(site->seed, s->count, 6), weather->infrared, light_at(weather, x, distance)};
    draw_ellipse(canvas, at.x, at.y - size * 0.3f * at.pixels_per_metre, size * at.pixels_per_metre, size * 0.55f * at.pixels_per_metre, 0,
                 0, paint_leaves, &rock);
}

/* Grass nearer than `near` and farther than `far` metres; it moves with the wind, and what is near the camera hides what is behind it. */
static void draw_grass(const struct site *site, const struct event *event, const struct weather *weather, struct canvas *canvas, float near,
                       float far, int blades)
{
    struct stream s = {hash(site->seed, (uint32_t)(near * 10), 21), 0};
    for (int i = 0; i < blades; i++) {
        struct placement at;
        float            distance = near + (far - near) * next_unit(&s), x = next_between(&s, -0.6f, 0.6f) * distance;
        float            height = next_between(&s, 0.10f, 0.34f), lean = next_between(&s, -0.12f, 0.12f);
        ground_point(site, canvas, x, distance, &at);
        lean += event->wind * 0.22f * sinf(weather->time * 4.1f + x * 1.7f + distance + (float)(event->seed % 97));
        struct plant blade = {mix(site->grass, (struct colour){.80f, .74f, .52f}, next_unit(&s) * 0.5f), s.seed, weather->infrared,
                              light_at(weather, x, distance)};
        float        top   = at.y - height * at.pixels_per_metre;
        for (int k = -1; k <= 1; k++)
            draw_bone(canvas, at.x + (float)k * 0.03f * at.pixels_per_metre, at.y, 0.010f * at.pixels_per_metre + 0.3f,
                      at.x + (lean + 0.08f * (float)k) * at.pixels_per_metre, top, 0.2f, 0, paint_leaves, &blade);
    }
}

/* Hot ground bends the light at midday: what stands behind the animals trembles sideways by a pixel or two, differently in each frame. */
static void shimmer(const struct site *site, const struct event *event, int frame, struct canvas *canvas)
{
    int   width = canvas->width, horizon = (int)(site->horizon * (float)canvas->height);
    float heat  = event->infrared ? 0 : sinf(fmaxf(0, ((float)event->hour - 10) / 6) * 3.1415927f) * unit(event->seed, 9, 9);
    float reach = 0.0022f * (float)width * heat;
    if (event->hour < 10 || event->hour >= 16 || reach < 0.3f)
        return;
    uint32_t grain = hash(event->seed, (uint32_t)frame, 91);
    for (int y = horizon * 7 / 10; y < canvas->height; y++) {
        float          far   = y <= horizon ? 1 : 1 / (1 + 14 * (float)(y - horizon) / (float)canvas->height);
        int            shift = (int)lroundf(reach * far * fractal_noise((float)y * 0.11f, (float)frame, grain));
        struct colour *row   = canvas->pixel + (size_t)y * (size_t)width;
        if (shift > 0)
            memmove(row + shift, row, (size_t)(width - shift) * sizeof *row);
        else if (shift < 0)
            memmove(row, row - shift, (size_t)(width + shift) * sizeof *row);
    }
}

/* Sensor noise, vignetting, dirt on the lens, exposure. */
static void develop(const struct site *site, const struct event *event, int frame, struct canvas *canvas)
{
    struct stream s     = {hash(site->seed, 31, 0), 0};
    float         noise = event->infrared ? 0.045f : 0.014f, width = (float)canvas->width, height = (float)canvas->height;
    float         dirt_x = next_unit(&s) * width, dirt_y = next_unit(&s) * height, dirt_r = next_between(&s, 0.03f, 0.12f) * width;
    float         dirty = next_unit(&s) < 0.4f ? 0.16f : 0;
    uint32_t      grain = hash(event->seed, (uint32_t)frame, site->seed);
    for (int y = 0; y < canvas->height; y++)
        for (int x = 0; x < canvas->width; x++) {
            struct colour *pixel = &canvas->pixel[(size_t)y * (size_t)canvas->width + (size_t)x];
            float dx = ((float)x - width / 2) / width, dy = ((float)y - height / 2) / width, ex = (float)x - dirt_x, ey = (float)y - dirt_y;
            float factor = 1 - 0.55f * (dx * dx + dy * dy);
            factor *= 1 - dirty * expf(-(ex * ex + ey * ey) / (dirt_r * dirt_r));
            uint32_t bits = hash((uint32_t)x, (uint32_t)y, grain);
            float    n    = noise * ((float)(bits & 0xFF) + (float)(bits >> 8 & 0xFF) - 255) / 104;
            float    c    = event->infrared ? 0 : noise * 0.4f * ((float)(bits >> 16 & 0xFF) - 127.5f) / 74;
            pixel->r      = pixel->r * factor + n + c;
            pixel->g      = pixel->g * factor + n;
            pixel->b      = pixel->b * factor + n - c;
        }
}

void event_draw(const struct event *event, int frame, struct canvas *canvas)
{
    struct site    site    = site_of(event->site_seed);
    struct stream  s       = {hash(event->site_seed, 3, 3), 0};
    float          hour    = (float)event->hour + (float)event->minute / 60;
    struct weather weather = {.infrared = event->infrared, .time = (float)frame * event->frame_gap};
    weather.cloud_phase    = unit(event->seed, 5, 5) * 20 + weather.time * 0.08f;
    weather.light          = event->infrared ? 0.85f + 0.2f * unit(event->seed, 6, 6)
                                             : daylight(hour) * (0.82f + 0.3f * unit(event->seed, (uint32_t)(frame / 2), 7));
    memset(canvas->covered, 0, sizeof canvas->covered);
    draw_ground(&site, &weather, canvas);
    int trees = 2 + next_below(&s, 5), rocks = next_below(&s, 4);
    for (int i = 0; i < trees; i++)
        draw_tree(&site, &weather, canvas, &s);
    for (int i = 0; i < rocks; i++)
        draw_rock(&site, &weather, canvas, &s);
    draw_grass(&site, event, &weather, canvas, 7, 24, 160);
    shimmer(&site, event, frame, canvas);
    for (int i = 0; i < event->animal_count; i++) {
        struct animal    animal = event->animals[i];
        struct placement at;
        float speed = animal.posture == MOVING ? 0.9f * species_facts[animal.species].height : animal.posture == EATING ? 0.05f : 0;
        animal.x += (float)animal.facing * animal.turn * speed * weather.time * 0.6f;
        animal.phase += animal.posture == MOVING ? weather.time * 3.3f : weather.time * 0.25f;
        ground_point(&site, canvas, animal.x, animal.distance, &at);
        at.light            = light_at(&weather, animal.x, animal.distance) * (event->infrared ? 1.15f : 1);
        at.infrared         = event->infrared;
        struct plant shadow = {{.10f, .09f, .07f}, 1, event->infrared, weather.light};
        float        wide   = species_facts[animal.species].height * 0.55f * animal.size * at.pixels_per_metre;
        if (!event->infrared)
            draw_ellipse(canvas, at.x, at.y, wide, wide * 0.09f, 0, 0, paint_leaves, &shadow);
        draw_animal(canvas, &animal, &at, 1 + i);
    }
    draw_grass(&site, event, &weather, canvas, 1.8f, 3.2f, 14);
    develop(&site, event, frame, canvas);
}
