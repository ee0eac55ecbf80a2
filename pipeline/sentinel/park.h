/* park.h: what a stop leaves of a burst that was being read, as bytes, and back.
 *
 * The bytes carry a checksum, the identity of the model and a key of the question (pictures, prompt, schema, settings): they are taken up by the same
 * model for the same question, or not at all. Native byte order: a burst is taken up on the station that parked it. They hold features of pictures only
 * as long as something will read them. */
#ifndef NJ_SENTINEL_PARK_H
#define NJ_SENTINEL_PARK_H

#include "pipeline/constrain/generate.h"

#define NJ_PARK_FRAMES    4
#define NJ_PARK_KEY       32
#define NJ_PARK_QUESTIONS 2

/* One burst in progress. As nj_park_read leaves it, it owns `features`, `prompt` and the answers (nj_park_free); `sequence` points into the bytes. */
struct nj_park {
    uint8_t              key[NJ_PARK_KEY];
    uint32_t             soft_tokens;
    uint32_t             frames, counts[NJ_PARK_FRAMES]; /* pictures that went through the tower, and the positions of each */
    float               *features;                       /* of all of them, or NULL when nothing will read them */
    size_t               floats;
    uint32_t             question;                   /* 0: the event, 1: the second look */
    bool                 thought_over;               /* `prompt` then is what the sequence had not seen when the thought was over */
    struct nj_random     random;                     /* as it was before the question */
    struct nj_ids        prompt;                     /* empty unless thought_over */
    struct nj_generation answers[NJ_PARK_QUESTIONS]; /* up to `question`: ids, choices, fed, prompt_count */
    const uint8_t       *sequence;                   /* bytes of nj_sequence_save, or NULL: the question begins anew */
    size_t               sequence_size;
};

/* *bytes is malloc'd. */
nj_status nj_park_write(const struct nj_park *park, const uint8_t identity[32], uint8_t **bytes, size_t *size, struct nj_error *error);
/* Anything that does not fit is refused with a sentence; *park is then empty. `bytes` must outlive the use of park->sequence. */
nj_status nj_park_read(const uint8_t *bytes, size_t size, const uint8_t identity[32], struct nj_park *park, struct nj_error *error);
void      nj_park_free(struct nj_park *park);

#endif
