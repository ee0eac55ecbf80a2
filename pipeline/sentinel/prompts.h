/* prompts.h: the questions, in the words that the model was trained on (docs/model.md, "prompts").
 *
 * A prompt is a conversation in the Hugging Face form, ready for chat.h: a system text, then the pictures in time order, then one text. */
#ifndef NJ_SENTINEL_PROMPTS_H
#define NJ_SENTINEL_PROMPTS_H

#include "base/json.h"
#include "base/text.h"

enum nj_prompt {
    NJ_PROMPT_EVENT_LIVE,    /* phase 1, with the shape of the answer and all labels written out */
    NJ_PROMPT_EVENT_TRAINED, /* phase 1, short */
    NJ_PROMPT_REVIEW         /* phase 2, with the first pass inserted */
};

/* What the station itself knows about the burst. Borrowed. */
struct nj_prompt_record {
    const char *event_id, *site_id;
    const char *local_datetime; /* YYYY-MM-DDTHH:MM:SS */
    unsigned    frame_count;
    const char *first_pass; /* NJ_PROMPT_REVIEW: the summary, one line of compact JSON */
};

/* {"messages": [system, user]}; the caller owns it. NULL when memory is gone. */
json_t *nj_prompt_conversation(enum nj_prompt prompt, const struct nj_prompt_record *record);

#endif
