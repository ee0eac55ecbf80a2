#include "pipeline/cli/calibration.h"
#include "base/clock.h"
#include "base/file.h"
#include "pipeline/cli/card_bursts.h"
#include "pipeline/constrain/grammar.h"
#include "pipeline/model/chat.h"
#include "pipeline/model/image.h"
#include "pipeline/sentinel/event.h"
#include "pipeline/sentinel/prompts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TEXT_LIMIT  (64u << 20)
#define PIECES      64
#define PIECE       256 /* tokens */
#define FRAMES      3
#define GAP         5.0 /* seconds, as a station has it unless it is told otherwise */
#define SOFT_TOKENS 70
#define ANSWER      1024 /* tokens at most */

/* What both passes need: an engine on the weights, and its words. */
struct maker {
    const char                *path;
    const struct nj_weights   *weights;
    struct nj_engine          *engine;
    struct nj_tokenizer       *tokenizer;
    struct nj_vocabulary      *vocabulary;
    struct nj_calibration_set *set;
};

static nj_status no_memory(const struct maker *maker, struct nj_error *error)
{
    return nj_fail(error, "%s: no memory to calibrate", maker->path);
}

static nj_status open_maker(struct maker *maker, const char *path, const struct nj_weights *weights, struct nj_pool *pool,
                            struct nj_error *error)
{
    const struct nj_engine_options options = {.arithmetic = NJ_FAST, .pool = pool};
    *maker                                 = (struct maker){.path = path, .weights = weights};
    NJ_TRY(nj_weights_tokenizer(weights, &maker->tokenizer, error));
    NJ_TRY(nj_vocabulary_open(maker->tokenizer, &maker->vocabulary, error));
    return nj_engine_open(weights, &options, &maker->engine, error);
}

static void close_maker(struct maker *maker)
{
    nj_engine_close(maker->engine);
    nj_vocabulary_close(maker->vocabulary);
    nj_tokenizer_close(maker->tokenizer);
}

static struct nj_calibration_sequence *add(struct nj_calibration_set *set)
{
    struct nj_calibration_sequence *larger = realloc(set->list, (set->count + 1) * sizeof *larger);
    if (!larger)
        return NULL;
    set->list          = larger;
    larger[set->count] = (struct nj_calibration_sequence){0};
    return &larger[set->count++];
}

/* ---- A text ---- */

static nj_status from_text(struct maker *maker, struct nj_error *error)
{
    struct nj_ids ids = {0};
    uint8_t      *text;
    size_t        size;
    NJ_TRY(nj_file_read(maker->path, TEXT_LIMIT, &text, &size, error));
    nj_status status = nj_tokenizer_encode(maker->tokenizer, (const char *)text, size, false, &ids, error);
    for (size_t at = 0; at + 1 < ids.count && maker->set->count < PIECES && status == NJ_OK; at += PIECE) {
        size_t                          count = ids.count - at < PIECE ? ids.count - at : PIECE;
        struct nj_calibration_sequence *piece = add(maker->set);
        if (!piece || !(piece->ids = malloc((count + 1) * sizeof *piece->ids)))
            status = no_memory(maker, error);
        else {
            piece->ids[0] = maker->weights->config.bos_id >= 0 ? maker->weights->config.bos_id : 0;
            memcpy(piece->ids + 1, ids.data + at, count * sizeof *piece->ids);
            piece->count = count + 1;
        }
    }
    if (status == NJ_OK && maker->set->count == 0)
        status = nj_fail(error, "%s: too short a text to calibrate with", maker->path);
    free(ids.data);
    free(text);
    return status;
}

/* ---- A card ---- */

/* The answer to the prompt, ids [0, prompt) of the sequence, under its schema. nj_generation_free. */
static nj_status answer(const struct maker *maker, const struct nj_calibration_sequence *burst, size_t prompt, struct nj_grammar *grammar,
                        struct nj_generation *out, struct nj_error *error)
{
    *out = (struct nj_generation){
        .prompt = burst->ids, .prompt_count = prompt, .features = burst->features, .grammar = grammar, .limit = ANSWER};
    nj_status status = nj_sequence_open(maker->engine, (uint32_t)(prompt + ANSWER + NJ_GENERATE_ROOM), &out->sequence, error);
    if (status == NJ_OK)
        status = nj_generate(maker->engine, maker->tokenizer, maker->vocabulary, out, 1, error);
    nj_sequence_close(out->sequence);
    out->sequence = NULL;
    return status;
}

/* The question of a station about this burst. */
static nj_status make_prompt(struct maker *maker, const struct nj_prompt_record *record, const uint32_t *counts, struct nj_ids *ids,
                             struct nj_error *error)
{
    const struct nj_config      *config       = &maker->weights->config;
    const struct nj_chat_options options      = {.empty_thought = config->empty_thought};
    json_t                      *conversation = nj_prompt_conversation(NJ_PROMPT_EVENT_LIVE, record);
    nj_status                    status       = conversation ? NJ_OK : no_memory(maker, error);
    if (status == NJ_OK)
        status = nj_chat_encode(maker->tokenizer, conversation, &options, false, ids, error);
    if (status == NJ_OK)
        status = nj_chat_expand_images(ids, config->image_id, config->boi_id, config->eoi_id, counts, record->frame_count, error);
    json_decref(conversation);
    return status;
}

static nj_status make_grammar(const struct maker *maker, const struct nj_prompt_record *about, int64_t started_at, struct nj_grammar **out,
                              struct nj_error *error)
{
    const struct nj_event_record record = {.event_id       = about->event_id,
                                           .site_id        = about->site_id,
                                           .local_datetime = about->local_datetime,
                                           .hour = started_at == NJ_TIME_UNKNOWN ? -1 : (int)((started_at % 86400 + 86400) % 86400 / 3600),
                                           .frame_count = about->frame_count};
    json_t                      *schema = nj_event_schema(NJ_DIALECT_LIVE, &record);
    nj_status                    status = schema ? nj_grammar_compile("answer", schema, NULL, out, error) : no_memory(maker, error);
    json_decref(schema);
    return status;
}

static nj_status ask(struct maker *maker, const struct nj_burst *burst, const uint32_t *counts, unsigned frames,
                     struct nj_calibration_sequence *sequence, struct nj_cli_calibrated *kept, struct nj_error *error)
{
    char                          time[NJ_TIME_TEXT] = "2016-04-19T08:10:00";
    const struct nj_prompt_record record             = {"calibration", "calibration", time, frames, NULL};
    struct nj_ids                 ids                = {0};
    struct nj_generation          generation         = {0};
    if (burst->started_at != NJ_TIME_UNKNOWN)
        nj_time_local(burst->started_at, time);
    nj_status status = make_prompt(maker, &record, counts, &ids, error);
    size_t    prompt = ids.count;
    sequence->ids    = ids.data;
    sequence->count  = ids.count;
    sequence->scored = prompt ? prompt - 1 : 0;
    if (status == NJ_OK)
        status = make_grammar(maker, &record, burst->started_at, &kept->grammar, error);
    if (status == NJ_OK)
        status = answer(maker, sequence, prompt, kept->grammar, &generation, error);
    for (size_t i = 0; status == NJ_OK && i < generation.ids.count; i++)
        if (!nj_ids_add(&ids, generation.ids.data[i]))
            status = no_memory(maker, error);
    sequence->ids           = ids.data;
    sequence->count         = ids.count;
    kept->choices           = generation.choices;
    kept->choice_count      = generation.choice_count;
    generation.choices      = NULL;
    generation.choice_count = 0;
    nj_generation_free(&generation);
    return status;
}

/* Pictures that cannot be decoded are left out; a burst without any is no burst. */
static nj_status add_burst(struct maker *maker, struct nj_cli_calibration *calibration, const struct nj_burst *burst,
                           const struct nj_frame *frames, struct nj_error *error)
{
    struct nj_calibration_sequence *sequence = add(maker->set);
    size_t                          hidden = maker->weights->config.text.hidden_size, positions = 0;
    uint32_t                        counts[FRAMES];
    unsigned                        seen = 0;
    if (!sequence)
        return no_memory(maker, error);
    for (size_t i = 0; i < burst->length; i++) {
        struct nj_image image = {0};
        char            path[8192];
        if (!nj_path_join(path, sizeof path, maker->path, frames[i].path) ||
            nj_image_from_file(maker->engine, path, SOFT_TOKENS, false, &image, NULL) != NJ_OK)
            continue;
        float *grown = realloc(sequence->features, (positions + image.count) * hidden * sizeof *grown);
        if (grown) {
            memcpy(grown + positions * hidden, image.features, image.count * hidden * sizeof *grown);
            sequence->features = grown;
            counts[seen++]     = image.count;
            positions += image.count;
        }
        nj_image_free(&image);
        if (!grown)
            return no_memory(maker, error);
    }
    if (seen)
        return ask(maker, burst, counts, seen, sequence, &calibration->burst[calibration->count++], error);
    maker->set->count--;
    return NJ_OK;
}

static nj_status from_card(struct maker *maker, struct nj_cli_calibration *calibration, struct nj_error *error)
{
    const struct nj_burst_rules rules = {GAP, FRAMES};
    struct nj_card_bursts       card;
    size_t                      first = 0, taken = 0;
    if (maker->weights->config.vision.layers == 0)
        return nj_fail(error, "%s: this model has no vision tower; calibrate it with a text file", maker->path);
    nj_status status = nj_card_bursts_read(maker->path, &rules, &card, error);
    size_t    wanted = card.burst_count < NJ_CALIBRATION_BURSTS ? card.burst_count : NJ_CALIBRATION_BURSTS;
    for (size_t i = 0; i < card.burst_count && status == NJ_OK; first += card.burst[i++].length)
        if (i == taken * card.burst_count / wanted && taken < wanted) {
            taken++;
            status = add_burst(maker, calibration, &card.burst[i], &card.frame[first], error);
        }
    nj_card_bursts_free(&card);
    if (status == NJ_OK && maker->set->count == 0)
        status = nj_fail(error, "%s: no picture in it that can be used", maker->path);
    return status;
}

nj_status nj_cli_calibrate(void *arg, const struct nj_weights *weights, struct nj_pool *pool, struct nj_calibration_set *out,
                           struct nj_error *error)
{
    struct nj_cli_calibration *calibration = arg;
    struct maker               maker;
    struct stat                info;
    if (stat(calibration->path, &info) != 0)
        return nj_fail(error, "%s: no such folder of pictures or text file", calibration->path);
    nj_status status = open_maker(&maker, calibration->path, weights, pool, error);
    maker.set        = out;
    if (status == NJ_OK)
        status = S_ISDIR(info.st_mode) ? from_card(&maker, calibration, error) : from_text(&maker, error);
    close_maker(&maker);
    return status;
}

/* ---- What the finished model decides ---- */

static const struct nj_choice *find(const struct nj_choice *choices, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(choices[i].path, path))
            return &choices[i];
    return NULL;
}

/* One decision more, the same or not, of the kind that the pointer names: "/detections/0/species" is a species. */
static void count_decision(json_t *kinds, const char *path, bool same)
{
    const char *name = strrchr(path, '/');
    const char *kind = strstr(path, "/behaviors/") ? "behaviors" : name ? name + 1 : path;
    json_t     *pair = json_object_get(kinds, kind);
    if (!pair) {
        pair = json_pack("[i, i]", 0, 0);
        json_object_set_new(kinds, kind, pair);
    }
    json_array_set_new(pair, 0, json_integer(json_integer_value(json_array_get(pair, 0)) + same));
    json_array_set_new(pair, 1, json_integer(json_integer_value(json_array_get(pair, 1)) + 1));
}

/* Decisions that only one of the two models came to (about a second animal, say) are not the same. */
static void compare(json_t *kinds, const struct nj_cli_calibrated *before, const struct nj_generation *after)
{
    for (size_t i = 0; i < before->choice_count; i++) {
        const struct nj_choice *other = find(after->choices, after->choice_count, before->choices[i].path);
        count_decision(kinds, before->choices[i].path, other && !strcmp(other->value, before->choices[i].value));
    }
    for (size_t i = 0; i < after->choice_count; i++)
        if (!find(before->choices, before->choice_count, after->choices[i].path))
            count_decision(kinds, after->choices[i].path, false);
}

nj_status nj_cli_decide(void *arg, const struct nj_weights *weights, struct nj_pool *pool, const struct nj_calibration_set *set,
                        json_t **out, struct nj_error *error)
{
    struct nj_cli_calibration *calibration = arg;
    struct maker               maker;
    *out = NULL;
    if (calibration->count == 0)
        return NJ_OK;
    nj_status status = open_maker(&maker, calibration->path, weights, pool, error);
    json_t   *kinds  = json_object();
    for (size_t i = 0; i < calibration->count && status == NJ_OK; i++) {
        struct nj_generation generation;
        status = answer(&maker, &set->list[i], set->list[i].scored + 1, calibration->burst[i].grammar, &generation, error);
        if (status == NJ_OK)
            compare(kinds, &calibration->burst[i], &generation);
        nj_generation_free(&generation);
    }
    close_maker(&maker);
    if (status == NJ_OK)
        *out = kinds;
    else
        json_decref(kinds);
    return status;
}

void nj_cli_calibration_free(struct nj_cli_calibration *calibration)
{
    for (size_t i = 0; i < calibration->count; i++) {
        struct nj_generation choices = {.choices = calibration->burst[i].choices, .choice_count = calibration->burst[i].choice_count};
        nj_generation_free(&choices);
        nj_grammar_close(calibration->burst[i].grammar);
    }
    calibration->count = 0;
}
