#include "pipeline/sentinel/narrative.h"
#include "base/text.h"
#include "pipeline/sentinel/figures.h"
#include "pipeline/sentinel/schema_parts.h"

#include <stdlib.h>

#define LONGEST_SENTENCE 240

static json_t *sentences(const char *pattern, int least, int most)
{
    return nj_schema_array(json_pack("{s:s, s:s, s:i}", "type", "string", "pattern", pattern, "maxLength", LONGEST_SENTENCE), least, most);
}

json_t *nj_narrative_schema(const char *audience, const json_t *scope, const json_t *evidence, const json_t *results)
{
    json_t *figures = json_object(), *schema = NULL;
    nj_figures_add(figures, scope);
    nj_figures_add(figures, results);
    char *pattern = figures ? nj_figures_sentence(figures) : NULL;
    if (pattern)
        schema = nj_schema_object("schema_version", nj_schema_constant(json_string("savanna_sentinel_report_v1")), "report_type",
                                  nj_schema_constant(json_string(audience)), "scope", nj_schema_constant(json_deep_copy(scope)), "observed",
                                  sentences(pattern, 1, 5), "measured", sentences(pattern, 1, 3), "inferred", sentences(pattern, 0, 3),
                                  "uncertainty", sentences(pattern, 1, 3), "evidence", nj_schema_constant(json_deep_copy(evidence)), NULL);
    free(pattern);
    json_decref(figures);
    return schema;
}

json_t *nj_narrative_conversation(const char *audience, const json_t *results)
{
    struct nj_text text    = {0};
    char          *spelled = nj_figures_spell(results);
    json_t        *out     = NULL;
    nj_text_addf(&text,
                 "Task: grounded_conservation_brief\nAudience: %s\nReturn only valid JSON matching savanna_sentinel_report_v1.\n\n"
                 "Instructions:\n- Use only tool_results; every figure must stand there.\n"
                 "- observed: what the camera saw. measured: effort and counts. inferred: what follows from them. uncertainty: what could "
                 "be wrong.\n"
                 "- That nothing was seen does not show that nothing was there.\n\ntool_results:\n%s",
                 audience, spelled ? spelled : "");
    if (spelled && !text.failed)
        out = json_pack("{s:[{s:s, s:s}, {s:s, s:s}]}", "messages", "role", "system", "content",
                        "You are Savanna Sentinel. Return only valid JSON.", "role", "user", "content", text.data);
    free(spelled);
    nj_text_free(&text);
    return out;
}
