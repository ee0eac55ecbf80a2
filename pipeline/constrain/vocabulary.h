/* vocabulary.h: all tokens of one tokenizer as one tree over their bytes, laid flat in the order of a depth-first walk.
 *
 * Built once per tokenizer (about a tenth of a second for 262,144 tokens, 8 MB), read-only afterwards, shared by all grammars and threads.
 * Added tokens (<bos>, <turn|>, …) are not in the tree: no constraint ever allows them. Ids whose bytes are empty are not in it either. */
#ifndef NJ_CONSTRAIN_VOCABULARY_H
#define NJ_CONSTRAIN_VOCABULARY_H

#include "pipeline/model/tokenizer.h"

struct nj_vocabulary;

/* Borrows the tokenizer, which must outlive it. The caller owns *out. */
nj_status nj_vocabulary_open(const struct nj_tokenizer *tokenizer, struct nj_vocabulary **out, struct nj_error *error);
void      nj_vocabulary_close(struct nj_vocabulary *vocabulary);

uint32_t nj_vocabulary_size(const struct nj_vocabulary *vocabulary); /* ids are 0 .. size - 1 */

#endif
