/* constraint.h: how far one document has come under its grammar, and what may come next.
 *
 * A constraint is a small value (a few stacks of open objects and arrays). It borrows its grammar and vocabulary. Copy it to look ahead. Tokens and
 * bytes may be mixed freely: it only sees bytes, so every tokenization of an allowed text is allowed. From each state that it reaches the end can be
 * reached. Not thread-safe; constraints of one grammar share that grammar's cache of masks and belong to one thread. */
#ifndef NJ_CONSTRAIN_CONSTRAINT_H
#define NJ_CONSTRAIN_CONSTRAINT_H

#include "base/text.h"
#include "pipeline/constrain/grammar.h"
#include "pipeline/constrain/vocabulary.h"

struct nj_constraint;

/* At the start of a document. vocabulary may be NULL where only bytes are fed. */
nj_status nj_constraint_open(struct nj_grammar *grammar, const struct nj_vocabulary *vocabulary, struct nj_constraint **out,
                             struct nj_error *error);
void      nj_constraint_close(struct nj_constraint *constraint);
void      nj_constraint_reset(struct nj_constraint *constraint);
/* `to` becomes the same state as `from`; both of the same grammar. */
nj_status nj_constraint_copy(struct nj_constraint *to, const struct nj_constraint *from, struct nj_error *error);

/* Takes bytes until one is not allowed; *taken says how many went in. The state then is that after the bytes taken. Fails only for lack of memory. */
nj_status nj_constraint_advance_bytes(struct nj_constraint *constraint, const void *bytes, size_t count, size_t *taken,
                                      struct nj_error *error);
/* Takes one token, all or nothing. NJ_NOT_FOUND: not allowed here, the state is as before (the sentence says so). */
nj_status nj_constraint_advance(struct nj_constraint *constraint, int32_t id, struct nj_error *error);

/* Whether the document may end here. With nj_constraint_finished it must: no byte may follow. */
bool nj_constraint_may_stop(const struct nj_constraint *constraint);
bool nj_constraint_finished(const struct nj_constraint *constraint);

/* Whether so many alternatives were open at once that some were given up (schemas whose alternatives stay alike through a recursion, and documents nested
 * deep in them). What is allowed is still right, and still ends; what is refused may be valid. */
bool nj_constraint_is_partial(const struct nj_constraint *constraint);

/* The set of ids that may come next, one bit an id (bit id % 64 of word id / 64); ids that stop generation are never in it.
 *   bits   out: [(vocabulary size + 63) / 64]
 *   count  out: how many bits are set */
#define NJ_MASK_WORDS(vocabulary_size) (((size_t)(vocabulary_size) + 63) / 64)
nj_status nj_constraint_mask(struct nj_constraint *constraint, uint64_t *bits, uint32_t *count, struct nj_error *error);

/* Appends to `text` the bytes that must come next, up to the first place where there is a choice (a byte with alternatives, or the start of a value that
 * is one of several constants). The state stays. */
nj_status nj_constraint_forced(struct nj_constraint *constraint, struct nj_text *text, struct nj_error *error);

/* Where the next value is one of two or more constants (enum, boolean, alternatives with different constants): how many and their JSON texts, valid until
 * the next call on this constraint. Where an array may end instead of getting its first item, "]" is among them. 0 anywhere else, also inside a constant.
 * texts may be NULL. */
size_t nj_constraint_choice(struct nj_constraint *constraint, const struct nj_string_view **texts);

/* Appends the JSON pointer of the value that comes next or is being written ("/detections/0/species"). */
void nj_constraint_path(const struct nj_constraint *constraint, struct nj_text *path);

/* Bytes of a shortest completion (0: complete), and that completion appended to `text`. So a document can always be closed in so many tokens. */
size_t    nj_constraint_closing_bytes(const struct nj_constraint *constraint);
nj_status nj_constraint_closing(struct nj_constraint *constraint, struct nj_text *text, struct nj_error *error);

#endif
