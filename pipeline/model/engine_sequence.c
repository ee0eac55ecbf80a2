#include "pipeline/model/engine_internal.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "NJSEQ001"

struct parked { /* in front of the keys and values; native byte order: a state is taken up on the station that parked it */
    char     magic[8];
    uint32_t arithmetic, length;
    uint8_t  identity[SHA256_DIGEST_SIZE];
    uint64_t payload; /* bytes that follow, without the checksum at the end */
};

/* Positions of this layer that a later one can still see. */
static uint32_t kept_positions(const struct nj_sequence *sequence, uint32_t layer)
{
    const struct nj_text_config *config = &sequence->engine->weights->config.text;
    if (config->full_attention[layer] || sequence->length < config->sliding_window)
        return sequence->length;
    return config->sliding_window;
}

static size_t kv_floats(const struct nj_sequence *sequence, uint32_t layer, uint32_t positions)
{
    const struct nj_text_config *config = &sequence->engine->weights->config.text;
    return nj_size_mul(nj_size_mul(2 * (size_t)config->kv_heads, positions), sequence->kv[layer].head_dim);
}

static void layer_shape(struct nj_sequence *sequence, uint32_t layer)
{
    const struct nj_text_config *config = &sequence->engine->weights->config.text;
    struct nj_cache             *kv     = &sequence->kv[layer];
    uint64_t                     slots  = (uint64_t)config->sliding_window + sequence->engine->pass_rows;
    kv->head_dim                        = config->full_attention[layer] ? config->global_head_dim : config->head_dim;
    kv->slots = config->full_attention[layer] || slots > sequence->capacity ? sequence->capacity : (uint32_t)slots;
}

/* Gives each layer its place; with arena NULL it only counts. Sliding layers first. */
static bool lay_out(struct nj_sequence *sequence)
{
    const struct nj_text_config *config = &sequence->engine->weights->config.text;
    size_t                       used   = 0;
    for (int full = 0; full <= 1; full++) {
        for (uint32_t layer = 0; layer < sequence->engine->first_shared; layer++) {
            struct nj_cache *kv = &sequence->kv[layer];
            if (config->full_attention[layer] != (full == 1))
                continue;
            size_t floats = kv_floats(sequence, layer, kv->slots);
            if (floats > SIZE_MAX / sizeof(float) - used)
                return false;
            if (sequence->arena) {
                kv->keys   = sequence->arena + used;
                kv->values = kv->keys + floats / 2;
            }
            used += floats;
        }
        if (full == 0)
            sequence->sliding_floats = used;
    }
    sequence->arena_floats = used;
    return true;
}

static nj_status grow_positions(struct nj_scratch *scratch, unsigned threads, uint32_t capacity, struct nj_error *error)
{
    if (capacity <= scratch->positions)
        return NJ_OK;
    float    *scores = calloc(nj_size_mul(threads, capacity), sizeof *scores);
    uint32_t *slots  = calloc(nj_size_mul(threads, capacity), sizeof *slots);
    if (!scores || !slots) {
        free(scores);
        free(slots);
        return nj_fail(error, "no memory for the attention of %u positions", capacity);
    }
    free(scratch->thread_scores);
    free(scratch->thread_slots);
    scratch->thread_scores = scores;
    scratch->thread_slots  = slots;
    scratch->positions     = capacity;
    return NJ_OK;
}

nj_status nj_sequence_open(struct nj_engine *engine, uint32_t capacity, struct nj_sequence **out, struct nj_error *error)
{
    *out = NULL;
    if (capacity == 0)
        return nj_fail(error, "a sequence needs room for at least one position");
    struct nj_sequence *sequence = calloc(1, sizeof *sequence);
    nj_status           status   = NJ_ERROR;
    if (!sequence)
        return nj_fail(error, "no memory for a sequence of %u positions", capacity);
    sequence->engine   = engine;
    sequence->capacity = capacity;
    for (uint32_t layer = 0; layer < engine->first_shared; layer++)
        layer_shape(sequence, layer);
    if (lay_out(sequence))
        sequence->arena = calloc(sequence->arena_floats, sizeof(float));
    if (!sequence->arena) {
        status = nj_fail(error, "no memory for the keys and values of %u positions", capacity);
        goto cleanup;
    }
    lay_out(sequence);
    status = grow_positions(&engine->scratch, engine->threads, capacity, error);
cleanup:
    if (status == NJ_OK)
        *out = sequence;
    else
        nj_sequence_close(sequence);
    return status;
}

void nj_sequence_close(struct nj_sequence *sequence)
{
    if (!sequence)
        return;
    free(sequence->arena);
    free(sequence->backup);
    free(sequence);
}

uint32_t nj_sequence_length(const struct nj_sequence *sequence)
{
    return sequence->length;
}

void nj_sequence_reset(struct nj_sequence *sequence)
{
    sequence->length = 0;
}

nj_status nj_sequence_backup(struct nj_sequence *sequence, struct nj_error *error)
{
    if (!sequence->backup)
        sequence->backup = malloc(sequence->sliding_floats * sizeof(float));
    if (!sequence->backup)
        return nj_fail(error, "no memory to keep the state of a sequence during a long step");
    memcpy(sequence->backup, sequence->arena, sequence->sliding_floats * sizeof(float));
    sequence->backup_valid = true;
    return NJ_OK;
}

void nj_sequence_restore(struct nj_sequence *sequence)
{
    if (sequence->backup_valid)
        memcpy(sequence->arena, sequence->backup, sequence->sliding_floats * sizeof(float));
    sequence->length = sequence->length_before;
}

/* Calls `move` for each run of positions of each head that lies in one piece in the cache: oldest position first, keys then values. */
typedef void move_run(void *arg, float *cache, size_t floats);

static void each_kept_run(const struct nj_sequence *sequence, uint32_t layer, move_run *move, void *arg)
{
    const struct nj_cache *kv    = &sequence->kv[layer];
    uint32_t               kept  = kept_positions(sequence, layer);
    uint32_t               first = kept ? (sequence->length - kept) % kv->slots : 0;
    uint32_t               until = kv->slots - first < kept ? kv->slots - first : kept;
    for (uint32_t head = 0; head < 2 * sequence->engine->weights->config.text.kv_heads; head++) {
        float *stream = kv->keys + (size_t)head * kv->slots * kv->head_dim; /* values lie behind the keys */
        move(arg, stream + (size_t)first * kv->head_dim, (size_t)until * kv->head_dim);
        move(arg, stream, (size_t)(kept - until) * kv->head_dim);
    }
}

static void write_run(void *arg, float *cache, size_t floats)
{
    uint8_t **to = arg;
    memcpy(*to, cache, floats * sizeof(float));
    *to += floats * sizeof(float);
}

static void read_run(void *arg, float *cache, size_t floats)
{
    const uint8_t **from = arg;
    memcpy(cache, *from, floats * sizeof(float));
    *from += floats * sizeof(float);
}

/* `cursor`: where write_run goes on writing, or read_run reading. */
static void each_layer(const struct nj_sequence *sequence, move_run *move, void *cursor)
{
    for (uint32_t layer = 0; layer < sequence->engine->first_shared; layer++)
        each_kept_run(sequence, layer, move, cursor);
}

static size_t payload_bytes(const struct nj_sequence *sequence)
{
    size_t floats = 0; /* at most the arena's size, which fits */
    for (uint32_t layer = 0; layer < sequence->engine->first_shared; layer++)
        floats += kv_floats(sequence, layer, kept_positions(sequence, layer));
    return floats * sizeof(float);
}

static void checksum(const uint8_t *bytes, size_t size, uint8_t digest[SHA256_DIGEST_SIZE])
{
    struct sha256_ctx hash;
    sha256_init(&hash);
    sha256_update(&hash, size, bytes);
    sha256_digest(&hash, SHA256_DIGEST_SIZE, digest);
}

nj_status nj_sequence_copy(struct nj_sequence *to, const struct nj_sequence *from, struct nj_error *error)
{
    if (to->engine != from->engine || to->capacity < from->length)
        return nj_fail(error, "a sequence of %u positions does not fit into one with room for %u", from->length, to->capacity);
    size_t   size  = payload_bytes(from);
    uint8_t *bytes = malloc(size ? size : 1);
    if (!bytes)
        return nj_fail(error, "no memory to copy a sequence of %u positions", from->length);
    uint8_t       *write = bytes;
    const uint8_t *read  = bytes;
    each_layer(from, write_run, &write);
    to->length = from->length;
    each_layer(to, read_run, &read);
    free(bytes);
    return NJ_OK;
}

nj_status nj_sequence_save(const struct nj_sequence *sequence, uint8_t **bytes, size_t *size, struct nj_error *error)
{
    struct parked head = {.magic = MAGIC, .arithmetic = (uint32_t)sequence->engine->arithmetic, .length = sequence->length};
    head.payload       = payload_bytes(sequence);
    *size              = sizeof head + head.payload + SHA256_DIGEST_SIZE;
    *bytes             = malloc(*size);
    if (!*bytes)
        return nj_fail(error, "no memory to park a sequence of %u positions", sequence->length);
    memcpy(head.identity, sequence->engine->identity, sizeof head.identity);
    memcpy(*bytes, &head, sizeof head);
    uint8_t *write = *bytes + sizeof head;
    each_layer(sequence, write_run, &write);
    checksum(*bytes, sizeof head + head.payload, *bytes + sizeof head + head.payload);
    return NJ_OK;
}

nj_status nj_sequence_load(struct nj_sequence *sequence, const uint8_t *bytes, size_t size, struct nj_error *error)
{
    struct parked head;
    uint8_t       digest[SHA256_DIGEST_SIZE];
    if (size < sizeof head + sizeof digest)
        return nj_fail(error, "the parked state is cut: %zu bytes", size);
    memcpy(&head, bytes, sizeof head);
    if (memcmp(head.magic, MAGIC, sizeof head.magic) != 0)
        return nj_fail(error, "not a parked state of this version");
    checksum(bytes, size - sizeof digest, digest);
    if (head.payload != size - sizeof head - sizeof digest || memcmp(digest, bytes + size - sizeof digest, sizeof digest) != 0)
        return nj_fail(error, "the parked state is damaged: its checksum does not fit");
    if (head.arithmetic != (uint32_t)sequence->engine->arithmetic ||
        memcmp(head.identity, sequence->engine->identity, sizeof head.identity) != 0)
        return nj_fail(error, "the parked state belongs to another model, adapter or arithmetic");
    if (head.length > sequence->capacity)
        return nj_fail(error, "the parked state holds %u positions, the sequence has room for %u", head.length, sequence->capacity);
    uint32_t before  = sequence->length;
    sequence->length = head.length;
    if (payload_bytes(sequence) != head.payload) {
        sequence->length = before;
        return nj_fail(error, "the parked state is damaged: %llu bytes for %u positions", (unsigned long long)head.payload, head.length);
    }
    const uint8_t *read = bytes + sizeof head;
    each_layer(sequence, read_run, &read);
    return NJ_OK;
}
