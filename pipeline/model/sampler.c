#include "pipeline/model/sampler.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

void nj_random_seed(struct nj_random *random, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++) { /* splitmix64 */
        uint64_t z       = seed += 0x9e3779b97f4a7c15u;
        z                = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z                = (z ^ z >> 27) * 0x94d049bb133111ebu;
        random->state[i] = z ^ z >> 31;
    }
}

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

uint64_t nj_random_next(struct nj_random *random)
{
    uint64_t *s = random->state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double nj_random_unit(struct nj_random *random)
{
    return (double)(nj_random_next(random) >> 11) * 0x1p-53;
}

/* e^x for x <= 0, to about 1e-16, by additions and products alone: the C library's may differ in the last bit from one machine to the next. */
static double exponential(double x)
{
    if (!(x > -700))
        return 0;
    double whole = floor(x * 0x1.71547652b82fep0 + 0.5);
    double rest  = (x - whole * 0x1.62e42feep-1) - whole * 0x1.a39ef35793c76p-33; /* ln 2 in two parts; the first product is exact */
    double sum   = 1;
    for (int n = 14; n > 0; n--) /* the series of e^rest, |rest| <= 0.35 */
        sum = 1 + sum * rest / n;
    return ldexp(sum, (int)whole);
}

/* Likelier first; among equals the lower id. */
static bool precedes(const float *logits, uint32_t a, uint32_t b)
{
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
}

static void sift_down(const float *logits, uint32_t *heap, uint32_t count, uint32_t at)
{
    uint32_t entry = heap[at];
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && precedes(logits, heap[child + 1], heap[child]))
            child++;
        if (precedes(logits, entry, heap[child]))
            break;
        heap[at] = heap[child];
    }
    heap[at] = entry;
}

/* Moves the likeliest of the remaining entries to the end of `heap`, where the chosen ones gather, and returns it. */
static uint32_t pop(const float *logits, uint32_t *heap, uint32_t *remaining)
{
    uint32_t top = heap[0], last = --*remaining;
    heap[0]    = heap[last];
    heap[last] = top;
    sift_down(logits, heap, last, 0);
    return top;
}

static void keep_only(float *logits, uint32_t count, uint32_t chosen)
{
    for (uint32_t i = 0; i < count; i++)
        logits[i] = i == chosen;
}

static uint32_t likeliest(const float *logits, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

/* Lets every comparison below be one of numbers. */
static void scale(float *logits, uint32_t count, float temperature)
{
    for (uint32_t i = 0; i < count; i++) {
        float value = logits[i] / temperature;
        logits[i]   = value > FLT_MAX ? FLT_MAX : value > -INFINITY ? value : -INFINITY;
    }
}

/* How many of the likeliest entries top-k leaves, sorted to the end of `order`; ties with the last one stay, as in the reference. */
static uint32_t take_top_k(const float *logits, uint32_t *order, uint32_t count, uint32_t top_k)
{
    uint32_t remaining = count, last = 0;
    while (remaining > 0 && (count - remaining < top_k || logits[order[0]] == logits[last]))
        last = pop(logits, order, &remaining);
    return count - remaining;
}

/* How many of the `kept` likeliest entries top-p leaves. An entry goes when it and all less likely ones together do not exceed 1 - p; sums run as
 * in the reference, over probabilities rounded to fp32. Entries that top-k did not sort are sorted here as far as they are needed. */
static uint32_t take_top_p(const float *logits, uint32_t *order, uint32_t count, uint32_t kept, bool sorted, double top_p)
{
    uint32_t remaining = count;
    float    largest   = logits[sorted ? order[count - 1] : order[0]];
    double   sum = 0, left = 0;
    for (uint32_t i = count - kept; i < count; i++)
        sum += exponential((double)logits[order[i]] - largest);
    for (uint32_t i = count - kept; i < count; i++)
        left += (float)(exponential((double)logits[order[i]] - largest) / sum);
    for (uint32_t taken = 0; taken < kept; taken++) {
        uint32_t next = sorted ? order[count - 1 - taken] : order[0];
        if (taken > 0 && (float)left <= (float)(1.0 - top_p))
            return taken;
        left -= (float)(exponential((double)logits[next] - largest) / sum);
        if (!sorted)
            pop(logits, order, &remaining);
    }
    return kept;
}

void nj_sampling_probabilities(const struct nj_sampling *sampling, float *logits, uint32_t count, uint32_t *order)
{
    uint32_t kept = count;
    bool     sorted;
    scale(logits, count, sampling->temperature > 0 ? (float)sampling->temperature : 1);
    uint32_t best = likeliest(logits, count);
    if (!(sampling->temperature > 0) || logits[best] == -INFINITY) {
        keep_only(logits, count, best);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count / 2; i-- > 0;)
        sift_down(logits, order, count, i);
    sorted = sampling->top_k > 0 && sampling->top_k < count;
    if (sorted)
        kept = take_top_k(logits, order, count, sampling->top_k);
    if (sampling->top_p < 1)
        kept = take_top_p(logits, order, count, kept, sorted, sampling->top_p);
    float  largest = logits[best];
    double sum     = 0;
    for (uint32_t i = count - kept; i < count; i++)
        sum += exponential((double)logits[order[i]] - largest);
    for (uint32_t i = 0; i < count - kept; i++)
        logits[order[i]] = 0;
    for (uint32_t i = count - kept; i < count; i++)
        logits[order[i]] = (float)(exponential((double)logits[order[i]] - largest) / sum);
}

uint32_t nj_sample(const struct nj_sampling *sampling, struct nj_random *random, float *logits, uint32_t count, uint32_t *order)
{
    nj_sampling_probabilities(sampling, logits, count, order);
    double   left   = nj_random_unit(random);
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!(logits[i] > 0))
            continue;
        chosen = i; /* the last one takes what rounding leaves */
        left -= logits[i];
        if (left < 0)
            break;
    }
    return chosen;
}
