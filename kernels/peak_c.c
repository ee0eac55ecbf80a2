#include "kernels/forms.h"
#include "kernels/forms_c.h"

#define LANES 32

/* Independent sums that the compiler may keep in registers; the start values keep it from computing the answer. */
uint64_t nj_peak_int16_c(uint64_t count)
{
    uint32_t          sum[LANES];
    volatile uint32_t start = 3;
    for (uint32_t i = 0; i < LANES; i++)
        sum[i] = start + i;
    uint32_t factor = start;
    for (uint64_t n = 0; n < count; n += LANES)
        for (uint32_t i = 0; i < LANES; i++)
            sum[i] = sum[i] * factor + 1;
    for (uint32_t i = 0; i < LANES; i++)
        start += sum[i];
    return (count + LANES - 1) / LANES * LANES;
}

uint64_t nj_peak_int8_c(uint64_t count)
{
    return nj_peak_int16_c(count);
}

uint64_t nj_peak_f32_c(uint64_t count)
{
    float          sum[LANES];
    volatile float start = 0.5f;
    for (uint32_t i = 0; i < LANES; i++)
        sum[i] = start * (float)i;
    float factor = start;
    for (uint64_t n = 0; n < count; n += LANES)
        for (uint32_t i = 0; i < LANES; i++)
            sum[i] = sum[i] * factor + 1;
    for (uint32_t i = 0; i < LANES; i++)
        start += sum[i];
    return (count + LANES - 1) / LANES * LANES;
}

uint64_t nj_read_memory_c(const void *memory, size_t bytes)
{
    const uint64_t *words = memory;
    uint64_t        sum   = 0;
    for (size_t i = 0; i < bytes / 8; i++)
        sum += words[i];
    return sum;
}
