#include "kernels/simd_neon.h"

#include "kernels/simd.h"
#include "kernels/vector_simd.h"
