/* chat.h: conversations as the E4B chat template renders them (spec part 7), without a template engine.
 *
 * Input is the Hugging Face form: {"messages": [...], "tools": [...]}. What the template refuses is refused here with a sentence (arguments that
 * are no map, a mapping as tool content, a text part without text in a model message). The text contains the spelling of special tokens;
 * nj_chat_encode keeps what users wrote apart from what the template wrote, so that user text can be encoded without special parsing. */
#ifndef NJ_MODEL_CHAT_H
#define NJ_MODEL_CHAT_H

#include "base/json.h"
#include "base/text.h"
#include "pipeline/model/tokenizer.h"

struct nj_chat_options {
    bool thinking, preserve_thinking;
    bool no_generation_prompt;
    bool empty_thought; /* adapter templates that end a prompt without thinking in an empty thought channel (spec 7.6) */
};

/* Parses a conversation. Unlike nj_json_parse it takes integers of any length, which tool arguments may hold: those beyond 64 bits become strings
 * that begin with a zero byte, and are rendered as numbers. */
nj_status nj_chat_parse(const char *name, const char *bytes, size_t size, json_t **out, struct nj_error *error);

nj_status nj_chat_render(const json_t *conversation, const struct nj_chat_options *options, struct nj_text *out, struct nj_error *error);

/* Appends the ids of the rendering. trust_text: user text may spell special tokens (what the reference does); otherwise it is encoded as plain
 * text, and only the markers that the template itself writes become special tokens. */
nj_status nj_chat_encode(const struct nj_tokenizer *tokenizer, const json_t *conversation, const struct nj_chat_options *options,
                         bool trust_text, struct nj_ids *ids, struct nj_error *error);

/* Replaces each image id by boi, soft_tokens[i] times the image id, eoi (spec 4.5), in place. Fails if the counts differ. */
nj_status nj_chat_expand_images(struct nj_ids *ids, int32_t image_id, int32_t boi_id, int32_t eoi_id, const uint32_t *soft_tokens,
                                size_t images, struct nj_error *error);

/* Whether a chat_template.jinja beside an adapter asks for options.empty_thought. */
bool nj_chat_template_has_empty_thought(const char *text, size_t size);

#endif
