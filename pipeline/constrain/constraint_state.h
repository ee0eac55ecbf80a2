/* constraint_state.h: what constraint.h hides, for its own files (constraint.c, constraint_look.c, mask.c). */
#ifndef NJ_CONSTRAIN_CONSTRAINT_STATE_H
#define NJ_CONSTRAIN_CONSTRAINT_STATE_H

#include "pipeline/constrain/constraint.h"
#include "pipeline/constrain/machine.h"
#include "pipeline/constrain/vocabulary_tree.h"

struct nj_constraint {
    struct nj_grammar          *g;
    const struct nj_vocabulary *vocabulary;
    struct nj_machine           machine;
    struct nj_ways              now;       /* the state */
    struct nj_ways              scratch;   /* of one call */
    NJ_TABLE(struct nj_string_view) texts; /* of nj_constraint_choice */
};

/* What one call adds to the machine's tables is taken back at its end: looking ahead leaves nothing behind. */
struct nj_mark {
    uint32_t frames, keys;
};
struct nj_mark nj_constraint_mark(const struct nj_constraint *constraint);
void           nj_constraint_back(struct nj_constraint *constraint, struct nj_mark mark);

nj_status nj_constraint_no_memory(struct nj_constraint *constraint, struct nj_error *error);

/* nj_constraint_forced, but no further than `most` bytes. */
nj_status nj_constraint_forced_up_to(struct nj_constraint *constraint, struct nj_text *text, size_t most, struct nj_error *error);

/* Appends to `out` all that `byte` leads to from out[at .. at + count - 1]; the new ones begin where `out` ended. */
void nj_ways_step(struct nj_machine *machine, struct nj_ways *out, uint32_t at, uint32_t count, uint8_t byte);

#endif
