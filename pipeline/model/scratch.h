/* scratch.h: the folder beside a target in which a conversion works, so that nothing stands under the target's name before it is whole.
 *
 * It is called TARGET.tmp-XXXXXX and holds whatever is written on the way: steps of a calibration, the finished file or folder. What becomes of it:
 *   finished             its one result is renamed to TARGET, the folder goes
 *   stopped, or failed   it goes
 *   killed, power cut    it stays, and goes at the beginning of the next conversion to the same target
 * A running conversion holds a lock on a file in it; the system gives that back however the program ends, so what can be locked is left over. */
#ifndef NJ_MODEL_SCRATCH_H
#define NJ_MODEL_SCRATCH_H

#include "base/status.h"

#include <stdbool.h>

#define NJ_SCRATCH_PATH 4200

struct nj_scratch { /* zero-initialise; nj_scratch_close */
    char target[4096];
    char path[4128]; /* "": not open */
    int  lock;
};

/* Removes what killed conversions to `target` left, and makes a folder for a new one. `folder`: the target will be one, which must be new or empty;
 * otherwise it must be new or a regular file. */
nj_status nj_scratch_open(const char *target, bool folder, struct nj_scratch *out, struct nj_error *error);

/* The path of something in it. */
void nj_scratch_name(const struct nj_scratch *scratch, const char *name, char out[NJ_SCRATCH_PATH]);

/* Renames `name` to the target and syncs. */
nj_status nj_scratch_keep(const struct nj_scratch *scratch, const char *name, struct nj_error *error);

void nj_scratch_close(struct nj_scratch *scratch);

#endif
