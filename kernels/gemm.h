/* gemm.h: inside kernels/ only: the walk over panels, chunks and tiles that all integer GEMM forms share. A form brings five small functions.
 *
 * Few tokens (one tile of at most direct_tokens): `direct` reads packed weights and activations once, several distant streams of panels in step, because
 * memory serves several better than one, and each of them without a jump (gate and up of the same neurons follow each other), because only then is it fetched in time.
 * More tokens: two panels side by side (gate and up of the same neurons, or neighbours). A chunk of 256 columns of both is opened once into L1 and meets
 * all tiles of tokens; fp32 sums wait in the scratch memory: [token][2 panels][16 rows]. Some pairs take turns with each chunk, so that the activations of
 * the chunk are read again from L2 and not from further away. */
#ifndef NJ_KERNELS_GEMM_H
#define NJ_KERNELS_GEMM_H

#include "kernels/forms.h"

#define NJ_STREAMS 4

/* One tile of tokens against one opened chunk of one or two panels. */
struct nj_tile {
    const uint8_t *opened;  /* panel p at opened + p * NJ_OPENED_BYTES */
    const float   *w_scale; /* [panels][groups][16] */
    const uint8_t *words;   /* activations of this tile in this chunk */
    const float   *a_scale; /* of the tile's first token in the chunk's first group; groups are `tokens` apart */
    const int32_t *start;   /* likewise */
    size_t         tokens;
    uint32_t       width; /* tokens in this tile */
    uint32_t       groups, group, panels;
    bool           fresh; /* the sums start at zero */
    float         *sums;  /* token t, panel p at sums + (2 t + p) * 16 */
};
#define NJ_OPENED_BYTES (16 * NJ_ACT_CHUNK * sizeof(int16_t))

/* One tile of at most direct_tokens tokens against up to NJ_STREAMS whole panels. */
struct nj_direct {
    const uint8_t       *blocks[NJ_STREAMS];
    const void          *scales[NJ_STREAMS]; /* [weight groups][16] */
    uint32_t             streams;
    enum nj_scale_format scale_format;
    bool                 channel; /* one weight scale a row */
    const struct nj_act *act;
    float               *sums; /* stream s, token t at sums + (s * tokens + t) * 16 */
};

struct nj_gemm_form {
    /* Opens one chunk of one panel of int4 weights into what `tile` reads. */
    void (*open_chunk)(const uint8_t *blocks, uint32_t cols, void *opened);
    void (*tile)(const struct nj_tile *tile);
    void (*direct)(const struct nj_direct *direct);
    /* out[r] = sums[r], r < rows <= 16;  out[r] = gelu_tanh(gate[r]) * up[r] */
    void (*store)(const float *sums, uint32_t rows, float *out);
    void (*store_gelu_up)(const float *gate, const float *up, uint32_t rows, float *out);
    uint32_t direct_tokens;
};

/* One chunk of one panel: opened as `tile` reads it, scales [groups of the chunk][16]; rows past the matrix become zeros. */
typedef void nj_open_plain_fn(const struct nj_plain *w, const struct nj_act *a, uint32_t panel, uint32_t chunk, void *opened,
                              float *scales);
/* The integers |q| <= limit (NJ_PLAIN_LIMIT_12 or _7) of one group of one row, zeros past the matrix, and their scale.  q: [group] */
float nj_open_group(const struct nj_plain *w, uint32_t row, uint32_t first, uint32_t group, int32_t limit, int32_t *q);
void  nj_gemm_run_plain(const struct nj_gemm_form *form, nj_open_plain_fn *open, const struct nj_plain *w, const struct nj_act *a,
                        uint32_t first, uint32_t panels, float *out, size_t stride, void *scratch);

/* Bytes of scratch: two opened chunks with their scales, and the sums; or the sums of the direct form. */
size_t nj_gemm_scratch(uint32_t tokens);

void nj_gemm_run(const struct nj_gemm_form *form, const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels,
                 float *out, size_t stride, void *scratch);
void nj_gemm_run_gelu_up(const struct nj_gemm_form *form, const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a,
                         uint32_t first, uint32_t panels, float *out, size_t stride, void *scratch);

#endif
