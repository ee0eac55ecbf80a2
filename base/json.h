/* json.h: jansson with our error sentences. Everything that reads JSON (settings, configs, labels, answers) comes in through here.
 *
 * Refused: duplicate keys, trailing text, invalid UTF-8, nesting beyond jansson's limit (2048). Key order is kept. */
#ifndef NJ_BASE_JSON_H
#define NJ_BASE_JSON_H

#include "base/status.h"

#include <jansson.h>
#include <stdint.h>

/* Parses `size` bytes. `name` appears in the sentence ("NAME:line:column: ..."). The caller owns *out (json_decref). */
nj_status nj_json_parse(const char *name, const void *bytes, size_t size, json_t **out, struct nj_error *error);

/* Reads and parses a file of at most `limit` bytes; a file whose name ends in .zst is decompressed first (limit holds after it, too). */
nj_status nj_json_read(const char *path, size_t limit, json_t **out, struct nj_error *error);

/* The text that nj_json_read parses: *data is malloc'd with a zero byte behind it. */
nj_status nj_json_read_text(const char *path, size_t limit, uint8_t **data, size_t *size, struct nj_error *error);

#endif
