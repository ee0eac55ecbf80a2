#include "kernels/simd_avx2.h"

#include "kernels/simd.h"
#include "kernels/vector_simd.h"
