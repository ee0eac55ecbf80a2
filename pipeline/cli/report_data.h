/* report_data.h: what the page shows, gathered from the store before a line is written. */
#ifndef NJ_CLI_REPORT_DATA_H
#define NJ_CLI_REPORT_DATA_H

#include "pipeline/cli/power_words.h"
#include "pipeline/cli/report.h"

struct nj_report_night {
    char    night[11];
    int64_t files, rejected, events, blank, animals, waiting, failed, to_review;
    double  energy_wh, battery_low; /* battery_low NAN: not measured */
};

struct nj_report_species {
    char    label[64], name[64];
    int64_t events, individuals, young;
};

struct nj_report_card {
    char id[NJ_DB_EVENT_ID], night[11], time[20], priority[8], seen[160], reasons[400], place[1024];
    bool people;
};

struct nj_report_trouble { /* a reason and how often it came */
    char    what[400];
    int64_t count;
};

struct nj_report_data {
    struct nj_report_night   *nights;
    size_t                    night_count;
    struct nj_report_night    sum;
    struct nj_report_species *species; /* most events first */
    size_t                    species_count;
    struct nj_report_card    *cards; /* most urgent first */
    size_t                    card_count;
    int64_t                   cards_left_out, people_left_out;
    struct nj_report_trouble *troubles; /* failed, put off, rejected: most frequent first */
    size_t                    trouble_count;
    int64_t                   troubles_left_out;
    int64_t                   hour_animals[24], hour_blank[24], no_time;
    float                    *battery; /* percent, one every sample, in order; NAN: not measured */
    size_t                    battery_count;
    double                    temp_max; /* NAN */
    double                    seconds;  /* spent reading */
    int64_t                   corrected_clocks;
    struct nj_power_words     power;
};

nj_status nj_report_gather(struct nj_db *db, const struct nj_report_options *options, struct nj_report_data *out, struct nj_error *error);
void      nj_report_data_free(struct nj_report_data *data);

#endif
