/* schemas.table: what schemas allow, by the acceptor and by the grammar as it writes. */
#include "pipeline/constrain/acceptor.h"
#include "pipeline/constrain/constraint.h"
#include "tests/conformance/table.h"

struct state {
    char                  schema[4096];
    struct nj_acceptor   *acceptor;
    struct nj_grammar    *grammar, *spaced;
    struct nj_constraint *constraint, *with_spaces;
    struct nj_error       error;
};

static void close_case(struct state *s)
{
    nj_acceptor_close(s->acceptor);
    nj_constraint_close(s->constraint);
    nj_constraint_close(s->with_spaces);
    nj_grammar_close(s->grammar);
    nj_grammar_close(s->spaced);
    *s = (struct state){0};
}

static void open_case(struct state *s, const char *schema)
{
    const struct nj_grammar_options spaced = {.form = NJ_JSON_SPACED};
    const size_t                    size   = strlen(schema);
    close_case(s);
    snprintf(s->schema, sizeof s->schema, "%s", schema);
    if (nj_acceptor_open("s", schema, size, &s->acceptor, &s->error) == NJ_OK &&
        nj_grammar_compile_text("s", schema, size, NULL, &s->grammar, &s->error) == NJ_OK &&
        nj_grammar_compile_text("s", schema, size, &spaced, &s->spaced, &s->error) == NJ_OK &&
        nj_constraint_open(s->grammar, NULL, &s->constraint, &s->error) == NJ_OK)
        nj_constraint_open(s->spaced, NULL, &s->with_spaces, &s->error);
}

static bool writes(struct nj_constraint *c, const char *text, size_t size)
{
    size_t taken = 0;
    nj_constraint_reset(c);
    return nj_constraint_advance_bytes(c, text, size, &taken, NULL) == NJ_OK && taken == size && nj_constraint_may_stop(c);
}

/* The same document with white space around everything structural outside of strings. */
static size_t space_out(const char *text, char *out, size_t size)
{
    size_t used   = 0;
    bool   inside = false;
    for (; *text && used + 4 < size; text++) {
        bool structure = !inside && strchr("{}[],:", *text);
        if (structure && used)
            out[used++] = '\n';
        out[used++] = *text;
        if (structure && text[1])
            out[used++] = ' ';
        if (inside && *text == '\\')
            out[used++] = *++text;
        else
            inside ^= *text == '"';
    }
    return used;
}

static void check_line(const char *word, const char *rest, size_t number, void *arg)
{
    struct state *s = arg;
    bool          valid;
    size_t        at;
    char          spaced[8192];
    if (!strcmp(word, "schema")) {
        open_case(s, rest);
        return;
    }
    if (!strcmp(word, "refused")) {
        CHECK(!s->acceptor && strstr(s->error.text, rest) && strstr(s->error.text, "s: #"), "%zu: %s is refused: %s", number, s->schema,
              s->error.text);
        return;
    }
    if (!s->with_spaces) {
        CHECK(false, "%zu: %s compiles: %s", number, s->schema, s->error.text);
        return;
    }
    bool yes     = strcmp(word, "no") != 0;
    bool written = writes(s->constraint, rest, strlen(rest));
    bool judged  = nj_acceptor_judge(s->acceptor, rest, strlen(rest), &valid, &at, NULL) == NJ_OK;
    CHECK(judged && valid == yes, "%zu: %s is %s under %s", number, rest, yes ? "valid" : "invalid", s->schema);
    if (!strcmp(word, "written")) {
        CHECK(written, "%zu: and can be written", number);
        CHECK(writes(s->with_spaces, spaced, space_out(rest, spaced, sizeof spaced)), "%zu: and with white space", number);
    } else if (strcmp(word, "yes") != 0)
        CHECK(!written, "%zu: and cannot be written so", number);
}

int main(void)
{
    struct state s = {0};
    table_read("tests/conformance/schemas.table", check_line, &s);
    close_case(&s);
    return tap_done();
}
