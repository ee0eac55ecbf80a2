/* card_bursts.h: a card as `watch` would take it in, without a database: its files, and how its pictures are grouped. */
#ifndef NJ_CLI_CARD_BURSTS_H
#define NJ_CLI_CARD_BURSTS_H

#include "pipeline/ingest/burst.h"
#include "pipeline/ingest/intake.h"

/* One file: a frame, or refused with a reason. */
struct nj_card_item {
    char                  *path, *camera, *reason; /* reason of a frame: what is odd about it, or "" */
    size_t                 path_size, place;       /* place: in the order of the walk */
    enum nj_intake_verdict verdict;
    char                   hash[65];
    struct nj_frame        frame;
};

struct nj_card_bursts { /* zero-initialise; nj_card_bursts_free */
    struct nj_card_item *item;
    size_t               count, capacity;
    struct nj_frame     *frame; /* those that can be used, burst after burst; .file is the place of the item */
    struct nj_burst     *burst;
    size_t               burst_count;
};

/* Reads the card below `folder`. The same picture under two names is one finding: the first name keeps it. */
nj_status nj_card_bursts_read(const char *folder, const struct nj_burst_rules *rules, struct nj_card_bursts *out, struct nj_error *error);
void      nj_card_bursts_free(struct nj_card_bursts *card);

#endif
