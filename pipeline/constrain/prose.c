#include "pipeline/constrain/prose.h"
#include "pipeline/constrain/dfa.h"

#include <stdlib.h>
#include <string.h>

nj_status nj_prose_grammar(const char *pattern, struct nj_grammar **out, struct nj_error *error)
{
    struct nj_grammar *g       = calloc(1, sizeof *g);
    struct nj_chars    chars   = {0};
    struct nj_lengths  lengths = {0, NJ_UNLIMITED};
    uint32_t           work    = 0, dfa;
    *out                       = NULL;
    nj_status status           = g ? nj_dfa_add_free_string(g, error) : nj_fail(error, "no memory for a grammar of words");
    if (status == NJ_OK)
        status = nj_chars_from_pattern(pattern, strlen(pattern), false, &chars, &lengths, &work, error);
    if (status == NJ_OK && (lengths.min > 0 || lengths.max != NJ_UNLIMITED))
        status = nj_fail(error, "a text of limited length is not supported");
    if (status == NJ_OK)
        status = nj_dfa_text(&chars, g, &dfa, error);
    if (status == NJ_NOT_FOUND)
        status = nj_fail(error, "no text has this pattern");
    if (status == NJ_OK)
        status = nj_dfa_is_all(g, dfa, error);
    nj_chars_free(&chars);
    if (status == NJ_OK)
        *out = g;
    else
        nj_grammar_close(g);
    return status;
}
