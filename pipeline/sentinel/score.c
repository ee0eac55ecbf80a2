#include "pipeline/sentinel/score.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static void count(struct nj_rate *rate, bool right)
{
    rate->n++;
    rate->right += right;
}

static uint64_t species_set(const struct nj_event *event)
{
    uint64_t set = 0;
    for (unsigned i = 0; i < event->detection_count; i++)
        set |= UINT64_C(1) << (event->detections[i].species >= 0 ? event->detections[i].species : NJ_SPECIES_COUNT);
    return set;
}

static const struct nj_detection *detection_of(const struct nj_event *event, int species)
{
    for (unsigned i = 0; event && i < event->detection_count; i++)
        if (event->detections[i].species == species)
            return &event->detections[i];
    return NULL;
}

/* Counts, behaviours and young of the label's species; an animal that was not named is wrong in all of them. */
static void score_details(struct nj_score *score, const struct nj_score_row *row)
{
    for (unsigned i = 0; i < row->label->detection_count; i++) {
        const struct nj_detection *want = &row->label->detections[i], *got = detection_of(row->answer, want->species);
        if (want->bin >= 0)
            count(&score->count_bin, got && got->bin == want->bin);
        for (int b = 0; b < NJ_BEHAVIORS; b++)
            if (want->behavior[b] != NJ_UNSAID)
                count(&score->behavior, got && got->behavior[b] == want->behavior[b]);
        if (want->young != NJ_UNSAID)
            count(&score->young, got && got->young == want->young);
    }
}

/* The next set bit behind `at`, NJ_SPECIES_COUNT when there is none. */
static int next_bit(uint64_t set, int at)
{
    while (++at < NJ_SPECIES_COUNT)
        if (set >> at & 1)
            return at;
    return NJ_SPECIES_COUNT;
}

/* Which label became which answer, where that can be told: species that both sides name, then what is left over, in order. */
static void score_confusion(struct nj_score *score, const struct nj_score_row *row)
{
    uint64_t       want = species_set(row->label), got = row->answer ? species_set(row->answer) : 0, both = want & got;
    const uint64_t known = (UINT64_C(1) << NJ_SPECIES_COUNT) - 1;
    for (int s = 0; s < NJ_SPECIES_COUNT; s++)
        if (both >> s & 1)
            score->confusion[s][s]++;
    want &= ~both & known;
    got &= ~both & known;
    if (!want && !got && !both)
        score->confusion[NJ_SPECIES_COUNT][NJ_SPECIES_COUNT]++;
    for (int w = -1, g = -1;;) {
        w = next_bit(want, w);
        g = next_bit(got, g);
        if (w == NJ_SPECIES_COUNT && g == NJ_SPECIES_COUNT)
            return;
        score->confusion[w][g]++;
    }
}

/* By the rules of the published scorers. What was written under constraint is there for them as it is for us. */
static void score_as_authors(struct nj_score *score, const struct nj_score_row *row)
{
    for (int i = 0; row->authors && i < NJ_AUTHORS_FLAGS; i++)
        if (row->authors[i] != NJ_UNSAID)
            count(&score->authors[i], row->authors[i] == NJ_YES);
    if (row->authors || !row->label || !row->answer)
        return;
    const uint64_t want = species_set(row->label), got = species_set(row->answer);
    count(&score->authors[NJ_AUTHORS_BLANK], row->answer->blank == row->label->blank);
    count(&score->authors[NJ_AUTHORS_SPECIES], want == got);
    count(&score->authors[NJ_AUTHORS_OVERLAP], want & got || want == got);
}

void nj_score_add(struct nj_score *score, const struct nj_score_row *row)
{
    const struct nj_event *label = row->label, *answer = row->answer;
    score->events++;
    score->unread += !answer;
    count(&score->json_valid, row->strict_json);
    count(&score->authors_valid, row->authors_valid);
    score_as_authors(score, row);
    if (row->label_has_review)
        count(&score->review, answer && answer->review_needed == (row->label_review ? NJ_YES : NJ_NO));
    if (!label)
        return;
    uint64_t want = species_set(label), got = answer ? species_set(answer) : 0;
    bool     set_right = answer && want == got;
    count(&score->blank, answer && answer->blank == label->blank);
    count(&score->species_set, set_right);
    count(&score->species_overlap, answer && (want & got || want == got));
    if (!row->night && label->detection_count == 1)
        count(&score->day_single, set_right);
    score_details(score, row);
    score_confusion(score, row);
    for (unsigned i = 0; answer && row->probability && i < answer->detection_count; i++) {
        double p = row->probability[i];
        if (!(p >= 0 && p <= 1))
            continue;
        unsigned bin = p >= 1 ? NJ_SCORE_BINS - 1 : (unsigned)(p * NJ_SCORE_BINS);
        score->reliability[bin].n++;
        score->reliability[bin].sum += p;
        score->reliability[bin].right += detection_of(label, answer->detections[i].species) != NULL;
    }
}

/* E. B. Wilson, JASA 22 (1927): the score interval, z = 1.96. */
struct nj_interval nj_wilson(struct nj_rate rate)
{
    if (rate.n == 0)
        return (struct nj_interval){NAN, NAN, NAN};
    const double z = 1.959964;
    double       n = rate.n, p = rate.right / n, middle = p + z * z / (2 * n), spread = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)),
           scale = 1 + z * z / n;
    return (struct nj_interval){p, fmax(0, (middle - spread) / scale), fmin(1, (middle + spread) / scale)};
}

double nj_score_calibration_error(const struct nj_score *score)
{
    double   error = 0;
    unsigned n     = 0;
    for (int i = 0; i < NJ_SCORE_BINS; i++) {
        error += fabs(score->reliability[i].right - score->reliability[i].sum);
        n += score->reliability[i].n;
    }
    return n ? error / n : NAN;
}

struct named_rate {
    const char    *name, *key;
    struct nj_rate rate;
};

#define RATES 18
static void name_rates(const struct nj_score *s, struct named_rate out[RATES])
{
    const struct named_rate rates[RATES] = {
        {"JSON valid, strict", "json_valid", s->json_valid},
        {"JSON valid, authors'", "authors_json_valid", s->authors_valid},
        {"blank", "blank", s->blank},
        {"blank, authors'", "authors_blank", s->authors[NJ_AUTHORS_BLANK]},
        {"species set exact", "species_set_exact", s->species_set},
        {"species set exact, authors'", "authors_species_set_exact", s->authors[NJ_AUTHORS_SPECIES]},
        {"species set exact, one species by day", "species_set_exact_day_single", s->day_single},
        {"species overlap", "species_any_overlap", s->species_overlap},
        {"species overlap, authors'", "authors_species_any_overlap", s->authors[NJ_AUTHORS_OVERLAP]},
        {"count bin", "count_bin", s->count_bin},
        {"behaviours, each yes or no", "behaviors", s->behavior},
        {"young", "young", s->young},
        {"review needed", "review", s->review},
        {"review needed, authors'", "authors_review", s->authors[NJ_AUTHORS_REVIEW]},
        {"reports with observations, authors'", "authors_has_observed", s->authors[NJ_AUTHORS_OBSERVED]},
        {"reports with evidence, authors'", "authors_has_evidence", s->authors[NJ_AUTHORS_EVIDENCE]},
        {"tool answers with calls, authors'", "authors_has_tool_calls", s->authors[NJ_AUTHORS_TOOL_CALLS]},
        {"tool answers in words, authors'", "authors_has_answer", s->authors[NJ_AUTHORS_ANSWER]},
    };
    memcpy(out, rates, sizeof rates);
}

void nj_score_print(const struct nj_score *score, struct nj_text *out)
{
    struct named_rate rates[RATES];
    name_rates(score, rates);
    nj_text_addf(out, "%u events, %u answers could not be read\n\n%-40s %6s %6s   95 %% interval\n", score->events, score->unread, "",
                 "rate", "n");
    for (int i = 0; i < RATES; i++) {
        struct nj_interval w = nj_wilson(rates[i].rate);
        if (rates[i].rate.n)
            nj_text_addf(out, "%-40s %6.3f %6u   %.3f to %.3f\n", rates[i].name, w.share, rates[i].rate.n, w.low, w.high);
        else
            nj_text_addf(out, "%-40s %6s %6u\n", rates[i].name, "-", 0u);
    }
    nj_text_add(out, "\nlabel             answers\n");
    for (int w = 0; w <= NJ_SPECIES_COUNT; w++) {
        unsigned all = 0;
        for (int g = 0; g <= NJ_SPECIES_COUNT; g++)
            all += score->confusion[w][g];
        if (!all)
            continue;
        nj_text_addf(out, "%-17s", w < NJ_SPECIES_COUNT ? nj_species[w].label : "(none)");
        for (int g = 0; g <= NJ_SPECIES_COUNT; g++)
            if (score->confusion[w][g])
                nj_text_addf(out, " %s %u", g < NJ_SPECIES_COUNT ? nj_species[g].label : "(none)", score->confusion[w][g]);
        nj_text_add(out, "\n");
    }
    double error = nj_score_calibration_error(score);
    if (isnan(error))
        return;
    nj_text_addf(out, "\nspecies probability   said   true      n   (calibration error %.3f)\n", error);
    for (int i = 0; i < NJ_SCORE_BINS; i++)
        if (score->reliability[i].n)
            nj_text_addf(out, "%.1f to %.1f            %.3f  %.3f  %5u\n", i / 10.0, (i + 1) / 10.0,
                         score->reliability[i].sum / score->reliability[i].n, (double)score->reliability[i].right / score->reliability[i].n,
                         score->reliability[i].n);
}

void nj_score_json(const struct nj_score *score, const char *more, struct nj_text *out)
{
    struct named_rate rates[RATES];
    name_rates(score, rates);
    nj_text_addf(out, "{\"events\":%u,\"unread\":%u", score->events, score->unread);
    for (int i = 0; i < RATES; i++) {
        struct nj_interval w = nj_wilson(rates[i].rate);
        if (rates[i].rate.n)
            nj_text_addf(out, ",\"%s\":{\"rate\":%.6f,\"n\":%u,\"low\":%.6f,\"high\":%.6f}", rates[i].key, w.share, rates[i].rate.n, w.low,
                         w.high);
        else
            nj_text_addf(out, ",\"%s\":{\"rate\":null,\"n\":0}", rates[i].key);
    }
    double error = nj_score_calibration_error(score);
    nj_text_addf(out, isnan(error) ? ",\"calibration_error\":null" : ",\"calibration_error\":%.6f", error);
    nj_text_addf(out, "%s}\n", more ? more : "");
}
