#include "kernels/patches.h"
#include "kernels/simd_neon.h"

#include "kernels/simd.h"

#define NJ_ROWS     5
#define NJ_SIXTEENS 1
#include "kernels/attention_simd.h"

nj_attention_fn nj_attention_5x16_neon;
void            nj_attention_5x16_neon(const struct nj_attention *job, uint32_t first, uint32_t rows, void *scratch)
{
    for (; rows >= NJ_ROWS; rows -= NJ_ROWS, first += NJ_ROWS)
        attend(NJ_ROWS, job, first, scratch);
    switch (rows) {
    case 1:
        attend(1, job, first, scratch);
        break;
    case 2:
        attend(2, job, first, scratch);
        break;
    case 3:
        attend(3, job, first, scratch);
        break;
    case 4:
        attend(4, job, first, scratch);
        break;
    default:
        break;
    }
}

nj_patches_open_fn nj_patches_open_neon;
void               nj_patches_open_neon(const struct nj_patches *job, uint32_t head, uint32_t first, uint32_t blocks)
{
    nj_patches_open_f32(job, head, first, blocks, nj_kv_write_neon);
}

nj_patches_attend_fn nj_patches_attend_neon;
void                 nj_patches_attend_neon(const struct nj_patches *job, uint32_t head, uint32_t first, uint32_t rows, void *scratch)
{
    nj_patches_attend_f32(job, head, first, rows, scratch, nj_attention_5x16_neon);
}
