/* doctor.h: the checks of `nightjar doctor`. One function a thing; each says one or more lines: how it is, and the remedy where it is not well.
 *
 * A check changes nothing: no alarm is set, no line driven, no file of the station written. */
#ifndef NJ_CLI_DOCTOR_H
#define NJ_CLI_DOCTOR_H

#include "pipeline/cli/cli.h"

enum nj_health { NJ_WELL, NJ_AILING, NJ_BROKEN }; /* ok, warning, failure */

struct nj_doctor; /* collects the lines */

/* `what` is a word ("clock"). The sentence says what is found, and after it what to do. */
void nj_doctor_say(struct nj_doctor *doctor, enum nj_health health, const char *what, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

typedef void nj_doctor_check(struct nj_doctor *doctor, struct nj_cli *cli);

nj_doctor_check nj_doctor_settings, nj_doctor_clock, nj_doctor_disk, nj_doctor_database, nj_doctor_cards, nj_doctor_pictures,
    nj_doctor_model, nj_doctor_uplink; /* doctor_station.c */
nj_doctor_check nj_doctor_battery, nj_doctor_wake, nj_doctor_board, nj_doctor_gpio, nj_doctor_watchdog, nj_doctor_heat; /* doctor_power.c */

#endif
