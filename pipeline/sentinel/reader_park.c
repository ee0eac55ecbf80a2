#include "pipeline/sentinel/reader_work.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

static bool hash_json(struct sha256_ctx *hash, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(json);
    if (!text)
        return false;
    sha256_update(hash, strlen(text) + 1, (const uint8_t *)text);
    free(text);
    return true;
}

nj_status nj_work_key(const struct nj_reader *reader, const struct nj_work *work, uint8_t key[NJ_PARK_KEY], struct nj_error *error)
{
    const struct nj_burst_input  *burst  = work->burst;
    const struct nj_event_record *known  = &burst->record;
    struct nj_prompt_record       record = {.event_id       = known->event_id,
                                            .site_id        = known->site_id,
                                            .local_datetime = known->local_datetime,
                                            .frame_count    = known->frame_count,
                                            .first_pass     = "{}"};
    uint32_t          numbers[] = {work->soft_tokens, (uint32_t)reader->conf->model.think, (uint32_t)reader->conf->sentinel.second_look,
                                   nj_engine_pass_rows(reader->engine)};
    struct sha256_ctx hash;
    sha256_init(&hash);
    sha256_update(&hash, sizeof numbers, (const uint8_t *)numbers);
    if (!hash_json(&hash, nj_prompt_conversation(reader->prompt, &record)) || !hash_json(&hash, nj_event_schema(reader->dialect, known)) ||
        !hash_json(&hash, nj_prompt_conversation(NJ_PROMPT_REVIEW, &record)) || !hash_json(&hash, nj_routing_schema(known)))
        return nj_fail(error, "event %s: no memory for its question", known->event_id);
    for (unsigned i = 0; i < known->frame_count; i++) {
        const struct nj_picture *frame  = &burst->frames[i];
        uint32_t                 size[] = {frame->width, frame->height};
        sha256_update(&hash, sizeof size, (const uint8_t *)size);
        sha256_update(&hash, (size_t)3 * frame->width * frame->height, frame->rgb);
    }
    sha256_digest(&hash, NJ_PARK_KEY, key);
    return NJ_OK;
}

/* Whether what was read can be what was written. */
static bool fits(const struct nj_reader *reader, const struct nj_work *work, const struct nj_park *park)
{
    const uint32_t hidden = nj_engine_weights(reader->engine)->config.text.hidden_size;
    uint64_t       tokens = 0;
    if (park->frames > work->burst->record.frame_count)
        return false;
    for (uint32_t i = 0; i < park->frames; i++)
        tokens += park->counts[i];
    if (park->features ? park->floats != tokens * hidden : park->frames < work->burst->record.frame_count)
        return false;
    return park->question == 0 || reader->conf->sentinel.second_look;
}

nj_status nj_work_take_up(const struct nj_reader *reader, struct nj_work *work, struct nj_error *error)
{
    const struct nj_burst_input *burst = work->burst;
    const uint32_t               asked = work->soft_tokens;
    uint8_t                      key[NJ_PARK_KEY];
    struct nj_park              *park   = &work->parked;
    nj_status                    status = nj_park_read(burst->parked, burst->parked_size, nj_engine_identity(reader->engine), park, error);
    if (status == NJ_OK) {
        work->soft_tokens = park->soft_tokens;
        status            = nj_work_key(reader, work, key, error);
    }
    if (status == NJ_OK && (memcmp(key, park->key, sizeof key) != 0 || !fits(reader, work, park)))
        status = nj_fail(error, "it belongs to other pictures, another question or other settings");
    if (status != NJ_OK) {
        nj_park_free(park);
        work->soft_tokens = asked;
        return status;
    }
    work->question = park->question;
    work->frames   = park->frames;
    work->features = park->features;
    work->random   = park->random;
    park->features = NULL;
    memcpy(work->counts, park->counts, sizeof park->counts);
    for (uint32_t i = 0; i < park->frames; i++)
        work->image_tokens += park->counts[i];
    return NJ_OK;
}

nj_status nj_work_park(const struct nj_reader *reader, struct nj_work *work, const struct nj_reading *reading, uint8_t **bytes,
                       size_t *size, struct nj_error *error)
{
    const uint32_t hidden = nj_engine_weights(reader->engine)->config.text.hidden_size;
    struct nj_park park   = {.soft_tokens = work->soft_tokens,
                             .frames      = work->frames,
                             .features    = work->features,
                             .floats      = (size_t)work->image_tokens * hidden,
                             .question    = work->question,
                             .random      = work->random_before};
    uint8_t       *state  = NULL;
    bool           begun  = work->sequence && nj_sequence_length(work->sequence) > 0; /* half a thought does not count */
    nj_status      status = NJ_OK;
    *bytes                = NULL;
    if (work->frames == 0)
        return NJ_OK;
    if (work->parked.sequence) { /* taken up, but its turn did not come */
        *bytes = malloc(work->burst->parked_size);
        *size  = work->burst->parked_size;
        if (!*bytes)
            return nj_fail(error, "no memory to park a burst");
        memcpy(*bytes, work->burst->parked, *size);
        return NJ_OK;
    }
    memcpy(park.counts, work->counts, sizeof park.counts);
    if (work->question > 0) {
        park.answers[0]              = work->first;
        park.answers[0].choices      = reading->choices;
        park.answers[0].choice_count = reading->choice_count;
    }
    if (begun) {
        park.answers[work->question] = work->generation;
        park.thought_over            = work->thought_over;
        if (work->thought_over) {
            park.prompt = work->ids;
            park.random = work->random;
        }
        status        = nj_sequence_save(work->sequence, &state, &park.sequence_size, error);
        park.sequence = state;
        nj_sequence_close(work->sequence);
        work->sequence = NULL;
        bool seen      = work->thought_over || work->generation.fed >= work->generation.prompt_count;
        if (seen && (work->question > 0 || !reader->conf->sentinel.second_look))
            park.features = NULL; /* they are in the keys and values */
    }
    if (status == NJ_OK)
        status = nj_work_key(reader, work, park.key, error);
    if (status == NJ_OK)
        status = nj_park_write(&park, nj_engine_identity(reader->engine), bytes, size, error);
    free(state);
    return status;
}
