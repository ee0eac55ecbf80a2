#include "pipeline/cli/tool_answers.h"
#include "pipeline/cli/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LONGEST_PAUSE 14 /* days without a picture after which nobody can say that the camera was at work */
#define USUAL_ROWS    20
#define YEARS_BACK    10

/* --- days --- */

static int64_t day_of(const char *date)
{
    struct tm tm = {0};
    if (sscanf(date, "%4d-%2d-%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday) != 3)
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (int64_t)timegm(&tm) / 86400;
}

static void date_of(int64_t day, char out[11])
{
    time_t    seconds = (time_t)day * 86400;
    struct tm tm;
    gmtime_r(&seconds, &tm);
    if (strftime(out, 11, "%Y-%m-%d", &tm) == 0)
        *out = 0;
}

struct days {
    int64_t first, last; /* both included */
};

static bool among(struct days days, int64_t day)
{
    return day >= days.first && day <= days.last;
}

/* --- when the cameras were at work --- */

struct work { /* one camera, without a long pause */
    char        camera[64];
    struct days days;
};

struct effort {
    struct work *list;
    size_t       count;
    bool         failed;
};

static nj_status on_work(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct effort *effort = user;
    struct nj_row  row    = {names, values, count};
    const char    *camera = nj_row_text(&row, "camera");
    int64_t        day    = day_of(nj_row_text(&row, "started_at"));
    if (day < 0)
        return NJ_OK;
    for (size_t i = effort->count; i-- > 0;) {
        struct work *w = &effort->list[i];
        if (strncmp(w->camera, camera, sizeof w->camera - 1) != 0)
            continue;
        if (day > w->days.last + LONGEST_PAUSE)
            break;
        w->days.last = day > w->days.last ? day : w->days.last;
        return NJ_OK;
    }
    struct work *more = realloc(effort->list, (effort->count + 1) * sizeof *more);
    if (!more) {
        effort->failed = true;
        return NJ_ERROR;
    }
    effort->list                = more;
    effort->list[effort->count] = (struct work){.days = {day, day}};
    snprintf(effort->list[effort->count++].camera, sizeof more->camera, "%s", camera);
    return NJ_OK;
}

static nj_status read_effort(struct nj_db *db, struct effort *out, struct nj_error *error)
{
    const struct nj_db_query query = {.view = "events"};
    *out                           = (struct effort){0};
    nj_status status               = nj_db_select(db, &query, on_work, out, error);
    return out->failed ? nj_fail(error, "no memory to add up camera days") : status;
}

static int64_t camera_days(const struct effort *effort, struct days days)
{
    int64_t sum = 0;
    for (size_t i = 0; i < effort->count; i++) {
        int64_t first = effort->list[i].days.first > days.first ? effort->list[i].days.first : days.first;
        int64_t last  = effort->list[i].days.last < days.last ? effort->list[i].days.last : days.last;
        sum += last >= first ? last - first + 1 : 0;
    }
    return sum;
}

/* --- what is asked for --- */

struct question {
    const struct nj_tool_desk *desk;
    const json_t              *species, *group_by; /* lists, or NULL */
    const char                *one_species, *metric;
    bool                       other_site, rangers_only, models_only;
    double                     least;
    int64_t                    limit;
    struct days                days[YEARS_BACK]; /* any of them */
    size_t                     day_count;
    /* what is found */
    json_t *rows, *groups;
    char    last_event[NJ_DB_EVENT_ID];
    int64_t events, blank, people, individuals, young, listed;
};

const char *nj_tool_site(const struct nj_conf *conf)
{
    return conf->station.site[0] ? conf->station.site : conf->station.name[0] ? conf->station.name : "station";
}

static const char *word(const json_t *arguments, const char *name)
{
    return json_string_value(json_object_get(arguments, name));
}

static bool has(const json_t *list, const char *value)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!strcmp(json_string_value(json_array_get(list, i)), value))
            return true;
    return false;
}

/* false: the days make no sense; then *response says so. */
static bool read_days(const json_t *arguments, struct days *out, json_t **response)
{
    const char *first = word(arguments, "date_start"), *last = word(arguments, "date_end");
    *out = (struct days){first ? day_of(first) : 0, last ? day_of(last) : INT32_MAX};
    if (out->first <= out->last)
        return true;
    *response = json_pack("{s:s}", "error", "date_start is after date_end");
    return false;
}

static void read_question(const struct nj_tool_desk *desk, const json_t *arguments, struct question *q)
{
    const json_t *sites = json_object_get(arguments, "site_ids"), *limit = json_object_get(arguments, "limit");
    const char   *source = word(arguments, "source");
    *q                   = (struct question){.desk        = desk,
                                             .species     = json_object_get(arguments, "species"),
                                             .group_by    = json_object_get(arguments, "group_by"),
                                             .one_species = word(arguments, "species"),
                                             .metric      = word(arguments, "metric"),
                                             .other_site  = sites && !has(sites, nj_tool_site(desk->conf)),
                                             .least       = json_number_value(json_object_get(arguments, "min_confidence")),
                                             .limit       = limit ? json_integer_value(limit) : USUAL_ROWS};
    q->models_only       = source && !strcmp(source, "prediction");
    q->rangers_only      = source && !q->models_only;
}

static bool species_fits(const struct question *q, const char *label)
{
    if (q->one_species)
        return !strcmp(label, q->one_species);
    return !json_array_size(q->species) || has(q->species, label);
}

static bool row_fits(const struct question *q, const struct nj_row *row)
{
    int64_t day  = day_of(nj_row_text(row, "started_at"));
    bool    fits = false, ranger = !strcmp(nj_row_text(row, "decided_by"), "ranger");
    bool    all = !q->one_species && !json_array_size(q->species) && q->least <= 0;
    for (size_t i = 0; i < q->day_count; i++)
        fits |= among(q->days[i], day);
    if (!fits || q->other_site || strcmp(nj_row_text(row, "state"), "done") != 0 || (ranger ? q->models_only : q->rangers_only))
        return false;
    if (!nj_row_is_set(row, "species") || !*nj_row_text(row, "species"))
        return all; /* a blank event */
    return species_fits(q, nj_row_text(row, "species")) && (ranger || nj_row_real(row, "probability") >= q->least);
}

/* --- counting --- */

static void add_group(struct question *q, const struct nj_row *row, bool new_event)
{
    static const char *const fallback[] = {"species"};
    char                     key[256]   = "";
    const char              *time       = nj_row_text(row, "started_at");
    for (size_t i = 0; i < (q->group_by ? json_array_size(q->group_by) : 1); i++) {
        const char *by   = q->group_by ? json_string_value(json_array_get(q->group_by, i)) : fallback[0];
        size_t      used = strlen(key);
        const char *bar  = i ? "|" : "";
        if (!strcmp(by, "date") || !strcmp(by, "month"))
            snprintf(key + used, sizeof key - used, "%s%.*s", bar, by[0] == 'd' ? 10 : 7, time);
        else if (!strcmp(by, "hour"))
            snprintf(key + used, sizeof key - used, "%s%.2s:00", bar, strlen(time) > 13 ? time + 11 : "");
        else
            snprintf(key + used, sizeof key - used, "%s%s", bar, *nj_row_text(row, by) ? nj_row_text(row, by) : "blank");
    }
    json_t *group = json_object_get(q->groups, key);
    if (!group) {
        group = json_pack("{s:s, s:i, s:i}", "key", key, "events", 0, "individuals", 0);
        json_object_set_new(q->groups, key, group);
    }
    bool species = !q->group_by || has(q->group_by, "species");
    json_object_set_new(group, "events", json_integer(json_integer_value(json_object_get(group, "events")) + (new_event || species)));
    json_object_set_new(group, "individuals",
                        json_integer(json_integer_value(json_object_get(group, "individuals")) + nj_row_number(row, "count_min")));
}

static void list_row(struct question *q, const struct nj_row *row)
{
    static const char *const behaviors[] = {"standing", "resting", "moving", "eating", "interacting"};
    json_t                  *done        = json_array();
    const char              *label       = nj_row_text(row, "species");
    for (size_t i = 0; i < 5; i++)
        if (nj_row_number(row, behaviors[i]) == 1)
            json_array_append_new(done, json_string(behaviors[i]));
    json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "capture_event_id", nj_row_text(row, "event_id"), "site_id",
                            nj_tool_site(q->desk->conf), "local_datetime", nj_row_text(row, "started_at"), "species",
                            *label ? label : "blank", "count_bin", *label ? nj_row_text(row, "count_bin") : "0", "behaviors", done,
                            "source", strcmp(nj_row_text(row, "decided_by"), "ranger") ? "prediction" : "consensus");
    if (*label && nj_row_is_set(row, "young_present"))
        json_object_set_new(out, "young_present", json_boolean(nj_row_number(row, "young_present") == 1));
    if (*label && *nj_row_text(row, "confidence"))
        json_object_set_new(out, "confidence_label", json_string(nj_row_text(row, "confidence")));
    json_array_append_new(q->rows, out);
}

static nj_status on_detection(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct question *q   = user;
    struct nj_row    row = {names, values, count};
    if (!row_fits(q, &row))
        return NJ_OK;
    bool animal = *nj_row_text(&row, "species"), fresh = strcmp(q->last_event, nj_row_text(&row, "event_id")) != 0;
    bool people = nj_row_number(&row, "people") == 1;
    snprintf(q->last_event, sizeof q->last_event, "%s", nj_row_text(&row, "event_id"));
    if (people) {
        q->people += fresh;
        return NJ_OK;
    }
    q->events += fresh;
    q->blank += !animal;
    q->individuals += animal ? nj_row_number(&row, "count_min") : 0;
    q->young += nj_row_number(&row, "young_present") == 1;
    q->listed++;
    if (q->groups)
        add_group(q, &row, fresh);
    if (q->rows && (int64_t)json_array_size(q->rows) < q->limit)
        list_row(q, &row);
    return NJ_OK;
}

static nj_status count(struct question *q, struct nj_error *error)
{
    struct nj_db_query query = {.view = "event_detections"};
    char               first[11], last[11];
    int64_t            from = INT64_MAX, to = 0;
    for (size_t i = 0; i < q->day_count; i++) {
        from = q->days[i].first < from ? q->days[i].first : from;
        to   = q->days[i].last > to ? q->days[i].last : to;
    }
    if (q->day_count == 0)
        return NJ_OK;
    if (from > 1) { /* a night begins at noon of the day before */
        date_of(from - 1, first);
        query.from = first;
    }
    if (to < INT32_MAX) {
        date_of(to, last);
        query.to = last;
    }
    return nj_db_select(q->desk->db, &query, on_detection, q, error);
}

/* --- the tools --- */

static nj_status query_detections(const struct nj_tool_desk *desk, const json_t *arguments, json_t **response, struct nj_error *error)
{
    struct question q;
    json_t         *groups = json_array(), *group;
    const char     *key;
    read_question(desk, arguments, &q);
    q.one_species = NULL;
    q.day_count   = 1;
    if (!read_days(arguments, &q.days[0], response)) {
        json_decref(groups);
        return NJ_OK;
    }
    q.rows           = json_array();
    q.groups         = json_object();
    nj_status status = count(&q, error);
    json_object_foreach(q.groups, key, group)
    {
        json_array_append(groups, group);
    }
    if (status == NJ_OK)
        *response = json_pack("{s:I, s:I, s:I, s:I, s:I, s:O, s:O}", "total_events", (json_int_t)q.events, "blank_events",
                              (json_int_t)q.blank, "individuals_at_least", (json_int_t)q.individuals, "events_with_people_left_out",
                              (json_int_t)q.people, "count", (json_int_t)q.listed, "groups", groups, "rows", q.rows);
    json_decref(q.rows);
    json_decref(q.groups);
    json_decref(groups);
    return status;
}

static nj_status get_camera_effort(const struct nj_tool_desk *desk, const json_t *arguments, json_t **response, struct nj_error *error)
{
    struct question q;
    struct effort   effort;
    struct days     days;
    read_question(desk, arguments, &q);
    if (!read_days(arguments, &days, response))
        return NJ_OK;
    nj_status status  = read_effort(desk->db, &effort, error);
    json_t   *windows = json_array();
    for (size_t i = 0; i < effort.count && !q.other_site; i++) {
        char        first[11], last[11];
        struct days own = effort.list[i].days;
        if (own.last < days.first || own.first > days.last)
            continue;
        date_of(own.first > days.first ? own.first : days.first, first);
        date_of(own.last < days.last ? own.last : days.last, last);
        json_array_append_new(windows, json_pack("{s:s, s:s, s:s, s:s}", "site_id", nj_tool_site(desk->conf), "camera",
                                                 effort.list[i].camera, "start_date", first, "end_date", last));
    }
    if (status == NJ_OK)
        *response = json_pack("{s:s, s:s, s:I, s:O}", "date_start", word(arguments, "date_start"), "date_end", word(arguments, "date_end"),
                              "total_active_camera_days", (json_int_t)(q.other_site ? 0 : camera_days(&effort, days)), "windows", windows);
    json_decref(windows);
    free(effort.list);
    return status;
}

static nj_status extract_environment(const json_t *arguments, json_t **response)
{
    *response = json_pack("{s:i, s:O?, s:s}", "count", 0, "layers", json_object_get(arguments, "layers"), "note",
                          "this station keeps no record of rain, plant growth or water");
    return NJ_OK;
}

static size_t baseline_days(const char *mode, struct days days, struct days out[YEARS_BACK])
{
    if (!strcmp(mode, "previous_30d")) {
        out[0] = (struct days){days.first - 30, days.first - 1};
        return 1;
    }
    if (!strcmp(mode, "all_history")) {
        out[0] = (struct days){0, days.first - 1};
        return 1;
    }
    int64_t wider = strcmp(mode, "seasonal") ? 0 : 30;
    for (int64_t year = 1; year <= YEARS_BACK; year++) {
        int64_t back  = (year * 1461 + 2) / 4;
        out[year - 1] = (struct days){days.first - back - wider, days.last - back + wider};
    }
    return YEARS_BACK;
}

static int64_t metric_of(const struct question *q)
{
    if (!strcmp(q->metric, "individuals"))
        return q->individuals;
    if (!strcmp(q->metric, "blank_count"))
        return q->blank;
    return !strcmp(q->metric, "young_count") ? q->young : q->events;
}

static double rate(int64_t value, int64_t days)
{
    return days ? (double)(value * 1000 / days) / 1000 : 0;
}

static nj_status compare_to_baseline(const struct nj_tool_desk *desk, const json_t *arguments, json_t **response, struct nj_error *error)
{
    struct question now, before;
    struct effort   effort;
    int64_t         days_now = 0, days_before = 0;
    const char     *mode = word(arguments, "baseline_mode") ? word(arguments, "baseline_mode") : "previous_30d";
    read_question(desk, arguments, &now);
    read_question(desk, arguments, &before);
    now.day_count = 1;
    if (!read_days(arguments, &now.days[0], response))
        return NJ_OK;
    before.day_count = baseline_days(mode, now.days[0], before.days);
    nj_status status = count(&now, error);
    if (status == NJ_OK)
        status = count(&before, error);
    if (status == NJ_OK)
        status = read_effort(desk->db, &effort, error);
    if (status != NJ_OK)
        return status;
    if (!now.other_site)
        days_now = camera_days(&effort, now.days[0]);
    for (size_t i = 0; i < before.day_count && !now.other_site; i++)
        days_before += camera_days(&effort, before.days[i]);
    free(effort.list);
    double one = rate(metric_of(&now), days_now), other = rate(metric_of(&before), days_before);
    *response = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:s}", "metric", now.metric, "baseline_mode", mode,
                          "current_value", (json_int_t)metric_of(&now), "current_camera_days", (json_int_t)days_now, "baseline_value",
                          (json_int_t)metric_of(&before), "baseline_camera_days", (json_int_t)days_before, "delta",
                          (json_int_t)(metric_of(&now) - metric_of(&before)), "current_per_camera_day", one, "baseline_per_camera_day",
                          other, "direction",
                          !days_now || !days_before ? "unknown"
                          : one > other             ? "increase"
                          : one < other             ? "decrease"
                                                    : "same");
    return NJ_OK;
}

struct evidence {
    json_t               *rows, *images;
    bool                  redact;
    char                  event[NJ_DB_EVENT_ID];
    int64_t               left_out;
    const struct nj_conf *conf;
};

static nj_status on_frame(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct evidence *e   = user;
    struct nj_row    row = {names, values, count};
    if (e->redact && nj_row_number(&row, "people") == 1) {
        e->left_out++;
        return NJ_OK;
    }
    if (strcmp(e->event, nj_row_text(&row, "event_id")) != 0) {
        snprintf(e->event, sizeof e->event, "%s", nj_row_text(&row, "event_id"));
        e->images = json_array();
        json_array_append_new(e->rows, json_pack("{s:s, s:s, s:s, s:o}", "capture_event_id", e->event, "site_id", nj_tool_site(e->conf),
                                                 "local_datetime", nj_row_text(&row, "started_at"), "images", e->images));
    }
    json_array_append_new(e->images, json_string(nj_row_text(&row, "path")));
    return NJ_OK;
}

static nj_status retrieve_evidence_images(const struct nj_tool_desk *desk, const json_t *arguments, json_t **response,
                                          struct nj_error *error)
{
    const json_t   *ids = json_object_get(arguments, "capture_event_ids");
    struct evidence e   = {.rows = json_array(), .redact = !json_is_false(json_object_get(arguments, "redact_humans")), .conf = desk->conf};
    json_t         *unknown = json_array();
    nj_status       status  = NJ_OK;
    for (size_t i = 0; i < json_array_size(ids) && status == NJ_OK; i++) {
        const char        *id     = json_string_value(json_array_get(ids, i));
        struct nj_db_query query  = {.view = "event_frames", .event_id = id};
        size_t             before = json_array_size(e.rows);
        int64_t            hidden = e.left_out;
        status                    = nj_db_select(desk->db, &query, on_frame, &e, error);
        if (json_array_size(e.rows) == before && e.left_out == hidden)
            json_array_append_new(unknown, json_string(id));
    }
    if (status == NJ_OK)
        *response = json_pack("{s:b, s:I, s:O, s:O}", "redact_humans", e.redact, "images_left_out", (json_int_t)e.left_out, "unknown_ids",
                              unknown, "rows", e.rows);
    json_decref(e.rows);
    json_decref(unknown);
    return status;
}

nj_status nj_tool_answer(const struct nj_tool_desk *desk, const char *name, const json_t *arguments, json_t **response,
                         struct nj_error *error)
{
    nj_status status = NJ_OK;
    *response        = NULL;
    if (!strcmp(name, "query_detections"))
        status = query_detections(desk, arguments, response, error);
    else if (!strcmp(name, "get_camera_effort"))
        status = get_camera_effort(desk, arguments, response, error);
    else if (!strcmp(name, "extract_environment"))
        status = extract_environment(arguments, response);
    else if (!strcmp(name, "compare_to_baseline"))
        status = compare_to_baseline(desk, arguments, response, error);
    else if (!strcmp(name, "retrieve_evidence_images"))
        status = retrieve_evidence_images(desk, arguments, response, error);
    else
        return nj_fail(error, "%s: no such tool", name);
    return status == NJ_OK && !*response ? nj_fail(error, "no memory for the answer of %s", name) : status;
}
