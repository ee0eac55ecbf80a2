/* tokenizer_flat.h: the flat form of a tokenizer, shared by the file that builds it and the one that reads it.
 *
 * A tokenizer is one run of bytes that can be mapped and used as it lies; opening checks the header only. Every number is a little-endian u32.
 * Sections follow each other in this order, without gaps; their sizes follow from the counts in the header:
 *
 *   header    [NJ_FLAT_HEADER]           see enum nj_flat_field, behind 8 bytes of magic
 *   byte_ids  [256]                      id of the token of each byte
 *   offsets   [vocab + 1]                where the bytes of an id begin in `strings`
 *   bitmap    [(vocab + 31) / 32]        1: an added token
 *   added     [added]                    ids of the added tokens, sorted by spelling
 *   points    [points][2]                code point (space for U+2581), id; sorted by code point
 *   merges    [merges][3]                left id, right id, resulting id; the index is the rank
 *   slots     [1 << slot_bits]           hash table over (left, right): rank + 1, or 0; linear probing, at most `probes` steps
 *   strings   [strings]                  the bytes that each id stands for
 *
 * A damaged form may give wrong ids, never an access outside of it: ids, ranks and offsets are checked where they are used. */
#ifndef NJ_MODEL_TOKENIZER_FLAT_H
#define NJ_MODEL_TOKENIZER_FLAT_H

#include "pipeline/model/tokenizer.h"

#define NJ_FLAT_MAGIC     "NJTOK\0\1" /* 8 bytes with the final zero */
#define NJ_FLAT_NONE      UINT32_MAX
#define NJ_FLAT_MAX_VOCAB (1u << 22)
#define NJ_FLAT_MAX_MERGE (1u << 23)
#define NJ_FLAT_MAX_PROBE 1024u
#define NJ_FLAT_SPACE     0x2581u /* the code point that stands for a space in vocabularies */

enum nj_flat_field {
    NJ_FLAT_VOCAB,
    NJ_FLAT_ADDED,
    NJ_FLAT_POINTS,
    NJ_FLAT_MERGES,
    NJ_FLAT_SLOT_BITS,
    NJ_FLAT_PROBES,
    NJ_FLAT_STRINGS,
    NJ_FLAT_FIELDS
};

#define NJ_FLAT_HEADER (8 + 4 * NJ_FLAT_FIELDS)

struct nj_tokenizer {
    const uint8_t *blob; /* the flat form */
    uint8_t       *own;  /* what to free: the blob, or NULL when it is borrowed */
    size_t         size;
    uint32_t       field[NJ_FLAT_FIELDS];
    const uint8_t *byte_ids, *offsets, *bitmap, *added, *points, *merges, *slots, *strings;
};

static inline uint32_t nj_flat_get(const uint8_t *section, size_t index)
{
    const uint8_t *p = section + 4 * index;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void nj_flat_put(uint8_t *section, size_t index, uint32_t value)
{
    uint8_t *p = section + 4 * index;
    p[0]       = (uint8_t)value;
    p[1]       = (uint8_t)(value >> 8);
    p[2]       = (uint8_t)(value >> 16);
    p[3]       = (uint8_t)(value >> 24);
}

/* First slot of a pair. */
static inline uint32_t nj_flat_slot(uint32_t left, uint32_t right, uint32_t slot_bits)
{
    uint64_t key   = (uint64_t)left << 32 | right;
    uint64_t mixed = (key * 0x9e3779b97f4a7c15u) ^ (key >> 29);
    return (uint32_t)((mixed * 0xbf58476d1ce4e5b9u) >> (64 - slot_bits));
}

/* What a tokenizer is made of, however it was stored. All borrowed. */
struct nj_flat_pair {
    struct nj_string_view left, right;
};
struct nj_flat_source {
    const char                  *name;   /* for sentences */
    const struct nj_string_view *tokens; /* [count] spellings as in the vocabulary; size 0 where an id has none */
    const bool                  *added;  /* [count] */
    size_t                       count;
    const struct nj_flat_pair   *merges; /* [merge_count] by rank */
    size_t                       merge_count;
};

/* Builds the flat form. The tokenizer owns its bytes. */
nj_status nj_flat_build(const struct nj_flat_source *source, struct nj_tokenizer **out, struct nj_error *error);

/* Sets the section pointers from blob and field, and returns the size that they need together. */
size_t nj_flat_layout(struct nj_tokenizer *tokenizer);

#endif
