#include "pipeline/sentinel/calibration.h"
#include "base/file.h"
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BINS      10
#define FOLDS     5
#define MAX_TABLE ((size_t)64 << 10)

/* Outcomes that share one step of the table. */
struct block {
    double stated, right, n; /* sums */
};

static int by_stated(const void *a, const void *b)
{
    double x = ((const struct nj_outcome *)a)->stated, y = ((const struct nj_outcome *)b)->stated;
    return (x > y) - (x < y);
}

static void merge(struct block *into, const struct block *from)
{
    into->stated += from->stated;
    into->right += from->right;
    into->n += from->n;
}

/* Pools neighbours until shares rise from block to block. Equal probabilities share a block from the start. */
static size_t pool(const struct nj_outcome *outcomes, size_t count, struct block *blocks)
{
    size_t used = 0;
    for (size_t i = 0; i < count;) {
        struct block next = {0};
        for (size_t first = i; i < count && outcomes[i].stated == outcomes[first].stated; i++)
            merge(&next, &(struct block){outcomes[i].stated, outcomes[i].right, 1});
        blocks[used++] = next;
        while (used > 1 && blocks[used - 2].right * blocks[used - 1].n >= blocks[used - 1].right * blocks[used - 2].n) {
            merge(&blocks[used - 2], &blocks[used - 1]);
            used--;
        }
    }
    return used;
}

/* More blocks than a table holds: joins the pair with the fewest outcomes. Shares still rise. */
static size_t thin(struct block *blocks, size_t used)
{
    while (used > NJ_CALIBRATION_POINTS) {
        size_t least = 0;
        for (size_t i = 1; i + 1 < used; i++)
            if (blocks[i].n + blocks[i + 1].n < blocks[least].n + blocks[least + 1].n)
                least = i;
        merge(&blocks[least], &blocks[least + 1]);
        memmove(&blocks[least + 1], &blocks[least + 2], (used - least - 2) * sizeof *blocks);
        used--;
    }
    return used;
}

nj_status nj_calibration_fit(struct nj_outcome *outcomes, size_t count, struct nj_calibration *out, struct nj_error *error)
{
    *out = (struct nj_calibration){0};
    if (count < 2)
        return nj_fail(error, "%zu labelled species with a probability: too few to calibrate with", count);
    struct block *blocks = calloc(count, sizeof *blocks);
    if (!blocks)
        return nj_fail(error, "no memory to calibrate with %zu events", count);
    qsort(outcomes, count, sizeof *outcomes, by_stated);
    out->count  = thin(blocks, pool(outcomes, count, blocks));
    out->events = count;
    double edge = 1 / ((double)count + 2);
    for (size_t i = 0; i < out->count; i++) {
        out->stated[i] = blocks[i].stated / blocks[i].n;
        out->share[i]  = fmin(fmax(blocks[i].right / blocks[i].n, edge), 1 - edge);
    }
    free(blocks);
    return NJ_OK;
}

double nj_calibration_apply(const struct nj_calibration *table, double stated)
{
    size_t above = 0;
    if (!table || table->count == 0 || isnan(stated))
        return stated;
    while (above < table->count && table->stated[above] < stated)
        above++;
    if (above == 0)
        return table->share[0];
    if (above == table->count)
        return table->share[above - 1];
    double width = table->stated[above] - table->stated[above - 1];
    double part  = width > 0 ? (stated - table->stated[above - 1]) / width : 1;
    return table->share[above - 1] + part * (table->share[above] - table->share[above - 1]);
}

static void count_in(struct block *bins, double p, bool right)
{
    int bin = p >= 1 ? BINS - 1 : p > 0 ? (int)(p * BINS) : 0;
    merge(&bins[bin], &(struct block){p, right, 1});
}

static double error_of(const struct block *bins, size_t count)
{
    double sum = 0;
    for (int i = 0; i < BINS; i++)
        sum += fabs(bins[i].stated - bins[i].right);
    return count ? sum / (double)count : NAN;
}

double nj_calibration_error(const struct nj_calibration *table, const struct nj_outcome *outcomes, size_t count)
{
    struct block bins[BINS] = {{0}};
    for (size_t i = 0; i < count; i++)
        count_in(bins, nj_calibration_apply(table, outcomes[i].stated), outcomes[i].right);
    return error_of(bins, count);
}

nj_status nj_calibration_cross_error(const struct nj_outcome *outcomes, size_t count, double *out, struct nj_error *error)
{
    struct block bins[BINS] = {{0}};
    if (count < FOLDS * 2)
        return nj_fail(error, "%zu labelled species with a probability: too few to judge a calibration with", count);
    struct nj_outcome *others = calloc(count, sizeof *others);
    nj_status          status = others ? NJ_OK : nj_fail(error, "no memory to calibrate with %zu events", count);
    for (size_t fifth = 0; fifth < FOLDS && status == NJ_OK; fifth++) {
        struct nj_calibration table;
        size_t                used = 0;
        for (size_t i = 0; i < count; i++)
            if (i % FOLDS != fifth)
                others[used++] = outcomes[i];
        status = nj_calibration_fit(others, used, &table, error);
        for (size_t i = fifth; i < count && status == NJ_OK; i += FOLDS)
            count_in(bins, nj_calibration_apply(&table, outcomes[i].stated), outcomes[i].right);
    }
    *out = error_of(bins, count);
    free(others);
    return status;
}

nj_status nj_calibration_write(const char *path, const struct nj_calibration *table, struct nj_error *error)
{
    json_t *points = json_array();
    for (size_t i = 0; i < table->count; i++)
        json_array_append_new(points, json_pack("[f, f]", table->stated[i], table->share[i]));
    json_t *root = json_pack("{s:s, s:I, s:o}", "format", "nightjar calibration 1", "events", (json_int_t)table->events, "points", points);
    char   *text = root ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    json_decref(root);
    nj_status status = text ? nj_file_write_atomic(path, text, strlen(text), error) : nj_fail(error, "no memory for %s", path);
    free(text);
    return status;
}

static bool add_point(struct nj_calibration *table, const json_t *point)
{
    double stated = json_number_value(json_array_get(point, 0)), share = json_number_value(json_array_get(point, 1));
    size_t n = table->count;
    if (json_array_size(point) != 2 || !json_is_number(json_array_get(point, 0)) || !json_is_number(json_array_get(point, 1)) ||
        n == NJ_CALIBRATION_POINTS || !(stated >= 0 && stated <= 1 && share >= 0 && share <= 1) ||
        (n > 0 && (stated < table->stated[n - 1] || share < table->share[n - 1])))
        return false;
    table->stated[n] = stated;
    table->share[n]  = share;
    table->count++;
    return true;
}

nj_status nj_calibration_read(const char *path, struct nj_calibration *out, struct nj_error *error)
{
    json_t *root = NULL;
    *out         = (struct nj_calibration){0};
    if (access(path, F_OK) != 0)
        return NJ_OK;
    nj_status     status = nj_json_read(path, MAX_TABLE, &root, error);
    const json_t *points = json_object_get(root, "points");
    const char   *format = json_string_value(json_object_get(root, "format"));
    if (status == NJ_OK && (!format || strcmp(format, "nightjar calibration 1") != 0 || json_array_size(points) == 0 ||
                            json_integer_value(json_object_get(root, "events")) < 2))
        status = nj_fail(error, "%s: no calibration table; make one with nightjar eval --calibrate", path);
    for (size_t i = 0; i < json_array_size(points) && status == NJ_OK; i++)
        if (!add_point(out, json_array_get(points, i)))
            status = nj_fail(error, "%s: point %zu: two rising numbers from 0 to 1 are expected, in at most %d points", path, i,
                             NJ_CALIBRATION_POINTS);
    out->events = (size_t)json_integer_value(json_object_get(root, "events"));
    if (status != NJ_OK)
        *out = (struct nj_calibration){0};
    json_decref(root);
    return status;
}
