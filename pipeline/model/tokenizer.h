/* tokenizer.h: text to token ids and back, as the Gemma 4 tokenizer.json does it (byte-fallback BPE over code points; spec 6.1).
 *
 * Read-only after opening: one tokenizer may serve many threads. */
#ifndef NJ_MODEL_TOKENIZER_H
#define NJ_MODEL_TOKENIZER_H

#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct nj_tokenizer;

struct nj_ids { /* a list of ids that grows; free(ids.data) */
    int32_t *data;
    size_t   count, capacity;
};

bool nj_ids_add(struct nj_ids *ids, int32_t id); /* false: no memory */

/* `path`: tokenizer.json, tokenizer.json.zst, or a directory that holds one. The caller owns *out. */
nj_status nj_tokenizer_open(const char *path, struct nj_tokenizer **out, struct nj_error *error);

/* From the parsed contents of a tokenizer.json; `name` appears in sentences. */
nj_status nj_tokenizer_from_json(const char *name, const json_t *root, struct nj_tokenizer **out, struct nj_error *error);

/* From a GGUF's lists. tokens[i] are the vocabulary's strings with U+2581 for space; merges are "left right" in rank order. Borrowed only during
 * the call. token_type: 2 unknown, 3 control and 4 user-defined are added tokens; bytes are known by their spelling, "<0x41>". */
struct nj_string_view {
    const char *data;
    size_t      size;
};
nj_status nj_tokenizer_from_lists(const struct nj_string_view *tokens, const int32_t *token_type, size_t count,
                                  const struct nj_string_view *merges, size_t merge_count, struct nj_tokenizer **out,
                                  struct nj_error *error);

/* The flat form that the packed file holds: relocatable little-endian bytes, opened without parsing. `blob` must outlive the tokenizer. */
nj_status nj_tokenizer_pack(const struct nj_tokenizer *tokenizer, uint8_t **blob, size_t *size, struct nj_error *error);
nj_status nj_tokenizer_open_packed(const uint8_t *blob, size_t size, struct nj_tokenizer **out, struct nj_error *error);
void      nj_tokenizer_close(struct nj_tokenizer *tokenizer);

/* Appends the ids of `size` bytes of text. Bytes that are not UTF-8 become byte tokens. parse_special: the spellings of added tokens become those
 * tokens; otherwise they are plain text (use that for anything that a user or a card supplied). No BOS is added. */
nj_status nj_tokenizer_encode(const struct nj_tokenizer *tokenizer, const char *text, size_t size, bool parse_special, struct nj_ids *ids,
                              struct nj_error *error);

uint32_t nj_tokenizer_size(const struct nj_tokenizer *tokenizer); /* ids are 0 .. size - 1 */

/* The bytes that one id stands for: U+2581 as a space, byte tokens as their byte, added tokens as their spelling. Borrowed. */
struct nj_string_view nj_tokenizer_bytes(const struct nj_tokenizer *tokenizer, int32_t id);
bool                  nj_tokenizer_is_byte(const struct nj_tokenizer *tokenizer, int32_t id); /* one of the 256 tokens <0x00> .. <0xFF> */
bool                  nj_tokenizer_is_added(const struct nj_tokenizer *tokenizer, int32_t id);

/* Id of an added token by its exact spelling ("<turn|>"), -1 if there is none. */
int32_t nj_tokenizer_added(const struct nj_tokenizer *tokenizer, const char *spelling);

#endif
