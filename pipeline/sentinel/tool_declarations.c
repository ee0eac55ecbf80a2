/* What the model hears of the tools. Names, parameters and values are those of its training; the sentences are ours, and say what this station can answer. */
#include "pipeline/sentinel/species.h"
#include "pipeline/sentinel/tools.h"

static json_t *text(const char *description)
{
    return json_pack("{s:s, s:s}", "type", "string", "description", description);
}

static json_t *date(const char *description)
{
    return json_pack("{s:s, s:s, s:s}", "type", "string", "description", description, "format", "date");
}

static json_t *word(const char *description, const char *const *words, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(words[i]));
    return json_pack("{s:s, s:s, s:o}", "type", "string", "description", description, "enum", list);
}

static json_t *several(const char *description, json_t *item)
{
    json_object_del(item, "description");
    return json_pack("{s:s, s:s, s:o}", "type", "array", "description", description, "items", item);
}

static json_t *species_word(const char *description)
{
    const char *labels[NJ_SPECIES_COUNT];
    for (size_t i = 0; i < NJ_SPECIES_COUNT; i++)
        labels[i] = nj_species[i].label;
    return word(description, labels, NJ_SPECIES_COUNT);
}

/* Takes over `properties` and `required`, a list of names. */
static json_t *tool(const char *name, const char *description, json_t *properties, json_t *required)
{
    json_t *parameters = json_pack("{s:s, s:o}", "type", "object", "properties", properties);
    if (json_array_size(required))
        json_object_set(parameters, "required", required);
    json_decref(required);
    return json_pack("{s:s, s:{s:s, s:s, s:o}}", "type", "function", "function", "name", name, "description", description, "parameters",
                     parameters);
}

json_t *nj_tool_declarations(const char *const *sites, size_t count)
{
    static const char *const        sources[] = {"consensus", "gold", "prediction"},
                             *const groups[]  = {"camera", "date", "hour", "month", "species"},
                             *const layers[]  = {"CHIRPS", "JRC_WATER", "MODIS_EVI", "MODIS_NDVI"},
                             *const metrics[] = {"blank_count", "event_count", "individuals", "young_count"},
                             *const modes[]   = {"all_history", "previous_30d", "same_month", "seasonal"};
#define DAYS   "date_start", date("first day, YYYY-MM-DD"), "date_end", date("last day, included")
#define A_SITE (count ? word("", sites, count) : text(""))
    return json_pack(
        "[o, o, o, o, o]",
        tool("query_detections", "Counts and lists what the station's camera has recorded, by species, day, sureness and who decided.",
             json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:{s:s, s:s, s:i, s:i, s:i}, s:o}", "species",
                       several("labels to look for; all without it", species_word("")), DAYS, "site_ids",
                       several("camera sites; all without it", A_SITE), "min_confidence",
                       json_pack("{s:s, s:s, s:i, s:i}", "type", "number", "description", "least probability of the species, 0 to 1",
                                 "minimum", 0, "maximum", 1),
                       "source", word("prediction: the model's word; consensus and gold: a ranger's", sources, 3), "limit", "type",
                       "integer", "description", "rows to list", "default", 20, "minimum", 1, "maximum", 500, "group_by",
                       several("also count by these", word("", groups, 5))),
             json_array()),
        tool("get_camera_effort", "On how many days the camera was at work: what was not seen on other days says nothing.",
             json_pack("{s:o, s:o, s:o}", DAYS, "site_ids", several("camera sites; all without it", A_SITE)),
             json_pack("[s, s]", "date_start", "date_end")),
        tool("extract_environment", "Rain, plant growth and water at the site, as far as the station knows them.",
             json_pack("{s:o, s:o, s:o, s:o}", "site_ids", several("camera sites; all without it", A_SITE), DAYS, "layers",
                       several("which data", word("", layers, 4))),
             json_pack("[s, s]", "date_start", "date_end")),
        tool("compare_to_baseline", "Sets a count of some days beside the same count of earlier days.",
             json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "metric", word("what is counted", metrics, 4), "species",
                       species_word("of one species; of all without it"), "site_ids", several("camera sites; all without it", A_SITE), DAYS,
                       "baseline_mode", word("which earlier days", modes, 4)),
             json_pack("[s, s, s]", "metric", "date_start", "date_end")),
        tool("retrieve_evidence_images", "Names the pictures of events, so that a person can look.",
             json_pack("{s:o, s:{s:s, s:s, s:b}}", "capture_event_ids", several("ids of events", text("")), "redact_humans", "type",
                       "boolean", "description", "leave out pictures that may show people", "default", 1),
             json_pack("[s]", "capture_event_ids")));
#undef DAYS
#undef A_SITE
}
