/* int4 weights, and plain ones opened to 12 bits, x 16-bit activations in 512-bit vectors without VNNI: vpmaddwd and vpaddd. */
#include "kernels/forms_avx512.h"
#include "kernels/gemm.h"
#include "kernels/simd_avx512.h"

#include "kernels/simd.h"

#define NJ_VNNI 0
#include "kernels/gemm_avx512.h"

NJ_PARTS_32x12(16)

    void nj_store_avx512(const float *sums, uint32_t rows, float *out)
{
    _mm512_mask_storeu_ps(out, nj_v_first(rows), _mm512_loadu_ps(sums));
}

void nj_store_gelu_up_avx512(const float *gate, const float *up, uint32_t rows, float *out)
{
    _mm512_mask_storeu_ps(out, nj_v_first(rows), _mm512_mul_ps(nj_v_gelu(_mm512_loadu_ps(gate)), _mm512_loadu_ps(up)));
}

static const struct nj_gemm_form form16 = {open16, tile16_32x12, direct16, nj_store_avx512, nj_store_gelu_up_avx512, 8};

void nj_w4a16_gemm_32x12_avx512(const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out, size_t stride,
                                void *scratch)
{
    nj_gemm_run(&form16, w, a, first, panels, out, stride, scratch);
}

void nj_w4a16_gelu_up_32x12_avx512(const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a, uint32_t first,
                                   uint32_t panels, float *out, size_t stride, void *scratch)
{
    nj_gemm_run_gelu_up(&form16, gate, up, a, first, panels, out, stride, scratch);
}

void nj_w12a14_gemm_32x12_avx512(const struct nj_plain *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out,
                                 size_t stride, void *scratch)
{
    nj_gemm_run_plain(&form16, nj_open_plain_avx2, w, a, first, panels, out, stride, scratch);
}
