/* `nightjar probe bursts` on the cards with known truth (data/cards/README.md): every burst and every file. */
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "tests/tap.h"

#include <unistd.h>

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static bool holds(const json_t *list, const char *word)
{
    size_t  i;
    json_t *value;
    json_array_foreach(list, i, value) if (!strcmp(json_string_value(value), word)) return true;
    return false;
}

/* ---- what the program says ---- */

struct answer {
    json_t *bursts;  /* key: first frame */
    json_t *refused; /* key: file */
    size_t  lines, frames;
};

static bool read_line(struct answer *answer, const char *line)
{
    json_t *object = NULL;
    if (nj_json_parse("probe bursts", line, strlen(line), &object, NULL) != NJ_OK)
        return false;
    json_t *frames = json_object_get(object, "frames");
    json_t *into   = frames ? answer->bursts : answer->refused;
    char   *key    = strdup(frames ? json_string_value(json_array_get(frames, 0)) : text(object, "file"));
    bool    fresh  = key && !json_object_get(into, key);
    answer->frames += json_array_size(frames);
    answer->lines++;
    if (fresh)
        json_object_set_new(into, key, object);
    else
        json_decref(object);
    free(key);
    return fresh;
}

static bool ask(const char *card, const json_t *config, struct answer *answer)
{
    const char *runner = getenv("NJ_RUNNER"), *program = getenv("NIGHTJAR"), *key;
    char        command[8192];
    char       *line = NULL;
    size_t      room = 0;
    bool        good = true;
    json_t     *value;
    *answer = (struct answer){.bursts = json_object(), .refused = json_object()};
    snprintf(command, sizeof command, "%s %s probe bursts %s --json", runner ? runner : "", program ? program : "build/nightjar", card);
    json_object_foreach((json_t *)config, key, value)
        snprintf(command + strlen(command), sizeof command - strlen(command), " --set %s=%lld", key, (long long)json_integer_value(value));
    FILE *pipe = popen(command, "r");
    while (pipe && getline(&line, &room, pipe) > 0)
        good = read_line(answer, line) && good;
    free(line);
    return pipe && pclose(pipe) == 0 && good;
}

/* ---- what is true ---- */

static bool burst_is(const struct answer *answer, const json_t *want)
{
    json_t *frames = json_object_get(want, "frames");
    json_t *got    = json_object_get(answer->bursts, json_string_value(json_array_get(frames, 0)));
    if (!got || !json_equal(json_object_get(got, "frames"), frames))
        return false;
    return holds(json_object_get(want, "trigger"), text(got, "trigger")) &&
           holds(json_object_get(want, "grouped_by"), text(got, "grouped_by")) &&
           json_equal(json_object_get(got, "started_at"), json_object_get(want, "started_at")) &&
           json_equal(json_object_get(got, "ended_at"), json_object_get(want, "ended_at"));
}

static bool refusal_is(const struct answer *answer, const json_t *want)
{
    json_t *got = json_object_get(answer->refused, text(want, "file"));
    return got && holds(json_object_get(want, "outcome"), text(got, "outcome")) && text(got, "reason")[0];
}

static bool option_is(const struct answer *answer, const json_t *option)
{
    size_t  i;
    json_t *want;
    json_array_foreach(json_object_get(option, "bursts"), i, want) if (!burst_is(answer, want)) return false;
    json_array_foreach(json_object_get(option, "refused"), i, want) if (!refusal_is(answer, want)) return false;
    return true;
}

/* Counts what `truth` (or the option of an open question that was taken) accounts for. */
static void count(const json_t *truth, size_t *bursts, size_t *frames, size_t *refused)
{
    size_t  i;
    json_t *burst;
    *bursts += json_array_size(json_object_get(truth, "bursts"));
    *refused += json_array_size(json_object_get(truth, "refused"));
    json_array_foreach(json_object_get(truth, "bursts"), i, burst) *frames += json_array_size(json_object_get(burst, "frames"));
}

static void compare(const char *card, const json_t *truth, const struct answer *answer)
{
    size_t  i, j, bursts = 0, frames = 0, refused = 0, links = 0;
    json_t *want, *option;
    json_array_foreach(json_object_get(truth, "bursts"), i, want)
        CHECK(burst_is(answer, want), "%s: burst of %s %s", card, json_string_value(json_array_get(json_object_get(want, "frames"), 0)),
              text(want, "why"));
    json_array_foreach(json_object_get(truth, "refused"), i, want)
        CHECK(refusal_is(answer, want), "%s: %s is refused: %s", card, text(want, "file"), text(want, "kind"));
    count(truth, &bursts, &frames, &refused);
    json_array_foreach(json_object_get(truth, "either"), i, want)
    {
        bool taken = false;
        json_array_foreach(json_object_get(want, "options"), j, option) if (!taken && option_is(answer, option))
        {
            taken = true;
            count(option, &bursts, &frames, &refused);
        }
        CHECK(taken, "%s: %s", card, text(want, "why"));
    }
    json_array_foreach(json_object_get(truth, "never_frames"), i, want) links +=
        json_object_get(answer->refused, json_string_value(want)) != NULL;
    CHECK(json_object_size(answer->bursts) == bursts && answer->frames == frames, "%s: %zu bursts of %zu frames, and no others", card,
          bursts, frames);
    CHECK(json_object_size(answer->refused) == refused + links, "%s: %zu files refused, and no others", card, refused);
    CHECK(frames + refused == json_object_size(json_object_get(truth, "files")), "%s: every file is told once", card);
}

static void check_card(const char *shared, const char *name)
{
    char            scratch[] = "/tmp/nj-cards-XXXXXX", path[4200], command[8500];
    json_t         *truth     = NULL;
    struct nj_error error     = {0};
    snprintf(path, sizeof path, "%s/data/cards/%s.json", shared, name);
    if (!CHECK(nj_json_read(path, 1 << 20, &truth, &error) == NJ_OK, "%s: the truth is there %s", name, error.text))
        return;
    if (!mkdtemp(scratch))
        return (void)CHECK(0, "a scratch folder");
    snprintf(command, sizeof command, "tar --zstd -xf '%s/data/cards/%s.tar.zst' -C %s", shared, name, scratch);
    snprintf(path, sizeof path, "%s/card", scratch);
    struct answer answer = {0};
    if (CHECK(system(command) == 0, "%s unpacks", name) &&
        CHECK(ask(path, json_object_get(truth, "config"), &answer), "%s: probe bursts answers, each burst and file once", name))
        compare(name, truth, &answer);
    json_decref(answer.bursts);
    json_decref(answer.refused);
    json_decref(truth);
    snprintf(command, sizeof command, "chmod -R u+rwX %s && rm -rf %s", scratch, scratch);
    if (system(command) != 0)
        printf("# %s stays behind\n", scratch);
}

/* With names of other cards in data/cards as arguments: those instead. */
int main(int argc, char **argv)
{
    static const char *const cards[] = {"hyperfire", "bushnell", "mixed-brands", "clock", "two-cameras", "hostile"};
    const char              *shared  = tap_shared();
    if (!shared)
        SKIP("no cards here");
    for (size_t i = 0; shared && argc < 2 && i < sizeof cards / sizeof *cards; i++)
        check_card(shared, cards[i]);
    for (int i = 1; shared && i < argc; i++)
        check_card(shared, argv[i]);
    return tap_done();
}
