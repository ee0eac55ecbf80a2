#include "pipeline/constrain/generate_run.h"
#include "pipeline/constrain/constraint_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN      8    /* tokens by which the tokenization of a closing text may grow when it is cut in two */
#define FEW_ROWS    1024 /* up to here asking for rows of the head is cheaper than for all of it */
#define SECOND_BEST 64   /* tokens that are tried when time runs out, before the document is closed */
#define HEALED      3    /* tokens at the end of a forced text that what follows might tokenize otherwise */

static nj_status no_memory(struct nj_error *error)
{
    return nj_fail(error, "no memory for the answer");
}

/* --- an answer that is told --- */

nj_status nj_run_misfit(const struct nj_run *run, size_t at, struct nj_error *error)
{
    return nj_fail(error, "the answer told cannot be given: its byte %zu is not what the schema asks for there, or %zu tokens are too few",
                   at, run->g->limit);
}

/* Whether these bytes go on as told: always where nothing is. */
static bool as_told(const struct nj_run *run, struct nj_string_view bytes)
{
    const struct nj_generation *g = run->g;
    return !g->told || !strncmp(g->told + g->text.length, bytes.data, bytes.size);
}

/* What an earlier call wrote goes through again, but for the engine. */
static nj_status take_up(struct nj_run *run, struct nj_error *error)
{
    struct nj_generation *g      = run->g;
    nj_status             status = NJ_OK;
    nj_text_clear(&g->text);
    for (size_t i = 0; i < g->ids.count && status == NJ_OK; i++) {
        struct nj_string_view bytes = nj_tokenizer_bytes(run->tokenizer, g->ids.data[i]);
        if (run->now)
            status = nj_constraint_advance(run->now, g->ids.data[i], error);
        if (!nj_ids_add(&run->feed, g->ids.data[i]))
            return no_memory(error);
        if (status == NJ_OK && !as_told(run, bytes))
            return nj_run_misfit(run, g->text.length, error);
        nj_text_add_bytes(&g->text, bytes.data, bytes.size);
    }
    run->shown = g->text.length;
    run->fed = run->fed_before = g->fed;
    run->ids_before            = g->ids.count;
    if (status == NJ_OK && g->fed > run->feed.count)
        return nj_fail(error, "an answer of %zu tokens cannot be taken up at token %zu", run->feed.count, g->fed);
    return status == NJ_OK && g->text.failed ? no_memory(error) : status == NJ_NOT_FOUND ? NJ_ERROR : status;
}

nj_status nj_run_open(struct nj_run *run, struct nj_generation *g, struct nj_engine *engine, const struct nj_tokenizer *tokenizer,
                      const struct nj_vocabulary *vocabulary, struct nj_error *error)
{
    const uint32_t size   = nj_engine_weights(engine)->config.text.vocab_size;
    nj_status      status = NJ_OK;
    *run                  = (struct nj_run){.g = g, .engine = engine, .tokenizer = tokenizer, .vocabulary = vocabulary};
    run->logits           = malloc(size * sizeof *run->logits);
    run->order            = malloc(size * sizeof *run->order);
    run->rows             = malloc((size + (size_t)1) * sizeof *run->rows);
    g->stop               = NJ_STOP_LENGTH;
    g->stop_id            = -1;
    for (size_t i = 0; i < g->prompt_count; i++)
        if (!nj_ids_add(&run->feed, g->prompt[i]))
            return no_memory(error);
    if (!run->logits || !run->order || !run->rows)
        return no_memory(error);
    if (!g->grammar)
        return g->told ? nj_fail(error, "an answer can be told under a schema only") : take_up(run, error);
    if (!vocabulary || nj_vocabulary_size(vocabulary) > size)
        return nj_fail(error, "the tokenizer has %u ids, the model %u: they do not belong together",
                       vocabulary ? nj_vocabulary_size(vocabulary) : 0, size);
    run->bits = malloc(NJ_MASK_WORDS(nj_vocabulary_size(vocabulary)) * sizeof *run->bits);
    if (!run->bits)
        return no_memory(error);
    status = nj_constraint_open(g->grammar, vocabulary, &run->now, error);
    if (status == NJ_OK)
        status = nj_constraint_open(g->grammar, vocabulary, &run->look, error);
    return status == NJ_OK ? take_up(run, error) : status;
}

void nj_run_close(struct nj_run *run)
{
    nj_constraint_close(run->now);
    nj_constraint_close(run->look);
    nj_choice_clear(&run->tree);
    free(run->pass.rows.data);
    free(run->pass.logits);
    free(run->feed.data);
    free(run->bits);
    free(run->rows);
    free(run->logits);
    free(run->order);
}

/* --- the answer so far --- */

/* Hands out what is whole: the bytes of a character may be spread over tokens. */
static void show(struct nj_run *run, bool all)
{
    struct nj_generation *g  = run->g;
    size_t                to = run->shown, length;
    while (g->on_text && to < g->text.length) {
        length = nj_utf8_length((const uint8_t *)g->text.data + to, g->text.length - to, NULL);
        if (length == 0 && !all && g->text.length - to < 4)
            break; /* it may still become one */
        to += length ? length : 1;
    }
    if (to > run->shown)
        g->on_text(g->arg, g->text.data + run->shown, to - run->shown);
    run->shown = to;
}

nj_status nj_run_commit(struct nj_run *run, int32_t id, struct nj_error *error)
{
    struct nj_generation *g      = run->g;
    struct nj_string_view bytes  = run->now ? nj_vocabulary_bytes(run->vocabulary, id) : nj_tokenizer_bytes(run->tokenizer, id);
    nj_status             status = run->now ? nj_constraint_advance(run->now, id, error) : NJ_OK;
    if (status != NJ_OK)
        return NJ_ERROR;
    if (!as_told(run, bytes))
        return nj_run_misfit(run, g->text.length, error);
    if (!nj_ids_add(&g->ids, id) || !nj_ids_add(&run->feed, id))
        return no_memory(error);
    nj_text_add_bytes(&g->text, bytes.data, bytes.size);
    show(run, false);
    return g->text.failed ? no_memory(error) : NJ_OK;
}

static nj_status commit_all(struct nj_run *run, const int32_t *ids, size_t count, struct nj_error *error)
{
    nj_status status = NJ_OK;
    for (size_t i = 0; i < count && status == NJ_OK; i++)
        status = nj_run_commit(run, ids[i], error);
    return status;
}

static nj_status done(struct nj_run *run, enum nj_generation_stop stop, struct nj_error *error)
{
    const struct nj_generation *g = run->g;
    run->state                    = NJ_RUN_DONE;
    run->g->stop                  = stop;
    show(run, true);
    return g->told && g->told[g->text.length] ? nj_run_misfit(run, g->text.length, error) : NJ_OK;
}

/* --- closing in time --- */

static nj_status closing_ids(struct nj_run *run, struct nj_constraint *from, struct nj_ids *ids, struct nj_error *error)
{
    struct nj_text text   = {0};
    nj_status      status = nj_constraint_closing(from, &text, error);
    if (status == NJ_OK && text.length)
        status = nj_vocabulary_encode(run->vocabulary, text.data, text.length, ids, error);
    nj_text_free(&text);
    return status;
}

nj_status nj_run_fits(struct nj_run *run, struct nj_constraint *look, size_t spent, bool *fits, struct nj_error *error)
{
    struct nj_ids ids    = {0};
    size_t        left   = run->g->limit - run->g->ids.count;
    nj_status     status = NJ_OK;
    left                 = left > spent ? left - spent : 0;
    *fits                = nj_constraint_closing_bytes(look) + MARGIN <= left;
    if (!*fits && left > MARGIN) {
        status = closing_ids(run, look, &ids, error);
        *fits  = status == NJ_OK && ids.count + MARGIN <= left;
    }
    free(ids.data);
    return status;
}

nj_status nj_run_close_document(struct nj_run *run, struct nj_error *error)
{
    struct nj_ids ids    = {0};
    nj_status     status = closing_ids(run, run->now, &ids, error);
    if (status == NJ_OK && run->g->ids.count + ids.count > run->g->limit)
        status = nj_fail(error, "%zu tokens are too few: the shortest document under this schema needs %zu", run->g->limit,
                         run->g->ids.count + ids.count);
    if (status == NJ_OK)
        status = commit_all(run, ids.data, ids.count, error);
    if (status == NJ_OK)
        status = done(run, NJ_STOP_LENGTH, error);
    free(ids.data);
    return status;
}

/* --- what to ask --- */

static const int32_t *stop_ids(const struct nj_run *run, size_t *count)
{
    const struct nj_config *config = &nj_engine_weights(run->engine)->config;
    *count                         = run->g->stop_ids ? run->g->stop_count : config->eos_count;
    return run->g->stop_ids ? run->g->stop_ids : config->eos_ids;
}

static bool is_stop(const struct nj_run *run, int32_t id)
{
    size_t         count;
    const int32_t *ids = stop_ids(run, &count);
    for (size_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* The mask of the state, as rows to ask for. */
static nj_status ask_for_token(struct nj_run *run, struct nj_error *error)
{
    uint32_t  count;
    nj_status status = nj_constraint_mask(run->now, run->bits, &count, error);
    run->state       = NJ_RUN_TOKEN;
    run->row_count   = 0;
    if (status != NJ_OK || count > FEW_ROWS)
        return status;
    for (size_t word = 0; word < NJ_MASK_WORDS(nj_vocabulary_size(run->vocabulary)); word++)
        for (unsigned bit = 0; bit < 64 && run->bits[word] >> bit; bit++)
            if (run->bits[word] >> bit & 1)
                run->rows[run->row_count++] = (int32_t)(word * 64 + bit);
    size_t         stop_count;
    const int32_t *stops = stop_ids(run, &stop_count);
    for (size_t i = 0; i < stop_count && nj_constraint_may_stop(run->now); i++)
        if (stops[i] >= 0 && (uint32_t)stops[i] < nj_engine_weights(run->engine)->config.text.vocab_size)
            run->rows[run->row_count++] = stops[i]; /* never among those of a mask */
    return NJ_OK;
}

/* Whether a token may come at this state that is longer than `size` bytes. */
static nj_status longer_token(struct nj_run *run, struct nj_constraint *at, size_t size, bool *found, struct nj_error *error)
{
    uint32_t  count;
    nj_status status = nj_constraint_mask(at, run->bits, &count, error);
    *found           = false;
    for (size_t word = 0; status == NJ_OK && !*found && word < NJ_MASK_WORDS(nj_vocabulary_size(run->vocabulary)); word++)
        for (unsigned bit = 0; bit < 64 && run->bits[word] >> bit && !*found; bit++)
            if (run->bits[word] >> bit & 1)
                *found = nj_vocabulary_bytes(run->vocabulary, (int32_t)(word * 64 + bit)).size > size;
    return status;
}

/* How many of a forced text's tokens stay as they are whatever follows it. */
static nj_status stable_tokens(struct nj_run *run, const struct nj_ids *ids, size_t *count, struct nj_error *error)
{
    size_t    tail   = 0;
    nj_status status = NJ_OK;
    *count           = ids->count;
    for (size_t back = 1; back <= HEALED && back <= ids->count && status == NJ_OK; back++) {
        bool   found;
        size_t taken;
        tail += nj_vocabulary_bytes(run->vocabulary, ids->data[ids->count - back]).size;
        status = nj_constraint_copy(run->look, run->now, error);
        for (size_t i = 0; i + back < ids->count && status == NJ_OK; i++) {
            struct nj_string_view bytes = nj_vocabulary_bytes(run->vocabulary, ids->data[i]);
            status                      = nj_constraint_advance_bytes(run->look, bytes.data, bytes.size, &taken, error);
        }
        if (status == NJ_OK)
            status = longer_token(run, run->look, tail, &found, error);
        if (status == NJ_OK && found)
            *count = ids->count - back;
    }
    return status;
}

static bool in_string(const struct nj_constraint *c)
{
    for (uint32_t i = 0; i < c->now.count; i++)
        if (c->now.data[i].top.kind != NJ_AT_DFA)
            return false;
    return true;
}

/* Takes the forced text, but for tokens at its end that what follows may tokenize otherwise: those are left to the model. Behind the opening quote of a free
 * text nothing is left: no text of ours begins with punctuation that its quote would merge with. */
static nj_status commit_forced(struct nj_run *run, const struct nj_text *forced, struct nj_error *error)
{
    struct nj_ids ids    = {0};
    size_t        count  = 0;
    bool          whole  = nj_constraint_finished(run->look) || in_string(run->look);
    nj_status     status = nj_vocabulary_encode(run->vocabulary, forced->data, forced->length, &ids, error);
    count                = ids.count;
    if (status == NJ_OK && !whole)
        status = stable_tokens(run, &ids, &count, error);
    if (status == NJ_OK)
        status = commit_all(run, ids.data, count, error);
    free(ids.data);
    return status;
}

static nj_status prepare_document(struct nj_run *run, struct nj_error *error)
{
    struct nj_text forced = {0};
    bool           fits, begun = false;
    size_t         taken  = 0;
    nj_status      status = nj_run_fits(run, run->now, 0, &fits, error);
    if (status == NJ_OK && !fits)
        return nj_run_close_document(run, error);
    if (status == NJ_OK)
        status = nj_constraint_forced(run->now, &forced, error);
    if (status == NJ_OK)
        status = nj_constraint_copy(run->look, run->now, error);
    if (status == NJ_OK && forced.length)
        status = nj_constraint_advance_bytes(run->look, forced.data, forced.length, &taken, error);
    if (status == NJ_OK)
        status = nj_choice_begin(run, &forced, &begun, error);
    if (status == NJ_OK && !begun && forced.length)
        status = commit_forced(run, &forced, error);
    nj_text_free(&forced);
    if (status != NJ_OK)
        return status;
    if (!begun)
        return nj_constraint_finished(run->now) ? done(run, NJ_STOP_SCHEMA, error) : ask_for_token(run, error);
    nj_choice_rows(run);
    return NJ_OK;
}

nj_status nj_run_prepare(struct nj_run *run, struct nj_error *error)
{
    if (run->state == NJ_RUN_TREE)
        return NJ_OK;
    if (run->now)
        return prepare_document(run, error);
    run->state     = NJ_RUN_TOKEN;
    run->row_count = 0;
    return run->g->ids.count >= run->g->limit ? done(run, NJ_STOP_LENGTH, error) : NJ_OK;
}

/* --- using the answer --- */

/* The longest of `count` tokens that goes on as told, or one that stops where nothing more is told; `count`: there is none. */
static size_t told_token(const struct nj_run *run, size_t count)
{
    const bool more = run->g->told[run->g->text.length] != 0;
    size_t     best = count, longest = 0;
    for (size_t i = 0; i < count; i++) {
        struct nj_string_view bytes = nj_vocabulary_bytes(run->vocabulary, run->rows[i]);
        if (is_stop(run, run->rows[i]) ? more : !more || bytes.size <= longest || !as_told(run, bytes))
            continue;
        best    = i;
        longest = bytes.size;
    }
    return best;
}

/* Index among `count` logits; ids[i] or i is the token. The logits are used up where it is sampled. */
static size_t pick(struct nj_run *run, size_t count)
{
    const struct nj_generation *g    = run->g;
    size_t                      best = 0;
    if (g->sampling.temperature > 0 && g->random)
        return nj_sample(&g->sampling, g->random, run->logits, (uint32_t)count, run->order);
    for (size_t i = 1; i < count; i++)
        if (run->logits[i] > run->logits[best])
            best = i;
    return best;
}

/* Leaves the logits of what is allowed, and their ids in rows. */
static size_t keep_allowed(struct nj_run *run)
{
    const uint32_t size = nj_engine_weights(run->engine)->config.text.vocab_size, known = nj_vocabulary_size(run->vocabulary);
    const bool     stops = nj_constraint_may_stop(run->now);
    size_t         count = 0;
    if (run->row_count)
        return run->row_count;
    for (uint32_t id = 0; id < size; id++)
        if ((id < known && run->bits[id / 64] >> id % 64 & 1) || (stops && is_stop(run, (int32_t)id))) {
            run->logits[count] = run->logits[id];
            run->rows[count++] = (int32_t)id;
        }
    return count;
}

/* The placeholders of pictures and sound stand for features that nobody has: no text contains them. */
static void rule_out_placeholders(struct nj_run *run, const struct nj_config *config)
{
    const int32_t ids[] = {config->image_id, config->audio_id, config->video_id};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i] >= 0 && (uint32_t)ids[i] < config->text.vocab_size)
            run->logits[ids[i]] = -INFINITY;
}

static nj_status answer_free(struct nj_run *run, struct nj_error *error)
{
    const struct nj_config *config = &nj_engine_weights(run->engine)->config;
    rule_out_placeholders(run, config);
    int32_t id = (int32_t)pick(run, config->text.vocab_size);
    if (!is_stop(run, id))
        return nj_run_commit(run, id, error);
    run->g->stop_id = id;
    return done(run, NJ_STOP_EOS, error);
}

static nj_status answer_token(struct nj_run *run, struct nj_error *error)
{
    size_t    count  = keep_allowed(run);
    nj_status status = NJ_OK;
    for (unsigned tries = 0; tries < SECOND_BEST && count > 0 && status == NJ_OK; tries++) {
        size_t best = run->g->told ? told_token(run, count) : pick(run, count);
        bool   fits;
        if (best == count)
            break;
        int32_t id = run->rows[best];
        if (is_stop(run, id) && nj_constraint_may_stop(run->now)) {
            run->g->stop_id = id;
            return done(run, NJ_STOP_EOS, error);
        }
        status = nj_constraint_copy(run->look, run->now, error);
        if (status == NJ_OK)
            status = nj_constraint_advance(run->look, id, error);
        if (status == NJ_OK)
            status = nj_run_fits(run, run->look, 1, &fits, error);
        if (status != NJ_OK)
            return NJ_ERROR;
        if (fits) {
            run->g->free_tokens++;
            return nj_run_commit(run, id, error);
        }
        if (run->g->sampling.temperature > 0)
            break; /* the logits are used up */
        run->rows[best]   = run->rows[--count];
        run->logits[best] = run->logits[count];
    }
    return status == NJ_OK ? nj_run_close_document(run, error) : status;
}

nj_status nj_run_answer(struct nj_run *run, struct nj_error *error)
{
    if (run->state == NJ_RUN_CHOICE || run->state == NJ_RUN_TREE)
        return nj_choice_answer(run, error);
    return run->now ? answer_token(run, error) : answer_free(run, error);
}
