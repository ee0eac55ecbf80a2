/* probe_generate.c: `probe generate`, the likeliest continuation of a prompt, id by id. */
#include "base/text.h"
#include "pipeline/cli/open_schema.h"
#include "pipeline/cli/session.h"
#include "pipeline/constrain/generate.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* A run of byte tokens as other decoders show it: its text if it is UTF-8, else one U+FFFD for each of them. */
static void end_byte_run(struct nj_text *text, struct nj_text *run)
{
    bool valid = true;
    for (size_t at = 0, length; valid && at < run->length; at += length) {
        length = nj_utf8_length((const uint8_t *)run->data + at, run->length - at, NULL);
        valid  = length > 0;
    }
    if (valid)
        nj_text_add_bytes(text, run->data, run->length);
    for (size_t i = 0; !valid && i < run->length; i++)
        nj_text_add(text, "\xef\xbf\xbd");
    text->failed |= run->failed;
    nj_text_clear(run);
}

static void add_answer_text(const struct nj_config *config, const struct nj_tokenizer *tokenizer, const struct nj_ids *ids,
                            struct nj_text *text)
{
    struct nj_text run = {0};
    for (size_t i = 0; i < ids->count; i++) {
        struct nj_string_view piece = nj_tokenizer_bytes(tokenizer, ids->data[i]);
        if (nj_tokenizer_is_byte(tokenizer, ids->data[i])) {
            nj_text_add_bytes(&run, piece.data, piece.size);
            continue;
        }
        end_byte_run(text, &run);
        if (!is_stop(config, ids->data[i]))
            nj_text_add_bytes(text, piece.data, piece.size);
    }
    end_byte_run(text, &run);
    nj_text_free(&run);
}

static void print_choices(struct nj_text *out, const struct nj_generation *answer)
{
    nj_text_add(out, ", \"choices\": [");
    for (size_t i = 0; i < answer->choice_count; i++) {
        const struct nj_choice *choice = &answer->choices[i];
        nj_text_addf(out, "%s{\"path\": ", i ? ", " : "");
        nj_text_add_json(out, choice->path, strlen(choice->path));
        nj_text_addf(out, ", \"value\": %s, \"probability\": %.6f, \"runner_up\": %s, \"runner_up_probability\": %.6f}", choice->value,
                     choice->probability, choice->runner_up, choice->runner_up_probability);
    }
    nj_text_add(out, "]");
}

/* `document`: NULL, or what a schema made of the answer. */
static nj_status print_answer(const struct nj_weights *weights, const struct nj_tokenizer *tokenizer, const struct nj_ids *ids,
                              const char *stop, const struct nj_generation *document, struct nj_error *error)
{
    struct nj_text text = {0}, out = {0};
    nj_status      status = NJ_OK;
    nj_text_add(&out, "{\"ids\": [");
    for (size_t i = 0; i < ids->count; i++)
        nj_text_addf(&out, "%s%d", i ? ", " : "", ids->data[i]);
    add_answer_text(&weights->config, tokenizer, ids, &text);
    nj_text_add(&out, "], \"text\": ");
    nj_text_add_json(&out, text.data ? text.data : "", text.length);
    nj_text_addf(&out, ", \"stop\": \"%s\"", stop);
    if (document)
        print_choices(&out, document);
    nj_text_add(&out, "}\n");
    if (text.failed || out.failed)
        status = nj_fail(error, "no memory for the answer");
    else
        fputs(out.data, stdout);
    nj_text_free(&text);
    nj_text_free(&out);
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

static nj_status print_free_text(struct nj_session *session, const struct nj_prompt *prompt, uint32_t tokens, struct nj_error *error)
{
    struct nj_tokenizer *tokenizer = NULL;
    struct nj_ids        ids       = {0};
    const char          *stop      = NULL;
    nj_status            status    = nj_weights_tokenizer(session->weights, &tokenizer, error);
    if (status == NJ_OK)
        status = generate(session, prompt, tokens, &ids, &stop, error);
    if (status == NJ_OK)
        status = print_answer(session->weights, tokenizer, &ids, stop, NULL, error);
    free(ids.data);
    nj_tokenizer_close(tokenizer);
    return status;
}

static nj_status print_document(struct nj_session *session, const struct nj_prompt *prompt, const struct nj_probe_options *options,
                                struct nj_error *error)
{
    struct nj_tokenizer  *tokenizer  = NULL;
    struct nj_vocabulary *vocabulary = NULL;
    struct nj_grammar    *grammar    = NULL;
    struct nj_generation  answer     = {
             .prompt = prompt->ids.data, .prompt_count = prompt->ids.count, .features = prompt->features, .limit = options->tokens};
    nj_status status = nj_cli_schema_open(options->schema, &grammar, error);
    if (status == NJ_OK)
        status = nj_weights_tokenizer(session->weights, &tokenizer, error);
    if (status == NJ_OK)
        status = nj_vocabulary_open(tokenizer, &vocabulary, error);
    if (status == NJ_OK)
        status =
            nj_sequence_open(session->engine, (uint32_t)prompt->ids.count + options->tokens + NJ_GENERATE_ROOM, &answer.sequence, error);
    answer.grammar = grammar;
    if (status == NJ_OK)
        status = nj_generate(session->engine, tokenizer, vocabulary, &answer, 1, error);
    if (status == NJ_OK && answer.stop_id >= 0 && !nj_ids_add(&answer.ids, answer.stop_id))
        status = nj_fail(error, "no memory for the answer");
    if (status == NJ_OK)
        status = print_answer(session->weights, tokenizer, &answer.ids, nj_generation_stop_name(answer.stop), &answer, error);
    nj_sequence_close(answer.sequence);
    nj_generation_free(&answer);
    nj_grammar_close(grammar);
    nj_vocabulary_close(vocabulary);
    nj_tokenizer_close(tokenizer);
    return status;
}

int nj_probe_generate(struct nj_cli *cli, int argc, char **argv)
{
    struct nj_probe_options options;
    struct nj_session       session = {0};
    struct nj_prompt        prompt  = {0};
    int                     usage   = nj_probe_parse(cli, argc, argv, &options);
    if (usage)
        return usage;
    if (!options.ids || !options.tokens || optind < argc)
        return nj_usage("generate", "%s", !options.ids ? "--ids IDS.json is missing" : !options.tokens ? "-n N is missing" : argv[optind]);
    nj_status status = nj_probe_prompt(&options, &session, &prompt, &cli->error);
    if (status == NJ_OK && options.schema)
        status = print_document(&session, &prompt, &options, &cli->error);
    else if (status == NJ_OK)
        status = print_free_text(&session, &prompt, options.tokens, &cli->error);
    nj_prompt_free(&prompt);
    nj_session_close(&session);
    return nj_exit(status);
}
