/* actions.h: what the animals in a burst do, in the words of an adapter that was trained on actions (Kinetics and the like).
 *
 * A second engine over the same model carries that adapter; it is asked about every event that is not blank, over the features that the first question was
 * asked over. If the adapter's folder has an actions.txt, one action a line, the answer is one of them, with its probability; else it is a short free text. */
#ifndef NJ_SENTINEL_ACTIONS_H
#define NJ_SENTINEL_ACTIONS_H

#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

#define NJ_ACTION_TEXT   128
#define NJ_ACTIONS       512 /* in one list */
#define NJ_ACTION_TOKENS 32

/* ADAPTER/actions.txt as a list of strings, empty lines and repetitions left out; *out is NULL if there is no such file. */
nj_status nj_actions_read(const char *adapter, json_t **out, struct nj_error *error);

/* The question about `frames` pictures, in the Hugging Face form; actions may be NULL. */
json_t *nj_action_conversation(unsigned frames, const json_t *actions);

/* What the model wrote, as it is stored: its first line, or with a list the word itself. */
void nj_action_from_text(const char *text, size_t size, bool listed, char out[NJ_ACTION_TEXT]);

#endif
