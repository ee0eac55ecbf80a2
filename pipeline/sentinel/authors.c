#include "pipeline/sentinel/authors.h"
#include "pipeline/sentinel/species.h"

#include <string.h>
#include <strings.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

const char *const nj_authors_names[NJ_AUTHORS_FLAGS] = {"blank_correct", "species_set_exact", "species_any_overlap", "review_correct",
                                                        "has_observed",  "has_evidence",      "has_tool_calls",      "has_answer"};

static enum nj_answer yes(bool value)
{
    return value ? NJ_YES : NJ_NO;
}

static bool is_first(const struct nj_authors_row *row)
{
    return row->scorer && !strcmp(row->scorer, "scorer 1");
}

static bool is_task(const struct nj_authors_row *row, const char *task, const char *phase)
{
    const char *name = row->task ? row->task : "event";
    return !strncmp(name, task, strlen(task)) || (phase && !strncmp(name, phase, strlen(phase)));
}

/* --- blank --- */

static bool mentions_blank(const char *text)
{
    return text && strcasestr(text, "blank") != NULL;
}

/* Some list of animals, at the top or one level below, has an entry. */
static bool lists_animals(const json_t *document, unsigned depth)
{
    static const char *const lists[] = {"detections",       "animal_details",  "animals_detected",   "animal_detections",
                                        "species_detected", "animal_sighting", "species_identified", "species_observations"};
    const char              *name;
    json_t                  *value;
    for (size_t i = 0; i < COUNT(lists); i++)
        if (json_array_size(json_object_get(document, lists[i])))
            return true;
    json_object_foreach((json_t *)document, name, value)
    {
        if (depth && json_is_object(value) && lists_animals(value, depth - 1))
            return true;
    }
    return false;
}

static enum nj_answer blank_of(const struct nj_authors_row *row)
{
    static const char *const words[]  = {"event_type", "event_status"};
    const json_t            *document = row->document, *event = json_object_get(document, "event");
    const json_t            *flags[] = {json_object_get(event, "blank"), json_object_get(document, "blank"),
                             is_first(row) ? NULL : json_object_get(document, "blank_event")};
    for (size_t i = 0; i < COUNT(flags); i++)
        if (json_is_boolean(flags[i]))
            return yes(json_is_true(flags[i]));
    if (is_first(row))
        return NJ_UNSAID;
    for (size_t i = 0; i < COUNT(words); i++) {
        const char *word = json_string_value(json_object_get(document, words[i]));
        if (word)
            return yes(mentions_blank(word));
    }
    return lists_animals(document, 1) ? NJ_NO : NJ_UNSAID;
}

/* --- species --- */

static bool names_species(const json_t *list, const char *species)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(list, i), "species"));
        if (name && !strcasecmp(name, species))
            return true;
    }
    return false;
}

static bool labelled(const struct nj_event *label, const char *species)
{
    for (unsigned i = 0; i < label->detection_count; i++)
        if (label->detections[i].species >= 0 && !strcasecmp(nj_species[label->detections[i].species].label, species))
            return true;
    return false;
}

static void score_species(const struct nj_authors_row *row, enum nj_answer *exact, enum nj_answer *overlap)
{
    static const char *const lists[] = {"detections", "animal_details", "animals_detected", "animal_detections"};
    const json_t            *list    = NULL;
    bool                     none = true, strange = false, missed = false, shared = false;
    for (size_t i = 0; i < (is_first(row) ? 1 : COUNT(lists)) && !json_is_array(list); i++)
        list = json_object_get(row->document, lists[i]);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(list, i), "species"));
        if (!name)
            continue;
        none = false;
        strange |= !labelled(row->label, name);
    }
    for (unsigned i = 0; i < row->label->detection_count; i++) {
        const int species = row->label->detections[i].species;
        bool      found   = species >= 0 && names_species(list, nj_species[species].label);
        missed |= !found;
        shared |= found;
    }
    *exact   = yes(!strange && !missed);
    *overlap = yes(shared || (none && row->label->detection_count == 0));
}

/* --- the others --- */

static enum nj_answer review_of(const struct nj_authors_row *row)
{
    static const char *const words[]  = {"review_decision", "recommended_action"};
    const json_t            *document = row->document, *needed = json_object_get(document, "review_needed");
    if (!json_is_boolean(needed))
        needed = json_object_get(json_object_get(document, "review"), "review_needed");
    if (json_is_boolean(needed))
        return yes(json_is_true(needed));
    for (size_t i = 0; i < COUNT(words) && !is_first(row); i++) {
        const char *word = json_string_value(json_object_get(document, words[i]));
        if (word)
            return yes(strcasecmp(word, "auto_accept") != 0);
    }
    return NJ_UNSAID;
}

static bool reports(const json_t *document, const char *key)
{
    return json_object_get(document, key) || json_object_get(json_object_get(document, "sections"), key);
}

void nj_authors_score(const struct nj_authors_row *row, enum nj_answer flags[NJ_AUTHORS_FLAGS])
{
    for (int i = 0; i < NJ_AUTHORS_FLAGS; i++)
        flags[i] = NJ_UNSAID;
    if (!row->document)
        return;
    if (is_task(row, "review", "phase2")) {
        enum nj_answer review = review_of(row);
        if (review != NJ_UNSAID && row->review != NJ_UNSAID)
            flags[NJ_AUTHORS_REVIEW] = yes(review == row->review);
    } else if (is_task(row, "report", NULL)) {
        flags[NJ_AUTHORS_OBSERVED] = yes(reports(row->document, "observed"));
        flags[NJ_AUTHORS_EVIDENCE] = yes(reports(row->document, "evidence") || reports(row->document, "measured"));
    } else if (is_task(row, "tool", NULL)) {
        flags[NJ_AUTHORS_TOOL_CALLS] = yes(json_object_get(row->document, "tool_calls"));
        flags[NJ_AUTHORS_ANSWER]     = yes(json_object_get(row->document, "answer"));
    } else if (row->label) {
        enum nj_answer blank = blank_of(row);
        if (blank != NJ_UNSAID)
            flags[NJ_AUTHORS_BLANK] = yes(blank == row->label->blank);
        else if (is_first(row)) /* what it did not find was wrong for it */
            flags[NJ_AUTHORS_BLANK] = NJ_NO;
        score_species(row, &flags[NJ_AUTHORS_SPECIES], &flags[NJ_AUTHORS_OVERLAP]);
    }
}
