/* random_model.h: models of the true architecture with random weights, made out of nothing.
 *
 * "tiny" (some hundred kB) serves the demo and tests that must run without any checkpoint; "e4b" has the published shapes, int4 weights and an empty
 * per-layer table, and serves measurements of speed and memory. Neither was ever trained: what they say means nothing, and their lineage says so. */
#ifndef NJ_MODEL_RANDOM_MODEL_H
#define NJ_MODEL_RANDOM_MODEL_H

#include "base/json.h"
#include "pipeline/model/weights.h"

/* `kind`: "tiny" or "e4b". The same seed gives the same bits on every machine. The caller owns *out, as after nj_weights_open. */
nj_status nj_random_open(const char *kind, uint64_t seed, struct nj_weights **out, struct nj_error *error);

/* The tokenizer of such a model in the form of tokenizer.json: bytes, printable ASCII, the 24 added tokens, and some words of the event record.
 * `published`: 262,144 entries, added tokens and bytes at the published ids; otherwise `count` entries, the added tokens first. NULL: no memory. */
json_t *nj_random_tokenizer(bool published, uint32_t count);

/* The id of an added token in such a tokenizer; -1 if it is none. */
int32_t nj_random_added_id(bool published, const char *spelling);

#endif
