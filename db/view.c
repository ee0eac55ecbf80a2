/* view.c: reading the views of the contract for lists, exports and reports. */
#include "db/internal.h"

#include <string.h>

#define MAX_COLUMNS 32

/* Which filters a view knows, and the column that each means. "" = it does not. */
struct shape {
    const char *view, *night, *species, *state, *order;
};

static const struct shape shapes[] = {
    {"files", "", "", "outcome", "file_id"},
    {"events", "night", "species", "state", "started_at"},
    {"detections", "", "species", "", "event_id"},
    {"review_queue", "night", "species", "status", "CASE priority WHEN 'high' THEN 0 WHEN 'medium' THEN 1 ELSE 2 END, started_at"},
    {"nights", "night", "", "", "night"},
    {"species_nights", "night", "species", "", "night"},
    {"outbox", "", "", "", "item_id"},
};

static nj_status compose(struct nj_text *sql, const struct nj_db_query *query, struct nj_error *error)
{
    const struct shape *shape = NULL;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (!strcmp(shapes[i].view, query->view))
            shape = &shapes[i];
    if (!shape)
        return nj_fail(error, "%s: no such view", query->view);
    if (((query->night || query->from || query->to) && !*shape->night) || (query->species && !*shape->species) ||
        (query->state && !*shape->state))
        return nj_fail(error, "%s: this view cannot be chosen from in that way", query->view);
    nj_text_addf(sql, "SELECT * FROM %s WHERE 1", shape->view);
    if (query->night)
        nj_text_addf(sql, " AND %s = :night", shape->night);
    if (query->from)
        nj_text_addf(sql, " AND %s >= :from", shape->night);
    if (query->to)
        nj_text_addf(sql, " AND %s <= :to", shape->night);
    if (query->state)
        nj_text_addf(sql, " AND %s = :state", shape->state);
    if (query->event_id)
        nj_text_add(sql, " AND event_id = :event");
    if (query->species && (!strcmp(shape->view, "events") || !strcmp(shape->view, "review_queue")))
        nj_text_add(sql, " AND event_id IN (SELECT event_id FROM detections WHERE species = :species)");
    else if (query->species)
        nj_text_add(sql, " AND species = :species");
    if (*shape->order)
        nj_text_addf(sql, " ORDER BY %s%s", shape->order, query->newest_first ? " DESC" : "");
    if (query->limit > 0)
        nj_text_add(sql, " LIMIT :limit");
    return sql->failed ? nj_fail(error, "%s: no memory", query->view) : NJ_OK;
}

static void bind_name(sqlite3_stmt *statement, const char *name, const char *value)
{
    int at = sqlite3_bind_parameter_index(statement, name);
    if (at && value)
        sqlite3_bind_text(statement, at, value, -1, SQLITE_STATIC);
}

static void read_value(sqlite3_stmt *row, int column, struct nj_db_value *out)
{
    *out = (struct nj_db_value){.text = ""};
    switch (sqlite3_column_type(row, column)) {
    case SQLITE_INTEGER:
        out->type    = NJ_DB_INTEGER;
        out->integer = sqlite3_column_int64(row, column);
        out->real    = (double)out->integer;
        break;
    case SQLITE_FLOAT:
        out->type = NJ_DB_REAL;
        out->real = sqlite3_column_double(row, column);
        break;
    case SQLITE_NULL:
        out->type = NJ_DB_NULL;
        break;
    default:
        out->type      = NJ_DB_TEXT;
        out->text      = nj_db_text(row, column);
        out->text_size = (size_t)sqlite3_column_bytes(row, column);
    }
}

nj_status nj_db_select(struct nj_db *db, const struct nj_db_query *query, nj_db_on_row *callback, void *user, struct nj_error *error)
{
    struct nj_text     sql       = {0};
    sqlite3_stmt      *statement = NULL;
    const char        *names[MAX_COLUMNS];
    struct nj_db_value values[MAX_COLUMNS];
    nj_status          status = compose(&sql, query, error);
    if (status != NJ_OK)
        goto cleanup;
    int code = sqlite3_prepare_v2(db->sql, sql.data, -1, &statement, NULL);
    if (code != SQLITE_OK) {
        status = nj_db_failed(db, code, error);
        goto cleanup;
    }
    bind_name(statement, ":night", query->night);
    bind_name(statement, ":from", query->from);
    bind_name(statement, ":to", query->to);
    bind_name(statement, ":species", query->species);
    bind_name(statement, ":state", query->state);
    bind_name(statement, ":event", query->event_id);
    if (query->limit > 0)
        sqlite3_bind_int64(statement, sqlite3_bind_parameter_index(statement, ":limit"), query->limit);
    int count = sqlite3_column_count(statement);
    if (count > MAX_COLUMNS)
        count = MAX_COLUMNS;
    for (int i = 0; i < count; i++)
        names[i] = sqlite3_column_name(statement, i);
    while ((status = nj_db_step(db, statement, error)) == NJ_OK) {
        for (int i = 0; i < count; i++)
            read_value(statement, i, &values[i]);
        status = callback(user, names, values, (size_t)count);
        if (status != NJ_OK)
            break;
    }
    if (status == NJ_NOT_FOUND)
        status = NJ_OK;
cleanup:
    sqlite3_finalize(statement);
    nj_text_free(&sql);
    return status;
}
