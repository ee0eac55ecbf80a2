#include "pipeline/schedule/price.h"

#include <math.h>
#include <string.h>

#define LADDER_RATIO 0.80
#define WIDE         (4 * NJ_PRICE_CELLS) /* cells of charge before work, at most: a full battery and three more of sun */
#define EMPTY_FACTOR 20.0                 /* a Wh missing at zero, beside the best burst */

void nj_price_ladder(struct nj_price *price, double highest)
{
    for (int i = 0; i < NJ_PRICE_BINS; i++, highest *= LADDER_RATIO)
        price->gain[i] = highest;
}

unsigned nj_price_bin(const struct nj_price *price, double gain)
{
    if (!(gain > 0))
        return NJ_PRICE_BINS - 1;
    double bin = log(gain / price->gain[0]) / log(LADDER_RATIO) + 0.5;
    return bin <= 0 ? 0 : bin >= NJ_PRICE_BINS - 1 ? NJ_PRICE_BINS - 1 : (unsigned)bin;
}

/* Best use of a charge x at the end of a step: keep it (slopes `keep`, one a cell, falling) or sell it to the market, dearest first. Both are
 * concave, so the best mixture takes slopes from both in falling order. `best` gets the slope of the first `wide` cells of x. */
static void trade(const struct nj_price *price, const struct nj_market *market, double reserve_wh, const double keep[NJ_PRICE_CELLS],
                  long wide, double best[WIDE])
{
    const double cell = price->battery_wh / NJ_PRICE_CELLS;
    long         at = (long)fmin(ceil(reserve_wh / cell), NJ_PRICE_CELLS), kept = at;
    size_t       bin  = 0;
    double       left = market->wh[0];
    memcpy(best, keep, (size_t)at * sizeof best[0]);
    for (; at < wide; at++) {
        double room = cell, sum = 0;
        while (room > 0) {
            while (left <= 0 && ++bin < NJ_PRICE_BINS)
                left = market->wh[bin];
            bool open = kept < NJ_PRICE_CELLS;
            if (bin < NJ_PRICE_BINS && (!open || price->gain[bin] >= keep[kept])) {
                double part = room < left ? room : left;
                sum += part * price->gain[bin];
                left -= part;
                room -= part;
                continue;
            }
            /* Nothing to sell: keep a cell, or the rest of a started one (off by less than a cell), or let it run over. */
            if (open) {
                sum += room * keep[kept];
                kept += room > cell / 2;
            }
            room = 0;
        }
        best[at] = sum / cell;
    }
}

/* One step back in time: `after` becomes the price before the step. */
static void step_back(const struct nj_price *price, const struct nj_price_step *step, const struct nj_sky *sky,
                      double after[NJ_HARVEST_SKIES][NJ_PRICE_CELLS])
{
    const double     cell = price->battery_wh / NJ_PRICE_CELLS, empty = EMPTY_FACTOR * price->gain[0];
    double           best[WIDE], bustle[WIDE];
    struct nj_market crowd;
    for (int i = 0; i < NJ_PRICE_BINS; i++)
        crowd.wh[i] = step->market.wh[i] * NJ_PRICE_BUSTLE_FACTOR;
    for (size_t j = 0; step->next_day && j < NJ_PRICE_CELLS; j++) {
        double mean = 0;
        for (int r = 0; r < NJ_HARVEST_SKIES; r++)
            mean += after[r][j] / NJ_HARVEST_SKIES;
        for (int r = 0; r < NJ_HARVEST_SKIES; r++)
            after[r][j] = sky->stay * after[r][j] + (1 - sky->stay) * mean;
    }
    for (int r = 0; r < NJ_HARVEST_SKIES; r++) {
        double shift = fmin(fmax((step->inflow_wh[r] - step->idle_wh) / cell, -NJ_PRICE_CELLS), WIDE - NJ_PRICE_CELLS - 2);
        long   whole = (long)floor(shift);
        double part  = shift - (double)whole;
        long   wide  = NJ_PRICE_CELLS + (whole > 0 ? whole : 0) + 1;
        trade(price, &step->market, step->reserve_wh, after[r], wide, best);
        trade(price, &crowd, step->reserve_wh, after[r], wide, bustle);
        for (long x = 0; x < wide; x++)
            best[x] += NJ_PRICE_BUSTLE_CHANCE * (bustle[x] - best[x]);
        for (long j = 0; j < NJ_PRICE_CELLS; j++) {
            long low    = j + whole;
            after[r][j] = (1 - part) * (low < 0 ? empty : best[low]) + part * (low + 1 < 0 ? empty : best[low + 1]);
        }
    }
}

void nj_price_solve(struct nj_price *price, const struct nj_sky *sky, bool far_too)
{
    if (far_too) {
        memset(price->beyond, 0, sizeof price->beyond);
        for (size_t s = price->steps; s-- > NJ_PRICE_NEAR;)
            step_back(price, &price->step[s], sky, price->beyond);
    }
    memcpy(price->worth, price->beyond, sizeof price->worth);
    for (size_t s = NJ_PRICE_NEAR; s-- > 0;)
        step_back(price, &price->step[s], sky, price->worth);
}

double nj_price_at(const struct nj_price *price, const struct nj_sky *sky, double stored_wh)
{
    double place = stored_wh / price->battery_wh * NJ_PRICE_CELLS - 0.5, sum = 0;
    place    = fmin(fmax(place, 0), NJ_PRICE_CELLS - 1);
    int low  = (int)place;
    int high = low + 1 < NJ_PRICE_CELLS ? low + 1 : low;
    for (int r = 0; r < NJ_HARVEST_SKIES; r++)
        sum += sky->today[r] * (price->worth[r][low] * (1 - (place - low)) + price->worth[r][high] * (place - low));
    return sum;
}
