/* frame_file.h: one frame of a burst from its card into the memory of a picture process. */
#ifndef NJ_SCHEDULE_FRAME_FILE_H
#define NJ_SCHEDULE_FRAME_FILE_H

#include "db/db.h"
#include "pipeline/picture/worker.h"

/* The content must be what was ingested. NJ_NOT_FOUND: the card or the file is away. */
nj_status nj_frame_file_load(struct nj_worker *worker, const struct nj_db_waiting *burst, const struct nj_db_frame *frame, size_t *size,
                             struct nj_error *error);

#endif
