/* thumbnail.h: small pictures for reports and terminals, made in the picture process (worker.h) so that a hostile file can do no harm here. */
#ifndef NJ_CLI_THUMBNAIL_H
#define NJ_CLI_THUMBNAIL_H

#include "base/text.h"
#include "pipeline/picture/worker.h"

/* The picture at `path`, upright, at most `side` pixels wide or high. The caller frees *out. */
nj_status nj_thumbnail(struct nj_worker *worker, const char *path, uint32_t side, struct nj_picture *out, struct nj_error *error);

/* Its bytes as a JPEG of that quality (1..100). *data is malloc'd; the caller frees it. */
nj_status nj_thumbnail_jpeg(const struct nj_picture *picture, int quality, uint8_t **data, size_t *size, struct nj_error *error);

/* As text, two pixels a character on a colour terminal (half blocks), else one in shades of ASCII; `columns` wide. */
void nj_thumbnail_text(const struct nj_picture *picture, bool colours, struct nj_text *out);

#endif
