/* schedule_store.c: what the scheduler learned, as one JSON object that the store keeps between two wakes. */
#include "base/json.h"
#include "pipeline/schedule/schedule_state.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static void save_numbers(struct nj_text *out, const char *name, const double *values, size_t count)
{
    nj_text_addf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++)
        nj_text_addf(out, isfinite(values[i]) ? "%s%.9g" : "%snull", i ? "," : "", values[i]);
    nj_text_add(out, "]");
}

void nj_schedule_save(const struct nj_schedule *schedule, struct nj_text *json)
{
    const struct nj_harvest *h = &schedule->harvest;
    const struct nj_cost    *c = &schedule->cost;
    nj_text_addf(json,
                 "{\"version\":2,\"days\":%" PRId32 ",\"today\":%" PRId64 ",\"rate_day\":%" PRId64 ",\"rate_days\":%" PRId32
                 ",\"offset_s\":%" PRId64 ",\"alarm_s\":%" PRId64 ",\"now_s\":%" PRId64 ",\"wall_s\":%" PRId64 ",\"total_runs\":%" PRIu32
                 ",\"worked\":%s",
                 h->days, h->today, schedule->rate_day, schedule->rate_days, schedule->offset_s, schedule->alarm_s, schedule->now_s,
                 schedule->wall_s, c->total_runs, schedule->worked ? "true" : "false");
    const double single[] = {h->today_wh, h->today_clear, c->scale_s, c->watts, c->watts_weight, schedule->idle_w, schedule->stored_wh};
    save_numbers(json, "single", single, sizeof single / sizeof *single);
    const double gauge[] = {schedule->gauge_wh, schedule->through_wh};
    save_numbers(json, "gauge", gauge, 2);
    const double far[] = {h->long_yield, h->long_days};
    save_numbers(json, "far", far, 2);
    save_numbers(json, "day_yield", h->day_yield, NJ_HARVEST_DAYS);
    save_numbers(json, "hour_share", h->hour_share, NJ_HARVEST_HOURS);
    save_numbers(json, "rate", schedule->rate, NJ_SCHEDULE_KINDS);
    save_numbers(json, "arrived", schedule->today, NJ_SCHEDULE_KINDS);
    save_numbers(json, "factor", c->factor[0], NJ_COST_FRAMES * NJ_COST_TOKENS);
    double runs[NJ_COST_FRAMES * NJ_COST_TOKENS];
    for (size_t i = 0; i < NJ_COST_FRAMES * NJ_COST_TOKENS; i++)
        runs[i] = c->runs[i / NJ_COST_TOKENS][i % NJ_COST_TOKENS];
    save_numbers(json, "runs", runs, NJ_COST_FRAMES * NJ_COST_TOKENS);
    nj_text_add(json, "}");
}

static bool load_numbers(const json_t *from, const char *name, double *values, size_t count)
{
    const json_t *list = json_object_get(from, name);
    if (json_array_size(list) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(list, i);
        if (!json_is_number(value) && !json_is_null(value))
            return false;
        values[i] = json_is_null(value) ? NAN : json_number_value(value);
    }
    return true;
}

nj_status nj_schedule_restore(struct nj_schedule *schedule, const char *json, size_t size, struct nj_error *error)
{
    struct nj_schedule *draft = malloc(sizeof *draft);
    json_t             *saved = NULL;
    double              single[7], gauge[2], far[2] = {0}, runs[NJ_COST_FRAMES * NJ_COST_TOKENS];
    nj_status status = draft ? nj_json_parse("learned", json, size, &saved, error) : nj_fail(error, "no memory to restore the plan");
    if (status != NJ_OK)
        goto cleanup;
    *draft                  = *schedule;
    struct nj_harvest *h    = &draft->harvest;
    struct nj_cost    *c    = &draft->cost;
    bool               fits = json_integer_value(json_object_get(saved, "version")) == 2 && load_numbers(saved, "single", single, 7) &&
                load_numbers(saved, "gauge", gauge, 2) && load_numbers(saved, "day_yield", h->day_yield, NJ_HARVEST_DAYS) &&
                load_numbers(saved, "hour_share", h->hour_share, NJ_HARVEST_HOURS) &&
                load_numbers(saved, "rate", draft->rate, NJ_SCHEDULE_KINDS) &&
                load_numbers(saved, "arrived", draft->today, NJ_SCHEDULE_KINDS) &&
                load_numbers(saved, "factor", c->factor[0], NJ_COST_FRAMES * NJ_COST_TOKENS) &&
                load_numbers(saved, "runs", runs, NJ_COST_FRAMES * NJ_COST_TOKENS);
    if (!fits || !(single[2] > 0) || !(single[3] > 0)) {
        status = nj_fail(error, "what was learned has another form: it was written by another version, or damaged");
        goto cleanup;
    }
    h->days          = (int32_t)json_integer_value(json_object_get(saved, "days"));
    draft->rate_days = (int32_t)json_integer_value(json_object_get(saved, "rate_days"));
    if (h->days < 0 || h->days > 2 * NJ_HARVEST_DAYS || draft->rate_days < 0) {
        status = nj_fail(error, "what was learned counts days that cannot be");
        goto cleanup;
    }
    if (load_numbers(saved, "far", far, 2) && far[0] >= 0 && far[1] >= 0 &&
        far[1] <= NJ_HARVEST_LONG) { /* versions before this key know only the ring */
        h->long_yield = far[0];
        h->long_days  = (int32_t)far[1];
    }
    h->today          = json_integer_value(json_object_get(saved, "today"));
    h->today_wh       = single[0];
    h->today_clear    = single[1];
    c->scale_s        = single[2];
    c->watts          = single[3];
    c->watts_weight   = single[4];
    c->total_runs     = (uint32_t)json_integer_value(json_object_get(saved, "total_runs"));
    draft->idle_w     = single[5];
    draft->stored_wh  = single[6];
    draft->gauge_wh   = gauge[0];
    draft->through_wh = isnan(gauge[1]) ? 0 : gauge[1];
    draft->rate_day   = json_integer_value(json_object_get(saved, "rate_day"));
    draft->offset_s   = json_integer_value(json_object_get(saved, "offset_s"));
    draft->alarm_s    = json_integer_value(json_object_get(saved, "alarm_s"));
    draft->now_s      = json_integer_value(json_object_get(saved, "now_s"));
    draft->wall_s     = json_integer_value(json_object_get(saved, "wall_s"));
    draft->worked     = json_is_true(json_object_get(saved, "worked"));
    draft->doing      = NJ_DOING_SLEEP;
    draft->looked     = draft->now_s != 0;
    draft->priced     = false;
    for (size_t i = 0; i < NJ_COST_FRAMES * NJ_COST_TOKENS; i++)
        c->runs[i / NJ_COST_TOKENS][i % NJ_COST_TOKENS] = runs[i] > 0 ? (uint32_t)runs[i] : 0;
    *schedule = *draft;
cleanup:
    json_decref(saved);
    free(draft);
    return status;
}
