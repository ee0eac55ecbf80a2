/* direct_avx2.h: inside kernels/ only: how few tokens go through a job of streams (gemm.h), the same for 16-bit and 8-bit activations. */
#ifndef NJ_KERNELS_DIRECT_AVX2_H
#define NJ_KERNELS_DIRECT_AVX2_H

#include "kernels/forms_avx2.h"
#include "kernels/gemm.h"
#include "kernels/simd_avx2.h"

#include "kernels/simd.h"

/* One token against n streams from `first` on, in turns; n tokens from `from` on of a tile of `all` against one stream. */
typedef void nj_direct_streams_fn(const int n, const struct nj_direct *job, uint32_t first, uint32_t g);
typedef void nj_direct_tokens_fn(const int n, const int all, const int from, const struct nj_direct *job, uint32_t stream, uint32_t g,
                                 const float *scales);

NJ_INLINE void nj_direct_one(const struct nj_direct *job, nj_direct_streams_fn *streams)
{
    for (uint32_t g = 0; g < job->act->padded / job->act->group; g++) {
        uint32_t s = 0;
        for (; s + 4 <= job->streams; s += 4)
            streams(4, job, s, g);
        for (; s + 2 <= job->streams; s += 2)
            streams(2, job, s, g);
        if (s < job->streams)
            streams(1, job, s, g);
    }
}

/* More than four tokens go in two halves: opening a group again, now from the first-level cache, costs less than a load of each activation for every
 * eight rows. */
NJ_INLINE void nj_direct_of(const int first, const int second, const struct nj_direct *job, nj_direct_tokens_fn *tokens)
{
    for (uint32_t g = 0; g < job->act->padded / job->act->group; g++)
        for (uint32_t s = 0; s < job->streams; s++) {
            float scales[16];
            nj_direct_scales_avx2(job, s, g, scales);
            tokens(first, first + second, 0, job, s, g, scales);
            if (second)
                tokens(second, first + second, first, job, s, g, scales);
        }
}

/* One to eight tokens. Both functions are inlined, each time for its own constants. */
NJ_INLINE void nj_direct_8(const struct nj_direct *job, nj_direct_streams_fn *streams, nj_direct_tokens_fn *tokens)
{
    switch (job->act->tokens) {
    case 1:
        nj_direct_one(job, streams);
        break;
    case 2:
        nj_direct_of(2, 0, job, tokens);
        break;
    case 3:
        nj_direct_of(3, 0, job, tokens);
        break;
    case 4:
        nj_direct_of(4, 0, job, tokens);
        break;
    case 5:
        nj_direct_of(3, 2, job, tokens);
        break;
    case 6:
        nj_direct_of(3, 3, job, tokens);
        break;
    case 7:
        nj_direct_of(4, 3, job, tokens);
        break;
    default:
        nj_direct_of(4, 4, job, tokens);
    }
}

#endif
