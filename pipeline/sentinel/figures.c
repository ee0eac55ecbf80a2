#include "pipeline/sentinel/figures.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_FIGURE 40
#define REAL_DIGITS    6
#define LETTERS        "A-Za-z\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u024F'\u2019\u201C\u201D(),.;:!?\u2013\u2014-"

/* What a chunk between two spaces is made of. */
struct chunks {
    const char *letter, *before_figure, *behind_figure, *space;
};
static const struct chunks in_sentence = {"[" LETTERS "]", "[(]?", "[),.;:!?]*", " "};
static const struct chunks in_text     = {"[\"*\u2022" LETTERS "]", "[(*\"]*", "[),.;:!?*\"]*", "[ \\n]+"};

char *nj_figures_spell(const json_t *value)
{
    return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(REAL_DIGITS));
}

static void add_figure(json_t *figures, const char *text, size_t size)
{
    char word[LONGEST_FIGURE + 1];
    if (size == 0 || size > LONGEST_FIGURE || json_object_size(figures) >= NJ_FIGURES)
        return;
    snprintf(word, sizeof word, "%.*s", (int)size, text);
    if (strpbrk(word, "0123456789"))
        json_object_set_new(figures, word, json_true());
}

void nj_figures_add(json_t *figures, const json_t *value)
{
    const char *name;
    json_t     *inner;
    json_object_foreach((json_t *)value, name, inner)
    {
        nj_figures_add(figures, inner);
    }
    for (size_t i = 0; i < json_array_size(value); i++)
        nj_figures_add(figures, json_array_get(value, i));
    if (json_is_number(value)) {
        char *text = nj_figures_spell(value);
        add_figure(figures, text ? text : "", text ? strlen(text) : 0);
        free(text);
    }
    for (const char *at = json_string_value(value); at && *at;) {
        size_t size = strcspn(at, " \t\r\n,;()|");
        add_figure(figures, at, size);
        at += size + (at[size] != 0);
    }
}

static void add_escaped(struct nj_text *out, const char *word)
{
    for (; *word; word++)
        nj_text_addf(out, strchr("\\^$.*+?()[]{}|/", *word) ? "\\%c" : "%c", *word);
}

/* One of the figures as a chunk; empty if there is none. */
static void add_any_figure(struct nj_text *out, const json_t *figures, const struct chunks *chunks)
{
    const char *word;
    json_t     *ignored;
    json_object_foreach((json_t *)figures, word, ignored)
    {
        if (out->length)
            nj_text_add(out, "|");
        else
            nj_text_addf(out, "%s(?:", chunks->before_figure);
        add_escaped(out, word);
    }
    if (out->length)
        nj_text_addf(out, ")%s", chunks->behind_figure);
}

static char *finish(struct nj_text *out, struct nj_text *figure)
{
    if (figure->failed)
        out->failed = true;
    nj_text_free(figure);
    if (out->failed)
        nj_text_free(out);
    return out->data;
}

/* Chunks between single spaces: words without digits, and figures, never two of them behind each other. */
char *nj_figures_sentence(const json_t *figures)
{
    const struct chunks *c      = &in_sentence;
    struct nj_text       figure = {0}, out = {0};
    add_any_figure(&figure, figures, c);
    if (figure.length)
        nj_text_addf(&out, "^(?:(?:%s%s)?%s+%s)*(?:%s|(?:%s%s)?%s+)$", figure.data, c->space, c->letter, c->space, figure.data, figure.data,
                     c->space, c->letter);
    else
        nj_text_addf(&out, "^(?:%s+%s)*%s+$", c->letter, c->space, c->letter);
    return finish(&out, &figure);
}

/* The same with any spaces and line ends between, before and behind the chunks. */
char *nj_figures_text(const json_t *figures)
{
    const struct chunks *c      = &in_text;
    struct nj_text       figure = {0}, out = {0};
    add_any_figure(&figure, figures, c);
    nj_text_addf(&out, "^(?:%s)?(?:", c->space);
    if (figure.length)
        nj_text_addf(&out, "(?:%s%s)?", figure.data, c->space);
    nj_text_addf(&out, "%s+%s)*", c->letter, c->space);
    if (figure.length)
        nj_text_addf(&out, "(?:%s(?:%s(?:%s+)?)?|%s+)?$", figure.data, c->space, c->letter, c->letter);
    else
        nj_text_addf(&out, "(?:%s+)?$", c->letter);
    return finish(&out, &figure);
}
