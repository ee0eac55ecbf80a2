/* engine_internal.h: what the parts of the engine share; nobody outside engine*.c includes it.
 *
 *   engine.c            the public face: checks, cuts steps into passes, rolls back what failed
 *   engine_text.c       one pass of rows through the decoder
 *   engine_vision.c     the vision tower
 *   engine_attention.c  queries of a pass against the caches of their sequences
 *   engine_linear.c     matrix products, with low-rank additions
 *   engine_prepare.c    weights in the form that the products want
 *   engine_sequence.c   the key/value cache of one conversation: layout, copy, save, load
 *   engine_ops.c        norms, rotations and activations of the exact engine
 *
 * A pass is a list of rows (positions) that go through all layers together. Rows of one sequence are neighbours and form a segment.
 * Exact and fast arithmetic walk the same code; they differ in the products, in attention, in the vector operations of the table below, and in
 * that the fast engine drops rows as soon as nothing depends on them. Formulas and section numbers: docs/model.md. */
#ifndef NJ_MODEL_ENGINE_INTERNAL_H
#define NJ_MODEL_ENGINE_INTERNAL_H

#include "kernels/kernels.h"
#include "pipeline/model/engine.h"

#define NJ_MAX_SEGMENTS 64u
#define NJ_TREE_NODES   256u
#define NJ_TREE_BLOCK   16u /* slots of the trees' caches that belong to one tree: whole blocks of them */

/* How a product with one matrix is computed. */
enum nj_linear_kind {
    NJ_LINEAR_ABSENT,
    NJ_LINEAR_STORED, /* fp32 over rows widened one by one: the exact engine, and what has no faster form */
    NJ_LINEAR_W4,     /* int4 panels x block-scaled integers */
    NJ_LINEAR_I8,     /* int8 rows x block-scaled int16 */
    NJ_LINEAR_F32,    /* plain rows x fp32 */
    NJ_LINEAR_F16,
    NJ_LINEAR_BF16
};

struct nj_linear {
    enum nj_linear_kind     kind;
    uint32_t                rows, cols;
    const struct nj_matrix *matrix; /* as stored; its low_rank is added to every kind */
    struct nj_w4            w4;
    struct nj_i8_rows       i8;
    const void             *plain; /* rows of F32, F16, BF16 */
};

struct nj_text_linears {
    struct nj_linear q, k, v, o, gate, up, down, ple_gate, ple_projection;
    bool             fused_gate; /* gate and up are an alternating pair without adapters: one product gives gelu(gate) * up */
};

struct nj_vision_linears {
    struct nj_linear q, k, v, o, gate, up, down;
};

/* One layer's keys and values, both [kv_heads][slots][head_dim]. Position p lives in slot p % slots. A sliding layer holds window + pass_rows slots, so
 * that one pass never overwrites what the positions before it see, and a pass that fails leaves the sequence as it was.
 * That is the exact form, in fp32. The fast one is fp16, each head arranged as kernels.h says (struct nj_kv). */
struct nj_cache {
    uint8_t *keys, *values;
    uint32_t slots, head_dim;
};

struct nj_sequence {
    struct nj_engine *engine;
    uint32_t          length, capacity;
    uint32_t          reach; /* positions below this one may have been written since the oldest that is still needed */
    uint32_t          length_before, reach_before; /* during a step: what to return to when it fails */
    bool              in_step;
    struct nj_cache   kv[NJ_MAX_LAYERS]; /* absent (slots == 0) in layers that share another's */
    uint8_t          *arena;             /* nj_pages; all of them: sliding layers first, then full ones */
    size_t            arena_bytes, sliding_bytes;
    uint8_t          *backup; /* [sliding_bytes] as they were before a step of several passes; made when first needed */
    bool              backup_valid;
};

struct nj_segment {
    struct nj_sequence *sequence;
    uint32_t            base;  /* positions of the sequence in front of the segment's first row */
    uint32_t            count; /* rows that the segment had at the start of the pass */
    const int32_t
            *parent; /* tree: index within the segment of the node that a row continues, or -1; NULL: each row continues the one before */
    uint8_t *allow;  /* tree, fast: [count][count] which nodes each one stands on */
    uint32_t tree_first; /* tree, fast: its first slot in the caches of trees */
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
    uint32_t          tree_used;    /* slots of the caches of trees */
    size_t            allow_used;   /* bytes of tree_allow */
    bool              skip;         /* rows without wanted logits end with the last layer that writes keys and values */
    float            *hidden, *ple; /* trace of the whole prompt, at its first row; NULL when not traced */
    uint32_t          trace_rows;   /* rows of the whole prompt */
};

struct nj_scratch {       /* sized for pass_rows rows once, at open */
    float *x;             /* [rows][hidden] the residual stream */
    float *normed;        /* [rows][hidden] */
    float *out;           /* [rows][hidden] what a block adds */
    float *q, *attended;  /* [rows][heads * widest head] */
    float *k, *v;         /* [rows][kv_heads * widest head] */
    float *gate, *up;     /* [rows][widest MLP] */
    float *ple;           /* [rows][layers * ple] */
    float *cosine, *sine; /* [2][rows][widest head / 2]: sliding, full */
    float *thread_row;    /* [threads][widest row] one row of weights, widened */
    float *logits;        /* [direct tokens][vocabulary] of sequences whose logits go to separate places */
    size_t thread_row_stride;

    float    *thread_scores; /* exact: [threads][positions] attention scores of one row and head */
    uint32_t *thread_slots;  /* exact: [threads][positions] where the keys they belong to are */
    size_t    positions;     /* the longest sequence that was opened; nj_sequence_open lets it grow */

    /* Fast only. */
    uint8_t  *thread_kernel; /* [threads] what GEMM and attention kernels need */
    size_t    thread_kernel_stride;
    uint32_t *positions_of; /* [rows] of one attention job */
};

/* What several products in a row read: quantised once, when the first of them asks. */
struct nj_input {
    const float  *x; /* [n][cols] */
    uint32_t      n, cols;
    bool          patches; /* of a picture: 14-bit integers will do for plain weights (finer than the reference's own bf16) */
    bool          coarse;  /* and in the power-saver mode 8 bits */
    int           which;   /* 16, 14, 8, 7 or 0, as in nj_kernels_act */
    struct nj_act act;     /* tokens == 0: not made yet */
};

struct nj_engine {
    const struct nj_weights *weights;
    enum nj_arithmetic       arithmetic;
    struct nj_pool          *pool;
    uint32_t                 threads, pass_rows, first_shared; /* first layer without keys and values of its own */
    bool (*should_stop)(void *arg);
    void *stop_arg;
    void (*observe)(void *arg, const struct nj_matrix *matrix, const float *x, uint32_t tokens);
    void                    *observe_arg;
    struct nj_kernels        kernels; /* exact: only the vector operations are used, and they are those of engine_ops.c */
    struct nj_text_linears   text[NJ_MAX_LAYERS];
    struct nj_vision_linears vision[NJ_MAX_LAYERS];
    struct nj_linear         ple_projection, head, patch_projection, feature_projection;
    struct nj_scratch        scratch;
    float                   *arena;     /* holds what `scratch` and inverse_frequency point to, but for the two lists of positions */
    size_t                   row_bytes; /* at its beginning: the lists of rows, which hold nothing between passes */
    bool                     wide;      /* a pass of many rows has used them since they were given back */
    void                   **owned;     /* weights that had to be packed in memory */
    size_t                   owned_count, owned_capacity;
    uint8_t                  identity[32]; /* nj_engine_identity: what was parked is taken up by the model that made it, or not at all */
    struct nj_pass           pass;
    uint32_t                 max_head_dim, max_intermediate, max_cols;
    float                   *inverse_frequency[2]; /* sliding, full: of the pairs that rotate */
    uint32_t                 rotated_pairs[2];

    uint8_t *act_memory; /* fast: one quantised input */
    size_t   act_bytes;
    float   *low_rank; /* [low_rank_tokens][max_rank] A x of one product */
    uint32_t max_rank, low_rank_tokens;

    struct nj_cache tree[NJ_MAX_LAYERS]; /* fast: keys and values of a tree of continuations */
    uint8_t        *tree_arena, *tree_allow;
};

static inline bool nj_is_exact(const struct nj_engine *engine)
{
    return engine->arithmetic == NJ_EXACT;
}

/* engine_text.c: all rows of engine->pass through embedding, layers and head. Writes keys and values; moves no length. */
nj_status nj_text_pass(struct nj_engine *engine, struct nj_error *error);

/* engine_attention.c: attended[row] for all rows of the pass.  q, attended: [rows][heads * head_dim] */
void nj_attend(struct nj_engine *engine, uint32_t layer, const float *q, float *attended);
/* The key and value of one row, normed and rotated, into its cache.  key, value: [head_dim] */
void nj_cache_write(struct nj_engine *engine, uint32_t layer, const struct nj_row *row, uint32_t head, const float *key,
                    const float *value);
/* Makes the caches of a tree, once. */
nj_status nj_tree_open(struct nj_engine *engine, struct nj_error *error);

/* engine_linear.c. An input is only looked at; it must stay as it is until the last product that reads it. */
void nj_input_set(struct nj_input *input, const float *x, uint32_t n, uint32_t cols);
/* One of several products of one input: out[i * stride + j] = W[j] . x[i] (+ low rank), or W[index[j]] . x[i]. */
struct nj_product {
    const struct nj_linear *linear;
    float                  *out;
    size_t                  stride; /* 0: linear->rows */
    uint32_t                rows;   /* first so many outputs; 0: all */
    const int32_t          *index;  /* NULL: none; otherwise [rows] */
};
void nj_linear(struct nj_engine *engine, struct nj_input *input, const struct nj_product *products, size_t count);
/* out[i * gate->rows + j] = gelu(gate[j] . x[i]) * (up[j] . x[i]) in one go, for a fused pair. */
void nj_linear_gate(struct nj_engine *engine, struct nj_input *input, const struct nj_linear *gate, const struct nj_linear *up, float *out);

/* engine_prepare.c: fills the nj_linear of every matrix, packing in memory what no kernel reads as it is. */
nj_status nj_prepare_weights(struct nj_engine *engine, struct nj_error *error);

/* engine_ops.c: the vector operations of the exact engine, with the signatures of kernels.h. */
void  nj_exact_operations(struct nj_kernels *table);
float nj_dot(const float *a, const float *b, size_t count);                                    /* always sums in the same order */
void  nj_add_scaled(float *restrict out, const float *restrict x, float factor, size_t count); /* out += factor * x */
void  nj_softmax(float *scores, size_t count);

/* Whether the caller wants the step to end. */
bool nj_engine_stopped(const struct nj_engine *engine);

/* a * b, or SIZE_MAX when it does not fit. */
size_t nj_size_mul(size_t a, size_t b);
/* Zeroed memory on a cache line of its own, NULL when there is none. For what is large: it costs nothing before it is used, and nothing once it is freed, whatever
 * the heap looks like. */
void *nj_pages(size_t size);
void  nj_pages_free(void *memory);
/* One block of such memory for several lists, each on a cache line of its own; NULL when there is none. The caller frees it. */
struct nj_list {
    float **place;
    size_t  floats;
};
float *nj_carve(struct nj_list *lists, size_t count);
/* Zeroed memory on a cache line of its own that is freed with the engine; NULL when there is none. */
void *nj_engine_alloc(struct nj_engine *engine, size_t size);

/* engine_sequence.c: positions up to this one are about to be written. */
void nj_sequence_reach(struct nj_sequence *sequence, uint32_t end);

/* engine_sequence.c: keep the sliding layers as they are, put them back. */
nj_status nj_sequence_backup(struct nj_sequence *sequence, struct nj_error *error);
void      nj_sequence_restore(struct nj_sequence *sequence);

#endif
