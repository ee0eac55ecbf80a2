#include "pipeline/sentinel/prompts.h"
#include "pipeline/sentinel/species.h"

#include <string.h>

static const char event_trained_system[] = "You are Savanna Sentinel, a Serengeti camera-trap event interpreter. Return only valid JSON. "
                                           "Do not use habitat data as animal-presence evidence.";

static const char event_trained_text[] = "Task: camera_trap_event_interpretation\n"
                                         "Return only valid JSON matching savanna_sentinel_event_v1.\n"
                                         "\n"
                                         "Input context:\n"
                                         "- capture_event_id: {capture_event_id}\n"
                                         "- location: Serengeti camera site {site_id}\n"
                                         "- local_datetime: {local_datetime}\n"
                                         "- frame_count: {frame_count}\n"
                                         "- frame_order: chronological\n"
                                         "- allowed_species_taxonomy: snapshot_serengeti_selected_47\n"
                                         "\n"
                                         "Instructions:\n"
                                         "- Decide whether the event is blank.\n"
                                         "- If animals are visible, identify species, count bin, visible behaviors, and young presence.\n"
                                         "- Use only the camera-trap images for animal presence and species claims.\n"
                                         "- Use confidence and review fields when visual evidence is uncertain.";

static const char event_live_system[] =
    "You are Savanna Sentinel, a Serengeti camera-trap event interpreter. Return only valid compact JSON matching "
    "savanna_sentinel_event_v1. Use image evidence only for animal presence, species, count, behavior, and young-present claims. Do not "
    "use habitat, map, or satellite data as animal-presence evidence.";

/* The bins are those of the training labels: the published wording offers 6-10 in their place. */
static const char event_live_text[] =
    "Classify this Snapshot Serengeti camera-trap capture event.\n"
    "\n"
    "Return exactly one JSON object with this shape:\n"
    "{\n"
    "  \"schema_version\": \"savanna_sentinel_event_v1\",\n"
    "  \"capture_event_id\": \"{capture_event_id}\",\n"
    "  \"event\": {\n"
    "    \"blank\": boolean,\n"
    "    \"site_id\": \"{site_id}\",\n"
    "    \"local_datetime\": \"{local_datetime}\",\n"
    "    \"frame_count\": {frame_count},\n"
    "    \"frames_used\": \"all_available\"\n"
    "  },\n"
    "  \"detections\": [\n"
    "    {\n"
    "      \"species\": \"taxonomy_label\",\n"
    "      \"count\": {\"bin\": \"1|2|3|4|5|6|7|8|9|10|11-50|51+\", \"minimum\": number, \"maximum\": number},\n"
    "      \"behaviors\": {\"standing\": boolean, \"resting\": boolean, \"moving\": boolean, \"eating\": boolean, \"interacting\": "
    "boolean},\n"
    "      \"young_present\": boolean,\n"
    "      \"confidence\": {\"label\": \"high|medium|low\", \"basis\": [\"visual reason\"]}\n"
    "    }\n"
    "  ],\n"
    "  \"review\": {\"review_needed\": boolean, \"priority\": \"none|medium|high\", \"reasons\": []},\n"
    "  \"grounding\": {\"environment_used_for_species_claim\": false, \"image_evidence_required\": true}\n"
    "}\n"
    "\n"
    "Allowed species labels:\n"
    "{species_list}\n"
    "\n"
    "Rules:\n"
    "- If no animal is visible, set event.blank=true and detections=[].\n"
    "- If an animal is visible but species is uncertain, choose the closest label from the allowed species list only, lower confidence, "
    "and set review.review_needed=true.\n"
    "- Do not output species labels outside the allowed list.\n"
    "- Do not claim lion, leopard, cheetah, hyena, or other predator unless predator features are visually clear.\n"
    "\n"
    "Input context:\n"
    "{context_json}";

static const char review_system[] = "You are Savanna Sentinel, a camera-trap review-routing assistant. Return only valid JSON.";

static const char review_text[] =
    "Task: camera_trap_review_routing\n"
    "Return only valid JSON matching savanna_sentinel_review_v1.\n"
    "\n"
    "Input context:\n"
    "- capture_event_id: {capture_event_id}\n"
    "- first_pass_event_summary:\n"
    "{first_pass_json}\n"
    "\n"
    "Instructions:\n"
    "- Decide whether this event should be auto-accepted or routed to expert review.\n"
    "- Use the image burst, metadata, and first-pass summary.\n"
    "- Do not assume access to hidden volunteer votes or gold labels at inference time.\n"
    "- Route rare, ambiguous, night, multi-species, high-count, blank-uncertain, or human/privacy-sensitive events for review.";

struct nj_prompt_value {
    const char *name, *value;
};

/* Value of one {name} of a template, or NULL: any other brace is literal. */
static const char *lookup(const struct nj_prompt_value *values, size_t count, const char *name, size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(values[i].name) == length && !memcmp(values[i].name, name, length))
            return values[i].value;
    return NULL;
}

static void fill(struct nj_text *out, const char *text, const struct nj_prompt_value *values, size_t count)
{
    while (*text) {
        const char *end = *text == '{' ? strchr(text, '}') : NULL, *value;
        if (end && (value = lookup(values, count, text + 1, (size_t)(end - text - 1)))) {
            nj_text_add(out, value);
            text = end + 1;
        } else
            nj_text_add_bytes(out, text++, 1);
    }
}

static void add_species_list(struct nj_text *out)
{
    for (int i = 0; i < NJ_SPECIES_COUNT; i++) {
        nj_text_add(out, i ? ", " : "");
        nj_text_add(out, nj_species[i].label);
    }
}

/* The context object of the live prompt, JSON indented by two. */
static void add_context(struct nj_text *out, const struct nj_prompt_record *record)
{
    nj_text_add(out, "{\n  \"capture_event_id\": ");
    nj_text_add_json(out, record->event_id, strlen(record->event_id));
    nj_text_add(out, ",\n  \"site_id\": ");
    nj_text_add_json(out, record->site_id, strlen(record->site_id));
    nj_text_add(out, ",\n  \"local_datetime\": ");
    nj_text_add_json(out, record->local_datetime, strlen(record->local_datetime));
    nj_text_addf(out,
                 ",\n  \"frame_count\": %u,\n  \"frame_order\": \"chronological\",\n  \"allowed_species_taxonomy\": "
                 "\"snapshot_serengeti_selected_47\",\n  \"environmental_context_for_review_only\": null\n}",
                 record->frame_count);
}

json_t *nj_prompt_conversation(enum nj_prompt prompt, const struct nj_prompt_record *record)
{
    static const struct {
        const char *system, *text;
    } wording[]         = {[NJ_PROMPT_EVENT_LIVE]    = {event_live_system, event_live_text},
                           [NJ_PROMPT_EVENT_TRAINED] = {event_trained_system, event_trained_text},
                           [NJ_PROMPT_REVIEW]        = {review_system, review_text}};
    struct nj_text text = {0}, species = {0}, context = {0}, frames = {0};
    json_t        *conversation = NULL;
    add_species_list(&species);
    add_context(&context, record);
    nj_text_addf(&frames, "%u", record->frame_count);
    if (!species.failed && !context.failed && !frames.failed) {
        const struct nj_prompt_value values[] = {
            {"capture_event_id", record->event_id},
            {"site_id", record->site_id},
            {"local_datetime", record->local_datetime},
            {"frame_count", frames.data},
            {"species_list", species.data},
            {"context_json", context.data},
            {"first_pass_json", record->first_pass ? record->first_pass : "{}"},
        };
        fill(&text, wording[prompt].text, values, sizeof values / sizeof values[0]);
    }
    if (text.data && !text.failed) {
        json_t *parts = json_array();
        for (unsigned i = 0; i < record->frame_count; i++)
            json_array_append_new(parts, json_pack("{s:s}", "type", "image"));
        json_array_append_new(parts, json_pack("{s:s, s:s}", "type", "text", "text", text.data));
        /* The trained rows hold the system text as a list of one part, which the chat template renders with a space behind it; the live
         * server sends it as a string. */
        json_t *system = prompt == NJ_PROMPT_EVENT_LIVE ? json_string(wording[prompt].system)
                                                        : json_pack("[{s:s, s:s}]", "type", "text", "text", wording[prompt].system);
        conversation =
            json_pack("{s:[{s:s, s:o}, {s:s, s:o}]}", "messages", "role", "system", "content", system, "role", "user", "content", parts);
    }
    nj_text_free(&text);
    nj_text_free(&species);
    nj_text_free(&context);
    nj_text_free(&frames);
    return conversation;
}
