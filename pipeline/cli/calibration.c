#include "pipeline/cli/calibration.h"
#include "base/file.h"
#include "pipeline/ingest/walk.h"
#include "pipeline/model/chat.h"
#include "pipeline/model/image.h"
#include "pipeline/sentinel/prompts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TEXT_LIMIT  (64u << 20)
#define PIECES      64
#define PIECE       256 /* tokens */
#define BURSTS      12
#define FRAMES      3
#define SOFT_TOKENS 70
#define ANSWER      64 /* tokens */

struct maker {
    const char                *path;
    const struct nj_weights   *weights;
    struct nj_engine          *engine;
    struct nj_tokenizer       *tokenizer;
    struct nj_calibration_set *set;
    char                     **picture; /* paths relative to the card */
    size_t                     picture_count;
};

static struct nj_calibration_sequence *add(struct nj_calibration_set *set)
{
    struct nj_calibration_sequence *larger = realloc(set->list, (set->count + 1) * sizeof *larger);
    if (!larger)
        return NULL;
    set->list          = larger;
    larger[set->count] = (struct nj_calibration_sequence){0};
    return &larger[set->count++];
}

static nj_status no_memory(const struct maker *maker, struct nj_error *error)
{
    return nj_fail(error, "%s: no memory to calibrate", maker->path);
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

static nj_status note_picture(void *user, const struct nj_walk_entry *entry, struct nj_error *error)
{
    struct maker *maker = user;
    if (entry->ignored)
        return NJ_OK;
    char **larger = realloc(maker->picture, (maker->picture_count + 1) * sizeof *larger);
    if (!larger)
        return no_memory(maker, error);
    maker->picture               = larger;
    larger[maker->picture_count] = strdup(entry->path);
    return larger[maker->picture_count++] ? NJ_OK : no_memory(maker, error);
}

/* The greedy answer, appended to the prompt. */
static nj_status append_answer(struct maker *maker, struct nj_calibration_sequence *burst, struct nj_error *error)
{
    const struct nj_config *config = &maker->weights->config;
    struct nj_sequence     *sequence;
    float                  *logits = malloc(config->text.vocab_size * sizeof *logits);
    if (!logits)
        return no_memory(maker, error);
    nj_status      status = nj_sequence_open(maker->engine, (uint32_t)burst->count + ANSWER, &sequence, error);
    struct nj_step step   = {.ids      = burst->ids,
                             .count    = burst->count,
                             .features = burst->features,
                             .want     = NJ_WANT_LAST,
                             .logits   = logits,
                             .sequence = sequence};
    burst->scored         = burst->count - 1;
    for (int i = 0; i < ANSWER && status == NJ_OK; i++) {
        int32_t best = 0;
        status       = nj_engine_step(maker->engine, &step, 1, error);
        for (uint32_t k = 1; k < config->text.vocab_size && status == NJ_OK; k++)
            best = logits[k] > logits[best] ? (int32_t)k : best;
        burst->ids[burst->count++] = best;
        step                       = (struct nj_step){
                                  .ids = burst->ids + burst->count - 1, .count = 1, .want = NJ_WANT_LAST, .logits = logits, .sequence = sequence};
        for (uint32_t k = 0; k < config->eos_count; k++)
            if (best == config->eos_ids[k])
                i = ANSWER;
    }
    nj_sequence_close(sequence);
    free(logits);
    return status;
}

static nj_status ask(struct maker *maker, struct nj_calibration_sequence *burst, const uint32_t *counts, unsigned frames,
                     struct nj_error *error)
{
    const struct nj_config       *config       = &maker->weights->config;
    const struct nj_prompt_record record       = {"calibration", "calibration", "2016-04-19T08:10:00", frames, NULL};
    const struct nj_chat_options  options      = {.empty_thought = config->empty_thought};
    json_t                       *conversation = nj_prompt_conversation(NJ_PROMPT_EVENT_LIVE, &record);
    struct nj_ids                 ids          = {0};
    nj_status                     status       = conversation ? NJ_OK : no_memory(maker, error);
    if (status == NJ_OK)
        status = nj_chat_encode(maker->tokenizer, conversation, &options, false, &ids, error);
    if (status == NJ_OK)
        status = nj_chat_expand_images(&ids, config->image_id, config->boi_id, config->eoi_id, counts, frames, error);
    json_decref(conversation);
    if (status == NJ_OK && !(burst->ids = malloc((ids.count + ANSWER) * sizeof *burst->ids)))
        status = no_memory(maker, error);
    if (status == NJ_OK) {
        memcpy(burst->ids, ids.data, ids.count * sizeof *burst->ids);
        burst->count = ids.count;
        status       = append_answer(maker, burst, error);
    }
    free(ids.data);
    return status;
}

/* Pictures that cannot be read are left out; a burst without any is no burst. */
static nj_status add_burst(struct maker *maker, size_t first, size_t frames, struct nj_error *error)
{
    struct nj_calibration_sequence *burst  = add(maker->set);
    size_t                          hidden = maker->weights->config.text.hidden_size, positions = 0;
    uint32_t                        counts[FRAMES];
    unsigned                        seen = 0;
    if (!burst)
        return no_memory(maker, error);
    for (size_t i = 0; i < frames; i++) {
        struct nj_image image = {0};
        char            path[8192];
        if (!nj_path_join(path, sizeof path, maker->path, maker->picture[first + i]) ||
            nj_image_from_file(maker->engine, path, SOFT_TOKENS, false, &image, NULL) != NJ_OK)
            continue;
        float *grown = realloc(burst->features, (positions + image.count) * hidden * sizeof *grown);
        if (grown) {
            memcpy(grown + positions * hidden, image.features, image.count * hidden * sizeof *grown);
            burst->features = grown;
            counts[seen++]  = image.count;
            positions += image.count;
        }
        nj_image_free(&image);
        if (!grown)
            return no_memory(maker, error);
    }
    if (seen)
        return ask(maker, burst, counts, seen, error);
    maker->set->count--;
    return NJ_OK;
}

static nj_status from_card(struct maker *maker, struct nj_error *error)
{
    if (maker->weights->config.vision.layers == 0)
        return nj_fail(error, "%s: this model has no vision tower; calibrate it with a text file", maker->path);
    NJ_TRY(nj_walk(maker->path, note_picture, maker, error));
    size_t groups = (maker->picture_count + FRAMES - 1) / FRAMES, wanted = groups < BURSTS ? groups : BURSTS;
    for (size_t i = 0; i < wanted; i++) {
        size_t first = i * groups / wanted * FRAMES, left = maker->picture_count - first;
        NJ_TRY(add_burst(maker, first, left < FRAMES ? left : FRAMES, error));
    }
    return maker->set->count ? NJ_OK : nj_fail(error, "%s: no picture in it that can be read", maker->path);
}

nj_status nj_cli_calibration(void *path, const struct nj_weights *weights, struct nj_pool *pool, struct nj_calibration_set *out,
                             struct nj_error *error)
{
    const struct nj_engine_options options = {.arithmetic = NJ_FAST, .pool = pool};
    struct maker                   maker   = {.path = path, .weights = weights, .set = out};
    struct stat                    info;
    if (stat(path, &info) != 0)
        return nj_fail(error, "%s: no such folder of pictures or text file", maker.path);
    nj_status status = nj_weights_tokenizer(weights, &maker.tokenizer, error);
    if (status == NJ_OK)
        status = nj_engine_open(weights, &options, &maker.engine, error);
    if (status == NJ_OK)
        status = S_ISDIR(info.st_mode) ? from_card(&maker, error) : from_text(&maker, error);
    for (size_t i = 0; i < maker.picture_count; i++)
        free(maker.picture[i]);
    free(maker.picture);
    nj_engine_close(maker.engine);
    nj_tokenizer_close(maker.tokenizer);
    return status;
}
