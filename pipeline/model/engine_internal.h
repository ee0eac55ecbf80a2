/* engine_internal.h: what the parts of the engine share; nobody outside engine*.c includes it.
 *
 *   engine.c            the public face: checks, cuts steps into passes, rolls back what failed
 *   engine_text.c       one pass of rows through the decoder
 *   engine_attention.c  queries of a pass against the caches of their sequences
 *   engine_linear.c     matrix products over the weights as stored, with low-rank additions
 *   engine_sequence.c   the key/value cache of one conversation: layout, copy, save, load
 *   engine_vision.c     the vision tower
 *   engine_ops.c        norms, rotations, activations
 *
 * A pass is a list of rows (positions) that go through all layers together. Rows of one sequence are neighbours and form a segment.
 * Formulas and section numbers: docs/model.md. */
#ifndef NJ_MODEL_ENGINE_INTERNAL_H
#define NJ_MODEL_ENGINE_INTERNAL_H

#include "pipeline/model/engine.h"

#define NJ_MAX_SEGMENTS 64u

/* One layer's keys and values: [kv_heads][slots][head_dim] each. Position p lives in slot p % slots. A sliding layer holds window + pass_rows
 * slots, so that one pass never overwrites what the positions before it see, and a pass that fails leaves the sequence as it was. */
struct nj_cache {
    float   *keys, *values;
    uint32_t slots, head_dim;
};

struct nj_sequence {
    struct nj_engine *engine;
    uint32_t          length, capacity;
    uint32_t          length_before; /* during a step: what to return to when it fails */
    bool              in_step;
    struct nj_cache   kv[NJ_MAX_LAYERS]; /* absent (slots == 0) in layers that share another's */
    float            *arena;             /* all of them: sliding layers first, then full ones */
    size_t            arena_floats, sliding_floats;
    float            *backup; /* [sliding_floats] as they were before a step of several passes; made when first needed */
    bool              backup_valid;
};

struct nj_segment {
    struct nj_sequence *sequence;
    uint32_t            base; /* positions of the sequence in front of the segment's first row */
    const int32_t
        *parent; /* tree: index within the segment of the node that a row continues, or -1; NULL: each row continues the one before */
    const int32_t *rows; /* ids whose logits are wanted; NULL: all */
    uint32_t       row_count;
};

struct nj_row {
    uint32_t     segment;
    uint32_t     slot;     /* index in the cache before wrapping: base + place within the segment */
    uint32_t     position; /* what RoPE and the window see; differs from slot in trees only */
    int32_t      id;
    const float *feature; /* [hidden] that replaces the embedding, or NULL */
    float       *logits;  /* where they go, or NULL when they are not wanted */
};

struct nj_pass {
    struct nj_segment segments[NJ_MAX_SEGMENTS];
    uint32_t          segment_count;
    struct nj_row    *rows; /* [pass_rows] */
    uint32_t          row_count;
    float            *hidden, *ple; /* trace of the whole prompt, at its first row; NULL when not traced */
    uint32_t          trace_rows;   /* rows of the whole prompt */
};

struct nj_scratch {        /* sized for pass_rows rows once, at open */
    float  *x;             /* [rows][hidden] the residual stream */
    float  *normed;        /* [rows][hidden] */
    float  *out;           /* [rows][hidden] what a block adds */
    float  *q, *attended;  /* [rows][heads * widest head] */
    float  *k, *v;         /* [rows][kv_heads * widest head] */
    float  *gate, *up;     /* [rows][widest MLP] */
    float  *ple;           /* [rows][layers * ple] */
    float  *cosine, *sine; /* [2][rows][widest head / 2]: sliding, full */
    float  *low_rank;      /* [threads][largest rank] */
    float **logits;        /* [rows] places of one product with the head */
    float  *thread_row;    /* [threads][widest input] one row of weights, widened */
    size_t  thread_row_stride;

    float    *thread_scores; /* [threads][positions] attention scores of one row and head */
    uint32_t *thread_slots;  /* [threads][positions] where the keys they belong to are */
    size_t    positions;     /* the longest sequence that was opened; nj_sequence_open lets it grow */
};

struct nj_engine {
    const struct nj_weights *weights;
    enum nj_arithmetic       arithmetic;
    struct nj_pool          *pool;
    uint32_t                 threads, pass_rows, first_shared; /* first layer without keys and values of its own */
    bool (*should_stop)(void *arg);
    void             *stop_arg;
    struct nj_scratch scratch;
    float            *arena;        /* holds what `scratch` and inverse_frequency point to, but for the two lists of positions */
    uint8_t           identity[32]; /* of weights and adapter: a parked sequence is taken up by the model that made it, or not at all */
    struct nj_pass    pass;
    uint32_t          max_head_dim, max_intermediate, max_rank, max_cols;
    float            *inverse_frequency[2]; /* sliding, full: of the pairs that rotate */
    uint32_t          rotated_pairs[2];
};

/* engine_text.c: all rows of engine->pass through embedding, layers and head. Writes keys and values; moves no length. */
nj_status nj_text_pass(struct nj_engine *engine, struct nj_error *error);

/* engine_attention.c: attended[row] for all rows of the pass.  q, attended: [rows][heads * head_dim] */
void nj_attend(struct nj_engine *engine, uint32_t layer, const float *q, float *attended);

/* engine_linear.c: y[i] = W x[i] (+ low rank) for n rows of x.  x: [n][cols], y: [n][rows]. `y` must not overlap `x`. */
void nj_linear(struct nj_engine *engine, const struct nj_matrix *matrix, const float *x, uint32_t n, float *y);

/* The chosen rows of W only: y[i][j] = W[rows[j]] . x[i]; every row when `rows` is NULL. y[i] are separate places. */
void nj_linear_rows(struct nj_engine *engine, const struct nj_matrix *matrix, const int32_t *rows, uint32_t row_count, const float *x,
                    uint32_t n, float *const *y);

/* Largest rank and number of inputs that `matrix` asks of the scratch memory. */
void nj_linear_needs(const struct nj_matrix *matrix, uint32_t *rank, uint32_t *cols);

/* engine_ops.c */
float nj_dot(const float *a, const float *b, size_t count);                                    /* always sums in the same order */
void  nj_add_scaled(float *restrict out, const float *restrict x, float factor, size_t count); /* out += factor * x */
float nj_gelu(float value);
/* out may be x. weight NULL: none. */
void nj_rms_norm(const float *x, const float *weight, uint32_t count, float epsilon, float *out);
void nj_softmax(float *scores, size_t count);
/* Rotates pairs (i, i + size / 2), i < pairs, of one head. */
void nj_rotate(float *head, uint32_t size, uint32_t pairs, const float *cosine, const float *sine);

/* Whether the caller wants the step to end. */
bool nj_engine_stopped(const struct nj_engine *engine);

/* a * b, or SIZE_MAX when it does not fit. */
size_t nj_size_mul(size_t a, size_t b);

/* engine_sequence.c: keep the sliding layers as they are, put them back. */
nj_status nj_sequence_backup(struct nj_sequence *sequence, struct nj_error *error);
void      nj_sequence_restore(struct nj_sequence *sequence);

#endif
