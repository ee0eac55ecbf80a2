/* The review rules against label rows of the training set. */
#include "base/json.h"
#include "pipeline/sentinel/review.h"
#include "tests/tap.h"

#include <stdlib.h>

static uint32_t codes_of(const json_t *list)
{
    uint32_t set = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        for (int reason = 0; reason < NJ_REASONS; reason++)
            if (!strcmp(json_string_value(json_array_get(list, i)), nj_reason_words[reason].code))
                set |= 1u << reason;
    return set;
}

static void compare(const json_t *row)
{
    struct nj_review_facts facts = {
        .hour          = json_is_integer(json_object_get(row, "hour")) ? (int)json_integer_value(json_object_get(row, "hour")) : -1,
        .species_count = (unsigned)json_integer_value(json_object_get(row, "species_count")),
        .rare          = json_is_true(json_object_get(row, "has_rare_species")),
        .high_count    = json_is_true(json_object_get(row, "has_high_count")),
        .voted         = true,
        .evenness      = json_number_value(json_object_get(row, "max_evenness")),
        .blank_ratio   = json_number_value(json_object_get(row, "blank_vote_ratio"))};
    facts.blank         = facts.species_count == 0;
    const char *id      = json_string_value(json_object_get(row, "capture_event_id"));
    uint32_t    reasons = nj_review_rules(&facts);
    CHECK(reasons == codes_of(json_object_get(row, "reasons")), "%s: reasons %#x", id, reasons);
    CHECK(!strcmp(nj_priority_names[nj_review_priority(reasons)], json_string_value(json_object_get(row, "priority"))), "%s: priority", id);
    if (json_is_string(json_object_get(row, "confidence")))
        CHECK(!strcmp(nj_confidence_names[nj_review_confidence(&facts)], json_string_value(json_object_get(row, "confidence"))),
              "%s: confidence", id);
}

int main(void)
{
    const char *shared = tap_shared();
    if (!shared) {
        SKIP("no reference files");
        return tap_done();
    }
    char path[4096], *line = NULL;
    snprintf(path, sizeof path, "%s/data/sentinel/label_rows.jsonl", shared);
    FILE  *file     = fopen(path, "r");
    size_t capacity = 0, rows = 0;
    while (file && getline(&line, &capacity, file) > 0) {
        json_t *row;
        if (nj_json_parse(path, line, strlen(line), &row, NULL) == NJ_OK) {
            compare(row);
            rows++;
        }
        json_decref(row);
    }
    CHECK(rows == 77, "%zu label rows", rows);
    free(line);
    if (file)
        fclose(file);
    return tap_done();
}
