/* event_schema.c: the schema of one burst's answer. Each helper takes over the references that it is given; a NULL anywhere makes the whole NULL. */
#include "pipeline/sentinel/event.h"
#include "pipeline/sentinel/species.h"

#define MAX_BASIS_TEXT  80 /* code points of a free "visual reason" */
#define MAX_REASON_TEXT 90 /* fits nj_event.reasons */
#define MAX_SPECIES     4  /* one entry a species; training saw at most three */

static json_t *constant(json_t *value)
{
    return value ? json_pack("{s:o}", "const", value) : NULL;
}

static json_t *boolean(void)
{
    return json_pack("{s:s}", "type", "boolean");
}

static json_t *one_of(const char *const *words, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(words[i]));
    return json_pack("{s:o}", "enum", list);
}

/* An object with exactly these keys, in this order: name, schema, name, schema, …, NULL. */
static json_t *object(const char *first, ...)
{
    va_list args;
    json_t *properties = json_object(), *required = json_array();
    va_start(args, first);
    for (const char *name = first; name; name = va_arg(args, const char *)) {
        json_object_set_new(properties, name, va_arg(args, json_t *));
        json_array_append_new(required, json_string(name));
    }
    va_end(args);
    return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required", required, "additionalProperties", 0);
}

static json_t *array(json_t *items, int least, int most)
{
    return json_pack("{s:s, s:o, s:i, s:i}", "type", "array", "items", items, "minItems", least, "maxItems", most);
}

static json_t *empty_array(void)
{
    return constant(json_array());
}

static json_t *text(int most)
{
    return json_pack("{s:s, s:i, s:i}", "type", "string", "minLength", 1, "maxLength", most);
}

/* The bin is the choice; minimum and maximum follow from it. */
static json_t *count_schema(void)
{
    json_t *bins = json_array();
    for (int i = 0; i < NJ_COUNT_BINS; i++) {
        const struct nj_count_bin *bin = &nj_count_bins[i];
        json_array_append_new(bins, object("bin", constant(json_string(bin->name)), "minimum", constant(json_integer(bin->minimum)),
                                           "maximum", constant(bin->maximum ? json_integer(bin->maximum) : json_null()), NULL));
    }
    return json_pack("{s:o}", "anyOf", bins);
}

static json_t *behaviors_schema(void)
{
    return object(nj_behavior_names[0], boolean(), nj_behavior_names[1], boolean(), nj_behavior_names[2], boolean(), nj_behavior_names[3],
                  boolean(), nj_behavior_names[4], boolean(), NULL);
}

static const char *const basis_words[]  = {"high_evenness",     "blank_votes_present", "rare_species",    "multi_species_event",
                                           "night_event",       "low_disagreement",    "low_blank_votes", "moderate_label_support",
                                           "weak_label_support"};
static const char *const reason_words[] = {"high_label_disagreement", "blank_votes_present", "rare_species",
                                           "multi_species_event",     "night_event",         "high_count_event",
                                           "blank_uncertainty"};
static const char *const labels[]       = {"high", "medium", "low"};
static const char *const priorities[]   = {"medium", "high"};

static json_t *unique(json_t *schema)
{
    json_object_set_new(schema, "uniqueItems", json_true());
    return schema;
}

static json_t *confidence_schema(enum nj_dialect dialect)
{
    if (dialect == NJ_DIALECT_FLAT)
        return one_of(labels, 3);
    json_t *basis = dialect == NJ_DIALECT_TRAINED ? unique(array(one_of(basis_words, sizeof basis_words / sizeof *basis_words), 1, 4))
                                                  : array(text(MAX_BASIS_TEXT), 1, 1);
    return object("label", one_of(labels, 3), "basis", basis, NULL);
}

static json_t *species_schema(void)
{
    json_t *list = json_array();
    for (int i = 0; i < NJ_SPECIES_COUNT; i++)
        json_array_append_new(list, json_string(nj_species[i].label));
    return json_pack("{s:o}", "enum", list);
}

static json_t *detection_schema(enum nj_dialect dialect, const struct nj_event_record *record)
{
    switch (dialect) {
    case NJ_DIALECT_TRAINED:
        return object("species", species_schema(), "count", count_schema(), "behaviors", behaviors_schema(), "young_present", boolean(),
                      "behavior_source", constant(json_string("consensus")), "visual_evidence",
                      object("primary_frames", constant(json_string("all_available")), "description", constant(json_string("")), NULL),
                      "confidence", confidence_schema(dialect), NULL);
    case NJ_DIALECT_FLAT: {
        json_t *frames = json_array(), *bins = json_array();
        for (unsigned i = 1; i <= record->frame_count; i++)
            json_array_append_new(frames, json_integer(i));
        for (int i = 0; i < NJ_COUNT_BINS; i++)
            json_array_append_new(bins, json_string(nj_count_bins[i].name));
        return object("species", species_schema(), "count_bin", json_pack("{s:o}", "enum", bins), "behaviors", behaviors_schema(),
                      "young_present", boolean(), "confidence", confidence_schema(dialect), "evidence",
                      object("visual_basis", text(MAX_BASIS_TEXT), "frames_used", constant(frames), NULL), NULL);
    }
    default:
        return object("species", species_schema(), "count", count_schema(), "behaviors", behaviors_schema(), "young_present", boolean(),
                      "confidence", confidence_schema(dialect), NULL);
    }
}

/* Needed with a priority and reasons, or not needed and none. */
static json_t *review_schema(enum nj_dialect dialect)
{
    bool    trained = dialect == NJ_DIALECT_TRAINED;
    json_t *reasons = trained ? unique(array(one_of(reason_words, sizeof reason_words / sizeof *reason_words), 1, 5))
                              : array(text(MAX_REASON_TEXT), 1, 2);
    if (dialect == NJ_DIALECT_FLAT)
        return json_pack("{s:[o, o]}", "anyOf", object("review_needed", constant(json_false()), "reasons", empty_array(), NULL),
                         object("review_needed", constant(json_true()), "reasons", reasons, NULL));
    return json_pack(
        "{s:[o, o]}", "anyOf",
        object("review_needed", constant(json_false()), "priority", constant(json_string("none")), "reasons", empty_array(), NULL),
        object("review_needed", constant(json_true()), "priority", one_of(priorities, 2), "reasons", reasons, NULL));
}

static json_t *event_part(enum nj_dialect dialect, const struct nj_event_record *record, bool blank)
{
    json_t *event = object("blank", constant(json_boolean(blank)), "site_id", constant(json_string(record->site_id)), "local_datetime",
                           constant(json_string(record->local_datetime)), "frame_count", constant(json_integer(record->frame_count)),
                           "frames_used", constant(json_string("all_available")), NULL);
    if (dialect != NJ_DIALECT_TRAINED)
        return event;
    enum nj_answer night   = nj_is_night(record->hour);
    json_t        *context = object("is_night", constant(blank || night == NJ_UNSAID ? json_null() : json_boolean(night == NJ_YES)),
                                    "datetime_source", constant(json_string(blank ? "image_exif" : "consensus")), NULL);
    json_object_set_new(json_object_get(event, "properties"), "time_context", context);
    json_array_append_new(json_object_get(event, "required"), json_string("time_context"));
    return event;
}

static json_t *whole(enum nj_dialect dialect, const struct nj_event_record *record, bool blank)
{
    json_t *version    = constant(json_string("savanna_sentinel_event_v1"));
    json_t *id         = constant(json_string(record->event_id));
    json_t *detections = blank ? empty_array() : array(detection_schema(dialect, record), 1, MAX_SPECIES);
    if (dialect == NJ_DIALECT_FLAT)
        return object("schema_version", version, "capture_event_id", id, "blank", constant(json_boolean(blank)), "detections", detections,
                      "review", review_schema(dialect), NULL);
    json_t *no        = constant(json_false());
    json_t *yes       = constant(json_true());
    json_t *grounding = dialect == NJ_DIALECT_TRAINED
                            ? object("labels_used_for_training", constant(json_string(blank ? "raw_blank_votes" : "consensus")),
                                     "environment_used_for_species_claim", no, "image_evidence_required", yes, NULL)
                            : object("environment_used_for_species_claim", no, "image_evidence_required", yes, NULL);
    return object("schema_version", version, "capture_event_id", id, "event", event_part(dialect, record, blank), "detections", detections,
                  "review", review_schema(dialect), "grounding", grounding, NULL);
}

json_t *nj_event_schema(enum nj_dialect dialect, const struct nj_event_record *record)
{
    return json_pack("{s:[o, o]}", "anyOf", whole(dialect, record, true), whole(dialect, record, false));
}
