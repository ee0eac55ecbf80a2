#include "pipeline/cli/card_bursts.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct reading {
    struct nj_card_bursts *card;
    struct nj_intake      *intake;
};

static nj_status remember(void *user, const struct nj_intake_file *file, struct nj_error *error)
{
    struct nj_card_bursts *card = ((struct reading *)user)->card;
    if (card->count == card->capacity) {
        size_t               capacity = card->capacity ? 2 * card->capacity : 256;
        struct nj_card_item *more     = realloc(card->item, capacity * sizeof *more);
        if (!more)
            return nj_fail(error, "no memory for %zu files", capacity);
        card->item     = more;
        card->capacity = capacity;
    }
    struct nj_card_item *item = &card->item[card->count];
    *item                     = (struct nj_card_item){.path      = malloc(file->path_size + 1),
                                                      .camera    = strdup(file->camera),
                                                      .reason    = strdup(file->reason),
                                                      .path_size = file->path_size,
                                                      .place     = card->count++,
                                                      .verdict   = file->verdict};
    if (!item->path || !item->camera || !item->reason)
        return nj_fail(error, "no memory for %zu files", card->count);
    memcpy(item->path, file->path, file->path_size + 1);
    memcpy(item->hash, file->hash, sizeof item->hash);
    item->frame = nj_intake_frame(file);
    return NJ_OK;
}

static nj_status take_in(void *user, const struct nj_walk_entry *entry, struct nj_error *error)
{
    return nj_intake_give(((struct reading *)user)->intake, entry, 0, error);
}

static int order_content(const void *left, const void *right)
{
    const struct nj_card_item *a = *(struct nj_card_item *const *)left, *b = *(struct nj_card_item *const *)right;
    int                        by_hash = strcmp(a->hash, b->hash);
    return by_hash ? by_hash : (a->place > b->place) - (a->place < b->place);
}

static nj_status leave_out_copies(struct nj_card_bursts *card, struct nj_error *error)
{
    struct nj_card_item **ready = calloc(card->count + 1, sizeof *ready), *first = NULL;
    size_t                count = 0;
    if (!ready)
        return nj_fail(error, "no memory for %zu files", card->count);
    for (size_t i = 0; i < card->count; i++)
        if (card->item[i].verdict == NJ_INTAKE_READY)
            ready[count++] = &card->item[i];
    qsort(ready, count, sizeof *ready, order_content);
    for (size_t i = 0; i < count; i++) {
        if (!first || strcmp(first->hash, ready[i]->hash) != 0) {
            first = ready[i];
            continue;
        }
        struct nj_text reason = {0};
        nj_text_add(&reason, "the same picture as ");
        nj_text_add_escaped(&reason, first->path, first->path_size);
        if (reason.failed) {
            nj_text_free(&reason);
            free(ready);
            return nj_fail(error, "no memory for %zu files", card->count);
        }
        free(ready[i]->reason);
        ready[i]->verdict = NJ_INTAKE_IGNORED;
        ready[i]->reason  = reason.data;
    }
    free(ready);
    return NJ_OK;
}

static nj_status group(struct nj_card_bursts *card, const struct nj_burst_rules *rules, struct nj_error *error)
{
    size_t frames = 0;
    card->frame   = calloc(card->count + 1, sizeof *card->frame);
    card->burst   = calloc(card->count + 1, sizeof *card->burst);
    if (!card->frame || !card->burst)
        return nj_fail(error, "no memory for %zu files", card->count);
    for (size_t i = 0; i < card->count; i++) {
        struct nj_card_item *item = &card->item[i];
        if (item->verdict != NJ_INTAKE_READY)
            continue;
        item->frame.path      = item->path;
        item->frame.camera    = item->camera;
        item->frame.file      = (int64_t)item->place;
        card->frame[frames++] = item->frame;
    }
    card->burst_count = nj_group_bursts(card->frame, frames, rules, card->burst);
    return NJ_OK;
}

nj_status nj_card_bursts_read(const char *folder, const struct nj_burst_rules *rules, struct nj_card_bursts *out, struct nj_error *error)
{
    struct reading reading = {.card = out};
    *out                   = (struct nj_card_bursts){0};
    nj_status status       = nj_intake_open(0, remember, &reading, &reading.intake, error);
    if (status == NJ_OK)
        status = nj_walk(folder, take_in, &reading, error);
    if (status == NJ_OK)
        status = nj_intake_flush(reading.intake, error);
    nj_intake_close(reading.intake);
    if (status == NJ_OK)
        status = leave_out_copies(out, error);
    return status == NJ_OK ? group(out, rules, error) : status;
}

void nj_card_bursts_free(struct nj_card_bursts *card)
{
    for (size_t i = 0; i < card->count; i++) {
        free(card->item[i].path);
        free(card->item[i].camera);
        free(card->item[i].reason);
    }
    free(card->item);
    free(card->frame);
    free(card->burst);
    *card = (struct nj_card_bursts){0};
}
