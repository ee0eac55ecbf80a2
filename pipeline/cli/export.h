/* export.h: what biologists' own programs read. One function a format; each streams the rows of the store into files that appear whole or not at all.
 *
 * Times are put right by the clock corrections on record, and carry the time zone where the format has one. Events that may show people are left out
 * unless asked for. Nothing on the card is changed. */
#ifndef NJ_CLI_EXPORT_H
#define NJ_CLI_EXPORT_H

#include "base/file.h"
#include "base/text.h"
#include "db/db.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/table.h"

struct nj_export {
    struct nj_cli *cli;
    struct nj_db  *db;
    const char    *output;    /* file, or folder for camtrap-dp and training */
    const char    *from, *to; /* nights; may be NULL */
    bool           people;
    int64_t        written, people_left_out, no_time; /* events */
};

typedef nj_status nj_export_format(struct nj_export *job);
nj_export_format  nj_export_csv;          /* one row a detection, one for an event without any */
nj_export_format  nj_export_timelapse;    /* one row a picture, for Timelapse's CSV import */
nj_export_format  nj_export_megadetector; /* JSON as MegaDetector writes it */
nj_export_format  nj_export_camtrap;      /* Camera Trap Data Package 1.0 */
nj_export_format  nj_export_training;     /* chat messages with pictures, from what rangers decided */

/* A file that grows in portions and appears at the end. */
struct nj_export_file {
    struct nj_atomic_file file;
    struct nj_text        text; /* append here, then call nj_export_flush now and then */
};
nj_status nj_export_begin(struct nj_export *job, const char *path, struct nj_export_file *out);
nj_status nj_export_flush(struct nj_export *job, struct nj_export_file *file);
/* Ends it in the way `status` asks for: in place, or gone. */
nj_status nj_export_end(struct nj_export *job, struct nj_export_file *file, nj_status status);

/* Selects `view` for the job's nights. */
nj_status nj_export_select(struct nj_export *job, const char *view, const char *event_id, nj_db_on_row *callback, void *user);

/* Whether the row's event stays out because of people. */
bool nj_export_hides(const struct nj_export *job, const struct nj_row *row);

/* A column that holds a local time, put right by `clock_offset`: seconds, NJ_DB_NO_TIME; as text `2020-01-02T03:00:00` into out; with the station's zone. */
int64_t nj_row_time(const struct nj_row *row, const char *name);
void    nj_zoned_time(const struct nj_export *job, int64_t seconds, char out[40]);

/* CSV: a cell; and a comma, then the cell, NULL and "" being empty. People open these files with a spreadsheet: text that one would take for a formula (names
 * of cards, cameras and files are anybody's to write) gets an apostrophe in front, and stays text. */
void nj_export_cell(struct nj_text *text, const char *string);
void nj_csv_cell(struct nj_text *text, const char *string);

/* Latin name of a label, "" if it has none. */
const char *nj_scientific_name(const char *label);

#endif
