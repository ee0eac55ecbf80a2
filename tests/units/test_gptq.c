/* Rounding by calibration and recovery from pruning, against their definitions: on correlated inputs both must lower the error of the product. */
#include "pipeline/model/gptq.h"
#include "pipeline/model/quantize.h"
#include "pipeline/model/recover.h"
#include "tests/tap.h"

#include <math.h>

enum { COLS = 200, TOKENS = 600, ROWS = 8 }; /* a whole block and a part of one */

static uint64_t state = 88172645463325252u;

static float uniform(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (float)(state >> 40) / (1 << 23) - 1;
}

static float x[TOKENS][COLS], w[ROWS][COLS];

/* Neighbouring inputs go together, and some are much larger than others. */
static void draw(void)
{
    for (int t = 0; t < TOKENS; t++) {
        float common = 0;
        for (int i = 0; i < COLS; i++) {
            common  = 0.9f * common + 0.4f * uniform();
            x[t][i] = (common + 0.1f * uniform()) * (i % 17 == 0 ? 8 : 1);
        }
    }
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < COLS; i++)
            w[r][i] = uniform();
}

static struct nj_moments moments_of(void)
{
    struct nj_moments moments = {.cols = COLS, .tokens = TOKENS};
    moments.sum               = calloc((size_t)nj_moment_blocks(COLS) * NJ_MOMENT_BLOCK * NJ_MOMENT_BLOCK, sizeof(float));
    for (int t = 0; t < TOKENS; t++)
        for (int i = 0; i < COLS; i++)
            for (int j = i / 128 * 128; j < COLS && j < i / 128 * 128 + 128; j++)
                moments.sum[i / 128 * 128 * 128 + i % 128 * 128 + j % 128] += x[t][i] * x[t][j];
    return moments;
}

/* Mean squared change of the product when a row becomes `changed`; block by block, as the method sees it, if `blocks`. */
static double damage(const float *row, const float *changed, int blocks)
{
    double sum = 0;
    for (int t = 0; t < TOKENS; t++) {
        double part[2] = {0, 0};
        for (int i = 0; i < COLS; i++)
            part[blocks ? i / 128 : 0] += (double)(changed[i] - row[i]) * x[t][i];
        sum += part[0] * part[0] + part[1] * part[1];
    }
    return sum / TOKENS;
}

static void dequantize(const int8_t *q, const float *scales, uint32_t group, float *out)
{
    for (uint32_t i = 0; i < COLS; i++)
        out[i] = (float)q[i] * scales[i / group];
}

static void check_rounding(const struct nj_moments *moments, uint32_t group)
{
    struct nj_gptq  gptq;
    struct nj_error error   = {0};
    double          nearest = 0, ours = 0, claimed[2] = {0, 0}, true_cost = 0;
    int8_t          q[COLS];
    float           scales[COLS], out[COLS];
    int             legal = 1;
    if (!CHECK(nj_gptq_open(moments, &gptq, &error) == NJ_OK, "group %u: %s", group, error.text))
        return;
    for (int r = 0; r < ROWS; r++) {
        nj_quantize_w4(w[r], COLS, group, NJ_BF16, NJ_F32, q, scales);
        dequantize(q, scales, group, out);
        nearest += damage(w[r], out, 0);
        nj_gptq_row(&gptq, w[r], COLS, group, NJ_BF16, q, scales);
        dequantize(q, scales, group, out);
        ours += damage(w[r], out, 0);
        true_cost += damage(w[r], out, 1) * TOKENS;
        nj_gptq_error(&gptq, w[r], COLS, group, q, scales, claimed);
        for (int i = 0; i < COLS; i++)
            legal &= q[i] >= -8 && q[i] <= 7 && scales[i / (int)group] == nj_bf16_to_float(nj_float_to_bf16(scales[i / (int)group]));
    }
    CHECK(legal, "group %u: integers of 4 bits, scales of bf16", group);
    CHECK(ours < 0.6 * nearest, "group %u: the product changes by %.4f, rounded to nearest by %.4f", group, ours / ROWS, nearest / ROWS);
    CHECK(fabs(claimed[0] / true_cost - 1) < 1e-3, "group %u: and it knows by how much", group);
    nj_gptq_close(&gptq);
}

static void check_recovery(const struct nj_moments *moments)
{
    uint32_t            keep[COLS], count = 0;
    struct nj_recovery *recovery;
    struct nj_error     error = {0};
    double              lost[2], without = 0, with = 0;
    for (uint32_t i = 0; i < COLS; i++)
        if (i % 5)
            keep[count++] = i;
    if (!CHECK(nj_recovery_open(moments, keep, count, &recovery, lost, &error) == NJ_OK, "recovery is prepared %s", error.text))
        return;
    for (int r = 0; r < ROWS; r++) {
        float plain[COLS], mended[COLS];
        memcpy(plain, w[r], sizeof plain);
        memcpy(mended, w[r], sizeof mended);
        nj_recovery_apply(recovery, mended);
        for (int i = 0; i < COLS; i += 5)
            plain[i] = mended[i] = 0;
        without += damage(w[r], plain, 1);
        with += damage(w[r], mended, 1);
    }
    CHECK(with < 0.5 * without, "what was cut off costs %.3f, with recovery %.3f", without / ROWS, with / ROWS);
    CHECK(lost[1] < lost[0] && lost[1] > 0, "and it foretells that: %.0f of %.0f is lost", lost[1], lost[0]);
    nj_recovery_close(recovery);
}

static void check_inverse(void)
{
    double a[16] = {4, 1, 0, 2, 1, 3, 1, 0, 0, 1, 2, 0, 2, 0, 0, 5}, before[16], work[16], largest = 0;
    memcpy(before, a, sizeof a);
    CHECK(nj_invert(a, 4, work), "a positive definite matrix has an inverse");
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            double sum = -(i == j);
            for (int k = 0; k < 4; k++)
                sum += a[i * 4 + k] * before[k * 4 + j];
            largest = fabs(sum) > largest ? fabs(sum) : largest;
        }
    CHECK(largest < 1e-12, "that gives one, to %.0e", largest);
    double bad[4] = {1, 2, 2, 1};
    CHECK(!nj_invert(bad, 2, work), "one that is not definite has none");
}

int main(void)
{
    draw();
    struct nj_moments moments = moments_of();
    check_inverse();
    check_rounding(&moments, 40);
    check_rounding(&moments, COLS);
    check_recovery(&moments);
    free(moments.sum);
    return tap_done();
}
