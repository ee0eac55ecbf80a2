#include "pipeline/cli/correction.h"
#include "pipeline/cli/table.h"
#include "pipeline/sentinel/species.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int nj_species_from_word(const char *word, struct nj_error *error)
{
    struct nj_guess guess = {.word = word};
    for (int i = 0; i < NJ_SPECIES_COUNT; i++) {
        if (!strcasecmp(word, nj_species[i].label) || !strcasecmp(word, nj_species[i].display))
            return i;
        nj_guess_try(&guess, nj_species[i].label);
        nj_guess_try(&guess, nj_species[i].display);
    }
    if (guess.best)
        nj_fail(error, "%s: no such species; did you mean %s?", word, guess.best);
    else
        nj_fail(error, "%s: no such species; `nightjar help review` lists the labels", word);
    return -1;
}

static nj_status yes_no(const char *field, const char *value, enum nj_answer *out, struct nj_error *error)
{
    if (!strcasecmp(value, "yes") || !strcasecmp(value, "true") || !strcmp(value, "1"))
        *out = NJ_YES;
    else if (!strcasecmp(value, "no") || !strcasecmp(value, "false") || !strcmp(value, "0"))
        *out = NJ_NO;
    else
        return nj_fail(error, "%s=%s: yes or no is expected", field, value);
    return NJ_OK;
}

/* What a ranger names without more words: one, doing nothing in particular. */
static void begin_animal(struct nj_detection *out, int species)
{
    *out = (struct nj_detection){.species = species, .count_min = 1, .count_max = 1, .young = NJ_NO, .confidence = NJ_CONFIDENCE_HIGH};
    snprintf(out->species_text, sizeof out->species_text, "%s", nj_species[species].label);
    for (int i = 0; i < NJ_BEHAVIORS; i++)
        out->behavior[i] = NJ_NO;
}

static nj_status set_species(struct nj_event *event, const char *value, struct nj_error *error)
{
    struct nj_detection found[NJ_MAX_DETECTIONS];
    unsigned            count = 0;
    char                words[512];
    if ((size_t)snprintf(words, sizeof words, "%s", value) >= sizeof words)
        return nj_fail(error, "species=: the list is too long");
    for (char *next, *word = strtok_r(words, ",", &next); word; word = strtok_r(NULL, ",", &next)) {
        int species = nj_species_from_word(word + strspn(word, " "), error);
        if (species < 0)
            return NJ_ERROR;
        if (count == NJ_MAX_DETECTIONS)
            return nj_fail(error, "species=: at most %d animals are kept", NJ_MAX_DETECTIONS);
        begin_animal(&found[count], species);
        for (unsigned i = 0; i < event->detection_count; i++)
            if (event->detections[i].species == species)
                found[count] = event->detections[i];
        count++;
    }
    if (count == 0)
        return nj_fail(error, "species=: a label is missing; blank=yes says that there is nothing");
    if (count == 1 && event->detection_count == 1) { /* the same animal by its right name */
        int species         = found[0].species;
        found[0]            = event->detections[0];
        found[0].species    = species;
        found[0].confidence = NJ_CONFIDENCE_HIGH;
        snprintf(found[0].species_text, sizeof found[0].species_text, "%s", nj_species[species].label);
    }
    memcpy(event->detections, found, sizeof found[0] * count);
    event->detection_count = count;
    event->blank           = NJ_NO;
    return NJ_OK;
}

static nj_status set_count(struct nj_detection *animal, const char *value, struct nj_error *error)
{
    char *end;
    int   bin    = nj_count_bin_index(value);
    long  number = strtol(value, &end, 10);
    if (bin >= 0) {
        animal->bin       = bin;
        animal->count_min = nj_count_bins[bin].minimum;
        animal->count_max = nj_count_bins[bin].maximum;
        return NJ_OK;
    }
    if (end == value || *end || number < 1 || number > 100000)
        return nj_fail(error, "count=%s: a number, 11-50 or 51+ is expected", value);
    for (bin = 0; bin < NJ_COUNT_BINS && nj_count_bins[bin].maximum && number > nj_count_bins[bin].maximum; bin++)
        ;
    animal->bin       = bin;
    animal->count_min = (int)number;
    animal->count_max = (int)number;
    return NJ_OK;
}

/* Which animal a field speaks of: "2.count", "zebra.count", or "count" where there is only one. *field moves behind the dot. */
static nj_status choose_animal(struct nj_event *event, const char **field, struct nj_detection **out, struct nj_error *error)
{
    const char *dot = strchr(*field, '.');
    char        which[64], *end;
    if (!dot) {
        if (event->detection_count == 1) {
            *out = &event->detections[0];
            return NJ_OK;
        }
        return event->detection_count
                   ? nj_fail(error, "%s: there are %u animals; say which: 1.%s=…", *field, event->detection_count, *field)
                   : nj_fail(error, "%s: there is no animal yet; say species=LABEL first", *field);
    }
    snprintf(which, sizeof which, "%.*s", (int)(dot - *field), *field);
    *field      = dot + 1;
    long number = strtol(which, &end, 10);
    if (end != which && !*end) {
        if (number < 1 || number > (long)event->detection_count)
            return nj_fail(error, "%s.%s: there %s %u animal%s", which, *field, event->detection_count == 1 ? "is" : "are",
                           event->detection_count, event->detection_count == 1 ? "" : "s");
        *out = &event->detections[number - 1];
        return NJ_OK;
    }
    int species = nj_species_from_word(which, error);
    if (species < 0)
        return NJ_ERROR;
    for (unsigned i = 0; i < event->detection_count; i++)
        if (event->detections[i].species == species) {
            *out = &event->detections[i];
            return NJ_OK;
        }
    return nj_fail(error, "%s.%s: this event has no %s", which, *field, nj_species[species].label);
}

static nj_status set_animal(struct nj_event *event, const char *field, const char *value, struct nj_error *error)
{
    struct nj_detection *animal = NULL;
    nj_status            status = choose_animal(event, &field, &animal, error);
    if (status != NJ_OK)
        return status;
    if (!strcmp(field, "count"))
        return set_count(animal, value, error);
    if (!strcmp(field, "young"))
        return yes_no(field, value, &animal->young, error);
    if (!strcmp(field, "species")) {
        int species = nj_species_from_word(value, error);
        if (species < 0)
            return NJ_ERROR;
        animal->species    = species;
        animal->confidence = NJ_CONFIDENCE_HIGH;
        snprintf(animal->species_text, sizeof animal->species_text, "%s", nj_species[species].label);
        return NJ_OK;
    }
    for (int i = 0; i < NJ_BEHAVIORS; i++)
        if (!strcmp(field, nj_behavior_names[i]))
            return yes_no(field, value, &animal->behavior[i], error);
    static const char *const fields[] = {"blank", "species", "count", "young", "people", "note"};
    struct nj_guess          guess    = {.word = field};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        nj_guess_try(&guess, fields[i]);
    for (int i = 0; i < NJ_BEHAVIORS; i++)
        nj_guess_try(&guess, nj_behavior_names[i]);
    if (guess.best)
        return nj_fail(error, "%s: no such field; did you mean %s?", field, guess.best);
    return nj_fail(error, "%s: no such field; blank, species, count, young, standing, resting, moving, eating, interacting, people or note",
                   field);
}

nj_status nj_correct(struct nj_correction *correction, const char *word, struct nj_error *error)
{
    char        field[64];
    const char *equals = strchr(word, '=');
    if (!equals || equals == word || (size_t)(equals - word) >= sizeof field)
        return nj_fail(error, "%s: FIELD=VALUE is expected, such as species=zebra", word);
    snprintf(field, sizeof field, "%.*s", (int)(equals - word), word);
    const char    *value = equals + 1;
    enum nj_answer answer;
    if (!strcmp(field, "species"))
        return set_species(&correction->event, value, error);
    if (!strcmp(field, "note")) {
        if ((size_t)snprintf(correction->note, sizeof correction->note, "%s", value) >= sizeof correction->note)
            return nj_fail(error, "note=: longer than %zu bytes", sizeof correction->note - 1);
        return NJ_OK;
    }
    if (!strcmp(field, "blank") || !strcmp(field, "people")) {
        nj_status status = yes_no(field, value, &answer, error);
        if (status != NJ_OK)
            return status;
        if (!strcmp(field, "people"))
            correction->people = answer == NJ_YES;
        else {
            correction->event.blank = answer;
            if (answer == NJ_YES)
                correction->event.detection_count = 0;
        }
        return NJ_OK;
    }
    return set_animal(&correction->event, field, value, error);
}

nj_status nj_correct_end(struct nj_correction *correction, struct nj_error *error)
{
    struct nj_event *event = &correction->event;
    if (event->blank != NJ_YES && event->detection_count == 0 && correction->people != 1)
        return nj_fail(error, "not blank, but no animal: say species=LABEL, people=yes or blank=yes");
    event->review_needed = NJ_NO;
    event->priority      = NJ_PRIORITY_NONE;
    event->reason_count  = 0;
    return NJ_OK;
}

/* ---- the record ---- */

/* The words of the training labels for why one is sure or not (docs/model.md, "review rules"). */
static json_t *trained_basis(uint32_t reasons, enum nj_confidence confidence)
{
    static const enum nj_reason doubts[] = {NJ_REASON_RARE, NJ_REASON_MULTI_SPECIES, NJ_REASON_NIGHT};
    json_t                     *basis    = json_array();
    for (size_t i = 0; i < sizeof doubts / sizeof doubts[0]; i++)
        if (reasons >> doubts[i] & 1)
            json_array_append_new(basis, json_string(nj_reason_words[doubts[i]].code));
    if (json_array_size(basis))
        return basis;
    json_array_append_new(basis, json_string(confidence == NJ_CONFIDENCE_HIGH ? "low_disagreement" : "moderate_label_support"));
    if (confidence == NJ_CONFIDENCE_HIGH)
        json_array_append_new(basis, json_string("low_blank_votes"));
    return basis;
}

static json_t *animal_json(const struct nj_detection *animal, bool trained, json_t *confidence)
{
    const struct nj_count_bin *bin       = &nj_count_bins[animal->bin >= 0 ? animal->bin : 0];
    json_t                    *behaviors = json_object(), *out = json_object();
    for (int i = 0; i < NJ_BEHAVIORS; i++)
        json_object_set_new(behaviors, nj_behavior_names[i], json_boolean(animal->behavior[i] == NJ_YES));
    json_object_set_new(out, "species", json_string(animal->species_text));
    json_object_set_new(out, "count",
                        json_pack("{s:s, s:i, s:o}", "bin", bin->name, "minimum", bin->minimum, "maximum",
                                  bin->maximum ? json_integer(bin->maximum) : json_null()));
    json_object_set_new(out, "behaviors", behaviors);
    json_object_set_new(out, "young_present", json_boolean(animal->young == NJ_YES));
    if (trained) {
        char sentence[128];
        snprintf(sentence, sizeof sentence, "%s is the supervised label for this camera-trap event.", animal->species_text);
        json_object_set_new(out, "behavior_source", json_string("consensus"));
        json_object_set_new(out, "visual_evidence", json_pack("{s:s, s:s}", "primary_frames", "all_available", "description", sentence));
    }
    json_object_set(out, "confidence", confidence);
    return out;
}

static json_t *review_json(uint32_t reasons, bool trained)
{
    json_t *list = json_array();
    for (int i = 0; i < NJ_REASONS; i++)
        if (reasons >> i & 1)
            json_array_append_new(list, json_string(trained ? nj_reason_words[i].code : nj_reason_words[i].english));
    return json_pack("{s:b, s:s, s:o}", "review_needed", reasons != 0, "priority", nj_priority_names[nj_review_priority(reasons)],
                     "reasons", list);
}

static json_t *head_json(const struct nj_event *event, const struct nj_event_record *record, bool trained)
{
    bool    blank = event->blank == NJ_YES;
    json_t *head  = json_pack("{s:b, s:s, s:s, s:i, s:s}", "blank", blank, "site_id", record->site_id, "local_datetime",
                              record->local_datetime, "frame_count", (int)record->frame_count, "frames_used", "all_available");
    if (trained) {
        enum nj_answer night = blank ? NJ_UNSAID : nj_is_night(record->hour);
        json_object_set_new(head, "time_context",
                            json_pack("{s:o, s:s}", "is_night", night == NJ_UNSAID ? json_null() : json_boolean(night == NJ_YES),
                                      "datetime_source", blank ? "image_exif" : "consensus"));
    }
    return head;
}

json_t *nj_decided_record(const struct nj_event *event, const struct nj_event_record *record, uint32_t reasons, const char *basis)
{
    bool                   trained = event->dialect == NJ_DIALECT_TRAINED;
    struct nj_review_facts facts   = {.hour = record->hour, .rare = reasons >> NJ_REASON_RARE & 1, .species_count = event->detection_count};
    enum nj_confidence     sure    = reasons ? nj_review_confidence(&facts) : NJ_CONFIDENCE_HIGH;
    json_t                *confidence = json_pack("{s:s, s:o}", "label", nj_confidence_names[sure], "basis",
                                   trained ? trained_basis(reasons, sure) : json_pack("[s]", basis));
    json_t                *animals = json_array(), *grounding = json_object();
    for (unsigned i = 0; i < event->detection_count; i++)
        json_array_append_new(animals, animal_json(&event->detections[i], trained, confidence));
    if (trained)
        json_object_set_new(grounding, "labels_used_for_training", json_string(event->blank == NJ_YES ? "raw_blank_votes" : "consensus"));
    json_object_set_new(grounding, "environment_used_for_species_claim", json_false());
    json_object_set_new(grounding, "image_evidence_required", json_true());
    json_decref(confidence);
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "schema_version", "savanna_sentinel_event_v1", "capture_event_id", record->event_id,
                     "event", head_json(event, record, trained), "detections", animals, "review", review_json(reasons, trained),
                     "grounding", grounding);
}

static enum nj_answer answer_of(const struct nj_row *row, const char *name)
{
    return !nj_row_is_set(row, name) ? NJ_UNSAID : nj_row_number(row, name) ? NJ_YES : NJ_NO;
}

void nj_detection_from_row(const struct nj_row *row, struct nj_detection *out)
{
    *out = (struct nj_detection){
        .species   = nj_species_index(nj_row_text(row, "species")),
        .bin       = nj_count_bin_index(nj_row_text(row, "count_bin")),
        .count_min = (int)nj_row_number(row, "count_min"),
        .count_max = (int)nj_row_number(row, "count_max"),
        .young     = answer_of(row, "young_present"),
    };
    snprintf(out->species_text, sizeof out->species_text, "%s", nj_row_text(row, "species"));
    for (int i = 0; i < NJ_BEHAVIORS; i++)
        out->behavior[i] = answer_of(row, nj_behavior_names[i]);
    for (int i = NJ_CONFIDENCE_LOW; i <= NJ_CONFIDENCE_HIGH; i++)
        if (!strcmp(nj_row_text(row, "confidence"), nj_confidence_names[i]))
            out->confidence = (enum nj_confidence)i;
}

static int tri(enum nj_answer answer)
{
    return answer == NJ_UNSAID ? NJ_DB_UNKNOWN : answer == NJ_YES;
}

void nj_corrected_detections(const struct nj_event *event, struct nj_db_detection *out)
{
    for (unsigned i = 0; i < event->detection_count; i++) {
        const struct nj_detection *animal = &event->detections[i];
        out[i]                            = (struct nj_db_detection){
                                       .species               = animal->species >= 0 ? nj_species[animal->species].label : "unknown",
                                       .display_name          = animal->species >= 0 ? nj_species[animal->species].display : animal->species_text,
                                       .count_bin             = animal->bin >= 0 ? nj_count_bins[animal->bin].name : NULL,
                                       .count_min             = animal->count_min ? animal->count_min : NJ_DB_UNKNOWN,
                                       .count_max             = animal->count_max ? animal->count_max : NJ_DB_UNKNOWN,
                                       .standing              = tri(animal->behavior[NJ_STANDING]),
                                       .resting               = tri(animal->behavior[NJ_RESTING]),
                                       .moving                = tri(animal->behavior[NJ_MOVING]),
                                       .eating                = tri(animal->behavior[NJ_EATING]),
                                       .interacting           = tri(animal->behavior[NJ_INTERACTING]),
                                       .young_present         = tri(animal->young),
                                       .confidence            = animal->confidence ? nj_confidence_names[animal->confidence] : NULL,
                                       .probability           = -1,
                                       .runner_up_probability = -1,
        };
    }
}
