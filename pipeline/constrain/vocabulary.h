/* vocabulary.h: all tokens of one tokenizer as one tree over their bytes, laid flat in the order of a depth-first walk.
 *
 * Built once per tokenizer (about a tenth of a second for 262,144 tokens, 8 MB), read-only afterwards, shared by all grammars and threads.
 * Added tokens (<bos>, <turn|>, …) are not in the tree: no constraint ever allows them, but for <|"|>, which stands in the tree as the byte that only
 * calls of tools have (call.h). Ids whose bytes are empty are not in it either. */
#ifndef NJ_CONSTRAIN_VOCABULARY_H
#define NJ_CONSTRAIN_VOCABULARY_H

#include "pipeline/model/tokenizer.h"

struct nj_vocabulary;

/* Borrows the tokenizer, which must outlive it. The caller owns *out. */
nj_status nj_vocabulary_open(const struct nj_tokenizer *tokenizer, struct nj_vocabulary **out, struct nj_error *error);
void      nj_vocabulary_close(struct nj_vocabulary *vocabulary);

uint32_t nj_vocabulary_size(const struct nj_vocabulary *vocabulary); /* ids are 0 .. size - 1 */

/* What a token is in the text of a document. */
struct nj_string_view nj_vocabulary_bytes(const struct nj_vocabulary *vocabulary, int32_t id);

/* Appends the ids of a text, each stretch between call quotes in its canonical tokenization. */
nj_status nj_vocabulary_encode(const struct nj_vocabulary *vocabulary, const char *text, size_t size, struct nj_ids *ids,
                               struct nj_error *error);

#endif
