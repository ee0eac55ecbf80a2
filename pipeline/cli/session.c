#include "pipeline/cli/session.h"
#include "base/json.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define IDS_LIMIT ((size_t)64 << 20)

nj_status nj_session_open(const struct nj_session_options *options, struct nj_session *out, struct nj_error *error)
{
    struct nj_weights_options weights = {options->mmproj, options->adapter, options->text_only};
    struct nj_engine_options  engine  = {
          .arithmetic = options->arithmetic, .pass_rows = options->pass_rows, .should_stop = options->should_stop};
    nj_status status = nj_weights_open(options->model, &weights, &out->weights, error);
    if (status == NJ_OK)
        status = nj_pool_open(options->threads, &out->pool, error);
    engine.pool = out->pool;
    if (status == NJ_OK)
        status = nj_engine_open(out->weights, &engine, &out->engine, error);
    if (status != NJ_OK)
        nj_session_close(out);
    return status;
}

void nj_session_close(struct nj_session *session)
{
    nj_engine_close(session->engine);
    nj_pool_close(session->pool);
    nj_weights_close(session->weights);
    *session = (struct nj_session){0};
}

nj_status nj_ids_read(const char *path, struct nj_ids *ids, struct nj_error *error)
{
    json_t   *list   = NULL;
    nj_status status = nj_json_read(path, IDS_LIMIT, &list, error);
    if (status == NJ_OK && !json_is_array(list))
        status = nj_fail(error, "%s: a JSON list of ids is expected", path);
    for (size_t i = 0; status == NJ_OK && i < json_array_size(list); i++) {
        const json_t *id = json_array_get(list, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            status = nj_fail(error, "%s: element %zu is not an id", path, i);
        else if (!nj_ids_add(ids, (int32_t)json_integer_value(id)))
            status = nj_fail(error, "%s: no memory for its ids", path);
    }
    json_decref(list);
    return status;
}

static size_t count_id(const struct nj_ids *ids, int32_t id)
{
    size_t count = 0;
    for (size_t i = 0; i < ids->count; i++)
        count += ids->data[i] == id;
    return count;
}

nj_status nj_prompt_read_pictures(struct nj_session *session, struct nj_prompt *prompt, const char *const *paths, size_t count,
                                  uint32_t soft_tokens, uint32_t *counts, struct nj_error *error)
{
    const struct nj_config *config = &session->weights->config;
    size_t                  hidden = config->text.hidden_size;
    nj_status               status = NJ_OK;
    for (size_t i = 0; status == NJ_OK && i < count; i++) {
        struct nj_image image = {0};
        status =
            nj_image_from_file(session->engine, paths[i], soft_tokens ? soft_tokens : config->default_soft_tokens, true, &image, error);
        if (status != NJ_OK)
            break;
        float *grown = realloc(prompt->features, (prompt->image_positions + image.count) * hidden * sizeof *grown);
        if (grown) {
            memcpy(grown + prompt->image_positions * hidden, image.features, image.count * hidden * sizeof *grown);
            prompt->features = grown;
            prompt->image_positions += image.count;
        } else {
            status = nj_fail(error, "no memory for the features of %zu pictures", count);
        }
        if (counts)
            counts[i] = image.count;
        nj_image_free(&image);
    }
    return status;
}

nj_status nj_prompt_pictures(struct nj_session *session, struct nj_prompt *prompt, const char *const *paths, size_t count,
                             uint32_t soft_tokens, struct nj_error *error)
{
    size_t    wanted = count_id(&prompt->ids, session->weights->config.image_id);
    nj_status status = nj_prompt_read_pictures(session, prompt, paths, count, soft_tokens, NULL, error);
    if (status == NJ_OK && prompt->image_positions != wanted)
        status = nj_fail(error, "the prompt has %zu image positions, the %zu pictures fill %zu", wanted, count, prompt->image_positions);
    return status;
}

void nj_prompt_free(struct nj_prompt *prompt)
{
    free(prompt->ids.data);
    free(prompt->features);
    *prompt = (struct nj_prompt){0};
}

enum { OPTION_MMPROJ = 256, OPTION_LORA, OPTION_IDS, OPTION_IMAGE, OPTION_SOFT, OPTION_ALL, OPTION_EXACT, OPTION_JSON, OPTION_SCHEMA };

static bool parse_count(const char *text, uint32_t *out)
{
    char *end;
    long  value = strtol(text, &end, 10);
    if (end == text || *end || value < 0 || value > 1000000)
        return false;
    *out = (uint32_t)value;
    return true;
}

int nj_probe_parse(struct nj_cli *cli, int argc, char **argv, struct nj_probe_options *out)
{
    static const struct option options[] = {{"mmproj", required_argument, NULL, OPTION_MMPROJ},
                                            {"lora", required_argument, NULL, OPTION_LORA},
                                            {"ids", required_argument, NULL, OPTION_IDS},
                                            {"image", required_argument, NULL, OPTION_IMAGE},
                                            {"soft-tokens", required_argument, NULL, OPTION_SOFT},
                                            {"all", no_argument, NULL, OPTION_ALL},
                                            {"exact", no_argument, NULL, OPTION_EXACT},
                                            {"json", no_argument, NULL, OPTION_JSON},
                                            {"schema", required_argument, NULL, OPTION_SCHEMA},
                                            {0}};
    *out                 = (struct nj_probe_options){.session = {.arithmetic = nj_station_arithmetic(cli->conf.model.power_saver)}};
    out->session.threads = (uint32_t)cli->conf.model.threads;
    out->session.adapter = cli->conf.model.adapter[0] ? cli->conf.model.adapter : NULL;
    opterr               = 0;
    optind               = 0;
    for (int option; (option = getopt_long(argc, argv, "m:o:n:", options, NULL)) != -1;) {
        bool good = true;
        switch (option) {
        case 'm':
            out->session.model = optarg;
            break;
        case 'o':
            out->output = optarg;
            break;
        case 'n':
            good = parse_count(optarg, &out->tokens) && out->tokens > 0;
            break;
        case OPTION_MMPROJ:
            out->session.mmproj = optarg;
            break;
        case OPTION_LORA:
            out->session.adapter = optarg;
            break;
        case OPTION_IDS:
            out->ids = optarg;
            break;
        case OPTION_SOFT:
            good = parse_count(optarg, &out->soft_tokens) && out->soft_tokens > 0;
            break;
        case OPTION_ALL:
            out->all = true;
            break;
        case OPTION_EXACT:
            out->session.arithmetic = NJ_EXACT;
            break;
        case OPTION_JSON:
            out->json = true;
            break;
        case OPTION_SCHEMA:
            out->schema = optarg;
            break;
        case OPTION_IMAGE:
            if (out->image_count == NJ_SESSION_IMAGES)
                return nj_usage(argv[0], "--image: at most %d pictures", NJ_SESSION_IMAGES);
            out->images[out->image_count++] = optarg;
            break;
        default:
            return nj_usage(argv[0], "%s: no such option, or its value is missing", argv[optind - 1]);
        }
        if (!good)
            return nj_usage(argv[0], "%s: not a sensible number", optarg);
    }
    if (!out->session.model)
        return nj_usage(argv[0], "-m MODEL is missing");
    return 0;
}

nj_status nj_probe_prompt(const struct nj_probe_options *options, struct nj_session *session, struct nj_prompt *prompt,
                          struct nj_error *error)
{
    struct nj_session_options opened = options->session;
    opened.text_only                 = options->image_count == 0;
    nj_status status                 = nj_ids_read(options->ids, &prompt->ids, error);
    if (status == NJ_OK && prompt->ids.count == 0)
        status = nj_fail(error, "%s: no ids in it", options->ids);
    if (status == NJ_OK)
        status = nj_session_open(&opened, session, error);
    if (status == NJ_OK)
        status = nj_prompt_pictures(session, prompt, options->images, options->image_count, options->soft_tokens, error);
    return status;
}
