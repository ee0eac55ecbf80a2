#include "pipeline/constrain/body.h"
#include "pipeline/constrain/call.h"
#include "pipeline/constrain/dfa.h"

#include <stdlib.h>
#include <string.h>

struct token {
    uint64_t              head; /* the first eight bytes, so that most comparisons need no memory elsewhere */
    struct nj_string_view bytes;
    int32_t               id;
};

static int compare(const void *left, const void *right)
{
    const struct token *a = left, *b = right;
    if (a->head != b->head)
        return a->head < b->head ? -1 : 1;
    size_t shared = a->bytes.size < b->bytes.size ? a->bytes.size : b->bytes.size;
    int    order  = memcmp(a->bytes.data, b->bytes.data, shared);
    if (order)
        return order;
    if (a->bytes.size != b->bytes.size)
        return a->bytes.size < b->bytes.size ? -1 : 1;
    return a->id < b->id ? -1 : 1;
}

static uint64_t head_of(struct nj_string_view bytes)
{
    uint64_t head = 0;
    for (size_t i = 0; i < 8; i++)
        head = head << 8 | (i < bytes.size ? (uint8_t)bytes.data[i] : 0);
    return head;
}

struct nj_string_view nj_vocabulary_bytes(const struct nj_vocabulary *v, int32_t id)
{
    static const char quote[] = {NJ_CALL_QUOTE};
    return id == v->quote && id >= 0 ? (struct nj_string_view){quote, 1} : nj_tokenizer_bytes(v->tokenizer, id);
}

nj_status nj_vocabulary_encode(const struct nj_vocabulary *v, const char *text, size_t size, struct nj_ids *ids, struct nj_error *error)
{
    const char *end    = text + size;
    nj_status   status = NJ_OK;
    while (text < end && status == NJ_OK) {
        const char *quote   = v->quote < 0 ? NULL : memchr(text, NJ_CALL_QUOTE, (size_t)(end - text));
        size_t      stretch = (size_t)((quote ? quote : end) - text);
        if (stretch)
            status = nj_tokenizer_encode(v->tokenizer, text, stretch, false, ids, error);
        if (status == NJ_OK && quote && !nj_ids_add(ids, v->quote))
            status = nj_fail(error, "no memory for %zu bytes of a call", size);
        text += stretch + (quote != NULL);
    }
    return status;
}

static uint32_t collect(const struct nj_vocabulary *v, struct token *tokens)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < v->size; i++) {
        struct nj_string_view bytes = nj_vocabulary_bytes(v, (int32_t)i);
        if (bytes.size == 0 || bytes.size > NJ_TOKEN_BYTES || ((int32_t)i != v->quote && nj_tokenizer_is_added(v->tokenizer, (int32_t)i)))
            continue;
        tokens[count++] = (struct token){.head = head_of(bytes), .bytes = bytes, .id = (int32_t)i};
    }
    return count;
}

static size_t shared_prefix(struct nj_string_view a, struct nj_string_view b)
{
    size_t length = 0, most = a.size < b.size ? a.size : b.size;
    while (length < most && a.data[length] == b.data[length])
        length++;
    return length;
}

static uint32_t count_nodes(const struct token *tokens, uint32_t count)
{
    size_t nodes = 0;
    for (uint32_t i = 0; i < count; i++)
        nodes += tokens[i].bytes.size - (i ? shared_prefix(tokens[i - 1].bytes, tokens[i].bytes) : 0);
    return nodes > UINT32_MAX - 1 ? 0 : (uint32_t)nodes;
}

/* `path` holds the nodes of the token before: those that the next token does not share end their subtrees. */
static void lay_out(struct nj_vocabulary *v, const struct token *tokens)
{
    uint32_t path[NJ_TOKEN_BYTES + 1], nodes = 0;
    size_t   depth = 0;
    for (uint32_t i = 0; i < v->tokens; i++) {
        struct nj_string_view bytes = tokens[i].bytes;
        size_t                kept  = i ? shared_prefix(tokens[i - 1].bytes, bytes) : 0;
        while (depth > kept)
            v->skip[path[--depth]] = nodes;
        for (; depth < bytes.size; depth++) {
            v->byte[nodes]  = (uint8_t)bytes.data[depth];
            v->depth[nodes] = (uint8_t)(depth + 1);
            v->first[nodes] = i;
            path[depth]     = nodes++;
        }
        v->order[i]  = tokens[i].id;
        v->max_bytes = bytes.size > v->max_bytes ? (uint32_t)bytes.size : v->max_bytes;
    }
    while (depth > 0)
        v->skip[path[--depth]] = nodes;
    v->first[nodes] = v->tokens;
}

/* Every grammar begins with the same automaton for free strings (grammar.c); what it needs of the vocabulary is found here, once. */
static nj_status add_free_string(struct nj_vocabulary *v, struct nj_error *error)
{
    struct nj_grammar *g = calloc(1, sizeof *g);
    v->free_string       = calloc(1, sizeof *v->free_string);
    nj_status status = g && v->free_string ? nj_dfa_add_free_string(g, error) : nj_fail(error, "no memory for the tokens inside strings");
    if (status == NJ_OK) {
        const struct nj_dfa *dfa = &g->dfas.data[NJ_FREE_STRING];
        if (!nj_body_build(v->free_string, g, v, NJ_FREE_STRING, nj_dfa_next(g, dfa, dfa->start, '"'), true))
            status = nj_fail(error, "no memory for the tokens inside strings");
    }
    nj_grammar_close(g);
    return status;
}

nj_status nj_vocabulary_open(const struct nj_tokenizer *tokenizer, struct nj_vocabulary **out, struct nj_error *error)
{
    nj_status             status = NJ_OK;
    uint32_t              size   = nj_tokenizer_size(tokenizer);
    struct token         *tokens = malloc(((size_t)size + 1) * sizeof *tokens);
    struct nj_vocabulary *v      = calloc(1, sizeof *v);
    *out                         = NULL;
    if (!tokens || !v)
        goto no_memory;
    v->tokenizer = tokenizer;
    v->size      = size;
    v->quote     = nj_tokenizer_added(tokenizer, "<|\"|>");
    v->tokens    = collect(v, tokens);
    qsort(tokens, v->tokens, sizeof *tokens, compare);
    v->nodes = count_nodes(tokens, v->tokens);
    v->byte  = malloc((size_t)v->nodes + 1);
    v->depth = malloc((size_t)v->nodes + 1);
    v->skip  = malloc(((size_t)v->nodes + 1) * sizeof *v->skip);
    v->first = malloc(((size_t)v->nodes + 1) * sizeof *v->first);
    v->order = malloc(((size_t)v->tokens + 1) * sizeof *v->order);
    if (!v->byte || !v->depth || !v->skip || !v->first || !v->order)
        goto no_memory;
    lay_out(v, tokens);
    status = add_free_string(v, error);
    if (status == NJ_OK) {
        *out = v;
        v    = NULL;
    }
    goto cleanup;
no_memory:
    status = nj_fail(error, "no memory for the byte tree of %u tokens", size);
cleanup:
    free(tokens);
    nj_vocabulary_close(v);
    return status;
}

void nj_vocabulary_close(struct nj_vocabulary *v)
{
    if (!v)
        return;
    free(v->byte);
    free(v->depth);
    free(v->skip);
    free(v->first);
    free(v->order);
    if (v->free_string)
        nj_body_free(v->free_string);
    free(v->free_string);
    free(v);
}

uint32_t nj_vocabulary_size(const struct nj_vocabulary *v)
{
    return v->size;
}
