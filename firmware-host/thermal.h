/* thermal.h: how warm the board is, and whether it has had to slow down. Plain files below NIGHTJAR_SYSROOT. */
#ifndef NJ_FIRMWARE_HOST_THERMAL_H
#define NJ_FIRMWARE_HOST_THERMAL_H

#include <stdint.h>

/* The warmest of /sys/class/thermal/thermal_zone{N}/temp, degrees Celsius; NAN where there is none or none is believable (-40 to 150). */
double nj_thermal_celsius(void);

/* Bits of the Raspberry Pi's get_throttled: 0-3 now, 16-19 since boot (under-voltage, capped, throttled, soft limit); 0 where there is no such file. */
uint32_t nj_thermal_throttled(void);

#endif
