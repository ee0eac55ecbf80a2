#include "pipeline/cli/report_data.h"
#include "pipeline/cli/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(name)   nj_row_value(name, names, values, count)->text
#define NUMBER(name) nj_row_value(name, names, values, count)->integer
#define REAL(name)   nj_row_value(name, names, values, count)->real
#define IS_SET(name) (nj_row_value(name, names, values, count)->type != NJ_DB_NULL)

struct gathering {
    struct nj_report_data *data;
    bool                   people;
    struct nj_error       *error;
};

/* Room for one more element at the end of a list that doubles; NULL when memory is gone. */
static void *one_more(void **list, size_t *count, size_t size)
{
    if ((*count & (*count - 1)) == 0) { /* 0, 1, 2, 4, 8 … : full */
        void *larger = realloc(*list, (*count ? *count * 2 : 1) * size);
        if (!larger)
            return NULL;
        *list = larger;
    }
    return (char *)*list + (*count)++ * size;
}

#define ADD(list, count_of) one_more((void **)&(list), &(count_of), sizeof *(list))

static nj_status no_memory(const struct gathering *gathering)
{
    return nj_fail(gathering->error, "no memory for the report; ask for fewer nights");
}

static nj_status on_night(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct gathering       *gathering = user;
    struct nj_report_data  *data      = gathering->data;
    struct nj_report_night *night = ADD(data->nights, data->night_count), *sum = &data->sum;
    if (!night)
        return no_memory(gathering);
    *night = (struct nj_report_night){
        .files       = NUMBER("files"),
        .rejected    = NUMBER("rejected_files"),
        .events      = NUMBER("events"),
        .blank       = NUMBER("blank"),
        .animals     = NUMBER("with_animals"),
        .waiting     = NUMBER("waiting"),
        .failed      = NUMBER("failed"),
        .to_review   = NUMBER("to_review"),
        .energy_wh   = REAL("energy_wh"),
        .battery_low = IS_SET("battery_low_percent") ? REAL("battery_low_percent") : NAN,
    };
    snprintf(night->night, sizeof night->night, "%s", TEXT("night"));
    sum->files += night->files;
    sum->rejected += night->rejected;
    sum->events += night->events;
    sum->blank += night->blank;
    sum->animals += night->animals;
    sum->waiting += night->waiting;
    sum->failed += night->failed;
    sum->to_review += night->to_review;
    sum->energy_wh += night->energy_wh;
    sum->battery_low = fmin(sum->battery_low, night->battery_low); /* fmin leaves NAN out */
    return NJ_OK;
}

static nj_status on_species(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct gathering         *gathering = user;
    struct nj_report_data    *data      = gathering->data;
    struct nj_report_species *found     = NULL;
    for (size_t i = 0; i < data->species_count && !found; i++)
        if (!strcmp(data->species[i].label, TEXT("species")))
            found = &data->species[i];
    if (!found) {
        found = ADD(data->species, data->species_count);
        if (!found)
            return no_memory(gathering);
        *found = (struct nj_report_species){0};
        snprintf(found->label, sizeof found->label, "%s", TEXT("species"));
        snprintf(found->name, sizeof found->name, "%s", *TEXT("display_name") ? TEXT("display_name") : TEXT("species"));
    }
    found->events += NUMBER("events");
    found->individuals += NUMBER("individuals_min");
    found->young += NUMBER("young_events");
    return NJ_OK;
}

static nj_status add_trouble(struct gathering *gathering, const char *kind, const char *reason)
{
    struct nj_report_data    *data = gathering->data;
    struct nj_report_trouble *found;
    char                      what[sizeof found->what];
    snprintf(what, sizeof what, "%s: %s", kind, *reason ? reason : "no reason was noted");
    for (size_t i = 0; i < data->trouble_count; i++)
        if (!strcmp(data->troubles[i].what, what)) {
            data->troubles[i].count++;
            return NJ_OK;
        }
    if (data->trouble_count == NJ_REPORT_ROWS) {
        data->troubles_left_out++;
        return NJ_OK;
    }
    found = ADD(data->troubles, data->trouble_count);
    if (!found)
        return no_memory(gathering);
    memcpy(found->what, what, sizeof what);
    found->count = 1;
    return NJ_OK;
}

/* Hour of the camera's clock, put right by the noted corrections; -1 if there is no time. */
static int hour_of(const char *time, int64_t offset)
{
    if (strlen(time) < 19)
        return -1;
    int64_t seconds = (strtol(time + 11, NULL, 10) * 60 + strtol(time + 14, NULL, 10)) * 60 + strtol(time + 17, NULL, 10) + offset % 86400;
    return (int)((seconds + 2 * 86400) % 86400 / 3600);
}

static nj_status on_event(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct gathering      *gathering = user;
    struct nj_report_data *data      = gathering->data;
    const char            *state     = TEXT("state");
    int                    hour      = hour_of(TEXT("started_at"), NUMBER("clock_offset"));
    data->seconds += REAL("seconds");
    data->corrected_clocks += NUMBER("clock_offset") != 0;
    if (!strcmp(state, "done") && hour >= 0)
        (IS_SET("blank") && NUMBER("blank") ? data->hour_blank : data->hour_animals)[hour]++;
    data->no_time += hour < 0;
    if (!strcmp(state, "failed"))
        return add_trouble(gathering, "Not read", TEXT("state_reason"));
    if (!strcmp(state, "deferred"))
        return add_trouble(gathering, "Put off", TEXT("state_reason"));
    return NJ_OK;
}

static nj_status on_card(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct gathering      *gathering = user;
    struct nj_report_data *data      = gathering->data;
    bool                   people =
        (IS_SET("people") && NUMBER("people")) || strstr(TEXT("rule_reasons"), "people") || strstr(TEXT("model_reasons"), "people");
    if (people && !gathering->people) {
        data->people_left_out++;
        return NJ_OK;
    }
    if (data->card_count == NJ_REPORT_ROWS) {
        data->cards_left_out++;
        return NJ_OK;
    }
    struct nj_report_card *card = ADD(data->cards, data->card_count);
    if (!card)
        return no_memory(gathering);
    card->people = people;
    snprintf(card->id, sizeof card->id, "%s", TEXT("event_id"));
    snprintf(card->night, sizeof card->night, "%s", TEXT("night"));
    snprintf(card->time, sizeof card->time, "%s", TEXT("started_at"));
    snprintf(card->priority, sizeof card->priority, "%s", TEXT("priority"));
    snprintf(card->seen, sizeof card->seen, "%s", TEXT("seen"));
    snprintf(card->reasons, sizeof card->reasons, "%s", TEXT("reasons"));
    snprintf(card->place, sizeof card->place, "%s", TEXT("place"));
    return NJ_OK;
}

static nj_status on_rejected(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    char what[1200];
    snprintf(what, sizeof what, "%s: %s", TEXT("path"), TEXT("reason"));
    return add_trouble(user, "Picture left out", what);
}

static nj_status on_sample(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct gathering      *gathering = user;
    struct nj_report_data *data      = gathering->data;
    float                 *percent   = ADD(data->battery, data->battery_count);
    if (!percent)
        return no_memory(gathering);
    *percent = IS_SET("battery_percent") ? (float)REAL("battery_percent") : NAN;
    if (IS_SET("temp_c"))
        data->temp_max = fmax(data->temp_max, REAL("temp_c"));
    return NJ_OK;
}

static int by_events(const void *a, const void *b)
{
    const struct nj_report_species *one = a, *two = b;
    return one->events != two->events ? (one->events < two->events ? 1 : -1) : strcmp(one->name, two->name);
}

static int by_count(const void *a, const void *b)
{
    const struct nj_report_trouble *one = a, *two = b;
    return one->count != two->count ? (one->count < two->count ? 1 : -1) : strcmp(one->what, two->what);
}

/* Noon of the station's night as UTC text, `days` later. */
static void noon_utc(const char *night, int days, double offset_hours, char out[NJ_TIME_TEXT])
{
    int64_t date =
        nj_days_from_date(strtol(night, NULL, 10), (unsigned)strtoul(night + 5, NULL, 10), (unsigned)strtoul(night + 8, NULL, 10));
    nj_time_utc(((date + days) * 86400 + 43200 - llround(offset_hours * 3600)) * 1000, out);
}

nj_status nj_report_gather(struct nj_db *db, const struct nj_report_options *options, struct nj_report_data *out, struct nj_error *error)
{
    char             first[NJ_TIME_TEXT], last[NJ_TIME_TEXT];
    struct gathering gathering = {out, options->people, error};
    *out                       = (struct nj_report_data){.temp_max = NAN, .sum.battery_low = NAN};
    noon_utc(options->from, 0, options->conf->station.timezone_offset, first);
    noon_utc(options->to, 1, options->conf->station.timezone_offset, last);
    const struct {
        struct nj_db_query query;
        nj_db_on_row      *callback;
    } parts[] = {
        {{.view = "nights", .from = options->from, .to = options->to}, on_night},
        {{.view = "species_nights", .from = options->from, .to = options->to}, on_species},
        {{.view = "event_details", .from = options->from, .to = options->to}, on_event},
        {{.view = "review_details", .from = options->from, .to = options->to, .state = "open"}, on_card},
        {{.view = "rejected", .from = options->from, .to = options->to}, on_rejected},
        {{.view = "samples", .from = first, .to = last}, on_sample},
    };
    nj_status status = NJ_OK;
    for (size_t i = 0; status == NJ_OK && i < sizeof parts / sizeof parts[0]; i++)
        status = nj_db_select(db, &parts[i].query, parts[i].callback, &gathering, error);
    nj_power_words(db, &out->power);
    if (out->species_count)
        qsort(out->species, out->species_count, sizeof *out->species, by_events);
    if (out->trouble_count)
        qsort(out->troubles, out->trouble_count, sizeof *out->troubles, by_count);
    return status;
}

void nj_report_data_free(struct nj_report_data *data)
{
    free(data->nights);
    free(data->species);
    free(data->cards);
    free(data->troubles);
    free(data->battery);
    nj_power_words_free(&data->power);
    *data = (struct nj_report_data){0};
}
