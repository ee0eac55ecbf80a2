#include "pipeline/cli/arguments.h"
#include "pipeline/cli/export.h"
#include "pipeline/cli/open_database.h"
#include "pipeline/sentinel/species.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FLUSH_BYTES (64u << 10)

nj_status nj_export_begin(struct nj_export *job, const char *path, struct nj_export_file *out)
{
    out->text = (struct nj_text){0};
    return nj_atomic_open(path, &out->file, &job->cli->error);
}

nj_status nj_export_flush(struct nj_export *job, struct nj_export_file *file)
{
    if (file->text.failed)
        return nj_fail(&job->cli->error, "%s: no memory", file->file.path);
    if (file->text.length < FLUSH_BYTES)
        return NJ_OK;
    nj_status status = nj_atomic_write(&file->file, file->text.data, file->text.length, &job->cli->error);
    nj_text_clear(&file->text);
    return status;
}

nj_status nj_export_end(struct nj_export *job, struct nj_export_file *file, nj_status status)
{
    if (status == NJ_OK && file->text.failed)
        status = nj_fail(&job->cli->error, "%s: no memory", file->file.path);
    if (status == NJ_OK && file->text.length)
        status = nj_atomic_write(&file->file, file->text.data, file->text.length, &job->cli->error);
    if (status == NJ_OK)
        status = nj_atomic_commit(&file->file, &job->cli->error);
    else
        nj_atomic_abort(&file->file);
    nj_text_free(&file->text);
    return status;
}

nj_status nj_export_select(struct nj_export *job, const char *view, const char *event_id, nj_db_on_row *callback, void *user)
{
    struct nj_db_query query = {.view = view, .event_id = event_id};
    if (!event_id) {
        query.from = job->from;
        query.to   = job->to;
    }
    return nj_db_select(job->db, &query, callback, user, &job->cli->error);
}

bool nj_export_hides(const struct nj_export *job, const struct nj_row *row)
{
    return !job->people && nj_row_is_set(row, "people") && nj_row_number(row, "people");
}

int64_t nj_row_time(const struct nj_row *row, const char *name)
{
    int      year, hour, minute, second;
    unsigned month, day;
    if (sscanf(nj_row_text(row, name), "%5d-%2u-%2uT%2d:%2d:%2d", &year, &month, &day, &hour, &minute, &second) != 6)
        return NJ_DB_NO_TIME;
    return nj_days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second + nj_row_number(row, "clock_offset");
}

void nj_zoned_time(const struct nj_export *job, int64_t seconds, char out[40])
{
    char local[NJ_TIME_TEXT];
    int  minutes = (int)lround(job->cli->conf.station.timezone_offset * 60), size = minutes < 0 ? -minutes : minutes;
    nj_time_local(seconds, local);
    snprintf(out, 40, "%s%c%02d:%02d", local, minutes < 0 ? '-' : '+', size / 60 % 24, size % 60);
}

void nj_export_cell(struct nj_text *text, const char *string)
{
    struct nj_text guarded = {0};
    if (!*string || !strchr("=+-@\t\r", *string)) {
        nj_text_add_cell(text, string);
        return;
    }
    nj_text_addf(&guarded, "'%s", string);
    nj_text_add_cell(text, guarded.data ? guarded.data : "");
    text->failed |= guarded.failed;
    nj_text_free(&guarded);
}

void nj_csv_cell(struct nj_text *text, const char *string)
{
    nj_text_add(text, ",");
    nj_export_cell(text, string ? string : "");
}

const char *nj_scientific_name(const char *label)
{
    int index = nj_species_index(label);
    return index < 0 ? "" : nj_species[index].scientific;
}

int nj_cmd_export(struct nj_cli *cli, int argc, char **argv)
{
    static const struct {
        const char       *name;
        nj_export_format *write;
        bool              folder;
    } formats[]                      = {{"camtrap-dp", nj_export_camtrap, true},
                                        {"csv", nj_export_csv, false},
                                        {"megadetector", nj_export_megadetector, false},
                                        {"timelapse", nj_export_timelapse, false},
                                        {"training", nj_export_training, true}};
    const char              *night   = NULL;
    struct nj_export         job     = {.cli = cli};
    const struct nj_argument table[] = {{"--night", NJ_ARG_NIGHT, &night}, {"--from", NJ_ARG_NIGHT, &job.from},
                                        {"--to", NJ_ARG_NIGHT, &job.to},   {"--people", NJ_ARG_FLAG, &job.people},
                                        {"-o", NJ_ARG_TEXT, &job.output},  {NULL, 0, NULL}};
    int                      words   = nj_arguments(argc, argv, table);
    if (words < 0)
        return NJ_EXIT_USAGE;
    if (words != 2)
        return nj_usage(argv[0], "one format is expected: camtrap-dp, csv, megadetector, timelapse or training");
    if (!job.output)
        return nj_usage(argv[0], "-o FILE (or a folder, for camtrap-dp and training) is missing");
    if (night && (job.from || job.to))
        return nj_usage(argv[0], "--night, or --from and --to, not both");
    if (night)
        job.from = job.to = night;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(formats[i].name, argv[1]) != 0)
            continue;
        if (!strcmp(job.output, "-") && formats[i].folder)
            return nj_usage(argv[0], "-o -: this format is a folder of files, which needs a name");
        job.output       = nj_output_name(job.output);
        nj_status status = nj_database_open(cli, NJ_DB_READ, &job.db);
        if (status == NJ_OK && formats[i].folder)
            status = nj_make_folders(job.output, &cli->error);
        if (status == NJ_OK)
            status = formats[i].write(&job);
        nj_db_close(job.db);
        if (status == NJ_OK) {
            fprintf(stderr, "%" PRId64 " event%s written to %s\n", job.written, job.written == 1 ? "" : "s", job.output);
            if (job.people_left_out)
                fprintf(stderr, "%" PRId64 " that may show people left out (--people takes them in)\n", job.people_left_out);
            if (job.no_time)
                fprintf(stderr, "%" PRId64 " without a time left out: this format demands one\n", job.no_time);
        }
        return nj_exit(status);
    }
    return nj_usage(argv[0], "%s: no such format; camtrap-dp, csv, megadetector, timelapse or training", argv[1]);
}
