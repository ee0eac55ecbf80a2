/* sun.h: how much light a clear day would bring, from latitude and date alone.
 *
 * It gives the shape of the day and of the year; how cloudy, shaded, dirty or broken the place is, the station learns (harvest.h). The panel is
 * taken to be tilted towards the equator by the latitude, as a sensible installer would set it (10 to 60 degrees).
 *
 * Formulas: declination and equation of time after Spencer (1971); air mass after Kasten (1965); beam 1367 x 0.7^(AM^0.678) W/m2 (Meinel 1976);
 * a tenth of the beam again as diffuse light, seen by the part of the sky that the panel faces. */
#ifndef NJ_SCHEDULE_SUN_H
#define NJ_SCHEDULE_SUN_H

#include <stdint.h>

/* Clear-sky W/m2 on the panel at `utc_s` (seconds since 1970). `longitude` NAN counts as 0. With `latitude` NAN: the same 200 W/m2 at all hours,
 * because neither the day nor the year has a shape that could be known. */
double nj_sun_clear_w_m2(double latitude, double longitude, int64_t utc_s);

/* Wh/m2 of the solar day (noon in the middle) that starts at `midnight_s`. */
double nj_sun_clear_day_wh_m2(double latitude, double longitude, int64_t midnight_s);

/* Seconds since 1970 UTC at which the solar day around `utc_s` began: local mean midnight. */
int64_t nj_sun_midnight(double longitude, int64_t utc_s);

#endif
