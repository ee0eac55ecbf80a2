/* call.h: calls of tools as the model writes them, as a grammar: call:NAME{days:2,site_ids:[<|"|>D07<|"|>]}.
 *
 * Only declared names can be called and only with arguments that are valid under the declaration: what is required is there, nothing else is, words come
 * from their enum. Keys are sorted as the chat template sorts them. In the text of a generation <|"|> is the byte NJ_CALL_QUOTE, which no UTF-8 has.
 *
 * Parameters may be strings (enum, format date, or an id: up to maxLength (32) letters, digits and . _ : -), integers and numbers (minimum, maximum),
 * booleans, and arrays of these with at least one item. Other declarations are refused by name. */
#ifndef NJ_CONSTRAIN_CALL_H
#define NJ_CONSTRAIN_CALL_H

#include "pipeline/constrain/grammar.h"

#define NJ_CALL_QUOTE '\xFF'

/* tools: a list of {"type": "function", "function": {"name", "description", "parameters"}}. The caller closes *out. */
nj_status nj_call_grammar(const json_t *tools, struct nj_grammar **out, struct nj_error *error);

/* Takes the text of a call apart. Owned by the caller: *name (malloc) and *arguments. */
nj_status nj_call_read(const char *text, size_t size, char **name, json_t **arguments, struct nj_error *error);

#endif
