#include "pipeline/constrain/thought.h"

#include <stdlib.h>
#include <string.h>

static nj_status no_memory(struct nj_error *error)
{
    return nj_fail(error, "no memory for a thought");
}

static nj_status begin(const struct nj_tokenizer *tokenizer, int32_t open, struct nj_ids *prompt, struct nj_error *error)
{
    if (!nj_ids_add(prompt, open))
        return no_memory(error);
    return nj_tokenizer_encode(tokenizer, "thought\n", strlen("thought\n"), false, prompt, error);
}

/* What the sequence has not seen of the thought, and its end, come in front of the answer. */
static nj_status end(int32_t close, const struct nj_generation *thought, struct nj_thinker *thinker, struct nj_error *error)
{
    struct nj_ids *prompt = thinker->prompt;
    prompt->count         = 0;
    for (size_t i = thought->fed - thought->prompt_count; i < thought->ids.count; i++)
        if (!nj_ids_add(prompt, thought->ids.data[i]))
            return no_memory(error);
    if (!nj_ids_add(prompt, close))
        return no_memory(error);
    thinker->answer->prompt       = prompt->data;
    thinker->answer->prompt_count = prompt->count;
    thinker->answer->features     = NULL;
    thinker->answer->fed          = 0;
    return NJ_OK;
}

nj_status nj_think(struct nj_engine *engine, const struct nj_tokenizer *tokenizer, const struct nj_sampling *sampling, size_t limit,
                   struct nj_thinker *thinkers, size_t count, struct nj_error *error)
{
    const struct nj_config  *config                = &nj_engine_weights(engine)->config;
    const struct nj_sampling advised               = {.temperature = 1, .top_k = 64, .top_p = 0.95};
    int32_t                  stops[1 + NJ_MAX_EOS] = {nj_tokenizer_added(tokenizer, "<channel|>")};
    int32_t                  open                  = nj_tokenizer_added(tokenizer, "<|channel>");
    struct nj_generation    *thoughts              = calloc(count + 1, sizeof *thoughts);
    nj_status                status                = thoughts ? NJ_OK : no_memory(error);
    memcpy(stops + 1, config->eos_ids, config->eos_count * sizeof *stops);
    if (status == NJ_OK && (open < 0 || stops[0] < 0))
        status = nj_fail(error, "this model cannot think: its tokenizer has no <|channel>");
    for (size_t i = 0; i < count && status == NJ_OK; i++) {
        status      = begin(tokenizer, open, thinkers[i].prompt, error);
        thoughts[i] = (struct nj_generation){.sequence     = thinkers[i].answer->sequence,
                                             .prompt       = thinkers[i].prompt->data,
                                             .prompt_count = thinkers[i].prompt->count,
                                             .features     = thinkers[i].answer->features,
                                             .fed          = thinkers[i].answer->fed,
                                             .limit        = limit,
                                             .sampling     = sampling ? *sampling : advised,
                                             .random       = thinkers[i].random,
                                             .stop_ids     = stops,
                                             .stop_count   = 1 + config->eos_count,
                                             .on_text      = thinkers[i].on_text,
                                             .arg          = thinkers[i].arg};
    }
    if (status == NJ_OK)
        status = nj_generate(engine, tokenizer, NULL, thoughts, count, error);
    for (size_t i = 0; i < count && status == NJ_OK; i++)
        status = end(stops[0], &thoughts[i], &thinkers[i], error);
    for (size_t i = 0; thoughts && i < count; i++)
        nj_generation_free(&thoughts[i]);
    free(thoughts);
    return status;
}
