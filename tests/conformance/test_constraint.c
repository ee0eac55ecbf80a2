/* What a constraint says about where it stands: forced text, choices, paths, closing; constants put into a schema; grammars kept in files. */
#include "pipeline/constrain/constraint.h"
#include "pipeline/constrain/constraint_state.h"
#include "tests/tap.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static const char event[] =
    "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"}, \"at\": {\"$ref\": \"#/$defs/place\"}, \"seen\": {\"type\": "
    "\"array\", \"items\": {\"type\": \"object\", \"properties\": {\"who\": {\"enum\": [\"cat\", \"cattle\", \"dog\"]}, \"young\": "
    "{\"type\": \"boolean\"}}, \"required\": [\"who\", \"young\"], \"additionalProperties\": false}, \"minItems\": 1}, \"why\": "
    "{\"type\": \"array\", \"items\": {\"enum\": [\"dark\", \"rare\"]}, \"uniqueItems\": true}}, \"required\": [\"id\", \"at\", "
    "\"seen\", \"why\"], \"additionalProperties\": false, \"$defs\": {\"place\": {\"type\": \"object\", \"properties\": {\"x\": {\"type\": "
    "\"integer\"}, \"a/b\": {\"const\": null}}, \"required\": [\"x\", \"a/b\"], \"additionalProperties\": false}}}";

static struct nj_constraint *open_text(const char *schema, struct nj_grammar **grammar)
{
    struct nj_error       error      = {{0}};
    struct nj_constraint *constraint = NULL;
    if (nj_grammar_compile_text("s", schema, strlen(schema), NULL, grammar, &error) != NJ_OK ||
        nj_constraint_open(*grammar, NULL, &constraint, &error) != NJ_OK)
        CHECK(false, "it opens: %s", error.text);
    return constraint;
}

static bool feed(struct nj_constraint *c, const char *text)
{
    size_t taken;
    return nj_constraint_advance_bytes(c, text, strlen(text), &taken, NULL) == NJ_OK && taken == strlen(text);
}

static void check_text(struct nj_constraint *c, nj_status (*ask)(struct nj_constraint *, struct nj_text *, struct nj_error *),
                       const char *want, const char *what)
{
    struct nj_text text = {0};
    nj_text_add(&text, "");
    nj_status status = ask(c, &text, NULL);
    CHECK(status == NJ_OK && !strcmp(text.data, want), "%s: %s", what, text.data);
    nj_text_free(&text);
}

static void check_path(struct nj_constraint *c, const char *want)
{
    struct nj_text text = {0};
    nj_text_add(&text, "");
    nj_constraint_path(c, &text);
    CHECK(!strcmp(text.data, want), "the place is \"%s\"", text.data);
    nj_text_free(&text);
}

static void check_choice(struct nj_constraint *c, const char *want)
{
    const struct nj_string_view *texts;
    struct nj_text               all   = {0};
    size_t                       count = nj_constraint_choice(c, &texts);
    nj_text_add(&all, "");
    for (size_t i = 0; i < count; i++) {
        nj_text_add(&all, i ? " " : "");
        nj_text_add_bytes(&all, texts[i].data, texts[i].size);
    }
    CHECK(!strcmp(all.data, want), "the choice is: %s", all.data);
    nj_text_free(&all);
}

static void check_places(void)
{
    struct nj_grammar    *grammar;
    struct nj_constraint *c = open_text(event, &grammar);
    check_text(c, nj_constraint_forced, "{\"id\":\"", "forced at the start");
    check_path(c, "");
    check_choice(c, "");
    CHECK(feed(c, "{\"id\":\"q"), "an id begins");
    check_path(c, "/id");
    check_text(c, nj_constraint_forced, "", "nothing is forced inside a text");
    check_text(c, nj_constraint_closing, "\",\"at\":{\"x\":0,\"a/b\":null},\"seen\":[{\"who\":\"cat\",\"young\":true}],\"why\":[]}",
               "the shortest end");
    CHECK(nj_constraint_closing_bytes(c) ==
              strlen("\",\"at\":{\"x\":0,\"a/b\":null},\"seen\":[{\"who\":\"cat\",\"young\":true}],\"why\":[]}"),
          "and its length");
    CHECK(feed(c, "\",\"at\":{\"x\":12"), "a number");
    check_text(c, nj_constraint_forced, "", "a number may go on");
    CHECK(feed(c, ",\"a/b\":"), "a constant comes");
    check_path(c, "/at/a~1b");
    check_choice(c, "");
    check_text(c, nj_constraint_forced, "null},\"seen\":[{\"who\":", "forced up to a choice");
    CHECK(feed(c, "null},\"seen\":[{\"who\":"), "up to there");
    check_path(c, "/seen/0/who");
    check_choice(c, "\"cat\" \"cattle\" \"dog\"");
    check_text(c, nj_constraint_forced, "", "a choice is not forced, though all begin with a quote");
    CHECK(feed(c, "\"catt"), "inside a choice");
    check_choice(c, "");
    check_text(c, nj_constraint_forced, "le\",\"young\":", "the rest of a word is forced");
    CHECK(feed(c, "le\",\"young\":false},{\"who\":\"dog\",\"young\":"), "the second one");
    check_path(c, "/seen/1/young");
    check_choice(c, "true false");
    CHECK(feed(c, "true}],\"why\":["), "a list that may be empty");
    check_choice(c, "\"dark\" \"rare\" ]");
    CHECK(feed(c, "\"rare\","), "one of it");
    check_path(c, "/why/1");
    check_choice(c, "");
    check_text(c, nj_constraint_forced, "\"dark\"]}", "the other one, and the end");
    CHECK(!nj_constraint_may_stop(c) && feed(c, "\"dark\"]}") && nj_constraint_may_stop(c) && nj_constraint_finished(c), "it is complete");
    CHECK(!feed(c, " "), "nothing may follow");
    nj_constraint_close(c);
    nj_grammar_close(grammar);
}

static void check_alternatives(void)
{
    struct nj_grammar    *grammar;
    struct nj_constraint *c =
        open_text("{\"anyOf\": [{\"type\": \"object\", \"properties\": {\"blank\": {\"const\": true}}, \"required\": [\"blank\"], "
                  "\"additionalProperties\": false}, {\"type\": \"object\", \"properties\": {\"blank\": {\"const\": false}, \"n\": "
                  "{\"enum\": [1, 10]}}, \"required\": [\"blank\", \"n\"], \"additionalProperties\": false}]}",
                  &grammar);
    CHECK(feed(c, "{\"blank\":"), "two alternatives with different constants");
    check_choice(c, "true false");
    struct nj_constraint *copy;
    CHECK(nj_constraint_open(grammar, NULL, &copy, NULL) == NJ_OK && nj_constraint_copy(copy, c, NULL) == NJ_OK && feed(copy, "true"),
          "a copy goes on");
    check_text(copy, nj_constraint_forced, "}", "to its own end");
    CHECK(feed(c, "false"), "the original goes another way");
    check_text(c, nj_constraint_forced, ",\"n\":", "to its own");
    nj_constraint_close(copy);
    nj_constraint_close(c);
    nj_grammar_close(grammar);
}

/* Depth and length only cost what is open: frames that are done are given back. */
static void check_depth(void)
{
    struct nj_grammar    *grammar;
    struct nj_constraint *c    = open_text("{}", &grammar);
    bool                  good = true;
    struct nj_text        end  = {0};
    for (int i = 0; i < 20000 && good; i++)
        good = feed(c, i % 2 ? "{\"k\":" : "[");
    CHECK(good, "20000 levels");
    CHECK(nj_constraint_closing(c, &end, NULL) == NJ_OK && end.length == nj_constraint_closing_bytes(c), "close in %zu bytes", end.length);
    CHECK(feed(c, end.data) && nj_constraint_finished(c), "and are complete");
    nj_text_free(&end);
    nj_constraint_reset(c);
    good = feed(c, "[0");
    for (int i = 0; i < 20000 && good; i++)
        good = feed(c, ",{\"a\":[1,{\"b\":2}]}");
    CHECK(good && c->machine.frames.count < 20000, "60000 objects one after the other leave %u frames", c->machine.frames.count);
    nj_constraint_close(c);
    nj_grammar_close(grammar);
}

static void check_forced_values(void)
{
    struct nj_error       error   = {{0}};
    struct nj_grammar    *grammar = NULL;
    struct nj_constraint *c       = NULL;
    json_t               *schema = json_loads(event, 0, NULL), *id = json_string("E\"1"), *x = json_integer(7), *cat = json_string("cat");
    CHECK(nj_schema_force(schema, "/id", id, &error) == NJ_OK, "an id is forced");
    CHECK(nj_schema_force(schema, "/at/x", x, &error) == NJ_OK, "and a number behind a reference");
    CHECK(nj_schema_force(schema, "/seen/-/who", cat, &error) == NJ_OK, "and a property of items");
    CHECK(nj_schema_force(schema, "/seen/-/where", cat, &error) == NJ_ERROR && strstr(error.text, "/seen/-/where"), "no such place: %s",
          error.text);
    CHECK(nj_schema_force(schema, "seen", cat, &error) == NJ_ERROR, "no pointer: %s", error.text);
    if (nj_grammar_compile("s", schema, NULL, &grammar, &error) == NJ_OK && nj_constraint_open(grammar, NULL, &c, &error) == NJ_OK)
        check_text(c, nj_constraint_forced,
                   "{\"id\":\"E\\\"1\",\"at\":{\"x\":7,\"a/b\":null},\"seen\":[{\"who\":\"cat\",\"young\":", "all that is known");
    CHECK(c != NULL, "it compiles %s", error.text);
    nj_constraint_close(c);
    nj_grammar_close(grammar);
    json_decref(schema);
    json_decref(id);
    json_decref(x);
    json_decref(cat);
}

/* --- grammars in files --- */

static bool only_file(const char *folder, char *path, size_t size)
{
    unsigned files = 0;
    DIR     *list  = opendir(folder);
    for (struct dirent *entry; list && (entry = readdir(list));)
        if (entry->d_name[0] != '.') {
            snprintf(path, size, "%s/%s", folder, entry->d_name);
            files++;
        }
    if (list)
        closedir(list);
    return files == 1;
}

static bool works(struct nj_grammar *grammar)
{
    struct nj_constraint *c;
    if (!grammar || nj_constraint_open(grammar, NULL, &c, NULL) != NJ_OK)
        return false;
    bool good = feed(c, "{\"id\":\"\",\"at\":{\"x\":-5,\"a/b\":null},\"seen\":[{\"who\":\"dog\",\"young\":true}],\"why\":[\"rare\"]}") &&
                nj_constraint_finished(c);
    nj_constraint_close(c);
    return good;
}

static bool from_file(const char *folder)
{
    struct nj_grammar *grammar = NULL;
    bool good = nj_grammar_open(folder, "s", event, strlen(event), NULL, &grammar, NULL) == NJ_OK && works(grammar) && grammar->block;
    nj_grammar_close(grammar);
    return good;
}

static void check_cache(void)
{
    char               folder[] = "/tmp/nj-grammar-XXXXXX", inner[64], path[512] = "";
    struct nj_grammar *grammar = NULL;
    struct stat        info    = {0};
    if (!CHECK(mkdtemp(folder) != NULL, "a folder"))
        return;
    snprintf(inner, sizeof inner, "%s/cache", folder);
    CHECK(nj_grammar_open(inner, "s", event, strlen(event), NULL, &grammar, NULL) == NJ_OK && works(grammar) && !grammar->block,
          "compiled");
    nj_grammar_close(grammar);
    CHECK(only_file(inner, path, sizeof path) && stat(path, &info) == 0, "and kept: %s", path);
    CHECK(from_file(inner), "read back");
    unsigned missed = 0;
    for (off_t at = 0; at < info.st_size; at += at < 300 ? 7 : info.st_size / 23) {
        FILE *file = fopen(path, "r+b");
        fseeko(file, at, SEEK_SET);
        int byte = fgetc(file);
        fseeko(file, at, SEEK_SET);
        fputc(byte ^ 0x40, file);
        fclose(file);
        missed += from_file(inner); /* the damage must be seen, the grammar compiled again and the file replaced */
        missed += !from_file(inner);
    }
    CHECK(missed == 0, "no damaged byte is believed (%u were)", missed);
    for (off_t length = 0; length < info.st_size; length += info.st_size / 13) {
        missed += truncate(path, length) != 0 || from_file(inner);
        missed += !from_file(inner);
    }
    CHECK(missed == 0, "nor a file that is cut short");
    CHECK(nj_grammar_open("/proc/none", "s", event, strlen(event), NULL, &grammar, NULL) == NJ_OK && works(grammar),
          "a folder that cannot be is no failure");
    nj_grammar_close(grammar);
    unlink(path);
    rmdir(inner);
    rmdir(folder);
}

int main(void)
{
    check_places();
    check_alternatives();
    check_depth();
    check_forced_values();
    check_cache();
    return tap_done();
}
