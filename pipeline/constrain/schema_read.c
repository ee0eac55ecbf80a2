/* What a schema says: its keywords, where a $ref leads, and which alternatives allOf, anyOf and oneOf make together. */
#include "pipeline/constrain/schema.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

enum use { LIMIT, ANNOTATION, TOP_ONLY };

/* Every keyword that may stand in a schema. What is not here is refused. */
static const struct {
    const char *name;
    enum use    use;
} keywords[] = {
    {"type", LIMIT},
    {"enum", LIMIT},
    {"const", LIMIT},
    {"anyOf", LIMIT},
    {"oneOf", LIMIT},
    {"allOf", LIMIT},
    {"$ref", LIMIT},
    {"properties", LIMIT},
    {"required", LIMIT},
    {"additionalProperties", LIMIT},
    {"minProperties", LIMIT},
    {"maxProperties", LIMIT},
    {"items", LIMIT},
    {"prefixItems", LIMIT},
    {"additionalItems", LIMIT},
    {"minItems", LIMIT},
    {"maxItems", LIMIT},
    {"uniqueItems", LIMIT},
    {"minLength", LIMIT},
    {"maxLength", LIMIT},
    {"pattern", LIMIT},
    {"minimum", LIMIT},
    {"maximum", LIMIT},
    {"exclusiveMinimum", LIMIT},
    {"exclusiveMaximum", LIMIT},
    {"multipleOf", LIMIT},
    {"$schema", TOP_ONLY},
    {"$id", TOP_ONLY},
    {"id", TOP_ONLY},
    {"$defs", ANNOTATION},
    {"definitions", ANNOTATION},
    {"$anchor", ANNOTATION}, /* a name; a $ref that uses it is refused */
    {"$comment", ANNOTATION},
    {"title", ANNOTATION},
    {"description", ANNOTATION},
    {"default", ANNOTATION},
    {"example", ANNOTATION},
    {"examples", ANNOTATION},
    {"deprecated", ANNOTATION},
    {"readOnly", ANNOTATION},
    {"writeOnly", ANNOTATION},
    {"format", ANNOTATION},
    {"contentEncoding", ANNOTATION},
    {"contentMediaType", ANNOTATION},
    {"contentSchema", ANNOTATION},
};

struct chain { /* the schemas that are being read, innermost first */
    const json_t       *schema;
    const struct chain *up;
    uint32_t            depth;
};

struct choice { /* an anyOf or oneOf whose branches are still to be taken */
    const json_t          *holder, *branches;
    const struct nj_place *place;
    const struct chain    *chain;
    bool                   one;
};

struct reading {
    struct nj_compiler *c;
    struct nj_parts     parts;
    struct choice       choices[64];
    uint32_t            choice_count;
    struct nj_branch    taken[64];
    uint32_t            taken_count;
    bool                impossible; /* a `false` among the parts */
};

static nj_status refuse_keyword(struct nj_compiler *c, const struct nj_place *place, const char *name)
{
    return nj_refuse(c, nj_place_key(c, place, name), "the keyword \"%s\" is not supported", name);
}

/* What other drafts read over, or may check: what was meant is not known. */
static bool is_of_another_draft(const struct nj_compiler *c, const char *name)
{
    if (!strcmp(name, "prefixItems"))
        return c->draft && c->draft < 2020;
    if (!strcmp(name, "const"))
        return c->draft == 4;
    return c->draft < 2019 && (!strcmp(name, "contentEncoding") || !strcmp(name, "contentMediaType"));
}

static nj_status check_keywords(struct nj_compiler *c, const struct nj_part *part)
{
    const char *name;
    json_t     *value;
    bool        limits = false;
    json_object_foreach((json_t *)part->schema, name, value)
    {
        size_t i = 0;
        while (i < COUNT(keywords) && strcmp(keywords[i].name, name) != 0)
            i++;
        if (i == COUNT(keywords)) {
            if (strncmp(name, "x-", 2) != 0)
                return refuse_keyword(c, part->place, name);
        } else if (keywords[i].use == TOP_ONLY && part->schema != c->root)
            return nj_refuse(c, nj_place_key(c, part->place, name), "\"%s\" is supported at the top of a schema only", name);
        else if (is_of_another_draft(c, name))
            return nj_refuse(c, nj_place_key(c, part->place, name),
                             "\"%s\" means different things in different drafts; name one that has it with $schema, or leave it out", name);
        else
            limits |= keywords[i].use == LIMIT && strcmp(name, "$ref") != 0;
    }
    if (c->old_draft && limits && json_object_get(part->schema, "$ref"))
        return nj_refuse(c, nj_place_key(c, part->place, "$ref"),
                         "in this draft $ref hides the keywords beside it; put them into an allOf");
    return NJ_OK;
}

nj_status nj_read_root(struct nj_compiler *c)
{
    static const struct {
        const char *uri;
        unsigned    number;
    } drafts[]          = {{"https://json-schema.org/draft/2020-12/schema", 2020}, {"https://json-schema.org/draft/2019-09/schema", 2019},
                           {"http://json-schema.org/draft-07/schema", 7},          {"http://json-schema.org/draft-06/schema", 6},
                           {"http://json-schema.org/draft-04/schema", 4},          {"http://json-schema.org/schema", 2020}};
    const json_t *named = json_object_get(c->root, "$schema");
    c->old_draft        = json_object_get(c->root, "definitions") && !json_object_get(c->root, "$defs"); /* a guess, if nothing is named */
    if (!named)
        return NJ_OK;
    const char *uri    = json_string_value(named);
    size_t      length = uri ? strlen(uri) : 0;
    if (length && uri[length - 1] == '#')
        length--;
    for (size_t i = 0; uri && i < COUNT(drafts); i++)
        if (strlen(drafts[i].uri) == length && !strncmp(uri, drafts[i].uri, length)) {
            c->draft       = drafts[i].number;
            c->old_draft   = c->draft < 2019;
            c->array_items = c->draft < 2020;
            return NJ_OK;
        }
    return nj_refuse(c, nj_place_key(c, NULL, "$schema"), "this is no draft that is supported (2020-12, 2019-09, draft-07, -06, -04)");
}

/* --- $ref --- */

static bool hex_value(char digit, unsigned *value)
{
    if (digit >= '0' && digit <= '9')
        *value = (unsigned)(digit - '0');
    else if ((digit | 32) >= 'a' && (digit | 32) <= 'f')
        *value = (unsigned)((digit | 32) - 'a' + 10);
    else
        return false;
    return true;
}

/* One token of a pointer in a fragment, %XX and then ~0, ~1 undone. `out` has room for size + 1 bytes. */
static bool read_token(const char *text, size_t size, char *out)
{
    size_t   used = 0, kept = 0;
    unsigned high, low;
    for (size_t i = 0; i < size; i++) {
        out[used] = text[i];
        if (text[i] == '%') {
            if (i + 2 >= size || !hex_value(text[i + 1], &high) || !hex_value(text[i + 2], &low) || high * 16 + low == '/' ||
                high + low == 0)
                return false;
            out[used] = (char)(high * 16 + low);
            i += 2;
        }
        used++;
    }
    for (size_t i = 0; i < used; i++) {
        if (out[i] == '~') {
            if (++i == used || (out[i] != '0' && out[i] != '1'))
                return false;
            out[kept++] = out[i] == '0' ? '~' : '/';
        } else
            out[kept++] = out[i];
    }
    out[kept] = 0;
    return true;
}

static const json_t *child(const json_t *of, const char *token)
{
    if (json_is_object(of))
        return json_object_get(of, token);
    size_t digits = strspn(token, "0123456789");
    if (!json_is_array(of) || digits == 0 || digits > 9 || token[digits] || (token[0] == '0' && digits > 1))
        return NULL;
    return json_array_get(of, strtoul(token, NULL, 10));
}

static nj_status resolve(struct nj_compiler *c, const struct nj_place *place, const json_t *ref, struct nj_part *out)
{
    const char *text = json_string_value(ref);
    if (!text)
        return nj_refuse(c, place, "$ref must be a string");
    if (text[0] != '#' || (text[1] && text[1] != '/'))
        return nj_refuse(c, place, "\"%s\": only references inside this document (#, #/...) are supported", text);
    *out = (struct nj_part){.schema = c->root};
    for (const char *at = text + 1; *at == '/';) {
        size_t size  = strcspn(++at, "/");
        char  *token = nj_compiler_memory(c, size + 1);
        if (!token)
            return nj_no_memory(c);
        if (!read_token(at, size, token))
            return nj_refuse(c, place, "\"%s\" is not a JSON pointer", text);
        out->schema = child(out->schema, token);
        if (!out->schema)
            return nj_refuse(c, place, "\"%s\" leads nowhere", text);
        if (json_is_string(json_object_get(out->schema, "$id")))
            return nj_refuse(c, place, "\"%s\" leads through a schema with its own $id, which is not supported", text);
        out->place = nj_place_key(c, out->place, token);
        at += size;
    }
    return NJ_OK;
}

/* --- all that holds together, and the choices in it --- */

static nj_status read_part(struct reading *r, struct nj_part part, const struct chain *up);

static nj_status read_list(struct reading *r, const struct nj_part *holder, const char *name, const struct chain *chain)
{
    const json_t *list = json_object_get(holder->schema, name);
    if (!list)
        return NJ_OK;
    const struct nj_place *place = nj_place_key(r->c, holder->place, name);
    if (!json_is_array(list) || json_array_size(list) == 0)
        return nj_refuse(r->c, place, "\"%s\" must be a list of one or more schemas", name);
    if (!strcmp(name, "allOf")) {
        nj_status status = NJ_OK;
        for (size_t i = 0; i < json_array_size(list) && status == NJ_OK; i++)
            status = read_part(r, (struct nj_part){json_array_get(list, i), nj_place_index(r->c, place, i)}, chain);
        return status;
    }
    if (r->choice_count == COUNT(r->choices))
        return nj_refuse(r->c, place, "more than 64 anyOf and oneOf hold for the same value");
    r->choices[r->choice_count++] = (struct choice){holder->schema, list, place, chain, !strcmp(name, "oneOf")};
    return NJ_OK;
}

static nj_status read_part(struct reading *r, struct nj_part part, const struct chain *up)
{
    struct nj_compiler *c = r->c;
    if (json_is_boolean(part.schema)) {
        r->impossible |= json_is_false(part.schema);
        return NJ_OK;
    }
    if (!json_is_object(part.schema))
        return nj_refuse(c, part.place, "a schema must be an object, true or false");
    for (const struct chain *at = up; at; at = at->up)
        if (at->schema == part.schema)
            return nj_refuse(c, part.place, "this schema refers to itself without end");
    if (up && up->depth >= NJ_SCHEMA_DEPTH)
        return nj_refuse(c, part.place, "more than %u schemas inside each other for the same value", NJ_SCHEMA_DEPTH);
    for (uint32_t i = 0; i < r->parts.count; i++)
        if (r->parts.data[i].schema == part.schema)
            return NJ_OK;
    nj_status status = nj_spend(c, r->parts.count + 32);
    if (status == NJ_OK)
        status = check_keywords(c, &part);
    if (status != NJ_OK)
        return status;
    struct chain *chain = nj_compiler_memory(c, sizeof *chain);
    if (!chain || !nj_parts_add(c, &r->parts, part.schema, part.place))
        return nj_no_memory(c);
    *chain            = (struct chain){part.schema, up, up ? up->depth + 1 : 1};
    const json_t *ref = json_object_get(part.schema, "$ref");
    if (ref) {
        struct nj_part         target;
        const struct nj_place *place = nj_place_key(c, part.place, "$ref");
        status                       = resolve(c, place, ref, &target);
        if (status == NJ_OK)
            status = read_part(r, target, chain);
    }
    static const char *const lists[] = {"allOf", "anyOf", "oneOf"};
    for (size_t i = 0; i < 3 && status == NJ_OK; i++)
        status = read_list(r, &part, lists[i], chain);
    return status;
}

/* Takes each branch of the first open choice in turn, on a copy of what has been read, and goes on with the rest. */
static nj_status take_branches(struct reading *r, uint32_t value, nj_lower_form *lower)
{
    if (r->impossible)
        return NJ_OK;
    if (r->choice_count == 0)
        return lower(r->c, value, &r->parts, r->taken, r->taken_count);
    struct choice   choice = r->choices[0];
    struct reading *copy   = malloc(sizeof *copy);
    nj_status       status = NJ_OK;
    if (!copy)
        return nj_no_memory(r->c);
    for (size_t i = 0; i < json_array_size(choice.branches) && status == NJ_OK; i++) {
        *copy              = *r;
        copy->parts        = (struct nj_parts){0};
        copy->choice_count = r->choice_count - 1;
        memmove(copy->choices, r->choices + 1, copy->choice_count * sizeof *copy->choices);
        status = nj_spend(r->c, r->parts.count + 16);
        for (uint32_t k = 0; k < r->parts.count && status == NJ_OK; k++)
            if (!nj_parts_add(r->c, &copy->parts, r->parts.data[k].schema, r->parts.data[k].place))
                status = nj_no_memory(r->c);
        if (choice.one && status == NJ_OK) {
            if (copy->taken_count == COUNT(copy->taken))
                status = nj_refuse(r->c, choice.place, "more than 64 oneOf hold for the same value");
            else
                copy->taken[copy->taken_count++] = (struct nj_branch){choice.holder, choice.place, (uint32_t)i};
        }
        if (status == NJ_OK)
            status =
                read_part(copy, (struct nj_part){json_array_get(choice.branches, i), nj_place_index(r->c, choice.place, i)}, choice.chain);
        if (status == NJ_OK)
            status = take_branches(copy, value, lower);
    }
    free(copy);
    return status;
}

nj_status nj_expand(struct nj_compiler *c, uint32_t value, nj_lower_form *lower)
{
    struct reading *r      = calloc(1, sizeof *r);
    nj_status       status = r ? NJ_OK : nj_no_memory(c);
    if (!r)
        return status;
    r->c                     = c;
    const struct nj_parts in = c->conjunctions.data[value].parts;
    for (uint32_t i = 0; i < in.count && status == NJ_OK; i++)
        status = read_part(r, in.data[i], NULL);
    if (status == NJ_OK)
        status = take_branches(r, value, lower);
    free(r);
    return status;
}
