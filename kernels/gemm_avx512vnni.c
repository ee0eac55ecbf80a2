/* Integer products of 512-bit vectors with VNNI: vpdpwssd and vpdpbusd, each a product and a sum in one. */
#include "kernels/forms_avx512.h"
#include "kernels/gemm.h"
#include "kernels/simd_avx512.h"

#include "kernels/simd.h"

#define NJ_VNNI 1
#include "kernels/gemm_avx512.h"

NJ_PARTS_32x12(16) NJ_PARTS_32x12(8)

    static const struct nj_gemm_form form16 = {open16, tile16_32x12, direct16, nj_store_avx512, nj_store_gelu_up_avx512, 8};
static const struct nj_gemm_form form8      = {open8, tile8_32x12, direct8, nj_store_avx512, nj_store_gelu_up_avx512, 8};

void nj_w4a16_gemm_32x12_avx512vnni(const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out,
                                    size_t stride, void *scratch)
{
    nj_gemm_run(&form16, w, a, first, panels, out, stride, scratch);
}

void nj_w4a16_gelu_up_32x12_avx512vnni(const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a, uint32_t first,
                                       uint32_t panels, float *out, size_t stride, void *scratch)
{
    nj_gemm_run_gelu_up(&form16, gate, up, a, first, panels, out, stride, scratch);
}

void nj_w4a8_gemm_32x12_avx512vnni(const struct nj_w4 *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out,
                                   size_t stride, void *scratch)
{
    nj_gemm_run(&form8, w, a, first, panels, out, stride, scratch);
}

void nj_w4a8_gelu_up_32x12_avx512vnni(const struct nj_w4 *gate, const struct nj_w4 *up, const struct nj_act *a, uint32_t first,
                                      uint32_t panels, float *out, size_t stride, void *scratch)
{
    nj_gemm_run_gelu_up(&form8, gate, up, a, first, panels, out, stride, scratch);
}

void nj_w12a14_gemm_32x12_avx512vnni(const struct nj_plain *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out,
                                     size_t stride, void *scratch)
{
    nj_gemm_run_plain(&form16, nj_open_plain_avx2, w, a, first, panels, out, stride, scratch);
}

/* vpdpbusd takes 1..127 as it takes 0..15. */
void nj_w7a8_gemm_32x12_avx512vnni(const struct nj_plain *w, const struct nj_act *a, uint32_t first, uint32_t panels, float *out,
                                   size_t stride, void *scratch)
{
    nj_gemm_run_plain(&form8, nj_open_plain_bytes_avx2, w, a, first, panels, out, stride, scratch);
}
