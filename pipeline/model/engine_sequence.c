#include "pipeline/model/engine_internal.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC        "NJSEQ001"
#define MAX_CAPACITY (1u << 20) /* eight times the longest context of the model */

struct parked { /* in front of the keys and values; native byte order: a state is taken up on the station that parked it */
    char     magic[8];
    uint32_t arithmetic, length;
    uint8_t  identity[SHA256_DIGEST_SIZE];
    uint64_t payload; /* bytes that follow, without the checksum at the end */
};

/* Bytes of one key or value element. */
static size_t element_bytes(const struct nj_engine *engine)
{
    return nj_is_exact(engine) ? sizeof(float) : sizeof(uint16_t);
}

/* Positions of this layer that a later one can still see. */
static uint32_t kept_positions(const struct nj_sequence *sequence, uint32_t layer)
{
    const struct nj_text_config *config = &sequence->engine->weights->config.text;
    if (config->full_attention[layer] || sequence->length < config->sliding_window)
        return sequence->length;
    return config->sliding_window;
}

static size_t kv_bytes(const struct nj_sequence *sequence, uint32_t layer, uint32_t positions)
{
    size_t heads = 2 * (size_t)sequence->engine->weights->config.text.kv_heads;
    return nj_size_mul(nj_size_mul(nj_size_mul(heads, positions), sequence->kv[layer].head_dim), element_bytes(sequence->engine));
}

static void layer_shape(struct nj_sequence *sequence, uint32_t layer)
{
    const struct nj_text_config *config = &sequence->engine->weights->config.text;
    struct nj_cache             *kv     = &sequence->kv[layer];
    uint64_t                     slots  = (uint64_t)config->sliding_window + sequence->engine->pass_rows;
    uint32_t                     block  = nj_is_exact(sequence->engine) ? 1 : 16;
    kv->head_dim                        = config->full_attention[layer] ? config->global_head_dim : config->head_dim;
    if (config->full_attention[layer] || slots > sequence->capacity)
        slots = sequence->capacity;
    kv->slots = (uint32_t)((slots + block - 1) / block * block);
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
            size_t bytes = kv_bytes(sequence, layer, kv->slots);
            if (bytes > PTRDIFF_MAX - used)
                return false;
            if (sequence->arena) {
                kv->keys   = sequence->arena + used;
                kv->values = kv->keys + bytes / 2;
            }
            used += bytes;
        }
        if (full == 0)
            sequence->sliding_bytes = used;
    }
    sequence->arena_bytes = used;
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
    if (capacity == 0 || capacity > MAX_CAPACITY)
        return nj_fail(error, "a sequence of %u positions: 1 to %u are possible", capacity, MAX_CAPACITY);
    struct nj_sequence *sequence = calloc(1, sizeof *sequence);
    nj_status           status   = NJ_ERROR;
    if (!sequence)
        return nj_fail(error, "no memory for a sequence of %u positions", capacity);
    sequence->engine   = engine;
    sequence->capacity = capacity;
    for (uint32_t layer = 0; layer < engine->first_shared; layer++)
        layer_shape(sequence, layer);
    if (lay_out(sequence))
        sequence->arena = nj_pages(sequence->arena_bytes);
    if (!sequence->arena) {
        status = nj_fail(error, "no memory for the keys and values of %u positions", capacity);
        goto cleanup;
    }
    lay_out(sequence);
    status = nj_is_exact(engine) ? grow_positions(&engine->scratch, engine->threads, capacity, error) : NJ_OK;
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
    nj_pages_free(sequence->arena);
    free(sequence->backup);
    free(sequence);
}

uint32_t nj_sequence_length(const struct nj_sequence *sequence)
{
    return sequence->length;
}

void nj_sequence_reset(struct nj_sequence *sequence)
{
    sequence->length = sequence->reach = 0;
}

void nj_sequence_reach(struct nj_sequence *sequence, uint32_t end)
{
    sequence->reach = end > sequence->reach ? end : sequence->reach;
}

/* What has been written, also by steps that failed, must have left the window in front of the new end. */
nj_status nj_sequence_rewind(struct nj_sequence *sequence, uint32_t length, struct nj_error *error)
{
    uint64_t ring = (uint64_t)sequence->engine->weights->config.text.sliding_window + sequence->engine->pass_rows;
    if (length > sequence->length || (sequence->reach > ring && sequence->reach - length > sequence->engine->pass_rows))
        return nj_fail(error, "a sequence of %u positions cannot go back to %u", sequence->length, length);
    sequence->length = length;
    return NJ_OK;
}

nj_status nj_sequence_backup(struct nj_sequence *sequence, struct nj_error *error)
{
    if (!sequence->backup)
        sequence->backup = malloc(sequence->sliding_bytes);
    if (!sequence->backup)
        return nj_fail(error, "no memory to keep the state of a sequence during a long step");
    memcpy(sequence->backup, sequence->arena, sequence->sliding_bytes);
    sequence->backup_valid = true;
    return NJ_OK;
}

void nj_sequence_restore(struct nj_sequence *sequence)
{
    if (sequence->backup_valid) {
        memcpy(sequence->arena, sequence->backup, sequence->sliding_bytes);
        sequence->reach = sequence->reach_before;
    }
    sequence->length = sequence->length_before;
}

/* Writes what is kept of one layer to *cursor, or reads it from there: heads, then positions from the oldest on, then a key and its value. */
struct cursor {
    uint8_t       *write; /* one of these two */
    const uint8_t *read;
};

static void move(struct cursor *cursor, uint8_t *cache, size_t size)
{
    if (cursor->write) {
        memcpy(cursor->write, cache, size);
        cursor->write += size;
    } else {
        memcpy(cache, cursor->read, size);
        cursor->read += size;
    }
}

/* The key and the value of one slot of one head, where the fast engine's kernels keep them (kernels.h, struct nj_kv): blocks of 16 slots, within them
 * the keys by dimension, the values by runs of 16 dimensions. */
static void move_blocked(struct cursor *cursor, const struct nj_cache *kv, size_t stream, uint32_t slot)
{
    const size_t element = sizeof(uint16_t), block = 16;
    size_t       at = slot / block * kv->head_dim * block, within = slot % block;
    for (uint32_t d = 0; d < kv->head_dim; d++)
        move(cursor, kv->keys + stream + (at + d * block + within) * element, element);
    for (uint32_t d = 0; d < kv->head_dim; d += block)
        move(cursor, kv->values + stream + (at + d * block + within * block) * element, block * element);
}

static void move_plain(struct cursor *cursor, const struct nj_cache *kv, size_t stream, uint32_t slot)
{
    size_t size = kv->head_dim * sizeof(float);
    move(cursor, kv->keys + stream + slot * size, size);
    move(cursor, kv->values + stream + slot * size, size);
}

static void move_layer(const struct nj_sequence *sequence, uint32_t layer, struct cursor *cursor)
{
    const struct nj_cache *kv     = &sequence->kv[layer];
    size_t                 stream = (size_t)kv->slots * kv->head_dim * element_bytes(sequence->engine);
    uint32_t               kept   = kept_positions(sequence, layer);
    for (uint32_t head = 0; head < sequence->engine->weights->config.text.kv_heads; head++)
        for (uint32_t position = sequence->length - kept; position < sequence->length; position++)
            (nj_is_exact(sequence->engine) ? move_plain : move_blocked)(cursor, kv, head * stream, position % kv->slots);
}

static void move_layers(const struct nj_sequence *sequence, struct cursor cursor)
{
    for (uint32_t layer = 0; layer < sequence->engine->first_shared; layer++)
        move_layer(sequence, layer, &cursor);
}

static size_t payload_bytes(const struct nj_sequence *sequence)
{
    size_t bytes = 0; /* at most the arena's size, which fits */
    for (uint32_t layer = 0; layer < sequence->engine->first_shared; layer++)
        bytes += kv_bytes(sequence, layer, kept_positions(sequence, layer));
    return bytes;
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
    move_layers(from, (struct cursor){.write = bytes});
    to->length = to->reach = from->length;
    move_layers(to, (struct cursor){.read = bytes});
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
    move_layers(sequence, (struct cursor){.write = *bytes + sizeof head});
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
    sequence->reach = sequence->length;
    move_layers(sequence, (struct cursor){.read = bytes + sizeof head});
    return NJ_OK;
}
