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

/* An object with exactly these keys, in this order: name, schema, name, schema, …, NULL. */
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
