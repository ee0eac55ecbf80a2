/* probe_logits.c: `probe logits`, what the model thinks may come next after a prompt, or after each of its positions. */
#include "base/npy.h"
#include "pipeline/cli/session.h"

#include <getopt.h>
#include <stdlib.h>

/* Positions whose logits are held at a time: 32 MiB with the real vocabulary. */
#define PORTION 32u

/* Every position, written as they come. */
static nj_status write_all(struct nj_session *session, struct nj_sequence *sequence, const struct nj_prompt *prompt, const char *path,
                           struct nj_error *error)
{
    const struct nj_config *config = &session->weights->config;
    size_t                  vocab = config->text.vocab_size, hidden = config->text.hidden_size, images = 0;
    size_t                  shape[] = {prompt->ids.count, vocab};
    float                  *logits  = malloc(PORTION * vocab * sizeof *logits);
    struct nj_atomic_file   file;
    if (!logits)
        return nj_fail(error, "no memory for the logits of %u positions", PORTION);
    nj_status status = nj_npy_begin(path, NJ_NPY_FLOAT32, shape, 2, &file, error);
    if (status != NJ_OK) {
        free(logits);
        return status;
    }
    for (size_t at = 0; status == NJ_OK && at < prompt->ids.count; at += PORTION) {
        struct nj_step step = {.sequence = sequence, .ids = prompt->ids.data + at, .want = NJ_WANT_ALL, .logits = logits};
        step.count          = prompt->ids.count - at < PORTION ? prompt->ids.count - at : PORTION;
        step.features       = prompt->features ? prompt->features + images * hidden : NULL;
        status              = nj_engine_step(session->engine, &step, 1, error);
        if (status == NJ_OK)
            status = nj_atomic_write(&file, logits, step.count * vocab * sizeof *logits, error);
        for (size_t i = 0; i < step.count; i++)
            images += step.ids[i] == config->image_id;
    }
    if (status == NJ_OK)
        status = nj_atomic_commit(&file, error);
    else
        nj_atomic_abort(&file);
    free(logits);
    return status;
}

static nj_status write_last(struct nj_session *session, struct nj_sequence *sequence, const struct nj_prompt *prompt, const char *path,
                            struct nj_error *error)
{
    size_t         vocab  = session->weights->config.text.vocab_size;
    float         *logits = malloc(vocab * sizeof *logits);
    struct nj_step step   = {.sequence = sequence, .ids = prompt->ids.data, .count = prompt->ids.count, .want = NJ_WANT_LAST};
    step.features         = prompt->features;
    step.logits           = logits;
    if (!logits)
        return nj_fail(error, "no memory for logits");
    nj_status status = nj_engine_step(session->engine, &step, 1, error);
    if (status == NJ_OK)
        status = nj_npy_write(path, NJ_NPY_FLOAT32, &vocab, 1, logits, error);
    free(logits);
    return status;
}

int nj_probe_logits(struct nj_cli *cli, int argc, char **argv)
{
    struct nj_probe_options options;
    struct nj_session       session  = {0};
    struct nj_prompt        prompt   = {0};
    struct nj_sequence     *sequence = NULL;
    int                     usage    = nj_probe_parse(cli, argc, argv, &options);
    if (usage)
        return usage;
    if (options.schema)
        return nj_usage("logits", "--schema: only `probe generate` takes a schema");
    if (!options.ids || !options.output || optind < argc)
        return nj_usage("logits", "%s",
                        !options.ids      ? "--ids IDS.json is missing"
                        : !options.output ? "-o FILE.npy is missing"
                                          : argv[optind]);
    nj_status status = nj_probe_prompt(&options, &session, &prompt, &cli->error);
    if (status == NJ_OK)
        status = nj_sequence_open(session.engine, (uint32_t)prompt.ids.count, &sequence, &cli->error);
    if (status == NJ_OK)
        status = (options.all ? write_all : write_last)(&session, sequence, &prompt, options.output, &cli->error);
    nj_sequence_close(sequence);
    nj_prompt_free(&prompt);
    nj_session_close(&session);
    return nj_exit(status);
}
