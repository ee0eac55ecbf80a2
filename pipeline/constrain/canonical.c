#include "pipeline/constrain/canonical.h"
#include "pipeline/constrain/schema.h"

#include <stdlib.h>
#include <string.h>

#define MOST_DEPTH 1000

struct reader {
    const char             *text;
    size_t                  size, at;
    unsigned                depth;
    enum nj_number_spelling numbers;
    struct nj_text         *out;
    struct nj_error        *error;
};

static nj_status read_value(struct reader *r);

static nj_status refuse(struct reader *r, const char *what)
{
    return nj_fail(r->error, "%s at byte %zu", what, r->at);
}

static char next(const struct reader *r)
{
    return r->at < r->size ? r->text[r->at] : 0;
}

static void skip_space(struct reader *r)
{
    while (r->at < r->size && strchr(" \t\r\n", r->text[r->at]) && r->text[r->at])
        r->at++;
}

static bool hexadecimal(struct reader *r, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = next(r);
        if (c >= '0' && c <= '9')
            *value = *value * 16 + (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            *value = *value * 16 + (uint32_t)((c | 32) - 'a' + 10);
        else
            return false;
    }
    return true;
}

/* The character behind a backslash. */
static bool read_escape(struct reader *r, uint32_t *point)
{
    static const char letters[] = "\"\\/bfnrt", points[] = "\"\\/\b\f\n\r\t";
    const char        c      = next(r);
    const char       *letter = c ? strchr(letters, c) : NULL;
    uint32_t          low;
    r->at++;
    if (letter) {
        *point = (uint8_t)points[letter - letters];
        return true;
    }
    if (c != 'u' || !hexadecimal(r, point) || (*point >= 0xDC00 && *point < 0xE000))
        return false;
    if (*point < 0xD800 || *point >= 0xE000)
        return true;
    if (r->at + 1 >= r->size || r->text[r->at] != '\\' || r->text[r->at + 1] != 'u')
        return false;
    r->at += 2;
    if (!hexadecimal(r, &low) || low < 0xDC00 || low >= 0xE000)
        return false;
    *point = 0x10000 + ((*point - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

static nj_status read_string(struct reader *r)
{
    r->at++;
    nj_text_add(r->out, "\"");
    while (next(r) != '"' || r->at >= r->size) {
        const uint8_t *bytes = (const uint8_t *)r->text + r->at;
        uint8_t        utf8[4];
        uint32_t       point;
        size_t         length = nj_utf8_length(bytes, r->size - r->at, &point);
        if (length == 0 || point < 0x20)
            return refuse(r, "a string that is not closed, or holds a control character or bytes that are not UTF-8,");
        r->at += length;
        if (point == '\\' && !read_escape(r, &point))
            return refuse(r, "an unknown escape or half a surrogate pair");
        length = nj_utf8_write(point, utf8);
        nj_spell_string(r->out, (const char *)utf8, length);
    }
    r->at++;
    nj_text_add(r->out, "\"");
    return NJ_OK;
}

static size_t digits(struct reader *r)
{
    size_t from = r->at;
    while (next(r) >= '0' && next(r) <= '9')
        r->at++;
    return r->at - from;
}

static void write_decimal(struct nj_text *out, const struct nj_decimal *d)
{
    nj_text_add(out, d->negative ? "-" : "");
    if (d->whole == 0)
        nj_text_add(out, "0");
    for (unsigned i = 0; i < (unsigned)d->whole + d->fraction; i++)
        nj_text_addf(out, "%s%u", i == d->whole ? "." : "", d->digits[i]);
}

static void write_number(struct reader *r, const char *text, size_t size)
{
    struct nj_decimal d;
    char              copy[400];
    bool              fits = size < sizeof copy;
    if (fits) {
        memcpy(copy, text, size);
        copy[size] = 0;
        fits       = nj_decimal_parse(copy, &d);
    }
    if (!fits) /* more digits than bounds are compared with: as it stands */
        nj_text_add_bytes(r->out, text, size);
    else if (d.fraction == 0 || r->numbers == NJ_NUMBER_PLAIN)
        write_decimal(r->out, &d);
    else {
        json_t *number = json_real(strtod(copy, NULL));
        nj_spell_scalar(r->out, number);
        json_decref(number);
    }
}

static nj_status read_number(struct reader *r)
{
    size_t from = r->at;
    r->at += next(r) == '-';
    bool good = next(r) == '0' ? (r->at++, true) : digits(r) > 0;
    if (good && next(r) == '.') {
        r->at++;
        good = digits(r) > 0;
    }
    if (good && (next(r) | 32) == 'e') {
        r->at++;
        r->at += next(r) == '+' || next(r) == '-';
        good = digits(r) > 0;
    }
    if (!good)
        return refuse(r, "no JSON value");
    write_number(r, r->text + from, r->at - from);
    return NJ_OK;
}

static nj_status read_members(struct reader *r, char open, char close)
{
    nj_status status = NJ_OK;
    if (++r->depth > MOST_DEPTH)
        return refuse(r, "more than 1000 levels");
    r->at++;
    nj_text_add_bytes(r->out, &open, 1);
    skip_space(r);
    for (bool first = true; status == NJ_OK && (!first || next(r) != close); first = false) {
        if (!first) {
            if (next(r) != ',')
                break;
            r->at++;
            nj_text_add(r->out, ",");
        }
        skip_space(r);
        if (open == '{') {
            status = next(r) == '"' ? read_string(r) : refuse(r, "no key");
            skip_space(r);
            if (status == NJ_OK && next(r) != ':')
                status = refuse(r, "no colon");
            r->at++;
            nj_text_add(r->out, ":");
        }
        if (status == NJ_OK)
            status = read_value(r);
        skip_space(r);
    }
    if (status == NJ_OK && next(r) != close)
        status = refuse(r, "neither a comma nor an end");
    r->at++;
    r->depth--;
    nj_text_add_bytes(r->out, &close, 1);
    return status;
}

static nj_status read_value(struct reader *r)
{
    static const char *const words[] = {"true", "false", "null"};
    skip_space(r);
    if (next(r) == '"')
        return read_string(r);
    if (next(r) == '{')
        return read_members(r, '{', '}');
    if (next(r) == '[')
        return read_members(r, '[', ']');
    for (size_t i = 0; i < 3; i++) {
        size_t size = strlen(words[i]);
        if (r->size - r->at >= size && !memcmp(r->text + r->at, words[i], size)) {
            r->at += size;
            nj_text_add(r->out, words[i]);
            return NJ_OK;
        }
    }
    return read_number(r);
}

nj_status nj_json_canonical(const char *text, size_t size, enum nj_number_spelling numbers, struct nj_text *out, struct nj_error *error)
{
    struct reader r      = {.text = text, .size = size, .numbers = numbers, .out = out, .error = error};
    nj_status     status = read_value(&r);
    skip_space(&r);
    if (status == NJ_OK && r.at < size)
        status = refuse(&r, "text behind the document");
    if (status == NJ_OK && out->failed)
        status = nj_fail(error, "no memory for a document of %zu bytes", size);
    return status;
}
