#include "pipeline/cli/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define READ_BYTES   ((size_t)256 << 20) /* far beyond any cache */
#define READ_PORTION ((size_t)4 << 20)
#define PEAK_COUNT   ((uint64_t)1 << 30) /* multiply-adds a thread: some tens of milliseconds */

double nj_bench_now(const struct nj_bench *bench)
{
    struct timespec now;
    clock_gettime(bench->cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    return ((double)now.tv_sec + 1e-9 * (double)now.tv_nsec) / (bench->cpu_time ? nj_pool_threads(bench->pool) : 1);
}

nj_status nj_bench_open(struct nj_engine *engine, struct nj_pool *pool, struct nj_bench *out, struct nj_error *error)
{
    uint32_t features = nj_cpu_detect();
    *out              = (struct nj_bench){.engine = engine, .weights = nj_engine_weights(engine), .pool = pool, .memory_bytes = READ_BYTES};
    if (!nj_cpu_mask(getenv("NJ_CPU"), &features))
        return nj_fail(error, "NJ_CPU: no such instruction set");
    nj_kernels_init(&out->kernels, features);
    out->memory = aligned_alloc(4096, READ_BYTES);
    if (!out->memory)
        return nj_fail(error, "no memory to measure reading with");
    memset(out->memory, 1, READ_BYTES);
    return NJ_OK;
}

void nj_bench_close(struct nj_bench *bench)
{
    free(bench->memory);
    bench->memory = NULL;
}

struct peak {
    struct nj_bench *bench;
    enum nj_limit    limit;
    uint64_t         done[256]; /* a thread each; none has more */
};

static void peak_body(void *arg, size_t index, unsigned thread)
{
    (void)thread;
    struct peak     *peak  = arg;
    struct nj_bench *bench = peak->bench;
    if (peak->limit == NJ_LIMIT_READ) {
        bench->kernels.read_memory((uint8_t *)bench->memory + index * READ_PORTION, READ_PORTION);
        return;
    }
    nj_peak_fn *run   = peak->limit == NJ_LIMIT_INT16  ? bench->kernels.peak_int16
                        : peak->limit == NJ_LIMIT_INT8 ? bench->kernels.peak_int8
                                                       : bench->kernels.peak_f32;
    peak->done[index] = 2 * run(PEAK_COUNT);
}

double nj_bench_limit(struct nj_bench *bench, enum nj_limit limit)
{
    struct peak peak    = {.bench = bench, .limit = limit};
    size_t      threads = nj_pool_threads(bench->pool), count = threads < 256 ? threads : 256;
    double      done = 0;
    if (limit == NJ_LIMIT_READ)
        count = READ_BYTES / READ_PORTION;
    double before = nj_bench_now(bench);
    nj_pool_run(bench->pool, count, peak_body, &peak);
    double seconds = nj_bench_now(bench) - before;
    for (size_t i = 0; i < count && limit != NJ_LIMIT_READ; i++)
        done += (double)peak.done[i];
    return (limit == NJ_LIMIT_READ ? (double)READ_BYTES : done) / seconds;
}

const char *nj_limit_name(enum nj_limit limit)
{
    static const char *const names[] = {"", "int16", "int8", "fp32", "memory"};
    return names[limit];
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double nj_bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void print_line(const struct nj_bench *bench, const struct nj_measurement *m, double *rates, double *shares, double joules,
                       double peak)
{
    size_t  count = bench->repeats;
    double  rate = nj_bench_median(rates, count), share = m->limit ? nj_bench_median(shares, count) : 0;
    double *spread = m->limit ? shares : rates, low = spread[0], high = spread[count - 1], middle = m->limit ? share : rate;
    if (bench->json) {
        printf("{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"limit\": \"%s\", \"of_limit\": %.4f, \"low\": %.6g, \"high\": "
               "%.6g, \"runs\": %zu, \"peak_mib\": %.0f",
               m->name, rate, m->unit, nj_limit_name(m->limit), share, low, high, count, peak);
        if (!isnan(joules))
            printf(", \"joules\": %.6g", joules);
        printf("}\n");
    } else {
        char use[32] = "";
        if (!isnan(joules))
            snprintf(use, sizeof use, "  %.1f J", joules);
        if (m->limit)
            printf("%-40s %10.3f %-10s %5.1f %% of %-6s  (%.1f to %.1f)  %6.0f MiB%s\n", m->name, rate, m->unit, 100 * share,
                   nj_limit_name(m->limit), 100 * low, 100 * high, peak, use);
        else
            printf("%-40s %10.3f %-10s %20s (%.0f %% to %.0f %%)  %6.0f MiB%s\n", m->name, rate, m->unit, "", 100 * low / middle,
                   100 * high / middle, peak, use);
    }
    fflush(stdout);
}

/* From here on the system counts the largest memory anew. */
static void forget_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "we");
    if (!file)
        return;
    fputs("5", file);
    fclose(file);
}

double nj_bench_joules(void)
{
    char   path[64];
    double total = 0;
    int    found = 0;
    for (int package = 0; package < 16; package++) {
        double microjoules;
        snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%d/energy_uj", package);
        FILE *file = fopen(path, "re");
        if (!file)
            break;
        if (fscanf(file, "%lf", &microjoules) == 1) {
            total += microjoules;
            found++;
        }
        fclose(file);
    }
    return found ? total / 1e6 : NAN;
}

bool nj_bench_wants(const struct nj_bench *bench, const struct nj_measurement *m)
{
    return !bench->only || strstr(m->name, bench->only);
}

nj_status nj_bench_once(struct nj_bench *bench, const struct nj_measurement *m, struct nj_sample *out, struct nj_error *error)
{
    double seconds = 0, limit = m->limit ? nj_bench_limit(bench, m->limit) : 0;
    forget_peak();
    double    before = nj_bench_joules();
    nj_status status = m->work(m->arg, &seconds, error);
    *out             = (struct nj_sample){.joules = nj_bench_joules() - before, .peak_mib = nj_bench_peak_memory(bench)};
    if (status != NJ_OK)
        return status;
    /* The limit on both sides of the work, so that a change of clock in between counts half. */
    limit      = m->limit ? (limit + nj_bench_limit(bench, m->limit)) / 2 : 0;
    out->rate  = m->amount / seconds;
    out->share = m->limit ? m->limit_amount / seconds / limit : 0;
    return NJ_OK;
}

nj_status nj_bench_run(struct nj_bench *bench, const struct nj_measurement *m, struct nj_error *error)
{
    double rates[NJ_BENCH_REPEATS], shares[NJ_BENCH_REPEATS], joules = 0, peak = 0;
    for (uint32_t i = 0; nj_bench_wants(bench, m) && i < bench->repeats; i++) {
        struct nj_sample sample;
        nj_status        status = nj_bench_once(bench, m, &sample, error);
        if (status != NJ_OK)
            return status;
        rates[i]  = sample.rate;
        shares[i] = sample.share;
        joules += sample.joules / bench->repeats;
        peak = sample.peak_mib > peak ? sample.peak_mib : peak;
    }
    if (nj_bench_wants(bench, m))
        print_line(bench, m, rates, shares, joules, peak);
    return NJ_OK;
}

double nj_bench_peak_memory(const struct nj_bench *bench)
{
    char   line[256];
    double kilobytes = 0;
    FILE  *file      = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %lf", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return kilobytes / 1024 - (double)bench->memory_bytes / (1 << 20);
}
