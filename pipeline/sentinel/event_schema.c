/* event_schema.c: the schema of one burst's answer. */
#include "pipeline/sentinel/event.h"
#include "pipeline/sentinel/schema_parts.h"
#include "pipeline/sentinel/species.h"

#define MAX_BASIS_TEXT  80 /* code points of a free "visual reason" */
#define MAX_REASON_TEXT 90 /* fits nj_event.reasons */
#define MAX_SPECIES     4  /* one entry a species; training saw at most three */

/* The bin is the choice; minimum and maximum follow from it. */
static json_t *count_schema(void)
{
    json_t *bins = json_array();
    for (int i = 0; i < NJ_COUNT_BINS; i++) {
        const struct nj_count_bin *bin = &nj_count_bins[i];
        json_array_append_new(bins, nj_schema_object("bin", nj_schema_constant(json_string(bin->name)), "minimum",
                                                     nj_schema_constant(json_integer(bin->minimum)), "maximum",
                                                     nj_schema_constant(bin->maximum ? json_integer(bin->maximum) : json_null()), NULL));
    }
    return json_pack("{s:o}", "anyOf", bins);
}

static json_t *behaviors_schema(void)
{
    return nj_schema_object(nj_behavior_names[0], nj_schema_boolean(), nj_behavior_names[1], nj_schema_boolean(), nj_behavior_names[2],
                            nj_schema_boolean(), nj_behavior_names[3], nj_schema_boolean(), nj_behavior_names[4], nj_schema_boolean(),
                            NULL);
}

static const char *const basis_words[] = {"high_evenness",     "blank_votes_present", "rare_species",    "multi_species_event",
                                          "night_event",       "low_disagreement",    "low_blank_votes", "moderate_label_support",
                                          "weak_label_support"};
static const char *const labels[]      = {"high", "medium", "low"};

static json_t *confidence_schema(enum nj_dialect dialect)
{
    if (dialect == NJ_DIALECT_FLAT)
        return nj_schema_one_of(labels, 3);
    json_t *basis = dialect == NJ_DIALECT_TRAINED
                        ? nj_schema_unique(nj_schema_array(nj_schema_one_of(basis_words, sizeof basis_words / sizeof *basis_words), 1, 4))
                        : nj_schema_array(nj_schema_text(MAX_BASIS_TEXT), 1, 1);
    return nj_schema_object("label", nj_schema_one_of(labels, 3), "basis", basis, NULL);
}

static json_t *species_schema(void)
{
    json_t *list = json_array();
    for (int i = 0; i < NJ_SPECIES_COUNT; i++)
        json_array_append_new(list, json_string(nj_species[i].label));
    return json_pack("{s:o}", "enum", list);
}

static json_t *defined(const char *name)
{
    return json_pack("{s:s+}", "$ref", "#/$defs/", name);
}

/* The training targets end each detection in a sentence that names its species; so there is one alternative a species. */
static json_t *trained_detection(const struct nj_species *species)
{
    json_t *sentence = json_sprintf("%s is the supervised label for this camera-trap event.", species->label);
    json_t *evidence = nj_schema_object("primary_frames", nj_schema_constant(json_string("all_available")), "description",
                                        nj_schema_constant(sentence), NULL);
    return nj_schema_object("species", nj_schema_constant(json_string(species->label)), "count", defined("count"), "behaviors",
                            defined("behaviors"), "young_present", nj_schema_boolean(), "behavior_source",
                            nj_schema_constant(json_string("consensus")), "visual_evidence", evidence, "confidence", defined("confidence"),
                            NULL);
}

static json_t *detection_schema(enum nj_dialect dialect, const struct nj_event_record *record)
{
    switch (dialect) {
    case NJ_DIALECT_TRAINED: {
        json_t *each = json_array();
        for (int i = 0; i < NJ_SPECIES_COUNT; i++)
            json_array_append_new(each, trained_detection(&nj_species[i]));
        return json_pack("{s:o}", "anyOf", each);
    }
    case NJ_DIALECT_FLAT: {
        json_t *frames = json_array(), *bins = json_array();
        for (unsigned i = 1; i <= record->frame_count; i++)
            json_array_append_new(frames, json_integer(i));
        for (int i = 0; i < NJ_COUNT_BINS; i++)
            json_array_append_new(bins, json_string(nj_count_bins[i].name));
        return nj_schema_object(
            "species", species_schema(), "count_bin", json_pack("{s:o}", "enum", bins), "behaviors", behaviors_schema(), "young_present",
            nj_schema_boolean(), "confidence", confidence_schema(dialect), "evidence",
            nj_schema_object("visual_basis", nj_schema_text(MAX_BASIS_TEXT), "frames_used", nj_schema_constant(frames), NULL), NULL);
    }
    default:
        return nj_schema_object("species", species_schema(), "count", count_schema(), "behaviors", behaviors_schema(), "young_present",
                                nj_schema_boolean(), "confidence", confidence_schema(dialect), NULL);
    }
}

static json_t *free_reasons(void)
{
    return nj_schema_array(nj_schema_text(MAX_REASON_TEXT), 1, 2);
}

static json_t *needed_review(enum nj_priority priority, json_t *reasons)
{
    return nj_schema_object("review_needed", nj_schema_constant(json_true()), "priority",
                            nj_schema_constant(json_string(nj_priority_names[priority])), "reasons", reasons, NULL);
}

/* Needed with a priority and reasons, or not needed and none. Trained reasons bring their own priority. */
static json_t *review_schema(enum nj_dialect dialect)
{
    json_t *no = nj_schema_constant(json_false());
    if (dialect == NJ_DIALECT_FLAT)
        return json_pack("{s:[o, o]}", "anyOf", nj_schema_object("review_needed", no, "reasons", nj_schema_empty_array(), NULL),
                         nj_schema_object("review_needed", nj_schema_constant(json_true()), "reasons", free_reasons(), NULL));
    bool    trained = dialect == NJ_DIALECT_TRAINED;
    json_t *none    = nj_schema_object("review_needed", no, "priority", nj_schema_constant(json_string("none")), "reasons",
                                       nj_schema_empty_array(), NULL);
    json_t *medium  = needed_review(NJ_PRIORITY_MEDIUM, trained ? nj_schema_reasons(NJ_PRIORITY_MEDIUM, 0, 0) : free_reasons());
    json_t *high    = needed_review(NJ_PRIORITY_HIGH, trained ? nj_schema_reasons(NJ_PRIORITY_HIGH, 0, 0) : free_reasons());
    return json_pack("{s:[o, o, o]}", "anyOf", none, medium, high);
}

static json_t *event_part(enum nj_dialect dialect, const struct nj_event_record *record, bool blank)
{
    json_t *event = nj_schema_object(
        "blank", nj_schema_constant(json_boolean(blank)), "site_id", nj_schema_constant(json_string(record->site_id)), "local_datetime",
        nj_schema_constant(json_string(record->local_datetime)), "frame_count", nj_schema_constant(json_integer(record->frame_count)),
        "frames_used", nj_schema_constant(json_string("all_available")), NULL);
    if (dialect != NJ_DIALECT_TRAINED)
        return event;
    enum nj_answer night = nj_is_night(record->hour);
    json_t        *context =
        nj_schema_object("is_night", nj_schema_constant(blank || night == NJ_UNSAID ? json_null() : json_boolean(night == NJ_YES)),
                         "datetime_source", nj_schema_constant(json_string(blank ? "image_exif" : "consensus")), NULL);
    json_object_set_new(json_object_get(event, "properties"), "time_context", context);
    json_array_append_new(json_object_get(event, "required"), json_string("time_context"));
    return event;
}

static json_t *whole(enum nj_dialect dialect, const struct nj_event_record *record, bool blank)
{
    json_t *version    = nj_schema_constant(json_string("savanna_sentinel_event_v1"));
    json_t *id         = nj_schema_constant(json_string(record->event_id));
    json_t *detections = blank ? nj_schema_empty_array() : nj_schema_array(detection_schema(dialect, record), 1, MAX_SPECIES);
    if (dialect == NJ_DIALECT_FLAT)
        return nj_schema_object("schema_version", version, "capture_event_id", id, "blank", nj_schema_constant(json_boolean(blank)),
                                "detections", detections, "review", review_schema(dialect), NULL);
    json_t *no  = nj_schema_constant(json_false());
    json_t *yes = nj_schema_constant(json_true());
    json_t *grounding =
        dialect == NJ_DIALECT_TRAINED
            ? nj_schema_object("labels_used_for_training", nj_schema_constant(json_string(blank ? "raw_blank_votes" : "consensus")),
                               "environment_used_for_species_claim", no, "image_evidence_required", yes, NULL)
            : nj_schema_object("environment_used_for_species_claim", no, "image_evidence_required", yes, NULL);
    return nj_schema_object("schema_version", version, "capture_event_id", id, "event", event_part(dialect, record, blank), "detections",
                            detections, "review", review_schema(dialect), "grounding", grounding, NULL);
}

json_t *nj_event_schema(enum nj_dialect dialect, const struct nj_event_record *record)
{
    json_t *schema = json_pack("{s:[o, o]}", "anyOf", whole(dialect, record, true), whole(dialect, record, false));
    if (schema && dialect == NJ_DIALECT_TRAINED)
        json_object_set_new(schema, "$defs",
                            json_pack("{s:o, s:o, s:o}", "count", count_schema(), "behaviors", behaviors_schema(), "confidence",
                                      confidence_schema(dialect)));
    return schema;
}
