#include "pipeline/cli/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *nj_paint(enum nj_paint paint)
{
    static const char *const sequences[] = {"\033[0m", "\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[31m"};
    const char              *term        = getenv("TERM");
    const char              *no_colour   = getenv("NO_COLOR");
    bool                     colours     = isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0 && !(no_colour && *no_colour);
    return colours ? sequences[paint] : "";
}

void nj_text_add_visible(struct nj_text *text, const char *string)
{
    const uint8_t *at = (const uint8_t *)string;
    for (size_t left = strlen(string); left;) {
        uint32_t point  = 0;
        size_t   length = nj_utf8_length(at, left, &point);
        /* C0, DEL, C1 and the marks that turn the direction of writing */
        bool harmless = length && point >= 0x20 && !(point >= 0x7F && point < 0xA0) && !(point >= 0x202A && point <= 0x202E) &&
                        !(point >= 0x2066 && point <= 0x2069);
        if (harmless)
            nj_text_add_bytes(text, at, length);
        else
            for (size_t i = 0; i < (length ? length : 1); i++)
                nj_text_addf(text, "\\x%02X", at[i]);
        at += length ? length : 1;
        left -= length ? length : 1;
    }
}

void nj_text_add_number(struct nj_text *text, double value)
{
    char digits[40];
    for (int precision = 6; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    nj_text_add(text, digits);
}

static void add_value(struct nj_text *text, const struct nj_db_value *value)
{
    if (value->type == NJ_DB_INTEGER)
        nj_text_addf(text, "%lld", (long long)value->integer);
    else if (value->type == NJ_DB_REAL)
        nj_text_add_number(text, value->real);
    else
        nj_text_add_bytes(text, value->text, value->text_size);
}

void nj_text_add_row(struct nj_text *text, const char *raw_json, const char *const *names, const struct nj_db_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        nj_text_add(text, i ? ", " : "{");
        nj_text_add_json(text, names[i], strlen(names[i]));
        nj_text_add(text, ": ");
        if (values[i].type == NJ_DB_NULL)
            nj_text_add(text, "null");
        else if (values[i].type != NJ_DB_TEXT || (raw_json && !strcmp(names[i], raw_json)))
            add_value(text, &values[i]);
        else
            nj_text_add_json(text, values[i].text, values[i].text_size);
    }
    nj_text_add(text, "}");
}

void nj_text_add_cell(struct nj_text *text, const char *string)
{
    if (!strpbrk(string, "\",\r\n")) {
        nj_text_add(text, string);
        return;
    }
    nj_text_add(text, "\"");
    for (const char *at = string; *at; at++)
        nj_text_add_bytes(text, *at == '"' ? "\"\"" : at, *at == '"' ? 2 : 1);
    nj_text_add(text, "\"");
}

static void add_csv(struct nj_text *text, const char *const *names, const struct nj_db_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i)
            nj_text_add(text, ",");
        if (!values)
            nj_text_add_cell(text, names[i]);
        else if (values[i].type == NJ_DB_TEXT)
            nj_text_add_cell(text, values[i].text);
        else
            add_value(text, &values[i]);
    }
    nj_text_add(text, "\r\n");
}

const struct nj_db_value *nj_row_value(const char *name, const char *const *names, const struct nj_db_value *values, size_t count)
{
    static const struct nj_db_value nothing = {.text = ""};
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return &values[i];
    return &nothing;
}

/* `string` in exactly |width| characters, or more in the last column. */
static void add_padded(struct nj_text *text, const char *string, int width, bool last)
{
    size_t characters = 0, room = (size_t)abs(width), cut = 0;
    for (const char *at = string; *at; at++)
        if ((*at & 0xC0) != 0x80 && characters++ == room - 1)
            cut = (size_t)(at - string);
    if (characters > room && !last) {
        nj_text_add_bytes(text, string, cut);
        nj_text_add(text, "…");
        return;
    }
    int pad = characters < room ? (int)(room - characters) : 0;
    if (width < 0)
        nj_text_addf(text, "%*s", pad, "");
    nj_text_add(text, string);
    if (width > 0 && !last)
        nj_text_addf(text, "%*s", pad, "");
}

static void add_line(struct nj_text *text, const struct nj_output *output, const char *const *names, const struct nj_db_value *values,
                     size_t count)
{
    const struct nj_row row = {names, values, count};
    for (const struct nj_column *column = output->columns; column->name; column++) {
        struct nj_text            raw = {0}, shown = {0};
        const struct nj_db_value *value = values ? nj_row_value(column->name, names, values, count) : NULL;
        enum nj_paint             paint = !values ? NJ_BOLD : column->paint ? column->paint(value) : NJ_PLAIN;
        if (!values)
            nj_text_add(&raw, column->title);
        else if (value->type == NJ_DB_REAL)
            nj_text_addf(&raw, "%.2f", value->real);
        else
            add_value(&raw, value);
        if (values && !raw.length && output->if_empty)
            nj_text_add(&raw, output->if_empty(column->name, &row));
        nj_text_add_visible(&shown, raw.data ? raw.data : "");
        if (column != output->columns)
            nj_text_add(text, "  ");
        if (paint != NJ_PLAIN)
            nj_text_add(text, nj_paint(paint));
        add_padded(text, shown.data ? shown.data : "", column->width, !column[1].name);
        if (paint != NJ_PLAIN)
            nj_text_add(text, nj_paint(NJ_PLAIN));
        text->failed |= raw.failed || shown.failed;
        nj_text_free(&raw);
        nj_text_free(&shown);
    }
    nj_text_add(text, "\n");
}

nj_status nj_output_row(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct nj_output *output = user;
    struct nj_text    text   = {0};
    if (output->form == NJ_FORM_CSV)
        add_csv(&text, names, values, count);
    else if (output->form == NJ_FORM_TABLE)
        add_line(&text, output, names, values, count);
    else if (values) {
        nj_text_add_row(&text, output->raw_json, names, values, count);
        nj_text_add(&text, "\n");
    }
    output->rows += values != NULL;
    nj_status status = text.failed ? NJ_ERROR : NJ_OK;
    if (text.length && fwrite(text.data, 1, text.length, stdout) != text.length)
        status = NJ_ERROR; /* main says what became of stdout */
    nj_text_free(&text);
    return status;
}

const char *nj_row_text(const struct nj_row *row, const char *name)
{
    return nj_row_value(name, row->names, row->values, row->count)->text;
}

int64_t nj_row_number(const struct nj_row *row, const char *name)
{
    return nj_row_value(name, row->names, row->values, row->count)->integer;
}

double nj_row_real(const struct nj_row *row, const char *name)
{
    return nj_row_value(name, row->names, row->values, row->count)->real;
}

bool nj_row_is_set(const struct nj_row *row, const char *name)
{
    return nj_row_value(name, row->names, row->values, row->count)->type != NJ_DB_NULL;
}
