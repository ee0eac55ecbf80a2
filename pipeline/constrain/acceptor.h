/* acceptor.h: whether a finished document is valid under a schema, however it is spelled: for reading what others wrote, and for checking grammars.
 *
 * A document that the grammar would not write as it stands is tried in canonical spelling (canonical.h) with its keys in any order. */
#ifndef NJ_CONSTRAIN_ACCEPTOR_H
#define NJ_CONSTRAIN_ACCEPTOR_H

#include "pipeline/constrain/grammar.h"

struct nj_acceptor;

nj_status nj_acceptor_open(const char *name, const char *schema, size_t size, struct nj_acceptor **out, struct nj_error *error);
void      nj_acceptor_close(struct nj_acceptor *acceptor);

/* *at: how many bytes of the text as it stands the grammar would have written. Fails where there is no memory, or a document can be read in too many ways
 * (nj_constraint_is_partial). */
nj_status nj_acceptor_judge(struct nj_acceptor *acceptor, const char *text, size_t size, bool *valid, size_t *at, struct nj_error *error);

#endif
