/* Answers of other runtimes against what their authors recorded of them, and repairs one by one. */
#include "pipeline/sentinel/answer.h"
#include "pipeline/sentinel/authors.h"
#include "pipeline/sentinel/species.h"
#include "tests/tap.h"

#include <stdlib.h>

/* What the published rows were scored against, as far as it can be told from the rows themselves: an answer whose species set was exact, the second task's
 * answers, which repeat the label of the first, and the notes. "?": an animal that no answer names. NULL as review: not told. */
static const struct {
    const char *event, *species, *review;
} truth[] = {
    {"ASG00003nd", "", NULL},          {"ASG00003m8", "", NULL},          {"ASG000032l", "", "no"},
    {"ASG0000hcy", "", NULL},          {"ASG000b4k2", "elephant", NULL},  {"ASG000b45v", "zebra", "no"},
    {"ASG000b4cg", "otherBird", "no"}, {"ASG000b48a", "reedbuck", "yes"}, {"ASG000b3xp", "reedbuck", "yes"},
    {"ASG000b4y1", "?", NULL},         {"ASG000b4vc", "?", "yes"},        {"ASG000b50u", "giraffe", "no"},
    {"ASG000b5c4", "?", NULL},         {"ASG000b4yi", "elephant", "no"},  {"ASG00005xa", "", "no"},
    {"ASG000b4c2", "elephant", "no"},  {"ASG000b5e9", "?", "yes"},
};

static void check_flags(const json_t *row, const json_t *document, int n)
{
    const char     *id     = json_string_value(json_object_get(row, "sample_id"));
    const json_t   *stated = json_object_get(row, "authors_score");
    struct nj_event label  = {.blank = NJ_UNSAID};
    enum nj_answer  flags[NJ_AUTHORS_FLAGS], review = NJ_UNSAID;
    bool            known = false;
    for (size_t i = 0; i < sizeof truth / sizeof *truth; i++) {
        if (!strstr(id, truth[i].event))
            continue;
        known                       = true;
        label.blank                 = truth[i].species[0] ? NJ_NO : NJ_YES;
        label.detection_count       = truth[i].species[0] != 0;
        label.detections[0].species = truth[i].species[0] == '?' ? -1 : nj_species_index(truth[i].species);
        review                      = !truth[i].review ? NJ_UNSAID : truth[i].review[0] == 'y' ? NJ_YES : NJ_NO;
    }
    nj_authors_score(&(struct nj_authors_row){.scorer   = json_string_value(json_object_get(row, "scorer")),
                                              .task     = json_string_value(json_object_get(row, "phase")),
                                              .document = document,
                                              .label    = known ? &label : NULL,
                                              .review   = review},
                     flags);
    for (int i = 0; i < NJ_AUTHORS_FLAGS; i++) {
        const json_t  *flag = json_object_get(stated, nj_authors_names[i]);
        enum nj_answer want = json_is_true(flag) ? NJ_YES : json_is_false(flag) ? NJ_NO : NJ_UNSAID;
        CHECK(flags[i] == want, "row %d: %s is %d as published", n, nj_authors_names[i], want);
    }
}

static void published(const char *shared)
{
    char path[4096], *line = NULL;
    snprintf(path, sizeof path, "%s/data/sentinel/model_outputs.jsonl", shared);
    FILE  *file     = fopen(path, "r");
    size_t capacity = 0, rows = 0;
    while (file && getline(&line, &capacity, file) > 0) {
        json_t               *row;
        struct nj_answer_text answer;
        if (nj_json_parse(path, line, strlen(line), &row, NULL) != NJ_OK)
            continue;
        const json_t *raw    = json_object_get(row, "raw");
        const char   *scorer = json_string_value(json_object_get(row, "scorer"));
        int           n      = (int)json_integer_value(json_object_get(row, "n"));
        bool authors = json_is_true(json_object_get(row, "authors_json_valid")), strict = json_is_true(json_object_get(row, "strict_json"));
        nj_answer_read(json_string_value(raw), json_string_length(raw), &answer);
        CHECK(answer.strict == strict, "row %d: strictly JSON: %d", n, strict);
        json_t *document = nj_authors_document(scorer, json_string_value(raw), json_string_length(raw));
        CHECK((document != NULL) == authors, "row %d: valid for its authors: %d", n, authors);
        if (!scorer || strcmp(scorer, "curation") != 0)
            check_flags(row, document, n);
        json_decref(document);
        nj_answer_free(&answer);
        json_decref(row);
        rows++;
    }
    CHECK(rows == 100, "%zu rows", rows);
    free(line);
    if (file)
        fclose(file);
}

static struct nj_answer_text read_text(const char *text)
{
    struct nj_answer_text answer;
    nj_answer_read(text, strlen(text), &answer);
    return answer;
}

#define REPAIRED(answer, repair) ((answer).repairs >> (repair)&1)

static void repairs(void)
{
    static const char fenced[] = "```json\n{\"event\":{\"blank\":false},\"detections\":[{\"species\":\"Impala\",\"count\":{\"bin\":\"3\","
                                 "\"minimum\":2,\"maximum\":4}}]}\n```";
    struct nj_answer_text a    = read_text(fenced);
    CHECK(a.outcome == NJ_ANSWER_READ && REPAIRED(a, NJ_REPAIR_FENCE) && REPAIRED(a, NJ_REPAIR_NAMES), "a fence and a capital");
    CHECK(a.event.detection_count == 1 && !strcmp(nj_species[a.event.detections[0].species].label, "impala"), "Impala is impala");
    CHECK(a.event.detections[0].count_min == 3 && a.event.detections[0].count_max == 3, "bin 3 with a range of 2 to 4 is 3");
    nj_answer_free(&a);

    a = read_text("<|channel>thought\nHm "
                  "{\"blank\":true}<channel|>{\"blank\":false,\"detections\":[{\"species\":\"gazelle\",\"count_bin\":\"4+\"}]}<turn|>");
    CHECK(a.outcome == NJ_ANSWER_READ && REPAIRED(a, NJ_REPAIR_THOUGHT) && a.event.blank == NJ_NO, "a thought is not the answer");
    CHECK(a.event.detections[0].species == -1 && a.group && !strcmp(a.group, "gazelle") && a.event.review_needed == NJ_YES,
          "a group is no label: unknown, and to review");
    CHECK(a.event.detections[0].bin == -1 && a.event.detections[0].count_min == 4 && a.event.detections[0].count_max == 0,
          "4+ is at least four");
    nj_answer_free(&a);

    a = read_text("{\"blank\":false,\"detections\":[{\"species\":\"zebra\",\"confidence\":{\"label\":\"high\",\"basis\":[\"clear\"]]}],"
                  "\"review\":{}}");
    CHECK(a.outcome == NJ_ANSWER_READ && REPAIRED(a, NJ_REPAIR_BRACKET) && a.event.detection_count == 1, "a bracket of the wrong kind");
    nj_answer_free(&a);
    a = read_text("{\"blank\":false,\"detections\":[{\"species\":\"zebra\",\"confidence\":{\"label\":\"high\"}],\"review\":{}}");
    CHECK(a.outcome == NJ_ANSWER_READ && REPAIRED(a, NJ_REPAIR_BRACKET) && a.event.detection_count == 1, "a bracket that was forgotten");
    nj_answer_free(&a);
    a = read_text("{\"blank\":true,\"rain\": 177.6 mm, \"water\": 0.0%, \"detections\":[]}");
    CHECK(a.outcome == NJ_ANSWER_READ && REPAIRED(a, NJ_REPAIR_UNITS) && a.event.blank == NJ_YES, "bare units");
    nj_answer_free(&a);
    a = read_text("I see: {\"event_type\":\"blank\"} Thank you.");
    CHECK(a.outcome == NJ_ANSWER_READ && REPAIRED(a, NJ_REPAIR_SURROUNDINGS) && a.event.blank == NJ_YES, "words around it");
    nj_answer_free(&a);
    a = read_text("{\"blank\":true,\"detections\":[{\"species\":\"zebra\"}]}");
    CHECK(a.event.blank == NJ_UNSAID && a.event.review_needed == NJ_YES && REPAIRED(a, NJ_REPAIR_DISAGREEMENT),
          "blank with a zebra is unknown, and to review");
    nj_answer_free(&a);
    a = read_text("{\"blank\":false,\"detections\":[{\"species\":\"zebra\",");
    CHECK(a.outcome == NJ_ANSWER_TRUNCATED && !a.document, "a truncated answer is not completed");
    nj_answer_free(&a);
    a = read_text("<|channel>thought\n{\"blank\":true}");
    CHECK(a.outcome == NJ_ANSWER_TRUNCATED, "nor is a thought that never ends");
    nj_answer_free(&a);
    a = read_text("");
    CHECK(a.outcome == NJ_ANSWER_BROKEN, "nothing is nothing");
    nj_answer_free(&a);
    const char *group;
    CHECK(nj_species_from_words("Grant's gazelle", &group) == nj_species_index("gazelleGrants"), "display names");
    CHECK(nj_species_from_words("Panthera pardus", &group) == nj_species_index("leopard"), "scientific names");
    CHECK(nj_species_from_words("spotted_hyena", &group) == nj_species_index("hyenaSpotted"), "underscores");
}

int main(void)
{
    const char *shared = tap_shared();
    if (shared)
        published(shared);
    else
        SKIP("no reference files");
    repairs();
    return tap_done();
}
