#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void nj_text_free(struct nj_text *text)
{
    free(text->data);
    *text = (struct nj_text){0};
}

void nj_text_clear(struct nj_text *text)
{
    text->length = 0;
    if (text->data)
        text->data[0] = 0;
}

static bool make_room(struct nj_text *text, size_t more)
{
    if (text->failed)
        return false;
    if (more > SIZE_MAX / 2 - text->length) {
        text->failed = true;
        return false;
    }
    size_t need = text->length + more + 1;
    if (need <= text->capacity)
        return true;
    size_t capacity = text->capacity ? text->capacity : 64;
    while (capacity < need)
        capacity *= 2;
    char *data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data     = data;
    text->capacity = capacity;
    return true;
}

void nj_text_add_bytes(struct nj_text *text, const void *bytes, size_t count)
{
    if (!make_room(text, count))
        return;
    if (count)
        memcpy(text->data + text->length, bytes, count);
    text->length += count;
    text->data[text->length] = 0;
}

void nj_text_add(struct nj_text *text, const char *string)
{
    nj_text_add_bytes(text, string, strlen(string));
}

void nj_text_addf(struct nj_text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        text->failed = true;
    else if (make_room(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
}

size_t nj_utf8_length(const uint8_t *bytes, size_t count, uint32_t *point)
{
    if (count == 0)
        return 0;
    uint32_t value;
    size_t   length;
    uint8_t  first = bytes[0];
    if (first < 0x80) {
        value  = first;
        length = 1;
    } else if (first >= 0xC2 && first <= 0xDF) {
        value  = first & 0x1Fu;
        length = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
        value  = first & 0x0Fu;
        length = 3;
    } else if (first >= 0xF0 && first <= 0xF4) {
        value  = first & 0x07u;
        length = 4;
    } else
        return 0;
    if (length > count)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (bytes[i] & 0x3Fu);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    if (point)
        *point = value;
    return length;
}

size_t nj_utf8_write(uint32_t point, uint8_t out[4])
{
    if (point < 0x80) {
        out[0] = (uint8_t)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (uint8_t)(0xC0 | point >> 6);
        out[1] = (uint8_t)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (uint8_t)(0xE0 | point >> 12);
        out[1] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (point & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | point >> 18);
    out[1] = (uint8_t)(0x80 | (point >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (point & 0x3F));
    return 4;
}

void nj_text_add_escaped(struct nj_text *text, const char *bytes, size_t count)
{
    const uint8_t *at = (const uint8_t *)bytes;
    for (size_t i = 0; i < count;) {
        size_t length = nj_utf8_length(at + i, count - i, NULL);
        if (length)
            nj_text_add_bytes(text, at + i, length);
        else
            nj_text_addf(text, "\\x%02x", at[i]);
        i += length ? length : 1;
    }
}

void nj_text_add_json(struct nj_text *text, const char *bytes, size_t count)
{
    const uint8_t *at = (const uint8_t *)bytes;
    nj_text_add(text, "\"");
    for (size_t i = 0; i < count;) {
        size_t length = nj_utf8_length(at + i, count - i, NULL);
        if (length == 0)
            nj_text_addf(text, "\\\\x%02x", at[i]);
        else if (length > 1)
            nj_text_add_bytes(text, at + i, length);
        else if (at[i] == '"' || at[i] == '\\')
            nj_text_addf(text, "\\%c", at[i]);
        else if (at[i] == '\n')
            nj_text_add(text, "\\n");
        else if (at[i] == '\r')
            nj_text_add(text, "\\r");
        else if (at[i] == '\t')
            nj_text_add(text, "\\t");
        else if (at[i] < 0x20 || at[i] == 0x7F)
            nj_text_addf(text, "\\u%04x", at[i]);
        else
            nj_text_add_bytes(text, at + i, 1);
        i += length ? length : 1;
    }
    nj_text_add(text, "\"");
}

#define DISTANCE_MAX 64

/* Levenshtein distance. Names longer than the row are never near anything. */
size_t nj_text_distance(const char *a, const char *b)
{
    size_t row[DISTANCE_MAX], length = strlen(b);
    if (length >= DISTANCE_MAX)
        return DISTANCE_MAX;
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; *a; a++, i++) {
        size_t corner = row[0];
        row[0]        = i;
        for (size_t j = 1; j <= length; j++) {
            size_t change = corner + (tolower((unsigned char)*a) != tolower((unsigned char)b[j - 1]));
            corner        = row[j];
            size_t least  = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j]        = change < least ? change : least;
        }
    }
    return row[length];
}

void nj_guess_try(struct nj_guess *guess, const char *name)
{
    size_t length = strlen(guess->word), gap = nj_text_distance(guess->word, name);
    if (length >= 2 && !strncmp(name, guess->word, length)) /* cut short */
        gap = 1;
    if (gap <= 1 + length / 4 && (!guess->best || gap < guess->gap)) {
        guess->best = name;
        guess->gap  = gap;
    }
}
