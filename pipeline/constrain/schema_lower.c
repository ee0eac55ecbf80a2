/* Limits to automata, literals, objects and arrays: one alternative at a time. */
#include "pipeline/constrain/schema.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST_LITERAL 65536u

struct nj_memo { /* an automaton that was built for these limits already */
    struct nj_memo *next;
    uint64_t        hash;
    char           *key;
    uint32_t        lexeme; /* NJ_NONE: nothing satisfies them */
};

nj_status nj_pool(struct nj_compiler *c, const char *text, size_t size, struct nj_literal *out)
{
    if (size > LONGEST_LITERAL)
        return nj_fail(c->error, "%s: a constant or name of more than %u bytes", c->name, LONGEST_LITERAL);
    if (!NJ_ROOM(c->g->bytes, size + 1))
        return nj_no_memory(c);
    *out = (struct nj_literal){c->g->bytes.count, (uint32_t)size};
    memcpy(c->g->bytes.data + out->text, text, size);
    c->g->bytes.count += (uint32_t)size;
    return NJ_OK;
}

/* --- lexemes --- */

static uint64_t text_hash(const char *text)
{
    uint64_t hash = NJ_KEY_HASH_START;
    while (*text)
        hash = nj_key_hash(hash, (uint8_t)*text++);
    return hash;
}

static struct nj_memo *recall(struct nj_compiler *c, const char *key)
{
    uint64_t hash = text_hash(key);
    for (struct nj_memo *m = c->memos; m; m = m->next)
        if (m->hash == hash && !strcmp(m->key, key))
            return m;
    return NULL;
}

static nj_status memorise(struct nj_compiler *c, const char *key, uint32_t lexeme)
{
    size_t          size = strlen(key) + 1;
    struct nj_memo *m    = nj_compiler_memory(c, sizeof *m + size);
    if (!m)
        return nj_no_memory(c);
    *m = (struct nj_memo){.next = c->memos, .hash = text_hash(key), .key = (char *)(m + 1), .lexeme = lexeme};
    memcpy(m->key, key, size);
    c->memos = m;
    return NJ_OK;
}

static nj_status add_lexeme(struct nj_compiler *c, uint32_t dfa, uint64_t min, uint64_t max, uint32_t *lexeme)
{
    if (!NJ_ROOM(c->g->lexemes, 1))
        return nj_no_memory(c);
    *lexeme                     = c->g->lexemes.count++;
    c->g->lexemes.data[*lexeme] = (struct nj_lexeme){.kind = NJ_LEX_DFA, .at = dfa, .min = (uint32_t)min, .max = (uint32_t)max};
    return NJ_OK;
}

static nj_status all_patterns(struct nj_compiler *c, const struct nj_shape *s, struct nj_chars *out)
{
    nj_status status = NJ_OK;
    *out             = (struct nj_chars){0};
    for (uint32_t i = 0; i < s->pattern_count && status == NJ_OK; i++) {
        struct nj_chars one = {0}, both = {0};
        struct nj_error why  = {{0}};
        uint32_t        work = 1500;
        status               = nj_chars_from_pattern(s->patterns[i], strlen(s->patterns[i]), c->g->any_order, &one, &work, &why);
        if (status == NJ_OK && i > 0)
            status = nj_chars_intersect(out, &one, &both, &why);
        else {
            both = one;
            one  = (struct nj_chars){0};
        }
        nj_chars_free(&one);
        nj_chars_free(out);
        *out = both;
        if (status != NJ_OK)
            status = nj_refuse(c, s->pattern_place[i], "%s", why.text);
        else
            status = nj_spend(c, work / 10 + both.states * UINT64_C(4));
    }
    return status;
}

/* An automaton for the patterns and as much of the lengths as cannot be counted beside it. *counted is the upper limit that is left to count. */
static nj_status pattern_lexeme(struct nj_compiler *c, const struct nj_shape *s, uint32_t *lexeme)
{
    struct nj_chars found = {0}, least = {0}, both = {0};
    struct nj_error why    = {{0}};
    uint32_t        dfa    = 0;
    uint64_t        most   = s->max_length;
    nj_status       status = all_patterns(c, s, &found);
    if (status != NJ_OK)
        goto cleanup;
    if (s->min_length > 0)
        status = nj_chars_limit(&found, (uint32_t)s->min_length, UINT32_MAX, &least, &why);
    if (status == NJ_OK && most != NJ_UNLIMITED && !nj_chars_open_ended(s->min_length ? &least : &found)) {
        status = nj_chars_limit(&found, (uint32_t)s->min_length, (uint32_t)most, &both, &why);
        most   = NJ_UNLIMITED;
    }
    const struct nj_chars *chars = both.states ? &both : least.states ? &least : &found;
    if (status == NJ_OK)
        status = nj_dfa_string(chars, c->g, &dfa, &why);
    if (status == NJ_OK && most != NJ_UNLIMITED &&
        c->g->dfa_states.data[c->g->dfas.data[dfa].info + c->g->dfas.data[dfa].start].chars > most)
        status = NJ_NOT_FOUND;
    *lexeme = NJ_NONE;
    if (status == NJ_NOT_FOUND)
        status = NJ_OK;
    else if (status != NJ_OK)
        status = nj_refuse(c, s->pattern_place[0], "%s", why.text);
    else {
        status = nj_spend(c, 100 + c->g->dfas.data[dfa].states * UINT64_C(10));
        if (status == NJ_OK)
            status = add_lexeme(c, dfa, 0, most, lexeme);
    }
cleanup:
    nj_chars_free(&found);
    nj_chars_free(&least);
    nj_chars_free(&both);
    return status;
}

static nj_status string_lexeme(struct nj_compiler *c, const struct nj_shape *s, uint32_t *lexeme)
{
    struct nj_text key = {0};
    *lexeme            = NJ_NONE;
    if (s->min_length > s->max_length)
        return NJ_OK;
    nj_text_addf(&key, "s %llu %llu", (unsigned long long)s->min_length, (unsigned long long)s->max_length);
    for (uint32_t i = 0; i < s->pattern_count; i++)
        nj_text_addf(&key, "\n%s", s->patterns[i]);
    nj_status       status = key.failed ? nj_no_memory(c) : nj_spend(c, 100);
    struct nj_memo *memo   = key.failed ? NULL : recall(c, key.data);
    if (memo)
        *lexeme = memo->lexeme;
    else if (status == NJ_OK) {
        status = s->pattern_count ? pattern_lexeme(c, s, lexeme) : add_lexeme(c, NJ_FREE_STRING, s->min_length, s->max_length, lexeme);
        if (status == NJ_OK)
            status = memorise(c, key.data, *lexeme);
    }
    nj_text_free(&key);
    return status;
}

static void describe_bound(struct nj_text *key, const struct nj_decimal *bound)
{
    nj_text_add(key, !bound->given ? " -" : bound->exclusive ? " x" : " i");
    if (!bound->given)
        return;
    nj_text_add(key, bound->negative ? "-" : "+");
    for (unsigned i = 0; i < (unsigned)bound->whole + bound->fraction; i++)
        nj_text_addf(key, "%s%u", i == bound->whole ? "." : "", bound->digits[i]);
    nj_text_addf(key, "w%u", bound->whole);
}

static nj_status number_lexeme(struct nj_compiler *c, const struct nj_shape *s, uint32_t *lexeme)
{
    struct nj_text         key   = {0};
    struct nj_number_rules rules = s->number;
    struct nj_error        why   = {{0}};
    uint32_t               dfa   = 0;
    if (rules.integer && rules.low.given)
        nj_decimal_round(&rules.low, true);
    if (rules.integer && rules.high.given)
        nj_decimal_round(&rules.high, false);
    nj_text_addf(&key, "n %d %u", rules.integer, rules.multiple);
    describe_bound(&key, &rules.low);
    describe_bound(&key, &rules.high);
    nj_status       status = key.failed ? nj_no_memory(c) : nj_spend(c, 200);
    struct nj_memo *memo   = key.failed ? NULL : recall(c, key.data);
    *lexeme                = memo ? memo->lexeme : NJ_NONE;
    if (!memo && status == NJ_OK) {
        status = nj_spend(c, 2000 + rules.low.whole + rules.low.fraction + rules.high.whole + rules.high.fraction + rules.multiple * 10);
        if (status == NJ_OK)
            status = nj_dfa_number(&rules, c->g, &dfa, &why);
        if (status == NJ_OK)
            status = add_lexeme(c, dfa, 0, NJ_UNLIMITED, lexeme);
        else if (status == NJ_NOT_FOUND)
            status = NJ_OK;
        else if (why.text[0])
            status = nj_fail(c->error, "%s: the limits of a number: %s", c->name, why.text);
        if (status == NJ_OK)
            status = memorise(c, key.data, *lexeme);
    }
    nj_text_free(&key);
    return status;
}

/* --- literals --- */

static nj_status add_literal(struct nj_compiler *c, struct nj_form *form, const json_t *value)
{
    struct nj_text    text = {0};
    struct nj_literal literal;
    nj_spell_scalar(&text, value);
    nj_status status = text.failed || !NJ_ROOM(c->form_literals, 1) ? nj_no_memory(c) : nj_spend(c, 1 + text.length / 4);
    if (status == NJ_OK)
        status = nj_pool(c, text.data, text.length, &literal);
    if (status == NJ_OK) {
        c->form_literals.data[c->form_literals.count++] = literal;
        form->literals.count++;
    }
    nj_text_free(&text);
    return status;
}

static nj_status string_fits(struct nj_compiler *c, const struct nj_shape *s, const struct nj_chars *patterns, const json_t *value,
                             bool *fits)
{
    const uint8_t *text  = (const uint8_t *)json_string_value(value);
    size_t         size  = json_string_length(value);
    uint64_t       count = 0;
    uint32_t       state = patterns->start;
    for (size_t i = 0; i < size; count++) {
        uint32_t point = 0;
        i += nj_utf8_length(text + i, size - i, &point);
        if (s->pattern_count && state)
            state = patterns->next[state * patterns->classes + nj_chars_class(patterns, point)];
    }
    *fits = count >= s->min_length && count <= s->max_length && (!s->pattern_count || (state && patterns->accept[state]));
    return nj_spend(c, size / 8);
}

static bool number_fits(const struct nj_shape *s, const json_t *value)
{
    struct nj_decimal d;
    if (!nj_json_decimal(value, &d) || (d.fraction && s->number.integer))
        return false;
    int low  = s->number.low.given ? nj_decimal_compare(&d, &s->number.low) : 1;
    int high = s->number.high.given ? nj_decimal_compare(&d, &s->number.high) : -1;
    if (low < 0 || (low == 0 && s->number.low.exclusive) || high > 0 || (high == 0 && s->number.high.exclusive))
        return false;
    uint32_t remainder = 0;
    for (unsigned i = 0; i < d.whole && s->number.multiple; i++)
        remainder = (remainder * 10 + d.digits[i]) % s->number.multiple;
    return remainder == 0;
}

static nj_status scalar_fits(struct nj_compiler *c, const struct nj_shape *s, const struct nj_chars *patterns, const json_t *value,
                             bool *fits)
{
    *fits = false;
    if (json_is_null(value))
        *fits = s->types & NJ_TYPE_NULL;
    else if (json_is_boolean(value))
        *fits = s->types & NJ_TYPE_BOOLEAN;
    else if (json_is_number(value))
        *fits = (s->types & NJ_TYPE_NUMBER) && number_fits(s, value);
    else if (json_is_string(value) && (s->types & NJ_TYPE_STRING))
        return string_fits(c, s, patterns, value, fits);
    return NJ_OK;
}

static nj_status lower_literals(struct nj_compiler *c, const struct nj_shape *s, struct nj_form *form)
{
    struct nj_chars patterns = {0};
    nj_status       status   = all_patterns(c, s, &patterns);
    for (size_t i = 0; i < json_array_size(s->values) && status == NJ_OK; i++) {
        const json_t *value = json_array_get(s->values, i);
        bool          fits;
        status = scalar_fits(c, s, &patterns, value, &fits);
        if (status == NJ_OK && fits)
            status = add_literal(c, form, value);
    }
    nj_chars_free(&patterns);
    return status;
}

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
    uint32_t at = (uint32_t)text_hash(name) & (n->slots - 1);
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
    *out                      = (struct nj_property){.hash = text_hash(name), .required = required, .usable = 1};
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
            status = add_literal(c, form, constants[i]);
    if (status == NJ_OK && (s->types & NJ_TYPE_NUMBER)) {
        status = number_lexeme(c, s, &lexeme);
        if (status == NJ_OK)
            status = use_lexeme(c, form, lexeme);
    }
    if (status == NJ_OK && (s->types & NJ_TYPE_STRING)) {
        status = string_lexeme(c, s, &lexeme);
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
        status = lower_literals(c, &shape, &form);
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
