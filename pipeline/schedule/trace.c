/* trace.c: the two files that a simulation reads. They are plain CSV; every field is checked, with its line in the sentence. */
#include "base/clock.h"
#include "base/file.h"
#include "pipeline/schedule/simulate.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST_FILE ((size_t)256 << 20)
#define MOST_FIELDS  4

/* `2023-01-01T02:24:52Z` as seconds since 1970. */
static bool read_time(const char *text, int64_t *out)
{
    int      year, used = 0;
    unsigned month, day, hour, minute, second;
    char     again[NJ_TIME_TEXT];
    if (sscanf(text, "%4d-%2u-%2uT%2u:%2u:%2u%n", &year, &month, &day, &hour, &minute, &second, &used) != 6 || used != 19)
        return false;
    if ((text[used] && strcmp(text + used, "Z")) || year < 1970 || month < 1 || month > 12)
        return false;
    *out = nj_days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    nj_time_local(*out, again);
    return !strncmp(text, again, (size_t)used); /* 30 February would come back as 1 March */
}

static bool read_number(const char *text, double low, double high, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && *out >= low && *out <= high;
}

/* A text file cut into lines and fields in place. */
struct table {
    const char *path;
    char       *text, *at;
    size_t      line;
    char       *field[MOST_FIELDS];
};

static nj_status open_table(struct table *table, const char *path, const char *header, struct nj_error *error)
{
    uint8_t  *bytes;
    size_t    size;
    nj_status status = nj_file_read(path, LARGEST_FILE, &bytes, &size, error);
    *table           = (struct table){.path = path, .text = (char *)bytes, .at = (char *)bytes, .line = 1};
    if (status != NJ_OK)
        return status;
    size_t length = strlen(header);
    if (size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b)
        return nj_fail(error, "%s: is gzipped; unpack it first", path);
    if (memchr(bytes, 0, size) || strncmp(table->text, header, length) || !strchr("\r\n", table->text[length]))
        return nj_fail(error, "%s:1: the header should be %s", path, header);
    table->at += length + strspn(table->text + length, "\r");
    table->at += *table->at == '\n';
    return NJ_OK;
}

/* The next line's `fields` fields; NJ_NOT_FOUND at the end. */
static nj_status next_row(struct table *table, size_t fields, struct nj_error *error)
{
    if (!*table->at)
        return NJ_NOT_FOUND;
    table->line++;
    char *line = table->at, *end = line + strcspn(line, "\n");
    table->at = end + (*end == '\n');
    while (end > line && (end[-1] == '\r'))
        end--;
    *end = 0;
    for (size_t f = 0; f < fields; f++) {
        char *comma     = strchr(line, ',');
        table->field[f] = line;
        if (!comma != (f + 1 == fields))
            return nj_fail(error, "%s:%zu: %zu fields are expected", table->path, table->line, fields);
        if (comma) {
            *comma = 0;
            line   = comma + 1;
        }
    }
    return NJ_OK;
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines + 1;
}

nj_status nj_weather_read(const char *path, struct nj_weather *out, struct nj_error *error)
{
    struct table table;
    nj_status    status = open_table(&table, path, "time,irradiance_w_m2,temp_c", error);
    *out                = (struct nj_weather){0};
    if (status != NJ_OK)
        goto cleanup;
    size_t most     = count_lines(table.at);
    out->irradiance = calloc(most, sizeof *out->irradiance);
    out->temp_c     = calloc(most, sizeof *out->temp_c);
    if (!out->irradiance || !out->temp_c) {
        status = nj_fail(error, "%s: no memory for %zu lines", path, most);
        goto cleanup;
    }
    while ((status = next_row(&table, 3, error)) == NJ_OK) {
        int64_t at;
        size_t  n = out->count;
        if (!read_time(table.field[0], &at) || !read_number(table.field[1], 0, 1e5, &out->irradiance[n]) ||
            !read_number(table.field[2], -150, 150, &out->temp_c[n])) {
            status = nj_fail(error, "%s:%zu: time, W/m2 or degrees cannot be read", path, table.line);
            goto cleanup;
        }
        if (n == 0)
            out->start_s = at;
        else if (n == 1)
            out->step_s = at - out->start_s;
        if (n > 0 && (out->step_s <= 0 || out->step_s > 3600 || at != out->start_s + (int64_t)n * out->step_s)) {
            status = nj_fail(error, "%s:%zu: the steps should be equal and at most an hour", path, table.line);
            goto cleanup;
        }
        out->count++;
    }
    if (status == NJ_NOT_FOUND)
        status = out->count >= 2 ? NJ_OK : nj_fail(error, "%s: at least two rows of weather are needed", path);
cleanup:
    free(table.text);
    if (status != NJ_OK)
        nj_weather_free(out);
    return status;
}

void nj_weather_free(struct nj_weather *weather)
{
    free(weather->irradiance);
    free(weather->temp_c);
    *weather = (struct nj_weather){0};
}

static bool read_arrival(char *const field[MOST_FIELDS], struct nj_arrival *out)
{
    double frames;
    size_t length = strlen(field[1]);
    if (!read_time(field[0], &out->time_s) || length == 0 || length >= sizeof out->id || !read_number(field[2], 1, 1000, &frames) ||
        frames != floor(frames) || !read_number(field[3], 0, 1, &out->interest))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isgraph((unsigned char)field[1][i]) || field[1][i] == '"')
            return false;
    memcpy(out->id, field[1], length + 1);
    out->frames = (unsigned)frames;
    return true;
}

nj_status nj_arrivals_read(const char *path, struct nj_arrivals *out, struct nj_error *error)
{
    struct table table;
    nj_status    status = open_table(&table, path, "time,event_id,frames,interest", error);
    *out                = (struct nj_arrivals){0};
    if (status != NJ_OK)
        goto cleanup;
    size_t most = count_lines(table.at);
    out->item   = calloc(most, sizeof *out->item);
    if (!out->item) {
        status = nj_fail(error, "%s: no memory for %zu lines", path, most);
        goto cleanup;
    }
    while ((status = next_row(&table, 4, error)) == NJ_OK) {
        struct nj_arrival *item = &out->item[out->count];
        if (!read_arrival(table.field, item)) {
            status = nj_fail(error, "%s:%zu: time, id, frames or interest cannot be read", path, table.line);
            goto cleanup;
        }
        if (out->count && item->time_s < item[-1].time_s) {
            status = nj_fail(error, "%s:%zu: earlier than the line before", path, table.line);
            goto cleanup;
        }
        out->count++;
    }
    if (status == NJ_NOT_FOUND)
        status = NJ_OK;
cleanup:
    free(table.text);
    if (status != NJ_OK)
        nj_arrivals_free(out);
    return status;
}

void nj_arrivals_free(struct nj_arrivals *arrivals)
{
    free(arrivals->item);
    *arrivals = (struct nj_arrivals){0};
}
