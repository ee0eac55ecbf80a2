/* cost.h: what a burst costs, learned on the station by kind (frames, soft tokens).
 *
 * Before the first run the cost is a guess: a board that draws `busy_w` and needs about three minutes for three frames at 280 soft tokens. The
 * shape 0.4 + 0.6 x frames x tokens / 840 (a fixed part for prompt and answer, the rest grows with the picture) carries what one kind teaches
 * over to the others. Seconds come from the clock; watts from the gauge when there is one (nj_cost_learn_watts), else `busy_w` stays. */
#ifndef NJ_SCHEDULE_COST_H
#define NJ_SCHEDULE_COST_H

#include <stdbool.h>
#include <stdint.h>

#define NJ_COST_FRAMES 4
#define NJ_COST_TOKENS 5

struct nj_cost {
    double   scale_s;                                /* seconds of three frames at 280 soft tokens, as all runs together say */
    double   watts;                                  /* drawn while busy */
    double   watts_weight;                           /* Wh of measured work behind `watts`; 0: still the setting */
    double   factor[NJ_COST_FRAMES][NJ_COST_TOKENS]; /* this kind beside scale_s */
    uint32_t runs[NJ_COST_FRAMES][NJ_COST_TOKENS];
    uint32_t total_runs;
};

/* 0..4 for 70, 140, 280, 560, 1120 (the next larger for others). */
unsigned nj_cost_token_index(int64_t soft_tokens);
int64_t  nj_cost_tokens(unsigned index);

void nj_cost_init(struct nj_cost *cost, double busy_w);

/* Seconds and Wh of a whole burst. `frames` beyond 4 count as 4, 0 as 1. */
double nj_cost_seconds(const struct nj_cost *cost, unsigned frames, int64_t soft_tokens);
double nj_cost_wh(const struct nj_cost *cost, unsigned frames, int64_t soft_tokens);

/* A burst was decoded to its end in `seconds` of work (parked stretches added up). Absurd values (0, NAN, a day) are left out. */
void nj_cost_learn(struct nj_cost *cost, unsigned frames, int64_t soft_tokens, double seconds);

/* The gauge says that `wh` were drawn in `seconds` of work. */
void nj_cost_learn_watts(struct nj_cost *cost, double wh, double seconds);

#endif
