/* One alternative at a time: limits to objects, arrays and scalars. */
#include "pipeline/constrain/schema.h"

#include <string.h>

/* --- arrays --- */

/* What the parts say about item `at`; NJ_NONE as `at`: about all behind the prefix. */
static nj_status item_value(struct nj_compiler *c, const struct nj_parts *parts, size_t at, uint32_t *value)
{
    struct nj_parts inner  = {0};
    nj_status       status = nj_spend(c, parts->count);
    for (uint32_t i = 0; i < parts->count && status == NJ_OK; i++) {
        const struct nj_part *part  = &parts->data[i];
        const json_t         *items = json_object_get(part->schema, "items"), *rest = items;
        const json_t         *prefix = json_object_get(part->schema, "prefixItems");
        const char           *list = "prefixItems", *other = "items";
        if (json_is_array(items)) { /* the form of older drafts */
            prefix = items;
            rest   = json_object_get(part->schema, "additionalItems");
            list   = "items";
            other  = "additionalItems";
        }
        bool ok = true;
        if (at < json_array_size(prefix))
            ok = nj_parts_add(c, &inner, json_array_get(prefix, at), nj_place_index(c, nj_place_key(c, part->place, list), at));
        else if (rest)
            ok = nj_parts_add(c, &inner, rest, nj_place_key(c, part->place, other));
        if (!ok)
            status = nj_no_memory(c);
    }
    return status == NJ_OK ? nj_value_of(c, &inner, value) : status;
}

static size_t prefix_length(const struct nj_parts *parts)
{
    size_t longest = 0;
    for (uint32_t i = 0; i < parts->count; i++) {
        const json_t *items = json_object_get(parts->data[i].schema, "items");
        size_t        size  = json_array_size(json_is_array(items) ? items : json_object_get(parts->data[i].schema, "prefixItems"));
        longest             = size > longest ? size : longest;
    }
    return longest;
}

static nj_status lower_array(struct nj_compiler *c, const struct nj_parts *parts, const struct nj_shape *s, struct nj_form *form)
{
    struct nj_grammar *g      = c->g;
    size_t             prefix = prefix_length(parts);
    if (s->min_items > s->max_items)
        return NJ_OK;
    if (!NJ_ROOM(g->arrays, 1) || !NJ_ROOM(g->numbers, prefix))
        return nj_no_memory(c);
    struct nj_array array = {.prefix = {g->numbers.count, (uint32_t)prefix}, .min = (uint32_t)s->min_items, .max = (uint32_t)s->max_items};
    g->numbers.count += (uint32_t)prefix;
    nj_status status = item_value(c, parts, NJ_NONE, &array.items);
    for (size_t i = 0; i < prefix && status == NJ_OK; i++)
        status = item_value(c, parts, i, &g->numbers.data[array.prefix.at + i]);
    if (status == NJ_OK && s->unique && s->max_items > 1) {
        if (!NJ_ROOM(c->array_checks, 1))
            return nj_no_memory(c);
        c->array_checks.data[c->array_checks.count++] = (struct nj_array_check){g->arrays.count, s->unique};
    }
    form->array                       = g->arrays.count;
    g->arrays.data[g->arrays.count++] = array;
    return status;
}

/* --- objects --- */

struct names { /* in order of their first appearance */
    const char **name;
    bool        *required;
    uint32_t     count, capacity;
    uint32_t    *slot, slots;
};

static uint32_t find_name(const struct names *n, const char *name)
{
    uint32_t at = (uint32_t)nj_text_hash(name) & (n->slots - 1);
    while (n->slot[at] && strcmp(n->name[n->slot[at] - 1], name) != 0)
        at = (at + 1) & (n->slots - 1);
    return at;
}

static void add_name(struct names *n, const char *name, bool required)
{
    uint32_t at = find_name(n, name);
    if (!n->slot[at]) {
        n->name[n->count] = name;
        n->slot[at]       = ++n->count;
    }
    n->required[n->slot[at] - 1] |= required;
}

static nj_status collect_names(struct nj_compiler *c, const struct nj_parts *parts, struct names *n)
{
    size_t most = 0;
    for (uint32_t i = 0; i < parts->count; i++)
        most += json_object_size(json_object_get(parts->data[i].schema, "properties")) +
                json_array_size(json_object_get(parts->data[i].schema, "required"));
    *n = (struct names){.slots = 16};
    while (n->slots < most * 2)
        n->slots *= 2;
    n->name          = nj_compiler_memory(c, (most + 1) * sizeof *n->name);
    n->required      = nj_compiler_memory(c, most + 1);
    n->slot          = nj_compiler_memory(c, n->slots * sizeof *n->slot);
    nj_status status = n->name && n->required && n->slot ? nj_spend(c, most) : nj_no_memory(c);
    for (uint32_t i = 0; i < parts->count && status == NJ_OK; i++) {
        const char *name;
        json_t     *value;
        json_object_foreach(json_object_get(parts->data[i].schema, "properties"), name, value)
        {
            add_name(n, name, false);
        }
    }
    for (uint32_t i = 0; i < parts->count && status == NJ_OK; i++) {
        const json_t *required = json_object_get(parts->data[i].schema, "required");
        for (size_t k = 0; k < json_array_size(required); k++) {
            const json_t *name = json_array_get(required, k);
            if (strlen(json_string_value(name)) != json_string_length(name))
                return nj_refuse(c, nj_place_key(c, parts->data[i].place, "required"), "a name with U+0000 is not supported");
            add_name(n, json_string_value(name), true);
        }
    }
    return status;
}

/* What the parts say about the property `name`; NULL: about keys that none of them declares. */
static nj_status property_value(struct nj_compiler *c, const struct nj_parts *parts, const char *name, uint32_t *value)
{
    struct nj_parts inner  = {0};
    nj_status       status = nj_spend(c, parts->count);
    for (uint32_t i = 0; i < parts->count && status == NJ_OK; i++) {
        const struct nj_part *part     = &parts->data[i];
        const json_t         *declared = name ? json_object_get(json_object_get(part->schema, "properties"), name) : NULL;
        const json_t         *others   = json_object_get(part->schema, "additionalProperties");
        bool                  ok       = true;
        if (declared)
            ok = nj_parts_add(c, &inner, declared, nj_place_key(c, nj_place_key(c, part->place, "properties"), name));
        else if (others)
            ok = nj_parts_add(c, &inner, others, nj_place_key(c, part->place, "additionalProperties"));
        if (!ok)
            status = nj_no_memory(c);
    }
    return status == NJ_OK ? nj_value_of(c, &inner, value) : status;
}

static nj_status add_property(struct nj_compiler *c, const struct nj_parts *parts, const char *name, bool required, struct nj_property *out)
{
    struct nj_text    spelled = {0};
    struct nj_literal text    = {0};
    size_t            size    = strlen(name);
    *out                      = (struct nj_property){.hash = nj_text_hash(name), .required = required, .usable = 1};
    nj_spell_string(&spelled, name, size);
    nj_status status = spelled.failed ? nj_no_memory(c) : nj_spend(c, size / 4);
    if (status == NJ_OK)
        status = nj_pool(c, name, size, &text);
    if (status == NJ_OK)
        status = property_value(c, parts, name, &out->value);
    out->name    = text.text;
    out->size    = text.size;
    out->spelled = (uint32_t)spelled.length;
    nj_text_free(&spelled);
    return status;
}

static nj_status lower_object(struct nj_compiler *c, const struct nj_parts *parts, const struct nj_shape *s, struct nj_form *form)
{
    struct nj_grammar *g = c->g;
    struct names       names;
    nj_status          status = collect_names(c, parts, &names);
    if (status != NJ_OK)
        return status;
    if (!NJ_ROOM(g->objects, 1) || !NJ_ROOM(g->properties, (uint64_t)names.count + 1))
        return nj_no_memory(c);
    struct nj_object object = {.properties = {g->properties.count, names.count}};
    g->properties.count += names.count + 1;
    for (uint32_t i = 0; i < names.count && status == NJ_OK; i++) {
        status = add_property(c, parts, names.name[i], names.required[i], &g->properties.data[object.properties.at + i]);
        object.required += names.required[i];
    }
    g->properties.data[object.properties.at + names.count] = (struct nj_property){.next_required = NJ_NONE, .value = NJ_NONE};
    if (status == NJ_OK)
        status = property_value(c, parts, NULL, &object.extra);
    if (status == NJ_OK && s->property_limit) {
        if (!NJ_ROOM(c->object_checks, 1))
            return nj_no_memory(c);
        c->object_checks.data[c->object_checks.count++] =
            (struct nj_object_check){g->objects.count, s->min_properties, s->max_properties, s->property_limit};
    }
    form->object                        = g->objects.count;
    g->objects.data[g->objects.count++] = object;
    return status;
}

/* --- alternatives --- */

static nj_status add_form(struct nj_compiler *c, const struct nj_form *form)
{
    const struct nj_conjunction *k = &c->conjunctions.data[form->value];
    uint32_t                     n = 0;
    if (form->literals.count == 0 && form->lexemes.count == 0 && form->object == NJ_NONE && form->array == NJ_NONE)
        return NJ_OK; /* nothing fits: no alternative */
    for (uint32_t i = c->forms.count; i > 0 && c->forms.data[i - 1].value == form->value; i--)
        n++;
    if (n >= NJ_SCHEMA_ALTERNATIVES)
        return nj_refuse(c, k->parts.count ? k->parts.data[0].place : NULL, "more than %u alternatives", NJ_SCHEMA_ALTERNATIVES);
    if (!NJ_ROOM(c->forms, 1))
        return nj_no_memory(c);
    c->forms.data[c->forms.count++] = *form;
    return nj_spend(c, n / 4 + 1);
}

static nj_status use_lexeme(struct nj_compiler *c, struct nj_form *form, uint32_t lexeme)
{
    if (lexeme == NJ_NONE)
        return NJ_OK;
    if (!NJ_ROOM(c->form_lexemes, 1))
        return nj_no_memory(c);
    c->form_lexemes.data[c->form_lexemes.count++] = lexeme;
    form->lexemes.count++;
    return NJ_OK;
}

static nj_status lower_types(struct nj_compiler *c, const struct nj_parts *parts, const struct nj_shape *s, struct nj_form *form)
{
    nj_status status = NJ_OK;
    uint32_t  lexeme;
    json_t   *constants[] = {json_null(), json_true(), json_false()};
    for (int i = 0; i < 3 && status == NJ_OK; i++)
        if (s->types & (i ? NJ_TYPE_BOOLEAN : NJ_TYPE_NULL))
            status = nj_add_literal(c, form, constants[i]);
    if (status == NJ_OK && (s->types & NJ_TYPE_NUMBER)) {
        status = nj_number_lexeme(c, s, &lexeme);
        if (status == NJ_OK)
            status = use_lexeme(c, form, lexeme);
    }
    if (status == NJ_OK && (s->types & NJ_TYPE_STRING)) {
        status = nj_string_lexeme(c, s, &lexeme);
        if (status == NJ_OK)
            status = use_lexeme(c, form, lexeme);
    }
    if (status == NJ_OK && (s->types & NJ_TYPE_ARRAY))
        status = lower_array(c, parts, s, form);
    if (status == NJ_OK && (s->types & NJ_TYPE_OBJECT))
        status = lower_object(c, parts, s, form);
    return status == NJ_OK ? add_form(c, form) : status;
}

/* A schema that only this array or object satisfies. */
static json_t *exactly(const json_t *value)
{
    json_t *properties = json_object(), *required = json_array(), *items = json_array();
    if (json_is_object(value)) {
        const char *key;
        json_t     *inner;
        json_object_foreach((json_t *)value, key, inner)
        {
            json_object_set_new(properties, key, json_pack("{s:O}", "const", inner));
            json_array_append_new(required, json_string(key));
        }
        json_decref(items);
        return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required", required, "additionalProperties",
                         0);
    }
    for (size_t i = 0; i < json_array_size(value); i++)
        json_array_append_new(items, json_pack("{s:O}", "const", json_array_get(value, i)));
    json_decref(properties);
    json_decref(required);
    json_t *schema = json_pack("{s:s, s:b, s:i}", "type", "array", "items", 0, "minItems", (int)json_array_size(value));
    if (json_array_size(value))
        json_object_set(schema, "prefixItems", items);
    json_decref(items);
    return schema;
}

static nj_status lower_composite(struct nj_compiler *c, const struct nj_parts *parts, const json_t *value, struct nj_form form)
{
    struct nj_parts with = {0};
    struct nj_shape shape;
    json_t         *schema = NJ_ROOM(c->synthetic, 1) ? exactly(value) : NULL;
    if (!schema)
        return nj_no_memory(c);
    c->synthetic.data[c->synthetic.count++] = schema;
    bool ok                                 = true;
    for (uint32_t i = 0; i < parts->count && ok; i++)
        ok = nj_parts_add(c, &with, parts->data[i].schema, parts->data[i].place);
    ok               = ok && nj_parts_add(c, &with, schema, parts->count ? parts->data[0].place : NULL);
    nj_status status = ok ? nj_spend(c, 10 + parts->count) : nj_no_memory(c);
    if (status == NJ_OK)
        status = nj_shape_of(c, &with, true, &shape);
    if (status != NJ_OK)
        return status;
    form.literals.at = c->form_literals.count;
    form.lexemes.at  = c->form_lexemes.count;
    return lower_types(c, &with, &shape, &form);
}

nj_status nj_lower(struct nj_compiler *c, uint32_t value, const struct nj_parts *parts, const struct nj_branch *branches,
                   uint32_t branch_count)
{
    struct nj_form  form = {.value    = value,
                            .object   = NJ_NONE,
                            .array    = NJ_NONE,
                            .literals = {c->form_literals.count, 0},
                            .lexemes  = {c->form_lexemes.count, 0},
                            .branches = {c->branches.count, branch_count}};
    struct nj_shape shape;
    if (!NJ_ROOM(c->branches, branch_count))
        return nj_no_memory(c);
    if (branch_count)
        memcpy(c->branches.data + c->branches.count, branches, branch_count * sizeof *branches);
    c->branches.count += branch_count;
    nj_status status = nj_shape_of(c, parts, false, &shape);
    if (status != NJ_OK)
        return status;
    if (!shape.listed)
        status = lower_types(c, parts, &shape, &form);
    else {
        status = nj_lower_literals(c, &shape, &form);
        if (status == NJ_OK)
            status = add_form(c, &form);
        form.literals.count = 0;
        for (size_t i = 0; i < json_array_size(shape.values) && status == NJ_OK; i++) {
            const json_t *one = json_array_get(shape.values, i);
            if (json_is_array(one) || json_is_object(one))
                status = lower_composite(c, parts, one, form);
        }
    }
    json_decref(shape.values);
    return status;
}
