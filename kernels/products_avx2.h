/* products_avx2.h: inside kernels/ only: products of int16 pairs and their sums, in orders of instructions that compilers do not find. */
#ifndef NJ_KERNELS_PRODUCTS_AVX2_H
#define NJ_KERNELS_PRODUCTS_AVX2_H

/* Both products, then both sums: in this order two multiplies and two additions go out each cycle; compilers choose others that lose a fifth. */
#define PRODUCTS(sum0, sum1, w0, w1, act)                                                                                                  \
    do {                                                                                                                                   \
        __m256i product_;                                                                                                                  \
        __asm__("vpmaddwd %[a], %[v0], %[t]\n\tvpmaddwd %[a], %[v1], %[a]\n\tvpaddd %[t], %[s0], %[s0]\n\tvpaddd %[a], %[s1], %[s1]"       \
                : [s0] "+x"(sum0), [s1] "+x"(sum1), [a] "+x"(act), [t] "=&x"(product_)                                                     \
                : [v0] "x"(w0), [v1] "x"(w1));                                                                                             \
    } while (0)

/* One pair against four vectors (32 rows of weights, or keys, or dimensions), three of them straight from memory: a load that rides on a multiply costs no slot of its own, and slots
 * are what a core that is shared with another thread lacks. */
#define PRODUCTS_OF_FOUR(sums, w0, w1, w2, w3, act)                                                                                        \
    do {                                                                                                                                   \
        __m256i product_, other_;                                                                                                          \
        __asm__("vpmaddwd %[a], %[v0], %[t]\n\tvpmaddwd %[v1], %[a], %[u]\n\tvpaddd %[t], %[s0], %[s0]\n\tvpaddd %[u], %[s1], %[s1]\n\t"   \
                "vpmaddwd %[v2], %[a], %[t]\n\tvpmaddwd %[v3], %[a], %[a]\n\tvpaddd %[t], %[s2], %[s2]\n\tvpaddd %[a], %[s3], %[s3]"       \
                : [s0] "+x"((sums)[0]), [s1] "+x"((sums)[1]), [s2] "+x"((sums)[2]), [s3] "+x"((sums)[3]), [a] "+x"(act),                   \
                  [t] "=&x"(product_), [u] "=&x"(other_)                                                                                   \
                : [v0] "x"(w0), [v1] "m"(w1), [v2] "m"(w2), [v3] "m"(w3));                                                                 \
    } while (0)

#endif
