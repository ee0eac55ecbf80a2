/* packed_write.h: carries out a plan as a packed file (packed.h). */
#ifndef NJ_MODEL_PACKED_WRITE_H
#define NJ_MODEL_PACKED_WRITE_H

#include "pipeline/model/row_work.h"

/* Memory beyond the maps stays below some tens of megabytes; pages of the source are given back as they are consumed. */
nj_status nj_packed_write(struct nj_plan *plan, const struct nj_write_options *options, const char *path, struct nj_error *error);

/* Sets one metadata value of a file that nobody uses yet, in place; it must fit what the header has to spare. */
nj_status nj_packed_amend(const char *path, const char *key, const char *value, struct nj_error *error);

#endif
