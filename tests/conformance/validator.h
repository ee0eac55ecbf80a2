/* validator.h: says whether a document is valid under a schema by looking at both, value by value. It shares no code with the grammars that it judges:
 * patterns go to the C library's regular expressions, numbers are doubles. Knows the keywords that the tests use and fails on any other. */
#ifndef NJ_TESTS_CONFORMANCE_VALIDATOR_H
#define NJ_TESTS_CONFORMANCE_VALIDATOR_H

#include <jansson.h>
#include <math.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct validator {
    const json_t *root;
    const char   *unknown; /* a keyword that it does not know; then its judgement is worth nothing */
};

__attribute__((unused)) static bool validator_same(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return json_number_value(a) == json_number_value(b);
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_array(a)) {
        bool same = json_array_size(a) == json_array_size(b);
        for (size_t i = 0; same && i < json_array_size(a); i++)
            same = validator_same(json_array_get(a, i), json_array_get(b, i));
        return same;
    }
    if (json_is_object(a)) {
        const char *key;
        json_t     *value;
        bool        same = json_object_size(a) == json_object_size(b);
        json_object_foreach((json_t *)a, key, value)
        {
            same = same && json_object_get(b, key) && validator_same(value, json_object_get(b, key));
        }
        return same;
    }
    return json_equal(a, b);
}

__attribute__((unused)) static bool validator_type(const char *type, const json_t *value)
{
    if (!strcmp(type, "integer"))
        return json_is_integer(value) || (json_is_real(value) && json_real_value(value) == floor(json_real_value(value)));
    return (!strcmp(type, "number") && json_is_number(value)) || (!strcmp(type, "string") && json_is_string(value)) ||
           (!strcmp(type, "boolean") && json_is_boolean(value)) || (!strcmp(type, "null") && json_is_null(value)) ||
           (!strcmp(type, "object") && json_is_object(value)) || (!strcmp(type, "array") && json_is_array(value));
}

__attribute__((unused)) static size_t validator_points(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

__attribute__((unused)) static bool validator_matches(const char *pattern, const char *text)
{
    regex_t regex;
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    bool found = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

__attribute__((unused)) static const json_t *validator_target(const struct validator *v, const char *ref)
{
    const json_t *at = v->root;
    char          token[256];
    for (const char *from = ref + 1; *from == '/' && at;) {
        size_t size = strcspn(++from, "/");
        snprintf(token, sizeof token, "%.*s", (int)size, from);
        at = json_object_get(at, token);
        from += size;
    }
    return at;
}

__attribute__((unused)) static bool validator_accepts(struct validator *v, const json_t *schema, const json_t *value);

__attribute__((unused)) static bool validator_array(struct validator *v, const json_t *schema, const json_t *value)
{
    const json_t *prefix = json_object_get(schema, "prefixItems"), *items = json_object_get(schema, "items");
    const json_t *least = json_object_get(schema, "minItems"), *most = json_object_get(schema, "maxItems");
    size_t        size = json_array_size(value);
    if ((least && (double)size < json_number_value(least)) || (most && (double)size > json_number_value(most)))
        return false;
    for (size_t i = 0; i < size; i++) {
        const json_t *one = i < json_array_size(prefix) ? json_array_get(prefix, i) : items;
        if (one && !validator_accepts(v, one, json_array_get(value, i)))
            return false;
        for (size_t k = 0; k < i && json_is_true(json_object_get(schema, "uniqueItems")); k++)
            if (validator_same(json_array_get(value, i), json_array_get(value, k)))
                return false;
    }
    return true;
}

__attribute__((unused)) static bool validator_object(struct validator *v, const json_t *schema, const json_t *value)
{
    const json_t *properties = json_object_get(schema, "properties"), *others = json_object_get(schema, "additionalProperties");
    const json_t *required = json_object_get(schema, "required");
    const char   *key;
    json_t       *inner;
    for (size_t i = 0; i < json_array_size(required); i++)
        if (!json_object_get(value, json_string_value(json_array_get(required, i))))
            return false;
    json_object_foreach((json_t *)value, key, inner)
    {
        const json_t *declared = json_object_get(properties, key);
        const json_t *one      = declared ? declared : others;
        if (one && !validator_accepts(v, one, inner))
            return false;
    }
    return true;
}

__attribute__((unused)) static bool validator_number(const json_t *schema, const json_t *value)
{
    double        x   = json_number_value(value);
    const json_t *low = json_object_get(schema, "minimum"), *above = json_object_get(schema, "exclusiveMinimum");
    const json_t *high = json_object_get(schema, "maximum"), *below = json_object_get(schema, "exclusiveMaximum");
    const json_t *multiple = json_object_get(schema, "multipleOf");
    return !(low && x < json_number_value(low)) && !(high && x > json_number_value(high)) && !(above && x <= json_number_value(above)) &&
           !(below && x >= json_number_value(below)) && !(multiple && fabs(x) < 9e15 && fmod(x, json_number_value(multiple)) != 0);
}

__attribute__((unused)) static bool validator_string(const json_t *schema, const json_t *value)
{
    const json_t *least = json_object_get(schema, "minLength"), *most = json_object_get(schema, "maxLength");
    const json_t *pattern = json_object_get(schema, "pattern");
    const char   *text    = json_string_value(value);
    double        count   = (double)validator_points(text);
    return !(least && count < json_number_value(least)) && !(most && count > json_number_value(most)) &&
           (!pattern || validator_matches(json_string_value(pattern), text));
}

/* How many of a list of schemas accept. */
__attribute__((unused)) static size_t validator_count(struct validator *v, const json_t *list, const json_t *value)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        count += validator_accepts(v, json_array_get(list, i), value);
    return count;
}

__attribute__((unused)) static bool validator_keyword(struct validator *v, const json_t *schema, const char *name, const json_t *given,
                                                      const json_t *value)
{
    static const char *const elsewhere[] = {"properties",
                                            "required",
                                            "additionalProperties",
                                            "items",
                                            "prefixItems",
                                            "minItems",
                                            "maxItems",
                                            "uniqueItems",
                                            "minimum",
                                            "maximum",
                                            "exclusiveMinimum",
                                            "exclusiveMaximum",
                                            "multipleOf",
                                            "minLength",
                                            "maxLength",
                                            "pattern",
                                            "$defs",
                                            "$schema",
                                            "$id",
                                            "title",
                                            "description",
                                            "default",
                                            "format",
                                            "definitions"};
    (void)schema;
    if (!strcmp(name, "type")) {
        bool fits = json_is_string(given) && validator_type(json_string_value(given), value);
        for (size_t i = 0; i < json_array_size(given); i++)
            fits |= validator_type(json_string_value(json_array_get(given, i)), value);
        return fits;
    }
    if (!strcmp(name, "const"))
        return validator_same(given, value);
    if (!strcmp(name, "enum")) {
        bool fits = false;
        for (size_t i = 0; i < json_array_size(given); i++)
            fits |= validator_same(json_array_get(given, i), value);
        return fits;
    }
    if (!strcmp(name, "$ref"))
        return validator_accepts(v, validator_target(v, json_string_value(given)), value);
    if (!strcmp(name, "allOf"))
        return validator_count(v, given, value) == json_array_size(given);
    if (!strcmp(name, "anyOf"))
        return validator_count(v, given, value) > 0;
    if (!strcmp(name, "oneOf"))
        return validator_count(v, given, value) == 1;
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (!strcmp(name, elsewhere[i]))
            return true;
    v->unknown = name;
    return false;
}

static bool validator_accepts(struct validator *v, const json_t *schema, const json_t *value)
{
    const char *name;
    json_t     *given;
    if (json_is_boolean(schema))
        return json_is_true(schema);
    json_object_foreach((json_t *)schema, name, given)
    {
        if (!validator_keyword(v, schema, name, given, value))
            return false;
    }
    if (json_is_array(value))
        return validator_array(v, schema, value);
    if (json_is_object(value))
        return validator_object(v, schema, value);
    if (json_is_number(value))
        return validator_number(schema, value);
    return !json_is_string(value) || validator_string(schema, value);
}

/* Whether `text` is JSON without repeated keys, and valid. */
__attribute__((unused)) static bool validator_judges(const json_t *schema, const char *text, size_t size)
{
    struct validator v = {.root = schema};
    json_error_t     where;
    json_t *document = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &where);
    bool    valid    = document && validator_accepts(&v, schema, document) && !v.unknown;
    if (!document && json_error_code(&where) == json_error_numeric_overflow)
        return true; /* well-formed, but beyond what a double holds: no judgement */
    if (!document)
        printf("# not JSON: %s\n", where.text);
    if (v.unknown)
        printf("# the validator does not know %s\n", v.unknown);
    json_decref(document);
    return valid;
}

#endif
