#include "pipeline/sentinel/routing.h"
#include "pipeline/sentinel/schema_parts.h"
#include "pipeline/sentinel/species.h"

#include <string.h>

static void add_string(struct nj_text *out, const char *text)
{
    nj_text_add_json(out, text, strlen(text));
}

static const char *spell(enum nj_answer answer)
{
    return answer == NJ_YES ? "true" : answer == NJ_NO ? "false" : "null";
}

void nj_routing_first_pass(const struct nj_event *event, const struct nj_event_record *record, struct nj_text *out)
{
    nj_text_addf(out, "{\"blank\":%s,\"detections\":[", spell(event->blank));
    for (unsigned i = 0; i < event->detection_count; i++) {
        const struct nj_detection *d = &event->detections[i];
        nj_text_addf(out, "%s{\"species\":", i ? "," : "");
        add_string(out, d->species >= 0 ? nj_species[d->species].label : d->species_text);
        nj_text_add(out, ",\"count_bin\":");
        if (d->bin >= 0)
            add_string(out, nj_count_bins[d->bin].name);
        else
            nj_text_add(out, "null");
        nj_text_addf(out, ",\"young_present\":%s}", spell(d->young));
    }
    nj_text_add(out, "],\"site_id\":");
    add_string(out, record->site_id);
    nj_text_add(out, ",\"local_datetime\":");
    add_string(out, record->local_datetime);
    nj_text_addf(out, ",\"is_night\":%s}", spell(event->blank == NJ_YES ? NJ_UNSAID : nj_is_night(record->hour)));
}

static json_t *level(void)
{
    return nj_schema_one_of((const char *const[]){"low", "medium", "high"}, 3);
}

static json_t *whole(const struct nj_event_record *record, enum nj_priority priority, bool disagreement)
{
    const uint32_t speaks = 1u << NJ_REASON_DISAGREEMENT;
    bool           review = priority != NJ_PRIORITY_NONE;
    json_t *uncertainty   = nj_schema_object("species_uncertainty", level(), "count_uncertainty", level(), "blank_uncertainty", level(),
                                             "label_disagreement", nj_schema_constant(json_string(disagreement ? "high" : "not_high")), NULL);
    json_t *routing       = nj_schema_object("queue", nj_schema_constant(json_string(review ? "expert_review" : "auto_accept")),
                                             "human_privacy_filter", review ? nj_schema_boolean() : nj_schema_constant(json_false()), NULL);
    return nj_schema_object(
        "schema_version", nj_schema_constant(json_string("savanna_sentinel_review_v1")), "capture_event_id",
        nj_schema_constant(json_string(record->event_id)), "decision", nj_schema_constant(json_string(review ? "review" : "accept")),
        "review_needed", nj_schema_constant(json_boolean(review)), "priority", nj_schema_constant(json_string(nj_priority_names[priority])),
        "reasons", review ? nj_schema_reasons(priority, disagreement ? speaks : 0, disagreement ? 0 : speaks) : nj_schema_empty_array(),
        "uncertainty", uncertainty, "routing", routing, NULL);
}

json_t *nj_routing_schema(const struct nj_event_record *record)
{
    return json_pack("{s:[o, o, o, o]}", "anyOf", whole(record, NJ_PRIORITY_NONE, false), whole(record, NJ_PRIORITY_MEDIUM, false),
                     whole(record, NJ_PRIORITY_HIGH, false), whole(record, NJ_PRIORITY_HIGH, true));
}

static bool read_word(const json_t *from, const char *const *words, int count, int *out)
{
    const char *text = json_string_value(from);
    *out             = 0;
    for (int i = 1; text && i < count; i++)
        if (!strcmp(text, words[i]))
            *out = i;
    return *out > 0;
}

nj_status nj_routing_from_json(const json_t *document, struct nj_routing *out, struct nj_error *error)
{
    const json_t *uncertainty = json_object_get(document, "uncertainty"), *reasons = json_object_get(document, "reasons");
    const json_t *needed = json_object_get(document, "review_needed");
    int           priority, species, count, blank;
    *out = (struct nj_routing){.review_needed = json_is_true(needed),
                               .people = json_is_true(json_object_get(json_object_get(document, "routing"), "human_privacy_filter"))};
    if (!json_is_boolean(needed))
        return nj_fail(error, "/review_needed: true or false is expected");
    if (!read_word(json_object_get(document, "priority"), nj_priority_names, 4, &priority))
        return nj_fail(error, "/priority: none, medium or high is expected");
    if (!read_word(json_object_get(uncertainty, "species_uncertainty"), nj_confidence_names, 4, &species) ||
        !read_word(json_object_get(uncertainty, "count_uncertainty"), nj_confidence_names, 4, &count) ||
        !read_word(json_object_get(uncertainty, "blank_uncertainty"), nj_confidence_names, 4, &blank))
        return nj_fail(error, "/uncertainty: low, medium or high is expected of species, count and blank");
    for (size_t i = 0; i < json_array_size(reasons); i++) {
        const char *text  = json_string_value(json_array_get(reasons, i));
        int         known = 0;
        while (text && known < NJ_TRAINED_REASONS && strcmp(text, nj_reason_words[known].code) != 0)
            known++;
        if (!text || known == NJ_TRAINED_REASONS)
            return nj_fail(error, "/reasons/%zu: none of the known reasons", i);
        out->reasons |= 1u << known;
    }
    out->priority = (enum nj_priority)priority;
    out->species  = (enum nj_confidence)species;
    out->count    = (enum nj_confidence)count;
    out->blank    = (enum nj_confidence)blank;
    return NJ_OK;
}
