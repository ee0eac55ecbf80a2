/* One alternative as plain limits for each type: what all its parts say together. */
#include "pipeline/constrain/schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The shortest decimal text that reads back as the same double. */
static void print_shortest(double value, char out[400])
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, 400, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
}

/* As other programs print constants: whole numbers with all their digits. */
static void print_real(double value, char out[400])
{
    if (fabs(value) < 1e300 && value == trunc(value))
        snprintf(out, 400, "%.0f", value == 0 ? 0.0 : value);
    else
        print_shortest(value, out);
}

static void print_number(const json_t *number, char out[400])
{
    if (json_is_integer(number))
        snprintf(out, 400, "%lld", (long long)json_integer_value(number));
    else
        print_real(json_real_value(number), out);
}

bool nj_json_decimal(const json_t *number, struct nj_decimal *out)
{
    char text[400];
    if (!json_is_number(number))
        return false;
    print_number(number, text);
    return nj_decimal_parse(text, out);
}

/* What was most likely written where a number stands. */
static bool shortest_decimal(const json_t *number, struct nj_decimal *out)
{
    char text[400];
    if (json_is_integer(number))
        return nj_json_decimal(number, out);
    print_shortest(json_real_value(number), text);
    return nj_decimal_parse(text, out);
}

static bool is_whole(const json_t *value)
{
    return json_is_integer(value) || (json_is_real(value) && json_real_value(value) == trunc(json_real_value(value)));
}

bool nj_same_value(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b)) {
        if (json_is_integer(a) && json_is_integer(b))
            return json_integer_value(a) == json_integer_value(b);
        struct nj_decimal x, y;
        return nj_json_decimal(a, &x) && nj_json_decimal(b, &y) && nj_decimal_compare(&x, &y) == 0;
    }
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_array(a)) {
        bool same = json_array_size(a) == json_array_size(b);
        for (size_t i = 0; same && i < json_array_size(a); i++)
            same = nj_same_value(json_array_get(a, i), json_array_get(b, i));
        return same;
    }
    if (json_is_object(a)) {
        bool        same = json_object_size(a) == json_object_size(b);
        const char *key;
        json_t     *value;
        json_object_foreach((json_t *)a, key, value)
        {
            const json_t *other = json_object_get(b, key);
            same                = same && other && nj_same_value(value, other);
        }
        return same;
    }
    return json_equal(a, b);
}

void nj_spell_string(struct nj_text *out, const char *string, size_t size)
{
    static const char letters[] = "\"\\bfnrt", points[] = "\"\\\b\f\n\r\t";
    for (size_t i = 0; i < size; i++) {
        const uint8_t byte       = (uint8_t)string[i];
        const char   *short_form = byte ? strchr(points, byte) : NULL;
        if (short_form)
            nj_text_addf(out, "\\%c", letters[short_form - points]);
        else if (byte < 0x20 || byte == 0x7F)
            nj_text_addf(out, "\\u%04x", byte);
        else
            nj_text_add_bytes(out, &byte, 1);
    }
}

bool nj_spell_scalar(struct nj_text *out, const json_t *value)
{
    char number[400];
    switch (json_typeof(value)) {
    case JSON_STRING:
        nj_text_add(out, "\"");
        nj_spell_string(out, json_string_value(value), json_string_length(value));
        nj_text_add(out, "\"");
        return true;
    case JSON_INTEGER:
    case JSON_REAL:
        print_number(value, number);
        nj_text_add(out, number);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        nj_text_add(out, json_is_true(value) ? "true" : "false");
        return true;
    case JSON_NULL:
        nj_text_add(out, "null");
        return true;
    default:
        return false;
    }
}

/* --- keywords --- */

struct collector {
    struct nj_compiler   *c;
    struct nj_shape      *shape;
    const struct nj_part *part;
    const char           *name;
    const json_t         *value;
};

static nj_status malformed(const struct collector *k, const char *must)
{
    return nj_refuse(k->c, nj_place_key(k->c, k->part->place, k->name), "\"%s\" must be %s", k->name, must);
}

static nj_status collect_type(const struct collector *k)
{
    static const struct {
        const char *name;
        unsigned    types;
    } names[]      = {{"null", NJ_TYPE_NULL},     {"boolean", NJ_TYPE_BOOLEAN}, {"integer", NJ_TYPE_INTEGER}, {"number", NJ_TYPE_NUMBER},
                      {"string", NJ_TYPE_STRING}, {"array", NJ_TYPE_ARRAY},     {"object", NJ_TYPE_OBJECT}};
    unsigned types = 0;
    size_t   count = json_is_array(k->value) ? json_array_size(k->value) : 1;
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_is_array(k->value) ? json_array_get(k->value, i) : k->value);
        unsigned    one  = 0;
        for (size_t n = 0; name && n < sizeof names / sizeof *names; n++)
            if (!strcmp(name, names[n].name))
                one = names[n].types;
        if (!one)
            return malformed(k, "null, boolean, integer, number, string, array or object, or a list of these");
        types |= one;
    }
    if (!types)
        return malformed(k, "a type or a list of at least one type");
    k->shape->types &= types;
    return NJ_OK;
}

static nj_status count_of(const struct collector *k, uint64_t *out)
{
    double value = json_number_value(k->value);
    if (!json_is_number(k->value) || !is_whole(k->value) || value < 0)
        return malformed(k, "a whole number, 0 or more");
    *out = value >= (double)NJ_UNLIMITED ? NJ_UNLIMITED : (uint64_t)value;
    return NJ_OK;
}

static nj_status collect_least(const struct collector *k, uint64_t *least)
{
    uint64_t  value  = 0;
    nj_status status = count_of(k, &value);
    *least           = value > *least ? value : *least;
    return status;
}

static nj_status collect_most(const struct collector *k, uint64_t *most)
{
    uint64_t  value  = NJ_UNLIMITED;
    nj_status status = count_of(k, &value);
    *most            = value < *most ? value : *most;
    return status;
}

/* A whole number beyond 2^53 stands for what was written and for what a double holds; neither may be passed. */
static void keep_both(const json_t *number, struct nj_decimal *bound, bool low)
{
    struct nj_decimal exact;
    char              text[400];
    if (!json_is_real(number) || fabs(json_real_value(number)) < 9007199254740992.0)
        return;
    print_real(json_real_value(number), text);
    if (nj_decimal_parse(text, &exact) && (low ? nj_decimal_compare(&exact, bound) > 0 : nj_decimal_compare(&exact, bound) < 0))
        *bound = exact;
}

/* The tighter of two bounds stays; of equal ones the exclusive. */
static nj_status collect_bound(const struct collector *k, struct nj_decimal *bound, bool low, bool exclusive)
{
    struct nj_decimal value;
    if (exclusive && json_is_boolean(k->value))
        return malformed(k, "a number (true and false are the form of draft-04, which is not supported)");
    if (!json_is_number(k->value))
        return malformed(k, "a number");
    if (!shortest_decimal(k->value, &value))
        return malformed(k, "a number whose digits fit; this one is too large or too small");
    keep_both(k->value, &value, low);
    value.exclusive = exclusive;
    int order       = bound->given ? nj_decimal_compare(&value, bound) : 0;
    if (!bound->given || (low ? order > 0 : order < 0) || (order == 0 && exclusive))
        *bound = value;
    return NJ_OK;
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    return b ? common_divisor(b, a % b) : a;
}

static nj_status collect_multiple(const struct collector *k)
{
    double value = json_number_value(k->value);
    if (!json_is_number(k->value) || value <= 0)
        return malformed(k, "a number above 0");
    if (!is_whole(k->value) || value > 1000)
        return nj_refuse(k->c, nj_place_key(k->c, k->part->place, k->name),
                         "\"multipleOf\" is supported for whole numbers up to 1000 only");
    uint32_t one = (uint32_t)value, other = k->shape->number.multiple ? k->shape->number.multiple : 1;
    uint64_t both = (uint64_t)one / common_divisor(one, other) * other;
    if (both > 10000)
        return nj_refuse(k->c, nj_place_key(k->c, k->part->place, k->name), "these \"multipleOf\" have no common multiple up to 10000");
    k->shape->number.multiple = (uint32_t)both;
    return NJ_OK;
}

static nj_status collect_pattern(const struct collector *k)
{
    if (!json_is_string(k->value))
        return malformed(k, "a string");
    if (strlen(json_string_value(k->value)) != json_string_length(k->value))
        return malformed(k, "a pattern without U+0000");
    if (k->shape->pattern_count == sizeof k->shape->patterns / sizeof *k->shape->patterns)
        return malformed(k, "given at most 16 times for one value");
    k->shape->pattern_place[k->shape->pattern_count] = nj_place_key(k->c, k->part->place, k->name);
    k->shape->patterns[k->shape->pattern_count++]    = json_string_value(k->value);
    return NJ_OK;
}

static nj_status collect_values(const struct collector *k, bool constant)
{
    json_t *kept  = json_array();
    size_t  count = constant ? 1 : json_array_size(k->value);
    if (!kept)
        return nj_no_memory(k->c);
    if (!constant && !json_is_array(k->value)) {
        json_decref(kept);
        return malformed(k, "a list of values");
    }
    const json_t *before = k->shape->values;
    nj_status     status = nj_spend(k->c, count * (1 + json_array_size(before) / 8));
    for (size_t i = 0; i < count && status == NJ_OK; i++) {
        json_t *value = constant ? (json_t *)k->value : json_array_get(k->value, i);
        bool    fits  = !before;
        for (size_t b = 0; b < json_array_size(before) && !fits; b++)
            fits = nj_same_value(json_array_get(before, b), value);
        if (fits && json_array_append(kept, value) != 0)
            status = nj_no_memory(k->c);
    }
    json_decref(k->shape->values);
    k->shape->values = kept;
    k->shape->listed = true;
    return status;
}

static nj_status collect_properties(const struct collector *k)
{
    if (!json_is_object(k->value))
        return malformed(k, "an object whose values are schemas");
    return NJ_OK;
}

static nj_status collect_required(const struct collector *k)
{
    bool names = json_is_array(k->value);
    for (size_t i = 0; names && i < json_array_size(k->value); i++)
        names = json_is_string(json_array_get(k->value, i));
    return names ? NJ_OK : malformed(k, "a list of names");
}

static nj_status collect_items(const struct collector *k)
{
    if (json_is_array(k->value) && !k->c->array_items)
        return malformed(k, "a schema (a list is the form of older drafts: say so with $schema, or use prefixItems)");
    return NJ_OK;
}

static nj_status collect_unique(const struct collector *k)
{
    if (!json_is_boolean(k->value))
        return malformed(k, "true or false");
    if (json_is_true(k->value))
        k->shape->unique = nj_place_key(k->c, k->part->place, k->name);
    return NJ_OK;
}

static nj_status collect(const struct collector *k, bool without_values)
{
    struct nj_shape *s = k->shape;
    const char      *n = k->name;
    if (!strcmp(n, "type"))
        return collect_type(k);
    if (!strcmp(n, "enum") || !strcmp(n, "const"))
        return without_values ? NJ_OK : collect_values(k, n[0] == 'c');
    if (!strcmp(n, "minLength"))
        return collect_least(k, &s->min_length);
    if (!strcmp(n, "maxLength"))
        return collect_most(k, &s->max_length);
    if (!strcmp(n, "minItems"))
        return collect_least(k, &s->min_items);
    if (!strcmp(n, "maxItems"))
        return collect_most(k, &s->max_items);
    if (!strcmp(n, "minProperties") || !strcmp(n, "maxProperties")) {
        s->property_limit = nj_place_key(k->c, k->part->place, n);
        return n[1] == 'i' ? collect_least(k, &s->min_properties) : collect_most(k, &s->max_properties);
    }
    if (!strcmp(n, "minimum") || !strcmp(n, "exclusiveMinimum"))
        return collect_bound(k, &s->number.low, true, n[0] == 'e');
    if (!strcmp(n, "maximum") || !strcmp(n, "exclusiveMaximum"))
        return collect_bound(k, &s->number.high, false, n[0] == 'e');
    if (!strcmp(n, "multipleOf"))
        return collect_multiple(k);
    if (!strcmp(n, "pattern"))
        return collect_pattern(k);
    if (!strcmp(n, "properties"))
        return collect_properties(k);
    if (!strcmp(n, "required"))
        return collect_required(k);
    if (!strcmp(n, "uniqueItems"))
        return collect_unique(k);
    if (!strcmp(n, "items"))
        return collect_items(k);
    if (!strcmp(n, "prefixItems") && (!json_is_array(k->value) || json_array_size(k->value) == 0))
        return malformed(k, "a list of one or more schemas");
    if (!strcmp(n, "additionalItems") && !k->c->array_items)
        return malformed(k, "written as \"items\" in this draft (or say with $schema that it is an older one)");
    return NJ_OK;
}

nj_status nj_shape_of(struct nj_compiler *c, const struct nj_parts *parts, bool without_values, struct nj_shape *out)
{
    *out = (struct nj_shape){.types = NJ_TYPE_ANY, .max_length = NJ_UNLIMITED, .max_items = NJ_UNLIMITED, .max_properties = NJ_UNLIMITED};
    nj_status status = NJ_OK;
    for (uint32_t i = 0; i < parts->count && status == NJ_OK; i++) {
        const char *name;
        json_t     *value;
        json_object_foreach((json_t *)parts->data[i].schema, name, value)
        {
            struct collector k = {c, out, &parts->data[i], name, value};
            if (status == NJ_OK)
                status = collect(&k, without_values);
        }
    }
    if (status == NJ_OK && !(out->types & NJ_TYPE_FRACTION))
        out->number.integer = true;
    if (status == NJ_OK && out->number.multiple && (out->types & NJ_TYPE_NUMBER)) {
        out->number.integer = true; /* whole numbers are the only multiples of whole numbers */
    }
    if (status != NJ_OK) {
        json_decref(out->values);
        out->values = NULL;
    }
    return status;
}
