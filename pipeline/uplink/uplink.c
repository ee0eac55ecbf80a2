#include "pipeline/uplink/uplink.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "pipeline/uplink/frame.h"
#include "pipeline/uplink/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_ITEMS    100
#define COLLECT_ITEMS  1000
#define RETRY_MS       (5 * 60000)
#define RETRY_MAX_MS   (6 * 3600000)
#define DAY_MS         86400000
#define MAX_DICTIONARY (112u * 1024)

/* ---- into the outbox ---- */

static const struct nj_db_value *column(const char *const *names, const struct nj_db_value *values, size_t count, const char *name)
{
    static const struct nj_db_value none = {.text = ""};
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return &values[i];
    return &none;
}

static nj_status on_event_row(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct nj_summary *summary = user;
    const char *priority = column(names, values, count, "priority")->text, *started = column(names, values, count, "started_at")->text;
    int         year, month, day, hour, minute, second;
    summary->blank    = column(names, values, count, "blank")->integer == 1;
    summary->priority = !strcmp(priority, "high") ? 2 : !strcmp(priority, "medium") ? 1 : 0;
    if (sscanf(started, "%d-%d-%dT%d:%d:%d", &year, &month, &day, &hour, &minute, &second) == 6)
        summary->time = nj_days_from_date(year, (unsigned)month, (unsigned)day) * 86400 + hour * 3600 + minute * 60 + second;
    return NJ_OK;
}

static nj_status on_detection_row(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    static const char *const behaviors[] = {"standing", "resting", "moving", "eating", "interacting"};
    struct nj_summary       *summary     = user;
    if (summary->detection_count == NJ_SUMMARY_DETECTIONS) {
        summary->cut = true;
        return NJ_OK;
    }
    struct nj_summary_detection *d          = &summary->detections[summary->detection_count++];
    const char                  *confidence = column(names, values, count, "confidence")->text;
    snprintf(d->label, sizeof d->label, "%s", column(names, values, count, "species")->text);
    snprintf(d->bin, sizeof d->bin, "%s", column(names, values, count, "count_bin")->text);
    for (unsigned i = 0; i < 5; i++)
        d->behaviors |= column(names, values, count, behaviors[i])->integer == 1 ? 1u << i : 0;
    d->young      = column(names, values, count, "young_present")->integer == 1;
    d->confidence = !strcmp(confidence, "high") ? 3 : !strcmp(confidence, "medium") ? 2 : !strcmp(confidence, "low") ? 1 : 0;
    return NJ_OK;
}

struct missing {
    size_t  count;
    int64_t event[COLLECT_ITEMS];
    char    event_id[COLLECT_ITEMS][NJ_DB_EVENT_ID];
};

static nj_status on_missing(void *user, int64_t event, const char *event_id)
{
    struct missing *missing = user;
    snprintf(missing->event_id[missing->count], NJ_DB_EVENT_ID, "%s", event_id);
    missing->event[missing->count++] = event;
    return NJ_OK;
}

static nj_status put_event(struct nj_db *db, int64_t event, const char *event_id, struct nj_error *error)
{
    struct nj_summary  summary = {.time = NJ_SUMMARY_NO_TIME, .serial = (unsigned)event & 0x1FFF};
    struct nj_db_query query   = {.view = "events", .event_id = event_id};
    struct nj_text     json    = {0};
    snprintf(summary.id, sizeof summary.id, "%s", event_id);
    nj_status status = nj_db_select(db, &query, on_event_row, &summary, error);
    query.view       = "detections";
    if (status == NJ_OK)
        status = nj_db_select(db, &query, on_detection_row, &summary, error);
    nj_summary_to_json(&summary, &json);
    if (status == NJ_OK && json.failed)
        status = nj_fail(error, "no memory for a summary");
    struct nj_db_item item = {.kind     = "event",
                              .event    = event,
                              .priority = summary.priority ? summary.priority + 1 : !summary.blank,
                              .payload  = json.data,
                              .bytes    = json.length};
    if (status == NJ_OK)
        status = nj_db_outbox_put(db, &item, error);
    nj_text_free(&json);
    return status;
}

static nj_status collect(struct nj_db *db, const struct nj_conf *conf, int64_t *collected, struct nj_error *error)
{
    struct missing *missing = malloc(sizeof *missing);
    nj_status       status  = missing ? NJ_OK : nj_fail(error, "no memory to look for new events");
    do {
        if (status == NJ_OK) {
            missing->count = 0;
            status         = nj_db_outbox_missing(db, conf->uplink.send_people, COLLECT_ITEMS, on_missing, missing, error);
        }
        if (status == NJ_OK)
            status = nj_db_begin(db, error);
        for (size_t i = 0; status == NJ_OK && i < missing->count; i++, ++*collected)
            status = put_event(db, missing->event[i], missing->event_id[i], error);
        if (status == NJ_OK)
            status = nj_db_commit(db, error);
        else
            nj_db_rollback(db);
    } while (status == NJ_OK && missing->count == COLLECT_ITEMS);
    free(missing);
    return status;
}

/* ---- out of it ---- */

struct due {
    size_t  count;
    int64_t item[BATCH_ITEMS], event[BATCH_ITEMS], attempts[BATCH_ITEMS];
    char   *payload[BATCH_ITEMS];
};

static nj_status on_due(void *user, const struct nj_db_item *item)
{
    struct due *due  = user;
    char       *copy = malloc(item->bytes + 1);
    if (!copy)
        return NJ_ERROR;
    if (item->bytes)
        memcpy(copy, item->payload, item->bytes);
    copy[item->bytes]          = 0;
    due->item[due->count]      = item->item;
    due->event[due->count]     = item->event;
    due->attempts[due->count]  = item->attempts;
    due->payload[due->count++] = copy;
    return NJ_OK;
}

static void due_free(struct due *due)
{
    for (size_t i = 0; i < due->count; i++)
        free(due->payload[i]);
    due->count = 0;
}

struct sender {
    struct nj_db                   *db;
    const struct nj_conf           *conf;
    const struct nj_summary_labels *labels;
    struct nj_transport            *transport; /* NULL: dry run */
    bool                            packed;
    uint8_t                        *dictionary;
    size_t                          dictionary_size;
    struct nj_uplink_result        *result;
};

static nj_status pack_batch(const struct sender *sender, const struct due *due, size_t count, uint8_t **bytes, size_t *size,
                            struct nj_error *error)
{
    const struct nj_clock *clock = nj_clock_system();
    struct nj_text         text  = {0};
    char                   now[NJ_TIME_TEXT];
    nj_time_utc(clock->wall_ms(clock->self), now);
    nj_text_add(&text, "{\"station\":");
    nj_text_add_json(&text, sender->conf->uplink.station_id, strlen(sender->conf->uplink.station_id));
    nj_text_addf(&text, ",\"sent\":\"%s\"}\n", now);
    for (size_t i = 0; i < count; i++)
        nj_text_addf(&text, "%s\n", due->payload[i]);
    nj_status status = text.failed ? nj_fail(error, "no memory for a message")
                                   : nj_frame_pack(text.data, text.length, sender->dictionary, sender->dictionary_size, bytes, size, error);
    nj_text_free(&text);
    return status;
}

static nj_status pack_one(const struct sender *sender, const struct due *due, uint8_t **bytes, size_t *size, struct nj_error *error)
{
    json_t           *json = NULL;
    struct nj_summary summary;
    nj_status         status = nj_json_parse("outbox", due->payload[0], strlen(due->payload[0]), &json, error);
    if (status == NJ_OK)
        status = nj_summary_from_json(json, &summary, error);
    json_decref(json);
    if (status != NJ_OK)
        return status;
    summary.serial = (unsigned)due->event[0] & 0x1FFF;
    *bytes         = malloc(NJ_SUMMARY_MAX_BYTES);
    if (!*bytes)
        return nj_fail(error, "no memory for a message");
    *size = nj_summary_pack(&summary, sender->labels, *bytes, NJ_SUMMARY_MAX_BYTES);
    return NJ_OK;
}

/* Sends the first of what is due: one event, or as many as the bytes of the day allow. *taken: how many items that was; 0: no room left today. */
static nj_status send_some(struct sender *sender, const struct due *due, size_t *taken, struct nj_error *error)
{
    const struct nj_clock *clock = nj_clock_system();
    uint8_t               *bytes = NULL;
    size_t                 size  = 0;
    nj_status              status;
    *taken = sender->packed ? 1 : due->count;
    for (;;) {
        status = sender->packed ? pack_one(sender, due, &bytes, &size, error) : pack_batch(sender, due, *taken, &bytes, &size, error);
        if (status != NJ_OK || (int64_t)size <= sender->result->bytes_left_today || *taken == 0)
            break;
        free(bytes);
        bytes = NULL;
        *taken /= 2;
        if (*taken == 0)
            return NJ_OK;
    }
    if (status == NJ_OK && sender->transport)
        status = nj_transport_send(sender->transport, bytes, size, error);
    free(bytes);
    if (!sender->transport && status == NJ_OK) {
        sender->result->sent += (int64_t)*taken;
        sender->result->bytes += (int64_t)size;
        sender->result->bytes_left_today -= (int64_t)size;
        return NJ_OK;
    }
    int64_t   now   = clock->wall_ms(clock->self);
    nj_status noted = nj_db_begin(sender->db, NULL);
    for (size_t i = 0; i < *taken && noted == NJ_OK; i++) {
        int64_t wait = due->attempts[i] > 6 ? RETRY_MAX_MS : (int64_t)RETRY_MS << due->attempts[i];
        noted        = nj_db_outbox_tried(sender->db, due->item[i], status == NJ_OK ? now : 0, (int64_t)((size + *taken - 1) / *taken),
                                          now + (wait > RETRY_MAX_MS ? RETRY_MAX_MS : wait), status == NJ_OK ? error : NULL);
        if (noted == NJ_OK && status == NJ_OK)
            noted = nj_db_outbox_acknowledged(sender->db, due->item[i], now, error);
        if (noted == NJ_NOT_FOUND) /* a ranger corrected the event meanwhile: it is sent again as it is now */
            noted = NJ_OK;
    }
    if (noted == NJ_OK)
        noted = nj_db_commit(sender->db, status == NJ_OK ? error : NULL);
    else
        nj_db_rollback(sender->db);
    if (status != NJ_OK)
        return NJ_STOPPED;
    sender->result->sent += (int64_t)*taken;
    sender->result->bytes += (int64_t)size;
    sender->result->bytes_left_today -= (int64_t)size;
    return noted;
}

static nj_status send_all(struct sender *sender, struct nj_error *error)
{
    const struct nj_clock *clock = nj_clock_system();
    struct due             due   = {0};
    nj_status              status;
    bool                   more = true;
    do {
        status =
            nj_db_outbox_due(sender->db, clock->wall_ms(clock->self), sender->conf->uplink.send_people, BATCH_ITEMS, on_due, &due, error);
        more         = status == NJ_OK && due.count > 0;
        size_t taken = 0;
        if (more)
            status = send_some(sender, &due, &taken, error);
        if (more && (status != NJ_OK || taken == 0 || !sender->transport)) {
            sender->result->waiting += (int64_t)(due.count - (status == NJ_OK ? taken : 0));
            more = false;
            if (status == NJ_OK && taken == 0)
                status = nj_fail_as(NJ_STOPPED, error, "the %lld bytes of this day are used up; the rest waits",
                                    (long long)sender->conf->uplink.daily_bytes);
        }
        due_free(&due);
    } while (more);
    return status;
}

static nj_status read_dictionary(const struct nj_conf *conf, uint8_t **bytes, size_t *size, struct nj_error *error)
{
    *bytes = NULL;
    *size  = 0;
    return conf->uplink.dictionary[0] ? nj_file_read(conf->uplink.dictionary, MAX_DICTIONARY, bytes, size, error) : NJ_OK;
}

nj_status nj_uplink_run(struct nj_db *db, const struct nj_conf *conf, const struct nj_summary_labels *labels, bool dry_run,
                        struct nj_uplink_result *result, struct nj_error *error)
{
    const struct nj_clock *clock = nj_clock_system();
    int64_t                now = clock->wall_ms(clock->self), spent = 0;
    struct sender          sender = {
                 .db = db, .conf = conf, .labels = labels, .result = result, .packed = !strcmp(conf->uplink.transport, "serial")};
    *result = (struct nj_uplink_result){0};
    if (!strcmp(conf->uplink.transport, "none") && !dry_run)
        return nj_fail_as(NJ_NOT_FOUND, error,
                          "uplink.transport is none: nothing leaves this station; set it to directory, mqtt or serial");
    nj_status status = read_dictionary(conf, &sender.dictionary, &sender.dictionary_size, error);
    if (status == NJ_OK)
        status = collect(db, conf, &result->collected, error);
    if (status == NJ_OK)
        status = nj_db_outbox_sent_since(db, now - now % DAY_MS, &spent, error);
    result->bytes_left_today = conf->uplink.daily_bytes > spent ? conf->uplink.daily_bytes - spent : 0;
    if (status == NJ_OK && !dry_run)
        status = nj_transport_open(conf, &sender.transport, error);
    if (status == NJ_OK)
        status = send_all(&sender, error);
    nj_transport_close(sender.transport);
    free(sender.dictionary);
    return status;
}

/* ---- the receiving side ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static nj_status decode_line(const char *name, size_t number, const char *line, size_t length, const struct nj_summary_labels *labels,
                             struct nj_text *out, struct nj_error *error)
{
    uint8_t           bytes[64];
    size_t            size = 0;
    struct nj_summary summary;
    for (size_t i = 3; i + 1 < length && size < sizeof bytes; i += 2) {
        if (hex(line[i]) < 0 || hex(line[i + 1]) < 0)
            return nj_fail(error, "%s:%zu: \"NJ \" and hexadecimal digits are expected", name, number);
        bytes[size++] = (uint8_t)(hex(line[i]) << 4 | hex(line[i + 1]));
    }
    nj_status status = nj_summary_unpack(bytes, size, labels, &summary, error);
    if (status != NJ_OK) {
        nj_error_prefix(error, "%s:%zu", name, number);
        return status;
    }
    nj_summary_to_json(&summary, out);
    nj_text_add(out, "\n");
    return NJ_OK;
}

nj_status nj_uplink_decode(const char *name, const uint8_t *bytes, size_t size, const struct nj_conf *conf,
                           const struct nj_summary_labels *labels, struct nj_text *out, struct nj_error *error)
{
    nj_status status = NJ_OK;
    if (size >= 3 && !memcmp(bytes, "NJU", 3)) {
        uint8_t *dictionary;
        size_t   dictionary_size;
        status = read_dictionary(conf, &dictionary, &dictionary_size, error);
        if (status == NJ_OK) {
            status = nj_frame_unpack(bytes, size, dictionary, dictionary_size, out, error);
            if (status != NJ_OK)
                nj_error_prefix(error, "%s", name);
        }
        free(dictionary);
        return status;
    }
    if (size < 3 || memcmp(bytes, "NJ ", 3))
        return nj_fail(error, "%s: not a message of a station: it begins neither with NJU nor with \"NJ \"", name);
    size_t number = 1;
    for (size_t at = 0; at < size && status == NJ_OK; number++) {
        const uint8_t *end    = memchr(bytes + at, '\n', size - at);
        size_t         length = end ? (size_t)(end - bytes) - at : size - at, next = at + length + 1;
        while (length && (bytes[at + length - 1] == '\r' || bytes[at + length - 1] == ' '))
            length--;
        if (length)
            status = decode_line(name, number, (const char *)bytes + at, length, labels, out, error);
        at = next;
    }
    return status;
}
