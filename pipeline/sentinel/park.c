#include "pipeline/sentinel/park.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "NJPARK01"

struct head {
    char             magic[8];
    uint8_t          identity[32], key[NJ_PARK_KEY];
    uint32_t         soft_tokens, frames, counts[NJ_PARK_FRAMES], question, thought_over;
    struct nj_random random;
    uint64_t         floats, prompt, sequence;
};

static void checksum(const uint8_t *bytes, size_t size, uint8_t digest[SHA256_DIGEST_SIZE])
{
    struct sha256_ctx hash;
    sha256_init(&hash);
    sha256_update(&hash, size, bytes);
    sha256_digest(&hash, SHA256_DIGEST_SIZE, digest);
}

/* --- out --- */

static void put_number(struct nj_text *out, uint64_t number)
{
    nj_text_add_bytes(out, &number, sizeof number);
}

static void put_string(struct nj_text *out, const char *text)
{
    put_number(out, strlen(text));
    nj_text_add_bytes(out, text, strlen(text));
}

static void put_answer(struct nj_text *out, const struct nj_generation *g)
{
    put_number(out, g->fed);
    put_number(out, g->prompt_count);
    put_number(out, g->ids.count);
    nj_text_add_bytes(out, g->ids.data, g->ids.count * sizeof *g->ids.data);
    put_number(out, g->choice_count);
    for (size_t i = 0; i < g->choice_count; i++) {
        const struct nj_choice *choice = &g->choices[i];
        put_string(out, choice->path);
        put_string(out, choice->value);
        put_string(out, choice->runner_up);
        nj_text_add_bytes(out, &choice->probability, sizeof choice->probability);
        nj_text_add_bytes(out, &choice->runner_up_probability, sizeof choice->runner_up_probability);
    }
}

nj_status nj_park_write(const struct nj_park *park, const uint8_t identity[32], uint8_t **bytes, size_t *size, struct nj_error *error)
{
    struct nj_text out = {0};
    struct head    head;
    uint8_t        digest[SHA256_DIGEST_SIZE];
    memset(&head, 0, sizeof head);
    memcpy(head.magic, MAGIC, sizeof head.magic);
    memcpy(head.identity, identity, sizeof head.identity);
    memcpy(head.key, park->key, sizeof head.key);
    memcpy(head.counts, park->counts, sizeof head.counts);
    head.soft_tokens  = park->soft_tokens;
    head.frames       = park->frames;
    head.question     = park->question;
    head.thought_over = park->thought_over;
    head.random       = park->random;
    head.floats       = park->features ? park->floats : 0;
    head.prompt       = park->prompt.count;
    head.sequence     = park->sequence_size;
    nj_text_add_bytes(&out, &head, sizeof head);
    nj_text_add_bytes(&out, park->prompt.data, park->prompt.count * sizeof *park->prompt.data);
    for (uint32_t i = 0; i <= park->question; i++)
        put_answer(&out, &park->answers[i]);
    nj_text_add_bytes(&out, park->features, head.floats * sizeof *park->features);
    nj_text_add_bytes(&out, park->sequence, park->sequence_size);
    if (!out.failed) {
        checksum((const uint8_t *)out.data, out.length, digest);
        nj_text_add_bytes(&out, digest, sizeof digest);
    }
    if (out.failed) {
        nj_text_free(&out);
        return nj_fail(error, "no memory to park a burst");
    }
    *bytes = (uint8_t *)out.data;
    *size  = out.length;
    return NJ_OK;
}

/* --- in --- */

struct cursor {
    const uint8_t *at;
    size_t         left;
    bool           failed; /* cut short, or no memory */
};

static const uint8_t *take(struct cursor *in, uint64_t size)
{
    const uint8_t *at = in->at;
    if (in->failed || size > in->left) {
        in->failed = true;
        return NULL;
    }
    in->at += size;
    in->left -= (size_t)size;
    return at;
}

/* A copy of `count` items of `size` bytes with `spare` zero bytes behind it; NULL on failure. */
static void *take_copy(struct cursor *in, uint64_t count, size_t size, size_t spare)
{
    const uint8_t *at   = count <= SIZE_MAX / 2 / size ? take(in, count * size) : take(in, UINT64_MAX);
    uint8_t       *copy = at ? calloc(1, (size_t)count * size + spare) : NULL;
    if (!copy) {
        in->failed = true;
        return NULL;
    }
    memcpy(copy, at, (size_t)count * size);
    return copy;
}

static uint64_t take_number(struct cursor *in)
{
    uint64_t       number = 0;
    const uint8_t *at     = take(in, sizeof number);
    if (at)
        memcpy(&number, at, sizeof number);
    return number;
}

static double take_double(struct cursor *in)
{
    double         number = 0;
    const uint8_t *at     = take(in, sizeof number);
    if (at)
        memcpy(&number, at, sizeof number);
    return number;
}

static void take_ids(struct cursor *in, uint64_t count, struct nj_ids *ids)
{
    if (count == 0)
        return;
    ids->data = take_copy(in, count, sizeof *ids->data, 0);
    if (ids->data)
        ids->count = ids->capacity = (size_t)count;
}

static char *take_string(struct cursor *in)
{
    return take_copy(in, take_number(in), 1, 1);
}

static void take_answer(struct cursor *in, struct nj_generation *g)
{
    g->fed          = (size_t)take_number(in);
    g->prompt_count = (size_t)take_number(in);
    take_ids(in, take_number(in), &g->ids);
    uint64_t choices = take_number(in);
    if (in->failed || choices > in->left / (3 * sizeof(uint64_t))) { /* each has three lengths at least */
        in->failed = true;
        return;
    }
    g->choices = calloc((size_t)choices + 1, sizeof *g->choices);
    in->failed |= !g->choices;
    for (uint64_t i = 0; i < choices && !in->failed; i++) {
        struct nj_choice *choice      = &g->choices[g->choice_count++];
        choice->path                  = take_string(in);
        choice->value                 = take_string(in);
        choice->runner_up             = take_string(in);
        choice->probability           = take_double(in);
        choice->runner_up_probability = take_double(in);
    }
}

nj_status nj_park_read(const uint8_t *bytes, size_t size, const uint8_t identity[32], struct nj_park *park, struct nj_error *error)
{
    struct head   head;
    uint8_t       digest[SHA256_DIGEST_SIZE];
    struct cursor in = {bytes + sizeof head, 0, false};
    *park            = (struct nj_park){0};
    if (size < sizeof head + sizeof digest)
        return nj_fail(error, "it is cut: %zu bytes", size);
    memcpy(&head, bytes, sizeof head);
    if (memcmp(head.magic, MAGIC, sizeof head.magic) != 0)
        return nj_fail(error, "it is not of this version");
    checksum(bytes, size - sizeof digest, digest);
    if (memcmp(digest, bytes + size - sizeof digest, sizeof digest) != 0)
        return nj_fail(error, "it is damaged: its checksum does not fit");
    if (memcmp(head.identity, identity, sizeof head.identity) != 0)
        return nj_fail(error, "it belongs to another model or adapter");
    if (head.frames > NJ_PARK_FRAMES || head.question >= NJ_PARK_QUESTIONS)
        return nj_fail(error, "it is damaged: %u frames, question %u", head.frames, head.question);
    in.left            = size - sizeof head - sizeof digest;
    park->soft_tokens  = head.soft_tokens;
    park->frames       = head.frames;
    park->question     = head.question;
    park->thought_over = head.thought_over != 0;
    park->random       = head.random;
    memcpy(park->key, head.key, sizeof park->key);
    memcpy(park->counts, head.counts, sizeof park->counts);
    take_ids(&in, head.prompt, &park->prompt);
    for (uint32_t i = 0; i <= park->question; i++)
        take_answer(&in, &park->answers[i]);
    if (head.floats)
        park->features = take_copy(&in, head.floats, sizeof *park->features, 0);
    park->floats   = (size_t)head.floats;
    park->sequence = head.sequence ? take(&in, head.sequence) : NULL;
    if (in.failed || in.left) {
        nj_park_free(park);
        return nj_fail(error, "it is damaged, or there is no memory for it");
    }
    park->sequence_size = (size_t)head.sequence;
    return NJ_OK;
}

void nj_park_free(struct nj_park *park)
{
    for (uint32_t i = 0; i < NJ_PARK_QUESTIONS; i++)
        nj_generation_free(&park->answers[i]);
    free(park->prompt.data);
    free(park->features);
    *park = (struct nj_park){0};
}
