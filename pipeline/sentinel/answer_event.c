#include "pipeline/sentinel/answer_event.h"
#include "pipeline/sentinel/species.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Lower case, without spaces, `_`, `-` and apostrophes. */
static void fold(const char *from, char *out, size_t size)
{
    size_t used = 0;
    for (; *from && used + 1 < size; from++)
        if (!strchr(" _-'", *from))
            out[used++] = (char)tolower((unsigned char)*from);
    out[used] = 0;
}

int nj_species_from_words(const char *words, const char **group)
{
    static const char *const groups[] = {"gazelle", "lion", "hyena", "bird"};
    char                     want[96], have[96];
    *group = NULL;
    fold(words, want, sizeof want);
    for (int i = 0; i < NJ_SPECIES_COUNT; i++) {
        const char *const names[] = {nj_species[i].label, nj_species[i].display, nj_species[i].scientific};
        for (size_t n = 0; n < 3; n++) {
            fold(names[n], have, sizeof have);
            if (!strcmp(want, have))
                return i;
        }
    }
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        if (!strcmp(want, groups[i]))
            *group = groups[i];
    return -1;
}

/* The first of several names that is there, also one level below. */
static const json_t *look(const json_t *object, const char *const *names)
{
    for (; *names; names++) {
        const json_t *value = json_object_get(object, *names);
        if (value)
            return value;
    }
    return NULL;
}

static enum nj_answer yes_or_no(const json_t *value)
{
    const char *word = json_string_value(value);
    if (json_is_boolean(value))
        return json_is_true(value) ? NJ_YES : NJ_NO;
    if (word && (!strcasecmp(word, "true") || !strcasecmp(word, "yes")))
        return NJ_YES;
    if (word && (!strcasecmp(word, "false") || !strcasecmp(word, "no")))
        return NJ_NO;
    return NJ_UNSAID;
}

static const json_t *find_detections(const json_t *document)
{
    static const char *const names[]  = {"detections",      "animal_detections", "animals_detected",     "animal_details",
                                         "animal_presence", "species_detected",  "species_observations", NULL};
    static const char *const inside[] = {"animal_sighting", "species_identified", "species_detected",
                                         "detections",      "animals_detected",   NULL};
    const json_t            *found    = look(document, names);
    if (!json_is_array(found) && !json_is_object(found)) {
        const json_t *deeper = look(json_object_get(document, "event_details"), inside);
        if (!deeper)
            deeper = look(json_object_get(document, "event"), names);
        found = deeper ? deeper : found;
    }
    return found;
}

static enum nj_answer find_blank(const json_t *document)
{
    static const char *const flags[] = {"blank", "is_blank", "blank_event", "blank_status", NULL};
    static const char *const words[] = {"event_type", "event_status", "event_summary", "blank_status", NULL};
    enum nj_answer           blank   = yes_or_no(json_object_get(json_object_get(document, "event"), "blank"));
    if (blank == NJ_UNSAID)
        blank = yes_or_no(look(document, flags));
    for (size_t i = 0; words[i] && blank == NJ_UNSAID; i++) {
        const char *word = json_string_value(json_object_get(document, words[i]));
        if (word)
            blank = !strcasecmp(word, "blank") ? NJ_YES : i < 2 ? NJ_NO : NJ_UNSAID;
    }
    const json_t *animals = json_object_get(document, "animals_detected");
    if (blank == NJ_UNSAID && json_is_integer(animals))
        blank = json_integer_value(animals) == 0 ? NJ_YES : NJ_NO;
    return blank;
}

/* "6-10", "4+", 3: the bin if it is one of the trained, the range in any case. */
static void read_count(const json_t *value, struct nj_detection *out, uint32_t *repairs)
{
    const char *text = json_string_value(value);
    char        number[24];
    if (json_is_integer(value)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
        text = number;
        *repairs |= 1u << NJ_REPAIR_NAMES;
    }
    if (!text)
        return;
    out->bin = nj_count_bin_index(text);
    if (out->bin >= 0) {
        out->count_min = nj_count_bins[out->bin].minimum;
        out->count_max = nj_count_bins[out->bin].maximum;
        return;
    }
    char *end;
    long  low = strtol(text, &end, 10), high = 0;
    *repairs |= 1u << NJ_REPAIR_NAMES;
    if (end == text || low < 0 || low > 1000000)
        return;
    if (*end == '-')
        high = strtol(end + 1, &end, 10);
    else if (*end != '+')
        high = low;
    out->count_min = (int)low;
    out->count_max = high > 0 && high <= 1000000 ? (int)high : 0;
    if (low == high && low >= 11)
        out->bin = low <= 50 ? nj_count_bin_index("11-50") : nj_count_bin_index("51+");
}

static void read_behaviors(const json_t *value, struct nj_detection *out, uint32_t *repairs)
{
    static const struct {
        const char      *word;
        enum nj_behavior means;
    } words[] = {{"standing", NJ_STANDING},       {"resting", NJ_RESTING}, {"moving", NJ_MOVING},   {"eating", NJ_EATING},
                 {"interacting", NJ_INTERACTING}, {"grazing", NJ_EATING},  {"foraging", NJ_EATING}, {"feeding", NJ_EATING},
                 {"browsing", NJ_EATING},         {"walking", NJ_MOVING},  {"running", NJ_MOVING},  {"striding", NJ_MOVING},
                 {"flying", NJ_MOVING},           {"lying", NJ_RESTING},   {"sleeping", NJ_RESTING}};
    if (json_is_object(value)) {
        for (int i = 0; i < NJ_BEHAVIORS; i++)
            out->behavior[i] = yes_or_no(json_object_get(value, nj_behavior_names[i]));
        return;
    }
    size_t count = json_is_array(value) ? json_array_size(value) : json_is_string(value);
    for (size_t i = 0; i < count; i++) {
        const char *word = json_string_value(json_is_array(value) ? json_array_get(value, i) : value);
        for (size_t w = 0; word && w < sizeof words / sizeof words[0]; w++)
            if (strcasestr(word, words[w].word)) {
                out->behavior[words[w].means] = NJ_YES;
                *repairs |= 1u << NJ_REPAIR_NAMES;
            }
    }
}

static enum nj_confidence read_confidence(const json_t *value, uint32_t *repairs)
{
    if (json_is_object(value))
        value = json_object_get(value, "label");
    if (json_is_number(value)) {
        double share = json_number_value(value);
        *repairs |= 1u << NJ_REPAIR_NAMES;
        return share >= 0.75 ? NJ_CONFIDENCE_HIGH : share >= 0.5 ? NJ_CONFIDENCE_MEDIUM : NJ_CONFIDENCE_LOW;
    }
    for (int i = 1; json_is_string(value) && i < 4; i++)
        if (!strcasecmp(json_string_value(value), nj_confidence_names[i])) {
            if (strcmp(json_string_value(value), nj_confidence_names[i]))
                *repairs |= 1u << NJ_REPAIR_NAMES;
            return (enum nj_confidence)i;
        }
    return NJ_CONFIDENCE_UNSAID;
}

static bool read_one(const json_t *from, struct nj_detection *out, uint32_t *repairs, const char **group)
{
    static const char *const names[]     = {"species", "species_name", "common_name", "name", NULL};
    static const char *const counts[]    = {"count_bin", "bin_count", "count", NULL};
    static const char *const behaviors[] = {"behaviors", "behavior", NULL};
    const char              *species     = json_is_string(from) ? json_string_value(from) : json_string_value(look(from, names)), *coarse;
    if (!species)
        return false;
    *out         = (struct nj_detection){.bin = -1};
    out->species = nj_species_from_words(species, &coarse);
    if (coarse)
        *group = coarse;
    if (out->species < 0 || strcmp(nj_species[out->species].label, species))
        *repairs |= 1u << NJ_REPAIR_NAMES;
    snprintf(out->species_text, sizeof out->species_text, "%s", species);
    const json_t *count = look(from, counts);
    read_count(json_is_object(count) ? json_object_get(count, "bin") : count, out, repairs);
    if (json_is_object(count) && json_is_integer(json_object_get(count, "minimum"))) {
        int low  = (int)json_integer_value(json_object_get(count, "minimum")),
            high = (int)json_integer_value(json_object_get(count, "maximum"));
        /* Bin and range that disagree: what both allow is kept. */
        if (out->count_min && (low != out->count_min || high != out->count_max)) {
            *repairs |= 1u << NJ_REPAIR_NAMES;
            low  = low > out->count_min ? low : out->count_min;
            high = out->count_max && (!high || out->count_max < high) ? out->count_max : high;
        }
        out->count_min = low;
        out->count_max = high;
    }
    read_behaviors(look(from, behaviors), out, repairs);
    out->young = yes_or_no(json_object_get(from, "young_present"));
    if (out->young == NJ_UNSAID)
        out->young = yes_or_no(json_object_get(json_object_get(from, "details"), "young_present"));
    out->confidence = read_confidence(json_object_get(from, "confidence"), repairs);
    return true;
}

static void read_review(const json_t *document, struct nj_event *out)
{
    static const char *const flags[]  = {"review_needed", "review_required", NULL};
    const json_t            *review   = json_object_get(document, "review");
    const char              *priority = json_string_value(json_object_get(review, "priority"));
    out->review_needed                = yes_or_no(look(json_is_object(review) ? review : document, flags));
    for (int i = 1; priority && i < 4; i++)
        if (!strcasecmp(priority, nj_priority_names[i]))
            out->priority = (enum nj_priority)i;
    const json_t *reasons = json_object_get(review, "reasons");
    for (size_t i = 0; i < json_array_size(reasons) && out->reason_count < NJ_MAX_REASONS; i++)
        if (json_is_string(json_array_get(reasons, i)))
            snprintf(out->reasons[out->reason_count++], sizeof out->reasons[0], "%s", json_string_value(json_array_get(reasons, i)));
}

bool nj_answer_event(const json_t *document, struct nj_event *out, uint32_t *repairs, const char **group)
{
    const json_t *detections = find_detections(document);
    *out                     = (struct nj_event){.dialect = NJ_DIALECT_OTHER, .blank = find_blank(document)};
    if (!json_is_object(document) || (out->blank == NJ_UNSAID && !json_is_array(detections) && !json_is_object(detections)))
        return false;
    if (json_is_object(json_object_get(document, "event")) && json_is_array(json_object_get(document, "detections")))
        out->dialect = json_object_get(json_object_get(document, "event"), "time_context") ? NJ_DIALECT_TRAINED : NJ_DIALECT_LIVE;
    else if (json_is_boolean(json_object_get(document, "blank")) && json_is_array(json_object_get(document, "detections")))
        out->dialect = NJ_DIALECT_FLAT;
    size_t count = json_is_array(detections) ? json_array_size(detections) : json_is_object(detections);
    for (size_t i = 0; i < count && out->detection_count < NJ_MAX_DETECTIONS; i++)
        if (read_one(json_is_array(detections) ? json_array_get(detections, i) : detections, &out->detections[out->detection_count],
                     repairs, group))
            out->detection_count++;
    read_review(document, out);
    if (out->blank == NJ_UNSAID && json_is_array(detections))
        out->blank = out->detection_count ? NJ_NO : NJ_UNSAID;
    if ((out->blank == NJ_YES && out->detection_count) || (out->blank == NJ_NO && !out->detection_count && json_is_array(detections))) {
        out->blank         = NJ_UNSAID;
        out->review_needed = NJ_YES;
        *repairs |= 1u << NJ_REPAIR_DISAGREEMENT;
    }
    if (*group)
        out->review_needed = NJ_YES;
    return true;
}
