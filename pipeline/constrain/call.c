/* A call is a regular language, so its automaton is built directly: one state a place, deterministic from the start. */
#include "pipeline/constrain/call.h"
#include "base/text.h"
#include "pipeline/constrain/dfa.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define QUOTE            0xFFu
#define MOST_PARAMETERS  32
#define MOST_CHARACTERS  200
#define USUAL_CHARACTERS 32
#define MOST_INTEGERS    2000 /* a range of so many is spelled out */

/* What may stand behind a value: ',' and the bracket that closes what it is in; 0: not here. */
struct after {
    uint32_t comma, closed;
    uint8_t  bracket;
};

struct parameter {
    const char   *name;
    const json_t *schema;
    bool          required;
};

static void end_value(struct nj_dfa_builder *b, uint32_t state, const struct after *after)
{
    if (after->comma)
        nj_dfa_edge(b, state, ',', ',', after->comma);
    if (after->closed)
        nj_dfa_edge(b, state, after->bracket, after->bracket, after->closed);
}

/* The state behind one more byte, shared by all texts that begin alike. */
static uint32_t extend(struct nj_dfa_builder *b, uint32_t from, uint8_t byte)
{
    if (!b->failed && b->next[from][byte])
        return b->next[from][byte];
    uint32_t to = nj_dfa_state(b, 0);
    nj_dfa_edge(b, from, byte, byte, to);
    return to;
}

static uint32_t extend_text(struct nj_dfa_builder *b, uint32_t from, const char *text)
{
    for (; *text; text++)
        from = extend(b, from, (uint8_t)*text);
    return from;
}

/* One character of an id, from a state whose mask is kept: a third of the vocabulary begins like this. */
static void add_character(struct nj_dfa_builder *b, uint32_t from, uint32_t to)
{
    nj_dfa_edge(b, from, '0', '9', to);
    nj_dfa_edge(b, from, 'A', 'Z', to);
    nj_dfa_edge(b, from, 'a', 'z', to);
    for (const char *other = "._:-"; *other; other++)
        nj_dfa_edge(b, from, (uint8_t)*other, (uint8_t)*other, to);
}

static void add_date(struct nj_dfa_builder *b, uint32_t at, uint32_t end)
{
    uint32_t low = 0, high = 0, tens;
    at = extend(b, at, QUOTE);
    for (int i = 0; i < 4; i++) {
        uint32_t digit = nj_dfa_state(b, 0);
        nj_dfa_edge(b, at, i ? '0' : '1', i ? '9' : '2', digit);
        at = digit;
    }
    at   = extend(b, at, '-');
    low  = nj_dfa_state(b, 0); /* behind a whole month */
    tens = extend(b, at, '0');
    nj_dfa_edge(b, tens, '1', '9', low);
    nj_dfa_edge(b, extend(b, at, '1'), '0', '2', low);
    at   = extend(b, low, '-');
    high = nj_dfa_state(b, 0); /* behind a whole day */
    tens = extend(b, at, '0');
    nj_dfa_edge(b, tens, '1', '9', high);
    tens = nj_dfa_state(b, 0);
    nj_dfa_edge(b, at, '1', '2', tens);
    nj_dfa_edge(b, tens, '0', '9', high);
    nj_dfa_edge(b, extend(b, at, '3'), '0', '1', high);
    nj_dfa_edge(b, high, QUOTE, QUOTE, end);
}

static nj_status add_string(struct nj_dfa_builder *b, uint32_t from, const json_t *schema, uint32_t end, struct nj_error *error)
{
    const json_t *words = json_object_get(schema, "enum"), *format = json_object_get(schema, "format");
    const json_t *longest = json_object_get(schema, "maxLength");
    json_int_t    most    = json_is_integer(longest) ? json_integer_value(longest) : USUAL_CHARACTERS;
    if (json_is_string(format) && !strcmp(json_string_value(format), "date")) {
        add_date(b, from, end);
        return NJ_OK;
    }
    for (size_t i = 0; i < json_array_size(words); i++) {
        const char *word = json_string_value(json_array_get(words, i));
        if (!word || !*word)
            return nj_fail(error, "an enum of other values than words");
        nj_dfa_edge(b, extend_text(b, extend(b, from, QUOTE), word), QUOTE, QUOTE, end);
    }
    if (json_array_size(words))
        return NJ_OK;
    if (most < 1 || most > MOST_CHARACTERS)
        return nj_fail(error, "maxLength: 1 to %d is supported", MOST_CHARACTERS);
    from = extend(b, from, QUOTE);
    if (!b->failed)
        b->flags[from] |= NJ_DFA_MANY;
    for (json_int_t i = 0; i < most; i++) {
        uint32_t next = nj_dfa_state(b, NJ_DFA_MANY);
        add_character(b, from, next);
        nj_dfa_edge(b, next, QUOTE, QUOTE, end);
        from = next;
    }
    return NJ_OK;
}

static void add_digits(struct nj_dfa_builder *b, uint32_t from, int most, const struct after *after, uint32_t last[])
{
    for (int i = 0; i < most; i++) {
        uint32_t next = nj_dfa_state(b, 0);
        nj_dfa_edge(b, from, '0', '9', next);
        end_value(b, next, after);
        last[i] = from = next;
    }
}

static nj_status add_integer(struct nj_dfa_builder *b, uint32_t from, const json_t *schema, const struct after *after,
                             struct nj_error *error)
{
    const json_t *low = json_object_get(schema, "minimum"), *high = json_object_get(schema, "maximum");
    json_int_t    least = json_is_integer(low) ? json_integer_value(low) : 0;
    json_int_t    most  = json_is_integer(high) ? json_integer_value(high) : least + MOST_INTEGERS - 1;
    char          text[32];
    if (least < -1000000 || most > 1000000000 || most < least || most - least >= MOST_INTEGERS)
        return nj_fail(error, "minimum and maximum: a range of at most %d is supported", MOST_INTEGERS);
    for (json_int_t i = least; i <= most; i++) {
        snprintf(text, sizeof text, "%lld", (long long)i);
        end_value(b, extend_text(b, from, text), after);
    }
    return NJ_OK;
}

/* A share of 0 to 1 with at most three decimals; other numbers are not needed yet. */
static nj_status add_number(struct nj_dfa_builder *b, uint32_t from, const json_t *schema, const struct after *after,
                            struct nj_error *error)
{
    uint32_t zero = nj_dfa_state(b, 0), one = nj_dfa_state(b, 0), point = nj_dfa_state(b, 0), digits[3];
    if (json_number_value(json_object_get(schema, "minimum")) != 0 || json_number_value(json_object_get(schema, "maximum")) != 1)
        return nj_fail(error, "a number: minimum 0 and maximum 1 is supported");
    nj_dfa_edge(b, from, '0', '0', zero);
    nj_dfa_edge(b, from, '1', '1', one);
    end_value(b, zero, after);
    end_value(b, one, after);
    nj_dfa_edge(b, zero, '.', '.', point);
    add_digits(b, point, 3, after, digits);
    return NJ_OK;
}

static nj_status add_value(struct nj_dfa_builder *b, uint32_t from, const json_t *schema, const struct after *after, bool in_array,
                           struct nj_error *error)
{
    const char *type = json_string_value(json_object_get(schema, "type"));
    uint32_t    end;
    if (type && !strcmp(type, "integer"))
        return add_integer(b, from, schema, after, error);
    if (type && !strcmp(type, "number"))
        return add_number(b, from, schema, after, error);
    if (type && !strcmp(type, "boolean")) {
        end_value(b, extend_text(b, from, "true"), after);
        end_value(b, extend_text(b, from, "false"), after);
        return NJ_OK;
    }
    end = nj_dfa_state(b, 0);
    end_value(b, end, after);
    if (type && !strcmp(type, "string"))
        return add_string(b, from, schema, end, error);
    if (type && !strcmp(type, "array") && !in_array) {
        uint32_t item = extend(b, from, '[');
        return add_value(b, item, json_object_get(schema, "items"), &(struct after){item, end, ']'}, true, error);
    }
    return nj_fail(error, "the type \"%s\" is not supported in a call", type ? type : "");
}

static int by_name(const void *a, const void *b)
{
    const struct parameter *x = a, *y = b;
    return strcasecmp(x->name, y->name);
}

static size_t collect(const json_t *parameters, struct parameter out[MOST_PARAMETERS])
{
    const json_t *required = json_object_get(parameters, "required");
    const char   *name;
    json_t       *schema;
    size_t        count = 0;
    json_object_foreach(json_object_get(parameters, "properties"), name, schema)
    {
        if (count == MOST_PARAMETERS)
            return count + 1;
        out[count] = (struct parameter){.name = name, .schema = schema};
        for (size_t i = 0; i < json_array_size(required); i++)
            out[count].required |=
                json_is_string(json_array_get(required, i)) && !strcmp(json_string_value(json_array_get(required, i)), name);
        count++;
    }
    qsort(out, count, sizeof *out, by_name);
    return count;
}

/* key[i]: where the i-th parameter or a later one may begin; each value is built once, behind whichever key leads there. */
static nj_status add_arguments(struct nj_dfa_builder *b, uint32_t open, uint32_t end, const json_t *parameters, struct nj_error *error)
{
    struct parameter list[MOST_PARAMETERS];
    uint32_t         key[MOST_PARAMETERS + 1], value[MOST_PARAMETERS];
    struct nj_error  why    = {{0}};
    nj_status        status = NJ_OK;
    size_t           count  = collect(parameters, list);
    bool             free_end[MOST_PARAMETERS + 2]; /* nothing is required from there on */
    if (count > MOST_PARAMETERS)
        return nj_fail(error, "more than %d parameters", MOST_PARAMETERS);
    free_end[count] = true;
    for (size_t i = count; i-- > 0;)
        free_end[i] = free_end[i + 1] && !list[i].required;
    for (size_t i = 0; i < count; i++) {
        key[i]   = i ? nj_dfa_state(b, 0) : open;
        value[i] = nj_dfa_state(b, 0);
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = i; k < count; k++) {
            nj_dfa_edge(b, extend_text(b, key[i], list[k].name), ':', ':', value[k]);
            if (list[k].required)
                break;
        }
    if (free_end[0])
        nj_dfa_edge(b, open, '}', '}', end);
    for (size_t i = 0; i < count && status == NJ_OK; i++) {
        struct after after = {i + 1 < count ? key[i + 1] : 0, free_end[i + 1] ? end : 0, '}'};
        status             = add_value(b, value[i], list[i].schema, &after, false, &why);
        if (status != NJ_OK)
            nj_fail(error, "%s: %s", list[i].name, why.text);
    }
    return status;
}

static nj_status make_grammar(struct nj_dfa_builder *b, uint32_t start, struct nj_grammar **out, struct nj_error *error)
{
    struct nj_grammar *g = calloc(1, sizeof *g);
    uint32_t           dfa;
    nj_status          status = g ? nj_dfa_add_free_string(g, error) : nj_fail(error, "no memory for the grammar of calls");
    if (status == NJ_OK)
        status = nj_dfa_finish(b, start, g, &dfa, error);
    if (status == NJ_OK)
        status = nj_dfa_is_all(g, dfa, error);
    if (status == NJ_OK) {
        *out = g;
        g    = NULL;
    }
    nj_grammar_close(g);
    free(b->next);
    free(b->flags);
    return status;
}

nj_status nj_call_grammar(const json_t *tools, struct nj_grammar **out, struct nj_error *error)
{
    struct nj_dfa_builder b     = {0};
    struct nj_error       why   = {{0}};
    uint32_t              start = nj_dfa_state(&b, 0), end = nj_dfa_state(&b, NJ_DFA_ACCEPT), call = extend_text(&b, start, "call:");
    nj_status             status = NJ_OK;
    *out                         = NULL;
    if (!json_array_size(tools))
        status = nj_fail(error, "no tool is declared");
    for (size_t i = 0; i < json_array_size(tools) && status == NJ_OK; i++) {
        const json_t *function = json_object_get(json_array_get(tools, i), "function");
        const char   *name     = json_string_value(json_object_get(function, "name"));
        if (!name || !*name || strcspn(name, "{}<>") != strlen(name))
            status = nj_fail(error, "tool %zu has no name that can be called", i);
        else if (add_arguments(&b, extend(&b, extend_text(&b, call, name), '{'), end, json_object_get(function, "parameters"), &why) !=
                 NJ_OK)
            status = nj_fail(error, "the tool %s: %s", name, why.text);
    }
    if (status == NJ_OK)
        return make_grammar(&b, start, out, error);
    free(b.next);
    free(b.flags);
    return status;
}

/* --- reading --- */

struct call_reader {
    const char *at, *end;
};

static json_t *read_value(struct call_reader *r, bool in_array)
{
    if (r->at < r->end && *r->at == NJ_CALL_QUOTE) {
        const char *text = ++r->at;
        while (r->at < r->end && *r->at != NJ_CALL_QUOTE)
            r->at++;
        return r->at < r->end ? json_stringn(text, (size_t)(r->at++ - text)) : NULL;
    }
    if (r->at < r->end && *r->at == '[' && !in_array) {
        json_t *list = json_array();
        do {
            r->at++;
            if (json_array_append_new(list, read_value(r, true)) != 0) {
                json_decref(list);
                return NULL;
            }
        } while (r->at < r->end && *r->at == ',');
        if (r->at < r->end && *r->at == ']') {
            r->at++;
            return list;
        }
        json_decref(list);
        return NULL;
    }
    const char *text = r->at;
    while (r->at < r->end && !strchr(",]}", *r->at))
        r->at++;
    return json_loadb(text, (size_t)(r->at - text), JSON_DECODE_ANY, NULL);
}

static json_t *read_arguments(struct call_reader *r)
{
    json_t *arguments = json_object();
    if (r->at < r->end && *r->at == '}')
        return arguments;
    while (r->at < r->end) {
        const char *name = r->at, *colon = memchr(name, ':', (size_t)(r->end - name));
        if (!colon)
            break;
        r->at         = colon + 1;
        json_t *value = read_value(r, false);
        if (!value || json_object_setn_new(arguments, name, (size_t)(colon - name), value) != 0 || r->at >= r->end)
            break;
        if (*r->at == '}')
            return arguments;
        if (*r->at++ != ',')
            break;
    }
    json_decref(arguments);
    return NULL;
}

nj_status nj_call_read(const char *text, size_t size, char **name, json_t **arguments, struct nj_error *error)
{
    const char *open = size > 5 && !memcmp(text, "call:", 5) ? memchr(text, '{', size) : NULL;
    *name            = NULL;
    *arguments       = NULL;
    if (open) {
        struct call_reader r = {open + 1, text + size};
        *name                = strndup(text + 5, (size_t)(open - text) - 5);
        *arguments           = read_arguments(&r);
        if (*name && *arguments && r.at + 1 == r.end)
            return NJ_OK;
    }
    free(*name);
    json_decref(*arguments);
    *name      = NULL;
    *arguments = NULL;
    return nj_fail(error, "this is no whole call of a tool");
}
