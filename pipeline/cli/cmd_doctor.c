#include "pipeline/cli/arguments.h"
#include "pipeline/cli/doctor.h"
#include "pipeline/cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const health_words[] = {"ok", "warning", "failure"};

struct nj_doctor {
    enum nj_form form;
    unsigned     counts[3];
};

void nj_doctor_say(struct nj_doctor *doctor, enum nj_health health, const char *what, const char *format, ...)
{
    static const enum nj_paint paints[] = {NJ_GREEN, NJ_YELLOW, NJ_RED};
    char                       sentence[2048];
    struct nj_text             shown = {0};
    va_list                    args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    doctor->counts[health]++;
    if (doctor->form == NJ_FORM_TABLE) {
        nj_text_add_visible(&shown, sentence);
        printf("%s%-8s%s %-10s %s\n", nj_paint(paints[health]), health_words[health], nj_paint(NJ_PLAIN), what,
               shown.data ? shown.data : "");
    } else if (doctor->form == NJ_FORM_JSON) {
        nj_text_add_json(&shown, sentence, strlen(sentence));
        printf("{\"status\": \"%s\", \"check\": \"%s\", \"message\": %s}\n", health_words[health], what, shown.data ? shown.data : "\"\"");
    } else {
        nj_text_add_cell(&shown, sentence);
        printf("%s,%s,%s\r\n", health_words[health], what, shown.data ? shown.data : "");
    }
    nj_text_free(&shown);
}

int nj_cmd_doctor(struct nj_cli *cli, int argc, char **argv)
{
    static nj_doctor_check *const checks[] = {nj_doctor_settings, nj_doctor_clock,    nj_doctor_battery, nj_doctor_wake,  nj_doctor_board,
                                              nj_doctor_gpio,     nj_doctor_watchdog, nj_doctor_heat,    nj_doctor_cards, nj_doctor_disk,
                                              nj_doctor_database, nj_doctor_pictures, nj_doctor_model,   nj_doctor_uplink};
    bool                          json = false, csv = false;
    const struct nj_argument      options[] = {{"--json", NJ_ARG_FLAG, &json}, {"--csv", NJ_ARG_FLAG, &csv}, {NULL, 0, NULL}};
    struct nj_doctor              doctor    = {0};
    int                           words     = nj_arguments(argc, argv, options);
    if (words != 1)
        return words < 0 ? NJ_EXIT_USAGE : nj_usage(argv[0], "%s: no word is expected", argv[1]);
    doctor.form = json ? NJ_FORM_JSON : csv ? NJ_FORM_CSV : NJ_FORM_TABLE;
    if (csv)
        printf("status,check,message\r\n");
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        checks[i](&doctor, cli);
    if (doctor.counts[NJ_BROKEN] == 0)
        return 0;
    nj_fail(&cli->error, "%u check%s failed; each line above says what to do", doctor.counts[NJ_BROKEN],
            doctor.counts[NJ_BROKEN] == 1 ? "" : "s");
    return NJ_EXIT_FAILED;
}
