/* session.h: a model at work for one command: weights, threads, engine, one sequence, and the prompt that a probe was given as files. */
#ifndef NJ_CLI_SESSION_H
#define NJ_CLI_SESSION_H

#include "pipeline/cli/cli.h"
#include "pipeline/model/engine.h"
#include "pipeline/model/image.h"
#include "pipeline/model/tokenizer.h"

#define NJ_SESSION_IMAGES 64

/* What the command line said. Borrowed strings. */
struct nj_session_options {
    const char        *model, *mmproj, *adapter;
    enum nj_arithmetic arithmetic;
    uint32_t           threads, pass_rows; /* 0: the defaults */
    bool               text_only;
    bool (*should_stop)(void *arg); /* or NULL; called without an argument of its own */
};

struct nj_session { /* zero-initialise, nj_session_close */
    struct nj_weights *weights;
    struct nj_pool    *pool;
    struct nj_engine  *engine;
};

nj_status nj_session_open(const struct nj_session_options *options, struct nj_session *out, struct nj_error *error);
void      nj_session_close(struct nj_session *session);

/* A prompt of ids, with the features of its pictures one after the other. */
struct nj_prompt { /* zero-initialise, nj_prompt_free */
    struct nj_ids ids;
    float        *features;        /* [image positions][hidden], or NULL */
    size_t        image_positions; /* that `features` fill */
};

/* Reads a JSON list of ids and appends it to `ids`. */
nj_status nj_ids_read(const char *path, struct nj_ids *ids, struct nj_error *error);

/* Appends the features of picture files to the prompt's, in order.  counts: out [count], positions that each of them takes; may be NULL */
nj_status nj_prompt_read_pictures(struct nj_session *session, struct nj_prompt *prompt, const char *const *paths, size_t count,
                                  uint32_t soft_tokens, uint32_t *counts, struct nj_error *error);

/* Fills the image positions of prompt->ids, in order, from picture files. Their number must fit exactly. */
nj_status nj_prompt_pictures(struct nj_session *session, struct nj_prompt *prompt, const char *const *paths, size_t count,
                             uint32_t soft_tokens, struct nj_error *error);
void      nj_prompt_free(struct nj_prompt *prompt);

/* The options that probes of the engine share; one parser for all of them. */
struct nj_probe_options {
    struct nj_session_options session;
    const char               *ids, *output;
    const char               *schema; /* of the answer, or NULL */
    const char               *images[NJ_SESSION_IMAGES];
    size_t                    image_count;
    uint32_t                  soft_tokens; /* 0: the model's own default */
    uint32_t                  tokens;      /* -n */
    bool                      all, json;
};

/* Returns 0, or the exit status of a usage error that was already printed. Arguments that are no options stay behind optind. */
int nj_probe_parse(struct nj_cli *cli, int argc, char **argv, struct nj_probe_options *out);

/* Opens the model and makes the prompt of `options`. */
nj_status nj_probe_prompt(const struct nj_probe_options *options, struct nj_session *session, struct nj_prompt *prompt,
                          struct nj_error *error);

#endif
