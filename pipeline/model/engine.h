/* engine.h: Gemma 4 at work: token ids and picture features in, logits out.
 *
 * An engine holds the weights, the threads and the scratch memory; a sequence is one conversation with its key/value cache. Several sequences step
 * together in one pass over the weights. Formulas: docs/model.md (text forward pass, KV sharing, RoPE, output).
 *
 * Ownership: the engine borrows the weights; a sequence belongs to its engine and is closed before it. Nothing is allocated in nj_engine_step once
 * a sequence has been opened. Not thread-safe: one caller at a time. */
#ifndef NJ_MODEL_ENGINE_H
#define NJ_MODEL_ENGINE_H

#include "base/pool.h"
#include "pipeline/model/weights.h"

enum nj_arithmetic {
    NJ_EXACT,      /* fp32 over the weights as stored, every product and every layer: the judge */
    NJ_FAST,       /* 16-bit activations (block-scaled int16) on int4 weights, exact skipping of what cannot matter */
    NJ_POWER_SAVER /* 8-bit activations: faster, coarser; a named choice, never a default */
};

/* What a station reads with, by its setting. */
static inline enum nj_arithmetic nj_station_arithmetic(bool power_saver)
{
    return power_saver ? NJ_POWER_SAVER : NJ_FAST;
}

struct nj_engine_options {
    enum nj_arithmetic arithmetic;
    struct nj_pool    *pool;      /* borrowed; NULL: the calling thread alone */
    uint32_t           pass_rows; /* positions that go through the layers together; 0: what suits the arithmetic */
    /* Called between layers and steps (watchdog, signals): true asks the step to end with NJ_STOPPED; the sequences are then as before it. */
    bool (*should_stop)(void *arg);
    void *stop_arg;
    /* For calibration: told what each matrix is about to be multiplied with, before products are spread over threads.  x: [tokens][matrix->cols] */
    void (*observe)(void *arg, const struct nj_matrix *matrix, const float *x, uint32_t tokens);
    void *observe_arg;
};

struct nj_engine;
struct nj_sequence;

nj_status                nj_engine_open(const struct nj_weights *weights, const struct nj_engine_options *options, struct nj_engine **out,
                                        struct nj_error *error);
void                     nj_engine_close(struct nj_engine *engine);
const struct nj_weights *nj_engine_weights(const struct nj_engine *engine);
uint32_t                 nj_engine_pass_rows(const struct nj_engine *engine); /* positions that go through the layers together */
const uint8_t *
nj_engine_identity(const struct nj_engine *engine); /* [32] of weights, adapter, arithmetic and kernels: equal ones give equal bits */
uint32_t nj_engine_tree_nodes(const struct nj_engine *engine); /* ids that one tree may have */

/* A sequence that can grow to `capacity` positions. */
nj_status nj_sequence_open(struct nj_engine *engine, uint32_t capacity, struct nj_sequence **out, struct nj_error *error);
void      nj_sequence_close(struct nj_sequence *sequence);
uint32_t  nj_sequence_length(const struct nj_sequence *sequence);
void      nj_sequence_reset(struct nj_sequence *sequence);

/* Forgets all but the first `length` positions. Fails, changing nothing, when the window in front of them is gone: nj_engine_pass_rows positions can
 * always be forgotten, those of failed steps counted in. */
nj_status nj_sequence_rewind(struct nj_sequence *sequence, uint32_t length, struct nj_error *error);

/* Makes `to` an exact copy of `from` (same engine, capacity at least from's length): a cached prompt head serves many bursts. */
nj_status nj_sequence_copy(struct nj_sequence *to, const struct nj_sequence *from, struct nj_error *error);

/* The state as bytes, and back, for parking. The bytes carry a checksum and the identity of the model. *bytes is malloc'd. */
nj_status nj_sequence_save(const struct nj_sequence *sequence, uint8_t **bytes, size_t *size, struct nj_error *error);
nj_status nj_sequence_load(struct nj_sequence *sequence, const uint8_t *bytes, size_t size, struct nj_error *error);

enum nj_want { NJ_WANT_NOTHING, NJ_WANT_LAST, NJ_WANT_ALL };

/* Appends `count` ids to one sequence. Positions whose id is the image id take their input from `features`, in order.
 * Or, with `parent`, scores continuations that share a prefix tree and appends nothing: id i continues id parent[i] < i, or the end of the sequence where that
 * is -1; all logits are wanted; at most nj_engine_tree_nodes ids, for which the sequence must have room. */
struct nj_step {
    struct nj_sequence *sequence;
    const int32_t      *ids;    /* [count] */
    const int32_t      *parent; /* [count], or NULL: each id continues the one before */
    size_t              count;
    const float        *features; /* [number of image ids][text hidden]; NULL if there are none */
    enum nj_want        want;
    const int32_t      *rows; /* ids whose logits are wanted; NULL: the whole vocabulary */
    size_t              row_count;
    float              *logits; /* out: [1 or count][row_count or vocab], softcap applied */
};

/* All steps in one pass, or in as few as there is room for. Each sequence appears at most once. On failure the sequences are as before. */
nj_status nj_engine_step(struct nj_engine *engine, struct nj_step *steps, size_t count, struct nj_error *error);

/* For those who verify: the hidden states of a whole prompt, every layer for every position.  hidden: [2 + layers][count][hidden] (scaled embedding, each layer,
 * after the final norm); ple: [count][layers][ple]. Either may be NULL. */
nj_status nj_engine_trace(struct nj_engine *engine, const int32_t *ids, size_t count, const float *features, float *hidden, float *ple,
                          struct nj_error *error);

/* Vision tower: pixels to features as they replace the image positions.
 *   rgb       [height][width][3], both multiples of patch * pooling (48)
 *   features  out [height / 48 * width / 48][text hidden] */
nj_status nj_engine_vision(struct nj_engine *engine, const uint8_t *rgb, uint32_t width, uint32_t height, float *features,
                           struct nj_error *error);

#endif
