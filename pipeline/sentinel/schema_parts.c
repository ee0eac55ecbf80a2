#include "pipeline/sentinel/schema_parts.h"

#include <stdarg.h>

json_t *nj_schema_constant(json_t *value)
{
    return value ? json_pack("{s:o}", "const", value) : NULL;
}

json_t *nj_schema_boolean(void)
{
    return json_pack("{s:s}", "type", "boolean");
}

json_t *nj_schema_one_of(const char *const *words, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(words[i]));
    return json_pack("{s:o}", "enum", list);
}

json_t *nj_schema_object(const char *first, ...)
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

json_t *nj_schema_array(json_t *items, int least, int most)
{
    return json_pack("{s:s, s:o, s:i, s:i}", "type", "array", "items", items, "minItems", least, "maxItems", most);
}

json_t *nj_schema_empty_array(void)
{
    return nj_schema_constant(json_array());
}

json_t *nj_schema_text(int most)
{
    return json_pack("{s:s, s:i, s:i}", "type", "string", "minLength", 1, "maxLength", most);
}

json_t *nj_schema_unique(json_t *schema)
{
    json_object_set_new(schema, "uniqueItems", json_true());
    return schema;
}

json_t *nj_schema_reasons(enum nj_priority priority, uint32_t with, uint32_t without)
{
    json_t *lists = json_array();
    for (uint32_t set = 1; set < 1u << NJ_TRAINED_REASONS; set++) {
        if (nj_review_priority(set) != priority || (set & with) != with || (set & without))
            continue;
        json_t *list = json_array();
        for (int i = 0; i < NJ_TRAINED_REASONS; i++)
            if (set >> i & 1)
                json_array_append_new(list, json_string(nj_reason_words[i].code));
        json_array_append_new(lists, list);
    }
    return json_pack("{s:o}", "enum", lists);
}
