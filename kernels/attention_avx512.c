#include "kernels/patches.h"
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

nj_patches_open_fn nj_patches_open_avx512;
void               nj_patches_open_avx512(const struct nj_patches *job, uint32_t head, uint32_t first, uint32_t blocks)
{
    nj_patches_open_f32(job, head, first, blocks, nj_kv_write_avx512);
}

nj_patches_attend_fn nj_patches_attend_avx512;
void                 nj_patches_attend_avx512(const struct nj_patches *job, uint32_t head, uint32_t first, uint32_t rows, void *scratch)
{
    nj_patches_attend_f32(job, head, first, rows, scratch, nj_attention_12x32_avx512);
}
