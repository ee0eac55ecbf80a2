/* prose.h: free text, no JSON, in which a pattern holds: for answers in words whose figures must not be invented. */
#ifndef NJ_CONSTRAIN_PROSE_H
#define NJ_CONSTRAIN_PROSE_H

#include "pipeline/constrain/grammar.h"

/* The texts in which `pattern` (pattern.h; anchor it with ^ and $) is found, in UTF-8. The caller closes *out. */
nj_status nj_prose_grammar(const char *pattern, struct nj_grammar **out, struct nj_error *error);

#endif
