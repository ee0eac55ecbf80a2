#include "pipeline/uplink/summary.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define VERSION        1u
#define HEAD_BITS      46
#define DETECTION_BITS 18
#define NO_MINUTES     0xFFFFFFu
#define OTHER_LABEL    63u
#define EPOCH_2010     INT64_C(1262304000)

static const char *const bins[] = {"", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11-50", "51+"};
#define BINS (sizeof bins / sizeof bins[0])

void nj_summary_to_json(const struct nj_summary *summary, struct nj_text *out)
{
    char time[NJ_TIME_TEXT] = "";
    if (summary->time != NJ_SUMMARY_NO_TIME)
        nj_time_local(summary->time, time);
    nj_text_add(out, "{");
    if (summary->id[0]) {
        nj_text_add(out, "\"id\":");
        nj_text_add_json(out, summary->id, strlen(summary->id));
    } else
        nj_text_addf(out, "\"n\":%u", summary->serial);
    nj_text_addf(out, time[0] ? ",\"t\":\"%s\"" : ",\"t\":null%s", time);
    nj_text_addf(out, ",\"b\":%d,\"p\":%u", summary->blank, summary->priority);
    if (summary->cut)
        nj_text_add(out, ",\"cut\":1");
    nj_text_add(out, ",\"d\":[");
    for (unsigned i = 0; i < summary->detection_count; i++) {
        const struct nj_summary_detection *d = &summary->detections[i];
        nj_text_add(out, i ? ",[" : "[");
        nj_text_add_json(out, d->label, strlen(d->label));
        nj_text_addf(out, ",\"%s\",%u,%d,%u]", d->bin, d->behaviors, d->young, d->confidence);
    }
    nj_text_add(out, "]}");
}

static bool read_time(const char *text, int64_t *out)
{
    int year, month, day, hour, minute, second;
    if (!text || sscanf(text, "%d-%d-%dT%d:%d:%d", &year, &month, &day, &hour, &minute, &second) != 6)
        return false;
    *out = nj_days_from_date(year, (unsigned)month, (unsigned)day) * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

nj_status nj_summary_from_json(const json_t *json, struct nj_summary *out, struct nj_error *error)
{
    *out                     = (struct nj_summary){.time = NJ_SUMMARY_NO_TIME};
    const char   *id         = json_string_value(json_object_get(json, "id"));
    const json_t *detections = json_object_get(json, "d");
    if (!json_is_object(json) || !json_is_array(detections))
        return nj_fail(error, "not an event summary: an object with \"d\" is expected");
    snprintf(out->id, sizeof out->id, "%s", id ? id : "");
    out->serial = (unsigned)json_integer_value(json_object_get(json, "n")) & 0x1FFF;
    read_time(json_string_value(json_object_get(json, "t")), &out->time);
    out->blank    = json_integer_value(json_object_get(json, "b")) == 1;
    out->cut      = json_integer_value(json_object_get(json, "cut")) == 1;
    out->priority = (unsigned)json_integer_value(json_object_get(json, "p")) % 3;
    for (size_t i = 0; i < json_array_size(detections); i++) {
        const json_t *from = json_array_get(detections, i);
        if (i == NJ_SUMMARY_DETECTIONS) {
            out->cut = true;
            break;
        }
        const char *label = json_string_value(json_array_get(from, 0)), *bin = json_string_value(json_array_get(from, 1));
        if (!label || !bin)
            return nj_fail(error, "/d/%zu: a label and a count bin are expected", i);
        struct nj_summary_detection *d = &out->detections[out->detection_count++];
        snprintf(d->label, sizeof d->label, "%s", label);
        snprintf(d->bin, sizeof d->bin, "%s", bin);
        d->behaviors  = (unsigned)json_integer_value(json_array_get(from, 2)) & 31;
        d->young      = json_integer_value(json_array_get(from, 3)) == 1;
        d->confidence = (unsigned)json_integer_value(json_array_get(from, 4)) & 3;
    }
    return NJ_OK;
}

/* Bits into bytes and back, most significant first. */
struct bits {
    uint8_t *bytes;
    size_t   at;
};

static void put(struct bits *bits, unsigned value, unsigned count)
{
    while (count--) {
        if (value >> count & 1)
            bits->bytes[bits->at / 8] |= (uint8_t)(0x80u >> bits->at % 8);
        bits->at++;
    }
}

static unsigned get(const uint8_t *bytes, size_t *at, unsigned count)
{
    unsigned value = 0;
    for (; count; count--, ++*at)
        value = value << 1 | (bytes[*at / 8] >> (7 - *at % 8) & 1u);
    return value;
}

static size_t bytes_for(unsigned detections)
{
    size_t size = (HEAD_BITS + (size_t)detections * DETECTION_BITS + 7) / 8;
    return size < 11 ? 11 : size;
}

static unsigned minutes_of(int64_t time)
{
    if (time == NJ_SUMMARY_NO_TIME || time < EPOCH_2010 || (time - EPOCH_2010) / 60 >= NO_MINUTES)
        return NO_MINUTES;
    return (unsigned)((time - EPOCH_2010) / 60);
}

static unsigned index_of(const char *word, const char *const *words, unsigned count, unsigned other)
{
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(word, words[i]))
            return i;
    return other;
}

size_t nj_summary_pack(const struct nj_summary *summary, const struct nj_summary_labels *labels, uint8_t *out, size_t room)
{
    unsigned count = summary->detection_count > 3 ? 3 : summary->detection_count; /* two bits hold it */
    while (count > 2 && bytes_for(count) > room)
        count--;
    memset(out, 0, bytes_for(count));
    struct bits bits = {out, 0};
    put(&bits, VERSION, 3);
    put(&bits, summary->serial & 0x1FFF, 13);
    put(&bits, minutes_of(summary->time), 24);
    put(&bits, summary->blank, 1);
    put(&bits, summary->cut || count < summary->detection_count, 1);
    put(&bits, summary->priority & 3, 2);
    put(&bits, count, 2);
    for (unsigned i = 0; i < count; i++) {
        const struct nj_summary_detection *d = &summary->detections[i];
        put(&bits, index_of(d->label, labels->label, labels->count, OTHER_LABEL), 6);
        put(&bits, index_of(d->bin, bins, BINS, 0), 4);
        put(&bits, d->behaviors & 31, 5);
        put(&bits, d->young, 1);
        put(&bits, d->confidence & 3, 2);
    }
    return bytes_for(count);
}

nj_status nj_summary_unpack(const uint8_t *bytes, size_t size, const struct nj_summary_labels *labels, struct nj_summary *out,
                            struct nj_error *error)
{
    size_t at = 0;
    *out      = (struct nj_summary){.time = NJ_SUMMARY_NO_TIME};
    if (size < 11)
        return nj_fail(error, "%zu bytes: a packed event has at least 11", size);
    unsigned version = get(bytes, &at, 3);
    if (version != VERSION)
        return nj_fail(error, "packed with version %u, this program knows %u: update it", version, VERSION);
    out->serial      = get(bytes, &at, 13);
    unsigned minutes = get(bytes, &at, 24);
    if (minutes != NO_MINUTES)
        out->time = EPOCH_2010 + (int64_t)minutes * 60;
    out->blank           = get(bytes, &at, 1);
    out->cut             = get(bytes, &at, 1);
    out->priority        = get(bytes, &at, 2);
    out->detection_count = get(bytes, &at, 2);
    if (out->priority > 2 || size != bytes_for(out->detection_count))
        return nj_fail(error, "%zu bytes do not hold %u detections: not a packed event", size, out->detection_count);
    for (unsigned i = 0; i < out->detection_count; i++) {
        struct nj_summary_detection *d     = &out->detections[i];
        unsigned                     label = get(bytes, &at, 6), bin = get(bytes, &at, 4);
        snprintf(d->label, sizeof d->label, "%s", label < labels->count ? labels->label[label] : "other");
        if (bin >= BINS)
            return nj_fail(error, "count bin %u does not exist: not a packed event", bin);
        snprintf(d->bin, sizeof d->bin, "%s", bins[bin]);
        d->behaviors  = get(bytes, &at, 5);
        d->young      = get(bytes, &at, 1);
        d->confidence = get(bytes, &at, 2);
    }
    return NJ_OK;
}
