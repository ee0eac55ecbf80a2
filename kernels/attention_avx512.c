#include "kernels/simd_avx512.h"

#include "kernels/simd.h"

#define NJ_ROWS     12
#define NJ_SIXTEENS 2
#include "kernels/attention_simd.h"

nj_attention_fn nj_attention_12x32_avx512;
void            nj_attention_12x32_avx512(const struct nj_attention *job, uint32_t first, uint32_t rows, void *scratch)
{
    for (; rows >= 12; rows -= 12, first += 12)
        attend(12, job, first, scratch);
    for (; rows >= 4; rows -= 4, first += 4)
        attend(4, job, first, scratch);
    if (rows == 3)
        attend(3, job, first, scratch);
    else if (rows == 2)
        attend(2, job, first, scratch);
    else if (rows == 1)
        attend(1, job, first, scratch);
}
