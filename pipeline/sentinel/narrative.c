#include "pipeline/sentinel/narrative.h"
#include "base/text.h"
#include "pipeline/sentinel/schema_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_SENTENCE 240
#define LONGEST_FIGURE   40
#define REAL_DIGITS      6
#define LETTER           "[A-Za-z\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u024F'\u2019\u201C\u201D(),.;:!?\u2013\u2014-]"
#define BEFORE_FIGURE    "[(]?"
#define BEHIND_FIGURE    "[),.;:!?]*"

static char *spell(const json_t *value)
{
    return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(REAL_DIGITS));
}

/* --- figures --- */

static void add_figure(json_t *figures, const char *text, size_t size)
{
    char word[LONGEST_FIGURE + 1];
    if (size == 0 || size > LONGEST_FIGURE || json_object_size(figures) >= NJ_NARRATIVE_FIGURES)
        return;
    snprintf(word, sizeof word, "%.*s", (int)size, text);
    if (strpbrk(word, "0123456789"))
        json_object_set_new(figures, word, json_true());
}

/* Keys of `figures`: every number, and every word of a text that holds a digit. */
static void collect(const json_t *value, json_t *figures)
{
    const char *name;
    json_t     *inner;
    json_object_foreach((json_t *)value, name, inner)
    {
        collect(inner, figures);
    }
    for (size_t i = 0; i < json_array_size(value); i++)
        collect(json_array_get(value, i), figures);
    if (json_is_number(value)) {
        char *text = spell(value);
        add_figure(figures, text ? text : "", text ? strlen(text) : 0);
        free(text);
    }
    for (const char *at = json_string_value(value); at && *at;) {
        size_t size = strcspn(at, " \t\r\n,;()|");
        add_figure(figures, at, size);
        at += size + (at[size] != 0);
    }
}

static void add_escaped(struct nj_text *out, const char *word)
{
    for (; *word; word++)
        nj_text_addf(out, strchr("\\^$.*+?()[]{}|/", *word) ? "\\%c" : "%c", *word);
}

/* Chunks between single spaces: words without digits, and figures, never two of them behind each other. */
static char *sentence_pattern(const json_t *figures)
{
    struct nj_text figure = {0}, out = {0};
    const char    *word;
    json_t        *ignored;
    json_object_foreach((json_t *)figures, word, ignored)
    {
        nj_text_add(&figure, figure.length ? "|" : BEFORE_FIGURE "(?:");
        add_escaped(&figure, word);
    }
    if (figure.length) {
        nj_text_add(&figure, ")" BEHIND_FIGURE);
        nj_text_addf(&out, "^(?:(?:%s )?" LETTER "+ )*(?:%s|(?:%s )?" LETTER "+)$", figure.data, figure.data, figure.data);
    } else
        nj_text_add(&out, "^(?:" LETTER "+ )*" LETTER "+$");
    bool failed = figure.failed || out.failed;
    nj_text_free(&figure);
    if (failed)
        nj_text_free(&out);
    return out.data;
}

static json_t *sentences(const char *pattern, int least, int most)
{
    return nj_schema_array(json_pack("{s:s, s:s, s:i}", "type", "string", "pattern", pattern, "maxLength", LONGEST_SENTENCE), least, most);
}

json_t *nj_narrative_schema(const char *audience, const json_t *scope, const json_t *evidence, const json_t *results)
{
    json_t *figures = json_object(), *schema = NULL;
    collect(scope, figures);
    collect(results, figures);
    char *pattern = figures ? sentence_pattern(figures) : NULL;
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
    char          *spelled = spell(results);
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
