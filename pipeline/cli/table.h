/* table.h: rows of a view on stdout, for people (a table), for programs (one JSON object a line) or for spreadsheets (CSV).
 *
 * A table shows the columns that the command chose, JSON and CSV show all of the view. Text from cards is data, not orders: control characters
 * never reach a terminal. Colours only where stdout is a terminal, TERM is not dumb and NO_COLOR is not set. */
#ifndef NJ_CLI_TABLE_H
#define NJ_CLI_TABLE_H

#include "base/text.h"
#include "db/db.h"

enum nj_form { NJ_FORM_TABLE, NJ_FORM_JSON, NJ_FORM_CSV };

enum nj_paint { NJ_PLAIN, NJ_BOLD, NJ_DIM, NJ_GREEN, NJ_YELLOW, NJ_RED };

struct nj_column {
    const char *name, *title; /* the view's column; what stands above it. The last one has a NULL name */
    int         width;        /* characters; right-aligned if negative; longer text is cut with "…", but never in the last column */
    enum nj_paint (*paint)(const struct nj_db_value *value); /* or NULL */
};

struct nj_row;

struct nj_output {
    enum nj_form            form;
    const struct nj_column *columns;
    const char             *raw_json;                                      /* a text column that holds JSON itself, or NULL */
    const char *(*if_empty)(const char *column, const struct nj_row *row); /* what a table shows where a cell is empty; or NULL */
    uint64_t rows;
};

/* An nj_db_on_row for nj_db_select with names_first; `user` is an nj_output. */
nj_status nj_output_row(void *user, const char *const *names, const struct nj_db_value *values, size_t count);

/* Whether stdout takes colours; the sequence that begins a paint, "" where it does not. nj_paint(NJ_PLAIN) ends one. */
const char *nj_paint(enum nj_paint paint);

/* Text for a terminal: control characters and bytes that are not UTF-8 as \xHH. */
void nj_text_add_visible(struct nj_text *text, const char *string);

/* A number with as many digits as it takes to read it back. */
void nj_text_add_number(struct nj_text *text, double value);

/* One row as a JSON object; `raw_json` as above. */
void nj_text_add_row(struct nj_text *text, const char *raw_json, const char *const *names, const struct nj_db_value *values, size_t count);

/* One CSV cell (RFC 4180). */
void nj_text_add_cell(struct nj_text *text, const char *string);

/* The value of the column with that name; a NULL value if there is none. */
const struct nj_db_value *nj_row_value(const char *name, const char *const *names, const struct nj_db_value *values, size_t count);

/* One row of a view. */
struct nj_row {
    const char *const        *names;
    const struct nj_db_value *values;
    size_t                    count;
};
const char *nj_row_text(const struct nj_row *row, const char *name);
int64_t     nj_row_number(const struct nj_row *row, const char *name);
double      nj_row_real(const struct nj_row *row, const char *name);
bool        nj_row_is_set(const struct nj_row *row, const char *name);

#endif
