/* patterns.table: which texts a pattern is found in; character by character, and spelled in bytes. */
#include "base/text.h"
#include "pipeline/constrain/acceptor.h"
#include "pipeline/constrain/chars.h"
#include "tests/conformance/table.h"

struct state {
    char                pattern[4096];
    struct nj_chars     chars;
    struct nj_lengths   lengths;
    struct nj_acceptor *acceptor;
    struct nj_error     error;
    bool                compiled;
};

static void close_case(struct state *s)
{
    nj_chars_free(&s->chars);
    nj_acceptor_close(s->acceptor);
    *s = (struct state){0};
}

static void open_case(struct state *s, const char *pattern)
{
    struct nj_text schema = {0};
    uint32_t       work   = 0;
    close_case(s);
    snprintf(s->pattern, sizeof s->pattern, "%s", pattern);
    s->lengths.max = UINT64_MAX;
    s->compiled    = nj_chars_from_pattern(pattern, strlen(pattern), false, &s->chars, &s->lengths, &work, &s->error) == NJ_OK;
    nj_text_add(&schema, "{\"type\": [\"string\", \"null\"], \"pattern\": ");
    nj_text_add_json(&schema, pattern, strlen(pattern));
    nj_text_add(&schema, "}");
    nj_acceptor_open("s", schema.data, schema.length, &s->acceptor, NULL);
    nj_text_free(&schema);
}

static bool found(const struct state *s, const json_t *text)
{
    const struct nj_chars *chars = &s->chars;
    uint64_t               count = 0;
    const uint8_t         *bytes = (const uint8_t *)json_string_value(text);
    size_t                 size  = json_string_length(text);
    uint32_t               state = chars->start, point;
    for (size_t i = 0; i < size && state; count++) {
        i += nj_utf8_length(bytes + i, size - i, &point);
        state = chars->next[state * chars->classes + nj_chars_class(chars, point)];
    }
    return state && chars->accept[state] && count >= s->lengths.min && count <= s->lengths.max;
}

static void check_line(const char *word, const char *rest, size_t number, void *arg)
{
    struct state *s   = arg;
    bool          yes = !strcmp(word, "yes"), valid = !yes;
    size_t        at;
    if (!strcmp(word, "pattern")) {
        open_case(s, rest);
        return;
    }
    if (!strcmp(word, "refused")) {
        CHECK(!s->compiled && strstr(s->error.text, rest) && !s->acceptor, "%zu: %s is refused: %s", number, s->pattern, s->error.text);
        return;
    }
    json_t *text = json_loads(rest, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    CHECK(s->compiled && found(s, text) == yes, "%zu: %s is %sfound in %s %s", number, s->pattern, yes ? "" : "not ", rest, s->error.text);
    CHECK(s->acceptor && nj_acceptor_judge(s->acceptor, rest, strlen(rest), &valid, &at, NULL) == NJ_OK && valid == yes,
          "%zu: and in its bytes", number);
    json_decref(text);
}

int main(void)
{
    struct state s = {0};
    table_read("tests/conformance/patterns.table", check_line, &s);
    close_case(&s);
    return tap_done();
}
