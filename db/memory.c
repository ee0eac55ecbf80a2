/* memory.c: what the station remembers besides pictures: learned values, decisions, measurements, clock corrections. */
#include "db/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

nj_status nj_db_state_get(struct nj_db *db, const char *key, void **value, size_t *size, struct nj_error *error)
{
    sqlite3_stmt *row;
    nj_status     status = nj_db_query(db, &row, error, "SELECT value FROM state WHERE key = ?", "s", key);
    *value               = NULL;
    *size                = 0;
    if (status == NJ_OK)
        status = nj_db_step(db, row, error);
    if (status != NJ_OK)
        return status;
    size_t bytes = (size_t)sqlite3_column_bytes(row, 0);
    char  *copy  = malloc(bytes + 1);
    if (!copy)
        status = nj_fail(error, "%s: no memory for %s", db->path, key);
    else {
        if (bytes)
            memcpy(copy, sqlite3_column_blob(row, 0), bytes);
        copy[bytes] = 0;
        *value      = copy;
        *size       = bytes;
    }
    sqlite3_reset(row);
    return status;
}

nj_status nj_db_state_put(struct nj_db *db, const char *key, const void *value, size_t size, struct nj_error *error)
{
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status = nj_db_run(db, error, "INSERT INTO state(key, value) VALUES(?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", "sb", key,
                       value, size);
    return nj_db_end(db, status, error);
}

nj_status nj_db_decision(struct nj_db *db, int64_t at_ms, const char *what, const char *reason, int64_t event, struct nj_error *error)
{
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status = nj_db_run(db, error, "INSERT INTO decision(at_utc, what, reason, event) VALUES(?, ?, ?, nullif(?, 0))", "ussi", at_ms, what,
                       reason, event);
    return nj_db_end(db, status, error);
}

nj_status nj_db_samples(struct nj_db *db, const struct nj_db_sample *samples, size_t count, struct nj_error *error)
{
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    for (size_t i = 0; status == NJ_OK && i < count; i++) {
        const struct nj_db_sample *at    = &samples[i];
        int64_t                    local = at->at_ms / 1000 + llround(db->timezone_offset * 3600);
        status =
            nj_db_run(db, error, "INSERT INTO sample(at_utc, battery_percent, battery_v, panel_w, load_w, temp_c) VALUES(?, ?, ?, ?, ?, ?)",
                      "urrrrr", at->at_ms, at->battery_percent, at->battery_v, at->panel_w, at->load_w, at->temp_c);
        if (status == NJ_OK && db->station && !isnan(at->battery_percent))
            status = nj_db_run(db, error,
                               "INSERT INTO night_total(night, station, battery_low_percent) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET"
                               " battery_low_percent = min(ifnull(battery_low_percent, 1e9), excluded.battery_low_percent)",
                               "Nir", local, db->station, at->battery_percent);
    }
    return nj_db_end(db, status, error);
}

nj_status nj_db_clock_offset(struct nj_db *db, int64_t card, const char *camera, int64_t from, int64_t to, int64_t seconds, const char *by,
                             struct nj_error *error)
{
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status = nj_db_run(db, error,
                       "INSERT INTO clock_offset(card, camera, from_time, to_time, seconds, by_whom, at_utc) VALUES(?, ?, ?, ?, ?, ?, ?)",
                       "isttisu", card, camera, from, to, seconds, by, nj_db_now(db));
    return nj_db_end(db, status, error);
}

nj_status nj_db_clock_offset_event(struct nj_db *db, int64_t event, int64_t seconds, const char *by, struct nj_error *error)
{
    nj_status status = nj_db_begin(db, error);
    if (status != NJ_OK)
        return status;
    status = nj_db_run(db, error,
                       "INSERT INTO clock_offset(card, camera, seconds, by_whom, at_utc) SELECT card, camera, ?2, ?3, ?4 FROM event"
                       " WHERE event = ?1",
                       "iisu", event, seconds, by, nj_db_now(db));
    return nj_db_end(db, status, error);
}
