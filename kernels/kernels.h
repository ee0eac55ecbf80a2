/* kernels.h: all arithmetic of the product, one table of functions filled once for the processor at hand.
 *
 *     struct nj_kernels k;
 *     nj_kernels_init(&k, nj_cpu_detect());
 *     k.rms_norm(x, weight, n, eps, out);
 *
 * Every operation has a plain-C form, which is its definition, and faster forms for instruction sets. tests/kernels compares each of them with the
 * plain form. Nothing here allocates, does I/O, starts threads or knows a model: work is cut by the caller (panels, tiles, rows), and two threads may
 * run the same operation on different parts at once. Pointers must not overlap unless it says so. fp32 unless it says so.
 *
 * Names of forms: nj_OPERATION[_TILE]_ISA, for example nj_w4a16_gemm_16x4_avx2: operation; rows x tokens held in registers, where that matters; the
 * instruction set (c, avx2, avx512, avx512vnni, neon, dotprod, i8mm). In OPERATION, wN is an N-bit integer weight with scales, aN an N-bit
 * integer activation with scales, f32, f16 and bf16 are what they say. The file of a form ends in its instruction set; the Makefile compiles it so.
 *
 * Exactness. The integer products (w4a16, w4a8, w12a14, w7a8) are sums of int32 within a group, exact, and then
 *     sum = fma((float)integer_sum, weight_scale * activation_scale, sum),   groups in order,
 * in every form: all instruction sets, batch sizes and cuts give the same bits. fp32 sums differ by their order; the bound that the test holds them to is
 * stated with each operation as a multiple of 2^-24 * sum |terms|. Inputs are finite. Denormals are kept. */
#ifndef NJ_KERNELS_KERNELS_H
#define NJ_KERNELS_KERNELS_H

#include "kernels/act.h"
#include "kernels/cpu.h"
#include "kernels/w4.h"

enum nj_number { NJ_NUMBER_F32, NJ_NUMBER_F16, NJ_NUMBER_BF16 };

/* ---- Activations --------------------------------------------------------------------------------------------------------------------------------
 * Quantises tokens [first_tile * tile, (first_tile + tiles) * tile) of act (cut to its tokens) from x, token t at x + t * stride (t counts from 0, so x is
 * the whole batch; `stride` in floats). Per group: limit = NJ_ACT_LIMIT_16, _14 or _8; scale = max |x| / limit; q = rint(x * (limit / max |x|)), clamped to the limit;
 * a group whose max |x| is below 2^-96 becomes zeros with scale 0. For row orders a tile is one
 * token and `start` is not written. Exact in all forms. */
typedef void nj_quantize_fn(const float *x, size_t stride, const struct nj_act *act, uint32_t first_tile, uint32_t tiles);

/* ---- int4 weights -------------------------------------------------------------------------------------------------------------------------------
 * out[t * stride + row] = sum over columns of w[row][col] * a[t][col], for all tokens of `a` and the rows of panels [first, first + panels); rows past
 * w->rows are not written. a->group must be nj_act_group(w->cols, w->group), its order and tile those of this table (nj_kernels_act).
 * Up to `direct_tokens` tokens go through the direct form, which reads the weights once at memory speed; more go through tiles.
 * scratch: nj_gemm_scratch_bytes(a->tokens), aligned to 64, one per thread. */
typedef void nj_w4_gemm_fn(const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                           void *scratch);

/* The same for an alternating pair (w4.h): out[t * stride + row] = gelu_tanh(gate row . a) * (up row . a), rows of panels [first, first + panels) of `gate`. */
typedef void nj_w4_gelu_up_fn(const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a, uint32_t first, uint32_t panels,
                              float *out, size_t stride, void *scratch);

/* ---- Plain matrices as integers ---------------------------------------------------------------------------------------------------------------------
 * A row-major matrix of fp32, fp16 or bf16 times 14-bit activations, for large batches (the vision tower). The kernel opens the weights on its way to
 * 12 bits: per row and activation group, scale = max |w| / 2047, q = rint(w * (2047 / max |w|)); then as with int4. 2047 * 8191 * 128 < 2^31, so groups
 * of up to 128 are summed without overflow. The result is finer than with bf16 activations. `a` is of kind 14 (a14_quantize), its group nj_act_group(cols, cols).
 * w7a8_gemm, for the power-saver mode, does the same with weights of 7 bits (max |w| / 63) and activations of kind 7 (a8_quantize); 127 * 127 * 128 < 2^31. Coarser:
 * docs/SPEED.md, entry 26. */
#define NJ_PLAIN_LIMIT_12 2047
#define NJ_PLAIN_LIMIT_7  63
struct nj_plain {
    const void    *data; /* [rows][cols] */
    enum nj_number format;
    uint32_t       rows, cols;
};
/* out[t * stride + row] for all tokens and the rows of panels of 16 [first, first + panels). scratch: nj_gemm_scratch_bytes(a->tokens). */
typedef void nj_plain_gemm_fn(const struct nj_plain *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                              void *scratch);

/* ---- Row-major matrices -------------------------------------------------------------------------------------------------------------------------
 * out[t * out_stride + r] = sum of w[row(r)][c] * x[t * x_stride + c], r in [0, count), row(r) = index ? index[r] : r; rows are `cols` apart.
 * Serves GEMV, GEMM and gathered rows. Bound: cols * 2^-24 * sum |w x|. */
typedef void nj_rows_fn(const void *w, const int32_t *index, size_t count, size_t cols, const float *x, size_t x_stride, size_t tokens,
                        float *out, size_t out_stride);

/* int8 rows with scales, for the output head. |q| <= 127; group 32, 64 or 128 dividing cols, or cols (one scale a row). */
struct nj_i8_rows {
    const int8_t  *data;   /* [rows][cols] */
    const void    *scales; /* [rows][cols / group], of scale_format */
    enum nj_number scale_format;
    uint32_t       rows, cols, group;
};
/* As nj_rows_fn with a->order the row order of this table; a->group must be nj_act_group(w->cols, w->group). cols must be a multiple of 32. */
typedef void nj_i8_rows_fn(const struct nj_i8_rows *w, const int32_t *index, size_t first, size_t count, const struct nj_act *a, float *out,
                           size_t out_stride);

/* ---- Attention ----------------------------------------------------------------------------------------------------------------------------------
 * Keys and values of one KV head of one sequence in one layer. Position p lies in slot p % slots, so a sliding layer may keep only as many as it can
 * see (window + the tokens of one call, rounded up to 16). Both arrays are fp32 or fp16 and aligned to 64. Slots that were never written must hold finite
 * numbers (zeros). */
struct nj_kv {
    void          *keys;     /* [slots / 16][head_dim][16 slots] */
    void          *values;   /* [slots / 16][head_dim / 16][16 slots][16 dimensions] */
    enum nj_number format;   /* NJ_NUMBER_F32 or NJ_NUMBER_F16 */
    uint32_t       slots;    /* a multiple of 16 */
    uint32_t       head_dim; /* a multiple of 16, at most 512 */
};
/* Bytes of `keys` (and of `values`) for so many slots. */
size_t nj_kv_bytes(uint32_t slots, uint32_t head_dim, enum nj_number format);
/* Writes one position.  key, value: [head_dim] */
typedef void nj_kv_write_fn(const struct nj_kv *kv, uint32_t position, const float *key, const float *value);

/* softmax(q k) v with a running maximum, blocked, never tokens x keys in memory; no factor before the softmax.
 * Rows are (token, head of the group): row r is token r / group_heads, head r % group_heads; its query is q + token * q_stride + head * head_dim, its
 * result goes to out likewise. Token t stands at position `position` + t, or at positions[t].
 * It sees the position p of `kv` if  begin <= p < end,  p <= its own position (unless everything),  p > its own position - window (unless window is 0);
 * and, after those, slot s of `extra` if allow[t * extra_count + s]. A row that sees nothing becomes zeros.
 * Bound: 4 * (head_dim + keys) * 2^-24 of the largest |v|, for |q k| < 64. */
struct nj_attention {
    const float        *q;
    float              *out;
    size_t              q_stride, out_stride; /* floats from token to token */
    uint32_t            tokens, group_heads;
    uint32_t            position;
    const uint32_t     *positions; /* NULL, or [tokens] */
    const struct nj_kv *kv;
    uint32_t            begin, end; /* positions that kv holds */
    bool                everything; /* keys after the query are visible too (pictures) */
    uint32_t            window;
    const struct nj_kv *extra; /* NULL, or keys that only some tokens see (a tree of continuations) */
    uint32_t            extra_count;
    const uint8_t      *allow;
};
/* Rows [first, first + rows) of tokens * group_heads. scratch: nj_attention_scratch_bytes(head_dim), aligned to 64, one per thread. */
typedef void nj_attention_fn(const struct nj_attention *job, uint32_t first, uint32_t rows, void *scratch);

/* ---- Attention of pictures ----------------------------------------------------------------------------------------------------------------------
 * out = softmax(q k) v where every token sees every token; no factor before the softmax. Token t of head h lies at t * stride + h * head_dim in all four.
 * First `patches_open` arranges keys and values of all heads, in blocks of NJ_PATCH_BLOCK tokens; then `patches_attend` takes rows of one head. On processors
 * where integers are the faster ones, q and k become 16 bits by their length, v 12 bits and the weights of a block 14 bits: finer than bf16 activations.
 * Bound: 2^-8 of the largest |v| anywhere, 2^-11 of it in the root mean square, for |q| |k| < 256. */
#define NJ_PATCH_BLOCK 96u
struct nj_patches {
    const float *q, *k, *v;
    float       *out;
    size_t       stride;
    uint32_t     tokens, heads;
    uint32_t     head_dim; /* a multiple of 16, at most 512 */
    void        *memory;   /* nj_patches_bytes, aligned to 64 */
};
size_t nj_patches_bytes(uint32_t tokens, uint32_t heads, uint32_t head_dim);
/* Blocks [first, first + blocks) of one head. */
typedef void nj_patches_open_fn(const struct nj_patches *job, uint32_t head, uint32_t first, uint32_t blocks);
/* Rows (tokens) [first, first + rows) of one head. scratch: nj_patches_scratch_bytes(head_dim), aligned to 64, one per thread. */
typedef void nj_patches_attend_fn(const struct nj_patches *job, uint32_t head, uint32_t first, uint32_t rows, void *scratch);

/* ---- Vectors ------------------------------------------------------------------------------------------------------------------------------------
 * `out` may be the input itself. */
/* out = x * (mean(x^2) + eps)^(-1/2) * weight; weight NULL: ones. Bound: n * 2^-24 relative. */
typedef void nj_rms_norm_fn(const float *x, const float *weight, size_t n, float eps, float *out);
/* Half-split pairs, in place: for i < count, (x[i], x[i + half]) turns by the angle with cosine[i], sine[i]. */
typedef void nj_rope_fn(float *x, const float *cosine, const float *sine, size_t half, size_t count);
/* out = gelu_tanh(x) = 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). Bound: 2^-20 * |x|. */
typedef void nj_gelu_fn(const float *x, size_t n, float *out);
/* out = gelu_tanh(gate) * up */
typedef void nj_gelu_mul_fn(const float *gate, const float *up, size_t n, float *out);
/* out = (x + y) * scale */
typedef void nj_add_scale_fn(const float *x, const float *y, size_t n, float scale, float *out);
/* out = min(max(x, low), high) */
typedef void nj_clamp_fn(const float *x, size_t n, float low, float high, float *out);
/* out = cap * tanh(x / cap). Bound: 2^-20 * cap. */
typedef void nj_softcap_fn(const float *x, size_t n, float cap, float *out);
/* out = exp(x - max x); returns the sum of out (so that the caller divides, or takes logarithms). n > 0. Bound: 2^-19 relative, results below 2^-126 may be 0. */
typedef float nj_softmax_fn(const float *x, size_t n, float *out);

/* ---- What the processor can do at most -----------------------------------------------------------------------------------------------------------
 * Loops that touch registers only, as the yardstick of the integer and fp32 forms: do at least `count` multiply-adds, return how many. int8 and int16 are those
 * of w4a8 and w4a16 (with what it takes to sum them). The reader loads `bytes` (a multiple of 4096, aligned to 64) once and returns their sum of some
 * kind. */
typedef uint64_t nj_peak_fn(uint64_t count);
typedef uint64_t nj_read_fn(const void *memory, size_t bytes);

/* ---- The table ----------------------------------------------------------------------------------------------------------------------------------
 * One line an operation: its type and its name. */
#define NJ_KERNEL_LIST(X)                                                                                                                  \
    X(nj_quantize_fn, a16_quantize)      /* tiled order of 16-bit activations */                                                           \
    X(nj_quantize_fn, a14_quantize)      /* tiled order of 14-bit activations, for w12a14 */                                               \
    X(nj_quantize_fn, a8_quantize)       /* tiled order of 8-bit activations (power-saver mode) */                                         \
    X(nj_quantize_fn, a16_rows_quantize) /* row order, for i8_rows */                                                                      \
    X(nj_w4_gemm_fn, w4a16_gemm)                                                                                                           \
    X(nj_w4_gelu_up_fn, w4a16_gelu_up)                                                                                                     \
    X(nj_w4_gemm_fn, w4a8_gemm)                                                                                                            \
    X(nj_w4_gelu_up_fn, w4a8_gelu_up)                                                                                                      \
    X(nj_plain_gemm_fn, w12a14_gemm)                                                                                                       \
    X(nj_plain_gemm_fn, w7a8_gemm)                                                                                                         \
    X(nj_i8_rows_fn, w8a16_rows)                                                                                                           \
    X(nj_rows_fn, f32_rows)                                                                                                                \
    X(nj_rows_fn, f16_rows)                                                                                                                \
    X(nj_rows_fn, bf16_rows)                                                                                                               \
    X(nj_kv_write_fn, kv_write)                                                                                                            \
    X(nj_attention_fn, attention)                                                                                                          \
    X(nj_patches_open_fn, patches_open)                                                                                                    \
    X(nj_patches_attend_fn, patches_attend)                                                                                                \
    X(nj_rms_norm_fn, rms_norm)                                                                                                            \
    X(nj_rope_fn, rope)                                                                                                                    \
    X(nj_gelu_fn, gelu)                                                                                                                    \
    X(nj_gelu_mul_fn, gelu_mul)                                                                                                            \
    X(nj_add_scale_fn, add_scale)                                                                                                          \
    X(nj_clamp_fn, clamp)                                                                                                                  \
    X(nj_softcap_fn, softcap)                                                                                                              \
    X(nj_softmax_fn, softmax)                                                                                                              \
    X(nj_peak_fn, peak_int16)                                                                                                              \
    X(nj_peak_fn, peak_int8)                                                                                                               \
    X(nj_peak_fn, peak_f32)                                                                                                                \
    X(nj_read_fn, read_memory)

struct nj_kernels {
#define NJ_KERNEL_FIELD(type, name) type *name;
    NJ_KERNEL_LIST(NJ_KERNEL_FIELD)
#undef NJ_KERNEL_FIELD
    struct { /* the name of the form behind each pointer, for people */
#define NJ_KERNEL_NAME(type, name) const char *name;
        NJ_KERNEL_LIST(NJ_KERNEL_NAME)
#undef NJ_KERNEL_NAME
    } names;
    enum nj_act_order order16, order14, order_rows; /* what a16_quantize, a14_quantize and a16_rows_quantize write */
    uint32_t          tile16, tile8;                /* widest tile of tokens of the GEMM; 14 bits go like 16 */
    bool              narrow_plain;                 /* w7a8_gemm is faster than w12a14_gemm */
    uint32_t          direct_tokens;                /* up to so many tokens make one tile and take the direct form */
    uint32_t          features;                     /* enum nj_cpu_feature: those in use */
    const char       *differs; /* NULL, or the name of a form that failed its check: its instruction set is not in use */
};

/* Fills the table with the best forms for `features` (nj_cpu_detect, after nj_cpu_mask). Each is compared with plain C on one small tile (about two milliseconds
 * for all); an instruction set whose form does not agree is left out, and `differs` says so. */
void nj_kernels_init(struct nj_kernels *k, uint32_t features);

/* Places activations as the table's forms want them: which = 16, 14, 8 or 7 (8 bits for plain weights) for the tiled orders (tile chosen for `tokens`), 0 for
 * the row order.
 * memory: nj_kernels_act_bytes, aligned to 64. */
size_t nj_kernels_act_bytes(const struct nj_kernels *k, int which, uint32_t tokens, uint32_t cols, uint32_t group);
void   nj_kernels_act(const struct nj_kernels *k, int which, uint32_t tokens, uint32_t cols, uint32_t group, void *memory,
                      struct nj_act *act);

size_t nj_gemm_scratch_bytes(uint32_t tokens);
size_t nj_attention_scratch_bytes(uint32_t head_dim);
size_t nj_patches_scratch_bytes(uint32_t head_dim);

#endif
