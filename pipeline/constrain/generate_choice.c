/* Choices between constants, each scored whole.
 *
 * The alternatives, in their canonical tokenization behind the forced text, are a tree of tokens. Where they all agree nothing is asked; where they part, the
 * model's softmax over the branches says how likely each is, and the product along an alternative is its probability. Where an alternative ends while others
 * go on ("1" beside "10"), its branch is every token that ends it. All places below the first are scored in one more pass. */
#include "pipeline/constrain/constraint_state.h"
#include "pipeline/constrain/generate_run.h"

#include <stdlib.h>
#include <string.h>

#define AHEAD 16 /* bytes behind an alternative that decide how its end is tokenized */

static nj_status no_memory(struct nj_error *error)
{
    return nj_fail(error, "no memory for a choice");
}

void nj_choice_clear(struct nj_choice_tree *tree)
{
    for (uint32_t i = 0; i < tree->alternatives.count; i++)
        free(tree->alternatives.data[i].text);
    free(tree->alternatives.data);
    free(tree->nodes.data);
    free(tree->end_tokens.data);
    free(tree->end_nodes.data);
    free(tree->path);
    *tree = (struct nj_choice_tree){0};
}

/* --- the tree --- */

static uint32_t child_of(const struct nj_choice_tree *tree, uint32_t node, int32_t token)
{
    for (uint32_t i = node + 1; i < tree->nodes.count; i++)
        if (tree->nodes.data[i].parent == (int32_t)node && tree->nodes.data[i].token == token)
            return i;
    return 0;
}

static bool add_path(struct nj_choice_tree *tree, const int32_t *ids, size_t count, uint32_t *last)
{
    *last = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t child = child_of(tree, *last, ids[i]);
        if (!child) {
            if (!NJ_ROOM(tree->nodes, 1))
                return false;
            child                   = tree->nodes.count++;
            tree->nodes.data[child] = (struct nj_choice_node){.token = ids[i], .parent = (int32_t)*last, .alternative = NJ_NONE};
            tree->nodes.data[*last].branches++;
        }
        *last = child;
    }
    return true;
}

/* Whether another alternative begins with these bytes of this one. */
static bool begins_another(const struct nj_choice_tree *tree, uint32_t which, size_t size)
{
    const struct nj_alternative *a = &tree->alternatives.data[which];
    for (uint32_t i = 0; i < tree->alternatives.count; i++) {
        const struct nj_alternative *b = &tree->alternatives.data[i];
        if (i != which && b->size >= size && !memcmp(a->text, b->text, size))
            return true;
    }
    return false;
}

/* The tokens of one alternative, from the state before the forced text on. With something forced behind it they reach over its end; else the closing quote, which
 * may merge with what follows, is left out. *kept: bytes of the alternative that they spell. */
static nj_status alternative_ids(struct nj_run *run, const struct nj_text *forced, const struct nj_alternative *a, struct nj_ids *ids,
                                 size_t *kept, struct nj_error *error)
{
    struct nj_text text = {0};
    size_t         taken, spelled = 0, end, count = 0;
    nj_status      status = nj_constraint_copy(run->look, run->now, error);
    nj_text_add_bytes(&text, forced->data, forced->length);
    nj_text_add_bytes(&text, a->text, a->size);
    end = text.length;
    if (status == NJ_OK && text.failed)
        status = no_memory(error);
    if (status == NJ_OK)
        status = nj_constraint_advance_bytes(run->look, text.data, text.length, &taken, error);
    bool finished = status == NJ_OK && nj_constraint_finished(run->look);
    if (status == NJ_OK && !finished)
        status = nj_constraint_forced_up_to(run->look, &text, AHEAD, error);
    bool reaches = text.length > end || finished;
    if (!reaches && a->text[0] == '"')
        end--;
    if (status == NJ_OK)
        status = nj_tokenizer_encode(run->tokenizer, text.data, text.length, false, ids, error);
    while (status == NJ_OK && count < ids->count && spelled < end) {
        size_t size = nj_tokenizer_bytes(run->tokenizer, ids->data[count]).size;
        if (!reaches && spelled + size > end)
            break;
        spelled += size;
        count++;
    }
    ids->count = count;
    *kept      = spelled <= forced->length ? 0 : spelled - forced->length > a->size ? a->size : spelled - forced->length;
    nj_text_free(&text);
    return status;
}

static nj_status add_alternative(struct nj_run *run, const struct nj_text *forced, uint32_t which, struct nj_error *error)
{
    struct nj_choice_tree *tree   = &run->tree;
    struct nj_alternative *a      = &tree->alternatives.data[which];
    struct nj_ids          ids    = {0};
    size_t                 kept   = 0;
    nj_status              status = alternative_ids(run, forced, a, &ids, &kept, error);
    if (status == NJ_OK && !add_path(tree, ids.data, ids.count, &a->node))
        status = no_memory(error);
    a->token = -1;
    if (status == NJ_OK && (kept < a->size || a->text[0] != '"') && begins_another(tree, which, kept))
        tree->nodes.data[a->node].alternative = which; /* its end needs a token of its own; found when the tree is whole */
    free(ids.data);
    return status;
}

/* Feeds the tokens from the root of the tree to a node into a copy of the state. */
static nj_status go_to(struct nj_run *run, uint32_t node, struct nj_error *error)
{
    const struct nj_choice_tree *tree  = &run->tree;
    uint32_t                     depth = 0;
    for (uint32_t at = node; at; at = (uint32_t)tree->nodes.data[at].parent)
        depth++;
    nj_status status = nj_constraint_copy(run->look, run->now, error);
    for (; depth > 0 && status == NJ_OK; depth--) {
        uint32_t at = node;
        for (uint32_t up = 1; up < depth; up++)
            at = (uint32_t)tree->nodes.data[at].parent;
        status = nj_constraint_advance(run->look, tree->nodes.data[at].token, error);
    }
    return status == NJ_NOT_FOUND ? NJ_ERROR : status;
}

/* All tokens that end the alternative of a node. `rest`: its bytes that are still missing. */
static nj_status find_ends(struct nj_run *run, uint32_t node, const char *rest, size_t size, struct nj_error *error)
{
    struct nj_choice_tree *tree = &run->tree;
    uint32_t               count, found = 0;
    nj_status              status = go_to(run, node, error);
    if (status == NJ_OK)
        status = nj_constraint_mask(run->look, run->bits, &count, error);
    for (uint32_t id = 0; status == NJ_OK && id < nj_vocabulary_size(run->vocabulary); id++) {
        if (!(run->bits[id / 64] >> id % 64 & 1) || child_of(tree, node, (int32_t)id))
            continue;
        struct nj_string_view bytes = nj_tokenizer_bytes(run->tokenizer, (int32_t)id);
        if (bytes.size < size || memcmp(bytes.data, rest, size) != 0 || (size == 0 && strchr("0123456789.eE+-", bytes.data[0])))
            continue;
        if (!NJ_ROOM(tree->end_tokens, 1) || !NJ_ROOM(tree->end_nodes, 1))
            return no_memory(error);
        tree->end_tokens.data[tree->end_tokens.count++] = (int32_t)id;
        tree->end_nodes.data[tree->end_nodes.count++]   = node;
        found++;
    }
    if (status == NJ_OK && found == 0)
        status = nj_fail(error, "the vocabulary has no token that ends a choice");
    tree->nodes.data[node].branches += found > 0;
    return status;
}

/* Takes what all alternatives share, as far as it is forced. */
static nj_status commit_shared(struct nj_run *run, struct nj_error *error)
{
    struct nj_choice_tree *tree   = &run->tree;
    nj_status              status = NJ_OK;
    while (status == NJ_OK && tree->nodes.data[tree->root].branches == 1 && tree->nodes.data[tree->root].alternative == NJ_NONE) {
        uint32_t next = tree->root + 1;
        while (tree->nodes.data[next].parent != (int32_t)tree->root)
            next++;
        status     = nj_run_commit(run, tree->nodes.data[next].token, error);
        tree->root = next;
    }
    return status;
}

static nj_status copy_alternatives(struct nj_run *run, const struct nj_string_view *texts, size_t count, struct nj_error *error)
{
    struct nj_choice_tree *tree = &run->tree;
    struct nj_text         path = {0};
    if (!NJ_ROOM(tree->alternatives, count) || !NJ_ROOM(tree->nodes, 1))
        return no_memory(error);
    for (size_t i = 0; i < count; i++) {
        char *text = malloc(texts[i].size + 1);
        if (!text)
            return no_memory(error);
        memcpy(text, texts[i].data, texts[i].size);
        text[texts[i].size]                                 = 0;
        tree->alternatives.data[tree->alternatives.count++] = (struct nj_alternative){.text = text, .size = texts[i].size};
    }
    tree->nodes.data[tree->nodes.count++] = (struct nj_choice_node){.token = -1, .parent = -1, .alternative = NJ_NONE};
    nj_text_add(&path, "");
    nj_constraint_path(run->look, &path);
    for (size_t i = 0; i < count; i++)
        if (texts[i].data[0] == ']')
            nj_text_add(&path, "/0"); /* the array has no item yet: what is chosen would be its first */
    if (path.failed) {
        nj_text_free(&path);
        return no_memory(error);
    }
    tree->path = path.data;
    return NJ_OK;
}

/* The alternative that is told: the longest, so that "1" is not taken for "10". */
static nj_status find_told(struct nj_run *run, const struct nj_text *forced, struct nj_error *error)
{
    struct nj_choice_tree *tree = &run->tree;
    const char            *told = run->g->told;
    size_t                 at = run->g->text.length + forced->length, longest = 0;
    tree->told = NJ_NONE;
    if (!told)
        return NJ_OK;
    if (strncmp(told + run->g->text.length, forced->data ? forced->data : "", forced->length) != 0)
        return nj_run_misfit(run, run->g->text.length, error);
    for (uint32_t i = 0; i < tree->alternatives.count; i++) {
        const struct nj_alternative *a = &tree->alternatives.data[i];
        if (a->size <= longest || strncmp(told + at, a->text, a->size) != 0)
            continue;
        longest        = a->size;
        tree->told     = i;
        tree->told_end = at + a->size - (a->text[0] == '"'); /* a closing quote belongs to the token that ends it */
    }
    return tree->told == NJ_NONE ? nj_run_misfit(run, at, error) : NJ_OK;
}

nj_status nj_choice_begin(struct nj_run *run, const struct nj_text *forced, bool *begun, struct nj_error *error)
{
    struct nj_choice_tree       *tree = &run->tree;
    const struct nj_string_view *texts;
    size_t                       count = nj_constraint_choice(run->look, &texts);
    nj_choice_clear(tree);
    *begun = count > 1 && count <= NJ_CHOICE_ALTERNATIVES;
    if (!*begun)
        return NJ_OK;
    nj_status status = copy_alternatives(run, texts, count, error);
    if (status == NJ_OK)
        status = find_told(run, forced, error);
    for (uint32_t i = 0; i < count && status == NJ_OK; i++)
        status = add_alternative(run, forced, i, error);
    for (uint32_t i = 0; i < tree->nodes.count && status == NJ_OK; i++) {
        if (tree->nodes.data[i].alternative == NJ_NONE)
            continue;
        const struct nj_alternative *a    = &tree->alternatives.data[tree->nodes.data[i].alternative];
        size_t                       rest = a->text[0] == '"'; /* the quote that was left out */
        status                            = find_ends(run, i, a->text + a->size - rest, rest, error);
    }
    if (status == NJ_OK)
        status = commit_shared(run, error);
    run->state = NJ_RUN_CHOICE;
    return status;
}
