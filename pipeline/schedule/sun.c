#include "pipeline/schedule/sun.h"

#include <math.h>

#define RADIANS      (3.14159265358979323846 / 180)
#define UNKNOWN_W_M2 200.0 /* a day of 4.8 kWh/m2, the middle of what the inhabited world gets */

/* Longitude as whole seconds of mean solar time ahead of UTC. */
static double solar_offset(double longitude)
{
    return isnan(longitude) ? 0 : round(longitude * 240);
}

int64_t nj_sun_midnight(double longitude, int64_t utc_s)
{
    double local = (double)utc_s + solar_offset(longitude);
    return (int64_t)(floor(local / 86400) * 86400 - solar_offset(longitude));
}

double nj_sun_clear_w_m2(double latitude, double longitude, int64_t utc_s)
{
    if (isnan(latitude))
        return UNKNOWN_W_M2;
    double days        = (double)utc_s / 86400;
    double year_angle  = 2 * RADIANS * 180 * fmod(days, 365.2425) / 365.2425;
    double declination = 0.006918 - 0.399912 * cos(year_angle) + 0.070257 * sin(year_angle) - 0.006758 * cos(2 * year_angle) +
                         0.000907 * sin(2 * year_angle);
    double minutes    = 229.18 * (0.000075 + 0.001868 * cos(year_angle) - 0.032077 * sin(year_angle) - 0.014615 * cos(2 * year_angle) -
                               0.040849 * sin(2 * year_angle));
    double solar      = (double)utc_s + solar_offset(longitude) + minutes * 60;
    double hour_angle = (fmod(solar, 86400) / 3600 - 12) * 15 * RADIANS;
    double lat        = latitude * RADIANS;
    double height     = sin(lat) * sin(declination) + cos(lat) * cos(declination) * cos(hour_angle);
    if (height <= 0)
        return 0;
    double elevation = asin(height) / RADIANS;
    double air_mass  = 1 / (height + 0.15 * pow(elevation + 3.885, -1.253));
    double beam      = 1367 * pow(0.7, pow(air_mass, 0.678));
    double tilt      = fmin(fmax(fabs(latitude), 10), 60) * RADIANS;
    double leaning   = latitude >= 0 ? lat - tilt : lat + tilt; /* the latitude at which this panel would lie flat */
    double facing    = sin(leaning) * sin(declination) + cos(leaning) * cos(declination) * cos(hour_angle);
    return beam * fmax(facing, 0) + 0.1 * beam * (1 + cos(tilt)) / 2;
}

double nj_sun_clear_day_wh_m2(double latitude, double longitude, int64_t midnight_s)
{
    double sum = 0;
    for (int half = 0; half < 48; half++)
        sum += nj_sun_clear_w_m2(latitude, longitude, midnight_s + half * 1800 + 900) * 0.5;
    return sum;
}
