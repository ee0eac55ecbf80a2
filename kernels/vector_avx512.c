#include "kernels/simd_avx512.h"

#include "kernels/simd.h"
#include "kernels/vector_simd.h"
