#include "tests/trapcam/truth.h"

#include "pipeline/sentinel/species.h"

#include <stddef.h>
#include <string.h>

#define SEEN_SHARE   0.0012 /* of the picture: less of an animal than this is nobody's claim */
#define HIDDEN_SHARE 0.7    /* of an animal: more than this hidden, and it cannot be told from the one before it */
#define CELL_SHARE   0.18   /* of a soft token's 48 x 48 pixels */
#define YOUNG_SIZE   0.8f

/* What is visible of each animal in one frame. */
struct sight {
    size_t pixels, head_pixels;
    double x, y, head_x, head_y; /* sums of their coordinates */
    int    counts;
};

static int animal_at(const struct canvas *canvas, size_t at)
{
    return (canvas->label[at] & ~HEAD_LABEL) - 1;
}

static void sights_of(const struct event *event, const struct canvas *canvas, struct sight sights[MAX_ANIMALS])
{
    memset(sights, 0, MAX_ANIMALS * sizeof *sights);
    for (int y = 0; y < canvas->height; y++)
        for (int x = 0; x < canvas->width; x++) {
            size_t at     = (size_t)y * (size_t)canvas->width + (size_t)x;
            int    animal = animal_at(canvas, at);
            if (animal < 0)
                continue;
            struct sight *sight = &sights[animal];
            sight->pixels++;
            sight->x += x;
            sight->y += y;
            if (canvas->label[at] & HEAD_LABEL) {
                sight->head_pixels++;
                sight->head_x += x;
                sight->head_y += y;
            }
        }
    double all = (double)canvas->width * (double)canvas->height;
    for (int i = 0; i < event->animal_count; i++) {
        /* The head is painted over the body, so what it covers is counted twice: the whole is what the body covered and the head alone added. */
        double whole     = (double)canvas->covered[1 + i] + 0.5 * (double)canvas->covered[(1 + i) | HEAD_LABEL],
               visible   = (double)sights[i].pixels;
        sights[i].counts = visible >= SEEN_SHARE * all && visible >= (1 - HIDDEN_SHARE) * whole;
    }
}

void truth_look(struct seen *seen, const struct event *event, const struct canvas *canvas)
{
    struct sight sights[MAX_ANIMALS];
    double       all = (double)canvas->width * (double)canvas->height, species[SPECIES_COUNT] = {0};
    sights_of(event, canvas, sights);
    for (int i = 0; i < event->animal_count; i++) {
        double share = (double)sights[i].pixels / all;
        species[event->animals[i].species] += share;
        seen->best[i] = share > seen->best[i] ? share : seen->best[i];
        seen->counts[i] |= sights[i].counts;
    }
    for (int s = 0; s < SPECIES_COUNT; s++)
        seen->largest[s] = species[s] > seen->largest[s] ? species[s] : seen->largest[s];
}

void truth_frame(const struct event *event, const struct canvas *canvas, uint8_t counts[SPECIES_COUNT])
{
    struct sight sights[MAX_ANIMALS];
    sights_of(event, canvas, sights);
    memset(counts, 0, SPECIES_COUNT);
    for (int i = 0; i < event->animal_count; i++)
        counts[event->animals[i].species] = (uint8_t)(counts[event->animals[i].species] + (sights[i].counts != 0));
}

static void look_at_species(const struct event *event, enum species species, const struct seen *seen, struct nj_detection *out)
{
    int count = 0, young = 0, pose[4] = {0}, best = -1;
    for (int i = 0; i < event->animal_count; i++)
        if (event->animals[i].species == species && (best < 0 || seen->best[i] > seen->best[best]))
            best = i;
    for (int i = 0; i < event->animal_count; i++) {
        const struct animal *animal = &event->animals[i];
        if (animal->species != species || (i != best && !seen->counts[i]))
            continue;
        count++;
        pose[animal->posture]++;
        young += animal->size < YOUNG_SIZE;
    }
    static const enum nj_behavior behavior[] = {
        [STANDING] = NJ_STANDING, [RESTING] = NJ_RESTING, [MOVING] = NJ_MOVING, [EATING] = NJ_EATING};
    *out           = (struct nj_detection){.species = nj_species_index(species_facts[species].label), .young = young ? NJ_YES : NJ_NO};
    out->count_min = out->count_max = count;
    while (nj_count_bins[out->bin].maximum && count > nj_count_bins[out->bin].maximum)
        out->bin++;
    for (int p = STANDING; p <= EATING; p++)
        out->behavior[behavior[p]] = pose[p] && 2 * pose[p] >= count ? NJ_YES : NJ_NO;
    out->behavior[NJ_INTERACTING] = event->interacting ? NJ_YES : NJ_NO;
}

void truth_event(const struct event *event, const struct seen *seen, struct nj_event *out)
{
    *out = (struct nj_event){.blank = NJ_YES};
    for (int s = 0; s < SPECIES_COUNT && out->detection_count < NJ_MAX_DETECTIONS; s++)
        if (seen->largest[s] >= SEEN_SHARE) {
            look_at_species(event, (enum species)s, seen, &out->detections[out->detection_count++]);
            out->blank = NJ_NO;
        }
}

static const char *yes_or_no(enum nj_answer answer)
{
    return answer == NJ_YES ? "true" : "false";
}

void truth_add(struct nj_text *out, const struct nj_event *claims, const struct event *event, const struct nj_event_record *record,
               uint32_t number)
{
    nj_text_addf(out, "{\"event\":%u,\"site_id\":\"%s\",\"local_datetime\":\"%s\",\"frame_count\":%u,\"night\":%s,\"detections\":[", number,
                 record->site_id, record->local_datetime, record->frame_count, event->infrared ? "true" : "false");
    for (unsigned i = 0; i < claims->detection_count; i++) {
        const struct nj_detection *d = &claims->detections[i];
        nj_text_addf(out, "%s{\"species\":\"%s\",\"count\":%d,\"bin\":\"%s\",\"behaviors\":{", i ? "," : "", nj_species[d->species].label,
                     d->count_min, nj_count_bins[d->bin].name);
        for (int b = 0; b < NJ_BEHAVIORS; b++)
            nj_text_addf(out, "%s\"%s\":%s", b ? "," : "", nj_behavior_names[b], yes_or_no(d->behavior[b]));
        nj_text_addf(out, "},\"young\":%s}", yes_or_no(d->young));
    }
    nj_text_addf(out, "],\"blank\":%s", yes_or_no(claims->blank));
}

/* The first index with the largest count, from 1; 0 if that count is below `enough`. */
static size_t most(const size_t *count, size_t size, double enough)
{
    size_t best = 0;
    for (size_t i = 1; i < size; i++)
        if (count[i] && (best == 0 || count[i] > count[best]))
            best = i;
    return best && (double)count[best] >= enough ? best : 0;
}

static void look_at_cell(const struct event *event, const struct canvas *canvas, size_t left, size_t top, size_t right, size_t bottom,
                         uint8_t *species, uint8_t *state)
{
    size_t by_species[SPECIES_COUNT + 1] = {0}, by_animal[MAX_ANIMALS + 1] = {0};
    double enough = CELL_SHARE * (double)(right - left) * (double)(bottom - top);
    for (size_t y = top; y < bottom; y++)
        for (size_t x = left; x < right; x++) {
            int animal = animal_at(canvas, y * (size_t)canvas->width + x);
            if (animal < 0)
                continue;
            by_animal[animal + 1]++;
            by_species[1 + event->animals[animal].species]++;
        }
    *species       = (uint8_t)most(by_species, SPECIES_COUNT + 1, enough);
    size_t nearest = most(by_animal, MAX_ANIMALS + 1, 1);
    *state         = 0;
    if (*species && nearest) {
        const struct animal *animal = &event->animals[nearest - 1];
        *state                      = (uint8_t)(1 + animal->posture + (animal->size < YOUNG_SIZE ? YOUNG_FLAG : 0));
    }
}

void truth_cells(const struct event *event, const struct canvas *canvas, uint32_t columns, uint32_t rows, uint8_t *planes)
{
    size_t       cells = (size_t)columns * rows, width = (size_t)canvas->width, height = (size_t)canvas->height;
    uint8_t     *species = planes, *heads = planes + cells, *state = planes + 2 * cells;
    struct sight sights[MAX_ANIMALS];
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < columns; c++)
            look_at_cell(event, canvas, width * c / columns, height * r / rows, width * (c + 1) / columns, height * (r + 1) / rows,
                         &species[r * columns + c], &state[r * columns + c]);
    memset(heads, 0, cells);
    if (cells == 0)
        return;
    sights_of(event, canvas, sights);
    for (int i = 0; i < event->animal_count; i++) {
        const struct sight *sight = &sights[i];
        if (!sight->counts)
            continue;
        double x = sight->head_pixels ? sight->head_x / (double)sight->head_pixels : sight->x / (double)sight->pixels;
        double y = sight->head_pixels ? sight->head_y / (double)sight->head_pixels : sight->y / (double)sight->pixels;
        heads[(size_t)(y * rows / (double)height) * columns + (size_t)(x * columns / (double)width)]++;
    }
}
