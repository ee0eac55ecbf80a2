/* chat_tools.c: the declaration of one tool, as the template words it (spec 7.4), with its corner cases. */
#include "pipeline/model/chat_internal.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 200 /* of schemas within schemas; the parser's own limit is higher than our stack needs to be */

static nj_status add_properties(struct nj_chat_writer *w, const json_t *properties, bool only_unusual, unsigned depth);

static void add_quoted(struct nj_chat_writer *w, const json_t *value, bool upper)
{
    nj_chat_marker(w, NJ_QUOTE);
    nj_chat_python(w, value, upper);
    nj_chat_marker(w, NJ_QUOTE);
}

/* Whether a type, printed in upper case, reads `name`. */
static bool type_is(const json_t *value, const char *name)
{
    const char *type = json_string_value(json_object_get(value, "type"));
    return type && strcasecmp(type, name) == 0 && json_string_length(json_object_get(value, "type")) == strlen(name);
}

static nj_status add_names(struct nj_chat_writer *w, const json_t *names)
{
    if (!json_is_array(names))
        return nj_fail(w->error, "a tool's `required` must be a list of names");
    nj_text_add(&w->text, "required:[");
    for (size_t i = 0; i < json_array_size(names); i++) {
        nj_text_add(&w->text, i ? "," : "");
        add_quoted(w, json_array_get(names, i), false);
    }
    nj_text_add(&w->text, "]");
    return NJ_OK;
}

static nj_status add_item_type(struct nj_chat_writer *w, const json_t *type)
{
    nj_text_add(&w->text, "type:");
    if (json_is_string(type)) {
        add_quoted(w, type, true);
        return NJ_OK;
    }
    if (!json_is_array(type))
        return nj_fail(w->error, "the type of a tool's items must be a name or a list of names");
    nj_text_add(&w->text, "[");
    for (size_t i = 0; i < json_array_size(type); i++) {
        nj_text_add(&w->text, i ? "," : "");
        add_quoted(w, json_array_get(type, i), true);
    }
    nj_text_add(&w->text, "]");
    return NJ_OK;
}

/* What stands in `items`: properties, required and type have forms of their own, all other keys keep their values. */
static nj_status add_items(struct nj_chat_writer *w, const json_t *items, unsigned depth)
{
    size_t                 count;
    struct nj_chat_member *members = nj_chat_sorted(items, &count);
    nj_status              status  = NJ_OK;
    bool                   first   = true;
    if (!members)
        w->text.failed = true;
    nj_text_add(&w->text, "items:{");
    for (size_t i = 0; i < count && status == NJ_OK; i++) {
        const struct nj_chat_member *member = &members[i];
        if (json_is_null(member->value))
            continue;
        nj_text_add(&w->text, first ? "" : ",");
        first = false;
        if (strcmp(member->key, "properties") == 0) {
            nj_text_add(&w->text, "properties:{");
            if (json_is_object(member->value))
                status = add_properties(w, member->value, false, depth + 1);
            nj_text_add(&w->text, "}");
        } else if (strcmp(member->key, "required") == 0) {
            status = add_names(w, member->value);
        } else if (strcmp(member->key, "type") == 0) {
            status = add_item_type(w, member->value);
        } else {
            nj_text_add_bytes(&w->text, member->key, member->key_length);
            nj_text_add(&w->text, ":");
            nj_chat_value(w, member->value, true);
        }
    }
    nj_text_add(&w->text, "}");
    free(members);
    return status;
}

/* `properties:{...}` and `required:[...]` of an object. Without a map of properties its own unusual keys are taken for properties. */
static nj_status add_object(struct nj_chat_writer *w, const json_t *value, unsigned depth)
{
    const json_t *properties = json_object_get(value, "properties"), *required = json_object_get(value, "required");
    nj_text_add(&w->text, "properties:{");
    nj_status status =
        json_is_object(properties) ? add_properties(w, properties, false, depth + 1) : add_properties(w, value, true, depth + 1);
    nj_text_add(&w->text, "},");
    if (status == NJ_OK && nj_chat_is_true(required)) {
        status = add_names(w, required);
        nj_text_add(&w->text, ",");
    }
    return status;
}

static nj_status add_property(struct nj_chat_writer *w, const json_t *value, unsigned depth)
{
    const json_t *description = json_object_get(value, "description"), *values = json_object_get(value, "enum"),
                 *items = json_object_get(value, "items");
    nj_status status    = NJ_OK;
    nj_text_add(&w->text, "{");
    if (nj_chat_is_true(description)) {
        nj_text_add(&w->text, "description:");
        add_quoted(w, description, false);
        nj_text_add(&w->text, ",");
    }
    if (type_is(value, "STRING") && nj_chat_is_true(values)) {
        nj_text_add(&w->text, "enum:");
        nj_chat_value(w, values, true);
        nj_text_add(&w->text, ",");
    } else if (type_is(value, "ARRAY") && json_is_object(items) && nj_chat_is_true(items)) {
        status = add_items(w, items, depth);
        nj_text_add(&w->text, ",");
    }
    if (nj_chat_is_true(json_object_get(value, "nullable")))
        nj_text_add(&w->text, "nullable:true,");
    if (status == NJ_OK && type_is(value, "OBJECT"))
        status = add_object(w, value, depth);
    nj_text_add(&w->text, "type:");
    add_quoted(w, json_object_get(value, "type"), true);
    nj_text_add(&w->text, "}");
    return status;
}

static bool is_usual(const char *key)
{
    static const char *const usual[] = {"description", "type", "properties", "required", "nullable"};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (strcmp(key, usual[i]) == 0)
            return true;
    return false;
}

static nj_status add_properties(struct nj_chat_writer *w, const json_t *properties, bool only_unusual, unsigned depth)
{
    size_t                 count;
    nj_status              status = NJ_OK;
    bool                   first  = true;
    struct nj_chat_member *members;
    if (depth > MAX_DEPTH)
        return nj_fail(w->error, "a tool's parameters are nested more than %d deep", MAX_DEPTH);
    members = nj_chat_sorted(properties, &count);
    if (!members)
        w->text.failed = true;
    for (size_t i = 0; i < count && status == NJ_OK; i++) {
        if (only_unusual && is_usual(members[i].key))
            continue;
        nj_text_add(&w->text, first ? "" : ",");
        first = false;
        nj_text_add_bytes(&w->text, members[i].key, members[i].key_length);
        nj_text_add(&w->text, ":");
        status = add_property(w, members[i].value, depth);
    }
    free(members);
    return status;
}

/* The closing brace stands with the type: parameters without one lose it, as in the template. */
static nj_status add_parameters(struct nj_chat_writer *w, const json_t *parameters)
{
    const json_t *properties = json_object_get(parameters, "properties"), *required = json_object_get(parameters, "required"),
                 *type = json_object_get(parameters, "type");
    nj_status status   = NJ_OK;
    nj_text_add(&w->text, ",parameters:{");
    if (nj_chat_is_true(properties)) {
        if (!json_is_object(properties))
            return nj_fail(w->error, "a tool's `properties` must be a map");
        nj_text_add(&w->text, "properties:{");
        status = add_properties(w, properties, false, 0);
        nj_text_add(&w->text, "},");
    }
    if (status == NJ_OK && nj_chat_is_true(required)) {
        status = add_names(w, required);
        nj_text_add(&w->text, ",");
    }
    if (nj_chat_is_true(type)) {
        nj_text_add(&w->text, "type:");
        add_quoted(w, type, true);
        nj_text_add(&w->text, "}");
    }
    return status;
}

static void add_response(struct nj_chat_writer *w, const json_t *response)
{
    nj_text_add(&w->text, ",response:{");
    if (nj_chat_is_true(json_object_get(response, "description"))) {
        nj_text_add(&w->text, "description:");
        add_quoted(w, json_object_get(response, "description"), false);
        nj_text_add(&w->text, ",");
    }
    if (type_is(response, "OBJECT")) {
        nj_text_add(&w->text, "type:");
        add_quoted(w, json_object_get(response, "type"), true);
        nj_text_add(&w->text, "}");
    }
}

nj_status nj_chat_declaration(struct nj_chat_writer *w, const json_t *tool)
{
    const json_t *function = json_object_get(tool, "function"), *parameters = json_object_get(function, "parameters");
    nj_status     status = NJ_OK;
    if (!json_is_object(function))
        return nj_fail(w->error, "it has no `function`; a tool is {\"type\": \"function\", \"function\": {...}}");
    nj_text_add(&w->text, "declaration:");
    nj_chat_python(w, json_object_get(function, "name"), false);
    nj_text_add(&w->text, "{description:");
    add_quoted(w, json_object_get(function, "description"), false);
    if (nj_chat_is_true(parameters))
        status = add_parameters(w, parameters);
    if (json_object_get(function, "response"))
        add_response(w, json_object_get(function, "response"));
    nj_text_add(&w->text, "}");
    return status;
}
