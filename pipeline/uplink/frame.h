/* frame.h: a batch of summaries as one message for links that carry bytes by the hundred.
 *
 *   "NJU" · version 1 (one byte) · dictionary (one byte: 0 none, 1 built in, 2 the station's own) · zstd frame with checksum
 *
 * Inside: lines of JSON, the first {"station":"…","sent":"…Z"}, then one summary a line (summary.h). The built-in dictionary is a typical message: it saves
 * about half of a short one. */
#ifndef NJ_UPLINK_FRAME_H
#define NJ_UPLINK_FRAME_H

#include "base/status.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

#define NJ_FRAME_MAX_TEXT (1u << 20)

/* `dictionary`: the station's own, or NULL for the built-in one. *bytes is malloc'd. */
nj_status nj_frame_pack(const char *text, size_t size, const uint8_t *dictionary, size_t dictionary_size, uint8_t **bytes, size_t *packed,
                        struct nj_error *error);

/* Appends the text of a message to `out`. Refuses what is cut, damaged, too large or needs a dictionary that was not given. */
nj_status nj_frame_unpack(const uint8_t *bytes, size_t size, const uint8_t *dictionary, size_t dictionary_size, struct nj_text *out,
                          struct nj_error *error);

#endif
