#include "pipeline/sentinel/event.h"
#include "pipeline/sentinel/species.h"

#include <stdio.h>
#include <string.h>

const char *const         nj_behavior_names[NJ_BEHAVIORS] = {"standing", "resting", "moving", "eating", "interacting"};
const char *const         nj_confidence_names[]           = {"", "low", "medium", "high"};
const char *const         nj_priority_names[]             = {"", "none", "medium", "high"};
const struct nj_count_bin nj_count_bins[NJ_COUNT_BINS]    = {{"1", 1, 1}, {"2", 2, 2},    {"3", 3, 3},       {"4", 4, 4},
                                                             {"5", 5, 5}, {"6", 6, 6},    {"7", 7, 7},       {"8", 8, 8},
                                                             {"9", 9, 9}, {"10", 10, 10}, {"11-50", 11, 50}, {"51+", 51, 0}};

int nj_count_bin_index(const char *name)
{
    for (int i = 0; i < NJ_COUNT_BINS; i++)
        if (!strcmp(nj_count_bins[i].name, name))
            return i;
    return -1;
}

enum nj_answer nj_is_night(int hour)
{
    if (hour < 0 || hour > 23)
        return NJ_UNSAID;
    return hour < 6 || hour >= 18 ? NJ_YES : NJ_NO;
}

static int word_index(const char *word, const char *const *words, int count)
{
    for (int i = 1; word && i < count; i++)
        if (!strcmp(word, words[i]))
            return i;
    return 0;
}

static enum nj_answer answer_of(const json_t *value)
{
    return json_is_true(value) ? NJ_YES : json_is_false(value) ? NJ_NO : NJ_UNSAID;
}

static nj_status read_detection(const json_t *from, bool flat, size_t index, struct nj_detection *out, struct nj_error *error)
{
    const char   *species    = json_string_value(json_object_get(from, "species"));
    const json_t *count      = json_object_get(from, "count");
    const char   *bin        = json_string_value(flat ? json_object_get(from, "count_bin") : json_object_get(count, "bin"));
    const json_t *confidence = json_object_get(from, "confidence");
    if (!species)
        return nj_fail(error, "/detections/%zu/species: a string is expected", index);
    *out = (struct nj_detection){.species = nj_species_index(species), .bin = bin ? nj_count_bin_index(bin) : -1};
    snprintf(out->species_text, sizeof out->species_text, "%s", species);
    if (out->bin >= 0) {
        out->count_min = nj_count_bins[out->bin].minimum;
        out->count_max = nj_count_bins[out->bin].maximum;
    }
    if (!flat && json_is_integer(json_object_get(count, "minimum"))) {
        out->count_min = (int)json_integer_value(json_object_get(count, "minimum"));
        out->count_max = (int)json_integer_value(json_object_get(count, "maximum"));
    }
    for (int i = 0; i < NJ_BEHAVIORS; i++)
        out->behavior[i] = answer_of(json_object_get(json_object_get(from, "behaviors"), nj_behavior_names[i]));
    out->young = answer_of(json_object_get(from, "young_present"));
    out->confidence =
        (enum nj_confidence)word_index(json_string_value(flat ? confidence : json_object_get(confidence, "label")), nj_confidence_names, 4);
    return NJ_OK;
}

nj_status nj_event_from_json(const json_t *document, struct nj_event *out, struct nj_error *error)
{
    const json_t *event      = json_object_get(document, "event");
    const json_t *detections = json_object_get(document, "detections");
    const json_t *review     = json_object_get(document, "review");
    bool          flat       = !event && json_object_get(document, "blank");
    *out                     = (struct nj_event){.dialect = flat ? NJ_DIALECT_FLAT : NJ_DIALECT_LIVE};
    if (!json_is_object(document) || (!flat && !json_is_object(event)))
        return nj_fail(error, "/event: an object is expected");
    if (json_object_get(event, "time_context"))
        out->dialect = NJ_DIALECT_TRAINED;
    out->blank = answer_of(json_object_get(flat ? document : event, "blank"));
    if (out->blank == NJ_UNSAID)
        return nj_fail(error, "%s: true or false is expected", flat ? "/blank" : "/event/blank");
    if (!json_is_array(detections))
        return nj_fail(error, "/detections: an array is expected");
    if (json_array_size(detections) > NJ_MAX_DETECTIONS)
        return nj_fail(error, "/detections: %zu entries, at most %d are kept", json_array_size(detections), NJ_MAX_DETECTIONS);
    for (size_t i = 0; i < json_array_size(detections); i++) {
        nj_status status = read_detection(json_array_get(detections, i), flat, i, &out->detections[i], error);
        if (status != NJ_OK)
            return status;
        out->detection_count++;
    }
    out->review_needed    = answer_of(json_object_get(review, "review_needed"));
    out->priority         = (enum nj_priority)word_index(json_string_value(json_object_get(review, "priority")), nj_priority_names, 4);
    const json_t *reasons = json_object_get(review, "reasons");
    for (size_t i = 0; i < json_array_size(reasons) && out->reason_count < NJ_MAX_REASONS; i++)
        if (json_is_string(json_array_get(reasons, i)))
            snprintf(out->reasons[out->reason_count++], sizeof out->reasons[0], "%s", json_string_value(json_array_get(reasons, i)));
    return NJ_OK;
}
