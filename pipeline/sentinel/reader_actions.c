/* The question what the animals do, asked of the engine that carries the adapter for it (actions.h). It is short and comes last, so nothing of it is parked: an
 * event that a stop catches here is whole without it. */
#include "base/log.h"
#include "pipeline/model/chat.h"
#include "pipeline/sentinel/reader_work.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LISTED_TOKENS 256 /* of a listed action, which is never cut; free text has NJ_ACTION_TOKENS */

struct question {
    struct nj_work     *work;
    struct nj_reading  *reading;
    struct nj_ids       ids;
    struct nj_grammar  *grammar;
    struct nj_sequence *sequence;
};

nj_status nj_reader_add_actions(struct nj_reader *reader, struct nj_engine *engine, const char *adapter, struct nj_error *error)
{
    json_decref(reader->actions);
    reader->actions = NULL;
    reader->actor   = engine;
    return nj_actions_read(adapter, &reader->actions, error);
}

/* A burst that was parked behind its pictures comes without their features. */
static nj_status see_again(struct nj_reader *reader, struct nj_work *work, struct nj_error *error)
{
    if (work->features)
        return NJ_OK;
    work->frames       = 0;
    work->image_tokens = 0;
    return nj_work_see(reader, work, error);
}

static nj_status lay_out(struct nj_reader *reader, struct question *q, struct nj_error *error)
{
    const struct nj_config *config       = &nj_engine_weights(reader->actor)->config;
    const unsigned          frames       = q->work->burst->record.frame_count;
    struct nj_chat_options  options      = {.empty_thought = config->empty_thought};
    json_t                 *conversation = nj_action_conversation(frames, reader->actions);
    json_t                 *schema       = reader->actions ? json_pack("{s:O}", "enum", reader->actions) : NULL;
    size_t                  limit        = reader->actions ? LISTED_TOKENS : NJ_ACTION_TOKENS;
    nj_status               status       = see_again(reader, q->work, error);
    if (status == NJ_OK && (!conversation || (reader->actions && !schema)))
        status = nj_fail(error, "event %s: no memory for its question", q->work->burst->record.event_id);
    if (status == NJ_OK)
        status = nj_chat_encode(reader->tokenizer, conversation, &options, false, &q->ids, error);
    if (status == NJ_OK)
        status = nj_chat_expand_images(&q->ids, config->image_id, config->boi_id, config->eoi_id, q->work->counts, frames, error);
    if (status == NJ_OK && schema)
        status = nj_grammar_compile("action", schema, NULL, &q->grammar, error);
    if (status == NJ_OK)
        status = nj_sequence_open(reader->actor, (uint32_t)(q->ids.count + limit + NJ_GENERATE_ROOM), &q->sequence, error);
    json_decref(conversation);
    json_decref(schema);
    return status;
}

static nj_status answer(struct nj_reader *reader, const struct question *questions, struct nj_generation *answers, size_t count,
                        struct nj_error *error)
{
    for (size_t i = 0; i < count; i++)
        answers[i] = (struct nj_generation){.sequence     = questions[i].sequence,
                                            .prompt       = questions[i].ids.data,
                                            .prompt_count = questions[i].ids.count,
                                            .features     = questions[i].work->features,
                                            .grammar      = questions[i].grammar,
                                            .limit        = reader->actions ? LISTED_TOKENS : NJ_ACTION_TOKENS};
    return nj_generate(reader->actor, reader->tokenizer, reader->vocabulary, answers, count, error);
}

static void take(const struct nj_reader *reader, const struct nj_generation *answer, struct nj_reading *reading)
{
    nj_action_from_text(answer->text.data ? answer->text.data : "", answer->text.length, reader->actions != NULL, reading->action);
    if (answer->choice_count)
        reading->action_probability = answer->choices[0].probability;
    reading->answer_tokens += (uint32_t)answer->ids.count;
}

nj_status nj_reader_look_at_actions(struct nj_reader *reader, struct nj_work *works, size_t count, struct nj_reading *readings,
                                    struct nj_error *error)
{
    struct question      *questions = calloc(count + 1, sizeof *questions);
    struct nj_generation *answers   = calloc(count + 1, sizeof *answers);
    nj_status             status    = questions && answers ? NJ_OK : nj_fail(error, "no memory for %zu bursts", count);
    size_t                asked     = 0;
    for (size_t i = 0; i < count && status == NJ_OK; i++) {
        readings[i].action_probability = NAN;
        if (readings[i].event.blank == NJ_YES)
            continue;
        questions[asked] = (struct question){.work = &works[i], .reading = &readings[i]};
        status           = lay_out(reader, &questions[asked++], error);
    }
    if (status == NJ_OK && asked)
        status = answer(reader, questions, answers, asked, error);
    for (size_t i = 0; i < asked; i++) {
        if (status == NJ_OK)
            take(reader, &answers[i], questions[i].reading);
        else if (status == NJ_STOPPED)
            nj_log(NJ_LOG_WARNING, "event %s: stopped before it was said what the animals do", questions[i].work->burst->record.event_id);
        nj_generation_free(&answers[i]);
        nj_sequence_close(questions[i].sequence);
        nj_grammar_close(questions[i].grammar);
        free(questions[i].ids.data);
    }
    free(questions);
    free(answers);
    return status == NJ_STOPPED ? NJ_OK : status;
}
