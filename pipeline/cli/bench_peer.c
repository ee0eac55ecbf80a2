/* bench_peer.c: another program on the same work, in turn with ours. Its command prints one JSON object as its last line: "prefill_tps" and "decode_tps"
 * (tokens a second, 512 positions, then one at a time), or of a whole event "event_s", "vision_s" for its "images", "decode_s" for the "tokens" of its answer (all in
 * seconds), and "peak_mib". */
#include "base/json.h"
#include "pipeline/cli/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PAIRS 8

struct pair {
    const char                  *key;
    const struct nj_measurement *ours;
    double                       ratios[NJ_BENCH_REPEATS], mine[NJ_BENCH_REPEATS], theirs[NJ_BENCH_REPEATS];
    double                       shares[NJ_BENCH_REPEATS], peak; /* ours: of the limit, in MiB */
};

/* Runs the command and reads the last line that is an object. */
static nj_status run_peer(const char *command, json_t **out, struct nj_error *error)
{
    char line[4096];
    *out       = NULL;
    FILE *pipe = popen(command, "r");
    if (!pipe)
        return nj_fail(error, "%s: cannot be started", command);
    while (fgets(line, sizeof line, pipe)) {
        json_t *object = json_loads(line, 0, NULL);
        if (!json_is_object(object)) {
            json_decref(object);
            continue;
        }
        json_decref(*out);
        *out = object;
    }
    int ended = pclose(pipe);
    if (ended == 0 && *out)
        return NJ_OK;
    json_decref(*out);
    *out = NULL;
    return nj_fail(error, ended ? "%s: failed (status %d)" : "%s: printed no JSON object (status %d)", command, ended);
}

static double rate_of(const json_t *peer, const char *key)
{
    static const struct {
        const char *seconds, *of; /* rates are told as seconds of so many; of NULL: events an hour */
    } timed[]    = {{"vision_s", "images"}, {"decode_s", "tokens"}, {"event_s", NULL}};
    double value = json_number_value(json_object_get(peer, key));
    for (size_t i = 0; value > 0 && i < sizeof timed / sizeof *timed; i++)
        if (!strcmp(key, timed[i].seconds))
            return (timed[i].of ? json_number_value(json_object_get(peer, timed[i].of)) : 3600) / value;
    return value;
}

static void print(const struct nj_bench *bench, struct pair *pair, size_t count, double peer_peak)
{
    const struct nj_measurement *m     = pair->ours;
    double                       ratio = nj_bench_median(pair->ratios, count), mine = nj_bench_median(pair->mine, count);
    double theirs = nj_bench_median(pair->theirs, count), share = nj_bench_median(pair->shares, count), low = pair->ratios[0],
           high = pair->ratios[count - 1];
    if (bench->json) {
        printf("{\"name\": \"%s\", \"unit\": \"%s\", \"ours\": %.6g, \"peer\": %.6g, \"ratio\": %.4g, \"low\": %.4g, \"high\": %.4g, "
               "\"limit\": \"%s\", \"of_limit\": %.4f, \"of_limit_low\": %.4f, \"of_limit_high\": %.4f, \"runs\": %zu, \"peak_mib\": %.0f, "
               "\"peer_peak_mib\": %.0f}\n",
               m->name, m->unit, mine, theirs, ratio, low, high, nj_limit_name(m->limit), share, pair->shares[0], pair->shares[count - 1],
               count, pair->peak, peer_peak);
    } else {
        char limit[48] = "";
        if (m->limit)
            snprintf(limit, sizeof limit, "  %.1f %% of %s", 100 * share, nj_limit_name(m->limit));
        printf("%-40s %10.3f to %10.3f %-9s  x %.2f  (%.2f to %.2f, %zu runs)%s  %.0f MiB, peer %.0f MiB\n", m->name, mine, theirs, m->unit,
               ratio, low, high, count, limit, pair->peak, peer_peak);
    }
    fflush(stdout);
}

nj_status nj_bench_peer(struct nj_bench *bench, const char *command, const struct nj_peer_work *work, size_t count, struct nj_error *error)
{
    struct pair pairs[MOST_PAIRS] = {{0}};
    size_t      wanted = 0, open = 0;
    double      peak   = 0;
    json_t     *peer   = NULL;
    nj_status   status = NJ_OK;
    for (size_t k = 0; k < count; k++)
        wanted += nj_bench_wants(bench, work[k].ours);
    for (uint32_t i = 0; wanted && i < bench->repeats && status == NJ_OK; i++) {
        status = run_peer(command, &peer, error);
        for (size_t k = 0; i == 0 && status == NJ_OK && k < count && open < MOST_PAIRS; k++)
            if (rate_of(peer, work[k].key) > 0 && nj_bench_wants(bench, work[k].ours))
                pairs[open++] = (struct pair){.key = work[k].key, .ours = work[k].ours};
        for (size_t k = 0; status == NJ_OK && k < open; k++) {
            struct nj_sample sample;
            status             = nj_bench_once(bench, pairs[k].ours, &sample, error);
            pairs[k].theirs[i] = rate_of(peer, pairs[k].key);
            pairs[k].mine[i]   = sample.rate;
            pairs[k].shares[i] = sample.share;
            pairs[k].ratios[i] = sample.rate / pairs[k].theirs[i];
            pairs[k].peak      = sample.peak_mib > pairs[k].peak ? sample.peak_mib : pairs[k].peak;
        }
        double here = json_number_value(json_object_get(peer, "peak_mib"));
        peak        = here > peak ? here : peak;
        json_decref(peer);
        peer = NULL;
    }
    if (status == NJ_OK && wanted && open == 0)
        status = nj_fail(
            error, "%s: its JSON object has nothing that is measured here (prefill_tps, decode_tps, vision_s, decode_s, event_s)", command);
    for (size_t k = 0; status == NJ_OK && k < open; k++)
        print(bench, &pairs[k], bench->repeats, peak);
    return status;
}
