#include "firmware-host/thermal.h"
#include "base/file.h"

#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define THROTTLED "/sys/devices/platform/soc/soc:firmware/get_throttled"

double nj_thermal_celsius(void)
{
    char   pattern[1200], text[64];
    glob_t found;
    double warmest = NAN;
    if (!nj_sysroot_path(pattern, sizeof pattern, "/sys/class/thermal/thermal_zone*/temp") || glob(pattern, 0, NULL, &found) != 0)
        return NAN;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        FILE *file = fopen(found.gl_pathv[i], "re");
        if (!file)
            continue;
        double celsius = fgets(text, sizeof text, file) ? strtod(text, NULL) / 1000 : NAN;
        fclose(file);
        if (celsius >= -40 && celsius <= 150 && !(celsius <= warmest))
            warmest = celsius;
    }
    globfree(&found);
    return warmest;
}

uint32_t nj_thermal_throttled(void)
{
    char     path[1200], text[64];
    uint32_t bits = 0;
    if (!nj_sysroot_path(path, sizeof path, THROTTLED))
        return 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fgets(text, sizeof text, file))
        bits = (uint32_t)strtoul(text, NULL, 16);
    fclose(file);
    return bits;
}
