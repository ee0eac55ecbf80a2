#include "kernels/cpu.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

static const struct {
    const char *name;
    uint32_t    feature, needs;
} features_by_name[] = {
    {"avx2", NJ_CPU_AVX2, 0}, {"avx512", NJ_CPU_AVX512, NJ_CPU_AVX2},   {"avx512vnni", NJ_CPU_AVX512VNNI, NJ_CPU_AVX2 | NJ_CPU_AVX512},
    {"neon", NJ_CPU_NEON, 0}, {"dotprod", NJ_CPU_DOTPROD, NJ_CPU_NEON}, {"i8mm", NJ_CPU_I8MM, NJ_CPU_NEON | NJ_CPU_DOTPROD},
};
#define FEATURES (sizeof features_by_name / sizeof *features_by_name)

static uint32_t with_needs_met(uint32_t features)
{
    for (size_t i = 0; i < FEATURES; i++)
        if ((features & features_by_name[i].needs) != features_by_name[i].needs)
            features &= ~features_by_name[i].feature;
    return features;
}

uint32_t nj_cpu_detect(void)
{
    uint32_t found = 0;
#if defined(__x86_64__)
    __builtin_cpu_init(); /* looks at XCR0 too: a system that does not save the registers does not offer them */
    unsigned a, b, c = 0, d;
    bool     f16c = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C); /* clang 14 has no name for it */
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") && f16c)
        found |= NJ_CPU_AVX2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        found |= NJ_CPU_AVX512;
    if (__builtin_cpu_supports("avx512vnni"))
        found |= NJ_CPU_AVX512VNNI;
#elif defined(__aarch64__)
    unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
    if (first & HWCAP_ASIMD)
        found |= NJ_CPU_NEON;
    if ((first & HWCAP_ASIMDDP) && (first & HWCAP_ASIMDHP))
        found |= NJ_CPU_DOTPROD;
    if (second & HWCAP2_I8MM)
        found |= NJ_CPU_I8MM;
#endif
    return with_needs_met(found);
}

bool nj_cpu_mask(const char *list, uint32_t *features)
{
    uint32_t keep = 0, drop = 0;
    bool     only = false;
    if (!list || !*list)
        return true;
    while (*list) {
        size_t length = strcspn(list, ",");
        bool   minus  = *list == '-';
        size_t i      = 0;
        while (i < FEATURES &&
               (strlen(features_by_name[i].name) != length - minus || memcmp(features_by_name[i].name, list + minus, length - minus) != 0))
            i++;
        if (i < FEATURES && minus) {
            drop |= features_by_name[i].feature;
        } else if (i < FEATURES) {
            keep |= features_by_name[i].feature | features_by_name[i].needs;
            only = true;
        } else if (length == 1 && *list == 'c') {
            only = true;
        } else {
            return false;
        }
        list += length + (list[length] == ',');
    }
    *features = with_needs_met((only ? *features & keep : *features) & ~drop);
    return true;
}

void nj_cpu_names(uint32_t features, char *out, size_t size)
{
    size_t used = 0;
    snprintf(out, size, "c");
    for (size_t i = 0; i < FEATURES && used < size; i++)
        if (features & features_by_name[i].feature)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "," : "", features_by_name[i].name);
}
