/* reader_work.h: a burst on its way through the reader; between reader.c, which asks, reader_actions.c, which asks another
 * engine, and reader_park.c, which keeps and takes up what a stop leaves. */
#ifndef NJ_SENTINEL_READER_WORK_H
#define NJ_SENTINEL_READER_WORK_H

#include "pipeline/sentinel/park.h"
#include "pipeline/sentinel/reader.h"

/* What every prompt of a question begins with, up to its first picture (prompt_head.h). Each burst gets a copy. */
struct nj_prompt_head {
    struct nj_ids       ids;
    struct nj_sequence *sequence;
};

struct nj_reader {
    struct nj_engine           *engine;
    const struct nj_tokenizer  *tokenizer;
    const struct nj_vocabulary *vocabulary;
    const struct nj_conf       *conf;
    struct nj_calibration       calibration;
    enum nj_prompt              prompt;
    enum nj_dialect             dialect;
    struct nj_engine           *actor;                    /* asked what the animals do; NULL: nobody is */
    json_t                     *actions;                  /* the answers it may give, or NULL */
    struct nj_prompt_head       heads[NJ_PARK_QUESTIONS]; /* made when first needed */
    const char                 *head_folder;              /* borrowed, or NULL */
};

/* One burst on its way. */
struct nj_work {
    const struct nj_burst_input *burst;
    float                       *features;                     /* of the frames seen so far; NULL when nothing will read them */
    uint32_t                     soft_tokens;                  /* at most, a picture; of a burst that was parked: those it was begun with */
    uint32_t                     frames;                       /* seen so far */
    uint32_t                     counts[NJ_READER_MAX_FRAMES]; /* image positions of each frame */
    uint32_t                     image_tokens;
    uint32_t                     question;              /* 0: the event, 1: the second look */
    struct nj_random             random, random_before; /* _before: the question */
    struct nj_generation         first;                 /* the answer to question 0, once it is taken: ids, fed and prompt_count */
    /* the question at hand */
    struct nj_ids        ids; /* the prompt; once a thought is over, what the sequence had not seen then */
    struct nj_grammar   *grammar;
    struct nj_sequence  *sequence;
    struct nj_generation generation;
    bool                 thought_over;
    /* what was parked of it; empty once it is used */
    struct nj_park parked;
};

/* Features of all frames that have not been seen, one behind the other, and how many positions each takes. */
nj_status nj_work_see(struct nj_reader *reader, struct nj_work *work, struct nj_error *error);

/* What the animals do, in every burst that has some (reader_actions.c). A stop is no failure: then it stays unsaid. */
nj_status nj_reader_look_at_actions(struct nj_reader *reader, struct nj_work *works, size_t count, struct nj_reading *readings,
                                    struct nj_error *error);

/* What the answers depend on besides the model. */
nj_status nj_work_key(const struct nj_reader *reader, const struct nj_work *work, uint8_t key[NJ_PARK_KEY], struct nj_error *error);

/* Makes `work`, fresh, what it was when burst->parked was written, but for the question at hand: `parked` holds that. */
nj_status nj_work_take_up(const struct nj_reader *reader, struct nj_work *work, struct nj_error *error);

/* The bytes for the next time; none (*bytes NULL) when there is nothing worth keeping. choices: of the first answer, once it is taken. Ends the sequence. */
nj_status nj_work_park(const struct nj_reader *reader, struct nj_work *work, const struct nj_reading *reading, uint8_t **bytes,
                       size_t *size, struct nj_error *error);

#endif
