/* tokenizer_build.c: from the lists of a vocabulary to the flat form. */
#include "base/text.h"
#include "pipeline/model/tokenizer_flat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Spelling to id, open addressing. Dies with the build. */
struct index {
    const struct nj_string_view *tokens;
    uint32_t                    *slots; /* id + 1, or 0 */
    size_t                       mask;
};

static uint64_t hash_begin(void)
{
    return 0xcbf29ce484222325u;
}

static uint64_t hash_more(uint64_t hash, struct nj_string_view view) /* FNV-1a */
{
    for (size_t i = 0; i < view.size; i++)
        hash = (hash ^ (unsigned char)view.data[i]) * 0x100000001b3u;
    return hash;
}

static size_t hash_slot(const struct index *index, uint64_t hash)
{
    return (size_t)(hash ^ hash >> 32) & index->mask;
}

/* The id of `left` followed by `right`. */
static uint32_t index_find(const struct index *index, struct nj_string_view left, struct nj_string_view right)
{
    size_t slot = hash_slot(index, hash_more(hash_more(hash_begin(), left), right));
    for (; index->slots[slot]; slot = (slot + 1) & index->mask) {
        struct nj_string_view view = index->tokens[index->slots[slot] - 1];
        if (view.size == left.size + right.size && (left.size == 0 || memcmp(view.data, left.data, left.size) == 0) &&
            (right.size == 0 || memcmp(view.data + left.size, right.data, right.size) == 0))
            return index->slots[slot] - 1;
    }
    return NJ_FLAT_NONE;
}

static bool index_open(struct index *index, const struct nj_flat_source *source)
{
    size_t size = 1024;
    while (size < 2 * source->count)
        size *= 2;
    *index = (struct index){.tokens = source->tokens, .slots = calloc(size, sizeof *index->slots), .mask = size - 1};
    if (!index->slots)
        return false;
    for (size_t id = 0; id < source->count; id++) {
        if (source->tokens[id].size == 0 || index_find(index, source->tokens[id], (struct nj_string_view){"", 0}) != NJ_FLAT_NONE)
            continue;
        size_t slot = hash_slot(index, hash_more(hash_begin(), source->tokens[id]));
        while (index->slots[slot])
            slot = (slot + 1) & index->mask;
        index->slots[slot] = (uint32_t)id + 1;
    }
    return true;
}

/* The value of "<0x41>", -1 for any other spelling. */
static int byte_value(struct nj_string_view view)
{
    static const char digits[] = "0123456789ABCDEF";
    if (view.size != 6 || memcmp(view.data, "<0x", 3) != 0 || view.data[5] != '>')
        return -1;
    const char *high = memchr(digits, view.data[3], 16), *low = memchr(digits, view.data[4], 16);
    return high && low ? (int)(high - digits) * 16 + (int)(low - digits) : -1;
}

/* What a spelling stands for, written to `out` (which has room for its size): one byte for "<0x41>", spaces for U+2581. */
static size_t spell_out(struct nj_string_view view, uint8_t *out)
{
    int byte = byte_value(view);
    if (byte >= 0) {
        out[0] = (uint8_t)byte;
        return 1;
    }
    size_t length = 0;
    for (size_t i = 0; i < view.size;) {
        if (view.size - i >= 3 && memcmp(view.data + i, "\xe2\x96\x81", 3) == 0) {
            out[length++] = ' ';
            i += 3;
        } else {
            out[length++] = (uint8_t)view.data[i++];
        }
    }
    return length;
}

/* The code point that a spelling consists of, U+2581 as a space; NJ_FLAT_NONE if it is not exactly one. */
static uint32_t single_point(struct nj_string_view view)
{
    uint32_t point;
    if (view.size == 0 || view.size > 4 || nj_utf8_length((const uint8_t *)view.data, view.size, &point) != view.size || point == ' ')
        return NJ_FLAT_NONE;
    return point == NJ_FLAT_SPACE ? ' ' : point;
}

struct build {
    const struct nj_flat_source *source;
    struct index                 index;
    struct nj_tokenizer          flat;
    uint8_t                     *blob;
    struct nj_error             *error;
};

static nj_status check_counts(struct build *b)
{
    const struct nj_flat_source *s = b->source;
    if (s->count == 0 || s->count > NJ_FLAT_MAX_VOCAB)
        return nj_fail(b->error, "%s: a vocabulary of %zu tokens: 1 to %u are possible", s->name, s->count, NJ_FLAT_MAX_VOCAB);
    if (s->merge_count > NJ_FLAT_MAX_MERGE)
        return nj_fail(b->error, "%s: %zu merges: at most %u are possible", s->name, s->merge_count, NJ_FLAT_MAX_MERGE);
    size_t bytes = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->tokens[i].size > INT32_MAX - bytes)
            return nj_fail(b->error, "%s: more than 2 GiB of token spellings", s->name);
        bytes += s->tokens[i].size;
    }
    b->flat.field[NJ_FLAT_STRINGS] = (uint32_t)bytes; /* corrected when they have been spelled out */
    return NJ_OK;
}

static nj_status make_room(struct build *b)
{
    const struct nj_flat_source *s     = b->source;
    uint32_t                    *field = b->flat.field;
    field[NJ_FLAT_VOCAB]               = (uint32_t)s->count;
    field[NJ_FLAT_MERGES]              = (uint32_t)s->merge_count;
    field[NJ_FLAT_SLOT_BITS]           = 4;
    while (((size_t)1 << field[NJ_FLAT_SLOT_BITS]) < 2 * s->merge_count)
        field[NJ_FLAT_SLOT_BITS]++;
    for (size_t i = 0; i < s->count; i++) {
        field[NJ_FLAT_ADDED] += s->added[i] && s->tokens[i].size > 0;
        field[NJ_FLAT_POINTS] += single_point(s->tokens[i]) != NJ_FLAT_NONE;
    }
    size_t size = nj_flat_layout(&b->flat);
    b->blob     = calloc(1, size);
    if (!b->blob || !index_open(&b->index, s))
        return nj_fail(b->error, "%s: no memory for its %zu tokens", s->name, s->count);
    b->flat.blob = b->blob;
    nj_flat_layout(&b->flat);
    return NJ_OK;
}

/* The sections are part of b->blob, which is ours to write. */
static uint8_t *writable(struct build *b, const uint8_t *section)
{
    return b->blob + (section - b->blob);
}

static nj_status put_bytes(struct build *b)
{
    const struct nj_flat_source *s = b->source;
    for (unsigned byte = 0; byte < 256; byte++) {
        char spelling[8];
        snprintf(spelling, sizeof spelling, "<0x%02X>", byte);
        uint32_t id = index_find(&b->index, (struct nj_string_view){spelling, 6}, (struct nj_string_view){"", 0});
        if (id == NJ_FLAT_NONE)
            return nj_fail(b->error, "%s: no token %s: only vocabularies with all 256 byte tokens can be used", s->name, spelling);
        nj_flat_put(writable(b, b->flat.byte_ids), byte, id);
    }
    size_t at = 0;
    for (size_t id = 0; id < s->count; id++) {
        nj_flat_put(writable(b, b->flat.offsets), id, (uint32_t)at);
        at += spell_out(s->tokens[id], writable(b, b->flat.strings) + at);
    }
    nj_flat_put(writable(b, b->flat.offsets), s->count, (uint32_t)at);
    b->flat.field[NJ_FLAT_STRINGS] = (uint32_t)at;
    return NJ_OK;
}

struct entry {
    struct nj_string_view view; /* sort key of added tokens */
    uint32_t              point, id;
};

static int by_spelling(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    size_t              common = x->view.size < y->view.size ? x->view.size : y->view.size;
    int                 order  = memcmp(x->view.data, y->view.data, common);
    return order ? order : (x->view.size > y->view.size) - (x->view.size < y->view.size);
}

static int by_point(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->point != y->point)
        return x->point < y->point ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static nj_status put_lists(struct build *b)
{
    const struct nj_flat_source *s     = b->source;
    size_t                       added = b->flat.field[NJ_FLAT_ADDED], points = b->flat.field[NJ_FLAT_POINTS], count = 0;
    struct entry                *sorted = malloc(((added > points ? added : points) + 1) * sizeof *sorted);
    if (!sorted)
        return nj_fail(b->error, "%s: no memory for its lists", s->name);
    for (uint32_t id = 0; id < s->count; id++)
        if (s->added[id] && s->tokens[id].size > 0) {
            uint32_t word = nj_flat_get(b->flat.bitmap, id / 32);
            nj_flat_put(writable(b, b->flat.bitmap), id / 32, word | 1u << id % 32);
            sorted[count++] = (struct entry){.view = s->tokens[id], .id = id};
        }
    qsort(sorted, count, sizeof *sorted, by_spelling);
    for (size_t i = 0; i < count; i++)
        nj_flat_put(writable(b, b->flat.added), i, sorted[i].id);
    count = 0;
    for (uint32_t id = 0; id < s->count; id++)
        if (single_point(s->tokens[id]) != NJ_FLAT_NONE)
            sorted[count++] = (struct entry){.point = single_point(s->tokens[id]), .id = id};
    qsort(sorted, count, sizeof *sorted, by_point);
    for (size_t i = 0; i < count; i++) {
        nj_flat_put(writable(b, b->flat.points), 2 * i, sorted[i].point);
        nj_flat_put(writable(b, b->flat.points), 2 * i + 1, sorted[i].id);
    }
    free(sorted);
    return NJ_OK;
}

/* A pair that is listed twice has the rank of its last line, as in the reference. */
static nj_status put_merge(struct build *b, uint32_t rank, uint32_t left, uint32_t right, uint32_t result)
{
    uint32_t bits = b->flat.field[NJ_FLAT_SLOT_BITS], mask = (1u << bits) - 1, slot = nj_flat_slot(left, right, bits), probes = 1;
    uint8_t *slots = writable(b, b->flat.slots), *merges = writable(b, b->flat.merges);
    nj_flat_put(merges, 3 * (size_t)rank, left);
    nj_flat_put(merges, 3 * (size_t)rank + 1, right);
    nj_flat_put(merges, 3 * (size_t)rank + 2, result);
    for (;; slot = (slot + 1) & mask, probes++) {
        uint32_t entry = nj_flat_get(slots, slot);
        if (entry == 0)
            break;
        const uint8_t *merge = merges + 12 * (size_t)(entry - 1);
        if (nj_flat_get(merge, 0) == left && nj_flat_get(merge, 1) == right)
            break;
        if (probes == NJ_FLAT_MAX_PROBE)
            return nj_fail(b->error, "%s: its merges collide too often: the file was made to be slow", b->source->name);
    }
    nj_flat_put(slots, slot, rank + 1);
    if (probes > b->flat.field[NJ_FLAT_PROBES])
        b->flat.field[NJ_FLAT_PROBES] = probes;
    return NJ_OK;
}

static nj_status put_merges(struct build *b)
{
    const struct nj_string_view nothing = {"", 0};
    for (uint32_t rank = 0; rank < b->source->merge_count; rank++) {
        const struct nj_flat_pair *pair = &b->source->merges[rank];
        uint32_t                   left = index_find(&b->index, pair->left, nothing), right = index_find(&b->index, pair->right, nothing),
                 result = index_find(&b->index, pair->left, pair->right);
        if (left == NJ_FLAT_NONE || right == NJ_FLAT_NONE || result == NJ_FLAT_NONE)
            return nj_fail(b->error, "%s: merge %u speaks of a token that is not in the vocabulary: the file is damaged", b->source->name,
                           (unsigned)rank);
        nj_status status = put_merge(b, rank, left, right, result);
        if (status != NJ_OK)
            return status;
    }
    return NJ_OK;
}

static nj_status finish(struct build *b, struct nj_tokenizer **out)
{
    memcpy(b->blob, NJ_FLAT_MAGIC, 8);
    for (size_t i = 0; i < NJ_FLAT_FIELDS; i++)
        nj_flat_put(b->blob + 8, i, b->flat.field[i]);
    nj_status status = nj_tokenizer_open_packed(b->blob, nj_flat_layout(&b->flat), out, b->error);
    if (status == NJ_OK) {
        (*out)->own = b->blob;
        b->blob     = NULL;
    }
    return status;
}

nj_status nj_flat_build(const struct nj_flat_source *source, struct nj_tokenizer **out, struct nj_error *error)
{
    struct build b   = {.source = source, .error = error};
    *out             = NULL;
    nj_status status = check_counts(&b);
    if (status == NJ_OK)
        status = make_room(&b);
    if (status == NJ_OK)
        status = put_bytes(&b);
    if (status == NJ_OK)
        status = put_lists(&b);
    if (status == NJ_OK)
        status = put_merges(&b);
    if (status == NJ_OK)
        status = finish(&b, out);
    free(b.index.slots);
    free(b.blob);
    return status;
}

nj_status nj_tokenizer_from_lists(const struct nj_string_view *tokens, const int32_t *token_type, size_t count,
                                  const struct nj_string_view *merges, size_t merge_count, struct nj_tokenizer **out,
                                  struct nj_error *error)
{
    enum { UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4 };
    nj_status            status = NJ_OK;
    bool                *added  = NULL;
    struct nj_flat_pair *pairs  = NULL;
    *out                        = NULL;
    if (count > NJ_FLAT_MAX_VOCAB || merge_count > NJ_FLAT_MAX_MERGE)
        return nj_fail(error, "tokenizer: %zu tokens and %zu merges are more than is possible", count, merge_count);
    added = malloc(count + 1);
    pairs = malloc((merge_count + 1) * sizeof *pairs);
    if (!added || !pairs) {
        status = nj_fail(error, "tokenizer: no memory for %zu tokens", count);
        goto cleanup;
    }
    for (size_t i = 0; i < count; i++)
        added[i] = token_type[i] >= UNKNOWN && token_type[i] <= USER_DEFINED;
    for (size_t i = 0; i < merge_count; i++) {
        const char *space = merges[i].size > 1 ? memchr(merges[i].data + 1, ' ', merges[i].size - 1) : NULL;
        if (!space) {
            status = nj_fail(error, "tokenizer: merge %zu is not two tokens with a space between", i);
            goto cleanup;
        }
        size_t left = (size_t)(space - merges[i].data);
        pairs[i]    = (struct nj_flat_pair){{merges[i].data, left}, {space + 1, merges[i].size - left - 1}};
    }
    const struct nj_flat_source source = {"tokenizer", tokens, added, count, pairs, merge_count};
    status                             = nj_flat_build(&source, out, error);
cleanup:
    free(added);
    free(pairs);
    return status;
}
