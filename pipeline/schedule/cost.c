#include "pipeline/schedule/cost.h"

#include <math.h>

#define FIRST_GUESS_S 180.0
#define LONGEST_S     86400.0
#define MEMORY_RUNS   40   /* the scale follows the last few dozen runs: heat, ageing, a new model */
#define MEMORY_WH     20.0 /* and the watts the last few dozen bursts' energy */

static const int64_t tokens_of[NJ_COST_TOKENS] = {70, 140, 280, 560, 1120};

unsigned nj_cost_token_index(int64_t soft_tokens)
{
    unsigned index = 0;
    while (index + 1 < NJ_COST_TOKENS && tokens_of[index] < soft_tokens)
        index++;
    return index;
}

int64_t nj_cost_tokens(unsigned index)
{
    return tokens_of[index < NJ_COST_TOKENS ? index : NJ_COST_TOKENS - 1];
}

static unsigned frame_index(unsigned frames)
{
    return frames == 0 ? 0 : frames > NJ_COST_FRAMES ? NJ_COST_FRAMES - 1 : frames - 1;
}

void nj_cost_init(struct nj_cost *cost, double busy_w)
{
    *cost = (struct nj_cost){.scale_s = FIRST_GUESS_S, .watts = busy_w};
    for (unsigned f = 0; f < NJ_COST_FRAMES; f++)
        for (unsigned t = 0; t < NJ_COST_TOKENS; t++)
            cost->factor[f][t] = 0.4 + 0.6 * (double)(f + 1) * (double)tokens_of[t] / 840;
}

double nj_cost_seconds(const struct nj_cost *cost, unsigned frames, int64_t soft_tokens)
{
    return cost->scale_s * cost->factor[frame_index(frames)][nj_cost_token_index(soft_tokens)];
}

double nj_cost_wh(const struct nj_cost *cost, unsigned frames, int64_t soft_tokens)
{
    return nj_cost_seconds(cost, frames, soft_tokens) * cost->watts / 3600;
}

void nj_cost_learn(struct nj_cost *cost, unsigned frames, int64_t soft_tokens, double seconds)
{
    if (!(seconds > 0.01 && seconds < LONGEST_S))
        return;
    double   *factor = &cost->factor[frame_index(frames)][nj_cost_token_index(soft_tokens)];
    uint32_t *runs   = &cost->runs[frame_index(frames)][nj_cost_token_index(soft_tokens)];
    /* One clock, two unknowns: what this run says beyond the scale goes to its kind, slowly; what it says about all goes to the scale. */
    double rate = 1.0 / (double)((cost->total_runs < MEMORY_RUNS ? cost->total_runs : MEMORY_RUNS - 1) + 1);
    double said = seconds / *factor;
    cost->scale_s += rate * (said - cost->scale_s);
    if (cost->total_runs > 4)
        *factor += 0.1 * (seconds / cost->scale_s - *factor);
    if (*runs < UINT32_MAX)
        (*runs)++;
    if (cost->total_runs < UINT32_MAX)
        cost->total_runs++;
}

void nj_cost_learn_watts(struct nj_cost *cost, double wh, double seconds)
{
    if (!(seconds > 1) || !(wh > 0) || !(wh * 3600 / seconds < 1000))
        return;
    double weight      = fmin(cost->watts_weight, MEMORY_WH);
    cost->watts        = (cost->watts * weight + wh * 3600 / seconds * wh) / (weight + wh);
    cost->watts_weight = weight + wh;
}
