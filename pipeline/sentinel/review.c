#include "pipeline/sentinel/review.h"
#include "base/conf.h"
#include "pipeline/sentinel/species.h"

#include <string.h>

const struct nj_reason_words nj_reason_words[NJ_REASONS] = {
    [NJ_REASON_DISAGREEMENT]      = {"high_label_disagreement", NJ_PRIORITY_HIGH, "volunteers disagreed about the species",
                                     "watazamaji hawakukubaliana kuhusu spishi"},
    [NJ_REASON_BLANK_VOTES]       = {"blank_votes_present", NJ_PRIORITY_MEDIUM, "some volunteers saw no animal",
                                     "baadhi ya watazamaji hawakuona mnyama"},
    [NJ_REASON_RARE]              = {"rare_species", NJ_PRIORITY_HIGH, "a rare species", "spishi adimu"},
    [NJ_REASON_MULTI_SPECIES]     = {"multi_species_event", NJ_PRIORITY_MEDIUM, "more than one species", "zaidi ya spishi moja"},
    [NJ_REASON_NIGHT]             = {"night_event", NJ_PRIORITY_MEDIUM, "taken at night", "ilipigwa usiku"},
    [NJ_REASON_HIGH_COUNT]        = {"high_count_event", NJ_PRIORITY_MEDIUM, "many animals: the count may be wrong",
                                     "wanyama wengi: hesabu inaweza kuwa na makosa"},
    [NJ_REASON_BLANK_UNCERTAINTY] = {"blank_uncertainty", NJ_PRIORITY_HIGH, "perhaps not empty after all", "huenda kuna mnyama"},
    [NJ_REASON_SPECIES_UNSURE]    = {"species_unsure", NJ_PRIORITY_MEDIUM, "the model is not sure of the species",
                                     "modeli haina uhakika wa spishi"},
    [NJ_REASON_BLANK_UNSURE]      = {"blank_unsure", NJ_PRIORITY_MEDIUM, "the model is not sure whether an animal is there",
                                     "modeli haina uhakika kama kuna mnyama"},
    [NJ_REASON_PEOPLE]            = {"people_or_vehicle", NJ_PRIORITY_HIGH, "people or a vehicle may be in the picture",
                                     "huenda kuna watu au gari kwenye picha"},
};

int nj_reason_index(const char *code)
{
    for (int i = 0; i < NJ_REASONS; i++)
        if (!strcmp(nj_reason_words[i].code, code))
            return i;
    return -1;
}

const char *nj_reason_by_model(int reason)
{
    if (reason == NJ_REASON_DISAGREEMENT)
        return "people would not agree about the species, the model thinks";
    if (reason == NJ_REASON_BLANK_VOTES)
        return "some people would see no animal, the model thinks";
    return nj_reason_words[reason].english;
}

uint32_t nj_review_rules(const struct nj_review_facts *facts)
{
    uint32_t reasons = 0;
    if (facts->voted && facts->evenness >= 0.75)
        reasons |= 1u << NJ_REASON_DISAGREEMENT;
    if (facts->voted && !facts->blank && facts->blank_ratio >= 0.20)
        reasons |= 1u << NJ_REASON_BLANK_VOTES;
    if (facts->rare)
        reasons |= 1u << NJ_REASON_RARE;
    if (facts->species_count >= 2)
        reasons |= 1u << NJ_REASON_MULTI_SPECIES;
    if (nj_is_night(facts->hour) == NJ_YES && !facts->blank)
        reasons |= 1u << NJ_REASON_NIGHT;
    if (facts->high_count)
        reasons |= 1u << NJ_REASON_HIGH_COUNT;
    if (facts->voted && facts->blank && facts->blank_ratio < 1)
        reasons |= 1u << NJ_REASON_BLANK_UNCERTAINTY;
    return reasons;
}

enum nj_priority nj_review_priority(uint32_t reasons)
{
    enum nj_priority priority = NJ_PRIORITY_NONE;
    for (int i = 0; i < NJ_REASONS; i++)
        if (reasons >> i & 1 && nj_reason_words[i].priority > priority)
            priority = nj_reason_words[i].priority;
    return priority;
}

enum nj_confidence nj_review_confidence(const struct nj_review_facts *facts)
{
    const uint32_t doubts = 1u << NJ_REASON_BLANK_VOTES | 1u << NJ_REASON_RARE | 1u << NJ_REASON_MULTI_SPECIES | 1u << NJ_REASON_NIGHT;
    if (facts->evenness >= 0.6)
        return NJ_CONFIDENCE_LOW;
    /* Seen high at 0, never at 0.337 or above: the line between them is ours. */
    if (facts->evenness <= 0.2 && facts->blank_ratio <= 0.10 && !(nj_review_rules(facts) & doubts))
        return NJ_CONFIDENCE_HIGH;
    return NJ_CONFIDENCE_MEDIUM;
}

struct nj_review_facts nj_review_facts_of(const struct nj_event *event, int hour, const struct nj_review_settings *settings)
{
    struct nj_review_facts facts                  = {.hour = hour, .blank = event->blank == NJ_YES};
    bool                   seen[NJ_SPECIES_COUNT] = {false};
    for (unsigned i = 0; i < event->detection_count; i++) {
        const struct nj_detection *detection = &event->detections[i];
        if (detection->species < 0)
            facts.species_count++;
        else if (!seen[detection->species]) {
            seen[detection->species] = true;
            facts.species_count++;
        }
        facts.rare |= detection->species >= 0 && nj_list_has(settings->rare_species, nj_species[detection->species].label);
        facts.high_count |= detection->bin >= 0 && nj_list_has(settings->high_count_bins, nj_count_bins[detection->bin].name);
    }
    return facts;
}
