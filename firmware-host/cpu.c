#include "firmware-host/cpu.h"
#include "base/file.h"

#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define POLICIES "/sys/devices/system/cpu/cpufreq/policy*"

static double read_mhz(const char *folder, const char *name)
{
    char path[1400], text[64] = "";
    if (!nj_path_join(path, sizeof path, folder, name))
        return NAN;
    FILE *file = fopen(path, "re");
    if (!file)
        return NAN;
    double khz = fgets(text, sizeof text, file) ? strtod(text, NULL) : 0;
    fclose(file);
    return khz > 0 && khz < 1e8 ? khz / 1000 : NAN;
}

static bool find(glob_t *found)
{
    char pattern[1200];
    return nj_sysroot_path(pattern, sizeof pattern, POLICIES) && glob(pattern, 0, NULL, found) == 0;
}

void nj_cpu_read(struct nj_cpu *out)
{
    glob_t found;
    *out = (struct nj_cpu){NAN, NAN, NAN, NAN, false};
    if (!find(&found))
        return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *folder = found.gl_pathv[i];
        char        path[1400];
        double      most = read_mhz(folder, "cpuinfo_max_freq");
        if (isnan(most) || most <= out->most_mhz)
            continue;
        *out = (struct nj_cpu){read_mhz(folder, "scaling_cur_freq"), read_mhz(folder, "scaling_max_freq"), most,
                               read_mhz(folder, "cpuinfo_min_freq"),
                               nj_path_join(path, sizeof path, folder, "scaling_max_freq") && access(path, W_OK) == 0};
    }
    globfree(&found);
}

bool nj_cpu_cap(double share)
{
    glob_t found;
    bool   all = true;
    if (!find(&found))
        return false;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char   path[1400];
        double least = read_mhz(found.gl_pathv[i], "cpuinfo_min_freq"), most = read_mhz(found.gl_pathv[i], "cpuinfo_max_freq");
        FILE  *file = isnan(least) || isnan(most) || !nj_path_join(path, sizeof path, found.gl_pathv[i], "scaling_max_freq")
                          ? NULL
                          : fopen(path, "we");
        all         = all && file && fprintf(file, "%.0f\n", (least + share * (most - least)) * 1000) > 0;
        if (file && fclose(file) != 0)
            all = false;
    }
    globfree(&found);
    return all;
}
