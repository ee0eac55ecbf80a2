/* check.h: what the kernel tests share: guarded memory, random data with edge values, and the walk over the instruction sets of this processor.
 *
 * Every buffer stands against a page that may not be touched, at its end or at its start by turns, so that a kernel that reads or writes one byte
 * too far dies at once. NJ_CPU (kernels/cpu.h) restricts what is tested; NJ_SEED changes the random numbers; NJ_EFFORT is the percentage of the usual
 * number of rounds (for emulators). */
#ifndef NJ_TESTS_KERNELS_CHECK_H
#define NJ_TESTS_KERNELS_CHECK_H

#include "kernels/forms_c.h"
#include "kernels/kernels.h"
#include "kernels/number.h"
#include "tests/tap.h"

#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t random_state = 88172645463325252u;

__attribute__((unused)) static uint32_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32);
}

/* In [0, n). */
__attribute__((unused)) static uint32_t random_below(uint32_t n)
{
    return (uint32_t)((uint64_t)random_bits() * n >> 32);
}

/* Roughly normal, deviation 1. */
__attribute__((unused)) static float random_normal(void)
{
    float sum = 0;
    for (int i = 0; i < 12; i++)
        sum += (float)random_bits() * 0x1p-32f;
    return sum - 6;
}

/* ---- guarded memory ---- */
#define MAX_BUFFERS 256
static struct {
    void  *base;
    size_t length;
} buffers[MAX_BUFFERS];
static int buffer_count;

/* `bytes` of memory aligned to `align`, with an untouchable page right behind it (up to the alignment) or right before it. */
__attribute__((unused)) static void *guarded(size_t bytes, size_t align)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (bytes + page - 1) / page * page;
    if (body == 0)
        body = page;
    uint8_t *base = mmap(NULL, body + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || buffer_count == MAX_BUFFERS) {
        printf("Bail out! no memory for a buffer of %zu bytes\n", bytes);
        exit(1);
    }
    mprotect(base, page, PROT_NONE);
    mprotect(base + page + body, page, PROT_NONE);
    buffers[buffer_count].base     = base;
    buffers[buffer_count++].length = body + 2 * page;
    memset(base + page, 0x5a, body);
    return base + page + (random_below(4) ? (body - bytes) / align * align : 0);
}

__attribute__((unused)) static void release_all(void)
{
    while (buffer_count > 0) {
        buffer_count--;
        munmap(buffers[buffer_count].base, buffers[buffer_count].length);
    }
}

/* ---- values ---- */
enum { FLAVOURS = 5 };

/* Fills with one of several kinds of numbers: normal; with outliers; sparse with zero runs; tiny (denormals among them); all of one magnitude. */
__attribute__((unused)) static void random_floats(float *x, size_t n, uint32_t flavour)
{
    for (size_t i = 0; i < n; i++) {
        float v = random_normal();
        switch (flavour % FLAVOURS) {
        case 1:
            v *= random_below(50) == 0 ? 500.0f : 1.0f;
            break;
        case 2:
            v = (i / 37) % 3 == 0 ? 0 : v;
            break;
        case 3:
            v *= ldexpf(1, -(int)random_below(140));
            break;
        case 4:
            v = v < 0 ? -1.5f : 1.5f;
            break;
        default:
            break;
        }
        x[i] = v;
    }
}

__attribute__((unused)) static uint32_t pick(const uint32_t *list, size_t count)
{
    return list[random_below((uint32_t)count)];
}
#define PICK(...) pick((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* ---- instruction sets ---- */
static const struct nj_kernels *earlier; /* the table one step down, NULL on the first */

/* Whether this table has another form of an operation than the one that was just tested. */
#define IS_NEW(k, operation) (!earlier || earlier->operation != (k)->operation)

/* `usual` rounds, at NJ_EFFORT; few for the plain forms, which are compared with themselves: only their manners are tested. */
__attribute__((unused)) static int rounds(int usual)
{
    const char *effort = getenv("NJ_EFFORT");
    int         count  = effort ? usual * atoi(effort) / 100 : usual;
    if (!earlier)
        count /= 4;
    return count > 2 ? count : 2;
}

/* Calls test(&table, name) for each step of the ladder that this processor has, plain C first. */
__attribute__((unused)) static void for_each_table(void (*test)(const struct nj_kernels *k, const char *isa))
{
    static const char *const ladder[] = {"c", "avx2", "avx512", "avx512vnni", "neon", "dotprod", "i8mm"};
    static struct nj_kernels tables[sizeof ladder / sizeof *ladder];
    uint32_t                 have = nj_cpu_detect();
#ifdef NJ_EMULATE_AVX512
    have |= NJ_CPU_AVX512 | NJ_CPU_AVX512VNNI;
#endif
    if (getenv("NJ_SEED"))
        random_state ^= strtoull(getenv("NJ_SEED"), NULL, 10) * 0x9e3779b97f4a7c15u;
    if (!nj_cpu_mask(getenv("NJ_CPU"), &have)) {
        printf("Bail out! NJ_CPU names an unknown feature\n");
        exit(1);
    }
    for (size_t i = 0; i < sizeof ladder / sizeof *ladder; i++) {
        uint32_t features = have;
        char     got[128];
        nj_cpu_mask(ladder[i], &features);
        nj_cpu_names(features, got, sizeof got);
        const char *last = strrchr(got, ',') ? strrchr(got, ',') + 1 : got;
        if (strcmp(last, ladder[i]) != 0)
            continue; /* not on this processor */
        nj_kernels_init(&tables[i], features);
        if (tables[i].differs) /* what follows would test the forms one step down */
            CHECK(0, "%s: %s fails the check at start-up", ladder[i], tables[i].differs);
        test(&tables[i], ladder[i]);
        release_all();
        earlier = &tables[i];
    }
}

#endif
