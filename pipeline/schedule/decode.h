/* decode.h: takes waiting bursts from the store to events in the store: pictures through the picture process, the model, one transaction an event.
 *
 * Opening maps the model and starts the threads, so it is done once a run and only when something waits. Whatever happens to one burst is that
 * burst's outcome, with a reason; only a stop or a broken store ends the work. */
#ifndef NJ_SCHEDULE_DECODE_H
#define NJ_SCHEDULE_DECODE_H

#include "base/conf.h"
#include "db/db.h"
#include "pipeline/model/engine.h"

#define NJ_DECODER_TOGETHER 8 /* bursts that one call reads */

struct nj_decoder;

struct nj_decoder_options {
    unsigned threads;               /* 0: [model] threads */
    bool     exact;                 /* fp32 arithmetic, slow */
    bool (*should_stop)(void *arg); /* asked between layers; true ends the work in good order. May be NULL */
    void *stop_arg;
};

/* Opens [model] path (and adapter). `conf` is borrowed. */
nj_status nj_decoder_open(const struct nj_conf *conf, const struct nj_decoder_options *options, struct nj_decoder **out,
                          struct nj_error *error);
void      nj_decoder_close(struct nj_decoder *decoder);

/* What one call did. */
struct nj_decoded {
    size_t done, failed, deferred;
    double seconds;
    double picture_seconds, vision_seconds; /* of these: decoding pictures; the vision tower */
};

/* Decodes `count` waiting bursts (at most NJ_DECODER_TOGETHER) together, each picture as `soft_tokens` at most. `watts`: what the station draws meanwhile, for energy_wh; NAN if not known.
 * NJ_STOPPED: ended early, nothing lost: bursts not finished are `ready` again, parked in DATABASE.parked/EVENT as far as they came. NJ_ERROR: the store cannot be written or the model is broken. */
nj_status nj_decoder_read(struct nj_decoder *decoder, struct nj_db *db, const struct nj_db_waiting *bursts, size_t count,
                          uint32_t soft_tokens, double watts, struct nj_decoded *out, struct nj_error *error);

/* "wild-gemma.nj": what is written beside each event. Valid until close. */
const char *nj_decoder_model(const struct nj_decoder *decoder);

#endif
