/* prompt_head.h: what every prompt of a kind begins with (system text, declarations of tools) goes through the layers once, and not once a run: its keys and
 * values are kept in a file.
 *
 * A file serves the ids, model, adapter, arithmetic and program that made it, or nobody: what it gives is to the last bit what the layers would give. One
 * that is damaged is said in the log and made anew; one that cannot be written costs a line in the log. Native byte order, as with what is parked. */
#ifndef NJ_SENTINEL_PROMPT_HEAD_H
#define NJ_SENTINEL_PROMPT_HEAD_H

#include "base/conf.h"
#include "pipeline/model/engine.h"

#define NJ_PROMPT_HEADS 4 /* files in a folder; the oldest go */

/* DATABASE.heads; false if it does not fit. */
bool nj_prompt_head_folder(const struct nj_conf *conf, char *out, size_t size);

/* Makes `sequence`, which is empty and has room, what it is behind `ids`. folder: of the files, made when it is needed; NULL: there are none.
 * NJ_STOPPED: the engine was asked to stop; the sequence is as before. */
nj_status nj_prompt_head_feed(struct nj_engine *engine, const char *folder, const int32_t *ids, size_t count, struct nj_sequence *sequence,
                              struct nj_error *error);

#endif
