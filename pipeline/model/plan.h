/* plan.h: what a conversion will write, decided for every module before the first byte is.
 *
 * A plan takes an open checkpoint and what the user asked for (adapters, channels to remove, quantisation, head), and says for each module which rows it
 * will have and how they are stored. packed_write.c and export.c carry it out; neither decides anything about values. */
#ifndef NJ_MODEL_PLAN_H
#define NJ_MODEL_PLAN_H

#include "base/json.h"
#include "pipeline/model/gptq.h"
#include "pipeline/model/modules.h"
#include "pipeline/model/rows.h"

enum nj_head { NJ_HEAD_KEEP, NJ_HEAD_BF16, NJ_HEAD_INT8, NJ_HEAD_INT4 };

struct nj_plan_options {
    bool     exact_merge; /* what adapters changed is kept in fp32 unless it is quantised; otherwise it is rounded to the source's type */
    bool     published;   /* for export: GGUF blocks, int8 and int4 tables become bf16 */
    bool     quantize;    /* W4A16 by round-to-nearest */
    uint32_t group;       /* 32, 64 or 128; 0: one scale a row */
    enum nj_head head;
};

struct nj_plan_module {
    const struct nj_module *module;
    struct nj_rows          rows;
    /* NJ_F32, NJ_F16, NJ_BF16, a GGUF block format (copied), NJ_I8_ROWS, or NJ_W4_ROWS, which here says int4 whatever the layout. */
    enum nj_format           format;
    uint32_t                 group;        /* of int4 and int8 */
    enum nj_format           scale_format; /* of int4 and int8 */
    bool                     rounded;      /* values are not those of the source: they were quantised here */
    const struct nj_moments *moments; /* int4 that is rounded: of its input, where a calibration set was read; NULL: round to nearest */
    const struct nj_gptq    *gptq;    /* made from them while the module is written (row_work.h) */
    /* Once written: root mean square of what rounding changed, relative. Of the weights; with moments, of the outputs over the calibration set, and
     * `nearest` is what rounding to nearest would have cost there (both from every 16th row). */
    double error, nearest;
};

struct nj_plan {
    struct nj_weights          *weights; /* borrowed */
    struct nj_modules           modules;
    struct nj_plan_module      *list; /* in the order of `modules` */
    size_t                      count;
    struct nj_plan_options      options;
    const struct nj_moment_set *moments;                  /* borrowed; NULL: none. Before nj_plan_settle */
    bool                        untied;                   /* the head is written beside the embedding */
    char                        chat_template[4096 + 32]; /* of an adapter, in place of the source's; "": none */
};

/* Every module as the source has it, before adapters and removals. The weights must outlive the plan. */
nj_status nj_plan_open(struct nj_weights *weights, const struct nj_plan_options *options, struct nj_plan *out, struct nj_error *error);

/* Gives the model a head of its own: [vocab][hidden], borrowed. Before nj_plan_settle. */
nj_status nj_plan_set_head(struct nj_plan *plan, const struct nj_matrix *matrix, struct nj_error *error);

/* Decides formats, once rows are final. Refuses changes to int4 or block weights unless they are quantised again. */
nj_status nj_plan_settle(struct nj_plan *plan, struct nj_error *error);
void      nj_plan_close(struct nj_plan *plan);

/* Channels of each layer's MLP, [layers]. True if that cannot be said in a config with one width: the same everywhere, or doubled in sharing layers. */
bool nj_plan_widths(const struct nj_plan *plan, uint32_t widths[NJ_MAX_LAYERS]);

/* The config of what will be written: widths as they are, a tied head or not, no quantization_config. A new reference. */
json_t *nj_plan_config(const struct nj_plan *plan);

struct nj_plan_module *nj_plan_find(const struct nj_plan *plan, const char *name);

/* Scratch memory that the functions below need for modules of a plan: floats. */
size_t nj_plan_scratch(const struct nj_plan *plan);

/* Integers and scales of one row of an int4 or int8 module; integers of the source are kept where it has them.
 *   scratch  nj_plan_scratch() floats;  q  out [cols];  scales  out [cols / group];  error  adds (squared change, squared size, squared
 *   change by rounding to nearest) */
void nj_plan_row_integers(const struct nj_plan_module *module, uint32_t row, float *scratch, int8_t *q, float *scales, double error[3]);

/* Bytes of one row of a plain or block module, as it is stored. */
void nj_plan_row_bytes(const struct nj_plan_module *module, uint32_t row, float *scratch, void *out);

#endif
