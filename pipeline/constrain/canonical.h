/* canonical.h: a JSON text brought into the spelling that grammars write (grammar.h): no white space, strings with the fewest escapes, whole numbers
 * without fraction or exponent. Keys stay in their order and repetitions stay, so that the grammar judges them (nj_grammar_options.any_order). */
#ifndef NJ_CONSTRAIN_CANONICAL_H
#define NJ_CONSTRAIN_CANONICAL_H

#include "base/status.h"
#include "base/text.h"

enum nj_number_spelling {
    NJ_NUMBER_PLAIN,   /* 0.00001: as grammars write numbers with bounds */
    NJ_NUMBER_SHORTEST /* 1e-05: as they write constants */
};

/* Appends the spelling of `text` to `out`. Fails where it is not JSON (RFC 8259), holds half a surrogate pair, or is nested deeper than 1000 levels. */
nj_status nj_json_canonical(const char *text, size_t size, enum nj_number_spelling numbers, struct nj_text *out, struct nj_error *error);

#endif
