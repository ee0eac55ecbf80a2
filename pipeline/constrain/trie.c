/* Tries over the spellings of literals and keys. */
#include "pipeline/constrain/schema.h"

#include <stdlib.h>
#include <string.h>

static int by_text(const void *left, const void *right)
{
    const struct nj_trie_entry *a = left, *b = right;
    uint32_t                    shared = a->size < b->size ? a->size : b->size;
    int                         order  = memcmp(a->text, b->text, shared);
    if (order)
        return order;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return a->value < b->value ? -1 : a->value > b->value;
}

static int by_number(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static uint32_t shared_prefix(const struct nj_trie_entry *a, const struct nj_trie_entry *b)
{
    uint32_t length = 0;
    while (length < a->size && length < b->size && a->text[length] == b->text[length])
        length++;
    return length;
}

struct open_node {        /* on the way to the entry that is being added */
    uint32_t node, first; /* the first entry below it */
    uint32_t last_child;
};

/* What is known when all entries below a node have been added. */
static bool close_node(struct nj_grammar *g, const struct open_node *open, const struct nj_trie_entry *entries, uint32_t end, bool lists)
{
    struct nj_trie_node *node = &g->tries.data[open->node];
    node->bytes               = node->value == NJ_NONE ? NJ_ENDLESS : 0;
    for (uint32_t child = node->child; child; child = g->tries.data[child].sibling)
        node->bytes = g->tries.data[child].bytes + 1 < node->bytes ? g->tries.data[child].bytes + 1 : node->bytes;
    if (!lists)
        return true;
    node->list       = g->numbers.count;
    node->list_count = end - open->first;
    if (!NJ_ROOM(g->numbers, node->list_count))
        return false;
    for (uint32_t i = open->first; i < end; i++)
        g->numbers.data[g->numbers.count++] = entries[i].value;
    qsort(g->numbers.data + node->list, node->list_count, sizeof *g->numbers.data, by_number);
    return true;
}

nj_status nj_trie_build(struct nj_compiler *c, struct nj_trie_entry *entries, uint32_t *count, bool lists, uint32_t *root)
{
    struct nj_grammar *g       = c->g;
    uint32_t           longest = 0, depth = 0, kept = 0;
    uint64_t           bytes = 1;
    *root                    = 0;
    qsort(entries, *count, sizeof *entries, by_text);
    for (uint32_t i = 0; i < *count; i++) {
        if (kept && entries[kept - 1].size == entries[i].size && shared_prefix(&entries[kept - 1], &entries[i]) == entries[i].size)
            continue;
        entries[kept++] = entries[i];
        bytes += entries[i].size;
        longest = entries[i].size > longest ? entries[i].size : longest;
    }
    *count = kept;
    if (kept == 0)
        return NJ_OK;
    struct open_node *path   = malloc(((size_t)longest + 1) * sizeof *path);
    nj_status         status = path && NJ_ROOM(g->tries, bytes + 1) ? nj_spend(c, bytes / 2) : nj_no_memory(c);
    if (status != NJ_OK)
        goto cleanup;
    if (g->tries.count == 0)
        g->tries.data[g->tries.count++] = (struct nj_trie_node){.value = NJ_NONE}; /* number 0 means none */
    *root                           = g->tries.count;
    path[0]                         = (struct open_node){.node = g->tries.count};
    g->tries.data[g->tries.count++] = (struct nj_trie_node){.value = NJ_NONE};
    for (uint32_t i = 0; i <= kept && status == NJ_OK; i++) {
        uint32_t same = i && i < kept ? shared_prefix(&entries[i - 1], &entries[i]) : 0;
        for (; depth > same && status == NJ_OK; depth--)
            if (!close_node(g, &path[depth], entries, i, lists))
                status = nj_no_memory(c);
        if (i == kept)
            break;
        for (; depth < entries[i].size; depth++) {
            uint32_t node            = g->tries.count++;
            g->tries.data[node]      = (struct nj_trie_node){.value = NJ_NONE, .byte = (uint8_t)entries[i].text[depth]};
            struct open_node *parent = &path[depth];
            uint32_t         *link   = parent->last_child ? &g->tries.data[parent->last_child].sibling : &g->tries.data[parent->node].child;
            *link                    = node;
            parent->last_child       = node;
            path[depth + 1]          = (struct open_node){.node = node, .first = i};
        }
        g->tries.data[path[depth].node].value = entries[i].value;
    }
    if (status == NJ_OK && !close_node(g, &path[0], entries, kept, lists))
        status = nj_no_memory(c);
cleanup:
    free(path);
    return status;
}
