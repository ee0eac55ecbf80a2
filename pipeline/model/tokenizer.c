/* tokenizer.c: reads the flat form: opening, encoding, the bytes of an id. tokenizer_build.c makes it, tokenizer_json.c reads tokenizer.json. */
#include "base/text.h"
#include "pipeline/model/tokenizer_flat.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TEXT ((size_t)1 << 30) /* symbol positions are 32 bits wide */

bool nj_ids_add(struct nj_ids *ids, int32_t id)
{
    if (ids->count == ids->capacity) {
        size_t capacity = ids->capacity ? ids->capacity * 2 : 64;
        if (capacity > SIZE_MAX / sizeof *ids->data)
            return false;
        int32_t *data = realloc(ids->data, capacity * sizeof *data);
        if (!data)
            return false;
        ids->data     = data;
        ids->capacity = capacity;
    }
    ids->data[ids->count++] = id;
    return true;
}

size_t nj_flat_layout(struct nj_tokenizer *t)
{
    const struct {
        const uint8_t **section;
        size_t          words;
    } order[] = {
        {&t->byte_ids, 256},
        {&t->offsets, (size_t)t->field[NJ_FLAT_VOCAB] + 1},
        {&t->bitmap, ((size_t)t->field[NJ_FLAT_VOCAB] + 31) / 32},
        {&t->added, t->field[NJ_FLAT_ADDED]},
        {&t->points, 2 * (size_t)t->field[NJ_FLAT_POINTS]},
        {&t->merges, 3 * (size_t)t->field[NJ_FLAT_MERGES]},
        {&t->slots, (size_t)1 << t->field[NJ_FLAT_SLOT_BITS]},
    };
    size_t at = NJ_FLAT_HEADER;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        *order[i].section = t->blob ? t->blob + at : NULL;
        at += 4 * order[i].words;
    }
    t->strings = t->blob ? t->blob + at : NULL;
    return at + t->field[NJ_FLAT_STRINGS];
}

static bool header_is_possible(const struct nj_tokenizer *t)
{
    const uint32_t *field = t->field;
    return field[NJ_FLAT_VOCAB] > 0 && field[NJ_FLAT_VOCAB] <= NJ_FLAT_MAX_VOCAB && field[NJ_FLAT_ADDED] <= field[NJ_FLAT_VOCAB] &&
           field[NJ_FLAT_POINTS] <= field[NJ_FLAT_VOCAB] && field[NJ_FLAT_MERGES] <= NJ_FLAT_MAX_MERGE && field[NJ_FLAT_SLOT_BITS] >= 1 &&
           field[NJ_FLAT_SLOT_BITS] <= 25 && field[NJ_FLAT_PROBES] <= NJ_FLAT_MAX_PROBE && field[NJ_FLAT_STRINGS] <= INT32_MAX;
}

nj_status nj_tokenizer_open_packed(const uint8_t *blob, size_t size, struct nj_tokenizer **out, struct nj_error *error)
{
    *out = NULL;
    if (size < NJ_FLAT_HEADER || memcmp(blob, NJ_FLAT_MAGIC, 8) != 0)
        return nj_fail(error, "tokenizer: not a packed tokenizer of this version; convert the model again");
    struct nj_tokenizer header = {.blob = blob, .size = size};
    for (size_t i = 0; i < NJ_FLAT_FIELDS; i++)
        header.field[i] = nj_flat_get(blob + 8, i);
    if (!header_is_possible(&header) || nj_flat_layout(&header) != size)
        return nj_fail(error, "tokenizer: its %zu bytes do not fit its own header: the file is damaged; convert the model again", size);
    for (size_t i = 0; i < 256; i++)
        if (nj_flat_get(header.byte_ids, i) >= header.field[NJ_FLAT_VOCAB])
            return nj_fail(error, "tokenizer: no token for byte 0x%02zX: the file is damaged; convert the model again", i);
    *out = malloc(sizeof **out);
    if (!*out)
        return nj_fail(error, "tokenizer: no memory");
    **out = header;
    return NJ_OK;
}

nj_status nj_tokenizer_pack(const struct nj_tokenizer *tokenizer, uint8_t **blob, size_t *size, struct nj_error *error)
{
    *blob = malloc(tokenizer->size);
    if (!*blob)
        return nj_fail(error, "tokenizer: no memory for %zu bytes", tokenizer->size);
    memcpy(*blob, tokenizer->blob, tokenizer->size);
    *size = tokenizer->size;
    return NJ_OK;
}

void nj_tokenizer_close(struct nj_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    free(tokenizer->own);
    free(tokenizer);
}

uint32_t nj_tokenizer_size(const struct nj_tokenizer *tokenizer)
{
    return tokenizer->field[NJ_FLAT_VOCAB];
}

struct nj_string_view nj_tokenizer_bytes(const struct nj_tokenizer *tokenizer, int32_t id)
{
    if (id < 0 || (uint32_t)id >= tokenizer->field[NJ_FLAT_VOCAB])
        return (struct nj_string_view){"", 0};
    uint32_t begin = nj_flat_get(tokenizer->offsets, (size_t)id), end = nj_flat_get(tokenizer->offsets, (size_t)id + 1);
    if (begin > end || end > tokenizer->field[NJ_FLAT_STRINGS])
        return (struct nj_string_view){"", 0};
    return (struct nj_string_view){(const char *)tokenizer->strings + begin, end - begin};
}

bool nj_tokenizer_is_byte(const struct nj_tokenizer *t, int32_t id)
{
    struct nj_string_view view = nj_tokenizer_bytes(t, id);
    return view.size == 1 && nj_flat_get(t->byte_ids, (uint8_t)view.data[0]) == (uint32_t)id;
}

bool nj_tokenizer_is_added(const struct nj_tokenizer *tokenizer, int32_t id)
{
    if (id < 0 || (uint32_t)id >= tokenizer->field[NJ_FLAT_VOCAB])
        return false;
    return nj_flat_get(tokenizer->bitmap, (size_t)id / 32) >> ((uint32_t)id % 32) & 1;
}

/* Length of the longest added token that `text` begins with, 0 if there is none. The range [low, high) of the sorted list holds those that agree
 * with the first `depth` bytes; each further byte narrows it. */
static size_t longest_added(const struct nj_tokenizer *t, const char *text, size_t size, int32_t *id)
{
    size_t low = 0, high = t->field[NJ_FLAT_ADDED], found = 0;
    for (size_t depth = 0; low < high; depth++) {
        int32_t               first = (int32_t)nj_flat_get(t->added, low);
        struct nj_string_view view  = nj_tokenizer_bytes(t, first);
        if (depth > 0 && view.size == depth) { /* the shortest of those that share a prefix sorts first */
            found = depth;
            *id   = first;
            low++;
        }
        if (depth == size)
            break;
        unsigned byte = (unsigned char)text[depth];
        for (unsigned bound = byte; bound <= byte + 1; bound++) {
            size_t a = low, b = high;
            while (a < b) { /* the first entry whose byte at `depth` is at least `bound` */
                size_t                middle = a + (b - a) / 2;
                struct nj_string_view entry  = nj_tokenizer_bytes(t, (int32_t)nj_flat_get(t->added, middle));
                if (entry.size <= depth || (unsigned char)entry.data[depth] < bound)
                    a = middle + 1;
                else
                    b = middle;
            }
            if (bound == byte)
                low = a;
            else
                high = a;
        }
    }
    return found;
}

int32_t nj_tokenizer_added(const struct nj_tokenizer *tokenizer, const char *spelling)
{
    int32_t id     = -1;
    size_t  length = strlen(spelling);
    return longest_added(tokenizer, spelling, length, &id) == length && length > 0 ? id : -1;
}

static uint32_t point_id(const struct nj_tokenizer *t, uint32_t point)
{
    size_t low = 0, high = t->field[NJ_FLAT_POINTS];
    if (point == NJ_FLAT_SPACE)
        point = ' ';
    while (low < high) {
        size_t   middle = low + (high - low) / 2;
        uint32_t entry  = nj_flat_get(t->points, 2 * middle);
        if (entry == point)
            return nj_flat_get(t->points, 2 * middle + 1);
        if (entry < point)
            low = middle + 1;
        else
            high = middle;
    }
    return NJ_FLAT_NONE;
}

static uint32_t merge_rank(const struct nj_tokenizer *t, uint32_t left, uint32_t right)
{
    uint32_t bits = t->field[NJ_FLAT_SLOT_BITS], mask = (1u << bits) - 1, slot = nj_flat_slot(left, right, bits);
    for (uint32_t probe = 0; probe < t->field[NJ_FLAT_PROBES]; probe++, slot = (slot + 1) & mask) {
        uint32_t entry = nj_flat_get(t->slots, slot);
        if (entry == 0 || entry > t->field[NJ_FLAT_MERGES])
            return NJ_FLAT_NONE;
        const uint8_t *merge = t->merges + 12 * (size_t)(entry - 1);
        if (nj_flat_get(merge, 0) == left && nj_flat_get(merge, 1) == right)
            return entry - 1;
    }
    return NJ_FLAT_NONE;
}

/* The symbols of one piece form a list; the heap holds the pairs that can merge, lowest rank first, leftmost first among equals. An entry is stale
 * when the pair at its position is no longer the one that it was pushed for: then its rank differs. */
struct symbol {
    uint32_t id, next, previous;
    uint32_t rank; /* of the merge with `next`, or NJ_FLAT_NONE */
};

struct bpe {
    const struct nj_tokenizer *tokenizer;
    struct symbol             *symbols;
    uint64_t                  *heap; /* rank << 32 | position of the left symbol */
    size_t                     count, heap_count, capacity;
};

static void sift_down(uint64_t *heap, size_t count, size_t at)
{
    uint64_t entry = heap[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1] < heap[child])
            child++;
        if (entry <= heap[child])
            break;
        heap[at] = heap[child];
    }
    heap[at] = entry;
}

static void heap_push(struct bpe *bpe, uint64_t entry)
{
    size_t at = bpe->heap_count++;
    while (at > 0 && entry < bpe->heap[(at - 1) / 2]) {
        bpe->heap[at] = bpe->heap[(at - 1) / 2];
        at            = (at - 1) / 2;
    }
    bpe->heap[at] = entry;
}

static uint64_t heap_pop(struct bpe *bpe)
{
    uint64_t top = bpe->heap[0];
    if (--bpe->heap_count > 0) {
        bpe->heap[0] = bpe->heap[bpe->heap_count];
        sift_down(bpe->heap, bpe->heap_count, 0);
    }
    return top;
}

/* Looks up the pair that begins at `at`. */
static void update_pair(struct bpe *bpe, uint32_t at)
{
    struct symbol *symbol = &bpe->symbols[at];
    symbol->rank = symbol->next == NJ_FLAT_NONE ? NJ_FLAT_NONE : merge_rank(bpe->tokenizer, symbol->id, bpe->symbols[symbol->next].id);
}

static void merge_pair(struct bpe *bpe, uint32_t at)
{
    struct symbol *left = &bpe->symbols[at], *right = &bpe->symbols[left->next];
    left->id    = nj_flat_get(bpe->tokenizer->merges, 3 * (size_t)left->rank + 2);
    left->next  = right->next;
    right->rank = NJ_FLAT_NONE;
    if (left->next != NJ_FLAT_NONE)
        bpe->symbols[left->next].previous = at;
    update_pair(bpe, at);
    if (left->rank != NJ_FLAT_NONE)
        heap_push(bpe, (uint64_t)left->rank << 32 | at);
    if (left->previous != NJ_FLAT_NONE) {
        update_pair(bpe, left->previous);
        if (bpe->symbols[left->previous].rank != NJ_FLAT_NONE)
            heap_push(bpe, (uint64_t)bpe->symbols[left->previous].rank << 32 | left->previous);
    }
}

static void add_symbol(struct bpe *bpe, uint32_t id)
{
    uint32_t at      = (uint32_t)bpe->count++;
    bpe->symbols[at] = (struct symbol){.id = id, .next = at + 1, .previous = at ? at - 1 : NJ_FLAT_NONE};
}

static void split_into_symbols(struct bpe *bpe, const uint8_t *text, size_t size)
{
    const struct nj_tokenizer *t = bpe->tokenizer;
    bpe->count                   = 0;
    for (size_t i = 0; i < size;) {
        uint32_t point;
        size_t   length = nj_utf8_length(text + i, size - i, &point);
        uint32_t id     = length ? point_id(t, point) : NJ_FLAT_NONE;
        if (id != NJ_FLAT_NONE) {
            add_symbol(bpe, id);
        } else if (length && point == ' ') { /* no token for a space: the bytes of U+2581, which has replaced it */
            add_symbol(bpe, nj_flat_get(t->byte_ids, 0xe2));
            add_symbol(bpe, nj_flat_get(t->byte_ids, 0x96));
            add_symbol(bpe, nj_flat_get(t->byte_ids, 0x81));
        } else {
            for (size_t k = 0; k < (length ? length : 1); k++)
                add_symbol(bpe, nj_flat_get(t->byte_ids, text[i + k]));
        }
        i += length ? length : 1;
    }
    if (bpe->count)
        bpe->symbols[bpe->count - 1].next = NJ_FLAT_NONE;
}

/* Room for `symbols` symbols. Each merge takes one entry off the heap and adds at most two, so twice as many entries are enough. */
static bool bpe_reserve(struct bpe *bpe, size_t symbols)
{
    if (symbols <= bpe->capacity)
        return true;
    free(bpe->symbols);
    free(bpe->heap);
    bpe->symbols  = malloc(symbols * sizeof *bpe->symbols);
    bpe->heap     = malloc(2 * symbols * sizeof *bpe->heap);
    bpe->capacity = bpe->symbols && bpe->heap ? symbols : 0;
    return bpe->capacity > 0;
}

static bool encode_piece(struct bpe *bpe, const char *text, size_t size, struct nj_ids *ids)
{
    if (size == 0)
        return true;
    if (!bpe_reserve(bpe, point_id(bpe->tokenizer, ' ') == NJ_FLAT_NONE ? 3 * size : size))
        return false;
    split_into_symbols(bpe, (const uint8_t *)text, size);
    bpe->heap_count = 0;
    for (uint32_t at = 0; at < bpe->count; at++) {
        update_pair(bpe, at);
        if (bpe->symbols[at].rank != NJ_FLAT_NONE)
            bpe->heap[bpe->heap_count++] = (uint64_t)bpe->symbols[at].rank << 32 | at;
    }
    for (size_t at = bpe->heap_count / 2; at-- > 0;)
        sift_down(bpe->heap, bpe->heap_count, at);
    while (bpe->heap_count > 0) {
        uint64_t entry = heap_pop(bpe);
        uint32_t at    = (uint32_t)entry;
        if (bpe->symbols[at].rank == entry >> 32)
            merge_pair(bpe, at);
    }
    for (uint32_t at = 0; at != NJ_FLAT_NONE; at = bpe->symbols[at].next) {
        uint32_t id = bpe->symbols[at].id;
        if (!nj_ids_add(ids, id < bpe->tokenizer->field[NJ_FLAT_VOCAB] ? (int32_t)id : 0)) /* beyond it only in a damaged file */
            return false;
    }
    return true;
}

nj_status nj_tokenizer_encode(const struct nj_tokenizer *tokenizer, const char *text, size_t size, bool parse_special, struct nj_ids *ids,
                              struct nj_error *error)
{
    struct bpe bpe    = {.tokenizer = tokenizer};
    nj_status  status = NJ_OK;
    size_t     begin = 0, at = 0;
    if (size > MAX_TEXT)
        return nj_fail(error, "text of %zu bytes: at most %zu are encoded in one go", size, MAX_TEXT);
    while (parse_special && at < size) {
        int32_t id;
        size_t  length = longest_added(tokenizer, text + at, size - at, &id);
        if (length == 0) {
            at++;
            continue;
        }
        if (!encode_piece(&bpe, text + begin, at - begin, ids) || !nj_ids_add(ids, id)) {
            status = nj_fail(error, "text of %zu bytes: no memory to encode it", size);
            goto cleanup;
        }
        at += length;
        begin = at;
    }
    if (!encode_piece(&bpe, text + begin, size - begin, ids))
        status = nj_fail(error, "text of %zu bytes: no memory to encode it", size);
cleanup:
    free(bpe.symbols);
    free(bpe.heap);
    return status;
}
