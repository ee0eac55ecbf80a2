/* cmd_ask.c: `nightjar ask`, a free question to the model, about pictures or without, the answer as it comes. */
#include "pipeline/cli/ask_tools.h"
#include "pipeline/cli/interrupt.h"
#include "pipeline/cli/session.h"
#include "pipeline/constrain/thought.h"
#include "pipeline/model/chat.h"

#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TOKENS 512u
#define THOUGHT_TOKENS 512u
#define DEFAULT_CALLS  4u
#define THOUGHT_BEGIN  "<|channel>"
#define THOUGHT_END    "<channel|>"

struct question {
    struct nj_session_options session;
    const char               *images[NJ_SESSION_IMAGES];
    size_t                    image_count;
    uint32_t                  soft_tokens, tokens, thought_tokens;
    bool                      think, tools;
    size_t                    calls;
    unsigned                  seconds; /* 0: no limit */
    struct nj_sampling        sampling;
    uint64_t                  seed;
    const char               *text;
};

/* What the model says goes to stdout; what it thinks, between the marks of its thought channel, to stderr. */
struct stream {
    char   held[16]; /* the beginning of what may become a mark */
    size_t held_count;
    bool   thinking;
};

static void put(const struct stream *stream, const char *bytes, size_t count)
{
    FILE *out = stream->thinking ? stderr : stdout;
    fwrite(bytes, 1, count, out);
    fflush(out);
}

static void on_text(void *arg, const char *bytes, size_t count)
{
    struct stream *stream = arg;
    for (size_t i = 0; i < count; i++) {
        const char *mark                   = stream->thinking ? THOUGHT_END : THOUGHT_BEGIN;
        stream->held[stream->held_count++] = bytes[i];
        /* Of what is held, only an end that may be the beginning of the mark stays back. */
        while (stream->held_count > 0 && strncmp(stream->held, mark, stream->held_count) != 0) {
            put(stream, stream->held, 1);
            memmove(stream->held, stream->held + 1, --stream->held_count);
        }
        if (stream->held_count == strlen(mark)) {
            stream->thinking   = !stream->thinking;
            stream->held_count = 0;
        }
    }
}

static nj_status make_prompt(const struct question *question, struct nj_session *session, const struct nj_tokenizer *tokenizer,
                             struct nj_prompt *prompt, struct nj_error *error)
{
    const struct nj_config *config  = &session->weights->config;
    struct nj_chat_options  chat    = {.thinking = question->think, .empty_thought = config->empty_thought};
    json_t                 *content = json_array(), *conversation;
    uint32_t                counts[NJ_SESSION_IMAGES];
    for (size_t i = 0; i < question->image_count; i++)
        json_array_append_new(content, json_pack("{s:s}", "type", "image"));
    json_array_append_new(content, json_pack("{s:s, s:s}", "type", "text", "text", question->text));
    conversation = json_pack("{s:[{s:s, s:o}]}", "messages", "role", "user", "content", content);
    if (!conversation)
        return nj_fail(error, "the question is not UTF-8, or there is no memory for it");
    nj_status status = nj_chat_encode(tokenizer, conversation, &chat, false, &prompt->ids, error);
    json_decref(conversation);
    if (status == NJ_OK)
        status = nj_prompt_read_pictures(session, prompt, question->images, question->image_count, question->soft_tokens, counts, error);
    if (status == NJ_OK && question->image_count)
        status =
            nj_chat_expand_images(&prompt->ids, config->image_id, config->boi_id, config->eoi_id, counts, question->image_count, error);
    return status;
}

static nj_status answer(const struct question *question, struct nj_session *session, struct nj_error *error)
{
    struct nj_tokenizer *tokenizer = NULL;
    struct nj_prompt     prompt    = {0};
    struct stream        stream    = {.thinking = false};
    struct nj_random     random;
    struct nj_generation generation = {.limit = question->tokens, .sampling = question->sampling, .random = &random};
    generation.on_text              = on_text;
    generation.arg                  = &stream;
    nj_random_seed(&random, question->seed);
    nj_status status = nj_weights_tokenizer(session->weights, &tokenizer, error);
    if (status == NJ_OK)
        status = make_prompt(question, session, tokenizer, &prompt, error);
    if (status == NJ_OK)
        status = nj_sequence_open(session->engine,
                                  (uint32_t)prompt.ids.count + question->tokens + NJ_GENERATE_ROOM +
                                      (question->think ? question->thought_tokens + 8 : 0),
                                  &generation.sequence, error);
    generation.prompt       = prompt.ids.data;
    generation.prompt_count = prompt.ids.count;
    generation.features     = prompt.features;
    if (status == NJ_OK && question->think) {
        struct nj_thinker thinker = {.answer = &generation, .prompt = &prompt.ids, .random = &random, .on_text = on_text, .arg = &stream};
        stream.thinking           = true;
        status                    = nj_think(session->engine, tokenizer, question->sampling.temperature > 0 ? &question->sampling : NULL,
                                             question->thought_tokens, &thinker, 1, error);
        put(&stream, stream.held, stream.held_count);
        stream = (struct stream){.thinking = false};
    }
    if (status == NJ_OK)
        status = nj_generate(session->engine, tokenizer, NULL, &generation, 1, error);
    put(&stream, stream.held, stream.held_count);
    if (status != NJ_ERROR)
        putchar('\n');
    nj_generation_free(&generation);
    nj_sequence_close(generation.sequence);
    nj_prompt_free(&prompt);
    nj_tokenizer_close(tokenizer);
    return status;
}

static nj_status answer_with_tools(const struct question *question, struct nj_cli *cli, struct nj_session *session)
{
    struct nj_tokenizer    *tokenizer = NULL;
    struct stream           stream    = {.thinking = false};
    struct nj_tool_question asked     = {.text       = question->text,
                                         .most_calls = question->calls,
                                         .tokens     = question->tokens,
                                         .sampling   = question->sampling,
                                         .seed       = question->seed,
                                         .on_text    = on_text,
                                         .arg        = &stream};
    nj_status               status    = nj_weights_tokenizer(session->weights, &tokenizer, &cli->error);
    if (status == NJ_OK)
        status = nj_ask_tools(cli, session, tokenizer, &asked);
    put(&stream, stream.held, stream.held_count);
    if (status != NJ_ERROR)
        putchar('\n');
    nj_tokenizer_close(tokenizer);
    return status;
}

enum {
    OPTION_MMPROJ = 256,
    OPTION_LORA,
    OPTION_IMAGE,
    OPTION_SOFT,
    OPTION_THINK,
    OPTION_TEMPERATURE,
    OPTION_TOP_P,
    OPTION_TOP_K,
    OPTION_SEED,
    OPTION_TOKENS,
    OPTION_THOUGHT_TOKENS,
    OPTION_TOOLS,
    OPTION_CALLS,
    OPTION_SECONDS,
    OPTION_EXACT
};

static bool parse_number(const char *text, double low, double high, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == 0 && *out >= low && *out <= high;
}

/* Returns 0, or the status of a usage error that was printed. */
static int parse(int argc, char **argv, struct question *out)
{
    static const struct option options[] = {
        {"mmproj", required_argument, NULL, OPTION_MMPROJ},   {"lora", required_argument, NULL, OPTION_LORA},
        {"image", required_argument, NULL, OPTION_IMAGE},     {"soft-tokens", required_argument, NULL, OPTION_SOFT},
        {"think", no_argument, NULL, OPTION_THINK},           {"temperature", required_argument, NULL, OPTION_TEMPERATURE},
        {"top-p", required_argument, NULL, OPTION_TOP_P},     {"top-k", required_argument, NULL, OPTION_TOP_K},
        {"seed", required_argument, NULL, OPTION_SEED},       {"max-tokens", required_argument, NULL, OPTION_TOKENS},
        {"exact", no_argument, NULL, OPTION_EXACT},           {"thought-tokens", required_argument, NULL, OPTION_THOUGHT_TOKENS},
        {"tools", no_argument, NULL, OPTION_TOOLS},           {"calls", required_argument, NULL, OPTION_CALLS},
        {"seconds", required_argument, NULL, OPTION_SECONDS}, {0}};
    opterr    = 0;
    optind    = 0;
    int which = 0;
    for (int option; (option = getopt_long(argc, argv, "m:", options, &which)) != -1;) {
        double value = 0;
        bool   good  = true;
        switch (option) {
        case 'm':
            out->session.model = optarg;
            break;
        case OPTION_MMPROJ:
            out->session.mmproj = optarg;
            break;
        case OPTION_LORA:
            out->session.adapter = optarg;
            break;
        case OPTION_THINK:
            out->think = true;
            break;
        case OPTION_EXACT:
            out->session.arithmetic = NJ_EXACT;
            break;
        case OPTION_IMAGE:
            if (out->image_count == NJ_SESSION_IMAGES)
                return nj_usage(argv[0], "--image: at most %d pictures", NJ_SESSION_IMAGES);
            out->images[out->image_count++] = optarg;
            break;
        case OPTION_SOFT:
            good             = parse_number(optarg, 70, 1120, &value);
            out->soft_tokens = (uint32_t)value;
            break;
        case OPTION_TEMPERATURE:
            good                      = parse_number(optarg, 0, 100, &value);
            out->sampling.temperature = (float)value;
            break;
        case OPTION_TOP_P:
            good                = parse_number(optarg, 0, 1, &value) && value > 0;
            out->sampling.top_p = (float)value;
            break;
        case OPTION_TOP_K:
            good                = parse_number(optarg, 0, 1e6, &value);
            out->sampling.top_k = (uint32_t)value;
            break;
        case OPTION_SEED:
            good      = parse_number(optarg, 0, 9007199254740992.0, &value);
            out->seed = (uint64_t)value;
            break;
        case OPTION_TOKENS:
            good        = parse_number(optarg, 1, 100000, &value);
            out->tokens = (uint32_t)value;
            break;
        case OPTION_THOUGHT_TOKENS:
            good                = parse_number(optarg, 1, 100000, &value);
            out->thought_tokens = (uint32_t)value;
            break;
        case OPTION_TOOLS:
            out->tools = true;
            break;
        case OPTION_CALLS:
            good       = parse_number(optarg, 1, 16, &value);
            out->calls = (size_t)value;
            break;
        case OPTION_SECONDS:
            good         = parse_number(optarg, 1, 86400, &value);
            out->seconds = (unsigned)value;
            break;
        default:
            return nj_usage(argv[0], "%s: no such option, or its value is missing", argv[optind - 1]);
        }
        if (!good)
            return nj_usage(argv[0], "--%s %s: not a sensible number", options[which].name, optarg);
    }
    if (optind + 1 != argc)
        return nj_usage(argv[0], optind == argc ? "the question is missing" : "%s: one question, in quotes, is expected", argv[optind]);
    if (out->tools && out->image_count)
        return nj_usage(argv[0], "--tools and --image do not go together");
    out->text = argv[optind];
    return 0;
}

int nj_cmd_ask(struct nj_cli *cli, int argc, char **argv)
{
    struct nj_session session    = {0};
    struct question   question   = {.tokens         = DEFAULT_TOKENS,
                                    .calls          = DEFAULT_CALLS,
                                    .thought_tokens = THOUGHT_TOKENS,
                                    .sampling       = {.temperature = 1.0f, .top_k = 64, .top_p = 0.95f}};
    question.session             = (struct nj_session_options){.model      = cli->conf.model.path,
                                                               .arithmetic = nj_station_arithmetic(cli->conf.model.power_saver),
                                                               .threads    = (uint32_t)cli->conf.model.threads};
    question.session.adapter     = cli->conf.model.adapter[0] ? cli->conf.model.adapter : NULL;
    question.session.should_stop = nj_interrupted;
    question.seed                = (uint64_t)cli->conf.model.seed;
    question.think               = cli->conf.model.think;
    question.soft_tokens         = (uint32_t)cli->conf.model.soft_tokens;
    int usage                    = parse(argc, argv, &question);
    if (usage)
        return usage;
    if (!question.session.model[0])
        return nj_usage(argv[0], "no model: give -m MODEL, or model.path in the settings");
    question.session.text_only = question.image_count == 0;
    nj_interrupt_listen(question.seconds);
    nj_status status = nj_session_open(&question.session, &session, &cli->error);
    if (status == NJ_OK)
        status = question.tools ? answer_with_tools(&question, cli, &session) : answer(&question, &session, &cli->error);
    nj_session_close(&session);
    return nj_exit(status);
}
