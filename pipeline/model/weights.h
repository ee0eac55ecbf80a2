/* weights.h: an open checkpoint, whatever form it came in: packed file, Hugging Face directory, or GGUF with its vision companion.
 *
 * Everything is a view into mapped files (or, for what had to be changed at open, into memory owned here) and lives until nj_weights_close.
 * Each pointer carries its shape. Absent parts are NULL (vectors) or rows == 0 (matrices).
 * Opening checks every name, shape and size; a sentence names the tensor that is missing or does not fit. */
#ifndef NJ_MODEL_WEIGHTS_H
#define NJ_MODEL_WEIGHTS_H

#include "pipeline/model/config.h"
#include "pipeline/model/matrix.h"

struct nj_text_layer {
    const float     *input_norm, *post_attention_norm, *pre_mlp_norm, *post_mlp_norm, *post_ple_norm; /* [hidden] */
    const float     *q_norm, *k_norm; /* [head_dim of this layer]; k_norm absent in sharing layers */
    struct nj_matrix q;               /* [heads * head_dim][hidden] */
    struct nj_matrix k, v;            /* [kv_heads * head_dim][hidden]; absent in sharing layers */
    struct nj_matrix o;               /* [hidden][heads * head_dim] */
    struct nj_matrix gate, up;        /* [intermediate][hidden] */
    struct nj_matrix down;            /* [hidden][intermediate] */
    struct nj_matrix ple_gate;        /* [ple][hidden] */
    struct nj_matrix ple_projection;  /* [hidden][ple] */
    float            scalar;          /* multiplies the whole residual stream after the layer */
};

/* y = clamp(W clamp(x, input_min, input_max), output_min, output_max); bounds are -inf and +inf where the file has none. */
struct nj_clipped {
    struct nj_matrix weight;
    float            input_min, input_max, output_min, output_max;
};

struct nj_vision_layer {
    const float      *input_norm, *post_attention_norm, *pre_mlp_norm, *post_mlp_norm; /* [hidden] */
    const float      *q_norm, *k_norm;                                                 /* [head_dim] */
    struct nj_clipped q, k, v, o;                                                      /* [hidden][hidden] */
    struct nj_clipped gate, up, down; /* [intermediate][hidden] x2, [hidden][intermediate] */
};

struct nj_weights {
    struct nj_config config;

    struct nj_matrix     embedding;      /* [vocab][hidden], read by row */
    struct nj_matrix     ple_embedding;  /* [vocab][layers * ple], read by row, never resident */
    struct nj_matrix     ple_projection; /* [layers * ple][hidden] */
    const float         *ple_norm;       /* [ple] */
    const float         *final_norm;     /* [hidden] */
    struct nj_matrix     head;           /* [vocab][hidden]; the same view as embedding when tied */
    struct nj_text_layer layers[NJ_MAX_LAYERS];

    struct nj_matrix       patch_projection;       /* [hidden][patch * patch * 3], input (py * patch + px) * 3 + channel */
    struct nj_matrix       position_x, position_y; /* [positions][hidden] */
    struct nj_matrix       feature_projection;     /* [text hidden][vision hidden] */
    const float           *std_bias, *std_scale;   /* [hidden] or NULL */
    struct nj_vision_layer vision[NJ_MAX_LAYERS];

    struct nj_checkpoint *checkpoint; /* owns the maps; opaque */
};

struct nj_weights_options {
    const char *mmproj;    /* GGUF companion with the vision tower, or NULL */
    const char *adapter;   /* directory of a LoRA adapter to add at run time, or NULL */
    int         text_only; /* do not open the vision tower */
};

/* `path`: FILE.nj, FILE.gguf, or a directory with config.json and safetensors. The caller owns *out. */
nj_status nj_weights_open(const char *path, const struct nj_weights_options *options, struct nj_weights **out, struct nj_error *error);
void      nj_weights_close(struct nj_weights *weights);

/* Gives the memory of one layer of the vision tower back to the system, if the file can be read again there: between pictures nobody needs it, and the text
 * wants the room. */
void nj_weights_release_vision(const struct nj_weights *weights, uint32_t layer);
/* The same for the tables of embeddings, of which a prompt touches some rows (and the system maps what lies around them), and for the head, which no prompt
 * needs. */
void nj_weights_release_tables(const struct nj_weights *weights);
void nj_weights_release_head(const struct nj_weights *weights);

struct nj_tokenizer;
/* The tokenizer that lies in or beside the checkpoint. The caller owns *out. */
nj_status nj_weights_tokenizer(const struct nj_weights *weights, struct nj_tokenizer **out, struct nj_error *error);

#endif
