/* cpu.h: how fast the cores run, and how to make them run slower where it is warm. Plain files below NIGHTJAR_SYSROOT. */
#ifndef NJ_FIRMWARE_HOST_CPU_H
#define NJ_FIRMWARE_HOST_CPU_H

#include <stdbool.h>

struct nj_cpu {
    double now_mhz, cap_mhz, most_mhz, least_mhz; /* of the fastest cores; NAN where there is no cpufreq */
    bool   may_cap;                               /* scaling_max_freq can be written */
};

void nj_cpu_read(struct nj_cpu *out);

/* Caps all cores at `share` of the way from their slowest to their fastest (1: no cap). False where nothing can be written, which is no failure. */
bool nj_cpu_cap(double share);

#endif
