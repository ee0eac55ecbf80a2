/* dfa.h: builds automata over bytes and appends them to a grammar.
 *
 * Strings: an automaton over characters (chars.h) spelled in UTF-8 and JSON escapes, quotes included. Numbers: decimal text compared with its bounds digit by
 * digit, so that bounds are exact whatever their size. */
#ifndef NJ_CONSTRAIN_DFA_H
#define NJ_CONSTRAIN_DFA_H

#include "pipeline/constrain/chars.h"
#include "pipeline/constrain/tables.h"

#define NJ_DFA_STATES 32767u

struct nj_dfa_builder {
    uint16_t (*next)[256];
    uint16_t *flags;
    uint32_t  count, capacity;
    bool      failed; /* no memory or too many states; later calls do nothing */
};

uint32_t nj_dfa_state(struct nj_dfa_builder *builder, uint32_t flags); /* 0 once failed; the first call gives 1 */
void     nj_dfa_edge(struct nj_dfa_builder *builder, uint32_t from, unsigned first, unsigned last, uint32_t to);

/* Cuts what cannot accept, fills in distances and classes, appends the automaton and frees the builder. NJ_NOT_FOUND: it accepts nothing. */
nj_status nj_dfa_finish(struct nj_dfa_builder *builder, uint32_t start, struct nj_grammar *g, uint32_t *dfa, struct nj_error *error);

nj_status nj_dfa_string(const struct nj_chars *chars, struct nj_grammar *g, uint32_t *dfa, struct nj_error *error);
/* The same characters as they are, without quotes and escapes. */
nj_status nj_dfa_text(const struct nj_chars *chars, struct nj_grammar *g, uint32_t *dfa, struct nj_error *error);

/* Makes the automaton all that the grammar allows. */
nj_status nj_dfa_is_all(struct nj_grammar *g, uint32_t dfa, struct nj_error *error);

/* Dfa 0 and lexeme 0 of every grammar: the free string. */
nj_status nj_dfa_add_free_string(struct nj_grammar *g, struct nj_error *error);

/* A decimal bound: sign and digits without needless zeros. `text` ("-12.5", "1e+20", as printed by C) is taken apart by nj_decimal_parse. */
struct nj_decimal {
    bool     given, exclusive, negative;
    uint16_t whole, fraction; /* digits of each; whole 0 for a value below 1 */
    uint8_t  digits[800];
};

bool nj_decimal_parse(const char *text, struct nj_decimal *out);
int  nj_decimal_compare(const struct nj_decimal *a, const struct nj_decimal *b);
/* For integers: an exclusive or fractional bound becomes the nearest integer inside, inclusive. */
void nj_decimal_round(struct nj_decimal *bound, bool up);

struct nj_number_rules {
    bool              integer;
    uint32_t          multiple; /* of this; integers only; 0: of anything */
    struct nj_decimal low, high;
};

nj_status nj_dfa_number(const struct nj_number_rules *rules, struct nj_grammar *g, uint32_t *dfa, struct nj_error *error);

/* Whether the automaton accepts exactly these bytes. */
bool nj_dfa_accepts(const struct nj_grammar *g, uint32_t dfa, const char *text, size_t size);

#endif
