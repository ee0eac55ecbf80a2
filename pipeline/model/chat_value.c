/* chat_value.c: JSON values as the template prints them, and the numbers that JSON parsers lose. */
#include "pipeline/model/chat_internal.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONG_INTEGER 18 /* digits that always fit into 64 bits */

void nj_chat_writer_free(struct nj_chat_writer *writer)
{
    nj_text_free(&writer->text);
    free(writer->markers);
}

void nj_chat_marker(struct nj_chat_writer *writer, const char *spelling)
{
    if (writer->marker_count == writer->marker_capacity) {
        size_t               capacity = writer->marker_capacity ? writer->marker_capacity * 2 : 32;
        struct nj_chat_span *markers  = realloc(writer->markers, capacity * sizeof *markers);
        if (!markers) {
            writer->text.failed = true;
            return;
        }
        writer->markers         = markers;
        writer->marker_capacity = capacity;
    }
    writer->markers[writer->marker_count++] = (struct nj_chat_span){writer->text.length, strlen(spelling)};
    nj_text_add(&writer->text, spelling);
}

void nj_chat_add_string(struct nj_chat_writer *writer, const json_t *string)
{
    nj_text_add_bytes(&writer->text, json_string_value(string), json_string_length(string));
}

bool nj_chat_is_true(const json_t *value)
{
    if (!value)
        return false;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return json_object_size(value) > 0;
    case JSON_ARRAY:
        return json_array_size(value) > 0;
    case JSON_STRING:
        return json_string_length(value) > 0;
    case JSON_INTEGER:
        return json_integer_value(value) != 0;
    case JSON_REAL:
        return json_real_value(value) != 0;
    case JSON_TRUE:
        return true;
    default:
        return false;
    }
}

/* Where a number that jansson cannot hold begins at `at`, its length, else 0. `at` is outside of strings and at the start of a number. */
static size_t long_integer(const char *bytes, size_t size, size_t at)
{
    size_t end = at + (bytes[at] == '-'), digits = 0;
    while (end + digits < size && isdigit((unsigned char)bytes[end + digits]))
        digits++;
    end += digits;
    bool is_real = end < size && (bytes[end] == '.' || bytes[end] == 'e' || bytes[end] == 'E');
    return digits > LONG_INTEGER && bytes[end - digits] != '0' && !is_real ? end - at : 0;
}

static bool is_number_byte(char c)
{
    return isalnum((unsigned char)c) || c == '+' || c == '-' || c == '.';
}

nj_status nj_chat_parse(const char *name, const char *bytes, size_t size, json_t **out, struct nj_error *error)
{
    struct nj_text text      = {0};
    bool           in_string = false;
    *out                     = NULL;
    for (size_t at = 0; at < size;) {
        bool   starts = !in_string && (bytes[at] == '-' || isdigit((unsigned char)bytes[at]));
        size_t length = starts ? long_integer(bytes, size, at) : 0;
        if (length) {
            nj_text_add(&text, "\"\\u0000");
            nj_text_add_bytes(&text, bytes + at, length);
            nj_text_add(&text, "\"");
        } else { /* an escape, a number or one byte: whole, so that their insides are not taken for something else */
            length = 1;
            if (starts)
                while (at + length < size && is_number_byte(bytes[at + length]))
                    length++;
            else if (in_string && bytes[at] == '\\' && at + 1 < size)
                length = 2;
            else if (bytes[at] == '"')
                in_string = !in_string;
            nj_text_add_bytes(&text, bytes + at, length);
        }
        at += length;
    }
    nj_status status = text.failed ? nj_fail(error, "%s: no memory to read it", name)
                                   : nj_json_parse(name, text.data ? text.data : "", text.length, out, error);
    nj_text_free(&text);
    return status;
}

/* The shortest digits that read back as the same number, laid out as Python's repr does: an exponent below 1e-4 and from 1e16. */
static void add_real(struct nj_text *out, double value)
{
    char digits[32], *exponent_at;
    int  precision = 0, exponent;
    if (!isfinite(value)) {
        nj_text_add(out, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return;
    }
    do
        snprintf(digits, sizeof digits, "%.*e", precision, value);
    while (precision++ < 17 && strtod(digits, NULL) != value);
    exponent_at = strchr(digits, 'e');
    exponent    = (int)strtol(exponent_at + 1, NULL, 10);
    int places  = (int)(exponent_at - digits) - (digits[0] == '-') - 1; /* digits behind the point, and the point */
    places      = places > 0 ? places - 1 : 0;
    if (exponent < -4 || exponent >= 16)
        nj_text_addf(out, "%.*se%c%02d", (int)(exponent_at - digits), digits, exponent < 0 ? '-' : '+', abs(exponent));
    else
        nj_text_addf(out, "%.*f", places - exponent > 1 ? places - exponent : 1, value);
}

/* Integers that nj_chat_parse kept as text. */
static bool is_long_integer(const json_t *value)
{
    const char *text   = json_string_value(value);
    size_t      length = json_string_length(value), at = 1;
    if (length < LONG_INTEGER + 2 || text[0] != 0)
        return false;
    at += text[1] == '-';
    while (at < length && isdigit((unsigned char)text[at]))
        at++;
    return at == length;
}

static void add_bare(struct nj_text *out, const json_t *value, bool python)
{
    switch (json_typeof(value)) {
    case JSON_STRING: /* a long integer */
        nj_text_add_bytes(out, json_string_value(value) + 1, json_string_length(value) - 1);
        break;
    case JSON_INTEGER:
        nj_text_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        add_real(out, json_real_value(value));
        break;
    case JSON_TRUE:
        nj_text_add(out, python ? "True" : "true");
        break;
    case JSON_FALSE:
        nj_text_add(out, python ? "False" : "false");
        break;
    default:
        nj_text_add(out, python ? "None" : "null");
        break;
    }
}

/* Python's repr of a string: quotes that need no escape where there is a choice. Non-ASCII text is taken to be printable. */
static void add_string_repr(struct nj_text *out, const char *text, size_t length)
{
    char quote = memchr(text, '\'', length) && !memchr(text, '"', length) ? '"' : '\'';
    nj_text_add_bytes(out, &quote, 1);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == (unsigned char)quote || c == '\\')
            nj_text_addf(out, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t')
            nj_text_addf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (c < 0x20 || c == 0x7f)
            nj_text_addf(out, "\\x%02x", c);
        else
            nj_text_add_bytes(out, &text[i], 1);
    }
    nj_text_add_bytes(out, &quote, 1);
}

static void add_repr(struct nj_text *out, const json_t *value)
{
    if (json_is_string(value) && !is_long_integer(value)) {
        add_string_repr(out, json_string_value(value), json_string_length(value));
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            nj_text_add(out, i ? ", " : "[");
            add_repr(out, json_array_get(value, i));
        }
        nj_text_add(out, json_array_size(value) ? "]" : "[]");
    } else if (json_is_object(value)) {
        const char *separator = "{";
        json_t     *map       = (json_t *)(uintptr_t)value;
        for (void *member = json_object_iter(map); member; member = json_object_iter_next(map, member)) {
            nj_text_add(out, separator);
            add_string_repr(out, json_object_iter_key(member), json_object_iter_key_len(member));
            nj_text_add(out, ": ");
            add_repr(out, json_object_iter_value(member));
            separator = ", ";
        }
        nj_text_add(out, json_object_size(value) ? "}" : "{}");
    } else {
        add_bare(out, value, true);
    }
}

void nj_chat_python(struct nj_chat_writer *writer, const json_t *value, bool upper)
{
    struct nj_text *text  = &writer->text;
    size_t          begin = text->length;
    if (!value)
        return;
    if (json_is_string(value) && !is_long_integer(value))
        nj_chat_add_string(writer, value);
    else
        add_repr(text, value);
    for (size_t i = begin; upper && i < text->length; i++)
        if (text->data[i] >= 'a' && text->data[i] <= 'z')
            text->data[i] = (char)(text->data[i] - 'a' + 'A');
}

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

/* UTF-8 bytes sort like code points, which is how Python compares. */
static int by_key(const void *a, const void *b)
{
    const struct nj_chat_member *x = a, *y = b;
    for (size_t i = 0; i < x->key_length && i < y->key_length; i++)
        if (lower(x->key[i]) != lower(y->key[i]))
            return lower(x->key[i]) - lower(y->key[i]);
    if (x->key_length != y->key_length)
        return x->key_length < y->key_length ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

struct nj_chat_member *nj_chat_sorted(const json_t *map, size_t *count)
{
    json_t                *object  = (json_t *)(uintptr_t)map;
    struct nj_chat_member *members = malloc((json_object_size(map) + 1) * sizeof *members);
    *count                         = 0;
    if (!members)
        return NULL;
    for (void *member = json_object_iter(object); member; member = json_object_iter_next(object, member)) {
        members[*count] =
            (struct nj_chat_member){json_object_iter_key(member), json_object_iter_key_len(member), *count, json_object_iter_value(member)};
        ++*count;
    }
    qsort(members, *count, sizeof *members, by_key);
    return members;
}

void nj_chat_members(struct nj_chat_writer *writer, const json_t *map, bool quote_keys)
{
    size_t                 count;
    struct nj_chat_member *members = nj_chat_sorted(map, &count);
    if (!members)
        writer->text.failed = true;
    for (size_t i = 0; i < count; i++) {
        if (i)
            nj_text_add(&writer->text, ",");
        if (quote_keys)
            nj_chat_marker(writer, NJ_QUOTE);
        nj_text_add_bytes(&writer->text, members[i].key, members[i].key_length);
        if (quote_keys)
            nj_chat_marker(writer, NJ_QUOTE);
        nj_text_add(&writer->text, ":");
        nj_chat_value(writer, members[i].value, quote_keys);
    }
    free(members);
}

void nj_chat_value(struct nj_chat_writer *writer, const json_t *value, bool quote_keys)
{
    struct nj_text *text = &writer->text;
    if (!value) {
        nj_text_add(text, "[]");
    } else if (json_is_object(value)) {
        nj_text_add(text, "{");
        nj_chat_members(writer, value, quote_keys);
        nj_text_add(text, "}");
    } else if (json_is_array(value)) {
        nj_text_add(text, "[");
        for (size_t i = 0; i < json_array_size(value); i++) {
            nj_text_add(text, i ? "," : "");
            nj_chat_value(writer, json_array_get(value, i), quote_keys);
        }
        nj_text_add(text, "]");
    } else if (json_is_string(value) && !is_long_integer(value)) {
        nj_chat_marker(writer, NJ_QUOTE);
        nj_chat_add_string(writer, value);
        nj_chat_marker(writer, NJ_QUOTE);
    } else {
        add_bare(text, value, false);
    }
}
