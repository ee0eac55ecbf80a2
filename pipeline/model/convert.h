/* convert.h: any checkpoint that this program opens into the packed file, with what the user wants done on the way.
 *
 * One call is one conversion: sources are hashed, adapters merged, channels removed, weights quantised, the file written beside its name, checked against
 * its checksums, and renamed. Whatever interrupts it, no half file remains. */
#ifndef NJ_MODEL_CONVERT_H
#define NJ_MODEL_CONVERT_H

#include "pipeline/model/calibrate.h"
#include "pipeline/model/lora.h"
#include "pipeline/model/packed_write.h"

struct nj_convert_options {
    struct nj_plan_options plan;
    const char            *mmproj;        /* or NULL */
    const char *const     *adapters;      /* folders of LoRA adapters, merged in this order */
    size_t                 adapter_count; /* at most NJ_MAX_ADAPTERS */
    /* Makes the calibration set with the model that is to be quantised or pruned (adapters merged); NULL: none. With one, saliency, recovery and
     * rounding follow what the matrices really read, and quality is measured before and after. */
    nj_status (*calibration)(void *arg, const struct nj_weights *weights, struct nj_pool *pool, struct nj_calibration_set *out,
                             struct nj_error *error);
    /* Asks the finished model what the set was made with: *out is NULL, or an object {"kind": [the same, of], …}, "species" being such a kind. May be
     * NULL. */
    nj_status (*decide)(void *arg, const struct nj_weights *weights, struct nj_pool *pool, const struct nj_calibration_set *set,
                        json_t **out, struct nj_error *error);
    void           *calibration_arg; /* of both */
    bool            to_folder;       /* write a folder in the published layout (export.h) in place of a packed file */
    double          prune;           /* fraction of MLP channels to remove; 0: none */
    const char     *keep;            /* a file that lists the channels that stay (prune.h); or NULL */
    bool            partial;         /* merge adapters that fit only in part */
    bool            random;          /* `source` is a name of random_model.h */
    uint64_t        seed;            /* of a random model */
    struct nj_pool *pool;
    /* Told of each phase ("reading", "writing", "checking"); true asks to stop. */
    bool (*progress)(void *arg, const char *phase, uint64_t done, uint64_t total);
    void *progress_arg;
};

struct nj_convert_adapter {
    const char          *path; /* borrowed from the options */
    struct nj_lora_match match;
};

/* What was done, for people. Filled as far as it went, also on failure; nj_convert_report_free. */
struct nj_convert_report {
    struct nj_convert_adapter adapters[NJ_MAX_ADAPTERS];
    size_t                    adapter_count;

    uint64_t channels, removed;         /* MLP channels of all layers, and how many were removed */
    bool     uneven;                    /* layers of different widths, which only this program loads from a folder */
    uint64_t bytes;                     /* of the file written */
    size_t   modules, int4, int8, kept; /* kept: as the source had them */
    size_t   rounded;                   /* quantised here */
    double   error;      /* mean over those of the relative root mean square change of the weights; of calibrated ones: see below */
    size_t   calibrated; /* of the rounded: by their effect on a calibration set */
    double   output_error, nearest; /* mean relative change of their outputs over the set, and what rounding to nearest would have cost */
    double   recovered;             /* share of what the removed channels did that the others took over */
    size_t   positions;             /* scored; 0: nothing was measured */
    double   perplexity_before, perplexity_after, agreement;
    json_t  *decisions; /* what options.decide said, or NULL */
};

/* `source`: what nj_weights_open takes, or with options->random the name of a random model. */
nj_status nj_convert(const char *source, const char *target, const struct nj_convert_options *options, struct nj_convert_report *report,
                     struct nj_error *error);

void nj_convert_report_free(struct nj_convert_report *report);

#endif
