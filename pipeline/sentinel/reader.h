/* reader.h: one burst of pictures in, one event out: prompt, vision tower, generation under the schema of this very burst, review reasons.
 *
 * With sentinel.second_look the model is then asked whether an expert should look (routing.h); the features of the pictures serve both questions. With
 * model.think it writes a thought of bounded length before it answers; thoughts are dropped as soon as the answer is there.
 * A reader borrows its engine, tokenizer and vocabulary and keeps nothing between calls. Several bursts are read together: one pass over the weights
 * serves all. What the station knows (ids, times, number of frames) is forced into the answer, so the document needs no repair. */
#ifndef NJ_SENTINEL_READER_H
#define NJ_SENTINEL_READER_H

#include "base/conf.h"
#include "pipeline/constrain/generate.h"
#include "pipeline/model/image.h"
#include "pipeline/sentinel/actions.h"
#include "pipeline/sentinel/calibration.h"
#include "pipeline/sentinel/event.h"
#include "pipeline/sentinel/prompts.h"
#include "pipeline/sentinel/review.h"
#include "pipeline/sentinel/routing.h"

#define NJ_READER_MAX_FRAMES 4

struct nj_reader;

/* One burst. Borrowed for the call. */
struct nj_burst_input {
    struct nj_event_record   record;
    const struct nj_picture *frames; /* [record.frame_count], upright, in time order */
    uint32_t soft_tokens;  /* at most, a picture; with [model] soft_tokens = auto a model made for fewer than 280 sees no more than those */
    const char    *told;   /* nj_generation.told of the event's question, or NULL */
    const uint8_t *parked; /* what an earlier, stopped reading left (nj_reading.parked), or NULL */
    size_t         parked_size;
};

/* What came of it. Release with nj_reading_free. */
struct nj_reading {
    struct nj_event   event;
    char             *json; /* the document, valid under the schema of its dialect */
    struct nj_choice *choices;
    size_t            choice_count;
    double species_probability[NJ_MAX_DETECTIONS]; /* the model's, over the labels it could have written; NAN if there was no choice */
    char   runner_up[NJ_MAX_DETECTIONS][64];       /* label, or "" */
    double runner_up_probability[NJ_MAX_DETECTIONS];
    double species_calibrated[NJ_MAX_DETECTIONS]; /* what to show: how often such an answer was right; the model's own without a table */
    struct nj_routing routing;                    /* the second answer, if it was asked for */
    bool              routed;
    char              action[NJ_ACTION_TEXT]; /* what the animals do, if that was asked; else "" */
    double            action_probability;     /* NAN where it is free text */
    uint32_t          rule_reasons;           /* bits of enum nj_reason: facts that need no model */
    uint32_t          probability_reasons;    /* bits of enum nj_reason: where the model was not sure */
    uint32_t          model_reasons;          /* bits of enum nj_reason: what the second answer gave; those of the first stand in `event` */
    enum nj_priority  priority;               /* highest of rules, probabilities and the model's own */
    bool              review_needed;
    uint32_t          soft_tokens; /* those it was read with, at most a picture */
    uint32_t          image_tokens, prompt_tokens, answer_tokens;
    double            vision_seconds; /* that its pictures spent in the vision tower */
    double            prompt_seconds; /* that its prompts took alone, before answers were asked for */
    uint32_t          passes;         /* over the weights, that its answers took part in */
    uint8_t          *parked; /* after NJ_STOPPED, and then only this: what the next reading goes on from; NULL if nothing was done yet */
    size_t            parked_size;
};
void nj_reading_free(struct nj_reading *reading);

/* Settings used: [sentinel] prompt, rare_species, high_count_bins, review_confidence, second_look, [model] path, think, seed. A calibration table is
 * taken from PATH.calibration.json beside the model at `model_path`, if it is there. Borrows everything else; the caller owns *out. */
nj_status nj_reader_open(struct nj_engine *engine, const struct nj_tokenizer *tokenizer, const struct nj_vocabulary *vocabulary,
                         const struct nj_conf *conf, const char *model_path, struct nj_reader **out, struct nj_error *error);

/* From now on `engine`, which carries the adapter in folder `adapter`, is asked what the animals do (actions.h). It belongs to the same model and is borrowed. */
nj_status nj_reader_add_actions(struct nj_reader *reader, struct nj_engine *engine, const char *adapter, struct nj_error *error);

/* From now on the heads of prompts are kept in `folder` (prompt_head.h), which is borrowed. */
void nj_reader_keep_heads(struct nj_reader *reader, const char *folder);
bool nj_reader_calibrated(const struct nj_reader *reader);
void nj_reader_close(struct nj_reader *reader);

/* Reads `count` bursts together. readings: [count], filled only when all succeed. NJ_STOPPED: the engine was asked to stop; each burst goes on where it was
 * when it is read again, now or by another process, with its `parked` bytes. Bytes that do not fit (damaged, another model, other pictures, another
 * question) are said in the log, and the burst is read from the beginning. */
nj_status nj_reader_read(struct nj_reader *reader, const struct nj_burst_input *bursts, size_t count, struct nj_reading *readings,
                         struct nj_error *error);

#endif
