/* probe_generate.c: `probe generate`, the likeliest continuation of a prompt, id by id. */
#include "base/text.h"
#include "pipeline/cli/session.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static int32_t largest(const float *logits, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++)
        if (logits[i] > logits[best])
            best = i;
    return (int32_t)best;
}

static bool is_stop(const struct nj_config *config, int32_t id)
{
    for (uint32_t i = 0; i < config->eos_count; i++)
        if (config->eos_ids[i] == id)
            return true;
    return false;
}

/* Bytes that are no UTF-8 become U+FFFD, as in other decoders. */
static void add_replaced(struct nj_text *out, const struct nj_text *bytes)
{
    const uint8_t *data = (const uint8_t *)bytes->data;
    for (size_t at = 0; at < bytes->length;) {
        size_t length = nj_utf8_length(data + at, bytes->length - at, NULL);
        if (length)
            nj_text_add_bytes(out, data + at, length);
        else
            nj_text_add(out, "\xef\xbf\xbd");
        at += length ? length : 1;
    }
}

static nj_status print_answer(const struct nj_weights *weights, const struct nj_ids *ids, const char *stop, struct nj_error *error)
{
    struct nj_tokenizer *tokenizer = NULL;
    struct nj_text       bytes = {0}, text = {0}, out = {0};
    nj_status            status = nj_weights_tokenizer(weights, &tokenizer, error);
    if (status != NJ_OK)
        return status;
    nj_text_add(&out, "{\"ids\": [");
    for (size_t i = 0; i < ids->count; i++) {
        nj_text_addf(&out, "%s%d", i ? ", " : "", ids->data[i]);
        if (is_stop(&weights->config, ids->data[i]))
            continue;
        struct nj_string_view piece = nj_tokenizer_bytes(tokenizer, ids->data[i]);
        nj_text_add_bytes(&bytes, piece.data, piece.size);
    }
    add_replaced(&text, &bytes);
    nj_text_add(&out, "], \"text\": ");
    nj_text_add_json(&out, text.data ? text.data : "", text.length);
    nj_text_addf(&out, ", \"stop\": \"%s\"}\n", stop);
    if (bytes.failed || text.failed || out.failed)
        status = nj_fail(error, "no memory for the answer");
    else
        fputs(out.data, stdout);
    nj_text_free(&bytes);
    nj_text_free(&text);
    nj_text_free(&out);
    nj_tokenizer_close(tokenizer);
    return status;
}

static nj_status generate(struct nj_session *session, const struct nj_prompt *prompt, uint32_t tokens, struct nj_ids *ids,
                          const char **stop, struct nj_error *error)
{
    const struct nj_config *config   = &session->weights->config;
    struct nj_sequence     *sequence = NULL;
    float                  *logits   = malloc(config->text.vocab_size * sizeof *logits);
    struct nj_step          step     = {.ids = prompt->ids.data, .count = prompt->ids.count, .features = prompt->features};
    nj_status               status   = nj_sequence_open(session->engine, (uint32_t)prompt->ids.count + tokens, &sequence, error);
    if (status == NJ_OK && !logits)
        status = nj_fail(error, "no memory for logits");
    step.sequence = sequence;
    step.want     = NJ_WANT_LAST;
    step.logits   = logits;
    *stop         = "length";
    while (status == NJ_OK && ids->count < tokens) {
        status = nj_engine_step(session->engine, &step, 1, error);
        if (status != NJ_OK)
            break;
        int32_t id = largest(logits, config->text.vocab_size);
        if (!nj_ids_add(ids, id))
            status = nj_fail(error, "no memory for the answer");
        else if (is_stop(config, id)) {
            *stop = "eos";
            break;
        } else {
            step.ids      = &ids->data[ids->count - 1];
            step.count    = 1;
            step.features = NULL;
        }
    }
    nj_sequence_close(sequence);
    free(logits);
    return status;
}

int nj_probe_generate(struct nj_cli *cli, int argc, char **argv)
{
    struct nj_probe_options options;
    struct nj_session       session = {0};
    struct nj_prompt        prompt  = {0};
    struct nj_ids           ids     = {0};
    const char             *stop    = NULL;
    int                     usage   = nj_probe_parse(cli, argc, argv, &options);
    if (usage)
        return usage;
    if (!options.ids || !options.tokens || optind < argc)
        return nj_usage("generate", "%s", !options.ids ? "--ids IDS.json is missing" : !options.tokens ? "-n N is missing" : argv[optind]);
    nj_status status = nj_probe_prompt(&options, &session, &prompt, &cli->error);
    if (status == NJ_OK)
        status = generate(&session, &prompt, options.tokens, &ids, &stop, &cli->error);
    if (status == NJ_OK)
        status = print_answer(session.weights, &ids, stop, &cli->error);
    free(ids.data);
    nj_prompt_free(&prompt);
    nj_session_close(&session);
    return nj_exit(status);
}
